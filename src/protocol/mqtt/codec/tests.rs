use proptest::prelude::*;

use super::Version::{V3, V4, V5};
use super::*;
use crate::protocol::mqtt::fault::{Fault, Kind};

const VERSIONS: [Version; 3] = [V3, V4, V5];

fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    writer::frame(&mut out, first, |out| out.extend_from_slice(body));
    out
}

/// One canonical example or more of every packet in every version.
const VALID: &[(Version, u8, &[u8])] = &[
    (V3, 0x10, b"\0\x06MQIsdp\x03\x02\0\x3c\0\x01c"),
    (V3, 0x10, b"\0\x06MQIsdp\x03\xf6\0\x3c\0\x01c\0\x01w\0\x02pp\0\x01u\0\x01s"),
    (V4, 0x10, b"\0\x04MQTT\x04\0\0\0\0\0"),
    (V4, 0x10, b"\0\x04MQTT\x04\x82\0\x0a\0\x01c\0\x01u"),
    (V4, 0x10, b"\0\x04MQTT\x04\xce\0\x0a\0\x01c\0\x01w\0\0\0\x01u\0\0"),
    (V5, 0x10, b"\0\x04MQTT\x05\x02\0\0\0\0\0"),
    (V5, 0x10, b"\0\x04MQTT\x05\x40\0\0\0\0\x01c\0\x02pw"),
    (
        V5,
        0x10,
        b"\0\x04MQTT\x05\x36\xff\xff\x08\x11\xff\xff\xff\xff\x21\0\x14\0\x01c\x05\x18\0\0\0\x05\0\x03a/b\0\x01x",
    ),
    (V5, 0x10, b"\0\x04MQTT\x05\x02\0\0\x0a\x15\0\x02mm\x16\0\x02dd\0\x01c"),
    (V3, 0x20, b"\0\x05"),
    (V4, 0x20, b"\x01\0"),
    (V5, 0x20, b"\0\0\0"),
    (V5, 0x20, b"\0\0\x0f\x24\x01\x25\0\x27\0\0\x10\0\x28\x01\x29\0\x2a\x01"),
    (V3, 0x30, b"\0\x03a/bpayload"),
    (V4, 0x3d, b"\0\x01a\0\x01"),
    (V5, 0x30, b"\0\x01a\0x"),
    (V5, 0x34, b"\0\x01a\0\x07\x0b\x0b\x01\x0b\x02\x26\0\x01k\0\x01v"),
    (V5, 0x32, b"\0\0\x12\x34\x03\x23\0\x01"),
    (V5, 0x30, b"\0\x02\xc3\xa9\x13\x01\x01\x02\0\0\0\x01\x03\0\x01t\x08\0\x01r\x09\0\x01\0zz"),
    (V3, 0x40, b"\0\x01"),
    (V4, 0x50, b"\xff\xff"),
    (V4, 0x62, b"\0\x01"),
    (V4, 0x70, b"\0\x01"),
    (V5, 0x40, b"\0\x01"),
    (V5, 0x40, b"\0\x01\x10"),
    (V5, 0x50, b"\0\x01\x97\x05\x1f\0\x02no"),
    (V5, 0x62, b"\0\x01\x92"),
    (V5, 0x70, b"\0\x01\0\x07\x26\0\x01k\0\x01v"),
    (V3, 0x82, b"\0\x01\0\x01#\x02"),
    (V4, 0x82, b"\0\x01\0\x01#\0\0\x02a#\x01"),
    (V5, 0x82, b"\0\x01\0\0\x03a/+\x2e"),
    (V5, 0x82, b"\0\x01\x02\x0b\x05\0\x0a$share/g/a\x10\0\0\x01"),
    (V4, 0x90, b"\0\x01\0\x01\x02\x80"),
    (V5, 0x90, b"\0\x01\0\x02\x8f\xa2"),
    (V4, 0xa2, b"\0\x01\0\x01a\0\x01b"),
    (V5, 0xa2, b"\0\x01\0\0\x01a"),
    (V4, 0xb0, b"\0\x01"),
    (V5, 0xb0, b"\0\x01\0\0\x11"),
    (V4, 0xc0, b""),
    (V5, 0xd0, b""),
    (V4, 0xe0, b""),
    (V5, 0xe0, b""),
    (V5, 0xe0, b"\x04"),
    (V5, 0xe0, b"\0\x05\x11\0\0\0\x05"),
    (V5, 0xf0, b""),
    (V5, 0xf0, b"\x18\x0a\x15\0\x02mm\x16\0\x02dd"),
];

