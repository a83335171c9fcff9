"""Framing: reserved flags and types, lengths, packets out of turn, ping, DISCONNECT and AUTH."""

import wire
from client import PROTOCOL_ERRORS, Closed, require, require_equal
from harness import ALL, MODERN, check
from wire import (CONNACK, CONNECT, DISCONNECT, PINGREQ, PINGRESP, PUBACK, PUBCOMP, PUBREC,
                  PUBREL, SUBACK, SUBSCRIBE, UNSUBACK, UNSUBSCRIBE)


def sample(kind, version, topic="a/b"):
    """A packet of a kind with a plausible body."""
    if kind in wire.ACKS:
        return wire.ack(kind, 1)
    makers = {
        wire.PUBLISH: lambda: wire.publish(version, topic, b"x"),
        SUBSCRIBE: lambda: wire.subscribe(version, 1, [(topic, 0)]),
        UNSUBSCRIBE: lambda: wire.unsubscribe(version, 1, [topic]),
        CONNACK: lambda: wire.packet(CONNACK, 0, b"\0\0" + b"\0" * (version == 5)),
        SUBACK: lambda: wire.packet(SUBACK, 0, b"\0\1" + b"\0" * (version == 5) + b"\0"),
        UNSUBACK: lambda: wire.packet(UNSUBACK, 0, b"\0\1" + b"\0\0" * (version == 5)),
    }
    return makers.get(kind, lambda: wire.packet(kind, 0))()


def with_flags(raw, flags):
    return bytes([raw[0] & 0xF0 | flags]) + raw[1:]


@check("MQTT-3.1.0-1", MODERN,
       v4="MQTT-3.1.0-1", cases={wire.NAMES[kind]: kind for kind in range(16) if kind != CONNECT})
def first_packet_must_be_connect(t, kind):
    client = t.raw()
    client.send(sample(kind, t.version))
    try:
        packet = client.recv()
    except Closed:
        return
    require(packet and packet.kind == CONNACK and packet.code, "connection closed", packet or "nothing")
    client.expect_closed()


@check("MQTT-4.13.1-1 MQTT-3.14.4-2", MODERN,
       v4="MQTT-4.8.0-1", cases={wire.NAMES[kind]: kind for kind in (CONNACK, SUBACK, UNSUBACK, PINGRESP, 0)})
def packet_only_a_server_may_send(t, kind):
    client = t.client()
    client.send(sample(kind, t.version))
    client.expect_closed(PROTOCOL_ERRORS)


@check("MQTT-2.2.1", (4,))
def reserved_type_15_in_311(t):
    client = t.client()
    client.send(wire.packet(15, 0))
    client.expect_closed()


def _flag_cases():
    wrong = {PUBACK: (1, 2, 8), PUBREC: (2, 15), PUBREL: (0, 1, 3, 10), PUBCOMP: (2, 4), SUBSCRIBE: (0, 1, 3, 10),
             UNSUBSCRIBE: (0, 3, 10), PINGREQ: (1, 2, 8), DISCONNECT: (1, 2)}
    return {f"{wire.NAMES[kind]} {flags}": (kind, flags) for kind, many in wrong.items() for flags in many}


@check("MQTT-2.1.3-1 MQTT-3.6.1-1 MQTT-3.8.1-1 MQTT-3.10.1-1", MODERN,
       v4="MQTT-2.2.2-1 MQTT-2.2.2-2 MQTT-3.6.1-1 MQTT-3.8.1-1 MQTT-3.10.1-1", cases=_flag_cases())
def reserved_header_flags(t, case):
    client = t.client()
    client.send(with_flags(sample(case[0], t.version, t.topic()), case[1]))
    client.expect_closed(PROTOCOL_ERRORS)


@check("MQTT-2.1.3-1", MODERN, v4="MQTT-2.2.2-1 MQTT-2.2.2-2", cases=[1, 2, 15])
def reserved_header_flags_of_connect(t, flags):
    t.refused(with_flags(wire.connect(t.version, t.cid()), flags))


@check("MQTT-4.12.0-7", cases=[0, 1])
def auth_without_method(t, flags):
    client = t.client()
    client.send(with_flags(wire.auth(), flags))
    client.expect_closed(PROTOCOL_ERRORS | {0x8C})


@check("MQTT-4.12.0-7")
def auth_with_method_after_plain_connect(t):
    client = t.client()
    client.send(wire.auth(0x19, [("auth_method", "NO-SUCH-METHOD")]))
    client.expect_closed(PROTOCOL_ERRORS | {0x8C})


@check("MQTT-1.5.5", ALL, cases={"before connect": False, "after connect": True})
def remaining_length_of_five_bytes(t, connected):
    client = t.client() if connected else t.raw()
    client.send((b"\x30" if connected else b"\x10") + b"\xff\xff\xff\xff\x01")
    client.expect_closed(PROTOCOL_ERRORS | {0x95})


@check("MQTT-1.5.5-1", MODERN)
def remaining_length_not_minimal(t):
    client = t.client()
    client.send(b"\xc0\x80\x00")
    try:
        packet = client.recv()
    except Closed:
        return
    require(packet and packet.kind in (PINGRESP, DISCONNECT), "an answer or a close", packet)


@check("MQTT-4.13.1-1", MODERN)
def huge_announced_length_harms_nobody(t):
    client = t.client()
    client.send(b"\x30\xff\xff\xff\x7f\x00\x01a")
    t.alive()


