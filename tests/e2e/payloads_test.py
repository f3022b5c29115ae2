#!/usr/bin/python3
"""Goal: JSON that is broken, too deep or too large is refused with its place, wherever it comes in.

Method: as input of a start, as output of a task, and as an operator's output, by the API; then by the
command line.
"""

import json

import grpc
import harness
from harness import HEAD

BROKEN = [  # name, text, words
    ("ends early", b'{"a":', "line 1, column 6: unexpected end of the text"),
    ("goes on after its end", b"{} {}", "line 1, column 4: unexpected text after the value"),
    ("has a key twice", b'{"a":1,\n"b":2,"a":3}', "line 2, column 12: duplicate key in the object that "
     'ends here: "a"'),
    ("is no UTF-8", b'"\xff"', "line 1, column 2: invalid UTF-8"),
    ("has a control character", b'"\x00"', "control characters in a string must be escaped"),
    ("has half a surrogate pair", b'"\\ud800"', "a surrogate without its pair"),
    ("is deep", b"[" * 10_000 + b"]" * 10_000, "column 513: deeper than the limit of 512"),
    ("is deep without an end", b"[" * 100_000, "column 513: deeper than the limit of 512"),
    ("is no number", b"NaN", "expected a value"),
    ("is YAML", b"a: 1", "expected a value"),
    ("is large", b'"' + b"x" * 5_000_000 + b'"', None),
]
PAST_A_MESSAGE = b'"' + b"x" * 10_000_000 + b'"'
PAST_A_COMMIT = b'"' + b"x" * 1_000_000 + b'"'
SCHEMA = """\
input: { schema: { format: json, document: { type: object, required: [amount], properties: {
  amount: { type: integer } } } } }
do:
  - x: { set: { ok: true } }
"""
PARKS = """\
do:
  - paid: { call: work, metadata: { saga: { pivot: true } } }
  - sent: { set: '${ error("boom") }' }
"""


class InputTest(harness.ServerCase):
    def refused(self, value, definition="good"):
        request = self.start_request(self.api, definition, input=value, saga_id="refused")
        refusal = self.refusal(self.api.sagas.StartSaga, request)
        get = self.api.saga_service.GetSagaRequest(namespace="test", saga_id="refused")
        self.assertEqual(self.refusal(self.api.sagas.GetSaga, get).reason, "SAGA_NOT_FOUND")
        return refusal

    def test_broken(self):
        for name, value, words in BROKEN:
            with self.subTest(name):
                self.assert_refused(self.refused(value), "INVALID_ARGUMENT", "BAD_REQUEST",
                                    "input: is not JSON: ", words or "longer than the limit of 4194304")

    def test_too_large(self):
        self.assert_refused(self.refused(PAST_A_COMMIT), "RESOURCE_EXHAUSTED", "COMMIT_TOO_LARGE",
                            "at most 921600 are allowed", "pass a reference")
        self.assert_refused(self.refused(PAST_A_MESSAGE), "RESOURCE_EXHAUSTED", "", "larger than max")

    def test_in_a_frame_of_starts(self):
        frame = self.api.saga_service.StartSagasRequest()
        for item_id, (_, value, _) in enumerate(BROKEN[:5]):
            frame.items.add(item_id=item_id, start=self.start_request(self.api, input=value))
        frame.items.add(item_id=99, start=self.start_request(self.api, input=b"{}"))
        results = {result.item_id: result for answer in
                   self.api.sagas.StartSagas(iter([frame]), timeout=harness.CALL_TIMEOUT)
                   for result in answer.results}
        self.assertEqual(len(results), 6)
        for item_id, (_, _, words) in enumerate(BROKEN[:5]):
            self.assert_refused(harness.Refusal(results[item_id].error), "INVALID_ARGUMENT",
                                "BAD_REQUEST", words)
        self.assertTrue(results[99].started.saga_id)

    def test_against_the_schema(self):
        self.deploy(self.api, HEAD % "schema" + SCHEMA)
        request = self.start_request(self.api, "schema", input=b'{"amount": "12"}', saga_id="typed")
        try:
            self.api.sagas.StartSaga(request, timeout=harness.CALL_TIMEOUT)
        except grpc.RpcError as error:
            self.assertIn("/amount", harness.Refusal(error).message)
            return
        problem = self.wait(self.api, "typed").error
        self.assertIn("validation", problem.type)
        self.assertIn("/amount", problem.detail)

    def test_command_line(self):
        for name, value, words in BROKEN:
            if name in ("is no UTF-8", "has a control character"):
                continue  # arguments are texts
            path = self.write("input.json", value.decode())
            words = words or "longer than the limit of 4194304"
            result = self.skald("start", "test/good", "--input", f"@{path}")
            self.assertEqual(result.returncode, 2, name)
            self.assertIn(f"--input: ", result.stderr)
            self.assertIn(words.split(":")[0], result.stderr)
            result = self.skald("start", "test/good", "--input", f"@{path}", "--json")
            self.assertEqual((result.returncode, result.stdout), (2, ""))
            self.assertIn(words, json.loads(result.stderr)["error"]["message"])
        path = self.write("input.json", PAST_A_COMMIT.decode())
        result = self.skald("start", "test/good", "--input", f"@{path}", "--json")
        self.assertEqual(result.returncode, 1)
        self.assertEqual(json.loads(result.stderr)["error"]["reason"], "COMMIT_TOO_LARGE")


