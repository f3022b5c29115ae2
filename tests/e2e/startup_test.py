#!/usr/bin/python3
"""Goal: a server that cannot start says why and how to mend it, with its exit code, and harms nothing.

Method: the real server on data directories and addresses that are no good, and on disks that are full.
"""

import os
import shutil
import subprocess

import harness
from harness import OPTIONS


class StartupTest(harness.Case):
    def setUp(self):
        super().setUp()
        self.store = os.path.join(self.folder, "store")

    def skaldd(self, *arguments, listen="127.0.0.1:0"):
        return subprocess.run([os.path.join(OPTIONS.bin, "skaldd"), *arguments, "--listen", listen],
                              capture_output=True, text=True, timeout=60, check=False)

    def assert_fails(self, result, exit_code, *words):
        self.assertEqual((result.returncode, result.stdout), (exit_code, ""), result.stderr)
        last = result.stderr.splitlines()[-1]
        self.assertTrue(last.startswith("skaldd: "), result.stderr)
        for word in words:
            self.assertIn(word, last)

    def serving(self, *flags, store=None):
        server = self.make_server(store or self.store, *flags)
        server.start()
        api = self.connect(server)
        self.deploy_all(api)
        return server, api

    def stop(self, server, api):
        api.close()
        self.assertEqual(server.stop(), 0, self.messages())

    def test_a_locked_data_directory(self):
        server, api = self.serving()
        self.assert_fails(self.skaldd("--data-dir", self.store), 3, f"{self.store}/log is in use",
                          "stop the other one, or open another store")
        self.assert_serves(api)
        self.stop(server, api)

    def test_another_number_of_partitions(self):
        self.stop(*self.serving("--partitions", "4"))
        self.assert_fails(self.skaldd("--data-dir", self.store, "--partitions", "8"), 3, self.store,
                          "has 4 partitions for life, but was opened with 8",
                          "leave the number out or give the same")
        server, api = self.serving()
        self.assert_serves(api)
        self.stop(server, api)

    def test_a_data_directory_that_is_none(self):
        file = self.write("file", "not a folder")
        for path in (file, os.path.join(file, "store"), "/proc/store"):
            self.assert_fails(self.skaldd("--data-dir", path), 3, f"create {path}")
        strange = os.path.join(self.folder, "strange")
        os.makedirs(os.path.join(strange, "log"))
        with open(os.path.join(strange, "log", "000001.sst"), "w", encoding="utf-8") as file:
            file.write("from elsewhere")
        self.assert_fails(self.skaldd("--data-dir", strange), 3, "its file CURRENT is missing",
                          "To mend it, restore")

    def test_folders_of_two_stores(self):
        other = os.path.join(self.folder, "other")
        self.stop(*self.serving("--partitions", "2"))
        self.stop(*self.serving("--partitions", "2", store=other))
        shutil.rmtree(f"{self.store}/views")
        shutil.copytree(f"{other}/views", f"{self.store}/views")
        self.assert_fails(self.skaldd("--data-dir", self.store), 3, "belong to store",
                          "or delete the views, which are then folded anew")
        shutil.rmtree(f"{self.store}/views")
        server, api = self.serving()
        self.assert_serves(api)
        self.stop(server, api)

    def test_an_address_in_use(self):
        server, api = self.serving()
        other = os.path.join(self.folder, "other")
        self.assert_fails(self.skaldd("--data-dir", other, listen=server.address), 4,
                          f"Cannot listen on '{server.address}'", "another server has this port")
        self.assert_serves(api)
        self.stop(server, api)

    def test_addresses_that_are_none(self):
        for listen, words in (("nonsense", "expected HOST:PORT"),
                              ("127.0.0.1:65536", "a port of 0 to 65535"),
                              ("127.0.0.1:-1", "a port of 0 to 65535"),
                              ("256.1.1.1:0", "no address of this machine"),
                              ("unix:/nowhere/socket", "Cannot listen on 'unix:/nowhere/socket'")):
            with self.subTest(listen):
                self.assert_fails(self.skaldd("--data-dir", self.store, listen=listen), 4, words)

    def test_flags_that_make_no_sense(self):
        for flag, value in (("--lease", "0s"), ("--lease", "inf"), ("--lease", "soon"), ("--lease", "-1s"),
                            ("--grace", "inf"), ("--partitions", "1025"), ("--partitions", "-1"),
                            ("--credit", "0"), ("--inbox", "0"), ("--memory", "lots"), ("--buffers", "1M"), ("--threads", "x")):
            with self.subTest(f"{flag} {value}"):
                self.assert_fails(self.skaldd("--data-dir", self.store, flag, value), 2, flag)
        self.assertFalse(os.path.exists(self.store))


