"""Sessions: resumption, queued and unacknowledged messages, takeover and expiry."""

import time

import wire
from client import PROTOCOL_ERRORS, require, require_equal
from harness import ALL, MODERN, check
from wire import PUBACK, PUBCOMP, PUBREC, PUBREL


def subscribed(t, qos=1, **options):
    watcher = t.durable(1, **options)
    watcher.subscribe(t.topic(), qos)
    return watcher


@check("MQTT-3.1.2-5 MQTT-3.1.3-2", ALL,
       v4="MQTT-3.1.2-4 MQTT-3.1.3-2 MQTT-4.1.0-1", cases={"disconnect": True, "lost connection": False})
def subscriptions_persist(t, clean_end):
    watcher = subscribed(t)
    watcher.disconnect() if clean_end else watcher.kill()
    again = t.durable(1)
    t.client().publish(t.topic(), b"x", 1)
    again.expect_publish(t.topic(), b"x", qos=1)


@check("MQTT-4.5.0-1 MQTT-3.1.2-5 MQTT-4.6.0-5", ALL, v4="MQTT-3.1.2-5 MQTT-4.5.0-1", cases=[1, 2])
def messages_are_queued_in_order(t, qos):
    subscribed(t, 2).disconnect()
    client = t.client()
    for n in range(30):
        client.publish(t.topic(), b"%d" % n, qos)
    again = t.durable(1)
    for n in range(30):
        again.expect_publish(t.topic(), b"%d" % n, qos=qos, retain=0)
    again.expect_quiet(0.05)


@check("MQTT-4.6.0-6", ALL, v4="MQTT-4.6.0-5")
def queued_messages_keep_their_order_per_qos(t):
    subscribed(t, 2).disconnect()
    client = t.client()
    for n in range(10):
        client.publish(t.topic(), b"%d" % n, 1 + n % 2)
    again = t.durable(1)
    found = [again.expect_publish(t.topic()) for _ in range(10)]
    for qos in (1, 2):
        payloads = [packet.payload for packet in found if packet.qos == qos]
        require_equal(payloads, [b"%d" % n for n in range(qos - 1, 10, 2)], f"messages at QoS {qos}")


@check("MQTT-4.5.0-1", MODERN)
def messages_for_qos_0_subscription_are_no_error(t):
    subscribed(t, 0).disconnect()
    t.client().publish(t.topic(), b"x", 2)
    found = t.durable(1).collect()
    require(len(found) <= 1 and all(packet.qos == 0 for packet in found), "at most one QoS 0 message", found)


@check("MQTT-3.1.2-4", ALL, v4="MQTT-3.1.2-6")
def clean_start_deletes_subscriptions_and_queue(t):
    subscribed(t).disconnect()
    client = t.client()
    client.publish(t.topic(), b"queued", 1)
    again = t.durable(1, clean=True)
    client.publish(t.topic(), b"live", 1)
    again.expect_quiet()


@check("MQTT-4.1.0-2", ALL, v4="MQTT-3.1.2-6")
def clean_session_cannot_be_resumed(t):
    first = t.client(t.cid(1))
    first.subscribe(t.topic(), 1)
    first.disconnect()
    t.client().publish(t.topic(), b"x", 1)
    t.durable(1).expect_quiet()


@check("MQTT-4.4.0-1 MQTT-3.3.1-1 MQTT-4.3.2-2 MQTT-4.3.2-3 MQTT-4.3.3-2 MQTT-4.3.3-3", ALL,
       v4="MQTT-2.3.1-4 MQTT-3.3.1-1 MQTT-4.3.2-1 MQTT-4.3.3-1 MQTT-4.4.0-1", cases=[1, 2])
def unacknowledged_publish_is_sent_again(t, qos):
    watcher = subscribed(t, 2)
    t.client().publish(t.topic(), b"x", qos)
    first = watcher.expect_publish(t.topic(), b"x", ack=False, dup=0)
    watcher.kill()
    again = t.durable(1)
    again.expect_publish(t.topic(), b"x", dup=1, pid=first.pid, qos=qos)
    again.expect_quiet()


