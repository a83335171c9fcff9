"""MQTT 5 properties and strings: duplicates, illegal values, wrong packets, ill-formed UTF-8."""

import wire
from client import PROTOCOL_ERRORS, require_equal
from harness import MODERN, check

SAMPLES = {"byte": 1, "two": 1, "four": 100, "varint": 1, "utf8": "text", "data": b"\x01", "pair": ("a", "b")}
BAD_UTF8 = {"0xff": b"a\xffb", "NUL": b"a\x00b", "overlong": b"a\xc0\x80", "surrogate": b"\xed\xa0\x80",
            "above U+10FFFF": b"\xf4\x90\x80\x80", "cut short": b"a\xe2\x82", "lone continuation": b"\x80"}


def value_of(name):
    return SAMPLES[wire.PROPERTIES[name][1]]


def names_for(kind):
    return [name for name, (_, _, kinds) in wire.PROPERTIES.items() if kind in kinds]


def foreign_to(*kinds):
    return [name for name, (_, _, allowed) in wire.PROPERTIES.items() if not allowed & set(kinds)]


def single_for(kind):
    return [name for name in names_for(kind) if name not in ("user_property", "auth_method", "auth_data")]


def will_with(t, props):
    return wire.connect(5, t.cid(), will=(t.topic("w"), b"gone", 0, False, props))


@check("MQTT-3.1.2.11", cases=single_for(wire.CONNECT))
def property_twice_in_connect(t, name):
    pair = (name, value_of(name))
    t.refused(wire.connect(5, t.cid(), props=[pair, pair]), PROTOCOL_ERRORS)


@check("MQTT-3.1.2.11.9", cases=["auth_method", "auth_data"])
def authentication_property_twice(t, name):
    props = [("auth_method", "m"), ("auth_data", b"d"), (name, value_of(name))]
    t.refused(wire.connect(5, t.cid(), props=props), PROTOCOL_ERRORS | {0x8C, 0x87})


@check("MQTT-3.1.2.11.10")
def authentication_data_without_method(t):
    t.refused(wire.connect(5, t.cid(), props=[("auth_data", b"d")]), PROTOCOL_ERRORS | {0x8C})


@check("MQTT-3.1.3.2", cases=single_for(wire.WILL))
def property_twice_in_will(t, name):
    pair = (name, value_of(name))
    t.refused(will_with(t, [pair, pair]), PROTOCOL_ERRORS)


@check("MQTT-3.1.4-1", cases={
    "receive maximum 0": ("receive_maximum", 0), "maximum packet size 0": ("maximum_packet_size", 0),
    "problem information 2": ("request_problem_info", 2),
    "response information 2": ("request_response_info", 2)})
def illegal_value_in_connect(t, pair):
    t.refused(wire.connect(5, t.cid(), props=[pair]), PROTOCOL_ERRORS)


@check("MQTT-2.2.2.2 MQTT-3.14.0-1", cases=foreign_to(wire.CONNECT))
def foreign_property_in_connect(t, name):
    t.refused(wire.connect(5, t.cid(), props=[(name, value_of(name))]), PROTOCOL_ERRORS)


@check("MQTT-2.2.2.2", cases=["topic_alias", "subscription_id", "session_expiry", "receive_maximum", "reason_string"])
def foreign_property_in_will(t, name):
    t.refused(will_with(t, [(name, value_of(name))]), PROTOCOL_ERRORS)


@check("MQTT-2.2.2.2", cases={"unknown id": b"\x7f\x00", "id 0": b"\x00\x00", "two-byte id": b"\xff\x01\x00",
                              "value cut": b"\x11\x00\x00", "string cut": b"\x26\x00\x05ab"})
def malformed_property_block_in_connect(t, raw):
    t.refused(wire.connect(5, t.cid(), props=raw), PROTOCOL_ERRORS)


@check("MQTT-3.1.4-1")
def property_length_beyond_connect(t):
    body = wire.data("MQTT") + b"\x05\x02\x00\x3c" + b"\x7f" + wire.data(t.cid())
    t.refused(wire.packet(wire.CONNECT, 0, body), PROTOCOL_ERRORS)


def send_after_connect(t, raw, codes=frozenset()):
    client = t.client()
    client.send(raw)
    client.expect_closed(PROTOCOL_ERRORS | codes)


@check("MQTT-4.13.1-1", cases=["payload_format", "message_expiry", "content_type", "response_topic",
                              "correlation_data", "topic_alias"])
