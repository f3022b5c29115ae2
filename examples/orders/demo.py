#!/usr/bin/python3
"""The orders demo: 1,000 orders, two workers, and a server that is killed halfway.

    demo.py --bin build/release/bin --stubs build/release/gen_python

tools/demo builds what it needs and calls it. Exits with 0 when every check holds.
"""

import argparse
import collections
import concurrent.futures
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
UNDO_OF = {"reserveStock": "releaseStock", "charge": "refund", "ship": "cancelShipment"}
FORWARD = ["reserveStock", "charge", "ship", "notify"]


def expected_kind(order):
    """What should come of an order, by its data (make_orders.py)."""
    if any(item["sku"].startswith("SOLD-") for item in order["items"]):
        return "refused"
    if order["payment"]["card"] == "tok_closed" and order["shipping"]["carrier"] == "northwind":
        return "parked"
    if order["payment"]["card"] == "tok_declined":
        return "compensated"
    if order["shipping"]["carrier"] in ("northwind", "polaris"):
        return "compensated"
    return "completed"


class Server:
    """skaldd on one data directory and port, killed and started again at will."""

    def __init__(self, binary, data_dir, log):
        self._binary, self._data_dir, self._log = binary, data_dir, log
        self.address = "127.0.0.1:0"
        self._process = None

    def start(self):
        self._process = subprocess.Popen(
            [self._binary, "--data-dir", self._data_dir, "--listen", self.address, "--lease", "5s"],
            stdout=subprocess.PIPE, stderr=self._log, text=True)
        line = self._process.stdout.readline().strip()
        if not line.startswith("skaldd listening on "):
            sys.exit(f"skaldd did not start; see {self._log.name}")
        self.address = line.rsplit(" ", 1)[1]

    def kill(self):
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def stop(self):
        self._process.terminate()
        return self._process.wait(timeout=60)


class Progress:
    """A bar that is drawn on a terminal and told now and then elsewhere."""

    def __init__(self, total):
        self._total, self._done, self._lock = total, 0, threading.Lock()
        self._terminal = sys.stdout.isatty()

    def step(self):
        with self._lock:
            self._done += 1
            done = self._done
            if self._terminal:
                filled = 40 * done // self._total
                print(f"\r  [{'#' * filled}{'.' * (40 - filled)}] {done}/{self._total}", end="",
                      flush=True)
            elif done % 100 == 0:
                print(f"  {done}/{self._total}", flush=True)
        return done

    def say(self, text):
        with self._lock:
            print(f"{chr(13) + chr(27) + '[K' if self._terminal else ''}  {text}", flush=True)


