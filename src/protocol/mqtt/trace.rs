//! The packet log: one line per packet at TRACE.

use std::fmt::Write;

use crate::protocol::mqtt::codec::{self, Ack, Connect, Packet, Properties, Property, Publish, Version};
use crate::protocol::output::Output;

/// The logger that switches the packet log on; a name that Artemis users know.
pub const LOGGER: &str = "org.apache.activemq.artemis.core.protocol.mqtt";

/// Characters of a payload that are shown.
const PAYLOAD_MAX: usize = 256;

/// Whether packets are logged.
pub fn is_enabled() -> bool {
    tracing::enabled!(target: "org.apache.activemq.artemis.core.protocol.mqtt", tracing::Level::TRACE)
}

/// Logs a packet from a client.
pub fn received(client_id: &str, packet: &Packet<'_>, length: usize) {
    if is_enabled() {
        emit(client_id, "IN << ", packet, length);
    }
}

/// Logs the packets written to a client since a mark.
pub fn sent(client_id: &str, version: Version, out: &Output, since: (usize, usize)) {
    if !is_enabled() || out.mark() == since {
        return;
    }
    let bytes = out.since(since);
    let mut rest = &bytes[..];
    while let Ok(Some(length)) = codec::frame_length(rest, usize::MAX) {
        let Some((frame, behind)) = rest.split_at_checked(length) else { break };
        match codec::decode(frame, version) {
            Ok(packet) => emit(client_id, "OUT >> ", &packet, length),
            Err(fault) => tracing::trace!(target: LOGGER, "MQTT({client_id}): OUT >> unreadable: {fault}"),
        }
        rest = behind;
    }
}

fn emit(client_id: &str, direction: &str, packet: &Packet<'_>, length: usize) {
    let client_id = if client_id.is_empty() { "null" } else { client_id };
    let mut line = format!("MQTT({}): {direction}", client_id.escape_debug());
    describe(&mut line, packet, length);
    tracing::trace!(target: LOGGER, "{line}");
}

/// Writes a packet as the log shows it. A password is never shown.
fn describe(line: &mut String, packet: &Packet<'_>, length: usize) {
    match packet {
        Packet::Connect(packet) => connect(line, packet),
        Packet::ConnAck(packet) => {
            add(line, format_args!("CONNACK connectReasonCode=0x{:02X}, ", packet.code));
            add(line, format_args!("sessionPresent={}", packet.session_present));
            properties(line, packet.properties);
        }
        Packet::Publish(packet) => publish(line, packet, length),
        Packet::PubAck(packet) => ack(line, "PUBACK", packet),
        Packet::PubRec(packet) => ack(line, "PUBREC", packet),
        Packet::PubRel(packet) => ack(line, "PUBREL", packet),
        Packet::PubComp(packet) => ack(line, "PUBCOMP", packet),
        Packet::Subscribe(packet) => {
            add(line, format_args!("SUBSCRIBE({})", packet.packet_id));
            properties(line, packet.properties);
            for (filter, options) in packet.filters.iter() {
                add(line, format_args!("\n\ttopic: {}, qos: {}, ", filter.escape_debug(), options.qos as u8));
                add(line, format_args!("nolocal: {}, retainHandling: {}, ", options.no_local, options.retain_handling));
                add(line, format_args!("isRetainAsPublished: {}", options.retain_as_published));
            }
        }
        Packet::SubAck(packet) => codes(line, "SUBACK", packet.packet_id, packet.properties, packet.codes),
        Packet::Unsubscribe(packet) => {
            let filters: Vec<_> = packet.filters.iter().collect();
            add(line, format_args!("UNSUBSCRIBE({}) {filters:?}", packet.packet_id));
            properties(line, packet.properties);
        }
        Packet::UnsubAck(packet) => codes(line, "UNSUBACK", packet.packet_id, packet.properties, packet.codes),
        Packet::PingReq => line.push_str("PINGREQ"),
        Packet::PingResp => line.push_str("PINGRESP"),
        Packet::Disconnect(packet) => {
            add(line, format_args!("DISCONNECT reasonCode=0x{:02X}", packet.reason.0));
            properties(line, packet.properties);
        }
        Packet::Auth(packet) => {
            add(line, format_args!("AUTH reasonCode=0x{:02X}", packet.reason.0));
            properties(line, packet.properties);
        }
    }
}

fn add(line: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _ = line.write_fmt(text);
}

fn connect(line: &mut String, packet: &Connect<'_>) {
    let protocol = match packet.version {
        Version::V3 => "(MQIsdp, 3)",
        Version::V4 => "(MQTT, 4)",
        Version::V5 => "(MQTT, 5)",
    };
    add(line, format_args!("CONNECT protocol={protocol}, hasPassword={}, ", packet.password.is_some()));
    add(line, format_args!("isCleanStart={}, keepAliveTimeSeconds={}, ", packet.clean_start, packet.keep_alive));
    add(line, format_args!("clientIdentifier={}, ", packet.client_id.escape_debug()));
    add(line, format_args!("hasUserName={}, isWillFlag={}", packet.username.is_some(), packet.will.is_some()));
    if let Some(will) = &packet.will {
        add(line, format_args!(", willQos={}, isWillRetain={}, ", will.qos as u8, will.retain));
        add(line, format_args!("willTopic={}", will.topic.escape_debug()));
        properties(line, will.properties);
    }
    properties(line, packet.properties);
}

