//! Packets that are read, written and read again.

use artemis_rs::protocol::mqtt::codec::{Packet, Version, decode};

use super::decode::frame;

pub fn fuzz(data: &[u8]) {
    let Some((mode, data)) = data.split_first() else { return };
    let version = [Version::V3, Version::V4, Version::V5, Version::V5][usize::from(mode >> 1 & 3)];
    let Some(frame) = frame(*mode, data) else { return };
    let Ok(packet) = decode(&frame, version) else { return };
    let mut written = vec![0xA5];
    packet.encode(version, &mut written);
    let written = &written[1..];
    assert_eq!(decode(written, version), Ok(packet), "{version:?} {frame:02x?} became {written:02x?}");
    assert!(written.len() <= frame.len(), "{frame:02x?} became longer: {written:02x?}");
    // A shorter form says the same; MQTT 3.1 has bits without a meaning.
    if written.len() == frame.len() && !has_unused_bits(&packet, version) {
        assert_eq!(written, frame);
    }
    let mut again = Vec::new();
    packet.encode(version, &mut again);
    assert_eq!(again, written);
}

fn has_unused_bits(packet: &Packet<'_>, version: Version) -> bool {
    match packet {
        Packet::Connect(connect) => connect.version == Version::V3,
        Packet::PubRel(_) | Packet::Subscribe(_) | Packet::Unsubscribe(_) | Packet::ConnAck(_) => {
            version == Version::V3
        }
        _ => false,
    }
}
