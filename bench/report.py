#!/usr/bin/env python3
"""Runs the benchmark programs and joins what they say into one report: JSON in a file, a Markdown
table on standard output. tools/bench builds the programs and calls this; bench/README.md tells how to
read the rows.

Every row is measured several times and stands beside the raw limit of the machine that it rests on,
measured in the same run. A program that fails, or does not answer what it is asked, ends the run with
exit code 1 and no table.
"""

import argparse
import contextlib
import datetime
import json
import os
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import rows as plan  # noqa: E402  pylint: disable=wrong-import-position

PROGRAM_TIMEOUT_S = 1800


class Failure(Exception):
    """What ends the run, as a sentence."""


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def run_program(arguments, environment=None):
    """What a program that must succeed prints, which must be JSON."""
    try:
        result = subprocess.run(arguments, capture_output=True, text=True, timeout=PROGRAM_TIMEOUT_S,
                                env={**os.environ, **(environment or {})}, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Failure(f"{arguments[0]}: {error}") from error
    if result.returncode != 0:
        raise Failure(f"{' '.join(arguments)} ended with {result.returncode}:\n"
                      f"{result.stdout[-2000:]}{result.stderr[-2000:]}")
    try:
        return json.loads(result.stdout)
    except ValueError as error:
        raise Failure(f"{' '.join(arguments)} printed no JSON: {error}") from error


# ---- One program after another ----


class Bench:
    """Runs programs and keeps each row's values, one a repetition."""

    def __init__(self, options, rows):
        self.bin = options.bin
        self.folder = options.dir
        self.repetitions = options.repetitions
        self.quick = options.quick
        self.rows = rows
        self.values = {}  # row name -> list of numbers
        self.details = {}  # row name -> list of what else the program told

    def keep(self, row, values, details=None):
        if len(values) != self.repetitions or not all(value > 0 for value in values):
            raise Failure(f"{row.program} gave {values} for {row.name}, not {self.repetitions} figures")
        self.values[row.name] = values
        if details:
            self.details[row.name] = details

    def run(self):
        for program in dict.fromkeys(row.program for row in self.rows):
            rows = [row for row in self.rows if row.program == program]
            say(f"{program}: {len(rows)} rows")
            if program == "grpc_echo":
                self.run_echo(rows)
            elif program == "saga_load":
                self.run_load(rows)
            else:
                self.run_benchmark(program, rows)

    def run_benchmark(self, program, rows):
        """A program on Google Benchmark; only the benchmarks that rows name are run."""
        names = "|".join(re.escape(row.what) for row in rows)
        output = run_program(
            [str(self.bin / program), f"--benchmark_filter=^({names})(/real_time)?$",
             f"--benchmark_repetitions={self.repetitions}", "--benchmark_format=json",
             f"--benchmark_min_time={0.01 if self.quick else 0.5}"],
            {"SKALD_BENCH_DIR": str(self.folder)})
        runs = {}
        for run in output["benchmarks"]:
            if run.get("error_occurred"):
                raise Failure(f"{program}: {run['name']}: {run.get('error_message')}")
            if run["run_type"] == "iteration":
                name = run["run_name"].removesuffix("/real_time")
                runs.setdefault(name, []).append(run)
        for row in rows:
            if row.what not in runs and row.optional:
                continue
            if row.what not in runs:
                raise Failure(f"{program} has no benchmark {row.what}, which {row.name} needs")
            self.keep(row, [self.figure(row, run) for run in runs[row.what]])

    @staticmethod
    def figure(row, run):
        if row.unit == "us":
            scale = {"ns": 1e-3, "us": 1, "ms": 1e3, "s": 1e6}[run["time_unit"]]
            waits = run["run_name"].endswith("/real_time")
            return run["real_time" if waits else "cpu_time"] * scale
        if "items_per_second" not in run:
            raise Failure(f"{row.program}: {row.what} does not count items")
        return run["items_per_second"]

    def run_echo(self, rows):
        seconds = "0.2" if self.quick else "2"
        repetitions = [run_program([str(self.bin / "grpc_echo"), f"--seconds={seconds}", "--json"])
                       for _ in range(self.repetitions)]
        for row in rows:
            mode, under_way, batch = row.what
            found = [result for repetition in repetitions for result in repetition["results"]
                     if (result["mode"], result["under_way"], result["batch"]) == (mode, under_way, batch)]
            self.keep(row, [result["items_per_second"] for result in found], found)

    def run_load(self, rows):
        """Each repetition of each row has a server of its own on an empty store."""
        for row in rows:
            shape, in_flight = row.what
            reports = []
            for _ in range(self.repetitions):
                with server(self.bin, self.folder) as address:
                    reports.append(run_program(
                        [str(self.bin / "saga_load"), "--server", address, "--shape", shape,
                         "--in-flight", str(in_flight), "--json",
                         "--warmup", "0s" if self.quick else "2s",
                         "--duration", "300ms" if self.quick else "5s"]))
            self.keep(row, [report["per_s"] for report in reports], reports)


@contextlib.contextmanager
def server(binaries, parent):
    """The address of a skaldd on a fresh store and a free port. Gone, with its files, afterwards."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="skald-bench-", dir=parent))
    with open(folder / "stderr", "w+", encoding="utf-8") as errors:
        process = subprocess.Popen(
            [str(binaries / "skaldd"), "--data-dir", str(folder / "store"), "--listen", "127.0.0.1:0"],
            stdout=subprocess.PIPE, stderr=errors, text=True)
        try:
            match = re.fullmatch(r"skaldd listening on (\S+)\n", process.stdout.readline())
            if not match:
                process.wait(timeout=60)
                errors.seek(0)
                raise Failure(f"skaldd did not start:\n{errors.read()[-2000:]}")
            yield match.group(1)
            process.send_signal(signal.SIGTERM)
            if process.wait(timeout=60) != 0:
                errors.seek(0)
                raise Failure(f"skaldd ended with {process.returncode}:\n{errors.read()[-2000:]}")
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
            shutil.rmtree(folder, ignore_errors=True)


# ---- What the figures depend on ----


def first_match(path, pattern, default=""):
    try:
        text = pathlib.Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return default
    match = re.search(pattern, text, re.MULTILINE)
    return match.group(1).strip() if match else default


def file_system(folder):
    """Device, type and options of the mount that holds the folder."""
    best = ("", "unknown", "unknown", "")
    for line in pathlib.Path("/proc/mounts").read_text(encoding="utf-8").splitlines():
        device, mount, kind, mount_options = line.split()[:4]
        inside = folder == pathlib.Path(mount) or pathlib.Path(mount) in folder.parents
        if inside and len(mount) >= len(best[0]):
            best = (mount, device, kind, mount_options)
    return {"device": best[1], "type": best[2], "options": best[3]}


def commit():
    root = str(pathlib.Path(__file__).resolve().parents[1])
    result = subprocess.run(["git", "-C", root, "describe", "--always", "--dirty", "--abbrev=12"],
                            capture_output=True, text=True, check=False)
    return result.stdout.strip() or "unknown"


def circumstances(options):
    cache = options.bin.parent / "CMakeCache.txt"
    build_type = first_match(cache, r"^CMAKE_BUILD_TYPE:\w+=(.*)$", "unknown")
    kib = int(first_match("/proc/meminfo", r"^MemTotal:\s+(\d+)", "0"))
    return {
        "time": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "commit": commit(),
        "cpu": first_match("/proc/cpuinfo", r"^model name\s*:\s*(.*)$", "unknown"),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(kib / 2**20, 1),
        "kernel": " ".join((os.uname().sysname, os.uname().release, os.uname().machine)),
        "load_before": round(os.getloadavg()[0], 2),
        "folder": str(options.dir),
        "file_system": file_system(options.dir),
        "build_type": build_type,
        "flags": " ".join(filter(None, (
            first_match(cache, r"^CMAKE_CXX_FLAGS:\w+=(.*)$"),
            first_match(cache, rf"^CMAKE_CXX_FLAGS_{build_type.upper()}:\w+=(.*)$")))),
        "fsync": "fdatasync of the log before every reply (skaldd's only mode)",
        "repetitions": options.repetitions,
        "quick": options.quick,
    }


def warnings(facts):
    found = []
    if facts["quick"]:
        found.append("A quick run: it shows that everything runs. The figures mean nothing.")
    if facts["build_type"] != "Release":
        found.append(f"The build type is {facts['build_type']}, not Release.")
    if facts["file_system"]["type"] in ("tmpfs", "ramfs", "overlay"):
        found.append(f"{facts['folder']} is on {facts['file_system']['type']}: syncing there may cost nothing.")
    if facts["load_before"] > 0.5:
        found.append(f"The machine was not idle: load {facts['load_before']} before the run.")
    return found


# ---- The report ----


def summary(values):
    median = statistics.median(values)
    return {"median": median, "min": min(values), "max": max(values),
            "spread": (max(values) - min(values)) / median}


def row_report(bench, row):
    """One row of the report; its ratio says how much of the limit it reaches, or costs."""
    report = {"name": row.name, "unit": row.unit, "question": row.question,
              **summary(bench.values[row.name]), "values": bench.values[row.name]}
    if row.name in bench.details:
        report["details"] = bench.details[row.name]
    if row.target:
        met = report["median"] < row.target if row.unit == "us" else report["median"] > row.target
        report["target"] = {"value": row.target, "met": met}
    if row.limit and row.limit in bench.values:
        limit = statistics.median(bench.values[row.limit]) / row.per
        limit_row = plan.BY_NAME[row.limit]
        if limit_row.unit != row.unit:  # so many a second against so long each
            limit = 1e6 / limit
        report["limit"] = {"name": row.limit, "per": row.per, "value": limit,
                           "ratio": report["median"] / limit}
    return report


def number(value):
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def table(facts, reports):
    lines = [f"# Benchmarks, {facts['time']}, commit {facts['commit']}", ""]
    lines += [f"> {warning}" for warning in warnings(facts)]
    disk = facts["file_system"]
    lines += ["", f"- {facts['cpu']}, {facts['cores']} cores, {facts['memory_gib']} GiB, {facts['kernel']}",
              f"- {facts['folder']} on {disk['device']} ({disk['type']}, {disk['options']})",
              f"- {facts['build_type']} build ({facts['flags']}); {facts['fsync']}",
              f"- {facts['repetitions']} repetitions; load before the run {facts['load_before']}", "",
              "| row | unit | median | min .. max | spread | limit | ratio | target |",
              "|---|---|--:|--:|--:|---|--:|---|"]
    for report in reports:
        limit = report.get("limit")
        target = report.get("target")
        limit_text = ratio = target_text = ""
        if limit:
            limit_text = limit["name"]
            if limit["per"] != 1:
                limit_text += f" / {limit['per']:g}" if limit["per"] > 1 else f" x {1 / limit['per']:g}"
            ratio = f"{limit['ratio']:.3g}"
        if target:
            sign = "<" if report["unit"] == "us" else ">"
            target_text = f"{sign} {number(target['value'])} {'met' if target['met'] else 'MISSED'}"
        lines.append(f"| {report['name']} | {report['unit']} | {number(report['median'])} "
                     f"| {number(report['min'])} .. {number(report['max'])} | {report['spread']:.0%} "
                     f"| {limit_text} | {ratio} | {target_text} |")
    return "\n".join(lines)


def chosen_rows(only):
    """The rows asked for and the limits that they rest on."""
    if not only:
        return list(plan.ROWS)
    chosen = set()
    for name in only:
        found = [row for row in plan.ROWS if row.name == name or row.name.startswith(name + "/")]
        if not found:
            raise SystemExit(f"bench: no row is named {name}; there are "
                             f"{', '.join(row.name for row in plan.ROWS)}")
        chosen.update(row.name for row in found)
        chosen.update(row.limit for row in found if row.limit)
    return [row for row in plan.ROWS if row.name in chosen]


def parse_arguments():
    parser = argparse.ArgumentParser(prog="tools/bench", description="Measures Skald on this machine.")
    parser.add_argument("--bin", type=pathlib.Path, default="build/release/bin",
                        help="folder of programs that are built already (build/release/bin, built before)")
    parser.add_argument("--out", type=pathlib.Path, help="the report as JSON (BIN/../bench/report.json)")
    parser.add_argument("--dir", type=pathlib.Path, default=os.environ.get("SKALD_BENCH_DIR", "/tmp"),
                        help="where data is written and synced: its disk is what is measured")
    parser.add_argument("--only", action="append", default=[], metavar="NAME",
                        help="only this row, or the rows under NAME/, with their limits")
    parser.add_argument("--repetitions", type=int, help="how often each row is measured (5; quick: 1)")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: only shows that everything runs")
    parser.add_argument("--list", action="store_true", help="name the rows and end")
    options = parser.parse_args()
    options.bin = pathlib.Path(options.bin).resolve()
    options.dir = pathlib.Path(options.dir).resolve()
    options.out = options.out or options.bin.parent / "bench" / "report.json"
    options.repetitions = options.repetitions or (1 if options.quick else 5)
    if options.repetitions < 1:
        parser.error("--repetitions must be at least 1")
    return options


def main():
    options = parse_arguments()
    rows = chosen_rows(options.only)
    if options.list:
        print("\n".join(f"{row.name}: {row.question}" for row in rows))
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that servers and files go too
    facts = circumstances(options)
    for warning in warnings(facts):
        say(warning)
    bench = Bench(options, rows)
    try:
        bench.run()
    except Failure as failure:
        say(str(failure))
        return 1
    reports = [row_report(bench, row) for row in rows if row.name in bench.values]
    options.out.parent.mkdir(parents=True, exist_ok=True)
    whole = {"machine": facts, "warnings": warnings(facts), "rows": reports}
    options.out.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
    print(table(facts, reports))
    say(f"{options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