class Client:
    """Starts an order's saga and waits for its end, through whatever happens to the server."""

    def __init__(self, address):
        import grpc
        from skald.v1 import saga_pb2, saga_service_pb2, saga_service_pb2_grpc
        self._grpc, self._pb, self._saga_pb = grpc, saga_service_pb2, saga_pb2
        self._channel = grpc.insecure_channel(address, options=[
            ("grpc.initial_reconnect_backoff_ms", 100), ("grpc.min_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 500),
            ("grpc.dns_min_time_between_resolutions_ms", 100)])
        self._stub = saga_service_pb2_grpc.SagaServiceStub(self._channel)

    def run(self, order):
        start = self._pb.StartSagaRequest(
            namespace="shop", definition_name="order", saga_id=order["orderId"],
            request_id=order["orderId"], input=json.dumps(order).encode())
        self._until_answered(self._stub.StartSaga, start)
        wait = self._pb.WaitSagaRequest(namespace="shop", saga_id=order["orderId"],
                                        until_parked=True)
        wait.timeout.seconds = 30
        while True:
            saga = self._until_answered(self._stub.WaitSaga, wait).saga
            if saga.HasField("end_time") or saga.suspend_reason == self._saga_pb.SUSPEND_REASON_PARKED:
                return saga

    def _until_answered(self, method, request):
        # Sending a request again is harmless: its request id says that it is the same.
        codes = (self._grpc.StatusCode.UNAVAILABLE, self._grpc.StatusCode.RESOURCE_EXHAUSTED,
                 self._grpc.StatusCode.DEADLINE_EXCEEDED)
        give_up = time.monotonic() + 120
        while True:
            try:
                return method(request, timeout=60)
            except self._grpc.RpcError as error:
                if error.code() not in codes or time.monotonic() > give_up:
                    raise
                time.sleep(0.05)

    def kind(self, saga):
        pb = self._saga_pb
        if saga.status == pb.SAGA_STATUS_COMPLETED:
            return "completed"
        if saga.suspend_reason == pb.SUSPEND_REASON_PARKED:
            return "parked"
        if saga.status == pb.SAGA_STATUS_FAULTED:
            undone = saga.compensation.outcome == pb.Compensation.OUTCOME_COMPENSATED
            return "compensated" if undone else "refused"
        return pb.SagaStatus.Name(saga.status)


def run_orders(orders, client, server, in_flight, kill_at):
    """Returns {order id: (saga, seconds)} and how long all took, without the time of no server."""
    progress, results, killed, outage = Progress(len(orders)), {}, threading.Event(), [0.0]

    def one(order):
        begin = time.monotonic()
        saga = client.run(order)
        results[order["orderId"]] = (saga, time.monotonic() - begin)
        if progress.step() >= kill_at and not killed.is_set():
            killed.set()
            progress.say("kill -9 of the server, with orders in flight ...")
            down = time.monotonic()
            server.kill()
            server.start()
            outage[0] = time.monotonic() - down
            progress.say(f"... it is back after {outage[0]:.2f} s, on the same store")

    begin = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(in_flight) as pool:
        list(pool.map(one, orders))
    print()
    return results, time.monotonic() - begin


def check_effects(orders, kinds, effects):
    """What the services did must fit what the sagas say. Returns a list of complaints."""
    done = collections.Counter((effect["orderId"], effect["function"]) for effect in effects)
    complaints = [f"{order}: {function} was applied {count} times"
                  for (order, function), count in done.items() if count > 1]
    for order in orders:
        name, kind = order["orderId"], kinds[order["orderId"]]
        did = [function for function in FORWARD if done[name, function]]
        undid = [undo for undo in UNDO_OF.values() if done[name, undo]]
        if kind == "completed" and (did != FORWARD or undid):
            complaints.append(f"{name}: completed, but did {did} and undid {undid}")
        if kind == "refused" and (did or undid):
            complaints.append(f"{name}: refused, but did {did} and undid {undid}")
        if kind == "compensated":
            missing = [function for function in did if not done[name, UNDO_OF.get(function, "?")]]
            if missing:
                complaints.append(f"{name}: compensated, but {missing} stayed")
    return complaints


def quantile(values, part):
    return sorted(values)[min(len(values) - 1, int(part * len(values)))]


def report(orders, results, seconds, client):
    kinds = {name: client.kind(saga) for name, (saga, _) in results.items()}
    counts = collections.Counter(kinds.values())
    latencies = [latency * 1000 for _, latency in results.values()]
    print("\nOutcomes")
    for kind, meaning in [("completed", "all steps done, customer told"),
                          ("compensated", "failed later, everything done was undone"),
                          ("refused", "failed at once, nothing to undo"),
                          ("parked", "an undo failed for good and waits for an operator")]:
        print(f"  {counts.pop(kind, 0):5} {kind:12} {meaning}")
    for kind, count in counts.items():
        print(f"  {count:5} {kind}")
    print(f"\n{len(orders) / seconds:.0f} orders/s over {seconds:.1f} s, restart included; "
          f"p50 {quantile(latencies, 0.5):.1f} ms, p99 {quantile(latencies, 0.99):.1f} ms")
    return kinds


def show_timeline(skald, address, orders, kinds):
    for order in orders:
        name = order["orderId"]
        if kinds.get(name) == "compensated" and order["shipping"]["carrier"] == "northwind":
            print(f"\nHow {name} went: the carrier was down, so all before it was undone", flush=True)
            subprocess.run([skald, "history", f"shop/{name}", "--server", address], check=False)
            return


def verify(skald, address, orders, kinds, journal):
    """The checks that the demo is about. Returns whether all hold."""
    print("\nChecks")
    sys.stdout.flush()
    result = subprocess.run([skald, "verify", "--json", "--server", address], check=False,
                            stdout=subprocess.PIPE, text=True)
    replay = json.loads(result.stdout) if result.returncode in (0, 1) and result.stdout else {}
    wrong = [name for name in (order["orderId"] for order in orders) if name not in kinds]
    unexpected = [f"{order['orderId']}: {kinds.get(order['orderId'])}, expected {expected_kind(order)}"
                  for order in orders if kinds.get(order["orderId"]) != expected_kind(order)]
    complaints = check_effects(orders, kinds, list(journal.effects())) if not wrong else ["unknown"]
    accounted = len(orders) - len(wrong)
    checks = [
        (replay.get("equal") is True,
         f"replayed state equals live state ({replay.get('events', 0)} events, "
         f"{replay.get('sagas', 0)} sagas)"),
        (accounted == len(orders) == replay.get("sagas"),
         f"{accounted} of {len(orders)} orders accounted for"),
        (not unexpected, "every order went as its data says"),
        (not complaints, "no task effect applied twice, none left over or undone without need"),
    ]
    for holds, text in checks:
        print(f"  {'ok ' if holds else 'NOT'}  {text}")
    for line in (replay.get("differences", []) + unexpected + complaints)[:20]:
        print(f"       {line}")
    return all(holds for holds, _ in checks)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", required=True, help="folder of skaldd, skald and orders_worker")
    parser.add_argument("--stubs", required=True, help="folder of the generated Python messages")
    parser.add_argument("--in-flight", type=int, default=96)
    parser.add_argument("--keep", action="store_true", help="keep the store and the journal")
    arguments = parser.parse_args()
    stubs = os.path.abspath(arguments.stubs)
    sys.path[:0] = [stubs, HERE]
    from journal import Journal
    skald = os.path.join(arguments.bin, "skald")
    with open(os.path.join(HERE, "orders.jsonl"), encoding="utf-8") as file:
        orders = [json.loads(line) for line in file]

    folder = tempfile.mkdtemp(prefix="skald-orders-")
    journal_dir = os.path.join(folder, "journal")
    journal = Journal(journal_dir)
    with open(os.path.join(folder, "log.txt"), "w", encoding="utf-8") as log:
        server = Server(os.path.join(arguments.bin, "skaldd"), os.path.join(folder, "store"), log)
        server.start()
        workers = []
        try:
            print(f"skaldd at {server.address}, store in {folder}/store")
            subprocess.run([skald, "deploy", os.path.join(HERE, "order.yaml"), "--server",
                            server.address], check=True, stderr=log)
            for command in ([os.path.join(arguments.bin, "orders_worker")],
                            ["/usr/bin/python3", os.path.join(HERE, "worker.py")]):
                workers.append(subprocess.Popen(
                    command + ["--server", server.address, "--journal", journal_dir,
                               "--concurrency", "32"],
                    env={**os.environ, "PYTHONPATH": stubs}, stdout=log, stderr=log))
            print("a worker in C++ and one in Python serve the same functions\n")
            client = Client(server.address)
            results, seconds = run_orders(orders, client, server, arguments.in_flight,
                                          len(orders) // 2)
            kinds = report(orders, results, seconds, client)
            show_timeline(skald, server.address, orders, kinds)
            good = verify(skald, server.address, orders, kinds, journal)
        except Exception as error:  # of any kind: the way to the log helps more than a trace
            print(f"\nThe demo broke off: {type(error).__name__}: {str(error)[:500]}")
            good = False
        finally:
            for worker in workers:
                worker.terminate()
            for worker in workers:
                worker.wait(timeout=30)
            server.stop()
    if arguments.keep or not good:
        print(f"\nThe store, the journal and the log are in {folder}")
    else:
        shutil.rmtree(folder)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
