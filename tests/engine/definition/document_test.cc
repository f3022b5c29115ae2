// The document's head and reusable components: what a program takes from them, and what is refused
// where.
#include <string>

#include "base/sha256.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/engine/definition/definition_testing.h"

namespace skald::definition {
namespace {

TEST(Document, GivesItsIdentity) {
  const std::string text = R"(
document:
  dsl: 1.0.3
  namespace: shop
  name: fulfil-order
  version: 1.2.0-rc.1+build.7
  title: Fulfil an order
  summary: |
    Reserves, charges, *ships*.
  tags: {team: orders}
  metadata: {owner: us}
timeout: {after: PT1H}
do: []
)";
  const auto program = MustCompile(text);
  ASSERT_NE(program, nullptr);
  EXPECT_EQ(program->namespace_name, "shop");
  EXPECT_EQ(program->name, "fulfil-order");
  EXPECT_EQ(program->version, "1.2.0-rc.1+build.7");
  EXPECT_EQ(program->title, "Fulfil an order");
  EXPECT_EQ(program->summary, "Reserves, charges, *ships*.\n");
  EXPECT_EQ(program->hash, Sha256(text));
  EXPECT_EQ(program->document.Get("document").Get("tags").Get("team").AsString(), "orders");
  ASSERT_TRUE(program->timeout.has_value());
  EXPECT_EQ(program->timeout->constant.micros, kHour);
  ASSERT_EQ(program->nodes.size(), 1u);
  EXPECT_EQ(program->Find("/do"), 0u);
  EXPECT_EQ(program->Find("/do/0/none"), kNoNode);
  EXPECT_EQ(program->nodes[0].kind, NodeKind::kDo);
  EXPECT_EQ(program->nodes[0].name, "do");
  EXPECT_TRUE(program->nodes[0].scope.has_value());
}

TEST(Document, MayBeJson) {
  const auto program =
      MustCompile(R"({"document":{"dsl":"1.0.3","namespace":"a","name":"b","version":"1.0.0"},)"
                  R"("do":[{"s":{"set":{"x":"${ .y }"}}}]})");
  ASSERT_NE(program, nullptr);
  EXPECT_EQ(NodeAt(*program, "/do/0/s").kind, NodeKind::kSet);
}

TEST(Document, HashIsOfTheBytes) {
  EXPECT_NE(MustCompileBody("do: []\n")->hash, MustCompileBody("do: [] \n")->hash);
  EXPECT_EQ(MustCompileBody("do: []\n")->hash.size(), 32u);
}

class BadDocument : public ::testing::TestWithParam<BadCase> {};

TEST_P(BadDocument, IsRefusedWithItsPlace) { ExpectRefused(GetParam()); }

BadCase Head(const char* name, const char* lines, int line, int column, const char* pointer,
             const char* fragment) {
  return {name, std::string(lines) + "do: []\n", line, column, pointer, fragment};
}

INSTANTIATE_TEST_SUITE_P(
    Head, BadDocument,
    ::testing::Values(
        Head("NoDocument", "input: {}\n", 1, 1, "", "'document' is missing in a definition"),
        BadCase{"NoDo", std::string(kHeader), 1, 1, "", "'do' is missing in a definition"},
        Head("NoVersion", "document:\n  dsl: '1.0.3'\n  namespace: a\n  name: b\n", 2, 3,
             "/document", "'version' is missing in 'document'"),
        Head("FloatVersion",
             "document:\n  dsl: '1.0.3'\n  namespace: a\n  name: b\n  version: 1.0\n", 5, 12,
             "/document/version", "such as '1.0.0', found the number 1; put it in quotes"),
        Head("FloatDsl", "document:\n  dsl: 1.0\n  namespace: a\n  name: b\n  version: 1.0.0\n", 2,
             8, "/document/dsl", "in quotes"),
        Head("ShortVersion",
             "document:\n  dsl: 1.0.3\n  namespace: a\n  name: b\n  version: '1.0'\n", 5, 12,
             "/document/version", "expected a semantic version such as '1.0.0', found the string"),
        Head("LeadingZeroVersion",
             "document:\n  dsl: 1.0.3\n  namespace: a\n  name: b\n  version: 1.02.0\n", 5, 12,
             "/document/version", "semantic version"),
        Head("BadDsl", "document:\n  dsl: '1'\n  namespace: a\n  name: b\n  version: 1.0.0\n", 2, 8,
             "/document/dsl", "expected a semantic version"),
        Head("BadName", "document:\n  dsl: 1.0.3\n  namespace: a_b\n  name: b\n  version: 1.0.0\n",
             3, 14, "/document/namespace", "letters, digits and hyphens"),
        Head("LongName",
             "document:\n  dsl: 1.0.3\n  namespace: a\n  name: "
             "a123456789012345678901234567890123456789012345678901234567890123\n  version: 1.0.0\n",
             4, 9, "/document/name", "at most 63"),
        Head("HyphenAtEnd",
             "document:\n  dsl: 1.0.3\n  namespace: a\n  name: b-\n  version: 1.0.0\n", 4, 9,
             "/document/name", "no hyphen at either end"),
        Head("NumberName",
             "document:\n  dsl: 1.0.3\n  namespace: 12\n  name: b\n  version: 1.0.0\n", 3, 14,
             "/document/namespace", "put it in quotes: '12'"),
        Head("MisspeltKey",
             "document:\n  dsl: 1.0.3\n  namepsace: a\n  name: b\n  version: 1.0.0\n", 3, 3,
             "/document/namepsace",
             "'namepsace' is no key of 'document'; did you mean 'namespace'?"),
        Head("BadTags",
             "document:\n  dsl: 1.0.3\n  namespace: a\n  name: b\n  version: 1.0.0\n  tags: [a]\n",
             6, 9, "/document/tags", "expected an object, found a list")),
    BadCaseName());

INSTANTIATE_TEST_SUITE_P(
    Use, BadDocument,
    ::testing::Values(
        Bad("UnknownSection", "use:\n  funtions: {}\ndo: []\n", 7, 3, "/use/funtions",
            "did you mean 'functions'?"),
        Bad("RetryKey", "use:\n  retries:\n    r: {dellay: PT1S}\ndo: []\n", 8, 9,
            "/use/retries/r/dellay", "'dellay' is no key of a retry policy; did you mean 'delay'?"),
        Bad("RetryDelay", "use:\n  retries:\n    r: {delay: 5}\ndo: []\n", 8, 16,
            "/use/retries/r/delay", "a duration is an object"),
        Bad("RetryNegative", "use:\n  retries:\n    r: {delay: {seconds: -5}}\ndo: []\n", 8, 26,
            "/use/retries/r/delay/seconds", "from 0 to"),
        Bad("RetryUnit", "use:\n  retries:\n    r: {delay: {second: 5}}\ndo: []\n", 8, 17,
            "/use/retries/r/delay/second", "did you mean 'seconds'?"),
        Bad("EmptyDuration", "use:\n  retries:\n    r: {delay: {}}\ndo: []\n", 8, 16,
            "/use/retries/r/delay", "at least one unit"),
        Bad("TwoBackoffs",
            "use:\n  retries:\n    r: {backoff: {linear: {}, constant: {}}}\ndo: []\n", 8, 18,
            "/use/retries/r/backoff", "takes only one of 'constant', 'exponential' or 'linear'"),
        Bad("NullBackoff", "use:\n  retries:\n    r:\n      backoff:\n        linear:\ndo: []\n",
            10, 16, "/use/retries/r/backoff/linear", "expected an object, found nothing (null)"),
        Bad("RetryCount", "use:\n  retries:\n    r: {limit: {attempt: {count: -1}}}\ndo: []\n", 8,
            34, "/use/retries/r/limit/attempt/count", "a number of retries"),
        Bad("JitterNeedsTo", "use:\n  retries:\n    r: {jitter: {from: PT1S}}\ndo: []\n", 8, 17,
            "/use/retries/r/jitter", "'to' is missing in a jitter"),
        Bad("RetryWhen", "use:\n  retries:\n    r: {when: '.x | ${'}\ndo: []\n", 8, 15,
            "/use/retries/r/when", ""),
        Bad("ErrorStatus", "use:\n  errors:\n    e: {type: about:blank, status: '400'}\ndo: []\n",
            8, 36, "/use/errors/e/status", "a whole number"),
        Bad("ErrorNeedsType", "use:\n  errors:\n    e: {status: 400}\ndo: []\n", 8, 8,
            "/use/errors/e", "'type' is missing in an error"),
        Bad("ErrorUri", "use:\n  errors:\n    e: {type: 'a b', status: 400}\ndo: []\n", 8, 15,
            "/use/errors/e/type", "a URI or ${ ... }"),
        Bad("TimeoutNeedsAfter", "use:\n  timeouts:\n    t: {}\ndo: []\n", 8, 8, "/use/timeouts/t",
            "'after' is missing in a timeout"),
        Bad("TimeoutIso", "use:\n  timeouts:\n    t: {after: P1H}\ndo: []\n", 8, 16,
            "/use/timeouts/t/after", "unit 'H' is unknown or out of order"),
        Bad("SecretsList", "use:\n  secrets: {a: b}\ndo: []\n", 7, 12, "/use/secrets", "a list"),
        Bad("FunctionIsATask", "use:\n  functions:\n    f: {cal: x}\ndo: []\n", 8, 9,
            "/use/functions/f/cal", "'cal' is no kind of task; did you mean 'call'?"),
        Bad("Circle",
            "use:\n  functions:\n    a: {call: b}\n    b: {do: [{x: {call: a}}]}\ndo: []\n", 9, 25,
            "/use/functions/b/do/0/x/call", "in a circle: a -> b -> a"),
        Bad("AuthenticationKind",
            "use:\n  authentications:\n    a: {basic: {username: u}}\ndo: []\n", 8, 16,
            "/use/authentications/a/basic", "'password' is missing in basic authentication"),
        Bad("UnknownTimeout", "timeout: slow\nuse: {timeouts: {slower: {after: PT1S}}}\ndo: []\n",
            6, 10, "/timeout", "use.timeouts has no timeout 'slow'; did you mean 'slower'?"),
        Bad("TimeoutAsIso", "timeout: PT1M\ndo: []\n", 6, 10, "/timeout", "write { after: PT1M }"),
        Bad("Mode", "evaluate: {mode: lose}\ndo: []\n", 6, 18, "/evaluate/mode",
            "found the string 'lose'; did you mean 'loose'?")),
    BadCaseName());

TEST(Document, UnknownRootKeysAreWarnings) {
  const CompileResult result = Compile(absl::StrCat(kHeader, "outputs: {}\ndo: []\n"));
  EXPECT_TRUE(result.ok());
  ASSERT_EQ(result.diagnostics.size(), 1u);
  EXPECT_EQ(result.diagnostics[0].severity, Diagnostic::Severity::kWarning);
  EXPECT_EQ(
      result.diagnostics[0].ToString(),
      "line 6, column 1 (/outputs): warning: 'outputs' is no key of a definition; did you mean "
      "'output'? (it is ignored)");
}

}  // namespace
}  // namespace skald::definition
