#!/usr/bin/python3
"""Goal: a definition that cannot run is refused when it is deployed: what, where, and what instead.

Method: the real server and command line; each bad text by both.
"""

import json

import harness
from harness import HEAD

PLACED = [  # name, text after the head, place, pointer, words
    ("broken YAML", "do:\n  - x: {set: {a: 1\n", (4, 1), "/do/0/x/set", "did not find expected ',' or '}'"),
    ("a tab", "do:\n\t- x: 1\n", (3, 1), "/do", "YAML indents with spaces"),
    ("a key twice", "do:\n  - x:\n      set: { a: 1, a: 2 }\n", (4, 20), "/do/0/x/set/a",
     "stands twice in this object, first at line 4, column 14"),
    ("no such kind of task", "do:\n  - x:\n      cal: work\n", (4, 7), "/do/0/x/cal",
     "did you mean 'call'?"),
    ("no kind of task at all", "do:\n  - x:\n      frobnicate: work\n", (4, 7), "/do/0/x",
     "a task needs one of 'call', "),
    ("no such catalog", "do:\n  - x:\n      call: pay:1.0.0@nocatalog\n", (4, 13), "/do/0/x/call",
     "the default catalog has compensate:1.0.0@default"),
    ("no such function of the default catalog", "do:\n  - x:\n      call: compensat:1.0.0@default\n",
     (4, 13), "/do/0/x/call", "the default catalog has compensate:1.0.0@default"),
    ("no such task to go to", "do:\n  - a:\n      set: {a: 1}\n      then: secnd\n"
     "  - second:\n      set: {b: 1}\n", (5, 13), "/do/0/a/then", "did you mean 'second'?"),
    ("no such task to switch to", "do:\n  - x:\n      switch:\n        - a: { then: nowhere }\n",
     (5, 22), "/do/0/x/switch/0/a/then", "no task 'nowhere' in this list"),
    ("a misspelt key of a task's metadata.saga", "do:\n  - x:\n      call: a\n"
     "      metadata: { saga: { compensat: undo } }\n", (5, 27), "/do/0/x/metadata/saga/compensat",
     "did you mean 'compensate'?"),
    ("an unknown key of a task's metadata.saga", "do:\n  - x:\n      call: a\n"
     "      metadata: { saga: { wibble: 1 } }\n", (5, 27), "/do/0/x/metadata/saga/wibble",
     "known are compensate, register, scope, pivot, forward"),
    ("a function without a name", "do:\n  - x:\n      call: ''\n", (4, 13), "/do/0/x/call", "is missing"),
    ("a function with a long name", f"do:\n  - x:\n      call: {'f' * 257}\n", (4, 13), "/do/0/x/call",
     "has 257 bytes; at most 256"),
    ("a function with a control character", 'do:\n  - x:\n      call: "a\\nb"\n', (4, 13), "/do/0/x/call",
     "must not contain control characters"),
    ("an undo with a control character", "do:\n  - x:\n      call: a\n"
     '      metadata: { saga: { compensate: "a\\nb" } }\n', (5, 39),
     "/do/0/x/metadata/saga/compensate", "must not contain control characters"),
    ("a task with a long name", f"do:\n  - ? {'t' * 257}\n    : set: {{a: 1}}\n", (3, 7), None,
     "the name of a task has 257 bytes"),
    ("a broken expression", "do:\n  - x:\n      set: { a: '${ .a | }' }\n", (4, 17), "/do/0/x/set/a",
     "does not compile"),
    ("nesting without end", "do:\n  - x: { set: { a: " + "[" * 10_000 + "]" * 10_000 + " } }\n",
     (3, 115), None, "nested deeper than 100 levels"),
    ("a tag that makes objects", "do:\n  - x: !!python/object:os.system {set: {a: 1}}\n", (3, 8), "/do/0/x",
     "is not known"),
]
WHOLE = [  # name, text, words
    ("JSON that ends early", '{"document": {"dsl": "1.0.3"', "did not find expected ',' or '}'"),
    ("JSON with a key twice", '{"document": {"dsl": "1.0.3", "name": "a", "name": "b"}, "do": []}',
     "key 'name' stands twice"),
    ("JSON of great depth", "[" * 10_000 + "]" * 10_000, "nested deeper than 100 levels"),
    ("JSON of great depth without an end", "[" * 100_000, "nested deeper than 100 levels"),
    ("YAML of great depth", "".join(" " * i + "a:\n" for i in range(700)), "nested deeper than 100 levels"),
    ("a string", '"definition"', "expected a definition, an object"),
    ("two documents", "a: 1\n---\nb: 2\n", "a definition is exactly one"),
    ("a zero byte", "\0", "line 1, column 1: byte 0x00"),
    ("aliases that grow", "a: &a [1,1,1,1,1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"
     "c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\n"
     "e: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e]\n", "expand to more than 100000 nodes"),
    ("more than half a megabyte", HEAD % "x" + "do:\n  - x: { set: { a: '" + "x" * 600_000 + "' } }\n",
     "at most 524288 are allowed"),
    ("a namespace that is too long",
     f"document: {{ dsl: '1.0.3', namespace: {'n' * 64}, name: a, version: '1.0.0' }}\ndo: []\n",
     "at most 63"),
    ("a name with a control character",
     "document: { dsl: '1.0.3', namespace: a, name: \"a\\tb\", version: '1.0.0' }\ndo: []\n",
     "a name of letters, digits and hyphens"),
    ("an empty name", "document: { dsl: '1.0.3', namespace: a, name: '', version: '1.0.0' }\ndo: []\n",
     "a name of letters, digits and hyphens"),
    ("a misspelt key of the document's metadata.saga",
     HEAD.replace(" }\n", ", metadata: { saga: { ordr: forward } } }\n") % "x" + "do: []\n",
     "did you mean 'order'?"),
]


