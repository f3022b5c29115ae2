"""What the end-to-end tests share: a server, what must hold after every bad input, a worker.

Each file is a program: NAME_test.py --bin build/dev/bin --stubs build/dev/gen_python [unittest arguments]
"""

import argparse
import json
import os
import queue
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))


def parse_arguments():
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--bin", required=True, type=os.path.abspath)
    parser.add_argument("--stubs", required=True, type=os.path.abspath)
    return parser.parse_known_args()


OPTIONS, REST = parse_arguments()
sys.path.insert(0, OPTIONS.stubs)

import grpc  # noqa: E402  pylint: disable=wrong-import-position
from skald_api import Api, Refusal  # noqa: E402  pylint: disable=wrong-import-position
from skaldd import NotServing, Server, run_skald  # noqa: E402,F401  pylint: disable=wrong-import-position

NAMESPACE = "test"
HEAD = "document: { dsl: '1.0.3', namespace: test, name: %s, version: '1.0.0' }\n"
DEFINITIONS = {
    "good": "do:\n  - greet:\n      set: { hello: '${ . }' }\n",
    "waits": "do:\n  - pause:\n      wait: { hours: 1 }\n",
    "works": "do:\n  - work:\n      call: work\n      with: { n: '${ . }' }\n",
}
CALL_TIMEOUT = 30  # seconds; a call that takes longer is a hang


def main():
    unittest.main(argv=[sys.argv[0], *REST])


def until(condition, what, timeout=20):
    """Waits for `condition()` to become true."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"it never came to be: {what}")
        time.sleep(0.01)


class Case(unittest.TestCase):
    """Has a folder of its own, and the command line."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="skald-e2e-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.log_path = os.path.join(self.folder, "log.txt")
        self._log = open(self.log_path, "a", encoding="utf-8")
        self.addCleanup(self._log.close)

    def make_server(self, data_dir, *flags):
        server = Server(OPTIONS.bin, data_dir, self._log, *flags)
        self.addCleanup(lambda: server.running() and server.kill())  # after a failure
        return server

    def connect(self, server):
        api = Api(server.address)
        self.addCleanup(api.close)
        return api

    def messages(self):
        """What the servers wrote to standard error so far."""
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def refusal(self, call, *arguments, **options):
        """What the error of a call says, which has to have one."""
        options.setdefault("timeout", CALL_TIMEOUT)
        try:
            call(*arguments, **options)
        except grpc.RpcError as error:
            return Refusal(error)
        self.fail("the call was not refused")
        return None

    def assert_refused(self, refusal, code, reason, *words):
        """`words` say what is wrong, where, and how to mend it."""
        self.assertEqual((refusal.code, refusal.reason), (code, reason), str(refusal))
        told = refusal.message + "".join(f"\n{field}: {text}" for field, text in refusal.violations)
        for word in words:
            self.assertIn(word, told)

    def start_request(self, api, definition="good", **fields):
        fields.setdefault("namespace", NAMESPACE)
        return api.saga_service.StartSagaRequest(definition_name=definition, **fields)

    def start(self, api, definition="good", **fields):
        return api.sagas.StartSaga(self.start_request(api, definition, **fields), timeout=CALL_TIMEOUT)

    def saga(self, api, saga_id):
        request = api.saga_service.GetSagaRequest(namespace=NAMESPACE, saga_id=saga_id)
        return api.sagas.GetSaga(request, timeout=CALL_TIMEOUT).saga

    def wait(self, api, saga_id, timeout=20):
        """The saga when it has ended or is parked."""
        request = api.saga_service.WaitSagaRequest(namespace=NAMESPACE, saga_id=saga_id, until_parked=True)
        request.timeout.seconds = timeout
        return api.sagas.WaitSaga(request, timeout=timeout + CALL_TIMEOUT).saga

    def deploy(self, api, text):
        return api.definitions.DeployDefinition(
            api.definition_service.DeployDefinitionRequest(text=text), timeout=CALL_TIMEOUT)

    def deploy_all(self, api):
        for name, body in DEFINITIONS.items():
            self.deploy(api, HEAD % name + body)

    def verify(self, api):
        """One verification runs at a time; an abandoned one ends soon."""
        deadline = time.monotonic() + 30
        while True:
            try:
                return list(api.admin.VerifyStore(api.admin_service.VerifyStoreRequest(), timeout=60))[-1]
            except grpc.RpcError as error:
                if error.code() != grpc.StatusCode.RESOURCE_EXHAUSTED or time.monotonic() > deadline:
                    raise
            time.sleep(0.1)

    def assert_serves(self, api):
        """A good saga runs to its end, and all state is what the log says."""
        request = self.start_request(api, input=b'"anyone"')
        request.wait.seconds = 20
        saga = api.sagas.StartSaga(request, timeout=CALL_TIMEOUT).saga
        self.assertEqual(saga.status, api.saga.SAGA_STATUS_COMPLETED)
        self.assertEqual(json.loads(saga.output), {"hello": "anyone"})
        report = self.verify(api)
        self.assertTrue(report.done)
        self.assertEqual(list(report.differences), [])


