// Folding what compensation does.

#include <algorithm>
#include <utility>

#include "engine/saga/folder.h"

namespace skald::saga {
namespace {

void Unmark(std::vector<Entry>& entries) {
  for (Entry& entry : entries) {
    if (!entry.is_final()) entry.phase = Entry::Phase::kArmed;
    Unmark(entry.children);
  }
}

// Drops what is only armed. The undo of a late success that is under way goes on.
void Seal(std::vector<Entry>& entries) {
  std::erase_if(entries, [](Entry& entry) {
    if (!entry.handler.empty()) return entry.phase == Entry::Phase::kArmed;
    Seal(entry.children);
    return entry.children.empty();
  });
}

}  // namespace

void Folder::On(const log::v1::CompensationArmed& e) {
  Scope& scope = ScopeOf(e.scope());
  Entry* entry = FindEntry(scope.entries, e.seq());
  if (entry == nullptr) {
    scope.entries.emplace_back();
    entry = &scope.entries.back();
    entry->seq = e.seq();
    entry->frame = FrameId(e.frame());
    entry->task = e.task();
    entry->handler = e.handler();
    entry->path = e.path();
    entry->since = now_;
    if (Frame* frame = state_.Find(entry->frame)) {
      entry->input = frame->input;
      entry->started = frame->started;
      entry->raw_output = frame->data;
      if (e.has_child_scope()) {
        entry->child_order = static_cast<UndoOrder>(e.child_scope().order());
        if (entry->handler.empty()) entry->children = std::move(frame->scope->entries);
        frame->scope->entries.clear();
      }
    }
  }
  auto late = std::find_if(state_.lingering.begin(), state_.lingering.end(),
                           [&](const Lingering& call) { return call.frame == entry->frame; });
  if (late != state_.lingering.end()) {
    entry->input = late->input;
    entry->started = late->started;
    state_.runs[late->call.path].grows = true;
    state_.lingering.erase(late);
  }
  entry->context = state_.context;
  if (!e.open()) {
    entry->outcome = Entry::Outcome::kCompleted;
    entry->outcome_revision = context_.revision.value();
    entry->completed = now_;
    if (e.output_slot() || e.output_lost()) entry->raw_output = Slot(e.output_slot());
    entry->output = entry->raw_output;
    entry->has_output = true;
  }
  state_.next_seq = std::max(state_.next_seq, e.seq() + 1);
}

bool Folder::Prune(std::vector<Entry>& entries, uint32_t seq) {
  for (auto it = entries.begin(); it != entries.end(); ++it) {
    if (it->seq == seq) {
      entries.erase(it);
      return true;
    }
    if (Prune(it->children, seq)) {
      if (it->children.empty() && it->handler.empty()) entries.erase(it);
      return true;
    }
  }
  return false;
}

void Folder::On(const log::v1::CompensationDisarmed& e) {
  SKALD_CHECK(Prune(ScopeOf(e.scope()).entries, e.seq()));
}

void Folder::On(const log::v1::CompensationOutcomeUnknown& e) {
  Entry& entry = EntryOf(e.scope(), e.seq());
  entry.outcome = Entry::Outcome::kUnknown;
  entry.outcome_revision = context_.revision.value();
}

void Folder::On(const log::v1::PivotPassed& e) {
  Scope& scope = ScopeOf(e.scope());
  scope.sealed = true;
  Seal(scope.entries);
}

void Folder::On(const log::v1::CompensationStarted& e) {
  Scope& scope = ScopeOf(e.scope());
  scope.undoing = true;
  scope.stopped = false;
  scope.cause = e.cause();
  scope.explicit_frame = FrameId(e.explicit_frame());
  scope.undo_deadline = TimeOrNever(e.deadline_us());
  scope.undo_time_up = false;
  state_.undo_ran = true;
  for (uint32_t seq : e.seqs()) EntryOf(e.scope(), seq).phase = Entry::Phase::kDue;
}

void Folder::On(const log::v1::CompensationStepStarted& e) {
  Scope& scope = ScopeOf(e.scope());
  Entry& entry = EntryOf(e.scope(), e.seq());
  entry.phase = Entry::Phase::kRunning;
  entry.attempts = e.attempt();
  entry.since = now_;
  Frame frame;
  frame.id = FrameId(e.frame());
  frame.parent = scope.explicit_frame != kRootFrame ? scope.explicit_frame : FrameId(e.scope());
  frame.kind = FrameKind::kUndo;
  frame.task = entry.handler;
  frame.path = e.path();
  frame.raw_input = entry.has_output ? entry.output : Json();
  frame.input = e.input_slot() ? Slot(e.input_slot()) : frame.raw_input;
  frame.data = frame.input;
  frame.started = now_;
  frame.since = now_;
  frame.deadline = TimeOrNever(e.deadline_us());
  frame.undo_scope = FrameId(e.scope());
  frame.undo_seq = e.seq();
  state_.next_frame = std::max(state_.next_frame, e.frame() + 1);
  state_.frames.push_back(std::move(frame));
}

void Folder::RemoveUndoFrame(uint32_t scope, uint32_t seq) {
  for (const Frame& frame : state_.frames) {
    if (frame.kind == FrameKind::kUndo && frame.undo_scope == FrameId(scope) &&
        frame.undo_seq == seq) {
      RemoveFrame(frame.id);
      return;
    }
  }
}

void Folder::FinishStep(uint32_t scope, uint32_t seq, Entry::Phase phase) {
  RemoveUndoFrame(scope, seq);
  Entry& entry = EntryOf(scope, seq);
  if (auto run = state_.runs.find(entry.path); run != state_.runs.end()) run->second.grows = true;
  if (state_.steps.size() < kStepsKept) state_.steps.push_back({entry.task, phase, entry.attempts});
  if (phase == Entry::Phase::kCompleted || phase == Entry::Phase::kResolved)
    ++state_.undo_completed;
  if (phase == Entry::Phase::kFailed) ++state_.undo_failed;
  Prune(ScopeOf(scope).entries, seq);
}

void Folder::On(const log::v1::CompensationStepSkipped& e) {
  if (e.by_operator()) ++state_.undo_skipped;
  FinishStep(e.scope(), e.seq(), Entry::Phase::kSkipped);
}

void Folder::On(const log::v1::CompensationStepFailed& e) {
  FinishStep(e.scope(), e.seq(), Entry::Phase::kFailed);
  if (e.stop()) ScopeOf(e.scope()).stopped = true;
}

void Folder::On(const log::v1::CompensationStepParked& e) {
  RemoveUndoFrame(e.scope(), e.seq());
  Entry& entry = EntryOf(e.scope(), e.seq());
  entry.phase = Entry::Phase::kParked;
  entry.error = Slot(e.error_slot());
  entry.since = now_;
}

void Folder::On(const log::v1::CompensationCompleted& e) {
  Scope& scope = ScopeOf(e.scope());
  scope.undoing = false;
  scope.undone = true;
  scope.explicit_frame = kRootFrame;
  scope.undo_deadline = kNever;
  Unmark(scope.entries);
  if (e.stopped()) state_.undo_stopped = true;
}

}  // namespace skald::saga
