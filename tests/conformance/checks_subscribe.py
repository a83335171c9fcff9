"""SUBSCRIBE and UNSUBSCRIBE: options, invalid filters, replacement, overlap, identifiers."""

import wire
from client import PROTOCOL_ERRORS, Closed, require, require_equal
from harness import ALL, MODERN, check

NO_LOCAL, AS_PUBLISHED = 4, 8
BAD_FILTERS = ["a/#/b", "#/a", "a#", "a/#b", "a+", "+a", "a/+b/c", "a/b+", "##", "++", "a/##", "a/++/b"]


@check("MQTT-3.8.4-1 MQTT-3.8.4-7 MQTT-3.9.3-2", ALL, v4="MQTT-3.8.4-1 MQTT-3.9.3-2", cases=[0, 1, 2])
def granted_qos(t, qos):
    require_equal(t.client().subscribe(t.topic(), qos).codes, [qos], "codes")


@check("MQTT-3.8.4-5 MQTT-3.8.4-6 MQTT-3.9.3-1", ALL, v4="MQTT-3.8.4-4 MQTT-3.8.4-5 MQTT-3.9.3-1")
def several_filters_in_order(t):
    client = t.client()
    suback = client.subscribe_all([(t.topic(str(n)), qos) for n, qos in enumerate((2, 0, 1, 2, 0))])
    require_equal(suback.codes, [2, 0, 1, 2, 0], "codes")


@check("MQTT-3.9.3-1 MQTT-3.9.3-2")
def bad_filter_among_good_ones(t):
    client = t.client()
    client.send(wire.subscribe(5, 1, [(t.topic("a"), 1), (t.topic("a/#/b"), 1), (t.topic("c"), 2)]))
    try:
        packet = client.recv()
    except Closed:
        return
    if packet and packet.kind == wire.DISCONNECT:
        return
    require(packet and packet.kind == wire.SUBACK, "SUBACK or close", packet)
    require(packet.codes[0] == 1 and packet.codes[1] >= 0x80 and packet.codes[2] == 2, "codes 1, error, 2", packet)


@check("MQTT-4.7.1-1 MQTT-4.7.1-2", MODERN, v4="MQTT-4.7.1-2 MQTT-4.7.1-3", cases=BAD_FILTERS)
def invalid_filter(t, tail):
    client = t.client()
    client.send(wire.subscribe(t.version, 1, [(t.topic(tail), 0)]))
    _refused_filter(t, client)


@check("MQTT-4.7.3-1", MODERN, v4="MQTT-4.7.3-1")
def empty_filter(t):
    client = t.client()
    client.send(wire.subscribe(t.version, 1, [("", 0)]))
    _refused_filter(t, client)


def _refused_filter(t, client):
    try:
        packet = client.recv()
    except Closed:
        return
    if packet and packet.kind == wire.SUBACK:
        legal = {0x80} if t.version == 4 else {0x80, 0x83, 0x87, 0x8F}
        require(set(packet.codes) <= legal, "an error code", packet)
        return
    require(packet and packet.kind == wire.DISCONNECT, "SUBACK with an error or close", packet)
    require(packet.code in PROTOCOL_ERRORS | {0x8F}, "a fitting code", packet)


@check("MQTT-3.8.3-5", MODERN, v4="MQTT-3.8.3-4", cases=[0x03, 0x40, 0x80, 0xC0, 0x43])
def reserved_bits_or_qos_3(t, options):
    client = t.client()
    client.send(wire.subscribe(t.version, 1, [(t.topic(), options)]))
    client.expect_closed(PROTOCOL_ERRORS)


@check("MQTT-3.8.3-4", (4,), cases=[0x04, 0x08, 0x10, 0x20])
def options_of_5_in_311(t, options):
    client = t.client()
    client.send(wire.subscribe(4, 1, [(t.topic(), options)]))
    client.expect_closed()


@check("MQTT-3.8.3.1")
def retain_handling_3(t):
    client = t.client()
    client.send(wire.subscribe(5, 1, [(t.topic(), 0x30)]))
    client.expect_closed(PROTOCOL_ERRORS)


@check("MQTT-3.8.3-2", MODERN, v4="MQTT-3.8.3-3")
def subscribe_without_filters(t):
    client = t.client()
    client.send(wire.subscribe(t.version, 1, []))
    client.expect_closed(PROTOCOL_ERRORS)


@check("MQTT-3.10.3-2", MODERN, v4="MQTT-3.10.3-2")
def unsubscribe_without_filters(t):
    client = t.client()
    client.send(wire.unsubscribe(t.version, 1, []))
    client.expect_closed(PROTOCOL_ERRORS)


