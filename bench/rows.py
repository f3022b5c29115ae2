"""The rows of the report: what each asks, which program answers, and the raw limit it rests on."""

import dataclasses

from scenarios import COSTS, MODELS, OVERLOADS, WAITING


@dataclasses.dataclass(frozen=True)
class Row:
    name: str
    question: str
    program: str
    # The benchmark; of grpc_echo mode, under way, batch; of saga_load shape, in flight, flags; of a
    # scenario which of its measurements.
    what: object
    unit: str  # "/s", "part": more is better; "us", "ms", "s", "MiB", "bytes": less is
    limit: str = ""  # the row of the raw limit
    per: float = 1  # how many of the limit's units one of this row's needs
    target: float = 0
    ratio_target: float = 0
    optional: bool = False  # its library need not be installed
    figure: str = "per_s"  # of saga_load's report, or of grpc_echo's
    repetitions_max: int = 0

    @property
    def is_time(self):
        return self.unit in ("us", "ms", "s")

    @property
    def is_scenario(self):
        return self.program in SCENARIOS


def limits():
    append, echo = "append_benchmark", "grpc_echo"
    yield Row("limit/fdatasync", "4 KiB written at a growing file's end and synced", append,
              "SyncOfAGrowingFile", "/s")
    yield Row("limit/fdatasync_preallocated", "the same within a preallocated file", append,
              "SyncOfAPreallocatedFile", "/s")
    for events in (1, 64, 512, 1024):
        yield Row(f"limit/rocksdb_batch/{events}", f"events a second in synced RocksDB batches of {events}",
                  append, f"Append/{events}", "/s", "limit/fdatasync_preallocated", 1 / events)
    for under_way in (1, 16, 64):
        yield Row(f"limit/grpc_unary/{under_way}", f"unary echoes, {under_way} under way", echo,
                  ("unary", under_way, 1), "/s")
    for under_way in (1, 16, 64):
        yield Row(f"limit/grpc_stream/{under_way}", f"echoes on streams, {under_way} under way", echo,
                  ("stream", under_way, 1), "/s")
    yield Row("limit/grpc_stream_cpu", "CPU of both ends for an echo on a stream, 64 under way", echo,
              ("stream", 64, 1), "us", figure="cpu_us")
    yield Row("limit/grpc_frames", "items echoed in frames of 64, 4 streams", echo, ("stream", 4, 64), "/s")


def append():
    program = "append_benchmark"
    yield Row("append/commit_inline", "one commit, written and synced by the partition's own thread", program,
              "OneCommitInline", "us", "limit/fdatasync_preallocated")
    yield Row("append/commit_handed_over", "one commit, written by the log writer's thread", program,
              "OneCommitHandedOver", "us", "limit/fdatasync_preallocated")
    for events in (64, 512, 4096):
        yield Row(f"append/log_writer/{events}", f"events through the log writer, {events} not yet durable",
                  program, f"AppendThroughLogWriter/{events}", "/s", "limit/rocksdb_batch/1024")
    yield Row("append/encode", "events encoded into commit records", program, "Encode", "/s",
              "limit/rocksdb_batch/1024")
    yield Row("append/read", "events read back and decoded", program, "ScanAndDecode", "/s",
              "limit/rocksdb_batch/1024")


def core():
    program = "decide_benchmark"
    yield Row("decide/events", "events decided, sagas of 3 tasks", program, "BM_DecideSaga", "/s",
              "limit/rocksdb_batch/1024")
    yield Row("decide/saga", "a saga of 3 tasks decided: four commits", program, "BM_DecideSaga", "us",
              "limit/fdatasync_preallocated", 4)
    yield Row("replay/events", "events folded", program, "BM_ReplaySaga", "/s", "limit/rocksdb_batch/1024")
    yield Row("state/encode", "a saga's state written as a row", program, "BM_EncodeState", "us")


