// The engine: partitions, the threads that drive them, the log, the broker, and what holds them
// together. Partition p is driven by thread p mod T.
//
// Thread rule: as runtime::Engine.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "engine/audit/checkpoint_keeper.h"
#include "engine/partition/outlet.h"
#include "engine/partition/partition.h"
#include "engine/projection/projector.h"
#include "engine/runtime/definition_catalog.h"
#include "engine/runtime/engine.h"
#include "engine/runtime/model_catalog.h"
#include "engine/runtime/partition_thread.h"
#include "engine/runtime/program_cache.h"
#include "storage/event_log.h"
#include "storage/log_writer.h"
#include "storage/views.h"

namespace skald::runtime {

// What an engine stands on, where it is not the machine itself.
struct EngineParts {
  // Null: the machine's clock.
  const Clock* clock = nullptr;
  // Empty: prints what happened and ends the process.
  FatalHandler fatal;
  // Both or none; instead of a data directory. They outlive the engine.
  storage::EventLog* log = nullptr;
  storage::Views* views = nullptr;
  // Views that are this many events ahead of what would survive a crash are flushed: replaying them
  // takes about half a second.
  uint64_t flush_events = 500'000;
};

absl::StatusOr<std::unique_ptr<Engine>> OpenEngine(EngineOptions options, EngineParts parts);

class EngineImpl final : public Engine, private partition::Outlet {
 public:
  EngineImpl(EngineOptions options, EngineParts parts);
  ~EngineImpl() override;

  // Opens the store and recovers every partition.
  absl::Status Start();

  void Submit(saga::Command command, Done<CommandReply> done) override;
  bool TrySubmit(saga::Command& command, Done<CommandReply>& done) override;
  void SubmitTogether(absl::FunctionRef<void()> work) override;
  bool AtTurnEnd(absl::AnyInvocable<void()> work) override;
  void Deploy(std::string text, std::string actor, Done<DeployReply> done) override;
  absl::StatusOr<DefinitionInfo> GetDefinition(absl::string_view namespace_name,
                                               absl::string_view name,
                                               absl::string_view version) const override;
  std::vector<DefinitionInfo> ListDefinitions(absl::string_view namespace_name) const override;
  std::string DefinitionNameOf(absl::string_view hash) const override;
  void DeployModel(std::string text, std::string actor, Done<DeployModelReply> done) override;
  void DropModel(std::string name, std::string reason, std::string actor,
                 Done<LogPosition> done) override;
  std::vector<ModelInfo> ListModels() const override { return models_.List(); }
  absl::StatusOr<ModelInfo> GetModel(absl::string_view name) const override {
    return models_.Get(name);
  }
  uint64_t AddModelListener(std::function<void()> changed) override {
    return models_.AddListener(std::move(changed));
  }
  void RemoveModelListener(uint64_t id) override { models_.RemoveListener(id); }
  void GetSaga(SagaKey key, Done<saga::SagaView> done) override;
  uint64_t WaitSaga(SagaKey key, Timestamp deadline, bool until_parked,
                    Done<saga::SagaView> done) override;
  void StopWaiting(const SagaKey& key, uint64_t wait_id) override;
  absl::StatusOr<SagaPage> ListSagas(const SagaFilter& filter, absl::string_view after,
                                     size_t page_size) override;
  void ReadHistory(SagaKey key, Revision from, std::function<bool(const RecordedEvent&)> visitor,
                   absl::AnyInvocable<void(absl::Status)> done) override;
  absl::StatusOr<Position> ReadLog(PartitionId partition, Position from,
                                   EventVisitor visitor) override;
  const storage::EventLog& log() const override { return *log_; }
  absl::StatusOr<std::vector<Position>> FindCommits(const SagaKey& key) override;
  Position DurablePosition(PartitionId partition) const override;
  uint64_t AddLogListener(std::function<void()> grown) override;
  void RemoveLogListener(uint64_t id) override;
  audit::Auditor& auditor() override { return *auditor_; }
  projection::ModelKeeper& models() override { return *projector_; }
  absl::StatusOr<KeyRotation> RotateAuditKey(std::string reason, std::string actor) override;
  audit::CheckpointJournal& checkpoints() override { return *journal_; }
  task::Broker& broker() override { return *broker_; }
  EngineStatus GetStatus() override;
  absl::StatusOr<VerifyReport> Verify(
      std::function<bool(const VerifyReport&)> progress) override;
  Timestamp Now() const override { return clock_->Now(); }
  uint32_t partition_count() const override { return partition_count_; }
  PartitionId PartitionOf(const SagaKey& key) const override;
  absl::Status Shutdown() override;

 private:
  // A partition's figures, written by its thread after each turn.
  struct Figures {
    std::atomic<uint64_t> staged = 0, durable = 0, applied = 0;
    std::atomic<uint64_t> inbox = 0, cached_states = 0, commits = 0, commands = 0;
    std::atomic<bool> written_out = false;
  };

