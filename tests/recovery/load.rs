//! Clients that keep their side of the protocol whatever happens to the broker, and remember all of it.

use std::collections::{HashSet, VecDeque};
use std::net::SocketAddr;
use std::sync::mpsc::Sender;

use artemis_rs::protocol::mqtt::codec::QoS;

use super::mqtt::{Client, Closed, Incoming, Login, Message};
use super::payload::{self, Number};
use super::random::Random;

/// The publisher of markers, which come behind everything else.
pub const MARKER: u16 = u16::MAX;

/// How long a client goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    /// Until the broker is gone.
    Crash,
    /// Until everything it began is done; for a subscriber, until the marker of this number has come.
    Finish(u64),
}

/// A client that publishes numbered messages, a window at a time.
#[derive(Debug)]
pub struct Publisher {
    pub id: u16,
    qos: QoS,
    window: usize,
    random: Random,
    /// The count of the next message.
    pub next: u64,
    pending: VecDeque<Pending>,
    /// Counts of the messages that the broker has taken over.
    pub acknowledged: Vec<u64>,
    pub complaints: Vec<String>,
}

#[derive(Debug)]
struct Pending {
    message: Message,
    count: u64,
    /// PUBREC has come.
    received: bool,
}

impl Publisher {
    pub fn new(id: u16, qos: QoS, window: usize, random: Random) -> Self {
        let (pending, acknowledged, complaints) = Default::default();
        Self { id, qos, window, random, next: 1, pending, acknowledged, complaints }
    }

    /// Publishes until the goal is reached; every message taken over is told to `acks`.
    pub fn run(&mut self, address: SocketAddr, goal: Goal, acks: &Sender<()>) -> Result<(), Closed> {
        let mut client = Client::connect(address, &Login::durable(&format!("publisher-{}", self.id)))?;
        // The PUBREC was of a batch that had the client in it.
        if self.qos == QoS::ExactlyOnce && !self.acknowledged.is_empty() && !client.present {
            self.complaints.push(format!("publisher {}: the session is lost", self.id));
        }
        for pending in &self.pending {
            match pending.received {
                true => client.pubrel(pending.message.packet_id)?,
                false => client.publish(&pending.message.again())?,
            }
        }
        loop {
            while goal == Goal::Crash && self.pending.len() < self.window {
                let message = self.make();
                client.publish(&message)?;
            }
            if self.pending.is_empty() {
                client.disconnect();
                return Ok(());
            }
            let incoming = client.receive()?;
            self.take(incoming, &mut client, acks)?;
        }
    }

    fn make(&mut self) -> Message {
        // The lowest free packet id: each is used again as soon as it may be.
        let used = |id: &u16| self.pending.iter().any(|pending| pending.message.packet_id == *id);
        let packet_id = (1..).find(|id| !used(id)).expect("a free packet id");
        let filling = if self.random.below(50) == 0 { 20_000 } else { self.random.below(300) as usize };
        let number = Number { publisher: self.id, count: self.next };
        let topic = format!("load/{}", self.id);
        let message = Message { qos: self.qos, packet_id, ..Message::new(&topic, payload::payload(number, filling)) };
        self.pending.push_back(Pending { message: message.clone(), count: self.next, received: false });
        self.next += 1;
        message
    }

    fn take(&mut self, incoming: Incoming, client: &mut Client, acks: &Sender<()>) -> Result<(), Closed> {
        let (id, code) = match incoming {
            Incoming::PubAck(id, code) | Incoming::PubRec(id, code) => (id, code),
            Incoming::PubComp(id, _) => {
                self.pending.retain(|pending| pending.message.packet_id != id || !pending.received);
                return Ok(());
            }
            Incoming::Disconnect(_) => return Err(Closed),
            other => panic!("publisher {} got {other:?}", self.id),
        };
        let Some(at) = self.pending.iter().position(|pending| pending.message.packet_id == id) else {
            self.complaints.push(format!("publisher {}: packet {id} is acknowledged, but not under way", self.id));
            return Ok(());
        };
        if code >= 0x80 {
            self.complaints.push(format!("publisher {}: refused with {code:#x}", self.id));
        }
        let pending = &mut self.pending[at];
        if !std::mem::replace(&mut pending.received, true) {
            self.acknowledged.push(pending.count);
            // Nobody counts any more once the broker is gone.
            let _ = acks.send(());
        }
        if self.qos == QoS::AtLeastOnce {
            self.pending.remove(at);
            return Ok(());
        }
        client.pubrel(id)
    }
}

/// A client with a durable session that remembers what arrives.
#[derive(Debug)]
pub struct Subscriber {
    pub name: String,
    pub filters: Vec<&'static str>,
    /// Whether it is there while the load is on, or only at the end.
    pub is_online: bool,
    /// Acknowledgements it holds back.
    lag: usize,
    window: u16,
    pub arrivals: Vec<Number>,
    /// QoS 2 packet ids between PUBREC and PUBREL.
    unreleased: HashSet<u16>,
    pub complaints: Vec<String>,
}

