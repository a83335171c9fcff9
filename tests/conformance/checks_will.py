"""Will messages: when they are sent, when they are not, their delay, QoS and properties."""

import time

import wire
from client import require, require_equal
from harness import ALL, MODERN, check


def will(t, payload=b"gone", qos=0, retain=False, props=()):
    return (t.topic("will"), payload, qos, retain, props)


def watch(t, qos=2, options=0):
    watcher = t.client()
    watcher.subscribe(t.topic("will"), qos | options)
    return watcher


@check("MQTT-3.1.2-8 MQTT-3.1.2-7 MQTT-3.1.2-12", ALL, v4="MQTT-3.1.2-8", cases=[0, 1, 2])
def will_after_a_lost_connection(t, qos):
    watcher = watch(t)
    t.client(will=will(t, qos=qos)).kill()
    watcher.expect_publish(t.topic("will"), b"gone", qos=qos, retain=0)
    watcher.expect_quiet(0.05)


@check("MQTT-3.1.2-10 MQTT-3.14.4-3", ALL, v4="MQTT-3.1.2-10 MQTT-3.14.4-3")
def no_will_after_disconnect(t):
    watcher = watch(t)
    t.client(will=will(t)).disconnect()
    watcher.expect_quiet()


@check("MQTT-3.1.2-10", ALL, v4="MQTT-3.1.2-10 MQTT-3.1.2-12")
def will_is_forgotten_with_the_connection(t):
    watcher = watch(t)
    t.durable(1, will=will(t)).disconnect()
    t.durable(1).kill()
    watcher.expect_quiet()


@check("MQTT-3.1.2-8", ALL)
def will_after_a_reset(t):
    watcher = watch(t)
    t.client(will=will(t)).reset()
    watcher.expect_publish(t.topic("will"), b"gone")


@check("MQTT-3.1.2-8")
def delayed_will_of_a_session_without_expiry_after_a_takeover(t):
    watcher = watch(t)
    t.client(t.cid(1), will=will(t, props=[("will_delay", 30)]))
    t.client(t.cid(1), clean=False)
    watcher.expect_publish(t.topic("will"), b"gone")


@check("MQTT-3.1.2-10", ALL, v4="MQTT-3.1.2-10 MQTT-3.1.2-12")
def will_is_sent_once(t):
    watcher = watch(t)
    for number in (1, 2):
        t.durable(number, will=will(t)).kill()
        watcher.expect_publish(t.topic("will"), b"gone")
    t.durable(1).kill()
    t.durable(2, clean=True).kill()
    watcher.expect_quiet()


@check("MQTT-3.14.4-3", cases=[0x04, 0x80, 0x81, 0x90, 0x98])
def will_after_disconnect_with_a_reason(t, code):
    watcher = watch(t)
    t.client(will=will(t)).disconnect(code)
    watcher.expect_publish(t.topic("will"), b"gone")


@check("MQTT-3.14.4-3")
def no_will_after_disconnect_0_with_properties(t):
    watcher = watch(t)
    t.client(will=will(t)).disconnect(0, [("reason_string", "bye")])
    watcher.expect_quiet()


@check("MQTT-3.1.2-8", ALL, v4="MQTT-3.1.2-8")
def will_after_a_protocol_error(t):
    watcher = watch(t)
    client = t.client(will=will(t))
    client.send(wire.connect(t.version, t.cid()))
    client.expect_closed()
    watcher.expect_publish(t.topic("will"), b"gone")


@check("MQTT-3.1.2-8", MODERN)
def will_after_a_malformed_packet(t):
    watcher = watch(t)
    client = t.client(will=will(t))
    client.send(b"\x36\x05\x00\x01a\x00\x01")
    client.expect_closed()
    watcher.expect_publish(t.topic("will"), b"gone")