@check("MQTT-4.13.1-1", MODERN, v4="MQTT-4.8.0-1", cases={
    "PUBLISH without topic": b"\x30\x00", "PUBLISH topic cut": b"\x30\x03\x00\x05a",
    "PUBLISH qos 1 without id": b"\x32\x03\x00\x01a", "PUBACK empty": b"\x40\x00", "PUBACK one byte": b"\x40\x01\x00",
    "PUBREC empty": b"\x50\x00", "PUBREL one byte": b"\x62\x01\x00", "PUBCOMP empty": b"\x70\x00",
    "SUBSCRIBE empty": b"\x82\x00", "SUBSCRIBE one byte": b"\x82\x01\x00", "UNSUBSCRIBE empty": b"\xa2\x00",
    "PINGREQ with body": b"\xc0\x01\x00"})
def malformed_body(t, raw):
    client = t.client()
    client.send(raw)
    client.expect_closed(PROTOCOL_ERRORS)


@check("MQTT-4.13.1-1", MODERN, cases=["SUBSCRIBE", "UNSUBSCRIBE"])
def filter_longer_than_the_packet(t, name):
    kind = wire.NAMES.index(name)
    raw = sample(kind, t.version, "abcdef")
    client = t.client()
    client.send(wire.packet(kind, 2, raw[2:-3]))
    client.expect_closed(PROTOCOL_ERRORS | {0x8F})


@check("MQTT-4.13.1-1", MODERN)
def subscribe_without_options_byte(t):
    client = t.client()
    client.send(wire.packet(SUBSCRIBE, 2, wire.subscribe(t.version, 1, [(t.topic(), 0)])[2:-1]))
    client.expect_closed(PROTOCOL_ERRORS)


@check("MQTT-4.8.0-1", (4,))
def bytes_after_the_id_of_puback_311(t):
    client = t.client()
    client.send(wire.packet(PUBACK, 0, b"\0\1\0\0"))
    client.expect_closed()


@check("MQTT-3.12.4-1", ALL, v4="MQTT-3.12.4-1")
def pingreq_gets_pingresp(t):
    client = t.client()
    for _ in range(5):
        client.ping()


@check("MQTT-3.12.4-1", ALL, v4="MQTT-3.12.4-1")
def many_pings_in_one_write(t):
    client = t.client()
    client.send(wire.pingreq() * 50)
    for _ in range(50):
        client.expect(PINGRESP)


@check("MQTT-3.14.4-1", ALL)
def server_closes_after_disconnect(t):
    client = t.client()
    client.send(wire.disconnect())
    try:
        require(client.recv() is None, "no packet after DISCONNECT", "a packet")
    except Closed:
        return
    require(False, "connection closed", "still open")


@check("MQTT-3.14.4-1", ALL)
def packets_after_disconnect_are_ignored(t):
    watcher, client = t.client(), t.client()
    watcher.subscribe(t.topic())
    client.send(wire.disconnect() + wire.publish(t.version, t.topic(), b"late"))
    watcher.expect_quiet()


@check("MQTT-3.14.2-1", cases=[0x01, 0x7F, 0xFF])
def undefined_disconnect_code_closes(t, code):
    client = t.client()
    client.send(wire.disconnect(code))
    client.expect_closed(PROTOCOL_ERRORS)


@check("MQTT-3.14.2-1 MQTT-4.13.2-1",
       cases=[0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99])
def legal_disconnect_code_closes(t, code):
    client = t.client()
    client.send(wire.disconnect(code, [("reason_string", "why"), ("user_property", ("a", "b"))]))
    client.expect_closed(set())


@check("MQTT-3.14.2.2.2")
def disconnect_cannot_create_a_session(t):
    watcher = t.client()
    watcher.subscribe(t.topic("w"))
    client = t.client(t.cid(1), will=(t.topic("w"), b"gone", 0, False, ()))
    client.send(wire.disconnect(0, [("session_expiry", 60)]))
    client.expect_closed(PROTOCOL_ERRORS)
    watcher.expect_publish(t.topic("w"), b"gone")
    require_equal(t.durable(1).connack.session_present, 0, "session present")


@check("MQTT-3.14.1-1", MODERN, v4="MQTT-3.14.1-1")
def disconnect_with_flags_fires_the_will(t):
    watcher = t.client()
    watcher.subscribe(t.topic("w"))
    client = t.client(will=(t.topic("w"), b"gone", 0, False, ()))
    client.send(with_flags(wire.disconnect(), 1))
    client.expect_closed(PROTOCOL_ERRORS)
    watcher.expect_publish(t.topic("w"), b"gone")


@check("MQTT-4.13.1-1", ALL)
def other_clients_outlive_a_protocol_error(t):
    bystander, client = t.client(), t.client()
    client.send(b"\xf0\x00\x00\x00")
    client.expect_closed()
    bystander.ping()


@check("MQTT-3.1.0-1", MODERN,
       v4="MQTT-3.1.0-1", cases={"http": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" + b" " * 200, "zeros": b"\0" * 64,
                                      "ones": b"\xff" * 64, "tls": b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1"})
def garbage_instead_of_connect(t, raw):
    t.refused(raw)


@check("MQTT-4.13.2-1")
def last_word_reaches_a_client_that_goes_on_sending(t):
    client, clock = t.client(), t.client()
    client.send(wire.packet(wire.PUBREL, 0, b"\0\1"))
    for _ in range(50):
        clock.ping()
        client.send(wire.pingreq())
    client.expect_closed({0x81})
    require(not client.inbox, "nothing but DISCONNECT", client.inbox)
