#include "tests/support/partition_world.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "engine/definition/compile.h"
#include "engine/partition/fold.h"
#include "gtest/gtest.h"

namespace skald::testing {

// ---- RecordingOutlet ----

std::string RecordingOutlet::Name(const saga::TaskToken& token) {
  return absl::StrCat(token.saga.saga_id, "/", token.frame.value(), "/", token.attempt);
}

void RecordingOutlet::Enqueue(PartitionId /*from*/, std::vector<task::ReadyTaskPtr> tasks) {
  for (task::ReadyTaskPtr& task : tasks) {
    const std::string name = Name(task->token);
    if (task->from_recovery) ++recovered;
    withdrawn.erase(name);
    ready.emplace(name, std::move(task));
  }
}

void RecordingOutlet::Withdraw(absl::Span<const saga::TaskToken> tokens) {
  for (const saga::TaskToken& token : tokens) {
    auto node = ready.extract(Name(token));
    if (!node.empty()) withdrawn.insert(std::move(node));
  }
}

void RecordingOutlet::Cancel(absl::Span<const partition::CancelledTask> tasks) {
  for (const auto& [token, from_recovery] : tasks) {
    ready.erase(Name(token));
    withdrawn.erase(Name(token));
    cancelled[Name(token)] = token;
  }
}

void RecordingOutlet::Closed(absl::Span<const saga::TaskToken> tokens) {
  for (const saga::TaskToken& token : tokens) {
    ready.erase(Name(token));
    withdrawn.erase(Name(token));
    cancelled.erase(Name(token));
  }
}

// ---- Steps ----

PartitionWorld::PartitionWorld(WorldOptions options)
    : options_(options),
      log_({.partition_count = options.partitions}),
      views_(std::make_unique<storage::MemoryViews>()),
      programs_({}) {
  Make();
}

void PartitionWorld::Make() {
  for (uint32_t id = 0; id < options_.partitions; ++id) {
    partition::PartitionOptions options{
        .partition = PartitionId(id),
        .partition_count = options_.partitions,
        .seed = 7,
        .admission = {.commands_max = options_.commands_max,
                      .free_bytes_soft = options_.free_bytes_soft,
                      .free_bytes_hard = options_.free_bytes_hard},
        .decide = options_.decide,
        .cached_state_bytes = options_.cached_state_bytes};
    partitions_.push_back(std::make_unique<partition::Partition>(
        options, partition::PartitionEnvironment{
                     .log = log_, .views = *views_, .programs = programs_, .outlet = outlet_}));
    const absl::Status recovered = partitions_.back()->Recover(clock_.Now());
    SKALD_CHECK(recovered.ok());
  }
}

void PartitionWorld::Poll() {
  for (const auto& each : partitions_) each->Poll(clock_.Now(), staged_);
}

void PartitionWorld::Flush() {
  SKALD_CHECK(log_.Append(staged_).ok());
  const std::vector<storage::StagedCommit> appended = std::exchange(staged_, {});
  for (const storage::StagedCommit& commit : appended) {
    SKALD_CHECK(partitions_[commit.partition.value()]->OnDurable(commit.last(), clock_.Now()).ok());
  }
}

void PartitionWorld::FlushUntold() {
  SKALD_CHECK(log_.Append(staged_).ok());
  staged_.clear();
}

void PartitionWorld::Deliver() {
  for (partition::Message& message : std::exchange(outlet_.messages, {})) {
    partitions_[message.body.to()]->Receive(std::move(message));
  }
  for (const RecordingOutlet::Ack& ack : std::exchange(outlet_.acks, {})) {
    partitions_[ack.sender.value()]->Acknowledged(ack.receiver, ack.through);
  }
}

void PartitionWorld::Settle() {
  while (true) {
    Poll();
    Flush();
    Deliver();
    const bool due = std::any_of(partitions_.begin(), partitions_.end(), [&](const auto& each) {
      return each->HasWork() || each->NextDue() <= clock_.Now();
    });
    if (!due && staged_.empty() && outlet_.messages.empty() && outlet_.acks.empty()) return;
  }
}

void PartitionWorld::Advance(Micros span) {
  clock_.Advance(span);
  Settle();
}

void PartitionWorld::Restart() {
  partitions_.clear();
  staged_.clear();
  outlet_ = {};
  Make();
}

void PartitionWorld::RestartWithoutViews() {
  partitions_.clear();
  views_ = std::make_unique<storage::MemoryViews>();
  Restart();
}

void PartitionWorld::Lose(PartitionId partition) {
  std::erase_if(staged_, [&](const auto& commit) { return commit.partition == partition; });
  SKALD_CHECK(partitions_[partition.value()]->OnLost(clock_.Now()).ok());
}

// ---- Requests ----

std::shared_ptr<PartitionWorld::Reply> PartitionWorld::Submit(saga::Command command,
                                                              PartitionId partition) {
  auto reply = std::make_shared<Reply>();
  partitions_[partition.value()]->Submit(
      std::move(command),
      [reply](absl::StatusOr<partition::CommandReply> answer) { *reply = std::move(answer); });
  return reply;
}

std::shared_ptr<PartitionWorld::Deployed> PartitionWorld::Deploy(absl::string_view text) {
  auto reply = std::make_shared<Deployed>();
  const definition::CompileResult compiled = definition::Compile(text);
  EXPECT_TRUE(compiled.ok()) << compiled.status();
  partitions_[0]->Deploy(
      {.namespace_name = compiled.program->namespace_name,
       .name = compiled.program->name,
       .version = compiled.program->version,
       .hash = compiled.program->hash,
       .text = std::string(text),
       .actor = "tester"},
      partition::Ticket(),
      [reply](absl::StatusOr<partition::Deployment> answer) { *reply = std::move(answer); });
  return reply;
}

std::shared_ptr<PartitionWorld::Changed> PartitionWorld::Change(partition::StoreChange change) {
  auto reply = std::make_shared<Changed>();
  partitions_[0]->Change(
      std::move(change), partition::Ticket(),
      [reply](absl::StatusOr<partition::StoreChanged> answer) { *reply = std::move(answer); });
  return reply;
}

std::shared_ptr<PartitionWorld::View> PartitionWorld::Get(const std::string& saga_id) {
  auto view = std::make_shared<View>();
  partitions_[0]->GetSaga(
      {"test", saga_id}, partition::Ticket(),
      [view](absl::StatusOr<saga::SagaView> answer) { *view = std::move(answer); });
  return view;
}

std::shared_ptr<PartitionWorld::View> PartitionWorld::Wait(const std::string& saga_id,
                                                           Timestamp deadline, bool until_parked) {
  auto view = std::make_shared<View>();
  partition::Waiter waiter;
  waiter.id = next_waiter_++;
  waiter.deadline = deadline;
  waiter.until_parked = until_parked;
  waiter.done = [view](absl::StatusOr<saga::SagaView> answer) { *view = std::move(answer); };
  partitions_[0]->WaitSaga({"test", saga_id}, std::move(waiter));
  return view;
}

void PartitionWorld::MustDeploy(absl::string_view text) {
  const auto reply = Deploy(text);
  Settle();
  SKALD_CHECK(reply->has_value());
  EXPECT_TRUE((*reply)->ok()) << (*reply)->status();
}

absl::StatusOr<partition::CommandReply> PartitionWorld::Do(saga::Command command) {
  const auto reply = Submit(std::move(command));
  Settle();
  SKALD_CHECK(reply->has_value());
  return **reply;
}

saga::SagaView PartitionWorld::MustGet(const std::string& saga_id) {
  const auto view = Get(saga_id);
  Settle();
  SKALD_CHECK(view->has_value());
  EXPECT_TRUE((*view)->ok()) << (*view)->status();
  return (*view)->ok() ? ***view : saga::SagaView();
}

// ---- Commands ----

saga::Command PartitionWorld::Start(const std::string& saga_id, const std::string& definition) {
  return Make(saga_id, saga::StartSaga{.definition_name = definition,
                                       .definition_version = {},
                                       .input = saga::Payload::Of(Json::EmptyObject())});
}

saga::Command PartitionWorld::WithRequest(saga::Command command, std::string request_id,
                                          uint64_t digest) {
  command.request_id = std::move(request_id);
  command.request_digest = digest;
  return command;
}

saga::TaskToken PartitionWorld::Token(const std::string& name) const {
  for (const auto* const tasks : {&outlet_.ready, &outlet_.withdrawn}) {
    for (const auto& [each, task] : *tasks) {
      if (name.empty() || each == name) return task->token;
    }
  }
  for (const auto& [each, token] : outlet_.cancelled) {
    if (name.empty() || each == name) return token;
  }
  ADD_FAILURE() << "no task " << name;
  return {};
}

saga::Command PartitionWorld::Answer(const std::string& name, const std::string& output) {
  saga::AnswerTask answer{.token = Token(name), .output = {}, .error = {}};
  answer.output = saga::Payload{Json::Parse(output).value(), output};
  saga::Command command;
  command.saga = answer.token.saga;
  command.request = std::move(answer);
  return command;
}

saga::Command PartitionWorld::Fail(const std::string& name, int status) {
  saga::AnswerTask answer{.token = Token(name), .output = {}, .error = {}};
  answer.error = Json::Parse(absl::StrCat("{\"status\":", status, "}")).value();
  saga::Command command;
  command.saga = answer.token.saga;
  command.request = std::move(answer);
  return command;
}

// ---- Checks ----

std::vector<runtime::ComparableRow> PartitionWorld::Rows() {
  std::vector<runtime::ComparableRow> all;
  for (const auto& each : partitions_) {
    std::unique_ptr<storage::ViewSnapshot> rows;
    each->Capture([&](std::unique_ptr<storage::ViewSnapshot> taken, Position) {
      rows = std::move(taken);
    });
    while (rows == nullptr) {
      Poll();
      Flush();
    }
    auto comparable = runtime::ComparableRows(*rows, each->id(), clock_.Now());
    SKALD_CHECK(comparable.ok());
    all.insert(all.end(), comparable->begin(), comparable->end());
  }
  return all;
}

std::vector<runtime::ComparableRow> PartitionWorld::ReplayedRows() {
  std::vector<runtime::ComparableRow> all;
  for (const auto& each : partitions_) {
    storage::MemoryViews views;
    partition::Fold fold({.partition = each->id()}, views, programs_);
    for (const auto cursor = log_.Read(each->id(), Position(1)); cursor->Valid(); cursor->Next()) {
      const absl::Status replayed = fold.Replay(cursor->record());
      EXPECT_TRUE(replayed.ok()) << replayed;
    }
    SKALD_CHECK(fold.Seal().ok() && fold.WriteSealed(views).ok());
    auto comparable = runtime::ComparableRows(*views.Snapshot(), each->id(), clock_.Now());
    SKALD_CHECK(comparable.ok());
    all.insert(all.end(), comparable->begin(), comparable->end());
  }
  return all;
}

}  // namespace skald::testing
