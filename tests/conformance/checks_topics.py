"""Topic names and filters: which filter matches which topic (P stands for the check's prefix)."""

import wire
from client import require, require_equal
from harness import ALL, MODERN, check

MATCHING = [
    ("P", "P"), ("P/a/b/c", "P/a/b/c"), ("P/#", "P"), ("P/#", "P/a"), ("P/#", "P/a/b/c"), ("P/#", "P/"), ("#", "P/a"),
    ("P/a/#", "P/a"), ("P/+", "P/a"), ("P/+", "P/"), ("P/+/b", "P/a/b"), ("P/+/b", "P//b"), ("P/+/+/+", "P///"),
    ("P/+/#", "P/a"), ("P/+/#", "P/a/b/c"), ("+/#", "P"), ("+/#", "P/a"), ("+", "P"), ("+/P", "/P"),
    ("+/P/#", "x/P"),
    ("/#", "/P"), ("/+", "/P"), ("+/+", "/P"), ("/P", "/P"), ("//+", "//P"), ("P/", "P/"), ("P//", "P//"),
    ("P/a b", "P/a b"), ("P/ ", "P/ "), ("P/é/日本/😀", "P/é/日本/😀"), ("P/+/x", "P/1.0/x"), ("P/1.0/x", "P/1.0/x"),
    ("P/a*b", "P/a*b"), ("P/*", "P/*"), ("P/a\\b", "P/a\\b"), ("P/+/c", "P/a\\b/c"), ("P/a.b", "P/a.b"),
    ("P/a?b", "P/a?b"), ("P/[a-z]", "P/[a-z]"), ("P/a%2Fb", "P/a%2Fb"), ("P/+", "P/$x"), ("P/#", "P/$x/y"),
    ("P/$x", "P/$x"),
    ("P/+", "P/a*b"), ("P/>", "P/>"), ("P/a'b\"c;--", "P/a'b\"c;--"), ("P/{a,b}", "P/{a,b}"),
    ("P/a:b@c!d=e,f", "P/a:b@c!d=e,f"), ("P/..", "P/.."), ("P/./a", "P/./a"), ("P" + "/+" * 60, "P" + "/a" * 60),
    ("P" + "/a" * 120, "P" + "/a" * 120),
]
APART = [
    ("P", "P/"), ("P/", "P"), ("P/+", "P"), ("P/+", "P/a/b"), ("P/#", "Px"), ("P/a/#", "P/ab"), ("P/a/#", "P"),
    ("P/a", "P/A"), ("P/a", "P/a "), ("P/a", "P/ a"), ("P/a*b", "P/axb"), ("P/a*", "P/ab"), ("P/*", "P/a"),
    ("P/a.b", "P/a/b"), ("P/a/b", "P/a.b"), ("P/a.b", "P/axb"), ("P/.*", "P/a"), ("P/a\\b", "P/a/b"), ("P/a\\b", "P/ab"),
    ("P/a?", "P/ab"), ("P/[ab]", "P/a"), ("P/{a,b}", "P/a"), ("P/>", "P/a"), ("P/%61", "P/a"), ("P/a%2Fb", "P/a/b"),
    ("+", "/P"), ("P/+/b", "P/b"), ("P/+/+", "P/a"), ("P/+/+", "P/a/b/c"), ("P", "/P"), ("/P", "P"), ("+/P", "P"),
    ("+/P", "a/b/P"), ("P/a/b", "P/a//b"), ("P//b", "P/b"), ("P/..", "P"), ("P/a/../b", "P/b"), ("P/./a", "P/a"),
    ("P/\u00e9", "P/e\u0301"), ("P/\u0130", "P/i"), ("P/a/+/c", "P/a/b/d"), ("P/+/b/#", "P/a/c/b"),
]


def named(pairs):
    return {f"{name[:24]} ~ {topic[:24]}": (name, topic) for name, topic in pairs}


def next_of_check(t, client):
    """The next PUBLISH whose topic belongs to this check; filters may let others in."""
    while True:
        packet = client.expect_publish()
        if t.prefix in packet.topic:
            return packet


@check("MQTT-4.7.3-4 MQTT-3.3.2-3", MODERN, v4="MQTT-3.3.2-3 MQTT-3.8.3-2 MQTT-4.7.3-4", cases=named(MATCHING))
def filter_matches(t, pair):
    name, topic = (text.replace("P", t.prefix) for text in pair)
    watcher, client = t.client(), t.client()
    watcher.subscribe(name)
    client.publish(topic, b"match", 1)
    packet = next_of_check(t, watcher)
    require_equal((packet.topic, packet.payload), (topic, b"match"), "message")


@check("MQTT-4.7.3-4 MQTT-3.3.2-3", MODERN, cases=named(APART))
def filter_does_not_match(t, pair):
    name, topic = (text.replace("P", t.prefix) for text in pair)
    watcher, client = t.client(), t.client()
    watcher.subscribe_all([(name, 0), (t.topic("marker"), 0)])
    client.publish(topic, b"stray", 1)
    client.publish(t.topic("marker"), b"marker", 1)
    packet = next_of_check(t, watcher)
    require_equal(packet.payload, b"marker", "payload")


@check("MQTT-4.7.2-1", MODERN, v4="MQTT-4.7.2-1", cases={"#": "#", "+/P": "+/P", "+/P/#": "+/P/#", "+/#": "+/#"})
def dollar_topics_hide_from_leading_wildcards(t, form):
    watcher = t.client()
    watcher.subscribe_all([(form.replace("P", t.prefix), 0), (t.topic("marker"), 0)])
    t.client().send(wire.publish(t.version, f"$hidden/{t.prefix}", b"stray"))
    t.client().publish(t.topic("marker"), b"marker", 1)
    while True:
        packet = watcher.expect_publish()
        require(not packet.topic.startswith("$"), "no $ topic", packet)
        if t.prefix in packet.topic:
            return


@check("MQTT-4.7.2-1", MODERN)
def server_topics_are_not_in_the_hash(t):
    watcher = t.client()
    watcher.subscribe("#")
    for packet in watcher.collect(0.5):
        require(not packet.topic.startswith("$"), "no $ topic", packet)


@check("MQTT-4.7.3-4", ALL, v4="MQTT-4.7.3-4")
def topics_are_case_sensitive(t):
    watcher, client = t.client(), t.client()
    watcher.subscribe(t.topic("Abc"))
    for name in ("abc", "ABC", "Abc"):
        client.publish(t.topic(name), name.encode())
    watcher.expect_publish(t.topic("Abc"), b"Abc")
    watcher.expect_quiet()


@check("MQTT-4.7.3-4", ALL, v4="MQTT-3.3.2-3")
def single_level_wildcard_gets_every_sibling(t):
    watcher, client = t.client(), t.client()
    watcher.subscribe(t.topic("+/t"))
    names = ["a", "b", "", "1.0", "c d"]
    for name in names:
        client.publish(t.topic(f"{name}/t"), b"x")
        client.publish(t.topic(f"{name}/u"), b"x")
    found = {watcher.expect_publish().topic for _ in names}
    require_equal(found, {t.topic(f"{name}/t") for name in names}, "topics")
    watcher.expect_quiet()
