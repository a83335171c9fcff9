"""Acknowledgements: codes, unknown identifiers, repeats; what the server says in words, and what it leaves out."""

import wire
from client import Closed, require, require_equal
from harness import ALL, MODERN, Skip, check
from wire import DISCONNECT, PUBACK, PUBCOMP, PUBREC, PUBREL, SUBACK, UNSUBACK

ANSWERS = {wire.NAMES[kind]: kind for kind in (*wire.ACKS, SUBACK, UNSUBACK)}


def inflight(t, qos, version=None):
    """A subscriber that has received one message it has not acknowledged yet."""
    watcher = t.durable(1, version)
    watcher.subscribe(t.topic(), qos)
    t.client().publish(t.topic(), b"x", qos)
    return watcher, watcher.expect_publish(t.topic(), b"x", ack=False, qos=qos)


def resume_without_redelivery(t, watcher):
    watcher.disconnect()
    again = t.durable(1)
    again.expect_quiet()
    require(not again.inbox, "nothing left of the flow", again.inbox)


@check("MQTT-4.3.3-11", MODERN)
def pubrel_for_unknown_id_gets_pubcomp(t):
    client = t.client()
    client.send(wire.ack(PUBREL, 4711))
    client.expect(PUBCOMP, pid=4711)


@check("MQTT-3.7.2-1")
def pubcomp_for_unknown_id_says_so(t):
    client = t.client()
    client.send(wire.ack(PUBREL, 4711))
    client.expect(PUBCOMP, pid=4711, code=0x92)


@check("MQTT-4.3.3-11", ALL, v4="MQTT-4.3.3-2")
def repeated_pubrel_gets_pubcomp_again(t):
    client = t.client()
    client.send(wire.publish(t.version, t.topic(), b"x", 2, 3))
    client.expect(PUBREC, pid=3)
    client.release(3)
    client.release(3)


@check("MQTT-4.3", MODERN, cases={wire.NAMES[kind]: kind for kind in (PUBACK, PUBCOMP)})
def acknowledgement_of_unknown_id_is_tolerated(t, kind):
    client = t.client()
    client.send(wire.ack(kind, 4711))
    client.ping()


@check("MQTT-4.3.3-4 MQTT-3.6.2-1", MODERN)
def pubrec_of_unknown_id_is_tolerated(t):
    client = t.client()
    client.send(wire.ack(PUBREC, 4711))
    client.ping()
    for packet in client.inbox:
        require(packet.kind == PUBREL and packet.pid == 4711, "at most PUBREL 4711", packet)


@check("MQTT-4.3.2-2", MODERN, cases={"PUBREC for QoS 1": (1, PUBREC), "PUBCOMP for QoS 1": (1, PUBCOMP),
                                      "PUBACK for QoS 2": (2, PUBACK), "PUBCOMP for QoS 2": (2, PUBCOMP)})
def wrong_acknowledgement_does_not_end_the_flow(t, case):
    qos, kind = case
    watcher, packet = inflight(t, qos)
    watcher.send(wire.ack(kind, packet.pid))
    try:
        watcher.recv(0.2)
    except Closed:
        pass
    t.durable(1).expect_publish(t.topic(), b"x", qos=qos, dup=1)


@check("MQTT-2.2.1-5", MODERN, cases={wire.NAMES[kind]: kind for kind in wire.ACKS})
def acknowledgement_of_id_0_harms_nobody(t, kind):
    client = t.client()
    client.send(wire.ack(kind, 0))
    try:
        client.recv(0.2)
    except Closed:
        pass
    t.alive()


@check("MQTT-4.3.2-3", ALL, v4="MQTT-4.3.2-1")
def puback_ends_the_flow(t):
    watcher, packet = inflight(t, 1)
    watcher.acknowledge(packet)
    resume_without_redelivery(t, watcher)


@check("MQTT-4.3.3-5", ALL, v4="MQTT-4.3.3-1")
def pubcomp_ends_the_flow(t):
    watcher, packet = inflight(t, 2)
    watcher.acknowledge(packet)
    resume_without_redelivery(t, watcher)


@check("MQTT-4.4.0-2", cases=[0x00, 0x10, 0x80, 0x83, 0x87, 0x97, 0x99])
def puback_code_ends_the_flow(t, code):
    watcher, packet = inflight(t, 1)
    watcher.send(wire.ack(PUBACK, packet.pid, code, [("reason_string", "why"), ("user_property", ("a", "b"))]))
    watcher.ping()
    resume_without_redelivery(t, watcher)


@check("MQTT-4.3.3-4 MQTT-4.4.0-2", cases=[0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99])
def pubrec_error_ends_the_flow(t, code):
    watcher, packet = inflight(t, 2)
    watcher.send(wire.ack(PUBREC, packet.pid, code))
    watcher.ping()
    require(not watcher.inbox, "no PUBREL", watcher.inbox)
    resume_without_redelivery(t, watcher)


@check("MQTT-2.2.1-5 MQTT-3.6.2-1 MQTT-4.3.3-4",
       cases={"0x00": (0, None), "0x10": (0x10, None), "with properties": (0, ())})