class ServerCase(Case):
    """One server for each test. After it the server is alive, verifies and stops cleanly."""

    flags = ()

    def setUp(self):
        super().setUp()
        self.ends = []  # of what is connected besides
        self.store = os.path.join(self.folder, "store")
        self.server = self.make_server(self.store, "--partitions", "4", *self.flags)
        self.server.start()
        self.api = self.connect(self.server)
        self.deploy_all(self.api)

    def tearDown(self):
        if not self.server.running():
            self.fail(f"the server ended (exit {self.server.process.returncode}): {self.messages()}")
        self.assert_serves(self.api)
        result = self.skald("verify")
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        for end in (*self.ends, self.api.close):  # the server waits a moment for who is connected
            end()
        self.assertEqual(self.server.stop(), 0, self.messages())

    def worker(self, **options):
        worker = Worker(self.api, **options)
        self.ends.append(worker.close)
        return worker

    def skald(self, *arguments, **options):
        return run_skald(OPTIONS.bin, *arguments, server=self.server.address, **options)


class Worker:
    """A worker that does only what it is told, on a connection of its own."""

    def __init__(self, api, functions=("work",), credit=10, name="w", hello=True):
        self._api = Api(api.address)
        self._frames = queue.SimpleQueue()
        self._tasks = queue.Queue()
        self.results = queue.Queue()  # (token, Refusal or None)
        self.lost, self.cancelled = set(), set()
        self.ended = None  # "OK", or the Refusal
        if hello:
            frame = self._api.worker_service.WorkRequest()
            frame.hello.name, frame.hello.credit = name, credit
            frame.hello.functions.extend(functions)
            self._frames.put(frame)
        self.call = self._api.worker.Work(iter(self._frames.get, None))
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        try:
            for frame in self.call:
                for task in frame.tasks:
                    self._tasks.put(task)
                for result in frame.results:
                    self.results.put((result.token,
                                      Refusal(result.error) if result.HasField("error") else None))
                self.lost.update(frame.lost_tokens)
                self.cancelled.update(frame.cancelled_tokens)
            self.ended = "OK"
        except grpc.RpcError as error:
            self.ended = Refusal(error)

    def task(self, timeout=10):
        return self._tasks.get(timeout=timeout)

    def has_task(self, seconds):
        try:
            self._tasks.put(self._tasks.get(timeout=seconds))
        except queue.Empty:
            return False
        return True

    def send(self, **fields):
        self._frames.put(self._api.worker_service.WorkRequest(**fields))

    def put(self, frame):
        self._frames.put(frame)

    def complete(self, token, output=b"null"):
        """What became of the answer: None, or the Refusal."""
        self.send(completions=[self._api.worker_service.TaskCompletion(token=token, output=output)])
        return self.result()

    def fail(self, token, **problem):
        failure = self._api.worker_service.TaskFailure(token=token)
        for field, value in problem.items():
            setattr(failure.error, field, value)
        self.send(failures=[failure])
        return self.result()

    def result(self, timeout=10):
        return self.results.get(timeout=timeout)[1]

    def end(self, timeout=10):
        """How the stream ended, which it does by itself."""
        self._thread.join(timeout)
        return self.ended

    def close(self):
        self._frames.put(None)
        self._thread.join(10)
        self._api.close()
