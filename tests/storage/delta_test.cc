// The delta against a naive model: one map that every change is made to at once.
#include "storage/delta.h"

#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/keys.h"
#include "storage/memory/memory_views.h"
#include "tests/support/status_matchers.h"

namespace skald::storage {
namespace {

using ::skald::testing::IsOkAndHolds;
using Rows = std::vector<std::pair<std::string, std::string>>;

constexpr PartitionId kPartition{2};

std::string Key(uint64_t number) {
  return KeyBuilder(Table::kSaga, kPartition).Number(number).Build();
}

Rows ScanAll(const Delta& delta, absl::string_view begin, absl::string_view end) {
  Rows rows;
  EXPECT_OK(delta.Scan(begin, end, [&](absl::string_view key, absl::string_view value) {
    rows.emplace_back(key, value);
    return true;
  }));
  return rows;
}

// Counts what reaches views.
class CountingViews : public MemoryViews {
 public:
  absl::Status Apply(PartitionId partition, absl::Span<const RowChange> changes,
                     Position applied) override {
    changes_ += changes.size();
    return MemoryViews::Apply(partition, changes, applied);
  }
  size_t changes() const { return changes_; }

 private:
  size_t changes_ = 0;
};

TEST(DeltaTest, RowsBornAndGoneInOneWindowAreNeverWritten) {
  CountingViews views;
  Delta delta(views, kPartition);
  delta.PutNew(Key(1), "a");
  delta.PutNew(Key(2), "b");
  delta.Delete(Key(1));
  EXPECT_EQ(delta.active_rows(), 1u);
  delta.Seal(Position(5));
  ASSERT_OK(delta.WriteSealed(views));
  EXPECT_EQ(views.changes(), 1u);
  EXPECT_THAT(views.AppliedPosition(kPartition), IsOkAndHolds(Position(5)));
}

TEST(DeltaTest, RowThatIsBelowIsDeletedThere) {
  CountingViews views;
  Delta delta(views, kPartition);
  delta.Put(Key(1), "a");
  delta.Seal(Position(1));
  // Sealed, not written yet: its deletion must reach views all the same.
  delta.Delete(Key(1));
  EXPECT_THAT(delta.Get(Key(1)), IsOkAndHolds(std::nullopt));
  ASSERT_OK(delta.WriteSealed(views));
  EXPECT_THAT(delta.Get(Key(1)), IsOkAndHolds(std::nullopt));
  // Born again over its own deletion: the row below must not shine through when it dies.
  delta.PutNew(Key(1), "b");
  delta.Delete(Key(1));
  EXPECT_THAT(delta.Get(Key(1)), IsOkAndHolds(std::nullopt));
  delta.Seal(Position(2));
  ASSERT_OK(delta.WriteSealed(views));
  EXPECT_THAT(views.Get(Key(1)), IsOkAndHolds(std::nullopt));
}

TEST(DeltaTest, EmptyWindowStillMovesTheAppliedPosition) {
  CountingViews views;
  Delta delta(views, kPartition);
  delta.Seal(Position(9));
  EXPECT_TRUE(delta.has_sealed());
  ASSERT_OK(delta.WriteSealed(views));
  EXPECT_FALSE(delta.has_sealed());
  EXPECT_THAT(views.AppliedPosition(kPartition), IsOkAndHolds(Position(9)));
}

TEST(DeltaTest, SealedChangesCanBeWrittenInTwoSteps) {
  CountingViews views;
  Delta delta(views, kPartition);
  delta.Put(Key(1), "a");
  delta.Seal(Position(3));
  ASSERT_OK(views.Apply(kPartition, delta.sealed_changes(), delta.sealed_position()));
  EXPECT_THAT(delta.Get(Key(1)), IsOkAndHolds("a"));
  delta.DropSealed();
  EXPECT_FALSE(delta.has_sealed());
  EXPECT_THAT(delta.Get(Key(1)), IsOkAndHolds("a"));
}

TEST(DeltaTest, BytesGoBackToNothing) {
  MemoryViews views;
  Delta delta(views, kPartition);
  delta.PutNew(Key(1), "a");
  delta.PutNew(Key(1), std::string(1000, 'b'));
  EXPECT_GT(delta.active_bytes(), 1000u);
  delta.Delete(Key(1));
  EXPECT_EQ(delta.active_bytes(), 0u);
  delta.Put(Key(2), "c");
  delta.Delete(Key(2));
  delta.Seal(Position(1));
  EXPECT_EQ(delta.active_bytes(), 0u);
}

// One random life of a delta beside its model.
class DeltaModelTest : public ::testing::TestWithParam<uint32_t> {
 protected:
  static constexpr uint32_t kKeys = 24;

  void Step() {
    const std::string key = Key(random_() % kKeys);
    switch (random_() % 10) {
      case 0:
      case 1:
      case 2:
        Put(key);
        break;
      case 3:
      case 4:
        // PutNew's promise: the row is not there.
        if (model_.count(key) == 0) PutNew(key);
        break;
      case 5:
      case 6:
        delta_.Delete(key);
        model_.erase(key);
        break;
      case 7:
        if (!delta_.has_sealed()) delta_.Seal(position_ = position_.Next());
        break;
      case 8:
        if (delta_.has_sealed()) {
          ASSERT_OK(delta_.WriteSealed(views_));
        }
        break;
      default:
        CheckGet(key);
        CheckScan();
    }
  }

  void Put(const std::string& key) {
    const std::string value = absl::StrCat(random_() % 1000);
    delta_.Put(key, value);
    model_[key] = value;
  }
  void PutNew(const std::string& key) {
    const std::string value = absl::StrCat("new ", random_() % 1000);
    delta_.PutNew(key, value);
    model_[key] = value;
  }

  void CheckGet(const std::string& key) {
    const auto row = model_.find(key);
    const std::optional<std::string> expected =
        row == model_.end() ? std::nullopt : std::make_optional(row->second);
    EXPECT_THAT(delta_.Get(key), IsOkAndHolds(expected));
  }

  void CheckScan() {
    const std::string begin = Key(random_() % kKeys);
    const std::string end = random_() % 4 == 0 ? "" : Key(random_() % (kKeys + 1));
    Rows expected;
    for (auto row = model_.lower_bound(begin); row != model_.end(); ++row) {
      if (!end.empty() && row->first >= end) break;
      expected.push_back(*row);
    }
    Rows rows = ScanAll(delta_, begin, end);
    EXPECT_EQ(rows, expected);
    // Stopping early gives the beginning of the same rows.
    const size_t wanted = expected.empty() ? 0 : 1 + random_() % expected.size();
    Rows some;
    EXPECT_OK(delta_.Scan(begin, end, [&](absl::string_view key, absl::string_view value) {
      some.emplace_back(key, value);
      return some.size() < wanted;
    }));
    expected.resize(wanted);
    EXPECT_EQ(some, expected);
  }

  std::mt19937 random_{GetParam()};
  MemoryViews views_;
  Delta delta_{views_, kPartition};
  std::map<std::string, std::string> model_;
  Position position_;
};

TEST_P(DeltaModelTest, ShowsWhatTheModelHolds) {
  for (int step = 0; step < 3000 && !HasFailure(); ++step) Step();
}

INSTANTIATE_TEST_SUITE_P(Seeds, DeltaModelTest, ::testing::Range(0u, 20u));

}  // namespace
}  // namespace skald::storage
