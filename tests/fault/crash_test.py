#!/usr/bin/python3
"""Goal: nothing that the server acknowledged is lost or done twice when it is killed.

Method: SIGKILL of a real skaldd under load, over and over on one data directory: at random moments,
and at named places (crash_points.py) between and within its writes, where a library kills it. Clients
start and cancel sagas, a worker answers their tasks, an auditor watches checkpoints, keys are rotated,
models rebuilt, and each OK is written down. Now and then `skald fsck` examines what a kill left. After each
restart what was acknowledged since the last one is looked for in the log, and some of it asked for
through the API and asked for again; now and then and at the end all of it is. SIGKILL leaves the page
cache, so this is about the process, not the disk: tests/fault/power_loss_test.cc and tests/storage have
the faults of disks.

    crash_test.py --bin build/dev/bin --stubs build/dev/gen_python [--cycles 30] [--seed N]

The seed gives the moments and the mix of requests; threads and disks add chance of their own. A
failure keeps the data directory and exits with 1. With --pretend-lost something acknowledged is made
up, and the exit code is 0 when that, and nothing else, is missed; with --pretend-lost server it dies in
another way than it was to.
"""

import argparse
import collections
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from crash_book import Book, Broken  # pylint: disable=wrong-import-position
from crash_checker import Checker  # pylint: disable=wrong-import-position
from crash_load import CALL_TIMEOUT, Auditor, Load, Worker, make_api, rotate_key  # pylint: disable=wrong-import-position
from crash_points import CLOSING, POINTS, REBUILDING, ROTATING, STARTING  # pylint: disable=wrong-import-position
from skaldd import NotServing, Server  # pylint: disable=wrong-import-position

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
FULL_CHECK_EVERY = 100  # cycles
EXAMINE_EVERY = 5       # cycles: what the kill left is examined before the next start
EXAMINE_LATE_EVERY = 30  # and after so many cycles, as it takes longer with the log
REACHED_WITHIN = 5      # seconds; a place that is not reached by then was missed
MISSES_MAX = 3          # in a row, of one place: then it is no place any more
POINT_BYTES = 4096      # crash_point.cc