def pubrec_success_gets_pubrel(t, case):
    watcher, packet = inflight(t, 2)
    watcher.send(wire.ack(PUBREC, packet.pid, *case))
    watcher.expect(PUBREL, pid=packet.pid, code=0)
    watcher.send(wire.ack(PUBCOMP, packet.pid, 0, [("reason_string", "done")]))
    watcher.ping()
    resume_without_redelivery(t, watcher)


@check("MQTT-4.3.3-11 MQTT-3.7.2-1",
       cases={"bare": (None, None), "code": (0, None), "properties": (0, [("user_property", ("a", "b"))]),
                               "0x92": (0x92, None)})
def pubrel_forms(t, case):
    watcher, client = t.client(), t.client()
    watcher.subscribe(t.topic(), 2)
    client.send(wire.publish(5, t.topic(), b"x", 2, 3))
    client.expect(PUBREC, pid=3)
    client.send(wire.ack(PUBREL, 3, *case))
    client.expect(PUBCOMP, pid=3)
    if case[0] != 0x92:
        watcher.expect_publish(t.topic(), b"x")


@check("MQTT-3.4.2-1", cases={wire.NAMES[kind]: kind for kind in wire.ACKS})
def undefined_acknowledgement_code_harms_nobody(t, kind):
    client = t.client()
    client.send(wire.ack(kind, 1, 0x7E))
    try:
        client.recv(0.2)
    except Closed:
        pass
    t.alive()


@check("MQTT-4.4.0-1", MODERN)
def no_redelivery_while_connected(t):
    watcher, packet = inflight(t, 1)
    watcher.expect_quiet(1.0)
    watcher.acknowledge(packet)


@check("MQTT-4.3.2-3", ALL)
def acknowledgements_may_come_in_any_order(t):
    watcher = t.client()
    watcher.subscribe(t.topic(), 1)
    client = t.client()
    for n in range(4):
        client.publish(t.topic(), b"%d" % n, 1)
    found = [watcher.expect_publish(t.topic(), b"%d" % n, ack=False) for n in range(4)]
    for packet in reversed(found):
        watcher.acknowledge(packet)
    client.publish(t.topic(), b"next", 1)
    watcher.expect_publish(t.topic(), b"next")


@check("MQTT-2.2.1-4 MQTT-4.3.2-1 MQTT-4.3.3-1", ALL, v4="MQTT-2.3.1-4 MQTT-4.3.2-1 MQTT-4.3.3-1")
def packet_ids_in_flight_differ(t):
    watcher = t.client()
    watcher.subscribe(t.topic("1"), 1)
    watcher.subscribe(t.topic("2"), 2)
    client = t.client()
    for n in range(4):
        client.publish(t.topic("1"), b"x", 1)
        client.publish(t.topic("2"), b"x", 2)
    found = [watcher.expect_publish(ack=False) for _ in range(8)]
    require_equal(len({packet.pid for packet in found}), 8, "count of different identifiers")


def provoke(t, client, kind):
    """Have the server send a packet of a kind that is an occasion for a reason string."""
    client.send({
        PUBACK: wire.publish(5, "$SYS/broker/version", b"mine", 1, 9),
        PUBREC: wire.publish(5, "$SYS/broker/version", b"mine", 2, 9),
        PUBREL: wire.ack(PUBREC, 9),
        PUBCOMP: wire.ack(PUBREL, 9),
        SUBACK: wire.subscribe(5, 9, [(t.topic(), 1)]),
        UNSUBACK: wire.unsubscribe(5, 9, [t.topic("unknown")]),
        DISCONNECT: wire.connect(5, t.cid()),
    }[kind])
    try:
        packet = client.recv()
    except Closed:
        raise Skip("it closes without a word") from None
    require(packet and packet.kind == kind, wire.NAMES[kind], packet)
    return packet


@check("MQTT-3.4.2-2 MQTT-3.1.2-24 MQTT-3.4.2-3 MQTT-3.5.2-2 MQTT-3.5.2-3 MQTT-3.6.2-2 MQTT-3.6.2-3 MQTT-3.7.2-2 "
       "MQTT-3.7.2-3 MQTT-3.9.2-1 MQTT-3.9.2-2 MQTT-3.11.2-1 MQTT-3.11.2-2 MQTT-3.14.2-3 MQTT-3.14.2-4",
       cases={**ANSWERS, "DISCONNECT": DISCONNECT})
def answer_fits_the_maximum_packet_size(t, kind):
    full = provoke(t, t.client(), kind)
    if not full.props:
        raise Skip("no words to leave out")
    for size in {full.size - 1, 40} - {full.size}:
        bare = provoke(t, t.client(props=[("maximum_packet_size", size)]), kind)
        require_equal(bare.code, full.code, "reason code")


@check("MQTT-3.1.2-29", cases=ANSWERS)
def nobody_is_told_reasons_against_their_will(t, kind):
    client = t.client(props=[("request_problem_info", 0)])
    require_equal(provoke(t, client, kind).props, [], "properties")
