#!/usr/bin/python3
"""Goal: a log that is exported and imported is the same log, byte for byte, to engine and auditors; what is not the
whole log, or was changed on the way, is refused with the reason and the byte.

Method: the real server and command line; files changed in every way that a copy goes wrong.
"""

import json
import os
import subprocess
import time

import harness



def moment(event):
    """Its time as a text that sorts: fractions of a second may have any number of digits."""
    seconds, _, fraction = event["time"].rstrip("Z").partition(".")
    return seconds, fraction.ljust(9, "0")


class ExportTest(harness.ServerCase):
    def setUp(self):
        super().setUp()
        for i in range(40):
            self.start(self.api, saga_id=f"s-{i}", input=b'"Ada"')
        self.start(self.api, "waits", saga_id="waiting")
        self.start(self.api, "works", saga_id="working", input=b"1")
        for i in range(40):
            self.wait(self.api, f"s-{i}")

    def path(self, name):
        return os.path.join(self.folder, name)

    def read(self, name):
        with open(self.path(name), "rb") as file:
            return file.read()

    def export(self, name, *flags, code=0):
        result = self.skald("log", "export", "--out", self.path(name), *flags)
        self.assertEqual(result.returncode, code, result.stderr)
        self.assertFalse(os.path.exists(self.path(name + ".part")))
        return result

    def do_import(self, name, data_dir, *flags, code=0):
        result = self.skald("log", "import", self.path(name), "--data", self.path(data_dir), *flags)
        self.assertEqual(result.returncode, code, result.stdout + result.stderr)
        self.assertFalse(os.path.exists(self.path(data_dir + ".importing")))
        return result

    def events(self, *flags, **options):
        return [json.loads(line) for line in
                self.skald("log", "export", *flags, **options).stdout.splitlines()]

    def is_settled(self):
        """Partitions have told each other what they got, so nothing will be added by itself."""
        sent, acked = {}, {}
        for event in self.events():
            at = (event["partition"], event["data"].get("to", 0))
            if event["type"] == "MessageSent":
                sent[at] = event["data"]["seq"]
            elif event["type"] == "MessagesAcked":
                acked[at] = event["data"]["through"]
        return sent == acked

    def test_the_imported_log_is_the_same(self):
        harness.until(self.is_settled, "all messages are acknowledged")
        checkpoints = self.skald("audit", "checkpoint", "--json").stdout
        self.export("a", "--format", "binary")
        self.export("again", "--format", "binary")
        self.assertEqual(self.read("a"), self.read("again"))
        told = json.loads(self.do_import("a", "copy", "--json").stdout)
        status = json.loads(self.skald("status", "--json").stdout)
        self.assertEqual((told["store_id"], told["partitions"]), (status["store_id"], 4))
        copy = self.make_server(self.path("copy"))
        copy.start()
        try:
            run = lambda *words: harness.run_skald(harness.OPTIONS.bin, *words, server=copy.address)
            self.assertEqual(run("verify").returncode, 0)
            self.assertEqual(run("log", "export", "--format", "binary", "--out", self.path("b")).returncode, 0)
            self.assertEqual(self.read("a"), self.read("b"))
            for ours, theirs in zip(checkpoints.splitlines(), run("audit", "checkpoint", "--json").stdout.splitlines()):
                ours, theirs = json.loads(ours), json.loads(theirs)
                self.assertEqual([ours[key] for key in ("origin", "size", "root")],
                                 [theirs[key] for key in ("origin", "size", "root")])
            self.assertEqual(run("get", "waiting", "--json").stdout, self.skald("get", "waiting", "--json").stdout)
        finally:
            self.assertEqual(copy.stop(), 0, self.messages())

    def test_lines_are_the_log(self):
        # What partitions acknowledge each other is committed about a second later: then the log stands still.
        time.sleep(2)
        read = [json.loads(line) for line in self.skald("log", "read", "--json").stdout.splitlines()]
        self.assertEqual(self.events("--format", "jsonl"), read)
        self.export("lines")
        self.assertEqual([json.loads(line) for line in self.read("lines").decode().splitlines()], read)
        one = [event for event in read if event["partition"] == 1]
        self.assertEqual(self.events("--partition", "1"), one)
        middle = one[len(one) // 2]
        part = self.events("--partition", "1", "--from", str(middle["position"]))
        self.assertEqual(part[-1], one[-1])
        self.assertLessEqual(part[0]["position"], middle["position"])
        self.assertEqual(self.events("--namespace", "test", "--saga", "s-3"),
                         [event for event in read if event["saga_id"] == "s-3"])
        self.assertEqual(self.events("--type", "SagaCompleted"),
                         [event for event in read if event["type"] == "SagaCompleted"])
        self.assertEqual(self.events("--from", middle["time"]), [e for e in read if moment(e) >= moment(middle)])
        self.assertEqual(self.events("--to", middle["time"]), [e for e in read if moment(e) <= moment(middle)])
        self.assertEqual(self.events("--to", "1999-01-01T00:00:00Z"), [])

    def test_what_is_not_the_whole_log_is_not_imported(self):
        for flags, why in ((("--partition", "1"), "only partition 1"),
                           (("--namespace", "test"), "only namespace test"),
                           (("--type", "SagaStarted"), "only type SagaStarted"),
                           (("--to", "1999-01-01T00:00:00Z"), "only to 1999-01-01T00:00:00Z"),
                           (("--partition", "0", "--from", "2"), "only from position 2")):
            with self.subTest(str(flags)):
                self.export("part", "--format", "binary", *flags)
                result = self.do_import("part", "copy", code=2)
                self.assertIn("is not the whole log", result.stderr)
                self.assertIn(why, result.stderr)
                self.assertFalse(os.path.exists(self.path("copy")))

    def test_what_was_changed_is_refused_with_the_byte(self):
        self.export("good", "--format", "binary")
        good = self.read("good")
        changes = {"cut": good[:-10], "cut in the middle": good[:len(good) // 2], "nothing": b"", "text": b"hello\n",
                   "flipped": good[:1000] + bytes([good[1000] ^ 4]) + good[1001:], "longer": good + b"x",
                   "reordered": good[:300] + good[600:900] + good[300:600] + good[900:]}
        for what, content in changes.items():
            with self.subTest(what):
                with open(self.path("bad"), "wb") as file:
                    file.write(content)
                result = self.do_import("bad", "copy", code=2)
                self.assertIn("is no log export" if what in ("nothing", "text") else ": byte ", result.stderr)
                self.assertFalse(os.path.exists(self.path("copy")))

    def test_what_no_server_writes_is_refused(self):
        """Files whose checksums are right: by hand, or by a newer build."""
        subprocess.run([os.path.join(harness.OPTIONS.bin, "bad_exports"), self.folder], check=True)
        no_text = "partition 0 is damaged at position 1: the text of what was deployed is missing"
        for name, words in {"filtered": "is not the whole log, which a store needs: it was filtered",
                            "of_many_partitions": "is of 4000000000 partitions", "text_in_slot_0": no_text,
                            "text_past_the_end": no_text,
                            "unknown_kind": "does not know here. If a newer build of Skald wrote it, use that one",
                            "message_out_of_order": "messages are missing, repeated or out of order",
                            "before_1970": "before 1970",
                            "task_of_no_saga": "a saga's first event is not its start"}.items():
            with self.subTest(name):
                result = self.do_import(name, "copy", code=2)
                self.assertIn(words, result.stderr)
                self.assertIn(self.path(name), result.stderr)
                self.assertFalse(os.path.exists(self.path("copy")))
        self.do_import("good", "copy")
        copy = self.make_server(self.path("copy"))
        copy.start()
        self.assertEqual(copy.stop(), 0, self.messages())

    def test_only_into_an_empty_place(self):
        self.export("good", "--format", "binary")
        os.mkdir(self.path("copy"))
        self.write(os.path.join("copy", "something"), "here")
        self.assertIn("holds something", self.do_import("good", "copy", code=1).stderr)
        self.assertEqual(os.listdir(self.path("copy")), ["something"])
        self.assertIn("holds something", self.do_import("good", "store", code=1).stderr)
        os.mkdir(self.path("empty"))
        self.do_import("good", "empty")
        os.mkdir(self.path("other.importing"))
        result = self.skald("log", "import", self.path("good"), "--data", self.path("other"))
        self.assertEqual(result.returncode, 1)
        self.assertIn("another import is running, or one was killed", result.stderr)
        self.assertEqual(self.skald("log", "import", self.path("good")).returncode, 2)
        self.assertEqual(self.skald("log", "import", "--data", self.path("x")).returncode, 2)
        self.assertEqual(self.skald("log", "import", self.path("nothing"), "--data", self.path("x")).returncode, 2)

    def test_a_place_that_cannot_be_taken_is_refused_at_once(self):
        self.export("good", "--format", "binary")
        mounted = ["unshare", "-rm", "sh", "-c", 'mount -t tmpfs none "$0" && "$@"', self.path("volume")]
        os.mkdir(self.path("volume"))
        skald = os.path.join(harness.OPTIONS.bin, "skald")
        result = subprocess.run([*mounted, skald, "log", "import", self.path("good"), "--data", self.path("volume")],
                                capture_output=True, text=True, check=False)
        if "unshare" in result.stderr or "mount:" in result.stderr:
            self.skipTest(result.stderr)
        self.assertEqual(result.returncode, 1, result.stdout)
        self.assertIn("is where a file system is mounted", result.stderr)
        self.assertIn(self.path("volume/store"), result.stderr)
        self.assertFalse(os.path.exists(self.path("volume.importing")))
        inside = subprocess.run([*mounted, skald, "log", "import", self.path("good"), "--data",
                                 self.path("volume/store")], capture_output=True, text=True, check=False)
        self.assertEqual(inside.returncode, 0, inside.stderr)

    def test_into_the_present_folder_and_behind_a_link(self):
        self.export("good", "--format", "binary")
        os.mkdir(self.path("here"))
        os.mkdir(self.path("far"))
        os.symlink(self.path("far"), self.path("link"))
        skald = os.path.join(harness.OPTIONS.bin, "skald")
        result = subprocess.run([skald, "log", "import", self.path("good"), "--data", "."], cwd=self.path("here"),
                                capture_output=True, text=True, check=False)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.do_import("good", "link")
        for folder in ("here", "far"):
            self.assertEqual(sorted(os.listdir(self.path(folder))), ["log", "views"])

    def test_bad_bounds_are_refused(self):
        for flags, words in ((("--partition", "9"), "there are 4"), (("--from", "3"), "needs a partition"),
                             (("--partition", "1", "--from", "100000"), "ends at"),
                             (("--partition", "1", "--to", "100000"), "ends at"),
                             (("--to", "2999-01-01T00:00:00Z"), "in the future"),
                             (("--from", "soon"), "expects a position or a time"),
                             (("--type", "Nonsense"), "is no event type"), (("--saga", "s"), "needs a namespace"),
                             (("--format", "xml"), "expects jsonl or binary")):
            with self.subTest(str(flags)):
                result = self.export("x", *flags, code=2)
                self.assertIn(words, result.stderr)
                self.assertFalse(os.path.exists(self.path("x")))
        self.assertEqual(self.skald("log", "export", "--out", "/nowhere/x").returncode, 1)

    def test_while_sagas_run(self):
        """Exports of a busy store can be imported: they are of one moment."""
        worker = self.worker()
        worker.complete(worker.task().token)
        for i in range(20):
            self.start(self.api, "works", saga_id=f"w-{i}", input=b"1")
        self.export("busy", "--format", "binary")
        for _ in range(20):
            worker.complete(worker.task().token)
        self.do_import("busy", "copy")
        copy = self.make_server(self.path("copy"))
        copy.start()
        self.assertEqual(harness.run_skald(harness.OPTIONS.bin, "verify", server=copy.address).returncode, 0)
        self.assertEqual(copy.stop(), 0, self.messages())


if __name__ == "__main__":
    harness.main()
