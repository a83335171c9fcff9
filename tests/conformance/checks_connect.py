"""CONNECT and CONNACK: names, levels, flags, identifiers, credentials and session present."""

import wire
from client import Closed, require, require_equal
from harness import ALL, MODERN, check

DENIED = {3: {0, 4, 5}, 4: {0, 4, 5}, 5: {0, 0x86, 0x87}}
WILL = ("w", b"gone", 0, False, ())


@check("MQTT-3.1.4-5 MQTT-3.2.0-1 MQTT-3.2.2-1", ALL, v4="MQTT-3.1.4-4 MQTT-3.2.0-1")
def connack_reports_success(t):
    connack = t.client().connack
    require_equal(connack.session_present, 0, "session present")


@check("MQTT-3.1.2-1", MODERN, v4="MQTT-3.1.2-1", cases=["MQTX", "mqtt", "", "MQTTT", "MQT", "HTTP"])
def wrong_protocol_name(t, name):
    t.refused(wire.connect(t.version, t.cid(), name=name))


@check("MQTT-3.1.2-2", MODERN, cases={"MQTT level 3": ("MQTT", 3), "MQIsdp level 4": ("MQIsdp", 4),
                                      "MQIsdp level 5": ("MQIsdp", 5)})
def name_and_level_disagree(t, pair):
    t.refused(wire.connect(t.version, t.cid(), name=pair[0], level=pair[1]))


@check("MQTT-3.1.2-2 MQTT-3.2.2-7 MQTT-3.2.2-8", MODERN, v4="MQTT-3.1.2-2 MQTT-3.2.2-5", cases=[0, 1, 2, 6, 7, 64, 127])
def unsupported_protocol_level(t, level):
    t.refused(wire.connect(t.version, t.cid(), level=level), {0x01, 0x84})


@check("MQTT-3.1.2-3", MODERN, v4="MQTT-3.1.2-3")
def reserved_connect_flag(t):
    t.refused(wire.connect(t.version, t.cid(), flags=0x03))


@check("MQTT-3.1.2-11 MQTT-3.1.2-13", MODERN,
       v4="MQTT-3.1.2-11 MQTT-3.1.2-13 MQTT-3.1.2-15", cases={"qos 1": 0x0A, "qos 2": 0x12, "qos 3": 0x1A, "retain": 0x22,
                                       "retain and qos": 0x2A})
def will_settings_without_will_flag(t, flags):
    t.refused(wire.connect(t.version, t.cid(), flags=flags))


@check("MQTT-3.1.2-12", MODERN, v4="MQTT-3.1.2-14", cases={"clean": 0x1E, "retain": 0x3E})
def will_qos_3(t, flags):
    t.refused(wire.connect(t.version, t.cid(), will=WILL, flags=flags))


@check("MQTT-3.1.3-1 MQTT-3.1.2-9 MQTT-3.1.2-17", MODERN,
       v4="MQTT-3.1.2-9 MQTT-3.1.2-19 MQTT-3.1.3-1", cases={"will": 0x06, "username": 0x82, "username and password": 0xC2,
                                      "will and username": 0x86})
def flagged_field_is_missing(t, flags):
    t.refused(wire.connect(t.version, t.cid(), flags=flags))


@check("MQTT-3.1.2-19", MODERN, v4="MQTT-3.1.2-21")
def flagged_password_is_missing(t):
    t.refused(wire.connect(t.version, t.cid(), flags=0xC2, username="user"))


@check("MQTT-3.1.2-9", MODERN, v4="MQTT-3.1.2-9")
def will_payload_is_missing(t):
    t.refused(wire.connect(t.version, t.cid(), flags=0x06,
                           tail=wire.properties(()) * (t.version == 5) + wire.data("topic")))


@check("MQTT-3.1.2-16", MODERN, v4="MQTT-3.1.2-18")
def username_without_flag(t):
    t.refused(wire.connect(t.version, t.cid(), tail=wire.data("user")))


