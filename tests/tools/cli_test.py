#!/usr/bin/python3
"""Goal: skald and skaldd keep what scripts rely on: exit codes, JSON members, the ready line, signals.

Method: the real programs on loopback, with fresh stores. Usage: cli_test.py BIN_FOLDER
"""

import glob
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from skaldd import Server, run_skald  # pylint: disable=wrong-import-position

BIN = "build/release/bin"

HEAD = "document: { dsl: '1.0.3', namespace: test, name: %s, version: '1.0.0' }\n"
DEFINITIONS = {
    "completes": "do:\n  - greet:\n      set: { hello: '${ .name }' }\n",
    "faults": "do:\n  - refuse:\n      raise:\n        error: { type: https://test.example/no, "
              "status: 418, title: teapot }\n",
    "waits": "do:\n  - pause:\n      wait: { minutes: 10 }\n",
    "works": "do:\n  - work:\n      call: work\n      with: { n: '${ .n }' }\n",
    "undoes": "do:\n  - first:\n      call: work\n      metadata: { saga: { compensate: undo } }\n"
              "  - second:\n      call: broken\n",
    "parks": "do:\n  - sure:\n      set: { x: 1 }\n      metadata: { saga: { pivot: true } }\n"
             "  - notify:\n      call: notify\n      timeout: { after: { milliseconds: 20 } }\n"
             "      metadata: { saga: { forward: { limit: { attempt: { count: 0 } } } } }\n",
    "invalid": "do:\n  - x:\n      cal: work\n",
}


def living(group):
    """The processes of a process group that have not ended."""
    found = []
    for path in glob.glob("/proc/[0-9]*/stat"):
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                state, _, its_group = file.read().rpartition(")")[2].split()[:3]
        except OSError:
            continue  # it ended meanwhile
        if int(its_group) == group and state not in "ZX":
            found.append(path)
    return found


def holds_within(seconds, condition):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.files = {}
        for name, text in DEFINITIONS.items():
            self.files[name] = os.path.join(self.folder.name, f"{name}.yaml")
            with open(self.files[name], "w", encoding="utf-8") as file:
                file.write(HEAD % name + text)

    def skald(self, *arguments, server=None, stdin=None):
        return run_skald(BIN, *arguments, server=server, stdin=stdin)


