// Data flow: which expressions and schemas nodes get, and which variables each place may name.
#include <string>

#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/engine/definition/definition_testing.h"

namespace skald::definition {
namespace {

using ::testing::Each;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::SizeIs;

TEST(DataFlow, NodesHoldTheirTransformations) {
  const auto program = MustCompileBody(R"(input:
  schema: {document: {type: object}}
  from: .order
output:
  schema: {format: json, document: {type: number}}
  as: {total: '${ .total }'}
do:
  - a:
      if: .ready
      input: {schema: {document: {type: object}}, from: '${ .x }'}
      output: {schema: {document: true}, as: .y}
      export: {schema: {document: {}}, as: '$context + {a: .}'}
      timeout: {after: '${ .limit }'}
      set: {x: 1}
  - b: {wait: PT1S}
)");
  ASSERT_NE(program, nullptr);
  EXPECT_TRUE(program->input_schema.has_value());
  EXPECT_TRUE(program->input_from.has_value());
  EXPECT_TRUE(program->output_schema.has_value());
  EXPECT_TRUE(program->output_as.has_value());
  const Node& a = NodeAt(*program, "/do/0/a");
  EXPECT_TRUE(a.condition.has_value());
  EXPECT_TRUE(a.input_schema.has_value());
  EXPECT_TRUE(a.input_from.has_value());
  EXPECT_TRUE(a.output_schema.has_value());
  EXPECT_TRUE(a.output_as.has_value());
  EXPECT_TRUE(a.export_schema.has_value());
  EXPECT_TRUE(a.export_as.has_value());
  ASSERT_TRUE(a.timeout.has_value());
  EXPECT_TRUE(a.timeout->computed.has_value());
  const Node& b = NodeAt(*program, "/do/1/b");
  EXPECT_FALSE(b.condition || b.input_from || b.output_as || b.export_as || b.timeout);
  EXPECT_FALSE(b.input_schema || b.output_schema || b.export_schema);
}

// Each place of the table, with the variables that are bound there.
struct Place {
  const char* name;
  const char* text;  // EXPR stands for the expression
  const char* bound;
};

constexpr const char* kAll[] = {"context", "input",         "output",       "task",  "workflow",
                                "runtime", "authorization", "compensation", "error", "nothing"};

constexpr Place kPlaces[] = {
    {"workflow input.from", "input: {from: EXPR}\ndo: []\n", "workflow runtime"},
    {"workflow output.as", "output: {as: EXPR}\ndo: []\n", "context workflow runtime"},
    {"if", "do: [{a: {if: EXPR, wait: PT1S}}]\n", "context task workflow runtime compensation"},
    {"input.from", "do: [{a: {input: {from: EXPR}, wait: PT1S}}]\n",
     "context task workflow runtime compensation"},
    {"set", "do: [{a: {set: {x: EXPR}}}]\n",
     "context input task workflow runtime authorization compensation"},
    {"call with", "do: [{a: {call: f, with: {x: EXPR}}}]\n",
     "context input task workflow runtime authorization compensation"},
    {"switch when", "do: [{a: {switch: [{x: {when: EXPR, then: end}}]}}]\n",
     "context input task workflow runtime authorization compensation"},
    {"raise", "do: [{a: {raise: {error: {type: a, status: 1, detail: EXPR}}}}]\n",
     "context input task workflow runtime authorization compensation"},
    {"wait", "do: [{a: {wait: EXPR}}]\n",
     "context input task workflow runtime authorization compensation"},
    {"output.as", "do: [{a: {output: {as: EXPR}, wait: PT1S}}]\n",
     "context input task workflow runtime authorization compensation"},
    {"export.as", "do: [{a: {export: {as: EXPR}, wait: PT1S}}]\n",
     "context input output task workflow runtime authorization compensation"},
    {"catch when", "do: [{a: {try: [], catch: {when: EXPR}}}]\n",
     "context input task workflow runtime authorization compensation error"},
    {"catch exceptWhen", "do: [{a: {try: [], catch: {exceptWhen: EXPR}}}]\n",
     "context input task workflow runtime authorization compensation error"},
    {"retry when", "do: [{a: {try: [], catch: {retry: {when: EXPR}}}}]\n",
     "context input task workflow runtime authorization compensation error"},
    {"catch do", "do: [{a: {try: [], catch: {do: [{b: {set: {x: EXPR}}}]}}}]\n",
     "context input task workflow runtime authorization compensation error"},
    {"try body", "do: [{a: {try: [{b: {set: {x: EXPR}}}], catch: {}}}]\n",
     "context input task workflow runtime authorization compensation"},
    {"undo with",
     "do: [{a: {call: f, metadata: {saga: {compensate: {use: g, with: {x: EXPR}}}}}}]\n",
     "context input task workflow runtime authorization compensation"},
    {"undo if", "do: [{a: {call: f, metadata: {saga: {compensate: {use: g, if: EXPR}}}}}]\n",
     "context task workflow runtime compensation"},
    {"undo do",
     "do: [{a: {call: f, metadata: {saga: {compensate: {do: [{b: {set: {x: EXPR}}}]}}}}}]\n",
     "context input task workflow runtime authorization compensation"},
    {"undo in catch",
     "do: [{a: {try: [], catch: {do: [{b: {call: f, metadata: {saga: {compensate: {do: [{c: {set: "
     "{x: EXPR}}}]}}}}}]}}}]\n",
     "context input task workflow runtime authorization compensation"},
    {"function in catch",
     "use: {functions: {f: {set: {x: EXPR}}}}\ndo: [{a: {try: [], catch: {do: [{b: {call: "
     "f}}]}}}]\n",
     "context input task workflow runtime authorization compensation"},
};

TEST(DataFlow, VariablesAreThoseOfTheTable) {
  for (const Place& place : kPlaces) {
    for (const char* variable : kAll) {
      const std::string expression = absl::StrCat("'${ $", variable, " }'");
      const std::string text =
          absl::StrCat(kHeader, absl::StrReplaceAll(place.text, {{"EXPR", expression}}));
      const std::string words = absl::StrCat(" ", place.bound, " ");
      const bool bound = words.find(absl::StrCat(" ", variable, " ")) != std::string::npos;
      const CompileResult result = Compile(text);
      EXPECT_EQ(result.ok(), bound) << place.name << " $" << variable << "\n" << Findings(result);
      if (!bound) {
        ASSERT_EQ(result.diagnostics.size(), 1u) << Findings(result);
        EXPECT_THAT(result.diagnostics[0].message, HasSubstr(variable));
      }
    }
  }
}

TEST(DataFlow, SecretsAreRefusedWhereTheLogWouldKeepThem) {
  for (const char* name : {"secret", "secrets"}) {
    for (const Place& place : kPlaces) {
      const std::string expression = absl::StrCat("'${ $", name, ".x }'");
      const CompileResult result =
          Compile(absl::StrCat(kHeader, absl::StrReplaceAll(place.text, {{"EXPR", expression}})));
      EXPECT_FALSE(result.ok()) << place.name;
      const bool input =
          absl::string_view(place.name).find("input.from") != absl::string_view::npos;
      EXPECT_THAT(result.diagnostics,
                  Each(Field(&Diagnostic::message,
                             HasSubstr(input ? "not supported yet" : "is not bound here"))))
          << place.name;
    }
  }
}

TEST(DataFlow, NamedRetriesAreCheckedWhereTheyAreUsed) {
  const std::string text = absl::StrCat(kHeader, R"(use: {retries: {r: {when: $err.status == 1}}}
do:
  - a: {try: [], catch: {as: err, retry: r}}
  - b: {try: [], catch: {as: other, retry: r}}
  - c: {try: [], catch: {retry: r}}
)");
  const CompileResult result = Compile(text);
  EXPECT_FALSE(result.ok());
  // One for `other`, one for the default name: each says what is bound where the policy is used.
  EXPECT_THAT(result.diagnostics, SizeIs(2));
  EXPECT_THAT(result.diagnostics, Each(Field(&Diagnostic::pointer, "/use/retries/r/when")));
}

TEST(DataFlow, LooseModeTakesWhatDoesNotCompileAsText) {
  const std::string body = "do: [{a: {set: {x: 'not an expression (', y: .z}}}]\n";
  EXPECT_TRUE(NodeAt(*MustCompileBody(body), "/do/0/a").value.is_constant());
  const auto loose = MustCompileBody(absl::StrCat("evaluate: {mode: loose, language: jq}\n", body));
  EXPECT_FALSE(NodeAt(*loose, "/do/0/a").value.is_constant());
}

class BadData : public ::testing::TestWithParam<BadCase> {};

TEST_P(BadData, IsRefusedWithItsPlace) { ExpectRefused(GetParam()); }

INSTANTIATE_TEST_SUITE_P(
    All, BadData,
    ::testing::Values(
        Bad("InputKey", "input: {form: .x}\ndo: []\n", 6, 9, "/input/form", "did you mean 'from'?"),
        Bad("FromNumber", "do:\n  - a: {input: {from: 1}, wait: PT1S}\n", 7, 23,
            "/do/0/a/input/from", "expected an expression"),
        Bad("AsList", "do:\n  - a: {output: {as: [1]}, wait: PT1S}\n", 7, 22, "/do/0/a/output/as",
            "expected an expression"),
        Bad("BrokenIf", "do:\n  - a: {if: '.x ==', wait: PT1S}\n", 7, 13, "/do/0/a/if",
            "the expression does not compile"),
        Bad("BrokenDeepInside", "do:\n  - a: {set: {x: [1, {y: '${ .a | }'}]}}\n", 7, 26,
            "/do/0/a/set/x/1/y", "the expression does not compile"),
        Bad("Unterminated", "do:\n  - a: {set: {x: 'a ${ .x'}}\n", 7, 18, "/do/0/a/set/x",
            "the expression does not compile"),
        Bad("UnboundDeepInside", "do:\n  - a: {set: {x: [1, {y: '${ $output }'}]}}\n", 7, 26,
            "/do/0/a/set/x/1/y", "$output is not bound here; bound are $workflow,"),
        Bad("MisspeltVariable", "do:\n  - a: {set: {x: '${ . as $n | $n + $outptu }'}}\n", 7, 18,
            "/do/0/a/set/x", "$outptu is not bound here; bound are $workflow,"),
        Bad("MisspeltBoundVariable", "do:\n  - a: {set: {x: '${ $contxt.x }'}}\n", 7, 18,
            "/do/0/a/set/x", "$contxt is not bound here; did you mean '$context'?"),
        Bad("SchemaKey", "input: {schema: {documnt: {}}}\ndo: []\n", 6, 18, "/input/schema/documnt",
            "did you mean 'document'?"),
        Bad("SchemaBoth",
            "input: {schema: {document: {}, resource: {endpoint: http://x}}}\ndo: []\n", 6, 17,
            "/input/schema", "takes only one of 'document' or 'resource'"),
        Bad("SchemaNone", "input: {schema: {format: json}}\ndo: []\n", 6, 17, "/input/schema",
            "needs 'document' or 'resource'"),
        Bad("NoSchema", "input: {schema: {document: {type: 5}}}\ndo: []\n", 6, 28,
            "/input/schema/document", "this is no JSON Schema"),
        Bad("TaskSchema",
            "do:\n  - a: {output: {schema: {document: {$ref: '#/nowhere'}}}, wait: PT1S}\n", 7, 37,
            "/do/0/a/output/schema/document", "this is no JSON Schema")),
    BadCaseName());

}  // namespace
}  // namespace skald::definition