def property_twice_in_publish(t, name):
    pair = (name, value_of(name))
    send_after_connect(t, wire.publish(5, t.topic(), b"x", props=[pair, pair]), {0x94})


@check("MQTT-2.2.2.2 MQTT-4.13.1-1", cases=[name for name in foreign_to(wire.PUBLISH) if name not in (
    "wildcard_available", "subscription_id_available", "server_reference", "response_info")])
def foreign_property_in_publish(t, name):
    send_after_connect(t, wire.publish(5, t.topic(), b"x", props=[(name, value_of(name))]))


@check("MQTT-2.2.2.2", cases=["subscription_id", "topic_alias", "session_expiry", "message_expiry"])
def foreign_property_in_unsubscribe(t, name):
    send_after_connect(t, wire.unsubscribe(5, 1, [t.topic()], [(name, value_of(name))]))


@check("MQTT-2.2.2.2", cases=["topic_alias", "session_expiry", "message_expiry", "reason_string", "payload_format"])
def foreign_property_in_subscribe(t, name):
    send_after_connect(t, wire.subscribe(5, 1, [(t.topic(), 0)], [(name, value_of(name))]))


@check("MQTT-2.2.2.2", cases=["topic_alias", "message_expiry", "receive_maximum", "subscription_id"])
def foreign_property_in_disconnect(t, name):
    send_after_connect(t, wire.disconnect(0, [(name, value_of(name))]))


@check("MQTT-2.2.2.2", cases={wire.NAMES[kind]: kind for kind in wire.ACKS})
def foreign_property_in_acknowledgement(t, kind):
    send_after_connect(t, wire.ack(kind, 1, 0, [("topic_alias", 1)]))


@check("MQTT-4.13.1-1", cases={wire.NAMES[kind]: kind for kind in wire.ACKS})
def reason_string_twice_in_acknowledgement(t, kind):
    send_after_connect(t, wire.ack(kind, 1, 0, [("reason_string", "a")] * 2))


@check("MQTT-4.13.1-1", cases=["reason_string", "session_expiry"])
def property_twice_in_disconnect(t, name):
    props = [(name, value_of(name))] * 2
    client = t.client(props=[("session_expiry", 5)])
    client.send(wire.disconnect(0, props))
    client.expect_closed(PROTOCOL_ERRORS)


@check("MQTT-3.8.2.1.2", cases={"0": [("subscription_id", 0)], "twice": [("subscription_id", 1)] * 2,
                              "five bytes": b"\x0b\xff\xff\xff\xff\x01"})
def illegal_subscription_identifier(t, props):
    send_after_connect(t, wire.subscribe(5, 1, [(t.topic(), 0)], props))


@check("MQTT-3.3.2.3.2", cases=[2, 255])
def illegal_payload_format_is_not_forwarded(t, value):
    watcher = t.client()
    watcher.subscribe(t.topic())
    t.client().send(wire.publish(5, t.topic(), b"x", props=[("payload_format", value)]))
    watcher.collect()
    watcher.ping()


@check("MQTT-2.2.2-1", cases={"publish": wire.packet(3, 0, b"\x00\x01a\x7f"),
                              "subscribe": wire.packet(8, 2, b"\x00\x01\x7f\x00\x01a\x00"),
                              "unsubscribe": wire.packet(10, 2, b"\x00\x01\x7f\x00\x01a"),
                              "puback": wire.packet(4, 0, b"\x00\x01\x00\x7f"),
                              "disconnect": wire.packet(14, 0, b"\x00\x7f")})
def property_length_beyond_the_packet(t, raw):
    send_after_connect(t, raw)


@check("MQTT-1.5.4-1 MQTT-1.5.4-2 MQTT-3.3.2-1 MQTT-4.7.3-2", MODERN,
       v4="MQTT-1.5.3-1 MQTT-1.5.3-2 MQTT-3.3.2-1 MQTT-4.7.3-2", cases=BAD_UTF8)
def bad_utf8_in_publish_topic(t, bad):
    client = t.client()
    client.send(wire.publish(t.version, t.topic().encode() + b"/" + bad, b"x"))
    client.expect_closed(PROTOCOL_ERRORS | {0x90})


