//! What a client sees, and what the standards say it may see.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use artemis_rs::protocol::mqtt::Limits;
use artemis_rs::protocol::mqtt::codec::{
    Ack, AckKind, Connect, Packet, Property, Publish, QoS, SubAck, Subscribe, Version, decode, frame_length, shared,
};
use artemis_rs::protocol::mqtt::fault::ReasonCode;

use super::matching::matches;
use super::node::LinkId;
use super::packet;
use super::standard;

/// What a client of one id did, in all its connections since its session began.
#[derive(Debug, Default)]
pub struct Memory {
    /// Filters with the highest QoS ever asked for.
    filters: BTreeMap<String, QoS>,
    tags: BTreeSet<u32>,
    /// QoS 2 messages of which it has said that they are received.
    received: BTreeSet<u16>,
}

impl Memory {
    fn subscribes(&mut self, packet: &Subscribe<'_>) {
        for (filter, options) in packet.filters.iter() {
            let filter = shared(filter).and_then(Result::ok).map_or(filter, |(_, filter)| filter);
            let qos = self.filters.entry(filter.to_owned()).or_insert(options.qos);
            *qos = options.qos.max(*qos);
        }
        self.tags.extend(packet.properties.iter().filter_map(|property| match property {
            Property::SubscriptionIdentifier(tag) => Some(tag),
            _ => None,
        }));
    }
}

pub type Memories = BTreeMap<String, Rc<RefCell<Memory>>>;

/// A message from the broker that is not acknowledged to the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flight {
    Published(QoS),
    Received,
}

/// Answers that the broker owes, by packet id.
#[derive(Debug, Default)]
struct Owed {
    acks: BTreeMap<(u8, u16), usize>,
    subacks: Vec<(u16, Vec<u8>)>,
    unsubacks: Vec<(u16, usize)>,
    pings: usize,
}

/// One connection of a client.
#[derive(Debug)]
pub struct Client {
    pub link: LinkId,
    pub version: Version,
    /// The broker has let it in.
    pub is_open: bool,
    pub is_over: bool,
    /// Bytes that are no whole packet yet.
    pub unsent: Vec<u8>,
    pub in_flight: BTreeMap<u16, Flight>,
    unread: Vec<u8>,
    has_asked: bool,
    is_clean: bool,
    is_refused: bool,
    client_id: String,
    /// The broker's limits, and those of the client.
    limits: Limits,
    window: usize,
    packet_maximum: usize,
    alias_maximum: u16,
    aliases: BTreeMap<u16, String>,
    owed: Owed,
    memory: Rc<RefCell<Memory>>,
    /// The part of it that is of this connection, until that is let in.
    early: Memory,
}

impl Client {
    pub fn new(link: LinkId, limits: &Limits) -> Self {
        Self {
            link,
            version: Version::V4,
            is_open: false,
            is_over: false,
            unsent: Vec::new(),
            in_flight: BTreeMap::new(),
            unread: Vec::new(),
            has_asked: false,
            is_clean: false,
            is_refused: false,
            client_id: String::new(),
            limits: limits.clone(),
            window: usize::from(limits.in_flight_maximum),
            packet_maximum: usize::MAX,
            alias_maximum: 0,
            aliases: BTreeMap::new(),
            owed: Owed::default(),
            memory: Rc::default(),
            early: Memory::default(),
        }
    }

    /// The longest packet that it may send.
    pub fn limit(&self) -> usize {
        let limit = self.limits.maximum_packet_size.filter(|_| self.is_open);
        limit.map_or(usize::MAX, |bytes| bytes as usize)
    }

