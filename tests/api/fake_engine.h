// An engine that does what a test says: it records commands, answers them at once or when told,
// keeps a log in memory, and has a real broker. Everything can be waited for.
#pragma once

#include <atomic>
#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/mutex.h"
#include "engine/runtime/engine.h"
#include "storage/memory/memory_event_log.h"
#include "storage/memory/memory_views.h"

namespace skald::api {

class FakeEngine final : public runtime::Engine {
 public:
  static constexpr uint32_t kPartitions = 2;

  FakeEngine();

  // ---- What a test sets up, before the calls that need it ----

  // The answer to a command; OK at position 7 of the saga's partition by default.
  std::function<absl::StatusOr<runtime::CommandReply>(const saga::Command&)> decide;
  // The answer to a deployment.
  std::function<absl::StatusOr<runtime::DeployReply>(const std::string& text)> deploy;
  std::vector<runtime::DefinitionInfo> definitions;
  // By hash: names of definitions that are in the log and not listed yet.
  std::map<std::string, std::string> unlisted;
  // The answer to the deployment of a read model, and those that are declared.
  std::function<absl::StatusOr<runtime::DeployModelReply>(const std::string& text)> deploy_model;
  std::vector<runtime::ModelInfo> declared;
  // What models() gives; calls that reach it need one.
  projection::ModelKeeper* keeper = nullptr;
  // The answer to a rotation of the audit key, given reason and actor.
  std::function<absl::StatusOr<runtime::KeyRotation>(const std::string& reason,
                                                     const std::string& actor)>
      rotate;
  std::function<absl::StatusOr<runtime::VerifyReport>(
      std::function<bool(const runtime::VerifyReport&)>)>
      verify;
  // How many commands of streams find no room before the next does.
  std::atomic<int> refused_tries = 0;
  std::atomic<bool> refuses_reads = false;  // of one saga, as under overload
  // The engine's clock is so far ahead of the machine's.
  std::atomic<Micros> clock_ahead = 0;
  // Called by Now, from any thread; set while nobody else uses the engine.
  std::function<void()> on_now;
  // Called by ListSagas.
  std::function<void()> on_list;
  // Answers to commands wait for ReleaseReplies.
  void HoldReplies();
  void ReleaseReplies();
  void PutSaga(saga::SagaView view);
  // Puts the saga and answers those who wait for it.
  void EndSaga(saga::SagaView view);
  // Appends a commit; each event's slots refer to `slots`.
  void AppendCommit(PartitionId partition, const SagaKey& key, std::vector<log::v1::Event> events,
                    std::vector<std::string> slots = {});

  // ---- What a test looks at ----

  std::vector<saga::Command> commands() const;
  size_t waiting() const;
  size_t stopped_waits() const;
  size_t events_read() const;
  size_t log_listeners() const;
  // Until it holds; it is looked at again whenever something happens. False after 20 seconds.
  bool WaitUntil(const std::function<bool()>& condition);

  // ---- runtime::Engine ----

