//! Messages from the client.

use hashbrown::HashMap;
use std::rc::Rc;

use super::owed::Item;
use super::{Limits, MqttSession};
use crate::core::id::Ticket;
use crate::core::limit::{Limit, Share};
use crate::protocol::mqtt::codec::{AckKind, Publish, QoS, Version};
use crate::protocol::mqtt::convert;
use crate::protocol::mqtt::fault::{Fault, Kind, ReasonCode};
use crate::protocol::{self, Context, Ended, Refusal, Request, Token};

const PUBLISH_REFUSED: Ended = Ended { why: "publish refused", abnormal: true };

/// What is remembered of messages from the client.
#[derive(Debug)]
pub struct Inbound {
    /// QoS 2 messages received and not released, with what their PUBREC waits for.
    received: HashMap<u16, Ticket, foldhash::fast::RandomState>,
    /// QoS 1 messages without an acknowledgement yet.
    unacknowledged: usize,
    unacknowledged_max: usize,
    aliases: HashMap<u16, Box<str>, foldhash::fast::RandomState>,
    alias_max: u16,
    /// Bytes of the aliases' topics, of those of one connection and of all.
    alias_bytes: Share,
    own_alias_bytes: Rc<Limit>,
}

impl Inbound {
    pub fn new(limits: &Limits) -> Self {
        Self {
            received: HashMap::default(),
            unacknowledged: 0,
            unacknowledged_max: usize::from(limits.receive_maximum.unwrap_or(u16::MAX)),
            aliases: HashMap::default(),
            alias_max: limits.topic_alias_maximum.unwrap_or(0),
            alias_bytes: Share::of(&limits.bounds.alias_bytes),
            own_alias_bytes: limits.bounds.own_alias_bytes.clone(),
        }
    }

    /// A client that cannot be told of a limit has none but the number of packet ids.
    pub fn lift_maximum(&mut self) {
        self.unacknowledged_max = usize::from(u16::MAX);
    }

    pub fn restore(&mut self, received: Vec<(u16, Ticket)>) {
        self.received = received.into_iter().collect();
    }

    pub fn save(&mut self) -> Vec<(u16, Ticket)> {
        std::mem::take(&mut self.received).into_iter().collect()
    }

    /// Whether a QoS 2 exchange under this id is not over.
    pub fn holds(&self, id: u16) -> bool {
        self.received.contains_key(&id)
    }

    /// A QoS 1 message got its acknowledgement.
    pub fn finished(&mut self) {
        self.unacknowledged = self.unacknowledged.saturating_sub(1);
    }

    /// The topic that a PUBLISH means, by name or by alias.
    fn topic<'t>(&'t mut self, topic: &'t str, alias: Option<u16>) -> Result<&'t str, Fault> {
        let Some(alias) = alias else { return Ok(topic) };
        if alias == 0 || alias > self.alias_max {
            return Err(Fault::new(Kind::TopicAliasInvalid, "MQTT-3.3.2-9")); // [MQTT-3.3.2-8] [MQTT-3.3.2-9]
        }
        if topic.is_empty() {
            return self.aliases.get(&alias).map(AsRef::as_ref).ok_or(Fault::protocol("MQTT-3.3.4"));
        }
        self.alias_bytes.give(self.aliases.remove(&alias).map_or(0, |old| old.len() as u64));
        let bytes = topic.len() as u64;
        if !self.own_alias_bytes.admits(self.alias_bytes.amount() + bytes) || !self.alias_bytes.take(bytes) {
            return Err(Fault::new(Kind::QuotaExceeded, "MQTT-3.3.2.3.4"));
        }
        self.aliases.insert(alias, topic.into());
        Ok(topic)
    }
}

