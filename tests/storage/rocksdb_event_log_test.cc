// What the RocksDB log promises beyond the contract: opening, refusing, and never rewriting.
#include "storage/rocksdb/rocksdb_event_log.h"

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include <sys/stat.h>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rocksdb/db.h"
#include "skald/log/v1/record.pb.h"
#include "storage/keys.h"
#include "tests/storage/folder_image.h"
#include "tests/storage/test_commits.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_folder.h"

namespace skald::storage {
namespace {

using ::skald::testing::StatusIs;
using ::skald::testing::TempFolder;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr PartitionId kFirst{0};

class RocksDbEventLogTest : public ::testing::Test {
 protected:
  std::unique_ptr<RocksDbEventLog> OpenLog() {
    auto log = RocksDbEventLog::Open(options_);
    EXPECT_OK(log.status());
    return log.ok() ? std::move(*log) : nullptr;
  }

  // Opens the database behind the log's back and lets `change` damage it.
  template <typename Change>
  void Tamper(Change change) {
    std::vector<std::string> names;
    ASSERT_TRUE(rocksdb::DB::ListColumnFamilies({}, options_.path, &names).ok());
    std::vector<rocksdb::ColumnFamilyDescriptor> families;
    for (const std::string& name : names) {
      families.emplace_back(name, rocksdb::ColumnFamilyOptions());
    }
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    rocksdb::DB* opened = nullptr;
    ASSERT_TRUE(rocksdb::DB::Open({}, options_.path, families, &handles, &opened).ok());
    const std::unique_ptr<rocksdb::DB> db(opened);
    change(*db, handles);
    for (rocksdb::ColumnFamilyHandle* const handle : handles) {
      ASSERT_TRUE(db->DestroyColumnFamilyHandle(handle).ok());
    }
  }

  TempFolder folder_;
  RocksDbEventLogOptions options_{
      .path = folder_.Sub("log"), .create_if_missing = true, .partition_count = 2};
};

TEST_F(RocksDbEventLogTest, KeepsEverythingOverRestarts) {
  CommitMaker first(kFirst);
  CommitMaker second(PartitionId(1));
  std::vector<StagedCommit> of_first;
  std::string store_id;
  Timestamp created_at;
  for (int restart = 0; restart < 4; ++restart) {
    const auto log = OpenLog();
    ASSERT_NE(log, nullptr);
    EXPECT_EQ(log->open_report().created, restart == 0);
    if (restart == 0) {
      store_id = std::string(log->store_id());
      created_at = log->created_at();
      EXPECT_GT(created_at.value(), 0);
    }
    EXPECT_EQ(log->store_id(), store_id);
    EXPECT_EQ(log->created_at(), created_at);
    EXPECT_EQ(log->LastPosition(kFirst), first.last());
    EXPECT_EQ(log->LastPosition(PartitionId(1)), second.last());
    for (int i = 0; i < 10; ++i) {
      of_first.push_back(first.Next(2));
      ASSERT_OK(log->Append({of_first.back(), second.Next(1)}));
    }
    if (restart == 2) {
      ASSERT_OK(log->Flush());
    }
    EXPECT_EQ(ReadAll(*log, kFirst), Expected(of_first));
  }
}

TEST_F(RocksDbEventLogTest, StoresHaveDifferentIds) {
  const auto log = OpenLog();
  options_.path = folder_.Sub("other");
  const auto other = OpenLog();
  EXPECT_NE(log->store_id(), other->store_id());
}

TEST_F(RocksDbEventLogTest, MissingStoreIsNotFound) {
  options_.create_if_missing = false;
  EXPECT_THAT(RocksDbEventLog::Open(options_).status(), StatusIs(absl::StatusCode::kNotFound));
  std::filesystem::create_directory(options_.path);
  EXPECT_THAT(RocksDbEventLog::Open(options_).status(), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(RocksDbEventLogTest, PartitionCountIsForLife) {
  OpenLog();
  options_.partition_count = 3;
  EXPECT_THAT(RocksDbEventLog::Open(options_).status(),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("2 partitions for life")));
  options_.partition_count = 0;
  EXPECT_EQ(OpenLog()->partition_count(), 2u);
}

TEST_F(RocksDbEventLogTest, OneProcessAtATime) {
  const auto log = OpenLog();
  EXPECT_THAT(RocksDbEventLog::Open(options_).status(),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("is in use")));
}

// `family` is the one that holds the store's identity.
void SetFormatVersion(rocksdb::DB& db, rocksdb::ColumnFamilyHandle* family, uint32_t version) {
  log::v1::StoreIdentity identity;
  std::string bytes;
  ASSERT_TRUE(db.Get({}, family, "identity", &bytes).ok());
  ASSERT_TRUE(identity.ParseFromString(bytes));
  identity.set_format_version(version);
  ASSERT_TRUE(db.Put({}, family, "identity", identity.SerializeAsString()).ok());
}

TEST_F(RocksDbEventLogTest, OtherFormatVersionIsRefused) {
  OpenLog();
  Tamper([](rocksdb::DB& db, const auto& handles) { SetFormatVersion(db, handles[0], 2); });
  EXPECT_THAT(RocksDbEventLog::Open(options_).status(),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("format version 2")));
}

// Goal: a store of another format is left as it is. Method: it has commits in a write-ahead file,
// the last one torn, which a start of its own build would make tables of.
TEST_F(RocksDbEventLogTest, AStoreOfAnotherFormatIsNotChanged) {
  OpenLog();
  Tamper([](rocksdb::DB& db, const auto& handles) {
    SetFormatVersion(db, handles[0], 2);
    ASSERT_TRUE(db.Flush({}, handles[0]).ok());
    CommitMaker maker(kFirst);
    for (int i = 0; i < 5; ++i) {
      const StagedCommit commit = maker.Next(1);
      ASSERT_TRUE(db.Put({}, handles[1], LogKey(commit.first), commit.record).ok());
    }
  });
  for (const auto& entry : std::filesystem::directory_iterator(options_.path)) {
    if (entry.path().extension() == ".log" && entry.file_size() > 3) {
      std::filesystem::resize_file(entry.path(), entry.file_size() - 3);
    }
  }
  const FolderImage before = WithoutLock(ReadFolder(options_.path));
  EXPECT_THAT(RocksDbEventLog::Open(options_).status(),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr("format version 2"), HasSubstr("Nothing was changed"))));
  EXPECT_EQ(WithoutLock(ReadFolder(options_.path)), before);
}

