#!/usr/bin/python3
"""Goal: a damaged store is refused by place, or answers exactly; it is never read wrongly.

Method: a store with real data, its log in tables and in a write-ahead file. On copies of it one bit is
flipped, or a file is cut or gone, at many places; then the server is started and asked for everything.
An operator's way out is taken where the message tells one.
"""

import glob
import json
import os
import shutil

import harness
from harness import NotServing

SAGAS = 120
REFUSED_ANSWERS = ("DATA_LOSS", "UNAVAILABLE")


def flip(path, at):
    with open(path, "r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 0x10]))


def places(path, count):
    """Offsets all over the file, its first and last bytes among them."""
    size = os.path.getsize(path)
    return sorted({size * i // count for i in range(count)} | {0, size - 1, max(0, size - 60)})


class DamageTest(harness.Case):
    def setUp(self):
        super().setUp()
        self.store = os.path.join(self.folder, "store")
        # What a crash leaves stands in tables from the next start on; what is new, in a log file.
        self.fill(0, 80, kill=True)
        self.fill(80, SAGAS, kill=False)

    def fill(self, first, end, kill):
        server = self.make_server(self.store, "--partitions", "2")
        server.start()
        api = self.connect(server)
        self.deploy_all(api)
        for i in range(first, end):
            self.start(api, "good" if i % 2 else "waits", saga_id=f"s-{i}", input=self.input_of(i))
        self.wait(api, f"s-{end - 1}")
        api.close()
        if kill:
            server.kill()
        else:
            self.assertEqual(server.stop(), 0)

    @staticmethod
    def input_of(number):
        return json.dumps({"n": number, "pad": os.urandom(2_000).hex()}).encode()

    def copy(self):
        target = os.path.join(self.folder, "copy")
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(self.store, target)
        return target

    def files(self, kind):
        """Names of the files with data, below the store."""
        found = [os.path.relpath(path, self.store) for path in glob.glob(f"{self.store}/{kind}")]
        found = sorted(name for name in found if os.path.getsize(f"{self.store}/{name}") > 0)
        self.assertTrue(found, f"no {kind}")
        return found

    def examine(self, store, whole=None):
        """Starts the server and asks for everything. 'refused' with its message, or what it answered."""
        seen = len(self.messages())
        server = self.make_server(store)
        try:
            server.start()
        except NotServing:
            self.assertEqual(server.process.returncode, 3)
            return "refused", self.messages()[seen:]
        api = self.connect(server)
        answers = {}
        try:
            for i in range(SAGAS):
                answers[i] = self.ask(api, f"s-{i}")
            verify = api.admin_service.VerifyStoreRequest()
            answers["verify"] = self.answer_of(lambda: [
                (report.done, list(report.differences)) for report in
                api.admin.VerifyStore(verify, timeout=60)][-1])
        finally:
            api.close()
            if server.running():
                self.assertIn(server.stop(), (0, 70))
            else:
                self.assertEqual(server.wait(), 70)
        for key, answer in answers.items():
            if answer[0] in REFUSED_ANSWERS:
                continue
            self.assertEqual(answer, whole[key] if whole else answer)
        return answers, self.messages()[seen:]

    def ask(self, api, saga_id):
        def saga_and_history():
            found = self.saga(api, saga_id)
            request = api.log_service.ReadHistoryRequest(namespace="test", saga_id=saga_id)
            events = [(event.type, event.data) for frame in api.log.ReadHistory(request, timeout=30)
                      for event in frame.events]
            return found.status, found.input, found.output, events
        return self.answer_of(saga_and_history)

    def answer_of(self, call):
        try:
            return "OK", call()
        except harness.grpc.RpcError as error:
            refusal = harness.Refusal(error)
            self.assertIn(refusal.code, REFUSED_ANSWERS, str(refusal))
            if refusal.code == "DATA_LOSS":
                self.assertRegex(refusal.message, r"partition \d+, position \d+.* To mend it, restore")
            return refusal.code, ""

    def whole(self):
        answers, _ = self.examine(self.copy())
        self.assertEqual({answer[0] for answer in answers.values()}, {"OK"})
        return answers

    def test_a_bit_of_the_log_s_tables(self):
        whole, outcomes = self.whole(), set()
        for name in self.files("log/*.sst"):
            for at in places(f"{self.store}/{name}", 6):
                with self.subTest(f"{name} at {at}"):
                    store = self.copy()
                    flip(f"{store}/{name}", at)
                    answers, messages = self.examine(store, whole)
                    if answers == "refused":
                        self.assertIn(f"{store}/log", messages)
                        self.assertIn("To mend it, restore the data directory from a backup", messages)
                        outcomes.add("refused")
                        continue
                    outcomes |= {answer[0] for answer in answers.values()}
                    # Nothing is passed over: what cannot be told from the log, verify finds too.
                    self.assertEqual(answers["verify"][0] == "OK",
                                     all(answer[0] == "OK" for answer in answers.values()))
        self.assertEqual(outcomes, {"refused", "OK", "DATA_LOSS"})

    def test_a_bit_of_the_write_ahead_file(self):
        whole = self.whole()
        name, = self.files("log/[0-9]*.log")
        for at in places(f"{self.store}/{name}", 6):
            with self.subTest(f"{name} at {at}"):
                store = self.copy()
                flip(f"{store}/{name}", at)
                # The server was stopped cleanly, so that even the last record is known to be there.
                answers, messages = self.examine(store, whole)
                self.assertEqual(answers, "refused")
                self.assertRegex(messages, rf"{store}/{name} is damaged at byte \d+|lost its end: partition")
                self.assertIn("To mend it, restore", messages)

    def test_bits_of_the_views(self):
        whole = self.whole()
        for name in self.files("views/*.sst") + self.files("views/MANIFEST-*") + ["views/CURRENT"]:
            for at in places(f"{self.store}/{name}", 6):
                with self.subTest(f"{name} at {at}"):
                    store = self.copy()
                    flip(f"{store}/{name}", at)
                    answers, messages = self.examine(store, whole)
                    if answers == "refused" or "UNAVAILABLE" in {a[0] for a in answers.values()}:
                        self.assertIn("Nothing is lost: start the server again", messages)
                        self.assertIn(store, messages)
                        answers, messages = self.examine(store, whole)  # so it is started again
                        self.assertIn("deleted the views to fold them anew", messages)
                    self.assertEqual(answers, whole)

    def test_files_that_are_cut_or_gone(self):
        whole = self.whole()
        for name in (self.files("log/*.sst") + self.files("log/[0-9]*.log") + self.files("log/MANIFEST-*")
                     + ["log/CURRENT"] + self.files("views/*.sst") + self.files("views/MANIFEST-*")
                     + ["views/CURRENT"]):
            for what in ("cut", "empty", "gone"):
                with self.subTest(f"{name} {what}"):
                    store = self.copy()
                    if what == "gone":
                        os.remove(f"{store}/{name}")
                    else:
                        os.truncate(f"{store}/{name}", os.path.getsize(f"{store}/{name}") // 2 * (what == "cut"))
                    answers, messages = self.examine(store, whole)
                    if name.startswith("log/"):
                        self.assertEqual(answers, "refused")
                        self.assertIn("To mend it, restore", messages)
                    else:
                        self.assertEqual(answers, whole)

    def test_views_may_be_deleted(self):
        whole = self.whole()
        store = self.copy()
        shutil.rmtree(f"{store}/views")
        self.assertEqual(self.examine(store, whole)[0], whole)

    def rebuild_views(self, store):
        return harness.run_skald(harness.OPTIONS.bin, "rebuild", "--views", "--data", store)

    def test_views_stay_until_new_ones_are_whole(self):
        whole = self.whole()
        older = os.path.join(self.folder, "older")
        shutil.copytree(f"{self.store}/log", older)
        with self.subTest("the log cannot be read to its end"):
            store = self.copy()
            name = max(self.files("log/*.sst"), key=lambda each: os.path.getsize(f"{store}/{each}"))
            flip(f"{store}/{name}", os.path.getsize(f"{store}/{name}") // 3)
            answers, _ = self.examine(store, whole)
            self.assertNotEqual(answers, "refused", "it serves what can be read")
            result = self.rebuild_views(store)
            self.assertEqual(result.returncode, 1, result.stdout)
            self.assertIn("checksum mismatch", result.stderr)
            self.assertEqual(self.examine(store, whole)[0], answers)
            self.assertFalse(os.path.exists(f"{store}/views.anew"))
        with self.subTest("the log lost its end, and the views prove it"):
            self.fill(SAGAS, SAGAS + 2, kill=False)
            store = self.copy()
            shutil.rmtree(f"{store}/log")
            shutil.copytree(older, f"{store}/log")
            result = self.rebuild_views(store)
            self.assertEqual(result.returncode, 1, result.stdout)
            self.assertIn("lost its end", result.stderr)
            answers, messages = self.examine(store, whole)
            self.assertEqual(answers, "refused")
            self.assertIn("lost its end", messages)
            # To go on knowingly.
            shutil.rmtree(f"{store}/views")
            self.assertEqual(self.rebuild_views(store).returncode, 0)
            self.assertEqual(self.examine(store, whole)[0], whole)

    def test_a_folder_that_is_not_skald_s_is_left_alone(self):
        project = os.path.join(self.folder, "project")
        os.makedirs(f"{project}/views/layouts")
        self.write("project/views/layouts/main.html", "<html>")
        result = self.rebuild_views(project)
        self.assertEqual(result.returncode, 1, result.stdout)
        self.assertIn("there is no event log", result.stderr)
        store = self.copy()
        self.write("copy/views/notes.txt", "mine")
        result = self.rebuild_views(store)
        self.assertEqual(result.returncode, 1, result.stdout)
        self.assertIn("holds 'notes.txt', which is no file of views", result.stderr)
        found = sorted(os.path.relpath(path, self.folder)
                       for path in glob.glob(f"{project}/**", recursive=True) if os.path.isfile(path))
        self.assertEqual(found, ["project/views/layouts/main.html"])
        os.remove(f"{store}/views/notes.txt")
        self.assertEqual(self.rebuild_views(store).returncode, 0)

    def test_a_torn_tail(self):
        server = self.make_server(self.store)
        server.start()
        api = self.connect(server)
        for i in range(40):
            self.start(api, "waits", saga_id=f"t-{i}", input=b'"' + b"t" * 5_000 + b'"')
        api.close()
        server.kill()
        name, *_ = reversed(self.files("log/[0-9]*.log"))
        with open(f"{self.store}/{name}", "rb") as file:
            end = len(file.read().rstrip(b"\0"))
        self.assertLess(end, os.path.getsize(f"{self.store}/{name}"), "there is room ahead")
        # As if the power had gone while one more batch was written into it: some part of a record.
        for tail in (b"\x12", b"\x12\x34\x56\x78\x00\x10\x01" + b"u" * 3_000, b"\0" * 4_096 + b"u" * 3_000):
            with self.subTest(f"{len(tail)} bytes"):
                store = self.copy()
                with open(f"{store}/{name}", "r+b") as file:
                    file.seek(end)
                    file.write(tail)
                seen = len(self.messages())
                server = self.make_server(store)
                server.start()
                api = self.connect(server)
                for i in range(40):
                    self.assertEqual(len(self.saga(api, f"t-{i}").input), 5_002)
                self.assert_serves(api)
                api.close()
                self.assertEqual(server.stop(), 0)
                messages = self.messages()[seen:]
                self.assertRegex(messages, rf"cut \d+ bytes off {store}/{name} at byte \d+")
                self.assertIn("never acknowledged", messages)
                self.assertIn(f"{store}/{name}.torn", messages)
                self.assertEqual(os.path.getsize(f"{store}/{name}.torn"), len(tail))


if __name__ == "__main__":
    harness.main()
