"""What is asked of the packets that one side has sent after a step."""

import wire

ENDS = [("closed",), ("waits",)]


def filters(difference):
    """Every filter that was subscribed to until now, with its options: connection, filter, options."""
    for at, draft in difference.before():
        raw = draft.bytes()
        if raw[0] >> 4 == wire.SUBSCRIBE:
            for name, options in subscriptions(raw, difference.script.version):
                yield at, name.removeprefix("$share/g/"), options


def subscriptions(raw, version):
    """The filters and options of a SUBSCRIBE, as far as they can be read."""
    found = []
    try:
        body = wire.Reader(raw[1:])
        body = wire.Reader(body.take(body.varint()))
        body.two()
        if version == 5:
            body.take(body.varint())
        while body.left():
            found.append((body.utf8(), body.byte()))
    except (wire.WireError, UnicodeDecodeError):
        pass
    return found


def matches(topic, difference):
    """How many filters match a topic."""
    names = topic.split("/")
    count = 0
    for _, name, _ in filters(difference):
        levels_ = name.split("/")
        is_open = levels_[-1] == "#"
        levels_ = levels_[:-1] if is_open else levels_
        fits = len(names) >= len(levels_) if is_open else len(names) == len(levels_)
        count += fits and all(level in ("+", word) for level, word in zip(levels_, names))
    return count


def is_closed(packets):
    return ("closed",) in packets


def messages(packets):
    return [packet for packet in packets if packet[0] == "PUBLISH"]


def without_messages(packets):
    return tuple(packet for packet in packets if packet[0] != "PUBLISH")


def with_codes(packets, kinds, code):
    """Packets with a code of some kinds taken for 0x00."""
    return tuple((packet[0], packet[1], "0x00") if packet[0] in kinds and packet[2] == code else packet
                 for packet in packets)


def last_code(packets):
    """The code of a last word, None without one."""
    return next((packet[-1] for packet in packets if packet[0] == "DISCONNECT" or packet[0] == "CONNACK" and packet[2] != "0x00"),
                None)


def without_last_words(packets):
    return tuple(packet for packet in packets if packet[0] not in ("DISCONNECT", "broken")
                 and not (packet[0] == "CONNACK" and packet[2] != "0x00"))
