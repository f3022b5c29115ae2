#!/usr/bin/env python3
"""Checks that docs/reliability.md names tests and changes that exist.

    check_reliability.py --build build/dev

In backticks: Suite.Test of GoogleTest, test_name of a Python test, a name of ctest, an invariant of the
simulator after the word "simulator"; in the last column of the record, a change's subject.
"""
import argparse
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
GTEST = re.compile(r"^TEST(?:_F|_P)?\(\s*(\w+),\s*(\w+)\)", re.MULTILINE)


def ctest_names(build):
    listed = subprocess.run(["ctest", "--test-dir", str(build), "-N"], capture_output=True, text=True, check=True).stdout
    return set(re.findall(r"Test +#\d+: (\S+)", listed))


def written_names():
    names = set()
    for path in (ROOT / "tests").rglob("*"):
        if path.suffix == ".cc":
            names.update(f"{suite}.{test}" for suite, test in GTEST.findall(path.read_text(encoding="utf-8")))
        elif path.suffix == ".py":
            names.update(re.findall(r"def (test_\w+)", path.read_text(encoding="utf-8")))
    return names


def invariants():
    """The first column of the table of invariants in docs/testing.md."""
    text = (ROOT / "docs/testing.md").read_text(encoding="utf-8")
    table = text.partition("| invariant | says |")[2].partition("\n\n")[0]
    return {name for row in table.splitlines() for name in re.findall(r"`([\w-]+)`", row.split("|")[1] if "|" in row else "")}


def subjects():
    """Of all changes; None where there is no history or not all of it."""
    if shutil.which("git") is None:
        return None
    log = subprocess.run(["git", "-C", str(ROOT), "log", "--format=%s"], capture_output=True, text=True, check=False)
    shallow = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "--is-shallow-repository"], capture_output=True,
                             text=True, check=False).stdout.strip()
    return set(log.stdout.splitlines()) if log.returncode == 0 and shallow == "false" else None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", required=True, type=pathlib.Path)
    build = parser.parse_args().build
    promises, _, record = (ROOT / "docs/reliability.md").read_text(encoding="utf-8").partition("## Track record")
    known = written_names() | ctest_names(build)
    problems, checked = [], 0

    def check(name, names, where):
        nonlocal checked
        checked += 1
        if name not in names:
            problems.append(f"docs/reliability.md: there is no {where} '{name}'")

    for row in [line for line in promises.splitlines() if line.startswith("| ") and "| guards |" not in line]:
        guards, _, simulated = row.split("|")[2].partition("simulator")
        named = re.findall(r"`([^`]+)`", guards)
        for name in re.findall(r"`([^`]+)`", simulated):
            check(name, known | invariants(), "invariant or test")
        for name in named:
            check(name, known, "test")
        if not named:
            problems.append(f"docs/reliability.md: no test guards '{row.split('|')[1].strip()}'")
    changes = subjects()
    # A copy of the tree whose history is another's says nothing of it.
    if changes is not None and not any(f"`{change}`" in record for change in changes):
        changes = None
    for row in [line for line in record.splitlines() if line.startswith("| ") and "| mended in |" not in line]:
        for subject in re.findall(r"`([^`]+)`", row.rstrip("| ").rpartition("|")[2]):
            if changes is not None:
                check(subject, changes, "change")
    for problem in problems:
        print(problem)
    print(f"{checked} names checked, {len(problems)} problems")
    return 1 if problems or checked < 50 else 0


if __name__ == "__main__":
    sys.exit(main())
