//! SUBSCRIBE and SUBACK.

use std::fmt;

use super::properties::{Properties, place};
use super::reader::Reader;
use super::{QoS, Version, header, topic, writer};
use crate::protocol::mqtt::fault::Fault;

const NO_LOCAL: u8 = 0b0000_0100;
const RETAIN_AS_PUBLISHED: u8 = 0b0000_1000;
const RETAIN_HANDLING_SHIFT: u8 = 4;
const RESERVED: u8 = 0b1100_0000;
const BEYOND_QOS: u8 = 0b1111_1100;
const REASONS: &[u8] = &[0x00, 0x01, 0x02, 0x80, 0x83, 0x87, 0x8F, 0x91, 0x97, 0x9E, 0xA1, 0xA2];
const RETURN_CODES: &[u8] = &[0x00, 0x01, 0x02, 0x80];

/// A client's request for one or more subscriptions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subscribe<'a> {
    pub packet_id: u16,
    pub properties: Properties<'a>,
    pub filters: Filters<'a>,
}

/// How messages of a subscription are delivered; `retain_handling` is 0, 1 or 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubscribeOptions {
    pub qos: QoS,
    pub no_local: bool,
    pub retain_as_published: bool,
    pub retain_handling: u8,
}

impl SubscribeOptions {
    /// The options of MQTT 3.x, where there is nothing but a QoS.
    pub fn new(qos: QoS) -> Self {
        Self { qos, no_local: false, retain_as_published: false, retain_handling: 0 }
    }

    fn decode(byte: u8, version: Version) -> Result<Self, Fault> {
        let reserved = if version == Version::V5 { RESERVED } else { BEYOND_QOS };
        if byte & reserved != 0 {
            return Err(Fault::malformed("MQTT-3.8.3-5")); // [MQTT-3.8.3-5]
        }
        let qos = QoS::try_from(byte & 0b11).map_err(|_| Fault::protocol("MQTT-3.8.3.1"))?;
        let retain_handling = (byte >> RETAIN_HANDLING_SHIFT) & 0b11;
        if retain_handling == 3 {
            return Err(Fault::protocol("MQTT-3.8.3.1"));
        }
        let (no_local, retain_as_published) = (byte & NO_LOCAL != 0, byte & RETAIN_AS_PUBLISHED != 0);
        Ok(Self { qos, no_local, retain_as_published, retain_handling })
    }

    fn to_byte(self, version: Version) -> u8 {
        let qos = self.qos as u8;
        if version < Version::V5 {
            return qos;
        }
        let bit = |set, flag| if set { flag } else { 0 };
        let retain_handling = (self.retain_handling & 0b11) << RETAIN_HANDLING_SHIFT;
        qos | bit(self.no_local, NO_LOCAL) | bit(self.retain_as_published, RETAIN_AS_PUBLISHED) | retain_handling
    }
}

/// The filters of a SUBSCRIBE, at least one, each well-formed text but not yet known to be a valid filter.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Filters<'a> {
    raw: &'a [u8],
}

impl<'a> Filters<'a> {
    fn decode(reader: &mut Reader<'a>, version: Version) -> Result<Self, Fault> {
        let raw = reader.rest();
        if raw.is_empty() {
            return Err(Fault::protocol("MQTT-3.8.3-2")); // [MQTT-3.8.3-2]
        }
        while !reader.is_empty() {
            let (filter, options) = next(reader, version)?;
            if options.no_local && topic::shared(filter).is_some() {
                return Err(Fault::protocol("MQTT-3.8.3-4")); // [MQTT-3.8.3-4]
            }
        }
        Ok(Self { raw })
    }

    /// Filters and options in the order in which SUBACK answers them.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, SubscribeOptions)> + use<'a> {
        let mut reader = Reader::new(self.raw);
        std::iter::from_fn(move || next(&mut reader, Version::V5).ok())
    }
}

fn next<'a>(reader: &mut Reader<'a>, version: Version) -> Result<(&'a str, SubscribeOptions), Fault> {
    let filter = reader.str()?; // [MQTT-3.8.3-1]
    let options = SubscribeOptions::decode(reader.u8()?, version)?;
    Ok((filter, options))
}

impl fmt::Debug for Filters<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<'a> Subscribe<'a> {
    pub(super) fn decode(reader: &mut Reader<'a>, version: Version) -> Result<Self, Fault> {
        let packet_id = reader.packet_id()?;
        let properties = Properties::decode(reader, version, place::SUBSCRIBE)?;
        let filters = Filters::decode(reader, version)?;
        Ok(Self { packet_id, properties, filters })
    }

    /// Appends the packet.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) {
        encode(self.packet_id, self.properties, self.filters.iter(), version, out);
    }
}

/// Appends a SUBSCRIBE made of its parts.
pub fn encode_subscribe(
    packet_id: u16,
    properties: Properties<'_>,
    filters: &[(&str, SubscribeOptions)],
    version: Version,
    out: &mut Vec<u8>,
) {
    encode(packet_id, properties, filters.iter().copied(), version, out);
}

fn encode<'a>(
    packet_id: u16,
    properties: Properties<'_>,
    filters: impl Iterator<Item = (&'a str, SubscribeOptions)>,
    version: Version,
    out: &mut Vec<u8>,
) {
    writer::frame(out, header::first(header::SUBSCRIBE), |out| {
        writer::u16(out, packet_id);
        properties.encode(version, out);
        for (filter, options) in filters {
            writer::str(out, filter);
            out.push(options.to_byte(version));
        }
    });
}

/// The server's answer to SUBSCRIBE, one code per filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubAck<'a> {
    pub packet_id: u16,
    pub properties: Properties<'a>,
    pub codes: &'a [u8],
}

impl<'a> SubAck<'a> {
    pub(super) fn decode(reader: &mut Reader<'a>, version: Version) -> Result<Self, Fault> {
        let packet_id = reader.packet_id()?;
        let properties = Properties::decode(reader, version, place::SUBACK)?;
        let codes = reader.take(reader.rest().len())?;
        let legal = if version == Version::V5 { REASONS } else { RETURN_CODES };
        if codes.is_empty() || !codes.iter().all(|code| legal.contains(code)) {
            return Err(Fault::protocol("MQTT-3.9.3-2")); // [MQTT-3.9.3-2]
        }
        Ok(Self { packet_id, properties, codes })
    }

    /// Appends the packet; the codes are those of `version`.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) {
        writer::frame(out, header::first(header::SUBACK), |out| {
            writer::u16(out, self.packet_id);
            self.properties.encode(version, out);
            out.extend_from_slice(self.codes);
        });
    }
}
