#!/usr/bin/python3
"""Goal: nothing that the server acknowledged is lost or done twice when it is killed.

Method: SIGKILL at random moments of a real skaldd under load, over and over on one data directory.
Clients start and cancel sagas, a worker answers their tasks, and each OK is written down. After each
restart what was acknowledged since the last one is looked for through the API and in the log; every
few cycles and at the end all of it is. SIGKILL leaves the page cache, so this is about the process,
not the disk: tests/storage has the faults of disks.

    crash_test.py --bin build/release/bin --stubs build/release/gen_python [--cycles 50] [--seed N]

The seed gives the moments and the mix of requests; threads and disks add chance of their own. A
failure keeps the data directory and exits with 1. With --pretend-lost an acknowledgement is made up,
which has to be missed: that must fail.
"""

import argparse
import collections
import concurrent.futures
import json
import os
import queue
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from crash_book import NAMESPACE, Book, Broken, Log, task_of  # pylint: disable=wrong-import-position
from skaldd import Server  # pylint: disable=wrong-import-position

DEFINITION = """\
document: { dsl: '1.0.3', namespace: crash, name: two-steps, version: '1.0.0' }
do:
  - first:
      call: first
      with: { n: '${ .n }' }
      output: { as: '${ $input }' }
      metadata: { saga: { compensate: undo } }
  - second:
      call: second
      with: { n: '${ .n }' }
      output: { as: '${ $input }' }
"""
FUNCTIONS = ["first", "second", "undo"]
FULL_CHECK_EVERY = 10   # cycles
FRAME = 8               # starts in a frame of StartSagas
CALL_TIMEOUT = 30       # seconds; a call that takes longer is a failure


class CrashingServer:
    """skaldd on one data directory, killed and started again at will."""

    def __init__(self, bin_folder, data_dir, log):
        self._server = Server(bin_folder, data_dir, log, "--lease", "2s")
        self.dying = threading.Event()  # set just before it is killed

    @property
    def address(self):
        return self._server.address

    def spawn(self):
        self.dying.clear()
        self._server.spawn()

    def start(self):
        self.dying.clear()
        self._server.start()

    def kill(self):
        if not self._server.running():
            raise Broken(f"skaldd ended by itself (exit {self._server.process.returncode})")
        self.dying.set()
        self.end()

    def stop(self):
        self.dying.set()
        if (code := self._server.stop()) != 0:
            raise Broken(f"skaldd did not stop cleanly (exit {code})")

    def end(self):
        self._server.kill()


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
            if not self._server.dying.is_set():
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
            if not self._server.dying.is_set():
                self._book.wrong("the worker's stream ended while the server ran")
        except self._api.rpc_error as error:
            if not self._server.dying.is_set():
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


