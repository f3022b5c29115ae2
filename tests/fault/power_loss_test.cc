// Goal: a loss of power at any moment takes nothing that was acknowledged. Method: the whole engine on
// real RocksDB, over a file system that stops at its n-th change and then drops whatever was not
// synced: bytes, new names, and (stricter than file systems are) renames and deletions. For each n
// the store is opened again with the options of the product, its views are compared with its log,
// and every acknowledged start and completion is looked for. That this can fail is shown too: on a
// disk that lies about syncs, and with RocksDB's default recovery, it finds the loss.
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "engine/runtime/engine_impl.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rocksdb/db.h"
#include "rocksdb/env.h"
#include "rocksdb/system_clock.h"
#include "storage/data_directory.h"
#include "storage/rocksdb/rocksdb_event_log.h"
#include "storage/rocksdb/rocksdb_options.h"
#include "storage/rocksdb/wal_scan.h"
#include "tests/storage/fault_file_system.h"
#include "tests/storage/test_commits.h"
#include "tests/support/engine_driver.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_folder.h"

namespace skald::testing {
namespace {

using storage::DataDirectory;
using storage::FaultFileSystem;
using TailFate = FaultFileSystem::TailFate;

constexpr uint32_t kPartitions = 3;
constexpr int kSagas = 12;
constexpr char kDefinition[] = R"(
document: { dsl: '1.0.3', namespace: test, name: order, version: '1.0.0' }
do:
  - reserve: { call: reserve, metadata: { saga: { compensate: release } } }
  - charge: { call: charge }
)";

// RocksDB sleeps a second after each failed flush; not here.
class ImpatientClock : public rocksdb::SystemClockWrapper {
 public:
  ImpatientClock() : SystemClockWrapper(rocksdb::SystemClock::Default()) {}
  const char* Name() const override { return "ImpatientClock"; }
  void SleepForMicroseconds(int) override {}
};

class FaultEnv : public rocksdb::EnvWrapper {
 public:
  explicit FaultEnv(const std::shared_ptr<FaultFileSystem>& system)
      : EnvWrapper(rocksdb::NewCompositeEnv(system)) {
    system_clock_ = std::make_shared<ImpatientClock>();
  }
  const char* Name() const override { return "FaultEnv"; }
};

// What was acknowledged, and whether the engine is to be given up.
class Book {
 public:
  void Acknowledge(std::set<std::string>& set, const std::string& saga) {
    const std::lock_guard lock(mutex_);
    set.insert(saga);
    changed_.notify_all();
  }
  void GiveUp() {
    const std::lock_guard lock(mutex_);
    given_up_ = true;
    changed_.notify_all();
  }
  // Until `count` sagas have ended; false when the engine is given up before.
  bool AwaitEnded(size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return given_up_ || ended.size() >= count; });
    return !given_up_;
  }

  // To be read when the engine is gone.
  std::set<std::string> started, ended;
  bool deployed = false;

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool given_up_ = false;
};

runtime::EngineOptions Options() {
  runtime::EngineOptions options;
  options.partition_count = kPartitions;
  options.threads = 1;
  options.free_bytes_soft = options.free_bytes_hard = 0;
  options.broker.claim_window = 0;
  return options;
}

void StartSagas(runtime::Engine& engine, const std::string& prefix, Book& book) {
  for (int i = 0; i < kSagas; ++i) {
    const std::string saga = absl::StrCat(prefix, i);
    engine.Submit(EngineDriver::StartCommand(saga, "order"),
                  [&book, saga](const absl::StatusOr<runtime::CommandReply>& reply) {
                    if (reply.ok()) book.Acknowledge(book.started, saga);
                  });
    engine.WaitSaga({"test", saga}, kNever, false,
                    [&book, saga](const absl::StatusOr<saga::SagaView>& view) {
                      if (view.ok()) book.Acknowledge(book.ended, saga);
                    });
  }
}

