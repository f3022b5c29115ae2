#include "engine/saga/undo_order.h"

#include <algorithm>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/string_view.h"

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

// True when the entry (or one in it) runs, waits for its retry or is parked.
bool HasBegun(const Entry& entry) {
  if (IsGroup(entry)) return std::any_of(entry.children.begin(), entry.children.end(), HasBegun);
  return IsOpen(entry) && entry.phase != Phase::kDue;
}

void Collect(const std::vector<Entry>& entries, UndoOrder order,
             std::vector<const Entry*>& startable);

void CollectEntry(const Entry& entry, std::vector<const Entry*>& startable) {
  if (IsGroup(entry)) {
    Collect(entry.children, entry.child_order, startable);
  } else if (entry.phase == Phase::kDue) {
    startable.push_back(&entry);
  }
}

void Collect(const std::vector<Entry>& entries, UndoOrder order,
             std::vector<const Entry*>& startable) {
  std::vector<const Entry*> open;
  for (const Entry& entry : entries) {
    if (IsOpen(entry)) open.push_back(&entry);
  }
  // One that has begun is finished first, also when a later outcome came meanwhile.
  std::sort(open.begin(), open.end(), [](const Entry* a, const Entry* b) {
    if (HasBegun(*a) != HasBegun(*b)) return HasBegun(*a);
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

// The paths of all undos that have begun.
void CollectBegun(const std::vector<Entry>& entries,
                  absl::flat_hash_set<absl::string_view>& paths) {
  for (const Entry& entry : entries) {
    if (!IsGroup(entry) && HasBegun(entry)) paths.insert(entry.path);
    CollectBegun(entry.children, paths);
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
  std::vector<const Entry*> due;
  Collect(scope.entries, scope.order, due);
  if (due.empty()) return {};
  // Undos of one task that ran more than once go after each other, also in parallel: the place in
  // the definition is part of their calls' keys, and its run tells them apart.
  absl::flat_hash_set<absl::string_view> taken;
  CollectBegun(scope.entries, taken);
  std::vector<uint32_t> startable;
  for (const Entry* entry : due) {
    if (taken.insert(entry->path).second) startable.push_back(entry->seq);
  }
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
