"""Looks for everything that the book of the crash test has, in the log and through the API."""

import collections
import concurrent.futures
import json
import os
import subprocess
import time

from crash_book import NAMESPACE, Broken, Log, fact_of, task_of
from crash_load import CALL_TIMEOUT, cancel, input_of, later, place

ASKED = 40  # sagas of each kind that are asked for through the API; all are looked for in the log


class Checker:
    """Looks for everything that the book has."""

    def __init__(self, api, book, skald, rng):
        self._api, self._book, self._skald, self._rng = api, book, skald, rng
        self._log = Log()
        self._pool = concurrent.futures.ThreadPoolExecutor(4)
        self.settled = 0  # requests in doubt that turned out to have been done

    def close(self):
        self._pool.shutdown()

    def after_restart(self):
        """What was acknowledged since the last check; then what was in doubt is asked again."""
        with self._book.lock:
            sagas, self._book.unchecked = self._book.unchecked, set()
            completions, self._book.unchecked_marks = self._book.unchecked_marks, {}
        starts = [s for s in sagas if s in self._book.starts]
        cancels = [s for s in sagas if s in self._book.cancels]
        self._log.read(self._api)
        self._check_log(self._log, starts, cancels, completions)
        asked, cancelled = self._some(starts), self._some(cancels)
        self._each(self._saga_is_there, asked)
        self._each(self._start_repeats, asked)
        self._each(self._cancel_repeats, cancelled)
        self._model_is_the_log(self._log)
        self._key_is_kept()
        self._settle()

    def _some(self, sagas):
        return self._rng.sample(sagas, min(ASKED, len(sagas)))

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
        elif pretend_lost == "key":
            self._book.key = "made-up: a key"
        log = Log()
        log.read(self._api)
        self._check_log(log, starts, cancels, completions)
        for saga, history in self._log.sagas.items():
            if log.sagas[saga][:len(history)] != history:
                raise Broken(f"{saga}: its events are not those that were read before")
        asked = self._some(list(starts))
        self._each(self._saga_is_there, asked)
        self._each(self._history_is_the_logs, [(saga, log) for saga in asked])
        if pretend_lost == "row":
            log.sagas["made-up"] = []
        self._model_is_the_log(log)
        self._key_is_kept()
        self._verify()
        return log

    def _model_is_the_log(self, log):
        """A row a saga: read models come back with the log, neither behind it nor ahead of it."""
        request = self._api.read_model_service.CountRowsRequest(model="sagas")
        rows = self._api.models.CountRows(request, timeout=CALL_TIMEOUT).count
        if rows != len(log.sagas):
            raise Broken(f"the model 'sagas' has {rows} rows, the log {len(log.sagas)} sagas, "
                         f"{list(log.sagas)[-1]} the last of them")

    def _key_is_kept(self):
        """A rotation that was answered holds; one in doubt happened wholly or not at all."""
        book = self._book
        keys = list(self._api.audit.GetKey(self._api.audit_service.GetKeyRequest(),
                                           timeout=CALL_TIMEOUT).keys)
        if book.key is not None and keys[0] != book.key and not (
                book.is_rotation_doubtful and keys[1:2] == [book.key]):
            raise Broken(f"{book.key} is not the key any more: there are {keys}")
        book.key, book.is_rotation_doubtful = keys[0], False

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
        events = [fact_of(event) for frame in self._api.log.ReadHistory(request, timeout=CALL_TIMEOUT)
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
        while running := [saga for saga in self._book.starts if self._end_of(saga) is None]:
            if time.monotonic() > deadline:
                raise Broken(f"{running[0]}: did not end, nor did {len(running) - 1} others")
            time.sleep(0.1)
            self._log.read(self._api)
        names = collections.Counter()
        for saga in self._book.starts:
            wanted = "SagaCancelled" if saga in self._book.cancels else "SagaCompleted"
            names[self._end_of(saga)] += 1
            if self._end_of(saga) != wanted:
                raise Broken(f"{saga}: ended with {self._end_of(saga)}, not {wanted}")
        self._each(self._undone, list(self._book.cancels))
        return names

    def _end_of(self, saga):
        # After the end there may be an answer that came too late.
        for event in reversed(self._log.sagas.get(saga, ())):
            if event.type in ("SagaCompleted", "SagaCancelled", "SagaFaulted"):
                return event.type
        return None

    def _undone(self, saga):
        request = self._api.saga_service.GetSagaRequest(namespace=NAMESPACE, saga_id=saga)
        found = self._api.sagas.GetSaga(request, timeout=CALL_TIMEOUT).saga
        pb = self._api.saga.Compensation
        if found.compensation.outcome not in (pb.OUTCOME_UNSPECIFIED, pb.OUTCOME_NONE,
                                              pb.OUTCOME_COMPENSATED):
            raise Broken(f"{saga}: its undo ended {pb.Outcome.Name(found.compensation.outcome)}")
