#include "tests/api/fake_engine.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/errors.h"
#include "storage/commit_record.h"

namespace skald::api {
namespace {

constexpr Timestamp kStart(1'700'000'000'000'000);

}  // namespace

FakeEngine::FakeEngine()
    : auditor_(stored_log_, views_,
               [keys = std::vector<audit::SigningKey>{audit::SigningKey::Generate(
                    audit::StoreName(stored_log_.store_id()))}] { return keys; }),
      broker_({.claim_window = 0}) {
  broker_.Begin(kStart);
  auto journal = audit::CheckpointJournal::Open({.path = "", .store_name = auditor_.store_name()},
                                                nullptr);
  SKALD_CHECK(journal.ok());
  journal_ = *std::move(journal);
  decide = [this](const saga::Command& command) -> absl::StatusOr<runtime::CommandReply> {
    runtime::CommandReply reply;
    reply.saga = command.saga;
    if (reply.saga.saga_id.empty()) reply.saga.saga_id = "made-up";
    reply.position = {PartitionOf(reply.saga), Position(7)};
    return reply;
  };
  verify = [](auto) { return runtime::VerifyReport(); };
  MutexLock lock(mutex_);
  log_.resize(kPartitions);
  durable_.resize(kPartitions, 0);
}

void FakeEngine::HoldReplies() {
  MutexLock lock(mutex_);
  hold_replies_ = true;
}

void FakeEngine::ReleaseReplies() {
  std::deque<std::function<void()>> held;
  {
    MutexLock lock(mutex_);
    hold_replies_ = false;
    held.swap(held_);
  }
  for (const auto& reply : held) reply();
}

void FakeEngine::PutSaga(saga::SagaView view) {
  MutexLock lock(mutex_);
  sagas_[view.key] = std::move(view);
}

void FakeEngine::EndSaga(saga::SagaView view) {
  std::vector<std::shared_ptr<Wait>> over;
  {
    MutexLock lock(mutex_);
    sagas_[view.key] = view;
    for (auto it = waits_.begin(); it != waits_.end();) {
      if (it->second->key == view.key) {
        over.push_back(it->second);
        it = waits_.erase(it);
      } else {
        ++it;
      }
    }
  }
  for (const auto& wait : over) wait->done(view);
  Changed();
}

void FakeEngine::AppendCommit(PartitionId partition, const SagaKey& key,
                              std::vector<log::v1::Event> events, std::vector<std::string> slots) {
  std::vector<std::function<void()>> listeners;
  {
    MutexLock lock(mutex_);
    Commit& commit = log_[partition.value()].emplace_back();
    uint64_t& durable = durable_[partition.value()];
    uint64_t& revision = revisions_[key];
    commit.header.set_partition(partition.value());
    commit.header.set_first_position(durable + 1);
    commit.header.set_count(static_cast<uint32_t>(events.size()));
    commit.header.set_namespace_(key.namespace_name);
    commit.header.set_saga_id(key.saga_id);
    commit.header.set_first_revision(revision);
    commit.header.set_time_us(kStart.value() + static_cast<int64_t>(durable));
    commit.header.mutable_cause()->set_command("AnswerTask");
    commit.header.set_definition_hash("hash-of-order");
    durable += events.size();
    revision += events.size();
    commit.events = std::move(events);
    commit.slots = std::move(slots);
    Store(commit);
    for (const auto& [id, listener] : listeners_) listeners.push_back(listener);
  }
  for (const auto& listener : listeners) listener();
  Changed();
}

void FakeEngine::Store(const Commit& commit) {
  log::v1::CommitHeader header = commit.header;
  header.set_format(storage::kCommitFormat);
  log::v1::EventBodies bodies;
  for (const log::v1::Event& event : commit.events) *bodies.add_events() = event;
  storage::StagedCommit staged{.partition = PartitionId(header.partition()),
                               .first = Position(header.first_position()),
                               .count = header.count(),
                               .record = {}};
  const std::vector<absl::string_view> slots(commit.slots.begin(), commit.slots.end());
  storage::EncodeCommit(header, bodies.SerializeAsString(), slots, &staged.record);
  SKALD_CHECK(stored_log_.Append({staged}).ok());
}

std::vector<saga::Command> FakeEngine::commands() const {
  MutexLock lock(mutex_);
  return commands_;
}

size_t FakeEngine::waiting() const {
  MutexLock lock(mutex_);
  return waits_.size();
}

size_t FakeEngine::stopped_waits() const {
  MutexLock lock(mutex_);
  return stopped_waits_;
}

size_t FakeEngine::events_read() const {
  MutexLock lock(mutex_);
  return events_read_;
}

size_t FakeEngine::log_listeners() const {
  MutexLock lock(mutex_);
  return listeners_.size();
}

bool FakeEngine::WaitUntil(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    MutexLock lock(mutex_);
    // Also looked at now and then, as a condition may be about something else than the engine.
    changed_.WaitFor(mutex_, std::chrono::milliseconds(2));
  }
  return true;
}

void FakeEngine::Changed() {
  MutexLock lock(mutex_);
  changed_.NotifyAll();
}

bool FakeEngine::TrySubmit(saga::Command& command, Done<runtime::CommandReply>& done) {
  if (refused_tries.fetch_sub(1) > 0) {
    Changed();
    return false;
  }
  Submit(std::move(command), std::move(done));
  return true;
}

void FakeEngine::Submit(saga::Command command, Done<runtime::CommandReply> done) {
  absl::StatusOr<runtime::CommandReply> reply = decide(command);
  bool is_held = false;
  {
    MutexLock lock(mutex_);
    commands_.push_back(std::move(command));
    is_held = hold_replies_;
    if (is_held) {
      auto shared = std::make_shared<Done<runtime::CommandReply>>(std::move(done));
      held_.push_back([shared, reply] { (*shared)(reply); });
    }
  }
  Changed();
  if (!is_held) done(std::move(reply));
}

void FakeEngine::Deploy(std::string text, std::string, Done<runtime::DeployReply> done) {
  done(deploy(text));
}

void FakeEngine::DeployModel(std::string text, std::string,
                             Done<runtime::DeployModelReply> done) {
  done(deploy_model(text));
}

void FakeEngine::DropModel(std::string name, std::string, std::string,
                           Done<runtime::LogPosition> done) {
  const auto gone = std::remove_if(declared.begin(), declared.end(),
                                   [&](const auto& model) { return model.name == name; });
  if (gone == declared.end()) return done(ModelNotFoundError(name));
  declared.erase(gone, declared.end());
  done(runtime::LogPosition{PartitionId(0), Position(9)});
}

absl::StatusOr<runtime::ModelInfo> FakeEngine::GetModel(absl::string_view name) const {
  for (const runtime::ModelInfo& model : declared) {
    if (model.name == name) return model;
  }
  return ModelNotFoundError(name);
}

absl::StatusOr<runtime::DefinitionInfo> FakeEngine::GetDefinition(absl::string_view namespace_name,
                                                                  absl::string_view name,
                                                                  absl::string_view version) const {
  for (const runtime::DefinitionInfo& info : definitions) {
    if (info.namespace_name == namespace_name && info.name == name &&
        (version.empty() || info.version == version)) {
      return info;
    }
  }
  return DefinitionNotFoundError(namespace_name, name, version);
}

std::vector<runtime::DefinitionInfo> FakeEngine::ListDefinitions(
    absl::string_view namespace_name) const {
  std::vector<runtime::DefinitionInfo> result;
  for (const runtime::DefinitionInfo& info : definitions) {
    if (namespace_name.empty() || info.namespace_name == namespace_name) result.push_back(info);
  }
  return result;
}

std::string FakeEngine::DefinitionNameOf(absl::string_view hash) const {
  for (const runtime::DefinitionInfo& info : definitions) {
    if (info.hash == hash) return info.name;
  }
  const auto found = unlisted.find(std::string(hash));
  return found == unlisted.end() ? std::string() : found->second;
}

void FakeEngine::GetSaga(SagaKey key, Done<saga::SagaView> done) {
  absl::StatusOr<saga::SagaView> view = SagaNotFoundError(key);
  {
    MutexLock lock(mutex_);
    if (const auto it = sagas_.find(key); it != sagas_.end()) view = it->second;
  }
  if (refuses_reads) view = PartitionOverloadedError(PartitionOf(key), kSecond);
  done(std::move(view));
}

uint64_t FakeEngine::WaitSaga(SagaKey key, Timestamp deadline, bool until_parked,
                              Done<saga::SagaView> done) {
  absl::StatusOr<saga::SagaView> view = SagaNotFoundError(key);
  uint64_t id = 0;
  {
    MutexLock lock(mutex_);
    id = next_id_++;
    if (const auto it = sagas_.find(key); it != sagas_.end()) view = it->second;
    const bool is_over = !view.ok() || saga::IsEnded(view->status) || deadline <= Now() ||
                         (until_parked && view->suspend_reason == saga::SuspendReason::kParked);
    if (!is_over) {
      waits_.emplace(id, std::make_shared<Wait>(Wait{std::move(key), deadline, std::move(done)}));
      changed_.NotifyAll();
      return id;
    }
  }
  done(std::move(view));
  return id;
}

void FakeEngine::StopWaiting(const SagaKey&, uint64_t wait_id) {
  std::shared_ptr<Wait> dropped;
  {
    MutexLock lock(mutex_);
    if (const auto it = waits_.find(wait_id); it != waits_.end()) {
      dropped = std::move(it->second);
      waits_.erase(it);
      ++stopped_waits_;
    }
  }
  Changed();
}

absl::StatusOr<runtime::SagaPage> FakeEngine::ListSagas(const runtime::SagaFilter& filter,
                                                        absl::string_view after, size_t page_size) {
  if (on_list) on_list();
  MutexLock lock(mutex_);
  runtime::SagaPage page;
  for (const auto& [key, view] : sagas_) {
    if (!after.empty() && key.saga_id <= std::string(after)) continue;
    if (!filter.namespace_name.empty() && key.namespace_name != filter.namespace_name) continue;
    if (filter.with_incidents && view.incidents.empty()) continue;
    if (!filter.statuses.empty() && std::find(filter.statuses.begin(), filter.statuses.end(),
                                              view.status) == filter.statuses.end()) {
      continue;
    }
    if (page.sagas.size() == page_size) {
      page.next = page.sagas.back().key.saga_id;
      break;
    }
    page.sagas.push_back(view);
  }
  return page;
}

bool FakeEngine::Visit(const Commit& commit,
                       const std::function<bool(const runtime::RecordedEvent&)>& wanted,
                       absl::FunctionRef<bool(const runtime::RecordedEvent&)> visitor) {
  const std::vector<absl::string_view> slots(commit.slots.begin(), commit.slots.end());
  for (size_t i = 0; i < commit.events.size(); ++i) {
    runtime::RecordedEvent event;
    event.partition = PartitionId(commit.header.partition());
    event.position = Position(commit.header.first_position() + i);
    event.revision = Revision(commit.header.first_revision() + i);
    event.commit_first = Position(commit.header.first_position());
    event.header = &commit.header;
    event.event = &commit.events[i];
    event.slots = slots;
    if (!wanted(event)) continue;
    {
      MutexLock lock(mutex_);
      ++events_read_;
    }
    Changed();
    if (!visitor(event)) return false;
  }
  return true;
}

void FakeEngine::ReadHistory(SagaKey key, Revision from,
                             std::function<bool(const runtime::RecordedEvent&)> visitor,
                             absl::AnyInvocable<void(absl::Status)> done) {
  std::vector<const Commit*> commits;
  {
    MutexLock lock(mutex_);
    for (const Commit& commit : log_[PartitionOf(key).value()]) {
      if (commit.header.namespace_() == key.namespace_name &&
          commit.header.saga_id() == key.saga_id) {
        commits.push_back(&commit);
      }
    }
  }
  if (commits.empty()) {
    done(SagaNotFoundError(key));
    return;
  }
  for (const Commit* commit : commits) {
    const auto wanted = [from](const runtime::RecordedEvent& e) { return e.revision >= from; };
    if (!Visit(*commit, wanted, visitor)) break;
  }
  done(absl::OkStatus());
}

absl::StatusOr<std::vector<Position>> FakeEngine::FindCommits(const SagaKey& key) {
  MutexLock lock(mutex_);
  std::vector<Position> commits;
  for (const Commit& commit : log_[PartitionOf(key).value()]) {
    if (commit.header.namespace_() == key.namespace_name &&
        commit.header.saga_id() == key.saga_id) {
      commits.push_back(Position(commit.header.first_position()));
    }
  }
  if (commits.empty()) return SagaNotFoundError(key);
  return commits;
}

absl::StatusOr<Position> FakeEngine::ReadLog(PartitionId partition, Position from,
                                             runtime::EventVisitor visitor) {
  std::vector<const Commit*> commits;
  uint64_t end = 0;
  {
    MutexLock lock(mutex_);
    end = durable_[partition.value()] + 1;
    for (const Commit& commit : log_[partition.value()]) {
      if (commit.header.first_position() + commit.header.count() > from.value()) {
        commits.push_back(&commit);
      }
    }
  }
  Position next = from;
  const auto wanted = [from](const runtime::RecordedEvent& e) { return e.position >= from; };
  for (const Commit* commit : commits) {
    const auto visit = [&](const runtime::RecordedEvent& event) {
      next = event.position.Next();
      return visitor(event);
    };
    if (!Visit(*commit, wanted, visit)) return next;
  }
  return std::max(next, Position(end));
}

Position FakeEngine::DurablePosition(PartitionId partition) const {
  MutexLock lock(mutex_);
  return Position(durable_[partition.value()]);
}

uint64_t FakeEngine::AddLogListener(std::function<void()> grown) {
  MutexLock lock(mutex_);
  const uint64_t id = next_id_++;
  listeners_.emplace(id, std::move(grown));
  changed_.NotifyAll();
  return id;
}

void FakeEngine::RemoveLogListener(uint64_t id) {
  MutexLock lock(mutex_);
  listeners_.erase(id);
  changed_.NotifyAll();
}

runtime::EngineStatus FakeEngine::GetStatus() {
  runtime::EngineStatus status;
  status.store_id = "0123456789abcdef";
  status.started = kStart;
  for (uint32_t i = 0; i < kPartitions; ++i) {
    status.partitions.push_back(
        {.partition = PartitionId(i), .durable = DurablePosition(PartitionId(i)), .serving = true});
  }
  status.queues = broker_.Queues();
  status.workers = broker_.worker_count();
  return status;
}

absl::StatusOr<runtime::VerifyReport> FakeEngine::Verify(
    std::function<bool(const runtime::VerifyReport&)> progress) {
  return verify(std::move(progress));
}

Timestamp FakeEngine::Now() const {
  if (on_now) on_now();
  return Timestamp(std::chrono::duration_cast<std::chrono::microseconds>(
                       std::chrono::system_clock::now().time_since_epoch())
                       .count() +
                   clock_ahead);
}

PartitionId FakeEngine::PartitionOf(const SagaKey& key) const {
  // By the last character, so that tests can choose.
  return PartitionId(key.saga_id.empty() ? 0
                                         : static_cast<uint32_t>(key.saga_id.back()) % kPartitions);
}

}  // namespace skald::api