// Runs sagas until something fails or all have ended. An orderly end is part of it.
void Work(const std::string& path, rocksdb::Env* env, const std::string& prefix, Book& book) {
  const size_t sagas = book.ended.size() + kSagas;
  auto store = DataDirectory::Open(
      {.path = path, .create_if_missing = true, .partition_count = kPartitions, .env = env});
  if (!store.ok()) return;
  auto engine = runtime::OpenEngine(Options(), {.clock = nullptr,
                                                .fatal = [&](const absl::Status&) { book.GiveUp(); },
                                                .log = store->log.get(),
                                                .views = store->views.get()});
  if (!engine.ok()) return;
  const auto worker = InstantWorker::Join(**engine, {"reserve", "charge", "release"});
  (*engine)->Deploy(kDefinition, "tester", [&](const absl::StatusOr<runtime::DeployReply>& reply) {
    if (!reply.ok()) return book.GiveUp();
    book.deployed = true;
    StartSagas(**engine, prefix, book);
  });
  const bool all = book.AwaitEnded(sagas);
  if (all && (*engine)->Shutdown().ok()) store->views->Flush().IgnoreError();
}

// What is not as it was acknowledged, or how the store refuses to open; empty when all is well.
std::string FindLoss(const std::string& path, const Book& book) {
  auto store = DataDirectory::Open(
      {.path = path, .create_if_missing = true, .partition_count = kPartitions, .env = nullptr});
  if (!store.ok()) return absl::StrCat("it does not open: ", store.status().message());
  auto engine = runtime::OpenEngine(Options(), {.clock = nullptr,
                                                .fatal = nullptr,
                                                .log = store->log.get(),
                                                .views = store->views.get()});
  if (!engine.ok()) return absl::StrCat("it does not recover: ", engine.status().message());
  const auto report = (*engine)->Verify(nullptr);
  if (!report.ok()) return absl::StrCat("verify: ", report.status().message());
  if (!report->differences.empty()) return report->differences.front();
  EngineDriver driver(**engine);
  for (const std::string& saga : book.started) {
    const auto view = driver.Get({"test", saga});
    if (!view.ok()) return absl::StrCat(saga, " was acknowledged as started and is lost");
    if (book.ended.count(saga) > 0 && view->status != saga::Status::kCompleted) {
      return absl::StrCat(saga, " was acknowledged as completed and is not");
    }
  }
  if (book.deployed && !(*engine)->GetDefinition("test", "order", "").ok()) {
    return "the definition was acknowledged and is lost";
  }
  return "";
}

struct Loss {
  const char* name;
  TailFate tail;
  bool forgets_names;
};

class PowerLossTest : public ::testing::TestWithParam<Loss> {
 protected:
  TempFolder folder_{TempFolder::MemoryParent()};
};

