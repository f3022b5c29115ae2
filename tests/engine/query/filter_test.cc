// Goal: a filter says what it takes and why not; it compares as documented. Method: tables.
#include "engine/query/filter.h"

#include "base/errors.h"
#include "gtest/gtest.h"
#include "tests/engine/query/sagas_model.h"
#include "tests/support/status_matchers.h"

namespace skald::query {
namespace {

using ::skald::testing::StatusIs;
using ::testing::HasSubstr;

const projection::ModelSchema& Schema() {
  static const projection::ModelSchema schema = SagasSchema();
  return schema;
}

absl::StatusOr<Filter> Make(absl::string_view column, Operator op, std::vector<Json> values) {
  return Filter::Make(Schema(), {{.column = std::string(column), .op = op, .values = values}});
}

TEST(FilterTest, ComparesInJqsOrderAndNullIsNeitherLessNorGreater) {
  struct Case {
    absl::string_view column;
    Operator op;
    std::vector<Json> values;
    absl::string_view row;
    bool matches;
  };
  const Case cases[] = {
      {"status", Operator::kEqual, {Json::String("a")}, R"({"status":"a"})", true},
      {"status", Operator::kEqual, {Json::String("a")}, R"({"status":null})", false},
      {"status", Operator::kEqual, {Json::Null()}, R"({})", true},
      {"status", Operator::kNotEqual, {Json::String("a")}, R"({})", true},
      {"status", Operator::kNotEqual, {Json::Null()}, R"({})", false},
      {"status", Operator::kLess, {Json::String("b")}, R"({"status":"a"})", true},
      {"status", Operator::kLess, {Json::String("b")}, R"({})", false},
      {"status", Operator::kPrefix, {Json::String("ab")}, R"({"status":"abc"})", true},
      {"status", Operator::kPrefix, {Json::String("ab")}, R"({"status":"a"})", false},
      {"status", Operator::kPrefix, {Json::String("")}, R"({})", false},
      {"attempts", Operator::kGreaterOrEqual, {Json::Int(3)}, R"({"attempts":3})", true},
      {"attempts", Operator::kGreater, {Json::Int(3)}, R"({"attempts":3.0})", false},
      {"attempts", Operator::kIn, {Json::Int(3), Json::Int(1)}, R"({"attempts":1})", true},
      {"attempts", Operator::kIn, {Json::Int(3), Json::Null()}, R"({})", true},
      {"attempts", Operator::kIn, {Json::Int(3)}, R"({"attempts":2})", false},
      {"total", Operator::kGreater, {Json::Int(9)}, R"({"order":{"total":9.5}})", true},
      {"order", Operator::kGreater, {Json::Int(9)}, R"({"order":"text"})", true},
      {"ended", Operator::kIsNull, {}, R"({})", true},
      {"ended", Operator::kIsNotNull, {}, R"({"ended":"x"})", true},
      {"started",
       Operator::kGreaterOrEqual,
       {Json::String("2026-01-01")},
       R"({"started":"2026-01-01T00:00:00.000000Z"})",
       true},
      {"started",
       Operator::kEqual,
       {Json::String("2026-01-01T01:00:00+01:00")},
       R"({"started":"2026-01-01T00:00:00.000000Z"})",
       true},
      {"started",
       Operator::kPrefix,
       {Json::String("2026-01")},
       R"({"started":"2026-01-01T00:00:00.000000Z"})",
       true},
  };
  for (const Case& test : cases) {
    ASSERT_OK_AND_ASSIGN(const Filter filter, Make(test.column, test.op, test.values));
    ASSERT_OK_AND_ASSIGN(const Json row, Json::Parse(test.row));
    EXPECT_EQ(filter.Matches(row), test.matches)
        << test.column << " " << OperatorText(test.op) << " " << test.row;
  }
}

TEST(FilterTest, SaysWhatIsWrongAndHowToMendIt) {
  const auto expect = [](absl::string_view column, Operator op, std::vector<Json> values,
                         absl::string_view message) {
    EXPECT_THAT(Make(column, op, std::move(values)).status(),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(std::string(message))));
  };
  const Json text = Json::String("soon");
  expect("started", Operator::kLess, {text}, "column 'started' is a time; give RFC 3339");
  expect("started", Operator::kLess, {Json::String("infinite-future")}, "give RFC 3339");
  expect("started", Operator::kLess, {Json::String("2026-02-30")}, "give RFC 3339");
  expect("started", Operator::kLess, {Json::String("2026-01-01T00:00:00.0000001Z")},
         "at most six digits");
  expect("started", Operator::kLess, {Json::Int(5)}, "is a time");
  expect("attempts", Operator::kEqual, {text}, "column 'attempts' is integer; give a number");
  expect("parked", Operator::kEqual, {text}, "give true or false");
  expect("status", Operator::kEqual, {Json::Int(1)}, "give a text, not 1");
  expect("attempts", Operator::kPrefix, {text}, "only texts and times have a prefix");
  expect("status", Operator::kPrefix, {Json::Int(1)}, "a prefix is a text, not 1");
  expect("statsu", Operator::kEqual, {text}, "did you mean 'status'? The columns: namespace, id");
  expect("zzz", Operator::kEqual, {text}, "there is no column 'zzz'. The columns: ");
  expect("status", Operator::kLess, {Json::Null()}, "nothing is less or greater than null");
  expect("status", Operator::kEqual, {}, "'=' takes one value, not 0");
  expect("status", Operator::kIn, {}, "'in' takes 1 to 100 values");
  expect("status", Operator::kIsNull, {text}, "'is null' takes no value");
  expect("status", Operator::kEqual, {Json::String(std::string(5'000, 'x'))}, "at most 4096 bytes");
  Json deep = Json::Int(1);
  for (int i = 0; i < 40; ++i) deep = Json::Array({deep});
  expect("order", Operator::kEqual, {deep}, "at most 16 levels");
}

TEST(FilterTest, TellsEveryViolationAtOnce) {
  const absl::Status status =
      Filter::Make(Schema(), {{.column = "x", .op = Operator::kIsNull, .values = {}},
                              {.column = "status", .op = Operator::kIsNull, .values = {}},
                              {.column = "status", .op = Operator::kEqual, .values = {}}})
          .status();
  ASSERT_TRUE(HasReason(status, ErrorReason::kBadRequest));
  const auto violations = GetErrorInfo(status)->violations;
  ASSERT_EQ(violations.size(), 2u);
  EXPECT_EQ(violations[0].first, "filter[0]");
  EXPECT_EQ(violations[1].first, "filter[2]");
  const std::vector<Condition> many(33,
                                    {.column = "status", .op = Operator::kIsNull, .values = {}});
  EXPECT_THAT(Filter::Make(Schema(), many).status(),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("at most 32")));
}

TEST(FilterTest, EqualFiltersHaveEqualFingerprints) {
  ASSERT_OK_AND_ASSIGN(const Filter a,
                       Make("started", Operator::kEqual, {Json::String("2026-01-01")}));
  ASSERT_OK_AND_ASSIGN(const Filter b,
                       Make("started", Operator::kEqual, {Json::String("2026-01-01T00:00:00Z")}));
  ASSERT_OK_AND_ASSIGN(const Filter c,
                       Make("status", Operator::kIn, {Json::String("b"), Json::String("a")}));
  ASSERT_OK_AND_ASSIGN(const Filter d,
                       Make("status", Operator::kIn, {Json::String("a"), Json::String("b")}));
  EXPECT_EQ(a.Fingerprint(), b.Fingerprint());
  EXPECT_EQ(c.Fingerprint(), d.Fingerprint());
  EXPECT_NE(a.Fingerprint(), c.Fingerprint());
}

}  // namespace
}  // namespace skald::query