TEST_F(RocksDbEventLogTest, CommitsWithoutIdentityAreRefused) {
  {
    const auto log = OpenLog();
    CommitMaker maker(kFirst);
    ASSERT_OK(log->Append({maker.Next(1)}));
  }
  Tamper([](rocksdb::DB& db, const auto& handles) {
    ASSERT_TRUE(db.Delete({}, handles[0], "identity").ok());
  });
  EXPECT_THAT(RocksDbEventLog::Open(options_).status(), StatusIs(absl::StatusCode::kDataLoss));
}

TEST_F(RocksDbEventLogTest, UnfinishedCreationIsDoneOver) {
  OpenLog();
  Tamper([](rocksdb::DB& db, const auto& handles) {
    ASSERT_TRUE(db.Delete({}, handles[0], "identity").ok());
  });
  options_.partition_count = 3;
  const auto log = OpenLog();
  ASSERT_NE(log, nullptr);
  EXPECT_TRUE(log->open_report().created);
  EXPECT_EQ(log->partition_count(), 3u);
}

TEST_F(RocksDbEventLogTest, LostPointerFileIsNotTakenForANewStore) {
  OpenLog();
  std::filesystem::remove(options_.path + "/CURRENT");
  EXPECT_THAT(RocksDbEventLog::Open(options_).status(),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("CURRENT is missing")));
}

TEST_F(RocksDbEventLogTest, MissingCommitIsFoundAtTheEndByOpenAndElsewhereByReading) {
  {
    const auto log = OpenLog();
    CommitMaker maker(kFirst);
    for (int i = 0; i < 10; ++i) {
      ASSERT_OK(log->Append({maker.Next(2)}));
    }
  }
  Tamper([](rocksdb::DB& db, const auto& handles) {
    ASSERT_TRUE(db.Delete({}, handles[1], LogKey(Position(5))).ok());
  });
  {
    const auto log = OpenLog();
    ASSERT_NE(log, nullptr);
    const auto cursor = log->Read(kFirst, Position(1));
    cursor->Next();
    ASSERT_TRUE(cursor->Valid());
    EXPECT_EQ(cursor->first(), Position(3));
    cursor->Next();
    EXPECT_FALSE(cursor->Valid());
    EXPECT_THAT(cursor->status(), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("position 5")));
    EXPECT_THAT(log->Read(kFirst, Position(5))->status(), StatusIs(absl::StatusCode::kDataLoss));
    EXPECT_OK(log->Read(kFirst, Position(7))->status());
  }
  Tamper([](rocksdb::DB& db, const auto& handles) {
    ASSERT_TRUE(db.Delete({}, handles[1], LogKey(Position(17))).ok());
  });
  EXPECT_THAT(RocksDbEventLog::Open(options_).status(), StatusIs(absl::StatusCode::kDataLoss));
}

