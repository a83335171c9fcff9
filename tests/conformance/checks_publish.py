"""PUBLISH: flows at every QoS, illegal packets, properties, topic aliases, order and limits."""

import wire
from client import PROTOCOL_ERRORS, Closed, require, require_equal
from harness import ALL, LABELS, MODERN, Skip, check

PAIRS = {f"to v{LABELS[version]} qos {qos}": (version, qos) for version in ALL for qos in (0, 1, 2)}


@check("MQTT-2.2.1-2 MQTT-3.3.1-2 MQTT-3.3.4-1 MQTT-3.8.4-8 MQTT-4.3.1-1", ALL,
       v4="MQTT-2.3.1-5 MQTT-3.3.1-2 MQTT-3.3.4-1 MQTT-3.8.4-6 MQTT-4.3.1-1", cases=PAIRS)
def every_qos_reaches_every_version(t, case):
    version, qos = case
    watchers = [t.client(version=version) for _ in range(3)]
    for granted, watcher in enumerate(watchers):
        suback = watcher.subscribe(t.topic("x"), granted)
        require_equal(suback.codes, [granted], "granted QoS")
    t.client().publish(t.topic("x"), b"hello", qos)
    for granted, watcher in enumerate(watchers):
        watcher.expect_publish(t.topic("x"), b"hello", qos=min(qos, granted), dup=0, retain=0)
        watcher.expect_quiet(0.05)


@check("MQTT-3.3.1-2", MODERN, v4="MQTT-3.3.1-2")
def dup_with_qos_0(t):
    client = t.client()
    client.send(wire.publish(t.version, t.topic(), b"x", dup=True))
    client.expect_closed(PROTOCOL_ERRORS)


@check("MQTT-3.3.1-4", MODERN, v4="MQTT-3.3.1-4", cases={"plain": False, "dup": True})
def publish_at_qos_3(t, dup):
    client = t.client()
    client.send(wire.publish(t.version, t.topic(), b"x", 3, 1, dup=dup))
    client.expect_closed(PROTOCOL_ERRORS | {0x9B})


@check("MQTT-3.3.2-2 MQTT-4.7.0-1", MODERN,
       v4="MQTT-3.3.2-2 MQTT-4.7.1-1", cases=["#", "a/#", "+", "a/+/b", "a+", "a#b"])
def wildcard_in_publish_topic(t, tail):
    client = t.client()
    client.send(wire.publish(t.version, t.topic(tail), b"x"))
    client.expect_closed(PROTOCOL_ERRORS | {0x90})


@check("MQTT-4.7.3-1", MODERN, v4="MQTT-4.7.3-1", cases=[0, 1])
def empty_publish_topic(t, qos):
    client = t.client()
    client.send(wire.publish(t.version, "", b"x", qos, 1 if qos else None))
    client.expect_closed(PROTOCOL_ERRORS | {0x90})


@check("MQTT-2.2.1-3", MODERN, v4="MQTT-2.3.1-1", cases=[1, 2])
def publish_with_packet_id_0(t, qos):
    client = t.client()
    client.send(wire.publish(t.version, t.topic(), b"x", qos, 0))
    client.expect_closed(PROTOCOL_ERRORS)


@check("MQTT-2.2.1-5 MQTT-3.3.4-1 MQTT-4.3.2-4 MQTT-4.3.3-8", ALL,
       v4="MQTT-2.3.1-6 MQTT-3.3.4-1 MQTT-4.3.2-2", cases=[1, 2])
def highest_packet_id(t, qos):
    client = t.client()
    client.last_pid = 65534
    client.publish(t.topic(), b"x", qos)


@check("MQTT-3.3.1-3", ALL, v4="MQTT-3.3.1-3", cases=[1, 2])
def dup_of_the_publisher_is_not_forwarded(t, qos):
    watcher, client = t.client(), t.client()
    watcher.subscribe(t.topic(), qos)
    client.send(wire.publish(t.version, t.topic(), b"x", qos, 5, dup=True))
    client.expect(wire.PUBACK if qos == 1 else wire.PUBREC, pid=5)
    if qos == 2:
        client.release(5)
    watcher.expect_publish(t.topic(), b"x", dup=0)


