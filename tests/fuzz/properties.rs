//! Properties in the packets in which they may stand, and in the others.

use artemis_rs::protocol::mqtt::codec::{Packet, Properties, Version, decode};

use super::choices::Choices;
use super::standard::{self, Form, PROPERTIES, Place};

/// Places, the first byte of their packets, and what stands before and behind the properties.
const PACKETS: [(Place, u8, &[u8], &[u8]); 14] = [
    (Place::Connect, 0x10, b"\0\x04MQTT\x05\x02\0\x3C", b"\0\x01c"),
    (Place::Will, 0x10, b"\0\x04MQTT\x05\x06\0\x3C\0\0\x01c", b"\0\x01t\0\x01p"),
    (Place::ConnAck, 0x20, b"\0\0", b""),
    (Place::Publish, 0x32, b"\0\x01t\0\x07", b"payload"),
    (Place::PubAck, 0x40, b"\0\x07\0", b""),
    (Place::PubRec, 0x50, b"\0\x07\x10", b""),
    (Place::PubRel, 0x62, b"\0\x07\0", b""),
    (Place::PubComp, 0x70, b"\0\x07\x92", b""),
    (Place::Subscribe, 0x82, b"\0\x07", b"\0\x01f\x01"),
    (Place::SubAck, 0x90, b"\0\x07", b"\x01"),
    (Place::Unsubscribe, 0xA2, b"\0\x07", b"\0\x01f"),
    (Place::UnsubAck, 0xB0, b"\0\x07", b"\x11"),
    (Place::Disconnect, 0xE0, b"\x04", b""),
    (Place::Auth, 0xF0, b"\x18", b""),
];

pub fn fuzz(data: &[u8]) {
    let mut choices = Choices::new(data);
    let (place, first, before, behind) = choices.pick(&PACKETS);
    let mut raw = Vec::new();
    while !choices.is_empty() && raw.len() < 2 {
        raw.push(property(&mut choices, place));
    }
    while !choices.is_empty() && raw.len() < 8 {
        // Most repeat, and most belong there.
        let next =
            if choices.below(4) == 0 { raw[choices.below(raw.len())].clone() } else { property(&mut choices, place) };
        raw.push(next);
    }
    let bytes = raw.concat();
    let frame = standard::frame(first, &[before, &standard::varint(bytes.len() as u32), &bytes, behind].concat());
    let decoded = decode(&frame, Version::V5);
    assert_eq!(decoded.is_ok(), standard::allows(&frame, Version::V5), "{decoded:?} of {place:?} {bytes:02x?}");
    let Ok(packet) = decoded else { return };
    let properties = properties_of(&packet, place);
    assert_eq!(properties.as_bytes(), bytes, "{place:?}");
    let again: Vec<Vec<u8>> = properties
        .iter()
        .map(|property| {
            let mut out = Vec::new();
            property.encode(&mut out);
            out
        })
        .collect();
    assert_eq!(again.concat(), bytes, "{place:?}");
    let mut written = Vec::new();
    packet.encode(Version::V5, &mut written);
    assert_eq!(decode(&written, Version::V5), Ok(packet));
}

/// One property: as a rule of those that belong there, with a value that fits.
fn property(choices: &mut Choices<'_>, place: Place) -> Vec<u8> {
    let mode = choices.byte();
    let fitting: Vec<_> = PROPERTIES.iter().filter(|(.., places)| places.contains(&place)).collect();
    let (id, form) = match mode & 7 {
        0 => (choices.byte(), Form::Text),
        1 => {
            let (id, form, _) = choices.pick(&PROPERTIES);
            (id, form)
        }
        _ => {
            let (id, form, _) = choices.pick(&fitting);
            (*id, *form)
        }
    };
    let mut bytes = vec![id];
    if mode & 0xF0 == 0 {
        bytes.extend_from_slice(choices.bytes(3));
        return bytes;
    }
    match form {
        Form::Byte => bytes.push(choices.pick(&[0, 1, 1, 2, 255])),
        Form::Two => bytes.extend_from_slice(&choices.pick(&[0, 1, 10, u16::MAX]).to_be_bytes()),
        Form::Four => bytes.extend_from_slice(&choices.pick(&[0, 1, 3600, u32::MAX]).to_be_bytes()),
        Form::Varint => bytes.extend_from_slice(&standard::varint(choices.pick(&[0, 1, 127, 128, 268_435_455]))),
        Form::Text | Form::Binary => string(choices, &mut bytes),
        Form::Pair => {
            string(choices, &mut bytes);
            string(choices, &mut bytes);
        }
    }
    bytes
}

fn string(choices: &mut Choices<'_>, out: &mut Vec<u8>) {
    let length = choices.below(10);
    let text = choices.bytes(length);
    out.extend_from_slice(&(text.len() as u16).to_be_bytes());
    out.extend_from_slice(text);
}

fn properties_of<'a>(packet: &Packet<'a>, place: Place) -> Properties<'a> {
    match packet {
        Packet::Connect(packet) if place == Place::Will => packet.will.expect("there is a will").properties,
        Packet::Connect(packet) => packet.properties,
        Packet::ConnAck(packet) => packet.properties,
        Packet::Publish(packet) => packet.properties,
        Packet::PubAck(packet) | Packet::PubRec(packet) | Packet::PubRel(packet) | Packet::PubComp(packet) => {
            packet.properties
        }
        Packet::Subscribe(packet) => packet.properties,
        Packet::SubAck(packet) => packet.properties,
        Packet::Unsubscribe(packet) => packet.properties,
        Packet::UnsubAck(packet) => packet.properties,
        Packet::Disconnect(packet) => packet.properties,
        Packet::Auth(packet) => packet.properties,
        Packet::PingReq | Packet::PingResp => panic!("{packet:?} has no properties"),
    }
}
