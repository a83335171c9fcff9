//! A client that does what the standard asks of it, and remembers what it has to across connections.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::node::{LinkId, Node};
use super::oracle::{EpochId, Oracle, payload};
use super::packet::{self, Heard, Hello, Letter};
use crate::core::id::Time;
use crate::protocol::mqtt::codec::{AckKind, SubscribeOptions, Version};

/// Unacknowledged messages that the broker takes.
const SEND_MAX: usize = 20;

/// What a client believes of its session at the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Belief {
    Nothing,
    Held(EpochId),
}

/// A message on its way to the broker.
#[derive(Debug, Clone)]
struct Outgoing {
    id: u16,
    number: usize,
    /// PUBREC has come.
    is_released: bool,
}

#[derive(Debug, Clone)]
enum Asked {
    /// Filters, and the numbers of the requests.
    Subscribe(Vec<(String, usize)>),
    Unsubscribe(String, usize),
}

/// A client.
#[derive(Debug)]
pub struct Client {
    pub number: usize,
    pub version: Version,
    pub link: Option<LinkId>,
    pub is_open: bool,
    pub belief: Belief,
    hello: Hello,
    /// Connections so far.
    connection: usize,
    outgoing: Vec<Outgoing>,
    /// QoS 2 messages received and not released.
    incoming: BTreeMap<u16, Vec<u8>>,
    replies: VecDeque<(AckKind, u16)>,
    asked: BTreeMap<u16, Asked>,
    /// Packet ids in the order in which their acknowledgements have to come.
    expected: BTreeMap<AckOrder, VecDeque<u16>>,
    /// Messages of this connection that are not acknowledged.
    in_flight: BTreeSet<u16>,
    unread: Vec<u8>,
    /// A clean start was sent and not answered: only another one says what there is.
    must_clean: bool,
    /// A CONNECT was sent and not answered.
    has_tried: bool,
    /// A session ended, and nothing said so.
    has_ended_silently: bool,
    /// A crash may have brought such a session back.
    may_be_stale: bool,
    /// The journal is known to have the session.
    is_confirmed: bool,
    /// The broker crashed since the session began.
    has_crashed: bool,
    crashed_since_left: bool,
    expiry: u32,
    /// Since the session began.
    least_expiry: u32,
    most_expiry: u32,
    /// When the broker may have noticed first, and last, that the client is away.
    left: Option<(Time, Time)>,
    asked_at: Time,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum AckOrder {
    PubAck,
    PubRec,
}

impl Client {
    pub fn new(number: usize, version: Version) -> Self {
        Self {
            number,
            version,
            link: None,
            is_open: false,
            belief: Belief::Nothing,
            hello: Hello::new(""),
            connection: 0,
            outgoing: Vec::new(),
            incoming: BTreeMap::new(),
            replies: VecDeque::new(),
            asked: BTreeMap::new(),
            expected: BTreeMap::new(),
            in_flight: BTreeSet::new(),
            unread: Vec::new(),
            must_clean: false,
            has_tried: false,
            has_ended_silently: false,
            may_be_stale: false,
            is_confirmed: false,
            has_crashed: false,
            crashed_since_left: false,
            expiry: 0,
            least_expiry: 0,
            most_expiry: 0,
            left: None,
            asked_at: Time(0),
        }
    }

    /// Whether only a clean start is right.
    pub fn must_clean(&self) -> bool {
        self.must_clean
    }

    /// Whether nothing is owed to it or by it.
    pub fn is_idle(&self) -> bool {
        self.is_open
            && self.outgoing.is_empty()
            && self.replies.is_empty()
            && self.asked.is_empty()
            && self.incoming.is_empty()
    }

    /// What it waits for, for the report.
    pub fn waits_for(&self) -> String {
        format!(
            "client {}: outgoing {:?}, asked {:?}, incoming {:?}, open {}",
            self.number,
            self.outgoing,
            self.asked,
            self.incoming.keys(),
            self.is_open
        )
    }

    /// Connects; what is left of an earlier connection is taken over by the broker.
    pub fn connect(&mut self, node: &mut Node, oracle: &mut Oracle, mut hello: Hello) {
        if self.link.is_some() {
            self.lost(oracle, node.now);
        }
        hello.clean |= self.must_clean;
        if hello.clean {
            self.lose_session(oracle);
            self.must_clean = true;
        }
        self.has_tried |= !hello.clean;
        self.expiry = if hello.version == Version::V5 { hello.expiry } else { u32::from(!hello.clean) * u32::MAX };
        self.agree_on_expiry();
        self.asked_at = node.now;
        self.hello = hello;
        self.connection += 1;
        let link = node.connect();
        self.link = Some(link);
        node.send(link, &self.hello.encode());
    }