@check("MQTT-4.6.0-5", ALL, v4="MQTT-4.6.0-6", cases=[1, 2])
def unacknowledged_publishes_keep_their_order(t, qos):
    watcher, client = subscribed(t, 2), t.client()
    for n in range(5):
        client.publish(t.topic(), b"%d" % n, qos)
    ids = [watcher.expect_publish(t.topic(), b"%d" % n, ack=False).pid for n in range(5)]
    watcher.kill()
    again = t.durable(1)
    for n in range(5):
        again.expect_publish(t.topic(), b"%d" % n, dup=1, pid=ids[n])


@check("MQTT-4.4.0-1", ALL)
def publishes_in_flight_come_before_queued_ones(t):
    watcher, client = subscribed(t), t.client()
    for payload in (b"1", b"2"):
        client.publish(t.topic(), payload, 1)
        watcher.expect_publish(t.topic(), payload, ack=False)
    watcher.disconnect()
    for payload in (b"3", b"4"):
        client.publish(t.topic(), payload, 1)
    again = t.durable(1)
    for payload, dup in ((b"1", 1), (b"2", 1), (b"3", 0), (b"4", 0)):
        again.expect_publish(t.topic(), payload, dup=dup)


@check("MQTT-4.4.0-1", ALL)
def only_unacknowledged_publishes_are_sent_again(t):
    watcher, client = subscribed(t), t.client()
    for n in range(4):
        client.publish(t.topic(), b"%d" % n, 1)
    found = [watcher.expect_publish(t.topic(), b"%d" % n, ack=False) for n in range(4)]
    watcher.acknowledge(found[0])
    watcher.acknowledge(found[2])
    watcher.ping()
    watcher.kill()
    again = t.durable(1)
    for n in (1, 3):
        again.expect_publish(t.topic(), b"%d" % n, dup=1, pid=found[n].pid)
    again.expect_quiet(0.05)


@check("MQTT-4.4.0-1 MQTT-4.3.3-5 MQTT-4.3.3-6", ALL, v4="MQTT-2.3.1-6 MQTT-4.3.3-1 MQTT-4.4.0-1")
def pubrel_is_sent_again(t):
    watcher = subscribed(t, 2)
    t.client().publish(t.topic(), b"x", 2)
    packet = watcher.expect_publish(t.topic(), b"x", ack=False)
    watcher.send(wire.ack(PUBREC, packet.pid))
    watcher.expect(PUBREL, pid=packet.pid)
    watcher.kill()
    again = t.durable(1)
    again.expect(PUBREL, pid=packet.pid)
    again.send(wire.ack(PUBCOMP, packet.pid))
    again.expect_quiet()


@check("MQTT-4.4.0-1", ALL, v4="MQTT-4.6.0-6")
def pubrels_are_sent_again_in_order(t):
    watcher, client = subscribed(t, 2), t.client()
    for n in range(3):
        client.publish(t.topic(), b"%d" % n, 2)
    found = [watcher.expect_publish(t.topic(), b"%d" % n, ack=False) for n in range(3)]
    for packet in found:
        watcher.send(wire.ack(PUBREC, packet.pid))
    for packet in found:
        watcher.expect(PUBREL, pid=packet.pid)
    watcher.kill()
    again = t.durable(1)
    for packet in found:
        again.expect(PUBREL, pid=packet.pid)


@check("MQTT-4.4.0-1", ALL, v4="MQTT-4.4.0-1")
def pubrel_and_publish_are_both_sent_again(t):
    watcher, client = subscribed(t, 2), t.client()
    for payload in (b"released", b"open"):
        client.publish(t.topic(), payload, 2)
    first = watcher.expect_publish(t.topic(), b"released", ack=False)
    second = watcher.expect_publish(t.topic(), b"open", ack=False)
    watcher.send(wire.ack(PUBREC, first.pid))
    watcher.expect(PUBREL, pid=first.pid)
    watcher.kill()
    again = t.durable(1)
    again.expect(PUBREL, pid=first.pid)
    again.send(wire.ack(PUBCOMP, first.pid))
    again.expect_publish(t.topic(), b"open", dup=1, pid=second.pid)
    again.expect_quiet(0.05)


