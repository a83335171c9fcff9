//! Packets that have brought other brokers down, each under the number it is known by.

use super::{Script, Seat, lasting, passing};
use crate::protocol::mqtt::codec::{AckKind, Packet, Properties, Property, Publish, QoS, Version};
use crate::sim::packet::{self, Heard, Hello, Letter, wish};

const VERSIONS: [Version; 3] = [Version::V3, Version::V4, Version::V5];

fn of(version: Version, id: &str) -> Hello {
    Hello { version, ..passing(id) }
}

/// The bytes of a packet with this type, flags and body.
fn raw(first: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    let mut length = body.len();
    while length >= 0x80 {
        out.push(length as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
    out.extend_from_slice(body);
    out
}

/// A new client sends these bytes; its connection has to end, and the broker to go on.
#[track_caller]
fn ends(script: &mut Script, version: Version, bytes: &[u8]) -> Vec<Heard> {
    let client = script.join(&of(version, "attacker"));
    script.send(client, bytes);
    assert!(script.node.is_over(client.link), "{version:?} {:x?}", &bytes[..bytes.len().min(16)]);
    let heard = script.hears(client);
    is_well(script);
    heard
}

/// Messages still pass from one client to another.
#[track_caller]
fn is_well(script: &mut Script) {
    let (subscriber, publisher) = (script.join(&passing("well")), script.join(&passing("other")));
    script.subscribe(subscriber, "well", 1);
    script.publish(publisher, &Letter::new("well", "x", 1, 1));
    script.node.settle();
    assert_eq!(script.payloads(subscriber), ["x"]);
    script.lose(subscriber);
    script.lose(publisher);
    assert_eq!(script.node.engine.counters().faults, 0);
}

fn text(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u16).to_be_bytes()[..], bytes].concat()
}

#[test]
fn cve_2026_44838_client_ids_are_no_expressions() {
    let mut script = Script::new();
    let victim = script.join(&lasting("a"));
    script.subscribe(victim, "t", 1);
    for id in [".*", "a or-bar b", "(", "[a]", "a|b", "#", "+", "*", "a.#", "a/b", "\\", "%c", "$sys"] {
        let client = script.join(&lasting(id));
        script.subscribe(client, "own", 0);
        script.send(client, &packet::unsubscribe(client.version, 2, &["t"]));
        script.node.settle();
        assert_eq!(script.hears(client), [Heard::UnsubAck(2, vec![0x11])], "{id}");
    }
    assert!(!script.node.is_over(victim.link));
    is_well(&mut script);
}

#[test]
fn cve_2023_0809_a_first_packet_that_is_no_connect_is_not_waited_for() {
    let mut script = Script::new();
    for header in [&[0x30, 0x80, 0xAD, 0xE2, 0x04][..], &[0x30, 0x80, 0x08], &[0x82, 0x7F], &[0xE0, 0x7F]] {
        let link = script.node.connect();
        script.node.send(link, header);
        assert!(script.node.is_over(link), "{header:x?}");
    }
    is_well(&mut script);
}

#[test]
fn cve_2017_7651_before_a_connect_no_large_packet_is_waited_for() {
    let mut script = Script::new();
    for header in [&[0x10, 0xFF, 0xFF, 0xFF, 0x7F][..], &[0x10, 0x80, 0x80, 0x80, 0x01]] {
        let link = script.node.connect();
        script.node.send(link, header);
        assert!(script.node.is_over(link), "{header:x?}");
    }
    is_well(&mut script);
}

#[test]
fn codepr_sol_15_and_rumqtt_812_every_packet_can_come_first() {
    let mut script = Script::new();
    for first in 0..=255_u8 {
        for body in [&[][..], &[0, 1], &[0, 1, 0], &[0, 4, b'M', b'Q', b'T', b'T', 9, 2, 0, 0, 0, 0]] {
            let link = script.node.connect();
            script.node.send(link, &raw(first, body));
            let may_be_a_connect = first == 0x10;
            assert!(script.node.is_over(link) || may_be_a_connect, "{first:x} {body:x?}");
            script.node.lose(link);
        }
    }
    is_well(&mut script);
}

