// What is read, checked and then refused, though it is valid: one finding that names the construct,
// and no other.
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/engine/definition/definition_testing.h"

namespace skald::definition {
namespace {

class NotSupported : public ::testing::TestWithParam<BadCase> {};

TEST_P(NotSupported, IsTheOnlyFinding) {
  const BadCase& bad = GetParam();
  const CompileResult result = Compile(bad.text);
  EXPECT_FALSE(result.ok());
  EXPECT_FALSE(result.status().ok());
  EXPECT_TRUE(result.valid());
  ASSERT_EQ(result.diagnostics.size(), 1u) << Findings(result) << "\nin\n" << bad.text;
  const Diagnostic& found = result.diagnostics[0];
  EXPECT_EQ(found.severity, Diagnostic::Severity::kUnsupported);
  EXPECT_EQ(found.line, bad.line);
  EXPECT_EQ(found.column, bad.column);
  EXPECT_EQ(found.pointer, bad.pointer);
  EXPECT_EQ(found.message.substr(0, std::string(bad.fragment).size()), bad.fragment);
}

INSTANTIATE_TEST_SUITE_P(
    Constructs, NotSupported,
    ::testing::Values(
        Bad("Fork",
            "do:\n  - a: {fork: {compete: true, branches: [{x: {wait: PT1S}}, {y: {set: {z: 1}, "
            "then: exit}}]}}\n",
            7, 9, "/do/0/a/fork", "'fork' is not supported yet by this version (concurrent"),
        Bad("For",
            "do:\n  - a: {for: {each: x, in: .xs, at: i}, while: '$x < 5', do: [{b: {set: {y: '${ "
            "$x "
            "+ $i }'}}}]}\n",
            7, 9, "/do/0/a/for", "'for' is not supported yet by this version"),
        Bad("ForDefaults",
            "do:\n  - a: {for: {in: [{n: 1}]}, do: [{b: {set: {y: '${ $item.n + $index }'}}}]}\n",
            7, 9, "/do/0/a/for", "'for' is not supported yet"),
        Bad("Listen",
            "do:\n  - a:\n      listen: {to: {any: [{with: {type: x}, correlate: {k: {from: "
            ".data.id}}}], "
            "until: '. | length > 3'}, read: data}\n      foreach: {item: e, at: n, do: [{b: {set: "
            "{y: "
            "'${ $e }'}}}]}\n",
            8, 7, "/do/0/a/listen", "'listen' is not supported yet"),
        Bad("Emit",
            "do:\n  - a: {emit: {event: {with: {type: x, source: 'https://s', data: {y: '${ .z "
            "}'}}, "
            "broker: q}}}\n",
            7, 9, "/do/0/a/emit", "'emit' is not supported yet"),
        Bad("RunShell", "do:\n  - a: {run: {shell: {command: 'echo ${ .x }'}, return: all}}\n", 7,
            9, "/do/0/a/run", "'run' is not supported yet"),
        Bad("RunScript", "do:\n  - a: {run: {script: {language: js, code: 'const a = `${b`'}}}\n",
            7, 9, "/do/0/a/run", "'run' is not supported yet"),
        Bad("RunWorkflow",
            "do:\n  - a: {run: {workflow: {namespace: n, name: m, version: 1.0.0, input: {x: 1}}}, "
            "metadata: {saga: {scope: true}}}\n",
            7, 9, "/do/0/a/run", "'run' is not supported yet"),
        Bad("RunContainer",
            "do:\n  - a: {run: {container: {image: i, lifetime: {cleanup: eventually, after: "
            "PT1M}}}}\n",
            7, 9, "/do/0/a/run", "'run' is not supported yet"),
        Bad("Http",
            "do:\n  - a: {call: http, with: {method: get, endpoint: 'https://x/{id}', headers: {a: "
            "'${ $secrets.t }'}}}\n",
            7, 15, "/do/0/a/call", "'http' is not supported yet by this version (built-in calls"),
        Bad("Grpc",
            "do:\n  - a: {call: grpc, with: {proto: {endpoint: 'file://x'}, service: {name: s, "
            "host: "
            "h, port: 1}, method: m}}\n",
            7, 15, "/do/0/a/call", "'grpc' is not supported yet"),
        Bad("OpenApi",
            "do:\n  - a: {call: openapi, with: {document: {endpoint: 'https://x'}, operationId: "
            "o}}\n",
            7, 15, "/do/0/a/call", "'openapi' is not supported yet"),
        Bad("AsyncApi",
            "do:\n  - a: {call: asyncapi, with: {document: {endpoint: 'https://x'}, operation: o, "
            "message: {payload: {}}}}\n",
            7, 15, "/do/0/a/call", "'asyncapi' is not supported yet"),
        Bad("A2a", "do:\n  - a: {call: a2a, with: {method: message/send, server: 'https://x'}}\n",
            7, 15, "/do/0/a/call", "'a2a' is not supported yet"),
        Bad("Mcp",
            "do:\n  - a: {call: mcp, with: {method: tools/list, transport: {stdio: {command: "
            "c}}}}\n",
            7, 15, "/do/0/a/call", "'mcp' is not supported yet"),
        Bad("Catalog", "do:\n  - a: {call: 'log:1.0.0@global', with: {m: x}}\n", 7, 15,
            "/do/0/a/call",
            "'log:1.0.0@global' is not supported yet by this version (functions of"),
        Bad("CatalogUndoOfOtherVersion", "do:\n  - a: {call: 'compensate:2.0.0@default'}\n", 7, 15,
            "/do/0/a/call", "'compensate:2.0.0@default' is not supported yet"),
        Bad("FunctionUrl", "do:\n  - a: {call: 'https://x/function.yaml'}\n", 7, 15, "/do/0/a/call",
            "'https://x/function.yaml' is not supported yet")),
    BadCaseName());

INSTANTIATE_TEST_SUITE_P(
    Parts, NotSupported,
    ::testing::Values(
        Bad("Schedule", "schedule: {every: PT1M}\ndo: []\n", 6, 1, "/schedule",
            "'schedule' is not supported yet"),
        Bad("ScheduleOn", "schedule:\n  on: {one: {with: {type: x}}}\n  read: data\ndo: []\n", 6, 1,
            "/schedule", "'schedule' is not supported yet"),
        Bad("Extensions",
            "use:\n  extensions:\n    - log: {extend: all, when: $task.name, before: [{x: {wait: "
            "PT1S}}]}\ndo: []\n",
            7, 3, "/use/extensions", "'extensions' is not supported yet"),
        Bad("Language", "evaluate: {language: js}\ndo: [{a: {set: {x: '${ a => b }'}}}]\n", 6, 22,
            "/evaluate/language", "'js' is not supported yet"),
        Bad("ExternalSchema",
            "input: {schema: {resource: {endpoint: 'https://x/schema.json'}}}\ndo: []\n", 6, 18,
            "/input/schema/resource", "'resource' is not supported yet"),
        Bad("SchemaFormat",
            "input: {schema: {format: 'avro:1.0', document: {type: record}}}\ndo: []\n", 6, 26,
            "/input/schema/format", "'avro:1.0' is not supported yet"),
        Bad("SchemaElsewhere", "input: {schema: {document: {$ref: 'https://x/y.json'}}}\ndo: []\n",
            6, 28, "/input/schema/document", "this version does not fetch schemas: At '/$ref'"),
        Bad("SchemaDialect",
            "output: {schema: {document: {$schema: 'http://json-schema.org/draft-07/schema#'}}}\n"
            "do: []\n",
            6, 29, "/output/schema/document", "this version does not fetch schemas: At '/$schema'"),
        BadCase{"OldDsl",
                "document:\n  dsl: 0.9.0\n  namespace: a\n  name: b\n  version: 1.0.0\ndo: []\n", 2,
                8, "/document/dsl", "'0.9.0' is not supported yet by this version (versions of"},
        BadCase{"NewDsl",
                "document:\n  dsl: 1.1.0\n  namespace: a\n  name: b\n  version: 1.0.0\ndo: []\n", 2,
                8, "/document/dsl", "'1.1.0' is not supported yet"}),
    BadCaseName());

TEST(NotSupportedYet, DeclarationsAloneAreFine) {
  MustCompileBody(R"(use:
  authentications: {a: {bearer: {token: '${ $secrets.t }'}}, b: {oauth2: {use: s}}}
  secrets: [s]
  catalogs: {c: {endpoint: https://x}}
  extensions: []
do: []
)");
}

}  // namespace
}  // namespace skald::definition
