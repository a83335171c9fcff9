"""Keep alive and message expiry: checks that must wait for time to pass."""

import time

import wire
from client import Closed, require, require_equal
from harness import ALL, MODERN, Skip, check

GRACE = 6  # the standard sets no limit to how late the server may notice


def granted(client, asked=1):
    """The keep alive that holds after CONNACK."""
    return client.connack.prop("server_keep_alive", asked)


def time_to_close(client, limit):
    started = time.monotonic()
    while True:
        try:
            packet = client.recv(started + limit - time.monotonic())
        except Closed:
            return time.monotonic() - started
        require(packet is not None, f"connection closed within {limit:.1f} s", "still open")
        if packet.kind == wire.DISCONNECT:
            require_equal(packet.code, 0x8D, "DISCONNECT code")


@check("MQTT-3.1.2-22 MQTT-3.2.2-22", ALL, v4="MQTT-3.1.2-24")
def silent_client_is_closed_after_keep_alive(t):
    client = t.client(keepalive=1)
    keep_alive = granted(client)
    waited = time_to_close(client, keep_alive * 1.5 + GRACE)
    require(waited > keep_alive * 1.5 - 0.2, f"close after {keep_alive * 1.5:.1f} s", f"{waited:.2f} s")


@check("MQTT-3.1.2-22", MODERN)
def half_sent_packet_does_not_keep_alive(t):
    client = t.client(keepalive=1)
    client.send(b"\x30\x20\x00")
    time_to_close(client, granted(client) * 1.5 + GRACE)


@check("MQTT-3.1.2-22", MODERN)
def packets_from_the_server_do_not_keep_alive(t):
    client, other = t.client(keepalive=1), t.client()
    client.subscribe(t.topic())
    deadline = time.monotonic() + granted(client) * 1.5 + GRACE
    while time.monotonic() < deadline:
        other.publish(t.topic(), b"x")
        try:
            client.recv(0.2)
            time.sleep(0.2)
        except Closed:
            return
    require(False, "connection closed", "still open")


@check("MQTT-3.1.2-22", ALL, cases=["PINGREQ", "PUBLISH"])
def any_packet_keeps_alive(t, name):
    client = t.client(keepalive=1)
    for _ in range(5):
        time.sleep(0.7)
        client.send(wire.pingreq() if name == "PINGREQ" else wire.publish(t.version, t.topic(), b"x"))
    client.ping()


@check("MQTT-3.1.2-22 MQTT-3.2.2-22", ALL, v4="MQTT-3.1.2-24")
def no_close_before_one_and_a_half_keep_alive(t):
    client = t.client(keepalive=2)
    time.sleep(2.7)
    client.ping()


@check("MQTT-3.1.2-22", ALL)
def keep_alive_0_never_closes(t):
    client = t.client(keepalive=0)
    if 0 < granted(client, 0) < 4:
        raise Skip("keep alive 0")
    time.sleep(4)
    client.ping()


@check("MQTT-3.1.2-22", MODERN, v4="MQTT-4.1.0-2")
def session_survives_keep_alive_timeout(t):
    client = t.durable(1, keepalive=1)
    client.subscribe(t.topic(), 1)
    time_to_close(client, granted(client) * 1.5 + GRACE)
    t.client().publish(t.topic(), b"x", 1)
    t.durable(1).expect_publish(t.topic(), b"x")


@check("MQTT-3.1.0-1", MODERN)
def connection_without_connect_harms_nobody(t):
    t.raw()
    time.sleep(0.2)
    t.alive()


def absent(t, qos=1):
    watcher = t.durable(1)
    watcher.subscribe(t.topic(), qos)
    watcher.disconnect()
    return t.client()


@check("MQTT-3.3.2-5", cases=[1, 2])
def expired_message_is_dropped(t, qos):
    client = absent(t, 2)
    client.publish(t.topic(), b"dies", qos, props=[("message_expiry", 1)])
    client.publish(t.topic(), b"stays", qos)
    time.sleep(2.3)
    again = t.durable(1)
    again.expect_publish(t.topic(), b"stays")
    again.expect_quiet(0.05)


