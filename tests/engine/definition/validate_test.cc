// What is an error and what a warning to those who ask whether a definition is valid, and whether
// it can run here.
#include "engine/definition/validate.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/engine/definition/corpus.h"
#include "tests/engine/definition/definition_testing.h"

namespace skald::definition {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;
using enum Diagnostic::Severity;

std::string Body(absl::string_view body) { return absl::StrCat(kHeader, body); }

TEST(Validate, WhatCannotRunIsAWarningUnlessItMustRun) {
  const std::string text = Body("do:\n  - a: {for: {in: .xs}, do: [{b: {call: work}}]}\n");
  const Validation valid = Validate(text);
  EXPECT_TRUE(valid.valid);
  ASSERT_EQ(valid.diagnostics.size(), 1u);
  EXPECT_EQ(valid.diagnostics[0].severity, kWarning);
  EXPECT_EQ(valid.diagnostics[0].pointer, "/do/0/a/for");

  const Validation deployable = Validate(text, {.deployable = true});
  EXPECT_FALSE(deployable.valid);
  ASSERT_EQ(deployable.diagnostics.size(), 1u);
  EXPECT_EQ(deployable.diagnostics[0].severity, kError);
}

TEST(Validate, WhatIsWrongIsAnErrorEitherWay) {
  const std::string text = Body("do:\n  - a: {fork: {branches: []}, thn: end}\n");
  for (const bool deployable : {false, true}) {
    const Validation result = Validate(text, {.deployable = deployable});
    EXPECT_FALSE(result.valid);
    ASSERT_EQ(result.diagnostics.size(), 2u);
    EXPECT_EQ(result.diagnostics[0].severity, deployable ? kError : kWarning);
    EXPECT_EQ(result.diagnostics[1].severity, kError);
    EXPECT_THAT(result.diagnostics[1].message, HasSubstr("did you mean 'then'?"));
  }
}

TEST(Validate, OrdinaryWarningsStayWarnings) {
  const std::string text = Body("do:\n  - a: {call: compensate}\n");
  const Validation result = Validate(text, {.deployable = true});
  EXPECT_TRUE(result.valid);
  ASSERT_EQ(result.diagnostics.size(), 1u);
  EXPECT_EQ(result.diagnostics[0].severity, kWarning);
}

TEST(Validate, UnservedWorkersAreToldWhereTheyAreKnown) {
  const std::string text = Body(R"(use:
  functions:
    refund: {call: payBack}
do:
  - a: {call: work, metadata: {saga: {compensate: refund}}}
  - b: {call: ship}
  - c: {fork: {branches: [{d: {call: ship}}]}}
)");
  EXPECT_EQ(Validate(text).diagnostics.size(), 1u);
  const Validation result = Validate(text, {.served_functions = {{"work"}}});
  EXPECT_TRUE(result.valid);
  ASSERT_EQ(result.diagnostics.size(), 3u);
  EXPECT_EQ(result.diagnostics[0].message, "no worker serves 'payBack' now");
  EXPECT_EQ(result.diagnostics[0].line, 8);
  EXPECT_EQ(result.diagnostics[1].message, "no worker serves 'ship' now");
  EXPECT_EQ(result.diagnostics[1].line, 11);
  EXPECT_EQ(result.diagnostics[1].pointer, "/do/1/b/call");
  EXPECT_THAT(result.diagnostics[2].message, StartsWith("'fork' is not supported yet"));

  EXPECT_FALSE(Validate(Body("do: [{a: {call: work}}]\n"),
                        {.deployable = true, .served_functions = {{"other"}}})
                   .valid);
  EXPECT_TRUE(Validate(Body("do: [{a: {call: work}}]\n"),
                       {.deployable = true, .served_functions = {{"work"}}})
                  .valid);
}

// More findings than are kept: an error that was not kept still counts.
TEST(Validate, ErrorsBeyondTheBoundCount) {
  std::string text = Body("do:\n");
  for (int i = 0; i < 150; ++i)
    absl::StrAppend(&text, "  - a", i, ": {run: {shell: {command: x}}}\n");
  EXPECT_TRUE(Validate(text).valid);
  EXPECT_FALSE(Validate(text, {.deployable = true}).valid);
  EXPECT_FALSE(Validate(absl::StrCat(text, "  - z: {wait: PT1S, then: nowhere}\n")).valid);
}

TEST(Validate, TheWholeLanguageIsValid) {
  for (const std::string& text : Corpus()) {
    const Validation result = Validate(text);
    EXPECT_TRUE(result.valid) << Findings({.diagnostics = result.diagnostics}) << text;
  }
}

}  // namespace
}  // namespace skald::definition
