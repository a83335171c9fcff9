//! Packets as a client sees them: what it hears, owned, and what it says, encoded.

use crate::protocol::mqtt::codec::{
    self, Ack, AckKind, Connect, Disconnect, Packet, Properties, Property, Publish, QoS, SubscribeOptions, Version,
    Will,
};
use crate::protocol::mqtt::fault::ReasonCode;

/// A packet from the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    ConnAck { present: bool, code: u8 },
    Publish(Letter),
    PubAck(u16, u8),
    PubRec(u16, u8),
    PubRel(u16, u8),
    PubComp(u16, u8),
    SubAck(u16, Vec<u8>),
    UnsubAck(u16, Vec<u8>),
    PingResp,
    Disconnect(u8),
}

/// A PUBLISH, in either direction.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Letter {
    pub topic: String,
    pub payload: Vec<u8>,
    pub qos: u8,
    pub id: u16,
    pub retain: bool,
    pub dup: bool,
    /// Subscription identifiers.
    pub tags: Vec<u32>,
    pub expiry_s: Option<u32>,
}

/// A CONNECT.
#[derive(Debug, Clone)]
pub struct Hello {
    pub id: String,
    pub version: Version,
    pub clean: bool,
    /// MQTT 5: session expiry in seconds.
    pub expiry: u32,
    pub receive_maximum: Option<u16>,
    pub packet_maximum: Option<u32>,
    pub keep_alive: u16,
    pub will: Option<Letter>,
    pub will_delay_s: u32,
    /// Further properties of the CONNECT, and of its will, encoded.
    pub properties: Vec<u8>,
    pub will_properties: Vec<u8>,
    pub username: Option<String>,
}

impl Hello {
    /// A clean start of MQTT 5 that ends with the connection.
    pub fn new(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            version: Version::V5,
            clean: true,
            expiry: 0,
            receive_maximum: None,
            packet_maximum: None,
            keep_alive: 0,
            will: None,
            will_delay_s: 0,
            properties: Vec::new(),
            will_properties: Vec::new(),
            username: None,
        }
    }

    pub fn encode(&self) -> Vec<u8> {
        let mut properties = self.properties.clone();
        let mut will_properties = self.will_properties.clone();
        if self.version == Version::V5 {
            if self.expiry > 0 {
                Property::SessionExpiry(self.expiry).encode(&mut properties);
            }
            if let Some(maximum) = self.receive_maximum {
                Property::ReceiveMaximum(maximum).encode(&mut properties);
            }
            if let Some(bytes) = self.packet_maximum {
                Property::MaximumPacketSize(bytes).encode(&mut properties);
            }
            if self.will_delay_s > 0 {
                Property::WillDelay(self.will_delay_s).encode(&mut will_properties);
            }
        }
        let will = self.will.as_ref().map(|will| Will {
            topic: &will.topic,
            payload: &will.payload,
            qos: qos(will.qos),
            retain: will.retain,
            properties: Properties::from_encoded_unchecked(&will_properties),
        });
        encode(
            self.version,
            &Packet::Connect(Connect {
                version: self.version,
                clean_start: self.clean,
                keep_alive: self.keep_alive,
                client_id: &self.id,
                username: self.username.as_deref(),
                password: None,
                will,
                properties: Properties::from_encoded_unchecked(&properties),
            }),
        )
    }
}

impl Letter {
    pub fn new(topic: &str, payload: &str, qos: u8, id: u16) -> Self {
        let (topic, payload) = (topic.to_owned(), payload.as_bytes().to_vec());
        Self { topic, payload, qos, id, ..Self::default() }
    }

    pub fn retained(self) -> Self {
        Self { retain: true, ..self }
    }

    pub fn dup(self) -> Self {
        Self { dup: true, ..self }
    }

    pub fn encode(&self, version: Version) -> Vec<u8> {
        let mut properties = Vec::new();
        if let Some(seconds) = self.expiry_s {
            Property::MessageExpiry(seconds).encode(&mut properties);
        }
        encode(
            version,
            &Packet::Publish(Publish {
                dup: self.dup,
                qos: qos(self.qos),
                retain: self.retain,
                topic: &self.topic,
                packet_id: self.id,
                properties: Properties::from_encoded_unchecked(&properties),
                payload: &self.payload,
            }),
        )
    }
}