@check("MQTT-3.1.2-18", MODERN, v4="MQTT-3.1.2-20")
def password_without_flag(t):
    t.refused(wire.connect(t.version, t.cid(), flags=0x82, username="user", tail=wire.data("pass")))


@check("MQTT-3.1.2-22", (4,))
def password_without_username(t):
    t.refused(wire.connect(4, t.cid(), password=b"pass"))


@check("MQTT-3.1.2-19")
def password_alone_is_well_formed(t):
    connack = t.raw().connect_raw(wire.connect(5, t.cid(), password=b"pass"))
    require(connack.code in DENIED[5], "success or a denial of credentials", connack)


@check("MQTT-3.1.2-17", ALL)
def username_and_password_are_well_formed(t):
    connack = t.raw().connect_raw(wire.connect(t.version, t.cid(), username="user", password=b"\x00\xff"))
    require(connack.code in DENIED[t.version], "success or a denial of credentials", connack)


@check("MQTT-3.1.2-16", ALL)
def username_alone_is_well_formed(t):
    connack = t.raw().connect_raw(wire.connect(t.version, t.cid(), username="user"))
    require(connack.code in DENIED[t.version], "success or a denial of credentials", connack)


@check("MQTT-3.1.3-1", ALL, v4="MQTT-3.1.3-1")
def every_connect_field_at_once(t):
    watcher = t.client()
    watcher.subscribe(t.topic("will"), 2)
    will = (t.topic("will"), b"\x00\x01", 2, True, ())
    raw = wire.connect(t.version, t.cid(), will=will, username="user", password=b"pass")
    client = t.raw()
    connack = client.connect_raw(raw)
    require(connack.code in DENIED[t.version], "success or a denial of credentials", connack)
    if connack.code == 0:
        client.kill()
        watcher.expect_publish(t.topic("will"), b"\x00\x01", qos=2)


@check("MQTT-3.1.3-8 MQTT-3.2.2-5", (4,))
def empty_id_needs_clean_session(t):
    code = t.refused(wire.connect(4, "", clean=False))
    require(code in (2, None), "return code 2", code)


@check("MQTT-3.1.3-9 MQTT-3.1.3-8", (4,))
def empty_id_refusal_has_code_2(t):
    connack = t.raw().connect_raw(wire.connect(4, "", clean=False))
    require_equal(connack.code, 2, "return code")


@check("MQTT-3.1.3-6", (4,))
def empty_id_with_clean_session(t):
    connack = t.raw().connect_raw(wire.connect(4, ""))
    require(connack.code in (0, 2), "return code 0 or 2", connack)
    require_equal(connack.session_present, 0, "session present")


@check("MQTT-3.1.3-6", (4,))
def empty_ids_do_not_collide(t):
    second = t.raw()
    second.connect_raw(wire.connect(4, ""))
    third = t.raw()
    third.connect_raw(wire.connect(4, ""))
    if second.accepted and third.accepted:
        second.ping()
        third.ping()


@check("MQTT-3.1.3-7 MQTT-3.1.3-6 MQTT-3.2.2-16", cases={"clean start": True, "resume": False})
def empty_id_is_assigned(t, clean):
    client = t.raw()
    connack = client.connect_raw(wire.connect(5, "", clean=clean))
    if connack.code:
        require_equal(connack.code, 0x85, "refusal of an empty identifier with code")
        return
    require(connack.prop("assigned_client_id"), "an assigned client identifier", connack)
    require_equal(connack.session_present, 0, "session present")


@check("MQTT-3.2.2-16 MQTT-3.1.3-6")
def assigned_ids_are_unique(t):
    ids = [t.raw().connect_raw(wire.connect(5, "")).prop("assigned_client_id") for _ in range(5)]
    require_equal(len(set(ids)), 5, "count of different identifiers")


@check("MQTT-3.1.3-7")
def assigned_id_resumes_its_session(t):
    first = t.raw()
    connack = first.connect_raw(wire.connect(5, "", props=[("session_expiry", 60)]))
    first.disconnect()
    again = t.client(connack.prop("assigned_client_id"), clean=False)
    require_equal(again.connack.session_present, 1, "session present")


