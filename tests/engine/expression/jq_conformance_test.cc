// Goal: the language is jq's. Method: run the cases of jq's own test file (program, input, results,
// with blank lines between) and compare results by value. Cases left out on purpose are listed with
// their reasons; the list is checked too, so that nothing is left out for longer than it must.
//
// The file is no part of the repository: its folder is given by SKALD_CONFORMANCE_DIR.
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/json.h"
#include "engine/expression/expression.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace skald::expression {
namespace {

struct Case {
  int line = 0;
  bool must_fail = false;
  bool ignore_message = false;
  std::string program;
  std::string input;  // Or the expected message when compilation must fail.
  std::vector<std::string> results;
};

struct LeftOut {
  const char* program;
  const char* reason;
};

constexpr const char* kNoModules = "modules would read files";
constexpr const char* kExactIntegers = "integers of 64 bits are exact in arithmetic";

constexpr LeftOut kLeftOut[] = {
    {R"(import "a" as foo; import "b" as bar; def fooa: foo::a; [fooa, bar::a, bar::b, foo::a])",
     kNoModules},
    {R"(import "c" as foo; [foo::a, foo::c])", kNoModules},
    {R"(include "c"; [a, c])", kNoModules},
    {R"(import "data" as $e; import "data" as $d; )"
     R"([$d[].this,$e[].that,$d::d[].this,$e::e[].that]|join(";"))",
     kNoModules},
    {R"(import "data" as $a; import "data" as $b; def f: {$a, $b}; f)", kNoModules},
    {R"(include "shadow1"; e)", kNoModules},
    {R"(include "shadow1"; include "shadow2"; e)", kNoModules},
    {R"(import "shadow1" as f; import "shadow2" as f; import "shadow1" as e; [e::e, f::e])",
     kNoModules},
    {R"(import "test_bind_order" as check; check::check)", kNoModules},
    {"modulemeta", kNoModules},
    {"modulemeta | .deps | length", kNoModules},
    {"modulemeta | .defs | length", kNoModules},
    {R"(include "\ "; 0)", "the message names the place in the expression, not in the string"},
    {". - 10", kExactIntegers},
    {".[0] - 10", kExactIntegers},
    {".x - 10", kExactIntegers},
    {".[] as $n | $n+0 | [., tostring, . == $n]", kExactIntegers},
    {"try input catch .", "an expression has one input"},
};

const LeftOut* FindLeftOut(absl::string_view program) {
  for (const LeftOut& entry : kLeftOut) {
    if (program == entry.program) return &entry;
  }
  return nullptr;
}

bool IsSkippable(absl::string_view line) {
  const absl::string_view text = absl::StripAsciiWhitespace(line);
  return text.empty() || absl::StartsWith(text, "#");
}

std::string ReadConformanceFile() {
  const char* folder = std::getenv("SKALD_CONFORMANCE_DIR");
#ifdef SKALD_CONFORMANCE_DIR
  if (folder == nullptr) folder = SKALD_CONFORMANCE_DIR;
#endif
  if (folder == nullptr) return "";
  std::ifstream file(absl::StrCat(folder, "/jq/jq.test"));
  return std::string(std::istreambuf_iterator<char>(file), {});
}

std::vector<Case> ParseCases(const std::string& text) {
  const std::vector<std::string> lines = absl::StrSplit(text, '\n');
  std::vector<Case> cases;
  for (size_t i = 0; i < lines.size(); ++i) {
    if (IsSkippable(lines[i])) continue;
    Case one;
    one.must_fail = absl::StartsWith(lines[i], "%%FAIL");
    one.ignore_message = absl::StrContains(lines[i], "IGNORE MSG");
    if (one.must_fail) ++i;
    one.line = static_cast<int>(i) + 1;
    one.program = lines[i++];
    one.input = lines[i++];
    while (!one.must_fail && i < lines.size() && !absl::StripAsciiWhitespace(lines[i]).empty()) {
      if (!IsSkippable(lines[i])) one.results.push_back(lines[i]);
      ++i;
    }
    cases.push_back(std::move(one));
  }
  return cases;
}

// The file's inputs and results go beyond JSON: byte order marks, NaN and Infinity.
Json ParseLoosely(absl::string_view text) {
  absl::ConsumePrefix(&text, "\xEF\xBB\xBF");
  absl::StatusOr<Json> plain = Json::Parse(text);
  if (plain.ok()) return *std::move(plain);
  const std::string program = absl::StrReplaceAll(text, {{"Infinity", "infinite"}, {"NaN", "nan"}});
  absl::StatusOr<Expression> expression = Expression::Compile(program);
  EXPECT_TRUE(expression.ok()) << text;
  return expression.ok() ? expression->First(Json(), {}).value_or(Json()) : Json();
}

// Empty when the case passes, and what is wrong otherwise.
std::string ProblemOf(const Case& one) {
  const absl::StatusOr<Expression> expression = Expression::Compile(one.program);
  if (one.must_fail) {
    if (expression.ok()) return "compiles";
    absl::string_view expected = one.input;
    absl::ConsumePrefix(&expected, "jq: error: ");
    expected = expected.substr(0, expected.rfind(" at <top-level>"));
    const bool said = absl::StrContains(expression.status().message(), expected);
    return one.ignore_message || said ? "" : std::string(expression.status().message());
  }
  if (!expression.ok()) return std::string(expression.status().message());
  std::vector<Json> results;
  const absl::Status status = expression->ForEach(ParseLoosely(one.input), {}, [&](Json value) {
    results.push_back(std::move(value));
    return true;
  });
  std::string shown;
  bool same = results.size() == one.results.size();
  for (size_t i = 0; i < results.size(); ++i) {
    absl::StrAppend(&shown, results[i].ToText(), "\n");
    // By their texts, as not-a-number equals nothing but is written as null.
    same = same && i < one.results.size() &&
           Json::Parse(results[i].ToText()).value() == ParseLoosely(one.results[i]);
  }
  return same ? "" : absl::StrCat("results:\n", shown, status.ToString());
}

TEST(JqConformanceTest, CasesGiveTheirResults) {
  const std::vector<Case> cases = ParseCases(ReadConformanceFile());
  if (cases.empty()) GTEST_SKIP() << "SKALD_CONFORMANCE_DIR names no folder with jq/jq.test";
  int passed = 0;
  int left_out = 0;
  for (const Case& one : cases) {
    const std::string problem = ProblemOf(one);
    const LeftOut* listed = FindLeftOut(one.program);
    if (listed != nullptr) {
      ++left_out;
      EXPECT_NE(problem, "") << "line " << one.line << " passes, although it is left out because "
                             << listed->reason << ": " << one.program;
      continue;
    }
    ++passed;
    EXPECT_EQ(problem, "") << "line " << one.line << ": " << one.program;
  }
  std::cout << passed << " cases run, " << left_out << " left out on purpose\n";
}

}  // namespace
}  // namespace skald::expression
