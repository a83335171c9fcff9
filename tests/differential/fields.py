"""Control packets as lists of typed fields, so that a mutation can aim at one of them."""

import wire

SIZES = {"u8": 1, "u16": 2}


class Draft:
    """A control packet before it becomes bytes; `length` and `tail` let its frame lie."""

    def __init__(self, kind, flags, fields):
        self.kind = kind
        self.flags = flags
        self.fields = fields
        self.raw = None
        self.label = wire.NAMES[kind]
        self.mutation = ""

    def body(self):
        return b"".join(encode(kind, value) for kind, value in self.fields)

    def bytes(self):
        return wire.packet(self.kind, self.flags, self.body()) if self.raw is None else self.raw

    def mutated(self, how):
        self.mutation = how
        return self


def encode(kind, value):
    """One field as bytes."""
    if kind in SIZES:
        return value.to_bytes(SIZES[kind], "big")
    if kind == "text":
        return wire.data(value)
    if kind == "props":
        return wire.properties(b"".join(part if isinstance(part, bytes) else prop(*part) for part in value))
    return value


def prop(name, value):
    """One short property as bytes, without the one byte of the block's length."""
    return wire.properties([(name, value)])[1:]


def _props(version, props):
    return [("props", list(props))] if version == 5 else []


def connect(version, client_id, clean, keepalive, will=None, props=(), username=None, password=None):
    """CONNECT; `will` is (topic, payload, qos, retain, props)."""
    bits = 2 if clean else 0
    payload = [("text", client_id)]
    if will is not None:
        topic, message, qos, retain, will_props = will
        bits |= 4 | qos << 3 | (32 if retain else 0)
        payload += _props(version, will_props) + [("text", topic), ("text", message)]
    if username is not None:
        bits |= 128
        payload.append(("text", username))
    if password is not None:
        bits |= 64
        payload.append(("text", password))
    head = [("text", "MQIsdp" if version == 3 else "MQTT"), ("u8", version), ("u8", bits), ("u16", keepalive)]
    return Draft(wire.CONNECT, 0, head + _props(version, props) + payload)


def publish(version, topic, payload, qos, pid, retain, dup=False, props=()):
    """PUBLISH; `pid` counts for QoS 1 and 2."""
    fields = [("text", topic)] + ([("u16", pid)] if qos else []) + _props(version, props) + [("raw", payload)]
    return Draft(wire.PUBLISH, (8 if dup else 0) | qos << 1 | (1 if retain else 0), fields)


def ack(version, kind, pid, code=None, props=None):
    """PUBACK, PUBREC, PUBREL or PUBCOMP."""
    fields = [("u16", pid)]
    if version == 5 and code is not None:
        fields.append(("u8", code))
        if props is not None:
            fields.append(("props", list(props)))
    return Draft(kind, 2 if kind == wire.PUBREL else 0, fields)


def subscribe(version, pid, filters, props=()):
    """SUBSCRIBE to (filter, options) pairs."""
    pairs = [field for name, options in filters for field in (("text", name), ("u8", options))]
    return Draft(wire.SUBSCRIBE, 2, [("u16", pid)] + _props(version, props) + pairs)


def unsubscribe(version, pid, filters, props=()):
    """UNSUBSCRIBE from filters."""
    return Draft(wire.UNSUBSCRIBE, 2, [("u16", pid)] + _props(version, props) + [("text", name) for name in filters])


def disconnect(version, code=None, props=None):
    """DISCONNECT; a code and properties only in MQTT 5."""
    fields = []
    if version == 5 and code is not None:
        fields.append(("u8", code))
        if props is not None:
            fields.append(("props", list(props)))
    return Draft(wire.DISCONNECT, 0, fields)


def bare(kind, flags=0, body=b""):
    """Any packet, such as one that only a server sends."""
    return Draft(kind, flags, [("raw", body)] if body else [])
