#!/usr/bin/python3
"""Goal: tools/bench measures every row, stands each beside its limit, leaves nothing behind, and fails
loudly when a program fails.

Method: a quick run of the real programs, then runs of programs made to fail. Usage:
bench_test.py BIN_FOLDER
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

BIN = "build/release/bin"
BENCH = pathlib.Path(__file__).resolve().parents[2] / "tools" / "bench"


class BenchTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.data = self.folder / "data"
        self.data.mkdir()
        self.out = self.folder / "report.json"

    def bench(self, *arguments, binaries=None, exit_code=0):
        result = subprocess.run([str(BENCH), "--bin", str(binaries or BIN), "--quick", "--dir", str(self.data),
                                 "--out", str(self.out), *arguments], capture_output=True, text=True,
                                timeout=600, check=False)
        self.assertEqual(result.returncode, exit_code, result.stdout + result.stderr)
        self.assertEqual(list(self.data.iterdir()), [], "files were left behind")
        return result

    def report(self):
        return json.loads(self.out.read_text(encoding="utf-8"))

    def fake(self, name, script):
        path = self.folder / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("#!/bin/sh\n" + script, encoding="utf-8")
        path.chmod(0o755)
        return path.parent

    def test_every_row(self):
        table = self.bench().stdout
        report = self.report()
        rows = {row["name"]: row for row in report["rows"]}
        names = [line.split(":")[0] for line in self.bench("--list").stdout.splitlines()]
        missing = set(names) - set(rows)
        self.assertTrue(all(name.startswith("libjq/") for name in missing), missing)
        for name, row in rows.items():
            self.assertIn(f"| {name} |", table)
            (self.assertGreaterEqual if row["unit"] == "part" else self.assertGreater)(row["median"], 0, name)
            self.assertEqual(len(row["values"]), 1, name)
            if "limit" in row:
                self.assertAlmostEqual(row["limit"]["ratio"], row["median"] / row["limit"]["value"])
        for name in ("append/commit_inline", "decide/saga", "schema/valid", "saga_load/tasks3/1", "waiting/10000",
                     "starts/unary/256"):
            self.assertIn("limit", rows[name])
        self.assertLessEqual({"cpu", "cores", "kernel", "file_system", "build_type", "fsync", "repetitions"},
                             set(report["machine"]))
        self.assertIn("quick", report["warnings"][0])

    def test_only_some_rows_and_their_limits(self):
        self.bench("--only", "append/commit_inline", "--only", "expression/evaluate/path", "--repetitions", "3")
        rows = {row["name"]: row for row in self.report()["rows"]}
        self.assertEqual(set(rows) - {"libjq/evaluate/path"},
                         {"limit/fdatasync_preallocated", "append/commit_inline", "expression/evaluate/path"})
        row = rows["append/commit_inline"]
        self.assertEqual(len(row["values"]), 3)
        self.assertLessEqual(row["min"], row["median"])
        self.assertLessEqual(row["median"], row["max"])
        self.bench("--only", "nonsense", exit_code=1)

    def test_a_program_that_fails_ends_the_run(self):
        cases = (
            ("grpc_echo", "echo broken >&2; exit 3", "limit/grpc_unary/1", "broken"),
            ("append_benchmark", "echo '{\"benchmarks\": []}'", "limit/fdatasync", "SyncOfAGrowingFile"),
            ("append_benchmark", "exit 0", "limit/fdatasync", "append_benchmark"),
            ("skaldd", "echo no disk >&2; exit 3", "saga_load/compensate/64", "no disk"),
        )
        for name, script, row, message in cases:
            with self.subTest(name + script):
                binaries = self.fake(name, script)
                if name == "skaldd":
                    for other in ("grpc_echo", "saga_load", "skald"):
                        (binaries / other).unlink(missing_ok=True)
                        (binaries / other).symlink_to(os.path.join(BIN, other))
                result = self.bench("--only", row, binaries=binaries, exit_code=1)
                self.assertEqual(result.stdout, "")
                self.assertIn(message, result.stderr)
                self.assertFalse(self.out.exists())

    def test_a_load_that_fails_ends_the_run(self):
        binaries = self.fake("saga_load", "echo '{\"per_s\": 1}'; echo 2 sagas failed >&2; exit 1")
        for other in ("grpc_echo", "skaldd"):
            (binaries / other).symlink_to(os.path.join(BIN, other))
        result = self.bench("--only", "saga_load/compensate", binaries=binaries, exit_code=1)
        self.assertIn("2 sagas failed", result.stderr)

    def test_refusals_of_other_kinds_are_told(self):
        binaries = self.fake("saga_load", "echo '{\"per_s\": 1, \"others\": {\"UNAVAILABLE\": 3}}'")
        for other in ("grpc_echo", "skaldd"):
            (binaries / other).symlink_to(os.path.join(BIN, other))
        self.bench("--only", "overload", binaries=binaries)
        self.assertTrue([text for text in self.report()["warnings"] if "UNAVAILABLE" in text])

    def test_a_server_that_dies_ends_the_run(self):
        pid = self.folder / "pid"
        binaries = self.fake("skaldd", f"trap '' TERM; {os.path.abspath(BIN)}/skaldd \"$@\" & echo $! > {pid}; wait $!")
        self.fake("saga_load", f"kill -9 $(cat {pid}); echo '{{\"per_s\": 1, \"others\": {{}}}}'")
        (binaries / "grpc_echo").symlink_to(os.path.join(BIN, "grpc_echo"))
        result = self.bench("--only", "saga_load/compensate", binaries=binaries, exit_code=1)
        self.assertIn("skaldd ended with 137", result.stderr)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        BIN = os.path.abspath(sys.argv.pop(1))
    unittest.main()
