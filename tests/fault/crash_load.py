"""Who uses the server of the crash test: clients that start and cancel sagas, and a worker."""

import collections
import json
import queue
import random
import threading
import time

from crash_book import NAMESPACE

FUNCTIONS = ["first", "second", "undo"]
FRAME = 8          # starts in a frame of StartSagas
CALL_TIMEOUT = 30  # seconds; a call that takes longer is a failure


def make_api():
    """Its modules need the generated messages, which the command line names."""
    from skald_api import Api, grpc, reason

    class CrashApi(Api):
        """The API with the requests of this test."""

        rpc_error = grpc.RpcError

        @staticmethod
        def reason(error):
            return reason(error)

        def start_request(self, saga):
            return self.saga_service.StartSagaRequest(
                namespace=NAMESPACE, definition_name="two-steps", saga_id=saga, request_id=f"start {saga}",
                input=input_of(saga))

        def cancel_request(self, saga):
            return self.saga_service.CancelSagaRequest(
                namespace=NAMESPACE, saga_id=saga, request_id=f"cancel {saga}", reason="crash test")

    return CrashApi()


def input_of(saga):
    return json.dumps({"n": saga}).encode()


class Load:
    """Client threads that start and cancel sagas until the server dies."""

    def __init__(self, api, book, server, seed, cycle):
        self._api, self._book, self._server, self._cycle = api, book, server, cycle
        self._threads = [
            threading.Thread(target=self._guard,
                             args=(run, index, random.Random(f"{seed}/{cycle}/{index}")))
            for index, run in enumerate((self._one_by_one, self._one_by_one, self._in_frames))]
        for thread in self._threads:
            thread.start()

    def join(self):
        for thread in self._threads:
            thread.join()

    def _guard(self, run, index, rng):
        try:
            run(index, rng)
        except self._api.rpc_error as error:
            # With the server dead every call fails; what was asked stays in doubt.
            if not self._server.is_ending():
                self._book.wrong(f"a call failed while the server ran: {error.code().name} "
                                 f"{self._api.reason(error)} {error.details()}")
        except Exception as error:
            self._book.wrong(f"a client broke: {type(error).__name__}: {error}")

    def _one_by_one(self, index, rng):
        count, recent = 0, collections.deque(maxlen=20)
        while not self._server.dying.is_set():
            saga = f"{self._cycle}-{index}-{count}"
            count += 1
            self._book.doubtful_starts.append(saga)
            answer = self._api.sagas.StartSaga(self._api.start_request(saga), timeout=CALL_TIMEOUT)
            self._book.note(self._book.starts, saga, place(answer), saga)
            if answer.duplicate:
                self._book.wrong(f"{saga}: a first start was answered as duplicate")
            recent.append(saga)
            if rng.random() < 0.4:
                victim = recent[-1] if rng.random() < 0.7 else rng.choice(recent)
                recent.remove(victim)
                self._cancel(victim)

    def _cancel(self, saga):
        self._book.doubtful_cancels.append(saga)
        cancel(self._api, self._book, saga)

    def _in_frames(self, index, rng):
        outgoing, under_way = queue.SimpleQueue(), {}
        count = 0

        def send():
            nonlocal count
            frame = self._api.saga_service.StartSagasRequest()
            for _ in range(rng.randint(1, FRAME)):
                saga = under_way[count] = f"{self._cycle}-{index}-{count}"
                self._book.doubtful_starts.append(saga)
                frame.items.add(item_id=count, start=self._api.start_request(saga))
                count += 1
            outgoing.put(frame)

        send()
        send()
        try:
            for frame in self._api.sagas.StartSagas(iter(outgoing.get, None)):
                for result in frame.results:
                    saga = under_way.pop(result.item_id)
                    if result.HasField("error"):
                        self._book.wrong(f"{saga}: start refused: {result.error.message}")
                    else:
                        self._book.note(self._book.starts, saga, place(result.started), saga)
                if len(under_way) <= FRAME:
                    send()
        finally:
            outgoing.put(None)


def place(answer):
    return answer.position.partition, answer.position.position


def later(answer, first):
    """A repetition's answer is durable at the first one's position or after it."""
    partition, position = place(answer)
    return partition == first[0] and position >= first[1]


def cancel(api, book, saga):
    """Returns the answer, or None where the saga had ended before."""
    try:
        answer = api.sagas.CancelSaga(api.cancel_request(saga), timeout=CALL_TIMEOUT)
    except api.rpc_error as error:
        if api.reason(error) != "SAGA_ALREADY_ENDED":
            raise
        return None
    book.note(book.cancels, saga, place(answer), saga)
    return answer


