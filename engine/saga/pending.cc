#include "engine/saga/pending.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "engine/saga/undo_order.h"

namespace skald::saga {
namespace {

constexpr Micros kSoon = kMinute;

bool IsDoomed(const SagaState& state, const Frame& frame) {
  const Frame* at = &frame;
  while (at->id != kRootFrame && at->kind != FrameKind::kUndo) {
    at = state.Find(at->parent);
    if (at->fault) return true;
  }
  return false;
}

bool AwaitsAnswers(const SagaState& state, FrameId scope) {
  return std::any_of(state.lingering.begin(), state.lingering.end(), [&](const Lingering& call) {
    return !call.quiet &&
           std::find(call.scopes.begin(), call.scopes.end(), scope) != call.scopes.end();
  });
}

// Whether a frame can move without waiting. Says yes too often rather than too rarely: a step that
// finds nothing to do is a no-op.
bool CanMove(const SagaState& state, const Frame& frame) {
  if (frame.scope && frame.scope->undoing) {
    const Scope& scope = *frame.scope;
    if (scope.stopped) return !IsUndoRunning(scope);
    return !StartableUndos(scope).empty() || IsUndoFinished(scope);
  }
  if (state.HasChildren(frame.id) || state.HasExplicitUndo(frame.id)) return false;
  if (frame.fault) return !AwaitsAnswers(state, frame.id);
  if (IsDoomed(state, frame)) return true;
  if (frame.phase != Frame::Phase::kRunning) return false;
  switch (frame.kind) {
    case FrameKind::kSequence:
    case FrameKind::kTry:
    case FrameKind::kCallFunction:
    case FrameKind::kUndo:
      return true;
    case FrameKind::kCompensate:
      return !IsUnderWay(state);
    case FrameKind::kWorker:
    case FrameKind::kWait:
    case FrameKind::kSimple:
      return false;
  }
  return false;
}

}  // namespace

bool IsUnderWay(const SagaState& state) {
  return AwaitsAnswers(state, kRootFrame) ||
         std::any_of(state.frames.begin(), state.frames.end(),
                     [](const Frame& frame) { return frame.scope && frame.scope->undoing; });
}

bool HasWorkAtOnce(const SagaState& state) {
  if (!state.exists() || state.is_ended() || state.suspended) return false;
  return std::any_of(state.frames.begin(), state.frames.end(),
                     [&](const Frame& frame) { return CanMove(state, frame); });
}

std::vector<Timer> PendingTimers(const SagaState& state) {
  std::vector<Timer> timers;
  if (!state.exists() || state.is_ended()) return timers;
  const auto add = [&](Timestamp due, FrameId frame, FireTimer::Kind kind) {
    if (due != kNever) timers.push_back({due, frame, kind});
  };
  for (const Frame& frame : state.frames) {
    const bool clock_runs = frame.phase != Frame::Phase::kParked && !frame.fault;
    if (clock_runs && (frame.phase == Frame::Phase::kBackoff || frame.kind == FrameKind::kWait)) {
      add(frame.due, frame.id, FireTimer::Kind::kDue);
    }
    if (clock_runs) {
      add(frame.deadline, frame.id, FireTimer::Kind::kDeadline);
      add(frame.attempt_deadline, frame.id, FireTimer::Kind::kAttemptDeadline);
    }
    if (frame.scope && frame.scope->undoing) {
      add(frame.scope->undo_deadline, frame.id, FireTimer::Kind::kUndoDeadline);
    }
  }
  if (HasWorkAtOnce(state)) add(state.updated, kRootFrame, FireTimer::Kind::kContinue);
  std::sort(timers.begin(), timers.end());
  return timers;
}

std::vector<OpenCall> OpenCalls(const SagaState& state) {
  std::vector<OpenCall> calls;
  for (const Frame& frame : state.frames) {
    if (frame.kind == FrameKind::kWorker && frame.phase == Frame::Phase::kRunning) {
      calls.push_back({frame.id, frame.call->attempt, &frame});
    }
  }
  return calls;
}

std::vector<TaskToken> AwaitedCalls(const SagaState& state) {
  std::vector<TaskToken> tokens;
  if (state.is_ended()) return tokens;
  for (const Lingering& call : state.lingering) {
    if (!call.quiet) tokens.push_back({state.key, call.frame, call.call.attempt});
  }
  std::sort(tokens.begin(), tokens.end(),
            [](const TaskToken& a, const TaskToken& b) { return a.frame < b.frame; });
  return tokens;
}

bool IsAtRest(const SagaState& state) {
  if (state.is_ended()) return true;
  // What keeps nearly all of them awake.
  for (const Frame& frame : state.frames) {
    if (frame.kind == FrameKind::kWorker && frame.phase == Frame::Phase::kRunning) return false;
  }
  if (!AwaitedCalls(state).empty()) return false;
  const std::vector<Timer> timers = PendingTimers(state);
  return timers.empty() || timers.front().due > After(state.updated, kSoon);
}

std::string IdempotencyKey(const SagaKey& key, const WorkerCall& call) {
  return absl::StrCat(key.saga_id, call.path, "/", call.run, call.compensation ? "/c" : "");
}

}  // namespace skald::saga
