//! PUBACK, PUBREC, PUBREL and PUBCOMP, which differ in type and reason codes only.

use super::properties::{Properties, place};
use super::reader::Reader;
use super::{Version, header, writer};
use crate::protocol::mqtt::fault::{Fault, ReasonCode};

const RECEIVED: &[u8] = &[0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99];
const RELEASED: &[u8] = &[0x00, 0x92];

/// A step in the acknowledgement of one PUBLISH.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ack<'a> {
    pub packet_id: u16,
    pub reason: ReasonCode,
    pub properties: Properties<'a>,
}

/// Which acknowledgement it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AckKind {
    PubAck,
    PubRec,
    PubRel,
    PubComp,
}

impl AckKind {
    /// Packet type, place of properties, legal reason codes and the rule on them.
    const fn row(self) -> (u8, u16, &'static [u8], &'static str) {
        match self {
            Self::PubAck => (header::PUBACK, place::PUBACK, RECEIVED, "MQTT-3.4.2-1"),
            Self::PubRec => (header::PUBREC, place::PUBREC, RECEIVED, "MQTT-3.5.2-1"),
            Self::PubRel => (header::PUBREL, place::PUBREL, RELEASED, "MQTT-3.6.2-1"),
            Self::PubComp => (header::PUBCOMP, place::PUBCOMP, RELEASED, "MQTT-3.7.2-1"),
        }
    }
}

impl<'a> Ack<'a> {
    /// An acknowledgement that says nothing but success.
    pub fn success(packet_id: u16) -> Self {
        Self::new(packet_id, ReasonCode::SUCCESS)
    }

    /// An acknowledgement without properties.
    pub fn new(packet_id: u16, reason: ReasonCode) -> Self {
        Self { packet_id, reason, properties: Properties::default() }
    }

    pub(super) fn decode(reader: &mut Reader<'a>, kind: AckKind, version: Version) -> Result<Self, Fault> {
        let (_, place, reasons, rule) = kind.row();
        let packet_id = reader.packet_id()?;
        let (reason, properties) = decode_reason(reader, version, place, reasons, rule)?;
        Ok(Self { packet_id, reason, properties })
    }

    /// Appends the packet in its shortest form.
    pub fn encode(&self, kind: AckKind, version: Version, out: &mut Vec<u8>) {
        let first = header::first(kind.row().0);
        let [high, low] = self.packet_id.to_be_bytes();
        if is_short(self.reason, self.properties, version) {
            out.extend_from_slice(&[first, 2, high, low]);
        } else {
            writer::frame(out, first, |out| {
                out.extend_from_slice(&[high, low]);
                encode_reason(self.reason, self.properties, version, out);
            });
        }
    }
}

/// Reads a reason code and properties, both of which may be left out at the end of a packet.
pub(super) fn decode_reason<'a>(
    reader: &mut Reader<'a>,
    version: Version,
    place: u16,
    reasons: &[u8],
    rule: &'static str,
) -> Result<(ReasonCode, Properties<'a>), Fault> {
    if version < Version::V5 || reader.is_empty() {
        return Ok((ReasonCode::SUCCESS, Properties::default()));
    }
    let reason = reader.u8()?;
    if !reasons.contains(&reason) {
        return Err(Fault::protocol(rule)); // the rule of the packet
    }
    let properties =
        if reader.is_empty() { Properties::default() } else { Properties::decode(reader, version, place)? };
    Ok((ReasonCode(reason), properties))
}

fn is_short(reason: ReasonCode, properties: Properties<'_>, version: Version) -> bool {
    version < Version::V5 || (reason == ReasonCode::SUCCESS && properties.is_empty())
}

/// Appends a reason code and properties in their shortest form.
pub(super) fn encode_reason(reason: ReasonCode, properties: Properties<'_>, version: Version, out: &mut Vec<u8>) {
    if is_short(reason, properties, version) {
        return;
    }
    out.push(reason.0);
    if !properties.is_empty() {
        properties.encode(version, out);
    }
}
