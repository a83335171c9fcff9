"""MQTT control packets as bytes: free builders and a strict parser for 3.1, 3.1.1 and 5."""

import struct

(CONNECT, CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBSCRIBE,
 SUBACK, UNSUBSCRIBE, UNSUBACK, PINGREQ, PINGRESP, DISCONNECT, AUTH) = range(1, 16)
WILL = 0  # stands for the will properties of a CONNECT

NAMES = ("RESERVED", "CONNECT", "CONNACK", "PUBLISH", "PUBACK", "PUBREC", "PUBREL", "PUBCOMP",
         "SUBSCRIBE", "SUBACK", "UNSUBSCRIBE", "UNSUBACK", "PINGREQ", "PINGRESP",
         "DISCONNECT", "AUTH")
ACKS = (PUBACK, PUBREC, PUBREL, PUBCOMP)

# name: (identifier, encoding, packets that may carry it)
PROPERTIES = {
    "payload_format": (0x01, "byte", {PUBLISH, WILL}),
    "message_expiry": (0x02, "four", {PUBLISH, WILL}),
    "content_type": (0x03, "utf8", {PUBLISH, WILL}),
    "response_topic": (0x08, "utf8", {PUBLISH, WILL}),
    "correlation_data": (0x09, "data", {PUBLISH, WILL}),
    "subscription_id": (0x0B, "varint", {PUBLISH, SUBSCRIBE}),
    "session_expiry": (0x11, "four", {CONNECT, CONNACK, DISCONNECT}),
    "assigned_client_id": (0x12, "utf8", {CONNACK}),
    "server_keep_alive": (0x13, "two", {CONNACK}),
    "auth_method": (0x15, "utf8", {CONNECT, CONNACK, AUTH}),
    "auth_data": (0x16, "data", {CONNECT, CONNACK, AUTH}),
    "request_problem_info": (0x17, "byte", {CONNECT}),
    "will_delay": (0x18, "four", {WILL}),
    "request_response_info": (0x19, "byte", {CONNECT}),
    "response_info": (0x1A, "utf8", {CONNACK}),
    "server_reference": (0x1C, "utf8", {CONNACK, DISCONNECT}),
    "reason_string": (0x1F, "utf8", {CONNACK, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK,
                                     UNSUBACK, DISCONNECT, AUTH}),
    "receive_maximum": (0x21, "two", {CONNECT, CONNACK}),
    "topic_alias_maximum": (0x22, "two", {CONNECT, CONNACK}),
    "topic_alias": (0x23, "two", {PUBLISH}),
    "maximum_qos": (0x24, "byte", {CONNACK}),
    "retain_available": (0x25, "byte", {CONNACK}),
    "user_property": (0x26, "pair", set(range(16)) - {PINGREQ, PINGRESP}),
    "maximum_packet_size": (0x27, "four", {CONNECT, CONNACK}),
    "wildcard_available": (0x28, "byte", {CONNACK}),
    "subscription_id_available": (0x29, "byte", {CONNACK}),
    "shared_available": (0x2A, "byte", {CONNACK}),
}
BY_ID = {ident: name for name, (ident, _, _) in PROPERTIES.items()}
NONZERO = {"receive_maximum", "maximum_packet_size", "topic_alias", "subscription_id"}

SERVER_CODES = {
    CONNACK: {0x00, *range(0x80, 0x8B), 0x8C, 0x90, 0x95, 0x97, 0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9F},
    PUBACK: {0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99},
    PUBREC: {0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99},
    PUBREL: {0x00, 0x92},
    PUBCOMP: {0x00, 0x92},
    SUBACK: {0x00, 0x01, 0x02, 0x80, 0x83, 0x87, 0x8F, 0x91, 0x97, 0x9E, 0xA1, 0xA2},
    UNSUBACK: {0x00, 0x11, 0x80, 0x83, 0x87, 0x8F, 0x91},
    DISCONNECT: {0x00, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8B, 0x8D, 0x8E, 0x8F, 0x90,
                 *range(0x93, 0xA3)},
}