@check("MQTT31-client-id", (3,))
def empty_id_is_rejected_by_31(t):
    code = t.refused(wire.connect(3, ""))
    require(code in (2, None), "return code 2", code)


@check("MQTT31-client-id", (3,))
def id_over_23_characters_is_rejected_by_31(t):
    code = t.refused(wire.connect(3, (t.cid() + "x" * 24)[:24]))
    require(code in (2, None), "return code 2", code)


@check("MQTT-3.1.3-5", ALL, v4="MQTT-3.1.3-5")
def id_of_23_characters(t):
    t.client((t.cid() + "abcXYZ0123456789" * 2)[:23])


@check("MQTT-3.1.3-5", MODERN, v4="MQTT-3.1.3-5")
def id_of_1_character(t):
    connack = t.raw().connect_raw(wire.connect(t.version, str(t.version)))
    require_equal(connack.code, 0, "return code")


@check("MQTT-3.1.3-5", MODERN, cases={"long": "x" * 60000, "unicode": "é日本😀", "symbols": "a/b+c#d e"})
def unusual_id_is_answered(t, text):
    connack = t.raw().connect_raw(wire.connect(t.version, t.cid() + text))
    require(connack.code in ({0, 2} if t.version == 4 else {0, 0x85}), "success or identifier rejected", connack)


@check("MQTT-3.1.0-2 MQTT-3.2.0-2 MQTT-3.14.2-1 MQTT-3.14.4-1 MQTT-3.14.4-2", ALL, v4="MQTT-3.1.0-2")
def second_connect(t):
    client = t.client(t.cid(1))
    client.send(wire.connect(t.version, t.cid(1)))
    client.expect_closed({0x82})


@check("MQTT-3.1.0-2", ALL, v4="MQTT-3.1.0-2")
def second_connect_in_the_same_write(t):
    client = t.raw()
    raw = wire.connect(t.version, t.cid(1))
    client.send(raw + raw)
    client.expect_first_connack()
    client.accepted = True
    client.expect_closed({0x82})


@check("MQTT-3.1.4-6", ALL, v4="MQTT-3.1.4-5")
def nothing_is_processed_after_a_refusal(t):
    watcher = t.client()
    watcher.subscribe(t.topic("x"))
    t.refused(wire.connect(t.version, t.cid(), level=9) + wire.publish(t.version, t.topic("x"), b"no"))
    watcher.expect_quiet()


@check("MQTT-3.1.4-5 MQTT-3.2.0-1 MQTT-3.2.0-2", ALL, v4="MQTT-3.2.0-1")
def packets_may_follow_connect_at_once(t):
    client = t.raw()
    topic = t.topic("x")
    client.send(wire.connect(t.version, t.cid()) + wire.subscribe(t.version, 1, [(topic, 0)])
                + wire.publish(t.version, topic, b"early"))
    require_equal(client.expect_first_connack().code, 0, "return code")
    client.expect(wire.SUBACK, pid=1)
    client.expect_publish(topic, b"early")


@check("MQTT-4.2-1", ALL)
def connect_byte_by_byte(t):
    client = t.raw()
    for byte in wire.connect(t.version, t.cid()):
        client.send(bytes([byte]))
    require_equal(client.expect_first_connack().code, 0, "return code")
    client.ping()


@check("MQTT-3.1.4-1 MQTT-3.1.3-3 MQTT-3.14.0-1", MODERN,
       v4="MQTT-3.1.3-3 MQTT-3.1.4-1", cases={"empty": 0, "name only": 6, "up to level": 7, "up to flags": 8,
                                      "up to keep alive": 10})
def truncated_connect(t, length):
    whole = wire.connect(t.version, t.cid())
    t.refused(wire.packet(wire.CONNECT, 0, whole[2:2 + length]))


