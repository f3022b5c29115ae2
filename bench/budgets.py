#!/usr/bin/env python3
"""Holds the instructions that decide, evolve, append, dispatch and fold take against bench/budgets.json.

Counted by callgrind, so that other work on the machine makes no difference; taken as the difference of
two runs, so that starting the program makes none either. One unit is what instruction_cost does once for
that word: a saga of three tasks decided, its ten events folded into a state, its four commits encoded and
handed through the log writer to a log in memory, eight tasks through the broker, its events folded into the
model sagas.

    budgets.py --program build/dev/bin/instruction_cost             # fails 10% above a budget
    budgets.py --program build/dev/bin/instruction_cost --renew     # writes the present figures as budgets

Renew only when the cost was meant to change, and say why in the change that does it. Budgets are of one
build (the preset dev) and compiler; with others, or without valgrind, there is nothing to compare: exit
code 77.
"""

import argparse
import json
import pathlib
import re
import shutil
import subprocess
import sys

TABLE = pathlib.Path(__file__).resolve().parent / "budgets.json"
ALLOWED = 0.10
COUNTS = {"decide": (50, 250), "evolve": (200, 1200), "append": (100, 600), "dispatch": (200, 1200),
          "fold": (100, 600)}
SKIPPED = 77


def instructions(program, unit, count):
    """All that the program takes for so many units."""
    result = subprocess.run(
        ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", str(program), unit, str(count)],
        capture_output=True, text=True, timeout=250, check=False)
    found = re.search(r"Collected : (\d+)", result.stderr)
    if result.returncode != 0 or not found:
        sys.exit(f"budgets: {unit} {count} ended with {result.returncode}:\n{result.stderr[-2000:]}")
    return int(found.group(1))


def measure(program):
    costs = {}
    for unit, (few, many) in COUNTS.items():
        cost = instructions(program, unit, many) - instructions(program, unit, few)
        costs[unit] = round(cost / (many - few))
    return costs


def judge(costs, budgets):
    """What is wrong, as sentences."""
    problems = []
    for unit in sorted(costs.keys() | budgets.keys()):
        if unit not in costs or unit not in budgets:
            problems.append(f"{unit} is not in both the program and {TABLE.name}")
            continue
        change = costs[unit] / budgets[unit] - 1
        print(f"{unit}: {costs[unit]:,} instructions, {change:+.1%} of the budget {budgets[unit]:,}")
        if change > ALLOWED:
            problems.append(f"{unit} takes {costs[unit]:,} instructions, {change:.0%} above its budget")
        elif change < -ALLOWED:
            print(f"{unit} has become cheaper: renew the budgets, so that it stays so")
    return problems


def main():
    parser = argparse.ArgumentParser(description="Compares instructions with budgets.")
    parser.add_argument("--program", type=pathlib.Path, required=True, help="instruction_cost")
    parser.add_argument("--build", default="Debug", help="its build type and sanitizer")
    parser.add_argument("--compiler", default="", help="what it was built with; empty: as the budgets")
    parser.add_argument("--renew", action="store_true", help="write the present figures as budgets")
    options = parser.parse_args()
    table = json.loads(TABLE.read_text(encoding="utf-8"))
    if shutil.which("valgrind") is None:
        print("skipped: valgrind is not installed (tools/setup installs it)")
        return SKIPPED
    if options.build != "Debug":
        print(f"skipped: budgets are of the preset dev, not of a build of type {options.build}")
        return SKIPPED
    if not options.renew and options.compiler not in ("", table["compiler"]):
        print(f"skipped: budgets are of {table['compiler']}, not of {options.compiler}")
        return SKIPPED
    costs = measure(options.program)
    if options.renew:
        table["compiler"] = options.compiler or table["compiler"]
        table["instructions"] = costs
        TABLE.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
        print(f"{TABLE} is written anew: {costs}")
        return 0
    problems = judge(costs, table["instructions"])
    for problem in problems:
        print(problem)
    if problems:
        print("Make it cheaper; or, if the cost is meant, say why in the change and renew the budgets:\n"
              f"  python3 bench/budgets.py --renew --program {options.program} --compiler "
              f"'{options.compiler or table['compiler']}'")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