class WireError(Exception):
    """A packet from the server that breaks the standard."""


class Packet:
    """One parsed control packet; which attributes are set depends on its kind."""

    def __init__(self, kind, flags):
        self.kind = kind
        self.flags = flags
        self.props = []

    def prop(self, name, default=None):
        """The first value of a property, or the default."""
        return next((value for key, value in self.props if key == name), default)

    def all_props(self, name):
        """Every value of a property, in the order received."""
        return [value for key, value in self.props if key == name]

    def __repr__(self):
        fields = {key: value for key, value in vars(self).items() if key not in ("kind", "flags", "size")}
        if len(fields.get("payload", b"")) > 40:
            fields["payload"] = f"<{len(self.payload)} bytes>"
        text = ", ".join(f"{key}={value!r}" for key, value in fields.items() if value not in ([], None))
        return f"{NAMES[self.kind]}({text})"


# ---------------------------------------------------------------- builders

def varint(value):
    """A variable byte integer of the fewest bytes."""
    out = bytearray()
    while True:
        value, digit = divmod(value, 128)
        out.append(digit | (0x80 if value else 0))
        if not value:
            return bytes(out)


def data(value):
    """Length-prefixed bytes; text is encoded as UTF-8 first."""
    raw = value.encode("utf-8") if isinstance(value, str) else bytes(value)
    return struct.pack(">H", len(raw)) + raw


def packet(kind, flags, body=b""):
    """Any control packet with any flags and body."""
    return bytes([kind << 4 | flags]) + varint(len(body)) + body


def _property(name, value):
    ident, encoding, _ = PROPERTIES[name]
    if encoding == "pair":
        encoded = data(value[0]) + data(value[1])
    elif encoding == "varint":
        encoded = varint(value)
    elif encoding in ("utf8", "data"):
        encoded = data(value)
    else:
        encoded = struct.pack({"byte": ">B", "two": ">H", "four": ">I"}[encoding], value)
    return bytes([ident]) + encoded


def properties(props):
    """A property block from (name, value) pairs, or from raw bytes left as they are."""
    raw = props if isinstance(props, bytes) else b"".join(_property(*pair) for pair in props)
    return varint(len(raw)) + raw


def _props_for(version, props):
    return properties(props) if version == 5 else b""


def connect(version, client_id="", clean=True, keepalive=60, will=None, username=None,
            password=None, props=(), flags=None, name=None, level=None, tail=b""):
    """CONNECT; `will` is (topic, payload, qos, retain, props); flags, name, level override."""
    bits = 2 if clean else 0
    payload = data(client_id)
    if will is not None:
        topic, message, qos, retain, will_props = will
        bits |= 4 | qos << 3 | (32 if retain else 0)
        payload += _props_for(version, will_props) + data(topic) + data(message)
    if username is not None:
        bits |= 128
        payload += data(username)
    if password is not None:
        bits |= 64
        payload += data(password)
    head = data(("MQIsdp" if version == 3 else "MQTT") if name is None else name)
    head += bytes([version if level is None else level, bits if flags is None else flags])
    head += struct.pack(">H", keepalive) + _props_for(version, props)
    return packet(CONNECT, 0, head + payload + tail)


def publish(version, topic, payload=b"", qos=0, pid=None, retain=False, dup=False, props=()):
    """PUBLISH; a packet identifier is written whenever one is given."""
    body = data(topic)
    if pid is not None:
        body += struct.pack(">H", pid)
    body += _props_for(version, props)
    body += payload.encode("utf-8") if isinstance(payload, str) else payload
    return packet(PUBLISH, (8 if dup else 0) | qos << 1 | (1 if retain else 0), body)


