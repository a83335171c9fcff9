//! UNSUBSCRIBE and UNSUBACK.

use std::fmt;

use super::properties::{Properties, place};
use super::reader::Reader;
use super::{Version, header, writer};
use crate::protocol::mqtt::fault::Fault;

const REASONS: &[u8] = &[0x00, 0x11, 0x80, 0x83, 0x87, 0x8F, 0x91];

/// A client's request to end one or more subscriptions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unsubscribe<'a> {
    pub packet_id: u16,
    pub properties: Properties<'a>,
    pub filters: FilterNames<'a>,
}

/// The filters of an UNSUBSCRIBE, at least one, each well-formed text but not yet known to be a valid filter.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct FilterNames<'a> {
    raw: &'a [u8],
}

impl<'a> FilterNames<'a> {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, Fault> {
        let raw = reader.rest();
        if raw.is_empty() {
            return Err(Fault::protocol("MQTT-3.10.3-2")); // [MQTT-3.10.3-2]
        }
        while !reader.is_empty() {
            reader.str()?; // [MQTT-3.10.3-1]
        }
        Ok(Self { raw })
    }

    /// Filters in the order in which UNSUBACK answers them.
    pub fn iter(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let mut reader = Reader::new(self.raw);
        std::iter::from_fn(move || reader.str().ok())
    }
}

impl fmt::Debug for FilterNames<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<'a> Unsubscribe<'a> {
    pub(super) fn decode(reader: &mut Reader<'a>, version: Version) -> Result<Self, Fault> {
        let packet_id = reader.packet_id()?;
        let properties = Properties::decode(reader, version, place::UNSUBSCRIBE)?;
        let filters = FilterNames::decode(reader)?;
        Ok(Self { packet_id, properties, filters })
    }

    /// Appends the packet.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) {
        encode(self.packet_id, self.properties, self.filters.iter(), version, out);
    }
}

/// Appends an UNSUBSCRIBE made of its parts.
pub fn encode_unsubscribe(
    packet_id: u16,
    properties: Properties<'_>,
    filters: &[&str],
    version: Version,
    out: &mut Vec<u8>,
) {
    encode(packet_id, properties, filters.iter().copied(), version, out);
}

fn encode<'a>(
    packet_id: u16,
    properties: Properties<'_>,
    filters: impl Iterator<Item = &'a str>,
    version: Version,
    out: &mut Vec<u8>,
) {
    writer::frame(out, header::first(header::UNSUBSCRIBE), |out| {
        writer::u16(out, packet_id);
        properties.encode(version, out);
        for filter in filters {
            writer::str(out, filter);
        }
    });
}

/// The server's answer to UNSUBSCRIBE, one code per filter in MQTT 5 and none before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnsubAck<'a> {
    pub packet_id: u16,
    pub properties: Properties<'a>,
    pub codes: &'a [u8],
}

impl<'a> UnsubAck<'a> {
    pub(super) fn decode(reader: &mut Reader<'a>, version: Version) -> Result<Self, Fault> {
        let packet_id = reader.packet_id()?;
        if version < Version::V5 {
            return Ok(Self { packet_id, properties: Properties::default(), codes: &[] });
        }
        let properties = Properties::decode(reader, version, place::UNSUBACK)?;
        let codes = reader.take(reader.rest().len())?;
        if codes.is_empty() || !codes.iter().all(|code| REASONS.contains(code)) {
            return Err(Fault::protocol("MQTT-3.11.3-2")); // [MQTT-3.11.3-2]
        }
        Ok(Self { packet_id, properties, codes })
    }

    /// Appends the packet.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) {
        writer::frame(out, header::first(header::UNSUBACK), |out| {
            writer::u16(out, self.packet_id);
            if version == Version::V5 {
                self.properties.encode(version, out);
                out.extend_from_slice(self.codes);
            }
        });
    }
}
