#!/usr/bin/python3
"""Goal: the verbs that need no server (eval, validate) keep what scripts rely on: exit codes, what is
on which stream, JSON members.

Method: the real program, with a server address at which nobody answers. Usage:
local_verbs_test.py BIN_FOLDER
"""

import json
import os
import subprocess
import sys
import tempfile
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
        self.assertEqual(self.results(".x", "--input", "-", stdin='{"x": 3}'), ["3"])
        self.assertEqual(self.results(".x", "--input", "@" + self.write("in.json", '{"x": 4}')), ["4"])
        self.skald("eval", ".", "--input", "{", exit_code=2)
        self.skald("eval", ".", "--input", "@/nowhere.json", exit_code=2)

    def test_arguments_are_bound(self):
        self.assertEqual(self.results("$a + $b.c", "--arg", "a=1", "--arg", 'b={"c": 2}'), ["3"])
        self.assertEqual(self.results("$a", "--arg", "a=1", "--arg", "a=2"), ["2"])
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


if __name__ == "__main__":
    if len(sys.argv) > 1:
        BIN = os.path.abspath(sys.argv.pop(1))
    unittest.main()
