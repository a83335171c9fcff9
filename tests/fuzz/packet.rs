//! Packets of a client, mostly well-formed.

use artemis_rs::protocol::mqtt::codec::{
    Ack, AckKind, Connect, Disconnect, Packet, Properties, Property, Publish, QoS, SubscribeOptions, Version, Will,
    encode_subscribe, encode_unsubscribe,
};
use artemis_rs::protocol::mqtt::fault::ReasonCode;

use super::choices::Choices;
use super::standard;

const VERSIONS: [Version; 4] = [Version::V3, Version::V4, Version::V5, Version::V5];
const TOPICS: [&str; 8] = ["t", "t/u", "v", "t/u/w", "/", "$x/y", "t//u", "1.0/*"];
const FILTERS: [&str; 12] =
    ["t", "t/#", "#", "+/u", "v", "$share/g/t/#", "$share/g/#", "$share/h/t", "$x/#", "+", "t/+/w", "1.0/+"];
const QUALITIES: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];
/// Few, so that they meet.
const PACKET_IDS: u16 = 6;

fn encoded(packet: &Packet<'_>, version: Version) -> Vec<u8> {
    let mut out = Vec::new();
    packet.encode(version, &mut out);
    out
}

fn id(choices: &mut Choices<'_>) -> u16 {
    1 + u16::from(choices.byte()) % PACKET_IDS
}

/// CONNECT with a client id.
pub fn connect(client_id: &str, choices: &mut Choices<'_>) -> Vec<u8> {
    let version = choices.pick(&VERSIONS);
    let options = choices.byte();
    let (mut properties, mut will_properties) = (Vec::new(), Vec::new());
    Property::SessionExpiry(choices.pick(&[0, 1, 3600, u32::MAX])).encode(&mut properties);
    if options & 4 != 0 {
        Property::ReceiveMaximum(choices.pick(&[1, 2, 5, u16::MAX])).encode(&mut properties);
        Property::MaximumPacketSize(choices.pick(&[80, 20, 24, 40, 81, 84, 88, 90])).encode(&mut properties);
        Property::TopicAliasMaximum(choices.pick(&[0, 1, 3, u16::MAX])).encode(&mut properties);
        Property::RequestProblemInformation(choices.flag()).encode(&mut properties);
    }
    Property::WillDelay(choices.pick(&[0, 1, 30])).encode(&mut will_properties);
    let will = (options & 8 != 0).then(|| Will {
        topic: choices.pick(&TOPICS),
        payload: choices.bytes(1),
        qos: choices.pick(&QUALITIES),
        retain: choices.flag(),
        properties: for_version(version, &will_properties),
    });
    let connect = Connect {
        version,
        clean_start: options & 1 != 0,
        keep_alive: choices.pick(&[0, 1, 60]),
        client_id,
        username: None,
        password: None,
        will,
        properties: for_version(version, &properties),
    };
    encoded(&Packet::Connect(connect), version)
}

fn for_version(version: Version, properties: &[u8]) -> Properties<'_> {
    Properties::from_encoded_unchecked(if version == Version::V5 { properties } else { &[] })
}

/// A CONNECT of MQTT 5 that ends all that was.
pub fn clean_start(client_id: &str) -> Vec<u8> {
    let connect = Connect {
        version: Version::V5,
        clean_start: true,
        keep_alive: 0,
        client_id,
        username: None,
        password: None,
        will: None,
        properties: Properties::default(),
    };
    encoded(&Packet::Connect(connect), Version::V5)
}

/// An orderly DISCONNECT.
pub fn disconnect() -> Vec<u8> {
    vec![0xE0, 0]
}

/// A PUBLISH that clears what is retained.
pub fn publish(topic: &str, qos: QoS, version: Version) -> Vec<u8> {
    let properties = Properties::default();
    let packet = Publish { dup: false, qos, retain: true, topic, packet_id: 0, properties, payload: b"" };
    encoded(&Packet::Publish(packet), version)
}

