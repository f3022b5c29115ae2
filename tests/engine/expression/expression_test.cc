// Goal: what engine/expression promises beyond jq's own tests: errors with their texts and places,
// variables, exact integers, what is left out. Method: a table of programs and results, and one
// test for each promise.
#include "engine/expression/expression.h"

#include <map>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
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
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Json Parse(absl::string_view text) { return Json::Parse(text).value(); }

absl::StatusOr<Json> Evaluate(absl::string_view text, const Json& input = Json()) {
  absl::StatusOr<Expression> expression = Expression::Compile(text);
  if (!expression.ok()) return expression.status();
  return expression->First(input, {});
}

struct ResultCase {
  const char* program;
  const char* input;
  const char* result;
};

constexpr ResultCase kResults[] = {
    // Integers of 64 bits are exact; what overflows becomes a double.
    {"9007199254740993 + 1", "null", "9007199254740994"},
    {"9223372036854775807 + 1", "null", "9223372036854776000"},
    {"3037000500 * 3037000499", "null", "9223372033963249500"},
    {"9007199254740994 / 2", "null", "4503599627370497"},
    {"7 / 2", "null", "3.5"},
    {"-9223372036854775808 % -1", "null", "0"},
    {". - 1", "-9223372036854775808", "-9223372036854775808"},
    {"12345678901234567890123", "null", "12345678901234567890123"},
    {"pow(3; 39)", "null", "4052555153018976267"},
    // A `?` is about the last access alone.
    {"[.a?, .b[0]?]", "{\"a\": 1}", "[1,null]"},
    {"try .a.b? catch \"caught\"", "1", "\"caught\""},
    {"[(.a.b)?]", "1", "[]"},
    {"[.a.b?.c]", "{\"a\": 1}", "[]"},
    {"[.[\"a\"]?, .[0:1]?, .[]?]", "true", "[]"},
    // Values of members take operators without parentheses.
    {"{a: .x + 1, b: .x // 2 | tostring}", "{\"x\": 3}", R"({"a": 4, "b": "3"})"},
    // What is added to a value may be a part of it, which it drops while it grows.
    {R"({a: {a: .x, b: ("more than fifteen bytes " + .y)}} | . + .a)", R"({"x": 1, "y": "long"})",
     R"({"a": 1, "b": "more than fifteen bytes long"})"},
    {"{a: [.x, .x]} | .a | . + .[0]", "{\"x\": [1]}", "[[1],[1],1]"},
    // What differs in size is told apart without looking further; not-a-number is never equal.
    {"[[nan] == [nan], {a: nan} == {a: nan}, [nan] != [nan], ([nan] as $x | $x == $x)]", "null",
     "[false,false,true,false]"},
    {"[[] < [0], {} < {a: 1}, {} >= {a: 1}, {b: 1} > {a: 1, c: 1}, [1, 2] > [1], \"a\" < \"ab\"]",
     "null", "[true,true,false,true,true,true]"},
    {"[{a: 1, b: [2]} == {b: [2], a: 1.0}, {a: 1} == {b: 1}, {a: 1} != {}, \"ab\" == \"b\"]",
     "null", "[true,false,true,false]"},
    {"[1, 1.5, \"a\", [1, 2], [2, 1], {a: 1, b: 2}, null, true] - [1.0, [2, 1], {b: 2, a: 1}, "
     "true]",
     "null", "[1.5,\"a\",[1,2],null]"},
    {"[0, [1], 0, 0, [1], 0, 0] | [indices([0, 0]), indices([[1], 0]), indices(0), indices([])]",
     "null", "[[2,5],[1,4],[0,2,3,5,6],[]]"},
    {"[100000000000000000000] - [1e20, 5]", "null", "[]"},
    // Functions see what was defined before them, and their own parameters.
    {"def f(g): def h: g + 1; h; f(.) + f(10)", "1", "13"},
    {"def f($a; $b): [a, $b]; f(1; 2)", "null", "[1,2]"},
    {"[1, 2] | map(. as $x | $x * $x) | add", "null", "5"},
    // A variable keeps its value while a function that binds it again runs.
    {"def f(g): [g | g]; f(. as $x | ($x + 1, $x + 2))", "0", "[2,3,3,4]"},
    {"[range(2) as $x | range(2) as $y | [$x, $y]]", "null", "[[0,0],[0,1],[1,0],[1,1]]"},
    {"[recurse(. as $x | select($x < 2) | ($x + 1, $x + 2)) | .]", "0", "[0,1,2,3,2]"},
    {"[label $a | (label $b | 1, break $a, 2), 3]", "null", "[1]"},
    {"[label $a | (label $b | 1, break $b, 2), 3]", "null", "[1,3]"},
    {"def f: label $l | (1, break $l, 2); [f, f]", "null", "[1,1]"},
    {"reduce .[] as [$a, {b: $c}] (0; . + $a * $c)", R"([[2, {"b": 3}], [4, {"b": 5}]])", "26"},
    {"[foreach range(5) as $i (0; . + $i; select(. % 2 == 0))]", "null", "[0,6,10]"},
    {"reduce range(3) as $i (0; empty)", "null", "null"},
    {"[.[] | (. as [$x] ?// $x | $x)]", "[[1], 2]", "[1,2]"},
    {"to_entries | from_entries", R"({"a": 1})", R"({"a": 1})"},
    {"[paths]", R"({"a": [1]})", R"([["a"], ["a", 0]])"},
    {"path(first(.a, .b))", "null", "[\"a\"]"},
    {"[path(.. | select(type == \"number\"))]", "[1, [2]]", "[[0],[1,0]]"},
    {"[path(limit(1; .a, .b)), path(getpath([\"c\", 0])), path(if .x then .y else .z end)]", "null",
     R"([["a"], ["c", 0], ["z"]])"},
    {"(.a, .b) = (1, 2)", "null", R"({"a": 1, "b": 1})"},
    {".a[1:3] |= map(. * 2)", R"({"a": [1, 2, 3, 4]})", R"({"a": [1, 4, 6, 4]})"},
    {"(.[] | select(. > 1)) |= empty", "[1, 2, 3, 1]", "[1,1]"},
    {".a //= 1 | .b //= 2", R"({"a": 5, "b": false})", R"({"a": 5, "b": 2})"},
    {"walk(if type == \"number\" then . + 1 else . end)", R"({"a": [1, {"b": 2}]})",
     R"({"a": [2, {"b": 3}]})"},
    {"gsub(\"(?<x>[a-z])\"; \"<\\(.x)>\")", "\"a1b\"", "\"<a>1<b>\""},
    {"[splits(\", *\")]", "\"a, b,c\"", R"(["a", "b", "c"])"},
    {"[match(\"é(x)?\"; \"g\") | [.offset, .length, .captures[0].offset]]", "\"éxaé\"",
     "[[0,2,1],[3,1,-1]]"},
    {"@base32d", "\"MFRGG===\"", "\"abc\""},
    {"todate, (todate | fromdate)", "1425599621", "\"2015-03-05T23:53:41Z\""},
    {"strftime(\"%s %Y\")", "86400", "\"86400 1970\""},
    {"ltrimstr(\"a\") | rtrimstr(\"c\") | trim", "\"a b c\"", "\"b\""},
    {"[limit(3; repeat(. * 2))]", "1", "[1,2,4]"},
    {"tojson | fromjson", "[1, 1.5, \"a\", null, {\"b\": true}]",
     "[1,1.5,\"a\",null,{\"b\":true}]"},
    {"\"\\(1, 2)-\\(3, 4)\"", "null", "\"1-3\""},
    {"# a comment \\\n that goes on\n 1 # and one more", "null", "1"},
    {"", "7", "7"},
};

