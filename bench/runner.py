"""Runs the programs and scenarios that rows name, and keeps what they gave."""

import re
import sys

from scenarios import Scenarios
from server import Failure, fresh_server, run_program


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


class Bench:
    """Keeps each row's values, one a repetition."""

    def __init__(self, options, rows):
        self.bin = options.bin
        self.folder = options.dir
        self.repetitions = options.repetitions
        self.quick = options.quick
        self.rows = rows
        self.scenarios = Scenarios(options)
        self.values = {}  # row name -> list of numbers
        self.details = {}  # row name -> list of what else the program told

    def keep(self, row, values, details=None):
        wanted = min(self.repetitions, row.repetitions_max or self.repetitions)
        least = 0 if row.unit == "part" else 1e-9
        if len(values) != wanted or not all(value >= least for value in values):
            raise Failure(f"{row.program} gave {values} for {row.name}, not {wanted} figures")
        self.values[row.name] = values
        details = [each for each in details or [] if each]
        if details:
            self.details[row.name] = details

    def run(self):
        for program in dict.fromkeys(row.program for row in self.rows):
            rows = [row for row in self.rows if row.program == program]
            say(f"{program}: {len(rows)} rows")
            if program == "grpc_echo":
                self.run_echo(rows)
            elif program == "saga_load":
                self.run_load(rows)
            elif rows[0].is_scenario:
                self.run_scenario(getattr(self.scenarios, program), rows)
            else:
                self.run_benchmark(program, rows)

    def run_benchmark(self, program, rows):
        """A program on Google Benchmark; only the benchmarks that rows name are run."""
        names = "|".join(re.escape(row.what) for row in rows)
        output = run_program(
            [str(self.bin / program), f"--benchmark_filter=^({names})(/real_time)?$",
             f"--benchmark_repetitions={self.repetitions}", "--benchmark_format=json",
             f"--benchmark_min_time={0.01 if self.quick else 0.5}"],
            {"SKALD_BENCH_DIR": str(self.folder)})
        runs = {}
        for run in output["benchmarks"]:
            if run.get("error_occurred"):
                raise Failure(f"{program}: {run['name']}: {run.get('error_message')}")
            if run["run_type"] == "iteration":
                name = run["run_name"].removesuffix("/real_time")
                runs.setdefault(name, []).append(run)
        for row in rows:
            if row.what not in runs and row.optional:
                continue
            if row.what not in runs:
                raise Failure(f"{program} has no benchmark {row.what}, which {row.name} needs")
            self.keep(row, [self.figure(row, run) for run in runs[row.what]])

    @staticmethod
    def figure(row, run):
        if row.unit == "us":
            scale = {"ns": 1e-3, "us": 1, "ms": 1e3, "s": 1e6}[run["time_unit"]]
            waits = run["run_name"].endswith("/real_time")
            return run["real_time" if waits else "cpu_time"] * scale
        if "items_per_second" not in run:
            raise Failure(f"{row.program}: {row.what} does not count items")
        return run["items_per_second"]

    def run_echo(self, rows):
        seconds = "0.2" if self.quick else "2"
        repetitions = [run_program([str(self.bin / "grpc_echo"), f"--seconds={seconds}", "--json"])
                       for _ in range(self.repetitions)]
        for row in rows:
            mode, under_way, batch = row.what
            found = [result for repetition in repetitions for result in repetition["results"]
                     if (result["mode"], result["under_way"], result["batch"]) == (mode, under_way, batch)]
            figure = "items_per_second" if row.unit == "/s" else row.figure
            self.keep(row, [result[figure] for result in found], found)

    def run_load(self, rows):
        """Each repetition has a server of its own on an empty store. Rows of the same load share runs."""
        reports = {}
        for row in rows:
            if row.what not in reports:
                reports[row.what] = [self.load(row.what) for _ in range(self.repetitions)]
            self.keep(row, [report[row.figure] for report in reports[row.what]], reports[row.what])

    def load(self, what):
        shape, in_flight, *flags = what
        with fresh_server(self.bin, self.folder) as server:
            return run_program(
                [str(self.bin / "saga_load"), "--server", server.address, "--shape", shape,
                 "--in-flight", str(in_flight), "--json", *flags,
                 "--warmup", "0s" if self.quick else "2s",
                 "--duration", "300ms" if self.quick else "5s"])

    def run_scenario(self, scenario, rows):
        """All of it, whichever of its rows are wanted."""
        values, details = {}, {}
        for what, value, detail in scenario(self.repetitions):
            values.setdefault(what, []).append(value)
            details.setdefault(what, []).append(detail)
        for row in rows:
            self.keep(row, values.get(row.what, []), details.get(row.what))