@check("MQTT-4.3.3-10", ALL, v4="MQTT-4.3.3-2")
def qos_2_is_delivered_once(t):
    watcher, client = t.client(), t.client()
    watcher.subscribe(t.topic(), 2)
    for dup in (False, True, True):
        client.send(wire.publish(t.version, t.topic(), b"once", 2, 9, dup=dup))
        packet = client.expect(wire.PUBREC, pid=9)
        require(packet.code in (0, 0x10, 0x91), "PUBREC", packet)
    client.release(9)
    watcher.expect_publish(t.topic(), b"once")
    watcher.expect_quiet()


@check("MQTT-4.3.3-12", ALL, v4="MQTT-4.3.3-2")
def packet_id_is_new_after_pubcomp(t):
    watcher, client = t.client(), t.client()
    watcher.subscribe(t.topic(), 2)
    for payload in (b"first", b"second"):
        client.last_pid = 6
        client.publish(t.topic(), payload, 2)
        watcher.expect_publish(t.topic(), payload)


@check("MQTT-4.3.3-9")
def packet_id_is_new_after_a_refusal(t):
    watcher, client = t.client(), t.client()
    watcher.subscribe(t.topic(), 2)
    client.send(wire.publish(5, "$SYS/broker/version", b"mine", 2, 6))
    try:
        packet = client.recv()
    except Closed:
        raise Skip("it closes without a word") from None
    if packet and packet.kind == wire.PUBREC and packet.code < 0x80:
        raise Skip("nothing is refused")
    require(packet and packet.kind == wire.PUBREC, "PUBREC", packet)
    client.last_pid = 5
    client.publish(t.topic(), b"x", 2)
    watcher.expect_publish(t.topic(), b"x")


@check("MQTT-4.3.2-5", ALL, v4="MQTT-4.3.2-2")
def packet_id_is_new_after_puback(t):
    watcher, client = t.client(), t.client()
    watcher.subscribe(t.topic(), 1)
    for payload in (b"first", b"second"):
        client.last_pid = 6
        client.publish(t.topic(), payload, 1)
        watcher.expect_publish(t.topic(), payload)


@check("MQTT-2.2.1-4", ALL, v4="MQTT-2.3.1-4")
def packet_ids_of_both_directions_are_independent(t):
    client = t.client()
    client.subscribe(t.topic(), 2)
    client.last_pid = 0
    client.send(wire.publish(t.version, t.topic(), b"a", 2, 1))
    client.expect(wire.PUBREC, pid=1)
    client.release(1)
    client.expect_publish(t.topic(), b"a")


@check("MQTT-4.6.0-5 MQTT-4.6.0-6", ALL, v4="MQTT-4.6.0-5 MQTT-4.6.0-6", cases=[0, 1, 2])
def order_is_kept(t, qos):
    watcher, client = t.client(), t.client()
    watcher.subscribe(t.topic(), qos)
    count = 15
    client.send(b"".join(wire.publish(t.version, t.topic(), b"%d" % n, qos, n + 1 if qos else None)
                         for n in range(count)))
    for n in range(count if qos == 2 else 0):
        client.expect(wire.PUBREC, pid=n + 1)
        client.send(wire.ack(wire.PUBREL, n + 1))
    for n in range(count):
        watcher.expect_publish(t.topic(), b"%d" % n, qos=qos)


@check("MQTT-2.2.1-5 MQTT-3.3.4-1", ALL, v4="MQTT-3.3.4-1", cases=[1, 2])
def packet_ids_may_come_in_any_order(t, qos):
    client = t.client()
    client.send(b"".join(wire.publish(t.version, t.topic(), b"x", qos, pid) for pid in (7, 3, 5, 1)))
    ids = [client.expect(wire.PUBACK if qos == 1 else wire.PUBREC).pid for _ in range(4)]
    require_equal(sorted(ids), [1, 3, 5, 7], "acknowledged identifiers")