    fn agree_on_expiry(&mut self) {
        self.least_expiry = self.least_expiry.min(self.expiry);
        self.most_expiry = self.most_expiry.max(self.expiry);
    }

    fn forget_connection(&mut self, now: Time) {
        // It may have been silent for too long before.
        let noticed = if self.hello.keep_alive > 0 { self.asked_at } else { now };
        self.left = Some((self.left.map_or(noticed, |(first, _)| first), now));
        self.link = None;
        self.is_open = false;
        self.replies.clear();
        self.asked.clear();
        self.expected.clear();
        self.in_flight.clear();
        self.unread.clear();
        self.crashed_since_left = false;
    }

    fn lose_session(&mut self, oracle: &mut Oracle) {
        if let Belief::Held(epoch) = self.belief {
            oracle.end(epoch);
        }
        self.belief = Belief::Nothing;
        self.outgoing.clear();
        self.incoming.clear();
    }

    /// The connection is gone, with what was on its way.
    pub fn lost(&mut self, oracle: &mut Oracle, now: Time) {
        let was_open = self.is_open;
        self.forget_connection(now);
        if self.expiry == 0 && was_open {
            self.lose_session(oracle);
            self.has_ended_silently = true;
        } else if self.belief != Belief::Nothing && self.least_expiry < 3600 && !was_open {
            // The answer may have said that the session is a new one.
            self.lose_session(oracle);
            self.must_clean = true;
        }
    }

    /// The broker has crashed.
    pub fn crashed(&mut self, oracle: &mut Oracle, now: Time) {
        if self.link.is_some() {
            self.lost(oracle, now);
        }
        self.has_crashed = true;
        self.crashed_since_left = true;
        self.may_be_stale |= self.has_ended_silently;
    }

    /// Takes its leave, perhaps with another expiry.
    pub fn disconnect(&mut self, node: &mut Node, oracle: &mut Oracle, expiry: Option<u32>) {
        let Some(link) = self.link.filter(|_| self.is_open) else { return };
        let expiry = expiry.filter(|_| self.version == Version::V5 && self.expiry > 0);
        self.expiry = expiry.unwrap_or(self.expiry);
        self.agree_on_expiry();
        node.send(link, &packet::disconnect(self.version, 0, expiry));
        node.lose(link);
        self.lost(oracle, node.now);
    }

    pub fn publish(&mut self, node: &mut Node, oracle: &mut Oracle, letter: Letter) {
        let Some(link) = self.link.filter(|_| self.is_open) else { return };
        if self.outgoing.len() >= SEND_MAX {
            return;
        }
        let is_clear = letter.retain && letter.payload == b"clear";
        let number = oracle.publish(self.number, &letter.topic, letter.qos, letter.retain, is_clear);
        let mut letter = letter;
        letter.payload = if is_clear { Vec::new() } else { payload(number, &letter.topic) };
        if letter.qos > 0 {
            letter.id = self.free_id();
            self.outgoing.push(Outgoing { id: letter.id, number, is_released: false });
            self.expect(letter.qos, letter.id);
        }
        node.send(link, &letter.encode(self.version));
    }

    fn expect(&mut self, qos: u8, id: u16) {
        let order = if qos == 1 { AckOrder::PubAck } else { AckOrder::PubRec };
        self.expected.entry(order).or_default().push_back(id);
    }

    fn free_id(&self) -> u16 {
        let is_free = |id: &u16| !self.outgoing.iter().any(|out| out.id == *id) && !self.asked.contains_key(id);
        (1..=u16::MAX).find(is_free).expect("few are taken")
    }

    pub fn subscribe(&mut self, node: &mut Node, oracle: &mut Oracle, filters: &[(&str, SubscribeOptions)]) {
        let (Some(link), Belief::Held(epoch), true) = (self.link, self.belief, self.is_open) else { return };
        let id = self.free_id();
        let mut requests = Vec::new();
        for (filter, options) in filters {
            let no_local = options.no_local && self.version == Version::V5;
            requests.push(((*filter).to_owned(), oracle.subscribing(epoch, filter, *options, no_local)));
        }
        self.asked.insert(id, Asked::Subscribe(requests));
        node.send(link, &packet::subscribe(self.version, id, filters));
    }

    pub fn unsubscribe(&mut self, node: &mut Node, oracle: &mut Oracle, filter: &str) {
        let (Some(link), Belief::Held(epoch), true) = (self.link, self.belief, self.is_open) else { return };
        let id = self.free_id();
        let request = oracle.unsubscribing(epoch, filter);
        self.asked.insert(id, Asked::Unsubscribe(filter.to_owned(), request));
        node.send(link, &packet::unsubscribe(self.version, id, &[filter]));
    }