@check("MQTT-2.2.1-3", MODERN, v4="MQTT-2.3.1-1")
def subscribe_with_packet_id_0(t):
    client = t.client()
    client.send(wire.subscribe(t.version, 0, [(t.topic(), 0)]))
    client.expect_closed(PROTOCOL_ERRORS)


@check("MQTT-2.2.1-3", MODERN, v4="MQTT-2.3.1-1")
def unsubscribe_with_packet_id_0(t):
    client = t.client()
    client.send(wire.unsubscribe(t.version, 0, [t.topic()]))
    client.expect_closed(PROTOCOL_ERRORS)


@check("MQTT-2.2.1-6 MQTT-3.8.4-2 MQTT-3.10.4-5", ALL, v4="MQTT-2.3.1-7 MQTT-3.8.4-2 MQTT-3.10.4-4")
def highest_packet_id(t):
    client = t.client()
    client.last_pid = 65534
    client.subscribe(t.topic())
    client.last_pid = 65534
    client.unsubscribe(t.topic())


@check("MQTT-3.8.4-3", ALL, v4="MQTT-3.8.4-3")
def resubscribe_replaces(t):
    watcher, client = t.client(), t.client()
    watcher.subscribe(t.topic(), 2)
    watcher.subscribe(t.topic(), 0)
    client.publish(t.topic(), b"x", 2)
    watcher.expect_publish(t.topic(), b"x", qos=0)
    watcher.subscribe(t.topic(), 1)
    client.publish(t.topic(), b"y", 2)
    watcher.expect_publish(t.topic(), b"y", qos=1)
    watcher.expect_quiet()


@check("MQTT-3.8.4-3 MQTT-3.8.4-5", ALL, v4="MQTT-3.8.4-4")
def same_filter_twice_in_one_packet(t):
    watcher = t.client()
    suback = watcher.subscribe_all([(t.topic(), 2), (t.topic(), 1)])
    require_equal(suback.codes, [2, 1], "codes")
    t.client().publish(t.topic(), b"x", 2)
    watcher.expect_publish(t.topic(), b"x", qos=1)
    watcher.expect_quiet()


@check("MQTT-3.8.4-3")
def resubscribe_replaces_identifier_and_options(t):
    client = t.client()
    client.subscribe(t.topic(), 1 | NO_LOCAL, [("subscription_id", 5)])
    client.subscribe(t.topic(), 1, [("subscription_id", 6)])
    client.publish(t.topic(), b"x", 1)
    require_equal(client.expect_publish(t.topic(), b"x").all_props("subscription_id"), [6], "identifiers")
    client.subscribe(t.topic(), 1)
    client.publish(t.topic(), b"y", 1)
    require_equal(client.expect_publish(t.topic(), b"y").all_props("subscription_id"), [], "identifiers")


@check("MQTT-3.3.4-2", MODERN, v4="MQTT-3.3.5-1")
def overlapping_subscriptions(t):
    watcher = t.client()
    for name, qos in (("+", 1), ("#", 2), ("a", 0)):
        watcher.subscribe(t.topic(name), qos)
    t.client().publish(t.topic("a"), b"x", 2)
    found = watcher.collect(0.3)
    require(0 < len(found) <= 3, "one to three copies", found)
    require_equal(max(packet.qos for packet in found), 2, "highest QoS")
    require(all(packet.topic == t.topic("a") and packet.payload == b"x" for packet in found), "copies", found)


@check("MQTT-3.3.4-3 MQTT-3.3.4-4")
def overlapping_subscriptions_carry_all_identifiers(t):
    watcher = t.client()
    for ident, (name, qos) in enumerate((("+", 1), ("#", 2), ("a", 0)), 1):
        watcher.subscribe(t.topic(name), qos, [("subscription_id", ident)])
    t.client().publish(t.topic("a"), b"x", 2)
    found = watcher.collect(0.3)
    idents = [ident for packet in found for ident in packet.all_props("subscription_id")]
    require_equal(sorted(idents), [1, 2, 3], "identifiers")


@check("MQTT-3.3.4-4", cases=[1, 127, 128, 16384, 268435455])
def subscription_identifier_comes_back(t, ident):
    client = t.client()
    client.subscribe(t.topic(), 0, [("subscription_id", ident)])
    client.publish(t.topic(), b"x")
    require_equal(client.expect_publish(t.topic(), b"x").all_props("subscription_id"), [ident], "identifiers")


@check("MQTT-3.3.4-3")
def one_identifier_for_all_filters_of_a_packet(t):
    client = t.client()
    client.subscribe_all([(t.topic("a"), 0), (t.topic("b"), 0)], [("subscription_id", 9)])
    for name in ("a", "b"):
        client.publish(t.topic(name), b"x")
        packet = client.expect_publish(t.topic(name), b"x")
        require_equal(packet.all_props("subscription_id"), [9], "identifiers")


