// Goal: the threaded shell around the partitions does what it says, on memory and on disk. Method:
// the engine as its clients see it, with workers in the same process and the machine's clock; no
// test waits for time to pass.
#include <atomic>
#include <future>
#include <mutex>
#include <optional>
#include <set>
#include <thread>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/errors.h"
#include "engine/runtime/engine_impl.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/memory/memory_event_log.h"
#include "storage/memory/memory_views.h"
#include "tests/engine/partition/definitions_in_tests.h"
#include "tests/support/engine_driver.h"
#include "tests/support/simulated_clock.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_folder.h"

namespace skald::testing {
namespace {

using runtime::CommandReply;
using runtime::Engine;
using runtime::EngineOptions;
using saga::Status;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// On memory (false) and on RocksDB (true).
class EngineTest : public ::testing::TestWithParam<bool> {
 protected:
  EngineTest() { Open(); }

  EngineOptions Options() const {
    EngineOptions options;
    if (GetParam()) options.data_dir = folder_.Sub("data");
    options.partition_count = 4;
    options.threads = 2;
    options.free_bytes_soft = options.free_bytes_hard = 0;
    options.broker.claim_window = 0;
    return options;
  }
  void Open() {
    absl::StatusOr<std::unique_ptr<Engine>> engine = Engine::Open(Options());
    ASSERT_OK(engine);
    engine_ = *std::move(engine);
  }
  EngineDriver Call() { return EngineDriver(*engine_); }

  std::vector<std::string> HistoryOf(const std::string& saga_id, Revision from = Revision(0)) {
    std::vector<std::string> kinds;
    Awaited<int> end;
    engine_->ReadHistory(
        {"test", saga_id}, from,
        [&](const runtime::RecordedEvent& event) {
          kinds.push_back(absl::StrCat(event.revision.value(), " ", event.event->kind_case()));
          return true;
        },
        [done = end.Callback()](absl::Status status) mutable {
          if (status.ok()) return std::move(done)(1);
          std::move(done)(status);
        });
    EXPECT_OK(end.Get());
    return kinds;
  }