    /// It sends a packet, or bytes that are none. Gives back whether the connection must end with it.
    pub fn sends(&mut self, frame: &[u8], memories: &mut Memories) -> bool {
        if !self.has_asked && contains(frame, b"\0\x04MQTT\x05") {
            self.version = Version::V5;
        }
        let is_first = !std::mem::replace(&mut self.has_asked, true);
        if frame.len() > self.limit() || !standard::allows(frame, self.version) {
            return true;
        }
        let packet = decode(frame, self.version).expect("the standard allows it");
        if is_first {
            let Packet::Connect(packet) = packet else { return true };
            self.begins(&packet, memories);
            return false;
        }
        self.goes_on(&packet)
    }

    fn begins(&mut self, packet: &Connect<'_>, memories: &mut Memories) {
        self.version = packet.version;
        self.is_clean = packet.clean_start;
        self.client_id = packet.client_id.to_owned();
        if !self.client_id.is_empty() {
            self.memory = memories.entry(self.client_id.clone()).or_default().clone();
        }
        for property in packet.properties.iter() {
            match property {
                Property::ReceiveMaximum(maximum) => self.window = usize::from(maximum),
                Property::MaximumPacketSize(maximum) => self.packet_maximum = maximum as usize,
                Property::TopicAliasMaximum(maximum) => self.alias_maximum = maximum,
                _ => {}
            }
        }
    }

    fn goes_on(&mut self, packet: &Packet<'_>) -> bool {
        match packet {
            Packet::Publish(packet) if packet.has_subscription_identifier() => return true,
            Packet::Publish(packet) if alias(packet) > Some(self.limits.topic_alias_maximum.unwrap_or(0)) => {
                return true;
            }
            Packet::Publish(packet) if packet.qos > self.limits.maximum_qos => return true,
            Packet::Publish(packet) if packet.retain && !self.limits.retain_available => return true,
            Packet::Publish(packet) if packet.qos > QoS::AtMostOnce => self.expects(packet.qos as u8, packet.packet_id),
            Packet::Publish(_) => {}
            Packet::PubAck(ack) => {
                if matches!(self.in_flight.get(&ack.packet_id), Some(Flight::Published(_))) {
                    self.in_flight.remove(&ack.packet_id);
                }
            }
            Packet::PubRec(ack) => self.has_received(ack),
            Packet::PubRel(ack) => self.expects(REL, ack.packet_id),
            Packet::PubComp(ack) => {
                if self.in_flight.get(&ack.packet_id) == Some(&Flight::Received) {
                    self.in_flight.remove(&ack.packet_id);
                }
            }
            Packet::Subscribe(packet) => {
                self.memory.borrow_mut().subscribes(packet);
                self.early.subscribes(packet);
                let wishes = packet.filters.iter().map(|(_, options)| options.qos as u8).collect();
                self.owed.subacks.push((packet.packet_id, wishes));
            }
            Packet::Unsubscribe(packet) => {
                self.owed.unsubacks.push((packet.packet_id, packet.filters.iter().count()));
            }
            Packet::PingReq => self.owed.pings += 1,
            Packet::Connect(_) | Packet::Auth(_) | Packet::Disconnect(_) | Packet::PingResp => return true,
            Packet::ConnAck(_) | Packet::SubAck(_) | Packet::UnsubAck(_) => return true,
        }
        false
    }

    fn expects(&mut self, kind: u8, id: u16) {
        *self.owed.acks.entry((kind, id)).or_default() += 1;
    }

    fn has_received(&mut self, ack: &Ack<'_>) {
        let id = ack.packet_id;
        if ack.reason.is_error() {
            if matches!(self.in_flight.get(&id), Some(Flight::Published(_))) {
                self.in_flight.remove(&id);
            }
            return;
        }
        self.memory.borrow_mut().received.insert(id);
        self.early.received.insert(id);
        self.expects(REC, id);
        if self.in_flight.get(&id) == Some(&Flight::Published(QoS::ExactlyOnce)) {
            self.in_flight.insert(id, Flight::Received);
        }
    }

