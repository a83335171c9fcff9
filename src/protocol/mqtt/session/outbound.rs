//! Messages to the client.

use hashbrown::HashMap;

use super::in_order;
use crate::core::message::Guarantee;
use crate::protocol::mqtt::codec::{Property, QoS, Version, publish};
use crate::protocol::mqtt::convert;
use crate::protocol::mqtt::fault::Fault;
use crate::protocol::mqtt::topic::Translation;
use crate::protocol::{Context, Delivered, Delivery, DeliveryRef, InFlight, Outcome, Request};

/// Bytes of a packet that can be written at all.
const PACKET_MAX: usize = 268_435_455 + 5;

/// Topic aliases used towards one client, whatever it would take.
const ALIASES_MAX: u16 = 64;

/// Bytes of a topic that gets an alias.
const ALIASED_MAX: usize = 1024;

/// What is remembered of messages to the client.
#[derive(Debug)]
pub struct Outbound {
    in_flight: HashMap<u16, Slot, foldhash::fast::RandomState>,
    last_id: u16,
    sent: u64,
    /// Receive Maximum of the client.
    pub window_max: usize,
    /// Maximum Packet Size of the client.
    pub packet_max: usize,
    alias_max: u16,
    aliases: HashMap<Box<str>, u16, foldhash::fast::RandomState>,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    order: u64,
    state: State,
}

/// What is expected from the client for a packet id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing yet: the PUBLISH waits to be sent.
    Reserved,
    /// PUBACK, or PUBREC.
    Sent { delivery: DeliveryRef, exactly_once: bool },
    /// PUBCOMP.
    Released,
}

impl Default for Outbound {
    fn default() -> Self {
        Self {
            in_flight: HashMap::default(),
            last_id: 0,
            sent: 0,
            window_max: usize::from(u16::MAX),
            packet_max: PACKET_MAX,
            alias_max: 0,
            aliases: HashMap::default(),
        }
    }
}

impl Outbound {
    pub fn set_alias_maximum(&mut self, maximum: u16) {
        self.alias_max = maximum.min(ALIASES_MAX);
    }

    /// Messages with a guarantee that may be sent now.
    pub fn window(&self) -> usize {
        self.window_max.saturating_sub(self.in_flight.len()) // [MQTT-3.3.4-9] [MQTT-4.9.0-2]
    }

    /// Takes a free packet id.
    pub fn reserve(&mut self) -> Option<u16> {
        if self.in_flight.len() >= usize::from(u16::MAX) {
            return None;
        }
        loop {
            self.last_id = self.last_id.checked_add(1).unwrap_or(1);
            if !self.in_flight.contains_key(&self.last_id) {
                self.take(self.last_id, State::Reserved); // [MQTT-2.2.1-4]
                return Some(self.last_id);
            }
        }
    }

    fn take(&mut self, id: u16, state: State) {
        self.sent += 1;
        self.in_flight.insert(id, Slot { order: self.sent, state });
    }

    /// Goes on with an exchange in which only PUBCOMP is missing.
    pub fn resume(&mut self, id: u16) {
        self.take(id, State::Released);
    }

    pub fn is_released(&self, id: u16) -> bool {
        self.in_flight.get(&id).is_some_and(|slot| slot.state == State::Released)
    }

