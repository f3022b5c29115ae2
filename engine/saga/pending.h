// What follows from a state: calls that workers should have, timers that are due some time, calls
// to be stopped.
//
// Effects are never remembered beside the state: a crash between a commit and its effects loses
// nothing, because these functions give them again.
#pragma once

#include <string>
#include <vector>

#include "base/ids.h"
#include "engine/saga/state.h"

namespace skald::saga {

struct Timer {
  Timestamp due;
  FrameId frame;
  FireTimer::Kind kind = FireTimer::Kind::kDue;

  friend auto operator<=>(const Timer&, const Timer&) = default;
};

// Sorted. Empty for an ended saga. A suspended saga's clocks run on, so its timers are listed too.
std::vector<Timer> PendingTimers(const SagaState& state);

// A worker's call that is open: running, whether or not it has been handed out.
struct OpenCall {
  FrameId frame;
  uint32_t attempt = 1;
  const Frame* of = nullptr;  // in the state

  friend bool operator==(const OpenCall& a, const OpenCall& b) {
    return a.frame == b.frame && a.attempt == b.attempt;
  }
};
// Ordered by frame. Empty for an ended saga.
std::vector<OpenCall> OpenCalls(const SagaState& state);

// Calls that were given up and whose answer may still come, ordered by frame.
std::vector<TaskToken> AwaitedCalls(const SagaState& state);

// "<saga>/<path>/<run>[/c]": the same over redeliveries and in-doubt retries.
std::string IdempotencyKey(const SagaKey& key, const WorkerCall& call);

// True while a call that was given up may still be answered, or an undo runs: an explicit undo
// waits for both, so that it does not overtake the call it undoes.
bool IsUnderWay(const SagaState& state);

// True when the saga has tasks to enter or finish right now (its last macro step was cut short).
bool HasWorkAtOnce(const SagaState& state);

// True when nothing but a command is likely to come for the saga soon: it has ended, or no call is open or awaited
// and no timer is due within a minute of its last event. Its state need not be kept in memory.
bool IsAtRest(const SagaState& state);

}  // namespace skald::saga