class Checker:
    """Looks for everything that the book has."""

    def __init__(self, api, book, skald):
        self._api, self._book, self._skald = api, book, skald
        self._log = Log()
        self._pool = concurrent.futures.ThreadPoolExecutor(4)
        self.settled = 0  # requests in doubt that turned out to have been done

    def close(self):
        self._pool.shutdown()

    def after_restart(self):
        """What was acknowledged since the last check; then what was in doubt is asked again."""
        with self._book.lock:
            sagas, self._book.unchecked = self._book.unchecked, set()
            starts, cancels = dict(self._book.starts), dict(self._book.cancels)
            completions = {m: s for m, s in self._book.completions.items() if s in sagas}
        self._log.read(self._api)
        self._check_log(self._log, [s for s in sagas if s in starts],
                        [s for s in sagas if s in cancels], completions)
        self._each(self._saga_is_there, [s for s in sagas if s in starts])
        self._each(self._start_repeats, [s for s in sagas if s in starts])
        self._each(self._cancel_repeats, [s for s in sagas if s in cancels])
        self._settle()

    def everything(self, pretend_lost=None):
        """All that was ever acknowledged, with the log read from its beginning."""
        with self._book.lock:
            starts, cancels = dict(self._book.starts), dict(self._book.cancels)
            completions = dict(self._book.completions)
        if pretend_lost == "start":
            starts["made-up"] = (0, 1)
        elif pretend_lost == "completion":
            completions["made-up/first/0"] = "made-up"
        elif pretend_lost == "cancel":
            cancels["made-up"] = (0, 1)
        log = Log()
        log.read(self._api)
        self._check_log(log, starts, cancels, completions)
        for saga, history in self._log.sagas.items():
            if log.sagas[saga][:len(history)] != history:
                raise Broken(f"{saga}: its events are not those that were read before")
        self._each(self._saga_is_there, starts)
        self._each(self._history_is_the_logs,
                   [(saga, log) for saga in
                    random.Random(len(starts)).sample(list(starts), min(100, len(starts)))])
        self._verify()
        return log

    def _check_log(self, log, starts, cancels, completions):
        for saga in starts:
            found = [e for e in log.sagas.get(saga, ()) if e.type == "SagaStarted"]
            if len(found) != 1 or found[0].request_id != f"start {saga}":
                raise Broken(f"{saga}: its start was acknowledged, the log has {len(found)} of it")
        for saga in cancels:
            found = [e for e in log.sagas.get(saga, ()) if e.type == "CancelRequested"]
            if len(found) != 1 or found[0].request_id != f"cancel {saga}":
                raise Broken(f"{saga}: its cancel was acknowledged, the log has {len(found)} of it")
        for mark, saga in completions.items():
            if len(log.marks.get(mark, ())) != 1:
                raise Broken(f"{saga}: completion {mark} was acknowledged, the log has "
                             f"{len(log.marks.get(mark, ()))} of it")
            if len(log.tasks[task_of(mark)]) != 1:
                raise Broken(f"{saga}: {task_of(mark)} completed {len(log.tasks[task_of(mark)])} times")
            done = [e.task for e in log.sagas[saga] if e.type == "TaskCompleted"]
            if len(done) != len(set(done)):
                raise Broken(f"{saga}: a task completed twice: {done}")
        if "again" in log.marks:
            raise Broken("an answer to a task that had been completed was recorded")

    def _each(self, check, items):
        for _ in self._pool.map(check, items):
            pass

    def _saga_is_there(self, saga):
        request = self._api.saga_service.GetSagaRequest(namespace=NAMESPACE, saga_id=saga)
        try:
            found = self._api.sagas.GetSaga(request, timeout=CALL_TIMEOUT).saga
        except self._api.rpc_error as error:
            if self._api.reason(error) == "SAGA_NOT_FOUND":
                raise Broken(f"{saga}: its start was acknowledged and it is not there") from error
            raise
        if json.loads(found.input) != json.loads(input_of(saga)):
            raise Broken(f"{saga}: its input became {found.input}")

    def _start_repeats(self, saga):
        request = self._api.start_request(saga)
        answer = self._api.sagas.StartSaga(request, timeout=CALL_TIMEOUT)
        if not answer.duplicate or not later(answer, self._book.starts[saga]):
            raise Broken(f"{saga}: the start was repeated and answered with duplicate="
                         f"{answer.duplicate} at {place(answer)}, first {self._book.starts[saga]}")
        request.input = b'{"n": "other"}'
        self._refused(saga, request, "REQUEST_ID_REUSED")
        request.request_id = f"another start of {saga}"
        self._refused(saga, request, "SAGA_ALREADY_EXISTS")

    def _refused(self, saga, request, reason):
        try:
            self._api.sagas.StartSaga(request, timeout=CALL_TIMEOUT)
        except self._api.rpc_error as error:
            if self._api.reason(error) != reason:
                raise Broken(f"{saga}: a start that should be refused with {reason} was with "
                             f"{error.code().name} {self._api.reason(error)}") from error
            return
        raise Broken(f"{saga}: a start that should be refused with {reason} was taken")

    def _cancel_repeats(self, saga):
        answer = self._api.sagas.CancelSaga(self._api.cancel_request(saga), timeout=CALL_TIMEOUT)
        if not answer.duplicate or not later(answer, self._book.cancels[saga]):
            raise Broken(f"{saga}: the cancel was repeated and answered with duplicate="
                         f"{answer.duplicate} at {place(answer)}, first {self._book.cancels[saga]}")

    def _settle(self):
        """Repeats what got no answer, as a client should: done by now it must be, once."""
        book = self._book
        for saga in book.doubtful_starts:
            if saga in book.starts:
                continue
            answer = self._api.sagas.StartSaga(self._api.start_request(saga), timeout=CALL_TIMEOUT)
            if answer.duplicate != (saga in self._log.sagas):
                raise Broken(f"{saga}: duplicate={answer.duplicate}, but the log says otherwise")
            self.settled += answer.duplicate
            book.note(book.starts, saga, place(answer), saga)
        for saga in book.doubtful_cancels:
            if saga not in book.cancels:
                answer = cancel(self._api, book, saga)
                self.settled += answer is not None and answer.duplicate
        book.doubtful_starts, book.doubtful_cancels = [], []

    def _history_is_the_logs(self, item):
        saga, log = item
        request = self._api.log_service.ReadHistoryRequest(namespace=NAMESPACE, saga_id=saga)
        events = [event for frame in self._api.log.ReadHistory(request, timeout=CALL_TIMEOUT)
                  for event in frame.events]
        if events[:len(log.sagas[saga])] != log.sagas[saga]:
            raise Broken(f"{saga}: its history is not what the log says")

    def _verify(self):
        result = subprocess.run(self._skald + ["verify", "--json"], stdout=subprocess.PIPE, text=True,
                                timeout=300, check=False,
                                env={**os.environ, "SKALD_SERVER": self._api.address})
        report = json.loads(result.stdout.splitlines()[-1]) if result.stdout else {}
        if report.get("equal") is not True:
            raise Broken(f"replayed state differs from live state (exit {result.returncode}): "
                         f"{report.get('differences', [])[:5]}")

    def all_ended(self):
        """Without kills every saga comes to its end, the cancelled ones by their undo."""
        deadline = time.monotonic() + 120

        def ended(saga):
            request = self._api.saga_service.WaitSagaRequest(namespace=NAMESPACE, saga_id=saga)
            request.timeout.seconds = max(1, int(deadline - time.monotonic()))
            return saga, self._api.sagas.WaitSaga(request, timeout=150).saga

        names = collections.Counter()
        for saga, found in self._pool.map(ended, list(self._book.starts)):
            status = self._api.saga.SagaStatus.Name(found.status).removeprefix("SAGA_STATUS_")
            names[status] += 1
            if not found.HasField("end_time"):
                raise Broken(f"{saga}: did not end; it is {status}")
            wanted = "CANCELLED" if saga in self._book.cancels else "COMPLETED"
            if status != wanted:
                raise Broken(f"{saga}: ended {status}, not {wanted}")
            self._undone(saga, found)
        return names

    def _undone(self, saga, found):
        pb = self._api.saga.Compensation
        if found.compensation.outcome not in (pb.OUTCOME_UNSPECIFIED, pb.OUTCOME_NONE,
                                              pb.OUTCOME_COMPENSATED):
            raise Broken(f"{saga}: its undo ended {pb.Outcome.Name(found.compensation.outcome)}")