@check("MQTT-4.3.3-10", ALL)
def inbound_qos_2_survives_a_lost_connection(t):
    watcher, client = t.client(), t.durable(1)
    watcher.subscribe(t.topic(), 2)
    client.send(wire.publish(t.version, t.topic(), b"once", 2, 5))
    client.expect(PUBREC, pid=5)
    client.kill()
    again = t.durable(1)
    again.send(wire.publish(t.version, t.topic(), b"once", 2, 5, dup=True))
    again.expect(PUBREC, pid=5)
    again.release(5)
    watcher.expect_publish(t.topic(), b"once")
    watcher.expect_quiet()


@check("MQTT-4.4.0-1", ALL)
def pubrel_after_reconnect_completes_the_message(t):
    watcher, client = t.client(), t.durable(1)
    watcher.subscribe(t.topic(), 2)
    client.send(wire.publish(t.version, t.topic(), b"once", 2, 5))
    client.expect(PUBREC, pid=5)
    client.kill()
    completed = t.durable(1).release(5)
    require_equal(completed.code, 0, "reason code")
    watcher.expect_publish(t.topic(), b"once")
    watcher.expect_quiet(0.05)


@check("MQTT-3.1.2-4", ALL)
def clean_start_forgets_inbound_qos_2(t):
    client = t.durable(1)
    client.send(wire.publish(t.version, t.topic("old"), b"old", 2, 5))
    client.expect(PUBREC, pid=5)
    client.kill()
    again = t.durable(1, clean=True)
    again.subscribe(t.topic("new"), 1)
    again.send(wire.publish(t.version, t.topic("new"), b"new", 2, 5))
    again.expect(PUBREC, pid=5)
    again.release(5)
    again.expect_publish(t.topic("new"), b"new")


@check("MQTT-3.1.4-3 MQTT-3.14.2-2", ALL, v4="MQTT-3.1.4-2")
def takeover_closes_the_old_connection(t):
    old = t.client(t.cid(1))
    new = t.client(t.cid(1))
    code = old.expect_closed({0x8E})
    if t.version == 5:
        require_equal(code, 0x8E, "DISCONNECT code")
    new.ping()


@check("MQTT-3.1.4-4", MODERN, v4="MQTT-3.1.4-3 MQTT-4.1.0-2")
def takeover_keeps_the_session(t):
    subscribed(t)
    new = t.durable(1)
    require_equal(new.connack.session_present, 1, "session present")
    t.client().publish(t.topic(), b"x", 1)
    new.expect_publish(t.topic(), b"x")


@check("MQTT-3.1.4-3", MODERN)
def takeover_sends_unacknowledged_again(t):
    old = subscribed(t)
    t.client().publish(t.topic(), b"x", 1)
    packet = old.expect_publish(t.topic(), b"x", ack=False)
    t.durable(1).expect_publish(t.topic(), b"x", dup=1, pid=packet.pid)


@check("MQTT-3.1.4-4", MODERN, v4="MQTT-3.1.4-3")
def takeover_with_clean_start(t):
    old = subscribed(t)
    new = t.durable(1, clean=True)
    require_equal(new.connack.session_present, 0, "session present")
    old.expect_closed({0x8E})
    t.client().publish(t.topic(), b"x", 1)
    new.expect_quiet()


@check("MQTT-3.1.4-3", cases={"3.1.1 then 5": (4, 5), "5 then 3.1.1": (5, 4), "3.1 then 3.1.1": (3, 4)})
def takeover_between_versions(t, pair):
    old = t.client(t.cid(1), version=pair[0])
    new = t.client(t.cid(1), version=pair[1])
    old.expect_closed({0x8E})
    new.ping()


@check("MQTT-3.1.2-5", cases={"3.1.1 then 5": (4, 5), "5 then 3.1.1": (5, 4)})
def session_between_versions(t, pair):
    first = t.durable(1, version=pair[0], expiry=0xFFFFFFFF)
    first.subscribe(t.topic(), 1)
    first.disconnect()
    t.client().publish(t.topic(), b"x", 1)
    again = t.durable(1, version=pair[1])
    if again.connack.session_present:
        again.expect_publish(t.topic(), b"x", qos=1)


@check("MQTT-3.1.4-3 MQTT-3.14.2-2", ALL, v4="MQTT-3.1.4-2")
def many_takeovers(t):
    clients = [t.client(t.cid(1)) for _ in range(10)]
    clients[-1].ping()
    for client in clients[:-1]:
        client.expect_closed({0x8E})


