#include "engine/partition/duties.h"

#include <algorithm>
#include <iterator>
#include <memory>
#include <utility>

#include "engine/partition/rows.h"

namespace skald::partition {
namespace {

using saga::AwaitedCalls;
using saga::OpenCall;
using saga::OpenCalls;
using saga::PendingTimers;
using saga::SagaState;
using saga::TaskToken;
using saga::Timer;

TaskToken TokenOf(const SagaState& state, const OpenCall& call) {
  return {state.key, call.frame, call.attempt};
}

// A saga has a handful of calls at a time, so looking through them beats any index.
bool Contains(const std::vector<OpenCall>& calls, const OpenCall& call) {
  return std::find(calls.begin(), calls.end(), call) != calls.end();
}

bool Contains(const std::vector<TaskToken>& tokens, saga::FrameId frame, uint32_t attempt) {
  return std::any_of(tokens.begin(), tokens.end(), [&](const TaskToken& token) {
    return token.frame == frame && token.attempt == attempt;
  });
}

// A call that was opened and given up in one step never left.
bool IsRecovered(const std::vector<OpenCall>& old_calls, const TaskToken& token,
                 Timestamp recovered_through) {
  return std::any_of(old_calls.begin(), old_calls.end(), [&](const OpenCall& call) {
    return call.frame == token.frame && call.attempt == token.attempt &&
           call.of->since <= recovered_through;
  });
}

void CompareCalls(const SagaState& before, const SagaState& after, Timestamp recovered_through,
                  DutyChanges& changes) {
  const std::vector<OpenCall> old_calls = OpenCalls(before);
  const std::vector<OpenCall> new_calls = OpenCalls(after);
  const std::vector<TaskToken> old_awaited = AwaitedCalls(before);
  const std::vector<TaskToken> new_awaited = AwaitedCalls(after);
  if (!after.suspended) {
    for (const OpenCall& call : new_calls) {
      if (!before.suspended && Contains(old_calls, call)) continue;
      task::ReadyTask task = TaskOf(after, call);
      task.from_recovery = task.created <= recovered_through;
      changes.opened.push_back(std::make_shared<const task::ReadyTask>(std::move(task)));
    }
  }
  for (const OpenCall& call : old_calls) {
    if (Contains(new_calls, call)) {
      if (after.suspended && !before.suspended) changes.withdrawn.push_back(TokenOf(after, call));
    } else if (!Contains(new_awaited, call.frame, call.attempt)) {
      changes.closed.push_back(TokenOf(after, call));
    }
  }
  for (const TaskToken& token : new_awaited) {
    if (Contains(old_awaited, token.frame, token.attempt)) continue;
    changes.cancelled.push_back({token, IsRecovered(old_calls, token, recovered_through)});
  }
  for (const TaskToken& token : old_awaited) {
    if (!Contains(new_awaited, token.frame, token.attempt)) changes.closed.push_back(token);
  }
}

void CompareTimers(const SagaState& before, const SagaState& after, DutyChanges& changes) {
  const std::vector<Timer> gone = before.suspended ? std::vector<Timer>() : PendingTimers(before);
  const std::vector<Timer> now = after.suspended ? std::vector<Timer>() : PendingTimers(after);
  std::set_difference(gone.begin(), gone.end(), now.begin(), now.end(),
                      std::back_inserter(changes.timers_gone));
  std::set_difference(now.begin(), now.end(), gone.begin(), gone.end(),
                      std::back_inserter(changes.timers_new));
}

}  // namespace

DutyChanges CompareDuties(const SagaState& before, const SagaState& after,
                          Timestamp recovered_through) {
  DutyChanges changes;
  CompareCalls(before, after, recovered_through, changes);
  CompareTimers(before, after, changes);
  return changes;
}

task::ReadyTask TaskOf(const SagaState& state, const OpenCall& call) {
  const saga::Frame& frame = *call.of;
  return {.token = TokenOf(state, call),
          .function = frame.call->function,
          .reference = frame.task,
          .definition_name = state.definition_name,
          .definition_version = state.definition_version,
          .idempotency_key = saga::IdempotencyKey(state.key, *frame.call),
          .arguments = frame.call->arguments.ToText(),
          .compensation = frame.call->compensation,
          .created = frame.since,
          .deadline = frame.deadline};
}

std::vector<DutyRow> DutyRows(PartitionId partition, const SagaState& state) {
  std::vector<DutyRow> rows;
  if (!state.suspended) {
    for (const OpenCall& call : OpenCalls(state)) {
      rows.push_back({ReadyTaskKey(partition, state.key, call.of->call->function, call.of->since,
                                   call.frame, call.attempt),
                      call.of});
    }
    for (const Timer& timer : PendingTimers(state)) {
      rows.push_back({TimerKey(partition, state.key, timer)});
    }
  }
  for (const TaskToken& token : AwaitedCalls(state)) {
    rows.push_back(
        {ReadyTaskKey(partition, state.key, "", Timestamp(0), token.frame, token.attempt)});
  }
  std::sort(rows.begin(), rows.end(),
            [](const DutyRow& a, const DutyRow& b) { return a.key < b.key; });
  return rows;
}

std::string DutyValue(const SagaState& state, const DutyRow& row) {
  if (row.call == nullptr) return "";
  return EncodeReadyTask(TaskOf(state, {row.call->id, row.call->call->attempt, row.call}));
}

}  // namespace skald::partition
