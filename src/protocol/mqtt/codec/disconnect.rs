//! DISCONNECT.

use super::ack::{decode_reason, encode_reason};
use super::properties::{Properties, place};
use super::reader::Reader;
use super::{Version, header, writer};
use crate::protocol::mqtt::fault::{Fault, ReasonCode};

const REASONS: &[u8] = &[
    0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8B, 0x8D, 0x8E, 0x8F, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98,
    0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9E, 0x9F, 0xA0, 0xA1, 0xA2,
];

/// The last packet of a connection, from either side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disconnect<'a> {
    pub reason: ReasonCode,
    pub properties: Properties<'a>,
}

impl<'a> Disconnect<'a> {
    pub(super) fn decode(reader: &mut Reader<'a>, version: Version) -> Result<Self, Fault> {
        let (reason, properties) = decode_reason(reader, version, place::DISCONNECT, REASONS, "MQTT-3.14.2-1")?;
        Ok(Self { reason, properties })
    }

    /// Appends the packet in its shortest form.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) {
        writer::frame(out, header::first(header::DISCONNECT), |out| {
            encode_reason(self.reason, self.properties, version, out);
        });
    }
}
