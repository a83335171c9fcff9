//! AUTH, of MQTT 5 only.

use super::ack::{decode_reason, encode_reason};
use super::properties::{Properties, place};
use super::reader::Reader;
use super::{Version, header, writer};
use crate::protocol::mqtt::fault::{Fault, ReasonCode};

const REASONS: &[u8] = &[0x00, 0x18, 0x19];

/// A step of an extended authentication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Auth<'a> {
    pub reason: ReasonCode,
    pub properties: Properties<'a>,
}

impl<'a> Auth<'a> {
    pub(super) fn decode(reader: &mut Reader<'a>, version: Version) -> Result<Self, Fault> {
        if version < Version::V5 {
            return Err(Fault::malformed("MQTT-2.1.2")); // type 15 is reserved in MQTT 3.x
        }
        let (reason, properties) = decode_reason(reader, version, place::AUTH, REASONS, "MQTT-3.15.2-1")?;
        Ok(Self { reason, properties })
    }

    /// Appends the packet in its shortest form.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) {
        debug_assert!(version == Version::V5, "AUTH does not exist before MQTT 5");
        writer::frame(out, header::first(header::AUTH), |out| {
            encode_reason(self.reason, self.properties, version, out);
        });
    }
}
