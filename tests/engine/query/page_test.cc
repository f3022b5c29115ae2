// Goal: pages show each row once, whatever else happens to the model meanwhile, and cost no more
// than they may. Method: a model in memory that is changed between pages.
#include "engine/query/page.h"

#include "absl/strings/str_cat.h"
#include "base/errors.h"
#include "engine/query/filter_text.h"
#include "gtest/gtest.h"
#include "tests/engine/query/sagas_model.h"
#include "tests/support/memory_models.h"
#include "tests/support/status_matchers.h"

namespace skald::query {
namespace {

using ::skald::testing::MemoryModels;
using ::skald::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class PageTest : public ::testing::Test {
 protected:
  void SetUp() override {
    models_.Add(SagasSchema());
    std::vector<Json> rows;
    for (int i = 0; i < 30; ++i) {
      rows.push_back(SagaRow(absl::StrCat("s", 10 + i), i % 3 == 0 ? "faulted" : "completed",
                             absl::StrCat("2026-01-", 10 + i % 20, "T00:00:00.000000Z"),
                             i % 2 == 0 ? Json::String("2026-02-01T00:00:00.000000Z") : Json()));
    }
    models_.PutAll("sagas", rows);
  }

  Filter Where(const std::vector<std::string>& wheres) {
    std::vector<Condition> conditions;
    for (const std::string& where : wheres) {
      conditions.push_back(ParseCondition(schema_, where).value());
    }
    return Filter::Make(schema_, conditions).value();
  }

  // The next page of a query, of a model that was opened anew.
  absl::StatusOr<Page> Next(const Filter& filter, const Order& order, const std::string& cursor,
                            const PageOptions& options = {}) {
    const auto rows = models_.Open("sagas", {}).value();
    const absl::StatusOr<Plan> plan = MakePlan(schema_, filter, order);
    if (!plan.ok()) return plan.status();
    return ReadPage(*rows, filter, *plan, cursor, options);
  }

  static std::vector<std::string> IdsOf(const Page& page) {
    std::vector<std::string> ids;
    for (const std::string& row : page.rows) {
      ids.emplace_back(Json::Parse(row).value().Get("id").AsString());
    }
    return ids;
  }

  projection::ModelSchema schema_ = SagasSchema();
  MemoryModels models_;
};

TEST_F(PageTest, GoesOnWhereItStoppedWhateverIsAddedAndDeleted) {
  const Filter filter = Where({"status=faulted"});
  const Order order{.columns = {"namespace", "id"}};
  ASSERT_OK_AND_ASSIGN(Page page, Next(filter, order, "", {.rows_max = 2}));
  EXPECT_THAT(IdsOf(page), ElementsAre("s10", "s13"));
  // Before the place, after it, and the row at the place itself.
  models_.Put("sagas", SagaRow("s09", "faulted", "2026-01-01T00:00:00.000000Z"));
  models_.Put("sagas", SagaRow("s15", "faulted", "2026-01-01T00:00:00.000000Z"));
  models_.Delete("sagas", projection::EncodeRowKey(schema_, SagaRow("s13", "", "")));
  models_.Rebuild("sagas");
  ASSERT_OK_AND_ASSIGN(page, Next(filter, order, page.next, {.rows_max = 3}));
  EXPECT_THAT(IdsOf(page), ElementsAre("s15", "s16", "s19"));
}

TEST_F(PageTest, TheLastPageSaysThatThereIsNoMore) {
  const Order order{.columns = {"namespace", "id"}, .descending = true};
  ASSERT_OK_AND_ASSIGN(Page page, Next(Filter(), order, "", {.rows_max = 15}));
  ASSERT_EQ(page.rows.size(), 15u);
  EXPECT_EQ(IdsOf(page)[0], "s39");
  ASSERT_OK_AND_ASSIGN(page, Next(Filter(), order, page.next, {.rows_max = 15}));
  EXPECT_EQ(page.rows.size(), 15u);
  EXPECT_EQ(page.next, "");
}

TEST_F(PageTest, AnIndexOrderShowsRowsWithoutAValueToo) {
  const Order last{.columns = {"ended"}, .descending = true};
  ASSERT_OK_AND_ASSIGN(Page page, Next(Filter(), last, ""));
  ASSERT_EQ(page.rows.size(), 30u);
  EXPECT_EQ(IdsOf(page).front(), "s38");
  EXPECT_EQ(IdsOf(page).back(), "s11");
  const Order first{.columns = {"ended"}};
  ASSERT_OK_AND_ASSIGN(page, Next(Filter(), first, ""));
  EXPECT_EQ(IdsOf(page).front(), "s11");
  EXPECT_EQ(IdsOf(page).back(), "s38");
}

TEST_F(PageTest, LooksAtNoMoreRowsThanItMay) {
  const Filter nothing = Where({"attempts=99"});
  std::string cursor;
  size_t pages = 0;
  do {
    ASSERT_OK_AND_ASSIGN(const Page page, Next(nothing, {}, cursor, {.looked_at_max = 7}));
    EXPECT_LE(page.looked_at, 7u);
    EXPECT_TRUE(page.rows.empty());
    cursor = page.next;
    ++pages;
  } while (!cursor.empty());
  EXPECT_EQ(pages, 5u);
  ASSERT_OK_AND_ASSIGN(const Page page, Next(Filter(), {}, "", {.bytes_max = 1}));
  EXPECT_EQ(page.rows.size(), 1u);
}

TEST_F(PageTest, ReadsNothingButWhatIsAskedFor) {
  const uint64_t before = models_.scanned();
  ASSERT_OK(Next(Where({"status=faulted", "started>=2026-01-25"}), {}, "").status());
  EXPECT_EQ(models_.scanned() - before, 2u);
}

TEST_F(PageTest, RefusesCursorsOfNoPlan) {
  EXPECT_THAT(Next(Filter(), {}, "x").status(),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("damaged")));
  EXPECT_THAT(Next(Filter(), {},
                   std::string("\0\x05"
                               "abc",
                               5))
                  .status(),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("damaged")));
  EXPECT_TRUE(HasReason(Next(Filter(), {}, "\x09zz").status(), ErrorReason::kResumeTokenInvalid));
}

