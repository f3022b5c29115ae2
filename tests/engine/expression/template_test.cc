// Goal: templates find exactly the expressions the definition language means, and report every
// broken one with its place. Method: one test for each rule, on small values.
#include "engine/expression/template.h"

#include <string>
#include <vector>

#include "base/json.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace skald::expression {
namespace {

using ::skald::testing::IsOkAndHolds;
using ::skald::testing::StatusIs;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using FieldKind = ::skald::expression::Field;

Json Parse(absl::string_view text) { return Json::Parse(text).value(); }

const Json& Input() {
  static const Json& input =
      *new Json(Parse(R"({"name": "Ada", "n": 3, "list": [1, 2], "text": "${ .n }"})"));
  return input;
}

Template CompileOrDie(const Json& value, const TemplateOptions& options = {}) {
  std::vector<TemplateError> errors;
  Template result = Template::Compile(value, options, &errors);
  EXPECT_THAT(errors, IsEmpty()) << value << ": " << (errors.empty() ? "" : errors[0].message);
  return result;
}

absl::StatusOr<Json> Evaluate(absl::string_view text, const TemplateOptions& options = {}) {
  return CompileOrDie(Json::String(text), options).Evaluate(Input(), {});
}

std::vector<TemplateError> ErrorsOf(const Json& value, const TemplateOptions& options = {}) {
  std::vector<TemplateError> errors;
  Template::Compile(value, options, &errors);
  return errors;
}

TEST(TemplateTest, WholeStringsKeepTheirType) {
  EXPECT_THAT(Evaluate("${ .n }"), IsOkAndHolds(Json::Int(3)));
  EXPECT_THAT(Evaluate("${.list}"), IsOkAndHolds(Parse("[1, 2]")));
  EXPECT_THAT(Evaluate("  ${ {a: .n} }\n"), IsOkAndHolds(Parse(R"({"a": 3})")));
  EXPECT_THAT(Evaluate("${ .missing }"), IsOkAndHolds(Json()));
}

TEST(TemplateTest, EmbeddedExpressionsBecomeText) {
  EXPECT_THAT(Evaluate("Hello, ${ .name }!"), IsOkAndHolds(Json::String("Hello, Ada!")));
  EXPECT_THAT(Evaluate("${.n}${.list}"), IsOkAndHolds(Json::String("3[1,2]")));
  EXPECT_THAT(Evaluate("a ${null} b"), IsOkAndHolds(Json::String("a null b")));
}

TEST(TemplateTest, BracesInsideExpressionsDoNotCloseThem) {
  EXPECT_THAT(Evaluate(R"(${ "}" })"), IsOkAndHolds(Json::String("}")));
  EXPECT_THAT(Evaluate(R"(${ "\"}" })"), IsOkAndHolds(Json::String("\"}")));
  EXPECT_THAT(Evaluate(R"(${ {a: {b: 1}} | .a })"), IsOkAndHolds(Parse(R"({"b": 1})")));
  EXPECT_THAT(Evaluate(R"j(${ "x\({a: "}"} | .a)y" })j"), IsOkAndHolds(Json::String("x}y")));
  EXPECT_THAT(Evaluate(R"j(${ "x\("\("}")")y" }!)j"), IsOkAndHolds(Json::String("x}y!")));
  EXPECT_THAT(Evaluate("${ # a } comment\n .n }"), IsOkAndHolds(Json::Int(3)));
  EXPECT_THAT(Evaluate("${ # a \" comment\n .n } and }"), IsOkAndHolds(Json::String("3 and }")));
  EXPECT_THAT(Evaluate("${ . as {n: $n} | $n }"), IsOkAndHolds(Json::Int(3)));
}

TEST(TemplateTest, OtherStringsAreLiteral) {
  for (const absl::string_view text : {".n", "", "$", "$ {.n}", "{}", "}", "$n", "100 $", "\\"}) {
    EXPECT_THAT(Evaluate(text), IsOkAndHolds(Json::String(text)));
    EXPECT_TRUE(CompileOrDie(Json::String(text)).is_constant());
  }
}

TEST(TemplateTest, DoubledDollarIsLiteral) {
  EXPECT_THAT(Evaluate("$${ .n }"), IsOkAndHolds(Json::String("${ .n }")));
  EXPECT_THAT(Evaluate("$${a} ${.n}"), IsOkAndHolds(Json::String("${a} 3")));
  EXPECT_THAT(Evaluate("$$${ .n }"), IsOkAndHolds(Json::String("$${ .n }")));
  EXPECT_FALSE(CompileOrDie(Json::String("$${")).is_constant());
}

TEST(TemplateTest, ContainersAreSearched) {
  const Json value = Parse(R"({"a": ["${ .n }", {"b": "n is ${ .n }"}], "${ .n }": 1, "c": true})");
  EXPECT_THAT(CompileOrDie(value).Evaluate(Input(), {}),
              IsOkAndHolds(Parse(R"({"a": [3, {"b": "n is 3"}], "${ .n }": 1, "c": true})")));
}

TEST(TemplateTest, ConstantsEvaluateToThemselves) {
  const Json value = Parse(R"({"a": [1, ".n", {"b": null}]})");
  const Template constant = CompileOrDie(value);
  EXPECT_TRUE(constant.is_constant());
  EXPECT_EQ(constant.source(), value);
  EXPECT_THAT(constant.Evaluate(Input(), {}), IsOkAndHolds(value));
  EXPECT_THAT(Template().Evaluate(Input(), {}), IsOkAndHolds(Json()));
  EXPECT_TRUE(Template().is_constant());
}

