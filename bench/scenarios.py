"""Rows that need a server in a certain state: loaded, overloaded, full, watched, restarted.

Each scenario is a generator of measurements: (what, value, details), where `what` is that of the row. A
row gets as many values as there are repetitions, or fewer if its Row says so.
"""

import contextlib
import json
import os
import resource
import subprocess
import time

from server import Failure, fresh_server, run_program, run_text

MODELS = ("sagas", "incidents", "definitions", "throughput")
WAITING = (0, 10_000, 1_000_000)
OVERLOADS = (1, 2, 5, 10)  # times the peak
COSTS = ((16, 1), (1, 1), (2, 2))  # partitions, threads


def ended_children_cpu_seconds():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


class Scenarios:
    """Runs them with the programs of one folder and servers on stores of their own."""

    def __init__(self, options):
        self.bin = options.bin
        self.folder = options.dir
        self.quick = options.quick
        self.warnings = []

    def size(self, count, quick):
        return quick if self.quick else count

    def load(self, server, *flags, seconds=5, warmup=2):
        """saga_load for so long, after a warm-up."""
        duration = f"{max(1, round(seconds * 100))}ms" if self.quick else f"{seconds}s"
        return run_program([str(self.bin / "saga_load"), "--server", server.address, "--json",
                            "--warmup", "0s" if self.quick else f"{warmup}s", "--duration", duration,
                            *map(str, flags)])

    def fill(self, server, shape, count, in_flight):
        """Exactly so many sagas."""
        run_program([str(self.bin / "saga_load"), "--server", server.address, "--json", "--shape", shape,
                     "--in-flight", str(in_flight), "--sagas", str(count), "--warmup", "0s",
                     "--duration", "1h"])

    def skald(self, server, *arguments):
        return run_text([str(self.bin / "skald"), *arguments],
                        {"SKALD_SERVER": server.address, "SKALD_NAMESPACE": "load"})

    def server(self, *flags):
        return fresh_server(self.bin, self.folder, flags)

    # ---- Watching ----

    def watch(self, repetitions):
        """At saturation, and at half the rate that this gave; over one stream both times."""
        for _ in range(repetitions):
            with self.server() as server:
                full = self.load(server, "--shape", "tasks3", "--in-flight", 64, "--watch")
            with self.server() as server:
                half = self.load(server, "--shape", "tasks3", "--watch", "--streams", 1,
                                 "--rate", max(1, round(full["per_s"] / 2)))
            for what, report in (("full", full), ("half", half)):
                for part in ("p50", "p99"):
                    # A watcher that is told first has waited nothing, which is no figure.
                    yield f"{what}/{part}", max(report[f"seen_{part}_ms"], 0.001), report

    # ---- Many sagas that wait ----

    def waiting(self, repetitions):
        """R3/64 on stores that hold so many waiting sagas: all are up at once, and take turns, so that what
        else the machine does hits all of them."""
        with contextlib.ExitStack() as stack:
            servers = []
            for count in WAITING:
                server = stack.enter_context(self.server())
                servers.append((count, server))
                if count:
                    self.fill(server, "waiting", self.size(count, max(1, count // 1000)), 512)
                    self.settle(server)
            for _ in range(repetitions):
                for count, server in servers:
                    report = self.load(server, "--shape", "tasks3", "--in-flight", 64)
                    report["resident_mib"] = round(server.resident_mib(), 1)
                    yield str(count), report["per_s"], report

    # ---- What a saga costs ----

    def cost(self, repetitions):
        """CPU, memory and disk of the server at R3/64, by partitions and threads."""
        for partitions, threads in COSTS:
            for _ in range(repetitions):
                with self.server("--partitions", str(partitions), "--threads", str(threads)) as server:
                    begun = server.cpu_seconds()
                    load_begun = ended_children_cpu_seconds()
                    # Without a warm-up, so that the CPU is that of the sagas counted.
                    report = self.load(server, "--shape", "tasks3", "--in-flight", 64, seconds=7, warmup=0)
                    cpu = server.cpu_seconds() - begun
                    load_cpu = ended_children_cpu_seconds() - load_begun
                    resident = server.resident_mib()
                what = f"{partitions}x{threads}"
                report["resident_mib"] = round(resident, 1)
                yield f"{what}/cpu", max(cpu, 0.001) * 1e6 / report["sagas"], report
                yield f"{what}/memory", resident, None
                if (partitions, threads) == COSTS[0]:
                    yield "with_worker", (cpu + load_cpu) * 1e6 / report["sagas"], None

    # ---- Overload ----

    def peak(self):
        """Sagas a second of a closed loop of 256, on a store as young as the overloaded one."""
        with self.server() as server:
            return self.load(server, "--shape", "tasks3", "--in-flight", 256, seconds=8, warmup=4)["per_s"]

    def overload(self, repetitions):
        """Offered once to ten times the peak of just before; the goodput as a part of the mean of that and of the
        peak of just after, as the machine's speed swings."""
        for _ in range(repetitions):
            before = self.peak()
            for times in OVERLOADS:
                with self.server() as server:
                    report = self.load(server, "--shape", "tasks3", "--rate", max(1, round(times * before)),
                                       "--streams", 16, "--tick", "10ms", seconds=8, warmup=4)
                    report.update(resident_mib=round(server.resident_mib(), 1))
                after = self.peak()
                report.update(peak_before_per_s=before, peak_after_per_s=after)
                refused = {name: count for name, count in report["others"].items()
                           if name.isupper() and name != "RESOURCE_EXHAUSTED"}
                if refused:
                    self.warnings.append(f"At {times} times the peak some were refused by {refused}, "
                                         "not RESOURCE_EXHAUSTED.")
                yield f"{times}/goodput", 2 * report["per_s"] / (before + after), report
                yield f"{times}/memory", report["resident_mib"], None
                before = after

    # ---- A store of ten million events ----

    def full_store(self, repetitions):
        """Sagas of three tasks, eight events each: the store's size, SQL over it, rebuilds, a verification,
        restarts."""
        sagas = self.size(1_250_000, 500)
        with self.server() as server:
            self.fill(server, "tasks3", sagas, 256)
            self.settle(server)
            server.stop()  # so that memory is on the disk too
            for _ in range(repetitions):
                yield "disk", server.disk_bytes() / sagas, {"sagas": sagas}
            server.start()
            yield from self.read_full_store(server, repetitions)
            for _ in range(repetitions):
                yield from self.restart(server)

    def settle(self, server, pause=1):
        """Until models and audit trees have all that was recorded: a read that is not stale waits for the
        models, and a checkpoint is of the whole log."""
        deadline = time.monotonic() + 600
        while True:
            try:
                self.skald(server, "count", "sagas")
                self.skald(server, "audit", "checkpoint")
                return
            except Failure:
                if time.monotonic() > deadline:
                    raise
                time.sleep(pause)

    def read_full_store(self, server, repetitions):
        statements = {
            "sql/count": "select count(*) from sagas",
            "sql/indexed": "select count(*) from sagas where status = 'completed'",
            "sql/scan": "select status, count(*), max(duration_ms) from sagas where revision > 2 "
                        "group by status",
        }
        for what, statement in statements.items():
            for _ in range(repetitions):
                begun = time.monotonic()
                self.skald(server, "sql", statement, "--json")
                yield what, time.monotonic() - begun, None
        for model in MODELS:
            for _ in range(repetitions):
                report = json.loads(self.skald(server, "rebuild", model, "--json"))
                if not report.get("equal"):
                    raise Failure(f"the rebuild of {model} is not equal to what served: {report}")
                yield f"rebuild/{model}", report["events"] * 1e6 / report["took_us"], report
                self.skald(server, "rebuild", model, "--drop-previous")
        begun = time.monotonic()
        report = json.loads(self.skald(server, "verify", "--json"))
        yield "verify", report["events"] / (time.monotonic() - begun), report

    def restart(self, server):
        """From the start of the program to the answer of a command, and to a read that misses nothing; stopped,
        then killed under load."""
        server.stop()
        yield "restart/stopped", self.start_and_ask(server), None
        with self.background_load(server):
            time.sleep(0.3 if self.quick else 3)
            server.kill()
        begun = time.monotonic()
        yield "restart/killed", self.start_and_ask(server), None
        self.settle(server, pause=0.01)
        yield "restart/killed/models", time.monotonic() - begun, None

    def start_and_ask(self, server):
        begun = time.monotonic()
        server.start()
        self.skald(server, "start", "load/tasks3", "--input", "{}")
        return time.monotonic() - begun

    @contextlib.contextmanager
    def background_load(self, server):
        with subprocess.Popen([str(self.bin / "saga_load"), "--server", server.address, "--duration", "1h"],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ) as load:
            try:
                yield
            finally:
                load.kill()
