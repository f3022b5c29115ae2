"""HTTP/2 by hand (RFC 9113), for clients that do what no library lets them."""
import select
import socket
import struct
import time

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS_FRAME, PING, WINDOW_UPDATE = 0, 1, 3, 4, 6, 8
INITIAL_WINDOW_SIZE = 4
FRAME_MAX = 16_384


def frame(kind, flags, stream, payload):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def literal(name, value):
    """A header without compression (RFC 7541, 6.2.2)."""
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value


def headers(path):
    return b"".join((literal(b":method", b"POST"), literal(b":scheme", b"http"), literal(b":path", path),
                     literal(b":authority", b"x"), literal(b"content-type", b"application/grpc"), literal(b"te", b"trailers")))


SETTINGS = frame(SETTINGS_FRAME, 0, 0, b"")


class Uploads:
    """Streams of one connection that each begin a message and send of it what flow control allows, but
    never its end."""

    def __init__(self, address, path, streams, message_bytes, sent_max):
        host, port = address.rsplit(":", 1)
        self.connection = socket.create_connection((host, int(port)), timeout=10)
        self.connection.setblocking(False)
        self.begin = b"\0" + struct.pack(">I", message_bytes)
        self.sent_max = sent_max  # of one stream
        self.to_send = bytearray(PREFACE + SETTINGS)
        self.received = b""
        self.window, self.initial_window = 65_535, 65_535
        self.windows = {2 * number + 1: self.initial_window for number in range(streams)}
        self.sent = dict.fromkeys(self.windows, 0)
        for stream in self.windows:
            self.to_send += frame(HEADERS, 4, stream, headers(path))
        self.resets = 0

    def run(self, seconds):
        """So long, or until every stream or the connection was ended from the other side."""
        deadline = time.monotonic() + seconds
        while self.windows and time.monotonic() < deadline:
            self._fill()
            readable, writable, _ = select.select([self.connection], [self.connection] if self.to_send else [], [], 0.1)
            try:
                if writable:
                    del self.to_send[:self.connection.send(self.to_send[:1 << 20])]
                data = self.connection.recv(1 << 20) if readable else b""
            except ConnectionError:
                data = b""
            if readable and not data:
                return
            self._take(data)

    def sent_bytes(self):
        return sum(self.sent.values())

    def close(self):
        self.connection.close()

    def _fill(self):
        for stream, window in self.windows.items():
            count = min(window, self.window, FRAME_MAX, self.sent_max - self.sent[stream])
            if len(self.to_send) > 1 << 20 or count <= 0:
                continue
            data = (self.begin if self.sent[stream] == 0 else b"") + b"x" * FRAME_MAX
            self.to_send += frame(DATA, 0, stream, data[:count])
            self.window -= count
            self.windows[stream] -= count
            self.sent[stream] += count

    def _take(self, data):
        self.received += data
        while len(self.received) >= 9:
            length = int.from_bytes(self.received[:3], "big")
            if len(self.received) < 9 + length:
                return
            kind, flags = self.received[3], self.received[4]
            stream = struct.unpack(">I", self.received[5:9])[0]
            payload, self.received = self.received[9:9 + length], self.received[9 + length:]
            self._take_frame(kind, flags, stream, payload)

    def _take_frame(self, kind, flags, stream, payload):
        if kind == WINDOW_UPDATE and stream == 0:
            self.window += struct.unpack(">I", payload)[0]
        elif kind == WINDOW_UPDATE and stream in self.windows:
            self.windows[stream] += struct.unpack(">I", payload)[0]
        elif kind == SETTINGS_FRAME and not flags & 1:
            for name, value in struct.iter_unpack(">HI", payload):
                if name != INITIAL_WINDOW_SIZE:
                    continue
                for each in self.windows:
                    self.windows[each] += value - self.initial_window
                self.initial_window = value
            self.to_send += frame(SETTINGS_FRAME, 1, 0, b"")
        elif kind == PING and not flags & 1:
            self.to_send += frame(PING, 1, 0, payload)
        elif kind == RST_STREAM and self.windows.pop(stream, None) is not None:
            self.resets += 1
