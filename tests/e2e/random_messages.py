"""Random and mutated messages for every method that a server serves, as its reflection tells: a new
one is found by itself."""

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

SKIPPED = ("grpc.reflection.",)  # what tells us of the others


def _reflection_messages():
    """Of grpc.reflection.v1alpha, as far as they are needed here."""
    file = descriptor_pb2.FileDescriptorProto(name="reflection_excerpt.proto", package="excerpt")
    label = descriptor_pb2.FieldDescriptorProto
    request = file.message_type.add(name="Request")
    for number, name in ((4, "file_containing_symbol"), (7, "list_services")):
        request.field.add(name=name, number=number, type=label.TYPE_STRING, label=label.LABEL_OPTIONAL)
    files = file.message_type.add(name="Files")
    files.field.add(name="file", number=1, type=label.TYPE_BYTES, label=label.LABEL_REPEATED)
    service = file.message_type.add(name="Service")
    service.field.add(name="name", number=1, type=label.TYPE_STRING, label=label.LABEL_OPTIONAL)
    services = file.message_type.add(name="Services")
    services.field.add(name="service", number=1, type=label.TYPE_MESSAGE, type_name=".excerpt.Service",
                       label=label.LABEL_REPEATED)
    response = file.message_type.add(name="Response")
    response.field.add(name="files", number=4, type=label.TYPE_MESSAGE, type_name=".excerpt.Files",
                       label=label.LABEL_OPTIONAL)
    response.field.add(name="services", number=6, type=label.TYPE_MESSAGE, type_name=".excerpt.Services",
                       label=label.LABEL_OPTIONAL)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    made = message_factory.MessageFactory(pool)
    return (made.GetPrototype(pool.FindMessageTypeByName("excerpt.Request")),
            made.GetPrototype(pool.FindMessageTypeByName("excerpt.Response")))


class Method:
    """One method of one service."""

    def __init__(self, service, descriptor, proto, classes):
        self.name = f"{service}/{descriptor.name}"
        self.path = f"/{self.name}"
        self.is_client_streaming = proto.client_streaming
        self.is_server_streaming = proto.server_streaming
        self.request = classes.GetPrototype(descriptor.input_type)
        self.response = classes.GetPrototype(descriptor.output_type)


def methods_of(address):
    """All that are served there."""
    request, response = _reflection_messages()
    with grpc.insecure_channel(address) as channel:
        ask = channel.stream_stream("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
                                    request_serializer=request.SerializeToString,
                                    response_deserializer=response.FromString)

        def answers(requests):
            return list(ask(iter(requests), timeout=30))

        names = [service.name for service in answers([request(list_services="*")])[0].services.service]
        files = {}
        for answer in answers([request(file_containing_symbol=name) for name in names]):
            for text in answer.files.file:
                file = descriptor_pb2.FileDescriptorProto.FromString(text)
                files[file.name] = file
    pool = descriptor_pool.DescriptorPool()

    def add(name):
        file = files.pop(name, None)
        if file is None:
            return
        for dependency in file.dependency:
            add(dependency)
        pool.Add(file)

    for name in list(files):
        add(name)
    classes = message_factory.MessageFactory(pool)
    methods = []
    for name in sorted(names):
        if name.startswith(SKIPPED):
            continue
        try:
            service = pool.FindServiceByName(name)
        except KeyError:
            continue  # gRPC's own health service has no description
        protos = descriptor_pb2.ServiceDescriptorProto()
        service.CopyToProto(protos)
        for method, proto in zip(service.methods, protos.method):
            methods.append(Method(name, method, proto, classes))
    return methods


