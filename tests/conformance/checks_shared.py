"""Shared subscriptions of MQTT 5: names, distribution, retained messages, offline members."""

import wire
from client import PROTOCOL_ERRORS, Closed, require, require_equal
from harness import check, need_feature


def member(t, number=None, durable=False, qos=1, group="g"):
    """A client subscribed to the group's share of the topic of this check."""
    client = t.durable(number) if durable else t.client()
    need_feature(client, "shared_available")
    client.subscribe(f"$share/{group}/{t.topic('x')}", qos)
    return client


def spread(t, members, count, qos=1):
    client = t.client()
    for n in range(count):
        client.publish(t.topic("x"), b"%d" % n, qos)
    found = []
    for one in members:
        mine = one.collect(0.2)
        for packet in mine:
            one.acknowledge(packet)
        found.append([packet.payload for packet in mine])
    return found


@check("MQTT-4.8.2", cases=[0, 1, 2])
def each_message_goes_to_one_member(t, qos):
    found = spread(t, [member(t, qos=qos) for _ in range(3)], 12, qos)
    require_equal(sorted(sum(found, []), key=int), [b"%d" % n for n in range(12)], "messages")


@check("MQTT-4.8.2")
def groups_are_independent(t):
    found = spread(t, [member(t, group=group) for group in ("g", "h")], 4)
    require_equal([len(mine) for mine in found], [4, 4], "messages per group")


@check("MQTT-4.8.2")
def group_and_plain_subscription(t):
    plain = t.client()
    plain.subscribe(t.topic("x"), 1)
    found = spread(t, [member(t), member(t), plain], 6)
    require_equal((len(found[0]) + len(found[1]), len(found[2])), (6, 6), "messages")


@check("MQTT-4.8.2")
def same_name_other_filter_is_another_group(t):
    first = member(t)
    second = t.client()
    second.subscribe(f"$share/g/{t.topic('+')}", 1)
    found = spread(t, [first, second], 4)
    require_equal([len(mine) for mine in found], [4, 4], "messages per group")


@check("MQTT-3.8.3-4")
def no_local_on_a_share(t):
    client = t.client()
    need_feature(client, "shared_available")
    client.send(wire.subscribe(5, 1, [(f"$share/g/{t.topic()}", 4)]))
    client.expect_closed(PROTOCOL_ERRORS)


@check("MQTT-4.8.2", cases={"handling 0": 0x01, "handling 1": 0x11})
def retained_is_not_sent_to_a_share(t, options):
    t.client().publish(t.topic("x"), b"kept", 1, retain=True)
    client = t.client()
    need_feature(client, "shared_available")
    client.subscribe(f"$share/g/{t.topic('x')}", options)
    client.expect_quiet()


@check("MQTT-4.8.2-1 MQTT-4.8.2-2",
       cases={"no name": "$share//{}", "no filter": "$share/g", "empty filter": "$share/g/",
                              "plus in name": "$share/a+b/{}", "hash in name": "$share/a#/{}", "only plus": "$share/+/{}",
                              "bad filter": "$share/g/{}/#/a", "nothing": "$share/"})
def bad_share(t, form):
    client = t.client()
    need_feature(client, "shared_available")
    client.send(wire.subscribe(5, 1, [(form.format(t.topic()), 0)]))
    try:
        packet = client.recv()
    except Closed:
        return
    if packet and packet.kind == wire.SUBACK:
        require(packet.codes[0] >= 0x80, "an error code", packet)
        return
    require(packet and packet.kind == wire.DISCONNECT and packet.code >= 0x80, "SUBACK with an error or close", packet)


@check("MQTT-4.8.2-1", cases=["g", "Group 1", "ü", "a.b", "$x", "a*"])
def legal_share_names(t, group):
    found = spread(t, [member(t, group=group)], 2)
    require_equal(found, [[b"0", b"1"]], "messages")


@check("MQTT-4.8.2-2", cases={"plus": "+", "hash": "#"})
def share_with_wildcard(t, tail):
    client = t.client()
    need_feature(client, "shared_available")
    client.subscribe(f"$share/g/{t.topic(tail)}", 1)
    t.client().publish(t.topic("a"), b"x", 1)
    client.expect_publish(t.topic("a"), b"x")


@check("MQTT-4.8.2-3")
def qos_of_each_member(t):
    client = member(t, qos=0)
    t.client().publish(t.topic("x"), b"x", 2)
    client.expect_publish(t.topic("x"), b"x", qos=0)


@check("MQTT-3.10.4-2")
def unsubscribed_member_gets_nothing(t):
    leaver, stayer = member(t), member(t)
    unsuback = leaver.unsubscribe(f"$share/g/{t.topic('x')}")
    require_equal(unsuback.codes, [0], "codes")
    found = spread(t, [leaver, stayer], 4)
    require_equal([len(mine) for mine in found], [0, 4], "messages")


@check("MQTT-3.10.4-1")
def unsubscribing_the_plain_filter_leaves_the_share(t):
    client = member(t)
    require_equal(client.unsubscribe(t.topic("x")).codes, [0x11], "codes")
    require_equal([len(mine) for mine in spread(t, [client], 2)], [2], "messages")


@check("MQTT-4.8.2")
def departed_member_gets_nothing(t):
    leaver, stayer = member(t), member(t)
    leaver.disconnect()
    require_equal([len(mine) for mine in spread(t, [stayer], 4)], [4], "messages")


@check("MQTT-4.8.2")
def offline_durable_member_gets_its_messages_later(t):
    first = member(t, 1, durable=True)
    first.disconnect()
    t.client().publish(t.topic("x"), b"kept", 1)
    t.durable(1).expect_publish(t.topic("x"), b"kept")


@check("MQTT-4.8.2")
def nothing_is_lost_or_doubled_with_a_member_offline(t):
    away, here = member(t, 1, durable=True), member(t)
    away.disconnect()
    client = t.client()
    for n in range(6):
        client.publish(t.topic("x"), b"%d" % n, 1)
    found = here.collect(0.2)
    found += t.durable(1).collect(0.3)
    require_equal(sorted(packet.payload for packet in found), [b"%d" % n for n in range(6)], "messages")


@check("MQTT-4.8.2-6")
def refused_message_goes_to_no_other_member(t):
    members = [member(t), member(t)]
    t.client().publish(t.topic("x"), b"once", 1)
    for one, other in (members, reversed(members)):
        for packet in one.collect(0.2):
            one.send(wire.ack(wire.PUBACK, packet.pid, 0x83))
            other.expect_quiet()
            return
    require(False, "the message", "nothing")


@check("MQTT-3.3.4-3")
def identifier_of_a_share(t):
    client = t.client()
    need_feature(client, "shared_available")
    client.subscribe(f"$share/g/{t.topic()}", 0, [("subscription_id", 12)])
    t.client().publish(t.topic(), b"x")
    require_equal(client.expect_publish(t.topic()).all_props("subscription_id"), [12], "identifiers")


@check("MQTT-4.8.2")
def publishing_to_a_share_name_reaches_no_member(t):
    client = member(t)
    sender = t.client()
    sender.send(wire.publish(5, f"$share/g/{t.topic('x')}", b"no"))
    client.expect_quiet()
