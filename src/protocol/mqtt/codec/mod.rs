//! MQTT 3.1, 3.1.1 and 5 on the wire: frames to packets that borrow from them, and back.
//!
//! Rules are cited by the statement numbers of MQTT 5. What depends on a session is left to it: directions,
//! the validity of filters, client identifiers, topic aliases, subscription identifiers sent by clients.

pub mod ack;
pub mod auth;
pub mod connack;
pub mod connect;
pub mod disconnect;
mod header;
pub mod properties;
pub mod publish;
mod reader;
pub mod subscribe;
pub mod topic;
pub mod unsubscribe;
mod writer;

#[cfg(test)]
mod tests;

pub use ack::{Ack, AckKind};
pub use auth::Auth;
pub use connack::ConnAck;
pub use connect::{Connect, Will};
pub use disconnect::Disconnect;
pub use header::{frame_length, is_from_server};
pub use properties::{Properties, Property};
pub use publish::Publish;
pub use subscribe::{Filters, SubAck, Subscribe, SubscribeOptions, encode_subscribe};
pub use topic::{filter_is_valid, shared, topic_is_valid};
pub use unsubscribe::{FilterNames, UnsubAck, Unsubscribe, encode_unsubscribe};

use crate::protocol::mqtt::fault::Fault;

/// A version of the protocol: MQTT 3.1, 3.1.1 and 5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    V3,
    V4,
    V5,
}

/// A delivery guarantee.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum QoS {
    AtMostOnce = 0,
    AtLeastOnce = 1,
    ExactlyOnce = 2,
}

impl TryFrom<u8> for QoS {
    /// The number that is no QoS.
    type Error = u8;

    fn try_from(value: u8) -> Result<Self, u8> {
        match value {
            0 => Ok(Self::AtMostOnce),
            1 => Ok(Self::AtLeastOnce),
            2 => Ok(Self::ExactlyOnce),
            other => Err(other),
        }
    }
}

/// One control packet, borrowed from its frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packet<'a> {
    Connect(Connect<'a>),
    ConnAck(ConnAck<'a>),
    Publish(Publish<'a>),
    PubAck(Ack<'a>),
    PubRec(Ack<'a>),
    PubRel(Ack<'a>),
    PubComp(Ack<'a>),
    Subscribe(Subscribe<'a>),
    SubAck(SubAck<'a>),
    Unsubscribe(Unsubscribe<'a>),
    UnsubAck(UnsubAck<'a>),
    PingReq,
    PingResp,
    Disconnect(Disconnect<'a>),
    Auth(Auth<'a>),
}

/// Decodes one whole frame; CONNECT carries its own version.
pub fn decode(frame: &[u8], version: Version) -> Result<Packet<'_>, Fault> {
    let (kind, flags, mut reader) = header::split(frame, version)?;
    let body = &mut reader;
    let packet = match kind {
        header::CONNECT => Packet::Connect(Connect::decode(body)?),
        header::CONNACK => Packet::ConnAck(ConnAck::decode(body, version)?),
        header::PUBLISH => Packet::Publish(Publish::decode(body, flags, version)?),
        header::PUBACK => Packet::PubAck(Ack::decode(body, AckKind::PubAck, version)?),
        header::PUBREC => Packet::PubRec(Ack::decode(body, AckKind::PubRec, version)?),
        header::PUBREL => Packet::PubRel(Ack::decode(body, AckKind::PubRel, version)?),
        header::PUBCOMP => Packet::PubComp(Ack::decode(body, AckKind::PubComp, version)?),
        header::SUBSCRIBE => Packet::Subscribe(Subscribe::decode(body, version)?),
        header::SUBACK => Packet::SubAck(SubAck::decode(body, version)?),
        header::UNSUBSCRIBE => Packet::Unsubscribe(Unsubscribe::decode(body, version)?),
        header::UNSUBACK => Packet::UnsubAck(UnsubAck::decode(body, version)?),
        header::PINGREQ => Packet::PingReq,
        header::PINGRESP => Packet::PingResp,
        header::DISCONNECT => Packet::Disconnect(Disconnect::decode(body, version)?),
        header::AUTH => Packet::Auth(Auth::decode(body, version)?),
        _ => return Err(Fault::malformed("MQTT-2.1.2")),
    };
    reader.finish()?;
    Ok(packet)
}

impl Packet<'_> {
    /// Appends the packet.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) {
        match self {
            Self::Connect(packet) => packet.encode(version, out),
            Self::ConnAck(packet) => packet.encode(version, out),
            Self::Publish(packet) => packet.encode(version, out),
            Self::PubAck(packet) => packet.encode(AckKind::PubAck, version, out),
            Self::PubRec(packet) => packet.encode(AckKind::PubRec, version, out),
            Self::PubRel(packet) => packet.encode(AckKind::PubRel, version, out),
            Self::PubComp(packet) => packet.encode(AckKind::PubComp, version, out),
            Self::Subscribe(packet) => packet.encode(version, out),
            Self::SubAck(packet) => packet.encode(version, out),
            Self::Unsubscribe(packet) => packet.encode(version, out),
            Self::UnsubAck(packet) => packet.encode(version, out),
            Self::PingReq => out.extend_from_slice(&[header::first(header::PINGREQ), 0]),
            Self::PingResp => out.extend_from_slice(&[header::first(header::PINGRESP), 0]),
            Self::Disconnect(packet) => packet.encode(version, out),
            Self::Auth(packet) => packet.encode(version, out),
        }
    }
}