@check("MQTT-3.3.4-3")
def identifiers_belong_to_their_client(t):
    first, second = t.client(), t.client()
    first.subscribe(t.topic(), 0, [("subscription_id", 1)])
    second.subscribe(t.topic(), 0, [("subscription_id", 2)])
    t.client().publish(t.topic(), b"x")
    for ident, watcher in ((1, first), (2, second)):
        require_equal(watcher.expect_publish(t.topic()).all_props("subscription_id"), [ident], "identifiers")


@check("MQTT-3.3.4-3")
def identifier_on_retained_and_queued_messages(t):
    client = t.client()
    client.publish(t.topic("r"), b"kept", 1, retain=True)
    watcher = t.durable(1)
    watcher.subscribe(t.topic("+"), 1, [("subscription_id", 77)])
    require_equal(watcher.expect_publish(t.topic("r")).all_props("subscription_id"), [77], "identifiers")
    watcher.disconnect()
    client.publish(t.topic("q"), b"queued", 1)
    packet = t.durable(1).expect_publish(t.topic("q"), b"queued")
    require_equal(packet.all_props("subscription_id"), [77], "identifiers")


@check("MQTT-3.8.3-3", cases=[0, 1, 2])
def no_local(t, qos):
    client, other = t.client(), t.client()
    client.subscribe(t.topic(), qos | NO_LOCAL)
    client.publish(t.topic(), b"own", qos)
    other.publish(t.topic(), b"other", qos)
    client.expect_publish(t.topic(), b"other")
    client.expect_quiet()


@check("MQTT-3.8.3-3", ALL)
def own_messages_come_back_without_no_local(t):
    client = t.client()
    client.subscribe(t.topic(), 1)
    client.publish(t.topic(), b"own", 1)
    client.expect_publish(t.topic(), b"own")


@check("MQTT-3.3.1-12 MQTT-3.3.1-13", cases={"off": (0, 0), "on": (AS_PUBLISHED, 1)})
def retain_as_published(t, case):
    options, flag = case
    watcher, client = t.client(), t.client()
    watcher.subscribe(t.topic(), options)
    client.publish(t.topic(), b"retained", retain=True)
    watcher.expect_publish(t.topic(), b"retained", retain=flag)
    client.publish(t.topic(), b"plain")
    watcher.expect_publish(t.topic(), b"plain", retain=0)


@check("MQTT-3.3.1-9 MQTT-3.3.1-10 MQTT-3.3.1-11 MQTT-3.8.4-4",
       cases={"0 new": (0x00, False, 1), "0 again": (0x00, True, 1), "1 new": (0x10, False, 1),
                              "1 again": (0x10, True, 0), "2 new": (0x20, False, 0), "2 again": (0x20, True, 0)})
def retain_handling(t, case):
    options, again, expected = case
    client, watcher = t.client(), t.client()
    if again:
        watcher.subscribe(t.topic(), 0x20)
    client.publish(t.topic(), b"kept", 1, retain=True)
    if again:
        watcher.expect_publish(t.topic(), b"kept", retain=0)
    watcher.subscribe(t.topic(), options)
    if expected:
        watcher.expect_publish(t.topic(), b"kept", retain=1)
    watcher.expect_quiet()


@check("MQTT-3.3.1-9 MQTT-3.3.1-10 MQTT-3.3.1-11", cases={"0": (0x00, 1), "1": (0x10, 0), "2": (0x20, 0)})
def retain_handling_in_a_resumed_session(t, case):
    options, expected = case
    client, watcher = t.client(), t.durable(1)
    watcher.subscribe(t.topic(), 0x21)
    watcher.disconnect()
    client.publish(t.topic("other"), b"kept", 1, retain=True)
    again = t.durable(1)
    again.subscribe(t.topic("+"), 0x21)
    again.disconnect()
    last = t.durable(1)
    last.subscribe(t.topic("+"), options | 1)
    if expected:
        last.expect_publish(t.topic("other"), b"kept", retain=1)
    last.expect_quiet()


@check("MQTT-3.3.1-12 MQTT-3.3.1-13", cases={"wildcard off": ("{}/+", 0, 0), "wildcard on": ("{}/+", AS_PUBLISHED, 1),
                                             "share off": ("$share/g/{}/a", 0, 0),
                                             "share on": ("$share/g/{}/a", AS_PUBLISHED, 1)})
def retain_as_published_of_wildcards_and_shares(t, case):
    form, options, flag = case
    watcher, client = t.client(), t.client()
    watcher.subscribe(form.format(t.topic()), options)
    client.publish(t.topic("a"), b"retained", retain=True)
    watcher.expect_publish(t.topic("a"), b"retained", retain=flag)


