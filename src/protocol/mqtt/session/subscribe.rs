//! SUBSCRIBE and UNSUBSCRIBE.

use smallvec::SmallVec;

use super::MqttSession;
use super::inbound::refusal_reason;
use super::owed::Item;
use crate::core::binding::Grant;
use crate::core::id::Ticket;
use crate::core::message::Guarantee;
use crate::protocol::mqtt::codec::topic::has_wildcard;
use crate::protocol::mqtt::codec::{
    Properties, Property, SubAck, Subscribe, SubscribeOptions, UnsubAck, Unsubscribe, Version, filter_is_valid, shared,
};
use crate::protocol::mqtt::convert;
use crate::protocol::mqtt::fault::{Fault, Kind, ReasonCode};
use crate::protocol::{Refusal, Request, RetainedWish, Subscription, SubscriptionName, Token};

/// Stands for the code of a filter that the broker decides on.
const ASKED: u8 = u8::MAX;

/// Bytes of a SUBACK or UNSUBACK of MQTT 5 besides its codes, at most.
const ACK_OVERHEAD: usize = 8;

impl MqttSession {
    pub(super) fn subscribe(&mut self, packet: &Subscribe<'_>) -> Result<Request<'static>, Fault> {
        let identifier = packet.properties.iter().find_map(|property| match property {
            Property::SubscriptionIdentifier(identifier) => Some(identifier),
            _ => None,
        });
        self.check_count(packet.filters.iter().count())?;
        if identifier.is_some() && !self.limits.identifiers_available {
            return Err(Fault::new(Kind::IdentifiersNotSupported, "MQTT-3.2.2.3.12"));
        }
        let is_taken = self.is_in_use(packet.packet_id);
        let (mut codes, mut subscriptions) = (Vec::new(), Vec::new());
        for (filter, options) in packet.filters.iter() {
            match self.subscription(filter, options, identifier) {
                Ok(_) if is_taken => codes.push(ReasonCode::PACKET_IDENTIFIER_IN_USE.0),
                Ok(subscription) => {
                    codes.push(ASKED);
                    subscriptions.push(subscription);
                }
                Err(fault) => codes.push(self.refusal(fault)?),
            }
        }
        let token = self.owe_later(packet.packet_id, &codes)?;
        Ok(Request::Subscribe { token, subscriptions })
    }

    fn subscription(
        &self,
        filter: &str,
        options: SubscribeOptions,
        identifier: Option<u32>,
    ) -> Result<Subscription, Fault> {
        let name = self.name(filter)?;
        if name.group.is_some() && options.no_local {
            return Err(Fault::protocol("MQTT-3.8.3-4")); // [MQTT-3.8.3-4]
        }
        if name.group.is_some() && !self.limits.shared_available {
            return Err(Fault::new(Kind::SharedNotSupported, "MQTT-3.2.2.3.13"));
        }
        if has_wildcard(filter) && !self.limits.wildcards_available {
            return Err(Fault::new(Kind::WildcardsNotSupported, "MQTT-3.2.2.3.11"));
        }
        let retained = match (&name.group, options.retain_handling) {
            _ if !self.limits.retain_available => RetainedWish::Never,
            (Some(_), _) | (None, 2) => RetainedWish::Never, // [MQTT-3.3.1-11]
            (None, 1) => RetainedWish::IfNew,                // [MQTT-3.3.1-10]
            (None, _) => RetainedWish::Always,               // [MQTT-3.3.1-9]
        };
        let grant = Grant {
            guarantee: convert::guarantee(options.qos.min(self.limits.maximum_qos)), // [MQTT-3.2.2-10]
            keep_retain: options.retain_as_published,
            tags: identifier.into_iter().collect::<SmallVec<_>>(),
        };
        let own = shared(filter).and_then(Result::ok).map_or(filter, |(_, own)| own);
        let refused = (!self.limits.bounds.admits_filter(own)).then_some(Refusal::AddressInvalid);
        Ok(Subscription { name, grant, exclude_own: options.no_local, retained, refused })
    }

    /// Each filter costs many times its bytes.
    fn check_count(&self, filters: usize) -> Result<(), Fault> {
        let is_admitted = self.limits.bounds.filters.admits(filters as u64);
        if is_admitted { Ok(()) } else { Err(Fault::new(Kind::QuotaExceeded, "MQTT-3.8.3-2")) }
    }

    /// The subscription that a filter names.
    fn name(&self, filter: &str) -> Result<SubscriptionName, Fault> {
        if filter.is_empty() {
            return Err(Fault::malformed("MQTT-4.7.3-1")); // [MQTT-4.7.3-1]
        }
        let (group, filter) = match shared(filter) {
            Some(parts) => parts.map(|(group, filter)| (Some(group.into()), filter))?,
            None => (None, filter),
        };
        if !filter_is_valid(filter) {
            return Err(Fault::new(Kind::TopicFilterInvalid, "MQTT-4.7.1-1")); // [MQTT-4.7.1-1] [MQTT-4.7.1-2]
        }
        let mut pattern = String::new();
        self.limits.translation.pattern(filter, &mut pattern);
        Ok(SubscriptionName { group, pattern: pattern.into() })
    }

    /// The code that answers a filter which is not taken, if that leaves the connection open.
    fn refusal(&self, fault: Fault) -> Result<u8, Fault> {
        let is_limit = matches!(fault.kind, Kind::SharedNotSupported | Kind::WildcardsNotSupported);
        match (self.version, fault.kind) {
            // What was announced as not available is a protocol error.
            (Version::V5, Kind::TopicFilterInvalid) => Ok(fault.reason().0),
            (Version::V4, _) if is_limit => Ok(0x80),
            (Version::V3, _) if is_limit => Ok(0),
            _ => Err(fault),
        }
    }

    /// Whether a packet id belongs to an exchange that is not over, as far as MQTT 5 can be told.
    fn is_in_use(&self, packet_id: u16) -> bool {
        self.version == Version::V5 && (self.inbound.holds(packet_id) || self.owed.awaits(packet_id))
    }

    fn owe_later(&mut self, packet_id: u16, codes: &[u8]) -> Result<Token, Fault> {
        if self.outbound.packet_max - ACK_OVERHEAD.min(self.outbound.packet_max) < codes.len() {
            return Err(Fault::new(Kind::PacketTooLarge, "MQTT-3.1.2-24")); // [MQTT-3.1.2-24]
        }
        Ok(self.owed.push(Item::later_with(packet_id, codes)))
    }

    pub(super) fn subscribed(&mut self, token: Token, results: &[Result<Guarantee, Refusal>], ticket: Ticket) {
        let (packet_id, kept) = self.owed.kept(token); // [MQTT-3.8.4-2]
        let codes = filled(&kept, results.iter().map(|result| self.suback_code(result))); // [MQTT-3.8.4-6]
        let bytes = self.explained(&codes, |properties, out| {
            SubAck { packet_id, properties, codes: &codes }.encode(self.version, out);
        });
        self.owed.set_bytes(token, bytes);
        self.owed.answer(token, ticket);
    }

    /// A packet with the reason of the first failure in words, if the client wants that and takes packets of the size.
    fn explained(&self, codes: &[u8], encode: impl Fn(Properties<'_>, &mut Vec<u8>)) -> Vec<u8> {
        let mut words = Vec::new();
        let failed = codes.iter().map(|code| ReasonCode(*code)).find(|code| code.is_error());
        if let Some(text) = failed.and_then(ReasonCode::words).filter(|_| self.explains_acks()) {
            Property::ReasonString(text).encode(&mut words);
        }
        let mut bytes = Vec::new();
        encode(Properties::from_encoded_unchecked(&words), &mut bytes);
        if bytes.len() > self.outbound.packet_max {
            bytes.clear();
            encode(Properties::default(), &mut bytes);
        }
        bytes // [MQTT-3.9.2-1] [MQTT-3.11.2-1]
    }

    fn suback_code(&self, result: &Result<Guarantee, Refusal>) -> u8 {
        match (result, self.version) {
            (Ok(guarantee), _) => convert::qos(*guarantee) as u8,
            (Err(Refusal::AddressInvalid), Version::V5) => ReasonCode::TOPIC_FILTER_INVALID.0,
            (Err(refusal), Version::V5) => refusal_reason(*refusal).0,
            (Err(_), Version::V4) => 0x80,
            // MQTT 3.1 has no word for a refusal.
            (Err(_), Version::V3) => 0,
        }
    }

    pub(super) fn unsubscribe(&mut self, packet: &Unsubscribe<'_>) -> Result<Request<'static>, Fault> {
        self.check_count(packet.filters.iter().count())?;
        let is_taken = self.is_in_use(packet.packet_id);
        let (mut codes, mut subscriptions) = (Vec::new(), Vec::new());
        for filter in packet.filters.iter() {
            match self.name(filter) {
                Ok(_) if is_taken => codes.push(ReasonCode::PACKET_IDENTIFIER_IN_USE.0),
                Ok(name) => {
                    codes.push(ASKED);
                    subscriptions.push(name);
                }
                Err(fault) => codes.push(self.refusal(fault)?),
            }
        }
        let token = self.owe_later(packet.packet_id, &codes)?;
        Ok(Request::Unsubscribe { token, subscriptions })
    }

    pub(super) fn unsubscribed(&mut self, token: Token, results: &[Result<bool, Refusal>], ticket: Ticket) {
        let code = |result: &Result<bool, Refusal>| match result {
            Ok(true) => ReasonCode::SUCCESS.0,
            Ok(false) => ReasonCode::NO_SUBSCRIPTION_EXISTED.0,
            Err(refusal) => refusal_reason(*refusal).0,
        };
        let (packet_id, kept) = self.owed.kept(token); // [MQTT-3.10.4-5]
        let codes = filled(&kept, results.iter().map(code)); // [MQTT-3.11.3-2]
        let bytes = self.explained(&codes, |properties, out| {
            UnsubAck { packet_id, properties, codes: &codes }.encode(self.version, out);
        });
        self.owed.set_bytes(token, bytes);
        self.owed.answer(token, ticket);
    }
}

/// Codes in which the broker's answers have taken their places.
fn filled(kept: &[u8], mut answers: impl Iterator<Item = u8>) -> Vec<u8> {
    let code = |code: &u8| if *code == ASKED { answers.next().unwrap_or(0x80) } else { *code };
    kept.iter().map(code).collect()
}
