// What RocksDB views promise beyond the contract: whose they are, what a restart keeps, and what
// damage means.
#include "storage/rocksdb/rocksdb_views.h"

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rocksdb/db.h"
#include "storage/keys.h"
#include "storage/rocksdb/rocksdb_options.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_folder.h"

namespace skald::storage {
namespace {

using ::skald::testing::IsOkAndHolds;
using ::skald::testing::StatusIs;
using ::skald::testing::TempFolder;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr PartitionId kFirst{0};

class RocksDbViewsTest : public ::testing::Test {
 protected:
  std::unique_ptr<RocksDbViews> OpenViews() {
    auto views = RocksDbViews::Open(options_);
    EXPECT_OK(views.status());
    return views.ok() ? std::move(*views) : nullptr;
  }

  static std::string Key(uint64_t number) {
    return KeyBuilder(Table::kSaga, kFirst).Number(number).Build();
  }

  TempFolder folder_;
  RocksDbViewsOptions options_{
      .path = folder_.Sub("views"), .create_if_missing = true, .store_id = "0123456789abcdef"};
};

TEST_F(RocksDbViewsTest, OrderlyCloseKeepsRows) {
  {
    const auto views = OpenViews();
    ASSERT_OK(views->Apply(kFirst, {{Key(1), "a"}}, Position(4)));
  }
  const auto views = OpenViews();
  EXPECT_THAT(views->Get(Key(1)), IsOkAndHolds("a"));
  EXPECT_THAT(views->AppliedPosition(kFirst), IsOkAndHolds(Position(4)));
}

TEST_F(RocksDbViewsTest, TellsWhatMemoryStillHas) {
  const auto views = OpenViews();
  const uint64_t before = views->UnwrittenBytes();
  constexpr uint64_t kRowBytes = 4 << 20;
  ASSERT_OK(views->Apply(kFirst, {{Key(1), std::string(kRowBytes, 'r')}}, Position(4)));
  EXPECT_GE(views->UnwrittenBytes(), before + kRowBytes);
  ASSERT_OK(views->Flush());
  EXPECT_LE(views->UnwrittenBytes(), before);
}

TEST_F(RocksDbViewsTest, MissingViewsAreNotFound) {
  options_.create_if_missing = false;
  EXPECT_THAT(RocksDbViews::Open(options_).status(), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(RocksDbViewsTest, ViewsOfAnotherStoreAreRefused) {
  OpenViews();
  options_.store_id = "fedcba9876543210";
  EXPECT_THAT(RocksDbViews::Open(options_).status(),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("belong to store")));
}

// A database with the options of views, without what views put into it.
class ViewsOptionsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    rocksdb::Options options =
        ViewsDatabaseOptions(rocksdb::Env::Default(), /*write_buffer_bytes=*/64 << 20,
                             /*block_cache_bytes=*/8 << 20);
    options.create_if_missing = true;
    rocksdb::DB* db = nullptr;
    ASSERT_TRUE(rocksdb::DB::Open(options, folder_.Sub("db"), &db).ok());
    db_.reset(db);
  }

  // Puts rows of one table and deletes those of another, then flushes.
  void WriteAndFlush(uint64_t puts, uint64_t deletes) {
    for (uint64_t i = 0; i < puts; ++i) {
      ASSERT_TRUE(db_->Put(ViewsWriteOptions(), Key(Table::kSaga, i), "row").ok());
    }
    for (uint64_t i = 0; i < deletes; ++i) {
      ASSERT_TRUE(db_->Delete(ViewsWriteOptions(), Key(Table::kReadyTask, i)).ok());
    }
    ASSERT_TRUE(db_->Flush({}).ok());
  }

  // How many files wait to be merged when nothing is being merged any more.
  uint64_t FilesThatWait() {
    const absl::Time give_up = absl::Now() + absl::Seconds(60);
    while (Property("rocksdb.compaction-pending") + Property("rocksdb.num-running-compactions") >
               0 &&
           absl::Now() < give_up) {
      absl::SleepFor(absl::Milliseconds(5));
    }
    return Property("rocksdb.num-files-at-level0");
  }

 private:
  static std::string Key(Table table, uint64_t number) {
    return KeyBuilder(table, kFirst).Number(number).Build();
  }
  uint64_t Property(const std::string& name) {
    std::string value;
    uint64_t number = 0;
    EXPECT_TRUE(db_->GetProperty(name, &value) && absl::SimpleAtoi(value, &number)) << name;
    return number;
  }

