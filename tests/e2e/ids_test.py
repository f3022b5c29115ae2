#!/usr/bin/python3
"""Goal: bad, unknown and reused ids are refused by field and reason, by every verb that takes them.

Method: the real server and command line.
"""

import json

import grpc
import harness

BAD = [("too long", "x" * 257, "has 257 bytes; at most 256 are allowed"),
       ("of two bytes a character, too long", "\u00e4" * 129, "has 258 bytes; at most 256 are allowed"),
       ("with a line feed", "a\nb", "must not contain control characters"),
       ("with a zero", "a\0b", "must not contain control characters"),
       ("with a delete", "a\x7fb", "must not contain control characters")]
STEER = ["CancelSaga", "TerminateSaga", "SuspendSaga", "ResumeSaga"]
MEND = ["RetryCompensation", "SkipCompensation", "ResolveCompensation", "RetryTask", "CompleteTask",
        "FailTask"]


class IdTest(harness.ServerCase):
    def verb(self, method, **fields):
        fields.setdefault("namespace", "test")
        request = getattr(self.api.saga_service, method + "Request")(**fields)
        if "note" in request.DESCRIPTOR.fields_by_name:
            request.note = "by hand"
        if method == "SkipCompensation":
            request.reason = "by hand"
        return getattr(self.api.sagas, method), request

    def test_of_a_start(self):
        for field in ("namespace", "definition_name", "definition_version", "saga_id", "request_id",
                      "correlation_id"):
            for name, value, words in BAD:
                with self.subTest(f"{field} {name}"):
                    request = self.start_request(self.api)
                    setattr(request, field, value)
                    self.assert_refused(self.refusal(self.api.sagas.StartSaga, request),
                                        "INVALID_ARGUMENT", "BAD_REQUEST", f"{field}: {words}")
        for field in ("namespace", "definition_name"):
            request = self.start_request(self.api)
            setattr(request, field, "")
            self.assert_refused(self.refusal(self.api.sagas.StartSaga, request), "INVALID_ARGUMENT",
                                "BAD_REQUEST", f"{field}: must not be empty")

    def test_all_violations_come_at_once(self):
        refusal = self.refusal(self.api.sagas.StartSaga, self.start_request(
            self.api, namespace="", saga_id="a\n", request_id="x" * 300, input=b"{"))
        self.assertEqual([field for field, _ in refusal.violations],
                         ["namespace", "saga_id", "request_id", "input"])

    def test_the_longest_id_and_odd_ones_work(self):
        for saga_id in ("x" * 256, "\u00e4" * 128, "a/b", " ", "\U0001f600", "..", "%00"):
            self.start(self.api, saga_id=saga_id)
            self.assertEqual(self.wait(self.api, saga_id).saga_id, saga_id)

    def test_unknown_saga_of_every_verb(self):
        calls = [self.verb(method, saga_id="nobody") for method in STEER + MEND]
        calls += [self.verb("GetSaga", saga_id="nobody"), self.verb("WaitSaga", saga_id="nobody")]
        history = self.api.log_service.ReadHistoryRequest(namespace="test", saga_id="nobody")
        calls += [(lambda request, timeout: list(self.api.log.ReadHistory(request, timeout=timeout)),
                   history)]
        for call, request in calls:
            with self.subTest(type(request).__name__):
                self.assert_refused(self.refusal(call, request), "NOT_FOUND", "SAGA_NOT_FOUND",
                                    "No saga 'test/nobody' exists; check its namespace and id")

    def test_bad_ids_of_every_verb(self):
        for method in STEER + MEND + ["GetSaga", "WaitSaga"]:
            for fields, words in (({"saga_id": ""}, "saga_id: must not be empty"),
                                  ({"saga_id": "a\n"}, "saga_id: must not contain control characters"),
                                  ({"saga_id": "s", "namespace": "x" * 257}, "namespace: has 257 bytes")):
                with self.subTest(f"{method} {fields}"):
                    self.assert_refused(self.refusal(*self.verb(method, **fields)), "INVALID_ARGUMENT",
                                        "BAD_REQUEST", words)

    def test_unknown_task(self):
        self.start(self.api, "waits", saga_id="w")
        for method in MEND:
            for task in ("/do/9/nowhere", "no pointer", ""):
                refusal = self.refusal(*self.verb(method, saga_id="w", task=task))
                self.assertIn(refusal.reason, ("TASK_NOT_FOUND", "TASK_NOT_PARKED"), str(refusal))
                self.assertIn("'test/w'", refusal.message)

    def test_verbs_after_the_end(self):
        self.start(self.api, saga_id="ended")
        self.wait(self.api, "ended")
        for method in STEER + MEND:
            self.assert_refused(self.refusal(*self.verb(method, saga_id="ended")),
                                "FAILED_PRECONDITION", "SAGA_ALREADY_ENDED", "it is completed")

    def test_request_id_with_another_content(self):
        first = self.start(self.api, saga_id="r", request_id="id-1", input=b"1")
        again = self.start(self.api, saga_id="r", request_id="id-1", input=b"1")
        self.assertEqual((first.duplicate, again.duplicate), (False, True))
        refusal = self.refusal(self.api.sagas.StartSaga, self.start_request(
            self.api, saga_id="r", request_id="id-1", input=b"2"))
        self.assert_refused(refusal, "ALREADY_EXISTS", "REQUEST_ID_REUSED", "'id-1'", "use a new id")
        refusal = self.refusal(self.api.sagas.StartSaga, self.start_request(
            self.api, saga_id="r", request_id="id-2", input=b"1"))
        self.assert_refused(refusal, "ALREADY_EXISTS", "SAGA_ALREADY_EXISTS", "'test/r'")
        self.start(self.api, request_id="id-3", input=b"1")  # its saga's id comes from the request's
        refusal = self.refusal(self.api.sagas.StartSaga,
                               self.start_request(self.api, request_id="id-3", input=b"2"))
        self.assert_refused(refusal, "ALREADY_EXISTS", "REQUEST_ID_REUSED")

    def test_request_id_of_verbs_with_another_content(self):
        self.start(self.api, "waits", saga_id="v")
        call, request = self.verb("SuspendSaga", saga_id="v", request_id="id-1", reason="lunch")
        self.assertFalse(call(request, timeout=10).duplicate)
        self.assertTrue(call(request, timeout=10).duplicate)
        request.reason = "dinner"
        self.assert_refused(self.refusal(call, request), "ALREADY_EXISTS", "REQUEST_ID_REUSED")
        self.assert_refused(self.refusal(*self.verb("ResumeSaga", saga_id="v", request_id="id-1")),
                            "ALREADY_EXISTS", "REQUEST_ID_REUSED")

    def test_tokens_partitions_and_types(self):
        log, sagas = self.api.log_service, self.api.saga_service
        follow = lambda request, timeout: next(self.api.log.FollowLog(request, timeout=timeout))
        self.assert_refused(self.refusal(follow, log.FollowLogRequest(resume_token=b"rubbish")),
                            "INVALID_ARGUMENT", "RESUME_TOKEN_INVALID", "start again without it")
        typo = log.FollowLogRequest()
        typo.filter.event_types.append("SagaStartd")
        self.assert_refused(self.refusal(follow, typo), "INVALID_ARGUMENT", "BAD_REQUEST",
                            "'SagaStartd' is no event type")
        read = lambda request, timeout: list(self.api.log.ReadLog(request, timeout=timeout))
        self.assert_refused(self.refusal(read, log.ReadLogRequest(partition=99)), "INVALID_ARGUMENT",
                            "BAD_REQUEST", "partition: there are 4")
        for call, request in ((self.api.sagas.ListSagas, sagas.ListSagasRequest(page_token="rubbish")),
                              (self.api.sagas.ListIncidents,
                               sagas.ListIncidentsRequest(page_token="rubbish"))):
            self.assert_refused(self.refusal(call, request), "INVALID_ARGUMENT", "RESUME_TOKEN_INVALID")

    def test_the_actor(self):
        refusal = self.refusal(self.api.sagas.StartSaga, self.start_request(self.api),
                               metadata=(("skald-actor", "x" * 257),))
        self.assert_refused(refusal, "INVALID_ARGUMENT", "BAD_REQUEST", "metadata skald-actor: has 257 bytes")

    def test_bytes_that_are_no_message(self):
        start = self.api.channel.unary_unary("/skald.v1.SagaService/StartSaga")
        for body in (b"\xff\xff\xff\xff", b"\x0a\x02\xff\xfe"):  # no protobuf; a string that is no UTF-8
            with self.assertRaises(grpc.RpcError) as caught:
                start(body, timeout=harness.CALL_TIMEOUT)
            self.assertEqual(caught.exception.code(), grpc.StatusCode.UNIMPLEMENTED)  # gRPC's own answer


