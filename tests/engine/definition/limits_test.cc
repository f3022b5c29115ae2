// Hostile and oversized texts: each gives an error that names the bound, quickly.
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/engine/definition/definition_testing.h"

namespace skald::definition {
namespace {

using ::testing::Contains;
using ::testing::Field;
using ::testing::HasSubstr;

void ExpectError(absl::string_view text, const char* fragment,
                 const DefinitionLimits& limits = {}) {
  const CompileResult result = Compile(text, limits);
  EXPECT_FALSE(result.ok());
  EXPECT_EQ(result.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(result.diagnostics, Contains(Field(&Diagnostic::message, HasSubstr(fragment))))
      << Findings(result).substr(0, 1'000);
}

std::string Repeated(absl::string_view piece, size_t count) {
  std::string text;
  for (size_t i = 0; i < count; ++i) absl::StrAppend(&text, piece);
  return text;
}

std::string Nested(absl::string_view open, absl::string_view close, size_t depth) {
  return absl::StrCat(Repeated(open, depth), Repeated(close, depth));
}

TEST(Limits, Bytes) {
  ExpectError(std::string(10 << 20, 'a'), "the text has 10485760 bytes; at most 524288");
  ExpectError(std::string(10 << 20, '\0'), "bytes; at most");
  ExpectError(absl::StrCat(kHeader, "do: []\n# ", std::string(512 << 10, 'x')), "bytes; at most");
  MustCompile(absl::StrCat(kHeader, "do: []\n# ", std::string(500 << 10, 'x')));
}

TEST(Limits, Depth) {
  ExpectError(Nested("[", "]", 10'000), "nested deeper than 100 levels");
  ExpectError(Nested("{\"a\":", "}", 10'000), "nested deeper than 100 levels");
  ExpectError(std::string(10'000, '['), "nested deeper than 100 levels");
  ExpectError(Repeated("- ", 10'000), "nested deeper than 100 levels");
  ExpectError(Repeated("? ", 10'000), "nested deeper than 100 levels");
  std::string block;
  for (int i = 0; i < 400; ++i) absl::StrAppend(&block, std::string(i, ' '), "a:\n");
  ExpectError(block, "nested deeper than 100 levels");
}

TEST(Limits, NestedTasks) {
  std::string text = absl::StrCat(kHeader, "do: [{a: ");
  text += Nested("{do: [{a: ", "}]}", 400);
  text += "}]\n";
  ExpectError(text, "nested deeper than 100 levels");
  std::string shallow = "{set: {x: 1}}";
  for (int i = 0; i < 30; ++i) shallow = absl::StrCat("{do: [{a: ", shallow, "}]}");
  MustCompile(absl::StrCat(kHeader, "do: [{a: ", shallow, "}]\n"));
}

TEST(Limits, AliasesExpandToABoundedSize) {
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i) {
    absl::StrAppend(&bomb, "a", i, ": &a", i, " [");
    for (int j = 0; j < 10; ++j) absl::StrAppend(&bomb, j > 0 ? ", " : "", "*a", i - 1);
    bomb += "]\n";
  }
  ExpectError(bomb, "YAML aliases expand to more than 100000 nodes");
  std::string merges = "m0: &m0 {k: 1}\n";
  for (int i = 1; i < 400; ++i) {
    absl::StrAppend(&merges, "m", i, ": &m", i, " {<<: *m", i - 1, ", k", i, ": 1}\n");
  }
  ExpectError(merges, "YAML aliases expand to more than 50000 nodes", {.alias_nodes_max = 50'000});
}

// Few nodes, of which each is long.
TEST(Limits, AliasesExpandToABoundedText) {
  const std::string text(250 << 10, 'x');
  const auto aliased = [&](int count) {
    return absl::StrCat(kHeader, "do: [{a: {set: {s: &a ", text, ", l: [", Repeated("*a, ", count),
                        "1]}}}]\n");
  };
  MustCompile(aliased(2));
  ExpectError(aliased(3), "YAML aliases expand to more than 524288 bytes");
  ExpectError(aliased(60'000), "YAML aliases expand to more than 524288 bytes");
  const std::string key(1'000, 'k');
  std::string merges = absl::StrCat("m: &m {", key, ": 1}\n");
  for (int i = 1; i < 400; ++i) absl::StrAppend(&merges, "m", i, ": {<<: *m}\n");
  ExpectError(merges, "YAML aliases expand to more than 524288 bytes");
}

TEST(Limits, AliasesDoNotHideDepth) {
  std::string text = absl::StrCat("a0: &a0 ", Nested("[", "]", 60), "\n");
  absl::StrAppend(&text, "a1: &a1 ", Repeated("[", 60), "*a0", Repeated("]", 60), "\n");
  ExpectError(text, "nested deeper than 100 levels through alias '*a0'");
}

TEST(Limits, Tasks) {
  std::string text = absl::StrCat(kHeader, "do:\n");
  for (int i = 0; i < 5'001; ++i) absl::StrAppend(&text, "- t", i, ": {set: {x: 1}}\n");
  ExpectError(text, "more than 5000 tasks");
  std::string aliased = absl::StrCat(kHeader, "do:\n- t: {do: &list [");
  for (int i = 0; i < 100; ++i) absl::StrAppend(&aliased, "{a", i, ": {wait: PT1S}}, ");
  aliased += "]}\n";
  for (int i = 0; i < 60; ++i) absl::StrAppend(&aliased, "- u", i, ": {do: *list}\n");
  ExpectError(aliased, "more than 5000 tasks");
}

TEST(Limits, Diagnostics) {
  std::string text = absl::StrCat(kHeader, "do:\n");
  for (int i = 0; i < 1'000; ++i) absl::StrAppend(&text, "- t", i, ": {sett: {x: 1}}\n");
  const CompileResult result = Compile(text);
  EXPECT_FALSE(result.ok());
  ASSERT_EQ(result.diagnostics.size(), 101u);
  EXPECT_THAT(result.diagnostics.back().message, HasSubstr("these are the first 100"));
}

// Every function misspells another's name, and all names are alike: the nearest name costs most.
TEST(Limits, SuggestionsStayCheap) {
  std::string text = absl::StrCat(kHeader, "use:\n  functions:\n");
  const std::string stem(34, 'f');
  for (int i = 0; i < 1'500; ++i) {
    absl::StrAppend(&text, "    ", stem, "xxxx", i, ": {call: ", stem, "yyyy", i, "}\n");
  }
  text += "do: []\n";
  EXPECT_TRUE(Compile(text).ok());
}

// Functions f0 .. f<last>, each calling the next; the last does `tail`.
std::string Chain(int last, absl::string_view tail) {
  std::string text = absl::StrCat(kHeader, "use:\n  functions:\n");
  for (int i = 0; i < last; ++i) absl::StrAppend(&text, "    f", i, ": {call: f", i + 1, "}\n");
  absl::StrAppend(&text, "    f", last, ": {", tail, "}\ndo: [{a: {call: f0}}]\n");
  return text;
}

TEST(Limits, ChainsOfFunctions) {
  EXPECT_TRUE(Compile(Chain(99, "wait: PT1S")).ok());
  ExpectError(Chain(100, "wait: PT1S"), "functions call each other more than 100 deep");
  ExpectError(Chain(4'000, "wait: PT1S"), "functions call each other more than 100 deep");
  ExpectError(Chain(4'000, "call: f0"), "in a circle: f0 -> f1 -> f2 -> f3 -> f4 -> ... -> f3997");
}

TEST(Limits, OddTexts) {
  for (const char* text :
       {"null", "[]", "42", "text", "- a\n- b", "---\n...\n", "{}", "%YAML 1.2\n---\n{}"}) {
    const CompileResult result = Compile(text);
    EXPECT_FALSE(result.ok()) << text;
    EXPECT_FALSE(result.diagnostics.empty()) << text;
  }
}

}  // namespace
}  // namespace skald::definition
