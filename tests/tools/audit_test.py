#!/usr/bin/python3
"""Goal: an auditor with a key and a kept checkpoint can check a store through `skald audit`, offline where it says so;
nothing that was altered, cut off, rolled back or forked passes.

Method: the real programs on loopback, with fresh stores; the second verifier in Python judges too. Usage: audit_test.py BIN_FOLDER
"""

import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import unittest

BIN = "build/dev/bin"
VERIFIER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "audit", "verify_bundle.py")

HEAD = "document: { dsl: '1.0.3', namespace: test, name: %s, version: '1.0.0' }\n"
DEFINITIONS = {
    "completes": "do:\n  - greet:\n      set: { hello: '${ .name }' }\n",
    "pauses": "do:\n  - short:\n      wait: { milliseconds: 1 }\n  - again:\n      wait: { milliseconds: 1 }\n"
              "  - last:\n      set: { secret: '${ .name }' }\n",
    "waits": "do:\n  - pause:\n      wait: { minutes: 10 }\n",
}


class AuditTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.process = None
        self.addCleanup(self.stop)
        for name, text in DEFINITIONS.items():
            self.write(f"{name}.yaml", HEAD % name + text)
        self.start()
        for name in DEFINITIONS:
            self.skald("deploy", self.path(f"{name}.yaml"))
        self.write("key", self.skald("audit", "key").stdout)

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8", newline="") as file:
            file.write(text)

    def read(self, name):
        with open(self.path(name), encoding="utf-8", newline="") as file:
            return file.read()

    def start(self, store="store"):
        self.process = subprocess.Popen(
            [os.path.join(BIN, "skaldd"), "--data-dir", self.path(store), "--listen", "127.0.0.1:0",
             "--partitions", "1"], stdout=subprocess.PIPE, text=True)
        self.addCleanup(self.process.stdout.close)
        match = re.fullmatch(r"skaldd listening on (127\.0\.0\.1:\d+)\n", self.process.stdout.readline())
        self.assertIsNotNone(match)
        self.server = match.group(1)

    def stop(self, how=signal.SIGTERM):
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(timeout=60)

    def skald(self, *arguments, exit_code=0):
        environment = {**os.environ, "SKALD_NAMESPACE": "test", "NO_COLOR": "1", "SKALD_SERVER": self.server}
        result = subprocess.run([os.path.join(BIN, "skald"), *arguments], capture_output=True, text=True,
                                timeout=120, env=environment, check=False, cwd=self.folder.name)
        self.assertEqual(result.returncode, exit_code, (arguments, result.stdout, result.stderr))
        return result

    def run_saga(self, name, saga_id, *flags):
        self.skald("start", f"test/{name}", "--id", saga_id, "--input", '{"name": "Ada"}', "--wait", *flags)

    def verify(self, bundle, *flags, exit_code=0):
        return self.skald("audit", "verify", bundle, "--key", "key", *flags, exit_code=exit_code)

    def verify_twice(self, bundle, exit_code=0):
        """By the program, and by the verifier in Python."""
        result = self.verify(bundle, exit_code=exit_code)
        second = subprocess.run([sys.executable, "-B", VERIFIER, self.path(bundle), self.path("key")],
                                capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(second.returncode, exit_code, second.stdout + second.stderr)
        return result

    def keep(self, name, *flags):
        self.skald("audit", "checkpoint", "--key", "key", "--out", name, *flags)

    def test_export_and_verify(self):
        self.run_saga("pauses", "s-1")
        self.keep("kept")
        self.run_saga("completes", "s-2")
        self.skald("audit", "export", "s-1", "--since", "kept", "--out", "bundle")
        self.stop()
        # From here on there is no server.
        told = self.verify_twice("bundle").stdout
        self.assertIn("whole: ended by SagaCompleted", told)
        report = json.loads(self.verify("bundle", "--since", "kept", "--ended", "--json").stdout)
        self.assertTrue(report["verified"])
        self.assertEqual(report["saga"], {"namespace": "test", "saga_id": "s-1"})
        self.assertGreater(report["commits"], 1)
        self.assertGreater(report["checkpoint"]["size"], report["continues"])
        self.assertEqual(report["problems"], [])
        events = [json.loads(line) for line in self.verify("bundle", "--events", "--json").stdout.splitlines()[1:]]
        self.assertEqual([event["revision"] for event in events], list(range(report["events"])))
        self.assertEqual((events[0]["type"], events[-1]["type"]), ("SagaStarted", "SagaCompleted"))
        self.assertEqual(events[0]["data"]["input"], {"name": "Ada"})

    def test_what_was_altered_is_named(self):
        self.run_saga("pauses", "s-1")
        self.skald("audit", "export", "s-1", "--out", "bundle")
        text = self.read("bundle")
        lines = text.split("\n")
        commits = lines[1:-2]
        self.assertGreaterEqual(len(commits), 3)

        def bundle_of(changed):
            changed = [line.rstrip(",") for line in changed]
            return "\n".join([lines[0], ",\n".join(changed), *lines[-2:]])

        self.assertEqual(bundle_of(commits), text)
        first = json.loads(commits[0].rstrip(","))
        data = first["slots"][0]["data"]
        altered = data[:-8] + ("B" if data[-8] != "B" else "C") + data[-7:]
        for changed, place in [
                (text.replace(data, altered, 1), ".slots[0]: its data was altered"),
                (bundle_of(commits[1:]), "revisions 0 to "),
                (bundle_of(commits[:-1]), "end: says"),
                (bundle_of([commits[1], commits[0], *commits[2:]]), "reordered"),
                (text.replace('"saga_id":"s-1"', '"saga_id":"s-3"', 1), "is a commit of saga test/s-1")]:
            self.write("changed", changed)
            self.assertIn(place, self.verify_twice("changed", exit_code=1).stdout)
        for changed in (text[:-1], text[:len(text) // 2], text.replace(":", ": ", 1), ""):
            self.write("changed", changed)
            self.verify_twice("changed", exit_code=2)

    def test_an_open_saga_is_complete_so_far(self):
        self.run_saga_in_background("w-1")
        self.skald("audit", "export", "test/w-1", "--withhold-data", "--out", "bundle")
        told = self.verify("bundle", "--events").stdout
        self.assertIn("had not ended", told)
        self.assertIn("withheld_sha256", told)
        self.assertNotIn("Ada", told)
        self.assertIn("had not ended", self.verify("bundle", "--ended", exit_code=1).stdout)

    def run_saga_in_background(self, saga_id):
        self.skald("start", "test/waits", "--id", saga_id, "--input", '{"name": "Ada"}')

    def test_restarts_and_lost_views_change_nothing(self):
        self.run_saga("pauses", "s-1")
        self.keep("first")
        self.stop(signal.SIGKILL)
        self.start()
        self.run_saga("completes", "s-2")
        self.keep("second", "--since", "first")
        self.stop()
        shutil.rmtree(self.path("store/views"))
        self.start()
        self.run_saga("completes", "s-3")
        self.keep("third", "--since", "second")
        line = json.loads(self.skald("audit", "checkpoint", "--since", "first", "--key", "key", "--json").stdout)
        self.assertEqual(line["note"], self.read("third"))
        self.skald("audit", "export", "s-1", "--since", "first", "--out", "bundle")
        self.verify("bundle", "--since", "first", "--ended")

    def test_a_file_is_written_whole_or_not_at_all(self):
        self.run_saga("completes", "s-1")
        self.keep("kept")
        kept = self.read("kept")
        os.symlink("kept", self.path("link"))
        self.run_saga("completes", "s-2")
        self.keep("link")
        self.assertTrue(os.path.islink(self.path("link")))
        self.assertNotEqual(self.read("kept"), kept)
        os.mkdir(self.path("folder"))
        self.skald("audit", "checkpoint", "--out", "folder", exit_code=1)
        self.skald("audit", "checkpoint", "--out", "nowhere/kept", exit_code=1)
        self.skald("audit", "checkpoint", "--out", "/dev/full", exit_code=1)
        self.skald("audit", "checkpoint", "--out", "/dev/null")
        self.assertEqual([name for name in os.listdir(self.folder.name) if name.endswith(".part")], [])

    def test_of_several_kept_checkpoints_the_largest_counts(self):
        for number in range(3):
            self.run_saga("completes", f"s-{number}")
            self.keep(f"kept-{number}")
        kept = [self.read(f"kept-{number}") for number in range(3)]
        self.run_saga("completes", "s-3")
        for order in ([0, 1, 2], [2, 1, 0], [1, 2, 0]):
            self.write("kept", "\n".join(kept[number] for number in order))
            self.skald("audit", "export", "s-3", "--since", "kept", "--out", "bundle")
            report = json.loads(self.verify("bundle", "--since", "kept", "--json").stdout)
            self.assertTrue(report["verified"])
            self.assertEqual(report["continues"], int(kept[2].split("\n")[1]))

    def test_a_store_that_was_rolled_back_is_found_out(self):
        self.run_saga("completes", "s-1")
        self.keep("before")
        self.stop()
        shutil.copytree(self.path("store"), self.path("old"))
        self.start()
        self.run_saga("completes", "s-2")
        self.keep("kept")
        self.stop()
        self.start("old")
        lost = self.skald("audit", "checkpoint", "--since", "kept", "--key", "key", exit_code=1)
        self.assertIn("it lost commits", lost.stderr)
        self.assertIn("it lost commits", self.skald("audit", "export", "s-1", "--since", "kept", exit_code=1).stderr)
        # Once it has grown past the checkpoint again it is another log.
        for number in range(3):
            self.run_saga("completes", f"other-{number}")
        forked = self.skald("audit", "checkpoint", "--since", "kept", "--key", "key", exit_code=1)
        self.assertIn("does not continue the kept checkpoint", forked.stderr)
        # What is proven is written only when all of it is: the next look would miss what is not there.
        self.write("both", self.read("before") + "\n" + self.read("kept"))
        both = self.skald("audit", "checkpoint", "--since", "both", "--key", "key", exit_code=1)
        self.assertEqual(both.stdout, "")
        kept = self.read("kept")
        self.skald("audit", "checkpoint", "--since", "kept", "--key", "key", "--out", "kept", exit_code=1)
        self.assertEqual(self.read("kept"), kept)
        self.skald("audit", "export", "other-0", "--since", "kept", "--out", "bundle")
        self.assertIn("rewritten or forked", self.verify("bundle", "--since", "kept", exit_code=1).stdout)

    def test_keys_rotate_with_an_overlap(self):
        self.run_saga("completes", "s-1")
        key_file = self.path("store/audit.key")
        self.assertEqual(stat.S_IMODE(os.stat(key_file).st_mode), 0o600)
        rotated = self.skald("audit", "key", "--data-dir", "store", "--rotate").stdout
        self.assertEqual(rotated.splitlines()[1] + "\n", self.read("key"))
        self.assertEqual(self.skald("audit", "key").stdout, rotated)
        self.write("new_key", rotated.splitlines()[0] + "\n")
        self.skald("audit", "export", "s-1", "--out", "bundle")
        self.verify("bundle")
        self.skald("audit", "verify", "bundle", "--key", "new_key")
        self.skald("audit", "key", "--data-dir", "store", "--rotate")
        self.skald("audit", "export", "s-1", "--out", "bundle")
        self.verify("bundle", exit_code=1)
        self.skald("audit", "verify", "bundle", "--key", "new_key")
        os.chmod(key_file, 0o644)
        self.assertIn("others than its owner", self.skald("audit", "checkpoint", exit_code=1).stderr)
        told = json.loads(self.skald("audit", "checkpoint", "--json", exit_code=1).stderr)["error"]
        self.assertEqual((told["code"], told["reason"]), ("FAILED_PRECONDITION", "AUDIT_KEY_UNUSABLE"))

    def test_exit_codes_of_bad_usage(self):
        self.run_saga("completes", "s-1")
        self.skald("audit", "export", "s-1", "--out", "bundle")
        for arguments in (["audit"], ["audit", "nothing"], ["audit", "export"], ["audit", "verify", "bundle"],
                          ["audit", "verify", "bundle", "--key", "nowhere"],
                          ["audit", "verify", "bundle", "--key", "bundle"],
                          ["audit", "verify", "nowhere", "--key", "key"], ["audit", "verify", "key", "--key", "key"],
                          ["audit", "verify", "bundle", "--key", "key", "--since", "key"],
                          ["audit", "checkpoint", "--since", "key"], ["audit", "key", "--rotate"]):
            self.skald(*arguments, exit_code=2)
        self.skald("audit", "export", "nobody", exit_code=1)
        self.skald("audit", "checkpoint", "--partition", "7", exit_code=2)
        self.skald("audit", "key", "--data-dir", "nowhere", exit_code=1)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        BIN = os.path.abspath(sys.argv.pop(1))
    unittest.main()