use Kind::{Malformed as M, PacketTooLarge, Protocol as P, TopicAliasInvalid, TopicNameInvalid, UnsupportedVersion};

/// Packets that break one rule each.
const INVALID: &[(Version, u8, &[u8], Kind, &str)] = &[
    (V4, 0x00, b"", M, "MQTT-2.1.2"),
    (V4, 0xf0, b"", M, "MQTT-2.1.2"),
    (V5, 0xf1, b"", M, "MQTT-3.15.1-1"),
    (V5, 0x11, b"\0\x04MQTT\x05\x02\0\0\0\0\0", M, "MQTT-2.1.3-1"),
    (V4, 0xc1, b"", M, "MQTT-2.1.3-1"),
    (V4, 0xc0, b"x", M, "MQTT-2.1.4"),
    (V4, 0xe0, b"\0", M, "MQTT-2.1.4"),
    (V5, 0xe1, b"", M, "MQTT-3.14.1-1"),
    (V4, 0x60, b"\0\x01", M, "MQTT-3.6.1-1"),
    (V4, 0x6a, b"\0\x01", M, "MQTT-3.6.1-1"),
    (V4, 0x80, b"\0\x01\0\x01a\0", M, "MQTT-3.8.1-1"),
    (V5, 0xa0, b"\0\x01\0\0\x01a", M, "MQTT-3.10.1-1"),
    // CONNECT
    (V4, 0x10, b"\0\x04MQTU\x04\x02\0\0\0\0", UnsupportedVersion, "MQTT-3.1.2-1"),
    (V4, 0x10, b"\0\x04MQTT\x03\x02\0\0\0\0", UnsupportedVersion, "MQTT-3.1.2-2"),
    (V4, 0x10, b"\0\x06MQIsdp\x04\x02\0\0\0\0", UnsupportedVersion, "MQTT-3.1.2-2"),
    (V4, 0x10, b"\0\x04MQTT\x06\x02\0\0\0\0\0", UnsupportedVersion, "MQTT-3.1.2-2"),
    (V4, 0x10, b"\0\x04MQTT\x04\x03\0\0\0\0", M, "MQTT-3.1.2-3"),
    (V4, 0x10, b"\0\x04MQTT\x04\x0a\0\0\0\0", M, "MQTT-3.1.2-11"),
    (V4, 0x10, b"\0\x04MQTT\x04\x22\0\0\0\0", M, "MQTT-3.1.2-13"),
    (V4, 0x10, b"\0\x04MQTT\x04\x1e\0\0\0\0\0\x01w\0\0", M, "MQTT-3.1.2-12"),
    (V4, 0x10, b"\0\x04MQTT\x04\x42\0\0\0\0\0\x01p", M, "MQTT-3.1.2-22"),
    (V4, 0x10, b"\0\x04MQTT\x04\x82\0\0\0\0", M, "MQTT-2.1.4"),
    (V4, 0x10, b"\0\x04MQTT\x04\x02\0\0\0\0x", M, "MQTT-2.1.4"),
    (V4, 0x10, b"\0\x04MQTT\x04\x06\0\0\0\0\0\0\0\0", TopicNameInvalid, "MQTT-4.7.0-1"),
    (V4, 0x10, b"\0\x04MQTT\x04\x06\0\0\0\0\0\x01#\0\0", TopicNameInvalid, "MQTT-4.7.0-1"),
    (V4, 0x10, b"\0\x04MQTT\x04\x02\0\0\0\x03\xed\xa0\x80", M, "MQTT-1.5.4-1"),
    (V4, 0x10, b"\0\x04MQTT\x04\x02\0\0\0\x02\xc0\xaf", M, "MQTT-1.5.4-1"),
    (V4, 0x10, b"\0\x04MQTT\x04\x02\0\0\0\x02a\0", M, "MQTT-1.5.4-2"),
    (V5, 0x10, b"\0\x04MQTT\x05\x02\0\0\x03\x21\0\0\0\0", P, "MQTT-3.1.2.11.3"),
    (V5, 0x10, b"\0\x04MQTT\x05\x02\0\0\x05\x27\0\0\0\0\0\0", P, "MQTT-3.1.2.11.4"),
    (V5, 0x10, b"\0\x04MQTT\x05\x02\0\0\x02\x17\x02\0\0", P, "MQTT-3.1.2.11.7"),
    (V5, 0x10, b"\0\x04MQTT\x05\x02\0\0\x02\x19\x02\0\0", P, "MQTT-3.1.2.11.6"),
    (V5, 0x10, b"\0\x04MQTT\x05\x02\0\0\x05\x16\0\x02dd\0\0", P, "MQTT-3.1.2.11.10"),
    (V5, 0x10, b"\0\x04MQTT\x05\x02\0\0\x0a\x11\0\0\0\x01\x11\0\0\0\x01\0\0", P, "MQTT-3.1.2.11.2"),
    (V5, 0x10, b"\0\x04MQTT\x05\x02\0\0\x02\x01\x01\0\0", M, "MQTT-2.2.2.2"),
    (V5, 0x30, b"\0\x01a\x03\x08\0\0", P, "MQTT-4.7.3-1"),
    (V5, 0x10, b"\0\x04MQTT\x05\x02\0\0\x02\x7f\x01\0\0", M, "MQTT-2.2.2.2"),
    (V5, 0x10, b"\0\x04MQTT\x05\x02\0\0\x02\x91\0\0\0", M, "MQTT-2.2.2.2"),
    (V5, 0x10, b"\0\x04MQTT\x05\x02\0\0\x80\0\0\0", M, "MQTT-1.5.5-1"),
    (V5, 0x10, b"\0\x04MQTT\x05\x02\0\0\x7f\0\0", M, "MQTT-2.1.4"),
    (V5, 0x10, b"\0\x04MQTT\x05\x06\0\0\0\0\0\x02\x01\x02\0\x01w\0\0", P, "MQTT-3.3.2.3.2"),
    // CONNACK
    (V4, 0x20, b"\x02\0", M, "MQTT-3.2.2-1"),
    (V4, 0x20, b"\0\x06", P, "MQTT-3.2.2-8"),
    (V5, 0x20, b"\x01\x80\0", P, "MQTT-3.2.2-6"),
    (V5, 0x20, b"\0\0\x02\x24\x02", P, "MQTT-3.2.2.3.4"),
    // PUBLISH
    (V4, 0x36, b"\0\x01a\0\x01", M, "MQTT-3.3.1-4"),
    (V4, 0x38, b"\0\x01a", M, "MQTT-3.3.1-2"),
    (V4, 0x32, b"\0\x01a\0\0", P, "MQTT-2.2.1-3"),
    (V4, 0x32, b"\0\x01a\0", M, "MQTT-2.1.4"),
    (V4, 0x30, b"\0\x01+", TopicNameInvalid, "MQTT-3.3.2-2"),
    (V4, 0x30, b"\0\x03a/#", TopicNameInvalid, "MQTT-3.3.2-2"),
    (V4, 0x30, b"\0\0x", P, "MQTT-4.7.3-1"),
    (V5, 0x30, b"\0\0\0x", P, "MQTT-4.7.3-1"),
    (V5, 0x30, b"\0\x01a\x03\x23\0\0", TopicAliasInvalid, "MQTT-3.3.2-8"),
    (V5, 0x30, b"\0\x01a\x06\x23\0\x01\x23\0\x01", P, "MQTT-3.3.2.3.4"),
    (V5, 0x30, b"\0\x01a\x04\x08\0\x01+", P, "MQTT-3.3.2-14"),
    (V5, 0x30, b"\0\x01a\x02\x0b\0", P, "MQTT-3.8.2.1.2"),
    (V5, 0x30, b"\0\x01a\x05\x0b\x80\x80\x80\x80", M, "MQTT-1.5.5"),
    (V5, 0x30, b"\0\x01a\x02\x01\x02", P, "MQTT-3.3.2.3.2"),
    (V5, 0x30, b"\0\x01a\x05\x03\0\x02\xff\xff", M, "MQTT-1.5.4-1"),
    // PUBACK, PUBREC, PUBREL, PUBCOMP
    (V4, 0x40, b"\0\0", P, "MQTT-2.2.1-3"),
    (V4, 0x40, b"\0\x01\0", M, "MQTT-2.1.4"),
    (V5, 0x40, b"\0\x01\x92", P, "MQTT-3.4.2-1"),
    (V5, 0x50, b"\0\x01\x01", P, "MQTT-3.5.2-1"),
    (V5, 0x62, b"\0\x01\x10", P, "MQTT-3.6.2-1"),
    (V5, 0x70, b"\0\x01\x80", P, "MQTT-3.7.2-1"),
    (V5, 0x40, b"\0\x01\0\x03\x21\0\x01", M, "MQTT-2.2.2.2"),
    // SUBSCRIBE, SUBACK
    (V4, 0x82, b"\0\0\0\x01a\0", P, "MQTT-2.2.1-3"),
    (V4, 0x82, b"\0\x01", P, "MQTT-3.8.3-2"),
    (V4, 0x82, b"\0\x01\0\x01a", M, "MQTT-2.1.4"),
    (V4, 0x82, b"\0\x01\0\x01a\x04", M, "MQTT-3.8.3-5"),
    (V4, 0x82, b"\0\x01\0\x01a\x03", P, "MQTT-3.8.3.1"),
    (V5, 0x82, b"\0\x01\0\0\x01a\x40", M, "MQTT-3.8.3-5"),
    (V5, 0x82, b"\0\x01\0\0\x01a\x03", P, "MQTT-3.8.3.1"),
    (V5, 0x82, b"\0\x01\0\0\x01a\x30", P, "MQTT-3.8.3.1"),
    (V5, 0x82, b"\0\x01\0\0\x0a$share/g/a\x04", P, "MQTT-3.8.3-4"),
    (V5, 0x82, b"\0\x01\x04\x0b\x01\x0b\x02\0\x01a\0", P, "MQTT-3.8.2.1.2"),
    (V5, 0x82, b"\0\x01\x02\x0b\0\0\x01a\0", P, "MQTT-3.8.2.1.2"),
    (V4, 0x90, b"\0\x01\x03", P, "MQTT-3.9.3-2"),
    (V5, 0x90, b"\0\x01\0\x03", P, "MQTT-3.9.3-2"),
    // UNSUBSCRIBE, UNSUBACK
    (V4, 0xa2, b"\0\0\0\x01a", P, "MQTT-2.2.1-3"),
    (V4, 0xa2, b"\0\x01", P, "MQTT-3.10.3-2"),
    (V5, 0xb0, b"\0\x01\0\x01", P, "MQTT-3.11.3-2"),
    (V4, 0xb0, b"\0\x01\0", M, "MQTT-2.1.4"),
    // DISCONNECT, AUTH
    (V5, 0xe0, b"\x01", P, "MQTT-3.14.2-1"),
    (V5, 0xe0, b"\0\0x", M, "MQTT-2.1.4"),
    (V5, 0xf0, b"\x01", P, "MQTT-3.15.2-1"),
    (V5, 0xf0, b"\x18\x05\x16\0\x02dd", P, "MQTT-3.1.2.11.10"),
];

