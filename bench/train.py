#!/usr/bin/env python3
"""Runs the programs of a build that counts what runs (the preset `counting`), so that the preset `trained` is
compiled for it. tools/build calls this; docs/adr/0022-trained-programs.md tells why. The work is what servers
mostly do: sagas that end, that are undone, alone and many at a time, a watcher; then a rebuild and a
verification. How fast the machine is changes nothing but how long it takes.
"""

import argparse
import pathlib
import sys
import tempfile

from server import Failure, fresh_server, run_text

LOADS = (
    ("--shape", "tasks3", "--in-flight", "64", "--sagas", "30000"),
    ("--shape", "tasks3", "--in-flight", "1", "--sagas", "1000"),
    ("--shape", "compensate", "--in-flight", "64", "--sagas", "5000"),
    ("--shape", "tasks0", "--in-flight", "64", "--sagas", "10000", "--starts-only", "--unary"),
    ("--shape", "tasks0", "--in-flight", "512", "--sagas", "20000", "--starts-only"),
    ("--shape", "tasks3", "--in-flight", "16", "--sagas", "5000", "--watch"),
)


def train(binaries, folder):
    with fresh_server(binaries, folder) as server:
        for load in LOADS:
            print(f"train: {' '.join(load)}", file=sys.stderr, flush=True)
            run_text([str(binaries / "saga_load"), "--server", server.address, "--warmup", "0s", "--duration", "1h",
                      *load])
        environment = {"SKALD_SERVER": server.address, "SKALD_NAMESPACE": "load"}
        print("train: rebuild, verify", file=sys.stderr, flush=True)
        run_text([str(binaries / "skald"), "rebuild", "sagas", "--timeout", "10m"], environment)
        run_text([str(binaries / "skald"), "verify", "--timeout", "10m"], environment)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=pathlib.Path, required=True, help="the programs that count")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="skald-train-") as folder:
        try:
            train(options.bin, pathlib.Path(folder))
        except Failure as failure:
            print(f"train: {failure}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
