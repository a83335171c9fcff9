"""What explains a difference behind which two brokers are in different states. A script ends there."""

import wellformed
import wire
from sides import filters, is_closed, messages, without_messages

PARTS = []


def parts(name):
    """Register a function that tells whether it explains a difference."""
    def register(function):
        PARTS.append((name, function))
        return function
    return register


@parts("strict: only we close for")
def strict(difference):
    ours, theirs = difference.ours + difference.sender_ours, difference.theirs + difference.sender_theirs
    if is_closed(ours) and (not is_closed(theirs) or messages(difference.ours) != messages(difference.theirs)):
        return wellformed.fault(difference.sent() + wire.pingreq(), difference.version())
    return None


@parts("flows: only we close for an acknowledgement of another flow")
def another_flow(difference):
    draft = difference.step.draft
    return is_closed(difference.sender_ours) and not is_closed(difference.sender_theirs) \
        and (draft is None or draft.bytes()[0] >> 4 in (wire.PUBACK, wire.PUBREC, wire.PUBCOMP))


@parts("reserved: only we refuse topics of the broker")
def reserved_topics(difference):
    return any(name in difference.sent() for name in (b"$SYS/", b"$share/")) and (
        is_closed(difference.ours) or any(packet[-1] == "0x87" for packet in difference.ours))


@parts("share: they send retained messages to shared subscriptions")
def retained_to_shared(difference):
    ours, theirs = messages(difference.ours), messages(difference.theirs)
    return b"$share/" in difference.sent() and all(packet in theirs for packet in ours) \
        and difference.step.label().startswith("SUBSCRIBE")


@parts("controls: only they close for control characters")
def controls(difference):
    return is_closed(difference.sender_theirs) and not is_closed(difference.sender_ours) \
        and wellformed.has_controls(difference.sent())


@parts("second: what becomes of session and will at a second CONNECT")
def second_connect(difference):
    left = {}
    for step in difference.script.steps[:difference.at + 1]:
        if step.action == "open":
            left[step.at] = 1
        elif step.draft and step.draft.bytes()[0] >> 4 == wire.CONNECT:
            left[step.at] = left.get(step.at, 0) - 1
        if left.get(step.at, 0) < 0:
            return True
    return False


@parts("halves: they keep the first filters of a wrong SUBSCRIBE or UNSUBSCRIBE")
def halves(difference):
    return any(draft.kind in (wire.SUBSCRIBE, wire.UNSUBSCRIBE) and draft.mutation
               and wellformed.fault(draft.bytes(), difference.script.version) for _, draft in difference.before())


@parts("resubscription: they keep the first options of a subscription")
def resubscription(difference):
    seen = {}
    for at, name, options in filters(difference):
        if seen.setdefault((at, name), options) & 0x0C != options & 0x0C:
            return difference.script.version == 5
    return False


@parts("no local: they send a client its own retained messages")
def no_local_retained(difference):
    ours, theirs = ({packet[1:3] for packet in messages(side)} for side in (difference.ours, difference.theirs))
    return difference.step.label().startswith("SUBSCRIBE") and ours < theirs \
        and any(options & 4 for _, _, options in filters(difference))


@parts("will: only we send it after a DISCONNECT with an error, or a wrong one")
def will_after_error(difference):
    theirs = messages(difference.theirs)
    left = any(draft.bytes()[0] == 0xE0 and len(draft.bytes()) > 2 and draft.bytes()[2] >= 0x80
               for _, draft in difference.before()) or difference.sent()[:1] == b"\xe0"
    return left and any(packet[2] == b"will" and packet not in theirs for packet in messages(difference.ours))


@parts("expiry: only we forward an interval of 0")
def expiry_of_nothing(difference):
    return b"\x02\0\0\0\0" in b"".join(draft.bytes() for _, draft in difference.before() if draft.kind == wire.PUBLISH)


@parts("dup: they set DUP for a message that was never sent before")
def dup_of_new(difference):
    plain = [packet[:5] + packet[6:] if packet[0] == "PUBLISH" else packet for packet in difference.ours_leveled]
    return plain == [packet[:5] + packet[6:] if packet[0] == "PUBLISH" else packet for packet in difference.theirs_leveled]


@parts("away: they queue QoS 0 for a client that is away")
def queued_for_the_absent(difference):
    ours, theirs = messages(difference.ours), messages(difference.theirs)
    extra = [packet for packet in theirs if packet not in ours]
    return any(packet[0] == "CONNACK" for packet in difference.ours) and bool(extra) \
        and all(packet in theirs for packet in ours) and all(packet[3] == 0 for packet in extra)


@parts("early: they close at a length that cannot be right, we when the packet is there")
def early(difference):
    return difference.sender_ours == (("waits",),) and is_closed(difference.sender_theirs) \
        and len(difference.sent()) > 1 and difference.sent()[0] >> 4 in (wire.PINGREQ, wire.DISCONNECT)


@parts("authentication: only we refuse a method that is not there")
def authentication(difference):
    return ("CONNACK", 0, "0x8c") in difference.ours


@parts("91: only we refuse a packet identifier that is in use")
def identifier_in_use(difference):
    return any(packet[0] in ("PUBACK", "PUBREC", "SUBACK", "UNSUBACK") and "0x91" in packet[2] for packet in difference.ours)


@parts("release: we deliver QoS 2 at PUBLISH, they at PUBREL")
def release(difference):
    ours, theirs = messages(difference.ours_leveled), messages(difference.theirs_leveled)
    if without_messages(difference.ours_leveled) != without_messages(difference.theirs_leveled):
        return False
    different = [packet for packet in ours if packet not in theirs] + [packet for packet in theirs if packet not in ours]
    twice = [draft.bytes() for _, draft in difference.before() if draft.bytes()[0] & 0xF6 == 0x34]
    return bool(different) and all(any(packet[1].encode() in raw for raw in twice) for packet in different)
