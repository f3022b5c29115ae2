// Goal: people's conditions are read as documented, and broken ones explained. Method: tables.
#include "engine/query/filter_text.h"

#include "gtest/gtest.h"
#include "tests/engine/query/sagas_model.h"
#include "tests/support/status_matchers.h"

namespace skald::query {
namespace {

using ::skald::testing::StatusIs;
using ::testing::HasSubstr;

std::string Read(absl::string_view text) {
  static const projection::ModelSchema schema = SagasSchema();
  const absl::StatusOr<Condition> condition = ParseCondition(schema, text);
  if (!condition.ok()) return std::string(condition.status().message());
  std::string read = condition->column + " " + std::string(OperatorText(condition->op));
  for (const Json& value : condition->values) read += " " + value.ToText();
  return read;
}

TEST(FilterTextTest, ReadsConditions) {
  EXPECT_EQ(Read("status=running"), R"(status = "running")");
  EXPECT_EQ(Read("status == running"), R"(status = "running")");
  EXPECT_EQ(Read("  status  !=  a b "), R"(status != "a b")");
  EXPECT_EQ(Read("status="), R"(status = "")");
  EXPECT_EQ(Read("status=null"), R"(status = "null")");
  EXPECT_EQ(Read(R"(status=" a\n")"), R"(status = " a\n")");
  EXPECT_EQ(Read("id^=ord-"), R"(id ^= "ord-")");
  EXPECT_EQ(Read("started^=2026-01"), R"(started ^= "2026-01")");
  EXPECT_EQ(Read("attempts>=3"), "attempts >= 3");
  EXPECT_EQ(Read("attempts<-3.50"), "attempts < -3.5");
  EXPECT_EQ(Read("parked=true"), "parked = true");
  EXPECT_EQ(Read("started>2026-01-01"), R"(started > "2026-01-01T00:00:00.000000Z")");
  EXPECT_EQ(Read("order={\"a\":[1]}"), R"(order = {"a":[1]})");
  EXPECT_EQ(Read("order=hello"), R"(order = "hello")");
  EXPECT_EQ(Read("status in a, b"), R"(status in "a" "b")");
  EXPECT_EQ(Read("status IN (a,\"b,c\")"), R"(status in "a" "b,c")");
  EXPECT_EQ(Read("attempts in(1,2)"), "attempts in 1 2");
  EXPECT_EQ(Read("ended is null"), "ended is null");
  EXPECT_EQ(Read("ended IS NOT NULL"), "ended is not null");
}

TEST(FilterTextTest, SaysWhatIsWrong) {
  EXPECT_THAT(Read(""), HasSubstr("expected COLUMN OPERATOR VALUE"));
  EXPECT_THAT(Read("=1"), HasSubstr("expected COLUMN OPERATOR VALUE"));
  EXPECT_THAT(Read("status"), HasSubstr("expected COLUMN OPERATOR VALUE"));
  EXPECT_THAT(Read("status running"), HasSubstr("expected COLUMN OPERATOR VALUE"));
  EXPECT_THAT(Read("stat=1"), HasSubstr("there is no column 'stat'"));
  EXPECT_THAT(Read("attempts=many"), HasSubstr("give a number, not \"many\""));
  EXPECT_THAT(Read("attempts=null"), HasSubstr("give a number"));
  EXPECT_THAT(Read("ended is 5"), HasSubstr("after 'is' expected"));
  EXPECT_THAT(Read("ended is nullx"), HasSubstr("after 'is' expected"));
  EXPECT_THAT(Read("status in"), HasSubstr("an item of the list is empty"));
  EXPECT_THAT(Read("status in (a"), HasSubstr("no closing parenthesis"));
  EXPECT_THAT(Read("status=\"a"), HasSubstr("must be a JSON string"));
  EXPECT_THAT(Read("started=now"), HasSubstr("give RFC 3339"));
  EXPECT_THAT(Read("status=\xFF"), HasSubstr("must be UTF-8"));
  EXPECT_THAT(Read(std::string(20'000, 'x')), HasSubstr("at most 16384"));
}

TEST(FilterTextTest, AValueByItselfIsTakenAsItIs) {
  const projection::ModelSchema schema = SagasSchema();
  EXPECT_EQ(ParseValue(*schema.FindColumn("id"), "\"a")->ToText(), R"("\"a")");
  EXPECT_EQ(ParseValue(*schema.FindColumn("attempts"), "12345678901234567890")->ToText(),
            "12345678901234567890");
  EXPECT_THAT(ParseValue(*schema.FindColumn("attempts"), "").status(),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("give a number")));
}

}  // namespace
}  // namespace skald::query