@check("MQTT-4.1.0-2", cases={"0": (0, 0), "absent": (None, 0)})
def session_ends_with_its_connection(t, case):
    expiry, present = case
    props = [] if expiry is None else [("session_expiry", expiry)]
    t.client(t.cid(1), clean=False, props=props).disconnect()
    require_equal(t.durable(1).connack.session_present, present, "session present")


@check("MQTT-4.1.0-2", cases={"disconnect": True, "lost connection": False})
def session_expires(t, clean_end):
    watcher = subscribed(t, expiry=1)
    watcher.disconnect() if clean_end else watcher.kill()
    time.sleep(2.6)
    require_equal(t.durable(1).connack.session_present, 0, "session present")


@check("MQTT-4.1.0-1")
def session_does_not_expire_while_connected(t):
    watcher = subscribed(t, expiry=1)
    time.sleep(2.6)
    watcher.disconnect()
    require_equal(t.durable(1).connack.session_present, 1, "session present")


@check("MQTT-3.1.2-23", cases={"2 s": 2, "never": 0xFFFFFFFF})
def session_lives_until_its_expiry(t, expiry):
    subscribed(t, expiry=expiry).kill()
    time.sleep(0.7 if expiry == 2 else 2.2)
    require_equal(t.durable(1).connack.session_present, 1, "session present")


@check("MQTT-3.1.2-23")
def reconnect_restarts_the_expiry(t):
    subscribed(t, expiry=2).disconnect()
    for _ in range(3):
        time.sleep(0.9)
        client = t.durable(1, expiry=2)
        require_equal(client.connack.session_present, 1, "session present")
        client.disconnect()


@check("MQTT-3.14.2.2.2", cases={"shortened to 0": (60, 0, 0, 0), "shortened to 1": (60, 1, 2.6, 0),
                               "prolonged": (1, 60, 2.6, 1), "prolonged for ever": (1, 0xFFFFFFFF, 2.6, 1)})
def disconnect_changes_the_expiry(t, case):
    first, last, wait, present = case
    subscribed(t, expiry=first).disconnect(0, [("session_expiry", last)])
    time.sleep(wait)
    require_equal(t.durable(1).connack.session_present, present, "session present")


@check("MQTT-3.14.2.2.2", cases={"60": 60, "for ever": 0xFFFFFFFF})
def disconnect_sets_expiry_after_0(t, expiry):
    client = t.client(t.cid(1))
    client.send(wire.disconnect(0, [("session_expiry", expiry)]))
    client.expect_closed(PROTOCOL_ERRORS)
    require_equal(t.durable(1).connack.session_present, 0, "session present")


@check("MQTT-4.1.0-2")
def new_connection_sets_a_new_expiry(t):
    subscribed(t, expiry=60).disconnect()
    t.durable(1, expiry=1).disconnect()
    time.sleep(2.6)
    require_equal(t.durable(1).connack.session_present, 0, "session present")


@check("MQTT-4.9.0-1")
def receive_maximum_holds_for_queued_messages(t):
    subscribed(t).disconnect()
    client = t.client()
    for n in range(6):
        client.publish(t.topic(), b"%d" % n, 1)
    again = t.durable(1, props=[("receive_maximum", 2)])
    found = again.collect(0.3)
    require_equal([packet.payload for packet in found], [b"0", b"1"], "messages in flight")
    for packet in found:
        again.send(wire.ack(PUBACK, packet.pid))
    for n in range(2, 6):
        again.expect_publish(t.topic(), b"%d" % n)


@check("MQTT-4.9.0-1")
def receive_maximum_may_change_on_reconnect(t):
    watcher, client = subscribed(t), t.client()
    for n in range(4):
        client.publish(t.topic(), b"%d" % n, 1)
        watcher.expect_publish(t.topic(), b"%d" % n, ack=False)
    watcher.kill()
    again = t.durable(1, props=[("receive_maximum", 2)])
    found = again.collect(0.3)
    require_equal([packet.payload for packet in found], [b"0", b"1"], "messages in flight")
    for packet in found:
        again.send(wire.ack(PUBACK, packet.pid))
    for n in (2, 3):
        again.expect_publish(t.topic(), b"%d" % n, dup=1)
