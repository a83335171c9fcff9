//! CONNACK.

use super::properties::{Properties, place};
use super::reader::Reader;
use super::{Version, header, writer};
use crate::protocol::mqtt::fault::Fault;

const SESSION_PRESENT: u8 = 0x01;
const RETURN_CODE_MAX: u8 = 5;
const REASONS: &[u8] = &[
    0x00, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x8C, 0x90, 0x95, 0x97, 0x99, 0x9A, 0x9B,
    0x9C, 0x9D, 0x9F,
];

/// The server's answer to CONNECT; `code` is a reason code of MQTT 5 or a return code of MQTT 3.x.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ConnAck<'a> {
    pub session_present: bool,
    pub code: u8,
    pub properties: Properties<'a>,
}

impl<'a> ConnAck<'a> {
    pub(super) fn decode(reader: &mut Reader<'a>, version: Version) -> Result<Self, Fault> {
        let flags = reader.u8()?;
        if flags > SESSION_PRESENT {
            return Err(Fault::malformed("MQTT-3.2.2-1")); // [MQTT-3.2.2-1]
        }
        let session_present = flags == SESSION_PRESENT && version > Version::V3; // MQTT 3.1 reserves the whole byte
        let code = reader.u8()?;
        let known = if version == Version::V5 { REASONS.contains(&code) } else { code <= RETURN_CODE_MAX };
        if !known {
            return Err(Fault::protocol("MQTT-3.2.2-8")); // [MQTT-3.2.2-8]
        }
        if session_present && code != 0 {
            return Err(Fault::protocol("MQTT-3.2.2-6")); // [MQTT-3.2.2-6]
        }
        let properties = Properties::decode(reader, version, place::CONNACK)?;
        Ok(Self { session_present, code, properties })
    }

    /// Appends the packet; MQTT 3.1 cannot say that a session is present.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) {
        writer::frame(out, header::first(header::CONNACK), |out| {
            let session_present = self.session_present && version > Version::V3;
            out.extend_from_slice(&[session_present.into(), self.code]);
            self.properties.encode(version, out);
        });
    }
}