/// The acknowledgement of a kind.
pub fn ack(kind: AckKind, packet_id: u16, reason: ReasonCode, version: Version) -> Vec<u8> {
    let mut out = Vec::new();
    Ack::new(packet_id, reason).encode(kind, version, &mut out);
    out
}

/// A packet that `choice`, from 13 to 31, stands for.
pub fn any(choice: usize, version: Version, choices: &mut Choices<'_>) -> Vec<u8> {
    match choice {
        13..=16 => subscribe(version, choices),
        17 => {
            let mut out = Vec::new();
            let filters: Vec<_> = (0..=choices.below(3)).map(|_| choices.pick(&FILTERS)).collect();
            encode_unsubscribe(id(choices), Properties::default(), &filters, version, &mut out);
            out
        }
        18..=23 => message(version, choices),
        24 | 25 => ack(AckKind::PubRel, id(choices), ReasonCode::SUCCESS, version),
        26 => {
            let kind = choices.pick(&[AckKind::PubAck, AckKind::PubRec, AckKind::PubComp]);
            let reason = if kind == AckKind::PubComp {
                ReasonCode::SUCCESS
            } else {
                choices.pick(&[ReasonCode(0), ReasonCode(0x80)])
            };
            ack(kind, id(choices), reason, version)
        }
        27 => encoded(&Packet::PingReq, version),
        28 => leave(version, choices),
        29 => {
            let first = choices.byte();
            let length = choices.below(48);
            standard::frame(first, choices.bytes(length))
        }
        _ => {
            let length = choices.below(24);
            choices.bytes(length).to_vec()
        }
    }
}

fn subscribe(version: Version, choices: &mut Choices<'_>) -> Vec<u8> {
    let mut properties = Vec::new();
    let tag = choices.below(4) as u32;
    if tag > 0 {
        Property::SubscriptionIdentifier(tag).encode(&mut properties);
    }
    let filters: Vec<_> = (0..=choices.below(3))
        .map(|_| {
            let filter = choices.pick(&FILTERS);
            let options = choices.byte();
            let no_local = options & 4 != 0 && !filter.starts_with("$share");
            let (retain_as_published, retain_handling) = (options & 8 != 0, (options >> 4) % 3);
            let qos = QUALITIES[usize::from(options & 3) % 3];
            (filter, SubscribeOptions { qos, no_local, retain_as_published, retain_handling })
        })
        .collect();
    let mut out = Vec::new();
    encode_subscribe(id(choices), for_version(version, &properties), &filters, version, &mut out);
    out
}

fn message(version: Version, choices: &mut Choices<'_>) -> Vec<u8> {
    let mut properties = Vec::new();
    let options = choices.byte();
    let mut topic = choices.pick(&TOPICS);
    if options & 4 != 0 {
        Property::TopicAlias(1 + choices.below(11) as u16).encode(&mut properties);
        if options & 8 != 0 && version == Version::V5 {
            topic = "";
        }
    }
    if options & 16 != 0 {
        Property::MessageExpiry(choices.pick(&[0, 1, 30])).encode(&mut properties);
        Property::UserProperty("k", "v").encode(&mut properties);
    }
    let qos = QUALITIES[usize::from(options & 3) % 3];
    let length = choices.below(100);
    let packet = Publish {
        dup: options & 32 != 0 && qos > QoS::AtMostOnce,
        qos,
        retain: options & 64 != 0,
        topic,
        packet_id: if qos == QoS::AtMostOnce { 0 } else { id(choices) },
        properties: for_version(version, &properties),
        payload: &[b'x'; 100][..length],
    };
    encoded(&Packet::Publish(packet), version)
}

fn leave(version: Version, choices: &mut Choices<'_>) -> Vec<u8> {
    let mut properties = Vec::new();
    if choices.flag() {
        Property::SessionExpiry(choices.pick(&[0, 1, u32::MAX])).encode(&mut properties);
    }
    let reason = ReasonCode(choices.pick(&[0, 4]));
    encoded(&Packet::Disconnect(Disconnect { reason, properties: for_version(version, &properties) }), version)
}