def language():
    program = "expression_benchmark"
    cases = {"condition": (0, 0.5), "map_add": (1, 3), "path": (2, 0), "object": (3, 0), "select": (4, 0),
             "text": (5, 0), "reduce": (6, 0), "update": (7, 0), "sort_by": (8, 0), "regex": (9, 0),
             "group_by": (10, 0), "recursion": (11, 0)}
    yield Row("libjq/parse", "libjq: a 1 KB order parsed", program, "BM_LibjqParse", "us", optional=True)
    yield Row("expression/parse", "a 1 KB order parsed", program, "BM_Parse", "us", "libjq/parse", target=1.5)
    for name, (index, target) in cases.items():
        yield Row(f"libjq/evaluate/{name}", f"libjq: expression {index} on that order", program,
                  f"BM_LibjqEvaluate/{index}", "us", optional=True)
        yield Row(f"expression/evaluate/{name}", f"expression {index} on that order", program,
                  f"BM_Evaluate/{index}", "us", f"libjq/evaluate/{name}", target=target)
    for name in ("condition", "map_add", "group_by"):
        index = cases[name][0]
        yield Row(f"libjq/compile/{name}", f"libjq: expression {index} compiled", program,
                  f"BM_LibjqCompile/{index}", "us", optional=True)
        yield Row(f"expression/compile/{name}", f"expression {index} compiled", program, f"BM_Compile/{index}",
                  "us", f"libjq/compile/{name}", target=50)
    yield Row("expression/template", "an object with four expressions filled in", program, "BM_Template", "us")
    yield Row("json/write", "a 1 KB order written", "json_benchmark", "BM_WriteOrder", "us",
              "limit/grpc_frames")
    yield Row("schema/valid", "1 KB orders validated by 20 keywords", "schema_benchmark", "ValidOrder", "/s",
              "limit/grpc_frames", target=500_000)
    yield Row("schema/explain", "a bad order's violations told", "schema_benchmark", "ExplainInvalidOrder",
              "us")
    yield Row("schema/compile", "that schema compiled", "schema_benchmark", "CompileOrderSchema", "us")


def broker():
    for batch in (1, 8, 64):
        yield Row(f"broker/{batch}", f"tasks enqueued, pushed and closed, batches of {batch}",
                  "broker_benchmark", f"EnqueueAndClose/{batch}", "/s", "limit/grpc_frames")


def end_to_end():
    """Commits that wait for each other bound one saga at a time, round trips bound many."""
    program = "saga_load"
    # A start and its end are one commit; so is each answer of a worker.
    for tasks in (0, 1, 3, 9):
        shape = f"tasks{tasks}"
        yield Row(f"saga_load/{shape}/1", f"sagas of {tasks} tasks, one at a time", program, (shape, 1), "/s",
                  "limit/fdatasync_preallocated", tasks + 1)
        if tasks == 3:
            yield Row("saga_load/tasks3/1/p50", "from start to result, one at a time", program, (shape, 1), "ms",
                      "limit/fdatasync_preallocated", tasks + 1, target=1.3, figure="p50_ms")
        for in_flight in (16, 64, 256):
            wanted = (10_000, 0.5) if (tasks, in_flight) == (3, 64) else (0, 0)
            yield Row(f"saga_load/{shape}/{in_flight}", f"sagas of {tasks} tasks, {in_flight} in flight",
                      program, (shape, in_flight), "/s", f"limit/grpc_stream/{min(in_flight, 64)}", tasks + 1,
                      target=wanted[0], ratio_target=wanted[1])
    # A start, two tasks, one that fails, two undos.
    yield Row("saga_load/compensate/64", "sagas of 2 tasks, undone after the third fails", program,
              ("compensate", 64), "/s", "limit/grpc_stream/64", 6, target=7_000)
    # Each task waits 50 ms with its worker: 1,024 in flight cannot give more than 20,480.
    for delay in ("0ms", "50ms"):
        yield Row(f"saga_load/delay{delay}/1024", f"sagas of a task with 512 bytes, done after {delay}", program,
                  ("tasks1", 1024, "--input-bytes", "512", "--delay", delay), "/s", "limit/grpc_stream/64", 2)
    # Such a saga is four events.
    starts = (("unary", 64, ("--unary",), "limit/grpc_unary/64", 1, 0),
              ("unary", 256, ("--unary",), "limit/grpc_unary/64", 1, 20_000),
              ("stream", 256, (), "limit/rocksdb_batch/1024", 4, 0),
              ("stream", 2048, (), "limit/rocksdb_batch/1024", 4, 60_000))
    for mode, in_flight, flags, limit, per, target in starts:
        yield Row(f"starts/{mode}/{in_flight}", f"durable starts of sagas without a task, {in_flight} in flight",
                  program, ("tasks0", in_flight, "--starts-only", *flags), "/s", limit, per, target=target)