@check("MQTT-3.3.1-10")
def retain_handling_1_after_unsubscribe(t):
    client, watcher = t.client(), t.client()
    client.publish(t.topic(), b"kept", 1, retain=True)
    for _ in range(2):
        watcher.subscribe(t.topic(), 0x10)
        watcher.expect_publish(t.topic(), b"kept", retain=1)
        watcher.unsubscribe(t.topic())


@check("MQTT-3.8.4-4", ALL, v4="MQTT-3.8.4-3")
def resubscribing_loses_nothing(t):
    watcher, client, count = t.client(), t.client(), 40
    watcher.subscribe(t.topic(), 1)
    client.send(b"".join(wire.publish(t.version, t.topic(), b"%d" % n, 1, n + 1) for n in range(count)))
    for n in range(10):
        watcher.subscribe(t.topic(), 1 + n % 2)
    found = {watcher.expect_publish(t.topic()).payload for _ in range(count)}
    require_equal(len(found), count, "count of different messages")


@check("MQTT-3.8.4-3", (3, 4))
def resubscribe_sends_retained_again(t):
    client, watcher = t.client(), t.client()
    client.publish(t.topic(), b"kept", 1, retain=True)
    for _ in range(2):
        watcher.subscribe(t.topic(), 1)
        watcher.expect_publish(t.topic(), b"kept", retain=1)


@check("MQTT-3.10.4-2", ALL, v4="MQTT-3.10.4-2")
def unsubscribe_stops_delivery(t):
    watcher, client = t.client(), t.client()
    watcher.subscribe(t.topic(), 1)
    client.publish(t.topic(), b"1", 1)
    watcher.expect_publish(t.topic(), b"1")
    watcher.unsubscribe(t.topic())
    client.publish(t.topic(), b"2", 1)
    watcher.expect_quiet()


@check("MQTT-3.10.4-1", ALL, v4="MQTT-3.10.4-1")
def unsubscribe_compares_filters_exactly(t):
    watcher, client = t.client(), t.client()
    watcher.subscribe(t.topic("+"))
    for name in ("a", "#", "+/", "+/#"):
        watcher.unsubscribe(t.topic(name))
    client.publish(t.topic("a"), b"x")
    watcher.expect_publish(t.topic("a"), b"x")


@check("MQTT-3.10.4-5 MQTT-3.10.4-4", ALL, v4="MQTT-3.10.4-5")
def unsubscribe_of_unknown_filter_is_acknowledged(t):
    t.client().unsubscribe(t.topic("unknown"))


@check("MQTT-3.11.3-2 MQTT-3.10.4-4 MQTT-3.11.3-1")
def unsubscribe_codes(t):
    client = t.client()
    client.subscribe(t.topic("a"))
    client.subscribe(t.topic("b"))
    unsuback = client.unsubscribe(t.topic("a"), t.topic("none"), t.topic("b"), t.topic("a"))
    require_equal(unsuback.codes, [0, 0x11, 0, 0x11], "codes")


@check("MQTT-3.10.4-6", ALL, v4="MQTT-3.10.4-6")
def unsubscribe_many(t):
    watcher, client = t.client(), t.client()
    watcher.subscribe_all([(t.topic(name), 0) for name in "abc"])
    watcher.unsubscribe(t.topic("a"), t.topic("c"))
    for name in "abc":
        client.publish(t.topic(name), name.encode())
    watcher.expect_publish(t.topic("b"), b"b")
    watcher.expect_quiet()


@check("MQTT-3.10.4-3", ALL, v4="MQTT-3.10.4-3")
def unsubscribe_finishes_flows_in_flight(t):
    watcher, client = t.client(), t.client()
    watcher.subscribe(t.topic(), 2)
    client.publish(t.topic(), b"x", 2)
    packet = watcher.expect_publish(t.topic(), b"x", ack=False)
    watcher.unsubscribe(t.topic())
    watcher.acknowledge(packet)


@check("MQTT-3.8.4-1 MQTT-3.8.4-6", ALL, v4="MQTT-3.8.4-1 MQTT-3.8.4-5")
def many_filters_in_one_packet(t):
    suback = t.client().subscribe_all([(t.topic(f"f{n}"), n % 3) for n in range(300)])
    require_equal(suback.codes, [n % 3 for n in range(300)], "codes")


@check("MQTT-4.5.0-1", ALL, v4="MQTT-4.5.0-1")
def fan_out_to_many(t):
    watchers = [t.client() for _ in range(20)]
    for watcher in watchers:
        watcher.subscribe(t.topic("+"), 1)
    t.client().publish(t.topic("a"), b"x", 1)
    for watcher in watchers:
        watcher.expect_publish(t.topic("a"), b"x", qos=1)
