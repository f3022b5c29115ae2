#!/usr/bin/python3
"""Goal: no input, and no way of sending it, stops the server, makes it slow for others or swells it.

Method: random and mutated messages to every method that the server serves, mutated texts to be
deployed, and connections that dribble, hang, do not read or go without a word, while one client does
as it should. SKALD_SEED repeats a run, SKALD_HOSTILE_SECONDS and SKALD_HOSTILE_TEXTS make it longer.
"""

import collections
import glob
import os
import random
import re
import resource
import socket
import struct
import threading
import time

import grpc

import harness
from http2 import DATA, HEADERS, PING, PREFACE, SETTINGS, Uploads, frame, headers
from random_messages import Mixer, methods_of
from skald_api import Api, Refusal
from skald.v1 import error_reason_pb2

MIB = 1 << 20
SEED = int(os.environ.get("SKALD_SEED", random.SystemRandom().randrange(2**32)))
SECONDS = float(os.environ.get("SKALD_HOSTILE_SECONDS", "10"))
TEXTS = int(os.environ.get("SKALD_HOSTILE_TEXTS", "10000"))
# A sanitizer's build is no measure of speed: the flood takes all of the machine then, and a good client has to be
# served nevertheless, within ten seconds.
TIME_FACTOR = int(os.environ.get("SKALD_TIME_FACTOR", "1"))
SLOW = 1.0      # seconds an answer may take
DEADLINE = 10.0
PATIENCE = 0.02  # with a stream that says nothing
# What docs/api.md says a call may end with. Not among them: UNKNOWN, INTERNAL, DATA_LOSS, UNIMPLEMENTED.
CODES = {"INVALID_ARGUMENT", "NOT_FOUND", "ALREADY_EXISTS", "ABORTED", "FAILED_PRECONDITION",
         "RESOURCE_EXHAUSTED", "UNAVAILABLE", "DEADLINE_EXCEEDED", "OUT_OF_RANGE"}
REASONS = {name.removeprefix("ERROR_REASON_") for name in error_reason_pb2.ErrorReason.keys()}
ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")


def files_open(server):
    return len(os.listdir(f"/proc/{server.process.pid}/fd"))


def as_is(data):
    return data


class HostileCase(harness.ServerCase):
    flags = ("--memory", "16M")

    def setUp(self):
        super().setUp()
        print(f"{self.id()}: SKALD_SEED={SEED}", flush=True)
        self.rng = random.Random(SEED)
        self.before = self.server.resident_bytes()

    def assert_bounded(self, grown_max):
        grown_max *= int(os.environ.get("SKALD_MEMORY_FACTOR", "1"))  # of a sanitizer
        grown = self.server.resident_bytes() - self.before
        print(f"  it grew by {grown / MIB:.0f} MiB", flush=True)
        self.assertLess(grown, grown_max, f"it grew by {grown / MIB:.0f} MiB")


