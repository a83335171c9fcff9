//! Properties of MQTT 5: one table says what they are and where they may stand.

use std::fmt;

use super::reader::Reader;
use super::{Version, topic, writer};
use crate::protocol::mqtt::fault::{Fault, Kind};

/// The places in which properties stand, as bits.
pub mod place {
    pub const CONNECT: u16 = 1;
    pub const WILL: u16 = 1 << 1;
    pub const CONNACK: u16 = 1 << 2;
    pub const PUBLISH: u16 = 1 << 3;
    pub const PUBACK: u16 = 1 << 4;
    pub const PUBREC: u16 = 1 << 5;
    pub const PUBREL: u16 = 1 << 6;
    pub const PUBCOMP: u16 = 1 << 7;
    pub const SUBSCRIBE: u16 = 1 << 8;
    pub const SUBACK: u16 = 1 << 9;
    pub const UNSUBSCRIBE: u16 = 1 << 10;
    pub const UNSUBACK: u16 = 1 << 11;
    pub const DISCONNECT: u16 = 1 << 12;
    pub const AUTH: u16 = 1 << 13;
    /// Messages: what a publisher says to its receivers.
    pub const MESSAGE: u16 = PUBLISH | WILL;
    pub const ANSWER: u16 = CONNACK | PUBACK | PUBREC | PUBREL | PUBCOMP | SUBACK | UNSUBACK | DISCONNECT | AUTH;
    pub const ANY: u16 = u16::MAX;
}

