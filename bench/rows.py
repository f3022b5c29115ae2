"""The rows of the report: what each asks, which program answers, and the raw limit it rests on."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Row:
    name: str
    question: str
    program: str
    what: object  # the benchmark; of grpc_echo mode, under way, batch; of saga_load shape, in flight
    unit: str  # "us": microseconds each, less is better; "/s": so many a second
    limit: str = ""  # the row of the raw limit
    per: float = 1  # how many of the limit's units one of this row's needs
    target: float = 0
    optional: bool = False  # its library need not be installed


def limits():
    append, echo = "append_benchmark", "grpc_echo"
    yield Row("limit/fdatasync", "4 KiB written at a growing file's end and synced", append,
              "SyncOfAGrowingFile", "/s")
    yield Row("limit/fdatasync_preallocated", "the same within a preallocated file", append,
              "SyncOfAPreallocatedFile", "/s")
    for events in (1, 64, 512, 1024):
        yield Row(f"limit/rocksdb_batch/{events}", f"events a second in synced RocksDB batches of {events}",
                  append, f"Append/{events}", "/s", "limit/fdatasync", 1 / events)
    for under_way in (1, 16, 64):
        yield Row(f"limit/grpc_unary/{under_way}", f"unary echoes, {under_way} under way", echo,
                  ("unary", under_way, 1), "/s")
    for under_way in (1, 16, 64):
        yield Row(f"limit/grpc_stream/{under_way}", f"echoes on streams, {under_way} under way", echo,
                  ("stream", under_way, 1), "/s")
    yield Row("limit/grpc_frames", "items echoed in frames of 64, 4 streams", echo, ("stream", 4, 64), "/s")


def append():
    program = "append_benchmark"
    yield Row("append/commit_inline", "one commit, written and synced by the partition's own thread", program,
              "OneCommitInline", "us", "limit/fdatasync")
    yield Row("append/commit_handed_over", "one commit, written by the log writer's thread", program,
              "OneCommitHandedOver", "us", "limit/fdatasync")
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
              "limit/fdatasync", 4)
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
    for tasks in (0, 3):
        shape = f"tasks{tasks}"
        yield Row(f"saga_load/{shape}/1", f"sagas of {tasks} tasks, one at a time", program, (shape, 1), "/s",
                  "limit/fdatasync", tasks + 1)
        for in_flight in (16, 64, 256):
            yield Row(f"saga_load/{shape}/{in_flight}", f"sagas of {tasks} tasks, {in_flight} in flight",
                      program, (shape, in_flight), "/s", f"limit/grpc_stream/{min(in_flight, 64)}", tasks + 1)
    # A start, two tasks, one that fails, two undos.
    yield Row("saga_load/compensate/64", "sagas of 2 tasks, undone after the third fails", program,
              ("compensate", 64), "/s", "limit/grpc_stream/64", 6)


ROWS = (*limits(), *append(), *core(), *language(), *broker(), *end_to_end())
BY_NAME = {row.name: row for row in ROWS}
