// Texts to document trees: what scalars mean, where values stand, and what is refused with which
// place.
#include "engine/definition/yaml_reader.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/engine/definition/definition_testing.h"

namespace skald::definition {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

// A text read, with its findings.
struct Reading {
  explicit Reading(absl::string_view text, const DefinitionLimits& limits = {}) {
    DiagnosticSink sink(limits.diagnostics_max);
    readable = ReadDocument(text, limits, sink, document);
    errors = std::move(sink).Take();
  }
  std::string Text() const { return document.root->value.ToText(); }

  Document document;
  bool readable = false;
  std::vector<Diagnostic> errors;
};

TEST(YamlReader, ResolvesScalarsByTheCoreSchema) {
  const std::pair<const char*, const char*> cases[] = {
      {"null", "null"},
      {"~", "null"},
      {"Null", "null"},
      {"nULL", R"("nULL")"},
      {"true", "true"},
      {"False", "false"},
      {"yes", R"("yes")"},
      {"on", R"("on")"},
      {"off", R"("off")"},
      {"0", "0"},
      {"-12", "-12"},
      {"+12", "12"},
      {"012", "12"},
      {"0o17", "15"},
      {"0x1F", "31"},
      {"0o8", R"("0o8")"},
      {"0xg", R"("0xg")"},
      {"-0x1", R"("-0x1")"},
      {"1.5", "1.5"},
      {"1.", "1"},
      {".5", "0.5"},
      {"-.5", "-0.5"},
      {".", R"(".")"},
      {"1e3", "1000"},
      {"1e", R"("1e")"},
      {"12345678901234567890", "12345678901234567890"},
      {"0.1000000000000000055", "0.1000000000000000055"},
      {"1.2.0", R"("1.2.0")"},
      {"1_000", R"("1_000")"},
      {"2026-07-29", R"("2026-07-29")"},
      {"12:30", R"("12:30")"},
      {"'12'", R"("12")"},
      {"\"a\\nb\"", R"("a\nb")"},
      {"!!str 12", R"("12")"},
      {"! 12", R"("12")"},
      {"!!int 12", "12"},
      {"!!float 12", "12"},
      {"!!bool true", "true"},
      {"!!null ''", "null"},
      {"|\n  a\n  b\n", R"("a\nb\n")"},
      {">-\n  a\n  b\n", R"("a b")"},
      {"[1, 'a', {b: c}]", R"([1,"a",{"b":"c"}])"},
  };
  for (const auto& [yaml, json] : cases) {
    const Reading reading(absl::StrCat("v: ", yaml));
    ASSERT_TRUE(reading.readable) << yaml;
    EXPECT_THAT(reading.errors, SizeIs(0)) << yaml;
    EXPECT_EQ(reading.Text(), absl::StrCat("{\"v\":", json, "}")) << yaml;
  }
}

TEST(YamlReader, ReadsJson) {
  const std::string text =
      R"({"a": [1, 2.5, true, null, "x\/y\u00e9"], "b": {"c": "\ud83d\ude00 \\ud83d"}, "d": ""})";
  const Reading reading(text);
  ASSERT_TRUE(reading.readable);
  EXPECT_EQ(reading.Text(),
            "{\"a\":[1,2.5,true,null,\"x/yé\"],\"b\":{\"c\":\"😀 \\\\ud83d\"},\"d\":\"\"}");
}

TEST(YamlReader, KeepsColumnsBehindJoinedSurrogates) {
  const Reading reading("{\"a\": \"\\ud83d\\ude00\", \"b\": 1}");
  ASSERT_TRUE(reading.readable);
  const Value b = Value(*reading.document.root).Get("b");
  EXPECT_EQ(b.key_place(), (Place{1, 23}));
}

TEST(YamlReader, KeepsColumnsBehindManyJoinedSurrogates) {
  const std::string pair = "\"\\ud83d\\ude00\",";
  const int count = 15'000;
  std::string text = "[";
  for (int line = 0; line < 2; ++line) {
    for (int i = 0; i < count; ++i) text += pair;
    text += "\n";
  }
  const Reading reading(text + "1]");
  ASSERT_TRUE(reading.readable);
  const Value root(*reading.document.root);
  const int width = static_cast<int>(pair.size());
  for (const int i : {0, 1, count / 2, count - 1}) {
    EXPECT_EQ(root.At(i).place(), (Place{1, 2 + i * width}));
    EXPECT_EQ(root.At(count + i).place(), (Place{2, 1 + i * width}));
  }
  EXPECT_EQ(root.At(2 * count).place(), (Place{3, 1}));
}

TEST(YamlReader, KnowsWhereValuesStand) {
  const Reading reading("a:\n  - x: 1\n    é: [p, q]\nb: text\n");
  ASSERT_TRUE(reading.readable);
  const Value root(*reading.document.root);
  const Value second = root.Get("a").At(0).Get("é");
  EXPECT_EQ(second.key_place(), (Place{3, 5}));
  EXPECT_EQ(second.place(), (Place{3, 8}));
  EXPECT_EQ(second.At(1).place(), (Place{3, 12}));
  EXPECT_EQ(second.At(1).pointer(), "/a/0/é/1");
  EXPECT_EQ(root.Get("b").place(), (Place{4, 4}));
  EXPECT_EQ(root.Follow("/a/0/x").place(), (Place{2, 8}));
  EXPECT_EQ(root.Follow("/a/0/none").place(), (Place{2, 5}));
}

TEST(YamlReader, FollowsAliasesAndMergesMappings) {
  const Reading reading(
      "base: &base {x: 1, y: 2}\n"
      "more: &more {y: 3, z: 4}\n"
      "one: {<<: *base, x: 9}\n"
      "two: {<<: [*base, *more]}\n"
      "same: *base\n"
      "text: {'<<': 1}\n");
  ASSERT_TRUE(reading.readable);
  EXPECT_THAT(reading.errors, SizeIs(0));
  const Value root(*reading.document.root);
  EXPECT_EQ(root.Get("one").json().ToText(), R"({"x":9,"y":2})");
  EXPECT_EQ(root.Get("two").json().ToText(), R"({"x":1,"y":2,"z":4})");
  EXPECT_EQ(root.Get("same").json().ToText(), R"({"x":1,"y":2})");
  EXPECT_EQ(root.Get("text").json().ToText(), R"({"<<":1})");
  EXPECT_EQ(root.Get("one").Get("y").key_place(), (Place{1, 20}));
}

struct Refusal {
  const char* text;
  int line;
  int column;
  const char* pointer;
  const char* fragment;
};

TEST(YamlReader, RefusesWithPlace) {
  const Refusal cases[] = {
      {"", 1, 1, "", "no document"},
      {"# only a comment\n", 1, 1, "", "no document"},
      {"a: 1\na: 2\n", 2, 1, "/a", "stands twice in this object, first at line 1, column 1"},
      {"{\"a\": 1, \"b\": {\"c\": 1, \"c\": 2}}", 1, 24, "/b/c", "stands twice"},
      {"1: x\n", 1, 1, "", "a key must be a string, this is a number; put it in quotes: \"1\""},
      {"true: x\n", 1, 1, "", "a key must be a string, this is a boolean"},
      {"? [a]\n: x\n", 1, 3, "", "a key must be a string, this is a array"},
      {"a: .inf\n", 1, 4, "/a", "no JSON value"},
      {"a: [1, -.Inf, .nan]\n", 1, 8, "/a/1", "no JSON value"},
      {"a: !!int x\n", 1, 4, "/a", "does not fit its YAML tag"},
      {"a: !thing x\n", 1, 4, "/a", "tag '!thing' is not known"},
      {"a: !thing {}\n", 1, 4, "/a", "tag '!thing' is not known"},
      {"a: *none\n", 1, 4, "/a", "alias '*none' has no anchor"},
      {"a: &a [1, *a]\n", 1, 11, "/a/1", "refers to what it stands in"},
      {"a: {<<: 1}\n", 1, 5, "/a", "a merge key (<<) takes"},
      {"a: 1\n---\nb: 2\n", 2, 1, "", "a second YAML document begins here"},
      {"a: [1\n", 2, 1, "/a/1", "broken YAML"},
      {"a:\n\t- 1\n", 2, 1, "/a", "a tab"},
      {"a: b: c\n", 1, 5, "", "broken YAML"},
      {"a: {b: ${ .x }}\n", 1, 9, "/a", "an expression needs quotes: '${ ... }'"},
      {"a: 'x\n", 2, 1, "/a", "broken YAML"},
      {"a: 1\n b: 2\n", 2, 3, "", "broken YAML"},
      {"a: \"\\ud800\"\n", 1, 7, "/a", "broken YAML"},
      {"a: \x01\n", 1, 4, "", "byte 0x01 is a control character"},
      {"a: 1\nbé: \xff\n", 2, 5, "", "byte 0xff is no UTF-8"},
      {"\xFF\xFE{\0}\0", 1, 1, "", "byte 0xff is no UTF-8"},
      {"a: %\n", 1, 4, "/a", "broken YAML"},
  };
  for (const Refusal& c : cases) {
    const Reading reading(c.text);
    ASSERT_FALSE(reading.errors.empty()) << c.text;
    EXPECT_EQ(reading.errors[0].line, c.line) << c.text << reading.errors[0].ToString();
    EXPECT_EQ(reading.errors[0].column, c.column) << c.text << reading.errors[0].ToString();
    EXPECT_EQ(reading.errors[0].pointer, c.pointer) << c.text;
    EXPECT_THAT(reading.errors[0].message, HasSubstr(c.fragment)) << c.text;
  }
}

TEST(YamlReader, AcceptsAByteOrderMark) {
  const Reading reading(
      "\xEF\xBB\xBF"
      "a: 1");
  ASSERT_TRUE(reading.readable);
  EXPECT_EQ(reading.Text(), R"({"a":1})");
  EXPECT_EQ(Value(*reading.document.root).Get("a").place(), (Place{1, 4}));
}

}  // namespace
}  // namespace skald::definition
