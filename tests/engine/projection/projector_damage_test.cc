// Goal: damage to the log or to rows is told, whoever it meets, and nothing is left over. Method: engines on
// a log and views of the test's own, which are damaged in between.
#include <atomic>
#include <chrono>
#include <thread>

#include "absl/strings/str_cat.h"
#include "base/errors.h"
#include "engine/projection/keeper.h"
#include "engine/projection/models/built_in.h"
#include "engine/projection/projector.h"
#include "engine/projection/table_keys.h"
#include "engine/runtime/engine_impl.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/commit_record.h"
#include "storage/memory/memory_event_log.h"
#include "storage/memory/memory_views.h"
#include "tests/engine/partition/definitions_in_tests.h"
#include "tests/support/engine_driver.h"
#include "tests/support/status_matchers.h"

namespace skald::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// A log with one commit that has a flipped bit.
class DamagedLog : public storage::MemoryEventLog {
 public:
  using MemoryEventLog::MemoryEventLog;

  void Damage(PartitionId partition, Position first) {
    partition_ = partition;
    first_ = first;
  }
  std::unique_ptr<storage::LogCursor> Read(PartitionId partition, Position from) const override {
    auto cursor = MemoryEventLog::Read(partition, from);
    if (partition != partition_ || first_ == Position(0)) return cursor;
    return std::make_unique<Cursor>(std::move(cursor), first_);
  }

 private:
  class Cursor : public storage::LogCursor {
   public:
    Cursor(std::unique_ptr<LogCursor> cursor, Position damaged)
        : cursor_(std::move(cursor)), damaged_(damaged) {}
    bool Valid() const override { return cursor_->Valid(); }
    Position first() const override { return cursor_->first(); }
    absl::string_view record() const override {
      if (first() != damaged_) return cursor_->record();
      record_ = std::string(cursor_->record());
      record_.back() = static_cast<char>(record_.back() ^ 1);
      return record_;
    }
    void Next() override { cursor_->Next(); }
    absl::Status status() const override { return cursor_->status(); }

   private:
    const std::unique_ptr<LogCursor> cursor_;
    const Position damaged_;
    mutable std::string record_;
  };

  PartitionId partition_;
  Position first_;
};

// Goal: a damaged commit that only models need ends no process. Method: a saga goes on after a restart
// that finds its first commit damaged: its row is whole, but models fold its state from the log.
TEST(ProjectorDamageTest, ModelsStandStillOverADamagedCommitAndSagasGoOn) {
  DamagedLog log({.partition_count = 1});
  storage::MemoryViews views;
  runtime::EngineOptions options;
  options.partition_count = options.threads = 1;
  options.free_bytes_soft = options.free_bytes_hard = 0;
  options.broker.claim_window = 0;
  std::atomic<int> fatal = 0;
  const auto open = [&] {
    return runtime::OpenEngine(options, {.clock = nullptr,
                                         .fatal = [&](const absl::Status&) { ++fatal; },
                                         .log = &log,
                                         .views = &views});
  };
  const SagaKey saga{"test", "old"};
  {
    ASSERT_OK_AND_ASSIGN(const auto engine, open());
    EngineDriver driver(*engine);
    ASSERT_OK(driver.Deploy("document: { dsl: '1.0.3', namespace: test, name: works, version: '1.0.0' }\n"
                            "do:\n  - work: { call: work }\n"));
    ASSERT_OK(driver.Start(saga.saga_id, "works"));
    ASSERT_OK(driver.Start("last", "works"));  // a start reads the last commit
    ASSERT_OK(engine->models().Open("sagas", {.wait_until = After(engine->Now(), 10 * kSecond)}));
    ASSERT_OK(engine->Shutdown());
  }
  const auto cursor = log.Read(PartitionId(0), Position(1));
  for (; cursor->Valid(); cursor->Next()) {
    ASSERT_OK_AND_ASSIGN(const storage::CommitView commit, storage::DecodeCommit(cursor->record()));
    if (commit.header.saga_id() == saga.saga_id) break;
  }
  ASSERT_TRUE(cursor->Valid());
  log.Damage(PartitionId(0), cursor->first());

  ASSERT_OK_AND_ASSIGN(const auto engine, open());
  const auto worker = InstantWorker::Join(*engine, {"work"});
  ASSERT_OK_AND_ASSIGN(const saga::SagaView view, EngineDriver(*engine).Wait(saga));
  EXPECT_EQ(view.status, saga::Status::kCompleted);
  const absl::Status fresh =
      engine->models().Open("sagas", {.wait_until = After(engine->Now(), 10 * kSecond)}).status();
  EXPECT_TRUE(HasReason(fresh, ErrorReason::kLogCorrupt)) << fresh;
  EXPECT_OK(engine->models().Open("sagas", {.allow_stale = true}));
  EXPECT_OK(EngineDriver(*engine).Start("new", "works"));
  worker->Leave();
  EXPECT_OK(engine->Shutdown());
  EXPECT_EQ(fatal, 0);
}