@check("MQTT-3.3.3", ALL, cases={"empty": b"", "one byte": b"\0", "127 bytes": b"x" * 127, "16 KiB": b"y" * 16384,
                                   "binary": bytes(range(256)), "1 MiB": b"z" * 1048576})
def payload_is_unaltered(t, payload):
    watcher, client = t.client(), t.client()
    watcher.subscribe(t.topic(), 1)
    client.publish(t.topic(), payload, 1)
    watcher.expect_publish(t.topic(), payload, timeout=8)


@check("MQTT-4.2-1", ALL)
def publish_byte_by_byte(t):
    client = t.client()
    client.subscribe(t.topic())
    for byte in wire.publish(t.version, t.topic(), b"slow", 1, 77):
        client.send(bytes([byte]))
    client.expect(wire.PUBACK, pid=77)
    client.expect_publish(t.topic(), b"slow")


@check("MQTT-4.2-1", ALL)
def many_packets_in_one_write(t):
    client = t.client()
    client.subscribe(t.topic())
    client.send(b"".join(wire.publish(t.version, t.topic(), b"%d" % n) + wire.pingreq() for n in range(100)))
    for n in range(100):
        client.expect_publish(t.topic(), b"%d" % n)
        client.expect(wire.PINGRESP)


@check("MQTT-3.3.2-1 MQTT-4.7.3-3", ALL, v4="MQTT-3.3.2-1 MQTT-4.7.3-3")
def longest_topic(t):
    client = t.client()
    topic = t.topic("x" * (65535 - len(t.topic()) - 1))
    client.publish(topic, b"x", 1)


@check("MQTT-3.4.2-1 MQTT-3.5.2-1", cases=[1, 2])
def publish_nobody_wants(t, qos):
    packet = t.client().publish(t.topic("nobody"), b"x", qos)
    require(packet.code in (0, 0x10), "code 0x00 or 0x10", packet)


@check("MQTT-3.4.2-1 MQTT-3.5.2-1", cases=[1, 2])
def publish_somebody_wants(t, qos):
    watcher = t.client()
    watcher.subscribe(t.topic())
    packet = t.client().publish(t.topic(), b"x", qos)
    require_equal(packet.code, 0, "reason code")


# ---------------------------------------------------------------- properties

FORWARDED = {
    "format 0": [("payload_format", 0)], "format 1": [("payload_format", 1)],
    "content type": [("content_type", "text/plain; é")], "empty content type": [("content_type", "")],
    "response topic": [("response_topic", "reply/to/ünï")],
    "correlation": [("correlation_data", b"\x00\xff\x01")], "empty correlation": [("correlation_data", b"")],
    "user properties": [("user_property", pair) for pair in (("b", "1"), ("a", "2"), ("b", "1"), ("", ""))],
}


@check("MQTT-3.3.2-15 MQTT-3.3.2-4 MQTT-3.3.2-16 MQTT-3.3.2-17 MQTT-3.3.2-20", cases=FORWARDED)
def property_is_forwarded_unaltered(t, props):
    watcher = t.client()
    watcher.subscribe(t.topic())
    t.client().publish(t.topic(), b"text", props=props)
    packet = watcher.expect_publish(t.topic(), b"text")
    if props == [("payload_format", 0)] and not packet.props:
        return  # absence means the same as 0
    require_equal(packet.props, props, "properties")


@check("MQTT-3.3.2-18 MQTT-3.3.2-17")
def user_properties_keep_their_order_among_others(t):
    users = [("user_property", ("k", str(n))) for n in range(20)]
    mixed = users[:7] + [("content_type", "t")] + users[7:] + [("payload_format", 1)]
    watcher = t.client()
    watcher.subscribe(t.topic(), 1)
    t.client().publish(t.topic(), b"x", 1, props=mixed)
    packet = watcher.expect_publish(t.topic(), b"x")
    require_equal(packet.all_props("user_property"), [value for _, value in users], "user properties")
    require_equal(packet.prop("content_type"), "t", "content type")