#[test]
fn what_is_valid_decodes_and_encodes_to_itself() {
    for &(version, first, body) in VALID {
        let frame = packet(first, body);
        assert_eq!(frame_length(&frame, frame.len()), Ok(Some(frame.len())));
        let decoded = decode(&frame, version).unwrap_or_else(|fault| panic!("{fault}: {frame:x?}"));
        let mut encoded = Vec::new();
        decoded.encode(version, &mut encoded);
        assert_eq!(encoded, frame, "{decoded:?}");
    }
}

#[test]
fn what_is_invalid_names_its_rule() {
    for &(version, first, body, kind, rule) in INVALID {
        let frame = packet(first, body);
        assert_eq!(decode(&frame, version), Err(Fault::new(kind, rule)), "{version:?} {frame:x?}");
    }
}

#[test]
fn a_truncated_frame_is_never_whole() {
    for &(version, first, body) in VALID {
        let frame = packet(first, body);
        for end in 0..frame.len() {
            let part = &frame[..end];
            assert!(matches!(frame_length(part, usize::MAX), Ok(length) if length.is_none_or(|length| length > end)));
            assert!(decode(part, version).is_err(), "{part:x?}");
        }
        for end in 0..body.len() {
            for version in VERSIONS {
                let _ = decode(&packet(first, &body[..end]), version);
            }
        }
    }
}