@check("MQTT-3.1.2-8 MQTT-3.1.2-22", ALL, v4="MQTT-3.1.2-8 MQTT-3.1.2-24")
def will_after_keep_alive_ran_out(t):
    watcher = watch(t)
    t.client(will=will(t), keepalive=1)
    started = time.monotonic()
    watcher.expect_publish(t.topic("will"), b"gone", timeout=9)
    require(time.monotonic() - started > 1.3, "a will after 1.5 s", f"{time.monotonic() - started:.2f} s")


@check("MQTT-3.1.2-8", ALL)
def will_after_a_takeover(t):
    watcher = watch(t)
    t.client(t.cid(1), will=will(t))
    t.client(t.cid(1))
    watcher.expect_publish(t.topic("will"), b"gone")


@check("MQTT-3.1.2-8")
def will_without_delay_after_a_resuming_takeover(t):
    watcher = watch(t)
    t.durable(1, will=will(t))
    t.durable(1)
    watcher.expect_publish(t.topic("will"), b"gone")


@check("MQTT-3.1.3-9")
def no_delayed_will_after_a_resuming_takeover(t):
    watcher = watch(t)
    t.durable(1, will=will(t, props=[("will_delay", 1)]))
    t.durable(1)
    watcher.expect_quiet(2.2)


@check("MQTT-3.1.2-8")
def delayed_will_after_a_clean_takeover(t):
    watcher = watch(t)
    t.durable(1, will=will(t, props=[("will_delay", 30)]))
    t.durable(1, clean=True)
    watcher.expect_publish(t.topic("will"), b"gone")


@check("MQTT-3.1.2-8")
def delayed_will_after_a_clean_reconnect(t):
    watcher = watch(t)
    t.durable(1, will=will(t, props=[("will_delay", 30)])).kill()
    watcher.expect_quiet()
    t.durable(1, clean=True)
    watcher.expect_publish(t.topic("will"), b"gone")


@check("MQTT-3.1.2-7", ALL)
def new_will_replaces_the_old_one(t):
    watcher = watch(t)
    t.durable(1, will=will(t, b"old")).disconnect()
    t.durable(1, will=will(t, b"new")).kill()
    watcher.expect_publish(t.topic("will"), b"new")
    watcher.expect_quiet(0.05)


@check("MQTT-3.1.2-7", ALL)
def will_of_a_refused_client_is_never_sent(t):
    watcher = watch(t)
    t.refused(wire.connect(t.version, t.cid(), will=will(t), level=9))
    watcher.expect_quiet()


@check("MQTT-3.1.2-14", ALL, v4="MQTT-3.1.2-16")
def will_without_retain_is_not_stored(t):
    watcher = watch(t)
    t.client(will=will(t)).kill()
    watcher.expect_publish(t.topic("will"), b"gone", retain=0)
    watch(t).expect_quiet()


@check("MQTT-3.1.2-15", ALL, v4="MQTT-3.1.2-17")
def will_with_retain_is_stored(t):
    watcher = watch(t)
    t.client(will=will(t, qos=1, retain=True)).kill()
    watcher.expect_publish(t.topic("will"), b"gone", retain=0)
    watch(t).expect_publish(t.topic("will"), b"gone", retain=1, qos=1)


@check("MQTT-3.3.1-6", ALL)
def empty_retained_will_clears(t):
    t.client().publish(t.topic("will"), b"kept", 1, retain=True)
    watcher = watch(t)
    watcher.expect_publish(t.topic("will"), b"kept")
    t.client(will=will(t, b"", retain=True)).kill()
    watcher.expect_publish(t.topic("will"), b"")
    watch(t).expect_quiet()


@check("MQTT-3.1.2-8", ALL, cases={"empty": b"", "binary": bytes(range(256)), "60 KiB": b"w" * 61440})
def will_payload_is_unaltered(t, payload):
    watcher = watch(t)
    t.client(will=will(t, payload)).kill()
    watcher.expect_publish(t.topic("will"), payload)


