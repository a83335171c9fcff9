"""What is wrong with the packets of a client, read anew and strictly: a second opinion on who is right."""

import wire

CODES = {
    wire.PUBACK: {0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99},
    wire.PUBREC: {0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99},
    wire.PUBREL: {0x00, 0x92},
    wire.PUBCOMP: {0x00, 0x92},
    wire.DISCONNECT: {0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8B, 0x8D, 0x8E, 0x8F, 0x90, *range(0x93, 0xA3)},
}
CONNECT_MAX = 384 * 1024


class Fault(Exception):
    """A rule of the standard that a packet breaks."""


def need(holds, rule):
    if not holds:
        raise Fault(rule)


def fault(raw, version):
    """The rule that the first wrong packet breaks, None if all whole packets are well-formed."""
    try:
        while raw:
            size, at = frame(raw)
            if size is None or len(raw) < at + size:
                return None
            packet(raw[0], wire.Reader(raw[at:at + size]), version)
            raw = raw[at + size:]
    except Fault as error:
        return str(error)
    except (wire.WireError, UnicodeDecodeError) as error:
        return "well-formed strings" if isinstance(error, UnicodeDecodeError) or "U+0000" in str(error) else "lengths"
    return None


def frame(raw):
    """Remaining length and size of the fixed header; None where it is incomplete."""
    flags(raw[0])
    size = 0
    for at in range(1, 5):
        if at >= len(raw):
            return None, at
        size |= (raw[at] & 0x7F) << 7 * (at - 1)
        if raw[at] < 0x80:
            need(at == 1 or raw[at], "minimal lengths")
            need(raw[0] >> 4 != wire.CONNECT or size <= CONNECT_MAX, "a CONNECT of at most 384 KiB")
            return size, at + 1
    raise Fault("lengths of at most four bytes")


def flags(first):
    kind, low = first >> 4, first & 15
    need(kind != 0, "packet types")
    need(kind not in (wire.CONNACK, wire.SUBACK, wire.UNSUBACK, wire.PINGRESP), "packets of servers")
    if kind == wire.PUBLISH:
        need(low >> 1 & 3 != 3, "QoS")
        need(not low & 8 or low >> 1 & 3, "DUP of QoS 0")
    else:
        need(low == (2 if kind in (wire.PUBREL, wire.SUBSCRIBE, wire.UNSUBSCRIBE) else 0), "reserved flags")


def packet(first, body, version):
    kind = first >> 4
    if kind == wire.CONNECT:
        connect(body)
    elif kind == wire.PUBLISH:
        publish(body, first >> 1 & 3, version)
    elif kind in wire.ACKS:
        need(body.two(), "packet identifiers above 0")
        reason(kind, body, version)
    elif kind == wire.SUBSCRIBE:
        subscribe(body, version)
    elif kind == wire.UNSUBSCRIBE:
        need(body.two(), "packet identifiers above 0")
        properties(body, kind, version)
        need(body.left(), "at least one filter")
        while body.left():
            topic_filter(body.utf8())
    elif kind == wire.DISCONNECT:
        reason(kind, body, version)
    elif kind == wire.AUTH:
        raise Fault("AUTH only where a method was agreed on")
    need(not body.left(), "nothing behind the end of a packet")


def properties(body, kind, version):
    if version != 5:
        return {}
    try:
        found = body.properties(kind)
    except wire.WireError as error:
        raise Fault("properties" if str(error).startswith("property") else "lengths") from None
    found = dict(found)
    response = found.get("response_topic")
    need(response is None or response and not set("+#") & set(response), "response topics")
    need("auth_data" not in found or "auth_method" in found, "properties")
    return found


def reason(kind, body, version):
    if version == 5 and body.left():
        need(body.byte() in CODES[kind], "reason codes")
        if body.left():
            found = properties(body, kind, version)
            need("server_reference" not in found, "server references only from servers")


def publish(body, qos, version):
    topic = body.utf8()
    need(not set("+#") & set(topic), "topics without wildcards")
    need(not qos or body.two(), "packet identifiers above 0")
    found = properties(body, wire.PUBLISH, version)
    need(topic or "topic_alias" in found, "topics of at least one character")
    need("subscription_id" not in found, "no subscription identifiers from clients")
    body.at = len(body.raw)


def subscribe(body, version):
    need(body.two(), "packet identifiers above 0")
    properties(body, wire.SUBSCRIBE, version)
    need(body.left(), "at least one filter")
    while body.left():
        name, options = body.utf8(), body.byte()
        need(options & 3 != 3 and not options & (0xC0 if version == 5 else 0xFC) and options >> 4 & 3 != 3, "options")
        need(not (options & 4 and name.startswith("$share/")), "no No Local in shared subscriptions")
        topic_filter(name)


def topic_filter(name):
    parts = name.split("/")
    if parts[0] == "$share":
        need(len(parts) > 2 and parts[1] and not set("+#") & set(parts[1]), "share names")
        parts = parts[2:]
        need(parts != [""], "filters")
    need(name, "filters")
    for at, part in enumerate(parts):
        need(part in ("#", "+") or not set("+#") & set(part), "filters")
        need(part != "#" or at == len(parts) - 1, "filters")


def connect(body):
    name, level = body.utf8(), body.byte()
    need((name, level) in (("MQIsdp", 3), ("MQTT", 4), ("MQTT", 5)), "protocol names and levels")
    bits = body.byte()
    need(not bits & 1 or level == 3, "reserved flags")
    need(bits & 4 or not bits & 0x38, "will flags")
    need(bits >> 3 & 3 != 3, "QoS")
    need(level == 5 or bits & 0xC0 != 0x40, "no password without a user name")
    body.two()
    properties(body, wire.CONNECT, level)
    client_id = body.utf8()
    need(level != 3 or 1 <= len(client_id) <= 23, "client identifiers of 1 to 23 characters in MQTT 3.1")
    need(level != 4 or client_id or bits & 2, "no kept session without a client identifier")
    if bits & 4:
        properties(body, wire.WILL, level)
        topic = body.utf8()
        need(topic and not set("+#") & set(topic), "will topics")
        body.data()
    if bits & 128 and (level != 3 or body.left()):
        body.utf8()
    if bits & 64 and (level != 3 or body.left()):
        body.data()


def has_controls(raw):
    """Whether a string in these bytes may hold a character that the standard advises against."""
    text = raw.decode("utf-8", "ignore")
    return any(ord(char) < 0x20 or 0x7F <= ord(char) < 0xA0 or ord(char) & 0xFFFE == 0xFFFE or 0xFDD0 <= ord(char) <= 0xFDEF
               for char in text)