def scenarios():
    for what, load in (("half", "half the rate of saturation"), ("full", "64 in flight")):
        for part in ("p50", "p99"):
            target = 5 if (what, part) == ("half", "p99") else 0
            yield Row(f"watch/{what}/{part}", f"from a saga's end answered to its row at a watcher, at {load}",
                      "watch", f"{what}/{part}", "ms", target=target)
    for count in WAITING:
        yield Row(f"waiting/{count}", f"sagas of 3 tasks, 64 in flight, beside {count:,} that wait", "waiting",
                  str(count), "/s", "waiting/0" if count else "", ratio_target=0.9 if count else 0)
    for partitions, threads in COSTS:
        what = f"{partitions}x{threads}"
        circumstances = f"at 64 in flight, {partitions} partitions on {threads} threads"
        yield Row(f"cost/cpu/{what}", f"the server's CPU a saga of 3 tasks, {circumstances}", "cost",
                  f"{what}/cpu", "us")
        if (partitions, threads) == COSTS[0]:
            yield Row("cost/with_worker", f"CPU of server, client and worker a saga of 3 tasks, {circumstances}",
                      "cost", "with_worker", "us", "limit/grpc_stream_cpu", 4, ratio_target=2)
        yield Row(f"cost/memory/{what}", f"resident after 7 s of that, {circumstances}", "cost",
                  f"{what}/memory", "MiB", target=200 if partitions == 16 else 0)
    for times in OVERLOADS:
        yield Row(f"overload/{times}/goodput", f"ended within 10 s, of what 256 in flight give, when {times} "
                  "times that is offered", "overload", f"{times}/goodput", "part", target=0.9)
        yield Row(f"overload/{times}/memory", "resident after 12 s of that", "overload", f"{times}/memory", "MiB")
    yield from full_store()


def full_store():
    program = "full_store"
    yield Row("store/disk", "disk a saga of 3 tasks, everything included", program, "disk", "bytes", target=2_500)
    for what, question in (("count", "count of all"), ("indexed", "count by an index"), ("scan", "grouped, no index")):
        yield Row(f"sql/{what}", f"SQL over 1.25 M sagas: {question}", program, f"sql/{what}", "s")
    for model in MODELS:
        yield Row(f"rebuild/{model}", f"events of 10 M folded by a rebuild of {model}", program, f"rebuild/{model}",
                  "/s", target=1_000_000)
    yield Row("replay/verify", "events of 10 M replayed and compared by skald verify", program, "verify", "/s",
              repetitions_max=1)
    for how, question in (("stopped", "a clean stop"), ("killed", "SIGKILL under load")):
        yield Row(f"restart/{how}", f"to the first answer over 10 M events, after {question}", program,
                  f"restart/{how}", "s", target=2)
    yield Row("restart/killed/models", "to the first read of models and audit trees that misses nothing, after SIGKILL "
              "under load", program, "restart/killed/models", "s")


SCENARIOS = ("watch", "waiting", "cost", "overload", "full_store")
ROWS = (*limits(), *append(), *core(), *language(), *broker(), *end_to_end(), *scenarios())
BY_NAME = {row.name: row for row in ROWS}