@check("MQTT-2.2.2-1", cases={"from 3.1.1": (4, 5), "to 3.1.1": (5, 4), "from 3.1": (3, 5)})
def properties_between_versions(t, pair):
    sender, receiver = pair
    watcher = t.client(version=receiver)
    watcher.subscribe(t.topic(), 1)
    props = [("content_type", "t"), ("user_property", ("a", "b"))] if sender == 5 else ()
    t.client(version=sender).publish(t.topic(), b"x", 1, props=props)
    packet = watcher.expect_publish(t.topic(), b"x", qos=1)
    require_equal(packet.props, [], "properties")


@check("MQTT-3.3.2-14", cases=["a/+/b", "#", "+"])
def wildcard_in_response_topic(t, response):
    client = t.client()
    client.send(wire.publish(5, t.topic(), b"x", props=[("response_topic", response)]))
    client.expect_closed(PROTOCOL_ERRORS | {0x90})


@check("MQTT-3.3.4-6")
def subscription_identifier_from_a_client(t):
    client = t.client()
    client.send(wire.publish(5, t.topic(), b"x", props=[("subscription_id", 1)]))
    client.expect_closed(PROTOCOL_ERRORS)


# ---------------------------------------------------------------- topic aliases

def alias_client(t, client_id=None, **options):
    client = t.client(client_id, **options)
    maximum = client.connack.prop("topic_alias_maximum", 0)
    if maximum == 0:
        raise Skip("topic aliases")
    return client, maximum


def alias_publish(client, topic, alias, payload, qos=0):
    pid = client.pid() if qos else None
    client.send(wire.publish(5, topic, payload, qos, pid, props=[("topic_alias", alias)]))


@check("MQTT-3.3.2-12", cases={"qos 0": 0, "qos 1": 1})
def alias_stands_for_its_topic(t, qos):
    client, maximum = alias_client(t)
    watcher = t.client()
    watcher.subscribe(t.topic("#"), qos)
    for alias in {1, maximum}:
        alias_publish(client, t.topic(f"a{alias}"), alias, b"set", qos)
        alias_publish(client, "", alias, b"use", qos)
        watcher.expect_publish(t.topic(f"a{alias}"), b"set")
        packet = watcher.expect_publish(t.topic(f"a{alias}"), b"use")
        require_equal(packet.prop("topic_alias"), None, "topic alias")


@check("MQTT-3.3.2-12")
def alias_is_redefined(t):
    client, _ = alias_client(t)
    client.subscribe(t.topic("#"))
    for topic in ("a", "b"):
        alias_publish(client, t.topic(topic), 1, b"set")
        alias_publish(client, "", 1, b"use")
        client.expect_publish(t.topic(topic), b"set")
        client.expect_publish(t.topic(topic), b"use")


@check("MQTT-3.3.2-8")
def alias_0(t):
    client = t.client()
    alias_publish(client, t.topic(), 0, b"x")
    client.expect_closed(PROTOCOL_ERRORS | {0x94})


@check("MQTT-3.3.2-9")
def alias_above_the_maximum(t):
    client = t.client()
    maximum = client.connack.prop("topic_alias_maximum", 0)
    if maximum == 65535:
        raise Skip("no alias is too large")
    alias_publish(client, t.topic(), maximum + 1, b"x")
    client.expect_closed(PROTOCOL_ERRORS | {0x94})


@check("MQTT-3.3.2.3.4")
def alias_never_defined(t):
    client = t.client()
    alias_publish(client, "", 1, b"x")
    client.expect_closed(PROTOCOL_ERRORS | {0x94, 0x90})


