// Faults at every single change of the disk: what was acknowledged is still there, what was not is
// absent or whole, and the store opens again.
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rocksdb/db.h"
#include "rocksdb/env.h"
#include "rocksdb/system_clock.h"
#include "storage/keys.h"
#include "storage/rocksdb/rocksdb_event_log.h"
#include "storage/rocksdb/rocksdb_views.h"
#include "storage/rocksdb/wal_scan.h"
#include "tests/storage/fault_file_system.h"
#include "tests/storage/test_commits.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_folder.h"

namespace skald::storage {
namespace {

using ::skald::testing::StatusIs;
using ::skald::testing::TempFolder;
using TailFate = FaultFileSystem::TailFate;

constexpr uint32_t kPartitions = 2;
constexpr char kStoreId[] = "0123456789abcdef";

// RocksDB sleeps a second after each failed flush; not here.
class ImpatientClock : public rocksdb::SystemClockWrapper {
 public:
  ImpatientClock() : SystemClockWrapper(rocksdb::SystemClock::Default()) {}
  const char* Name() const override { return "ImpatientClock"; }
  void SleepForMicroseconds(int) override {}
};

// RocksDB's view of a fault file system.
class FaultEnv : public rocksdb::EnvWrapper {
 public:
  explicit FaultEnv(const std::shared_ptr<FaultFileSystem>& system)
      : EnvWrapper(rocksdb::NewCompositeEnv(system)) {
    system_clock_ = std::make_shared<ImpatientClock>();
  }
  const char* Name() const override { return "FaultEnv"; }
};

struct FaultDisk {
  std::shared_ptr<FaultFileSystem> system = std::make_shared<FaultFileSystem>();
  std::unique_ptr<rocksdb::Env> env = std::make_unique<FaultEnv>(system);
};

RocksDbEventLogOptions LogOptions(const std::string& path, rocksdb::Env* env) {
  return {.path = path, .create_if_missing = true, .partition_count = kPartitions, .env = env};
}

// What a run tried to append and how much of it was acknowledged, by partition.
struct History {
  std::vector<StagedCommit> attempted[kPartitions];
  size_t acknowledged[kPartitions] = {};
};

// Appends until something fails. After an error of Append checks that it is final.
void AppendBatches(const std::string& path, rocksdb::Env* env, History* history) {
  auto log = RocksDbEventLog::Open(LogOptions(path, env));
  if (!log.ok()) return;
  CommitMaker makers[kPartitions] = {CommitMaker(PartitionId(0)), CommitMaker(PartitionId(1))};
  for (uint32_t batch = 0; batch < 6; ++batch) {
    std::vector<StagedCommit> commits;
    for (uint32_t partition = 0; partition < kPartitions; ++partition) {
      // Some batches are longer than a block of the write-ahead file.
      const std::string payload(batch % 3 == 2 ? 40'000 : 50, 'p');
      commits.push_back(makers[partition].Next(1 + batch % 2, payload));
      history->attempted[partition].push_back(commits.back());
    }
    const absl::Status appended = (*log)->Append(commits);
    if (!appended.ok()) {
      EXPECT_EQ((*log)->Append(commits), appended) << "an error must be final";
      return;
    }
    for (size_t& acknowledged : history->acknowledged) ++acknowledged;
    if (batch == 3 && !(*log)->Flush().ok()) return;
  }
}

void ExpectAcknowledged(const std::string& path, const History& history) {
  auto log = RocksDbEventLog::Open(LogOptions(path, nullptr));
  ASSERT_OK(log.status());
  for (uint32_t partition = 0; partition < kPartitions; ++partition) {
    const std::vector<ReadCommit> found = ReadAll(**log, PartitionId(partition));
    std::vector<ReadCommit> expected = Expected(history.attempted[partition]);
    EXPECT_GE(found.size(), history.acknowledged[partition]);
    ASSERT_LE(found.size(), expected.size());
    expected.resize(found.size());
    EXPECT_EQ(found, expected);
  }
}

class StorageFaultTest : public ::testing::TestWithParam<TailFate> {
 protected:
  // Syncs are simulated: no need to wait for real ones.
  TempFolder folder_{TempFolder::MemoryParent()};
};

// Goal: the harness can fail. Method: the same crash under RocksDB writes without sync.
TEST_P(StorageFaultTest, UnsyncedWritesAreLost) {
  FaultDisk disk;
  rocksdb::Options options;
  options.create_if_missing = true;
  options.env = disk.env.get();
  rocksdb::DB* opened = nullptr;
  ASSERT_TRUE(rocksdb::DB::Open(options, folder_.Sub("db"), &opened).ok());
  {
    const std::unique_ptr<rocksdb::DB> db(opened);
    rocksdb::WriteOptions synced;
    synced.sync = true;
    ASSERT_TRUE(db->Put(synced, "first", "kept").ok());
    ASSERT_TRUE(db->Put(rocksdb::WriteOptions(), "second", std::string(1000, 'x')).ok());
    disk.system->StopAt(1);
  }
  disk.system->Crash(GetParam());
  options.env = rocksdb::Env::Default();
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  ASSERT_TRUE(rocksdb::DB::Open(options, folder_.Sub("db"), &opened).ok());
  const std::unique_ptr<rocksdb::DB> db(opened);
  std::string value;
  EXPECT_TRUE(db->Get({}, "first", &value).ok());
  EXPECT_TRUE(db->Get({}, "second", &value).IsNotFound());
}

TEST_P(StorageFaultTest, LogSurvivesAStopAtEveryChange) {
  bool finished = false;
  for (uint64_t operation = 1; !finished; ++operation) {
    SCOPED_TRACE(absl::StrCat("stop at change ", operation));
    const std::string path = folder_.Sub(absl::StrCat("log", operation));
    FaultDisk disk;
    disk.system->StopAt(operation);
    History history;
    AppendBatches(path, disk.env.get(), &history);
    finished = !disk.system->struck();
    disk.system->Crash(GetParam());
    ExpectAcknowledged(path, history);
    if (HasFailure()) return;
    std::filesystem::remove_all(path);
    ASSERT_LT(operation, 5000u);
  }
}

TEST_P(StorageFaultTest, LogSurvivesOneFailureAtEveryChange) {
  bool finished = false;
  for (uint64_t operation = 1; !finished; ++operation) {
    SCOPED_TRACE(absl::StrCat("failure at change ", operation));
    const std::string path = folder_.Sub(absl::StrCat("log", operation));
    FaultDisk disk;
    disk.system->FailOnceAt(operation);
    History history;
    AppendBatches(path, disk.env.get(), &history);
    finished = !disk.system->struck();
    disk.system->Crash(GetParam());
    ExpectAcknowledged(path, history);
    if (HasFailure()) return;
    std::filesystem::remove_all(path);
    ASSERT_LT(operation, 5000u);
  }
}

// Goal: a stop while a torn tail is being cut leaves a log that opens.
TEST_P(StorageFaultTest, CuttingATornTailMayStopAtEveryChange) {
  const std::string original = folder_.Sub("original");
  History history;
  AppendBatches(original, nullptr, &history);
  const auto files = ListWalFiles(*rocksdb::Env::Default(), original);
  ASSERT_OK(files.status());
  std::filesystem::resize_file(files->back(), std::filesystem::file_size(files->back()) - 3);
  for (size_t& acknowledged : history.acknowledged) --acknowledged;
  bool finished = false;
  for (uint64_t operation = 1; !finished; ++operation) {
    SCOPED_TRACE(absl::StrCat("stop at change ", operation));
    const std::string path = folder_.Sub(absl::StrCat("log", operation));
    std::filesystem::copy(original, path, std::filesystem::copy_options::recursive);
    FaultDisk disk;
    disk.system->StopAt(operation);
    RocksDbEventLog::Open(LogOptions(path, disk.env.get())).status().IgnoreError();
    finished = !disk.system->struck();
    disk.system->Crash(GetParam());
    ExpectAcknowledged(path, history);
    if (HasFailure()) return;
    std::filesystem::remove_all(path);
    ASSERT_LT(operation, 5000u);
  }
}

std::string Row(uint64_t number) {
  return KeyBuilder(Table::kSaga, PartitionId(0)).Number(number).Build();
}

// Applies batches that set two rows to their position; returns the last position that was flushed.
uint64_t ApplyBatches(const std::string& path, rocksdb::Env* env) {
  uint64_t flushed = 0;
  auto views = RocksDbViews::Open(
      {.path = path, .create_if_missing = true, .store_id = kStoreId, .env = env});
  if (!views.ok()) return flushed;
  for (uint64_t batch = 1; batch <= 9; ++batch) {
    const std::string value = absl::StrCat(batch);
    if (!(*views)
             ->Apply(PartitionId(0), {{Row(1), value}, {Row(2), value}}, Position(batch))
             .ok()) {
      return flushed;
    }
    if (batch % 3 != 0) continue;
    if (!(*views)->Flush().ok()) return flushed;
    flushed = batch;
  }
  return flushed;
}

TEST_P(StorageFaultTest, ViewsAreOlderButNeverTornAfterAStopAtEveryChange) {
  bool finished = false;
  for (uint64_t operation = 1; !finished; ++operation) {
    SCOPED_TRACE(absl::StrCat("stop at change ", operation));
    const std::string path = folder_.Sub(absl::StrCat("views", operation));
    FaultDisk disk;
    disk.system->StopAt(operation);
    const uint64_t flushed = ApplyBatches(path, disk.env.get());
    finished = !disk.system->struck();
    disk.system->Crash(GetParam());
    auto views =
        RocksDbViews::Open({.path = path, .create_if_missing = true, .store_id = kStoreId});
    ASSERT_OK(views.status());
    ASSERT_OK_AND_ASSIGN(const Position applied, (*views)->AppliedPosition(PartitionId(0)));
    EXPECT_GE(applied.value(), flushed);
    const std::optional<std::string> expected =
        applied.value() == 0 ? std::nullopt : std::make_optional(absl::StrCat(applied.value()));
    EXPECT_THAT((*views)->Get(Row(1)), skald::testing::IsOkAndHolds(expected));
    EXPECT_THAT((*views)->Get(Row(2)), skald::testing::IsOkAndHolds(expected));
    if (HasFailure()) return;
    views->reset();
    std::filesystem::remove_all(path);
    ASSERT_LT(operation, 5000u);
  }
}

INSTANTIATE_TEST_SUITE_P(TailFates, StorageFaultTest,
                         ::testing::Values(TailFate::kGone, TailFate::kHalf,
                                           TailFate::kHalfThenZeros, TailFate::kSecondHalf),
                         [](const auto& test) {
                           switch (test.param) {
                             case TailFate::kGone:
                               return "TailGone";
                             case TailFate::kHalf:
                               return "TailHalf";
                             case TailFate::kHalfThenZeros:
                               return "TailHalfThenZeros";
                             case TailFate::kSecondHalf:
                               return "TailSecondHalf";
                           }
                           return "";
                         });

}  // namespace
}  // namespace skald::storage