fn publish(line: &mut String, packet: &Publish<'_>, length: usize) {
    add(line, format_args!("PUBLISH({}) topic={}, ", packet.packet_id, packet.topic.escape_debug()));
    add(line, format_args!("qos={}, retain={}, dup={}, ", packet.qos as u8, packet.retain, packet.dup));
    add(line, format_args!("remainingLength={}", remaining(length)));
    properties(line, packet.properties);
    add(line, format_args!(", payload="));
    if packet.payload.is_empty() {
        line.push_str("<empty>");
        return;
    }
    // No character takes more than four bytes.
    let shown = &packet.payload[..packet.payload.len().min(PAYLOAD_MAX * 4)];
    for character in String::from_utf8_lossy(shown).chars().take(PAYLOAD_MAX) {
        if character.is_control() {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
}

fn remaining(length: usize) -> usize {
    (1..=4)
        .map(|bytes| length.saturating_sub(1 + bytes))
        .find(|rest| *rest < 1 << (7 * (length - rest - 1)))
        .unwrap_or(0)
}

fn ack(line: &mut String, name: &str, packet: &Ack<'_>) {
    add(line, format_args!("{name}({}) reasonCode=0x{:02X}", packet.packet_id, packet.reason.0));
    properties(line, packet.properties);
}

fn codes(line: &mut String, name: &str, id: u16, of: Properties<'_>, codes: &[u8]) {
    add(line, format_args!("{name}({id}) {codes:?}"));
    properties(line, of);
}

fn properties(line: &mut String, properties: Properties<'_>) {
    for property in properties.iter() {
        match property {
            Property::AuthenticationData(data) => add(line, format_args!(", authenticationData={} bytes", data.len())),
            Property::UserProperty(name, value) => add(line, format_args!(", userProperty={name:?}:{value:?}")),
            Property::CorrelationData(data) => {
                add(line, format_args!(", correlationData={}", String::from_utf8_lossy(data).escape_debug()));
            }
            property => {
                let text = format!("{property:?}");
                let (variant, value) = text.split_once('(').unwrap_or((&text, ""));
                let value = value.trim_end_matches(')').trim_matches('"');
                add(line, format_args!(", {}={value}", shown_name(variant)));
            }
        }
    }
}

/// The name of a property as Artemis shows it: that of the standard in camel case, where ours is shorter.
fn shown_name(variant: &str) -> String {
    let longer = match variant {
        "SessionExpiry" => "sessionExpiryInterval",
        "MessageExpiry" => "publicationExpiryInterval",
        "PayloadFormat" => "payloadFormatIndicator",
        "WillDelay" => "willDelayInterval",
        "AssignedClientId" => "assignedClientIdentifier",
        "WildcardAvailable" => "wildcardSubscriptionAvailable",
        "SubscriptionIdentifiersAvailable" => "subscriptionIdentifierAvailable",
        "SharedAvailable" => "sharedSubscriptionAvailable",
        _ => {
            let (first, rest) = variant.split_at_checked(1).unwrap_or((variant, ""));
            return first.to_ascii_lowercase() + rest;
        }
    };
    longer.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::mqtt::codec::QoS;

    fn line(packet: &Packet<'_>, version: Version) -> String {
        let mut bytes = Vec::new();
        packet.encode(version, &mut bytes);
        let mut line = String::new();
        describe(&mut line, packet, bytes.len());
        line
    }

    #[test]
    fn a_publish_shows_its_fields_and_the_beginning_of_its_payload() {
        let payload = format!("a\nb{}", "é".repeat(300));
        let mut properties = Vec::new();
        Property::ContentType("text/plain").encode(&mut properties);
        let packet = Packet::Publish(Publish {
            dup: false,
            qos: QoS::AtLeastOnce,
            retain: true,
            topic: "a/b",
            packet_id: 7,
            properties: Properties::from_encoded_unchecked(&properties),
            payload: payload.as_bytes(),
        });
        let expected = format!(
            "PUBLISH(7) topic=a/b, qos=1, retain=true, dup=false, remainingLength=624, contentType=text/plain, \
             payload=a\\nb{}",
            "é".repeat(253)
        );
        assert_eq!(line(&packet, Version::V5), expected);
    }

    #[test]
    fn a_password_is_not_shown() {
        let packet = Packet::Connect(Connect {
            version: Version::V4,
            clean_start: true,
            keep_alive: 5,
            client_id: "c1",
            username: Some("scott"),
            password: Some(b"tiger"),
            will: None,
            properties: Properties::default(),
        });
        let line = line(&packet, Version::V4);
        assert!(line.contains("hasPassword=true") && line.contains("clientIdentifier=c1"), "{line}");
        assert!(!line.contains("tiger") && !line.contains("scott"), "{line}");
    }
}