class RandomCallsTest(HostileCase):
    """Every method, called with whatever."""

    def setUp(self):
        super().setUp()
        self.mixer = Mixer(self.rng)
        self.mixer.seen += ["s1", "w1", "test"]
        self.start(self.api, "works", saga_id="s1", input=b"1")
        self.start(self.api, "waits", saga_id="w1")
        self.codes = collections.Counter()
        self.channel = grpc.insecure_channel(self.server.address, options=[("grpc.use_local_subchannel_pool", 1)])
        self.ends.append(self.channel.close)

    def test_every_method(self):
        methods = methods_of(self.server.address)
        services = {method.name.split("/")[0] for method in methods}
        self.assertGreaterEqual(len(methods), 50, services)
        self.assertIn("skald.v1.ModelService", services)
        begun, calls, slowest = time.monotonic(), 0, (0.0, "")
        while time.monotonic() < begun + SECONDS or calls < 2 * len(methods):
            for method in self.rng.sample(methods, len(methods)):
                took = self._call(method)
                slowest = max(slowest, (took, method.name))
                calls += 1
                if not self.server.running():
                    self.fail(f"the server ended after a call of {method.name}")
        print(f"  {calls} calls of {len(methods)} methods: {dict(self.codes)}; slowest {slowest[0]:.3f} s "
              f"({slowest[1]})", flush=True)
        # Half of what was answered has to be more than a first look at the request.
        self.assertGreater(self.codes["OK"], calls / 20)
        self.assert_bounded(300 * MIB)

    def _call(self, method):
        count = self.rng.randint(1, 5) if method.is_client_streaming else 1
        messages = [self.mixer.message(method.request) for _ in range(count)]
        for message in messages:
            self._shorten(message)
        # Damaged, a call could be asked to wait for long.
        frames = [(message.SerializeToString(), True) if self._may_wait(message) else self.mixer.bytes_of(message)
                  for message in messages]
        data = [frame for frame, _ in frames]
        well_formed = all(good for _, good in frames)
        metadata = [("skald-actor", "hostile")] if self.rng.random() < 0.8 else []
        took = self._once(method, data, metadata, well_formed)
        # What takes long each time does so by itself, not for want of a processor.
        for _ in range(2):
            if took <= SLOW:
                break
            took = min(took, self._once(method, data, metadata, well_formed))
        self.assertLessEqual(took, SLOW, f"{method.name} takes {took:.1f} s for {data}")
        return took

    @staticmethod
    def _may_wait(message):
        return any(field.name in ("wait", "timeout", "start") and field.message_type is not None
                   for field in message.DESCRIPTOR.fields)

    @staticmethod
    def _shorten(message):
        """A call that is asked to wait may; not so long here."""
        timeout = message.DESCRIPTOR.fields_by_name.get("timeout")
        if timeout is not None and timeout.message_type is not None:
            message.timeout.nanos = 1  # none would be for ever
        for field, value in message.ListFields():
            if field.message_type is not None and field.message_type.full_name == "google.protobuf.Duration":
                value.seconds = min(value.seconds, 0)
                value.nanos = min(value.nanos, 100_000_000)
            elif field.message_type is not None and field.label != field.LABEL_REPEATED:
                RandomCallsTest._shorten(value)
            elif field.message_type is not None and not field.message_type.GetOptions().map_entry:
                for each in value:
                    RandomCallsTest._shorten(each)

    def _once(self, method, data, metadata, well_formed):
        """Seconds until it was answered; of an endless stream, until it stopped when told to."""
        begun = time.monotonic()
        try:
            if method.is_server_streaming:
                took = self._stream(method, data, metadata)
            else:
                make = self.channel.stream_unary if method.is_client_streaming else self.channel.unary_unary
                argument = iter(data) if method.is_client_streaming else data[0]
                answer = make(method.path, as_is, as_is)(argument, timeout=DEADLINE, metadata=metadata)
                took = time.monotonic() - begun
                self.mixer.learn(method.response.FromString(answer))
            self.codes["OK"] += 1
            return took
        except grpc.RpcError as error:
            took = time.monotonic() - begun
            self._check(method, data, error, well_formed)
            return took

    def _stream(self, method, data, metadata):
        """The first frames of it; then it is left."""
        begun = time.monotonic()
        if method.is_client_streaming:
            call = self.channel.stream_stream(method.path, as_is, as_is)(
                iter(data), timeout=DEADLINE, metadata=metadata)
        else:
            call = self.channel.unary_stream(method.path, as_is, as_is)(
                data[0], timeout=DEADLINE, metadata=metadata)
        patience = threading.Timer(PATIENCE, call.cancel)
        patience.start()
        size = 0
        try:
            for number, frame in enumerate(call):
                size += len(frame)
                self.mixer.learn(method.response.FromString(frame))
                if number == 5:
                    break
        except grpc.RpcError as error:
            if error.code() != grpc.StatusCode.CANCELLED:
                raise
        finally:
            patience.cancel()
            call.cancel()
        self.assertLess(size, 64 * MIB, method.name)
        return max(0.0, time.monotonic() - begun - PATIENCE)

    def _check(self, method, data, error, well_formed):
        code = error.code().name
        self.codes[code] += 1
        if not well_formed and code == "UNIMPLEMENTED":
            return  # gRPC's own answer to what is no message
        refusal = Refusal(error)
        what = f"{method.name}({data}): {refusal}"
        if method.name.startswith("grpc.health."):
            return
        self.assertIn(code, CODES, what)
        self.assertNotIn(refusal.reason, ("INTERNAL", "UNSPECIFIED"), what)
        if code == "RESOURCE_EXHAUSTED" and "received message larger" in str(error.details()).lower():
            return
        self.assertIn(refusal.reason, REASONS, what)
        self.assertNotEqual(refusal.message, "", what)
        if refusal.reason == "BAD_REQUEST":
            self.assertTrue(refusal.violations or refusal.message, what)


