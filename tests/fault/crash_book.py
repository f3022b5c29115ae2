"""What the clients and workers of the crash test were told, and what the log says of it."""

import collections
import dataclasses
import hashlib
import json
import threading

NAMESPACE = "crash"


class Broken(Exception):
    """A promise that was not kept."""


class Book:
    """What was asked and what was acknowledged, over all cycles."""

    def __init__(self):
        self.lock = threading.Lock()
        self.starts = {}         # saga -> position of its start
        self.cancels = {}        # saga -> position of its cancel
        self.completions = {}    # mark -> saga
        self.doubtful_starts = []   # no answer came: may have happened or not
        self.doubtful_cancels = []
        self.checkpoints = []    # notes of those that were seen, by number
        self.key = None          # the one that signs, as far as is known
        self.is_rotation_doubtful = False
        self.unchecked = set()   # sagas with something new since the last check
        self.unchecked_marks = {}  # completions since then: mark -> saga
        self.errors = []         # what threads found wrong

    def note(self, table, key, value, saga):
        with self.lock:
            table[key] = value
            self.unchecked.add(saga)
            if table is self.completions:
                self.unchecked_marks[key] = saga

    def wrong(self, text):
        with self.lock:
            self.errors.append(text)

    def raise_errors(self):
        with self.lock:
            if self.errors:
                raise Broken("; ".join(self.errors[:5]))


@dataclasses.dataclass(frozen=True)
class Fact:
    """What is kept of an event: there are many."""

    type: str
    task: str
    request_id: str
    digest: bytes  # of all of it


def fact_of(event):
    return Fact(event.type, event.task, event.request_id,
                hashlib.blake2b(event.SerializeToString(deterministic=True), digest_size=12).digest())


class Log:
    """The events as FollowLog gives them, read on from where the last reading ended."""

    def __init__(self):
        self.sagas = collections.defaultdict(list)  # saga -> facts, in order
        self.marks = collections.defaultdict(set)   # mark -> commits that have it as output
        self.tasks = collections.defaultdict(set)   # the same by task, whichever the mark
        self.events = 0
        self._token = b""

    def read(self, api):
        request = api.log_service.FollowLogRequest(resume_token=self._token)
        request.filter.namespace = NAMESPACE
        call = api.log.FollowLog(request, timeout=120)
        for frame in call:
            for event in frame.events:
                self._add(event)
            self._token = frame.resume_token
            if frame.caught_up:
                call.cancel()
                return

    def _add(self, event):
        history = self.sagas[event.saga_id]
        if event.revision != len(history):
            raise Broken(f"{event.saga_id}: event {event.revision} ({event.type}) follows "
                         f"{len(history) - 1}")
        self.events += 1
        history.append(fact_of(event))
        # No task's arguments hold another one's output, so a mark is only where its answer was
        # recorded: in TaskCompleted, CompensationArmed, or both of one commit.
        commit = (event.position.partition, event.commit_position)
        for mark in marks_in(json.loads(event.data or b"{}")):
            self.marks[mark].add(commit)
            self.tasks[task_of(mark)].add(commit)


def task_of(mark):
    """SAGA/FUNCTION of SAGA/FUNCTION/COUNT: each function runs once a saga."""
    return mark.rpartition("/")[0]


def marks_in(data):
    found = set()
    todo = [data]
    while todo:
        value = todo.pop()
        if isinstance(value, dict):
            if isinstance(value.get("mark"), str):
                found.add(value["mark"])
            todo.extend(value.values())
        elif isinstance(value, list):
            todo.extend(value)
    return found