// Goal: damage that only a rebuild meets ends that rebuild and nothing else. Method: a commit that
// the live models have folded already.
TEST(ProjectorDamageTest, LiveModelsGoOnWhenARebuildMeetsDamage) {
  DamagedLog log({.partition_count = 1});
  storage::MemoryViews views;
  runtime::EngineOptions options;
  options.partition_count = options.threads = 1;
  options.free_bytes_soft = options.free_bytes_hard = 0;
  std::atomic<int> fatal = 0;
  ASSERT_OK_AND_ASSIGN(const auto engine,
                       runtime::OpenEngine(options, {.clock = nullptr,
                                                     .fatal = [&](const absl::Status&) { ++fatal; },
                                                     .log = &log,
                                                     .views = &views}));
  const auto open = [&] {
    return engine->models()
        .Open("sagas", {.wait_until = After(engine->Now(), 10 * kSecond)})
        .status();
  };
  EngineDriver driver(*engine);
  ASSERT_OK(driver.Deploy(kOrder));
  ASSERT_OK(driver.Start("old", "order"));
  ASSERT_OK(open());
  const auto cursor = log.Read(PartitionId(0), Position(1));
  for (; cursor->Valid(); cursor->Next()) {
    ASSERT_OK_AND_ASSIGN(const storage::CommitView commit, storage::DecodeCommit(cursor->record()));
    if (commit.header.saga_id() == "old") break;
  }
  ASSERT_TRUE(cursor->Valid());
  log.Damage(PartitionId(0), cursor->first());
  for (const std::string model : {"throughput", "sagas"}) {
    const absl::Status rebuilt =
        engine->models().Rebuild(model, {.check_only = true}, [] { return false; }).status();
    EXPECT_TRUE(HasReason(rebuilt, ErrorReason::kLogCorrupt)) << rebuilt;
  }
  ASSERT_OK(driver.Start("new", "order"));
  EXPECT_OK(open());
  EXPECT_OK(engine->Shutdown());
  EXPECT_EQ(fatal, 0);
}

// Goal: who reads what could not be built is told why, and does not wait. Method: a model and a
// copy that come when an old commit is damaged.
TEST(ProjectorDamageTest, WhatCannotBeBuiltSaysWhy) {
  DamagedLog log({.partition_count = 1});
  storage::MemoryViews views;
  runtime::EngineOptions options;
  options.partition_count = options.threads = 1;
  options.free_bytes_soft = options.free_bytes_hard = 0;
  ASSERT_OK_AND_ASSIGN(
      const auto engine,
      runtime::OpenEngine(options,
                          {.clock = nullptr, .fatal = nullptr, .log = &log, .views = &views}));
  auto& models = static_cast<projection::Projector&>(engine->models());
  const auto open = [&](const std::string& model) {
    return models.Open(model, {.wait_until = After(engine->Now(), 10 * kSecond)}).status();
  };
  EngineDriver driver(*engine);
  ASSERT_OK(driver.Deploy(kOrder));
  ASSERT_OK(driver.Start("old", "order"));
  ASSERT_OK(open("sagas"));
  const Timestamp then = engine->Now();
  while (engine->Now() == then) std::this_thread::yield();
  log.Damage(PartitionId(0), Position(1));

  auto wanted = projection::BuiltInModels([](absl::string_view) { return nullptr; });
  projection::Model late = *wanted.front();
  late.schema.name = "late";
  wanted.push_back(std::make_shared<const projection::Model>(std::move(late)));
  models.SetModels(std::move(wanted));
  const absl::Status refused = open("late");
  EXPECT_TRUE(HasReason(refused, ErrorReason::kLogCorrupt)) << refused;

  const auto copy = [&] {
    return models.Rebuild("sagas", {.as_of = then}, [] { return false; }).status();
  };
  EXPECT_TRUE(HasReason(copy(), ErrorReason::kLogCorrupt)) << copy();
  EXPECT_TRUE(HasReason(copy(), ErrorReason::kLogCorrupt)) << "its name is free: " << copy();
  const std::string name = projection::CopyName("sagas", then);
  EXPECT_TRUE(HasReason(open(name), ErrorReason::kLogCorrupt)) << open(name);
  ASSERT_OK(models.DropPrevious(name));
  EXPECT_TRUE(HasReason(open(name), ErrorReason::kModelNotFound)) << open(name);
  log.Damage(PartitionId(0), Position(0));
  EXPECT_OK(copy());
  EXPECT_OK(models.Rebuild("late", {}, [] { return false; }).status());
  EXPECT_OK(open("late"));
  EXPECT_OK(engine->Shutdown());
}

