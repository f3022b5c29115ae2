// What RocksDB views promise beyond the contract: whose they are, what a restart keeps, and what
// damage means.
#include "storage/rocksdb/rocksdb_views.h"

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rocksdb/db.h"
#include "storage/keys.h"
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