class Mixer:
    """Makes messages: of values that mean something to the server, of odd ones, and of rubbish."""

    TEXTS = ["", "test", "good", "works", "waits", "a", "\0", "../../etc/passwd", "x" * 300, "x" * 70_000,
             "é\u2028\U0001f600", "%s%n", "'; drop table sagas; --", "*", "/do/0/work", "-1", "18446744073709551616",
             "1.0.0", "1.0.0-rc.1", "sagas", "incidents", "throughput", "definitions", "queues", "timeline",
             "select * from sagas", "select count(*) from sagas, sagas, sagas, sagas", "select",
             "status = 'RUNNING' and start_time > '2020-01-01T00:00:00Z'", "((((((((((", "saga_id in ('a', 'b')",
             "not not not status = 1", "2020-01-01T00:00:00Z", "P1D", "{}", "null", "[" * 5_000, "do:\n  - a: {set: {x: 1}}\n",
             "model: x\nkey: [a]\n", "document: &a [*a]"]
    NUMBERS = [0, 1, 2, 3, 7, 100, 1_000, 10_000, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**63 - 1, 2**63,
               2**64 - 1, -1, -2**31, -2**63]
    BYTES = [b"", b"{}", b"null", b'"x"', b"1e999", b"\xff\xfe", b"[" * 5_000, b'{"a":' * 200 + b"1" + b"}" * 200,
             b"x" * 100_000, b'{"a": 1, "a": 2}', b"\0" * 64]
    # By name of the field: what gets further than the first look.
    HINTS = {
        "namespace": ["test"], "saga_id": ["s1", "w1"], "name": ["good", "works", "sagas", "mine", "w"],
        "definition_name": ["good", "works", "waits"], "definition_version": ["", "1.0.0"], "version": ["", "1.0.0"],
        "model": ["sagas", "incidents", "definitions", "throughput", "queues", "timeline", "mine"],
        "task": ["/do/0/work", "/do/0/pause"], "function": ["work"], "functions": ["work"],
        "column": ["saga_id", "status", "namespace", "start_time", "definition_name"],
        "columns": ["saga_id", "status"], "order_by": ["saga_id", "start_time desc"],
        "statement": ["select * from sagas", "select status, count(*) from sagas group by status",
                      "select * from sagas where saga_id = 's1' order by start_time desc limit 3",
                      "with recursive r(n) as (select 1 union all select n + 1 from r) select * from r",
                      "select a.saga_id from sagas a, sagas b, sagas c, sagas d", "select randomblob(1000000000)"],
        "text": ["document: { dsl: '1.0.3', namespace: test, name: more, version: '1.0.0' }\ndo:\n  - a: { set: { x: 1 } }\n",
                 "model: mine\nfor: sagas\n"],
        "input": [b"1", b"{}", b'{"a": [1, 2]}'], "output": [b"1", b"{}"], "reason": ["because"],
        "partition": [0, 1, 3], "page_size": [1, 10],
    }
    DEPTH_MAX = 4

    def __init__(self, rng):
        self.rng = rng
        self.seen = []  # texts and bytes that answers had: ids, tokens

    def learn(self, message):
        """Takes up what an answer says, for later requests."""
        for field, value in message.ListFields():
            for each in value if field.label == field.LABEL_REPEATED else [value]:
                if field.message_type is not None:
                    if not field.message_type.GetOptions().map_entry and hasattr(each, "ListFields"):
                        self.learn(each)
                elif isinstance(each, (str, bytes)) and 0 < len(each) < 2_000:
                    self.seen.append(each)
        if len(self.seen) > 500:
            self.seen = self.rng.sample(self.seen, 250)

    def message(self, kind, depth=0):
        message = kind()
        for field in message.DESCRIPTOR.fields:
            if self.rng.random() < (0.75 if depth == 0 else 0.5):
                self._fill(message, field, depth)
        return message

    def _fill(self, message, field, depth):
        if field.label != field.LABEL_REPEATED:
            if field.message_type is None:
                setattr(message, field.name, self._scalar(field))
            elif depth < self.DEPTH_MAX:
                kind = type(getattr(message, field.name))
                getattr(message, field.name).CopyFrom(self.message(kind, depth + 1))
            return
        values = getattr(message, field.name)
        for _ in range(self.rng.choice([0, 1, 1, 2, 3, 40])):
            if field.message_type is None:
                values.append(self._scalar(field))
            elif field.message_type.GetOptions().map_entry:
                entry = field.message_type.fields_by_name
                if entry["value"].message_type is None:
                    values[self._scalar(entry["key"])] = self._scalar(entry["value"])
            elif depth < self.DEPTH_MAX:
                added = values.add()
                added.CopyFrom(self.message(type(added), depth + 1))

    def _scalar(self, field):
        rng, kind = self.rng, field.cpp_type
        if field.name in self.HINTS and rng.random() < 0.6:
            hint = rng.choice(self.HINTS[field.name])
            if isinstance(hint, int) == (kind not in (field.CPPTYPE_STRING, field.CPPTYPE_MESSAGE)):
                return hint.encode() if field.type == field.TYPE_BYTES and isinstance(hint, str) else hint
        if kind == field.CPPTYPE_STRING:
            is_text = field.type == field.TYPE_STRING
            if self.seen and rng.random() < 0.4:
                seen = rng.choice(self.seen)
                if is_text:
                    return seen if isinstance(seen, str) else seen.decode("latin-1")
                return self._bent(seen if isinstance(seen, bytes) else seen.encode())
            return rng.choice(self.TEXTS) if is_text else rng.choice(self.BYTES)
        if kind == field.CPPTYPE_BOOL:
            return rng.random() < 0.5
        if kind == field.CPPTYPE_ENUM:
            known = [value.number for value in field.enum_type.values]
            return rng.choice([*known, *known, 99, -1])
        if kind in (field.CPPTYPE_FLOAT, field.CPPTYPE_DOUBLE):
            return rng.choice([0.0, -1.0, 1e308, float("inf"), float("nan")])
        low, high = {field.CPPTYPE_INT32: (-2**31, 2**31 - 1), field.CPPTYPE_UINT32: (0, 2**32 - 1),
                     field.CPPTYPE_INT64: (-2**63, 2**63 - 1), field.CPPTYPE_UINT64: (0, 2**64 - 1)}[kind]
        return min(max(rng.choice(self.NUMBERS), low), high)

    def _bent(self, data):
        """Most often as it is; else with some bytes changed."""
        if not data or self.rng.random() < 0.6:
            return data
        data = bytearray(data)
        for _ in range(self.rng.randint(1, 3)):
            data[self.rng.randrange(len(data))] = self.rng.randrange(256)
        return bytes(data[:self.rng.randint(1, len(data))])

    def bytes_of(self, message):
        """Serialized; and whether that is the message, or was damaged."""
        data = message.SerializeToString()
        if self.rng.random() < 0.8:
            return data, True
        bent = self._bent(data)
        return bent, bent == data