@check("MQTT-3.3.2-7")
def alias_does_not_outlive_the_connection(t):
    props = [("session_expiry", 60)]
    client, _ = alias_client(t, t.cid(1), props=props)
    alias_publish(client, t.topic(), 1, b"set")
    client.ping()
    client.disconnect()
    again = t.client(t.cid(1), clean=False, props=props)
    alias_publish(again, "", 1, b"use")
    again.expect_closed({0x82})


@check("MQTT-3.3.2.3.4")
def aliases_of_two_clients_are_apart(t):
    (first, _), (second, _) = alias_client(t), alias_client(t)
    watcher = t.client()
    watcher.subscribe(t.topic("#"))
    for client, name in ((first, "a"), (second, "b")):
        alias_publish(client, t.topic(name), 1, b"set")
        watcher.expect_publish(t.topic(name), b"set")
    for client, name in ((first, "a"), (second, "b")):
        alias_publish(client, "", 1, b"use")
        watcher.expect_publish(t.topic(name), b"use")


@check("MQTT-3.1.2-26 MQTT-3.1.2-27 MQTT-3.3.2-11",
       cases={"absent": (), "0": [("topic_alias_maximum", 0)], "2": [("topic_alias_maximum", 2)]})
def server_keeps_to_the_alias_maximum(t, props):
    watcher, client = t.client(props=props), t.client()
    watcher.subscribe(t.topic("#"), 1)
    topics = [t.topic(name) for name in ("a", "b", "c", "a", "b", "c", "a", "a")]
    for topic in topics:
        client.publish(topic, b"x", 1)
    found = [watcher.expect_publish(payload=b"x").topic for _ in topics]
    require_equal(sorted(found), sorted(topics), "topics")


@check("MQTT-3.3.2-7 MQTT-3.3.2-11", cases={"again": [("topic_alias_maximum", 5)], "not any more": []})
def aliases_of_the_server_begin_anew(t, props):
    watcher, client = t.durable(1, props=[("topic_alias_maximum", 5)]), t.client()
    watcher.subscribe(t.topic(), 1)
    for _ in range(2):
        client.publish(t.topic(), b"before", 1)
        watcher.expect_publish(t.topic(), b"before")
    watcher.disconnect()
    again = t.durable(1, props=props)
    client.publish(t.topic(), b"after", 1)
    again.expect_publish(t.topic(), b"after")


# ---------------------------------------------------------------- limits of the client

@check("MQTT-3.3.4-9 MQTT-4.9.0-2",
       cases={"1 at qos 1": (1, 1), "3 at qos 1": (3, 1), "1 at qos 2": (1, 2), "3 at qos 2": (3, 2)})
def receive_maximum_of_the_client(t, case):
    maximum, qos = case
    watcher, client = t.client(props=[("receive_maximum", maximum)]), t.client()
    watcher.subscribe(t.topic(), qos)
    for n in range(maximum + 3):
        client.publish(t.topic(), b"%d" % n, qos)
    found = watcher.collect(0.3)
    require(len(found) == maximum, f"{maximum} messages in flight", found)
    for n in range(3):
        watcher.acknowledge(found[n])
        found.append(watcher.expect_publish(t.topic(), b"%d" % (maximum + n), ack=False))
        watcher.expect_quiet(0.05)


@check("MQTT-3.3.4-9")
def pubrec_alone_does_not_free_the_quota(t):
    watcher, client = t.client(props=[("receive_maximum", 1)]), t.client()
    watcher.subscribe(t.topic(), 2)
    for payload in (b"1", b"2"):
        client.publish(t.topic(), payload, 2)
    packet = watcher.expect_publish(t.topic(), b"1", ack=False)
    watcher.send(wire.ack(wire.PUBREC, packet.pid))
    watcher.expect(wire.PUBREL, pid=packet.pid)
    watcher.expect_quiet()
    watcher.send(wire.ack(wire.PUBCOMP, packet.pid))
    watcher.expect_publish(t.topic(), b"2")


