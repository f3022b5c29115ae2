// Goal: the planner takes the path that is meant, and refuses orders that it would have to sort
// for. Method: queries in words, plans in words.
#include "engine/query/plan.h"

#include "absl/strings/str_cat.h"
#include "engine/query/filter_text.h"
#include "gtest/gtest.h"
#include "tests/engine/query/sagas_model.h"
#include "tests/support/status_matchers.h"

namespace skald::query {
namespace {

using ::testing::HasSubstr;

// "index, number of ranges" of each part, "exact" if it is; or the refusal.
std::string PlanText(std::vector<std::string> wheres, Order order = {}, PlanOptions options = {}) {
  const projection::ModelSchema schema = SagasSchema();
  std::vector<Condition> conditions;
  for (const std::string& where : wheres) {
    conditions.push_back(ParseCondition(schema, where).value());
  }
  const Filter filter = Filter::Make(schema, conditions).value();
  const absl::StatusOr<Plan> plan = MakePlan(schema, filter, order, options);
  if (!plan.ok()) return std::string(plan.status().message());
  std::string text;
  for (const PlanPart& part : plan->parts) {
    absl::StrAppend(&text, part.index.empty() ? "key" : part.index, "*", part.ranges.size(),
                    part.null_column ? " nulls; " : "; ");
  }
  for (const size_t column : plan->equal_columns) {
    absl::StrAppend(&text, schema.columns[column].name, "= ");
  }
  if (plan->range_column) absl::StrAppend(&text, schema.columns[*plan->range_column].name, "< ");
  return absl::StrCat(text, plan->is_exact ? "exact" : "filtered");
}

TEST(PlanTest, TakesTheNarrowestPath) {
  EXPECT_EQ(PlanText({}), "key*1; exact");
  EXPECT_EQ(PlanText({"namespace=shop"}), "key*1; namespace= exact");
  EXPECT_EQ(PlanText({"namespace=shop", "id=a"}), "key*1; namespace= id= exact");
  EXPECT_EQ(PlanText({"namespace=shop", "id^=a"}), "key*1; namespace= id< exact");
  EXPECT_EQ(PlanText({"id=a"}), "key*1; filtered");
  EXPECT_EQ(PlanText({"status=a"}), "status*1; status= exact");
  EXPECT_EQ(PlanText({"status=a", "started>2026-01-01", "started<2026-02-01"}),
            "status*1; status= started< exact");
  EXPECT_EQ(PlanText({"status in a, b", "started>2026-01-01"}), "status*2; status= started< exact");
  EXPECT_EQ(PlanText({"status!=a"}), "key*1; filtered");
  EXPECT_EQ(PlanText({"status=a", "attempts=2"}), "status*1; status= filtered");
  EXPECT_EQ(PlanText({"status=a", "status=b"}), "status*1; status= filtered");
  EXPECT_EQ(PlanText({"started>=2026-01-01"}), "started*1; started< exact");
  EXPECT_EQ(PlanText({"ended is null"}), "key*1; filtered");
  EXPECT_EQ(PlanText({"ended is not null"}), "ended*1; ended< exact");
  EXPECT_EQ(PlanText({"status=a", "started is null"}), "status*1; status= started= exact");
  EXPECT_EQ(PlanText({"started>2026-02-01", "started<2026-01-01"}), "started*0; started< exact");
}

TEST(PlanTest, OrdersComeFromKeyOrIndex) {
  EXPECT_EQ(PlanText({}, {.columns = {"namespace", "id"}}), "key*1; exact");
  EXPECT_EQ(PlanText({"namespace=shop"}, {.columns = {"id"}}), "key*1; namespace= exact");
  EXPECT_EQ(PlanText({"status=a"}, {.columns = {"started"}}), "status*1; status= exact");
  EXPECT_EQ(PlanText({"status in a, b"}, {.columns = {"status", "started"}}),
            "status*2; status= exact");
  EXPECT_EQ(PlanText({"status=a"}, {.columns = {"status"}}), "status*1; status= exact");
  EXPECT_EQ(PlanText({"started is not null"}, {.columns = {"started", "namespace", "id"}}),
            "started*1; started< exact");
  EXPECT_EQ(PlanText({"namespace=shop"}, {.columns = {"ended"}, .descending = true}),
            "ended*1; key*1 nulls; filtered");
  EXPECT_EQ(PlanText({"namespace=shop"}, {.columns = {"ended"}}), "key*1 nulls; ended*1; filtered");
}

TEST(PlanTest, RefusesOrdersThatWouldHaveToBeSorted) {
  EXPECT_THAT(PlanText({}, {.columns = {"attempts"}}),
              HasSubstr("order: there is no index on attempts. Model 'sagas' is kept in these "
                        "orders: (namespace, id), the key; (status, started); (started)"));
  EXPECT_THAT(PlanText({}, {.columns = {"id"}}), HasSubstr("there is no index on id"));
  EXPECT_THAT(PlanText({"status in a, b"}, {.columns = {"started", "status"}}),
              HasSubstr("there is no index on started, status"));
  EXPECT_THAT(PlanText({}, {.columns = {"stated"}}), HasSubstr("did you mean 'started'?"));
  EXPECT_THAT(PlanText({}, {.columns = {"started", "namespace"}}), HasSubstr("is not null"));
  EXPECT_THAT(PlanText({}, {.columns = {"started"}}, {.key_order_only = true}),
              HasSubstr("as of the past: (namespace, id), the key"));
  EXPECT_EQ(PlanText({"status=a"}, {}, {.key_order_only = true}), "key*1; filtered");
}

TEST(PlanTest, AfterPrefixIsTheNextAfterAllThatBeginWithIt) {
  EXPECT_EQ(AfterPrefix("a"), "b");
  EXPECT_EQ(AfterPrefix("a\xFF\xFF"), "b");
  EXPECT_EQ(AfterPrefix("\x7F"), "\x80");
  EXPECT_EQ(AfterPrefix("\xFF"), "");
  EXPECT_EQ(AfterPrefix(""), "");
}

}  // namespace
}  // namespace skald::query
