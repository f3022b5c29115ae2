// Nothing leaves a partition before what it depends on is durable: effects wait here with the
// position they need, and leave in order.
//
// An effect that needs nothing undurable leaves at once; one behind others never overtakes them,
// because positions that are needed never decrease.
//
// Thread rule: owned by its partition.
#pragma once

#include <cstdint>
#include <deque>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "base/ids.h"
#include "engine/partition/admission.h"
#include "engine/partition/definitions.h"
#include "engine/partition/models.h"
#include "engine/partition/outlet.h"
#include "engine/partition/reply.h"
#include "engine/saga/view.h"
#include "engine/task/broker.h"

namespace skald::partition {

// An answer with the callback that takes it, and the place among requests under way that it ends.
template <typename T>
struct Answer {
  Done<T> done;
  absl::StatusOr<T> value;
  Ticket ticket;
};

struct EnqueueTask {
  task::ReadyTaskPtr task;
};
struct WithdrawTask {
  saga::TaskToken token;
};
struct CancelTask {
  CancelledTask task;
};
struct RefillQueue {
  task::RefillReply reply;
};
struct CloseTask {
  saga::TaskToken token;
  bool answered = false;  // by the command that closed it
};
struct SendMessage {
  Message message;
};
struct AcknowledgeMessages {
  PartitionId sender;
  uint64_t through = 0;
};
struct PublishDefinition {
  DefinitionPtr definition;
};
struct PublishModels {
  DeployedModelList models;
};

using Effect =
    std::variant<Answer<CommandReply>, EnqueueTask, CloseTask, WithdrawTask, CancelTask,
                 RefillQueue, Answer<saga::SagaView>, Answer<History>, Answer<Deployment>,
                 Answer<StoreChanged>, SendMessage, AcknowledgeMessages, PublishDefinition,
                 PublishModels>;

class Gate {
 public:
  // `outlet` must outlive the gate.
  Gate(PartitionId partition, Outlet& outlet) : partition_(partition), outlet_(outlet) {}

  // Lets `effect` leave once the log is durable through `needs`, which does not decrease.
  void Hold(Position needs, Effect effect);

  // The log is durable through `durable`, which does not decrease: lets out what waited for it.
  void Open(Position durable);

  // Gives up everything that waits: answers become `why`, the rest is forgotten. Begins again at
  // `durable`.
  void Discard(const absl::Status& why, Position durable);

  Position durable() const { return durable_; }
  size_t waiting() const { return held_.size(); }

 private:
  struct Held {
    Position needs;
    Effect effect;
  };
  // What leaves for the broker together: many tasks make one frame for a worker.
  struct Batch {
    std::vector<task::ReadyTaskPtr> enqueued;
    std::vector<saga::TaskToken> withdrawn, closed, dismissed;
    std::vector<CancelledTask> cancelled;
  };

  void Release(Effect effect);
  void FlushBatch();

  const PartitionId partition_;
  Outlet& outlet_;
  std::deque<Held> held_;
  Position durable_;
  Batch batch_;
};

}  // namespace skald::partition
