#!/usr/bin/python3
"""Goal: checkpoints that a server signs on its schedule are kept, streamed and proven; whatever is done to them, or to
the log under them, is found, with the place.

Method: the real server and command line; files changed while it is stopped and while it runs.
"""

import json
import os
import shutil
import subprocess
import time
from concurrent import futures

import grpc
import harness


class CheckpointTest(harness.ServerCase):
    flags = ("--checkpoint-interval", "50ms")

    def setUp(self):
        super().setUp()
        self.write("key", self.skald("audit", "key").stdout)
        self.file = os.path.join(self.store, "audit_checkpoints")

    def path(self, name):
        return os.path.join(self.folder, name)

    def run_sagas(self, count):
        for _ in range(count):
            started = self.start(self.api, input=b'"Ada"')
            self.wait(self.api, started.saga_id)

    def kept(self, *flags):
        result = self.skald("audit", "checkpoints", "--json", *flags)
        self.assertEqual(result.returncode, 0, result.stderr)
        return [json.loads(line) for line in result.stdout.splitlines()]

    def until_kept(self):
        """All partitions' trees are covered by what is kept."""
        def covered():
            now = [json.loads(line) for line in self.skald("audit", "checkpoint", "--json").stdout.splitlines()]
            last = {each["origin"]: (each["size"], each["root"]) for each in self.kept()}
            return all(last.get(each["origin"]) == (each["size"], each["root"]) for each in now if each["size"])
        harness.until(covered, "checkpoints are kept of all there is")

    def read(self):
        with open(self.file, "rb") as file:
            return file.read()

    def change(self, content):
        with open(self.file, "wb") as file:
            file.write(content)

    def records(self):
        """The file's records."""
        return [b"checkpoint " + part for part in self.read().split(b"checkpoint ")[1:]]

    def restart(self, *flags):
        self.api.close()
        self.assertEqual(self.server.stop(), 0, self.messages())
        self.server = self.make_server(self.store, "--partitions", "4", *(flags or self.flags))
        self.server.start()
        self.api = self.connect(self.server)

    def verify_finds(self, *words):
        result = self.skald("verify")
        self.assertEqual(result.returncode, 1, result.stdout)
        for word in words:
            self.assertIn(word, result.stdout)

    def test_they_are_kept_over_restarts_and_without_views(self):
        self.run_sagas(5)
        self.until_kept()
        before = self.kept()
        self.assertEqual([each["number"] for each in before], list(range(1, len(before) + 1)))
        # Only of what has grown.
        sizes = {}
        for each in before:
            self.assertGreater(each["size"], sizes.get(each["partition"], 0))
            sizes[each["partition"]] = each["size"]
        one = [each for each in before if each["partition"] == 1]
        self.assertEqual(self.kept("--partition", "1"), one)
        notes = self.skald("audit", "checkpoints", "--notes").stdout
        self.write("notes", notes)
        result = self.skald("audit", "checkpoint", "--since", self.path("notes"), "--key", self.path("key"))
        self.assertEqual(result.returncode, 0, result.stderr)
        self.api.close()
        self.assertEqual(self.server.stop(), 0)
        shutil.rmtree(os.path.join(self.store, "views"))
        self.server.start()
        self.api = self.connect(self.server)
        self.assertEqual(self.kept()[:len(before)], before)
        self.run_sagas(3)
        self.until_kept()
        self.assertGreater(len(self.kept()), len(before))
        report = json.loads(self.skald("verify", "--json").stdout)
        self.assertTrue(report["equal"], report)
        self.assertGreaterEqual(report["checkpoints"], len(before))
        self.assertGreaterEqual(report["audit_leaves"], 8)

    def test_pages(self):
        self.run_sagas(3)
        self.until_kept()
        service = self.api.audit_service
        request, numbers = service.ListCheckpointsRequest(page_size=1), []
        while True:
            page = self.api.audit.ListCheckpoints(request, timeout=20)
            numbers += [each.number for each in page.checkpoints]
            if not page.next_page_token:
                break
            request.page_token = page.next_page_token
        self.assertEqual(numbers, list(range(1, len(numbers) + 1)))
        for request, reason in ((service.ListCheckpointsRequest(partition=9), "BAD_REQUEST"),
                                (service.ListCheckpointsRequest(page_token="x"), "RESUME_TOKEN_INVALID")):
            self.assert_refused(self.refusal(self.api.audit.ListCheckpoints, request), "INVALID_ARGUMENT", reason)
        watch = lambda call, **options: list(self.api.audit.WatchCheckpoints(call, **options))
        for request in (service.WatchCheckpointsRequest(partition=9),
                        service.WatchCheckpointsRequest(after_number=10**6)):
            self.assert_refused(self.refusal(watch, request), "INVALID_ARGUMENT", "BAD_REQUEST")
        first = next(iter(self.api.audit.WatchCheckpoints(service.WatchCheckpointsRequest(after_number=0), timeout=20)))
        self.assertEqual(first.checkpoints[0].number, 1)

    def test_watch_proves_each(self):
        self.run_sagas(3)
        self.until_kept()
        self.write("notes", self.skald("audit", "checkpoint").stdout)
        watch = subprocess.Popen([os.path.join(harness.OPTIONS.bin, "skald"), "audit", "watch", "--json", "--count", "3",
                                  "--key", self.path("key"), "--since", self.path("notes"),
                                  "--server", self.server.address], stdout=subprocess.PIPE, text=True)
        self.addCleanup(watch.kill)
        self.addCleanup(watch.stdout.close)
        # It is told of what is kept from when it is connected, which is not known here.
        deadline = time.monotonic() + 60
        while watch.poll() is None and time.monotonic() < deadline:
            self.run_sagas(1)
        self.assertEqual(watch.wait(timeout=1), 0)
        lines = [json.loads(line) for line in watch.stdout]
        self.assertEqual(len(lines), 3)
        self.assertTrue(all(each["continues"] is not None for each in lines), lines)

    def stand_between(self, answers):
        """A server that hands calls on, but refuses proofs with these codes at first. Returns its address."""
        channel = grpc.insecure_channel(self.server.address)
        self.addCleanup(channel.close)

        def watch(request, context):
            calls = channel.unary_stream("/skald.v1.AuditService/WatchCheckpoints")(request)
            context.add_callback(calls.cancel)
            try:
                yield from calls
            except grpc.RpcError:
                return

        def prove(request, context):
            if answers:
                context.abort(answers.pop(0), "not now")
            return channel.unary_unary("/skald.v1.AuditService/ProveConsistency")(request, timeout=20)

        between = grpc.server(futures.ThreadPoolExecutor(4))
        between.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("skald.v1.AuditService", {
            "WatchCheckpoints": grpc.unary_stream_rpc_method_handler(watch),
            "ProveConsistency": grpc.unary_unary_rpc_method_handler(prove)}),))
        port = between.add_insecure_port("127.0.0.1:0")
        between.start()
        self.addCleanup(lambda: between.stop(None).wait())
        return f"127.0.0.1:{port}"

    def test_watch_asks_again_for_what_is_not_proven_now(self):
        self.run_sagas(3)
        self.until_kept()
        self.write("notes", self.skald("audit", "checkpoint").stdout)
        answers = [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED,
                   grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.CANCELLED]
        watch = subprocess.Popen([os.path.join(harness.OPTIONS.bin, "skald"), "audit", "watch", "--json", "--count", "4",
                                  "--key", self.path("key"), "--since", self.path("notes"),
                                  "--server", self.stand_between(answers)],
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(watch.kill)
        deadline = time.monotonic() + 60
        while watch.poll() is None and time.monotonic() < deadline:
            self.run_sagas(1)
        out, complaints = watch.communicate(timeout=1)
        self.assertEqual(watch.returncode, 0, complaints)
        self.assertEqual(answers, [])
        self.assertEqual(complaints.count("not now"), 4, complaints)
        numbers = [json.loads(line)["number"] for line in out.splitlines()]
        self.assertEqual(numbers, list(range(numbers[0], numbers[0] + 4)))

    def test_watch_complains_of_another_history(self):
        self.run_sagas(2)
        self.until_kept()
        result = self.skald("audit", "watch", "--count", "1", "--key",
                            "skald/00000000000000000000000000000000+4cb8c4f8+" + "A" * 44)
        self.assertNotEqual(result.returncode, 0)
        # What is said to be kept covers more than there is: the store was rolled back.
        self.write("notes", self.skald("audit", "checkpoint").stdout)
        copy = self.path("copy")
        self.api.close()
        self.assertEqual(self.server.stop(), 0)
        shutil.copytree(self.store, copy)
        self.server.start()
        self.api = self.connect(self.server)
        self.run_sagas(30)
        self.until_kept()
        self.write("notes", self.skald("audit", "checkpoint").stdout)
        fork = self.make_server(copy, "--checkpoint-interval", "50ms")
        fork.start()
        api = self.connect(fork)
        watch = subprocess.Popen([os.path.join(harness.OPTIONS.bin, "skald"), "audit", "watch", "--key", self.path("key"),
                                  "--since", self.path("notes"), "--server", fork.address],
                                 stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        # It complains of the first checkpoint that is kept while it watches.
        deadline = time.monotonic() + 60
        while watch.poll() is None and time.monotonic() < deadline:
            self.start(api, input=b"1")
            time.sleep(0.02)
        self.assertEqual(watch.wait(timeout=1), 1)
        self.assertIn("DOES NOT HOLD", watch.stderr.read())
        watch.stderr.close()
        api.close()
        fork.stop()

    def test_changes_while_it_runs_are_named(self):
        self.run_sagas(4)
        self.until_kept()
        # What partitions acknowledge each other is committed about a second later, and would be kept then.
        self.restart("--checkpoint-interval", "0")
        whole, records = self.read(), self.records()
        at = len(records[0])
        for content, words in ((whole[:at + 3] + bytes([whole[at + 3] ^ 1]) + whole[at + 4:], f", byte {at} "),
                               (whole[:at + 30] + bytes([whole[at + 30] ^ 1]) + whole[at + 31:], "one of them was changed"),
                               (whole[at:], ", byte 0 "), (b"".join([records[1], records[0], *records[2:]]), ", byte 0 "),
                               (whole[:-20], "is not a whole one"),
                               (b"".join(records[:-1]), "its end was cut off")):
            with self.subTest(words):
                self.change(content)
                self.verify_finds("kept checkpoints: ", "audit_checkpoints", words)
        self.change(whole)

    def test_changes_while_it_is_stopped_are_named(self):
        self.run_sagas(4)
        self.until_kept()
        self.api.close()
        self.assertEqual(self.server.stop(), 0)
        whole, records = self.read(), self.records()
        for content in (whole[:200] + bytes([whole[200] ^ 1]) + whole[201:], b"".join(records[1:]), whole[:-20],
                        b"".join(records[:-1]), b""):
            with self.subTest(str(len(content))):
                self.change(content)
                self.server.start()
                self.api = self.connect(self.server)
                self.assertIn("no checkpoints are kept: ", self.messages())
                self.verify_finds("kept checkpoints: ", "audit_checkpoints, byte ")
                result = self.skald("audit", "checkpoints")
                self.assertEqual(result.returncode, 1)
                self.assertIn("audit_checkpoints, byte ", result.stderr)
                self.api.close()
                self.assertEqual(self.server.stop(), 0)
        self.change(whole)
        self.server.start()
        self.api = self.connect(self.server)

    def test_a_log_that_lost_its_end_does_not_start(self):
        self.run_sagas(1)
        copy = self.path("copy")
        self.api.close()
        self.assertEqual(self.server.stop(), 0)
        shutil.copytree(self.store, copy)
        self.server.start()
        self.api = self.connect(self.server)
        self.run_sagas(20)
        self.until_kept()
        shutil.copy(self.file, os.path.join(copy, "audit_checkpoints"))
        for folder in ("views", None):
            if folder:
                shutil.rmtree(os.path.join(copy, folder))
            other = self.make_server(copy)
            other.spawn()
            self.assertEqual(other.wait(), 3)
            self.assertIn("was signed and kept, but the log has", self.messages())
        # Knowingly.
        os.remove(os.path.join(copy, "audit_checkpoints"))
        other = self.make_server(copy)
        other.start()
        self.assertEqual(other.stop(), 0)

    def test_none_are_kept_when_switched_off(self):
        self.run_sagas(2)
        self.until_kept()
        self.restart("--checkpoint-interval", "0")
        count = len(self.kept())
        self.run_sagas(5)
        self.skald("audit", "checkpoint")
        self.assertEqual(len(self.kept()), count)
        for value in ("1ms", "25h"):
            bad = self.make_server(self.path("other"), "--checkpoint-interval", value)
            bad.spawn()
            self.assertEqual(bad.wait(), 2)
        self.restart(*self.flags)


if __name__ == "__main__":
    harness.main()
