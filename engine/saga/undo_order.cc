#include "engine/saga/undo_order.h"

#include <algorithm>

namespace skald::saga {
namespace {

using Phase = Entry::Phase;

bool IsGroup(const Entry& entry) { return entry.handler.empty(); }

// True while the entry (or one in it) is owed in the undo that runs.
bool IsOpen(const Entry& entry) {
  if (IsGroup(entry)) return std::any_of(entry.children.begin(), entry.children.end(), IsOpen);
  return entry.phase == Phase::kDue || entry.phase == Phase::kRunning ||
         entry.phase == Phase::kRetrying || entry.phase == Phase::kParked;
}

void Collect(const std::vector<Entry>& entries, UndoOrder order, std::vector<uint32_t>& startable);

void CollectEntry(const Entry& entry, std::vector<uint32_t>& startable) {
  if (IsGroup(entry)) {
    Collect(entry.children, entry.child_order, startable);
  } else if (entry.phase == Phase::kDue) {
    startable.push_back(entry.seq);
  }
}

void Collect(const std::vector<Entry>& entries, UndoOrder order, std::vector<uint32_t>& startable) {
  std::vector<const Entry*> open;
  for (const Entry& entry : entries) {
    if (IsOpen(entry)) open.push_back(&entry);
  }
  std::sort(open.begin(), open.end(), [](const Entry* a, const Entry* b) {
    if (a->outcome_revision != b->outcome_revision)
      return a->outcome_revision > b->outcome_revision;
    return a->seq > b->seq;
  });
  if (order == UndoOrder::kParallel) {
    for (const Entry* entry : open) CollectEntry(*entry, startable);
  } else if (!open.empty()) {
    CollectEntry(*open.front(), startable);
  }
}

bool AnyRunning(const std::vector<Entry>& entries) {
  return std::any_of(entries.begin(), entries.end(), [](const Entry& entry) {
    return entry.phase == Phase::kRunning || entry.phase == Phase::kRetrying ||
           AnyRunning(entry.children);
  });
}

}  // namespace

std::vector<uint32_t> StartableUndos(const Scope& scope) {
  std::vector<uint32_t> startable;
  Collect(scope.entries, scope.order, startable);
  return startable;
}

bool IsUndoFinished(const Scope& scope) {
  return std::none_of(scope.entries.begin(), scope.entries.end(), IsOpen);
}

bool IsUndoRunning(const Scope& scope) { return AnyRunning(scope.entries); }

std::vector<uint32_t> ArmedSeqs(const std::vector<Entry>& entries) {
  std::vector<uint32_t> seqs;
  for (const Entry& entry : entries) {
    if (IsGroup(entry)) {
      std::vector<uint32_t> inner = ArmedSeqs(entry.children);
      seqs.insert(seqs.end(), inner.begin(), inner.end());
    } else {
      seqs.push_back(entry.seq);
    }
  }
  return seqs;
}

}  // namespace skald::saga