class MutatedTextsTest(HostileCase):
    """Definitions that are nearly right, on the whole way to being deployed."""

    PIECES = ["null", "true", "-1", "1e400", "''", '""', "[]", "{}", "~", "&a x", "*a", "!!binary x", "!!str", "|\n  x", ">-",
              "? a", "- - - -", "{a: {a: {a: 1}}}", "'${ '", "'${ . | . | }'", "'${ [limit(9; repeat(1))] }'", "'${ [range(1e12)] }'",
              "'${ def f: f; f }'", "PT1S", "P99999999Y", "\t", "\x00", "\ud7ff", "#", "---", "...", "%YAML 9", "<<: *x", "continue",
              "exit", "end", "compensate", "9" * 400, "x" * 5000, "[" * 300, "{a: " * 120]

    def texts(self):
        patterns = [os.path.join(ROOT, "examples", "*", "*.yaml"), os.path.join(ROOT, "tests", "scenarios", "*.scn")]
        texts = []
        for path in sorted(path for pattern in patterns for path in glob.glob(pattern)):
            with open(path, encoding="utf-8") as file:
                text = file.read()
            at = text.find("document:")
            if at >= 0:
                texts.append(text[at:].partition("\n----")[0])
        folder = os.environ.get("SKALD_CONFORMANCE_DIR")
        for path in sorted(glob.glob(os.path.join(folder, "ctk", "*.feature"))) if folder else []:
            with open(path, encoding="utf-8") as file:
                texts += [block for block in re.findall(r'"""yaml\n(.*?)"""', file.read(), re.S) if "document:" in block]
        return [*texts, *(harness.HEAD % name + body for name, body in harness.DEFINITIONS.items())]

    def mutated(self, text):
        rng, lines = self.rng, text.split("\n")
        for _ in range(rng.choice([1, 1, 1, 2, 4])):
            at = rng.randrange(len(lines))
            kind = rng.randrange(8)
            if kind == 0:
                del lines[at]
            elif kind == 1:
                lines.insert(at, lines[rng.randrange(len(lines))])
            elif kind == 2:
                lines[at] = " " * rng.randint(0, 12) + lines[at].lstrip()
            elif kind == 3:
                key, colon, _ = lines[at].partition(":")
                lines[at] = f"{key}{colon} {rng.choice(self.PIECES)}"
            elif kind == 4:
                lines[at] = re.sub(r"[\w.$/-]+", lambda _: rng.choice(self.PIECES), lines[at], count=1)
            elif kind == 5:
                other = rng.randrange(len(lines))
                lines[at], lines[other] = lines[other], lines[at]
            elif kind == 6 and lines[at]:
                place = rng.randrange(len(lines[at]))
                lines[at] = lines[at][:place] + chr(rng.choice([0, 9, 34, 39, 58, 91, 123, 125, 127, 233, 0x2028])) + lines[at][place + 1:]
            else:
                lines = lines[:at + 1]
            if not lines:
                lines = [""]
        return "\n".join(lines)

    def test_mutated_definitions(self):
        sources, outcomes, slowest = self.texts(), collections.Counter(), 0.0
        self.assertGreater(len(sources), 20)
        for number in range(TEXTS):
            text = self.mutated(self.rng.choice(sources))
            for _ in range(3):
                begun = time.monotonic()
                outcome = self._deploy(text)
                took = time.monotonic() - begun
                if took <= SLOW:
                    break
            self.assertLessEqual(took, SLOW, f"{text!r} takes {took:.1f} s")
            outcomes[outcome] += 1
            slowest = max(slowest, took)
            if not self.server.running():
                self.fail(f"the server ended over text {number}: {text!r}")
        print(f"  {TEXTS} texts: {dict(outcomes)}; slowest {slowest:.3f} s", flush=True)
        self.assertGreater(outcomes["DEFINITION_INVALID"], TEXTS / 4)
        self.assert_bounded(300 * MIB)

    def _deploy(self, text):
        try:
            self.deploy(self.api, text)
            return "OK"
        except grpc.RpcError as error:
            refusal = Refusal(error)
        except UnicodeEncodeError:
            return "not sent"
        what = f"{text!r}: {refusal}"
        self.assertIn((refusal.code, refusal.reason),
                      (("INVALID_ARGUMENT", "DEFINITION_INVALID"), ("INVALID_ARGUMENT", "BAD_REQUEST"),
                       ("ALREADY_EXISTS", "DEFINITION_ALREADY_EXISTS")), what)
        if refusal.reason == "DEFINITION_INVALID":
            self.assertTrue(refusal.violations, what)
            for _, description in refusal.violations:
                if re.fullmatch(r"and \d+ more", description):
                    continue
                # Line and column, and then what is wrong.
                self.assertRegex(description, r"(?s)^(line )?\d+(:|, column )\d+:? \S.{5,}", what)
        return refusal.reason


