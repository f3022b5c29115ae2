// Goal: read models of a running engine are fresh, survive restarts, are rebuilt beside what serves, and
// tell watchers every change. Method: an engine on memory and on disk with workers in the same
// process; models of the test's own where an event must not fold.
#include "engine/projection/projector.h"

#include <atomic>
#include <chrono>
#include <map>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/errors.h"
#include "base/status_macros.h"
#include "base/utf8.h"
#include "engine/projection/models/built_in.h"
#include "engine/runtime/engine_impl.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/engine/partition/definitions_in_tests.h"
#include "tests/support/engine_driver.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_folder.h"

namespace skald::testing {
namespace {

using projection::Model;
using projection::ModelDeltas;
using projection::ModelFold;
using projection::ModelRows;
using projection::ModelSchema;
using projection::ModelStatus;
using projection::OpenOptions;
using projection::Row;
using projection::RowDelta;
using runtime::Engine;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

using Rows = std::map<std::string, std::string>;

// Counts starts; cannot fold the start of a saga called "bad", or of one called "wordy", with much
// to say of that.
class StartsFold final : public ModelFold {
 public:
  absl::Status Fold(const projection::FoldedEvent& event, projection::RowWriter& rows) override {
    if (!event.event.has_saga_started()) return absl::OkStatus();
    if (event.header.saga_id() == "bad") return absl::InvalidArgumentError("no sum of apples and pears");
    if (event.header.saga_id() == "wordy") return absl::InvalidArgumentError(Words());
    const Json row = Json::Object({{"key", Json::String("starts")}});
    SKALD_ASSIGN_OR_RETURN(const std::optional<Json> old,
                           rows.Get(projection::EncodeRowKey(Schema(), row)));
    rows.Put(row.With("count", Json::Int(old ? old->Get("count").AsInt() + 1 : 1)));
    return absl::OkStatus();
  }
  static ModelSchema Schema() {
    ModelSchema schema;
    schema.name = "starts";
    schema.columns = {{"key", projection::ColumnType::kText, "", {}},
                      {"count", projection::ColumnType::kInteger, "", {}}};
    schema.history = true;
    return schema;
  }
  static std::string Words() {
    return absl::StrReplaceAll(std::string(100'000, 'x'), {{"x", "ä"}});
  }
};

std::shared_ptr<const Model> StartsModel(projection::PoisonPolicy policy, std::string version = "1") {
  Model model{.schema = StartsFold::Schema(), .version = std::move(version), .on_poison = policy};
  model.make_fold = [] { return std::make_unique<StartsFold>(); };
  return std::make_shared<const Model>(std::move(model));
}

class ProjectorTest : public ::testing::TestWithParam<bool> {
 protected:
  ProjectorTest() { Open(); }

  void Open() {
    runtime::EngineOptions options;
    if (GetParam()) options.data_dir = folder_.Sub("data");
    options.partition_count = 4;
    options.threads = 2;
    options.free_bytes_soft = options.free_bytes_hard = 0;
    options.broker.claim_window = 0;
    // Small as the logs of tests are, rebuilds of models by saga are folded by several threads.
    options.projection.rebuild_threads = 3;
    options.projection.rebuild_apart_events_min = 1;
    options.projection.states_bytes_max = states_bytes_max_;
    absl::StatusOr<std::unique_ptr<Engine>> engine = Engine::Open(options);
    ASSERT_OK(engine);
    engine_ = *std::move(engine);
  }
  void Restart() {
    ASSERT_OK(engine_->Shutdown());
    engine_.reset();
    Open();
  }
  EngineDriver Call() { return EngineDriver(*engine_); }
  projection::Projector& models() {
    return static_cast<projection::Projector&>(engine_->models());
  }
  OpenOptions Fresh() { return {.wait_until = After(engine_->Now(), 10 * kSecond)}; }

  std::unique_ptr<ModelRows> Read(const std::string& model) {
    absl::StatusOr<std::unique_ptr<ModelRows>> rows = models().Open(model, Fresh());
    EXPECT_OK(rows);
    return *std::move(rows);
  }
  static Rows All(const ModelRows& model) {
    Rows rows;
    EXPECT_OK(model.Scan({}, [&](const Row& row) {
      rows.emplace(row.key, row.value.ToText());
      return true;
    }));
    return rows;
  }
  void SetModels(std::vector<std::shared_ptr<const Model>> more) {
    auto all = projection::BuiltInModels([](absl::string_view) { return nullptr; });
    all.insert(all.end(), more.begin(), more.end());
    models().SetModels(std::move(all));
  }
  ModelStatus StatusOf(const std::string& name) {
    for (ModelStatus& status : models().GetStatus()) {
      if (status.name == name) return status;
    }
    ADD_FAILURE() << "no model " << name;
    return {};
  }
  // Waits until the model's build is over.
  ModelStatus Built(const std::string& name) {
    while (true) {
      ModelStatus status = StatusOf(name);
      if (!status.build) return status;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }

  TempFolder folder_;
  size_t states_bytes_max_ = 32 << 20;
  std::unique_ptr<Engine> engine_;
};

// What stands in views is found there, and what came since by the partition.
TEST_P(ProjectorTest, StatesThatAreNotKeptAreFoldedAgain) {
  states_bytes_max_ = 0;
  engine_.reset();
  Open();
  ASSERT_OK(Call().Deploy(kOrder));
  const auto id = [](int i) { return absl::StrCat("s", i); };
  const auto status_of = [&](int i) {
    Rows rows = All(*Read("sagas"));
    for (const auto& [key, row] : rows) {
      const Json value = *Json::Parse(row);
      if (value.Get("saga_id").AsString() == id(i))
        return std::string(value.Get("status").AsString());
    }
    return std::string("none");
  };
  const auto change = [&](int i, auto verb) {
    saga::Command command;
    command.saga = {"test", id(i)};
    command.request = std::move(verb);
    ASSERT_OK(Call().Do(std::move(command)));
  };
  for (int i = 0; i < 8; ++i) {
    ASSERT_OK(Call().Start(id(i), "order"));
    ASSERT_EQ(status_of(i), "running");
    change(i, saga::SuspendSaga{});
    ASSERT_EQ(status_of(i), "suspended");
  }
  if (GetParam()) Restart();
  for (int i = 0; i < 8; ++i) {
    change(i, saga::ResumeSaga{});
    ASSERT_EQ(status_of(i), "running");
  }
  const auto worker = InstantWorker::Join(*engine_, {"reserve", "charge"});
  for (int i = 0; i < 8; ++i) ASSERT_OK(Call().Wait({"test", id(i)}));
  for (int i = 0; i < 8; ++i) EXPECT_EQ(status_of(i), "completed");
  worker->Leave();
  ASSERT_OK_AND_ASSIGN(const projection::RebuildResult folded,
                       models().Rebuild("sagas", {.check_only = true}, [] { return false; }));
  EXPECT_EQ(folded.hash, folded.previous_hash);
}

TEST_P(ProjectorTest, WhatWasAcknowledgedIsSeen) {
  ASSERT_OK(Call().Deploy(kOrder));
  const auto worker = InstantWorker::Join(*engine_, {"reserve", "charge"});
  for (int i = 0; i < 50; ++i) {
    ASSERT_OK(Call().Start(absl::StrCat("s", i), "order"));
    ASSERT_EQ(*Read("sagas")->Count(), static_cast<uint64_t>(i + 1));
  }
  for (int i = 0; i < 50; ++i) ASSERT_OK(Call().Wait({"test", absl::StrCat("s", i)}));
  size_t completed = 0;
  ASSERT_OK(Read("sagas")->Scan({}, [&](const Row& row) {
    completed += row.value.Get("status").AsString() == "completed";
    return true;
  }));
  EXPECT_EQ(completed, 50u);
  const auto definitions = All(*Read("definitions"));
  ASSERT_THAT(definitions, SizeIs(1));
  EXPECT_THAT(definitions.begin()->second, HasSubstr("\"total\":50"));
  EXPECT_THAT(definitions.begin()->second, HasSubstr("\"completed\":50"));
  int64_t calls = 0;
  ASSERT_OK(Read("throughput")->Scan({}, [&](const Row& row) {
    if (row.value.Get("kind").AsString() == "function") calls += row.value.Get("completed").AsInt();
    return true;
  }));
  EXPECT_EQ(calls, 100);
  EXPECT_THAT(All(*Read("queues")), SizeIs(2));
  worker->Leave();
}

constexpr char kAttributed[] = R"(
document:
  dsl: '1.0.3'
  namespace: test
  name: attributed
  version: '1.0.0'
  metadata:
    skald:
      attributes:
        phase: ${ $context.phase }
        who: ${ $saga.id + " of " + $saga.definition + " " + $saga.version }
        never: ${ error("no such thing") }
do:
  - begin: { set: { a: 1 }, export: { as: { phase: begun } } }
  - go: { call: go, export: { as: { phase: null } } }
)";

TEST_P(ProjectorTest, SagasAreFoundByTheirAttributes) {
  ASSERT_OK(Call().Deploy(kAttributed));
  ASSERT_OK(Call().Start("s1", "attributed"));
  ASSERT_OK(Call().Start("s2", "attributed"));
  const auto by_value = [&] {
    std::vector<std::string> rows;
    EXPECT_OK(Read("attributes")->Scan({.index = "value"}, [&](const Row& row) {
      rows.push_back(absl::StrCat(row.value.Get("attribute").AsString(), " ",
                                  row.value.Get("value").AsString(), ": ",
                                  row.value.Get("saga_id").AsString()));
      return true;
    }));
    return rows;
  };
  EXPECT_THAT(by_value(),
              ElementsAre("phase begun: s1", "phase begun: s2", "who s1 of attributed 1.0.0: s1",
                          "who s2 of attributed 1.0.0: s2"));
  const auto worker = InstantWorker::Join(*engine_, {"go"});
  ASSERT_OK(Call().Wait({"test", "s1"}));
  ASSERT_OK(Call().Wait({"test", "s2"}));
  EXPECT_THAT(by_value(),
              ElementsAre("who s1 of attributed 1.0.0: s1", "who s2 of attributed 1.0.0: s2"));
  const Rows sagas = All(*Read("sagas"));
  EXPECT_THAT(sagas.begin()->second,
              HasSubstr(R"("attributes":{"phase":null,"who":"s1 of attributed 1.0.0","never":null})"));
  const std::string hash = StatusOf("attributes").hash;
  ASSERT_OK_AND_ASSIGN(const projection::RebuildResult rebuilt,
                       models().Rebuild("attributes", {}, [] { return false; }));
  EXPECT_EQ(rebuilt.hash, hash);
  worker->Leave();
}

TEST_P(ProjectorTest, ReadsWaitForAPositionOrSayHowFarBehindTheyAre) {
  ASSERT_OK(Call().Deploy(kOrder));
  ASSERT_OK_AND_ASSIGN(const runtime::CommandReply reply, Call().Start("s1", "order"));
  const std::pair<PartitionId, Position> place{reply.position.partition, reply.position.position};
  OpenOptions options = Fresh();
  options.min_positions = {place};
  ASSERT_OK_AND_ASSIGN(const auto rows, models().Open("sagas", options));
  EXPECT_GE(rows->cut().positions[place.first.value()], place.second);

  options.min_positions = {{place.first, place.second.Plus(1'000)}};
  EXPECT_TRUE(HasReason(models().Open("sagas", options).status(), ErrorReason::kBadRequest));
  options.min_positions = {{PartitionId(4), Position(1)}};
  EXPECT_TRUE(HasReason(models().Open("sagas", options).status(), ErrorReason::kBadRequest));
  EXPECT_TRUE(HasReason(models().Open("nothing", Fresh()).status(), ErrorReason::kModelNotFound));
  options = Fresh();
  options.as_of_time = After(engine_->Now(), kHour);
  EXPECT_TRUE(HasReason(models().Open("sagas", options).status(), ErrorReason::kBadRequest));
  options.as_of_time = engine_->Now();
  EXPECT_TRUE(
      HasReason(models().Open("sagas", options).status(), ErrorReason::kModelWithoutHistory));
}

TEST_P(ProjectorTest, ARebuildIsSwappedInAndEqual) {
  ASSERT_OK(Call().Deploy(kOrder));
  const auto worker = InstantWorker::Join(*engine_, {"reserve", "charge"});
  std::atomic<bool> done = false;
  std::atomic<int> started = 0;
  std::thread client([&] {
    // Enough to be under way meanwhile, and not so much that a slow machine cannot follow.
    while (!done && started < 500) {
      if (Call().Start(absl::StrCat("s", started.load()), "order").ok()) ++started;
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
  });
  while (started < 100) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  for (const std::string model : {"sagas", "incidents", "definitions", "throughput", "attributes"}) {
    const uint64_t before = StatusOf(model).generation;
    ASSERT_OK_AND_ASSIGN(const projection::RebuildResult rebuilt,
                         models().Rebuild(model, {}, [] { return false; }));
    EXPECT_EQ(rebuilt.hash, rebuilt.previous_hash) << model;
    EXPECT_EQ(StatusOf(model).generation, rebuilt.generation);
    EXPECT_EQ(StatusOf(model).previous_generation, before);
    ASSERT_OK(models().DropPrevious(model));
    EXPECT_EQ(StatusOf(model).previous_generation, 0u);
    ASSERT_OK_AND_ASSIGN(const projection::RebuildResult check,
                         models().Rebuild(model, {.check_only = true}, [] { return false; }));
    EXPECT_EQ(check.hash, check.previous_hash) << model;
    EXPECT_EQ(StatusOf(model).generation, rebuilt.generation);
  }
  done = true;
  client.join();
  EXPECT_EQ(*Read("sagas")->Count(), static_cast<uint64_t>(started));
  EXPECT_THAT(*models().CheckRows(), IsEmpty());
  worker->Leave();
}

// Whoever looks sees it go on, or how it ended: never neither.
TEST_P(ProjectorTest, TheStatusKnowsARebuildAtAllTimes) {
  ASSERT_OK(Call().Deploy(kOrder));
  ASSERT_OK(Call().Start("s1", "order"));
  Read("sagas");
  for (int i = 0; i < 100; ++i) {
    ASSERT_OK_AND_ASSIGN(const uint64_t generation, models().StartRebuild("sagas", {}));
    ModelStatus status = StatusOf("sagas");
    while (status.build) {
      ASSERT_EQ(status.build->generation, generation);
      status = StatusOf("sagas");
    }
    ASSERT_TRUE(status.last_build.has_value());
    ASSERT_EQ(status.last_build->generation, generation) << "at the " << i << "th time";
  }
}

TEST_P(ProjectorTest, ARebuildCanBePausedAndGivenUp) {
  ASSERT_OK(Call().Deploy(kOrder));
  ASSERT_OK(Call().Start("s1", "order"));
  EXPECT_TRUE(absl::IsFailedPrecondition(models().PauseRebuild("sagas", true)));
  // So slow that it cannot end by itself.
  for (int i = 0; i < 6'000; ++i) Call().Start(absl::StrCat("m", i), "order").IgnoreError();
  Read("sagas");
  ASSERT_OK(models().StartRebuild("sagas", {.events_per_second = 10}));
  EXPECT_TRUE(absl::IsAlreadyExists(models().StartRebuild("sagas", {}).status()));
  ASSERT_OK(models().PauseRebuild("sagas", true));
  EXPECT_TRUE(StatusOf("sagas").build->is_paused);
  const uint64_t serving = StatusOf("sagas").generation;
  ASSERT_OK(models().CancelRebuild("sagas"));
  const ModelStatus status = Built("sagas");
  EXPECT_EQ(status.generation, serving);
  ASSERT_TRUE(status.last_build.has_value());
  EXPECT_TRUE(absl::IsCancelled(status.last_build->result.status()));
}

TEST_P(ProjectorTest, AModelStopsBeforeWhatItCannotFoldAndOthersGoOn) {
  ASSERT_OK(Call().Deploy(kOrder));
  SetModels({StartsModel(projection::PoisonPolicy::kStop)});
  Built("starts");
  ASSERT_OK(Call().Start("good", "order"));
  EXPECT_THAT(All(*Read("starts")).begin()->second, HasSubstr("\"count\":1"));
  ASSERT_OK(Call().Start("bad", "order"));
  ASSERT_OK(Call().Start("better", "order"));
  EXPECT_EQ(*Read("sagas")->Count(), 3u);
  const absl::Status refused = models().Open("starts", Fresh()).status();
  EXPECT_TRUE(HasReason(refused, ErrorReason::kModelStopped));
  EXPECT_THAT(refused.message(), HasSubstr("no sum of apples and pears"));
  OpenOptions stale = Fresh();
  stale.allow_stale = true;
  ASSERT_OK_AND_ASSIGN(const auto rows, models().Open("starts", stale));
  // Nor is a watcher left to wait for what does not come.
  EXPECT_TRUE(HasReason(models().DeltasSince("starts", rows->generation(), rows->cut()).status(),
                        ErrorReason::kModelStopped));
  EXPECT_THAT(All(*rows).begin()->second, HasSubstr("\"count\":1"));

  // A better declaration is built beside it, and takes over.
  SetModels({StartsModel(projection::PoisonPolicy::kPark, "2")});
  const ModelStatus status = Built("starts");
  EXPECT_EQ(status.parked, 1u);
  EXPECT_FALSE(status.stopped.has_value());
  EXPECT_THAT(All(*Read("starts")).begin()->second, HasSubstr("\"count\":2"));
  ASSERT_OK_AND_ASSIGN(const auto parked, models().ParkedEvents("starts", 10));
  ASSERT_THAT(parked, SizeIs(1));
  EXPECT_EQ(parked[0].error, "no sum of apples and pears");

  SetModels({});
  EXPECT_TRUE(HasReason(models().Open("starts", Fresh()).status(), ErrorReason::kModelNotFound));
}

TEST_P(ProjectorTest, WhatIsKeptOfAnErrorIsBounded) {
  ASSERT_OK(Call().Deploy(kOrder));
  ASSERT_OK(Call().Start("wordy", "order"));
  const auto expect_bounded = [](const std::string& error) {
    EXPECT_THAT(error, HasSubstr("äää... (cut; it had 200000 bytes)"));
    EXPECT_LE(error.size(), 1'100u);
    EXPECT_TRUE(IsValidUtf8(error));
  };
  SetModels({StartsModel(projection::PoisonPolicy::kStop)});
  EXPECT_TRUE(HasReason(models().Open("starts", Fresh()).status(), ErrorReason::kModelStopped));
  const ModelStatus status = StatusOf("starts");
  ASSERT_TRUE(status.stopped.has_value());
  expect_bounded(status.stopped->error);
  SetModels({StartsModel(projection::PoisonPolicy::kPark, "2")});
  Built("starts");
  Read("starts");
  ASSERT_OK_AND_ASSIGN(const auto parked, models().ParkedEvents("starts", 10));
  ASSERT_THAT(parked, SizeIs(1));
  expect_bounded(parked[0].error);
}

TEST_P(ProjectorTest, ThePastIsReadAsItWas) {
  ASSERT_OK(Call().Deploy(kOrder));
  SetModels({StartsModel(projection::PoisonPolicy::kPark)});
  Built("starts");
  std::vector<std::pair<PartitionId, Position>> places;
  std::vector<Timestamp> times;
  for (int i = 0; i < 20; ++i) {
    ASSERT_OK_AND_ASSIGN(const runtime::CommandReply reply,
                         Call().Start(absl::StrCat("s", i), "order"));
    places.emplace_back(reply.position.partition, reply.position.position);
    // A thread that waits awake for the next command has looked at the clock before.
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    times.push_back(engine_->Now());
  }
  for (size_t i = 0; i < places.size(); ++i) {
    const std::string expected = absl::StrCat("\"count\":", i + 1, "}");
    OpenOptions options = Fresh();
    options.as_of_position = places[i];
    ASSERT_OK_AND_ASSIGN(const auto by_position, models().Open("starts", options));
    EXPECT_THAT(All(*by_position).begin()->second, HasSubstr(expected));
    options = Fresh();
    options.as_of_time = times[i];
    ASSERT_OK_AND_ASSIGN(const auto by_time, models().Open("starts", options));
    EXPECT_THAT(All(*by_time).begin()->second, HasSubstr(expected));
  }
}

TEST_P(ProjectorTest, AWatcherThatAddsUpChangesHasTheRows) {
  ASSERT_OK(Call().Deploy(kOrder));
  const auto worker = InstantWorker::Join(*engine_, {"reserve", "charge"});
  models().AddWatcher();
  const std::unique_ptr<ModelRows> snapshot = Read("sagas");
  Rows rows = All(*snapshot);
  projection::Cut cut = snapshot->cut();
  std::thread client([&] {
    for (int i = 0; i < 300; ++i) Call().Start(absl::StrCat("s", i), "order").IgnoreError();
  });
  size_t ended = 0;
  while (ended < 300) {
    ASSERT_OK_AND_ASSIGN(const auto since,
                         models().DeltasSince("sagas", snapshot->generation(), cut));
    for (const std::shared_ptr<const ModelDeltas>& deltas : since) {
      for (const RowDelta& delta : deltas->rows) {
        // What is told of the row before is what was told last.
        const auto old = rows.find(delta.key);
        ASSERT_EQ(old != rows.end(), delta.before.has_value());
        if (delta.before) {
          ASSERT_EQ(delta.before->ToText(), old->second);
        }
        ASSERT_TRUE(delta.after.has_value());
        rows[delta.key] = delta.after->ToText();
        ended += delta.after->Get("status").AsString() == "completed";
      }
      cut = deltas->after;
    }
  }
  client.join();
  EXPECT_EQ(rows, All(*Read("sagas")));
  models().RemoveWatcher();
  EXPECT_TRUE(absl::IsOutOfRange(models().DeltasSince("sagas", 999, cut).status()));
  worker->Leave();
}

TEST_P(ProjectorTest, ModelsGoOnAfterARestart) {
  if (!GetParam()) GTEST_SKIP() << "memory keeps nothing";
  ASSERT_OK(Call().Deploy(kOrder));
  for (int i = 0; i < 20; ++i) ASSERT_OK(Call().Start(absl::StrCat("s", i), "order"));
  const Rows before = All(*Read("sagas"));
  const uint64_t generation = StatusOf("sagas").generation;
  Restart();
  EXPECT_EQ(All(*Read("sagas")), before);
  EXPECT_EQ(StatusOf("sagas").generation, generation);
  const auto worker = InstantWorker::Join(*engine_, {"reserve", "charge"});
  for (int i = 0; i < 20; ++i) ASSERT_OK(Call().Wait({"test", absl::StrCat("s", i)}));
  ASSERT_OK_AND_ASSIGN(const auto report, engine_->Verify(nullptr));
  EXPECT_THAT(report.differences, IsEmpty());
  worker->Leave();
}

TEST_P(ProjectorTest, ARebuildThatWasCutShortGoesOnAfterARestart) {
  if (!GetParam()) GTEST_SKIP() << "memory keeps nothing";
  ASSERT_OK(Call().Deploy(kOrder));
  for (int i = 0; i < 300; ++i) ASSERT_OK(Call().Start(absl::StrCat("s", i), "order"));
  Read("sagas");
  ASSERT_OK_AND_ASSIGN(const uint64_t generation,
                       models().StartRebuild("sagas", {.events_per_second = 500}));
  while (StatusOf("sagas").build->events_done < 100) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  ASSERT_OK(models().PauseRebuild("sagas", true));
  ASSERT_LT(StatusOf("sagas").build->events_done, 900u);
  Restart();
  ASSERT_TRUE(StatusOf("sagas").build.has_value());
  EXPECT_TRUE(StatusOf("sagas").build->is_paused);
  ASSERT_OK(models().PauseRebuild("sagas", false));
  EXPECT_EQ(Built("sagas").generation, generation);
  EXPECT_EQ(*Read("sagas")->Count(), 300u);
  ASSERT_OK_AND_ASSIGN(const projection::RebuildResult check,
                       models().Rebuild("sagas", {.check_only = true}, [] { return false; }));
  EXPECT_EQ(check.hash, check.previous_hash);
  ASSERT_OK_AND_ASSIGN(const auto report, engine_->Verify(nullptr));
  EXPECT_THAT(report.differences, IsEmpty());
}

TEST_P(ProjectorTest, ACopyIsAsTheModelWas) {
  ASSERT_OK(Call().Deploy(kOrder));
  for (int i = 0; i < 20; ++i) ASSERT_OK(Call().Start(absl::StrCat("s", i), "order"));
  const Timestamp then = engine_->Now();
  while (engine_->Now() == then) {
  }
  const Rows sagas = All(*Read("sagas"));
  const Rows definitions = All(*Read("definitions"));
  const auto worker = InstantWorker::Join(*engine_, {"reserve", "charge"});
  for (int i = 0; i < 20; ++i) ASSERT_OK(Call().Wait({"test", absl::StrCat("s", i)}));
  const auto never = [] { return false; };
  for (const std::string model : {"sagas", "definitions"}) {
    ASSERT_OK_AND_ASSIGN(const projection::RebuildResult copied,
                         models().Rebuild(model, {.as_of = then}, never));
    const std::string copy = projection::CopyName(model, then);
    EXPECT_EQ(All(*Read(copy)), model == "sagas" ? sagas : definitions);
    EXPECT_EQ(StatusOf(copy).generation, copied.generation);
    EXPECT_EQ(StatusOf(copy).copy_as_of, then);
    EXPECT_EQ(StatusOf(copy).cut.time, then);
    const std::unique_ptr<ModelRows> rows = Read(copy);
    EXPECT_THAT(models().DeltasSince(copy, copied.generation, rows->cut()),
                IsOkAndHolds(IsEmpty()));
    EXPECT_TRUE(absl::IsOutOfRange(
        models().DeltasSince(copy, copied.generation + 1, rows->cut()).status()));
    // It does not change, and is not made twice.
    EXPECT_NE(All(*Read(model)), All(*Read(copy)));
    const auto again = GetErrorInfo(models().Rebuild(model, {.as_of = then}, never).status());
    ASSERT_TRUE(again && again->reason == ErrorReason::kBadRequest);
    EXPECT_EQ(again->violations.front().first, "as_of_time");
    EXPECT_TRUE(HasReason(models().Rebuild(copy, {}, never).status(), ErrorReason::kBadRequest));
    EXPECT_TRUE(HasReason(models().Rebuild(copy, {.as_of = then}, never).status(),
                          ErrorReason::kBadRequest));
  }
  EXPECT_TRUE(HasReason(
      models().Rebuild("sagas", {.as_of = After(engine_->Now(), kHour)}, never).status(),
      ErrorReason::kBadRequest));
  EXPECT_TRUE(HasReason(models().Rebuild("nothing", {.as_of = then}, never).status(),
                        ErrorReason::kModelNotFound));
  ASSERT_OK_AND_ASSIGN(const auto report, engine_->Verify(nullptr));
  EXPECT_THAT(report.differences, IsEmpty());
  worker->Leave();
  const std::string copy = projection::CopyName("sagas", then);
  if (GetParam()) {
    Restart();
    const std::unique_ptr<ModelRows> rows = Read(copy);
    EXPECT_EQ(All(*rows), sagas);
    EXPECT_THAT(models().DeltasSince(copy, rows->generation(), rows->cut()),
                IsOkAndHolds(IsEmpty()));
  }
  ASSERT_OK(models().DropPrevious(copy));
  EXPECT_TRUE(HasReason(models().Open(copy, Fresh()).status(), ErrorReason::kModelNotFound));
  if (GetParam()) {
    Restart();
    EXPECT_TRUE(HasReason(models().Open(copy, Fresh()).status(), ErrorReason::kModelNotFound));
    EXPECT_EQ(All(*Read(projection::CopyName("definitions", then))), definitions);
  }
}

TEST_P(ProjectorTest, ACopyThatWasCutShortGoesOnAfterARestart) {
  if (!GetParam()) GTEST_SKIP() << "memory keeps nothing";
  ASSERT_OK(Call().Deploy(kOrder));
  for (int i = 0; i < 300; ++i) ASSERT_OK(Call().Start(absl::StrCat("s", i), "order"));
  const Timestamp then = engine_->Now();
  const Rows sagas = All(*Read("sagas"));
  ASSERT_OK(models().StartRebuild("sagas", {.events_per_second = 500, .as_of = then}));
  const std::string copy = projection::CopyName("sagas", then);
  while (StatusOf(copy).build->events_done < 100) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  ASSERT_OK(models().PauseRebuild(copy, true));
  Restart();
  ASSERT_TRUE(StatusOf(copy).build.has_value());
  EXPECT_TRUE(StatusOf(copy).build->is_paused);
  ASSERT_OK(models().PauseRebuild(copy, false));
  for (int i = 0; i < 10; ++i) ASSERT_OK(Call().Start(absl::StrCat("later", i), "order"));
  EXPECT_EQ(All(*Read(copy)), sagas);
  // One that is given up leaves nothing.
  ASSERT_OK(models().StartRebuild("sagas", {.events_per_second = 10, .as_of = After(then, 1)}));
  const std::string other = projection::CopyName("sagas", After(then, 1));
  ASSERT_OK(models().CancelRebuild(other));
  while (!HasReason(models().Open(other, Fresh()).status(), ErrorReason::kModelNotFound)) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

INSTANTIATE_TEST_SUITE_P(Stores, ProjectorTest, ::testing::Bool(),
                         [](const auto& test) { return test.param ? "RocksDb" : "Memory"; });

}  // namespace
}  // namespace skald::testing