impl Subscriber {
    pub fn new(name: &str, filters: &[&'static str], is_online: bool, lag: usize) -> Self {
        let (arrivals, unreleased, complaints) = Default::default();
        let window = 2 * lag as u16 + 16;
        Self { name: name.into(), filters: filters.into(), is_online, lag, window, arrivals, unreleased, complaints }
    }

    fn login(&self) -> Login {
        Login::durable(&self.name).receive_maximum(self.window)
    }

    /// Makes the subscriptions.
    pub fn subscribe(&self, address: SocketAddr, qos: QoS) {
        let mut client = Client::open(address, &self.login());
        self.filters.iter().for_each(|filter| client.subscribe(filter, qos));
        client.disconnect();
    }

    /// Takes messages until the goal is reached.
    pub fn run(&mut self, address: SocketAddr, goal: Goal) -> Result<(), Closed> {
        let mut client = Client::connect(address, &self.login())?;
        if !client.present {
            self.complaints.push(format!("{}: the session is lost", self.name));
        }
        let lag = if goal == Goal::Crash { self.lag } else { 0 };
        let (mut owed, mut is_marked) = (VecDeque::new(), false);
        loop {
            match client.receive()? {
                Incoming::Publish(message) => {
                    is_marked |= self.arrive(&message, goal);
                    owed.push_back((message.packet_id, message.qos));
                }
                Incoming::PubRel(id, _) => {
                    self.unreleased.remove(&id);
                    client.pubcomp(id)?;
                }
                Incoming::Disconnect(_) => return Err(Closed),
                other => panic!("{} got {other:?}", self.name),
            }
            while owed.len() > lag {
                match owed.pop_front() {
                    Some((id, QoS::ExactlyOnce)) => client.pubrec(id)?,
                    Some((id, _)) => client.puback(id)?,
                    None => {}
                }
            }
            if is_marked && self.unreleased.is_empty() {
                client.disconnect();
                return Ok(());
            }
        }
    }

    /// Remembers a message; says whether it is the marker that is waited for.
    fn arrive(&mut self, message: &Message, goal: Goal) -> bool {
        if message.qos == QoS::ExactlyOnce && !self.unreleased.insert(message.packet_id) {
            return false;
        }
        match payload::number(&message.payload) {
            Some(Number { publisher: MARKER, count }) => return goal == Goal::Finish(count),
            Some(number) if message.topic == format!("load/{}", number.publisher) => self.arrivals.push(number),
            _ => self.complaints.push(format!("{}: a damaged message in {}", self.name, message.topic)),
        }
        false
    }
}

/// A client whose subscriptions come and go.
#[derive(Debug)]
pub struct Churner {
    random: Random,
    /// For each filter whether it is subscribed to; unknown while an answer is due.
    filters: Vec<Option<bool>>,
    must_be_present: bool,
    pub complaints: Vec<String>,
}

impl Churner {
    pub fn new(random: Random) -> Self {
        Self { random, filters: vec![Some(false); 12], must_be_present: false, complaints: Vec::new() }
    }

    /// Looks whether the broker knows what it has confirmed, then goes on.
    pub fn run(&mut self, address: SocketAddr, goal: Goal) -> Result<(), Closed> {
        let mut client = Client::connect(address, &Login::durable("churner"))?;
        if self.must_be_present && !client.present {
            self.complaints.push("churner: the session is lost".into());
        }
        self.check(&mut client)?;
        if goal == Goal::Crash {
            loop {
                if self.random.below(20) == 0 {
                    client = self.begin_anew(address)?;
                }
                let at = self.random.below(self.filters.len() as u64) as usize;
                let wish = self.random.below(2) == 0;
                self.filters[at] = None;
                match wish {
                    true => client.send_subscribe(9, &format!("churn/{at}"), QoS::AtLeastOnce)?,
                    false => client.send_unsubscribe(9, &format!("churn/{at}"))?,
                }
                client.wait(|incoming| matches!(incoming, Incoming::SubAck(9, _) | Incoming::UnsubAck(9, _)))?;
                self.filters[at] = Some(wish);
                self.must_be_present |= wish;
            }
        }
        client.disconnect();
        Ok(())
    }

    /// Connects and gives up all that was before.
    fn begin_anew(&mut self, address: SocketAddr) -> Result<Client, Closed> {
        self.must_be_present = false;
        let before = std::mem::take(&mut self.filters);
        let doubtful = before.iter().map(|filter| filter.filter(|is_subscribed| !is_subscribed));
        self.filters = doubtful.collect();
        let client = Client::connect(address, &Login::durable("churner").clean())?;
        self.filters.fill(Some(false));
        Ok(client)
    }

    /// Publishes to each filter: the reason says whether anyone is subscribed.
    fn check(&mut self, client: &mut Client) -> Result<(), Closed> {
        const NO_MATCHING_SUBSCRIBERS: u8 = 0x10;
        for at in 0..self.filters.len() {
            client.publish(&Message::at_least_once(&format!("churn/{at}"), "", 7))?;
            let is_subscribed = loop {
                match client.receive()? {
                    Incoming::PubAck(7, code) => break code != NO_MATCHING_SUBSCRIBERS,
                    Incoming::Publish(message) => client.puback(message.packet_id)?,
                    other => panic!("churner got {other:?}"),
                }
            };
            if self.filters[at].is_some_and(|expected| expected != is_subscribed) {
                self.complaints.push(format!("churner: filter {at} is subscribed: {is_subscribed}"));
            }
            self.filters[at] = Some(is_subscribed);
        }
        Ok(())
    }
}