#[test]
fn every_byte_of_a_frame_may_be_anything() {
    for &(version, first, body) in VALID {
        for position in 0..body.len() {
            let mut body = body.to_vec();
            for value in 0..=255 {
                body[position] = value;
                drop(decode(&packet(first, &body), version).map(|packet| format!("{packet:?}")));
            }
        }
    }
}

#[test]
fn frame_length_fails_as_early_as_it_can() {
    assert_eq!(frame_length(b"", 10), Ok(None));
    assert_eq!(frame_length(b"\x30", 10), Ok(None));
    assert_eq!(frame_length(b"\x30\x80", 10), Ok(None));
    assert_eq!(frame_length(b"\x30\x08", 10), Ok(Some(10)));
    assert_eq!(frame_length(b"\x30\xff\xff\xff\x7f", usize::MAX), Ok(Some(268_435_460)));
    assert_eq!(frame_length(b"\x6a\x02", 10), Ok(Some(4)));
    assert_eq!(frame_length(b"\x30\x09", 10), Err(Fault::new(PacketTooLarge, "MQTT-3.2.2-15")));
    assert_eq!(frame_length(b"\x30\x80\0", 10), Err(Fault::malformed("MQTT-1.5.5-1")));
    assert_eq!(frame_length(b"\x30\x80\x80\x80\x80", 10), Err(Fault::malformed("MQTT-1.5.5")));
    assert_eq!(frame_length(b"\0", 10), Err(Fault::malformed("MQTT-2.1.2")));
    assert_eq!(frame_length(b"\x36", 10), Err(Fault::malformed("MQTT-3.3.1-4")));
    assert_eq!(frame_length(b"\x80", 10), Err(Fault::malformed("MQTT-3.8.1-1")));
}

