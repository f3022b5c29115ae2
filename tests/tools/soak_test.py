#!/usr/bin/python3
"""Goal: tools/soak tells a server that stays as it was from one that grows, and its load is carried.

Method: the judgement on series that are known to be flat, to grow, or to have outliers; a minute of the
real load with tolerances that a busy machine keeps, and some seconds with one that nothing keeps. Usage:
soak_test.py [BIN_FOLDER] [CLASS]
"""

import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import unittest
import xml.dom.minidom

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))
import flatness  # noqa: E402  pylint: disable=wrong-import-position
import graph  # noqa: E402  pylint: disable=wrong-import-position

BIN = None
GROWS = flatness.Figure("grows", "MiB", "something", 0.10)


def series(value_at, count=200):
    return [(5.0 * i, value_at(i)) for i in range(count)]


class JudgementTest(unittest.TestCase):
    def test_what_stays_is_flat(self):
        chance = random.Random(1)
        verdict = flatness.judge(GROWS, series(lambda i: 100 + chance.uniform(-8, 8)))
        self.assertTrue(verdict.flat, verdict)
        self.assertAlmostEqual(verdict.median, 100, delta=2)

    def test_a_leak_is_found_under_noise(self):
        chance = random.Random(2)
        verdict = flatness.judge(GROWS, series(lambda i: 100 + 0.3 * i + chance.uniform(-8, 8)))
        self.assertFalse(verdict.flat, verdict)
        self.assertAlmostEqual(verdict.per_hour, 0.3 / 5 * 3600, delta=40)

    def test_the_first_half_may_grow(self):
        self.assertTrue(flatness.judge(GROWS, series(lambda i: min(i, 100))).flat)

    def test_outliers_do_not_move_it(self):
        self.assertTrue(flatness.judge(GROWS, series(lambda i: 1000 if i % 20 == 19 else 100)).flat)

    def test_more_may_be_better(self):
        rate = flatness.Figure("rate", "/s", "sagas", 0.05, more_is_better=True)
        self.assertTrue(flatness.judge(rate, series(lambda i: 100 + i)).flat)
        self.assertFalse(flatness.judge(rate, series(lambda i: 300 - i)).flat)

    def test_little_of_little_is_nothing(self):
        figure = flatness.Figure("ms", "ms", "latency", 0.25, slack=1)
        self.assertTrue(flatness.judge(figure, series(lambda i: 0.5 + i / 400)).flat)

    def test_what_is_only_shown_is_never_wrong(self):
        shown = flatness.Figure("files", "", "files", None)
        self.assertTrue(flatness.judge(shown, series(lambda i: i)).flat)

    def test_the_graph_is_well_formed(self):
        points = series(lambda i: i % 7)
        text = graph.draw("a < b & c", [("one", "MiB", points, [(500, 3), (995, 3)]),
                                        ("two", "", series(lambda _: 0), [(500, 0), (995, 0)])])
        document = xml.dom.minidom.parseString(text)
        self.assertEqual(len(document.getElementsByTagName("polyline")), 4)


class SoakTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        (self.folder / "data").mkdir()

    def soak(self, *arguments):
        result = subprocess.run([str(ROOT / "tools" / "soak"), "--bin", BIN, "--dir", str(self.folder / "data"),
                                 "--out", str(self.folder / "out"), *arguments],
                                capture_output=True, text=True, timeout=800, check=False)
        self.assertEqual(list((self.folder / "data").iterdir()), [], "files were left behind")
        return result

    def test_a_minute(self):
        # Caches fill for longer than that, and a busy machine is no reason to fail.
        loose = [f"--tolerance={name}=10" for name in ("resident_mib", "p50_ms", "p99_ms", "seen_p99_ms", "per_s",
                                                       "cpu")]
        result = self.soak("--minutes", "1", "--rate", "100", *loose)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        report = json.loads((self.folder / "out" / "soak.json").read_text(encoding="utf-8"))
        self.assertGreaterEqual(len(report["samples"]), 16)
        self.assertGreater(report["soak"]["sagas"], 100)
        for verdict in report["verdicts"]:
            self.assertTrue(verdict["flat"], verdict)
        self.assertIn("resident memory", result.stdout)
        xml.dom.minidom.parse(str(self.folder / "out" / "soak.svg"))

    def test_what_is_not_flat_is_told(self):
        result = self.soak("--minutes", "0.1", "--slice", "0.5", "--rate", "50", "--tolerance", "resident_mib=-1")
        self.assertEqual(result.returncode, 1, result.stdout + result.stderr)
        self.assertIn("NOT FLAT", result.stdout)


if __name__ == "__main__":
    if len(sys.argv) > 1 and os.path.isdir(sys.argv[1]):
        BIN = os.path.abspath(sys.argv.pop(1))
    unittest.main()
