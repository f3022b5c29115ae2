#!/usr/bin/python3
"""Goal: the verbs that need no server (eval, validate, fsck) keep what scripts rely on: exit codes, what is
on which stream, JSON members.

Method: the real program, with a server address at which nobody answers. Usage:
local_verbs_test.py BIN_FOLDER
"""

import glob
import json
import os
import re
import subprocess
import sys
import tempfile
import textwrap
import unittest

BIN = "build/release/bin"


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def write(self, name, text):
        path = os.path.join(self.folder.name, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def skald(self, *arguments, stdin=None, exit_code=0):
        environment = {**os.environ, "NO_COLOR": "1", "SKALD_SERVER": "127.0.0.1:1"}
        result = subprocess.run([os.path.join(BIN, "skald"), *arguments], capture_output=True, text=True,
                                timeout=120, env=environment, input=stdin, check=False)
        self.assertEqual(result.returncode, exit_code, (arguments, result.stdout, result.stderr))
        return result


class EvalTest(Case):
    def results(self, *arguments, **options):
        result = self.skald("eval", *arguments, **options)
        self.assertEqual(result.stderr, "")
        return result.stdout.splitlines()

    def test_the_first_result(self):
        self.assertEqual(self.results(".a[]", "--input", '{"a": [{"b": 1}, 2]}'), ['{"b":1}'])
        self.assertEqual(self.results(".a[]", "--input", '{"a": [1, 2]}', "--all"), ["1", "2"])
        self.assertEqual(self.results("., 1", "--all"), ["null", "1"])
        self.assertEqual(self.results("12345678901234567890"), ["12345678901234567890"])
        # An error after the first result is never reached.
        self.assertEqual(self.results("1, error"), ["1"])

    def test_no_result_is_no_error(self):
        self.assertEqual(self.results("empty"), [])
        self.assertEqual(self.results("empty", "--all"), [])

    def test_where_the_input_comes_from(self):
        for word in ("-", "@-"):
            self.assertEqual(self.results(".x", "--input", word, stdin='{"x": 3}'), ["3"])
        self.assertEqual(self.results(".x", "--input", "@" + self.write("in.json", '{"x": 4}')), ["4"])
        self.skald("eval", ".", "--input", "{", exit_code=2)
        self.skald("eval", ".", "--input", "@/nowhere.json", exit_code=2)

    def test_arguments_are_bound(self):
        self.assertEqual(self.results("$a + $b.c", "--arg", "a=1", "--arg", 'b={"c": 2}'), ["3"])
        self.assertEqual(self.results("$a", "--arg", "a=1", "--arg", "a=2"), ["2"])
        self.assertEqual(self.results("$a.x", "--arg", "a=-", stdin='{"x": 3}'), ["3"])
        self.skald("eval", "$a", exit_code=2)
        for bad in ("a", "=1", "1a=1", "a=x"):
            self.skald("eval", "1", "--arg", bad, exit_code=2)

    def test_an_expression_that_does_not_compile(self):
        result = self.skald("eval", ".a |\n foo(1)", exit_code=2)
        self.assertEqual(result.stdout, "")
        self.assertEqual(result.stderr.splitlines(),
                         ["skald: foo/1 is not defined at line 2, column 2", "   foo(1)", "   ^"])
        error = json.loads(self.skald("eval", "1 +", "--json", exit_code=2).stderr)["error"]
        self.assertEqual((error["expression"], error["line"], error["column"]), ("1 +", 1, 4))
        self.skald("eval", exit_code=2)
        self.skald("eval", "1", "2", exit_code=2)

    def test_an_evaluation_that_fails(self):
        result = self.skald("eval", "1, (\"é\" | .a)", "--all", exit_code=3)
        self.assertEqual(result.stdout, "1\n")
        message, line, caret = result.stderr.splitlines()
        self.assertIn('Cannot index string with string "a"', message)
        self.assertIn('1, ("é" | .a)', message)
        self.assertEqual(line[caret.index("^"):], ".a)")
        error = json.loads(self.skald("eval", "1 | keys", "--json", exit_code=3).stderr)["error"]
        self.assertIn("number (1) has no keys", error["message"])
        self.assertEqual((error["line"], error["column"]), (1, 5))

    def test_an_evaluation_without_end_is_ended(self):
        for endless in ("def f: f; f", "[range(1e12)]", "def f: [f]; f", '"a" * 1e12'):
            self.assertIn("budget", self.skald("eval", endless, exit_code=3).stderr)

    def test_help_and_completion_know_it(self):
        self.assertIn("--arg", self.skald("help", "eval").stdout)
        self.assertIn("  eval ", self.skald("help").stdout)
        self.assertIn("eval)", self.skald("completion", "bash").stdout)


HEAD = "document: { dsl: '1.0.3', namespace: test, name: x, version: '1.0.0' }\n"
RUNS = HEAD + "do:\n  - a: { call: work }\n"
# Valid by the standard, more than this version runs.
DOES_NOT_RUN = {
    "fork": "do:\n  - a: { fork: { branches: [ { b: { set: { x: 1 } } } ] } }\n",
    "for": "do:\n  - a: { for: { in: .xs }, do: [ { b: { set: { x: 1 } } } ] }\n",
    "listen": "do:\n  - a: { listen: { to: { one: { with: { type: t } } } } }\n",
    "emit": "do:\n  - a: { emit: { event: { with: { source: 'https://s', type: t } } } }\n",
    "child": "do:\n  - a: { run: { workflow: { namespace: n, name: m, version: 1.0.0 } } }\n",
    "script": "do:\n  - a: { run: { script: { language: js, source: { endpoint: 'file:///x.js' } } } }\n",
    "http": "do:\n  - a: { call: http, with: { method: get, endpoint: 'https://127.0.0.1:1/x' } }\n",
    "grpc": "do:\n  - a: { call: grpc, with: { proto: { endpoint: 'file:///x.proto' }, "
            "service: { name: s, host: h }, method: m } }\n",
    "catalog": "use: { catalogs: { c: { endpoint: 'https://127.0.0.1:1' } } }\n"
               "do:\n  - a: { call: 'log:1.0.0@c' }\n",
    "schema file": "input: { schema: { resource: { endpoint: 'file:///x.json' } } }\ndo: []\n",
    "schema reference": "input: { schema: { document: { $ref: 'https://127.0.0.1:1/x' } } }\ndo: []\n",
    "schedule": "schedule: { every: PT1M }\ndo: []\n",
}
INVALID = {
    "no document": "do: []\n",
    "no tasks": HEAD,
    "misspelt": HEAD + "do:\n  - a: { cal: work }\n",
    "two kinds": HEAD + "do:\n  - a: { set: { x: 1 }, wait: PT1S }\n",
    "unknown target": HEAD + "do:\n  - a: { set: { x: 1 }, then: nowhere }\n",
    "broken expression": HEAD + "do:\n  - a: { set: { x: '${ 1 + }' } }\n",
    "in what does not run": HEAD + "do:\n  - a: { fork: { branch: [] } }\n",
    "twice": HEAD + "do: []\ndo: []\n",
    "no yaml": "document: [",
    "nothing": "",
}


class ValidateDefinitionTest(Case):
    def test_what_runs_is_valid(self):
        path = self.write("x.yaml", RUNS)
        for flags in ((), ("--deployable",), ("--served", "work", "--deployable")):
            result = self.skald("validate", path, *flags)
            self.assertEqual((result.stdout, result.stderr), (f"{path}: valid\n", ""))

    def test_what_does_not_run_is_a_warning(self):
        for name, body in DOES_NOT_RUN.items():
            with self.subTest(name):
                path = self.write("x.yaml", HEAD + body)
                result = self.skald("validate", path)
                self.assertEqual(result.stdout, f"{path}: valid\n")
                self.assertIn("warning: ", result.stderr)
                report = json.loads(self.skald("validate", path, "--deployable", "--json", exit_code=2).stdout)
                self.assertFalse(report["valid"])
                self.assertEqual([one["severity"] for one in report["diagnostics"]], ["error"])

    def test_what_is_not_valid_is_an_error(self):
        for name, text in INVALID.items():
            with self.subTest(name):
                result = self.skald("validate", self.write("x.yaml", text), exit_code=2)
                self.assertIn("error: ", result.stderr)
                self.assertEqual(result.stdout, "")

    def test_a_file_that_cannot_be_read_to_its_end(self):
        self.assertIn("Input/output error", self.skald("validate", "/proc/self/mem", exit_code=2).stderr)

    def test_unserved_functions(self):
        path = self.write("x.yaml", RUNS)
        self.assertIn("no worker serves 'work'", self.skald("validate", path, "--served", "b").stderr)
        self.skald("validate", path, "--served", "b", "--deployable", exit_code=2)

    def test_one_bad_file_among_good_ones(self):
        good = self.write("good.yaml", RUNS)
        bad = self.write("bad.yaml", INVALID["misspelt"])
        result = self.skald("validate", bad, good, exit_code=2)
        self.assertEqual(result.stdout, f"{good}: valid\n")
        self.assertIn(f"{bad}:3:10: error: ", result.stderr)
        self.assertEqual(self.skald("validate", "/nowhere.yaml", good, exit_code=2).stdout,
                         f"{good}: valid\n")

    def test_the_standards_own_definitions(self):
        folder = os.environ.get("SKALD_CONFORMANCE_DIR")
        if not folder:
            self.skipTest("SKALD_CONFORMANCE_DIR is not set")
        count = 0
        standard = os.path.join(folder, "schema", "workflow.yaml")
        for feature in glob.glob(os.path.join(folder, "ctk", "*.feature")):
            with open(feature, encoding="utf-8") as file:
                given = re.findall(r'Given a workflow with definition:\s*"""yaml\n(.*?)"""', file.read(), re.S)
            for text in given:
                count += 1
                path = self.write("x.yaml", textwrap.dedent(text))
                self.skald("validate", path)
        self.assertGreater(count, 18)
        result = self.skald("validate", "--schema", standard, "--input", '{"do": []}', exit_code=2)
        self.assertIn("document", result.stderr)


class ValidateValueTest(Case):
    SCHEMA = """
type: object
required: [id, total]
additionalProperties: false
properties:
  id: { type: string }
  total: { type: number, minimum: 0 }
  mail: { type: string, format: email }
"""

    def setUp(self):
        super().setUp()
        self.schema = self.write("schema.yaml", self.SCHEMA)

    def check(self, value, *flags, exit_code=0, **options):
        return self.skald("validate", "--schema", self.schema, "--input", value, *flags,
                          exit_code=exit_code, **options)

    def test_a_value_that_fits(self):
        for value in ('{"id": "a", "total": 1}', "@" + self.write("v.json", '{"id": "a", "total": 0.5}')):
            self.assertEqual(self.check(value).stdout, "valid\n")
        self.check("-", stdin='{"id": "a", "total": 1}')
        self.assertEqual(json.loads(self.check('{"id": "a", "total": 1}', "--json").stdout),
                         {"valid": True, "violations": []})

    def test_every_violation_at_once(self):
        value = '{"total": -1, "x~/y": 2}'
        report = json.loads(self.check(value, "--json", exit_code=2).stdout)
        self.assertFalse(report["valid"])
        found = {(one["instance_pointer"], one["schema_pointer"], one["keyword"])
                 for one in report["violations"]}
        self.assertEqual(found, {("", "/required", "required"),
                                 ("/total", "/properties/total/minimum", "minimum"),
                                 ("/x~0~1y", "/additionalProperties", "additionalProperties")})
        for one in report["violations"]:
            self.assertTrue(one["message"].endswith("."), one)
        lines = self.check(value, exit_code=2).stderr.splitlines()
        self.assertEqual(len(lines), 3)
        self.assertIn("[minimum at /properties/total/minimum]", lines[0])

    def test_formats_when_wanted(self):
        value = '{"id": "a", "total": 1, "mail": "nobody"}'
        self.check(value)
        self.assertIn("email", self.check(value, "--formats", exit_code=2).stderr)

    def test_bad_schemas_values_and_usage(self):
        self.check("{", exit_code=2)
        self.schema = self.write("schema.json", '{"type": "strin"}')
        self.assertIn("no JSON Schema", self.check("1", exit_code=2).stderr)
        self.schema = self.write("schema.json", '{"type": "string", "type": "number"}')
        self.assertIn("stands twice", self.check("1", exit_code=2).stderr)
        self.schema = self.write("schema.json", '{"$ref": "https://127.0.0.1:1/x"}')
        self.assertIn("registry", self.check("1", exit_code=2).stderr)
        self.skald("validate", "--schema", self.schema, exit_code=2)
        self.skald("validate", "--input", "1", exit_code=2)
        self.skald("validate", exit_code=2)
        self.skald("validate", "x.yaml", "--schema", self.schema, "--input", "1", exit_code=2)


class HelpTest(Case):
    def test_every_verb_of_the_overview_has_help(self):
        overview = self.skald("help").stdout
        verbs = [line.split()[0] for line in overview.splitlines() if line.startswith("  ")]
        self.assertIn("version", verbs)
        for verb in verbs:
            self.assertIn(f"Usage: skald {verb}", self.skald("help", verb).stdout)
        self.skald("help", "nothing", exit_code=2)


class FsckTest(Case):
    def setUp(self):
        super().setUp()
        self.store = os.path.join(self.folder.name, "store")
        definition = self.write("one.yaml", textwrap.dedent("""\
            document: { dsl: '1.0.3', namespace: demo, name: one, version: '1.0.0' }
            do: [ { one: { set: { n: 1 } } } ]
            """))
        self.skald("run", definition, "--data-dir", self.store)

    def test_a_whole_store(self):
        self.assertRegex(self.skald("fsck", self.store).stdout, "^whole: .* 1 sagas")
        report = json.loads(self.skald("fsck", "--json", self.store).stdout)
        self.assertTrue(report["whole"])
        self.assertEqual(report["findings"], [])
        self.assertEqual(report["sagas"], 1)

    def test_damage_is_named(self):
        os.chmod(os.path.join(self.store, "audit.key"), 0o644)
        output = self.skald("fsck", self.store, exit_code=1).stdout
        self.assertRegex(output, "damage: .*audit.key: ")
        self.assertIn("to mend it: ", output)
        self.assertIn("NOT WHOLE", output)
        report = json.loads(self.skald("fsck", "--json", self.store, exit_code=1).stdout)
        self.assertFalse(report["whole"])
        self.assertEqual([finding["severity"] for finding in report["findings"]], ["damage"])

    def test_no_store_and_bad_usage(self):
        self.assertIn("no store", self.skald("fsck", self.folder.name, exit_code=2).stderr)
        self.skald("fsck", exit_code=2)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        BIN = os.path.abspath(sys.argv.pop(1))
    unittest.main()
