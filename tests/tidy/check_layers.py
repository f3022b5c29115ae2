#!/usr/bin/env python3
"""Checks that folders include only what they may, and that files keep their bounds.

The table below is the architecture: data flows one way. A line that is not in it is a mistake of the
code or a decision that wants an ADR.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]

# Folder -> folders it may include from (itself is always allowed). A name stands for everything below it.
ALLOWED = {
    "base": [],
    "storage": ["base", "skald/log"],
    "storage/rocksdb": ["storage", "base", "skald/log"],
    "storage/memory": ["storage", "base", "skald/log"],
    "engine/expression": ["base"],
    "engine/schema": ["base"],
    "engine/definition": ["engine/expression", "engine/schema", "base"],
    "engine/saga": ["engine/definition", "engine/expression", "engine/schema", "base", "skald/log"],
    "engine/task": ["engine/saga", "base", "skald/log"],
    "engine/partition": ["engine/saga", "engine/task", "engine/definition", "storage", "base", "skald/log"],
    "engine/audit": ["storage", "base", "skald/log"],
    "engine/projection": ["engine/saga", "engine/definition", "engine/expression", "storage", "base", "skald/log"],
    "engine/query": ["engine/projection", "engine/definition", "base"],
    "engine/runtime": ["engine", "storage", "base", "skald/log"],
    "api": ["engine", "storage", "base", "skald", "google"],
    "tools": ["api", "engine", "storage", "base", "skald", "google"],
}
# Third parties -> the folders that may name them. Everything else may not.
FENCED = {
    r"rocksdb/": ["storage/rocksdb", "bench", "tests"],
    r"grpcpp/|grpc/": ["api", "tools", "bench", "tests", "examples"],
    r"yaml\.h": ["engine/definition"],
    r"openssl/": ["base", "engine/audit"],
    r"sqlite3\.h": ["engine/query"],
    r"pcre2\.h": ["engine/expression", "engine/schema"],
}
# The pure core knows no thread, clock or file.
PURE = ["engine/saga"]
IMPURE = re.compile(r'#include <(thread|mutex|condition_variable|chrono|fstream|filesystem|random|ctime)>')
INCLUDE = re.compile(r'^#include ["<]([^">]+)[">]', re.MULTILINE)
LINES_MAX = 600


def folder_of(path):
    """The most specific folder of the table that holds `path`."""
    text = path.as_posix()
    best = ""
    for folder in ALLOWED:
        if text.startswith(folder + "/") and len(folder) > len(best):
            best = folder
    return best


def main():
    problems = []
    sources = [p for top in ("base", "storage", "engine", "api", "tools")
               for p in sorted((ROOT / top).rglob("*")) if p.suffix in (".h", ".cc")]
    for source in sources:
        relative = source.relative_to(ROOT)
        text = source.read_text(encoding="utf-8")
        folder = folder_of(relative)
        for include in INCLUDE.findall(text):
            target = folder_of(pathlib.PurePosixPath(include)) or (
                include.rsplit("/", 1)[0] if include.startswith(("skald/", "google/rpc")) else "")
            if target and target != folder and not any(
                    target == allowed or target.startswith(allowed + "/") for allowed in ALLOWED[folder]):
                problems.append(f"{relative}: {folder} may not include {include}")
            if include.startswith(("tests/", "tools/")) and folder != "tools":
                problems.append(f"{relative}: nothing includes {include}")
            for pattern, folders in FENCED.items():
                if re.match(pattern, include) and not any(folder.startswith(f) for f in folders):
                    problems.append(f"{relative}: {folder} may not include <{include}>")
        if folder in PURE and IMPURE.search(text):
            problems.append(f"{relative}: the pure core includes {IMPURE.search(text).group(1)}")
        lines = text.count("\n")
        if lines > LINES_MAX:
            problems.append(f"{relative}: {lines} lines; at most {LINES_MAX}")
    for problem in problems:
        print(problem)
    print(f"{len(sources)} files checked, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