@check("MQTT-3.1.4-1 MQTT-3.2.2-6", (4,),
       cases={"will qos without will": {"flags": 0x0A}, "reserved flag": {"flags": 0x03},
                                    "bytes behind": {"tail": b"x"}, "bad string": {"username": b"\xff"}})
def malformed_connect_of_311_is_not_answered(t, options):
    require_equal(t.refused(wire.connect(4, t.cid(), **options)), None, "return code")


@check("MQTT-3.1.4-1 MQTT-3.1.3-3", MODERN, v4="MQTT-3.1.3-3")
def client_id_longer_than_the_packet(t):
    t.refused(wire.packet(wire.CONNECT, 0, wire.connect(t.version, "abcdef")[2:-3]))


@check("MQTT-3.1.4-1", MODERN)
def bytes_after_the_payload_of_connect(t):
    t.refused(wire.connect(t.version, t.cid(), tail=b"\x00"))


@check("MQTT-3.2.2-2", MODERN, v4="MQTT-3.2.2-1")
def session_present_after_clean_start(t):
    t.durable(1).disconnect()
    again = t.durable(1, clean=True)
    require_equal(again.connack.session_present, 0, "session present")


@check("MQTT-3.2.2-3 MQTT-3.1.2-6 MQTT-3.2.2-1", MODERN, v4="MQTT-3.1.2-4 MQTT-3.2.2-2")
def session_present_after_resume(t):
    t.durable(1).disconnect()
    require_equal(t.durable(1).connack.session_present, 1, "session present")


@check("MQTT-3.2.2-3 MQTT-3.1.2-6 MQTT-3.1.3-2", MODERN, v4="MQTT-3.1.3-2 MQTT-3.2.2-3")
def session_present_for_unknown_session(t):
    require_equal(t.durable(1).connack.session_present, 0, "session present")


@check("MQTT-3.1.2-6", (4,))
def clean_session_leaves_nothing_behind(t):
    t.client(t.cid(1)).disconnect()
    require_equal(t.durable(1).connack.session_present, 0, "session present")


@check("MQTT-4.1.0-2")
def expiry_0_leaves_nothing_behind(t):
    t.client(t.cid(1), clean=False).disconnect()
    require_equal(t.durable(1).connack.session_present, 0, "session present")


@check("MQTT-3.1.2-4")
def clean_start_with_expiry_begins_a_session(t):
    t.durable(1, clean=True).disconnect()
    require_equal(t.durable(1).connack.session_present, 1, "session present")


@check("MQTT-3.1.2-23", cases={"60": 60, "never": 0xFFFFFFFF})
def session_survives_a_lost_connection(t, expiry):
    t.durable(1, expiry=expiry).kill()
    require_equal(t.durable(1).connack.session_present, 1, "session present")


@check("MQTT31-connack", (3,))
def session_flag_is_unused_by_31(t):
    t.durable(1).disconnect()
    require_equal(t.durable(1).connack.session_present, 0, "the reserved byte")


@check("MQTT31-session", versions=(3,))
def session_of_31_resumes(t):
    first = t.durable(1)
    first.subscribe(t.topic("x"), 1)
    first.disconnect()
    t.client().publish(t.topic("x"), b"kept", qos=1)
    t.durable(1).expect_publish(t.topic("x"), b"kept")


@check("MQTT-4.12.0-1 MQTT-3.2.2-7 MQTT-4.13.2-1", cases=["", "NO-SUCH-METHOD"])
def unknown_authentication_method(t, method):
    t.refused(wire.connect(5, t.cid(), props=[("auth_method", method)]), {0x8C, 0x87})


@check("MQTT-4.12.0-1 MQTT-3.15.2-1 MQTT-4.12.0-4")
def unknown_authentication_method_with_data(t):
    props = [("auth_method", "NO-SUCH-METHOD"), ("auth_data", b"\x00\x01")]
    t.refused(wire.connect(5, t.cid(), props=props), {0x8C, 0x87})