// Goal: rows that nothing names do not stay for ever. Method: what a crash within a deletion leaves.
TEST(ProjectorLeftOverTest, RowsOfADeletionThatWasCutShortGo) {
  storage::MemoryEventLog log({.partition_count = 1});
  storage::MemoryViews views;
  constexpr uint64_t kGone = 77;
  ASSERT_OK(views.ApplyRows({{projection::CheckpointKey(kGone), "{}"},
                             {projection::RowKey(kGone, "a"), "{}"},
                             {projection::RowKey(kGone, "b"), "{}"}}));
  runtime::EngineOptions options;
  options.partition_count = options.threads = 1;
  options.free_bytes_soft = options.free_bytes_hard = 0;
  ASSERT_OK_AND_ASSIGN(const auto engine,
                       runtime::OpenEngine(options, {.clock = nullptr,
                                                     .fatal = nullptr,
                                                     .log = &log,
                                                     .views = &views}));
  const Timestamp deadline = After(engine->Now(), 10 * kSecond);
  const auto is_gone = [&] {
    for (const std::string& key : {projection::CheckpointKey(kGone), projection::RowKey(kGone, "a"),
                                   projection::RowKey(kGone, "b")}) {
      if (views.Get(key)->has_value()) return false;
    }
    return true;
  };
  while (!is_gone() && engine->Now() < deadline) std::this_thread::yield();
  EXPECT_TRUE(is_gone());
  EXPECT_OK(engine->Shutdown());
}

// Goal: rows that are not what the log says are found without being asked for. Method: checks one right after
// the other; a row is planted.
TEST(ProjectorCheckTest, ModelsAreCheckedInTheBackground) {
  storage::MemoryEventLog log({.partition_count = 4});
  storage::MemoryViews views;
  runtime::EngineOptions options;
  options.partition_count = 4;
  options.threads = 1;
  options.free_bytes_soft = options.free_bytes_hard = 0;
  options.projection.check_interval = kMillisecond;
  ASSERT_OK_AND_ASSIGN(const auto engine,
                       runtime::OpenEngine(options, {.clock = nullptr,
                                                     .fatal = nullptr,
                                                     .log = &log,
                                                     .views = &views}));
  projection::ModelKeeper& models = engine->models();
  const auto status_of = [&](absl::string_view name) {
    for (projection::ModelStatus& status : models.GetStatus()) {
      if (status.name == name) return status;
    }
    ADD_FAILURE() << "no model " << name;
    return projection::ModelStatus();
  };
  const auto wait = [] { std::this_thread::sleep_for(std::chrono::milliseconds(1)); };
  EngineDriver driver(*engine);
  ASSERT_OK(driver.Deploy(kOrder));
  for (int i = 0; i < 50; ++i) ASSERT_OK(driver.Start(absl::StrCat("s", i), "order"));
  for (const std::string model : {"sagas", "incidents", "definitions", "throughput", "attributes"}) {
    while (!status_of(model).last_check) wait();
    EXPECT_EQ(status_of(model).last_check->difference, "");
    EXPECT_FALSE(status_of(model).last_build.has_value());
    // It makes way.
    ASSERT_OK(models.Rebuild(model, {}, [] { return false; }));
  }
  ASSERT_OK(views.ApplyRows({{projection::RowKey(status_of("incidents").generation, "planted"), "{}"}}));
  while (status_of("incidents").last_check->difference.empty()) wait();
  EXPECT_THAT(status_of("incidents").last_check->difference,
              HasSubstr("read model 'incidents' has 1 rows"));
  const std::string entry = projection::IndexPrefix(status_of("sagas").generation, 0) + "planted";
  ASSERT_OK(views.ApplyRows({{entry, ""}}));
  while (status_of("sagas").last_check->difference.empty()) wait();
  EXPECT_THAT(status_of("sagas").last_check->difference,
              AllOf(HasSubstr("read model 'sagas': its index '"), HasSubstr("51 entries; its rows make 50")));
  EXPECT_THAT(*models.CheckRows(), ::testing::SizeIs(2)) << "the row and the entry";
  EXPECT_OK(engine->Shutdown());
}

}  // namespace
}  // namespace skald::testing