    /// What a client that follows the standard says to the oldest messages under way.
    pub fn acknowledgements(&self, count: usize) -> Vec<Vec<u8>> {
        let answer = |(id, flight): (&u16, &Flight)| {
            let kind = match flight {
                Flight::Published(QoS::ExactlyOnce) => AckKind::PubRec,
                Flight::Published(_) => AckKind::PubAck,
                Flight::Received => AckKind::PubComp,
            };
            packet::ack(kind, *id, ReasonCode::SUCCESS, self.version)
        };
        self.in_flight.iter().take(count).map(answer).collect()
    }

    /// Bytes from the broker, perhaps the last ones.
    pub fn hears(&mut self, bytes: &[u8], is_over: bool, memories: &mut Memories) {
        self.unread.extend_from_slice(bytes);
        while let Some(length) = frame_length(&self.unread, usize::MAX).expect("a frame") {
            if length > self.unread.len() {
                break;
            }
            let frame: Vec<u8> = self.unread.drain(..length).collect();
            self.hears_packet(&frame, memories);
        }
        if is_over && !self.is_over {
            assert_eq!(self.unread, b"", "cut off");
            self.is_over = true;
        }
        assert!(!self.is_refused || self.is_over, "refused, and not ended");
    }

    fn hears_packet(&mut self, frame: &[u8], memories: &mut Memories) {
        assert!(!self.is_over && !self.is_refused, "{frame:02x?} after the end");
        assert!(standard::allows(frame, self.version), "{:?} {frame:02x?}", self.version);
        assert!(frame.len() <= self.packet_maximum, "{} of {}: {frame:02x?}", frame.len(), self.packet_maximum);
        let packet = decode(frame, self.version).expect("the standard allows it");
        if let Packet::ConnAck(packet) = packet {
            assert!(self.has_asked && !self.is_open, "{packet:?}");
            self.is_open = packet.code == 0;
            self.is_refused = !self.is_open;
            assert!(!packet.session_present || !self.is_clean, "a clean start finds a session");
            if self.is_open {
                let assigned = packet.properties.iter().find_map(|property| match property {
                    Property::AssignedClientId(id) => Some(id.to_owned()),
                    _ => None,
                });
                self.is_let_in(packet.session_present, assigned, memories);
            }
            return;
        }
        assert!(self.is_open, "{packet:?} before CONNACK");
        match packet {
            Packet::Publish(packet) => self.takes(&packet),
            Packet::PubAck(ack) => self.is_told(QoS::AtLeastOnce as u8, ack.packet_id),
            Packet::PubRec(ack) => self.is_told(QoS::ExactlyOnce as u8, ack.packet_id),
            Packet::PubComp(ack) => self.is_told(REL, ack.packet_id),
            Packet::PubRel(ack) => self.is_released(&ack),
            Packet::SubAck(packet) => self.is_subscribed(&packet),
            Packet::UnsubAck(packet) => {
                let at = self.owed.unsubacks.iter().position(|(id, _)| *id == packet.packet_id);
                let (_, count) = self.owed.unsubacks.remove(at.expect("an UNSUBSCRIBE"));
                assert_eq!(packet.codes.len(), if self.version == Version::V5 { count } else { 0 });
            }
            Packet::PingResp => self.owed.pings = self.owed.pings.checked_sub(1).expect("a PINGREQ"),
            Packet::Disconnect(_) if self.version == Version::V5 => self.is_refused = true,
            other => panic!("a broker does not send {other:?}"),
        }
    }

    fn is_let_in(&mut self, present: bool, assigned: Option<String>, memories: &mut Memories) {
        assert_eq!(assigned.is_some(), self.client_id.is_empty() && self.version == Version::V5);
        if let Some(id) = assigned {
            self.memory = memories.entry(id).or_default().clone();
        }
        if !present && (self.is_clean || self.version > Version::V3) {
            *self.memory.borrow_mut() = std::mem::take(&mut self.early);
        }
    }

