"""Retained messages: stored, replaced, cleared, their QoS, flag, properties and wildcards."""

import wire
from client import require, require_equal
from harness import ALL, MODERN, Skip, check


def keep(t, payload, qos=1, name="r", version=None, props=()):
    client = t.client(version=version)
    client.publish(t.topic(name), payload, qos, retain=True, props=props)
    client.ping()
    return client


def kept(t, name="r", qos=1):
    """A new subscriber and the retained messages it was sent."""
    watcher = t.client()
    watcher.subscribe(t.topic(name), qos)
    return watcher.collect(0.2)


@check("MQTT-3.3.1-5", ALL, v4="MQTT-3.3.1-5 MQTT-3.3.1-8", cases=[0, 1, 2])
def new_subscriber_gets_the_retained_message(t, qos):
    keep(t, b"kept", qos)
    watcher = t.client()
    watcher.subscribe(t.topic("r"), 2)
    watcher.expect_publish(t.topic("r"), b"kept", qos=qos, retain=1, dup=0)
    watcher.expect_quiet(0.05)


@check("MQTT-3.8.4-8", ALL, v4="MQTT-3.8.4-6", cases=[0, 1])
def retained_qos_is_capped_by_the_subscription(t, granted):
    keep(t, b"kept", 2)
    found = kept(t, qos=granted)
    require_equal([packet.qos for packet in found], [granted], "QoS")


@check("MQTT-3.3.1-5", ALL, v4="MQTT-3.3.1-6")
def retained_message_is_replaced(t):
    for payload in (b"1", b"2", b"3"):
        keep(t, payload)
    require_equal([packet.payload for packet in kept(t)], [b"3"], "payloads")


@check("MQTT-3.3.1-5", ALL, v4="MQTT-3.3.1-7")
def retained_message_of_qos_0_replaces(t):
    keep(t, b"old", 2)
    keep(t, b"new", 0)
    found = kept(t)
    require(all(packet.payload == b"new" for packet in found), "the new message or none", found)


@check("MQTT-3.3.1-6 MQTT-3.3.1-7", ALL, v4="MQTT-3.3.1-10 MQTT-3.3.1-11", cases=[0, 1, 2])
def empty_payload_clears(t, qos):
    keep(t, b"kept")
    keep(t, b"", qos)
    require_equal(kept(t), [], "retained messages")


@check("MQTT-3.3.1-6", ALL, v4="MQTT-3.3.1-10")
def empty_retained_message_reaches_live_subscribers(t):
    keep(t, b"kept")
    watcher = t.client()
    watcher.subscribe(t.topic("r"), 1)
    watcher.expect_publish(t.topic("r"), b"kept", retain=1)
    keep(t, b"")
    watcher.expect_publish(t.topic("r"), b"", retain=0)


@check("MQTT-3.3.1-8", ALL, v4="MQTT-3.3.1-12")
def message_without_retain_changes_nothing(t):
    t.client().subscribe(t.topic("r"))
    keep(t, b"kept").publish(t.topic("r"), b"live", 1)
    require_equal([packet.payload for packet in kept(t)], [b"kept"], "payloads")


@check("MQTT-3.3.1-8", ALL, v4="MQTT-3.3.1-12")
def empty_message_without_retain_clears_nothing(t):
    t.client().subscribe(t.topic("r"))
    keep(t, b"kept").publish(t.topic("r"), b"", 1)
    require_equal([packet.payload for packet in kept(t)], [b"kept"], "payloads")


@check("MQTT-3.3.1-12", ALL, v4="MQTT-3.3.1-9")
def live_copy_has_no_retain_flag(t):
    watcher = t.client()
    watcher.subscribe(t.topic("r"), 1)
    keep(t, b"kept")
    watcher.expect_publish(t.topic("r"), b"kept", retain=0)


