#!/usr/bin/python3
"""Goal: the orders' worker in Python answers every task, also when the server has no room for answers.

Method: orders that all complete, at a server whose one partition takes one command at a time.
"""

import concurrent.futures
import json
import os
import subprocess
import sys
import time

import grpc
import harness

ORDERS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "examples", "orders")
sys.path.append(ORDERS)
import demo  # noqa: E402  pylint: disable=wrong-import-position
from journal import Journal  # noqa: E402  pylint: disable=wrong-import-position

COUNT = 60


def read(name):
    with open(os.path.join(ORDERS, name), encoding="utf-8") as file:
        return file.read()


class OrdersTest(harness.ServerCase):
    # An answer that is not sent again leaves its saga where it is until long after the test.
    flags = ("--partitions", "1", "--inbox", "1", "--lease", "5m")

    def setUp(self):
        super().setUp()
        self.deploy(self.api, read("order.yaml"))
        orders = map(json.loads, read("orders.jsonl").splitlines())
        self.orders = [each for each in orders if demo.expected_kind(each) == "completed"][:COUNT]

    def until_taken(self, method, request):
        """Repeats a call that finds no room."""
        deadline = time.monotonic() + 60
        while True:
            try:
                return method(request, timeout=harness.CALL_TIMEOUT)
            except grpc.RpcError as error:
                if error.code() != grpc.StatusCode.RESOURCE_EXHAUSTED or time.monotonic() > deadline:
                    raise
            time.sleep(0.05)

    def run_order(self, order):
        key = {"namespace": "shop", "saga_id": order["orderId"]}
        pb = self.api.saga_service
        self.until_taken(self.api.sagas.StartSaga, pb.StartSagaRequest(
            **key, definition_name="order", request_id=order["orderId"],
            input=json.dumps(order).encode()))
        wait = pb.WaitSagaRequest(**key, until_parked=True)
        wait.timeout.seconds = 20
        return self.until_taken(self.api.sagas.WaitSaga, wait).saga

    def start_worker(self, journal):
        worker = subprocess.Popen(
            [sys.executable, os.path.join(ORDERS, "worker.py"), "--server", self.server.address,
             "--journal", journal],
            env={**os.environ, "PYTHONPATH": harness.OPTIONS.stubs}, stdout=self._log, stderr=self._log)
        self.addCleanup(lambda: worker.poll() is None and worker.kill())  # after a failure
        return worker

    def test_answers_that_are_asked_for_again(self):
        journal = os.path.join(self.folder, "journal")
        worker = self.start_worker(journal)
        with concurrent.futures.ThreadPoolExecutor(COUNT) as pool:
            sagas = list(pool.map(self.run_order, self.orders))
        for saga in sagas:
            self.assertEqual(saga.status, self.api.saga.SAGA_STATUS_COMPLETED, str(saga))
        kinds = {order["orderId"]: "completed" for order in self.orders}
        self.assertEqual(demo.check_effects(self.orders, kinds, list(Journal(journal).effects())), [])
        worker.terminate()
        self.assertEqual(worker.wait(timeout=30), 0, self.messages())


if __name__ == "__main__":
    harness.main()