def ack(kind, pid, code=None, props=None):
    """PUBACK, PUBREC, PUBREL or PUBCOMP; code and properties are left out when None."""
    body = struct.pack(">H", pid)
    if code is not None:
        body += bytes([code])
    if props is not None:
        body += properties(props)
    return packet(kind, 2 if kind == PUBREL else 0, body)


def subscribe(version, pid, filters, props=()):
    """SUBSCRIBE to (filter, options) pairs."""
    body = struct.pack(">H", pid) + _props_for(version, props)
    body += b"".join(data(name) + bytes([options]) for name, options in filters)
    return packet(SUBSCRIBE, 2, body)


def unsubscribe(version, pid, filters, props=()):
    """UNSUBSCRIBE from filters."""
    body = struct.pack(">H", pid) + _props_for(version, props)
    return packet(UNSUBSCRIBE, 2, body + b"".join(data(name) for name in filters))


def pingreq():
    """PINGREQ."""
    return packet(PINGREQ, 0)


def disconnect(code=None, props=None):
    """DISCONNECT; code and properties are left out when None."""
    body = b"" if code is None else bytes([code])
    return packet(DISCONNECT, 0, body + (b"" if props is None else properties(props)))


def auth(code=0x18, props=()):
    """AUTH."""
    return packet(AUTH, 0, bytes([code]) + properties(props))


# ---------------------------------------------------------------- parser

class Reader:
    """A cursor over the body of a packet; running over its end is a WireError."""

    def __init__(self, raw):
        self.raw = raw
        self.at = 0

    def left(self):
        return len(self.raw) - self.at

    def take(self, count):
        if count > self.left():
            raise WireError(f"packet ends {count - self.left()} bytes early")
        self.at += count
        return bytes(self.raw[self.at - count:self.at])

    def byte(self):
        return self.take(1)[0]

    def two(self):
        return struct.unpack(">H", self.take(2))[0]

    def four(self):
        return struct.unpack(">I", self.take(4))[0]

    def data(self):
        return self.take(self.two())

    def utf8(self):
        text = self.data().decode("utf-8")
        if "\0" in text:
            raise WireError("U+0000 in a string")
        return text

    def pair(self):
        return (self.utf8(), self.utf8())

    def varint(self):
        value = 0
        for shift in (0, 7, 14, 21):
            digit = self.byte()
            value |= (digit & 0x7F) << shift
            if digit < 0x80:
                if shift and digit == 0:
                    raise WireError("variable byte integer not minimal")
                return value
        raise WireError("variable byte integer too long")

    def properties(self, kind):
        """The property block of a packet of this kind, checked against the standard."""
        inner = Reader(self.take(self.varint()))
        found = []
        while inner.left():
            ident = inner.varint()
            name = BY_ID.get(ident)
            if name is None or kind not in PROPERTIES[name][2]:
                raise WireError(f"property 0x{ident:02x} in {NAMES[kind]}")
            value = getattr(inner, PROPERTIES[name][1])()
            _check_property(kind, name, value, found)
            found.append((name, value))
        return found


def _check_property(kind, name, value, earlier):
    repeatable = name == "user_property" or (name, kind) == ("subscription_id", PUBLISH)
    if not repeatable and any(name == other for other, _ in earlier):
        raise WireError(f"property {name} twice in {NAMES[kind]}")
    if name in NONZERO and value == 0:
        raise WireError(f"property {name} is 0 in {NAMES[kind]}")
    if PROPERTIES[name][1] == "byte" and value > 1:
        raise WireError(f"property {name} is {value} in {NAMES[kind]}")


def take_packet(buffer, version):
    """Cut one packet from the front of a bytearray; None while it is incomplete."""
    length = shift = 0
    at = 1
    while True:
        if at >= len(buffer):
            return None
        length |= (buffer[at] & 0x7F) << shift
        shift += 7
        at += 1
        if buffer[at - 1] < 0x80:
            if at > 2 and buffer[at - 1] == 0:
                raise WireError("remaining length not minimal")
            break
        if shift > 21:
            raise WireError("remaining length of more than four bytes")
    if len(buffer) < at + length:
        return None
    first, body = buffer[0], bytes(buffer[at:at + length])
    del buffer[:at + length]
    return parse(version, first, body)


