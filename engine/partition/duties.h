// What a saga's state asks others to do: calls for workers, timers, calls to be stopped. Told as
// the difference between two states when one follows the other, and as rows when it has to survive.
//
// Both are functions of states alone. A saga that an operator suspended asks for nothing new: its
// calls and timers stay in its state, and come back when it goes on.
#pragma once

#include <string>
#include <vector>

#include "base/ids.h"
#include "engine/partition/outlet.h"
#include "engine/saga/pending.h"
#include "engine/saga/state.h"
#include "engine/task/broker.h"

namespace skald::partition {

struct DutyChanges {
  std::vector<task::ReadyTaskPtr> opened;
  // Still open, but not to be handed out while the saga is suspended.
  std::vector<saga::TaskToken> withdrawn;
  std::vector<CancelledTask> cancelled;
  std::vector<saga::TaskToken> closed;
  std::vector<saga::Timer> timers_gone;
  std::vector<saga::Timer> timers_new;
};

// What changes for others when `before` becomes `after`, which is the same saga or its start. Calls
// that were opened by `recovered_through` are from an earlier run.
DutyChanges CompareDuties(const saga::SagaState& before, const saga::SagaState& after,
                          Timestamp recovered_through);

// The task that a worker gets for an open call of a saga.
task::ReadyTask TaskOf(const saga::SagaState& state, const saga::OpenCall& call);

// A row that stands for a duty. Its key says all of it that can change.
struct DutyRow {
  std::string key;
  const saga::Frame* call = nullptr;  // of a call; in the state
};

// Ordered by key.
std::vector<DutyRow> DutyRows(PartitionId partition, const saga::SagaState& state);
std::string DutyValue(const saga::SagaState& state, const DutyRow& row);

}  // namespace skald::partition