fn encode(version: Version, packet: &Packet<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    packet.encode(version, &mut out);
    out
}

fn qos(number: u8) -> QoS {
    QoS::try_from(number).expect("0, 1 or 2")
}

/// Options of a subscription that asks for nothing but a QoS.
pub fn wish(number: u8) -> SubscribeOptions {
    SubscribeOptions::new(qos(number))
}

/// SUBSCRIBE.
pub fn subscribe(version: Version, id: u16, filters: &[(&str, SubscribeOptions)]) -> Vec<u8> {
    let mut out = Vec::new();
    codec::encode_subscribe(id, Properties::default(), filters, version, &mut out);
    out
}

/// UNSUBSCRIBE.
pub fn unsubscribe(version: Version, id: u16, filters: &[&str]) -> Vec<u8> {
    let mut out = Vec::new();
    codec::encode_unsubscribe(id, Properties::default(), filters, version, &mut out);
    out
}

/// PUBACK, PUBREC, PUBREL or PUBCOMP.
pub fn ack(version: Version, kind: AckKind, id: u16) -> Vec<u8> {
    let mut out = Vec::new();
    Ack::success(id).encode(kind, version, &mut out);
    out
}

/// PINGREQ.
pub fn ping() -> Vec<u8> {
    encode(Version::V4, &Packet::PingReq)
}

/// DISCONNECT, in MQTT 5 perhaps with another session expiry.
pub fn disconnect(version: Version, reason: u8, expiry: Option<u32>) -> Vec<u8> {
    let mut properties = Vec::new();
    if let Some(seconds) = expiry {
        Property::SessionExpiry(seconds).encode(&mut properties);
    }
    let properties = Properties::from_encoded_unchecked(&properties);
    encode(version, &Packet::Disconnect(Disconnect { reason: ReasonCode(reason), properties }))
}

/// Takes the whole packets off the front.
pub fn parse(bytes: &mut Vec<u8>, version: Version) -> Vec<Heard> {
    let mut heard = Vec::new();
    while let Ok(Some(length)) = codec::frame_length(bytes, usize::MAX) {
        if length > bytes.len() {
            break;
        }
        let frame: Vec<u8> = bytes.drain(..length).collect();
        let packet = codec::decode(&frame, version).expect("the broker sends well-formed packets");
        heard.push(owned(&packet));
    }
    heard
}

fn owned(packet: &Packet<'_>) -> Heard {
    match packet {
        Packet::ConnAck(ack) => Heard::ConnAck { present: ack.session_present, code: ack.code },
        Packet::Publish(publish) => Heard::Publish(letter(publish)),
        Packet::PubAck(ack) => Heard::PubAck(ack.packet_id, ack.reason.0),
        Packet::PubRec(ack) => Heard::PubRec(ack.packet_id, ack.reason.0),
        Packet::PubRel(ack) => Heard::PubRel(ack.packet_id, ack.reason.0),
        Packet::PubComp(ack) => Heard::PubComp(ack.packet_id, ack.reason.0),
        Packet::SubAck(ack) => Heard::SubAck(ack.packet_id, ack.codes.to_vec()),
        Packet::UnsubAck(ack) => Heard::UnsubAck(ack.packet_id, ack.codes.to_vec()),
        Packet::PingResp => Heard::PingResp,
        Packet::Disconnect(packet) => Heard::Disconnect(packet.reason.0),
        other => panic!("a broker does not send {other:?}"),
    }
}

fn letter(publish: &Publish<'_>) -> Letter {
    let mut letter = Letter {
        topic: publish.topic.to_owned(),
        payload: publish.payload.to_vec(),
        qos: publish.qos as u8,
        id: publish.packet_id,
        retain: publish.retain,
        dup: publish.dup,
        tags: Vec::new(),
        expiry_s: None,
    };
    for property in publish.properties.iter() {
        match property {
            Property::SubscriptionIdentifier(tag) => letter.tags.push(tag),
            Property::MessageExpiry(seconds) => letter.expiry_s = Some(seconds),
            _ => {}
        }
    }
    letter
}