@check("MQTT-3.8.3-1 MQTT-4.7.3-2", MODERN, v4="MQTT-1.5.3-1 MQTT-3.8.3-1 MQTT-4.7.3-2", cases=BAD_UTF8)
def bad_utf8_in_subscribe_filter(t, bad):
    client = t.client()
    client.send(wire.subscribe(t.version, 1, [(t.topic().encode() + b"/" + bad, 0)]))
    client.expect_closed(PROTOCOL_ERRORS | {0x8F})


@check("MQTT-3.10.3-1", MODERN, v4="MQTT-3.10.3-1", cases=["0xff", "NUL"])
def bad_utf8_in_unsubscribe_filter(t, name):
    client = t.client()
    client.send(wire.unsubscribe(t.version, 1, [t.topic().encode() + BAD_UTF8[name]]))
    client.expect_closed(PROTOCOL_ERRORS | {0x8F})


@check("MQTT-3.1.3-4 MQTT-1.5.4-2", MODERN, v4="MQTT-1.5.3-2 MQTT-3.1.3-4", cases=["0xff", "NUL", "surrogate"])
def bad_utf8_in_client_id(t, name):
    t.refused(wire.connect(t.version, t.cid().encode() + BAD_UTF8[name]), PROTOCOL_ERRORS | {2, 0x85})


@check("MQTT-3.1.3-11", MODERN, v4="MQTT-3.1.3-10", cases=["0xff", "NUL", "surrogate"])
def bad_utf8_in_will_topic(t, name):
    will = (BAD_UTF8[name], b"x", 0, False, ())
    t.refused(wire.connect(t.version, t.cid(), will=will), PROTOCOL_ERRORS | {0x90})


@check("MQTT-3.1.3-12", MODERN, v4="MQTT-3.1.3-11", cases=["0xff", "NUL", "surrogate"])
def bad_utf8_in_username(t, name):
    raw = wire.connect(t.version, t.cid(), username=BAD_UTF8[name])
    t.refused(raw, PROTOCOL_ERRORS | {4, 5, 0x86, 0x87})


@check("MQTT-1.5.7-1", cases={"key": (b"\xff", b"v"), "value": (b"k", b"\xff"), "NUL key": (b"\0", b"v"),
                              "NUL value": (b"k", b"a\0")})
def bad_utf8_in_user_property(t, pair):
    send_after_connect(t, wire.publish(5, t.topic(), b"x", props=[("user_property", pair)]))


@check("MQTT-3.3.2-19", cases=["0xff", "NUL", "surrogate"])
def bad_utf8_in_content_type(t, name):
    send_after_connect(t, wire.publish(5, t.topic(), b"x", props=[("content_type", BAD_UTF8[name])]))


@check("MQTT-3.3.2-13", cases=["0xff", "NUL", "surrogate"])
def bad_utf8_in_response_topic(t, name):
    raw = wire.publish(5, t.topic(), b"x", props=[("response_topic", BAD_UTF8[name])])
    send_after_connect(t, raw, {0x90})


@check("MQTT-1.5.4-1")
def bad_utf8_in_reason_string(t):
    send_after_connect(t, wire.disconnect(0, [("reason_string", b"\xff")]))


@check("MQTT-1.5.4-3", MODERN, v4="MQTT-1.5.3-3", cases={"leading": "\ufeff", "inner": "a\ufeffb"})
def byte_order_mark_is_kept(t, text):
    client = t.client()
    topic = t.topic(text) if text != "\ufeff" else "\ufeff" + t.topic()
    client.subscribe(topic)
    client.publish(topic, b"bom")
    client.expect_publish(topic, b"bom")


@check("MQTT-3.1.2-29", cases={"puback": 1, "pubrec": 2})
def no_reason_strings_when_not_wanted(t, qos):
    client = t.client(props=[("request_problem_info", 0)])
    acks = [client.publish(t.topic(), b"x", qos), client.subscribe(t.topic(), 1),
            client.unsubscribe(t.topic("unknown"))]
    for packet in acks:
        require_equal(packet.props, [], "properties")


@check("MQTT-2.2.2.2")
def user_properties_are_legal_everywhere(t):
    many = [("user_property", ("k", "1")), ("user_property", ("k", "2"))]
    client = t.client(props=many)
    client.subscribe(t.topic(), 2, many)
    client.publish(t.topic(), b"x", 1, props=many)
    packet = client.expect_publish(t.topic(), b"x", ack=False)
    client.send(wire.ack(wire.PUBACK, packet.pid, 0, many + [("reason_string", "fine")]))
    client.unsubscribe(t.topic(), props=many)
    client.ping()
    client.disconnect(0, many)