class DefinitionTest(harness.ServerCase):
    def refused(self, text):
        request = self.api.definition_service.DeployDefinitionRequest(text=text)
        return self.refusal(self.api.definitions.DeployDefinition, request)

    def test_each_has_its_place(self):
        for name, body, (line, column), pointer, words in PLACED:
            with self.subTest(name):
                refusal = self.refused(HEAD % "bad" + body)
                self.assert_refused(refusal, "INVALID_ARGUMENT", "DEFINITION_INVALID",
                                    f"line {line}, column {column}", words)
                if pointer is not None:
                    self.assertIn(pointer, [field for field, _ in refusal.violations])

    def test_of_the_whole_text(self):
        for name, text, words in WHOLE:
            with self.subTest(name):
                self.assert_refused(self.refused(text), "INVALID_ARGUMENT", "DEFINITION_INVALID", words)

    def test_empty(self):
        self.assert_refused(self.refused(""), "INVALID_ARGUMENT", "BAD_REQUEST", "text: must not be empty")

    def test_past_what_a_message_may_hold(self):
        refusal = self.refused("x" * 10_000_000)
        self.assert_refused(refusal, "RESOURCE_EXHAUSTED", "", "larger than max", "8388608")

    def test_more_errors_than_an_answer_holds(self):
        text = HEAD % "bad" + "do:\n" + "".join(f"  - t{i}:\n      cal: a\n" for i in range(300))
        refusal = self.refused(text)
        self.assert_refused(refusal, "INVALID_ARGUMENT", "DEFINITION_INVALID", "line 4, column 7")
        self.assertRegex(refusal.violations[-1][1], "and [0-9]+ more")
        result = self.skald("deploy", self.write("bad.yaml", text))
        self.assertEqual(len(result.stderr.splitlines()), 101)
        self.assertIn("these are the first 100", result.stderr)

    def test_another_text_of_a_version(self):
        refusal = self.refused(HEAD % "good" + "do: []\n")
        self.assert_refused(refusal, "ALREADY_EXISTS", "DEFINITION_ALREADY_EXISTS", "'test/good:1.0.0'",
                            "raise document.version")

    def test_unknown_definition(self):
        for fields in ({"definition": "nope"}, {"namespace": "nope"}, {"definition_version": "9.9.9"}):
            refusal = self.refusal(self.api.sagas.StartSaga, self.start_request(self.api, **fields))
            self.assert_refused(refusal, "NOT_FOUND", "DEFINITION_NOT_FOUND", "deploy it first")
        request = self.api.definition_service.GetDefinitionRequest(namespace="test", name="nope")
        self.assert_refused(self.refusal(self.api.definitions.GetDefinition, request),
                            "NOT_FOUND", "DEFINITION_NOT_FOUND", "'test/nope'")

    def test_command_line_names_file_and_place(self):
        path = self.write("bad.yaml", HEAD % "bad" + "do:\n  - x: {cal: 1}\n  - y: {cal: 1}\n")
        for verb in ("deploy", "start", "validate"):
            result = self.skald(verb, path)
            self.assertEqual(result.returncode, 2)
            self.assertEqual([line.split(" error: ")[0] for line in result.stderr.splitlines()],
                             [f"{path}:3:9:", f"{path}:4:9:"])
        for verb in ("deploy", "start"):
            result = self.skald(verb, path, "--json")
            self.assertEqual((result.returncode, result.stdout), (2, ""))
            error = json.loads(result.stderr)["error"]
            self.assertEqual((error["reason"], error["file"]), ("DEFINITION_INVALID", path))
            self.assertEqual([(d["line"], d["column"], d["pointer"]) for d in error["diagnostics"]],
                             [(3, 9, "/do/0/x/cal"), (4, 9, "/do/1/y/cal")])

    def test_command_line_without_a_usable_file(self):
        large = self.write("large.yaml", "x" * 10_000_000)
        for verb in ("deploy", "start"):
            for path, words in ((large, "larger than max"), ("/nowhere.yaml", "No such file"),
                                (self.folder, "is a folder") if verb == "deploy" else
                                (large, "larger than max")):
                result = self.skald(verb, path)
                self.assertEqual(result.returncode, 2, result.stderr)
                self.assertIn(words, result.stderr)
                self.assertIn(path, result.stderr)
                result = self.skald(verb, path, "--json")
                self.assertEqual(result.returncode, 2)
                self.assertIn(words, json.loads(result.stderr)["error"]["message"])


if __name__ == "__main__":
    harness.main()
