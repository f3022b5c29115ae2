// Findings as people read them: all at once, in order of place, each once.
#include <string>

#include "base/errors.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/engine/definition/definition_testing.h"
#include "tests/support/status_matchers.h"

namespace skald::definition {
namespace {

using ::skald::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

TEST(Diagnostics, ComeAllAtOnceInOrderOfPlace) {
  const CompileResult result = Compile(R"(document:
  dsl: '1.0.3'
  namespace: shop
  name: order
  version: 1.0
use:
  retries: {r: {delay: 5}}
do:
  - a: {call: f, then: nowhere, metadata: {saga: {compensat: g}}}
  - a: {wait: soon}
  - b: {set: {x: '${ $output }'}, thn: end}
)");
  EXPECT_FALSE(result.ok());
  std::vector<std::string> places;
  for (const Diagnostic& diagnostic : result.diagnostics) places.push_back(diagnostic.pointer);
  EXPECT_THAT(places, ElementsAre("/document/version", "/use/retries/r/delay", "/do/0/a/then",
                                  "/do/0/a/metadata/saga/compensat", "/do/1/a", "/do/1/a/wait",
                                  "/do/2/b/set/x", "/do/2/b/thn"));
  EXPECT_THAT(result.status(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("line 9, column 24 (/do/0/a/then): no task 'nowhere'")));
  const std::optional<ErrorInfo> info = GetErrorInfo(result.status());
  ASSERT_TRUE(info.has_value());
  EXPECT_EQ(info->reason, ErrorReason::kDefinitionInvalid);
  ASSERT_EQ(info->violations.size(), places.size());
  EXPECT_THAT(info->violations[2],
              Pair("/do/0/a/then", HasSubstr("line 9, column 24: no task 'nowhere'")));
}

TEST(Diagnostics, OfAGoodDefinitionAreNone) {
  const CompileResult result = Compile(absl::StrCat(kHeader, "do: []\n"));
  EXPECT_TRUE(result.ok());
  EXPECT_TRUE(result.status().ok());
  EXPECT_TRUE(result.diagnostics.empty());
}

TEST(Diagnostics, AreReadable) {
  Diagnostic diagnostic;
  diagnostic.line = 12;
  diagnostic.column = 7;
  diagnostic.pointer = "/do/0/charge";
  diagnostic.message = "wrong";
  EXPECT_EQ(diagnostic.ToString(), "line 12, column 7 (/do/0/charge): wrong");
  diagnostic.severity = Diagnostic::Severity::kWarning;
  diagnostic.pointer = "";
  EXPECT_EQ(diagnostic.ToString(), "line 12, column 7: warning: wrong");
  diagnostic.line = 0;
  EXPECT_EQ(diagnostic.ToString(), "warning: wrong");
}

// A broken text may still be looked at when its tree could be built.
TEST(Diagnostics, FollowDuplicateKeys) {
  const CompileResult result =
      Compile(absl::StrCat(kHeader, "do:\n  - a: {wait: PT1S, wait: PT2S, thn: end}\n"));
  ASSERT_EQ(result.diagnostics.size(), 2u);
  EXPECT_THAT(result.diagnostics[0].message, HasSubstr("'wait' stands twice in this object"));
  EXPECT_THAT(result.diagnostics[1].message, HasSubstr("did you mean 'then'?"));
}

}  // namespace
}  // namespace skald::definition