def parse(version, first, body):
    """A packet from the server, parsed strictly."""
    result = Packet(first >> 4, first & 15)
    handler = _PARSERS.get(result.kind)
    if handler is None:
        raise WireError(f"server sent {NAMES[result.kind]}")
    if result.kind != PUBLISH and result.flags != (2 if result.kind == PUBREL else 0):
        raise WireError(f"{NAMES[result.kind]} with flags {result.flags}")
    reader = Reader(body)
    try:
        handler(result, reader, version)
    except UnicodeDecodeError:
        raise WireError(f"ill-formed UTF-8 in {NAMES[result.kind]}") from None
    if reader.left():
        raise WireError(f"{reader.left()} bytes after the end of {NAMES[result.kind]}")
    return result


def _check_code(result, code, version):
    legal = SERVER_CODES[result.kind]
    if version < 5:
        legal = {CONNACK: set(range(6)), SUBACK: {0, 1, 2} | ({0x80} if version == 4 else set())}[result.kind]
    if code not in legal:
        raise WireError(f"{NAMES[result.kind]} with code 0x{code:02x}")


def _parse_connack(result, reader, version):
    flags = reader.byte()
    result.session_present = flags & 1
    result.code = reader.byte()
    if version >= 4 and (flags > 1 or (flags and result.code)):
        raise WireError(f"CONNACK flags {flags} with code 0x{result.code:02x}")
    # a refused level may be answered in the layout of another version
    if version == 5 and (reader.left() or result.code == 0):
        result.props = reader.properties(CONNACK)
    if not (version == 5 and 0 < result.code < 6 and not result.props):
        _check_code(result, result.code, 5 if result.code >= 0x80 else version)


def _parse_publish(result, reader, version):
    result.dup, result.qos, result.retain = result.flags >> 3, result.flags >> 1 & 3, result.flags & 1
    result.topic = reader.utf8()
    result.pid = reader.two() if result.qos else None
    if version == 5:
        result.props = reader.properties(PUBLISH)
    result.payload = reader.take(reader.left())
    if result.qos == 3 or (result.qos == 0 and result.dup) or result.pid == 0:
        raise WireError(f"illegal {result}")
    if "+" in result.topic or "#" in result.topic:
        raise WireError(f"wildcard in the topic of {result}")


def _parse_ack(result, reader, version):
    result.pid = reader.two()
    result.code = reader.byte() if version == 5 and reader.left() else 0
    if version == 5 and reader.left():
        result.props = reader.properties(result.kind)
    _check_code(result, result.code, 5)


def _parse_suback(result, reader, version):
    result.pid = reader.two()
    if version == 5:
        result.props = reader.properties(result.kind)
    result.codes = list(reader.take(reader.left()))
    if version < 5 and result.kind == UNSUBACK and result.codes:
        raise WireError("UNSUBACK with a payload")
    for code in result.codes:
        _check_code(result, code, version)


def _parse_pingresp(_result, _reader, _version):
    """PINGRESP has no body."""


def _parse_disconnect(result, reader, version):
    if version < 5:
        raise WireError("server sent DISCONNECT")
    result.code = reader.byte() if reader.left() else 0
    if reader.left():
        result.props = reader.properties(DISCONNECT)
    if result.prop("session_expiry") is not None:
        raise WireError("session expiry in a DISCONNECT from the server")
    _check_code(result, result.code, 5)


_PARSERS = {CONNACK: _parse_connack, PUBLISH: _parse_publish, PUBACK: _parse_ack,
            PUBREC: _parse_ack, PUBREL: _parse_ack, PUBCOMP: _parse_ack, SUBACK: _parse_suback,
            UNSUBACK: _parse_suback, PINGRESP: _parse_pingresp, DISCONNECT: _parse_disconnect}