  TempFolder folder_;
  std::unique_ptr<rocksdb::DB> db_;
};

TEST_F(ViewsOptionsTest, WhatQueuesDeleteDoesNotMergeAllRowsAtEachFlush) {
  for (uint64_t flushes = 1; flushes <= 3; ++flushes) {
    WriteAndFlush(10'000, 30'000);
    EXPECT_EQ(FilesThatWait(), flushes);
  }
  WriteAndFlush(10'000, 30'000);
  EXPECT_EQ(FilesThatWait(), 0u) << "but the fourth does";
}

TEST_F(ViewsOptionsTest, AFileOfDeletionsIsMergedSoon) {
  WriteAndFlush(10'000, 0);
  EXPECT_EQ(FilesThatWait(), 1u);
  WriteAndFlush(0, 200'000);
  EXPECT_EQ(FilesThatWait(), 1u) << "that of the rows; the other is gone";
}

TEST_F(RocksDbViewsTest, OneProcessAtATime) {
  const auto views = OpenViews();
  EXPECT_THAT(RocksDbViews::Open(options_).status(), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(RocksDbViews::Destroy(options_.path), StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(RocksDbViewsTest, DamageIsDataLossAndCanBeDeleted) {
  {
    const auto views = OpenViews();
    ASSERT_OK(views->Apply(kFirst, {{Key(1), "a"}}, Position(4)));
  }
  std::ofstream(options_.path + "/CURRENT") << "MANIFEST-009999\n";
  const absl::Status damaged = RocksDbViews::Open(options_).status();
  EXPECT_THAT(damaged, StatusIs(absl::StatusCode::kDataLoss, HasSubstr("Nothing is lost")));
  ASSERT_OK(RocksDbViews::Destroy(options_.path));
  EXPECT_FALSE(std::filesystem::exists(options_.path));
  EXPECT_OK(RocksDbViews::Destroy(options_.path)) << "nothing to delete";
  EXPECT_THAT(OpenViews()->AppliedPosition(kFirst), IsOkAndHolds(Position(0)));
}

// RocksDB finds a damaged block when it is read, long after opening.
TEST_F(RocksDbViewsTest, DamagedRowIsDataLossAndTheNextOpeningKnows) {
  {
    const auto views = OpenViews();
    const std::vector<RowChange> rows = {{Key(1), std::string(100'000, 'r')}};
    ASSERT_OK(views->Apply(kFirst, rows, Position(1)));
    ASSERT_OK(views->Flush());
  }
  std::filesystem::path newest;
  for (const auto& entry : std::filesystem::directory_iterator(options_.path)) {
    if (entry.path().extension() == ".sst" && entry.path() > newest) newest = entry.path();
  }
  {
    std::fstream file(newest, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(10);
    file.put('!');
  }
  {
    const auto views = OpenViews();
    EXPECT_THAT(views->Get(Key(1)).status(),
                StatusIs(absl::StatusCode::kDataLoss,
                         AllOf(HasSubstr(newest.filename().string()),
                               HasSubstr("start the server again"), HasSubstr(options_.path))));
  }
  EXPECT_THAT(RocksDbViews::Open(options_).status(), StatusIs(absl::StatusCode::kDataLoss));
  ASSERT_OK(RocksDbViews::Destroy(options_.path, nullptr));
  EXPECT_THAT(OpenViews()->Get(Key(1)), IsOkAndHolds(std::nullopt));
}

TEST_F(RocksDbViewsTest, OtherFormatIsDataLoss) {
  OpenViews();
  {
    rocksdb::DB* opened = nullptr;
    ASSERT_TRUE(rocksdb::DB::Open({}, options_.path, &opened).ok());
    const std::unique_ptr<rocksdb::DB> db(opened);
    const std::string key = KeyBuilder(Table::kIdentity, PartitionId(0)).Build();
    ASSERT_TRUE(db->Put({}, key, "not an identity").ok());
  }
  EXPECT_THAT(RocksDbViews::Open(options_).status(), StatusIs(absl::StatusCode::kDataLoss));
}

// Goal: a queue that is emptied from its front stays cheap to read. Method: pile up deletions, then
// count what a bounded scan behind them returns (its cost is the benchmark's business).
TEST_F(RocksDbViewsTest, ScanBehindManyDeletionsFindsWhatIsLeft) {
  const auto views = OpenViews();
  std::vector<RowChange> born;
  std::vector<RowChange> gone;
  for (uint64_t row = 0; row < 20'000; ++row) {
    born.push_back({Key(row), "row"});
    if (row < 19'990) gone.push_back({Key(row), std::nullopt});
  }
  ASSERT_OK(views->Apply(kFirst, born, Position(1)));
  ASSERT_OK(views->Flush());
  ASSERT_OK(views->Apply(kFirst, gone, Position(2)));
  ASSERT_OK(views->Flush());
  int rows = 0;
  EXPECT_OK(views->Scan(Key(0), Key(1'000'000), [&](absl::string_view, absl::string_view) {
    ++rows;
    return true;
  }));
  EXPECT_EQ(rows, 10);
}

}  // namespace
}  // namespace skald::storage