  TempFolder folder_;
  std::unique_ptr<Engine> engine_;
};

TEST_P(EngineTest, ASagaRunsToItsEnd) {
  const auto worker = InstantWorker::Join(*engine_, {"reserve", "charge"});
  ASSERT_OK_AND_ASSIGN(const runtime::DeployReply deployed, Call().Deploy(kOrder));
  EXPECT_EQ(deployed.name, "order");
  EXPECT_FALSE(deployed.already_deployed);
  EXPECT_THAT(deployed.unserved_functions, ::testing::UnorderedElementsAre("release", "refund"));
  ASSERT_OK(Call().Start("s1", "order"));
  ASSERT_OK_AND_ASSIGN(const saga::SagaView view, Call().Wait({"test", "s1"}));
  EXPECT_EQ(view.status, Status::kCompleted);
  EXPECT_EQ(HistoryOf("s1").size(), view.revision.value() + 1);
  EXPECT_EQ(HistoryOf("s1", view.revision).size(), 1u);
  worker->Leave();
}

// While a callback holds up the thread that tells of what is durable.
TEST_P(EngineTest, ASagaRightBehindItsDefinitionHasItsAttributes) {
  ASSERT_OK(Call().Deploy(kOrder));
  const auto in_first = [&](std::string id) {
    while (engine_->PartitionOf({"test", id}) != PartitionId(0)) id += "x";
    return id;
  };
  const std::string id = in_first("s");
  std::promise<void> is_held, are_sent, is_read;
  engine_->GetSaga({"test", in_first("nobody")}, [&](auto) {
    is_held.set_value();
    are_sent.get_future().wait();
  });
  is_held.get_future().wait();
  // All in one turn: the first answer comes before anyone hears of the definition.
  engine_->Submit(EngineDriver::StartCommand(in_first("before"), "order"),
                  [&](auto) { is_read.get_future().wait(); });
  Awaited<runtime::DeployReply> deployed;
  engine_->Deploy(R"(
document:
  dsl: '1.0.3'
  namespace: test
  name: named
  version: '1.0.0'
  metadata: { skald: { attributes: { name: '${ $saga.id }' } } }
do:
  - go: { call: go }
)",
                  "tester", deployed.Callback());
  Awaited<CommandReply> started;
  engine_->Submit(EngineDriver::StartCommand(id, "named"), started.Callback());
  are_sent.set_value();
  std::optional<Json> row;
  while (!row) {
    const auto rows =
        engine_->models().Open("sagas", {.wait_until = After(engine_->Now(), 10 * kSecond)});
    EXPECT_OK(rows);
    if (!rows.ok()) break;
    const Json key =
        Json::Object({{"namespace", Json::String("test")}, {"saga_id", Json::String(id)}});
    row = (*rows)->Get(projection::EncodeRowKey((*rows)->schema(), key)).value();
  }
  is_read.set_value();
  EXPECT_OK(deployed.Get());
  EXPECT_OK(started.Get());
  ASSERT_TRUE(row.has_value());
  EXPECT_EQ(row->Get("attributes").Get("name"), Json::String(id)) << *row;
}

TEST_P(EngineTest, ManySagasFromManyThreads) {
  ASSERT_OK(Call().Deploy(kOrder));
  const auto worker = InstantWorker::Join(*engine_, {"reserve", "charge"});
  constexpr int kThreads = 4, kSagas = 50;
  std::vector<std::thread> clients;
  std::atomic<int> completed = 0;
  for (int thread = 0; thread < kThreads; ++thread) {
    clients.emplace_back([&, thread] {
      for (int i = 0; i < kSagas; ++i) {
        const std::string id = absl::StrCat("s", thread, "-", i);
        EXPECT_OK(Call().Start(id, "order"));
        const absl::StatusOr<saga::SagaView> view = Call().Wait({"test", id});
        if (view.ok() && view->status == Status::kCompleted) ++completed;
      }
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(completed, kThreads * kSagas);
  worker->Leave();
  runtime::EngineStatus status = engine_->GetStatus();
  EXPECT_EQ(status.partitions.size(), 4u);
  // Partition 0 may still commit that others received the definition, a second after it came.
  runtime::VerifyReport report;
  for (uint64_t commits_before = 0; commits_before != status.log_commits;) {
    commits_before = status.log_commits;
    ASSERT_OK_AND_ASSIGN(report, engine_->Verify(nullptr));
    status = engine_->GetStatus();
  }
  EXPECT_THAT(report.differences, IsEmpty());
  EXPECT_EQ(report.sagas, static_cast<uint64_t>(kThreads * kSagas));
  EXPECT_EQ(report.ended, report.sagas);
  EXPECT_EQ(status.log_commits, report.commits);
  EXPECT_EQ(status.log_events, report.events);
}

// Folding a saga's next event asks the partition where the earlier ones are. That must not be
// refused, however many requests are under way.
TEST_P(EngineTest, ModelsAreFoldedUnderOverload) {
  EngineOptions options = Options();
  options.partition_count = options.threads = 1;
  options.inbox_commands_max = 1;
  options.projection.states_bytes_max = 0;
  options.projection.pace.unwatched_min = 1;
  engine_.reset();
  if (GetParam()) options.data_dir = folder_.Sub("overloaded");
  absl::StatusOr<std::unique_ptr<Engine>> engine = Engine::Open(options);
  ASSERT_OK(engine);
  engine_ = *std::move(engine);
  ASSERT_OK(Call().Deploy(kOrder));
  std::vector<std::thread> clients;
  for (int thread = 0; thread < 4; ++thread) {
    clients.emplace_back([&, thread] {
      const auto insist = [&](const saga::Command& command) {
        absl::Status status;
        do {
          status = Call().Do(command).status();
        } while (absl::IsResourceExhausted(status));
        EXPECT_OK(status);
      };
      for (int i = 0; i < 200; ++i) {
        saga::Command command =
            EngineDriver::StartCommand(absl::StrCat("s", thread, "-", i), "order");
        insist(command);
        for (int j = 0; j < 3; ++j) {
          command.request = saga::SuspendSaga{};
          insist(command);
          command.request = saga::ResumeSaga{};
          insist(command);
        }
      }
    });
  }
  for (std::thread& client : clients) client.join();
  ASSERT_OK_AND_ASSIGN(const runtime::VerifyReport report, engine_->Verify(nullptr));
  EXPECT_THAT(report.differences, IsEmpty());
}

// With room for a handful of waiting tasks the rest comes from rows, across a restart as well.
TEST_P(EngineTest, ALongQueueOfTasksLivesOnDisk) {
  EngineOptions options = Options();
  options.broker.waiting_bytes_max = options.broker.queue_bytes_min = 4'096;
  engine_.reset();
  ASSERT_OK_AND_ASSIGN(engine_, Engine::Open(options));
  ASSERT_OK(Call().Deploy(kOrder));
  constexpr int kSagas = 400;
  for (int i = 0; i < kSagas; ++i) ASSERT_OK(Call().Start(absl::StrCat("s", i), "order"));
  const auto ready = [&] { return engine_->broker().Queues()[0]; };
  EXPECT_LT(ready().ready, 20u);
  EXPECT_TRUE(ready().more);
  if (GetParam()) {
    ASSERT_OK(engine_->Shutdown());
    engine_.reset();
    ASSERT_OK_AND_ASSIGN(engine_, Engine::Open(options));
    EXPECT_LT(ready().ready, 20u);
  }
  const auto worker = InstantWorker::Join(*engine_, {"reserve", "charge"});
  for (int i = 0; i < kSagas; ++i) {
    ASSERT_OK_AND_ASSIGN(const saga::SagaView view, Call().Wait({"test", absl::StrCat("s", i)}));
    EXPECT_EQ(view.status, Status::kCompleted);
  }
  EXPECT_EQ(worker->answered(), 2u * kSagas);
  worker->Leave();
}

TEST_P(EngineTest, WhatIsMissingInARequestIsMadeUpOrRefused) {
  ASSERT_OK(Call().Deploy(kNothing));
  ASSERT_OK_AND_ASSIGN(const CommandReply first, Call().Start("", "nothing"));
  ASSERT_OK_AND_ASSIGN(const CommandReply second, Call().Start("", "nothing"));
  EXPECT_NE(first.saga.saga_id, second.saga.saga_id);
  saga::Command start = EngineDriver::StartCommand("", "nothing");
  start.request_id = "r1";
  ASSERT_OK_AND_ASSIGN(const CommandReply named, Call().Do(start));
  ASSERT_OK_AND_ASSIGN(const CommandReply again, Call().Do(start));
  EXPECT_EQ(named.saga, again.saga);
  EXPECT_TRUE(again.duplicate);
  saga::Command suspend;
  suspend.saga = {"test", ""};
  suspend.request = saga::SuspendSaga{};
  EXPECT_TRUE(HasReason(Call().Do(suspend).status(), ErrorReason::kBadRequest));
}

TEST_P(EngineTest, DefinitionsAreListedAndFound) {
  for (const char* const text : {kOrder2, kOrder, kPause}) ASSERT_OK(Call().Deploy(text));
  ASSERT_OK_AND_ASSIGN(const runtime::DeployReply again, Call().Deploy(kOrder));
  EXPECT_TRUE(again.already_deployed);
  EXPECT_TRUE(
      HasReason(Call().Deploy(kOrderChanged).status(), ErrorReason::kDefinitionAlreadyExists));
  EXPECT_FALSE(Call().Deploy("do: nonsense").ok());
  const auto versions = [&](const std::vector<runtime::DefinitionInfo>& list) {
    std::vector<std::string> texts;
    for (const auto& info : list) texts.push_back(info.name + " " + info.version);
    return texts;
  };
  EXPECT_THAT(versions(engine_->ListDefinitions("")),
              ElementsAre("order 1.0.0", "order 1.10.0", "pause 1.0.0"));
  EXPECT_THAT(engine_->ListDefinitions("elsewhere"), IsEmpty());
  EXPECT_EQ(engine_->ListDefinitions("")[0].text, "");
  EXPECT_EQ(engine_->DefinitionNameOf(again.hash), "order");
  EXPECT_EQ(engine_->DefinitionNameOf("no hash"), "");
  ASSERT_OK_AND_ASSIGN(const auto newest, engine_->GetDefinition("test", "order", ""));
  EXPECT_EQ(newest.version, "1.10.0");
  EXPECT_EQ(newest.text, kOrder2);
  EXPECT_FALSE(engine_->GetDefinition("test", "order", "9.9.9").ok());
}

TEST_P(EngineTest, SagasAreListedPageByPage) {
  ASSERT_OK(Call().Deploy(kOrder));
  ASSERT_OK(Call().Deploy(kNothing));
  for (int i = 0; i < 10; ++i) {
    ASSERT_OK(Call().Start(absl::StrCat("s", i), i % 2 == 0 ? "order" : "nothing"));
  }
  // A listing shows what is in views, and a verification brings everything there.
  ASSERT_OK(engine_->Verify(nullptr));
  std::set<std::string> seen;
  std::string next;
  int pages = 0;
  do {
    ASSERT_OK_AND_ASSIGN(const runtime::SagaPage page, engine_->ListSagas({}, next, 3));
    EXPECT_LE(page.sagas.size(), 3u);
    for (const saga::SagaView& view : page.sagas) {
      EXPECT_TRUE(seen.insert(view.key.saga_id).second);
    }
    next = page.next;
    ++pages;
  } while (!next.empty());
  EXPECT_EQ(seen.size(), 10u);
  EXPECT_GE(pages, 4);
  ASSERT_OK_AND_ASSIGN(
      const runtime::SagaPage ended,
      engine_->ListSagas(
          {.namespace_name = "test", .definition_name = {}, .statuses = {Status::kCompleted}}, "",
          100));
  EXPECT_THAT(ended.sagas, SizeIs(5));
  EXPECT_THAT(ended.sagas, Each(Field(&saga::SagaView::definition_name, "nothing")));
  ASSERT_OK_AND_ASSIGN(const runtime::SagaPage elsewhere,
                       engine_->ListSagas({.namespace_name = "elsewhere"}, "", 100));
  EXPECT_THAT(elsewhere.sagas, IsEmpty());
  EXPECT_FALSE(engine_->ListSagas({}, "nonsense", 3).ok());
}

TEST_P(EngineTest, TheLogIsReadInOrderAndItsGrowthTold) {
  std::atomic<int> told = 0;
  const uint64_t id = engine_->AddLogListener([&] { ++told; });
  ASSERT_OK(Call().Deploy(kNothing));
  ASSERT_OK_AND_ASSIGN(const CommandReply reply, Call().Start("s1", "nothing"));
  EXPECT_GT(told, 0);
  engine_->RemoveLogListener(id);
  const PartitionId partition = engine_->PartitionOf({"test", "s1"});
  EXPECT_EQ(reply.position.partition, partition);
  EXPECT_EQ(engine_->DurablePosition(partition), reply.position.position);
  std::vector<Position> positions;
  ASSERT_OK_AND_ASSIGN(const Position next,
                       engine_->ReadLog(partition, Position(2), [&](const auto& event) {
                         positions.push_back(event.position);
                         return true;
                       }));
  EXPECT_EQ(next, reply.position.position.Next());
  ASSERT_THAT(positions, SizeIs(reply.position.position.value() - 1));
  EXPECT_EQ(positions.front(), Position(2));
  ASSERT_OK_AND_ASSIGN(const Position stopped,
                       engine_->ReadLog(partition, Position(0), [](const auto&) { return false; }));
  EXPECT_EQ(stopped, Position(2));
}

TEST_P(EngineTest, WaitingEndsWithTheDeadlineOrWhenItIsGivenUp) {
  ASSERT_OK(Call().Deploy(kOrder));
  ASSERT_OK(Call().Start("s1", "order"));
  ASSERT_OK_AND_ASSIGN(const saga::SagaView view,
                       Call().Wait({"test", "s1"}, After(engine_->Now(), kMillisecond)));
  EXPECT_EQ(view.status, Status::kRunning);
  std::atomic<int> called = 0;
  const uint64_t id = engine_->WaitSaga({"test", "s1"}, kNever, false,
                                        [&](absl::StatusOr<saga::SagaView>) { ++called; });
  engine_->StopWaiting({"test", "s1"}, id);
  saga::Command terminate;
  terminate.saga = {"test", "s1"};
  terminate.request = saga::TerminateSaga{};
  ASSERT_OK(Call().Do(terminate));
  EXPECT_EQ(called, 0);
}

TEST_P(EngineTest, ShutdownAnswersEverythingAndRefusesTheRest) {
  ASSERT_OK(Call().Deploy(kOrder));
  ASSERT_OK(Call().Start("s1", "order"));
  Awaited<saga::SagaView> waiter;
  engine_->WaitSaga({"test", "s1"}, kNever, false, waiter.Callback());
  ASSERT_OK(engine_->Shutdown());
  EXPECT_TRUE(HasReason(waiter.Get().status(), ErrorReason::kPartitionNotServing));
  EXPECT_TRUE(HasReason(Call().Start("s2", "order").status(), ErrorReason::kPartitionNotServing));
  EXPECT_FALSE(Call().Get({"test", "s1"}).ok());
}

TEST_P(EngineTest, AStoreIsOpenedAgainAsItWas) {
  if (!GetParam()) GTEST_SKIP() << "memory keeps nothing";
  ASSERT_OK(Call().Deploy(kOrder));
  ASSERT_OK(Call().Start("s1", "order"));
  for (const bool orderly : {true, false}) {
    if (orderly) {
      ASSERT_OK(engine_->Shutdown());
    }
    engine_.reset();
    Open();
    ASSERT_OK_AND_ASSIGN(const saga::SagaView view, Call().Get({"test", "s1"}));
    EXPECT_EQ(view.status, Status::kRunning);
    EXPECT_THAT(engine_->ListDefinitions(""), SizeIs(1));
    ASSERT_OK_AND_ASSIGN(const runtime::VerifyReport report, engine_->Verify(nullptr));
    EXPECT_THAT(report.differences, IsEmpty());
    EXPECT_EQ(report.running, 1u);
  }
  // The task is there for whoever comes.
  const auto worker = InstantWorker::Join(*engine_, {"reserve", "charge"});
  ASSERT_OK_AND_ASSIGN(const saga::SagaView view, Call().Wait({"test", "s1"}));
  EXPECT_EQ(view.status, Status::kCompleted);
  worker->Leave();
}

TEST_P(EngineTest, ACancelledTaskIsQuietAfterItsLease) {
  EngineOptions options = Options();
  options.broker.lease = 20 * kMillisecond;
  if (GetParam()) options.data_dir = folder_.Sub("other");
  ASSERT_OK_AND_ASSIGN(engine_, Engine::Open(options));
  ASSERT_OK(Call().Deploy(kOrder));
  ASSERT_OK(Call().Start("s1", "order"));
  saga::Command cancel;
  cancel.saga = {"test", "s1"};
  cancel.request = saga::CancelSaga{.reason = "asked", .compensate = {}};
  ASSERT_OK(Call().Do(cancel));
  ASSERT_OK_AND_ASSIGN(const saga::SagaView view, Call().Wait({"test", "s1"}));
  EXPECT_EQ(view.status, Status::kCancelled);
}

// Also when the lease is over before the engine can take what comes of it.
TEST_P(EngineTest, ACancellationThatWaitsGoesOnAfterARestart) {
  if (!GetParam()) GTEST_SKIP() << "memory keeps nothing";
  ASSERT_OK(Call().Deploy(kOrder));
  ASSERT_OK(Call().Start("s1", "order"));
  engine_.reset();
  Open();  // an earlier run may have handed out its task
  saga::Command cancel;
  cancel.saga = {"test", "s1"};
  cancel.request = saga::CancelSaga{.reason = "asked", .compensate = {}};
  ASSERT_OK(Call().Do(cancel));
  engine_.reset();
  EngineOptions options = Options();
  options.broker.lease = 1;
  ASSERT_OK_AND_ASSIGN(engine_, Engine::Open(options));
  ASSERT_OK_AND_ASSIGN(const saga::SagaView view,
                       Call().Wait({"test", "s1"}, After(engine_->Now(), 10 * kSecond)));
  EXPECT_EQ(view.status, Status::kCancelled);
}

INSTANTIATE_TEST_SUITE_P(Stores, EngineTest, ::testing::Bool(), [](const auto& test) {
  return std::string(test.param ? "RocksDb" : "Memory");
});

// ---- What cannot go on ----

// A log that breaks when it is told to.
class BreakingLog : public storage::MemoryEventLog {
 public:
  using MemoryEventLog::MemoryEventLog;
  absl::Status Append(absl::Span<const storage::StagedCommit> commits) override {
    if (broken) return absl::UnavailableError("no more");
    return MemoryEventLog::Append(commits);
  }
  std::atomic<bool> broken = false;
};

TEST(EngineTurnTest, WhatIsSubmittedTogetherSharesATurnAndItsEnd) {
  EngineOptions options;
  options.partition_count = 4;
  options.threads = 1;
  options.broker.claim_window = 0;
  ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Engine> engine, Engine::Open(options));
  ASSERT_OK(EngineDriver(*engine).Deploy(kNothing));
  constexpr int kStarts = 20;
  std::mutex mutex;
  std::vector<std::string> told;  // on one thread, in this order
  Awaited<int> end;
  const uint64_t batches = engine->GetStatus().log_batches;
  engine->SubmitTogether([&] {
    for (int i = 0; i < kStarts; ++i) {
      engine->Submit(EngineDriver::StartCommand(absl::StrCat("s", i), "nothing"),
                     [&](const absl::StatusOr<CommandReply>& reply) {
                       const std::lock_guard lock(mutex);
                       EXPECT_OK(reply);
                       told.push_back("answer");
                       const bool is_turn = engine->AtTurnEnd([&, last = told.size() == kStarts] {
                         const std::lock_guard inner(mutex);
                         told.push_back("end");
                         if (last) end.Callback()(1);
                       });
                       EXPECT_TRUE(is_turn);
                     });
    }
    engine->Submit(EngineDriver::StartCommand("t", "missing"), [&](const absl::StatusOr<CommandReply>& reply) {
      EXPECT_TRUE(absl::IsNotFound(reply.status()));
    });
    const std::lock_guard lock(mutex);
    EXPECT_THAT(told, IsEmpty()) << "they are handed over when all are there";
  });
  ASSERT_OK(end.Get());
  std::vector<std::string> wanted(kStarts, "answer");
  wanted.insert(wanted.end(), kStarts, "end");
  EXPECT_EQ(told, wanted);
  EXPECT_LE(engine->GetStatus().log_batches, batches + 2)
      << "one sync for all, and perhaps one for the acknowledgements of the deployment";
  EXPECT_FALSE(engine->AtTurnEnd([] { ADD_FAILURE() << "there is no turn here"; }));
  ASSERT_OK(engine->Shutdown());
}

TEST(EngineTurnTest, WhatIsSubmittedTogetherToAStoppedEngineIsRefused) {
  EngineOptions options;
  options.partition_count = 2;
  ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Engine> engine, Engine::Open(options));
  ASSERT_OK(engine->Shutdown());
  int refused = 0;
  engine->SubmitTogether([&] {
    for (int i = 0; i < 5; ++i) {
      engine->Submit(EngineDriver::StartCommand(absl::StrCat("s", i), "nothing"),
                     [&](const absl::StatusOr<CommandReply>& reply) { refused += !reply.ok(); });
    }
  });
  EXPECT_EQ(refused, 5);
}

TEST(EngineFatalTest, AFailedWriteIsNeverAcknowledged) {
  BreakingLog log({.partition_count = 2});
  storage::MemoryViews views;
  std::promise<absl::Status> fatal;
  EngineOptions options;
  options.threads = 1;
  ASSERT_OK_AND_ASSIGN(
      std::unique_ptr<Engine> engine,
      runtime::OpenEngine(options, {.fatal = [&](const absl::Status& why) { fatal.set_value(why); },
                                    .log = &log,
                                    .views = &views}));
  EngineDriver call(*engine);
  ASSERT_OK(call.Deploy(kNothing));
  log.broken = true;
  Awaited<CommandReply> reply;
  engine->Submit(EngineDriver::StartCommand("s1", "nothing"), reply.Callback());
  EXPECT_FALSE(fatal.get_future().get().ok());
  EXPECT_TRUE(HasReason(call.Start("s2", "nothing").status(), ErrorReason::kPartitionNotServing));
  // Nobody has to wait for the engine to go.
  EXPECT_TRUE(HasReason(reply.Get().status(), ErrorReason::kPartitionNotServing));
  EXPECT_FALSE(engine->Shutdown().ok());
}

TEST(EngineOpenTest, AWrongDirectoryIsRefused) {
  const TempFolder folder;
  EngineOptions options;
  options.data_dir = folder.Sub("missing");
  options.create_if_missing = false;
  EXPECT_FALSE(Engine::Open(options).ok());
  options.create_if_missing = true;
  options.partition_count = 2;
  ASSERT_OK(Engine::Open(options));
  options.partition_count = 3;
  EXPECT_FALSE(Engine::Open(options).ok());
  options.partition_count = 0;
  EXPECT_OK(Engine::Open(options));
}

// The clock is behind what the store at `options` holds: a saga "s1" begun an hour from now.
void BeginAnHourAhead(EngineOptions& options, const std::string& folder, const std::string& text,
                      const std::string& definition) {
  options.data_dir = folder;
  options.free_bytes_soft = options.free_bytes_hard = 0;
  SimulatedClock ahead;
  ahead.Set(After(RealClock().Now(), kHour));
  ASSERT_OK_AND_ASSIGN(const auto engine,
                       runtime::OpenEngine(options, {.clock = &ahead, .fatal = {}}));
  ASSERT_OK(EngineDriver(*engine).Deploy(text));
  ASSERT_OK(EngineDriver(*engine).Start("s1", definition));
  ASSERT_OK(engine->Shutdown());
}

// The lease counts from when workers may come, by the clock that went on from the log.
TEST(EngineOpenTest, AClockBehindTheLogMakesNoTaskQuietEarly) {
  const TempFolder folder;
  EngineOptions options;
  BeginAnHourAhead(options, folder.Sub("data"), kOrder, "order");
  ASSERT_OK_AND_ASSIGN(const auto engine, Engine::Open(options));
  EngineDriver call(*engine);
  saga::Command cancel;
  cancel.saga = {"test", "s1"};
  cancel.request = saga::CancelSaga{.reason = "asked", .compensate = {}};
  ASSERT_OK(call.Do(cancel));
  ASSERT_OK_AND_ASSIGN(const saga::SagaView view,
                       call.Wait({"test", "s1"}, After(engine->Now(), 200 * kMillisecond)));
  EXPECT_FALSE(saga::IsEnded(view.status));
}

TEST(EngineOpenTest, AClockBehindTheLogGoesOnFromTheLog) {
  const TempFolder folder;
  EngineOptions options;
  BeginAnHourAhead(options, folder.Sub("data"), R"(
document: { dsl: '1.0.3', namespace: test, name: pause, version: '1.0.0' }
do:
  - pause: { wait: { milliseconds: 50 } }
)",
                   "pause");
  ASSERT_OK_AND_ASSIGN(const auto engine, Engine::Open(options));
  EngineDriver call(*engine);
  // Not by a deadline, which would be of the clock in question.
  for (int i = 0; i < 1'000; ++i) {
    ASSERT_OK_AND_ASSIGN(const saga::SagaView view, call.Get({"test", "s1"}));
    if (view.status == Status::kCompleted) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  FAIL() << "the timer waits for the clock to catch up with the log";
}

}  // namespace
}  // namespace skald::testing
