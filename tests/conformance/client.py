"""A scripted MQTT client: sends anything and states what must come back."""

import socket
import struct
import time

import wire
from streams import StreamError

ACK_TIMEOUT = 3.0
QUIET = 0.15
PROTOCOL_ERRORS = set(range(0x80, 0x84))


class Failure(Exception):
    """A check that did not hold: what was expected and what came."""

    def __init__(self, expected, got):
        super().__init__(f"expected {expected}, got {got}")


class Closed(Exception):
    """The server closed the connection."""


def require(condition, expected, got):
    """Fail the running check unless the condition holds."""
    if not condition:
        raise Failure(expected, got)


def require_equal(got, expected, what):
    """Fail the running check unless both are equal."""
    require(got == expected, f"{what} {expected!r}", repr(got))


class Client:
    """One network connection that speaks one version of MQTT."""

    def __init__(self, stream, version):
        self.stream = stream
        self.version = version
        self.buffer = bytearray()
        self.inbox = []
        self.last_pid = 0
        self.accepted = False
        self.alias_maximum = 0
        self.aliases = {}
        self.packet_limit = None
        self.is_answered = False

    # ---- raw exchange

    def send(self, raw):
        self.stream.send(raw)

    def kill(self):
        """Close the connection without DISCONNECT."""
        self.stream.close()

    def reset(self):
        """End the connection by a TCP reset."""
        tcp = getattr(self.stream, "tcp", self.stream)
        tcp.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.kill()

    def pid(self):
        self.last_pid += 1
        return self.last_pid

    def recv(self, timeout=ACK_TIMEOUT):
        """The next packet, None after the timeout; raises Closed."""
        deadline = time.monotonic() + timeout
        while True:
            packet = self._cut()
            if packet:
                return packet
            try:
                raw = self.stream.recv(deadline - time.monotonic())
            except StreamError as error:
                raise Failure("legal transport", error) from None
            if raw is None:
                return None
            if raw == b"":
                raise Closed
            self.buffer += raw

    def _cut(self):
        before = len(self.buffer)
        try:
            packet = wire.take_packet(self.buffer, self.version)
        except wire.WireError as error:
            raise Failure("a well-formed packet", error) from None
        if packet is None:
            return None
        packet.size = before - len(self.buffer)
        if self.packet_limit and packet.size > self.packet_limit:
            raise Failure(f"packets of at most {self.packet_limit} bytes", packet)
        if packet.kind == wire.PUBLISH and self.version == 5:
            self._resolve_alias(packet)
        if packet.kind == wire.CONNACK:
            require(not self.is_answered, "one CONNACK", packet)
            self.is_answered = True
        return packet

    def _resolve_alias(self, packet):
        alias = packet.prop("topic_alias")
        if alias is not None:
            require(alias <= self.alias_maximum, f"topic alias up to {self.alias_maximum}", packet)
            packet.topic = packet.topic or self.aliases.get(alias, "")
            self.aliases[alias] = packet.topic
        require(packet.topic, "a topic or a known alias", packet)

    # ---- expectations

    def expect(self, kind, timeout=ACK_TIMEOUT, **fields):
        """The next packet of a kind with these fields; other kinds wait in the inbox."""
        wanted = wire.NAMES[kind] + (f" {fields}" if fields else "")
        packet = self._next(kind, wanted, timeout)
        for key, value in fields.items():
            require(getattr(packet, key) == value, wanted, packet)
        return packet

    def _next(self, kind, wanted, timeout):
        for index, packet in enumerate(self.inbox):
            if packet.kind == kind:
                return self.inbox.pop(index)
        deadline = time.monotonic() + timeout
        while True:
            try:
                packet = self.recv(deadline - time.monotonic())
            except Closed:
                raise Failure(wanted, "connection closed") from None
            require(packet is not None, wanted, f"nothing in {timeout:.1f} s, waiting: {self.inbox}")
            if packet.kind == kind:
                return packet
            require(packet.kind not in (wire.DISCONNECT, wire.CONNACK), wanted, packet)
            self.inbox.append(packet)

    def expect_publish(self, topic=None, payload=None, ack=True, timeout=ACK_TIMEOUT, **fields):
        """The next PUBLISH with these fields, acknowledged to the end unless told otherwise."""
        if topic is not None:
            fields["topic"] = topic
        if payload is not None:
            fields["payload"] = payload.encode() if isinstance(payload, str) else payload
        packet = self.expect(wire.PUBLISH, timeout, **fields)
        if ack:
            self.acknowledge(packet)
        return packet

    def acknowledge(self, packet):
        """Complete the receiver's half of a QoS 1 or 2 flow."""
        if packet.qos == 1:
            self.send(wire.ack(wire.PUBACK, packet.pid))
        elif packet.qos == 2:
            self.send(wire.ack(wire.PUBREC, packet.pid))
            self.expect(wire.PUBREL, pid=packet.pid)
            self.send(wire.ack(wire.PUBCOMP, packet.pid))

    def collect(self, seconds=QUIET):
        """Every PUBLISH that is waiting or comes within some time, unacknowledged."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                packet = self.recv(deadline - time.monotonic())
            except Closed:
                raise Failure("an open connection", "connection closed") from None
            if packet is None:
                break
            self.inbox.append(packet)
        found = [packet for packet in self.inbox if packet.kind == wire.PUBLISH]
        self.inbox = [packet for packet in self.inbox if packet.kind != wire.PUBLISH]
        return found

    def expect_quiet(self, seconds=QUIET):
        """No PUBLISH arrives, and the connection still answers."""
        found = self.collect(seconds)
        require(not found, "no PUBLISH", found)
        self.ping()

    def ping(self):
        self.send(wire.pingreq())
        self.expect(wire.PINGRESP)

    def expect_closed(self, codes=None, timeout=ACK_TIMEOUT):
        """The server ends the connection, with a legal last packet or with none.

        Returns the code of that packet, or None.
        """
        code = None
        deadline = time.monotonic() + timeout
        while True:
            try:
                packet = self.recv(deadline - time.monotonic())
            except Closed:
                return code
            require(packet is not None, "connection closed", f"still open, waiting: {self.inbox}")
            if packet.kind == (wire.DISCONNECT if self.accepted else wire.CONNACK):
                code = packet.code
                require(code != 0, "an error code", packet)
                self._require_reason(packet, codes)
            else:
                require(self.accepted, "a refused connection", packet)
                require(code is None, "no packet after DISCONNECT", packet)
                self.inbox.append(packet)

    def _require_reason(self, packet, codes):
        """Return codes before MQTT 5 are too coarse to be held to a set."""
        free = codes is None or (self.version < 5 and codes)
        require(free or packet.code in codes, f"a code of {sorted(codes or ())}", packet)

    # ---- whole exchanges

    def connect_raw(self, raw):
        """Send a CONNECT and return the CONNACK, whatever its code."""
        self.send(raw)
        packet = self.expect_first_connack()
        self.accepted = packet.code == 0
        return packet

    def expect_first_connack(self):
        try:
            packet = self.recv()
        except Closed:
            raise Failure("CONNACK", "connection closed") from None
        require(packet is not None and packet.kind == wire.CONNACK, "CONNACK", packet)
        return packet

    def connect(self, client_id, **options):
        """Connect and require success; returns the CONNACK."""
        props = dict(options.get("props", ()))
        self.alias_maximum = props.get("topic_alias_maximum", 0)
        self.packet_limit = props.get("maximum_packet_size")
        connack = self.connect_raw(wire.connect(self.version, client_id, **options))
        require(connack.code == 0, "CONNACK with code 0", connack)
        return connack

    def subscribe(self, name, options=0, props=()):
        """Subscribe to one filter and require that it is granted; returns the SUBACK."""
        suback = self.subscribe_all([(name, options)], props)
        require(suback.codes[0] < 0x80, "a granted subscription", suback)
        return suback

    def subscribe_all(self, filters, props=()):
        """Subscribe to several filters in one packet; returns the SUBACK."""
        pid = self.pid()
        self.send(wire.subscribe(self.version, pid, filters, props))
        suback = self.expect(wire.SUBACK, pid=pid)
        require(len(suback.codes) == len(filters), f"{len(filters)} codes", suback)
        return suback

    def unsubscribe(self, *filters, props=()):
        """Unsubscribe; returns the UNSUBACK."""
        pid = self.pid()
        self.send(wire.unsubscribe(self.version, pid, filters, props))
        unsuback = self.expect(wire.UNSUBACK, pid=pid)
        if self.version == 5:
            require(len(unsuback.codes) == len(filters), f"{len(filters)} codes", unsuback)
        return unsuback

    def publish(self, topic, payload=b"", qos=0, retain=False, props=()):
        """Publish and complete the flow; returns PUBACK or PUBREC for QoS 1 and 2."""
        pid = self.pid() if qos else None
        self.send(wire.publish(self.version, topic, payload, qos, pid, retain, props=props))
        if qos == 0:
            return None
        first = self.expect(wire.PUBACK if qos == 1 else wire.PUBREC, pid=pid)
        require(first.code < 0x80, "an accepted PUBLISH", first)
        if qos == 2:
            self.release(pid)
        return first

    def release(self, pid):
        """The second half of sending at QoS 2; returns the PUBCOMP."""
        self.send(wire.ack(wire.PUBREL, pid))
        return self.expect(wire.PUBCOMP, pid=pid)

    def disconnect(self, code=None, props=None):
        """Send DISCONNECT, give the server a moment to close, and close."""
        self.send(wire.disconnect(code, props))
        try:
            while self.recv(1.0):
                pass
        except Closed:
            pass
        self.kill()