TEST(ExpressionTest, ProgramsGiveTheirResults) {
  for (const ResultCase& one : kResults) {
    EXPECT_THAT(Evaluate(one.program, Parse(one.input)), IsOkAndHolds(Parse(one.result)))
        << one.program;
  }
}

TEST(ExpressionTest, ErrorsAreWordedAsJqWordsThem) {
  struct Case {
    const char* program;
    const char* message;
  };
  const Case cases[] = {
      {"1 | .a", "Cannot index number with string \"a\""},
      {"{} | .[0]", "Cannot index object with number"},
      {"5 | .[]", "Cannot iterate over number (5)"},
      {"{} - 1", "object ({}) and number (1) cannot be subtracted"},
      {"[range(20)] | tonumber", "array ([0,1,2,3,4,...) cannot be parsed as a number"},
      {"true | keys", "boolean (true) has no keys"},
      {"\"a\" | test(\"(\")", "( (at offset 1) is not a valid regex"},
      {"\"x\" | strptime(\"%Y\")", "date \"x\" does not match format \"%Y\""},
      {"error({a: 1})", "{\"a\":1} (not a string)"},
      {"error(null)", "null (not a string)"},
      {"{} | .[\"a\", 1]", "Cannot index object with number"},
      {"empty", "no result"},
  };
  for (const Case& one : cases) {
    const absl::StatusOr<Expression> expression = Expression::Compile(one.program);
    ASSERT_TRUE(expression.ok()) << one.program;
    const absl::Status status = expression->ForEach(Json(), {}, [](Json) { return true; });
    const absl::Status first = expression->First(Json(), {}).status();
    EXPECT_THAT(status.ok() ? first : status,
                StatusIs(absl::StatusCode::kInvalidArgument,
                         AllOf(HasSubstr(one.message),
                               HasSubstr(absl::StrCat("in the expression '", one.program, "'")))));
  }
}

