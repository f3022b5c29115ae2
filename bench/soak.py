#!/usr/bin/env python3
"""Loads a server for minutes or hours, and judges whether it stays as it was: memory, handles, threads,
latency, rate, and disk a saga. tools/soak builds the programs and calls this; docs/operations.md tells how
to read what it says.

The load comes in slices of a few seconds, each with new connections, workers, a watcher and streams:
sagas of three tasks at a steady rate, sagas that are undone, sagas that wait and are cancelled, SQL and
lists, and now and then a new version of a definition. Each slice is a sample. One watcher stays for the
whole time. At the end the store is verified and stopped.
"""

import argparse
import contextlib
import datetime
import json
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import time

import flatness
import graph
from flatness import Figure
from server import Failure, fresh_server, run_program, run_text

FIGURES = (
    Figure("resident_mib", "MiB", "resident memory", 0.10),
    Figure("handles", "", "open handles but files of the store", 0.10, slack=4),
    Figure("store_handles", "", "open files of the store", None),
    Figure("threads", "", "threads", 0.10, slack=2),
    Figure("disk_per_saga", "bytes", "disk a saga", 0.10),
    Figure("p50_ms", "ms", "start to result, p50", 0.25, slack=1),
    Figure("p99_ms", "ms", "start to result, p99", 0.50, slack=5),
    Figure("seen_p99_ms", "ms", "end to a watcher, p99", 0.50, slack=5),
    Figure("per_s", "/s", "sagas of three tasks ended", 0.05, more_is_better=True),
    Figure("cpu", "cores", "CPU of the server", 0.15, slack=0.05),
)
SAMPLES_MIN = 16
DEPLOY_EVERY = 10  # slices
CANCELS = 3  # a slice
DEFINITION = """document: {{ dsl: '1.0.3', namespace: load, name: changing, version: '1.0.{0}' }}
do:
  - note: {{ set: {{ version: {0} }} }}
"""


def say(words):
    print(f"soak: {words}", file=sys.stderr, flush=True)