// The rule that keeps whoever writes data from writing programs.
TEST(TemplateTest, DataIsNeverEvaluated) {
  EXPECT_THAT(Evaluate("${ .text }"), IsOkAndHolds(Json::String("${ .n }")));
  EXPECT_THAT(Evaluate("x ${ .text }"), IsOkAndHolds(Json::String("x ${ .n }")));
  EXPECT_THAT(Evaluate(".text", {.field = FieldKind::kExpression}),
              IsOkAndHolds(Json::String("${ .n }")));
  EXPECT_THAT(Evaluate(".text", {.mode = Mode::kLoose}), IsOkAndHolds(Json::String("${ .n }")));
}

TEST(TemplateTest, ExpressionFieldsAcceptBothSpellings) {
  const TemplateOptions options = {.field = FieldKind::kExpression};
  EXPECT_THAT(Evaluate(".n > 2", options), IsOkAndHolds(Json::Bool(true)));
  EXPECT_THAT(Evaluate("${ .n > 2 }", options), IsOkAndHolds(Json::Bool(true)));
  EXPECT_THAT(Evaluate(R"(.text == "${ .n }")", options), IsOkAndHolds(Json::Bool(true)));
  EXPECT_THAT(Evaluate(R"("${")", options), IsOkAndHolds(Json::String("${")));
  EXPECT_THAT(Evaluate("Hello ${ .name }", options), IsOkAndHolds(Json::String("Hello Ada")));
  // Below the field itself, values are values.
  const Json object = Parse(R"({"a": ".n", "b": "${ .n }"})");
  EXPECT_THAT(CompileOrDie(object, options).Evaluate(Input(), {}),
              IsOkAndHolds(Parse(R"({"a": ".n", "b": 3})")));
}

TEST(TemplateTest, LooseModeFallsBackToTheText) {
  const TemplateOptions options = {.mode = Mode::kLoose};
  EXPECT_THAT(Evaluate(".n", options), IsOkAndHolds(Json::Int(3)));
  EXPECT_THAT(Evaluate("${ .n }", options), IsOkAndHolds(Json::Int(3)));
  EXPECT_THAT(Evaluate("not an expression", options),
              IsOkAndHolds(Json::String("not an expression")));
  EXPECT_THAT(Evaluate(".name.x", options), IsOkAndHolds(Json::String(".name.x")));
  EXPECT_THAT(Evaluate("empty", options), IsOkAndHolds(Json::String("empty")));
  EXPECT_THAT(Evaluate("${ .n", options), IsOkAndHolds(Json::String("${ .n")));
  EXPECT_THAT(Evaluate("a ${ .. b }", options), IsOkAndHolds(Json::String("a ${ .. b }")));
  EXPECT_THAT(Evaluate("", options), IsOkAndHolds(Json::String("")));
}

TEST(TemplateTest, AllErrorsAreReportedWithTheirPlaces) {
  const Json value =
      Parse(R"({"a": "${ .n", "b/c": ["ok", "${ .n + }"], "d": "x ${ $nobody }", "e": "${ }"})");
  EXPECT_THAT(
      ErrorsOf(value),
      ElementsAre(
          AllOf(Field(&TemplateError::pointer, "/a"),
                Field(&TemplateError::message, HasSubstr("not closed at line 1, column 1"))),
          AllOf(Field(&TemplateError::pointer, "/b~1c/1"),
                Field(&TemplateError::message, HasSubstr("syntax error"))),
          AllOf(Field(&TemplateError::pointer, "/d"),
                Field(&TemplateError::message, HasSubstr("$nobody is not defined"))),
          AllOf(Field(&TemplateError::pointer, "/e"),
                Field(&TemplateError::message, HasSubstr("empty")))));
}

TEST(TemplateTest, FailuresNameTheirPlace) {
  const Json value = Parse(R"({"a": "${ .n }", "b": [{"c": "${ .n.x }"}]})");
  EXPECT_THAT(CompileOrDie(value).Evaluate(Input(), {}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("Cannot index number"), HasSubstr("at '/b/0/c'"))));
  EXPECT_THAT(Evaluate("${ empty }"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("no result")));
}

// As many expressions as a definition may hold, each of which costs most of a budget.
TEST(TemplateTest, ExpressionsShareABudget) {
  const auto evaluate = [](const char* element, int count) {
    const std::vector<Json> elements(count, Json::String(element));
    return CompileOrDie(Json::Object({{"all", Json::Array(elements)}})).Evaluate(Input(), {});
  };
  constexpr auto kExhausted = absl::StatusCode::kResourceExhausted;
  EXPECT_OK(evaluate("${ last(range(100000)) }", 3));
  EXPECT_THAT(evaluate("${ last(range(100000)) }", 1000),
              StatusIs(kExhausted, AllOf(HasSubstr("steps"), HasSubstr("at '/all/"))));
  EXPECT_THAT(evaluate("${ \"x\" * 1e6 }", 1000), StatusIs(kExhausted, HasSubstr("bytes")));
  EXPECT_THAT(evaluate("${ \"x\" * 2e6 } once", 25), StatusIs(kExhausted, HasSubstr("bytes")));
}

TEST(TemplateTest, VariablesAreThoseUsed) {
  const Template tested =
      CompileOrDie(Parse(R"(["${ $b + $a }", "${ $a }"])"), {.variables = {"a", "b", "c"}});
  EXPECT_THAT(tested.variables(), ElementsAre("a", "b"));
}

}  // namespace
}  // namespace skald::expression