TEST(ExpressionTest, CompileErrorsTellThePlace) {
  struct Case {
    const char* program;
    const char* message;
  };
  const Case cases[] = {
      {"1 +", "unexpected the end, expecting a term at line 1, column 4"},
      {".a\n  | foo", "foo/0 is not defined at line 2, column 5"},
      {"$x", "$x is not defined at line 1, column 1"},
      {"\"é\" | $x", "$x is not defined at line 1, column 7"},
      {"1 == 2 == 3", "does not chain"},
      {"break $x", "$*label-x is not defined"},
      {"{(1): 2}", "Cannot use number (1) as object key"},
      {"\"abc", "unterminated string at line 1, column 2"},
      {"\"\\x\"", "Invalid escape at line 1, column 2"},
      {"@nope", "nope is not a valid format"},
      {"§", "unexpected character '§'"},
      {"if 1 then 2", "expecting 'end'"},
      {". as [$a, ] | 1", "expecting '$', '[' or '{'"},
      {"map(1; 2)", "map/2 is not defined"},
      {"_match(1; 2)", "_match/2 is not defined"},
  };
  for (const Case& one : cases) {
    EXPECT_THAT(Expression::Compile(one.program),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(one.message)))
        << one.program;
  }
  EXPECT_FALSE(Expression::Compile("\"\xFF\"").ok());
}

TEST(ExpressionTest, TextsOfFailuresHaveExpressionPlaceAndKind) {
  const absl::Status status =
      Expression::Compile("\n.a | keys")->First(Json::EmptyObject(), {}).status();
  EXPECT_EQ(status.message(),
            "null (null) has no keys in the expression '\n.a | keys' (line 2, column 6)");
}

TEST(ExpressionTest, FailuresTellThePlace) {
  struct Case {
    const char* program;
    size_t offset;
    int line;
    int column;
  };
  const Case cases[] = {
      {"1 +", 3, 1, 4},
      {".a\n  | foo", 7, 2, 5},
      {"{a: 1} | .a.b.c", 11, 1, 12},
      {"{a: 1} | .a.b?, .a.b", 18, 1, 19},
      {"\"é\" | . - 1", 9, 1, 9},
      {"[1] | .[] |\n .x", 13, 2, 2},
      {"[{a: 1}] | map(.a | keys)", 20, 1, 21},
      {"[1] | sort_by(.x)", 14, 1, 15},
      {"def f: .x; {} | f | f | 1 | f", 7, 1, 8},
      {"1 | walk(.x)", 9, 1, 10},
      {"{} | todate", 5, 1, 6},
      {"1 | first(.[])", 11, 1, 12},
      {"(try error(\"a\") catch .) | .x", 27, 1, 28},
      {"{} | .a |= error(\"no\")", 11, 1, 12},
      {"1 as [$x] | $x", 2, 1, 3},
      {"[def f: f; f]", 8, 1, 9},
      {"reduce range(1e9) as $i (0; .)", 7, 1, 8},
  };
  for (const Case& one : cases) {
    const absl::StatusOr<Expression> expression = Expression::Compile(one.program);
    const absl::Status status =
        expression.ok() ? expression->First(Json(), {}).status() : expression.status();
    const std::optional<ErrorPlace> place = PlaceOfError(status);
    ASSERT_TRUE(place.has_value()) << one.program << ": " << status;
    EXPECT_EQ(place->offset, one.offset) << one.program << ": " << status;
    EXPECT_EQ(place->line, one.line) << one.program;
    EXPECT_EQ(place->column, one.column) << one.program;
  }
  EXPECT_FALSE(PlaceOfError(Expression::Compile("empty")->First(Json(), {}).status()).has_value());
}