class FullDiskTest(harness.Case):
    """On a small file system of its own, where the system lets us mount one."""

    NO_FLOORS = ("--free-soft", "0", "--free-hard", "0")

    def setUp(self):
        super().setUp()
        self.disk = os.path.join(self.folder, "disk")
        os.mkdir(self.disk)
        if self.mount("48M", "mode=700") != 0:
            self.skipTest("may not mount a file system")
        self.addCleanup(subprocess.run, ["umount", "--lazy", self.disk], check=False)
        self.store = os.path.join(self.disk, "store")

    def mount(self, size, *options):
        command = ["mount", "-t", "tmpfs", "-o", ",".join((f"size={size}", *options)), "skald-e2e",
                   self.disk]
        return subprocess.run(command, check=False, capture_output=True).returncode

    def fill(self, api):
        """Starts until one is not taken; the acknowledged, and what the last was told."""
        taken = []
        for i in range(1_000):
            try:
                self.start(api, saga_id=f"s-{i}", input=b'"' + os.urandom(100_000).hex().encode() + b'"')
            except harness.grpc.RpcError as error:
                return taken, harness.Refusal(error)
            taken.append(f"s-{i}")
        self.fail("the disk never became full")
        return taken, None

    def assert_all_there(self, api, taken):
        for saga_id in taken:
            self.assertEqual(self.wait(api, saga_id).status, api.saga.SAGA_STATUS_COMPLETED)

    def test_starts_are_refused_before_it_is_full(self):
        # Free space is looked at twenty times a second, so there has to be room for what comes meanwhile.
        self.assertEqual(self.mount("300M", "remount"), 0)
        server = self.make_server(self.store, "--partitions", "2", "--free-soft", "200M", "--free-hard", "4M")
        server.start()
        api = self.connect(server)
        self.deploy_all(api)
        self.start(api, "waits", saga_id="w")
        taken, refusal = self.fill(api)
        self.assert_refused(refusal, "RESOURCE_EXHAUSTED", "DISK_SPACE_LOW", "in memory")
        self.assertTrue(refusal.repeatable)
        self.assert_all_there(api, taken)
        # What is there already goes on.
        api.sagas.CancelSaga(api.saga_service.CancelSagaRequest(namespace="test", saga_id="w"), timeout=10)
        self.assertEqual(self.wait(api, "w").status, api.saga.SAGA_STATUS_CANCELLED)
        # Room comes back, and with it starts.
        self.assertEqual(self.mount("600M", "remount"), 0)
        harness.until(lambda: self.try_start(api), "starts are taken again")
        self.assert_serves(api)
        api.close()
        self.assertEqual(server.stop(), 0, self.messages())

    def try_start(self, api):
        try:
            self.start(api)
        except harness.grpc.RpcError as error:
            self.assertEqual(harness.Refusal(error).reason, "DISK_SPACE_LOW")
            return False
        return True

    def test_a_disk_that_is_full_ends_the_server_and_loses_nothing(self):
        server = self.make_server(self.store, "--partitions", "2", *self.NO_FLOORS)
        server.start()
        api = self.connect(server)
        self.deploy_all(api)
        taken, refusal = self.fill(api)
        self.assertIn(refusal.code, ("UNAVAILABLE", "RESOURCE_EXHAUSTED"), str(refusal))
        self.assertEqual(server.wait(timeout=20), 70, self.messages())
        self.assertIn("No space left on device", self.messages())
        api.close()

        self.assertEqual(self.mount("300M", "remount"), 0)
        server = self.make_server(self.store, *self.NO_FLOORS)
        server.start()
        api = self.connect(server)
        self.assert_all_there(api, taken)
        self.assert_serves(api)
        api.close()
        self.assertEqual(server.stop(), 0, self.messages())


if __name__ == "__main__":
    harness.main()
