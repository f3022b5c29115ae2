// What a schema accepts, what it says about the rest, and what is no schema: tables of cases that
// the official suite does not have, or that must hold where it is not at hand.
#include "engine/schema/schema.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace skald::schema {
namespace {

using ::skald::testing::IsOk;
using ::skald::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

Json Parsed(absl::string_view text) {
  absl::StatusOr<Json> value = Json::Parse(text);
  EXPECT_THAT(value, IsOk()) << text;
  return value.ok() ? *value : Json();
}

Schema Compiled(absl::string_view text, const Options& options = {}) {
  absl::StatusOr<Schema> schema = Schema::Compile(Parsed(text), options);
  EXPECT_THAT(schema, IsOk()) << text;
  return schema.ok() ? *schema : Schema();
}

struct Case {
  const char* schema;
  const char* value;
  bool valid;
};

void RunCases(const std::vector<Case>& cases, const Options& options = {}) {
  for (const Case& test : cases) {
    const Schema schema = Compiled(test.schema, options);
    const Json value = Parsed(test.value);
    EXPECT_EQ(schema.IsValid(value), test.valid) << test.schema << " on " << test.value;
    EXPECT_EQ(schema.Validate(value).empty(), test.valid) << test.schema << " on " << test.value;
  }
}

TEST(Schema, NumbersAreExact) {
  RunCases({
      {R"({"type": "integer"})", "1.0", true},
      {R"({"type": "integer"})", "1e300", true},
      {R"({"type": "integer"})", "12345678901234567890", true},
      {R"({"type": "integer"})", "12345678901234567890.0", true},
      {R"({"type": "integer"})", "12345678901234567890.5", false},
      {R"({"type": "integer"})", "1.00000000000000000001", false},
      {R"({"type": "integer"})", "1e400", true},
      {R"({"type": "integer"})", "1e-400", false},
      {R"({"type": ["integer", "string"]})", "1.5", false},
      {R"({"maximum": 9007199254740993})", "9007199254740993", true},
      {R"({"maximum": 9007199254740992})", "9007199254740993", false},
      {R"({"maximum": 12345678901234567890})", "12345678901234567891", false},
      {R"({"exclusiveMinimum": 0.1})", "0.10000000000000000001", true},
      {R"({"minimum": 0.1})", "0.1", true},
      {R"({"multipleOf": 0.01})", "19.99", true},
      {R"({"multipleOf": 0.01})", "4.35", true},
      {R"({"multipleOf": 0.01})", "4.355", false},
      {R"({"multipleOf": 0.1})", "1e300", true},
      {R"({"multipleOf": 3})", "9223372036854775807", false},
      {R"({"multipleOf": 7})", "9223372036854775807", true},
      {R"({"multipleOf": 3})", "123456789012345678901234567890", true},
      {R"({"multipleOf": 123456789012345678901234567890})", "246913578024691357802469135780", true},
      {R"({"multipleOf": 123456789012345678901234567890})", "246913578024691357802469135781",
       false},
      {R"({"multipleOf": 1e-300})", "1e300", true},
      {R"({"multipleOf": 1e300})", "1e-300", false},
      {R"({"const": 1})", "1.0", true},
      {R"({"const": 12345678901234567890})", "12345678901234567891", false},
      {R"({"enum": [false, 0]})", "0.0", true},
      {R"({"enum": [false]})", "0", false},
  });
}

TEST(Schema, StringsAreCountedInCodePoints) {
  RunCases({
      {R"({"maxLength": 2})", R"("äö")", true},
      {R"({"maxLength": 1})", R"("äö")", false},
      {R"({"minLength": 2})", R"("💩")", false},
      {R"({"minLength": 1})", R"("💩")", true},
      {R"({"minLength": 1e30})", R"("a")", false},
  });
}

TEST(Schema, PatternsAreEcmaScript) {
  RunCases({
      {R"({"pattern": "^\\d+$"})", R"("123")", true},
      {R"({"pattern": "^\\d+$"})", R"("١٢٣")", false},
      {R"({"pattern": "^\\w$"})", R"("é")", false},
      {R"({"pattern": "^\\s$"})", "\"\u00a0\"", true},
      {R"({"pattern": "^\\S$"})", "\"\u00a0\"", false},
      {R"({"pattern": "^[^\\s]$"})", "\"\u2003\"", false},
      {R"({"pattern": "^[\\S]$"})", R"("x")", true},
      {R"({"pattern": "^a.c$"})", "\"a\u2028c\"", false},
      {R"({"pattern": "a$"})", R"("a\n")", false},
      {R"({"pattern": "^[a]$"})", R"("a\n")", false},
      {R"({"pattern": "^\\uD83D\\uDCA9$"})", R"("💩")", true},
      {R"({"pattern": "^\\u{1F4A9}$"})", R"("💩")", true},
      {R"({"pattern": "^.$"})", R"("💩")", true},
      {R"({"pattern": "^\\p{Script=Greek}+$"})", R"("λόγος")", true},
      {R"({"pattern": "^\\P{Lu}+$"})", R"("abC")", false},
      {R"({"pattern": "[[:alpha:]]"})", R"("a]")", true},
      {R"({"pattern": "^[^]$"})", R"("\n")", true},
      {R"({"pattern": "^\\cA$"})", R"("\u0001")", true},
      {R"({"pattern": "^(?<y>\\d{4})-\\k<y>$"})", R"("2024-2024")", true},
      {R"({"pattern": "^(?!x).*$"})", R"("xa")", false},
      {R"({"pattern": "^x-"})", R"("x-a")", true},
      {R"({"pattern": "-x$"})", R"("a-xb")", false},
      {R"({"pattern": "^plain$"})", R"("plain")", true},
      {R"({"pattern": "lai"})", R"("plain")", true},
      {R"({"pattern": ""})", R"("")", true},
      {R"({"pattern": "a{b"})", R"("a{b")", true},
  });
}

TEST(Schema, RunawayPatternsFailInsteadOfHanging) {
  const Schema schema = Compiled(R"_({"not": {"pattern": "^(a+)+$"}})_");
  const Json value = Json::String(std::string(40, 'a') + "b");
  EXPECT_FALSE(schema.IsValid(value));
  const std::vector<Violation> violations = schema.Validate(value);
  ASSERT_THAT(violations, SizeIs(1));
  EXPECT_THAT(violations[0].message, HasSubstr("takes too long"));
}

TEST(Schema, UniqueItemsOfAnyLength) {
  const Schema schema = Compiled(R"({"uniqueItems": true})");
  for (const int count : {2, 16, 17, 1000}) {
    Json::ArrayBuilder builder;
    for (int i = 0; i < count; ++i) builder.Add(Json::Int(i * 7919 % 1009));
    const Json distinct = std::move(builder).Build();
    EXPECT_TRUE(schema.IsValid(distinct)) << count;
    EXPECT_FALSE(schema.IsValid(distinct.WithAppended(distinct.At(0)))) << count;
  }
  EXPECT_FALSE(schema.IsValid(Parsed(R"([{"a": 1, "b": [2]}, {"b": [2.0], "a": 1}])")));
}

TEST(Schema, EnumsOfAnyLength) {
  std::string text = R"({"enum": [null)";
  for (int i = 0; i < 50; ++i) absl::StrAppend(&text, ", \"choice-", i, "\", ", i);
  const Schema schema = Compiled(text + "]}");
  EXPECT_TRUE(schema.IsValid(Json()));
  EXPECT_TRUE(schema.IsValid(Json::Int(49)));
  EXPECT_TRUE(schema.IsValid(Json::String("choice-7")));
  EXPECT_FALSE(schema.IsValid(Json::Int(50)));
  EXPECT_FALSE(schema.IsValid(Json::String("choice-70")));
}

TEST(Schema, UnevaluatedSeesThroughReferencesAndBranches) {
  constexpr const char* kSchema = R"({
    "$ref": "#/$defs/named",
    "anyOf": [{"properties": {"a": true}, "required": ["a"]},
              {"properties": {"b": {"type": "string"}}, "required": ["b"]}],
    "unevaluatedProperties": false,
    "$defs": {"named": {"properties": {"name": {"type": "string"}}}}})";
  RunCases({
      {kSchema, R"({"name": "x", "a": 1})", true},
      {kSchema, R"({"name": "x", "a": 1, "b": "y"})", true},
      {kSchema, R"({"name": "x", "a": 1, "b": 2})", false},
      {kSchema, R"({"name": "x", "a": 1, "c": 2})", false},
      {R"({"prefixItems": [true], "contains": {"const": 7}, "unevaluatedItems": false})",
       "[1, 7, 7]", true},
      {R"({"prefixItems": [true], "contains": {"const": 7}, "unevaluatedItems": false})",
       "[1, 7, 8]", false},
  });
}

