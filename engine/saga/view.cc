#include "engine/saga/view.h"

#include <algorithm>

#include "engine/saga/state.h"

namespace skald::saga {
namespace {

constexpr absl::string_view kUndoVerbs = "RetryCompensation, SkipCompensation, ResolveCompensation";
constexpr absl::string_view kTaskVerbs = "RetryTask, CompleteTask, FailTask";

absl::string_view PhaseName(Entry::Phase phase) {
  switch (phase) {
    case Entry::Phase::kArmed:
    case Entry::Phase::kDue:
      return "armed";
    case Entry::Phase::kRunning:
      return "running";
    case Entry::Phase::kRetrying:
      return "retrying";
    case Entry::Phase::kParked:
      return "parked";
    case Entry::Phase::kCompleted:
      return "completed";
    case Entry::Phase::kSkipped:
      return "skipped";
    case Entry::Phase::kResolved:
      return "resolved";
    case Entry::Phase::kFailed:
      return "failed";
    case Entry::Phase::kDisarmed:
      return "disarmed";
  }
  return "armed";
}

void AddStep(const Entry& entry, absl::string_view state, std::vector<CompensationStep>& steps) {
  steps.push_back(
      {entry.task, std::string(TaskName(entry.task)), std::string(state), entry.attempts});
}

void AddSteps(const std::vector<Entry>& entries, std::vector<CompensationStep>& steps) {
  for (auto entry = entries.rbegin(); entry != entries.rend(); ++entry) {
    if (entry->handler.empty()) {
      AddSteps(entry->children, steps);
    } else {
      AddStep(*entry, PhaseName(entry->phase), steps);
    }
  }
}

// What an ended saga left undone, whatever its undo was doing when the saga ended.
void AddKept(const std::vector<Entry>& entries, std::vector<CompensationStep>& steps) {
  for (auto entry = entries.rbegin(); entry != entries.rend(); ++entry) {
    if (entry->handler.empty()) {
      AddKept(entry->children, steps);
    } else {
      AddStep(*entry, "kept", steps);
    }
  }
}

void AddParked(const std::vector<Entry>& entries, std::vector<Incident>& incidents) {
  for (const Entry& entry : entries) {
    if (entry.phase == Entry::Phase::kParked) {
      incidents.push_back({.kind = Incident::Kind::kParkedCompensation,
                           .task = entry.task,
                           .name = std::string(TaskName(entry.task)),
                           .error = entry.error,
                           .since = entry.since,
                           .verbs = std::string(kUndoVerbs)});
    }
    AddParked(entry.children, incidents);
  }
}

bool InsideUndo(const SagaState& state, const Frame& frame) {
  const Frame* at = &frame;
  while (at->id != kRootFrame) {
    if (at->kind == FrameKind::kUndo) return true;
    at = state.Find(at->parent);
  }
  return false;
}

bool HasParkedEntry(const std::vector<Entry>& entries) {
  return std::any_of(entries.begin(), entries.end(), [](const Entry& entry) {
    return entry.phase == Entry::Phase::kParked || HasParkedEntry(entry.children);
  });
}

bool HasParked(const SagaState& state) {
  return std::any_of(state.frames.begin(), state.frames.end(), [](const Frame& frame) {
    return frame.phase == Frame::Phase::kParked ||
           (frame.scope && HasParkedEntry(frame.scope->entries));
  });
}

}  // namespace

std::vector<ActiveTask> ActiveTasksOf(const SagaState& state) {
  std::vector<ActiveTask> active;
  for (const Frame& frame : state.frames) {
    if (frame.id == kRootFrame || state.HasChildren(frame.id)) continue;
    ActiveTask task{.task = frame.task,
                    .name = std::string(TaskName(frame.task)),
                    .compensation = InsideUndo(state, frame)};
    if (frame.phase == Frame::Phase::kParked) {
      task.state = "parked";
    } else if (frame.phase == Frame::Phase::kBackoff) {
      task.state = "retrying";
      task.due = frame.due;
    } else if (frame.kind == FrameKind::kWait) {
      task.state = "waiting";
      task.due = frame.due;
    } else {
      task.state = "running";
    }
    if (frame.call) {
      task.attempt = frame.call->attempt;
      task.function = frame.call->function;
    }
    active.push_back(std::move(task));
  }
  for (const Lingering& call : state.lingering) {
    if (call.quiet) continue;
    active.push_back({.task = call.task,
                      .name = std::string(TaskName(call.task)),
                      .state = "cancelling",
                      .compensation = call.call.compensation,
                      .attempt = call.call.attempt,
                      .function = call.call.function});
  }
  return active;
}

std::optional<CompensationView> CompensationOf(const SagaState& state) {
  const bool ended_badly =
      state.end == Status::kFaulted || (state.end == Status::kCancelled && !state.abandoned);
  if (!state.undo_ran && !(ended_badly && !state.terminated)) return std::nullopt;
  CompensationView view;
  view.failed = state.undo_failed;
  for (const StepRecord& step : state.steps) {
    view.steps.push_back({step.task, std::string(TaskName(step.task)),
                          std::string(PhaseName(step.phase)), step.attempts});
  }
  bool undoing = false;
  for (const Frame& frame : state.frames) {
    if (!frame.scope || !frame.scope->undoing) continue;
    undoing = true;
    AddSteps(frame.scope->entries, view.steps);
  }
  if (state.is_ended()) AddKept(state.kept, view.steps);
  if (!state.is_ended() && HasParked(state)) {
    view.outcome = "parked";
  } else if (undoing) {
    view.outcome = "running";
  } else if (state.undo_stopped) {
    view.outcome = "failed";
  } else if (state.undo_failed > 0 || state.undo_skipped > 0) {
    view.outcome = "partial";
  } else {
    view.outcome = state.undo_ran ? "compensated" : "none";
  }
  return view;
}

absl::string_view StatusName(Status status) {
  switch (status) {
    case Status::kPending:
      return "pending";
    case Status::kRunning:
      return "running";
    case Status::kWaiting:
      return "waiting";
    case Status::kSuspended:
      return "suspended";
    case Status::kCancelled:
      return "cancelled";
    case Status::kFaulted:
      return "faulted";
    case Status::kCompleted:
      return "completed";
  }
  return "pending";
}

absl::string_view TaskName(absl::string_view reference) {
  constexpr absl::string_view kHandler = "/metadata/saga/compensate";
  if (size_t at = reference.rfind(kHandler);
      at != absl::string_view::npos && at + kHandler.size() == reference.size()) {
    reference = reference.substr(0, at);
  }
  const size_t slash = reference.rfind('/');
  return slash == absl::string_view::npos ? reference : reference.substr(slash + 1);
}

std::vector<Incident> IncidentsOf(const SagaState& state) {
  std::vector<Incident> incidents;
  for (const Frame& frame : state.frames) {
    if (frame.phase == Frame::Phase::kParked) {
      incidents.push_back({.kind = Incident::Kind::kParkedTask,
                           .task = frame.task,
                           .name = std::string(TaskName(frame.task)),
                           .error = frame.error,
                           .since = frame.since,
                           .verbs = std::string(kTaskVerbs)});
    }
    if (frame.scope) AddParked(frame.scope->entries, incidents);
  }
  for (const LateEffect& late : state.late_effects) {
    incidents.push_back({.kind = Incident::Kind::kLateEffect,
                         .task = late.task,
                         .name = std::string(TaskName(late.task)),
                         .since = late.at,
                         .verbs = "ResolveCompensation"});
  }
  return incidents;
}

Status StatusOf(const SagaState& state) {
  if (!state.exists()) return Status::kPending;
  if (state.is_ended()) return state.end;
  if (state.suspended || HasParked(state)) return Status::kSuspended;
  bool waiting = false;
  for (const Frame& frame : state.frames) {
    if (state.HasChildren(frame.id)) continue;
    if (frame.kind == FrameKind::kWait || frame.phase == Frame::Phase::kBackoff) {
      waiting = true;
    } else if (frame.id != kRootFrame) {
      return Status::kRunning;
    }
  }
  return waiting ? Status::kWaiting : Status::kRunning;
}

SuspendReason SuspendReasonOf(const SagaState& state) {
  if (StatusOf(state) != Status::kSuspended) return SuspendReason::kNone;
  return state.suspended ? SuspendReason::kOperator : SuspendReason::kParked;
}

const Json& ErrorOf(const SagaState& state) {
  const Frame* const root = state.Find(kRootFrame);
  return root != nullptr && root->fault ? root->fault->error : state.error;
}

SagaView ViewOf(const SagaState& state) {
  SagaView view;
  view.key = state.key;
  view.definition_name = state.definition_name;
  view.definition_version = state.definition_version;
  view.definition_hash = state.definition_hash;
  view.status = StatusOf(state);
  view.suspend_reason = SuspendReasonOf(state);
  view.input = state.input;
  view.output = state.output;
  view.error = ErrorOf(state);
  view.compensation = CompensationOf(state);
  view.active = ActiveTasksOf(state);
  view.incidents = IncidentsOf(state);
  view.started = state.started;
  view.updated = state.updated;
  if (state.is_ended()) view.ended = state.ended;
  view.revision = Revision(state.events == 0 ? 0 : state.events - 1);
  return view;
}

}  // namespace skald::saga