TEST_F(RocksDbEventLogTest, ForeignOrDamagedRecordIsFoundByReading) {
  {
    const auto log = OpenLog();
    CommitMaker maker(kFirst);
    for (int i = 0; i < 5; ++i) {
      ASSERT_OK(log->Append({maker.Next(1)}));
    }
  }
  Tamper([](rocksdb::DB& db, const auto& handles) {
    ASSERT_TRUE(db.Put({}, handles[1], LogKey(Position(2)), "rubbish").ok());
    const StagedCommit foreign = MakeCommit(PartitionId(1), Position(3), 1, "{}");
    ASSERT_TRUE(db.Put({}, handles[1], LogKey(Position(3)), foreign.record).ok());
  });
  const auto log = OpenLog();
  ASSERT_NE(log, nullptr);
  for (const uint64_t at : {2, 3}) {
    const auto cursor = log->Read(kFirst, Position(at));
    EXPECT_FALSE(cursor->Valid());
    EXPECT_THAT(cursor->status(),
                StatusIs(absl::StatusCode::kDataLoss, HasSubstr(absl::StrCat("position ", at))));
  }
}

// Goal: a flipped bit in a table is found when it is read, never passed on.
TEST_F(RocksDbEventLogTest, DamagedTableIsDataLoss) {
  {
    const auto log = OpenLog();
    CommitMaker maker(kFirst);
    for (int i = 0; i < 100; ++i) {
      ASSERT_OK(log->Append({maker.Next(1, std::string(500, 'x'))}));
    }
    ASSERT_OK(log->Flush());
  }
  std::string largest;
  for (const auto& entry : std::filesystem::directory_iterator(options_.path)) {
    if (entry.path().extension() != ".sst") continue;
    if (largest.empty() || entry.file_size() > std::filesystem::file_size(largest)) {
      largest = entry.path();
    }
  }
  std::fstream table(largest, std::ios::in | std::ios::out | std::ios::binary);
  table.seekg(100);
  const int byte = table.get();
  table.seekp(100);
  table.put(static_cast<char>(byte ^ 1));
  table.close();
  absl::Status status;
  auto log = RocksDbEventLog::Open(options_);
  if (log.ok()) {
    const auto cursor = (*log)->Read(kFirst, Position(1));
    while (cursor->Valid()) cursor->Next();
    status = cursor->status();
  } else {
    status = log.status();
  }
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kDataLoss));
}

// Goal: the layout holds: tables of a partition never overlap, so compaction moves them and writes
// nothing. Method: small buffers, data for many flushes, in all partitions at once.
TEST_F(RocksDbEventLogTest, TellsWhatMemoryStillHas) {
  const auto log = OpenLog();
  CommitMaker commits(kFirst);
  const uint64_t before = log->UnwrittenBytes();
  constexpr uint64_t kBytes = 4 << 20;
  ASSERT_OK(log->Append({commits.Next(1, std::string(kBytes, 'p'))}));
  EXPECT_GE(log->UnwrittenBytes(), before + kBytes);
  ASSERT_OK(log->Flush());
  EXPECT_LE(log->UnwrittenBytes(), before);
}

// The disk is shared: nothing is taken long before it is needed.
TEST_F(RocksDbEventLogTest, ANewLogTakesLittleRoom) {
  const auto log = OpenLog();
  CommitMaker commits(kFirst);
  ASSERT_OK(log->Append({commits.Next(1)}));
  uint64_t taken = 0;
  for (const auto& entry : std::filesystem::directory_iterator(options_.path)) {
    struct stat file {};
    ASSERT_EQ(::stat(entry.path().c_str(), &file), 0);
    taken += static_cast<uint64_t>(file.st_blocks) * 512;
  }
  EXPECT_LT(taken, 16u << 20);
}

TEST_F(RocksDbEventLogTest, CompactionWritesNothing) {
  options_.partition_count = 4;
  options_.write_buffer_bytes = 64 << 10;
  options_.total_write_buffer_bytes = 256 << 10;
  options_.wal_bytes_max = 512 << 10;
  std::vector<CommitMaker> makers;
  for (uint32_t partition = 0; partition < 4; ++partition) {
    makers.emplace_back(PartitionId(partition));
  }
  uint64_t flushes = 0;
  for (int restart = 0; restart < 3; ++restart) {
    const auto log = OpenLog();
    ASSERT_NE(log, nullptr);
    for (int batch = 0; batch < 60; ++batch) {
      std::vector<StagedCommit> commits;
      for (CommitMaker& maker : makers) {
        for (uint32_t i = 0; i < 16; ++i) {
          // Not compressible, so that levels fill.
          std::string payload(1000, ' ');
          for (char& c : payload) c = static_cast<char>('!' + std::rand() % 90);
          commits.push_back(maker.Next(1 + i % 2, payload));
        }
      }
      ASSERT_OK(log->Append(commits));
    }
    ASSERT_OK(log->Flush());
    flushes += log->stats().flushes;
    EXPECT_EQ(log->stats().compaction_bytes_written, 0u);
    EXPECT_EQ(ReadAll(*log, kFirst).back().first, log->Read(kFirst, makers[0].last())->first());
  }
  EXPECT_GT(flushes, 100u);
}

}  // namespace
}  // namespace skald::storage
