#!/usr/bin/env python3
"""Goal: docs/formats.md is enough to verify a bundle, and altered ones are refused by a second reader too.

Method: bundles that the C++ made, read by verify_bundle.py. Usage: bundle_test.py AUDIT_SAMPLES
"""
import base64
import copy
import json
import os
import subprocess
import sys
import tempfile
import unittest

import verify_bundle as audit

SAMPLES = "build/dev/bin/audit_samples"


class Ed25519Test(unittest.TestCase):
    def test_rfc_8032(self):
        public = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
        signature = bytes.fromhex(
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
            "d25bf5f0595bbe24655141438e7a100b")
        self.assertTrue(audit.ed25519_verify(public, b"", signature))
        self.assertFalse(audit.ed25519_verify(public, b"x", signature))


class BundleTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        subprocess.run([SAMPLES, cls.folder.name], check=True, timeout=60)
        cls.keys = [audit.Key(cls.read("key"))]
        cls.text = cls.read("ended.json")

    @classmethod
    def read(cls, name):
        with open(os.path.join(cls.folder.name, name), encoding="utf-8", newline="") as file:
            return file.read()

    def problems(self, bundle, kept=None):
        return audit.verify(bundle, self.keys, kept)[0]

    def test_bundles_verify(self):
        kept = audit.Checkpoint(self.read("since"), self.keys)
        bundle = audit.load(self.text)
        self.assertEqual(bundle["saga"], {"namespace": "shop", "saga_id": 'b/ü "x"'})
        problems, proven = audit.verify(bundle, self.keys, kept)
        self.assertEqual(problems, [])
        self.assertEqual(proven, "9 events, 0 slots withheld; whole: SagaCompleted")
        problems, proven = audit.verify(audit.load(self.read("open.json")), self.keys)
        self.assertEqual(problems, [])
        self.assertIn("had not ended", proven)
        problems, proven = audit.verify(audit.load(self.read("withheld.json")), self.keys)
        self.assertEqual(problems, [])
        self.assertIn("9 slots withheld", proven)

    def test_the_frozen_bundle_verifies(self):
        golden = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden", "formats", "audit_bundle_v1")

        def read(name):
            with open(f"{golden}.{name}", encoding="utf-8", newline="") as file:
                return file.read()
        keys = [audit.Key(read("key"))]
        kept = audit.Checkpoint(read("checkpoint"), keys)
        self.assertEqual(audit.verify(audit.load(read("json")), keys, kept)[0], [])

    def test_another_key_is_refused(self):
        other = [audit.Key(self.read("other_key"))]
        self.assertEqual(audit.verify(audit.load(self.text), other)[0],
                         ["checkpoint: is not signed by the key"])

    def test_a_kept_checkpoint_needs_its_proof(self):
        kept = audit.Checkpoint(self.read("since"), self.keys)
        self.assertEqual(self.problems(audit.load(self.read("open.json")), kept),
                         ["consistency: no proof from the checkpoint that was kept"])

    def test_flipped_bytes_are_refused(self):
        # Every byte takes minutes in Python; the C++ test does them all.
        for at in range(0, len(self.text), 41):
            for bit in (1, 2, 32):
                altered = self.text[:at] + chr(ord(self.text[at]) ^ bit) + self.text[at + 1:]
                try:
                    problems = self.problems(audit.load(altered))
                except (audit.Unreadable, ValueError):
                    continue
                self.assertTrue(problems, f"character {at}, bit {bit}")

    def test_alterations_are_named(self):
        def flip(text):
            data = bytearray(base64.b64decode(text))
            data[len(data) // 2] ^= 1
            return base64.b64encode(data).decode()

        def in_commit(number, member):
            def alter(bundle):
                bundle["commits"][number][member] = flip(bundle["commits"][number][member])
            return alter

        def in_slot(member):
            def alter(bundle):
                slot = bundle["commits"][2]["slots"][1]
                slot[member] = flip(slot[member])
            return alter

        def remove(bundle):
            del bundle["commits"][1]
            bundle["end"] = {"commits": 4, "events": 7}

        def swap(bundle):
            commits = bundle["commits"]
            commits[1], commits[2] = commits[2], commits[1]

        def cut(bundle):
            bundle["commits"].pop()

        def index(bundle):
            bundle["commits"][0]["index"] += 1

        for alter, place in [(in_commit(0, "header"), "commits[0]"), (in_commit(3, "leaf"), "commits[3]"),
                             (in_slot("data"), "commits[2].slots[1]"), (in_slot("sha256"), "commits[2].slots[1]"),
                             (remove, "commits[1]: begins at revision 4, expected 2"),
                             (swap, "commits[1]: begins at revision 4, expected 2"), (cut, "end"),
                             (index, "commits[0]")]:
            bundle = copy.deepcopy(audit.load(self.text))
            alter(bundle)
            problems = self.problems(audit.load(audit.dumps(bundle)))
            self.assertTrue(any(place in problem for problem in problems), (place, problems))

    def test_other_spellings_are_refused(self):
        for text in (json.dumps(json.loads(self.text)), self.text + "\n", self.text.replace("ü", "\\u00fc")):
            with self.assertRaises(audit.Unreadable):
                audit.load(text)

    def test_as_a_program(self):
        def run(*arguments):
            return subprocess.run([sys.executable, audit.__file__, *arguments], cwd=self.folder.name,
                                  capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(run("ended.json", "key", "since").returncode, 0)
        self.assertEqual(run("ended.json", "other_key").returncode, 1)
        self.assertEqual(run("key", "key").returncode, 2)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        SAMPLES = os.path.abspath(sys.argv.pop(1))
    unittest.main()
