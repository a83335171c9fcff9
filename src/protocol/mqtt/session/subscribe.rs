//! SUBSCRIBE and UNSUBSCRIBE.

use smallvec::SmallVec;

use super::MqttSession;
use super::inbound::refusal_reason;
use super::owed::Item;
use crate::core::binding::Grant;
use crate::core::id::Ticket;
use crate::core::message::Guarantee;
use crate::protocol::mqtt::codec::{
    Properties, Property, SubAck, Subscribe, SubscribeOptions, UnsubAck, Unsubscribe, Version, filter_is_valid, shared,
};
use crate::protocol::mqtt::convert;
use crate::protocol::mqtt::fault::{Fault, Kind, ReasonCode};
use crate::protocol::{Refusal, Request, RetainedWish, Subscription, SubscriptionName, Token};

impl MqttSession {
    pub(super) fn subscribe(&mut self, packet: &Subscribe<'_>) -> Result<Request<'static>, Fault> {
        let identifier = packet.properties.iter().find_map(|property| match property {
            Property::SubscriptionIdentifier(identifier) => Some(identifier),
            _ => None,
        });
        self.check_count(packet.filters.iter().count())?;
        let subscriptions =
            packet.filters.iter().map(|(filter, options)| self.subscription(filter, options, identifier));
        let subscriptions = subscriptions.collect::<Result<Vec<_>, _>>()?;
        let token = self.owe_later(packet.packet_id);
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
        let retained = match (&name.group, options.retain_handling) {
            (Some(_), _) | (None, 2) => RetainedWish::Never, // [MQTT-3.3.1-11]
            (None, 1) => RetainedWish::IfNew,                // [MQTT-3.3.1-10]
            (None, _) => RetainedWish::Always,               // [MQTT-3.3.1-9]
        };
        let grant = Grant {
            guarantee: convert::guarantee(options.qos),
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

    /// The subscription that a filter names. An ill-formed one is the client's fault.
    fn name(&self, filter: &str) -> Result<SubscriptionName, Fault> {
        let (group, filter) = match shared(filter) {
            Some(parts) => parts.map(|(group, filter)| (Some(group.into()), filter))?,
            None => (None, filter),
        };
        if !filter_is_valid(filter) {
            return Err(Fault::malformed("MQTT-4.7.1-1")); // [MQTT-4.7.1-1] [MQTT-4.7.1-2] [MQTT-4.7.3-1]
        }
        let mut pattern = String::new();
        self.limits.translation.pattern(filter, &mut pattern);
        Ok(SubscriptionName { group, pattern: pattern.into() })
    }

    fn owe_later(&mut self, packet_id: u16) -> Token {
        let token = self.owed.push(Item::later());
        // The id is kept where the answer will be.
        self.owed.set_bytes(token, packet_id.to_be_bytes().to_vec());
        token
    }

    pub(super) fn subscribed(&mut self, token: Token, results: &[Result<Guarantee, Refusal>], ticket: Ticket) {
        let codes: Vec<u8> = results.iter().map(|result| self.suback_code(result)).collect(); // [MQTT-3.8.4-6]
        let mut bytes = Vec::new();
        let packet_id = self.owed.kept_id(token); // [MQTT-3.8.4-2]
        SubAck { packet_id, properties: Properties::default(), codes: &codes }.encode(self.version, &mut bytes);
        self.owed.set_bytes(token, bytes);
        self.owed.answer(token, ticket);
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
        let subscriptions = packet.filters.iter().map(|filter| self.name(filter)).collect::<Result<Vec<_>, _>>()?;
        let token = self.owe_later(packet.packet_id);
        Ok(Request::Unsubscribe { token, subscriptions })
    }

    pub(super) fn unsubscribed(&mut self, token: Token, results: &[bool], ticket: Ticket) {
        let code = |existed: &bool| {
            if *existed { ReasonCode::SUCCESS.0 } else { ReasonCode::NO_SUBSCRIPTION_EXISTED.0 }
        };
        let codes: Vec<u8> = results.iter().map(code).collect(); // [MQTT-3.11.3-2]
        let mut bytes = Vec::new();
        let packet_id = self.owed.kept_id(token); // [MQTT-3.10.4-5]
        UnsubAck { packet_id, properties: Properties::default(), codes: &codes }.encode(self.version, &mut bytes);
        self.owed.set_bytes(token, bytes);
        self.owed.answer(token, ticket);
    }
}
