"""Byte streams to a broker: plain TCP, TCP byte by byte, and a small RFC 6455 WebSocket client."""

import base64
import hashlib
import os
import socket
import struct
import time

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class StreamError(Exception):
    """The transport below MQTT broke its own standard."""


class TcpStream:
    """A TCP connection."""

    def __init__(self, host, port):
        self.sock = socket.create_connection((host, port), 5)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, raw):
        """Send all; a peer that has closed is noticed by the next recv."""
        self.sock.settimeout(10)
        try:
            self.sock.sendall(raw)
        except OSError:
            pass

    def recv(self, timeout):
        """Some bytes, b"" when closed, None after the timeout."""
        self.sock.settimeout(max(timeout, 0.001))
        try:
            return self.sock.recv(65536)
        except TimeoutError:
            return None
        except OSError:
            return b""

    def close(self):
        self.sock.close()


class SplitStream(TcpStream):
    """A TCP connection that writes byte by byte, each in a segment of its own."""

    ALONE = 1000  # bytes of one write that go alone; the rest of a long one goes in pieces of odd length
    PIECE = 1021

    def send(self, raw):
        for at in range(min(len(raw), self.ALONE)):
            super().send(raw[at:at + 1])
        for at in range(self.ALONE, len(raw), self.PIECE):
            super().send(raw[at:at + self.PIECE])


def frame(opcode, payload, fin=True, masked=True, rsv=0):
    """One WebSocket frame as bytes."""
    head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    mask_bit = 0x80 if masked else 0
    if len(payload) < 126:
        head += bytes([mask_bit | len(payload)])
    elif len(payload) < 65536:
        head += bytes([mask_bit | 126]) + struct.pack(">H", len(payload))
    else:
        head += bytes([mask_bit | 127]) + struct.pack(">Q", len(payload))
    if not masked:
        return head + payload
    key = os.urandom(4)
    repeated = (key * (len(payload) // 4 + 1))[:len(payload)]
    mixed = int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")
    return head + key + mixed.to_bytes(len(payload), "big")


def upgrade_request(host, port, path="/mqtt", protocol="mqtt", key=None, headers=None):
    """An upgrade request; headers replace (or, when None, remove) the usual ones."""
    lines = {"Host": f"{host}:{port}", "Upgrade": "websocket", "Connection": "Upgrade",
             "Sec-WebSocket-Key": key or base64.b64encode(os.urandom(16)).decode(),
             "Sec-WebSocket-Version": "13", "Sec-WebSocket-Protocol": protocol}
    lines.update(headers or {})
    text = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value is not None)
    return f"GET {path} HTTP/1.1\r\n{text}\r\n".encode()


def read_http_head(tcp, timeout=3):
    """Status (None when the peer closed), headers in lower case, and the bytes that follow."""
    raw = b""
    deadline = time.monotonic() + timeout
    while b"\r\n\r\n" not in raw:
        more = tcp.recv(deadline - time.monotonic())
        if more is None:
            raise StreamError("no HTTP response in time")
        if more == b"":
            return None, {}, b""
        raw += more
    head, rest = raw.split(b"\r\n\r\n", 1)
    lines = head.decode("latin-1").split("\r\n")
    headers = dict(line.split(":", 1) for line in lines[1:] if ":" in line)
    return int(lines[0].split()[1]), {k.strip().lower(): v.strip() for k, v in headers.items()}, rest


class WsStream:
    """MQTT bytes in binary WebSocket frames."""

    def __init__(self, host, port, path="/mqtt", protocol="mqtt"):
        self.tcp = TcpStream(host, port)
        key = base64.b64encode(os.urandom(16)).decode()
        self.tcp.send(upgrade_request(host, port, path, protocol, key))
        status, self.headers, rest = read_http_head(self.tcp)
        self.buffer = bytearray(rest)
        if status != 101:
            raise StreamError(f"upgrade answered with status {status}")
        expected = base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()
        if self.headers.get("sec-websocket-accept") != expected:
            raise StreamError("wrong Sec-WebSocket-Accept")

    def send(self, raw):
        self.tcp.send(frame(BINARY, raw))

    def recv(self, timeout):
        """MQTT bytes, b"" when closed (by TCP or by a Close frame), None after the timeout."""
        deadline = time.monotonic() + timeout
        while True:
            got = self.recv_frame(deadline - time.monotonic())
            if got is None or got == b"":
                return got
            opcode, payload = got
            if opcode == CLOSE:
                return b""
            if opcode == PING:
                self.tcp.send(frame(PONG, payload))
            elif opcode == TEXT:
                raise StreamError("server sent a text frame")
            elif opcode in (BINARY, CONTINUATION) and payload:
                return payload

    def recv_frame(self, timeout):
        """The next (opcode, payload), b"" when closed, None after the timeout."""
        deadline = time.monotonic() + timeout
        while True:
            got = self._cut_frame()
            if got:
                return got
            more = self.tcp.recv(deadline - time.monotonic())
            if not more:
                return more
            self.buffer += more

    def _cut_frame(self):
        buf = self.buffer
        if len(buf) < 2:
            return None
        if buf[0] & 0x70 or buf[1] & 0x80:
            raise StreamError("server frame with reserved bits or a mask")
        size, at = buf[1], 2
        if size >= 126:
            at = 4 if size == 126 else 10
            if len(buf) < at:
                return None
            size = int.from_bytes(buf[2:at], "big")
        if len(buf) < at + size:
            return None
        opcode, payload = buf[0] & 15, bytes(buf[at:at + size])
        del buf[:at + size]
        return opcode, payload

    def close(self):
        self.tcp.close()
