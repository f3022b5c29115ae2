// One run of the engine's process, in one thread: the real partitions and the real task broker, with
// a mail of things to do for each partition where engine/runtime has threads, and a writer that takes
// its (virtual) time to sync where storage/log_writer has one. Compare engine/runtime/partition_thread.cc
// and engine_impl.cc.
//
// Everything it does is an event of the scheduler; when it is destroyed, as by a crash, what it still
// wanted to do never happens.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "engine/audit/auditor.h"
#include "engine/partition/outlet.h"
#include "engine/partition/partition.h"
#include "engine/runtime/program_cache.h"
#include "engine/task/broker.h"
#include "tests/simulation/chronicle.h"
#include "tests/simulation/scheduler.h"
#include "tests/simulation/simulated_disk.h"
#include "tests/simulation/simulated_models.h"
#include "tests/simulation/trace.h"

namespace skald::simulation {

struct ServerOptions {
  uint32_t partitions = 3;
  partition::PartitionOptions partition;  // of each; id, count and seed are filled in
  task::BrokerOptions broker;
  Mutation mutation = Mutation::kNone;
  // Chances out of 100.
  uint64_t messages_lost = 0;   // between partitions, each
  uint64_t messages_twice = 0;  // delivered twice
  uint64_t slow_syncs = 0;      // that take seconds
};

class Server : private partition::Outlet {
 public:
  template <typename T>
  using Done = partition::Done<T>;

  // All must outlive it.
  Server(ServerOptions options, SimulatedDisk& disk, runtime::ProgramCache& programs,
         Chronicle& chronicle, Scheduler& scheduler, Trace& trace);
  ~Server() override;

  // Recovers. DATA_LOSS when log and views do not fit; then it is to be destroyed.
  absl::Status Start();

  // ---- Requests: as runtime::Engine. Callbacks come when the answer may leave. ----
  void Submit(saga::Command command, Done<partition::CommandReply> done);
  void Deploy(partition::DeployDefinition definition, Done<partition::Deployment> done);
  void GetSaga(SagaKey key, Done<saga::SagaView> done);
  void WaitSaga(SagaKey key, Timestamp deadline, bool until_parked, Done<saga::SagaView> done);
  void FindHistory(SagaKey key, Revision from, Done<partition::History> done);
  task::Broker& broker() { return *broker_; }
  absl::StatusOr<audit::SignedCheckpoint> GetCheckpoint(PartitionId partition);
  const SimulatedModels& models() const { return *models_; }
  PartitionId PartitionOf(const SagaKey& key) const;

  // ---- What may happen to it ----
  // The log loses what the partition has not got durable.
  void Lose(PartitionId partition);
  // The same, right after its next write, before it hears of that.
  void LoseAfterNextWrite(PartitionId partition) { loses_next_ = partition; }
  // Looks at the disk's free space, as the engine's ticker does.
  void SampleFreeBytes();
  // Closes in order; `closed` is called when everything is written out. No requests after it.
  void Close(std::function<void()> closed);
  // Views exactly as of a moment soon to come.
  void Capture(PartitionId partition, partition::Partition::Captured taken);
  // Messages between partitions arrive, syncs are quick.
  void Behave();

  // It cannot go on: to be destroyed.
  const absl::Status& fatal() const { return fatal_; }
  // What is being written, for the disk to decide about.
  const std::vector<storage::StagedCommit>& in_flight() const { return writing_; }
  bool is_closing() const { return closing_; }
  partition::PartitionStats StatsOf(PartitionId partition) const;

 private:
  using Work = absl::AnyInvocable<void()>;
  struct Slot {
    std::unique_ptr<partition::Partition> partition;
    std::deque<Work> mail;
    Timestamp wake = kNever;  // its next turn
    std::deque<std::pair<Position, Work>> held;  // by Mutation::kEarlyViews
  };

  // partition::Outlet
  void Enqueue(PartitionId from, std::vector<task::ReadyTaskPtr> tasks) override;
  void Refilled(task::RefillReply reply) override;
  void Withdraw(absl::Span<const saga::TaskToken> tokens) override;
  void Cancel(absl::Span<const partition::CancelledTask> tasks) override;
  void Closed(absl::Span<const saga::TaskToken> tokens) override;
  void Dismissed(absl::Span<const saga::TaskToken> tokens) override;
  void Send(partition::Message message) override;
  void Acknowledge(PartitionId sender, PartitionId receiver, uint64_t through) override;
  void Deployed(PartitionId partition, const partition::DefinitionPtr& definition) override;

  void In(Micros delay, Work work);
  void Post(PartitionId partition, Work work);
  void Wake(PartitionId partition, Timestamp at);
  void Turn(PartitionId partition);
  void Stage(PartitionId partition, std::vector<storage::StagedCommit> staged);
  void BeginWrite();
  void EndWrite();
  void Tell(PartitionId partition, Position position);
  void TellEarly(PartitionId partition, Position position);
  void Tick();
  void FoldModels();
  void Break(const absl::Status& status);
  bool IsWrittenOut() const;
  // Something leaves the process; `work` does it now, or when a broken gate is told to.
  void Leave(Work work);
  template <typename T>
  Done<T> Leaving(Done<T> done);

  ServerOptions options_;
  SimulatedDisk& disk_;
  runtime::ProgramCache& programs_;
  Chronicle& chronicle_;
  Scheduler& scheduler_;
  Trace& trace_;
  // Gone with the server: events that hold it weakly do nothing then.
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);

  std::unique_ptr<audit::Auditor> auditor_;
  std::map<PartitionId, audit::SignedCheckpoint> stale_;  // by Mutation::kStaleAudit
  std::unique_ptr<task::Broker> broker_;
  std::vector<Slot> slots_;
  std::unique_ptr<SimulatedModels> models_;
  std::deque<storage::StagedCommit> queue_;
  std::vector<storage::StagedCommit> writing_;
  bool is_writing_ = false;
  bool serving_ = false;
  bool closing_ = false;
  std::function<void()> closed_;
  absl::Status fatal_;
  std::optional<PartitionId> loses_next_;
  std::optional<PartitionId> early_;  // whose effects are held
  Position early_position_;
  uint64_t next_waiter_ = 1;
};

}  // namespace skald::simulation