@check("MQTT-3.3.1-9", MODERN, v4="MQTT-3.3.1-6 MQTT-3.3.1-8", cases=["+", "#", "+/x", "a/+", "a/#"])
def wildcards_match_retained_messages(t, name):
    topics = ["a/x", "b/x", "a/y", "a", "c"]
    for topic in topics:
        keep(t, topic.encode(), name=topic)
    expected = {"+": {"a", "c"}, "#": set(topics), "+/x": {"a/x", "b/x"}, "a/+": {"a/x", "a/y"},
                "a/#": {"a", "a/x", "a/y"}}[name]
    found = kept(t, name)
    require_equal(sorted(packet.payload.decode() for packet in found), sorted(expected), "payloads")
    require(all(packet.retain for packet in found), "the retain flag on all", found)


@check("MQTT-3.3.1-9", ALL, v4="MQTT-3.3.1-6")
def many_retained_messages(t):
    client = t.client()
    for n in range(200):
        client.publish(t.topic(f"m/{n}"), b"x", retain=True)
    client.ping()
    watcher = t.client()
    watcher.subscribe(t.topic("m/+"))
    topics = {watcher.expect_publish(retain=1).topic for _ in range(200)}
    require_equal(len(topics), 200, "count of topics")


@check("MQTT-3.3.1-5", ALL, v4="MQTT-3.1.2-7")
def retained_message_outlives_its_publisher(t):
    keep(t, b"kept").disconnect()
    require_equal([packet.payload for packet in kept(t)], [b"kept"], "payloads")


@check("MQTT-3.3.1-5")
def retained_properties(t):
    props = [("payload_format", 1), ("content_type", "c"), ("response_topic", "r"), ("correlation_data", b"\0"),
             ("user_property", ("a", "1")), ("user_property", ("a", "2"))]
    keep(t, b"kept", props=props)
    (packet,) = kept(t)
    require_equal(sorted(packet.props, key=str), sorted(props, key=str), "properties")


@check("MQTT-3.3.1-5", cases={"from 3.1.1": (4, 5), "to 3.1.1": (5, 4), "to 3.1": (5, 3)})
def retained_between_versions(t, pair):
    keep(t, b"kept", version=pair[0])
    watcher = t.client(version=pair[1])
    watcher.subscribe(t.topic("r"), 1)
    watcher.expect_publish(t.topic("r"), b"kept", retain=1, qos=1)


@check("MQTT-3.3.2.3.4")
def retained_through_an_alias(t):
    client = t.client()
    if not client.connack.prop("topic_alias_maximum"):
        raise Skip("topic aliases")
    client.send(wire.publish(5, t.topic("r"), b"1", props=[("topic_alias", 1)]))
    client.send(wire.publish(5, "", b"2", 1, 1, retain=True, props=[("topic_alias", 1)]))
    client.expect(wire.PUBACK, pid=1)
    require_equal([(p.topic, p.payload) for p in kept(t)], [(t.topic("r"), b"2")], "messages")


@check("MQTT-3.3.1-9", MODERN)
def each_overlapping_subscribe_gets_retained(t):
    keep(t, b"kept")
    watcher = t.client()
    for name in ("r", "+", "#"):
        watcher.subscribe(t.topic(name), 1)
        watcher.expect_publish(t.topic("r"), b"kept", retain=1)


@check("MQTT-3.3.1-9", MODERN)
def resumed_session_gets_no_retained_again(t):
    keep(t, b"kept")
    watcher = t.durable(1)
    watcher.subscribe(t.topic("r"), 1)
    watcher.expect_publish(t.topic("r"), b"kept")
    watcher.disconnect()
    t.durable(1).expect_quiet()


@check("MQTT-3.8.4-5")
def filter_again_in_the_same_packet_takes_nothing_back(t):
    t.client().publish(t.topic(), b"kept", 1, retain=True)
    client = t.client()
    client.subscribe_all([(t.topic(), 1), (t.topic(), 0x20 | 1)])
    client.expect_publish(t.topic(), b"kept", retain=1)
    client.expect_quiet()