@check("MQTT-4.9.0-2")
def error_in_pubrec_frees_the_quota(t):
    watcher, client = t.client(props=[("receive_maximum", 1)]), t.client()
    watcher.subscribe(t.topic(), 2)
    for payload in (b"1", b"2"):
        client.publish(t.topic(), payload, 2)
    packet = watcher.expect_publish(t.topic(), b"1", ack=False)
    watcher.send(wire.ack(wire.PUBREC, packet.pid, 0x97))
    watcher.expect_publish(t.topic(), b"2")


@check("MQTT-4.9.0-3 MQTT-3.3.4-10")
def full_quota_does_not_stop_other_packets(t):
    watcher, client = t.client(props=[("receive_maximum", 1)]), t.client()
    watcher.subscribe(t.topic(), 1)
    for payload in (b"1", b"2"):
        client.publish(t.topic(), payload, 1)
    watcher.expect_publish(t.topic(), b"1", ack=False)
    watcher.ping()
    watcher.subscribe(t.topic("other"))
    watcher.publish(t.topic("third"), b"x", 2)


@check("MQTT-3.1.2-25", cases=[0, 1, 2])
def packet_above_the_maximum_is_dropped(t, qos):
    props = [("maximum_packet_size", 150), ("receive_maximum", 1)]
    watcher, client = t.client(props=props), t.client()
    watcher.subscribe(t.topic(), qos)
    for payload in (b"small", b"x" * 300, b"y" * 500, b"after"):
        client.publish(t.topic(), payload, qos)
    watcher.expect_publish(t.topic(), b"small")
    watcher.expect_publish(t.topic(), b"after")


@check("MQTT-3.1.2-25 MQTT-3.1.2-24")
def maximum_packet_size_is_exact(t):
    size = 120
    watcher, client = t.client(props=[("maximum_packet_size", size)]), t.client()
    watcher.subscribe(t.topic())
    fitting = size - len(wire.publish(5, t.topic(), b""))
    client.publish(t.topic(), b"x" * fitting)
    client.publish(t.topic(), b"x" * (fitting + 1))
    client.publish(t.topic(), b"last")
    watcher.expect_publish(t.topic(), b"x" * fitting)
    watcher.expect_publish(t.topic(), b"last")


@check("MQTT-3.1.2-24", cases={"SUBACK": wire.subscribe, "UNSUBACK": wire.unsubscribe})
def answer_that_the_client_does_not_take(t, packet):
    client = t.client(props=[("maximum_packet_size", 150)])
    names = [t.topic(str(number)) for number in range(200)]
    client.send(packet(5, 1, [(name, 0) for name in names] if packet is wire.subscribe else names))
    client.expect_closed({0x95})


@check("MQTT-3.1.2-25")
def retained_message_above_the_maximum(t):
    client = t.client()
    client.publish(t.topic("big"), b"x" * 500, 1, retain=True)
    client.publish(t.topic("small"), b"x", 1, retain=True)
    watcher = t.client(props=[("maximum_packet_size", 150)])
    watcher.subscribe(t.topic("#"), 1)
    watcher.expect_publish(t.topic("small"), b"x")
    watcher.expect_quiet()


@check("MQTT-3.2.2-15")
def packet_above_the_maximum_of_the_server(t):
    client = t.client()
    maximum = client.connack.prop("maximum_packet_size", 0)
    if not 0 < maximum <= 1 << 24:
        raise Skip("no small maximum packet size")
    client.send(wire.publish(5, t.topic(), b"x" * maximum))
    client.expect_closed({0x95} | PROTOCOL_ERRORS)


@check("MQTT-3.3.4-7")
def receive_maximum_of_the_server_exceeded(t):
    client = t.client()
    maximum = client.connack.prop("receive_maximum", 65535)
    if maximum > 2000:
        raise Skip("no small receive maximum")
    client.send(b"".join(wire.publish(5, t.topic(), b"x", 2, pid) for pid in range(1, maximum + 2)))
    code = client.expect_closed()
    require(code in (None, 0x93), "code 0x93", code)
