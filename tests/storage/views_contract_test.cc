// What all Views promise, run on each implementation.
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/keys.h"
#include "storage/memory/memory_views.h"
#include "storage/rocksdb/rocksdb_views.h"
#include "storage/views.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_folder.h"

namespace skald::storage {
namespace {

using ::skald::testing::IsOkAndHolds;
using ::testing::ElementsAre;
using ::testing::Pair;
using Rows = std::vector<std::pair<std::string, std::string>>;

constexpr PartitionId kFirst{0};
constexpr PartitionId kSecond{1};

struct Implementation {
  std::string name;
  std::function<std::unique_ptr<Views>(const std::string& folder)> open;
};

std::unique_ptr<Views> OpenRocksDb(const std::string& folder) {
  auto views = RocksDbViews::Open(
      {.path = folder + "/views", .create_if_missing = true, .store_id = "0123456789abcdef"});
  EXPECT_OK(views.status());
  return std::move(*views);
}

std::string Key(uint64_t number, PartitionId partition = kFirst) {
  return KeyBuilder(Table::kSaga, partition).Number(number).Build();
}

// Works on views and on snapshots.
template <typename Reader>
Rows ScanAll(const Reader& reader, absl::string_view begin, absl::string_view end) {
  Rows rows;
  EXPECT_OK(reader.Scan(begin, end, [&](absl::string_view key, absl::string_view value) {
    rows.emplace_back(key, value);
    return true;
  }));
  return rows;
}

class ViewsContractTest : public ::testing::TestWithParam<Implementation> {
 protected:
  skald::testing::TempFolder folder_;
  std::unique_ptr<Views> views_ = GetParam().open(folder_.path());
};

TEST_P(ViewsContractTest, IsEmptyAtFirst) {
  EXPECT_THAT(views_->Get(Key(1)), IsOkAndHolds(std::nullopt));
  EXPECT_THAT(views_->AppliedPosition(kFirst), IsOkAndHolds(Position(0)));
  EXPECT_TRUE(ScanAll(*views_, Key(0), Key(100)).empty());
  EXPECT_OK(views_->Flush());
}

TEST_P(ViewsContractTest, RowsAndAppliedPositionMoveTogether) {
  ASSERT_OK(views_->Apply(kFirst, {{Key(1), "a"}, {Key(2), "b"}}, Position(5)));
  ASSERT_OK(views_->Apply(kSecond, {{Key(1, kSecond), "c"}}, Position(3)));
  ASSERT_OK(
      views_->Apply(kFirst, {{Key(1), std::nullopt}, {Key(2), "bb"}, {Key(3), ""}}, Position(9)));
  EXPECT_THAT(views_->Get(Key(1)), IsOkAndHolds(std::nullopt));
  EXPECT_THAT(views_->Get(Key(2)), IsOkAndHolds("bb"));
  EXPECT_THAT(views_->Get(Key(3)), IsOkAndHolds(""));
  EXPECT_THAT(views_->AppliedPosition(kFirst), IsOkAndHolds(Position(9)));
  EXPECT_THAT(views_->AppliedPosition(kSecond), IsOkAndHolds(Position(3)));
  EXPECT_THAT(ScanAll(*views_, Key(0), Key(100)),
              ElementsAre(Pair(Key(2), "bb"), Pair(Key(3), "")));
}

TEST_P(ViewsContractTest, RowsWithTheirOwnProgressMoveNoAppliedPosition) {
  ASSERT_OK(views_->Apply(kFirst, {{Key(1), "one"}}, Position(7)));
  const auto snapshot = views_->Snapshot();
  ASSERT_OK(views_->ApplyRows({{Key(1), std::nullopt}, {Key(2), "two"}}));
  EXPECT_THAT(views_->Get(Key(1)), IsOkAndHolds(std::nullopt));
  EXPECT_THAT(views_->Get(Key(2)), IsOkAndHolds(std::optional<std::string>("two")));
  EXPECT_THAT(views_->AppliedPosition(kFirst), IsOkAndHolds(Position(7)));
  EXPECT_THAT(snapshot->Get(Key(2)), IsOkAndHolds(std::nullopt));
}

TEST_P(ViewsContractTest, LaterChangeOfOneRowInABatchWins) {
  ASSERT_OK(views_->Apply(
      kFirst, {{Key(1), "a"}, {Key(1), "b"}, {Key(2), "x"}, {Key(2), std::nullopt}}, Position(1)));
  EXPECT_THAT(views_->Get(Key(1)), IsOkAndHolds("b"));
  EXPECT_THAT(views_->Get(Key(2)), IsOkAndHolds(std::nullopt));
}

TEST_P(ViewsContractTest, ScanKeepsItsBounds) {
  ASSERT_OK(views_->Apply(kFirst, {{Key(1), "1"}, {Key(2), "2"}, {Key(3), "3"}}, Position(1)));
  EXPECT_THAT(ScanAll(*views_, Key(1), Key(3)), ElementsAre(Pair(Key(1), "1"), Pair(Key(2), "2")));
  EXPECT_TRUE(ScanAll(*views_, Key(2), Key(2)).empty());
  EXPECT_TRUE(ScanAll(*views_, Key(3), Key(1)).empty());
  const Rows to_the_end = ScanAll(*views_, Key(3), "");
  ASSERT_FALSE(to_the_end.empty());
  EXPECT_EQ(to_the_end.front().second, "3");
  int calls = 0;
  EXPECT_OK(views_->Scan(Key(1), Key(9), [&](absl::string_view, absl::string_view) {
    ++calls;
    return false;
  }));
  EXPECT_EQ(calls, 1);
}

TEST_P(ViewsContractTest, SnapshotStandsStill) {
  ASSERT_OK(views_->Apply(kFirst, {{Key(1), "old"}, {Key(2), "gone"}}, Position(1)));
  const auto snapshot = views_->Snapshot();
  ASSERT_OK(views_->Apply(kFirst, {{Key(1), "new"}, {Key(2), std::nullopt}, {Key(3), "born"}},
                          Position(2)));
  ASSERT_OK(views_->Flush());
  EXPECT_THAT(snapshot->Get(Key(1)), IsOkAndHolds("old"));
  EXPECT_THAT(snapshot->AppliedPosition(kFirst), IsOkAndHolds(Position(1)));
  EXPECT_THAT(ScanAll(*snapshot, Key(0), Key(9)),
              ElementsAre(Pair(Key(1), "old"), Pair(Key(2), "gone")));
  EXPECT_THAT(ScanAll(*views_, Key(0), Key(9)),
              ElementsAre(Pair(Key(1), "new"), Pair(Key(3), "born")));
}

TEST_P(ViewsContractTest, WritingIsAllowedDuringAScan) {
  ASSERT_OK(views_->Apply(kFirst, {{Key(1), "1"}, {Key(2), "2"}}, Position(1)));
  Rows rows;
  EXPECT_OK(views_->Scan(Key(0), Key(9), [&](absl::string_view key, absl::string_view value) {
    rows.emplace_back(key, value);
    EXPECT_OK(views_->Apply(kFirst, {{Key(2), "changed"}, {Key(3), "3"}}, Position(2)));
    return true;
  }));
  EXPECT_THAT(rows, ElementsAre(Pair(Key(1), "1"), Pair(Key(2), "2")));
}

// Goal: rows and positions are what a plain map says, over many batches with flushes between them.
TEST_P(ViewsContractTest, AgreesWithAModel) {
  std::mt19937 random(5);
  std::map<std::string, std::string> model;
  for (uint64_t batch = 1; batch <= 200; ++batch) {
    std::vector<RowChange> changes;
    for (int i = 0; i < 20; ++i) {
      const std::string key = Key(random() % 200);
      if (random() % 3 == 0) {
        changes.push_back({key, std::nullopt});
        model.erase(key);
      } else {
        changes.push_back({key, absl::StrCat(batch, ".", i)});
        model[key] = *changes.back().value;
      }
    }
    ASSERT_OK(views_->Apply(kFirst, changes, Position(batch)));
    if (batch % 50 == 0) {
      ASSERT_OK(views_->Flush());
    }
  }
  EXPECT_EQ(ScanAll(*views_, Key(0), Key(1000)), Rows(model.begin(), model.end()));
}

// Goal: no reader sees half a batch. Method: every batch sets two rows to its position.
TEST_P(ViewsContractTest, ReadersMayRaceTheWriter) {
  constexpr uint64_t kBatches = 500;
  std::thread writer([&] {
    for (uint64_t batch = 1; batch <= kBatches; ++batch) {
      const std::string value = absl::StrCat(batch);
      ASSERT_OK(views_->Apply(kFirst, {{Key(1), value}, {Key(2), value}}, Position(batch)));
    }
  });
  Position seen;
  while (seen.value() < kBatches) {
    const auto snapshot = views_->Snapshot();
    ASSERT_OK_AND_ASSIGN(const Position applied, snapshot->AppliedPosition(kFirst));
    ASSERT_GE(applied, seen);
    seen = applied;
    if (applied.value() == 0) continue;
    const std::string value = absl::StrCat(applied.value());
    EXPECT_THAT(ScanAll(*snapshot, Key(0), Key(9)),
                ElementsAre(Pair(Key(1), value), Pair(Key(2), value)));
  }
  writer.join();
}

INSTANTIATE_TEST_SUITE_P(Implementations, ViewsContractTest,
                         ::testing::Values(Implementation{"memory",
                                                          [](const std::string&) {
                                                            return std::make_unique<MemoryViews>();
                                                          }},
                                           Implementation{"rocksdb", OpenRocksDb}),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace skald::storage
