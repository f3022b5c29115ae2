// What happens when time passes.

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/saga/execution.h"
#include "engine/saga/problem.h"

namespace skald::saga {

absl::Status Execution::Handle(const FireTimer& request) {
  if (!state_.exists() || state_.is_ended() || state_.suspended) return absl::OkStatus();
  if (request.kind == FireTimer::Kind::kContinue) return absl::OkStatus();  // Run goes on by itself
  const Timer timer{.due = request.due, .frame = request.frame, .kind = request.kind};
  if (timer.due <= context_.now && IsPending(timer)) Fire(timer.kind, timer.frame);
  return absl::OkStatus();
}

bool Execution::IsPending(const Timer& timer) const {
  const std::vector<Timer> pending = PendingTimers(state_);
  return std::find(pending.begin(), pending.end(), timer) != pending.end();
}

void Execution::Fire(FireTimer::Kind kind, FrameId id) {
  switch (kind) {
    case FireTimer::Kind::kDue:
      return FireDue(id);
    case FireTimer::Kind::kDeadline:
      return FireDeadline(id);
    case FireTimer::Kind::kUndoDeadline:
      return FireUndoDeadline(id);
    case FireTimer::Kind::kAttemptDeadline:
      return FireAttemptDeadline(id);
    case FireTimer::Kind::kContinue:
      return;
  }
}

void Execution::FireDue(FrameId id) {
  if (frame(id).kind == FrameKind::kWait) {
    FinishTask(id, {.source = log::v1::OUTPUT_SOURCE_INPUT});
  } else {
    Retry(id);
  }
}

void Execution::FireDeadline(FrameId id) {
  const Frame& at = frame(id);
  Json error = MakeProblem(
      Problem::kTimeout, id == kRootFrame ? "Workflow timed out" : "Task timed out",
      absl::StrCat("It took longer than its timeout allows, since it started at ",
                   absl::FormatTime(absl::RFC3339_sec, absl::FromUnixMicros(at.started.value()),
                                    absl::UTCTimeZone())),
      id == kRootFrame ? "/do" : at.task);
  if (at.kind == FrameKind::kWorker || at.kind == FrameKind::kWait) {
    FailTaskFrame(id, {.error = std::move(error),
                       .awaiting_answer =
                           at.kind == FrameKind::kWorker && at.phase == Frame::Phase::kRunning});
    return;
  }
  if (at.kind != FrameKind::kUndo && ParkInsteadOfTimeout(id, FireTimer::Kind::kDeadline, error))
    return;
  RaiseAt(id, error, log::v1::COMPENSATION_CAUSE_TIMEOUT, true);
}

void Execution::FireAttemptDeadline(FrameId id) {
  const Json error = MakeProblem(Problem::kTimeout, "Attempt timed out",
                                 "An attempt took longer than its limit", frame(id).task);
  Json planned = error;
  if (PlanFor(id, planned, false) == log::v1::FAULT_PLAN_PROPAGATE &&
      ParkInsteadOfTimeout(id, FireTimer::Kind::kAttemptDeadline, error))
    return;
  RaiseAt(id, error, log::v1::COMPENSATION_CAUSE_FAULT, false);
}

void Execution::WaiveTimeout(FrameId id, FireTimer::Kind kind) {
  log::v1::Event event;
  log::v1::TimeoutWaived& waived = *event.mutable_timeout_waived();
  waived.set_frame(id.value());
  waived.set_task(frame(id).task);
  waived.set_undo(kind == FireTimer::Kind::kUndoDeadline);
  waived.set_attempt(kind == FireTimer::Kind::kAttemptDeadline);
  Emit(std::move(event));
}

bool Execution::ParkInsteadOfTimeout(FrameId id, FireTimer::Kind kind, const Json& error) {
  FrameId sealed = id;
  const bool own_pivot = frame(id).scope && frame(id).scope->sealed;
  if (!own_pivot && !StaysInside(id, error, &sealed)) return false;
  WaiveTimeout(id, kind);
  std::vector<FrameId> running;
  for (const Frame& at : state_.frames) {
    const bool leaf = at.kind == FrameKind::kWorker || at.kind == FrameKind::kWait;
    if (!leaf || at.phase == Frame::Phase::kParked || InsideUndo(at.id)) continue;
    for (FrameId up = at.id; up != kRootFrame;) {
      up = frame(up).parent;
      if (up != id) continue;
      running.push_back(at.id);
      break;
    }
  }
  for (FrameId leaf : running) Park(leaf, {.error = error});
  return true;
}

void Execution::FireUndoDeadline(FrameId id) {
  WaiveTimeout(id, FireTimer::Kind::kUndoDeadline);
  std::vector<FrameId> running;
  for (const Frame& at : state_.frames) {
    if (at.kind == FrameKind::kUndo && at.undo_scope == id) running.push_back(at.id);
  }
  for (FrameId undo : running) {
    CancelChildren(undo, log::v1::COMPENSATION_CAUSE_TIMEOUT);
    ExhaustStep(undo, MakeProblem(Problem::kTimeout, "Compensation timed out",
                                  "The scope's compensation took longer than its timeout",
                                  frame(undo).task));
  }
}

}  // namespace skald::saga
