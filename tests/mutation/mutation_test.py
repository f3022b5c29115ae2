#!/usr/bin/python3
"""Goal: the tests that guard the promises can fail.

Method: one thing is broken on purpose in a copy of a source file, which is compiled and linked into
a test in place of the right one; the tests named here must then fail, each by name. Nothing in the
source tree or in build/ changes. docs/reliability.md lists what each stands for.

    mutation_test.py --build build/dev [--only NAME]

Works with Ninja's build folders, whose tests have been built.
"""

import argparse
import dataclasses
import pathlib
import shlex
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]


@dataclasses.dataclass(frozen=True)
class Mutation:
    name: str
    source: str
    right: str        # stands in the source exactly once
    wrong: str
    target: str       # the program that must find it
    guards: tuple     # its tests that must fail; of other programs none, but their failure
    arguments: tuple = ()


MUTATIONS = [
    Mutation("skip-sync", "storage/rocksdb/rocksdb_options.cc",
             "options.sync = true;", "options.sync = false;",
             "power_loss_test",
             ("Losses/PowerLossTest.NothingAcknowledgedIsLostWhereverItStrikes/TailGone",)),
    Mutation("default-recovery", "storage/rocksdb/rocksdb_options.cc",
             "options.wal_recovery_mode = rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;", "",
             "power_loss_test",
             ("PowerLossProofTest.DefaultRecoveryLosesSilentlyAndOursRefuses",)),
    Mutation("dedup-off", "engine/partition/dedup.cc",
             "  if (!value) return std::nullopt;\n  SKALD_ASSIGN_OR_RETURN(DedupRow row,",
             "  if (true) return std::nullopt;\n  SKALD_ASSIGN_OR_RETURN(DedupRow row,",
             "partition_test",
             ("PartitionCommandsTest.OtherVerbsAreRememberedForADay",)),
    Mutation("gate-off", "engine/partition/gate.cc",
             "if (needs <= durable_) {", "if (needs <= durable_ || true) {",
             "partition_test",
             ("GateTest.EffectsLeaveInOrderWhenWhatTheyNeedIsDurable",
              "PartitionCommandsTest.NothingLeavesBeforeItIsDurable",
              "PartitionCommandsTest.ARefusalFormedOnUndurableStateWaitsForIt")),
    Mutation("early-views", "engine/partition/partition.cc",
             "    if (gate_.durable() >= fold_->sealed_position()) WriteSealed();\n", "    WriteSealed();\n",
             "partition_test",
             ("PartitionRecoveryTest.RowsAreWrittenOnlyWhenTheLogIsDurable",)),
    Mutation("split-checkpoint", "storage/rocksdb/rocksdb_views.cc",
             "  SKALD_RETURN_IF_ERROR(Gather(changes, batch));\n  SKALD_RETURN_IF_ERROR(\n      FromRocksDb(batch.Put(AppliedKey",
             "  SKALD_RETURN_IF_ERROR(Gather(changes, batch));\n"
             "  SKALD_RETURN_IF_ERROR(ApplyRows(changes));\n  batch.Clear();\n"
             "  SKALD_RETURN_IF_ERROR(\n      FromRocksDb(batch.Put(AppliedKey",
             "views_contract_test",
             ("Implementations/ViewsContractTest.ReadersMayRaceTheWriter/rocksdb",),
             ("--gtest_repeat=200",)),  # a reader has to come between two writes
]


class Wrong(Exception):
    """A mutation that nobody found, or that could not be made."""


def commands_for(build, target):
    """What Ninja would run to make the target, the last line being its linking."""
    listed = subprocess.run(["ninja", "-C", build, "-t", "commands", f"bin/{target}"], check=True,
                            capture_output=True, text=True).stdout.splitlines()
    return [line for line in listed if line]


def compile_command(commands, source, mutated, made):
    wanted = str(ROOT / source)
    for command in commands:
        words = shlex.split(command)
        if wanted not in words or "-c" not in words:
            continue
        words[words.index(wanted)] = str(mutated)
        words[words.index("-o") + 1] = str(made)
        for flag in ("-MF", "-MT"):
            if flag in words:
                words[words.index(flag) + 1] = str(made) + flag
        return words
    raise Wrong(f"{source} is not part of it")


def link_command(commands, made, program):
    # Before the libraries: the right object then is not taken out of its archive.
    words = shlex.split(commands[-1])
    words = words[words.index("&&") + 1:] if words[0] == ":" else words
    words = words[:words.index("&&")] if "&&" in words else words
    out = words.index("-o")
    words[out + 1] = str(program)
    words.insert(out, str(made))
    return words


def make(build, mutation, folder):
    text = (ROOT / mutation.source).read_text(encoding="utf-8")
    if text.count(mutation.right) != 1:
        raise Wrong(f"'{mutation.right}' stands {text.count(mutation.right)} times in {mutation.source}")
    mutated = folder / pathlib.Path(mutation.source).name
    mutated.write_text(text.replace(mutation.right, mutation.wrong), encoding="utf-8")
    made, program = folder / "mutated.o", folder / mutation.target
    commands = commands_for(build, mutation.target)
    for command in (compile_command(commands, mutation.source, mutated, made),
                    link_command(commands, made, program)):
        done = subprocess.run(command, cwd=build, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Wrong(f"it could not be built: {done.stderr[-2000:]}")
    return program


def run(program, mutation):
    """What the program says of the tests that must fail."""
    arguments = list(mutation.arguments)
    if mutation.guards:
        arguments.append("--gtest_filter=" + ":".join(mutation.guards))
    done = subprocess.run([str(program), *arguments], capture_output=True, text=True, timeout=300, check=False)
    output = done.stdout + done.stderr
    if done.returncode == 0:
        raise Wrong(f"{mutation.target} passes")
    for guard in mutation.guards:
        # One that ends the program has failed as well.
        if f"[  FAILED  ] {guard}" not in output and not (done.returncode < 0 and f"[ RUN      ] {guard}" in output):
            raise Wrong(f"{guard} passes")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", required=True, type=pathlib.Path)
    parser.add_argument("--only")
    arguments = parser.parse_args()
    build = arguments.build.resolve()
    missed = 0
    for mutation in MUTATIONS:
        if arguments.only not in (None, mutation.name):
            continue
        with tempfile.TemporaryDirectory(prefix="skald-mutation-") as folder:
            try:
                run(make(build, mutation, pathlib.Path(folder)), mutation)
            except Wrong as error:
                print(f"{mutation.name}: MISSED: {error}", flush=True)
                missed += 1
                continue
        print(f"{mutation.name}: found by " + ", ".join(mutation.guards or (mutation.target,)), flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