impl MqttSession {
    pub(super) fn publish<'f>(
        &mut self,
        packet: &Publish<'f>,
        cx: &mut Context<'_>,
    ) -> Result<Option<Request<'f>>, Fault> {
        self.limits.bounds.check_properties(packet.properties)?;
        let parts = convert::parts(packet.properties);
        if parts.has_subscription_identifier {
            return Err(Fault::protocol("MQTT-3.3.4-6")); // [MQTT-3.3.4-6]
        }
        self.limits.admit(packet.qos, packet.retain, ["MQTT-3.2.2-11", "MQTT-3.2.2-14"])?; // [MQTT-3.2.2-11] [MQTT-3.2.2-14]
        let topic = self.inbound.topic(packet.topic, parts.topic_alias)?;
        let is_mislabelled = self.limits.checks_payloads && !parts.payload_is_as_said(packet.payload);
        let objection = objection(topic, is_mislabelled);
        if !self.limits.bounds.admits_topic(topic) {
            return Err(Fault::new(Kind::TopicNameInvalid, "MQTT-4.7.3"));
        }
        let mut address = std::mem::take(&mut cx.scratch.address);
        address.clear();
        self.limits.translation.address(topic, &mut address);
        let token = match packet.qos {
            QoS::AtMostOnce => None,
            QoS::AtLeastOnce => Some(self.owe(packet, AckKind::PubAck)?),
            QoS::ExactlyOnce if self.repeats(packet.packet_id, cx) => {
                cx.scratch.address = address;
                return Ok(None);
            }
            QoS::ExactlyOnce => Some(self.owe(packet, AckKind::PubRec)?),
        };
        let objection = objection.or(self.is_taken(packet).then_some(Kind::PacketIdentifierInUse));
        if let Some(kind) = objection {
            cx.scratch.address = address;
            return self.object(kind, packet, token, cx).map(|()| None);
        }
        Ok(Some(Request::Publish(protocol::Publish {
            address,
            payload: packet.payload,
            expires: self
                .limits
                .message_expiry_s(self.version, parts.expiry_s)
                .map(|s| cx.now.after(u64::from(s) * 1000)),
            properties: parts.forwarded,
            guarantee: convert::guarantee(packet.qos),
            retain: packet.retain,
            handle: (packet.qos == QoS::ExactlyOnce).then_some(packet.packet_id),
            token,
        })))
    }

    /// Whether a QoS 1 message comes under the id of a QoS 2 exchange that is not over.
    fn is_taken(&self, packet: &Publish<'_>) -> bool {
        self.version == Version::V5
            && packet.qos == QoS::AtLeastOnce
            && !self.inbound.received.is_empty()
            && self.inbound.holds(packet.packet_id)
    }

    /// Does not take a message, and says so as far as its QoS and the version allow.
    fn object(
        &mut self,
        kind: Kind,
        packet: &Publish<'_>,
        token: Option<Token>,
        cx: &mut Context<'_>,
    ) -> Result<(), Fault> {
        let fault = Fault::new(kind, "MQTT-4.13.2");
        tracing::debug!(client = &*self.client_id, %fault, "publish refused");
        let Some(token) = token else { return Ok(()) };
        if self.version != Version::V5 && kind != Kind::NotAuthorized {
            return Err(fault); // A positive acknowledgement would promise what is not kept.
        }
        if packet.qos == QoS::ExactlyOnce {
            self.inbound.received.remove(&packet.packet_id); // [MQTT-4.3.3-9]
        }
        self.owed.set_reason(token, self.acknowledgement(fault.reason()));
        self.owed.answer(token, Ticket::NONE);
        self.write_owed(cx);
        Ok(())
    }

    fn owe(&mut self, packet: &Publish<'_>, kind: AckKind) -> Result<Token, Fault> {
        let inbound = &mut self.inbound;
        if inbound.unacknowledged + inbound.received.len() >= inbound.unacknowledged_max {
            return Err(Fault::new(Kind::ReceiveMaximumExceeded, "MQTT-3.3.4-7")); // [MQTT-3.3.4-7]
        }
        if kind == AckKind::PubAck {
            inbound.unacknowledged += 1;
        } else {
            inbound.received.insert(packet.packet_id, Ticket(u64::MAX));
        }
        Ok(self.owed.push(Item::ack(kind, packet.packet_id, ReasonCode::SUCCESS)))
    }

    /// Whether the message was received before; then its PUBREC is owed again.
    fn repeats(&mut self, id: u16, cx: &mut Context<'_>) -> bool {
        // [MQTT-4.3.3-10]
        let Some(&ticket) = self.inbound.received.get(&id) else { return false };
        let token = self.owed.push(Item::ack(AckKind::PubRec, id, ReasonCode::SUCCESS));
        self.owed.answer(token, if ticket == Ticket(u64::MAX) { Ticket::NONE } else { ticket });
        self.write_owed(cx);
        true
    }

    fn acknowledgement(&self, reason: ReasonCode) -> ReasonCode {
        if self.version == Version::V5 { reason } else { ReasonCode::SUCCESS }
    }

    pub(super) fn published(
        &mut self,
        token: Token,
        result: Result<bool, Refusal>,
        ticket: Ticket,
    ) -> Result<(), Ended> {
        let id = self.owed.exchange_id(token);
        let reason = match result {
            Ok(true) => ReasonCode::SUCCESS,
            Ok(false) => ReasonCode::NO_MATCHING_SUBSCRIBERS,
            Err(refusal) => {
                // [MQTT-4.3.3-9] Refused, it is not remembered.
                self.inbound.received.remove(&id);
                // A positive acknowledgement would promise what is not kept.
                if self.ends_with(refusal) || refusal == Refusal::QuotaExceeded && self.version != Version::V5 {
                    return Err(PUBLISH_REFUSED);
                }
                refusal_reason(refusal)
            }
        };
        if let Some(waits) = self.inbound.received.get_mut(&id) {
            *waits = ticket;
        }
        self.owed.set_reason(token, self.acknowledgement(reason));
        self.owed.answer(token, ticket);
        Ok(())
    }

    /// Whether a refused message ends the connection, as in Artemis.
    fn ends_with(&self, refusal: Refusal) -> bool {
        self.version == Version::V4 && refusal == Refusal::NotAuthorized && self.limits.close_on_refused_publish
    }

    /// A message of QoS 0 was refused.
    pub(super) fn dropped(&self, refusal: Refusal) -> Result<(), Ended> {
        if self.ends_with(refusal) { Err(PUBLISH_REFUSED) } else { Ok(()) }
    }

    /// PUBREL: the number is free once that is durable.
    pub(super) fn released_by_client(&mut self, id: u16) -> Request<'static> {
        let known = self.inbound.received.remove(&id).is_some();
        let reason = if known { ReasonCode::SUCCESS } else { ReasonCode::PACKET_IDENTIFIER_NOT_FOUND };
        let token = self.owed.push(Item::ack(AckKind::PubComp, id, self.acknowledgement(reason)));
        Request::Release { handle: id, known, token } // [MQTT-4.3.3-11]
    }
}

/// Why a message is not taken, whoever sends it.
fn objection(topic: &str, is_mislabelled: bool) -> Option<Kind> {
    if is_reserved(topic) {
        return Some(Kind::NotAuthorized);
    }
    is_mislabelled.then_some(Kind::PayloadFormatInvalid)
}

/// Topics that clients do not write: the broker's own.
pub(super) fn is_reserved(topic: &str) -> bool {
    topic == "$SYS" || ["$SYS/", "$share/"].iter().any(|prefix| topic.starts_with(prefix))
}

pub(super) fn refusal_reason(refusal: Refusal) -> ReasonCode {
    match refusal {
        Refusal::NotAuthorized => ReasonCode::NOT_AUTHORIZED,
        Refusal::AddressInvalid => ReasonCode::TOPIC_NAME_INVALID,
        Refusal::QuotaExceeded => ReasonCode::QUOTA_EXCEEDED,
    }
}
