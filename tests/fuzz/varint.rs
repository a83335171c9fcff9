//! Variable byte integers.

use artemis_rs::protocol::mqtt::codec::{Packet, Property, Version, decode, frame_length};

use super::choices::Choices;

/// What the bytes begin with, as the standard's own algorithm has it.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    Value(u32, usize),
    Partial,
    Malformed,
}

fn plain(bytes: &[u8]) -> Found {
    let (mut multiplier, mut value) = (1_u64, 0_u64);
    for (position, byte) in bytes.iter().enumerate() {
        value += u64::from(byte & 127) * multiplier;
        if byte & 128 == 0 {
            let is_shortest = position == 0 || *byte != 0; // [MQTT-1.5.5-1]
            return if is_shortest { Found::Value(value as u32, position + 1) } else { Found::Malformed };
        }
        if position == 3 {
            return Found::Malformed;
        }
        multiplier *= 128;
    }
    Found::Partial
}

pub fn fuzz(data: &[u8]) {
    let mut choices = Choices::new(data);
    write(choices.four() >> 4);
    let bytes = choices.rest();
    for end in 0..=bytes.len().min(6) {
        read(&bytes[..end]);
    }
}

/// A number comes back from its shortest form.
fn write(value: u32) {
    let mut encoded = Vec::new();
    Property::SubscriptionIdentifier(value).encode(&mut encoded);
    assert_eq!(plain(&encoded[1..]), Found::Value(value, encoded.len() - 1));
    assert_eq!(encoded.len() - 1, [0, 0x80, 0x4000, 0x20_0000].iter().filter(|from| value >= **from).count());
}

/// The length of a frame and a property are read alike.
fn read(bytes: &[u8]) {
    let expected = plain(bytes);
    let length = frame_length(&[&[0x30], bytes].concat(), usize::MAX);
    match expected {
        Found::Value(value, used) => assert_eq!(length, Ok(Some(1 + used + value as usize))),
        Found::Partial => assert_eq!(length, Ok(None)),
        Found::Malformed => assert!(length.is_err(), "{bytes:?}"),
    }
    let properties = [&[0x0B], bytes].concat();
    let body = [&[0, 1, properties.len() as u8], &properties[..], &[0, 1, b'a', 0]].concat();
    let frame = [&[0x82, body.len() as u8], &body[..]].concat();
    let read = decode(&frame, Version::V5).ok().map(|packet| match packet {
        Packet::Subscribe(packet) => packet.properties.iter().collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    });
    let alone = match expected {
        Found::Value(value @ 1.., used) if used == bytes.len() => Some(vec![Property::SubscriptionIdentifier(value)]),
        _ => None,
    };
    // What follows the number may itself be a property, which is for another target.
    if !matches!(expected, Found::Value(_, used) if used < bytes.len()) {
        assert_eq!(read, alone, "{bytes:?}");
    }
}