    fn takes(&mut self, packet: &Publish<'_>) {
        let topic = self.topic(packet);
        let memory = self.memory.borrow();
        let matching = memory.filters.iter().filter(|(filter, _)| matches(filter, &topic));
        let highest = matching.map(|(_, qos)| *qos).max();
        assert!(packet.qos <= self.limits.maximum_qos, "{packet:?}");
        assert!(highest >= Some(packet.qos), "{topic:?} at {:?} for {:?}", packet.qos, memory.filters);
        for property in packet.properties.iter() {
            if let Property::SubscriptionIdentifier(tag) = property {
                assert!(memory.tags.contains(&tag), "{tag} of {:?}", memory.tags);
            }
        }
        drop(memory);
        if packet.qos > QoS::AtMostOnce {
            let old = self.in_flight.insert(packet.packet_id, Flight::Published(packet.qos));
            assert_eq!(old, None, "packet id {} is taken", packet.packet_id);
            assert!(self.in_flight.len() <= self.window, "{} of {}", self.in_flight.len(), self.window);
        }
    }

    fn topic(&mut self, packet: &Publish<'_>) -> String {
        let Some(alias) = alias(packet) else { return packet.topic.to_owned() };
        assert!(alias <= self.alias_maximum, "alias {alias} of {}", self.alias_maximum);
        if !packet.topic.is_empty() {
            self.aliases.insert(alias, packet.topic.to_owned());
        }
        self.aliases.get(&alias).expect("an alias that was named").clone()
    }

    /// The broker acknowledges one of its packets.
    fn is_told(&mut self, kind: u8, id: u16) {
        let owed = self.owed.acks.get_mut(&(kind, id)).filter(|count| **count > 0);
        *owed.unwrap_or_else(|| panic!("an answer of kind {kind} to {id}, which was not asked for")) -= 1;
    }

    /// PUBREL, to a PUBREC of this connection or of one before.
    fn is_released(&mut self, ack: &Ack<'_>) {
        let id = ack.packet_id;
        match self.owed.acks.get_mut(&(REC, id)).filter(|count| **count > 0) {
            Some(count) => *count -= 1,
            None => {
                assert!(self.memory.borrow().received.contains(&id), "PUBREL of {id}");
                self.in_flight.insert(id, Flight::Received);
            }
        }
    }

    fn is_subscribed(&mut self, packet: &SubAck<'_>) {
        let at = self.owed.subacks.iter().position(|(id, _)| *id == packet.packet_id);
        let (_, wishes) = self.owed.subacks.remove(at.expect("a SUBSCRIBE"));
        assert_eq!(packet.codes.len(), wishes.len());
        let most = self.limits.maximum_qos as u8;
        let is_answer = |(code, wish): (&u8, &u8)| *code >= 0x80 || *code <= most.min(*wish);
        assert!(packet.codes.iter().zip(&wishes).all(is_answer), "{packet:?} to {wishes:?}");
    }

    /// Everything it has sent is answered.
    pub fn owes_nothing(&self) {
        let Owed { acks, subacks, unsubacks, pings } = &self.owed;
        let acks: Vec<_> = acks.iter().filter(|(_, count)| **count > 0).collect();
        let is_answered = acks.is_empty() && subacks.is_empty() && unsubacks.is_empty() && *pings == 0;
        assert!(is_answered && (self.is_open || !self.has_asked), "{:?} waits for {:?}", self.version, self.owed);
    }
}

/// The answers to PUBREL and PUBREC, beside those to PUBLISH by QoS.
const REL: u8 = 3;
const REC: u8 = 4;

fn alias(packet: &Publish<'_>) -> Option<u16> {
    packet.properties.iter().find_map(|property| match property {
        Property::TopicAlias(alias) => Some(alias),
        _ => None,
    })
}

fn contains(frame: &[u8], name: &[u8]) -> bool {
    let header = 1 + frame.iter().skip(1).take(4).take_while(|byte| **byte & 0x80 != 0).count() + 1;
    frame.first() == Some(&0x10) && frame.get(header..).is_some_and(|body| body.starts_with(name))
}