class CrashingServer:
    """skaldd on one data directory, killed and started again at will."""

    def __init__(self, bin_folder, folder, log):
        self._skald, self._store = os.path.join(bin_folder, "skald"), os.path.join(folder, "store")
        self._server = Server(bin_folder, self._store, log,
                              "--lease", "2s", "--checkpoint-interval", "100ms")
        self._point_file = os.path.join(folder, "crash_point")
        asan = ":".join(filter(None, (os.environ.get("ASAN_OPTIONS"), "verify_asan_link_order=0")))
        self._environment = {**os.environ, "SKALD_CRASH_POINT": self._point_file, "ASAN_OPTIONS": asan,
                             "LD_PRELOAD": os.path.join(bin_folder, "crash_point.so")}
        self.dying = threading.Event()  # set just before it is killed
        self._armed = threading.Event()  # it kills itself
        self._closing = False
        self.aborts_armed = False

    @property
    def address(self):
        return self._server.address

    def _prepare(self, point):
        self.dying.clear()
        self._armed.clear()
        self._closing = False
        if os.path.exists(self._point_file):
            os.unlink(self._point_file)  # the earlier one is still mapped
        with open(self._point_file, "wb") as file:
            file.write(bytes(POINT_BYTES))
        if point is not None:
            self.arm(point)

    def arm(self, point):
        """From now on it kills itself when it comes to `point`."""
        self._armed.set()
        if self.aborts_armed:
            self._abort()
            return
        with open(self._point_file, "r+b", buffering=0) as file:
            os.pwrite(file.fileno(), point.encode(), 1)
            os.pwrite(file.fileno(), b"+", 0)

    def _abort(self):
        process = self._server.process
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGABRT)

    def spawn(self, point=None):
        self._prepare(point)
        self._server.spawn(env=self._environment)
        if self.aborts_armed and self._armed.is_set():  # armed before there was a process
            self._abort()

    def start(self, point=None):
        self._prepare(point)
        self._server.start(env=self._environment)

    def ends_within(self, seconds):
        try:
            self._server.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def is_ending(self):
        """Whether errors are to be expected: asked by who has just met one."""
        return self.dying.is_set() or (self._armed.is_set() and self.ends_within(REACHED_WITHIN))

    def kill(self):
        code = self._server.process.poll()
        at_place = code == -9 and self._armed.is_set()
        if code is not None and not at_place and not (code == 0 and self._closing):
            raise Broken(f"skaldd ended by itself (exit {code})")
        self.dying.set()
        self.end()

    def close(self):
        """Begins to stop it."""
        self.dying.set()
        self._closing = True
        self._server.process.terminate()

    def stop(self):
        self.dying.set()
        if (code := self._server.stop()) != 0:
            raise Broken(f"skaldd did not stop cleanly (exit {code})")

    def examine(self):
        """What a kill left is no damage."""
        done = subprocess.run([self._skald, "fsck", self._store], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Broken(f"skald fsck of a store that was killed (exit {done.returncode}): {done.stdout}{done.stderr}")

    def end(self):
        self._server.kill()

    def was_killed(self):
        return self._server.process.poll() == -9


class Run:
    """All cycles on one data directory."""

    def __init__(self, arguments, folder, log_file):
        self._seed, self._cycles = arguments.seed, arguments.cycles
        self._rng = random.Random(arguments.seed)
        self._api, self._book = make_api(), Book()
        self._server = CrashingServer(arguments.bin, folder, log_file)
        self._worker = Worker(self._api, self._book, self._server, random.Random(f"{self._seed}/worker"))
        self._auditor = Auditor(self._api, self._book, self._server)
        self._checker = Checker(self._api, self._book, [os.path.join(arguments.bin, "skald")],
                                random.Random(f"{self._seed}/checker"))
        self._points = []  # still to come; the first is next
        self._reached, self._misses = collections.Counter(), collections.Counter()
        self._kills, self._slowest = 0, 0.0

    def __call__(self, pretend_lost):
        self._server.aborts_armed = pretend_lost == "server"
        try:
            self._begin()
            self._api.definitions.DeployDefinition(
                self._api.definition_service.DeployDefinitionRequest(text=DEFINITION), timeout=CALL_TIMEOUT)
            for cycle in range(1, self._cycles + 1):
                self._cycle(cycle)
                self._checker.after_restart()
                if cycle % FULL_CHECK_EVERY == 0:
                    self._checker.everything()
                if cycle % 10 == 0:
                    print(f"  cycle {cycle}: {self._figures()}", flush=True)
                self._book.raise_errors()
            self._finish(pretend_lost)
        finally:
            self._server.dying.set()
            self._server.end()
            self._api.close()
            self._checker.close()

    def _figures(self):
        return (f"{self._kills} kills, {sum(self._reached.values())} of them at {len(self._reached)} named "
                f"places; acknowledged: {len(self._book.starts)} starts, "
                f"{len(self._book.completions)} completions, {len(self._book.cancels)} cancels, "
                f"{len(self._book.checkpoints)} checkpoints; {self._checker.settled} done without an answer")

    def _begin(self):
        at = time.monotonic()
        self._server.start()
        self._slowest = max(self._slowest, time.monotonic() - at)
        self._api.connect(self._server.address)
        self._worker.start()
        self._auditor.start()

    def _cycle(self, number):
        # Every other kill at a named place, each place in turn.
        point = None
        if number % 2 == 0:
            if not self._points:
                self._points = self._rng.sample(POINTS, len(POINTS))
            point = self._points[0]
        load = Load(self._api, self._book, self._server, self._seed, number)
        time.sleep(self._rng.uniform(0.02, 0.2))
        reached = point is not None and point.phase != STARTING and self._reach(point)
        self._server.kill()
        self._kills += 1
        load.join()
        self._worker.join()
        self._auditor.join()
        self._api.close()
        self._book.raise_errors()
        if point is not None and point.phase == STARTING:
            reached = self._dies_starting(point)
        elif self._rng.random() < 0.1:  # and once more while it starts
            self._server.spawn()
            time.sleep(self._rng.uniform(0, 0.1))
            self._server.kill()
            self._kills += 1
        if point is not None:
            self._note(point, reached)
        if number % (EXAMINE_EVERY if number <= EXAMINE_LATE_EVERY else EXAMINE_LATE_EVERY) == 0:
            self._server.examine()
        self._begin()

    def _reach(self, point):
        """Brings the server to the place, where it dies."""
        if point.phase == REBUILDING:
            self._rebuild()
            time.sleep(self._rng.uniform(0, 0.2))
        self._server.arm(point.text(self._rng))
        if point.phase in (CLOSING, REBUILDING):
            self._server.close()
        elif point.phase == ROTATING:
            rotate_key(self._api, self._book, self._server)
        return self._server.ends_within(REACHED_WITHIN) and self._server.was_killed()

    def _rebuild(self):
        try:
            self._api.admin.RebuildModel(self._api.admin_service.RebuildModelRequest(model="sagas"),
                                         timeout=CALL_TIMEOUT)
        except self._api.rpc_error as error:
            if self._api.reason(error) != "MODEL_REBUILDING":  # one of an earlier run goes on
                raise

    def _dies_starting(self, point):
        self._server.spawn(point.text(self._rng))
        reached = self._server.ends_within(REACHED_WITHIN) and self._server.was_killed()
        self._server.kill()
        self._kills += 1
        return reached

    def _note(self, point, reached):
        if reached:
            self._reached[point.name] += 1
            self._misses[point.name] = 0
            self._points.pop(0)
            return
        self._misses[point.name] += 1
        if self._misses[point.name] >= MISSES_MAX:
            raise Broken(f"'{point.name}' was not reached {MISSES_MAX} times: there is no such place any more")

    def _finish(self, pretend_lost):
        ends = self._checker.all_ended()
        self._checker.after_restart()
        log = self._checker.everything(pretend_lost)
        self._server.stop()
        self._worker.join()
        self._auditor.join()
        book = self._book
        book.raise_errors()
        if not (book.starts and book.completions and book.cancels and book.checkpoints) and self._cycles >= 10:
            raise Broken("there was no load: the test tested nothing")
        for point in POINTS:
            if self._reached[point.name] == 0 and self._cycles > 2 * (len(POINTS) + MISSES_MAX):
                raise Broken(f"'{point.name}' was never reached")
        print(f"{self._figures()}\n{log.events} events; ended: "
              + ", ".join(f"{count} with {name}" for name, count in sorted(ends.items()))
              + f"; slowest start of the server {self._slowest:.2f} s")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", required=True, type=os.path.abspath, help="folder of skaldd and skald")
    parser.add_argument("--stubs", required=True, help="folder of the generated Python messages")
    parser.add_argument("--cycles", type=int, default=30)
    parser.add_argument("--seed", type=int, default=None, help="else one is drawn")
    parser.add_argument("--pretend-lost", choices=["start", "completion", "cancel", "row", "key", "server"],
                        help="make something acknowledged up, which has to be missed; or end the server otherwise "
                             "than by its crash points")
    arguments = parser.parse_args()
    if arguments.seed is None:
        arguments.seed = random.SystemRandom().randrange(2**32)
    sys.path.insert(0, os.path.abspath(arguments.stubs))
    print(f"crash test: {arguments.cycles} cycles, --seed {arguments.seed}", flush=True)
    folder = tempfile.mkdtemp(prefix="skald-crash-")
    try:
        with open(os.path.join(folder, "log.txt"), "w", encoding="utf-8") as log_file:
            Run(arguments, folder, log_file)(arguments.pretend_lost)
    except Exception as error:  # of any kind: the way to the store helps more than a trace
        kind = "" if isinstance(error, (Broken, NotServing)) else f"{type(error).__name__}: "
        sign = f"(exit {-signal.SIGABRT})" if arguments.pretend_lost == "server" else "made-up"
        missed = arguments.pretend_lost is not None and sign in str(error)
        print(f"{'missed' if missed else 'FAILED'}: {kind}{str(error)[:2000]}", flush=True)
        if missed:
            shutil.rmtree(folder)
            return 0
        print(f"--seed {arguments.seed}; the data directory and the server's messages are in "
              f"{folder}", flush=True)
        return 1
    shutil.rmtree(folder)
    print("nothing acknowledged was lost")
    return 0 if arguments.pretend_lost is None else 1


if __name__ == "__main__":
    sys.exit(main())
