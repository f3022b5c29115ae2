// Damage to the log's list of tables, RocksDB's MANIFEST, and tables that it does not name.
//
// Method: copies of a log's folder, made while it is open, are what a kill leaves. Its list is
// damaged, or tables are put beside those that it names; then the copy is examined and opened.
#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/match.h"
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
using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using Severity = StoreFinding::Severity;
constexpr PartitionId kPartition{0};

bool IsTable(const std::string& name) { return absl::EndsWith(name, ".sst"); }

std::string Manifest(const std::string& folder) {
  const auto manifest = ManifestFile(*rocksdb::Env::Default(), folder);
  EXPECT_OK(manifest.status());
  return fs::path(*manifest).filename();
}

class LostTableTest : public ::testing::Test {
 protected:
  RocksDbEventLogOptions Options(const std::string& store) const {
    return {.path = store + "/log", .create_if_missing = true, .partition_count = 1};
  }

  // A store that was killed with its commits in a write-ahead file.
  void SetUp() override {
    fs::create_directory(store_);
    auto log = RocksDbEventLog::Open(Options(store_));
    ASSERT_OK(log.status());
    CommitMaker maker(kPartition);
    for (int i = 0; i < 20; ++i) {
      commits_.push_back(maker.Next(2, std::string(200, 'p')));
      ASSERT_OK((*log)->Append({commits_.back()}));
    }
    killed_ = ReadLiveFolder(store_ + "/log");
    ASSERT_OK((*log)->Flush());
    flushed_ = ReadLiveFolder(store_ + "/log");
  }

  // A store of these files.
  std::string Store(const FolderImage& files) {
    const std::string store = folder_.Sub("copy");
    WriteFolder(store + "/log", files);
    return store;
  }

  void ExpectWhole(const std::string& store) {
    auto log = RocksDbEventLog::Open(Options(store));
    ASSERT_OK(log.status());
    EXPECT_EQ(ReadAll(**log, kPartition), Expected(commits_));
  }

  static std::vector<StoreFinding> Findings(const std::string& store) {
    const auto examined = ExamineStore({.path = store, .progress = {}});
    EXPECT_OK(examined.status());
    return examined->findings;
  }

  TempFolder folder_{TempFolder::MemoryParent()};
  const std::string store_ = folder_.Sub("store");
  std::vector<StagedCommit> commits_;
  FolderImage killed_;   // all commits are in a write-ahead file
  FolderImage flushed_;  // they are in a table
};

// Goal: what the list's last entry names is not given up because a bit of that entry flipped.
// Method: the store is killed, started (its commits go into tables, the write-ahead file goes),
// killed again.
TEST_F(LostTableTest, ADamagedLastEntryOfTheListIsNoTornOne) {
  FolderImage started;
  {
    const std::string store = Store(killed_);
    auto log = RocksDbEventLog::Open(Options(store));
    ASSERT_OK(log.status());
    started = ReadLiveFolder(store + "/log");
  }
  const std::string manifest = Manifest(Store(started) + "/log");
  const size_t size = started[manifest].size();
  for (const size_t from_end : {1, 5, 9, 20}) {
    SCOPED_TRACE(absl::StrCat(from_end, " bytes before the end"));
    FolderImage damaged = started;
    damaged[manifest][size - from_end] ^= 0x04;
    const std::string store = Store(damaged);
    EXPECT_THAT(Findings(store), Contains(AllOf(Field(&StoreFinding::severity, Severity::kDamage),
                                                Field(&StoreFinding::where, HasSubstr(".sst")))));
    EXPECT_THAT(RocksDbEventLog::Open(Options(store)).status(),
                StatusIs(absl::StatusCode::kDataLoss,
                         AllOf(HasSubstr(manifest), HasSubstr("commits that are nowhere else"),
                               HasSubstr("Nothing was changed"), HasSubstr("restore"))));
    EXPECT_EQ(WithoutLock(ReadFolder(store + "/log")), WithoutLock(damaged));
  }
}

// Goal: an entry that was torn while it was written costs nothing. Method: the table is whole, the
// entry is cut at every byte, and the write-ahead file has not gone yet.
TEST_F(LostTableTest, ATornEntryOfTheListIsCutOff) {
  const std::string manifest = Manifest(store_ + "/log");
  const std::string& list = flushed_[manifest];
  const size_t before = killed_[manifest].size();
  ASSERT_GT(list.size(), before);
  for (size_t size = before + 1; size < list.size(); ++size) {
    SCOPED_TRACE(absl::StrCat("cut at ", size));
    FolderImage torn = flushed_;
    for (const auto& [name, content] : killed_) torn[name] = content;
    torn[manifest] = list.substr(0, size);
    const std::string store = Store(torn);
    EXPECT_THAT(Findings(store), Each(Field(&StoreFinding::severity, Severity::kNotice)));
    ExpectWhole(store);
    if (HasFailure()) return;
  }
}

// Goal: what a kill in the midst of a flush leaves is no damage. Method: a part of a table, or all
// of it, under a number that the list does not name.
TEST_F(LostTableTest, ATableThatWasBeingWrittenIsNoDamage) {
  std::string table;
  for (const auto& [name, content] : flushed_) {
    if (IsTable(name) && killed_.count(name) == 0) table = content;
  }
  ASSERT_FALSE(table.empty());
  for (const size_t size : {size_t{0}, table.size() / 2, table.size() - 1, table.size()}) {
    SCOPED_TRACE(size);
    FolderImage left = killed_;
    left["000077.sst"] = table.substr(0, size);
    const std::string store = Store(left);
    EXPECT_THAT(
        Findings(store),
        Contains(AllOf(Field(&StoreFinding::severity, Severity::kNotice),
                       Field(&StoreFinding::where, HasSubstr("000077.sst")),
                       Field(&StoreFinding::mend, HasSubstr("the next start deletes it")))));
    EXPECT_THAT(Findings(store), Each(Field(&StoreFinding::severity, Severity::kNotice)));
    ExpectWhole(store);
    EXPECT_FALSE(fs::exists(store + "/log/000077.sst"));
  }
}

}  // namespace
}  // namespace skald::storage
