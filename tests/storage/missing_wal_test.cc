// Write-ahead files that are gone, emptied or zeroed: the log notices at once, and changes nothing.
//
// Method: one partition floods the log so that memtables are flushed, the other, idle but for a
// commit in each file, keeps all of them alive. A copy of the folder made meanwhile is what a kill
// leaves.
#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rocksdb/env.h"
#include "storage/rocksdb/rocksdb_event_log.h"
#include "storage/rocksdb/wal_scan.h"
#include "storage/store_files.h"
#include "tests/storage/folder_image.h"
#include "tests/storage/test_commits.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_folder.h"

namespace skald::storage {
namespace {

namespace fs = std::filesystem;

using ::skald::testing::StatusIs;
using ::skald::testing::TempFolder;
using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::Contains;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Severity = StoreFinding::Severity;
constexpr PartitionId kBusy{0}, kIdle{1};

std::vector<std::string> WalFiles(const std::string& folder) {
  const auto files = ListWalFiles(*rocksdb::Env::Default(), folder);
  EXPECT_OK(files.status());
  std::vector<std::string> names;
  for (const std::string& file : *files) names.push_back(fs::path(file).filename());
  return names;
}

class MissingWalTest : public ::testing::Test {
 protected:
  RocksDbEventLogOptions Options(const std::string& store) const {
    return {.path = store + "/log",
            .create_if_missing = true,
            .partition_count = 2,
            .write_buffer_bytes = 64 << 10};
  }

  // Appends until there are `count` write-ahead files, with a commit of the idle partition in each.
  void Fill(RocksDbEventLog& log, const std::string& store, size_t count) {
    CommitMaker busy(kBusy, log.LastPosition(kBusy));
    CommitMaker idle(kIdle, log.LastPosition(kIdle));
    const auto append = [&](PartitionId partition, CommitMaker& maker, size_t bytes) {
      commits_[partition.value()].push_back(maker.Next(1, std::string(bytes, 'p')));
      ASSERT_OK(log.Append({commits_[partition.value()].back()}));
    };
    for (size_t files = 0; files < count && !HasFailure();) {
      append(kBusy, busy, 5'000);
      if (const size_t now = WalFiles(store + "/log").size(); now > files) {
        files = now;
        append(kIdle, idle, 100);
      }
    }
    append(kBusy, busy, 100);
  }

  void SetUp() override {
    fs::create_directory(store_);
    auto log = RocksDbEventLog::Open(Options(store_));
    ASSERT_OK(log.status());
    Fill(**log, store_, 5);
    killed_ = ReadLiveFolder(store_ + "/log");
    wal_ = WalFiles(store_ + "/log");
  }

  std::string Store(const FolderImage& files) {
    const std::string store = folder_.Sub("copy");
    WriteFolder(store + "/log", files);
    return store;
  }

  void ExpectWhole(const std::string& store) {
    auto log = RocksDbEventLog::Open(Options(store));
    ASSERT_OK(log.status());
    EXPECT_THAT((*log)->open_report().torn_tails, IsEmpty());
    for (const PartitionId partition : {kBusy, kIdle}) {
      EXPECT_EQ(ReadAll(**log, partition), Expected(commits_[partition.value()]));
    }
  }

  void ExpectLoss(const FolderImage& files) {
    const std::string store = Store(files);
    {
      const auto examined = ExamineStore({.path = store, .progress = {}});
      ASSERT_OK(examined.status());
      EXPECT_THAT(examined->findings, Contains(Field(&StoreFinding::severity, Severity::kDamage)));
    }
    EXPECT_THAT(RocksDbEventLog::Open(Options(store)).status(),
                StatusIs(absl::StatusCode::kDataLoss,
                         AllOf(HasSubstr("acknowledged data is lost"),
                               AnyOf(HasSubstr("records are missing before"),
                                     HasSubstr("there is no write-ahead file")),
                               HasSubstr("Nothing was changed"), HasSubstr("restore"))));
    EXPECT_EQ(WithoutLock(ReadFolder(store + "/log")), WithoutLock(files));
  }

  TempFolder folder_{TempFolder::MemoryParent()};
  const std::string store_ = folder_.Sub("store");
  std::vector<StagedCommit> commits_[2];
  FolderImage killed_;
  std::vector<std::string> wal_;  // the names of its write-ahead files
};

TEST_F(MissingWalTest, WithAllFilesNothingIsMissing) {
  ASSERT_EQ(wal_.size(), 5u);
  const std::string store = Store(killed_);
  {
    const auto examined = ExamineStore({.path = store, .progress = {}});
    ASSERT_OK(examined.status());
    EXPECT_THAT(examined->findings,
                ::testing::Each(Field(&StoreFinding::severity, Severity::kNotice)));
  }
  ExpectWhole(store);
}

TEST_F(MissingWalTest, AFileThatOthersFollowIsMissed) {
  for (size_t i = 0; i + 1 < wal_.size(); ++i) {
    SCOPED_TRACE(wal_[i]);
    FolderImage gone = killed_;
    gone.erase(wal_[i]);
    ExpectLoss(gone);
    FolderImage empty = killed_;
    empty[wal_[i]].clear();
    ExpectLoss(empty);
    FolderImage zeros = killed_;
    zeros[wal_[i]].assign(zeros[wal_[i]].size(), '\0');
    ExpectLoss(zeros);
    // And one that stands in for another.
    FolderImage twice = killed_;
    twice[wal_[i]] = killed_[wal_[i + 1]];
    ExpectLoss(twice);
  }
}

TEST_F(MissingWalTest, AStoreWithoutAnyIsRefused) {
  for (const std::string& name : wal_) killed_.erase(name);
  ExpectLoss(killed_);
}

// The same after a clean stop.
TEST_F(MissingWalTest, AClosedStoreWithoutAnyIsRefused) {
  const std::string store = Store(killed_);
  ExpectWhole(store);
  ExpectWhole(store);
  FolderImage closed = ReadLiveFolder(store + "/log");
  for (const std::string& name : WalFiles(store + "/log")) closed.erase(name);
  ExpectLoss(closed);
}

// Goal: files whose content is in tables may go one by one. Method: what a start turned into tables
// is put back, but for one file.
TEST_F(MissingWalTest, OfFilesThatAreLeftOverAnyMayBeMissing) {
  const std::string store = Store(killed_);
  ExpectWhole(store);
  const FolderImage started = ReadLiveFolder(store + "/log");
  for (const std::string& gone : wal_) {
    SCOPED_TRACE(gone);
    FolderImage left = started;
    for (const std::string& name : wal_) {
      if (name != gone) left[name] = killed_[name];
    }
    ExpectWhole(Store(left));
  }
}

// Goal: no false alarm. Method: the store is killed and started again and again, with flushes
// between.
TEST_F(MissingWalTest, KillsAndStartsLeaveNoGap) {
  FolderImage files = killed_;
  for (int round = 0; round < 12; ++round) {
    SCOPED_TRACE(round);
    const std::string store = Store(files);
    ExpectWhole(store);
    auto log = RocksDbEventLog::Open(Options(store));
    ASSERT_OK(log.status());
    Fill(**log, store, static_cast<size_t>(1 + round % 4));
    if (round % 3 == 1) {
      ASSERT_OK((*log)->Flush());
    }
    if (round % 3 == 2) Fill(**log, store, 2);
    files = ReadLiveFolder(store + "/log");
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace skald::storage