class Worker:
    """Answers tasks, some at once and some a little later; keeps answers until their results come.

    After a restart it sends again what has no result, and also answers, with other outputs, some of
    the tasks whose completions were acknowledged: those must be refused.
    """

    def __init__(self, api, book, server, rng):
        self._api, self._book, self._server, self._rng = api, book, server, rng
        self._answers = {}       # token -> (due, mark, saga)
        self._sent = set()       # tokens answered on this stream
        self._acknowledged = {}  # token -> (mark, saga)
        self._lock = threading.Lock()
        self._count = 0
        self._thread = None

    def start(self):
        self._sent = set()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def join(self):
        self._thread.join()

    def _run(self):
        over = threading.Event()
        try:
            for frame in self._api.worker.Work(self._frames(over)):
                self._take(frame)
            if not self._server.is_ending():
                self._book.wrong("the worker's stream ended while the server ran")
        except self._api.rpc_error as error:
            if not self._server.is_ending():
                self._book.wrong(f"the worker's stream broke while the server ran: "
                                 f"{error.code().name} {error.details()}")
        except Exception as error:
            self._book.wrong(f"the worker broke: {type(error).__name__}: {error}")
        finally:
            over.set()

    def _frames(self, over):
        hello = self._api.worker_service.WorkRequest()
        hello.hello.name, hello.hello.credit = "crash test", 500
        hello.hello.functions.extend(FUNCTIONS)
        with self._lock:
            hello.hello.held_tokens.extend(self._answers)
            tokens = list(self._acknowledged)
        for token in self._rng.sample(tokens, min(20, len(tokens))):
            hello.completions.add(token=token, output=b'{"mark": "again"}')
        yield hello
        while not over.is_set() and not self._server.dying.is_set():
            frame, now = self._api.worker_service.WorkRequest(), time.monotonic()
            with self._lock:
                for token, (due, mark, _) in self._answers.items():
                    if due <= now and token not in self._sent:
                        frame.completions.add(token=token, output=json.dumps({"mark": mark}).encode())
                        self._sent.add(token)
            if frame.completions:
                yield frame
            else:
                over.wait(0.002)

    def _take(self, frame):
        with self._lock:
            for task in frame.tasks:
                if task.token in self._answers:
                    continue  # handed out again: its answer is on the way
                self._count += 1
                wait = self._rng.random() * 0.08 if self._rng.random() < 0.4 else 0
                mark = f"{task.saga_id}/{task.function}/{self._count}"
                self._answers[task.token] = (time.monotonic() + wait, mark, task.saga_id)
                self._sent.discard(task.token)
            for result in frame.results:
                # Answers without an entry are those to tasks that were acknowledged before.
                _, mark, saga = self._answers.pop(result.token, (0, None, None))
                if result.HasField("error"):
                    reason = self._api.reason(result.error)
                    if reason != "TASK_NOT_RUNNING":
                        self._book.wrong(f"an answer was refused with {reason}: {result.error.message}")
                elif result.token in self._acknowledged or mark is None:
                    self._book.wrong(f"{self._acknowledged.get(result.token)}: recorded twice")
                else:
                    self._acknowledged[result.token] = (mark, saga)
                    self._book.note(self._book.completions, mark, saga, saga)


class Auditor:
    """Watches the checkpoints that are signed and kept: what was seen stays, in its place."""

    def __init__(self, api, book, server):
        self._api, self._book, self._server = api, book, server
        self._thread = None

    def start(self):
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def join(self):
        self._thread.join()

    def _run(self):
        seen = self._book.checkpoints
        request = self._api.audit_service.WatchCheckpointsRequest(after_number=max(0, len(seen) - 1))
        try:
            for frame in self._api.audit.WatchCheckpoints(request):
                for kept in frame.checkpoints:
                    if kept.number <= len(seen):
                        if seen[kept.number - 1] != kept.checkpoint.note:
                            self._book.wrong(f"checkpoint {kept.number} is not the one that was seen before")
                    elif kept.number == len(seen) + 1:
                        seen.append(kept.checkpoint.note)
                    else:
                        self._book.wrong(f"checkpoint {kept.number} comes after {len(seen)}")
            if not self._server.is_ending():
                self._book.wrong("watching checkpoints ended while the server ran")
        except self._api.rpc_error as error:
            if not self._server.is_ending():
                self._book.wrong(f"watching checkpoints broke while the server ran: "
                                 f"{error.code().name} {error.details()}")
        except Exception as error:
            self._book.wrong(f"the auditor broke: {type(error).__name__}: {error}")


def rotate_key(api, book, server):
    """A rotation without an answer may have happened or not."""
    book.is_rotation_doubtful = True
    try:
        answer = api.audit.RotateKey(api.audit_service.RotateKeyRequest(reason="crash test"),
                                     metadata=[("skald-actor", "crash test")], timeout=CALL_TIMEOUT)
    except api.rpc_error as error:
        if not server.is_ending():
            book.wrong(f"a rotation failed while the server ran: {error.code().name} {error.details()}")
        return
    book.key, book.is_rotation_doubtful = answer.keys[0], False
