// Goal: no expression and no input can hang or crash the process. Method: expressions built to use
// up time, memory or stack end with RESOURCE_EXHAUSTED or a compile error, and those that only look
// dangerous work.
#include <string>
#include <utility>
#include <vector>

#include <pthread.h>
#include <sys/resource.h>

#include "absl/strings/str_cat.h"
#include "base/json.h"
#include "engine/expression/expression.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace skald::expression {
namespace {

using ::skald::testing::IsOkAndHolds;
using ::skald::testing::StatusIs;
using ::testing::HasSubstr;

absl::StatusOr<Json> Evaluate(absl::string_view text, const Json& input = Json(),
                              const Budget& budget = {}) {
  absl::StatusOr<Expression> expression = Expression::Compile(text);
  if (!expression.ok()) return expression.status();
  return expression->First(input, {.budget = budget});
}

// The most memory that this process has ever had.
size_t PeakKib() {
  rusage usage;
  return getrusage(RUSAGE_SELF, &usage) == 0 ? static_cast<size_t>(usage.ru_maxrss) : 0;
}

// Sanitizers keep what was freed, and shadows of all there is.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr size_t kGrowthKibMax = 4 << 20;
#else
constexpr size_t kGrowthKibMax = 400 << 10;
#endif

std::string Repeated(absl::string_view piece, size_t count) {
  std::string text;
  for (size_t i = 0; i < count; ++i) absl::StrAppend(&text, piece);
  return text;
}

TEST(ExpressionLimitsTest, EndlessWorkUsesUpTheBudget) {
  for (const absl::string_view text : {
           "def f: f; f",
           "def f: f, f; f",
           "def f: f | f; f",
           "def f: 1 + f; f",
           "def f: [f]; f",
           "def f(g): f(g | g); f(.)",
           "def f(g): g | f(g); f(.)",
           "def f($x): f($x + 1); f(0)",
           "[range(1e9)]",
           "last(range(1e9))",
           "last(range(0; 1; 0))",
           "last(repeat(1))",
           "until(false; . + 1)",
           "[recurse]  | last(recurse([.]))",
           "reduce range(1e9) as $i (0; . + $i)",
           "last(label $f | foreach range(1e9) as $i (0; . + $i))",
           "\"a\" * 1e9",
           "\"a\" * 1e300",
           "reduce range(1e5) as $i (\"a\"; . + .)",
           "reduce range(1e5) as $i ([1]; . + .)",
           "reduce range(1e5) as $i ([1]; . + [.])",
           "[range(1e5)] as $a | last(range(1e6) | $a | .[0] = 1)",
           "[range(1e5)] | [combinations(1000)]",
           "[[range(30)] | combinations(20)]",
           "[range(1e5)] - [range(1e5)]",
           ".[1e8] = 1",
           "[limit(1e9; repeat(1))]",
           "[range(20000)] | [.[] as $a | .[] as $b | $a] | length",
           "[1, [2]] | last(range(1e9) as $i | flatten)",
           "\"a\" * 100 + \"b\" | test(\"^(a+)+$\")",
           "\"a\" * 100 + \"b\" | gsub(\"(a|aa)+$\"; \"\")",
       }) {
    EXPECT_THAT(Evaluate(text), StatusIs(absl::StatusCode::kResourceExhausted)) << text;
  }
}

TEST(ExpressionLimitsTest, ExhaustionIsNotCaught) {
  for (const absl::string_view text :
       {"try (def f: f; f) catch 1", "(def f: f; f)?", "(def f: f; f) // 1",
        ". as [$a] ?// $a | def f: f; f", "first(try last(range(1e9)) catch 1)"}) {
    EXPECT_THAT(Evaluate(text), StatusIs(absl::StatusCode::kResourceExhausted)) << text;
  }
}

// A value that shares its parts can be built in a few steps and yet be too large to write down.
TEST(ExpressionLimitsTest, SharedPartsCountEachTime) {
  for (const absl::string_view after : {".",
                                        "tojson",
                                        "tostring",
                                        "\"\\(.)\"",
                                        ". == [.[], .[]][:2]",
                                        "sort",
                                        "unique",
                                        "group_by(.)",
                                        "min",
                                        "flatten",
                                        "[.[]] | index(1)",
                                        "@json",
                                        "[paths] | length",
                                        "[..] | length",
                                        "walk(.)",
                                        "join(\",\")",
                                        "(. | tojson) as $x | 1",
                                        "[.] - [.]",
                                        "indices(1)",
                                        "@csv",
                                        "@text",
                                        "error",
                                        "[.,.] | unique_by(.)",
                                        "bsearch(1)",
                                        "max_by(.)",
                                        "to_entries",
                                        "[leaf_paths] | length",
                                        "{a: .} * {a: .}",
                                        "del(.. | 1)"}) {
    const std::string text = absl::StrCat("reduce range(60) as $i (1; [., .]) | ", after);
    const absl::StatusOr<Json> result = Evaluate(text);
    EXPECT_FALSE(result.ok()) << text;
  }
}

TEST(ExpressionLimitsTest, DeepValuesAreHandled) {
  const std::string deep = "reduce range(300000) as $i (1; [.])";
  EXPECT_THAT(Evaluate(absl::StrCat(deep, " | length")), IsOkAndHolds(Json::Int(1)));
  EXPECT_THAT(Evaluate(absl::StrCat(deep, " | flatten")),
              StatusIs(absl::StatusCode::kResourceExhausted));
  for (const absl::string_view after :
       {"tojson | length", "[..] | length", "[paths] | length", ". == [1]", "sort | length",
        "walk(.) | length", "[.] | contains([[[1]]])", "[leaf_paths] | length", "tostream",
        "getpath([range(1000) | 0]) | length", "[., .] | unique | length"}) {
    const absl::StatusOr<Json> result = Evaluate(absl::StrCat(deep, " | ", after));
    if (!result.ok()) {
      EXPECT_THAT(result, StatusIs(absl::StatusCode::kResourceExhausted)) << after;
    }
  }
  // Nobody could read it back.
  EXPECT_FALSE(Evaluate(deep).ok());
  EXPECT_FALSE(Evaluate("reduce range(600) as $i (1; [.])").ok());
  EXPECT_TRUE(Evaluate("reduce range(500) as $i (1; [.])").ok());
}

TEST(ExpressionLimitsTest, DeepPathsAreHandled) {
  const std::string path = "[range(200000) | 0]";
  EXPECT_FALSE(Evaluate(absl::StrCat("setpath(", path, "; 1)")).ok());
  EXPECT_THAT(Evaluate(absl::StrCat("getpath(", path, ")")), IsOkAndHolds(Json()));
  EXPECT_FALSE(Evaluate(absl::StrCat("getpath(", path, ") = 1")).ok());
  EXPECT_THAT(Evaluate(absl::StrCat("delpaths([", path, "])")), IsOkAndHolds(Json()));
}

TEST(ExpressionLimitsTest, DeepTextsDoNotCompile) {
  const size_t many = 100'000;
  for (const std::string& text : {Repeated("(", many),
                                  Repeated("[", many),
                                  Repeated("{a:", many),
                                  Repeated("-", many),
                                  Repeated("try ", many),
                                  Repeated("def f: ", many),
                                  Repeated("1//", many) + "1",
                                  Repeated("1 as $x|", many) + "1",
                                  Repeated("\"\\(", many),
                                  Repeated("if 1 then ", many),
                                  Repeated("reduce ", many),
                                  Repeated(".[", many),
                                  Repeated("f(", many),
                                  ". as " + Repeated("[", many),
                                  ". as " + Repeated("{a:", many),
                                  Repeated("label $a|", many) + "1",
                                  "{a:" + Repeated("1|", many) + "1}",
                                  "1" + Repeated("+1", many),
                                  "." + Repeated("[0]", many),
                                  "." + Repeated("?", many),
                                  Repeated(".|", many) + ".",
                                  "1" + Repeated(" as [$a] ?// [$b]", many)}) {
    EXPECT_THAT(Expression::Compile(text), StatusIs(absl::StatusCode::kInvalidArgument))
        << text.substr(0, 20);
  }
}

TEST(ExpressionLimitsTest, LongTextsCompile) {
  EXPECT_THAT(Evaluate("[" + Repeated("1,", 50'000) + "1] | length"),
              IsOkAndHolds(Json::Int(50'001)));
  EXPECT_THAT(Evaluate(Repeated("1+", 900) + "1"), IsOkAndHolds(Json::Int(901)));
  EXPECT_THAT(Evaluate(Repeated(".+1|", 900) + ".", Json::Int(0)), IsOkAndHolds(Json::Int(900)));
  EXPECT_THAT(Evaluate(Repeated("(", 200) + "1" + Repeated(")", 200)), IsOkAndHolds(Json::Int(1)));
  EXPECT_THAT(Expression::Compile(std::string((1 << 20) + 1, ' ')),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("longer")));
}

TEST(ExpressionLimitsTest, TailCallsNeedNoStack) {
  EXPECT_THAT(Evaluate("def f: if . > 100000 then . else . + 1 | f end; 0 | f"),
              IsOkAndHolds(Json::Int(100'001)));
  EXPECT_THAT(Evaluate("0 | until(. > 100000; . + 1)"), IsOkAndHolds(Json::Int(100'001)));
  EXPECT_THAT(Evaluate("last(0 | while(. < 50000; . + 1))"), IsOkAndHolds(Json::Int(49'999)));
  EXPECT_THAT(Evaluate("[limit(50000; 0 | repeat(. + 1))] | length"),
              IsOkAndHolds(Json::Int(50'000)));
  EXPECT_THAT(Evaluate("def f($n): if $n == 0 then . else . + 1 | f($n - 1) end; 0 | f(1000)"),
              IsOkAndHolds(Json::Int(1000)));
}

TEST(ExpressionLimitsTest, RecursionMayBeDeep) {
  EXPECT_THAT(Evaluate("def f: if . == 0 then 0 else 1 + (. - 1 | f) end; 1000 | f"),
              IsOkAndHolds(Json::Int(1000)));
  EXPECT_THAT(Evaluate("[recurse(if . < 1000 then . + 1 else empty end)] | length", Json::Int(0)),
              IsOkAndHolds(Json::Int(1001)));
}

// Growing a state step by step must not copy it each time.
TEST(ExpressionLimitsTest, ReductionsGrowInPlace) {
  EXPECT_THAT(Evaluate("reduce range(100000) as $i ([]; . + [$i]) | length"),
              IsOkAndHolds(Json::Int(100'000)));
  EXPECT_THAT(Evaluate("reduce range(100000) as $i ([]; .[$i] = $i) | length"),
              IsOkAndHolds(Json::Int(100'000)));
  EXPECT_THAT(Evaluate("reduce range(20000) as $i ({}; .[\"k\\($i)\"] += 1) | length"),
              IsOkAndHolds(Json::Int(20'000)));
  EXPECT_THAT(Evaluate("[range(50000)] | .[] += 1 | add"), IsOkAndHolds(Json::Int(1'250'025'000)));
  EXPECT_THAT(Evaluate("reduce range(20000) as $i ({a: {b: []}}; .a.b += [$i]) | .a.b | length"),
              IsOkAndHolds(Json::Int(20'000)));
  EXPECT_THAT(Evaluate("reduce range(10000) as $i (\"\"; . + \"x\") | length"),
              IsOkAndHolds(Json::Int(10'000)));
}

// Sanitizers make frames several times larger.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr size_t kSmallStack = 4 << 20;
#else
constexpr size_t kSmallStack = 1 << 20;
#endif

TEST(ExpressionLimitsTest, SmallStacksAreEnough) {
  const auto run = [](void*) -> void* {
    for (const std::string& text :
         {std::string("def f: 1 + f; f"), std::string("def f: [f]; f"),
          std::string("def f: f | f; f"), std::string("[recurse([.])]"),
          std::string("reduce range(100000) as $i (1; [.]) | [..] | length"),
          std::string("setpath([range(200000) | 0]; 1)")}) {
      EXPECT_THAT(Evaluate(text), StatusIs(absl::StatusCode::kResourceExhausted)) << text;
    }
    for (const absl::string_view piece : {"(", "[", "{a:", "try ", "reduce ", "1 as $x|", "1+"}) {
      EXPECT_FALSE(Expression::Compile(Repeated(piece, 100'000) + "1").ok()) << piece;
    }
    EXPECT_TRUE(Evaluate(Repeated("1+", 900) + "1").ok());
    EXPECT_TRUE(Evaluate(Repeated("[.]|", 400) + "1").ok());
    EXPECT_TRUE(Evaluate(Repeated("(", 200) + "1" + Repeated(")", 200)).ok());
    return nullptr;
  };
  pthread_attr_t attributes;
  pthread_t thread;
  ASSERT_EQ(pthread_attr_init(&attributes), 0);
  ASSERT_EQ(pthread_attr_setstacksize(&attributes, kSmallStack), 0);
  ASSERT_EQ(pthread_create(&thread, &attributes, run, nullptr), 0);
  ASSERT_EQ(pthread_join(thread, nullptr), 0);
  pthread_attr_destroy(&attributes);
}

// A step must not be worth much more than its share of time, however large the values are.
TEST(ExpressionLimitsTest, LargeValuesCostTheirSteps) {
  const std::string text = "(\"a\" * 1e6) as $a | ($a + \"\") as $b | ";
  const std::string array = "[range(1e5)] as $a | [range(1e5)] as $b | ";
  const std::string number = "(\"1\" * 1e6 | tonumber) as $a | ($a | -.) as $b | ";
  for (const auto& [values, step] :
       std::vector<std::pair<std::string, const char*>>{{text, "$a == $b"},
                                                        {text, "$a | startswith($b)"},
                                                        {text, "$a | ltrimstr($b)"},
                                                        {text, "$a | test(\"[^b]*[cd]\")"},
                                                        {text, "{($a): 1} | has($a)"},
                                                        {text, "try (1 | .[$a]) catch 1"},
                                                        {text, "{} | .[$a]"},
                                                        {text, "$a | length"},
                                                        {text, "$a + \"b\""},
                                                        {array, "$a == $b"},
                                                        {array, "$a | .[0] = 1"},
                                                        {array, "$a | sort"},
                                                        {array, "$a | index(5)"},
                                                        {array, "$a < $b"},
                                                        {number, "$a < $b"},
                                                        {number, "$a | -."}}) {
    const std::string program = absl::StrCat(values, "last(range(1e9) | ", step, ")");
    EXPECT_THAT(Evaluate(program), StatusIs(absl::StatusCode::kResourceExhausted)) << program;
  }
}

// What a text will take is accounted for before it is there.
TEST(ExpressionLimitsTest, TextIsPaidForAsItGrows) {
  const std::string row = "(\"x\" * 1e6) as $s | [range(1000) | $s] | ";
  for (const std::string& text :
       {row + "@csv", row + "@tsv", row + "@sh",
        absl::StrCat("(\"x\" * 1e6) as $s | \"", Repeated("\\($s)", 1000), "\""),
        std::string("(\"%A\" * 1e7) as $s | 0 | strftime($s)"),
        std::string("\"x\" * 30000 | [match(\"(?=(.*)).\"; \"g\")]"),
        std::string("\"x\" * 30000 | [capture(\"(?=(?<a>.*)).\"; \"g\")]")}) {
    const size_t before = PeakKib();
    EXPECT_THAT(Evaluate(text), StatusIs(absl::StatusCode::kResourceExhausted)) << text;
    EXPECT_LT(PeakKib() - before, kGrowthKibMax) << text.substr(0, 60);
  }
}

// Each of these took minutes or worse, for a few steps.
TEST(ExpressionLimitsTest, SearchesCostTheirSteps) {
  const std::string texts = "(\"a\" * 1e6) as $a | (\"a\" * 5e5 + \"b\") as $b | ";
  const std::string half = "(\"a\" * 1e6) as $a | (\"a\" * 5e5) as $b | ";
  const std::string lists = "([range(1e5)] + [\"s\"]) as $a | [range(1e5) | \"s\"] as $b | ";
  for (const std::string& program :
       {texts + "last(range(1e9) | $a | contains($b))",
        texts + "last(range(1e9) | $a | indices($b))", texts + "last(range(1e9) | $a / $b)",
        half + "last(range(1e9) | $a | indices($b))",
        lists + "last(range(1e9) | $a | contains($b))"}) {
    EXPECT_THAT(Evaluate(program), StatusIs(absl::StatusCode::kResourceExhausted)) << program;
  }
}

// An object of many keys, and 100,000 without any.
TEST(ExpressionLimitsTest, ValuesOfOtherSizesAreToldApartAtOnce) {
  Json::ObjectBuilder many;
  for (int i = 0; i < 40'000; ++i) many.Add(absl::StrCat("key", i), Json::Int(i));
  const Json input =
      Json::EmptyObject()
          .With("ref", std::move(many).Build())
          .With("items", Json::Array(std::vector<Json>(100'000, Json::EmptyObject())));
  EXPECT_THAT(Evaluate(".ref as $r | any(.items[]; . == $r)", input),
              IsOkAndHolds(Json::Bool(false)));
  EXPECT_THAT(Evaluate(".ref as $r | any(.items[]; [.] == [$r])", input),
              StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(Evaluate(".ref as $r | any(.items[]; $r < . + {a: 1})", input),
              StatusIs(absl::StatusCode::kResourceExhausted));
}

// One object of many keys among 100,000 small ones: which is less takes sorting the keys of both.
TEST(ExpressionLimitsTest, OneLargeElementIsPaidForEachTimeItIsCompared) {
  Json::ObjectBuilder many;
  for (int i = 0; i < 40'000; ++i) many.Add(absl::StrCat("key", i), Json::Int(i));
  std::vector<Json> elements(100'000, Json::EmptyObject().With("a", Json::Int(1)));
  elements[0] = std::move(many).Build();
  const Json input = Json::Array(std::move(elements));
  for (const absl::string_view text :
       {"max", "max_by(.)", "sort", "unique", "sort_by(., 1)", "group_by(.)"}) {
    EXPECT_THAT(Evaluate(text, input), StatusIs(absl::StatusCode::kResourceExhausted)) << text;
  }
  EXPECT_THAT(Evaluate(".[1:] | [max, min, sort[0], bsearch({a: 1}) >= 0]", input),
              IsOkAndHolds(Json::Parse(R"([{"a": 1}, {"a": 1}, {"a": 1}, true])").value()));
}

// Elements that are alike for long before they differ.
TEST(ExpressionLimitsTest, ManyLargeElementsAreToldApart) {
  const std::string lists =
      "[range(1700)] as $a | [range(2000) | $a + [\"b\"]] as $b | "
      "[range(2000) | $a + [\"c\"]] as $c | ";
  constexpr Budget kLarge = {.steps_max = 10'000'000, .bytes_max = 256 << 20};
  EXPECT_THAT(Evaluate(lists + "$b - $c | length", Json(), kLarge), IsOkAndHolds(Json::Int(2000)));
  EXPECT_THAT(Evaluate(lists + "$b - $b", Json(), kLarge), IsOkAndHolds(Json::EmptyArray()));
  EXPECT_THAT(Evaluate(lists + "$b | indices($c[:500])", Json(), kLarge),
              IsOkAndHolds(Json::EmptyArray()));
  // Those that are alike are compared in full, and that is paid for.
  EXPECT_THAT(Evaluate(lists + "[$b[] | . + []] | indices($b[:1000]) | length", Json(), kLarge),
              StatusIs(absl::StatusCode::kResourceExhausted));
}

TEST(ExpressionLimitsTest, BudgetsAreKept) {
  EXPECT_THAT(Evaluate("[range(1000)]", Json(), {.steps_max = 100}),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("steps")));
  EXPECT_THAT(Evaluate("\"abc\" * 1000", Json(), {.bytes_max = 1000}),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("bytes")));
}

}  // namespace
}  // namespace skald::expression
