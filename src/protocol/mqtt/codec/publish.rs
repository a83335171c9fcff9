//! PUBLISH, the one packet that must be cheap.

use std::fmt;

use super::properties::{Properties, Property, place};
use super::reader::Reader;
use super::{QoS, Version, header, topic, writer};
use crate::protocol::mqtt::fault::{Fault, Kind};

const RETAIN: u8 = 0b0001;
const QOS_SHIFT: u8 = 1;
const DUP: u8 = 0b1000;

/// An application message; `packet_id` is 0 with QoS 0, and `topic` is empty where an alias stands for it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Publish<'a> {
    pub dup: bool,
    pub qos: QoS,
    pub retain: bool,
    pub topic: &'a str,
    pub packet_id: u16,
    pub properties: Properties<'a>,
    pub payload: &'a [u8],
}

impl<'a> Publish<'a> {
    pub(super) fn decode(reader: &mut Reader<'a>, flags: u8, version: Version) -> Result<Self, Fault> {
        let qos = QoS::try_from((flags >> QOS_SHIFT) & 0b11);
        let qos = qos.map_err(|_| Fault::malformed("MQTT-3.3.1-4"))?; // [MQTT-3.3.1-4]
        let topic = reader.str()?; // [MQTT-3.3.2-1]
        if topic::has_wildcard(topic) {
            return Err(Fault::new(Kind::TopicNameInvalid, "MQTT-3.3.2-2")); // [MQTT-3.3.2-2]
        }
        let packet_id = if qos == QoS::AtMostOnce { 0 } else { reader.packet_id()? }; // [MQTT-2.2.1-2]
        let properties = Properties::decode(reader, version, place::PUBLISH)?;
        if topic.is_empty() && !properties.iter().any(|property| matches!(property, Property::TopicAlias(_))) {
            return Err(Fault::protocol("MQTT-4.7.3-1")); // [MQTT-4.7.3-1]
        }
        let payload = reader.take(reader.rest().len())?;
        Ok(Self { dup: flags & DUP != 0, qos, retain: flags & RETAIN != 0, topic, packet_id, properties, payload })
    }

    /// Whether it carries a subscription identifier, which only a server may send [MQTT-3.3.4-6].
    pub fn has_subscription_identifier(&self) -> bool {
        self.properties.iter().any(|property| matches!(property, Property::SubscriptionIdentifier(_)))
    }

    /// Appends the packet, payload included.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) {
        let Self { dup, qos, retain, topic, packet_id, properties, payload } = *self;
        encode_head(out, version, dup, qos, retain, topic, packet_id, &[], properties.as_bytes(), payload.len());
        out.extend_from_slice(payload);
    }
}

/// Appends everything before the payload; the properties are `extra` (of this receiver) and `properties` (of the message).
#[expect(clippy::too_many_arguments, reason = "the fields of one packet, spread over message, binding and receiver")]
pub fn encode_head(
    out: &mut Vec<u8>,
    version: Version,
    dup: bool,
    qos: QoS,
    retain: bool,
    topic: &str,
    packet_id: u16,
    extra: &[u8],
    properties: &[u8],
    payload_len: usize,
) {
    let bit = |set, flag| if set { flag } else { 0 };
    let flags = bit(dup, DUP) | ((qos as u8) << QOS_SHIFT) | bit(retain, RETAIN);
    out.push(header::first(header::PUBLISH) | flags);
    let properties_len = extra.len() + properties.len();
    writer::varint(out, remaining(version, qos, topic, properties_len, payload_len));
    writer::str(out, topic);
    if qos > QoS::AtMostOnce {
        writer::u16(out, packet_id);
    }
    if version == Version::V5 {
        writer::varint(out, properties_len);
        out.extend_from_slice(extra);
        out.extend_from_slice(properties);
    }
}

/// The length of the whole packet that `encode_head` begins.
pub fn encoded_len(
    version: Version,
    qos: QoS,
    topic: &str,
    extra: &[u8],
    properties: &[u8],
    payload_len: usize,
) -> usize {
    let remaining = remaining(version, qos, topic, extra.len() + properties.len(), payload_len);
    1 + writer::varint_len(remaining) + remaining
}

fn remaining(version: Version, qos: QoS, topic: &str, properties: usize, payload: usize) -> usize {
    let packet_id = if qos == QoS::AtMostOnce { 0 } else { 2 };
    let properties = if version == Version::V5 { writer::varint_len(properties) + properties } else { 0 };
    writer::str_len(topic) + packet_id + properties + payload
}

impl fmt::Debug for Publish<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publish")
            .field("dup", &self.dup)
            .field("qos", &self.qos)
            .field("retain", &self.retain)
            .field("topic", &self.topic)
            .field("packet_id", &self.packet_id)
            .field("properties", &self.properties)
            .field("payload", &format_args!("{} bytes", self.payload.len()))
            .finish()
    }
}
