"""skaldd as a subject of measurement: started on a fresh store, stopped, killed, started again; and what
the system says of its process and its files."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile

PROGRAM_TIMEOUT_S = 1800
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class Failure(Exception):
    """What ends the run, as a sentence."""


def run_program(arguments, environment=None):
    """What a program that must succeed prints, which must be JSON."""
    text = run_text(arguments, environment)
    try:
        return json.loads(text)
    except ValueError as error:
        raise Failure(f"{' '.join(arguments)} printed no JSON: {error}") from error


def run_text(arguments, environment=None):
    """What a program that must succeed prints."""
    try:
        result = subprocess.run(arguments, capture_output=True, text=True, timeout=PROGRAM_TIMEOUT_S,
                                env={**os.environ, **(environment or {})}, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Failure(f"{arguments[0]}: {error}") from error
    if result.returncode != 0:
        raise Failure(f"{' '.join(arguments)} ended with {result.returncode}:\n"
                      f"{result.stdout[-2000:]}{result.stderr[-2000:]}")
    return result.stdout


class Server:
    """skaldd on a store of its own, which may be stopped or killed and started again."""

    def __init__(self, binaries, folder, flags=()):
        self._command = [str(binaries / "skaldd"), "--data-dir", str(folder / "store"),
                         "--listen", "127.0.0.1:0", *flags]
        self._errors = folder / "stderr"
        self.store = folder / "store"
        self.process = None
        self.address = ""
        self._is_to_run = False

    def start(self):
        """Returns when it listens."""
        with open(self._errors, "a", encoding="utf-8") as errors:
            self.process = subprocess.Popen(self._command, stdout=subprocess.PIPE, stderr=errors, text=True)
        match = re.fullmatch(r"skaldd listening on (\S+)\n", self.process.stdout.readline())
        if not match:
            self.process.wait(timeout=60)
            raise Failure(f"skaldd did not start:\n{self.errors()}")
        self.address = match.group(1)
        self._is_to_run = True

    def stop(self):
        self._is_to_run = False
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=120)
        self.process.stdout.close()
        if code != 0:
            raise Failure(f"skaldd ended with {code}:\n{self.errors()}")

    def kill(self):
        """As a crash would. Does nothing to a server that has ended."""
        self._is_to_run = False
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()

    def end_well(self):
        """Stops it, if it was not stopped or killed before; it must not have ended by itself."""
        if self._is_to_run:
            self.stop()

    def errors(self):
        return self._errors.read_text(encoding="utf-8", errors="replace")[-2000:]

    # ---- What the system says of it ----

    def _status(self, name):
        text = pathlib.Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8")
        return int(re.search(rf"^{name}:\s+(\d+)", text, re.MULTILINE).group(1))

    def resident_mib(self):
        return self._status("VmRSS") / 1024

    def threads(self):
        return self._status("Threads")

    def handles(self):
        """How many are open: those of its store's files, which grow with the store, apart from the rest."""
        folder = f"/proc/{self.process.pid}/fd"
        store, rest = 0, 0
        for name in os.listdir(folder):
            with contextlib.suppress(FileNotFoundError):
                if os.readlink(f"{folder}/{name}").startswith(str(self.store)):
                    store += 1
                else:
                    rest += 1
        return rest, store

    def cpu_seconds(self):
        """Of all its threads, in user and kernel mode."""
        text = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text(encoding="utf-8")
        fields = text.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_S

    def disk_bytes(self):
        """What its store takes on the disk; files that go meanwhile count as gone."""
        total = 0
        for parent, _, names in os.walk(self.store):
            for name in names:
                with contextlib.suppress(FileNotFoundError):
                    total += os.stat(os.path.join(parent, name)).st_blocks * 512
        return total


@contextlib.contextmanager
def fresh_server(binaries, parent, flags=()):
    """A serving Server on an empty store. Gone, with its files, afterwards; it must then have ended well,
    unless it was killed."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="skald-bench-", dir=parent))
    server = Server(binaries, folder, flags)
    try:
        server.start()
        yield server
        server.end_well()
    finally:
        server.kill()
        shutil.rmtree(folder, ignore_errors=True)