    /// PUBACK.
    ///
    /// # Errors
    /// The message is not of QoS 1.
    pub fn acknowledged(&mut self, id: u16) -> Result<Option<Request<'static>>, Fault> {
        match self.state(id) {
            Some(State::Sent { delivery, exactly_once: false }) => Ok(Some(self.settle(id, delivery))),
            None => Ok(None),
            Some(_) => Err(Fault::protocol("MQTT-4.3.3")),
        }
    }

    /// A PUBREC that refuses.
    ///
    /// # Errors
    /// The message is not of QoS 2.
    pub fn rejected(&mut self, id: u16) -> Result<Option<Request<'static>>, Fault> {
        match self.state(id) {
            Some(State::Sent { delivery, exactly_once: true }) => Ok(Some(self.settle(id, delivery))),
            Some(State::Sent { .. }) => Err(Fault::protocol("MQTT-4.3.2")),
            _ => Ok(None),
        }
    }

    fn settle(&mut self, id: u16, delivery: DeliveryRef) -> Request<'static> {
        self.in_flight.remove(&id);
        Request::Settle { delivery, handle: id, outcome: Outcome::Accepted, token: None }
    }

    /// PUBREC. Only a QoS 2 message in that state is answered.
    ///
    /// # Errors
    /// The message is not of QoS 2.
    pub fn received(&mut self, id: u16) -> Result<Option<DeliveryRef>, Fault> {
        match self.state(id) {
            Some(State::Sent { delivery, exactly_once: true }) => {
                if let Some(slot) = self.in_flight.get_mut(&id) {
                    slot.state = State::Released;
                }
                Ok(Some(delivery))
            }
            Some(State::Sent { .. }) => Err(Fault::protocol("MQTT-4.3.2")),
            _ => Ok(None),
        }
    }

    /// PUBCOMP.
    ///
    /// # Errors
    /// The message is not released yet.
    pub fn completed(&mut self, id: u16) -> Result<Option<Request<'static>>, Fault> {
        match self.state(id) {
            Some(State::Released) => {
                self.in_flight.remove(&id);
                // No entry is left to be settled; the number says it all.
                let delivery = DeliveryRef::NONE;
                Ok(Some(Request::Settle { delivery, handle: id, outcome: Outcome::Completed, token: None }))
            }
            Some(_) => Err(Fault::protocol("MQTT-4.3.3")),
            None => Ok(None),
        }
    }

    /// What is expected for a packet id under which something was sent.
    fn state(&self, id: u16) -> Option<State> {
        self.in_flight.get(&id).map(|slot| slot.state).filter(|state| *state != State::Reserved)
    }

    pub fn save(&mut self) -> Vec<InFlight> {
        let saved = std::mem::take(&mut self.in_flight).into_iter().filter_map(|(handle, slot)| {
            let delivery = match slot.state {
                State::Reserved => return None,
                State::Sent { delivery, .. } => Some(delivery),
                State::Released => None,
            };
            Some((slot.order, InFlight { handle, delivery }))
        });
        in_order(saved.collect())
    }

    pub fn deliver(
        &mut self,
        delivery: &Delivery<'_>,
        version: Version,
        translation: Translation,
        cx: &mut Context<'_>,
    ) -> Delivered {
        let message = delivery.message;
        let qos = convert::qos(delivery.guarantee);
        let topic = message.address.face(|name| translation.topic(name));
        let fanout = &mut cx.scratch.mqtt;
        fanout.own.clear();
        let mut sent_topic = topic;
        if version == Version::V5 {
            fanout.encode(message, cx.now);
            for tag in &delivery.grant.tags {
                Property::SubscriptionIdentifier(*tag).encode(&mut fanout.own); // [MQTT-3.3.4-3] [MQTT-3.3.4-4]
            }
            if self.alias_max > 0 {
                sent_topic = self.alias(topic, &mut fanout.own);
            }
        }
        let properties = if version == Version::V5 { fanout.properties() } else { &[] };
        let payload = &message.payload;
        let size = publish::encoded_len(version, qos, sent_topic, &fanout.own, properties, payload.len());
        if size > self.packet_max {
            if let Some(id) = delivery.handle {
                self.unreserve(id);
            }
            return Delivered::Oversized; // [MQTT-3.1.2-24] [MQTT-3.1.2-25]
        }
        let id = self.packet_id(delivery);
        // [MQTT-3.3.1-12] [MQTT-3.3.1-13]
        let retain = delivery.retained || delivery.grant.keep_retain && message.retain;
        let dup = delivery.redelivered && qos > QoS::AtMostOnce; // [MQTT-3.3.1-1] [MQTT-3.3.1-2]
        let out = cx.out.buffer();
        publish::encode_head(out, version, dup, qos, retain, sent_topic, id, &fanout.own, properties, payload.len());
        cx.out.push(payload);
        Delivered::Sent
    }

    fn packet_id(&mut self, delivery: &Delivery<'_>) -> u16 {
        if delivery.guarantee == Guarantee::AtMostOnce {
            return 0;
        }
        let id = delivery.handle.or_else(|| self.reserve()).unwrap_or_default();
        let exactly_once = delivery.guarantee == Guarantee::ExactlyOnce;
        let state = State::Sent { delivery: delivery.at, exactly_once };
        match self.in_flight.get_mut(&id) {
            Some(slot) => {
                self.sent += 1;
                *slot = Slot { order: self.sent, state };
            }
            None => self.take(id, state),
        }
        id
    }

    /// Gives back a packet id under which nothing was sent.
    pub fn unreserve(&mut self, id: u16) {
        self.in_flight.remove(&id);
    }

    /// The topic to send: empty where an alias says it. The first message under an alias carries both.
    fn alias<'t>(&mut self, topic: &'t str, own: &mut Vec<u8>) -> &'t str {
        if let Some(alias) = self.aliases.get(topic) {
            Property::TopicAlias(*alias).encode(own);
            return "";
        }
        let next = self.aliases.len() as u16 + 1;
        // A packet that is dropped for its size must not be the one that names an alias.
        if next <= self.alias_max && self.packet_max == PACKET_MAX && topic.len() <= ALIASED_MAX {
            self.aliases.insert(topic.into(), next);
            Property::TopicAlias(next).encode(own); // [MQTT-3.1.2-26] [MQTT-3.1.2-27]
        }
        topic
    }
}