    /// Sends up to `count` of the acknowledgements that it owes.
    pub fn reply(&mut self, node: &mut Node, oracle: &mut Oracle, count: usize) {
        for _ in 0..count {
            let (Some(link), Some((kind, id))) = (self.link, self.replies.pop_front()) else { return };
            if matches!(kind, AckKind::PubAck | AckKind::PubComp) {
                self.in_flight.remove(&id);
            }
            oracle.note(|| format!("client {} answers {kind:?} {id}", self.number));
            node.send(link, &packet::ack(self.version, kind, id));
        }
    }

    /// Reads what has arrived.
    pub fn read(&mut self, node: &mut Node, oracle: &mut Oracle) {
        let Some(link) = self.link else { return };
        self.unread.extend(node.take(link));
        let mut unread = std::mem::take(&mut self.unread);
        for heard in packet::parse(&mut unread, self.version) {
            if self.link == Some(link) {
                self.hear(node, oracle, heard);
            }
        }
        self.unread = unread;
        if self.link == Some(link) && node.is_over(link) {
            node.lose(link);
            self.lost(oracle, node.now);
        }
    }

    fn hear(&mut self, node: &mut Node, oracle: &mut Oracle, heard: Heard) {
        oracle.note(|| format!("client {} hears {}", self.number, brief(&heard)));
        match heard {
            Heard::ConnAck { present, code: 0 } => self.welcomed(node, oracle, present),
            Heard::ConnAck { code, .. } => oracle.fail(format!("client {} was refused: {code:#x}", self.number)),
            Heard::Publish(letter) => self.got(oracle, letter),
            Heard::PubAck(id, code) => {
                self.in_order(oracle, AckOrder::PubAck, id);
                self.acked(oracle, id, code);
            }
            Heard::PubRec(id, code) => {
                self.in_order(oracle, AckOrder::PubRec, id);
                self.is_confirmed = true;
                self.received(oracle, id, code);
            }
            Heard::PubRel(id, _) => {
                self.incoming.remove(&id);
                self.replies.push_back((AckKind::PubComp, id));
            }
            Heard::PubComp(id, _) => self.outgoing.retain(|out| out.id != id || !out.is_released),
            Heard::SubAck(id, codes) => self.suback(oracle, id, &codes),
            Heard::UnsubAck(id, _) => self.unsuback(oracle, id),
            Heard::PingResp | Heard::Disconnect(_) => {}
        }
    }

    fn in_order(&mut self, oracle: &mut Oracle, order: AckOrder, id: u16) {
        let expected = self.expected.entry(order).or_default().pop_front();
        if expected != Some(id) {
            let client = self.number;
            oracle.fail(format!("client {client}: {order:?} {id} came, {expected:?} was next"));
        }
    }

    fn acked(&mut self, oracle: &mut Oracle, id: u16, code: u8) {
        if let Some(at) = self.outgoing.iter().position(|out| out.id == id) {
            let out = self.outgoing.remove(at);
            if code < 0x80 {
                oracle.acked(out.number);
            }
        }
    }

    fn received(&mut self, oracle: &mut Oracle, id: u16, code: u8) {
        let Some(out) = self.outgoing.iter_mut().find(|out| out.id == id) else { return };
        if code >= 0x80 {
            return self.outgoing.retain(|out| out.id != id);
        }
        out.is_released = true;
        oracle.acked(out.number);
        self.replies.push_back((AckKind::PubRel, id));
    }

    fn suback(&mut self, oracle: &mut Oracle, id: u16, codes: &[u8]) {
        let (Some(Asked::Subscribe(filters)), Belief::Held(epoch)) = (self.asked.remove(&id), self.belief) else {
            return oracle.fail(format!("client {}: SUBACK {id} for nothing", self.number));
        };
        if codes.len() != filters.len() || codes.iter().any(|code| *code > 2) {
            oracle.fail(format!("client {}: SUBACK {codes:?} for {filters:?}", self.number));
        }
        self.is_confirmed = true;
        for (filter, request) in &filters {
            oracle.subscribed(epoch, filter, *request);
        }
    }

    fn unsuback(&mut self, oracle: &mut Oracle, id: u16) {
        let (Some(Asked::Unsubscribe(filter, request)), Belief::Held(epoch)) = (self.asked.remove(&id), self.belief)
        else {
            return oracle.fail(format!("client {}: UNSUBACK {id} for nothing", self.number));
        };
        oracle.unsubscribed(epoch, &filter, request);
    }