#[test]
fn mqtt_3_1_is_lenient_where_its_text_is() {
    for (first, body) in [(0x6a, &b"\0\x01"[..]), (0x8a, b"\0\x01\0\x01a\0"), (0xaa, b"\0\x01\0\x01a")] {
        assert!(decode(&packet(first, body), V3).is_ok());
        assert!(decode(&packet(first, body), V4).is_err());
    }
    let missing = packet(0x10, b"\0\x06MQIsdp\x03\xc3\0\x3c\0\x01c");
    let Ok(Packet::Connect(connect)) = decode(&missing, V4) else { panic!("refused") };
    assert_eq!((connect.version, connect.username, connect.password), (V3, None, None));
}

#[test]
fn control_characters_and_noncharacters_are_text() {
    let frame = packet(0x30, "\0\x06\u{1}\u{7f}a\u{ffff}".as_bytes());
    let Ok(Packet::Publish(publish)) = decode(&frame, V4) else { panic!("refused") };
    assert_eq!(publish.topic, "\u{1}\u{7f}a\u{ffff}");
}

#[test]
fn properties_survive_as_values() {
    let sent = [
        Property::ContentType("text"),
        Property::SubscriptionIdentifier(1),
        Property::SubscriptionIdentifier(268_435_455),
        Property::UserProperty("a", "b"),
        Property::UserProperty("a", "b"),
    ];
    let mut raw = Vec::new();
    sent.iter().for_each(|property| property.encode(&mut raw));
    let (qos, payload) = (QoS::AtLeastOnce, b"payload");
    let (extra, common) = raw.split_at(7);
    let mut frame = Vec::new();
    publish::encode_head(&mut frame, V5, true, qos, true, "a/b", 7, extra, common, payload.len());
    frame.extend_from_slice(payload);
    assert_eq!(frame.len(), publish::encoded_len(V5, qos, "a/b", extra, common, payload.len()));
    let properties = Properties::from_encoded_unchecked(&raw);
    let expected = Publish { dup: true, qos, retain: true, topic: "a/b", packet_id: 7, properties, payload };
    assert_eq!(decode(&frame, V5), Ok(Packet::Publish(expected)));
    assert_eq!(properties.iter().collect::<Vec<_>>(), sent);
    assert!(expected.has_subscription_identifier());
}

#[test]
fn every_property_has_one_row_and_its_own_identifier() {
    let mut known = 0;
    for id in 0..=255_u8 {
        let value = [id, 0, 1, b'a', 0, 1, b'b'];
        let read = (1..=value.len()).find_map(|end| {
            Properties::from_encoded_unchecked(&value[..end]).iter().next().map(|property| (end, property))
        });
        let Some((end, property)) = read else { continue };
        let mut encoded = Vec::new();
        property.encode(&mut encoded);
        assert_eq!(encoded, value[..end], "{property:?}");
        known += 1;
    }
    assert_eq!(known, 27);
}

