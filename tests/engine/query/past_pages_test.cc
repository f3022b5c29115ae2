// Goal: pages of a model as it was show each row once, in either order, whatever their size.
// Method: rows and their versions as they stand in views, changed and deleted at some times.
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "engine/projection/model_table.h"
#include "engine/query/page.h"
#include "gtest/gtest.h"
#include "storage/memory/memory_views.h"
#include "tests/engine/query/sagas_model.h"
#include "tests/support/status_matchers.h"

namespace skald::query {
namespace {

using projection::ModelTable;
using projection::Stamp;
using projection::TableRows;

constexpr uint64_t kGeneration = 1;

// As times are today: microseconds since 1970.
Stamp At(int64_t second) {
  return {.time = Timestamp((1'769'000'000 + second) * 1'000'000),
          .partition = PartitionId(0),
          .position = Position(static_cast<uint64_t>(second))};
}

class PastPagesTest : public ::testing::Test {
 protected:
  // Nine rows at second 10; at 20 one is gone, one is new and all others have changed.
  PastPagesTest() {
    Write(10, [this] {
      for (int i = 1; i <= 9; ++i) table_.Put(SagaRow(absl::StrCat("s", i), "running", ""));
    });
    Write(20, [this] {
      table_.Delete(projection::EncodeRowKey(*schema_, SagaRow("s5", "", "")));
      for (int i = 1; i <= 10; ++i) {
        if (i != 5) table_.Put(SagaRow(absl::StrCat("s", i), "completed", ""));
      }
    });
  }

  template <typename Changes>
  void Write(int64_t second, Changes changes) {
    table_.BeginCommit(At(second));
    changes();
    std::vector<storage::RowChange> rows;
    ASSERT_OK(table_.Finish({.time = At(second).time, .positions = {At(second).position}}, rows,
                            /*deltas=*/nullptr));
    ASSERT_OK(views_.ApplyRows(rows));
  }

  // The ids on each page, from the first to the last.
  std::string PagesAsOf(int64_t second, bool descending, const PageOptions& options) {
    const auto rows = TableRows::Open(views_.Snapshot(), schema_, kGeneration, At(second));
    const auto plan =
        MakePlan(*schema_, Filter(), {.columns = {"namespace", "id"}, .descending = descending},
                 {.key_order_only = true});
    EXPECT_OK(rows);
    EXPECT_OK(plan);
    std::vector<std::string> pages;
    std::string cursor;
    do {
      const absl::StatusOr<Page> page = ReadPage(**rows, Filter(), *plan, cursor, options);
      EXPECT_OK(page);
      if (!page.ok()) break;
      std::string ids;
      for (const std::string& row : page->rows) {
        absl::StrAppend(&ids, ids.empty() ? "" : " ", Json::Parse(row)->Get("id").AsString());
      }
      pages.push_back(ids);
      cursor = page->next;
    } while (!cursor.empty() && pages.size() < 20);
    return absl::StrJoin(pages, ", ");
  }

  const std::shared_ptr<const projection::ModelSchema> schema_ =
      std::make_shared<const projection::ModelSchema>(SagasSchema());
  storage::MemoryViews views_;
  ModelTable table_{views_, *schema_, kGeneration, projection::Checkpoint{}};
};

TEST_F(PastPagesTest, EachRowIsShownOnce) {
  EXPECT_EQ(PagesAsOf(15, false, {.rows_max = 1}), "s1, s2, s3, s4, s5, s6, s7, s8, s9");
  EXPECT_EQ(PagesAsOf(15, false, {.rows_max = 2}), "s1 s2, s3 s4, s5 s6, s7 s8, s9");
  EXPECT_EQ(PagesAsOf(25, false, {.rows_max = 2}), "s1 s10, s2 s3, s4 s6, s7 s8, s9");
  EXPECT_EQ(PagesAsOf(25, false, {.bytes_max = 1}), "s1, s10, s2, s3, s4, s6, s7, s8, s9");
}

TEST_F(PastPagesTest, AlsoFromTheLastToTheFirst) {
  EXPECT_EQ(PagesAsOf(15, true, {.rows_max = 1}), "s9, s8, s7, s6, s5, s4, s3, s2, s1");
  EXPECT_EQ(PagesAsOf(25, true, {.rows_max = 2}), "s9 s8, s7 s6, s4 s3, s2 s10, s1");
}

}  // namespace
}  // namespace skald::query