class CommandLineTest(harness.ServerCase):
    def error(self, *arguments, exit_code):
        result = self.skald(*arguments, "--json")
        self.assertEqual((result.returncode, result.stdout), (exit_code, ""), result.stderr)
        plain = self.skald(*arguments)
        self.assertEqual(plain.returncode, exit_code)
        self.assertTrue(plain.stderr.startswith("skald"), plain.stderr)
        return json.loads(result.stderr)["error"]

    def test_unknown_saga(self):
        note, reason = ("--note", "by hand"), ("--reason", "by hand")
        for verb in (("get",), ("history",), ("cancel",), ("terminate",), ("suspend",), ("resume",),
                     ("watch",), ("retry",), ("skip", *reason), ("resolve", *note), ("complete", *note),
                     ("fail", *note)):
            with self.subTest(verb[0]):
                error = self.error(verb[0], "nobody", *verb[1:], exit_code=1)
                self.assertEqual((error["code"], error["reason"]), ("NOT_FOUND", "SAGA_NOT_FOUND"))

    def test_bad_ids_are_bad_usage(self):
        for arguments, field in ((("start", "test/good", "--id", "x" * 257), "saga_id"),
                                 (("start", "test/good", "--id", "a\nb"), "saga_id"),
                                 (("start", "test/good", "--request-id", "a\nb"), "request_id"),
                                 (("get", "x" * 257), "saga_id"), (("get", "/s"), "namespace"),
                                 (("cancel", "test/"), "saga_id")):
            with self.subTest(arguments):
                error = self.error(*arguments, exit_code=2)
                self.assertEqual([violation["field"] for violation in error["violations"]], [field])

    def test_bad_usage(self):
        for arguments, words in ((("start", "test/good", "--wiat"), "did you mean --wait?"),
                                 (("start", "good"), "expects NAMESPACE/NAME[@VERSION] or a file"),
                                 (("get",), "too few arguments"),
                                 (("skip", "s"), "--reason is required"),
                                 (("complete", "s"), "--note is required")):
            with self.subTest(arguments):
                self.assertIn(words, self.error(*arguments, exit_code=2)["message"])

    def test_reused_request_id(self):
        self.skald("start", "test/good", "--id", "r", "--request-id", "id-1")
        error = self.error("start", "test/good", "--id", "r", "--request-id", "id-1", "--input", "2",
                           exit_code=1)
        self.assertEqual(error["reason"], "REQUEST_ID_REUSED")

    def test_no_server(self):
        address, self.server.address = self.server.address, "127.0.0.1:1"
        try:
            error = self.error("get", "s", "--timeout", "5s", exit_code=1)
        finally:
            self.server.address = address
        self.assertEqual(error["code"], "UNAVAILABLE")


if __name__ == "__main__":
    harness.main()