TEST(Schema, UnevaluatedOfManyMembers) {
  std::string text = "{";
  for (int i = 0; i < 1000; ++i) absl::StrAppend(&text, "\"x", i, "\": 1, ");
  const Schema schema =
      Compiled(R"({"patternProperties": {"^x": true}, "unevaluatedProperties": false})");
  EXPECT_TRUE(schema.IsValid(Parsed(text + R"("x": 1})")));
  EXPECT_FALSE(schema.IsValid(Parsed(text + R"("y": 1})")));
}

TEST(Schema, RegistryResolvesReferences) {
  Options options;
  options.registry["https://example.org/address"] = Parsed(
      R"({"type": "object", "$defs": {"zip": {"$anchor": "zip", "type": "string"}},
          "properties": {"zip": {"$ref": "#zip"}}})");
  options.registry["bundle"] =
      Parsed(R"({"$defs": {"a": {"$id": "https://example.org/inner", "type": "null"}}})");
  RunCases(
      {
          {R"({"$ref": "https://example.org/address"})", R"({"zip": "1"})", true},
          {R"({"$ref": "https://example.org/address"})", R"({"zip": 1})", false},
          {R"({"$id": "https://example.org/x", "$ref": "address#zip"})", "1", false},
          {R"({"$id": "https://example.org/x", "$ref": "./address#/$defs/zip"})", "\"1\"", true},
          {R"({"$ref": "https://example.org/inner"})", "null", true},
          {R"({"$ref": "https://example.org/inner"})", "1", false},
      },
      options);
}

TEST(Schema, MetaschemasAreAtHand) {
  const Schema schema = Compiled(R"({"$ref": "https://json-schema.org/draft/2020-12/schema"})");
  EXPECT_TRUE(schema.IsValid(Parsed(R"({"type": "object", "properties": {"a": {"minimum": 1}}})")));
  EXPECT_FALSE(schema.IsValid(Parsed(R"({"properties": {"a": {"minimum": "1"}}})")));
  EXPECT_FALSE(schema.IsValid(Parsed("1")));
}

TEST(Schema, MistakesAreRefusedWithTheirPlace) {
  struct Mistake {
    const char* schema;
    const char* message;
  };
  const Mistake kMistakes[] = {
      {"1", "expected a schema"},
      {R"({"type": "int"})", "At '/type'"},
      {R"({"type": []})", ""},
      {R"({"properties": {"a": {"minimum": "1"}}})", "At '/properties/a/minimum'"},
      {R"_({"$defs": {"a/b": {"pattern": "("}}})_", "At '/$defs/a~1b/pattern'"},
      {R"({"pattern": "a++"})", "nothing to repeat"},
      {R"({"pattern": "\\A"})", "no such escape"},
      {R"_({"pattern": "(*UTF)"})_", "nothing to repeat"},
      {R"_({"pattern": "(?R)"})_", "no such kind of group"},
      {R"({"patternProperties": {"[": true}})", "is not closed"},
      {R"({"$ref": "#/nowhere"})", "leads nowhere"},
      {R"({"$ref": "#nowhere"})", "no anchor 'nowhere'"},
      {R"({"$ref": "#"})", "refers to itself without end"},
      {R"({"allOf": [{"anyOf": [{"$ref": "#"}, true]}]})", "refers to itself without end"},
      {R"({"$id": "x#y"})", "$id"},
      {R"({"$anchor": "1"})", "$anchor"},
      {R"({"$defs": {"a": {"$anchor": "x"}, "b": {"$anchor": "x"}}})", "is an anchor already"},
      {R"({"$defs": {"a": {"$id": "x"}, "b": {"$id": "x"}}})", "names another schema already"},
      {R"({"multipleOf": 0})", "above zero"},
      {R"({"minLength": -1})", "integer of at least 0"},
      {R"({"minLength": 1.5})", "integer of at least 0"},
      {R"({"required": ["a", "a"]})", "distinct strings"},
      {R"({"required": "a"})", "distinct strings"},
      {R"({"allOf": []})", "at least one schema"},
      {R"({"items": [true]})", "expected a schema"},
      {R"({"uniqueItems": 1})", "expected a boolean"},
      {R"({"enum": 1})", "expected an array"},
      {R"({"properties": []})", "expected an object"},
      {R"({"format": 1})", "expected a string"},
  };
  for (const Mistake& mistake : kMistakes) {
    const absl::StatusOr<Schema> schema = Schema::Compile(Parsed(mistake.schema));
    if (std::string(mistake.message).empty()) continue;
    EXPECT_THAT(schema, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(mistake.message)))
        << mistake.schema;
  }
  EXPECT_THAT(Schema::Compile(Parsed(R"({"minimum": "1", "not": {"maximum": "2"}})")),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       ::testing::AllOf(HasSubstr("/minimum"), HasSubstr("/not/maximum"))));
}

TEST(Schema, WhatIsNotAtHandIsToldFromWhatIsWrong) {
  for (const auto& [schema, message] :
       {std::pair(R"({"$ref": "https://example.org/unknown"})", "registry"),
        std::pair(R"({"items": {"$ref": "a"}, "not": {"$ref": "b.json#/c"}})", "'b.json'"),
        std::pair(R"({"$schema": "http://json-schema.org/draft-07/schema#"})", "dialect")}) {
    EXPECT_THAT(Schema::Compile(Parsed(schema)),
                StatusIs(absl::StatusCode::kNotFound, HasSubstr(message)))
        << schema;
  }
  EXPECT_THAT(Schema::Compile(Parsed(R"({"$ref": "https://example.org/x", "type": "int"})")),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("registry")));
}

TEST(Schema, VocabulariesOfADialectDecideWhatIsAKeyword) {
  Options options;
  options.registry["https://example.org/no-validation"] = Parsed(R"({"$vocabulary": {
      "https://json-schema.org/draft/2020-12/vocab/core": true,
      "https://json-schema.org/draft/2020-12/vocab/applicator": true}})");
  options.registry["https://example.org/formats"] = Parsed(R"({"$vocabulary": {
      "https://json-schema.org/draft/2020-12/vocab/format-assertion": true}})");
  options.registry["https://example.org/unknown"] =
      Parsed(R"({"$vocabulary": {"https://example.org/vocabulary": true}})");
  RunCases(
      {
          {R"({"$schema": "https://example.org/no-validation", "type": "string"})", "1", true},
          {R"({"$schema": "https://example.org/no-validation", "not": true})", "1", false},
          {R"({"$schema": "https://example.org/formats", "format": "ipv4"})", "\"1\"", false},
      },
      options);
  EXPECT_THAT(
      Schema::Compile(Parsed(R"({"$schema": "https://example.org/unknown"})"), options),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("https://example.org/vocabulary")));
}

TEST(Schema, LoopsThatDependOnTheValueEndInAViolation) {
  const Schema schema = Compiled(R"({"if": {"type": "object"}, "then": {"$ref": "#"}})");
  EXPECT_TRUE(schema.IsValid(Json::Int(1)));
  EXPECT_FALSE(schema.IsValid(Json::EmptyObject()));
  const std::vector<Violation> violations = schema.Validate(Json::EmptyObject());
  ASSERT_THAT(violations, SizeIs(1));
  EXPECT_THAT(violations[0].message, HasSubstr("too deep"));
}

TEST(Schema, StepsAreBounded) {
  Options options;
  options.steps_max = 100;
  const Schema schema = Compiled(R"({"not": {"items": {"minimum": 0}}})", options);
  Json::ArrayBuilder builder;
  for (int i = 0; i < 1000; ++i) builder.Add(Json::Int(i));
  const Json value = std::move(builder).Build();
  EXPECT_FALSE(schema.IsValid(value));
  ASSERT_THAT(schema.Validate(value), SizeIs(1));
  EXPECT_THAT(schema.Validate(value)[0].message, HasSubstr("too many steps"));
}

// Exponential without a budget: each level asks two questions about the next.
TEST(Schema, ExponentialSchemasAreBounded) {
  std::string text = R"({"$ref": "#/$defs/0", "$defs": {"40": false)";
  for (int i = 0; i < 40; ++i) {
    absl::StrAppend(&text, ", \"", i, "\": {\"anyOf\": [{\"$ref\": \"#/$defs/", i + 1,
                    "\"}, {\"$ref\": \"#/$defs/", i + 1, "\"}]}");
  }
  Options options;
  options.steps_max = 100'000;
  const Schema schema = Compiled(text + "}}", options);
  EXPECT_FALSE(schema.IsValid(Json()));
  EXPECT_FALSE(schema.Validate(Json()).empty());
}

TEST(Schema, DeepestDocumentsFit) {
  constexpr int kDepth = 500;
  std::string text = "1";
  for (int i = 0; i < kDepth; ++i) text = absl::StrCat("{\"next\": ", text, "}");
  const Json deep = Parsed(text);
  const Schema list = Compiled(R"({
      "anyOf": [{"type": "integer"}, {"allOf": [{"$ref": "#/$defs/node"}]}],
      "$defs": {"node": {"properties": {"next": {"$ref": "#"}}, "type": "object",
                         "unevaluatedProperties": false}}})");
  EXPECT_TRUE(list.IsValid(deep));
  std::string schema_text = "true";
  for (int i = 0; i < kDepth; ++i) schema_text = absl::StrCat("{\"not\": ", schema_text, "}");
  const Json deep_schema = Parsed(schema_text);
  const Schema meta = Compiled(R"({"$ref": "https://json-schema.org/draft/2020-12/schema"})");
  EXPECT_TRUE(meta.IsValid(deep_schema));
  EXPECT_THAT(Schema::Compile(deep_schema), IsOk());
}

TEST(Schema, DefaultAcceptsEverything) {
  EXPECT_TRUE(Schema().IsValid(Json()));
  EXPECT_THAT(Schema().Validate(Json()), SizeIs(0));
}

std::string Shown(const Violation& violation) {
  return absl::StrCat(violation.instance_pointer, " | ", violation.schema_pointer, " | ",
                      violation.keyword, " | ", violation.message);
}

std::vector<std::string> Explained(absl::string_view schema, absl::string_view value,
                                   const Options& options = {}) {
  std::vector<std::string> result;
  for (const Violation& violation : Compiled(schema, options).Validate(Parsed(value))) {
    result.push_back(Shown(violation));
  }
  return result;
}

TEST(Violations, AreFoundAllAtOnce) {
  EXPECT_THAT(
      Explained(R"({"type": "object", "required": ["id", "total"], "additionalProperties": false,
                    "properties": {"id": {"type": "string"}, "total": {"minimum": 0},
                      "lines": {"items": {"$ref": "#/$defs/line"}}},
                    "$defs": {"line": {"required": ["sku"], "maxProperties": 1}}})",
                R"({"id": 7, "a/b": 1, "lines": [{"sku": 1}, {"x": 1, "y": 2}]})"),
      ElementsAre("/id | /properties/id/type | type | Expected string, but got 7.",
                  "/a~1b | /additionalProperties | additionalProperties | The property 'a/b' is "
                  "not allowed.",
                  "/lines/1 | /$defs/line/maxProperties | maxProperties | Expected at most 1 "
                  "property, but got 2.",
                  "/lines/1 | /$defs/line/required | required | The property 'sku' is missing.",
                  " | /required | required | The property 'total' is missing."));
}

TEST(Violations, SaySomethingForEveryKeyword) {
  struct Explanation {
    const char* schema;
    const char* value;
    const char* violation;
  };
  const Explanation kExplanations[] = {
      {R"({"type": ["string", "null"]})", "[]",
       " | /type | type | Expected null or string, but got array."},
      {R"({"const": {"a": 1}})", "2", " | /const | const | Expected {\"a\":1}, but got 2."},
      {R"({"enum": ["b", "a"]})", "2",
       " | /enum | enum | Expected one of \"a\", \"b\", but got 2."},
      {R"({"minimum": 1.5})", "1", " | /minimum | minimum | Expected at least 1.5, but got 1."},
      {R"({"exclusiveMinimum": 1})", "1",
       " | /exclusiveMinimum | exclusiveMinimum | Expected more than 1, but got 1."},
      {R"({"maximum": 1})", "2", " | /maximum | maximum | Expected at most 1, but got 2."},
      {R"({"exclusiveMaximum": 1})", "1",
       " | /exclusiveMaximum | exclusiveMaximum | Expected less than 1, but got 1."},
      {R"({"multipleOf": 0.5})", "0.7",
       " | /multipleOf | multipleOf | Expected a multiple of 0.5, but got 0.7."},
      {R"({"minLength": 2})", "\"a\"",
       " | /minLength | minLength | Expected at least 2 characters, but got 1."},
      {R"({"pattern": "^b"})", "\"a\"",
       " | /pattern | pattern | Expected a text that matches '^b', but got \"a\"."},
      {R"({"format": "date"})", "\"a\"",
       " | /format | format | Expected the format 'date', but got \"a\"."},
      {R"({"maxItems": 0})", "[1]",
       " | /maxItems | maxItems | Expected at most 0 elements, but got 1."},
      {R"({"uniqueItems": true})", "[1, 1]",
       " | /uniqueItems | uniqueItems | Expected distinct elements, but got [1,1]."},
      {R"({"contains": {"const": 1}, "maxContains": 2})", "[]",
       " | /contains | contains | Expected at least 1 and at most 2 of the elements to fit, but "
       "got []."},
      {R"({"items": false})", "[1]", "/0 | /items | items | The element 0 is not allowed."},
      {R"({"properties": {"a": false}})", R"({"a": 1})",
       "/a | /properties/a | properties | The property 'a' is not allowed."},
      {R"({"propertyNames": {"maxLength": 1}})", R"({"ab": 1})",
       " | /propertyNames | propertyNames | The property name 'ab' does not fit: Expected at most "
       "1 character, but got 2."},
      {R"({"dependentRequired": {"a": ["b"]}})", R"({"a": 1})",
       " | /dependentRequired | dependentRequired | The property 'b' is missing, which 'a' needs."},
      {R"({"not": {"type": "null"}})", "null",
       " | /not | not | Expected not to fit, but got null."},
      {R"({"if": true, "then": {"minimum": 3}})", "1",
       " | /then/minimum | minimum | Expected at least 3, but got 1."},
      {R"({"unevaluatedProperties": false})", R"({"a": 1})",
       "/a | /unevaluatedProperties | unevaluatedProperties | The property 'a' is not allowed."},
      {"false", "1", " |  |  | No value is allowed here."},
  };
  for (const Explanation& test : kExplanations) {
    EXPECT_THAT(Explained(test.schema, test.value, {.assert_formats = true}),
                ElementsAre(test.violation))
        << test.schema;
  }
}

TEST(Violations, OfAlternativesShowTheClosest) {
  EXPECT_THAT(
      Explained(R"({"anyOf": [{"type": "string"},
                              {"type": "object", "properties": {"a": {"type": "string"}}}]})",
                R"({"a": 1})"),
      ElementsAre(" | /anyOf | anyOf | Expected to fit one of 2 alternatives, but got {\"a\":1}.",
                  "/a | /anyOf/1/properties/a/type | type | Expected string, but got 1."));
}

TEST(Violations, NameForeignSchemasByUri) {
  Options options;
  options.registry["https://example.org/int"] = Parsed(R"({"type": "integer"})");
  EXPECT_THAT(Explained(R"({"$ref": "https://example.org/int"})", "\"a\"", options),
              ElementsAre(" | https://example.org/int#/type | type | Expected integer, but got "
                          "string."));
}

TEST(Violations, AreNoMoreThanAskedFor) {
  const Schema schema = Compiled(R"({"items": {"type": "string"}})");
  EXPECT_THAT(schema.Validate(Parsed("[1, 2, 3]"), 2), SizeIs(2));
  EXPECT_THAT(schema.Validate(Parsed("[1, 2, 3]"), 0), SizeIs(0));
}

}  // namespace
}  // namespace skald::schema
