"""The gRPC API for Python tests: messages, stubs and the facts of a refusal.

The folder of the generated messages (build/dev/gen_python) has to be in sys.path.
"""

import grpc
from google.rpc import error_details_pb2, error_info_pb2, status_pb2
from skald.v1 import (admin_service_pb2, admin_service_pb2_grpc, audit_service_pb2,
                      audit_service_pb2_grpc, definition_service_pb2, definition_service_pb2_grpc,
                      log_service_pb2, log_service_pb2_grpc, read_model_service_pb2,
                      read_model_service_pb2_grpc, saga_pb2, saga_service_pb2, saga_service_pb2_grpc,
                      worker_service_pb2, worker_service_pb2_grpc)


class Api:
    """The messages, and stubs of one incarnation of the server."""

    saga = saga_pb2
    admin_service, definition_service = admin_service_pb2, definition_service_pb2
    read_model_service = read_model_service_pb2
    audit_service = audit_service_pb2
    log_service, saga_service, worker_service = log_service_pb2, saga_service_pb2, worker_service_pb2

    def __init__(self, address=None):
        self.address, self.channel = None, None
        if address is not None:
            self.connect(address)

    def connect(self, address):
        self.address = address
        # A pool of its own: connections to an earlier incarnation do not come into it.
        self.channel = grpc.insecure_channel(address, options=[
            ("grpc.use_local_subchannel_pool", 1), ("grpc.max_send_message_length", -1)])
        self.definitions = definition_service_pb2_grpc.DefinitionServiceStub(self.channel)
        self.sagas = saga_service_pb2_grpc.SagaServiceStub(self.channel)
        self.log = log_service_pb2_grpc.LogServiceStub(self.channel)
        self.worker = worker_service_pb2_grpc.WorkerServiceStub(self.channel)
        self.models = read_model_service_pb2_grpc.ReadModelServiceStub(self.channel)
        self.audit = audit_service_pb2_grpc.AuditServiceStub(self.channel)
        self.admin = admin_service_pb2_grpc.AdminServiceStub(self.channel)

    def close(self):
        if self.channel is not None:
            self.channel.close()
            self.channel = None


class Refusal:
    """What an error says: of a refused call, or of an item's or answer's status in a stream."""

    def __init__(self, error):
        status = error
        if isinstance(error, grpc.RpcError):
            metadata = dict(error.trailing_metadata() or ())
            status = status_pb2.Status.FromString(metadata.get("grpc-status-details-bin", b""))
            self.code, self.message = error.code().name, error.details()
        else:
            self.code = next(code.name for code in grpc.StatusCode if code.value[0] == error.code)
            self.message = error.message
        self.reason, self.facts, self.violations, self.repeatable = "", {}, [], False
        for detail in status.details:
            self._read(detail)

    def _read(self, detail):
        info, bad = error_info_pb2.ErrorInfo(), error_details_pb2.BadRequest()
        if detail.Unpack(info):
            self.reason, self.facts = info.reason, dict(info.metadata)
        elif detail.Unpack(bad):
            self.violations = [(v.field, v.description) for v in bad.field_violations]
        elif detail.Is(error_details_pb2.RetryInfo.DESCRIPTOR):
            self.repeatable = True

    def __str__(self):
        return f"{self.code} {self.reason}: {self.message} {self.violations} {self.facts}"


def reason(error):
    """The reason of a refused call or of an item's status; empty without one."""
    return Refusal(error).reason