#[test]
fn lengths_that_do_not_fit_are_cut_between_characters() {
    let topic = "é".repeat(40_000);
    let mut frame = Vec::new();
    publish::encode_head(&mut frame, V4, false, QoS::AtMostOnce, false, &topic, 0, &[], &[], 0);
    let Ok(Packet::Publish(publish)) = decode(&frame, V4) else { panic!("refused") };
    assert_eq!(publish.topic.len(), 65_534);
}

#[test]
fn lengths_of_every_size_are_written() {
    for count in [1, 124, 125, 16_380, 16_381, 2_097_148, 2_097_149] {
        let codes = vec![1; count];
        let suback = SubAck { packet_id: 1, properties: Properties::default(), codes: &codes };
        let mut frame = vec![0xff];
        suback.encode(V5, &mut frame);
        assert_eq!(frame_length(&frame[1..], usize::MAX), Ok(Some(frame.len() - 1)));
        assert_eq!(decode(&frame[1..], V5), Ok(Packet::SubAck(suback)));
    }
}

#[test]
fn thousands_of_properties_take_linear_time() {
    let mut raw = Vec::new();
    (0..100_000).for_each(|_| Property::UserProperty("", "").encode(&mut raw));
    let properties = Properties::from_encoded_unchecked(&raw);
    let publish =
        Publish { dup: false, qos: QoS::AtMostOnce, retain: false, topic: "a", packet_id: 0, properties, payload: b"" };
    let mut frame = Vec::new();
    publish.encode(V5, &mut frame);
    assert_eq!(decode(&frame, V5), Ok(Packet::Publish(publish)));
    assert_eq!(properties.iter().count(), 100_000);
}

#[test]
fn subscriptions_are_written_for_their_version() {
    let options = SubscribeOptions { no_local: true, retain_handling: 2, ..SubscribeOptions::new(QoS::ExactlyOnce) };
    for (version, expected) in [(V4, SubscribeOptions::new(QoS::ExactlyOnce)), (V5, options)] {
        let mut frame = Vec::new();
        encode_subscribe(3, Properties::default(), &[("a/#", options), ("b", options)], version, &mut frame);
        let Ok(Packet::Subscribe(subscribe)) = decode(&frame, version) else { panic!("refused") };
        assert!(subscribe.filters.iter().eq([("a/#", expected), ("b", expected)]));
        frame.clear();
        encode_unsubscribe(4, Properties::default(), &["a/#", ""], version, &mut frame);
        let Ok(Packet::Unsubscribe(unsubscribe)) = decode(&frame, version) else { panic!("refused") };
        assert!(unsubscribe.filters.iter().eq(["a/#", ""]));
    }
}

#[test]
fn a_connack_of_mqtt_3_1_says_nothing_of_a_session() {
    for (version, expected) in [(V3, false), (V4, true), (V5, true)] {
        let body: &[u8] = if version == V5 { &[1, 0, 0] } else { &[1, 0] };
        let frame = packet(0x20, body);
        let Ok(Packet::ConnAck(connack)) = decode(&frame, version) else { panic!("refused") };
        assert_eq!(connack.session_present, expected, "{version:?}");
    }
}

#[test]
fn secrets_and_payloads_are_not_shown() {
    for &(version, first, body) in VALID.iter().filter(|row| row.1 == 0x10 || row.1 == 0xf0 || row.1 == 0x30) {
        let shown = format!("{:?}", decode(&packet(first, body), version));
        let secrets = ["112, 119", "100, 100", "112, 112", "97, 121"];
        assert!(secrets.iter().all(|secret| !shown.contains(secret)), "{shown}");
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), first: u8) {
        let _ = frame_length(&bytes, 100);
        for version in VERSIONS {
            let _ = decode(&bytes, version);
            drop(decode(&packet(first, &bytes), version).map(|packet| format!("{packet:?}")));
        }
    }

    #[test]
    fn what_decodes_encodes_to_what_decodes_alike(row in 0..VALID.len(), position: usize, value: u8) {
        let (version, first, body) = VALID[row];
        let mut body = body.to_vec();
        let length = body.len().max(1);
        if let Some(byte) = body.get_mut(position % length) {
            *byte = value;
        }
        let frame = packet(first, &body);
        if let Ok(decoded) = decode(&frame, version) {
            let mut encoded = Vec::new();
            decoded.encode(version, &mut encoded);
            prop_assert_eq!(decode(&encoded, version), Ok(decoded));
        }
    }
}
