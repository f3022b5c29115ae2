"""skaldd and skald as the Python tests run them: the real programs, on loopback."""

import os
import signal
import subprocess

READY = "skaldd listening on "


class NotServing(Exception):
    """The server ended, or never began to serve."""


class Server:
    """skaldd on one data directory, ended and started again at will.

        with open("log.txt", "a") as log:
            server = Server("build/dev/bin", "/tmp/store", log)
            server.start()
            ... server.address ...
            server.stop()
    """

    def __init__(self, bin_folder, data_dir, log, *flags):
        self._command = [os.path.join(bin_folder, "skaldd"), "--data-dir", data_dir, *flags]
        self._log = log
        self.process = None
        self.address = None

    def spawn(self, listen="127.0.0.1:0", **popen):
        self.process = subprocess.Popen([*self._command, "--listen", listen], stdout=subprocess.PIPE,
                                        stderr=self._log, text=True, **popen)

    def start(self, listen="127.0.0.1:0", **popen):
        """Returns the address when it serves."""
        self.spawn(listen, **popen)
        line = self.process.stdout.readline()
        if not (line.startswith(READY) and line.endswith("\n")):
            self.process.stdout.close()
            raise NotServing(f"skaldd did not start on its data directory (exit "
                             f"{self.process.wait()}): {line!r}")
        self.address = line[len(READY):-1]
        return self.address

    def wait(self, timeout=60):
        """The exit code of a server that ends by itself."""
        code = self.process.wait(timeout=timeout)
        self.process.stdout.close()
        return code

    def running(self):
        return self.process is not None and self.process.poll() is None

    def resident_bytes(self):
        with open(f"/proc/{self.process.pid}/statm", encoding="ascii") as figures:
            return int(figures.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def stop(self):
        """Lets it close; returns its exit code."""
        self.process.terminate()
        return self.wait()

    def kill(self):
        """As a crash would. Does nothing to a server that is not there."""
        if self.process is None:
            return
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()


def run_skald(bin_folder, *arguments, server=None, namespace="test", stdin=None, timeout=120):
    """Runs the command line to its end; the answer has returncode, stdout and stderr as texts."""
    environment = {**os.environ, "SKALD_NAMESPACE": namespace, "NO_COLOR": "1"}
    if server:
        environment["SKALD_SERVER"] = server
    return subprocess.run([os.path.join(bin_folder, "skald"), *arguments], capture_output=True,
                          text=True, timeout=timeout, env=environment, input=stdin, check=False)