/// One property with its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Property<'a> {
    PayloadFormat(u8),
    MessageExpiry(u32),
    ContentType(&'a str),
    ResponseTopic(&'a str),
    CorrelationData(&'a [u8]),
    SubscriptionIdentifier(u32),
    SessionExpiry(u32),
    AssignedClientId(&'a str),
    ServerKeepAlive(u16),
    AuthenticationMethod(&'a str),
    AuthenticationData(&'a [u8]),
    RequestProblemInformation(bool),
    WillDelay(u32),
    RequestResponseInformation(bool),
    ResponseInformation(&'a str),
    ServerReference(&'a str),
    ReasonString(&'a str),
    ReceiveMaximum(u16),
    TopicAliasMaximum(u16),
    TopicAlias(u16),
    MaximumQos(u8),
    RetainAvailable(bool),
    UserProperty(&'a str, &'a str),
    MaximumPacketSize(u32),
    WildcardAvailable(bool),
    SubscriptionIdentifiersAvailable(bool),
    SharedAvailable(bool),
}

/// How a value is written, and the property it makes.
#[derive(Clone, Copy)]
enum Wire<'a> {
    Flag(fn(bool) -> Property<'a>),
    Byte(fn(u8) -> Property<'a>),
    Two(fn(u16) -> Property<'a>),
    Four(fn(u32) -> Property<'a>),
    Varint(fn(u32) -> Property<'a>),
    Text(fn(&'a str) -> Property<'a>),
    Pair(fn(&'a str, &'a str) -> Property<'a>),
    Binary(fn(&'a [u8]) -> Property<'a>),
}

/// A row of the table: identifier, wire type, where it may stand, and the section that describes it.
type Row<'a> = (u8, Wire<'a>, u16, &'static str);

const IDS: usize = 0x2B;
const SUBSCRIPTION_IDENTIFIER: u8 = 0x0B;
const AUTHENTICATION_METHOD: u8 = 0x15;
const AUTHENTICATION_DATA: u8 = 0x16;
const USER_PROPERTY: u8 = 0x26;

impl<'a> Property<'a> {
    #[rustfmt::skip]
    const TABLE: [Row<'a>; 27] = [
        (0x01, Wire::Byte(Self::PayloadFormat), place::MESSAGE, "MQTT-3.3.2.3.2"),
        (0x02, Wire::Four(Self::MessageExpiry), place::MESSAGE, "MQTT-3.3.2.3.3"),
        (0x03, Wire::Text(Self::ContentType), place::MESSAGE, "MQTT-3.3.2.3.9"),
        (0x08, Wire::Text(Self::ResponseTopic), place::MESSAGE, "MQTT-3.3.2.3.5"),
        (0x09, Wire::Binary(Self::CorrelationData), place::MESSAGE, "MQTT-3.3.2.3.6"),
        (SUBSCRIPTION_IDENTIFIER, Wire::Varint(Self::SubscriptionIdentifier), place::PUBLISH | place::SUBSCRIBE, "MQTT-3.8.2.1.2"),
        (0x11, Wire::Four(Self::SessionExpiry), place::CONNECT | place::CONNACK | place::DISCONNECT, "MQTT-3.1.2.11.2"),
        (0x12, Wire::Text(Self::AssignedClientId), place::CONNACK, "MQTT-3.2.2.3.7"),
        (0x13, Wire::Two(Self::ServerKeepAlive), place::CONNACK, "MQTT-3.2.2.3.14"),
        (AUTHENTICATION_METHOD, Wire::Text(Self::AuthenticationMethod), place::CONNECT | place::CONNACK | place::AUTH, "MQTT-3.1.2.11.9"),
        (AUTHENTICATION_DATA, Wire::Binary(Self::AuthenticationData), place::CONNECT | place::CONNACK | place::AUTH, "MQTT-3.1.2.11.10"),
        (0x17, Wire::Flag(Self::RequestProblemInformation), place::CONNECT, "MQTT-3.1.2.11.7"),
        (0x18, Wire::Four(Self::WillDelay), place::WILL, "MQTT-3.1.3.2.2"),
        (0x19, Wire::Flag(Self::RequestResponseInformation), place::CONNECT, "MQTT-3.1.2.11.6"),
        (0x1A, Wire::Text(Self::ResponseInformation), place::CONNACK, "MQTT-3.2.2.3.15"),
        (0x1C, Wire::Text(Self::ServerReference), place::CONNACK | place::DISCONNECT, "MQTT-3.2.2.3.16"),
        (0x1F, Wire::Text(Self::ReasonString), place::ANSWER, "MQTT-3.2.2.3.9"),
        (0x21, Wire::Two(Self::ReceiveMaximum), place::CONNECT | place::CONNACK, "MQTT-3.1.2.11.3"),
        (0x22, Wire::Two(Self::TopicAliasMaximum), place::CONNECT | place::CONNACK, "MQTT-3.1.2.11.5"),
        (0x23, Wire::Two(Self::TopicAlias), place::PUBLISH, "MQTT-3.3.2.3.4"),
        (0x24, Wire::Byte(Self::MaximumQos), place::CONNACK, "MQTT-3.2.2.3.4"),
        (0x25, Wire::Flag(Self::RetainAvailable), place::CONNACK, "MQTT-3.2.2.3.5"),
        (USER_PROPERTY, Wire::Pair(Self::UserProperty), place::ANY, "MQTT-3.1.2.11.8"),
        (0x27, Wire::Four(Self::MaximumPacketSize), place::CONNECT | place::CONNACK, "MQTT-3.1.2.11.4"),
        (0x28, Wire::Flag(Self::WildcardAvailable), place::CONNACK, "MQTT-3.2.2.3.11"),
        (0x29, Wire::Flag(Self::SubscriptionIdentifiersAvailable), place::CONNACK, "MQTT-3.2.2.3.12"),
        (0x2A, Wire::Flag(Self::SharedAvailable), place::CONNACK, "MQTT-3.2.2.3.13"),
    ];

    const BY_ID: [Option<Row<'a>>; IDS] = {
        let mut rows = [None; IDS];
        let mut at = 0;
        while at < Self::TABLE.len() {
            rows[Self::TABLE[at].0 as usize] = Some(Self::TABLE[at]);
            at += 1;
        }
        rows
    };

    /// What the table says of the property that comes next: its identifier, places and section.
    fn next_row(reader: &Reader<'a>) -> Result<&'static Row<'static>, Fault> {
        // Every known identifier is a variable byte integer of one byte.
        let id = reader.rest().first().map_or(0, |id| usize::from(*id));
        Property::BY_ID.get(id).and_then(Option::as_ref).ok_or(Fault::malformed("MQTT-2.2.2.2"))
    }

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Fault> {
        let id = reader.u8()?;
        if id == USER_PROPERTY {
            return Ok(Self::UserProperty(reader.str()?, reader.str()?)); // there may be thousands
        }
        let row = Self::BY_ID.get(usize::from(id)).and_then(Option::as_ref);
        let row = row.ok_or(Fault::malformed("MQTT-2.2.2.2"))?;
        Ok(match row.1 {
            Wire::Flag(make) => make(match reader.u8()? {
                value @ 0..=1 => value == 1,
                _ => return Err(Fault::protocol(row.3)),
            }),
            Wire::Byte(make) => make(reader.u8()?),
            Wire::Two(make) => make(reader.u16()?),
            Wire::Four(make) => make(reader.u32()?),
            Wire::Varint(make) => make(reader.varint()?),
            Wire::Text(make) => make(reader.str()?),
            Wire::Pair(make) => make(reader.str()?, reader.str()?),
            Wire::Binary(make) => make(reader.binary()?),
        })
    }

    fn check(&self, rule: &'static str) -> Result<(), Fault> {
        match *self {
            Self::TopicAlias(0) => Err(Fault::new(Kind::TopicAliasInvalid, "MQTT-3.3.2-8")), // [MQTT-3.3.2-8]
            Self::ResponseTopic("") => Err(Fault::protocol("MQTT-4.7.3-1")),                 // [MQTT-4.7.3-1]
            Self::ResponseTopic(name) if topic::has_wildcard(name) => {
                Err(Fault::protocol("MQTT-3.3.2-14")) // [MQTT-3.3.2-14]
            }
            Self::PayloadFormat(2..)
            | Self::MaximumQos(2..)
            | Self::ReceiveMaximum(0)
            | Self::MaximumPacketSize(0)
            | Self::SubscriptionIdentifier(0) => Err(Fault::protocol(rule)),
            _ => Ok(()),
        }
    }

    /// Appends the property.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match *self {
            Self::PayloadFormat(value) => byte(out, 0x01, value),
            Self::MessageExpiry(value) => four(out, 0x02, value),
            Self::ContentType(value) => text(out, 0x03, value),
            Self::ResponseTopic(value) => text(out, 0x08, value),
            Self::CorrelationData(value) => binary(out, 0x09, value),
            Self::SubscriptionIdentifier(value) => {
                out.push(SUBSCRIPTION_IDENTIFIER);
                writer::varint(out, value as usize);
            }
            Self::SessionExpiry(value) => four(out, 0x11, value),
            Self::AssignedClientId(value) => text(out, 0x12, value),
            Self::ServerKeepAlive(value) => two(out, 0x13, value),
            Self::AuthenticationMethod(value) => text(out, AUTHENTICATION_METHOD, value),
            Self::AuthenticationData(value) => binary(out, AUTHENTICATION_DATA, value),
            Self::RequestProblemInformation(value) => byte(out, 0x17, value.into()),
            Self::WillDelay(value) => four(out, 0x18, value),
            Self::RequestResponseInformation(value) => byte(out, 0x19, value.into()),
            Self::ResponseInformation(value) => text(out, 0x1A, value),
            Self::ServerReference(value) => text(out, 0x1C, value),
            Self::ReasonString(value) => text(out, 0x1F, value),
            Self::ReceiveMaximum(value) => two(out, 0x21, value),
            Self::TopicAliasMaximum(value) => two(out, 0x22, value),
            Self::TopicAlias(value) => two(out, 0x23, value),
            Self::MaximumQos(value) => byte(out, 0x24, value),
            Self::RetainAvailable(value) => byte(out, 0x25, value.into()),
            Self::UserProperty(name, value) => {
                text(out, USER_PROPERTY, name);
                writer::str(out, value);
            }
            Self::MaximumPacketSize(value) => four(out, 0x27, value),
            Self::WildcardAvailable(value) => byte(out, 0x28, value.into()),
            Self::SubscriptionIdentifiersAvailable(value) => byte(out, 0x29, value.into()),
            Self::SharedAvailable(value) => byte(out, 0x2A, value.into()),
        }
    }
}

fn byte(out: &mut Vec<u8>, id: u8, value: u8) {
    out.extend_from_slice(&[id, value]);
}

fn two(out: &mut Vec<u8>, id: u8, value: u16) {
    out.push(id);
    writer::u16(out, value);
}

fn four(out: &mut Vec<u8>, id: u8, value: u32) {
    out.push(id);
    writer::u32(out, value);
}

fn text(out: &mut Vec<u8>, id: u8, value: &str) {
    out.push(id);
    writer::str(out, value);
}

fn binary(out: &mut Vec<u8>, id: u8, value: &[u8]) {
    out.push(id);
    writer::binary(out, value);
}

/// The properties of one packet, encoded and known to be valid there.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Properties<'a> {
    raw: &'a [u8],
}

impl<'a> Properties<'a> {
    /// Takes bytes that `Property::encode` wrote; what is not a property ends the iteration.
    pub fn from_encoded_unchecked(raw: &'a [u8]) -> Self {
        Self { raw }
    }

    /// Reads the length and the properties of a packet of MQTT 5; there are none in an earlier version.
    pub(super) fn decode(reader: &mut Reader<'a>, version: Version, at: u16) -> Result<Self, Fault> {
        if version < Version::V5 {
            return Ok(Self::default());
        }
        let length = reader.varint()?;
        let raw = reader.take(length as usize)?;
        validate(raw, at)?;
        Ok(Self { raw })
    }

    /// Appends the length and the properties, or nothing before MQTT 5.
    pub(super) fn encode(&self, version: Version, out: &mut Vec<u8>) {
        if version == Version::V5 {
            writer::varint(out, self.raw.len());
            out.extend_from_slice(self.raw);
        }
    }

    /// The properties in the order in which they were sent.
    pub fn iter(&self) -> impl Iterator<Item = Property<'a>> + use<'a> {
        let mut reader = Reader::new(self.raw);
        std::iter::from_fn(move || Property::decode(&mut reader).ok())
    }

    /// Whether there is no property.
    pub fn is_empty(&self) -> bool {
        self.raw.is_empty()
    }

    /// The encoded properties without their length.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.raw
    }
}

fn validate(raw: &[u8], at: u16) -> Result<(), Fault> {
    let mut reader = Reader::new(raw);
    let mut seen = 0_u64;
    while !reader.is_empty() {
        let &(id, _, places, rule) = Property::next_row(&reader)?;
        let property = Property::decode(&mut reader)?;
        if places & at == 0 {
            return Err(Fault::malformed("MQTT-2.2.2.2"));
        }
        let repeats = id == USER_PROPERTY || (id == SUBSCRIPTION_IDENTIFIER && at == place::PUBLISH);
        if seen & (1 << id) != 0 && !repeats {
            return Err(Fault::protocol(rule));
        }
        property.check(rule)?;
        seen |= 1 << id;
    }
    if seen & (1 << AUTHENTICATION_DATA) != 0 && seen & (1 << AUTHENTICATION_METHOD) == 0 {
        return Err(Fault::protocol("MQTT-3.1.2.11.10"));
    }
    Ok(())
}

impl fmt::Debug for Properties<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secret = |property| match property {
            Property::AuthenticationData(_) => Property::AuthenticationData(b"..."),
            property => property,
        };
        f.debug_list().entries(self.iter().map(secret)).finish()
    }
}