#[test]
fn cve_2021_28166_packets_of_a_server_end_their_sender() {
    let mut script = Script::new();
    for version in VERSIONS {
        let suback = raw(0x90, &[0, 1, 0, 0][..if version == Version::V5 { 4 } else { 3 }]);
        let connack = raw(0x20, &[0, 0, 0][..if version == Version::V5 { 3 } else { 2 }]);
        for bytes in [connack, suback, raw(0xB0, &[0, 1]), raw(0xD0, &[]), raw(0xF0, &[]), raw(0x00, &[])] {
            ends(&mut script, version, &bytes);
        }
    }
}

#[test]
fn cve_2017_7653_text_that_is_no_utf_8_ends_its_sender() {
    let mut script = Script::new();
    let wrong: [&[u8]; 6] = [b"a\xC0\x80", b"\xED\xA0\x80", b"a\0b", b"\xFF", b"\xF4\x90\x80\x80", b"\xE2\x82"];
    for bad in wrong {
        for version in VERSIONS {
            let properties: &[u8] = if version == Version::V5 { &[0] } else { &[] };
            ends(&mut script, version, &raw(0x30, &[&text(bad)[..], properties].concat()));
            ends(&mut script, version, &raw(0x82, &[&[0, 1], properties, &text(bad)[..], &[0]].concat()));
            ends(&mut script, version, &raw(0xA2, &[&[0, 1], properties, &text(bad)[..]].concat()));
        }
        let pair = [&[0x26][..], &text(b"k"), &text(bad)].concat();
        let properties = [&[pair.len() as u8][..], &pair].concat();
        ends(&mut script, Version::V5, &raw(0x30, &[&text(b"t")[..], &properties].concat()));
    }
}

#[test]
fn cve_2018_12543_names_that_begin_with_a_dollar_sign() {
    for version in VERSIONS {
        let mut script = Script::new();
        for topic in ["$", "$x", "$SYS", "$SYS/x", "$share/a/b", "$share", "$share/", "$share//", "$sys.mqtt.x"] {
            let client = script.join(&of(version, "c"));
            script.publish(client, &Letter::new(topic, "x", 1, 1));
            script.publish(client, &Letter::new(topic, "x", 0, 0).retained());
            script.node.settle();
            script.lose(client);
        }
        is_well(&mut script);
    }
}

#[test]
fn cve_2019_11779_and_cve_2021_33176_topics_of_65_000_levels() {
    let deep = "/".repeat(65_400);
    let wild = format!("{}#", "+/".repeat(32_000));
    let mut script = Script::new();
    for version in [Version::V4, Version::V5] {
        let client = script.join(&of(version, "deep"));
        script.send(client, &packet::subscribe(version, 1, &[(&deep, wish(0)), (&wild, wish(0))]));
        let code = if version == Version::V5 { 0x8F } else { 0x80 };
        assert_eq!(script.hears(client), [Heard::SubAck(1, vec![code, code])]);
        script.send(client, &packet::unsubscribe(version, 2, &[&deep]));
        script.node.settle();
        assert_eq!(script.hears(client).len(), 1);
        ends(&mut script, version, &Letter::new(&deep, "x", 1, 1).encode(version));
        let will = Some(Letter::new(&deep, "x", 1, 0));
        let client = script.connect(&Hello { will, ..of(version, "will") });
        assert!(script.node.is_over(client.link));
    }
    is_well(&mut script);
}

#[test]
fn cve_2021_34432_an_empty_topic_without_an_alias_ends_its_sender() {
    let mut script = Script::new();
    for version in VERSIONS {
        for qos in 0..=2 {
            ends(&mut script, version, &Letter::new("", "x", qos, qos.into()).encode(version));
        }
    }
}

#[test]
fn cve_2023_28366_qos_2_that_is_never_released_is_bounded() {
    let mut script = Script::new();
    let client = script.join(&lasting("c"));
    for round in 0..3 {
        for id in 1..=20 {
            let letter = Letter::new("t", "x", 2, id);
            script.publish(client, &if round == 0 { letter } else { letter.dup() });
        }
        script.node.settle();
        assert_eq!(script.hears(client).len(), 20);
    }
    script.publish(client, &Letter::new("t", "x", 2, 21));
    assert_eq!(script.hears(client), [Heard::Disconnect(0x93)]);
    is_well(&mut script);
}