    fn got(&mut self, oracle: &mut Oracle, letter: Letter) {
        let Belief::Held(epoch) = self.belief else {
            return oracle.fail(format!("client {} got {letter:?} before CONNACK", self.number));
        };
        let id = letter.id;
        let most = self.hello.packet_maximum.map_or(usize::MAX, |most| most as usize);
        if letter.encode(self.version).len() > most {
            oracle.fail(format!("client {}: a packet larger than {most}", self.number));
        }
        if letter.qos > 0 {
            if !self.in_flight.insert(id) {
                oracle.fail(format!("client {}: packet id {id} used twice at a time", self.number));
            }
            let most = self.hello.receive_maximum.map_or(8, usize::from);
            if self.in_flight.len() > most {
                oracle.fail(format!("client {}: {} in flight, at most {most}", self.number, self.in_flight.len()));
            }
        }
        match (letter.qos, self.incoming.get(&id)) {
            (0, _) => {}
            (2, Some(known)) => {
                if *known != letter.payload {
                    oracle.fail(format!("client {}: packet id {id} given to another message", self.number));
                }
                self.replies.push_back((AckKind::PubRec, id));
                return;
            }
            (_, Some(_)) => oracle.fail(format!("client {}: packet id {id} is not free", self.number)),
            (1, None) => self.replies.push_back((AckKind::PubAck, id)),
            (_, None) => {
                self.incoming.insert(id, letter.payload.clone());
                self.replies.push_back((AckKind::PubRec, id));
            }
        }
        oracle.arrived(epoch, self.connection, &letter);
    }

    fn welcomed(&mut self, node: &mut Node, oracle: &mut Oracle, present: bool) {
        self.must_clean = false;
        let fail = |oracle: &mut Oracle, what: &str| oracle.fail(format!("O7: client {}: {what}", self.number));
        match (self.belief, present) {
            (_, true) if self.hello.clean => fail(oracle, "session present after a clean start"),
            (Belief::Held(_), true) => {
                if self.is_surely_over() {
                    fail(oracle, "session present after its end");
                }
            }
            (Belief::Held(_), false) => {
                if self.is_surely_there(node.now) {
                    fail(oracle, "its session is gone");
                }
                self.lose_session(oracle);
            }
            (Belief::Nothing, true) if self.may_be_stale || self.has_tried => {
                // [MQTT-3.2.2-4] It knows nothing of that session.
                self.must_clean = true;
                if let Some(link) = self.link {
                    node.lose(link);
                }
                return self.forget_connection(node.now);
            }
            (Belief::Nothing, true) => fail(oracle, "session present that never was"),
            (Belief::Nothing, false) => {}
        }
        oracle.welcomed(self.number);
        if self.belief == Belief::Nothing {
            self.belief = Belief::Held(oracle.begin(self.number, self.expiry > 0));
            (self.is_confirmed, self.has_crashed) = (false, false);
            (self.least_expiry, self.most_expiry) = (self.expiry, self.expiry);
        }
        (self.has_tried, self.has_ended_silently, self.may_be_stale) = (false, false, false);
        if let Belief::Held(epoch) = self.belief {
            oracle.epochs[epoch].is_small |= self.hello.packet_maximum.is_some();
        }
        self.left = None;
        self.is_open = true;
        self.send_again(node, oracle);
    }

    fn is_surely_over(&self) -> bool {
        let ends = self.left.map(|(_, last)| last.after(u64::from(self.most_expiry) * 1000));
        !self.crashed_since_left && self.most_expiry != u32::MAX && ends.is_some_and(|ends| ends <= self.asked_at)
    }

    fn is_surely_there(&self, now: Time) -> bool {
        if self.has_crashed && (!self.is_confirmed || self.least_expiry < 3600) {
            return false;
        }
        let ends = self.left.map(|(first, _)| first.after(u64::from(self.least_expiry) * 1000));
        self.least_expiry == u32::MAX || self.least_expiry > 0 && ends.is_none_or(|ends| ends > now)
    }

    fn send_again(&mut self, node: &mut Node, oracle: &mut Oracle) {
        let Some(link) = self.link else { return };
        for out in self.outgoing.clone() {
            if out.is_released {
                node.send(link, &packet::ack(self.version, AckKind::PubRel, out.id));
                continue;
            }
            let sent = oracle.publications[out.number].clone();
            oracle.sent_again(out.number);
            let payload = if sent.is_clear { Vec::new() } else { payload(out.number, &sent.topic) };
            let letter =
                Letter { payload, retain: sent.retain, dup: true, ..Letter::new(&sent.topic, "", sent.qos, out.id) };
            self.expect(sent.qos, out.id);
            node.send(link, &letter.encode(self.version));
        }
    }
}

fn brief(heard: &Heard) -> String {
    match heard {
        Heard::Publish(letter) => {
            let text = String::from_utf8_lossy(&letter.payload);
            let number = text.split(':').next().unwrap_or_default();
            let Letter { topic, qos, id, dup, retain, .. } = letter;
            format!("message {number} of {topic}, QoS {qos}, id {id}, dup {dup}, retain {retain}")
        }
        other => format!("{other:?}"),
    }
}