  // partition::Outlet: from partition threads.
  void Enqueue(PartitionId from, std::vector<task::ReadyTaskPtr> tasks) override;
  void Refilled(task::RefillReply reply) override;
  void Withdraw(absl::Span<const saga::TaskToken> tokens) override;
  void Cancel(absl::Span<const partition::CancelledTask> tasks) override;
  void Closed(absl::Span<const saga::TaskToken> tokens) override;
  void Dismissed(absl::Span<const saga::TaskToken> tokens) override;
  void Send(partition::Message message) override;
  void Acknowledge(PartitionId sender, PartitionId receiver, uint64_t through) override;
  void Deployed(PartitionId partition, const partition::DefinitionPtr& definition) override;
  void ModelsChanged(const partition::DeployedModelList& models) override;

  // Opening.
  void MakeAuditor();
  absl::Status OpenJournal();
  absl::Status OpenStore();
  uint32_t ThreadCount() const;  // of the partitions'; needs the log
  void MakePartitions();
  absl::Status RecoverAll();
  absl::Status MakeProjector();
  void StartThreads();

  // While open.
  absl::Status CheckServing(PartitionId partition) const;
  partition::Partition& PartitionFor(const SagaKey& key) {
    return *partitions_[PartitionOf(key).value()];
  }
  // To the thread, or to what SubmitTogether gathers.
  void HandOver(PartitionThread& thread, PartitionThread::Submission submission);
  PartitionThread& ThreadOf(PartitionId partition) {
    return *threads_[partition.value() % threads_.size()];
  }
  // False: a stream's, and there is no room.
  bool SubmitFor(partition::Caller caller, saga::Command& command, Done<CommandReply>& done);
  void SubmitInternal(saga::Command command);
  void FinishDeploy(DeployReply reply, const definition::Program& program,
                    absl::StatusOr<partition::Deployment> deployment, Done<DeployReply>& done);
  // What partition 0 keeps for the whole store (engine_store.cc).
  void ChangeStore(partition::StoreChange change, size_t bytes,
                   Done<partition::StoreChanged> done);
  // Puts a key to use that was recorded, and forgets one that was not.
  absl::Status FinishKeyRotation() SKALD_REQUIRES(rotation_mu_);
  void OnLogDurable(absl::Span<const std::pair<PartitionId, Position>> positions);
  void TellListeners();
  void OnTurn(const partition::Partition& partition);
  void OnFatal(const absl::Status& status);
  absl::StatusOr<partition::History> FindHistory(const SagaKey& key, Revision from);
  absl::StatusOr<partition::History> FindHistory(const SagaKey& key, Revision from,
                                                 partition::Ticket ticket);
  absl::StatusOr<std::vector<Position>> FindCommitsToFold(const SagaKey& key, Revision before);
  static absl::StatusOr<std::vector<Position>> CommitsOf(const SagaKey& key,
                                                         const partition::History& history);
  absl::Status VisitCommits(const SagaKey& key, Revision from, const partition::History& history,
                            const std::function<bool(const RecordedEvent&)>& visitor);

  // Models that come with the engine, and those that are declared now (engine_models.cc).
  std::vector<std::shared_ptr<const projection::Model>> WantedModels() const;

  absl::Status VerifyModels(const std::function<bool(const VerifyReport&)>& progress,
                            VerifyReport& report);

  // The ticker: what has to be looked at from time to time. Never waits for the disk.
  void RunTicker();
  void SampleFreeBytes();
  // The flusher: a flush may take seconds, on a slow disk under load.
  void RunFlusher();
  void FlushViews();

  // Closing.
  bool IsWrittenOut() const;
  void StopThreads();

  // Constant after Start.
  EngineOptions options_;
  RealClock real_clock_;
  const Clock* clock_;
  FatalHandler fatal_;
  const uint64_t flush_events_;
  std::unique_ptr<storage::EventLog> owned_log_;
  std::unique_ptr<storage::Views> owned_views_;
  storage::EventLog* log_ = nullptr;
  storage::Views* views_ = nullptr;
  uint32_t partition_count_ = 0;
  Timestamp started_;
  uint64_t id_seed_[2] = {0, 0};  // of saga ids that nobody gave

  ProgramCache programs_;
  std::unique_ptr<audit::Auditor> auditor_;
  std::unique_ptr<audit::CheckpointJournal> journal_;
  std::unique_ptr<audit::CheckpointKeeper> keeper_;
  DefinitionCatalog catalog_;
  ModelCatalog models_;
  Mutex rotation_mu_;  // held while the audit key is rotated
  std::unique_ptr<task::Broker> broker_;
  std::vector<Figures> figures_;
  std::vector<std::unique_ptr<partition::Partition>> partitions_;
  std::unique_ptr<storage::LogWriter> writer_;
  std::vector<std::unique_ptr<PartitionThread>> threads_;
  std::unique_ptr<projection::Projector> projector_;

  std::atomic<bool> serving_ = false;
  std::atomic<bool> closing_ = false;
  std::atomic<uint64_t> next_id_ = 1;
  std::atomic<uint64_t> free_bytes_ = 0;

  Mutex listeners_mu_;
  absl::flat_hash_map<uint64_t, std::function<void()>> listeners_ SKALD_GUARDED_BY(listeners_mu_);
  std::atomic<size_t> listener_count_ = 0;

  mutable Mutex mu_;
  CondVar changed_;
  bool stopping_ SKALD_GUARDED_BY(mu_) = false;
  absl::Status broken_ SKALD_GUARDED_BY(mu_);

  std::thread ticker_;
  // Owned by the flusher.
  uint64_t flushed_events_ = 0;
  std::thread flusher_;
};

}  // namespace skald::runtime