class RunTest(Case):
    def run_json(self, name, *arguments, exit_code):
        result = self.skald("run", self.files[name], "--json", *arguments)
        self.assertEqual(result.returncode, exit_code, result.stderr)
        return json.loads(result.stdout)

    def test_completed(self):
        saga = self.run_json("completes", "--input", '{"name": "Ada"}', exit_code=0)
        self.assertEqual(saga["status"], "completed")
        self.assertEqual(saga["output"], {"hello": "Ada"})
        self.assertIsNone(saga["error"])
        self.assertTrue(saga["saga_id"])
        self.assertEqual([event["revision"] for event in saga["history"]],
                         list(range(len(saga["history"]))))
        self.assertEqual(saga["history"][0]["type"], "SagaStarted")
        for event in saga["history"]:
            self.assertLessEqual({"position", "revision", "time", "type", "task", "causation", "data"},
                                 set(event))

    def test_input_from_standard_input(self):
        for word in ("-", "@-"):
            result = self.skald("run", self.files["completes"], "--json", "--input", word, stdin='{"name": "Bo"}')
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertEqual(json.loads(result.stdout)["output"], {"hello": "Bo"})

    def test_faulted(self):
        saga = self.run_json("faults", exit_code=3)
        self.assertEqual(saga["status"], "faulted")
        self.assertEqual(saga["error"]["status"], 418)
        self.assertEqual(saga["error"]["instance"], "/do/0/refuse")
        self.assertEqual(set(saga["error"]), {"type", "status", "title", "detail", "instance"})

    def test_shell_functions(self):
        saga = self.run_json("works", "--input", '{"n": 12345678901234567890}',
                             "--function", "work=cat", exit_code=0)
        self.assertEqual(saga["output"], {"n": 12345678901234567890})

    def test_compensation(self):
        broken = """broken=echo '{"type": "https://test.example/down", "status": 422}'; exit 1"""
        saga = self.run_json("undoes", "--function", "work=echo 1", "--function", broken,
                             "--function", "undo=echo 2", exit_code=3)
        self.assertEqual(saga["error"]["type"], "https://test.example/down")
        self.assertEqual(saga["compensation"]["outcome"], "compensated")
        self.assertEqual([step["task"] for step in saga["compensation"]["steps"]], ["/do/0/first"])

    def test_the_command_sees_its_key(self):
        saga = self.run_json("works", "--input", '{"n": 1}', "--id", "s-1",
                             "--function", 'work=echo "\\"$SKALD_IDEMPOTENCY_KEY\\""', exit_code=0)
        self.assertTrue(saga["output"].startswith("s-1/"), saga["output"])

    def test_missing_functions_are_named(self):
        result = self.skald("run", self.files["undoes"], "--function", "work=true")
        self.assertEqual(result.returncode, 2)
        self.assertIn("broken, undo", result.stderr)

    def test_bad_definition_and_usage(self):
        self.assertEqual(self.skald("run", self.files["invalid"]).returncode, 2)
        result = self.skald("run", self.files["invalid"], "--json")
        self.assertEqual(result.returncode, 2)
        self.assertIn("line 4, column 7 (/do/0/x", json.loads(result.stderr)["error"]["message"])
        self.assertEqual(self.skald("run").returncode, 2)
        self.assertEqual(self.skald("run", self.files["completes"], "--input", "{").returncode, 2)
        self.assertEqual(self.skald("run", "/nowhere.yaml").returncode, 2)

    def test_a_signal_ends_it_with_its_commands(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            note = os.path.join(self.folder.name, f"group-{number}")
            others = set(glob.glob("/tmp/skald-run-*"))
            run = subprocess.Popen([os.path.join(BIN, "skald"), "run", self.files["works"], "--input", '{"n": 1}',
                                    "--function", f"work=echo $$ > {note}.new; mv {note}.new {note}; sleep 60 | cat"],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            self.addCleanup(run.stderr.close)
            self.addCleanup(run.kill)
            self.assertTrue(holds_within(30, lambda path=note: os.path.exists(path)))
            with open(note, encoding="utf-8") as file:
                group = int(file.read())
            self.assertTrue(living(group))
            folders = set(glob.glob("/tmp/skald-run-*")) - others  # of other tests too, perhaps
            self.assertTrue(folders)
            run.send_signal(number)
            self.assertEqual(run.wait(timeout=10), 128 + number)
            self.assertIn("has not ended", run.stderr.readline())
            self.assertTrue(holds_within(10, lambda group=group: not living(group)), living(group))
            self.assertTrue(holds_within(10, lambda left=folders: not any(map(os.path.exists, left))), folders)

    def test_started_with_child_signals_ignored(self):
        result = subprocess.run([os.path.join(BIN, "skald"), "run", self.files["works"], "--input", '{"n": 1}',
                                 "--function", "work=cat"], capture_output=True, text=True, timeout=60, check=False,
                                preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))
        self.assertEqual(result.returncode, 0, result.stderr)

    def test_a_data_directory_is_kept(self):
        store = os.path.join(self.folder.name, "store")
        for _ in range(2):
            self.run_json("completes", "--data-dir", store, exit_code=0)


class ServerTest(Case):
    def setUp(self):
        super().setUp()
        self.store = os.path.join(self.folder.name, "store")
        self.server = self.start()

    def start(self, listen="127.0.0.1:0"):
        self.skaldd = Server(BIN, self.store, None)
        address = self.skaldd.start(listen)
        self.assertRegex(address, r"^127\.0\.0\.1:\d+$")
        return address

    def tearDown(self):
        if self.skaldd.running():
            self.assertEqual(self.skaldd.stop(), 0)

    def call(self, *arguments, exit_code=0, stdin=None):
        result = self.skald(*arguments, server=self.server, stdin=stdin)
        self.assertEqual(result.returncode, exit_code, result.stdout + result.stderr)
        return [json.loads(line) for line in result.stdout.splitlines()] if "--json" in arguments else result

    def test_a_saga_from_deploy_to_verify(self):
        deployed, = self.call("deploy", self.files["completes"], "--json")
        self.assertEqual((deployed["namespace"], deployed["name"]), ("test", "completes"))
        saga, = self.call("start", "test/completes", "--input", '{"name": "Bo"}', "--id", "s-1",
                          "--wait", "--json")
        self.assertEqual((saga["saga_id"], saga["status"]), ("s-1", "completed"))
        shown, = self.call("get", "test/s-1", "--json")
        self.assertEqual(shown, saga)
        history = self.call("history", "s-1", "--json")
        self.assertEqual(history[-1]["type"], "SagaCompleted")
        self.assertEqual(len(self.call("status", "--json")), 1)
        self.assertTrue(self.call("verify", "--json")[0]["equal"])
        listed = self.call("definitions", "--json")
        self.assertEqual([row["name"] for row in listed], ["completes"])

    def test_values_from_standard_input(self):
        for word in ("-", "@-"):
            saga, = self.call("start", self.files["completes"], "--input", word, "--wait", "--json",
                              stdin='{"name": "Bo"}')
            self.assertEqual(saga["output"], {"hello": "Bo"})
        self.call("deploy", self.files["parks"])
        self.call("start", "test/parks", "--id", "p", "--wait", exit_code=5)
        self.call("complete", "p", "--note", "by hand", "--output", "-", stdin='{"by": "hand"}')
        self.assertEqual(self.call("get", "p", "--json")[0]["output"], {"by": "hand"})

    def test_exit_codes_of_start_and_wait(self):
        self.call("start", self.files["faults"], "--wait", exit_code=3)
        self.call("start", self.files["waits"], "--id", "w", "--wait", "--wait-max", "50ms", exit_code=1)
        self.call("suspend", "w")
        self.call("start", self.files["waits"], "--id", "w2")
        self.call("cancel", "w2")
        self.call("watch", "w2", exit_code=4)
        self.call("get", "nobody", exit_code=1)
        self.call("deploy", self.files["invalid"], exit_code=2)

    def test_terminate_with_and_without_rollback(self):
        self.call("start", self.files["waits"], "--id", "t1")
        self.call("terminate", "t1", "--reason", "enough")
        event = self.call("history", "t1", "--json")[-1]
        self.assertEqual((event["type"], event["data"].get("terminated")), ("SagaCancelled", True))
        self.call("start", self.files["waits"], "--id", "t2")
        self.call("terminate", "t2", "--rollback", "--reason", "enough")
        self.call("watch", "t2", exit_code=4)
        events = self.call("history", "t2", "--json")
        request, = [event for event in events if event["type"] == "CancelRequested"]
        self.assertNotIn("abandon", request["data"])
        self.assertNotIn("terminated", events[-1]["data"])

    def test_a_worker_stops_cleanly_and_survives_a_restart(self):
        self.call("deploy", self.files["works"])
        worker = subprocess.Popen([os.path.join(BIN, "skald"), "worker", "--function", "work=cat",
                                   "--server", self.server], stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL)
        self.addCleanup(worker.kill)
        self.call("start", "test/works", "--input", '{"n": 1}', "--wait")
        self.skaldd.kill()
        self.server = self.start(self.server)
        saga, = self.call("start", "test/works", "--input", '{"n": 2}', "--wait", "--json")
        self.assertEqual(saga["output"], {"n": 2})
        worker.send_signal(signal.SIGTERM)
        self.assertEqual(worker.wait(timeout=60), 0)

    def test_load(self):
        result = subprocess.run([os.path.join(BIN, "saga_load"), "--server", self.server, "--shape",
                                 "tasks3", "--sagas", "200", "--warmup", "0s", "--json"],
                                capture_output=True, text=True, timeout=120, check=False)
        self.assertEqual(result.returncode, 0, result.stderr)
        report = json.loads(result.stdout)
        self.assertEqual((report["sagas"], report["failed"]), (200, 0))
        self.assertLessEqual({"per_s", "p50_ms", "p99_ms"}, set(report))
        for other in (["--sagas", "10"], ["--unary"]):
            result = subprocess.run([os.path.join(BIN, "saga_load"), "--server", self.server, "--rate", "100", *other],
                                    capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual(result.returncode, 2)
            self.assertIn("not with --sagas or --unary", result.stderr)

    def test_output_that_cannot_be_written_is_no_success(self):
        self.call("deploy", self.files["completes"])
        self.call("start", "test/completes", "--id", "o-1", "--wait")
        # Each of the last ones would go on without end, or for as long as the saga runs.
        self.call("start", self.files["waits"], "--id", "o-2")
        for arguments in (["version"], ["help"], ["get", "--help"], ["definitions"], ["get", "o-1", "--json"],
                          ["sql", "select 1"], ["log", "export"], ["audit", "checkpoint"], ["watch", "o-1"],
                          ["log", "follow"], ["log", "follow", "--json"], ["watch", "o-2"],
                          ["watch", "--model", "sagas"]):
            with open("/dev/full", "wb") as full:
                result = subprocess.run([os.path.join(BIN, "skald"), *arguments], stdout=full, stderr=subprocess.PIPE,
                                        timeout=60, text=True, check=False,
                                        env={**os.environ, "SKALD_SERVER": self.server, "SKALD_NAMESPACE": "test"})
            self.assertEqual(result.returncode, 1, (arguments, result.stderr))
            self.assertEqual(result.stderr.count("cannot write to standard output"), 1, (arguments, result.stderr))

    def test_follow(self):
        self.call("deploy", self.files["completes"])
        follower = subprocess.Popen([os.path.join(BIN, "skald"), "log", "follow", "--json", "--type",
                                     "SagaCompleted", "--namespace", "test", "--server", self.server],
                                    stdout=subprocess.PIPE, text=True)
        self.addCleanup(follower.stdout.close)
        self.addCleanup(follower.wait)
        self.addCleanup(follower.kill)
        self.call("start", "test/completes", "--id", "f-1", "--wait")
        event = json.loads(follower.stdout.readline())
        self.assertEqual((event["type"], event["saga_id"]), ("SagaCompleted", "f-1"))
        self.assertIn("resume_token", json.loads(follower.stdout.readline()))


class SkalddTest(Case):
    def skaldd(self, *arguments):
        return subprocess.run([os.path.join(BIN, "skaldd"), *arguments], capture_output=True, text=True,
                              timeout=60, check=False)

    def test_bad_usage(self):
        self.assertEqual(self.skaldd().returncode, 2)
        self.assertEqual(self.skaldd("--data-dri", "x").returncode, 2)
        self.assertEqual(self.skaldd("--help").returncode, 0)

    def test_a_store_that_cannot_be_opened(self):
        path = os.path.join(self.folder.name, "file")
        with open(path, "w", encoding="utf-8") as file:
            file.write("not a folder")
        result = self.skaldd("--data-dir", path, "--listen", "127.0.0.1:0")
        self.assertEqual(result.returncode, 3)
        self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        BIN = os.path.abspath(sys.argv.pop(1))
    unittest.main()
