"""Where two brokers may differ without doing anything else: what makes both sides alike. A script goes on behind it."""

import wire
from sides import ENDS, is_closed, last_code, matches, messages, with_codes, without_last_words, without_messages

LEVELS = []
CODES_ALIKE = {("0x81", "0x82"), ("0x82", "0x81"), ("0x90", "0x81"), ("0x90", "0x82"), ("0x8f", "0x81"), ("0x8f", "0x82"),
               ("0x81", "0x85"), ("0x94", "0x81"), ("0x94", "0x82"), ("0x01", "0x84"), ("0x01", "0x02"), ("0x84", "0x01")}


def levels(name):
    """Register a function that takes a packet to what it has in common with its counterpart."""
    def register(function):
        LEVELS.append((name, function))
        return function
    return register


@levels("10: nobody matches")
def no_matching_subscribers(packets, _difference):
    return with_codes(packets, ("PUBACK", "PUBREC"), "0x10")


@levels("92: unknown packet identifier")
def unknown_packet_identifier(packets, _difference):
    return with_codes(packets, ("PUBREL", "PUBCOMP"), "0x92")


@levels("11: nothing to unsubscribe from")
def no_subscription_existed(packets, _difference):
    return tuple((*packet[:2], packet[2].replace("0x11", "0x00")) if packet[0] == "UNSUBACK" else packet for packet in packets)


@levels("copies: one message for overlapping subscriptions")
def overlapping(packets, _difference):
    merged = {}
    for packet in messages(packets):
        _, topic, payload, qos, retain, dup, props = packet
        old = merged.get((topic, payload), packet)
        merged[topic, payload] = ("PUBLISH", topic, payload, max(qos, old[3]), max(retain, old[4]), max(dup, old[5]),
                                  tuple(sorted({*props, *old[6]})))
    answers = [packet for packet in without_messages(packets) if packet not in ENDS]
    return tuple(dict.fromkeys(answers)) + tuple(merged.values()) + tuple(end for end in packets if end in ENDS)


@levels("copies: the highest QoS of overlapping subscriptions")
def highest_qos(packets, difference):
    topics = {packet[1] for packet in messages(difference.ours) if matches(packet[1], difference) > 1}
    return tuple(packet[:3] if packet[0] == "PUBLISH" and packet[1] in topics else packet for packet in packets)


@levels("retained: in another order")
def retained_order(packets, difference):
    if difference.step.draft is None or difference.step.draft.kind != wire.SUBSCRIBE:
        return packets
    return tuple(sorted(packets, key=repr))


@levels("words: one says why it closes")
def last_words(packets, difference):
    said = [last_code(side) for side in (difference.ours, difference.theirs)]
    return without_last_words(packets) if is_closed(packets) and None in said else packets


@levels("codes: both close, with another code")
def another_code(packets, difference):
    pair = last_code(difference.ours), last_code(difference.theirs)
    return without_last_words(packets) if is_closed(packets) and pair in CODES_ALIKE else packets


@levels("words: what is still answered before the close")
def last_answers(packets, difference):
    both = is_closed(difference.ours) and is_closed(difference.theirs)
    return tuple(packet for packet in packets if packet in ENDS or packet[0] in ("DISCONNECT", "CONNACK")) if both else packets