class Soak:
    """One server and the load on it."""

    def __init__(self, options, server, folder):
        self.options = options
        self.server = server
        self.folder = folder
        self.slice_s = options.slice or min(5, max(1, options.minutes))
        self.samples = []
        self.others = {}  # what became of sagas that were not done in time

    def skald(self, *arguments):
        return run_text([str(self.options.bin / "skald"), *arguments],
                        {"SKALD_SERVER": self.server.address, "SKALD_NAMESPACE": "load"})

    def load_command(self, shape, *flags):
        return [str(self.options.bin / "saga_load"), "--server", self.server.address, "--json", "--shape", shape,
                "--warmup", "0s", *map(str, flags)]

    # ---- The load ----

    @contextlib.contextmanager
    def standing_watcher(self):
        with subprocess.Popen(
                [str(self.options.bin / "skald"), "watch", "--model", "sagas", "--where", "definition=waiting",
                 "--json", "--server", self.server.address], stdout=subprocess.DEVNULL) as watcher:
            try:
                yield watcher
            finally:
                watcher.terminate()

    def run(self):
        run_program(self.load_command("waiting", "--sagas", 1, "--in-flight", 1, "--duration", "10s"))
        begun = time.monotonic()
        number = 0
        with self.standing_watcher() as watcher:
            while time.monotonic() - begun < self.options.minutes * 60 or len(self.samples) < SAMPLES_MIN:
                self.take_slice(number, begun)
                if watcher.poll() is not None:
                    raise Failure(f"the watcher that was to stay ended with {watcher.returncode}")
                number += 1
                if number % 12 == 0:
                    say(self.progress())

    def take_slice(self, number, begun):
        duration = f"{round(self.slice_s * 1000)}ms"
        loads = [self.load_command("tasks3", "--rate", self.options.rate, "--duration", duration, "--watch"),
                 self.load_command("compensate", "--rate", max(1, self.options.rate // 10), "--duration", duration)]
        cpu, at = self.server.cpu_seconds(), time.monotonic()
        running = [subprocess.Popen(load, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
                   for load in loads]
        try:
            self.errands(number)
            reports = [self.finish(load) for load in running]
        finally:
            for load in running:
                load.kill()
        sample = {name: reports[0][name] for name in ("per_s", "p50_ms", "p99_ms", "seen_p99_ms")}
        sample["compensated_per_s"] = reports[1]["per_s"]
        sample["cpu"] = (self.server.cpu_seconds() - cpu) / (time.monotonic() - at)
        sample["seconds"] = time.monotonic() - begun
        self.samples.append(sample | self.look())

    def finish(self, load):
        output, errors = load.communicate(timeout=120)
        if load.returncode != 0:
            raise Failure(f"{' '.join(load.args)} ended with {load.returncode}:\n{output[-2000:]}{errors[-2000:]}")
        report = json.loads(output)
        for what, count in report["others"].items():
            self.others[what] = self.others.get(what, 0) + count
        return report

    def errands(self, number):
        """What operators and their tools do meanwhile."""
        if number % DEPLOY_EVERY == 0:
            path = self.folder / "changing.yaml"
            path.write_text(DEFINITION.format(number // DEPLOY_EVERY), encoding="utf-8")
            self.skald("deploy", str(path))
        for i in range(CANCELS):
            self.skald("start", "load/waiting", "--id", f"soak-{number}-{i}")
            self.skald("cancel", f"load/soak-{number}-{i}", "--reason", "soak")
        self.skald("sql", "select definition, count(*) from sagas where started >= "
                          f"'{datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=2):%FT%TZ}' "
                          "group by definition", "--json")
        self.skald("rows", "throughput", "--limit", "20", "--json")
        self.skald("list", "--limit", "50", "--json")

    def look(self):
        sagas = json.loads(self.skald("count", "sagas", "--json"))["count"]
        handles, store_handles = self.server.handles()
        disk = self.server.disk_bytes()
        return {"resident_mib": self.server.resident_mib(), "handles": handles, "store_handles": store_handles,
                "threads": self.server.threads(), "sagas": sagas, "disk_bytes": disk, "disk_per_saga": disk / sagas}

    def progress(self):
        last = self.samples[-1]
        return (f"{last['seconds'] / 60:.1f} min, {last['sagas']:,} sagas, {last['resident_mib']:.0f} MiB, "
                f"p99 {last['p99_ms']:.1f} ms, {last['disk_per_saga']:.0f} bytes a saga")

    def verify(self):
        report = json.loads(self.skald("verify", "--json", "--timeout", "1h"))
        if not report["equal"]:
            raise Failure(f"skald verify found differences: {report['differences'][:3]}")
        return report


# ---- The report ----


def points_of(samples, figure):
    return [(sample["seconds"], sample[figure.name]) for sample in samples]


def trend_of(points):
    half = flatness.second_half(points)
    slope = flatness.slope(half)
    middle = statistics.median(x for x, _ in half), statistics.median(y for _, y in half)
    return [(x, middle[1] + slope * (x - middle[0])) for x in (half[0][0], half[-1][0])]


def table(verdicts):
    return "\n".join(["| figure | median of the second half | change an hour | over the second half | allowed | |",
                      "|---|--:|--:|--:|--:|---|", *(verdict.line() for verdict in verdicts)])


def write_report(options, soak, verdicts, verified):
    facts = {"time": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
             "minutes": options.minutes, "rate": options.rate, "slice_s": soak.slice_s,
             "cores": len(os.sched_getaffinity(0)), "sagas": soak.samples[-1]["sagas"],
             "verified_events": verified["events"], "others": soak.others}
    options.out.mkdir(parents=True, exist_ok=True)
    whole = {"soak": facts,
             "verdicts": [{"figure": verdict.figure.name, "median": verdict.median, "per_hour": verdict.per_hour,
                           "change": verdict.change, "tolerance": verdict.figure.tolerance, "flat": verdict.flat}
                          for verdict in verdicts],
             "samples": soak.samples}
    (options.out / "soak.json").write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
    panels = [(figure.title, figure.unit, points_of(soak.samples, figure),
               trend_of(points_of(soak.samples, figure))) for figure in FIGURES]
    minutes = soak.samples[-1]["seconds"] / 60
    title = (f"{minutes:.3g} minutes, {facts['sagas']:,} sagas, {options.rate} of three tasks a second offered; "
             "judged: the shaded half")
    (options.out / "soak.svg").write_text(graph.draw(title, panels), encoding="utf-8")
    print(f"# Soak, {facts['time']}\n\n{title}. {verified['events']:,} events verified. "
          f"Not done in time: {soak.others or 'none'}.\n\n{table(verdicts)}")
    say(f"{options.out}/soak.json, {options.out}/soak.svg")


def tolerances(words):
    """Figures with the tolerances that were given, as NAME=PART."""
    given = {}
    for word in words:
        name, _, part = word.partition("=")
        if name not in {figure.name for figure in FIGURES if figure.tolerance is not None}:
            raise SystemExit(f"soak: there is nothing to judge named {name}")
        given[name] = float(part)
    return [flatness.dataclasses.replace(figure, tolerance=given.get(figure.name, figure.tolerance))
            for figure in FIGURES]


def parse_arguments():
    parser = argparse.ArgumentParser(prog="tools/soak", description="Loads a server and judges whether it stays "
                                     "as it was.")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--rate", type=int, default=1000, help="sagas of three tasks a second (1000)")
    parser.add_argument("--slice", type=float, default=0, help="seconds of a sample (5; of a short soak 1)")
    parser.add_argument("--bin", type=pathlib.Path, default="build/release/bin",
                        help="folder of programs that are built already (build/release/bin, built before)")
    parser.add_argument("--out", type=pathlib.Path, help="folder of soak.json and soak.svg (BIN/../soak)")
    parser.add_argument("--dir", type=pathlib.Path, default=os.environ.get("SKALD_BENCH_DIR", "/tmp"),
                        help="where the store is made")
    parser.add_argument("--tolerance", action="append", default=[], metavar="NAME=PART",
                        help="how much a figure may change over the second half, as a part of its median")
    parser.add_argument("--server-flag", action="append", default=[], metavar="FLAG",
                        help="passed on to skaldd: --server-flag=--memory=64M")
    options = parser.parse_args()
    options.bin = options.bin.resolve()
    options.dir = options.dir.resolve()
    options.out = options.out or options.bin.parent / "soak"
    if options.minutes <= 0 or options.rate < 1 or options.slice < 0:
        parser.error("--minutes and --rate must be positive, --slice not negative")
    return options


def main():
    options = parse_arguments()
    figures = tolerances(options.tolerance)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the server and its files go too
    try:
        with fresh_server(options.bin, options.dir, options.server_flag) as server:
            soak = Soak(options, server, server.store.parent)
            soak.run()
            say("verifying")
            verified = soak.verify()
    except Failure as failure:
        say(str(failure))
        return 1
    verdicts = [flatness.judge(figure, points_of(soak.samples, figure)) for figure in figures]
    write_report(options, soak, verdicts, verified)
    return 0 if all(verdict.flat for verdict in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