@check("MQTT-4.12.0-1 MQTT-3.2.2-8")
def unknown_authentication_method_gets_0x8c(t):
    raw = wire.connect(5, t.cid(), props=[("auth_method", "NO-SUCH-METHOD")])
    require_equal(t.raw().connect_raw(raw).code, 0x8C, "reason code")


@check("MQTT-3.2.2-6")
def refusal_says_that_no_session_is_present(t):
    t.durable(1).disconnect()
    props = [("auth_method", "NO-SUCH-METHOD"), ("session_expiry", 60)]
    connack = t.raw().connect_raw(wire.connect(5, t.cid(1), clean=False, props=props))
    require(connack.code >= 0x80, "a refusal", connack)
    require_equal(connack.session_present, 0, "session present")
    require_equal(t.durable(1).connack.session_present, 1, "session present after the refusal")


@check("MQTT-4.12.0-1")
def refused_method_takes_nothing_over(t):
    holder = t.client(t.cid(1))
    t.refused(wire.connect(5, t.cid(1), props=[("auth_method", "NO-SUCH-METHOD")]), {0x8C, 0x87})
    holder.ping()


@check("MQTT-3.2.2-19 MQTT-3.2.2-20", cases={"told first": 0, "told last": 1})
def refusal_fits_the_maximum_packet_size(t, place):
    props = [("auth_method", "NO-SUCH-METHOD")]
    props.insert(place, ("maximum_packet_size", 20))
    client = t.raw()
    client.packet_limit = 20
    connack = client.connect_raw(wire.connect(5, t.cid(), props=props))
    require(connack.code in (0x8C, 0x87), "code 0x8C or 0x87", connack)


@check("MQTT-3.1.2-24 MQTT-3.2.2-20", cases=[2, 5, 10, 20, 40])
def connack_fits_the_maximum_packet_size(t, size):
    client = t.raw()
    client.packet_limit = size
    client.send(wire.connect(5, "", props=[("maximum_packet_size", size)]))
    try:
        packet = client.recv()
    except Closed:
        return
    require(packet and packet.kind == wire.CONNACK, "CONNACK or close", packet)


@check("MQTT-3.1.2-28", cases={"absent": (), "0": (("request_response_info", 0),)})
def response_information_only_on_request(t, props):
    connack = t.client(props=props).connack
    require_equal(connack.prop("response_info"), None, "response information")


@check("MQTT-3.1.2.11.6")
def response_information_may_be_requested(t):
    t.client(props=[("request_response_info", 1)]).ping()


@check("MQTT-4.12.0-6")
def connack_properties_are_sane(t):
    connack = t.client(props=[("session_expiry", 30)]).connack
    require(connack.prop("maximum_packet_size", 100) >= 100, "room for small packets", connack)
    require_equal(connack.prop("auth_method"), None, "authentication method")


@check("MQTT-3.1.4-5")
def every_connect_property_at_once(t):
    props = [("session_expiry", 10), ("receive_maximum", 10), ("maximum_packet_size", 100000),
             ("topic_alias_maximum", 5), ("request_response_info", 0), ("request_problem_info", 1),
             ("user_property", ("a", "1")), ("user_property", ("a", "2"))]
    will_props = [("will_delay", 1), ("payload_format", 1), ("message_expiry", 10), ("content_type", "t"),
                  ("response_topic", "r/t"), ("correlation_data", b"\x00"), ("user_property", ("", ""))]
    client = t.client(props=props, will=(t.topic("w"), b"text", 1, False, will_props))
    client.ping()
    client.disconnect()


@check("MQTT-3.1.2.11.3", cases=[1, 65535])
def receive_maximum_bounds_are_legal(t, value):
    t.client(props=[("receive_maximum", value)]).ping()


@check("MQTT-3.1.4-1", MODERN)
def other_clients_outlive_a_malformed_connect(t):
    bystander = t.client()
    t.refused(wire.connect(t.version, t.cid(), flags=0xFF))
    bystander.ping()