TEST_F(PageTest, EndsWhenItIsToldTo) {
  std::vector<Json> rows;
  for (int i = 0; i < 2'000; ++i) rows.push_back(SagaRow(absl::StrCat("x", i), "running", ""));
  models_.PutAll("sagas", rows);
  const uint64_t before = models_.scanned();
  const StopCheck stop = [] { return absl::CancelledError("enough"); };
  const PageOptions options{.stop = stop};
  EXPECT_THAT(Next(Where({"attempts=99"}), {}, "", options).status(),
              StatusIs(absl::StatusCode::kCancelled));
  EXPECT_LT(models_.scanned() - before, 1'000u);
  const auto opened = models_.Open("sagas", {}).value();
  EXPECT_THAT(CountRows(*opened, Where({"attempts=99"}), stop).status(),
              StatusIs(absl::StatusCode::kCancelled));
}

TEST_F(PageTest, CountsFromKeysAlone) {
  const auto rows = models_.Open("sagas", {}).value();
  EXPECT_EQ(CountRows(*rows, Filter(), nullptr).value(), 30u);
  EXPECT_EQ(models_.scanned(), 0u);
  EXPECT_EQ(CountRows(*rows, Where({"status=faulted"}), nullptr).value(), 10u);
  EXPECT_EQ(models_.values_read(), 0u);
  EXPECT_EQ(CountRows(*rows, Where({"status!=faulted"}), nullptr).value(), 20u);
  EXPECT_EQ(models_.values_read(), 30u);
}

TEST_F(PageTest, TheScopeOfACursorIsTheQueryAndTheShapeOfTheModel) {
  const uint64_t scope = CursorScope(schema_, Where({"status=a"}), {}, {});
  EXPECT_EQ(scope, CursorScope(SagasSchema(), Where({"status = a"}), {}, {}));
  EXPECT_NE(scope, CursorScope(schema_, Where({"status=b"}), {}, {}));
  EXPECT_NE(scope, CursorScope(schema_, Where({"status=a"}), {.columns = {"started"}}, {}));
  EXPECT_NE(scope, CursorScope(schema_, Where({"status=a"}), {.descending = true}, {}));
  projection::ModelSchema other = SagasSchema();
  other.indexes.pop_back();
  EXPECT_NE(scope, CursorScope(other, Where({"status=a"}), {}, {}));
}

}  // namespace
}  // namespace skald::query
