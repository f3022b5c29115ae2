#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/projection/index_sums.h"
#include "engine/projection/model_table.h"
#include "engine/projection/table_keys.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/memory/memory_views.h"
#include "tests/support/status_matchers.h"

namespace skald::projection {
namespace {

using storage::RowChange;
using storage::Table;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr uint64_t kBefore = 6, kGone = 7, kAfter = 8;

class DeleteGenerationTest : public ::testing::Test {
 protected:
  DeleteGenerationTest() {
    for (const uint64_t generation : {kBefore, kGone, kAfter}) {
      std::vector<RowChange> rows = {{CheckpointKey(generation), "{}"},
                                     {PartKey(generation, 0), "{}"}};
      for (int i = 0; i < 10; ++i) {
        for (const Table table :
             {Table::kModelRow, Table::kModelIndex, Table::kModelVersion, Table::kModelPoison}) {
          rows.push_back({absl::StrCat(GenerationPrefix(table, generation), "row", i), "{}"});
        }
      }
      EXPECT_OK(views_.ApplyRows(rows));
    }
  }

  std::vector<std::string> KeysOf(uint64_t generation) {
    std::vector<std::string> keys;
    for (const Table table : {Table::kModelRow, Table::kModelIndex, Table::kModelVersion,
                              Table::kModelPoison, Table::kModelCheckpoint}) {
      const std::string prefix = GenerationPrefix(table, generation);
      EXPECT_OK(views_.Scan(prefix, storage::PrefixEnd(prefix),
                            [&](absl::string_view key, absl::string_view) {
                              keys.emplace_back(key);
                              return true;
                            }));
    }
    return keys;
  }
  bool Delete(size_t count) {
    const absl::StatusOr<bool> is_gone = DeleteGeneration(views_, kGone, count, place_);
    EXPECT_OK(is_gone);
    return is_gone.ok() && *is_gone;
  }

  storage::MemoryViews views_;
  std::string place_;
};

TEST_F(DeleteGenerationTest, GoesStepByStepTheCheckpointLast) {
  size_t left = 42;
  while (!Delete(3)) {
    left -= 3;
    ASSERT_THAT(KeysOf(kGone), SizeIs(left));
    EXPECT_TRUE(views_.Get(CheckpointKey(kGone))->has_value());
  }
  EXPECT_THAT(KeysOf(kGone), IsEmpty());
  EXPECT_THAT(KeysOf(kBefore), SizeIs(42));
  EXPECT_THAT(KeysOf(kAfter), SizeIs(42));
}

TEST_F(DeleteGenerationTest, GoesInOneStep) {
  EXPECT_TRUE(Delete(42));
  EXPECT_THAT(KeysOf(kGone), IsEmpty());
  EXPECT_TRUE(Delete(42)) << "there is nothing to delete";
}

// What a crash or a rebuild cut short.
TEST_F(DeleteGenerationTest, BeginsAnewWithoutItsPlace) {
  EXPECT_FALSE(Delete(15));
  place_.clear();
  EXPECT_FALSE(Delete(15));
  place_.clear();
  EXPECT_TRUE(Delete(15));
  EXPECT_THAT(KeysOf(kGone), IsEmpty());
}

// Goal: a step costs what it deletes, however much went before. Method: a row where a step has been
// is not found again.
TEST_F(DeleteGenerationTest, DoesNotWalkOverWhatIsGone) {
  EXPECT_FALSE(Delete(15));
  const std::string behind = absl::StrCat(GenerationPrefix(Table::kModelRow, kGone), "row0");
  ASSERT_OK(views_.ApplyRows({{behind, "{}"}}));
  while (!Delete(15)) {
  }
  EXPECT_THAT(KeysOf(kGone), ::testing::ElementsAre(behind));
}

TEST_F(DeleteGenerationTest, ASumThatIsCutShortIsNone) {
  int looks = 0;
  const auto stopped = [&] { return ++looks > 5; };
  EXPECT_TRUE(absl::IsCancelled(HashRows(*views_.Snapshot(), kGone, stopped).status()));
  EXPECT_EQ(looks, 6);
  looks = 0;
  const auto schema = std::make_shared<const ModelSchema>();
  EXPECT_TRUE(
      absl::IsCancelled(IndexDifference(*views_.Snapshot(), kGone, schema, stopped).status()));
  EXPECT_EQ(looks, 6);
}

}  // namespace
}  // namespace skald::projection