  void Submit(saga::Command command, Done<runtime::CommandReply> done) override;
  bool TrySubmit(saga::Command& command, Done<runtime::CommandReply>& done) override;
  void SubmitTogether(absl::FunctionRef<void()> work) override { work(); }
  bool AtTurnEnd(absl::AnyInvocable<void()>) override { return false; }
  void Deploy(std::string text, std::string actor, Done<runtime::DeployReply> done) override;
  void DeployModel(std::string text, std::string actor,
                   Done<runtime::DeployModelReply> done) override;
  // Drops one of `declared`, at position 9.
  void DropModel(std::string name, std::string reason, std::string actor,
                 Done<runtime::LogPosition> done) override;
  std::vector<runtime::ModelInfo> ListModels() const override { return declared; }
  absl::StatusOr<runtime::ModelInfo> GetModel(absl::string_view name) const override;
  uint64_t AddModelListener(std::function<void()>) override { return 0; }
  void RemoveModelListener(uint64_t) override {}
  absl::StatusOr<runtime::KeyRotation> RotateAuditKey(std::string reason,
                                                      std::string actor) override {
    return rotate(reason, actor);
  }
  absl::StatusOr<runtime::DefinitionInfo> GetDefinition(absl::string_view namespace_name,
                                                        absl::string_view name,
                                                        absl::string_view version) const override;
  std::vector<runtime::DefinitionInfo> ListDefinitions(
      absl::string_view namespace_name) const override;
  std::string DefinitionNameOf(absl::string_view hash) const override;
  void GetSaga(SagaKey key, Done<saga::SagaView> done) override;
  uint64_t WaitSaga(SagaKey key, Timestamp deadline, bool until_parked,
                    Done<saga::SagaView> done) override;
  void StopWaiting(const SagaKey& key, uint64_t wait_id) override;
  absl::StatusOr<runtime::SagaPage> ListSagas(const runtime::SagaFilter& filter,
                                              absl::string_view after, size_t page_size) override;
  void ReadHistory(SagaKey key, Revision from,
                   std::function<bool(const runtime::RecordedEvent&)> visitor,
                   absl::AnyInvocable<void(absl::Status)> done) override;
  absl::StatusOr<Position> ReadLog(PartitionId partition, Position from,
                                   runtime::EventVisitor visitor) override;
  const storage::EventLog& log() const override { return stored_log_; }
  absl::StatusOr<std::vector<Position>> FindCommits(const SagaKey& key) override;
  Position DurablePosition(PartitionId partition) const override;
  uint64_t AddLogListener(std::function<void()> grown) override;
  void RemoveLogListener(uint64_t id) override;
  audit::Auditor& auditor() override { return auditor_; }
  projection::ModelKeeper& models() override {
    SKALD_CHECK(keeper != nullptr);
    return *keeper;
  }
  audit::CheckpointJournal& checkpoints() override { return *journal_; }
  task::Broker& broker() override { return broker_; }
  runtime::EngineStatus GetStatus() override;
  absl::StatusOr<runtime::VerifyReport> Verify(
      std::function<bool(const runtime::VerifyReport&)> progress) override;
  Timestamp Now() const override;
  uint32_t partition_count() const override { return kPartitions; }
  PartitionId PartitionOf(const SagaKey& key) const override;
  absl::Status Shutdown() override { return absl::OkStatus(); }

 private:
  struct Commit {
    log::v1::CommitHeader header;
    std::vector<log::v1::Event> events;
    std::vector<std::string> slots;
  };
  struct Wait {
    SagaKey key;
    Timestamp deadline;
    Done<saga::SagaView> done;
  };

  // Calls the visitor for the commit's events that `wanted` lets through; false when it stopped.
  bool Visit(const Commit& commit, const std::function<bool(const runtime::RecordedEvent&)>& wanted,
             absl::FunctionRef<bool(const runtime::RecordedEvent&)> visitor);
  void Changed();
  void Store(const Commit& commit) SKALD_REQUIRES(mutex_);

  // What was appended, as it is stored, for audits.
  storage::MemoryEventLog stored_log_{
      {.partition_count = kPartitions, .store_id = "0123456789abcdef"}};
  storage::MemoryViews views_;
  audit::Auditor auditor_;
  std::unique_ptr<audit::CheckpointJournal> journal_;

  task::Broker broker_;
  mutable Mutex mutex_;
  mutable CondVar changed_;
  std::vector<saga::Command> commands_ SKALD_GUARDED_BY(mutex_);
  bool hold_replies_ SKALD_GUARDED_BY(mutex_) = false;
  std::deque<std::function<void()>> held_ SKALD_GUARDED_BY(mutex_);
  std::map<SagaKey, saga::SagaView> sagas_ SKALD_GUARDED_BY(mutex_);
  std::map<uint64_t, std::shared_ptr<Wait>> waits_ SKALD_GUARDED_BY(mutex_);
  uint64_t next_id_ SKALD_GUARDED_BY(mutex_) = 1;
  size_t stopped_waits_ SKALD_GUARDED_BY(mutex_) = 0;
  size_t events_read_ SKALD_GUARDED_BY(mutex_) = 0;
  std::map<SagaKey, uint64_t> revisions_ SKALD_GUARDED_BY(mutex_);
  // Commits never move once they are in.
  std::vector<std::deque<Commit>> log_ SKALD_GUARDED_BY(mutex_);
  std::vector<uint64_t> durable_ SKALD_GUARDED_BY(mutex_);
  std::map<uint64_t, std::function<void()>> listeners_ SKALD_GUARDED_BY(mutex_);
};

}  // namespace skald::api