#[test]
fn cve_2023_3592_a_will_with_properties_that_do_not_belong_there() {
    let mut script = Script::new();
    let properties = [
        Property::SessionExpiry(1),
        Property::TopicAlias(1),
        Property::ReceiveMaximum(1),
        Property::ReasonString("x"),
        Property::SubscriptionIdentifier(1),
        Property::AuthenticationMethod("x"),
        Property::PayloadFormat(2),
        Property::ResponseTopic("#"),
    ];
    for property in properties {
        let mut encoded = Vec::new();
        property.encode(&mut encoded);
        let will = [&[encoded.len() as u8][..], &encoded, &text(b"t"), &text(b"x")].concat();
        let body = [&text(b"MQTT")[..], &[5, 0x06, 0, 0, 0], &text(b"c"), &will].concat();
        let link = script.node.connect();
        script.node.send(link, &raw(0x10, &body));
        assert!(script.node.is_over(link), "{property:?}");
        let heard = packet::parse(&mut script.node.take(link), Version::V5);
        assert!(matches!(heard[..], [Heard::ConnAck { code: 0x80.., .. }]), "{property:?} {heard:?}");
    }
    is_well(&mut script);
}

#[test]
fn cve_2021_41039_thousands_of_user_properties_are_kept_and_more_are_refused() {
    let encoded = |count: usize| {
        let mut out = Vec::new();
        (0..count).for_each(|_| Property::UserProperty("", "").encode(&mut out));
        out
    };
    let mut script = Script::new();
    for (count, allowed) in [(1_000, true), (1_001, false), (200_000, false)] {
        let bytes = encoded(count);
        let properties = Properties::from_encoded_unchecked(&bytes);
        let qos = QoS::AtLeastOnce;
        let packet = Publish { dup: false, qos, retain: false, topic: "t", packet_id: 1, properties, payload: b"" };
        let mut out = Vec::new();
        Packet::Publish(packet).encode(Version::V5, &mut out);
        let client = script.join(&passing("c"));
        script.send(client, &out);
        let expected = if allowed { Heard::PubAck(1, 0x10) } else { Heard::Disconnect(0x97) };
        assert_eq!(script.hears(client), [expected], "{count}");
    }
    is_well(&mut script);
}

#[test]
fn cve_2026_21888_cve_2025_66168_and_cve_2026_40046_lengths_of_five_bytes() {
    let mut script = Script::new();
    for version in VERSIONS {
        for bytes in [
            &[0x30, 0xFF, 0xFF, 0xFF, 0xFF, 0x01][..],
            &[0x30, 0x80, 0x80, 0x80, 0x80, 0x00],
            &[0x30, 0x85, 0x80, 0x80, 0x80, 0x00, 0, 1, b't', 0xC0, 0x00],
            &[0xC0, 0x80, 0x80, 0x80, 0x80, 0x00],
        ] {
            ends(&mut script, version, bytes);
        }
    }
}

#[test]
fn cve_2025_66168_what_is_within_a_payload_is_no_packet() {
    let mut script = Script::new();
    let (subscriber, publisher) = (script.join(&passing("s")), script.join(&passing("p")));
    script.subscribe(subscriber, "#", 0);
    let smuggled = Letter::new("smuggled", "x", 0, 0).encode(Version::V5);
    let mut letter = Letter::new("t", "", 0, 0);
    letter.payload = smuggled.clone();
    script.publish(publisher, &letter);
    let messages = script.hears(subscriber);
    assert!(matches!(&messages[..], [Heard::Publish(one)] if one.topic == "t" && one.payload == smuggled));
}

#[test]
fn nanomq_2270_and_cve_2019_0222_packets_cut_off_at_every_byte() {
    let mut script = Script::new();
    for version in VERSIONS {
        for qos in 0..=2_u8 {
            let whole = Letter::new("topic", "payload", qos, qos.into()).encode(version);
            for length in 2..whole.len() - 7 {
                // The length says that this is all there is.
                let cut = raw(whole[0], &whole[2..length]);
                let client = script.join(&of(version, "c"));
                script.send(client, &cut);
                let is_whole_without_payload = length == whole.len() - 7;
                assert!(script.node.is_over(client.link) || is_whole_without_payload, "{version:?} {length}");
            }
        }
    }
    is_well(&mut script);
}

