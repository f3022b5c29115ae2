#!/usr/bin/python3
"""Goal: a saga's past can be looked at step by step, as of any moment, and back to what began it; what is not
its past is refused.

Method: the real server and command line, the latter also on a terminal.
"""

import json
import os
import pty
import subprocess
import time

import harness

UNDOES = (harness.HEAD % "undoes") + """do:
  - first:
      call: work
      metadata: { saga: { compensate: undo } }
  - note:
      set: { noted: true }
      export: { as: '${ { noted: 1 } }' }
  - second:
      call: broken
"""
LOOPS = (harness.HEAD % "loops") + """do:
  - count:
      set: { n: '${ (.n // 0) + 1 }' }
  - again:
      switch:
        - more: { when: '${ .n < 3000 }', then: count }
        - done: { then: end }
"""


class PastTest(harness.ServerCase):
    def setUp(self):
        super().setUp()
        self.deploy(self.api, UNDOES)
        worker = self.worker(functions=("work", "undo", "broken"))
        self.start(self.api, "undoes", saga_id="s-1", request_id="r-1", correlation_id="c-1", input=b'{"n":1}')
        self.during = None
        for answer in ("complete", "fail", "complete"):
            task = worker.task()
            if answer == "fail":
                self.during = self.saga(self.api, "s-1")
                worker.fail(task.token, status=422, title="declined")
            else:
                worker.complete(task.token, b"1")
        self.ended = self.wait(self.api, "s-1")
        self.assertEqual(self.ended.status, self.api.saga.SAGA_STATUS_FAULTED)

    def steps(self, *flags, code=0):
        result = self.skald("replay", "s-1", "--json", *flags)
        self.assertEqual(result.returncode, code, result.stderr)
        return [json.loads(line) for line in result.stdout.splitlines()]

    def as_of(self, saga_id="s-1", **moment):
        request = self.api.saga_service.GetSagaRequest(namespace="test", saga_id=saga_id)
        request.as_of.CopyFrom(self.api.saga.AsOf(**moment))
        return self.api.sagas.GetSaga, request

    def test_the_steps_lead_to_what_the_saga_is(self):
        steps = self.steps("--all")
        self.assertEqual([step["revision"] for step in steps], list(range(self.ended.revision + 1)))
        state = steps[0]["changes"][0]["new"]
        self.assertEqual(steps[0]["changes"][0]["pointer"], "")
        for step in steps[1:]:
            for change in step["changes"]:
                state = self.apply(state, change)
        told = json.loads(self.skald("get", "s-1", "--json").stdout)
        for own in ("revision", "update_time"):
            del state[own], told[own]
        self.assertEqual(state.pop("context"), {"noted": 1})
        self.assertEqual(state, told)

    def apply(self, state, change):
        """What the change makes of the state; fails where the old value is another."""
        where, keys = state, [key.replace("~1", "/").replace("~0", "~")
                              for key in change["pointer"].split("/")[1:]]
        for key in keys[:-1]:
            where = where[int(key) if isinstance(where, list) else key]
        key = int(keys[-1]) if isinstance(where, list) else keys[-1]
        if "old" in change:
            self.assertEqual(where[key], change["old"])
        if "new" not in change:
            where.pop(key)
        elif isinstance(where, list) and key == len(where):
            where.append(change["new"])
        else:
            where[key] = change["new"]
        return state

    def test_as_of(self):
        call, request = self.as_of(revision=self.during.revision)
        self.assertEqual(call(request).saga, self.during)
        for step in self.steps("--all"):
            event = step["event"]
            seen = [self.steps("--at", moment)[0] for moment in
                    (str(event["revision"]), f"position:{event['position']}")]
            self.assertEqual(seen[0], seen[1])
            self.assertEqual(seen[0]["state"]["revision"], event["revision"])
            self.assertEqual(seen[0]["changes"], step["changes"])
            self.assertGreaterEqual(self.steps("--at", event["time"])[0]["revision"], event["revision"])
        time_then = self.during.update_time
        call, request = self.as_of(time=time_then)
        self.assertGreaterEqual(call(request).saga.revision, self.during.revision)

    def test_what_is_no_moment_is_refused(self):
        last = self.ended.revision
        for moment, words in (({"revision": last + 1}, f"but the saga's last is {last}"),
                              ({"position": 10**9}, "ends at"),
                              ({"time": {"seconds": int(time.time()) + 60}}, "in the future"),
                              ({"time": {"seconds": 10**15}}, "between the years")):
            with self.subTest(str(moment)):
                self.assert_refused(self.refusal(*self.as_of(**moment)), "INVALID_ARGUMENT", "BAD_REQUEST", words)
        self.assert_refused(self.refusal(*self.as_of(time={"seconds": 1})), "NOT_FOUND", "SAGA_NOT_FOUND",
                            "did not exist then; it began at")
        self.assert_refused(self.refusal(*self.as_of(saga_id="nobody", revision=0)), "NOT_FOUND", "SAGA_NOT_FOUND")
        request = self.api.log_service.ReplaySagaRequest(namespace="test", saga_id="s-1", from_revision=last + 1)
        self.assert_refused(self.refusal(lambda call, **options: list(self.api.log.ReplaySaga(call, **options)),
                                         request), "INVALID_ARGUMENT", "BAD_REQUEST", "the last step is")
        for flags, code in ((("--at", "soon"), 2), (("--at", str(last + 1)), 2), (("--at", "2999-01-01T00:00:00Z"), 2),
                            (("--at", "1999-01-01T00:00:00Z"), 1)):
            result = self.skald("replay", "s-1", *flags)
            self.assertEqual((result.returncode, result.stdout), (code, ""), result.stderr)
        self.assertEqual(self.skald("replay", "nobody").returncode, 1)

    def test_long_sagas_are_replayed_in_one_pass(self):
        self.deploy(self.api, LOOPS)
        self.start(self.api, "loops", saga_id="long")
        ended = self.wait(self.api, "long", timeout=60)
        self.assertGreater(ended.revision, 10_000)
        begin = time.monotonic()
        request = self.api.log_service.ReplaySagaRequest(namespace="test", saga_id="long")
        frames = [frame for frame in self.api.log.ReplaySaga(request, timeout=60)]
        steps = [step for frame in frames for step in frame.steps]
        self.assertEqual([step.event.revision for step in steps], list(range(ended.revision + 1)))
        self.assertTrue(all(frame.last_revision == ended.revision for frame in frames))
        self.assertEqual([step.saga.input for step in steps[1:] if step.saga.input], [])
        call, request = self.as_of(saga_id="long", revision=ended.revision)
        self.assertEqual(call(request, timeout=20).saga, ended)
        self.assertLess(time.monotonic() - begin, 60)

    def test_on_a_terminal(self):
        leader, follower = pty.openpty()
        environment = {**os.environ, "SKALD_NAMESPACE": "test", "NO_COLOR": "1", "SKALD_SERVER": self.server.address}
        process = subprocess.Popen([os.path.join(harness.OPTIONS.bin, "skald"), "replay", "s-1"], stdin=follower,
                                   stdout=follower, stderr=follower, env=environment)
        os.close(follower)
        last = self.ended.revision
        os.write(leader, f"n\n\np\ng {last}\nn\ng x\nwhat\np\nf\np\nl\ns\nq\n".encode())
        text = b""
        while True:
            try:
                text += os.read(leader, 4096)
            except OSError:
                break
        os.close(leader)
        self.assertEqual(process.wait(timeout=20), 0)
        shown = [int(line.split("#")[1].split()[0]) for line in text.decode().splitlines() if "> #" in line or
                 line.startswith("#")]
        self.assertEqual(shown, [0, 1, 2, 1, last, last - 1, 0, last])
        for words in (f"the last revision is {last}", "g expects a revision", "this is the first event", "faulted"):
            self.assertIn(words, text.decode())

    # ---- why ----

    def why(self, *flags, code=0):
        result = self.skald("why", "s-1", "--json", *flags)
        self.assertEqual(result.returncode, code, result.stderr)
        return json.loads(result.stdout) if code == 0 else None

    def test_why_it_is_what_it_is(self):
        told = self.why()
        links = told["links"]
        self.assertEqual((told["status"], told["whole"]), ("faulted", True))
        self.assertEqual(links[0]["event"]["type"], "SagaFaulted")
        self.assertEqual([link["root"] for link in links], [False] * (len(links) - 1) + [True])
        root = links[-1]
        self.assertEqual((root["command"], root["request_id"], root["correlation_id"]), ("StartSaga", "r-1", "c-1"))
        for link, cause in zip(links, links[1:]):
            self.assertEqual(link["event"]["causation"]["position"], cause["event"]["position"])
        decided = [event["type"] for link in links for event in link["decided_with"]]
        self.assertIn("TaskFaulted", decided)
        text = self.skald("why", "s-1").stdout
        for words in ("is faulted: 422 declined", "because", "by StartSaga", "request r-1", "correlation c-1"):
            self.assertIn(words, text)

    def test_why_of_a_task_and_of_an_event(self):
        self.assertEqual(self.why("--task", "second")["links"][0]["event"]["task"], "/do/2/second")
        self.assertEqual(self.why("--task", "/do/0/first")["links"][0]["event"]["task"], "/do/0/first")
        self.assertEqual(len(self.why("--revision", "0")["links"]), 1)
        cut = self.why("--links", "1")
        self.assertEqual((cut["whole"], len(cut["links"])), (False, 1))
        self.assertIn("goes on from here", self.skald("why", "s-1", "--links", "1").stdout)
        self.why("--task", "third", code=2)
        self.why("--revision", str(self.ended.revision + 1), code=2)
        self.why("--revision", "1", "--task", "first", code=2)
        self.assertEqual(self.skald("why", "nobody").returncode, 1)

    def test_why_ends_where_someone_wanted_something(self):
        self.start(self.api, "waits", saga_id="s-2")
        self.skald("suspend", "s-2", "--reason", "audit")
        told = json.loads(self.skald("why", "s-2", "--json").stdout)
        self.assertEqual([link["command"] for link in told["links"]], ["SuspendSaga"])
        self.assertTrue(told["links"][0]["actor"].startswith("cli:"))
        self.skald("resume", "s-2")
        self.skald("cancel", "s-2")
        self.wait(self.api, "s-2")
        told = json.loads(self.skald("why", "s-2", "--json").stdout)
        self.assertEqual(told["links"][0]["event"]["type"], "SagaCancelled")
        self.assertEqual(told["links"][-1]["command"], "CancelSaga")


if __name__ == "__main__":
    harness.main()