TEST_P(PowerLossTest, NothingAcknowledgedIsLostWhereverItStrikes) {
  bool finished = false;
  uint64_t operation = 1;
  for (; !finished; ++operation) {
    const std::string path = folder_.Sub(absl::StrCat("store", operation));
    auto system = std::make_shared<FaultFileSystem>();
    if (GetParam().forgets_names) system->ForgetNames();
    FaultEnv env(system);
    system->StopAt(operation);
    Book book;
    Work(path, &env, "s", book);
    finished = !system->struck();
    system->Crash(GetParam().tail);
    ASSERT_EQ(FindLoss(path, book), "") << "stopped at change " << operation;
    std::filesystem::remove_all(path);
    ASSERT_LT(operation, 5'000u);
  }
  std::printf("stopped at each of %d changes\n", static_cast<int>(operation - 2));
}

// The same while a store comes up again: its write-ahead files become tables, and are deleted.
TEST_P(PowerLossTest, NothingIsLostWhileAStoreComesUp) {
  const std::string original = folder_.Sub("original");
  Book first;
  Work(original, nullptr, "s", first);
  ASSERT_EQ(first.ended.size(), static_cast<size_t>(kSagas));
  bool finished = false;
  uint64_t operation = 1;
  for (; !finished; ++operation) {
    const std::string path = folder_.Sub(absl::StrCat("store", operation));
    std::filesystem::copy(original, path, std::filesystem::copy_options::recursive);
    auto system = std::make_shared<FaultFileSystem>();
    if (GetParam().forgets_names) system->ForgetNames();
    FaultEnv env(system);
    system->StopAt(operation);
    Book book;
    book.started = first.started;
    book.ended = first.ended;
    book.deployed = true;
    Work(path, &env, "t", book);
    finished = !system->struck();
    system->Crash(GetParam().tail);
    ASSERT_EQ(FindLoss(path, book), "") << "stopped at change " << operation;
    std::filesystem::remove_all(path);
    ASSERT_LT(operation, 5'000u);
  }
  std::printf("stopped at each of %d changes\n", static_cast<int>(operation - 2));
}

INSTANTIATE_TEST_SUITE_P(Losses, PowerLossTest,
                         ::testing::Values(Loss{"TailGone", TailFate::kGone, false},
                                           Loss{"TailTorn", TailFate::kHalfThenZeros, false},
                                           Loss{"NamesForgotten", TailFate::kGone, true}),
                         [](const auto& test) { return test.param.name; });

TEST(PowerLossProofTest, ADiskThatLiesAboutSyncsIsFoundOut) {
  const TempFolder folder(TempFolder::MemoryParent());
  auto system = std::make_shared<FaultFileSystem>();
  system->LieAboutSyncsOf(".log");
  FaultEnv env(system);
  Book book;
  Work(folder.Sub("store"), &env, "s", book);
  ASSERT_EQ(book.ended.size(), static_cast<size_t>(kSagas));
  system->Crash(TailFate::kGone);
  const std::string loss = FindLoss(folder.Sub("store"), book);
  EXPECT_NE(loss, "");
  std::printf("found: %s\n", loss.c_str());
}

// Goal: why the log is not opened with RocksDB's default: after one flipped bit it opens with the
// rest silently gone. Method: the same files, opened by the log, by RocksDB with the log's options
// (which must not lean on the log's own look at the files), and by RocksDB with its default.
TEST(PowerLossProofTest, DefaultRecoveryLosesSilentlyAndOursRefuses) {
  const TempFolder folder;
  const std::string path = folder.Sub("log");
  constexpr int kCommits = 200;
  {
    auto log = storage::RocksDbEventLog::Open(
        {.path = path, .create_if_missing = true, .partition_count = 1});
    ASSERT_OK(log.status());
    storage::CommitMaker maker{PartitionId(0)};
    for (int i = 0; i < kCommits; ++i) ASSERT_OK((*log)->Append({maker.Next(1)}));
  }
  const auto files = storage::ListWalFiles(*rocksdb::Env::Default(), path);
  ASSERT_OK(files.status());
  std::fstream wal(files->back(), std::ios::in | std::ios::out | std::ios::binary);
  const auto middle = static_cast<std::streamoff>(std::filesystem::file_size(files->back()) / 2);
  wal.seekg(middle);
  const char byte = static_cast<char>(wal.get() ^ 0x10);
  wal.seekp(middle);
  wal.put(byte);
  wal.close();
  EXPECT_THAT(storage::RocksDbEventLog::Open({.path = path, .create_if_missing = false}).status(),
              StatusIs(absl::StatusCode::kDataLoss, ::testing::HasSubstr("acknowledged data is lost")));

  rocksdb::DBOptions options = storage::LogDatabaseOptions(nullptr, {}, nullptr);
  options.listeners.clear();
  const rocksdb::ColumnFamilyOptions family;
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* opened = nullptr;
  const auto open = [&] {
    return rocksdb::DB::Open(options, path, {{"default", family}, {"p00000", family}}, &handles,
                             &opened);
  };
  const rocksdb::Status ours = open();
  ASSERT_TRUE(ours.IsCorruption()) << ours.ToString();
  options.wal_recovery_mode = rocksdb::DBOptions().wal_recovery_mode;
  const rocksdb::Status status = open();
  ASSERT_TRUE(status.ok()) << status.ToString();
  const std::unique_ptr<rocksdb::DB> db(opened);
  int commits = 0;
  {
    const std::unique_ptr<rocksdb::Iterator> rows(
        db->NewIterator(rocksdb::ReadOptions(), handles[1]));
    for (rows->SeekToFirst(); rows->Valid(); rows->Next()) ++commits;
    EXPECT_TRUE(rows->status().ok());
  }
  EXPECT_LT(commits, kCommits) << "the default has become safe: say so where the option is set";
  std::printf("the default opens with %d of %d commits and says OK\n", commits, kCommits);
  for (rocksdb::ColumnFamilyHandle* const handle : handles) {
    EXPECT_TRUE(db->DestroyColumnFamilyHandle(handle).ok());
  }
}

}  // namespace
}  // namespace skald::testing
