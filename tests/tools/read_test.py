#!/usr/bin/python3
"""Goal: the verbs that read models print what scripts and people rely on, and explain mistakes.

Method: the real program against a server with a model of known rows. Usage: read_test.py BIN_FOLDER
"""

import csv
import io
import json
import os
import subprocess
import sys
import unittest

BIN = "build/dev/bin"


class ReadTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = subprocess.Popen([os.path.join(BIN, "model_server")], stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, text=True)
        cls.address = "127.0.0.1:" + cls.server.stdout.readline().strip()

    @classmethod
    def tearDownClass(cls):
        cls.server.communicate(timeout=30)

    def skald(self, *arguments, exit_code=0, stdin=None):
        result = subprocess.run([os.path.join(BIN, "skald"), *arguments, "--server", self.address],
                                input=stdin, capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(result.returncode, exit_code, result.stderr)
        return result

    def rows(self, *arguments):
        return [json.loads(line) for line in self.skald(*arguments, "--json").stdout.splitlines()]

    def test_rows_as_json_over_pages(self):
        rows = self.rows("rows", "sagas", "--where", "status=running", "--limit", "0")
        self.assertEqual(len(rows), 200)
        self.assertEqual(len({row["id"] for row in rows}), 200)
        rows = self.rows("rows", "sagas", "--order", "started:desc", "--limit", "3")
        self.assertEqual([row["started"][:10] for row in rows], ["2026-01-29"] * 3)

    def test_rows_as_a_table(self):
        result = self.skald("rows", "sagas", "--where", "id in s100, s101", "--order", "namespace,id")
        lines = result.stdout.splitlines()
        self.assertEqual(lines[0].split(), ["namespace", "id", "status", "started", "ended", "attempts",
                                            "total", "parked", "order"])
        self.assertEqual(lines[2].split()[:3], ["shop", "s100", "faulted"])
        self.assertEqual(len(lines), 4)
        result = self.skald("rows", "sagas", "--limit", "2")
        self.assertIn("There are more: raise --limit (now 2).", result.stderr)

    def test_row_and_count(self):
        self.assertEqual(self.rows("row", "sagas", "shop", "s105")[0]["status"], "faulted")
        self.assertIn("no row of the key (shop, nobody)",
                      self.skald("row", "sagas", "shop", "nobody", exit_code=1).stderr)
        self.assertEqual(self.skald("count", "sagas").stdout, "250\n")
        count = self.rows("count", "sagas", "--where", "status=faulted")[0]
        self.assertEqual(count["count"], 50)
        self.assertEqual(count["cut"]["positions"][0], {"partition": 0, "position": 250})

    def test_mistakes_are_explained(self):
        for arguments, message in [
                (("rows", "sagas", "--where", "stat=running"), "did you mean 'status'?"),
                (("rows", "sagas", "--where", "started>soon"), "give RFC 3339"),
                (("rows", "sagas", "--order", "attempts"), "there is no index on attempts"),
                (("rows", "sagas", "--order", "started:desc,status"), "one way for all columns"),
                (("rows", "sagas", "--as-of", "soon"), "--as-of expects a time"),
                (("rows", "sagas", "--min-position", "3"), "--min-position expects"),
                (("row", "sagas", "shop"), "the key of 'sagas' is (namespace, id)"),
                (("rows",), "too few arguments"),
                (("sql", "select nowhere from sagas"), "no such column: nowhere at line 1, column 8"),
                (("sql", "delete from sagas"), "may not be modified"),
                (("sql", "select 1", "--csv", "--json"), "exclude each other"),
                (("sql", "@/nowhere"), "/nowhere: "),
                (("sql", "select ?"), "the statement takes 1")]:
            self.assertIn(message, self.skald(*arguments, exit_code=2).stderr, arguments)
        self.assertIn("There is no read model 'saga'", self.skald("rows", "saga", exit_code=1).stderr)

    def test_sql(self):
        text = "select status, count(*) as n from sagas group by status"
        self.assertEqual(self.rows("sql", text), [{"status": "faulted", "n": 50},
                                                  {"status": "running", "n": 200}])
        self.assertEqual(self.skald("sql", text).stdout,
                         "status     n\n-------  ---\nfaulted   50\nrunning  200\n")
        self.assertEqual(self.skald("sql", "-", stdin=text, ).stdout, self.skald("sql", text).stdout)
        answer = self.skald("sql", "select 'a,\"b', null, 1.5, \"order\" from sagas limit 1", "--csv")
        self.assertEqual(list(csv.reader(io.StringIO(answer.stdout)))[1],
                         ['a,"b', "", "1.5", '{"total":0}'])
        self.assertEqual(self.rows("sql", "select id, id from sagas where id = ?", "--param", "s100"),
                         [{"id": "s100", "id_2": "s100"}])
        result = self.skald("sql", "select id from sagas", "--limit", "3", "--stats")
        self.assertIn("There are more: raise --limit (now 3).", result.stderr)
        self.assertIn("3 rows, ", result.stderr)
        self.assertIn("sagas as of ", result.stderr)

    def test_the_past(self):
        self.assertEqual(self.skald("count", "sagas", "--as-of", "2026-01-01").stdout, "250\n")
        self.assertIn("is before all",
                      self.skald("count", "sagas", "--as-of", "2025-01-01", exit_code=2).stderr)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        BIN = sys.argv.pop(1)
    unittest.main()
