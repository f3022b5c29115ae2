#!/usr/bin/python3
"""Goal: a watcher of a read model is told every change once, in order, whatever happens to the server; and
its rows are rebuilt beside what serves.

Method: watchers with several filters record all their frames while sagas run and the server is killed and
started again; a checker then holds the records against the promises of WatchRows, and the rows they add up
to against a list.
"""

import datetime
import json
import threading
import time

import grpc
import harness

WAITS_A_LITTLE = (harness.HEAD % "naps") + """do:
  - nap:
      wait: { milliseconds: 20 }
  - second:
      wait: { milliseconds: 20 }
"""


class Watcher:
    """Follows rows through restarts and keeps every frame."""

    def __init__(self, case, model, *where):
        self._case, self._model, self.where = case, model, where
        self.frames, self._stop = [], threading.Event()
        self._call = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        token = b""
        while not self._stop.is_set():
            try:
                api = harness.Api(self._case.server.address)
                request = api.read_model_service.WatchRowsRequest(model=self._model, resume_token=token)
                request.filter.where.extend(self.where)
                self._call = api.models.WatchRows(request)
                for frame in self._call:
                    self.frames.append(frame)
                    if frame.resume_token:
                        token = frame.resume_token
                    if self._stop.is_set():
                        break
            except grpc.RpcError as error:
                if error.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED):
                    self.frames.append(error)
                    return
                # What came after the last token is told again: as a client drops it, so does the record.
                while self.frames and not self.frames[-1].is_complete:
                    self.frames.pop()
            finally:
                api.close()
            time.sleep(0.02)

    def stop(self):
        self._stop.set()
        if self._call is not None:
            self._call.cancel()
        self._thread.join(timeout=30)

    def positions(self):
        """Up to where everything was told."""
        for frame in reversed(self.frames):
            if frame.is_complete:
                return [each.position for each in frame.cut.positions]
        return []


