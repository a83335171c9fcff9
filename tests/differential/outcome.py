"""What a broker sent, freed of what may differ: packet identifiers of its own, aliases, words, announcements."""

import wire

PONG = ("PINGRESP",)
ANSWERS = {wire.PUBREC: wire.PUBREL, wire.PUBREL: wire.PUBCOMP}


def version_of(raw, otherwise):
    """The version that a CONNECT names, as far as it can be read."""
    for name, level in ((b"MQIsdp", 3), (b"MQTT", 4), (b"MQTT", 5)):
        if raw[2:].find(wire.data(name) + bytes([level])) in (0, 1, 2, 3):
            return level
    return otherwise


def cut(buffer, line):
    """The first packet of the buffer as a tuple, None while it is incomplete."""
    before = len(buffer)
    try:
        packet = wire.take_packet(buffer, line.version)
    except wire.WireError as error:
        if len(buffer) == before:  # not even its length can be read
            buffer.clear()
        return ("broken", str(error))
    return None if packet is None else plain(packet, line)


def plain(packet, line):
    name = wire.NAMES[packet.kind]
    if packet.kind == wire.CONNACK:
        line.accepted = packet.code == 0
        return (name, packet.session_present, f"0x{packet.code:02x}")
    if packet.kind == wire.PUBLISH:
        return message(packet, line)
    if packet.kind in wire.ACKS:
        line.unanswered += [(ANSWERS[packet.kind], packet.pid)] if packet.kind == wire.PUBREL else []
        if packet.kind == wire.PUBREC:
            return (name, packet.pid, f"0x{packet.code:02x}")
        return (name, packet.pid if packet.kind != wire.PUBREL else 0, f"0x{packet.code:02x}")
    if packet.kind in (wire.SUBACK, wire.UNSUBACK):
        return (name, packet.pid, " ".join(f"0x{code:02x}" for code in packet.codes))
    if packet.kind == wire.DISCONNECT:
        return (name, f"0x{packet.code:02x}")
    return (name,)


def message(packet, line):
    alias = packet.prop("topic_alias")
    topic = packet.topic or line.aliases.get(alias, "")
    if alias is not None:
        line.aliases[alias] = topic
    if packet.qos:
        line.unanswered.append((wire.PUBACK if packet.qos == 1 else wire.PUBREC, packet.pid))
    props = [(name, value) for name, value in packet.props if name not in ("topic_alias", "message_expiry")]
    props += [(name, "") for name, _ in packet.props if name == "message_expiry"]
    return ("PUBLISH", topic, packet.payload, packet.qos, packet.retain, packet.dup, tuple(sorted(map(repr, props))))


def own(packets, prefix):
    """Without messages of other scripts."""
    return [packet for packet in packets if packet[0] != "PUBLISH" or prefix in packet[1]]


def ordered(packets):
    """Messages in their order, and answers in theirs; how the two mix is nobody's business."""
    ends = [packet for packet in packets if packet[0] in ("DISCONNECT", "closed", "waits")]
    messages = [packet for packet in packets if packet[0] == "PUBLISH"]
    answers = [packet for packet in packets if packet not in ends and packet not in messages]
    return tuple(answers + messages + ends)


def words(packets):
    """What came, in a form that many scripts share."""
    told = [_words(packet) for packet in packets]
    return ", ".join(sorted(set(told), key=told.index)) or "nothing"


def _words(packet):
    if packet[0] == "PUBLISH":
        _, _, _, qos, retain, dup, props = packet
        return f"PUBLISH q{qos}{'r' if retain else ''}{'d' if dup else ''}"
    if packet[0] in ("CONNACK", "PUBACK", "PUBREC", "PUBREL", "PUBCOMP", "SUBACK", "UNSUBACK"):
        return f"{packet[0]} {packet[2]}" + (" present" if packet[0] == "CONNACK" and packet[1] else "")
    return " ".join(map(str, packet))