class OutputTest(harness.ServerCase):
    def failed_with(self, worker, saga_id, output):
        self.start(self.api, "works", saga_id=saga_id)
        self.assertIsNone(worker.complete(worker.task().token, output))
        saga = self.wait(self.api, saga_id)
        self.assertEqual(saga.status, self.api.saga.SAGA_STATUS_FAULTED)
        self.assertEqual((saga.error.status, saga.error.instance), (500, "/do/0/work"))
        return saga.error

    def test_broken_output_fails_the_task(self):
        worker = self.worker()
        for number, (name, value, words) in enumerate(BROKEN):
            with self.subTest(name):
                error = self.failed_with(worker, f"o-{number}", value)
                if words is None:
                    self.assertEqual(error.title, "Task output too large")
                    continue
                self.assertEqual(error.title, "The worker's output is not JSON")
                self.assertIn(words, error.detail)

    def test_large_output_fails_the_task(self):
        worker = self.worker()
        error = self.failed_with(worker, "large", PAST_A_COMMIT)
        self.assertEqual(error.title, "Task output too large")
        self.assertIn("at most 819200 are allowed. Store the large value elsewhere", error.detail)

    def test_large_problem_is_cut(self):
        worker = self.worker()
        self.start(self.api, "works", saga_id="f")
        long = "x" * 1_000_000
        self.assertIsNone(worker.fail(worker.task().token, status=422, title=long, detail=long, type=long))
        error = self.wait(self.api, "f").error
        self.assertEqual(error.status, 422)
        for text in (error.title, error.detail):
            self.assertTrue(text.endswith("... (cut; it had 1000000 bytes)"), text[-50:])

    def test_of_an_operator(self):
        self.deploy(self.api, HEAD % "parks" + PARKS)
        worker = self.worker()
        self.start(self.api, "parks", saga_id="p")
        worker.complete(worker.task().token)
        self.wait(self.api, "p")
        request = self.api.saga_service.CompleteTaskRequest(namespace="test", saga_id="p", note="by hand")
        for name, value, words in BROKEN:
            with self.subTest(name):
                request.output = value
                self.assert_refused(self.refusal(self.api.sagas.CompleteTask, request), "INVALID_ARGUMENT",
                                    "BAD_REQUEST", "output: is not JSON", words or "longer than")
        request.output = PAST_A_COMMIT
        self.assert_refused(self.refusal(self.api.sagas.CompleteTask, request), "RESOURCE_EXHAUSTED",
                            "COMMIT_TOO_LARGE", "pass a reference")
        request.output = b'"done"'
        self.api.sagas.CompleteTask(request, timeout=harness.CALL_TIMEOUT)
        self.assertEqual(self.wait(self.api, "p").output, b'"done"')


if __name__ == "__main__":
    harness.main()