class WatchingTest(harness.ServerCase):
    def setUp(self):
        super().setUp()
        self.deploy(self.api, WAITS_A_LITTLE)
        self.acknowledged = 0

    def page_of_rows(self, request):
        """Tries again while the model is further behind than a read waits for, as it is told to."""
        last = time.monotonic() + 60
        while True:
            try:
                return self.api.models.ListRows(request, timeout=harness.CALL_TIMEOUT)
            except grpc.RpcError as error:
                if error.code() != grpc.StatusCode.UNAVAILABLE or time.monotonic() > last:
                    raise
            time.sleep(0.1)

    def rows(self, *where):
        """All rows that match, by key."""
        rows, token = {}, ""
        while True:
            request = self.api.read_model_service.ListRowsRequest(
                model="sagas", page_size=1000, page_token=token)
            request.filter.where.extend(where)
            page = self.page_of_rows(request)
            for row in map(json.loads, page.rows):
                rows[(row["namespace"], row["saga_id"])] = row
            token = page.next_page_token
            if not token:
                return rows, [each.position for each in page.cut.positions]

    def start_some(self, count):
        for _ in range(count):
            number = self.acknowledged
            self.start(self.api, "naps" if number % 3 else "good", saga_id=f"s-{number}")
            self.acknowledged += 1

    def crash(self):
        self.server.kill()
        self.server.start()
        self.api.close()
        self.api = self.connect(self.server)

    def check(self, watcher):
        """Returns the rows that the frames add up to."""
        rows, revisions, cut = {}, {}, []
        for frame in watcher.frames:
            self.assertFalse(isinstance(frame, grpc.RpcError), frame)
            if frame.is_reset:
                rows, revisions, cut = {}, {}, []
            for change in frame.changes:
                key = tuple(json.loads(change.key))
                if not change.row:
                    self.assertIn(key, rows, "gone before it was there")
                    del rows[key]
                    continue
                row = json.loads(change.row)
                # Unique and ordered: each change of a row is news.
                self.assertGreater(row["revision"], revisions.get(key, -1), f"{key} told again")
                revisions[key] = row["revision"]
                rows[key] = row
            self.assertEqual(frame.is_complete, bool(frame.resume_token))
            if not frame.is_complete:
                continue
            # Ordered: never back in time.
            now = [each.position for each in frame.cut.positions]
            self.assertTrue(all(a <= b for a, b in zip(cut, now)), f"back from {cut} to {now}")
            cut = now
        return rows

    def test_watchers_are_told_everything_once_through_crashes(self):
        self.start_some(20)
        watchers = [Watcher(self, "sagas"), Watcher(self, "sagas", "status=completed"),
                    Watcher(self, "sagas", "status=waiting"), Watcher(self, "sagas", "saga_id^=s-1")]
        for _ in range(3):
            self.start_some(60)
            self.crash()
        self.start_some(60)
        for number in range(self.acknowledged):
            self.assertEqual(self.wait(self.api, f"s-{number}").status,
                             self.api.saga.SAGA_STATUS_COMPLETED)
        _, cut = self.rows()
        for watcher in watchers:
            harness.until(lambda w=watcher: w.positions() and all(
                a >= b for a, b in zip(w.positions(), cut)), "the watcher has caught up")
        for watcher in watchers:
            watcher.stop()
        for watcher in watchers:
            told, (expected, _) = self.check(watcher), self.rows(*watcher.where)
            self.assertEqual(told, expected, watcher.where)
        everything, _ = self.rows()
        self.assertEqual(len(everything), self.acknowledged)

    def test_a_rebuild_under_watch_begins_again_and_is_equal(self):
        watcher = Watcher(self, "sagas")
        self.start_some(30)
        result = self.skald("rebuild", "--all", "--json")
        self.assertEqual(result.returncode, 0, result.stderr)
        for line in map(json.loads, result.stdout.splitlines()):
            self.assertTrue(line["equal"], line)
        self.start_some(30)
        for number in range(self.acknowledged):
            self.wait(self.api, f"s-{number}")
        expected, cut = self.rows()
        harness.until(lambda: watcher.positions() and all(
            a >= b for a, b in zip(watcher.positions(), cut)), "the watcher has caught up")
        watcher.stop()
        self.assertTrue(any(frame.is_reset for frame in watcher.frames))
        self.assertEqual(self.check(watcher), expected)

    def test_a_copy_is_read_as_the_model_was(self):
        self.start_some(10)
        for number in range(self.acknowledged):
            self.wait(self.api, f"s-{number}")
        then = datetime.datetime.now(datetime.timezone.utc).isoformat()
        self.start_some(10)
        result = self.skald("rebuild", "sagas", "--as-of", then, "--json")
        self.assertEqual(result.returncode, 0, result.stderr)
        copy = json.loads(result.stdout)["model"]
        self.crash()
        count = self.skald("sql", f'select count(*), count(distinct status) from "{copy}"', "--csv")
        self.assertEqual(count.stdout.splitlines()[-1:], ["10,1"], count.stderr)
        self.assertEqual(self.skald("count", copy).stdout.split()[0], "10")
        watcher = Watcher(self, copy)
        progress = self.api.read_model_service.WatchRowsResponse.KIND_PROGRESS
        harness.until(lambda: any(frame.kind == progress for frame in watcher.frames), "all of the copy is told")
        watcher.stop()
        self.assertEqual(len(self.check(watcher)), 10)
        self.assertFalse(any(frame.is_reset for frame in watcher.frames), "told again")
        again = self.skald("rebuild", "sagas", "--as-of", then)
        self.assertEqual(again.returncode, 2)
        self.assertIn("is there already", again.stderr)
        self.assertEqual(self.skald("rebuild", copy, "--drop-previous").returncode, 0)
        self.assertIn("skald models", self.skald("rows", copy).stderr)

    def test_a_thousand_watchers_are_told_the_same(self):
        count, goal = 1_000, 60
        self.start_some(20)
        apis = [harness.Api(self.server.address) for _ in range(10)]
        request = self.api.read_model_service.WatchRowsRequest(model="sagas")
        told = []

        def watch(api):
            rows = set()
            for frame in api.models.WatchRows(request, timeout=120):
                rows.update(change.key for change in frame.changes)
                if frame.is_complete and len(rows) >= goal:
                    break
            told.append(len(rows))
        watching = [threading.Thread(target=watch, args=(apis[n % 10],), daemon=True) for n in range(count)]
        for thread in watching:
            thread.start()
        self.start_some(goal - 20)
        for thread in watching:
            thread.join(timeout=130)
        for api in apis:
            api.close()
        self.assertEqual(told, [goal] * count)

    def test_a_filtered_watch_begins_where_an_index_leads(self):
        # More rows than are looked at for one frame of a snapshot.
        frames_of_starts, items = 21, 1_000
        self.deploy(self.api, (harness.HEAD % "ends") + "do:\n  - done: { set: { a: 1 } }\n")

        def frames():
            for _ in range(frames_of_starts):
                frame = self.api.saga_service.StartSagasRequest()
                for item in range(items):
                    frame.items.add(item_id=item, start=self.start_request(self.api, "ends"))
                yield frame
        answers = self.api.sagas.StartSagas(frames(), timeout=120)
        started = sum(result.HasField("started") for answer in answers for result in answer.results)
        self.assertEqual(started, frames_of_starts * items)
        self.start(self.api, "works", saga_id="odd")  # no worker is there
        self.assertEqual(list(self.rows("status=running")[0]), [("test", "odd")])
        request = self.api.read_model_service.WatchRowsRequest(model="sagas")
        request.filter.where.append("status=running")
        call = self.api.models.WatchRows(request, timeout=60)
        first = next(call)
        call.cancel()
        self.assertEqual([json.loads(change.key) for change in first.changes], [["test", "odd"]])
        self.assertTrue(first.is_complete, "all rows were looked at")

    def test_bad_watches_are_refused(self):
        def refused(**fields):
            request = self.api.read_model_service.WatchRowsRequest(**fields)
            return self.refusal(lambda **options: list(self.api.models.WatchRows(request, **options)))
        self.assert_refused(refused(), "INVALID_ARGUMENT", "BAD_REQUEST", "model")
        self.assert_refused(refused(model="nothing"), "NOT_FOUND", "MODEL_NOT_FOUND", "skald models")
        self.assert_refused(refused(model="queues"), "INVALID_ARGUMENT", "BAD_REQUEST", "computed")
        self.assert_refused(refused(model="sagas", resume_token=b"x"), "INVALID_ARGUMENT",
                            "RESUME_TOKEN_INVALID", "start again without it")
        bad = {"filter": self.api.read_model_service.RowFilter(where=["stat=running"])}
        self.assert_refused(refused(model="sagas", **bad), "INVALID_ARGUMENT", "BAD_REQUEST", "status")

    def test_views_are_made_anew_without_a_server(self):
        self.start_some(30)
        for number in range(self.acknowledged):
            self.wait(self.api, f"s-{number}")
        before, _ = self.rows()
        result = self.skald("rebuild", "--views", "--data", self.store)
        self.assertEqual(result.returncode, 1)
        self.assertIn("in use", result.stderr)
        self.server.stop()
        result = self.skald("rebuild", "--views", "--data", self.store, "--json")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.server.start()
        self.api.close()
        self.api = self.connect(self.server)
        after, _ = self.rows()
        self.assertEqual(after, before)


if __name__ == "__main__":
    harness.main()