#[test]
fn mosquitto_3448_a_connect_cut_off_at_every_byte() {
    let mut script = Script::new();
    for version in VERSIONS {
        let will = Some(Letter::new("will", "gone", 1, 0));
        let whole = Hello { will, ..of(version, "client") }.encode();
        for length in 2..whole.len() {
            let link = script.node.connect();
            script.node.send(link, &raw(0x10, &whole[2..length]));
            assert!(script.node.is_over(link), "{version:?} {length}");
        }
    }
    is_well(&mut script);
}

#[test]
fn cve_2019_11778_a_will_with_every_order_of_delay_and_expiry() {
    let times = [0, 1, 5, 10, u32::MAX];
    for expiry in times {
        for will_delay_s in times {
            let mut script = Script::new();
            let watcher = script.join(&passing("w"));
            script.subscribe(watcher, "will", 0);
            let will = Some(Letter::new("will", "gone", 1, 0));
            let client = script.join(&Hello { will, will_delay_s, expiry, clean: false, ..passing("c") });
            script.lose(client);
            script.node.settle();
            let due = u64::from(expiry.min(will_delay_s)) * 1000;
            let at_once = usize::from(due == 0);
            assert_eq!(script.payloads(watcher).len(), at_once, "{expiry} {will_delay_s}");
            script.node.pass(20_000);
            script.node.settle();
            let later = usize::from((1..=20_000).contains(&due));
            assert_eq!(script.payloads(watcher).len(), later, "{expiry} {will_delay_s}");
        }
    }
}

#[test]
fn hivemq_ce_291_and_cve_2024_42645_last_values_of_every_shape_stay_apart() {
    let mut script = Script::new();
    let publisher = script.join(&passing("p"));
    let topics = ["a", "/a", "a/", "a//b", "a/b", "//", " ", "a b", "a.b", "a*b", "\\", "é", "$x", "a/\u{7F}"];
    for (id, topic) in (1..).zip(topics) {
        script.publish(publisher, &Letter::new(topic, topic, 1, id).retained());
    }
    script.node.settle();
    let mut found = Vec::new();
    let client = script.join(&passing("s"));
    for filter in ["#", "$x"] {
        script.subscribe(client, filter, 0);
        found.extend(script.hears(client));
    }
    assert_eq!(found.len(), topics.len());
    for heard in found {
        assert!(matches!(&heard, Heard::Publish(one) if one.topic.as_bytes() == one.payload), "{heard:?}");
    }
}

#[test]
fn flashmq_169_last_values_are_bounded() {
    let few = || super::Options { retained_max: 100, ..super::options() };
    let mut script = Script::with(few, super::limits());
    let client = script.join(&passing("p"));
    for number in 0..150 {
        script.publish(client, &Letter::new(&format!("t/{number}"), "x", 0, 0).retained());
    }
    script.node.settle();
    let reports = script.node.engine.limit_reports();
    let report = reports.iter().find(|report| report.name == "retained messages").unwrap();
    assert_eq!((report.current, report.limit, report.refused), (100, Some(100), 50));
}

#[test]
fn packet_ids_that_are_not_known_change_nothing() {
    for version in VERSIONS {
        let mut script = Script::new();
        let client = script.join(&of(version, "c"));
        for kind in [AckKind::PubAck, AckKind::PubRec, AckKind::PubRel, AckKind::PubComp] {
            for id in [1, 7, u16::MAX] {
                script.ack(client, kind, id);
            }
        }
        script.node.settle();
        script.hears(client);
        assert!(!script.node.is_over(client.link), "{version:?}");
        is_well(&mut script);
    }
}

/// Sends what every broker has to do with while a client only connects and is silent.
fn silent(script: &mut Script, keep_alive: u16) -> Seat {
    script.join(&Hello { keep_alive, ..passing(&format!("silent-{keep_alive}")) })
}

#[test]
fn cve_2020_13849_a_client_is_dropped_when_its_keep_alive_is_over() {
    let capped = super::Limits { keep_alive: crate::protocol::mqtt::KeepAlive::AtMost(60), ..super::limits() };
    let mut script = Script::with(super::options, capped);
    let seats = [10, 60, u16::MAX, 0].map(|keep_alive| silent(&mut script, keep_alive));
    script.node.pass(15_000);
    assert_eq!(seats.map(|seat| script.node.is_over(seat.link)), [true, false, false, false]);
    script.node.pass(75_000);
    assert_eq!(seats.map(|seat| script.node.is_over(seat.link)), [true; 4]);
}
