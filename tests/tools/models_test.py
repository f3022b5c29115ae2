#!/usr/bin/python3
"""Goal: read models are declared, shown and dropped from the command line, mistakes are told as compilers tell them, and
the audit key is rotated on record.

Method: the real programs on loopback, with a fresh store. Usage: models_test.py BIN_FOLDER
"""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import unittest

BIN = "build/dev/bin"
EXAMPLES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "examples", "models")
MODEL = "model: %s\ndescription: Counts\nevents: [{}]\nkey: .sagaId\nreduce: . + 1\n"


class ModelsTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.process, self.server = None, "127.0.0.1:1"
        self.addCleanup(self.stop)

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return name

    def start(self):
        self.process = subprocess.Popen(
            [os.path.join(BIN, "skaldd"), "--data-dir", self.path("store"), "--listen", "127.0.0.1:0",
             "--partitions", "2"], stdout=subprocess.PIPE, text=True)
        self.addCleanup(self.process.stdout.close)
        match = re.fullmatch(r"skaldd listening on (127\.0\.0\.1:\d+)\n", self.process.stdout.readline())
        self.assertIsNotNone(match)
        self.server = match.group(1)

    def stop(self, how=signal.SIGTERM):
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(timeout=60)

    def skald(self, *arguments, exit_code=0):
        environment = {**os.environ, "NO_COLOR": "1", "SKALD_SERVER": self.server, "USER": "ann"}
        result = subprocess.run([os.path.join(BIN, "skald"), *arguments], capture_output=True, text=True,
                                timeout=120, env=environment, check=False, cwd=self.folder.name)
        self.assertEqual(result.returncode, exit_code, (arguments, result.stdout, result.stderr))
        return result

    def events(self, kind):
        lines = self.skald("log", "read", "--partition", "0", "--json").stdout.splitlines()
        return [event for event in map(json.loads, lines) if event["type"] == kind]

    def test_models_are_declared_shown_and_dropped(self):
        self.start()
        self.assertEqual(self.skald("models").stdout, "")
        self.write("b.yaml", MODEL % "beta")
        self.write("a.yaml", MODEL % "alpha")
        self.assertEqual(self.skald("models", "deploy", "b.yaml", "a.yaml").stdout,
                         "beta: deployed\nalpha: deployed\n")
        again = json.loads(self.skald("models", "deploy", "b.yaml", "--json").stdout)
        self.assertTrue(again["already_deployed"])
        listed = self.skald("models").stdout.splitlines()
        self.assertEqual([line.split()[0] for line in listed], ["alpha", "beta"])
        self.assertTrue(listed[0].endswith("Counts"))
        shown = json.loads(self.skald("models", "show", "beta", "--json").stdout)
        self.assertEqual((shown["text"], shown["actor"]), (MODEL % "beta", "cli:ann"))
        self.assertEqual(self.skald("models", "show", "beta").stdout.strip(), (MODEL % "beta").strip())
        self.assertEqual(self.skald("models", "drop", "beta", "--reason", "nobody reads it").stdout,
                         "beta: dropped\n")
        self.assertIn("no read model 'beta'", self.skald("models", "show", "beta", exit_code=1).stderr)
        [dropped] = self.events("ModelDropped")
        self.assertEqual(dropped["data"], {"name": "beta", "reason": "nobody reads it"})
        self.assertEqual(dropped["actor"], "cli:ann")
        # A kill later they are there, and state is still what the log says.
        self.stop(signal.SIGKILL)
        self.start()
        self.assertEqual([json.loads(line)["name"] for line in self.skald("models", "--json").stdout.splitlines()],
                         ["alpha"])
        self.skald("verify")

    def test_how_models_stand(self):
        self.start()
        states = {each["model"]: each for each in
                  map(json.loads, self.skald("models", "status", "--json").stdout.splitlines())}
        self.assertLessEqual({"sagas", "incidents", "definitions", "throughput", "attributes"}, set(states))
        self.assertIsNone(states["sagas"]["stopped_by"])
        self.assertEqual(self.skald("models", "status", "sagas").stdout.split()[:1], ["model"])
        self.write("bad.yaml", "model: bad\nevents: [{types: [SagaStarted]}]\nkey: .sagaId\nreduce: error(\"no sum\")\n")
        self.write("done.yaml", "document: {dsl: '1.0.3', namespace: test, name: done, version: '1.0.0'}\n"
                                "do:\n  - done: {set: {done: true}}\n")
        self.skald("models", "deploy", "bad.yaml")
        self.skald("deploy", "done.yaml")
        self.skald("start", "test/done", "--id", "s-1")
        # All there is is told, and then that nothing more comes.
        watched = self.skald("watch", "--model", "bad", "--json", exit_code=1)
        self.assertIn("stands still", watched.stderr)
        stopped = json.loads(self.skald("models", "status", "bad", "--json", exit_code=1).stdout)
        self.assertIn("no sum", stopped["stopped_by"]["error"])
        self.assertIn("stands still before", self.skald("models", "status", exit_code=1).stdout)
        self.assertIn("no model 'none'", self.skald("models", "status", "none", exit_code=1).stderr)

    def test_mistakes_are_told_as_compilers_do(self):
        self.start()
        self.write("bad.yaml", "model: Bad\nevents: [{types: [SagaComplete]}]\nkey: $sage.id\nreduce: '.x'\n")
        for arguments in (["models", "deploy", "bad.yaml"], ["models", "validate", "bad.yaml"]):
            told = self.skald(*arguments, exit_code=2).stderr
            self.assertRegex(told, r"(?m)^bad\.yaml:1:8: error: .*expected a name of lower-case letters")
            self.assertRegex(told, r"(?m)^bad\.yaml:2:19: error: .*did you mean 'SagaCompleted'\?")
            self.assertRegex(told, r"(?m)^bad\.yaml:3:6: error: .*did you mean '\$saga'\?")
        error = json.loads(self.skald("models", "deploy", "bad.yaml", "--json", exit_code=2).stderr)["error"]
        self.assertEqual(error["reason"], "MODEL_INVALID")
        self.assertEqual([each["line"] for each in error["diagnostics"]], [1, 2, 3])
        self.assertEqual(self.skald("models").stdout, "")
        self.write("builtin.yaml", MODEL % "sagas")
        self.assertIn("Skald itself keeps", self.skald("models", "deploy", "builtin.yaml", exit_code=2).stderr)
        self.assertIn("Skald itself keeps",
                      self.skald("models", "drop", "sagas", "--reason", "x", exit_code=2).stderr)

    def test_validate_needs_no_server(self):
        examples = [os.path.join(EXAMPLES, name) for name in sorted(os.listdir(EXAMPLES)) if name.endswith(".yaml")]
        self.assertGreaterEqual(len(examples), 2)
        self.skald("models", "validate", *examples)
        report = json.loads(self.skald("models", "validate", "--json", examples[0]).stdout)
        self.assertEqual((report["valid"], report["diagnostics"]), (True, []))

    def test_exit_codes_of_bad_usage(self):
        for arguments in (["nothing"], ["deploy"], ["deploy", "nowhere.yaml"], ["show"], ["drop", "m"],
                          ["drop", "--reason", "x"], ["list", "more"]):
            self.skald("models", *arguments, exit_code=2)

    def test_the_audit_key_is_rotated_on_record(self):
        self.start()
        old = self.skald("audit", "key").stdout
        self.assertIn("--reason", self.skald("audit", "key", "rotate", exit_code=2).stderr)
        rotated = self.skald("audit", "key", "rotate", "--reason", "yearly").stdout
        self.assertEqual(rotated.splitlines()[1] + "\n", old)
        self.assertEqual(self.skald("audit", "key").stdout, rotated)
        [event] = self.events("AuditKeyRotated")
        self.assertEqual(event["actor"], "cli:ann")
        self.assertEqual(event["data"]["reason"], "yearly")
        self.assertEqual(event["data"]["newKey"], rotated.splitlines()[0])
        self.assertEqual(event["data"]["newKeyId"], rotated.split("+")[1])
        self.assertEqual(event["data"]["oldKeyId"], old.split("+")[1])
        self.stop(signal.SIGKILL)
        self.start()
        self.assertEqual(self.skald("audit", "key").stdout, rotated)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        BIN = os.path.abspath(sys.argv.pop(1))
    unittest.main()
