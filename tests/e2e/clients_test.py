#!/usr/bin/python3
"""Goal: clients that do not read, do not stop or do nothing cost bounded memory, and others are served.

Method: such clients against the real server, whose memory is looked at; frames and queues that
would hold all that is pending are many times the bound.
"""

import os
import socket
import threading
import time

import harness

from skald_api import Api

MIB = 1 << 20


class ClientTest(harness.ServerCase):
    # What a store may hold in memory is hundreds of MiB: RocksDB's buffers, the state of sagas.
    flags = ("--memory", "16M")

    def setUp(self):
        super().setUp()
        self.start(self.api)  # what a server needs once is there
        self.before = self.server.resident_bytes()

    def assert_bounded(self, grown_max):
        grown_max *= int(os.environ.get("SKALD_MEMORY_FACTOR", "1"))  # of a sanitizer
        grown = self.server.resident_bytes() - self.before
        self.assertLess(grown, grown_max, f"it grew by {grown / MIB:.0f} MiB")

    def served_within(self, seconds):
        began = time.monotonic()
        self.start(self.api)
        took = time.monotonic() - began
        self.assertLess(took, seconds)

    def start_large(self, count, size):
        """Starts of sagas with large inputs and outputs, in frames, read to the end."""
        value = b'"' + b"x" * size + b'"'

        def frames():
            for i in range(count):
                frame = self.api.saga_service.StartSagasRequest()
                frame.items.add(item_id=i, start=self.start_request(self.api, input=value))
                yield frame

        results = [result for answer in self.api.sagas.StartSagas(frames(), timeout=60)
                   for result in answer.results]
        self.assertEqual([r for r in results if r.HasField("error")], [])
        self.assertEqual(len(results), count)

    def test_followers_that_never_read(self):
        # Not one frame is read; what HTTP/2's windows hold has left the server.
        calls = [self.api.log.FollowLog(self.api.log_service.FollowLogRequest()) for _ in range(20)]
        self.start_large(200, 100_000)  # 20 followers * 40 MB would be 800 MB
        self.served_within(10)
        self.assert_bounded(300 * MIB)
        # One that reads gets all of it, without a gap.
        sagas, call = set(), calls[0]
        for frame in call:
            sagas.update(event.saga_id for event in frame.events if event.type == "SagaCompleted")
            if len(sagas) >= 201:
                break
        for call in calls:
            call.cancel()

    def test_waiters_that_go(self):
        self.start(self.api, "waits", saga_id="w")
        request = self.api.saga_service.WaitSagaRequest(namespace="test", saga_id="w")
        request.timeout.seconds = 600
        for _ in range(20):
            calls = [self.api.sagas.WaitSaga.future(request) for _ in range(100)]
            for call in calls:
                call.cancel()
        self.served_within(10)
        self.assert_bounded(100 * MIB)

    def test_idle_connections(self):
        host, port = self.server.address.rsplit(":", 1)
        sockets = [socket.create_connection((host, int(port)), timeout=10) for _ in range(100)]
        channels = [Api(self.server.address) for _ in range(100)]
        status = self.api.admin_service.GetStatusRequest()
        for api in channels:
            api.admin.GetStatus(status, timeout=30)
        self.served_within(10)
        for each in sockets[:50]:
            each.send(b"GET / HTTP/1.1\r\n\r\n")
        for each in sockets[50:]:
            each.send(b"\0" * 10_000)
        self.served_within(10)
        self.assert_bounded(200 * MIB)
        for api in channels:
            api.close()
        for each in sockets:
            each.close()

    def test_a_flood_whose_answers_are_not_read(self):
        self.flood(self.start_request(self.api, input=b"1"), items=500, grown_max=300 * MIB)

    def test_a_flood_whose_large_answers_are_not_read(self):
        request = self.start_request(self.api, input=b'"' + b"x" * 200_000 + b'"')
        request.wait.seconds = 60  # the answer has input and output: 400 kB each
        self.flood(request, items=10, grown_max=1300 * MIB)

    def flood(self, request, items, grown_max):
        sent, over = [0], threading.Event()

        def frames():
            while not over.is_set():
                frame = self.api.saga_service.StartSagasRequest()
                for i in range(items):
                    frame.items.add(item_id=sent[0] + i, start=request)
                sent[0] += items
                yield frame

        call = self.api.sagas.StartSagas(frames())
        # Until it is read no further; how much it takes until then is the bound.
        last = -1
        deadline = time.monotonic() + 25
        while sent[0] != last and time.monotonic() < deadline:
            last = sent[0]
            time.sleep(1)
            self.served_within(10)
        self.assertEqual(sent[0], last, "the server takes items without end")
        self.assert_bounded(grown_max)
        over.set()
        call.cancel()

    def test_verifications_and_lists_that_are_not_read(self):
        self.start_large(100, 10_000)
        calls = [self.api.admin.VerifyStore(self.api.admin_service.VerifyStoreRequest())
                 for _ in range(10)]
        calls += [self.api.log.ReadLog(self.api.log_service.ReadLogRequest(partition=i % 4))
                  for i in range(50)]
        self.served_within(10)
        self.assert_bounded(200 * MIB)
        for call in calls:
            call.cancel()


if __name__ == "__main__":
    harness.main()