@check("MQTT-3.1.2-8", MODERN)
def will_is_queued_for_absent_subscribers(t):
    absent, present = t.durable(1), watch(t)
    absent.subscribe(t.topic("will"), 1)
    absent.disconnect()
    t.client(will=will(t, qos=1)).kill()
    present.expect_publish(t.topic("will"), b"gone")
    t.durable(1).expect_publish(t.topic("will"), b"gone", qos=1)


@check("MQTT-4.7.0-1", MODERN, v4="MQTT-4.7.1-1", cases=["a/+/b", "#"])
def wildcard_in_will_topic_is_never_published(t, topic):
    client = t.raw()
    client.send(wire.connect(t.version, t.cid(), will=(t.topic(topic), b"gone", 0, False, ())))
    watcher = t.client()
    watcher.subscribe(t.topic("#"))
    client.kill()
    watcher.expect_quiet()


@check("MQTT-3.3.2-15 MQTT-3.1.3-10")
def will_properties_are_forwarded(t):
    props = [("payload_format", 1), ("content_type", "c"), ("response_topic", "r"), ("correlation_data", b"\0\xff"),
             ("user_property", ("b", "1")), ("user_property", ("a", "2")), ("user_property", ("b", "3"))]
    watcher = watch(t)
    t.client(will=will(t, props=[("will_delay", 0), *props])).kill()
    packet = watcher.expect_publish(t.topic("will"), b"gone")
    require_equal(packet.all_props("user_property"), [("b", "1"), ("a", "2"), ("b", "3")], "user properties")
    require_equal(sorted(packet.props, key=str), sorted(props, key=str), "properties")


@check("MQTT-3.3.2-6")
def will_message_expiry_is_forwarded(t):
    watcher = watch(t)
    t.client(will=will(t, props=[("message_expiry", 100)])).kill()
    packet = watcher.expect_publish(t.topic("will"), b"gone")
    require(packet.prop("message_expiry") in (99, 100), "message expiry 99 or 100", packet)


@check("MQTT-3.1.2-8", cases={"lost connection": None, "disconnect 0x04": 0x04})
def will_is_delayed(t, code):
    watcher = watch(t)
    client = t.durable(1, will=will(t, props=[("will_delay", 1)]))
    client.kill() if code is None else client.disconnect(code)
    watcher.expect_quiet(0.6 if code is None else 0.3)
    watcher.expect_publish(t.topic("will"), b"gone", timeout=3.5)


@check("MQTT-3.1.3-9")
def reconnect_cancels_the_delayed_will(t):
    watcher = watch(t)
    t.durable(1, will=will(t, props=[("will_delay", 1)])).kill()
    again = t.durable(1)
    watcher.expect_quiet(2.4)
    again.kill()
    watcher.expect_quiet()


@check("MQTT-3.1.2-8", cases={"expiry 0": (0, 0.0), "expiry 1": (1, 0.5)})
def session_end_sends_the_delayed_will(t, case):
    expiry, quiet = case
    watcher = watch(t)
    t.durable(1, expiry=expiry, will=will(t, props=[("will_delay", 30)])).kill()
    if quiet:
        watcher.expect_quiet(quiet)
    watcher.expect_publish(t.topic("will"), b"gone", timeout=4)


@check("MQTT-3.14.4-3")
def disconnect_0_drops_the_delayed_will(t):
    watcher = watch(t)
    t.durable(1, will=will(t, props=[("will_delay", 1)])).disconnect()
    watcher.expect_quiet(2.2)


@check("MQTT-3.3.1-13")
def retain_as_published_of_a_will(t):
    watcher = watch(t, options=8)
    t.client(will=will(t, retain=True)).kill()
    watcher.expect_publish(t.topic("will"), b"gone", retain=1)


@check("MQTT-3.1.4-2", ALL, v4="MQTT-3.1.4-1", cases=["$SYS/x", "$share/g/x"])
def will_topic_of_the_broker_is_refused(t, topic):
    connack = t.raw().connect_raw(wire.connect(t.version, t.cid(), will=(topic, b"x", 0, False, ())))
    require_equal(connack.code, 0x87 if t.version == 5 else 5, "CONNACK code")
