#!/usr/bin/python3
"""Goal: whatever a worker does, its saga gets its one answer and the worker hears what was wrong.

Method: workers that answer twice, late, wrongly or not at all; leases of two seconds.
"""

import queue
import time

import grpc
import harness
from harness import HEAD

TIMES_OUT = "do:\n  - work: { call: work, timeout: { after: { milliseconds: 300 } } }\n"
RETRIES = """\
do:
  - t:
      try:
        - work: { call: work }
      catch: { errors: { with: { status: 503 } }, retry: { limit: { attempt: { count: 2 } } } }
"""


class WorkerTest(harness.ServerCase):
    flags = ("--lease", "2s")

    def assert_completed(self, saga_id, output):
        saga = self.wait(self.api, saga_id)
        self.assertEqual((saga.status, saga.output), (self.api.saga.SAGA_STATUS_COMPLETED, output))

    def assert_not_running(self, refusal, saga_id):
        self.assert_refused(refusal, "FAILED_PRECONDITION", "TASK_NOT_RUNNING", f"'test/{saga_id}'")

    def start_works(self, saga_id):
        self.start(self.api, "works", saga_id=saga_id)

    # Answers that come too often or too late.

    def test_a_second_answer(self):
        worker = self.worker()
        self.start_works("s")
        token = worker.task().token
        self.assertIsNone(worker.complete(token, b"1"))
        self.assert_not_running(worker.complete(token, b"2"), "s")
        self.assert_not_running(worker.fail(token, status=500), "s")
        self.assert_completed("s", b"1")

    def test_an_answer_after_the_timeout(self):
        self.deploy(self.api, HEAD % "times-out" + TIMES_OUT)
        worker = self.worker()
        self.start(self.api, "times-out", saga_id="s")
        token = worker.task().token
        self.assertEqual(self.wait(self.api, "s").error.status, 408)
        self.assert_not_running(worker.complete(token), "s")

    def test_an_answer_to_a_closed_attempt(self):
        self.deploy(self.api, HEAD % "retries" + RETRIES)
        worker = self.worker()
        self.start(self.api, "retries", saga_id="s")
        first = worker.task()
        self.assertIsNone(worker.fail(first.token, status=503))
        second = worker.task()
        self.assertEqual((first.attempt, second.attempt), (1, 2))
        self.assert_not_running(worker.complete(first.token, b'"old"'), "s")
        self.assertIsNone(worker.complete(second.token, b'"new"'))
        self.assert_completed("s", b'"new"')

    def test_an_answer_after_the_saga_was_cancelled(self):
        worker = self.worker()
        self.start_works("s")
        token = worker.task().token
        self.api.sagas.CancelSaga(
            self.api.saga_service.CancelSagaRequest(namespace="test", saga_id="s"), timeout=10)
        self.assertEqual(self.wait(self.api, "s").status, self.api.saga.SAGA_STATUS_CANCELLED)
        worker.send(heartbeats=[token])
        harness.until(lambda: token in worker.lost, "the worker hears that the task is closed")
        self.assert_not_running(worker.complete(token), "s")

    # Workers that go.

    def test_a_stream_that_breaks(self):
        worker, other = self.worker(), None
        self.start_works("s")
        task = worker.task()
        began = time.monotonic()
        worker.call.cancel()
        other = self.worker(name="other")
        again = other.task()
        self.assertLess(time.monotonic() - began, 1.9)  # sooner than the lease
        self.assertEqual((again.token, again.idempotency_key), (task.token, task.idempotency_key))
        self.assertIsNone(other.complete(again.token, b"1"))
        self.assert_completed("s", b"1")

    def test_a_worker_that_stalls(self):
        worker = self.worker(credit=1)
        self.start_works("s")
        task = worker.task()
        other = self.worker(name="other")
        self.assertFalse(other.has_task(0.5))
        again = other.task()
        self.assertEqual(again.idempotency_key, task.idempotency_key)
        self.assertIsNone(other.complete(again.token, b'"other"'))
        self.assert_not_running(worker.complete(task.token, b'"stalled"'), "s")
        self.assert_completed("s", b'"other"')

    def test_a_worker_that_stalls_and_comes_first_after_all(self):
        worker = self.worker(credit=1)
        self.start_works("s")
        task = worker.task()
        other = self.worker(name="other")
        again = other.task()
        self.assertIsNone(worker.complete(task.token, b'"stalled"'))
        self.assert_not_running(other.complete(again.token, b'"other"'), "s")
        self.assert_completed("s", b'"stalled"')

    # Rubbish.

    def test_tokens_that_are_none(self):
        worker = self.worker()
        self.start_works("s")
        token = worker.task().token
        for rubbish in (b"rubbish", b"", b"\0" * 100, b"x" * 100_000):
            self.assert_refused(worker.complete(rubbish), "INVALID_ARGUMENT", "BAD_REQUEST",
                                "token: is no task token")
            self.assert_refused(worker.fail(rubbish), "INVALID_ARGUMENT", "BAD_REQUEST")
        self.assert_refused(worker.complete(token + b"x"), "NOT_FOUND", "SAGA_NOT_FOUND", "'test/sx'")
        changed = bytes([token[0], token[1] + 7]) + token[2:]
        self.assertIn(worker.complete(changed).reason, ("TASK_NOT_RUNNING", "BAD_REQUEST"))
        worker.send(heartbeats=[b"rubbish"])
        harness.until(lambda: b"rubbish" in worker.lost, "the worker hears of a token that is none")
        self.assertIsNone(worker.complete(token, b"1"))
        self.assert_completed("s", b"1")

    def test_answers_without_a_task(self):
        worker = self.worker()
        self.start(self.api, "waits", saga_id="w")
        self.start_works("s")
        token = worker.task().token
        # As a task's token, but of a saga that has no such task.
        self.assert_not_running(worker.complete(token.replace(b"tests", b"testw")), "w")
        self.assertIsNone(worker.complete(token, b"1"))

    def test_a_status_that_is_none(self):
        worker = self.worker()
        self.start_works("s")
        token = worker.task().token
        for status in (-1, 42, 600, 2_147_483_647):
            self.assert_refused(worker.fail(token, status=status), "INVALID_ARGUMENT", "BAD_REQUEST",
                                "error.status: must be 100 to 599")
        self.assertIsNone(worker.fail(token, status=404))
        self.assertEqual(self.wait(self.api, "s").error.status, 404)

    def test_an_answer_past_what_a_message_may_hold(self):
        worker = self.worker()
        self.start_works("s")
        token = worker.task().token
        worker.send(completions=[self.api.worker_service.TaskCompletion(
            token=token, output=b'"' + b"x" * 10_000_000 + b'"')])
        self.assert_refused(worker.end(), "RESOURCE_EXHAUSTED", "", "larger than max", "8388608")
        other = self.worker(name="other")
        self.assertIsNone(other.complete(other.task().token, b"1"))
        self.assert_completed("s", b"1")

    def test_first_frames_that_are_no_hello(self):
        frame, hello = self.api.worker_service.WorkRequest, self.api.worker_service.WorkerHello
        good = hello(name="w", functions=["work"], credit=1)
        for name, frames, words in (
                ("nothing", [None], "hello: must be in the first frame"),
                ("an empty frame", [frame()], "hello: must be in the first frame"),
                ("credit", [frame(credit=1)], "hello: must be in the first frame"),
                ("two hellos", [frame(hello=good)] * 2, "hello: was said already"),
                ("no name", [frame(hello=hello(functions=["f"]))], "hello.name: must not be empty"),
                ("a name with a line feed", [frame(hello=hello(name="a\n", functions=["f"]))],
                 "hello.name: must not contain control characters"),
                ("no functions", [frame(hello=hello(name="w"))], "hello.functions: must be 1 to 1000"),
                ("many functions", [frame(hello=hello(name="w", functions=map(str, range(1001))))],
                 "hello.functions: must be 1 to 1000"),
                ("an empty function", [frame(hello=hello(name="w", functions=[""]))],
                 "hello.functions: must not be empty"),
                ("a long function", [frame(hello=hello(name="w", functions=["x" * 257]))],
                 "hello.functions: has 257 bytes"),
                ("much credit", [frame(hello=hello(name="w", functions=["f"], credit=2**32 - 1))],
                 "hello.credit: is more than 10000"),
                ("much credit later", [frame(hello=good), frame(credit=2**32 - 1)],
                 "credit: is more than 10000"),
                ("many heartbeats", [frame(hello=good), frame(heartbeats=[b"x"] * 10_001)],
                 "are more than 10000")):
            with self.subTest(name):
                worker = self.worker(hello=False)
                for each in frames:
                    worker.put(each)
                self.assert_refused(worker.end(), "INVALID_ARGUMENT", "BAD_REQUEST", words)

    def test_first_frames_that_are_no_message(self):
        work = self.api.channel.stream_stream("/skald.v1.WorkerService/Work")
        minus_one = b"\xff" * 9 + b"\x01"
        hello = b"\x0a\x01a\x12\x01f\x18" + minus_one
        for name, body, words in (("rubbish", b"\xff\xff\xff\xff", "hello: must be in the first frame"),
                                  ("negative credit", b"\x0a" + bytes([len(hello)]) + hello,
                                   "hello.credit: is more than 10000")):
            with self.subTest(name):
                call = lambda request, timeout: list(work(iter([request]), timeout=timeout))
                self.assert_refused(self.refusal(call, body), "INVALID_ARGUMENT", "BAD_REQUEST", words)

    def test_a_worker_that_takes_all_and_reads_nothing(self):
        hello = self.api.worker_service.WorkRequest()
        hello.hello.name, hello.hello.credit = "deaf", 10_000
        hello.hello.functions.append("work")
        frames = queue.SimpleQueue()
        frames.put(hello)
        deaf = self.api.worker.Work(iter(frames.get, None))
        next(deaf)  # the welcome
        for i in range(60):
            self.start(self.api, "works", saga_id=f"s-{i}", input=b'"' + b"x" * 100_000 + b'"')
        other = self.worker(name="other")
        for _ in range(60):  # when the leases of the deaf one end
            self.assertIsNone(other.complete(other.task().token, b"1"))
        for i in range(60):
            self.assert_completed(f"s-{i}", b"1")
        frames.put(None)
        deaf.cancel()

    def test_an_actor_that_is_too_long(self):
        with self.assertRaises(grpc.RpcError) as caught:
            list(self.api.worker.Work(iter([]), metadata=(("skald-actor", "x" * 257),), timeout=10))
        self.assert_refused(harness.Refusal(caught.exception), "INVALID_ARGUMENT", "BAD_REQUEST",
                            "metadata skald-actor: has 257 bytes")


if __name__ == "__main__":
    harness.main()
