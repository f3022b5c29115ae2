#!/usr/bin/env python3
"""Runs the benchmark programs and joins what they say into one report: JSON in a file, a Markdown
table on standard output. tools/bench builds the programs and calls this; bench/README.md tells how to
read the rows.

Every row is measured several times and stands beside the raw limit of the machine that it rests on,
measured in the same run. A program that fails, or does not answer what it is asked, ends the run with
exit code 1 and no table.
"""

import argparse
import datetime
import json
import os
import pathlib
import re
import signal
import statistics
import subprocess
import sys

import rows as plan
from runner import Bench, say
from server import Failure

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
    try:
        result = subprocess.run(["git", "-C", root, "describe", "--always", "--dirty", "--abbrev=12"],
                                capture_output=True, text=True, check=False)
    except OSError:  # there is no git
        return "unknown"
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
            "spread": (max(values) - min(values)) / median if median else 0}


# Units of which less is better; all else is better when it is more.
LESS_IS_BETTER = ("us", "ms", "s", "MiB", "bytes")
PER_SECOND = {"us": 1e6, "ms": 1e3, "s": 1}


def judged(value, target, less_is_better):
    return {"value": target, "met": value < target if less_is_better else value > target}


def row_report(bench, row):
    """One row of the report; its ratio says how much of the limit it reaches, or costs."""
    report = {"name": row.name, "unit": row.unit, "question": row.question,
              **summary(bench.values[row.name]), "values": bench.values[row.name]}
    if row.name in bench.details:
        report["details"] = bench.details[row.name]
    less_is_better = row.unit in LESS_IS_BETTER
    if row.target:
        report["target"] = judged(report["median"], row.target, less_is_better)
    if row.limit and row.limit in bench.values:
        limit_row = plan.BY_NAME[row.limit]
        limit = statistics.median(bench.values[row.limit])
        limit = limit * row.per if limit_row.is_time else limit / row.per
        if limit_row.unit != row.unit:  # so many a second against so long each
            limit = PER_SECOND[row.unit] / limit
        ratio = report["median"] / limit
        report["limit"] = {"name": row.limit, "per": row.per, "value": limit, "ratio": ratio}
        if row.ratio_target:
            report["ratio_target"] = judged(ratio, row.ratio_target, less_is_better)
    return report


def number(value):
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def table(facts, warned, reports):
    lines = [f"# Benchmarks, {facts['time']}, commit {facts['commit']}", ""]
    lines += [f"> {warning}" for warning in warned]
    disk = facts["file_system"]
    lines += ["", f"- {facts['cpu']}, {facts['cores']} cores, {facts['memory_gib']} GiB, {facts['kernel']}",
              f"- {facts['folder']} on {disk['device']} ({disk['type']}, {disk['options']})",
              f"- {facts['build_type']} build ({facts['flags']}); {facts['fsync']}",
              f"- {facts['repetitions']} repetitions; load before the run {facts['load_before']}", "",
              "| row | unit | median | min .. max | spread | limit | ratio | target |",
              "|---|---|--:|--:|--:|---|--:|---|"]
    for report in reports:
        limit = report.get("limit")
        limit_text = ratio = ""
        if limit:
            limit_text = limit["name"]
            per = 1 / limit["per"] if plan.BY_NAME[limit["name"]].is_time else limit["per"]
            if per != 1:
                limit_text += f" / {per:g}" if per > 1 else f" x {1 / per:g}"
            ratio = f"{limit['ratio']:.3g}"
        sign = "<" if report["unit"] in LESS_IS_BETTER else ">"
        verdicts = [("", report.get("target")), ("ratio ", report.get("ratio_target"))]
        target_text = ", ".join(f"{what}{sign} {number(target['value'])} {'met' if target['met'] else 'MISSED'}"
                                for what, target in verdicts if target)
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
        chosen.update(row.name for row in plan.ROWS if row.program in {
            each.program for each in found if each.is_scenario})
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
    warned = warnings(facts) + bench.scenarios.warnings
    whole = {"machine": facts, "warnings": warned, "rows": reports}
    options.out.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
    print(table(facts, warned, reports))
    say(f"{options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