class SlowConnectionsTest(HostileCase):
    """Bytes that hardly come, streams that nobody reads or ends."""

    def connect_raw(self, data=b""):
        host, port = self.server.address.rsplit(":", 1)
        connection = socket.create_connection((host, int(port)), timeout=10)
        self.addCleanup(connection.close)
        connection.sendall(data)
        return connection

    def latencies(self, seconds):
        """Of a client that does as it should: it starts a saga and reads it."""
        api, took, begun, number = Api(self.server.address), [], time.monotonic(), 0
        while time.monotonic() < begun + seconds:
            at = time.monotonic()
            saga = self.start(api, input=b'"x"').saga_id
            self.saga(api, saga)
            took.append(time.monotonic() - at)
            number += 1
        api.close()
        took.sort()
        return took[int(len(took) * 0.99)]

    def dribble(self, connections, over):
        """A byte of a good beginning to each, again and again."""
        data = PREFACE + SETTINGS + frame(HEADERS, 4, 1, headers(b"/skald.v1.SagaService/StartSaga"))
        data += frame(DATA, 0, 1, b"\0" + struct.pack(">I", 1000) + b"x" * 900)
        at = 0
        while not over.wait(0.02) and at < len(data):
            for connection in connections:
                try:
                    connection.send(data[at:at + 1])
                except OSError:
                    pass
            at += 1

    def test_others_are_served(self):
        seconds = max(2.0, SECONDS / 3)
        calm = self.latencies(seconds)
        files = files_open(self.server)
        over = threading.Event()
        silent = [self.connect_raw() for _ in range(200)]
        dribbled = [self.connect_raw() for _ in range(100)]
        # A stream that was begun and gets no end: of headers, of a frame, of a message.
        open_ended = [self.connect_raw(PREFACE + SETTINGS + end) for _ in range(50) for end in (
            frame(HEADERS, 0, 1, headers(b"/skald.v1.SagaService/StartSaga")[:20]),
            frame(HEADERS, 4, 1, headers(b"/skald.v1.WorkerService/Work")),
            struct.pack(">I", 16_000)[1:] + bytes([0, 0]) + struct.pack(">I", 1) + b"x" * 10)]
        # Many streams on one connection, none of which goes on.
        many = self.connect_raw(PREFACE + SETTINGS + b"".join(
            frame(HEADERS, 4, 2 * number + 1, headers(b"/skald.v1.LogService/FollowLog")) for number in range(2_000)))
        # Pings and settings without end that ask for an answer each.
        noisy = self.connect_raw(PREFACE + SETTINGS + (SETTINGS + frame(PING, 0, 0, b"12345678")) * 500)
        unread = self.streams_that_nobody_reads()
        thread = threading.Thread(target=self.dribble, args=(dribbled, over))
        thread.start()
        try:
            deadline = time.monotonic() + seconds
            leaver = threading.Thread(target=self.leave_streams, args=(deadline,))
            leaver.start()
            stressed = self.latencies(seconds)
            leaver.join()
        finally:
            over.set()
            thread.join()
        print(f"  p99 of a start and a read: {calm * 1000:.1f} ms alone, {stressed * 1000:.1f} ms among "
              f"{len(silent) + len(dribbled) + len(open_ended) + 2} bad connections", flush=True)
        self.assertLess(stressed, 0.25 * TIME_FACTOR + 5 * calm)
        self.assert_bounded(300 * MIB)
        for connection in (*silent, *dribbled, *open_ended, many, noisy):
            connection.close()
        for api, call in unread:
            call.cancel()
            api.close()
        harness.until(lambda: files_open(self.server) <= files + 20, "its connections are closed", timeout=60)

    def streams_that_nobody_reads(self):
        calls = []
        for number in range(30):
            api = Api(self.server.address)
            if number % 3 == 0:
                call = api.log.FollowLog(api.log_service.FollowLogRequest())
            elif number % 3 == 1:
                call = api.models.WatchRows(api.read_model_service.WatchRowsRequest(model="sagas"))
            else:
                call = api.audit.WatchCheckpoints(api.audit_service.WatchCheckpointsRequest())
            calls.append((api, call))
        return calls

    def leave_streams(self, deadline):
        """Opens streams and goes without a word: the connection is cut with them."""
        while time.monotonic() < deadline:
            connection = self.connect_raw(PREFACE + SETTINGS + b"".join(
                frame(HEADERS, 4, 2 * number + 1, headers(path)) + frame(DATA, 1, 2 * number + 1, b"\0\0\0\0\0")
                for number, path in enumerate((b"/skald.v1.LogService/FollowLog", b"/skald.v1.WorkerService/Work",
                                               b"/skald.v1.AuditService/WatchCheckpoints") * 10)))
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset
            connection.close()
            time.sleep(0.005)


