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

    /// A QoS 1 message got its acknowledgement.
    pub fn finished(&mut self) {
        self.unacknowledged = self.unacknowledged.saturating_sub(1);
    }

    /// The topic that a PUBLISH means, by name or by alias.
    fn topic<'t>(&'t mut self, topic: &'t str, alias: Option<u16>) -> Result<&'t str, Fault> {
        let Some(alias) = alias else { return Ok(topic) };
        // [MQTT-3.3.2-8] [MQTT-3.3.2-9]
        let invalid = Fault::new(Kind::TopicAliasInvalid, "MQTT-3.3.2-9");
        if alias == 0 || alias > self.alias_max {
            return Err(invalid);
        }
        if topic.is_empty() {
            return self.aliases.get(&alias).map(AsRef::as_ref).ok_or(invalid);
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
        let topic = self.inbound.topic(packet.topic, parts.topic_alias)?;
        if !self.limits.bounds.admits_topic(topic) {
            return Err(Fault::new(Kind::TopicNameInvalid, "MQTT-4.7.3"));
        }
        let mut address = std::mem::take(&mut cx.scratch.address);
        address.clear();
        let is_reserved = is_reserved(topic);
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
        if is_reserved {
            cx.scratch.address = address;
            if let Some(token) = token {
                self.inbound.received.remove(&packet.packet_id);
                self.owed.set_reason(token, self.acknowledgement(ReasonCode::NOT_AUTHORIZED));
                self.owed.answer(token, Ticket::NONE);
                self.write_owed(cx);
            }
            return Ok(None);
        }
        Ok(Some(Request::Publish(protocol::Publish {
            address,
            payload: packet.payload,
            properties: parts.forwarded,
            guarantee: convert::guarantee(packet.qos),
            retain: packet.retain,
            expires: parts.expiry_s.map(|seconds| cx.now.after(u64::from(seconds) * 1000)),
            handle: (packet.qos == QoS::ExactlyOnce).then_some(packet.packet_id),
            token,
        })))
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
        let id = self.owed.packet_id(token);
        let reason = match result {
            Ok(true) => ReasonCode::SUCCESS,
            Ok(false) => ReasonCode::NO_MATCHING_SUBSCRIBERS,
            Err(refusal) => {
                // [MQTT-4.3.3-9] Refused, it is not remembered.
                self.inbound.received.remove(&id);
                let ends = match self.version {
                    Version::V5 => false,
                    // A positive acknowledgement would promise what is not kept.
                    _ if refusal == Refusal::QuotaExceeded => true,
                    Version::V4 => self.limits.close_on_refused_publish,
                    Version::V3 => false,
                };
                if ends {
                    return Err(Ended { why: "publish refused", abnormal: true });
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

    /// PUBREL: the number is free once that is durable.
    pub(super) fn released_by_client(&mut self, id: u16) -> Request<'static> {
        let known = self.inbound.received.remove(&id).is_some();
        let reason = if known { ReasonCode::SUCCESS } else { ReasonCode::PACKET_IDENTIFIER_NOT_FOUND };
        let token = self.owed.push(Item::ack(AckKind::PubComp, id, self.acknowledgement(reason)));
        Request::Release { handle: id, known, token } // [MQTT-4.3.3-11]
    }
}

/// Topics that clients do not write: the broker's own.
pub(super) fn is_reserved(topic: &str) -> bool {
    topic.starts_with('$') && ["$SYS/", "$share/"].iter().any(|prefix| topic.starts_with(prefix))
}

pub(super) fn refusal_reason(refusal: Refusal) -> ReasonCode {
    match refusal {
        Refusal::NotAuthorized => ReasonCode::NOT_AUTHORIZED,
        Refusal::AddressInvalid => ReasonCode::TOPIC_NAME_INVALID,
        Refusal::QuotaExceeded => ReasonCode::QUOTA_EXCEEDED,
    }
}
