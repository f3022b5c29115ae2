// Where a partition's effects go: the task broker, other partitions, and whoever shows definitions.
// The partition calls it only with what is durable.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "base/ids.h"
#include "engine/partition/definitions.h"
#include "engine/partition/models.h"
#include "engine/saga/command.h"
#include "engine/task/broker.h"
#include "skald/log/v1/event.pb.h"

namespace skald::partition {

// A command from one partition to another, as it stands in the sender's log.
struct Message {
  PartitionId from;
  Timestamp time;  // of the sender's commit: the receiver's commit is not earlier
  log::v1::MessageSent body;
  std::vector<std::string> slots;  // of the sender's commit
};

// An open call that is given up.
struct CancelledTask {
  saga::TaskToken token;
  bool from_recovery = false;  // older than this run: an earlier one may have handed it out
};

// Implemented by the shell. Must not call the partition back before it returns.
class Outlet {
 public:
  virtual ~Outlet() = default;

  // Tasks for workers; as in task::Broker.
  virtual void Enqueue(PartitionId from, std::vector<task::ReadyTaskPtr> tasks) = 0;
  virtual void Refilled(task::RefillReply reply) = 0;
  virtual void Withdraw(absl::Span<const saga::TaskToken> tokens) = 0;
  virtual void Cancel(absl::Span<const CancelledTask> tasks) = 0;
  virtual void Closed(absl::Span<const saga::TaskToken> tokens) = 0;
  virtual void Dismissed(absl::Span<const saga::TaskToken> tokens) = 0;

  // Hands a message to the partition it is for. It may be lost: it is sent again until
  // acknowledged.
  virtual void Send(Message message) = 0;
  // Tells `sender` that `receiver` has everything through `through` durable. May be lost, too.
  virtual void Acknowledge(PartitionId sender, PartitionId receiver, uint64_t through) = 0;

  // A partition knows the definition.
  virtual void Deployed(PartitionId partition, const DefinitionPtr& definition) = 0;

  // Partition 0: these are the declared read models now. Nothing, for who has no use for them.
  virtual void ModelsChanged(const DeployedModelList& /*models*/) {}
};

}  // namespace skald::partition
