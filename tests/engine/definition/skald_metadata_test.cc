// `document.metadata.skald`: attributes of sagas, compiled when the definition is; a typo is an error.
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/engine/definition/definition_testing.h"

namespace skald::definition {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

// A definition with this below `metadata:`, which is line 6.
std::string WithMetadata(absl::string_view metadata) {
  return absl::StrCat(kHeader, "  metadata:\n", metadata, "do:\n  - a: {set: {b: 1}}\n");
}

BadCase BadMetadata(const char* name, absl::string_view metadata, int line, int column,
                    const char* pointer, const char* fragment) {
  return {name, WithMetadata(metadata), line, column, pointer, fragment};
}

TEST(Attributes, AreCompiledAsWritten) {
  const auto program = MustCompile(WithMetadata(
      "    skald:\n"
      "      attributes:\n"
      "        customer: ${ .customer.name }\n"
      "        total: '${ $output.total // $context.total // $input.total }'\n"
      "        saga_id: ${ $saga.id }\n"));
  ASSERT_NE(program, nullptr);
  ASSERT_THAT(program->attributes, SizeIs(3));
  EXPECT_EQ(program->attributes[0].name, "customer");
  EXPECT_EQ(program->attributes[1].name, "total");
  const auto bind = [](absl::string_view name) {
    return name == "saga" ? Json::Object({{"id", Json::String("s-1")}}) : Json();
  };
  const absl::FunctionRef<Json(absl::string_view)> variable = bind;
  const Json input = Json::Parse(R"({"customer":{"name":"Ada"}})").value();
  EXPECT_EQ(program->attributes[0].value.Evaluate(input, {.variable = &variable})->AsString(),
            "Ada");
  EXPECT_EQ(program->attributes[2].value.Evaluate(input, {.variable = &variable})->AsString(),
            "s-1");
}

TEST(Attributes, AreOptionalAndOthersMetadataIsFree) {
  EXPECT_THAT(MustCompile(WithMetadata("    skald: {}\n    other: {anything: 1}\n"))->attributes,
              IsEmpty());
  EXPECT_THAT(MustCompile(WithMetadata("    skald: {attributes: {}}\n"))->attributes, IsEmpty());
  EXPECT_THAT(MustCompileBody("do:\n  - a: {set: {b: 1}}\n")->attributes, IsEmpty());
}

TEST(Attributes, AreBounded) {
  std::string many = "    skald:\n      attributes:\n";
  for (int i = 0; i < 32; ++i) absl::StrAppend(&many, "        a", i, ": ${ . }\n");
  EXPECT_THAT(MustCompile(WithMetadata(many))->attributes, SizeIs(32));
  many += "        more: ${ . }\n";
  ExpectRefused(BadMetadata("Many", many, 9, 9, "/document/metadata/skald/attributes",
                            "at most 32 attributes are allowed, found 33"));
}

class BadMetadataTest : public ::testing::TestWithParam<BadCase> {};

TEST_P(BadMetadataTest, IsRefused) { ExpectRefused(GetParam()); }

INSTANTIATE_TEST_SUITE_P(
    Skald, BadMetadataTest,
    ::testing::Values(
        BadMetadata("Typo", "    skald: {atributes: {a: '${ . }'}}\n", 7, 13,
                    "/document/metadata/skald/atributes", "did you mean 'attributes'?"),
        BadMetadata("NoObject", "    skald: yes\n", 7, 12, "/document/metadata/skald",
                    "an object"),
        BadMetadata("List", "    skald: {attributes: [a]}\n", 7, 25,
                    "/document/metadata/skald/attributes", "an object"),
        BadMetadata("Name", "    skald: {attributes: {a-b: '${ . }'}}\n", 7, 26,
                    "/document/metadata/skald/attributes/a-b", "an attribute's name"),
        BadMetadata("Literal", "    skald: {attributes: {a: x}}\n", 7, 29,
                    "/document/metadata/skald/attributes/a", "an expression ${ ... }"),
        BadMetadata("Syntax", "    skald: {attributes: {a: '${ .a | }'}}\n", 7, 29,
                    "/document/metadata/skald/attributes/a", "does not compile"),
        BadMetadata("Variable", "    skald: {attributes: {a: '${ $inputt.a }'}}\n", 7, 29,
                    "/document/metadata/skald/attributes/a", "did you mean '$input'?"),
        BadMetadata("OtherSite", "    skald: {attributes: {a: '${ $task.name }'}}\n", 7, 29,
                    "/document/metadata/skald/attributes/a", "$task is not bound here"),
        BadMetadata("Secret", "    skald: {attributes: {a: '${ $secrets.a }'}}\n", 7, 29,
                    "/document/metadata/skald/attributes/a", "$secrets is not bound here")),
    BadCaseName());

}  // namespace
}  // namespace skald::definition
