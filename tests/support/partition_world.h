// Partitions on a memory log with a clock that stands still, driven step by step: what is staged
// becomes durable when the test says so, messages travel when it says so, and everything can crash
// in between.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/partition/outlet.h"
#include "engine/partition/partition.h"
#include "engine/runtime/program_cache.h"
#include "engine/runtime/verify.h"
#include "storage/memory/memory_event_log.h"
#include "storage/memory/memory_views.h"
#include "tests/support/simulated_clock.h"

namespace skald::testing {

// What left the partitions, as the broker and the other partitions would have it.
class RecordingOutlet : public partition::Outlet {
 public:
  void Enqueue(PartitionId from, std::vector<task::ReadyTaskPtr> tasks) override;
  void Refilled(task::RefillReply reply) override { refilled.push_back(std::move(reply)); }
  void Withdraw(absl::Span<const saga::TaskToken> tokens) override;
  void Cancel(absl::Span<const partition::CancelledTask> tasks) override;
  void Closed(absl::Span<const saga::TaskToken> tokens) override;
  void Dismissed(absl::Span<const saga::TaskToken> tokens) override {
    dismissed += tokens.size();
    Closed(tokens);
  }
  void Send(partition::Message message) override { messages.push_back(std::move(message)); }
  void Acknowledge(PartitionId sender, PartitionId receiver, uint64_t through) override {
    acks.push_back({sender, receiver, through});
  }
  void Deployed(PartitionId, const partition::DefinitionPtr&) override { ++definitions; }
  void ModelsChanged(const partition::DeployedModelList& changed) override { models = changed; }

  struct Ack {
    PartitionId sender, receiver;
    uint64_t through = 0;
  };

  // "saga/frame/attempt" of a token.
  static std::string Name(const saga::TaskToken& token);

  // Tasks that workers may have, those held back, and those that are to be stopped.
  std::map<std::string, task::ReadyTaskPtr> ready, withdrawn;
  std::map<std::string, saga::TaskToken> cancelled;
  std::vector<task::RefillReply> refilled;
  size_t dismissed = 0;  // tasks that ended without an answer
  size_t recovered = 0;  // tasks that came from a recovery
  std::deque<partition::Message> messages;
  std::deque<Ack> acks;
  size_t definitions = 0;
  partition::DeployedModelList models;
};

struct WorldOptions {
  uint32_t partitions = 1;
  size_t cached_state_bytes = 64 << 20;
  size_t commands_max = 4'096;
  uint64_t free_bytes_soft = 0, free_bytes_hard = 0;
  saga::DecideLimits decide;
};

class PartitionWorld {
 public:
  explicit PartitionWorld(WorldOptions options = {});

  // ---- Steps ----
  // Lets every partition take what it has; nothing becomes durable.
  void Poll();
  // Makes what is staged durable.
  void Flush();
  // Delivers messages and acknowledgements that left.
  void Deliver();
  // All of these until nothing moves any more.
  void Settle();
  // Moves the clock and settles.
  void Advance(Micros span);
  // Ends all partitions without warning: what is not durable is lost. They recover from log and
  // views.
  void Restart();
  // As above, and views are empty.
  void RestartWithoutViews();
  // Makes what is staged durable, and tells nobody.
  void FlushUntold();
  // The log of one partition loses what is staged, and the partition is told.
  void Lose(PartitionId partition);

  // ---- Requests, with answers to look at later ----
  using Reply = std::optional<absl::StatusOr<partition::CommandReply>>;
  using View = std::optional<absl::StatusOr<saga::SagaView>>;
  using Deployed = std::optional<absl::StatusOr<partition::Deployment>>;
  std::shared_ptr<Reply> Submit(saga::Command command, PartitionId partition = PartitionId(0));
  std::shared_ptr<Deployed> Deploy(absl::string_view text);
  using Changed = std::optional<absl::StatusOr<partition::StoreChanged>>;
  std::shared_ptr<Changed> Change(partition::StoreChange change);
  std::shared_ptr<View> Get(const std::string& saga_id);
  std::shared_ptr<View> Wait(const std::string& saga_id, Timestamp deadline = kNever,
                             bool until_parked = false);

  // ---- The same, settled ----
  // Deploys a definition of namespace "test".
  void MustDeploy(absl::string_view text);
  absl::StatusOr<partition::CommandReply> Do(saga::Command command);
  saga::SagaView MustGet(const std::string& saga_id);

  // ---- Commands on sagas of namespace "test" ----
  static saga::Command Start(const std::string& saga_id, const std::string& definition);
  template <typename Verb>
  static saga::Command Make(const std::string& saga_id, Verb verb) {
    saga::Command command;
    command.saga = {"test", saga_id};
    command.request = std::move(verb);
    return command;
  }
  static saga::Command WithRequest(saga::Command command, std::string request_id, uint64_t digest);
  // An answer to the ready or cancelled task of that name; "" is the only one.
  saga::Command Answer(const std::string& name = "", const std::string& output = "{}");
  saga::Command Fail(const std::string& name, int status);

  // ---- Checks ----
  // The rows of all partitions, as they would be compared. Seals first.
  std::vector<runtime::ComparableRow> Rows();
  // The rows that folding the log from its first event gives.
  std::vector<runtime::ComparableRow> ReplayedRows();

  partition::Partition& partition(uint32_t id = 0) { return *partitions_[id]; }
  RecordingOutlet& outlet() { return outlet_; }
  SimulatedClock& clock() { return clock_; }
  storage::MemoryEventLog& log() { return log_; }
  storage::Views& views() { return *views_; }
  size_t staged() const { return staged_.size(); }

 private:
  void Make();
  saga::TaskToken Token(const std::string& name) const;

  const WorldOptions options_;
  SimulatedClock clock_;
  storage::MemoryEventLog log_;
  std::unique_ptr<storage::MemoryViews> views_;
  runtime::ProgramCache programs_;
  RecordingOutlet outlet_;
  std::vector<std::unique_ptr<partition::Partition>> partitions_;
  std::vector<storage::StagedCommit> staged_;
  uint64_t next_waiter_ = 1;
};

}  // namespace skald::testing