TEST(ExpressionTest, TheWorldOutsideIsNotVisible) {
  for (const char* program :
       {"env", "$ENV", "$ENV.PATH", "input", "[inputs]", "input_line_number", "input_filename",
        "halt", "halt_error", "stderr", "$__prog_args", "get_search_list", "modulemeta",
        "import \"a\" as a; 1", "include \"a\"; 1"}) {
    EXPECT_THAT(Expression::Compile(program),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("not available")))
        << program;
  }
}

TEST(ExpressionTest, NowIsTheTimeGiven) {
  const Expression now = Expression::Compile("now | todate").value();
  const Environment environment = {.now = Timestamp(1'425'599'621'000'000)};
  EXPECT_THAT(now.First(Json(), environment), IsOkAndHolds(Json::String("2015-03-05T23:53:41Z")));
}

TEST(ExpressionTest, VariablesAreAskedForOnce) {
  const Expression expression = Expression::Compile("[$b, $b, ($a as $b | $b), ($c | .x?)]",
                                                    {.variables = {"a", "b", "c", "unused"}})
                                    .value();
  EXPECT_THAT(expression.variables(), ElementsAre("b", "a", "c"));
  std::map<std::string, int> asked;
  const auto give = [&](absl::string_view name) {
    ++asked[std::string(name)];
    return Json::String(name);
  };
  const absl::FunctionRef<Json(absl::string_view)> variable = give;
  EXPECT_THAT(expression.First(Json(), {.variable = &variable}),
              IsOkAndHolds(Parse(R"(["b", "b", "a"])")));
  EXPECT_THAT(asked, ElementsAre(std::pair("a", 1), std::pair("b", 1), std::pair("c", 1)));
  EXPECT_THAT(expression.First(Json(), {}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("was given no value")));
}

TEST(ExpressionTest, ResultsComeInOrderUntilEnough) {
  const Expression expression = Expression::Compile("1, 2, error(\"x\"), 3").value();
  std::vector<Json> results;
  const auto take = [&results](size_t wanted) {
    return [&results, wanted](Json value) {
      results.push_back(std::move(value));
      return results.size() < wanted;
    };
  };
  EXPECT_TRUE(expression.ForEach(Json(), {}, take(2)).ok());
  EXPECT_THAT(results, ElementsAre(Json::Int(1), Json::Int(2)));
  results.clear();
  EXPECT_THAT(expression.ForEach(Json(), {}, take(10)),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("x")));
  EXPECT_THAT(results, ElementsAre(Json::Int(1), Json::Int(2)));
}

TEST(ExpressionTest, TheInputIsUnchanged) {
  const Json input = Parse(R"({"a": {"b": [1, 2]}})");
  const std::string before = input.ToText();
  EXPECT_THAT(Evaluate(".a.b[0] = 9 | .a.b += [3] | del(.a.b[1]) | .a.c = {}", input),
              IsOkAndHolds(Parse(R"({"a": {"b": [9, 3], "c": {}}})")));
  EXPECT_EQ(input.ToText(), before);
}

TEST(ExpressionTest, ThreadsShareAnExpression) {
  const Expression expression =
      Expression::Compile("[.[] | select(. % 2 == 0) | \"x\\(.)\"] | join(\",\") | test(\"x2\")")
          .value();
  const Json input = Parse("[1, 2, 3, 4]");
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int k = 0; k < 200; ++k) {
        EXPECT_THAT(expression.First(input, {}), IsOkAndHolds(Json::Bool(true)));
        EXPECT_TRUE(Expression::Compile("walk(.) | todate").ok());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace skald::expression