class UnfinishedMessagesTest(HostileCase):
    """Large messages that never end, on many streams of one connection."""

    flags = ("--memory", "16M", "--buffers", "64M")

    def test_they_take_no_more_than_their_share(self):
        uploads = Uploads(self.server.address, b"/skald.v1.SagaService/StartSaga", streams=300, message_bytes=7 * MIB,
                          sent_max=6 * MIB)
        self.addCleanup(uploads.close)
        uploads.run(5)
        print(f"  {uploads.sent_bytes() / MIB:.0f} MiB sent, {uploads.resets} streams reset", flush=True)
        self.assertGreater(uploads.sent_bytes(), 64 * MIB)
        self.assertGreater(uploads.resets, 0)
        self.assert_bounded(300 * MIB)
        harness.until(self.is_served, "others are served")
        self.assert_serves(self.api)

    def is_served(self):
        """A call that meets the cancelling may be ended, too, and is made again."""
        try:
            self.start(self.api, input=b'"x"')
            return True
        except grpc.RpcError as error:
            self.assertIn(error.code(), (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED))
            return False


class FilesTest(harness.Case):
    """However many connections there are, the store has room for its own files."""

    def serving(self, soft, hard):
        server = self.make_server(os.path.join(self.folder, "store"), "--partitions", "4")
        hard = min(hard, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
        server.start(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard)))
        api = self.connect(server)
        self.deploy_all(api)
        return server, api

    def connections(self, server, count):
        host, port = server.address.rsplit(":", 1)
        made = [socket.create_connection((host, int(port)), timeout=10) for _ in range(count)]
        for connection in made:
            self.addCleanup(connection.close)
        return made

    def assert_opens_files(self, api):
        """A draft of the key, and its folder."""
        answer = api.audit.RotateKey(api.audit_service.RotateKeyRequest(reason="a test"),
                                     metadata=[("skald-actor", "test")], timeout=harness.CALL_TIMEOUT)
        self.assertGreaterEqual(len(answer.keys), 2)

    def test_connections_leave_room(self):
        """More than the usual limit of open files allows."""
        server, api = self.serving(soft=256, hard=20_000)
        self.connections(server, 400)
        harness.until(lambda: files_open(server) > 400, "all are accepted")
        self.assert_opens_files(api)
        self.assert_serves(api)
        api.close()
        self.assertEqual(server.stop(), 0, self.messages())

    def test_connections_beyond_the_limit_are_refused(self):
        server, api = self.serving(soft=256, hard=256)
        before = files_open(server)
        made = self.connections(server, 400)
        # The last one was closed, those before it were looked at.
        self.assertEqual(made[-1].recv(1), b"")
        self.assertLess(files_open(server), 256 / 2 + before)
        self.assert_opens_files(api)
        self.assert_serves(api)
        self.assertIn("connections are refused", self.messages())
        # Who comes when they are gone is served.
        for connection in made:
            connection.close()
        harness.until(lambda: files_open(server) <= before, "their descriptors are free")
        other = self.connect(server)
        self.assert_serves(other)
        other.close()
        api.close()
        self.assertEqual(server.stop(), 0, self.messages())


if __name__ == "__main__":
    harness.main()
