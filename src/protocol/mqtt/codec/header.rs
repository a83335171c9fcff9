//! The fixed header: packet type, flags, remaining length.

use super::Version;
use super::reader::Reader;
use crate::protocol::mqtt::fault::{Fault, Kind};

pub const CONNECT: u8 = 1;
pub const CONNACK: u8 = 2;
pub const PUBLISH: u8 = 3;
pub const PUBACK: u8 = 4;
pub const PUBREC: u8 = 5;
pub const PUBREL: u8 = 6;
pub const PUBCOMP: u8 = 7;
pub const SUBSCRIBE: u8 = 8;
pub const SUBACK: u8 = 9;
pub const UNSUBSCRIBE: u8 = 10;
pub const UNSUBACK: u8 = 11;
pub const PINGREQ: u8 = 12;
pub const PINGRESP: u8 = 13;
pub const DISCONNECT: u8 = 14;
pub const AUTH: u8 = 15;

/// The first byte of a packet of `kind` as it is sent, but for PUBLISH.
pub const fn first(kind: u8) -> u8 {
    let flags = match kind {
        PUBREL | SUBSCRIBE | UNSUBSCRIBE => 0b0010,
        _ => 0,
    };
    (kind << 4) | flags
}

/// The length of the first frame in `input`, its header included; `None` while the header is incomplete.
///
/// Fails as early as the bytes allow, on a frame longer than `limit` too.
pub fn frame_length(input: &[u8], limit: usize) -> Result<Option<usize>, Fault> {
    let mut reader = Reader::new(input);
    let Ok(first) = reader.u8() else { return Ok(None) };
    check(first, Version::V3)?; // the most lenient: the version is not known here
    let Some(remaining) = reader.varint_partial()? else { return Ok(None) };
    let length = input.len() - reader.rest().len() + remaining as usize;
    if length > limit {
        return Err(Fault::new(Kind::PacketTooLarge, "MQTT-3.2.2-15")); // [MQTT-3.2.2-15]
    }
    Ok(Some(length))
}

/// Splits a whole frame into packet type, flags and what follows the fixed header.
pub fn split(frame: &[u8], version: Version) -> Result<(u8, u8, Reader<'_>), Fault> {
    let mut reader = Reader::new(frame);
    let first = reader.u8()?;
    check(first, version)?;
    let remaining = reader.varint()? as usize;
    if reader.rest().len() != remaining {
        return Err(Fault::malformed("MQTT-2.1.4"));
    }
    Ok((first >> 4, first & 0x0F, reader))
}

/// Whether the frame is of a kind that only servers send.
pub fn is_from_server(frame: &[u8]) -> bool {
    frame.first().is_some_and(|first| matches!(first >> 4, CONNACK | SUBACK | UNSUBACK | PINGRESP))
}

fn check(first: u8, version: Version) -> Result<(), Fault> {
    let rule = match (first >> 4, first & 0x0F) {
        (0, _) => "MQTT-2.1.2",
        (PUBLISH, flags) if flags & 0b0110 == 0b0110 => "MQTT-3.3.1-4", // [MQTT-3.3.1-4]
        (PUBLISH, flags) if flags & 0b1110 == 0b1000 => "MQTT-3.3.1-2", // [MQTT-3.3.1-2]
        (PUBLISH, _) => return Ok(()),
        // MQTT 3.1 sends these with QoS 1, and again with DUP.
        (PUBREL | SUBSCRIBE | UNSUBSCRIBE, 0b1010) if version == Version::V3 => return Ok(()),
        (PUBREL, flags) if flags != 0b0010 => "MQTT-3.6.1-1", // [MQTT-3.6.1-1]
        (SUBSCRIBE, flags) if flags != 0b0010 => "MQTT-3.8.1-1", // [MQTT-3.8.1-1]
        (UNSUBSCRIBE, flags) if flags != 0b0010 => "MQTT-3.10.1-1", // [MQTT-3.10.1-1]
        (PUBREL | SUBSCRIBE | UNSUBSCRIBE, _) => return Ok(()),
        (DISCONNECT, flags) if flags != 0 => "MQTT-3.14.1-1", // [MQTT-3.14.1-1]
        (AUTH, flags) if flags != 0 => "MQTT-3.15.1-1",       // [MQTT-3.15.1-1]
        (_, flags) if flags != 0 => "MQTT-2.1.3-1",           // [MQTT-2.1.3-1]
        _ => return Ok(()),
    };
    Err(Fault::malformed(rule))
}