def run(arguments, folder, log_file):
    rng = random.Random(arguments.seed)
    api, book = make_api(), Book()
    server = CrashingServer(arguments.bin, os.path.join(folder, "store"), log_file)
    worker = Worker(api, book, server, random.Random(f"{arguments.seed}/worker"))
    checker = Checker(api, book, [os.path.join(arguments.bin, "skald")])
    kills, slowest = 0, 0.0

    def begin():
        nonlocal slowest
        at = time.monotonic()
        server.start()
        slowest = max(slowest, time.monotonic() - at)
        api.connect(server.address)
        worker.start()

    def figures():
        return (f"{kills} kills; acknowledged: {len(book.starts)} starts, {len(book.completions)} "
                f"completions, {len(book.cancels)} cancels; {checker.settled} done without an answer")

    def finish():
        server.dying.set()
        server.end()
        api.close()

    try:
        begin()
        api.definitions.DeployDefinition(
            api.definition_service.DeployDefinitionRequest(text=DEFINITION), timeout=CALL_TIMEOUT)
        for cycle in range(1, arguments.cycles + 1):
            load = Load(api, book, server, arguments.seed, cycle)
            time.sleep(rng.uniform(0.03, 0.3))
            server.kill()
            kills += 1
            load.join()
            worker.join()
            api.close()
            book.raise_errors()
            if rng.random() < 0.2:  # and once more while it starts
                server.spawn()
                time.sleep(rng.uniform(0, 0.1))
                server.kill()
                kills += 1
            begin()
            checker.after_restart()
            if cycle % FULL_CHECK_EVERY == 0:
                checker.everything()
                print(f"  cycle {cycle}: {figures()}", flush=True)
            book.raise_errors()
        ends = checker.all_ended()
        checker.after_restart()
        log = checker.everything(arguments.pretend_lost)
        server.stop()
        worker.join()
        book.raise_errors()
        if not (book.starts and book.completions and book.cancels) and arguments.cycles >= 10:
            raise Broken("there was no load: the test tested nothing")
        print(f"{figures()}\n{log.events} events; ended: "
              + ", ".join(f"{count} {name.lower()}" for name, count in sorted(ends.items()))
              + f"; slowest start of the server {slowest:.2f} s")
    finally:
        finish()
        checker.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", required=True, help="folder of skaldd and skald")
    parser.add_argument("--stubs", required=True, help="folder of the generated Python messages")
    parser.add_argument("--cycles", type=int, default=50)
    parser.add_argument("--seed", type=int, default=None, help="else one is drawn")
    parser.add_argument("--pretend-lost", nargs="?", const="start",
                        choices=["start", "completion", "cancel"],
                        help="make an acknowledgement up: the test must fail")
    arguments = parser.parse_args()
    if arguments.seed is None:
        arguments.seed = random.SystemRandom().randrange(2**32)
    sys.path.insert(0, os.path.abspath(arguments.stubs))
    print(f"crash test: {arguments.cycles} cycles, --seed {arguments.seed}", flush=True)
    folder = tempfile.mkdtemp(prefix="skald-crash-")
    try:
        with open(os.path.join(folder, "log.txt"), "w", encoding="utf-8") as log_file:
            run(arguments, folder, log_file)
    except Exception as error:  # of any kind: the way to the store helps more than a trace
        kind = "" if isinstance(error, Broken) else f"{type(error).__name__}: "
        print(f"FAILED: {kind}{str(error)[:2000]}", flush=True)
        if str(error).startswith("made-up: "):
            shutil.rmtree(folder)
        else:
            print(f"--seed {arguments.seed}; the data directory and the server's messages are in "
                  f"{folder}", flush=True)
        return 1
    shutil.rmtree(folder)
    print("nothing acknowledged was lost")
    return 0


if __name__ == "__main__":
    sys.exit(main())