@check("MQTT-3.3.2-6")
def message_expiry_counts_down(t):
    absent(t).publish(t.topic(), b"x", 1, props=[("message_expiry", 10)])
    time.sleep(2.2)
    packet = t.durable(1).expect_publish(t.topic(), b"x")
    require(packet.prop("message_expiry") in (6, 7, 8), "message expiry 6 to 8", packet)


@check("MQTT-3.3.2-6")
def live_message_keeps_its_expiry(t):
    watcher = t.client()
    watcher.subscribe(t.topic())
    t.client().publish(t.topic(), b"x", props=[("message_expiry", 100)])
    packet = watcher.expect_publish(t.topic(), b"x")
    require(packet.prop("message_expiry") in (99, 100), "message expiry 99 or 100", packet)


@check("MQTT-3.3.2-5")
def retained_message_expires(t):
    t.client().publish(t.topic("r"), b"x", 1, retain=True, props=[("message_expiry", 1)])
    time.sleep(2.3)
    watcher = t.client()
    watcher.subscribe(t.topic("r"), 1)
    watcher.expect_quiet()


@check("MQTT-3.3.2-6")
def retained_message_expiry_counts_down(t):
    t.client().publish(t.topic("r"), b"x", 1, retain=True, props=[("message_expiry", 10)])
    time.sleep(2.2)
    watcher = t.client()
    watcher.subscribe(t.topic("r"), 1)
    packet = watcher.expect_publish(t.topic("r"), b"x", retain=1)
    require(packet.prop("message_expiry") in (6, 7, 8), "message expiry 6 to 8", packet)


@check("MQTT-3.3.2-5")
def message_held_back_by_the_quota_expires(t):
    watcher, client = t.client(props=[("receive_maximum", 1)]), t.client()
    watcher.subscribe(t.topic(), 1)
    client.publish(t.topic(), b"first", 1)
    first = watcher.expect_publish(t.topic(), b"first", ack=False)
    client.publish(t.topic(), b"dies", 1, props=[("message_expiry", 1)])
    client.publish(t.topic(), b"stays", 1)
    time.sleep(2.3)
    watcher.acknowledge(first)
    watcher.expect_publish(t.topic(), b"stays")


@check("MQTT-3.3.2-5")
def message_without_expiry_does_not_expire(t):
    absent(t).publish(t.topic(), b"x", 1)
    time.sleep(2.3)
    packet = t.durable(1).expect_publish(t.topic(), b"x")
    require_equal(packet.prop("message_expiry"), None, "message expiry")


@check("MQTT-4.3.3-7")
def qos_2_under_way_does_not_expire(t):
    watcher = t.durable(1)
    watcher.subscribe(t.topic(), 2)
    t.client().publish(t.topic(), b"x", 2, props=[("message_expiry", 1)])
    packet = watcher.expect_publish(t.topic(), b"x", ack=False, qos=2)
    watcher.kill()
    time.sleep(2.3)
    t.durable(1).expect_publish(t.topic(), b"x", dup=1, pid=packet.pid)


@check("MQTT-4.3.3-13")
def expired_message_completes_its_flow(t):
    client = absent(t, 2)
    client.send(wire.publish(5, t.topic(), b"dies", 2, 5, props=[("message_expiry", 1)]))
    client.expect(wire.PUBREC, pid=5)
    time.sleep(2.3)
    require_equal(client.release(5).code, 0, "reason code")


@check("MQTT-3.3.2.3.3", (4,))
def expiry_holds_for_older_subscribers(t):
    absent(t)
    client = t.client(version=5)
    client.publish(t.topic(), b"dies", 1, props=[("message_expiry", 1)])
    client.publish(t.topic(), b"stays", 1)
    time.sleep(2.3)
    t.durable(1).expect_publish(t.topic(), b"stays")
