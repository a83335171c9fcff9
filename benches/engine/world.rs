//! An engine with clients but without sockets: packets in, packets out, each acknowledged at once.

use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use artemis_rs::core::id::Time;
use artemis_rs::engine::{Admission, ConnectionKey, Engine, Options, Peer, Terms};
use artemis_rs::protocol::mqtt::{Limits, MqttSession};
use artemis_rs::security::ConnectionRequest;
use artemis_rs::store::{Completion, Journal, MemoryJournal};

/// What happens to batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Store {
    /// There is no journal.
    None,
    /// A journal that does nothing and is done at once.
    Instant,
    /// A journal that keeps all of it in memory.
    Memory,
}

/// An engine, its journal and the clients' side.
pub struct World {
    pub engine: Engine,
    store: Store,
    journal: MemoryJournal,
    completions: Arc<Mutex<Vec<Completion>>>,
    limits: Rc<Limits>,
    peer: Rc<Peer>,
    start: Instant,
    answers: Vec<u8>,
    /// PUBLISH packets that came.
    pub delivered: u64,
    /// PUBACK and PUBCOMP packets that came.
    pub acknowledged: u64,
}

impl World {
    pub fn new(store: Store) -> Self {
        let completions: Arc<Mutex<Vec<Completion>>> = Arc::default();
        let list = completions.clone();
        let notify = move |completion| list.lock().expect("nobody panics").push(completion);
        let options = Options { is_durable: store != Store::None, ..Options::default() };
        let limits = Limits::default();
        let peer = Peer {
            acceptor: "bench".into(),
            address: "127.0.0.1:1".into(),
            handshake_ms: 10_000,
            terms: Rc::new(Terms { packet_ms: 10_000, ..Terms::default() }),
            ..Peer::default()
        };
        Self {
            engine: Engine::declared(options, Time(1)),
            store,
            journal: MemoryJournal::new(Box::new(notify)),
            completions,
            limits: Rc::new(limits),
            peer: Rc::new(peer),
            start: Instant::now(),
            answers: Vec::new(),
            delivered: 0,
            acknowledged: 0,
        }
    }

    pub fn now(&self) -> Time {
        Time(1 + self.start.elapsed().as_millis() as u64)
    }

    /// A client is let in.
    pub fn connect(&mut self, id: &str, clean: bool) -> ConnectionKey {
        let now = self.now();
        let session = Box::new(MqttSession::new(self.limits.clone()));
        let key = self.engine.connect(now, session, self.peer.clone());
        self.engine.receive(now, key, &connect(id, clean));
        for wanted in self.engine.take_authentications() {
            let principal = ConnectionRequest::new("MQTT", id).admit("bench");
            let admission = Admission { principal, client_id: None };
            self.engine.authenticated(now, wanted.connection, wanted.number, Ok(admission));
        }
        self.settle();
        key
    }

    /// A client takes its leave.
    pub fn disconnect(&mut self, key: ConnectionKey) {
        self.receive(key, &[0xE0, 0]);
        self.settle();
        self.engine.forget(key);
    }

    pub fn subscribe(&mut self, key: ConnectionKey, filters: &[String], qos: u8) {
        self.receive(key, &subscribe(filters, qos));
        self.settle();
    }

    pub fn receive(&mut self, key: ConnectionKey, bytes: &[u8]) {
        let used = self.engine.receive(self.now(), key, bytes);
        assert_eq!(used, bytes.len(), "the engine takes all");
    }

    /// Reads and acknowledges until there is nothing more to read or to write.
    pub fn settle(&mut self) {
        loop {
            let touched = self.engine.take_touched();
            for key in &touched {
                self.drain(*key);
            }
            let is_quiet = touched.is_empty();
            self.engine.give_touched(touched);
            let is_written = self.commit();
            if is_quiet && !is_written && !self.engine.has_more() {
                return;
            }
            let now = self.now();
            self.engine.advance(now);
        }
    }

    fn drain(&mut self, key: ConnectionKey) {
        let mut answers = std::mem::take(&mut self.answers);
        answers.clear();
        if let Some(out) = self.engine.output(key) {
            let bytes = out.contiguous().expect("small payloads are copied");
            let counts = answer(bytes, &mut answers);
            self.delivered += counts.0;
            self.acknowledged += counts.1;
            out.advance(bytes.len());
        }
        self.engine.written(key);
        if !answers.is_empty() {
            self.receive(key, &answers);
        }
        self.answers = answers;
    }

    /// Gives what is due to the journal; says whether there was something.
    fn commit(&mut self) -> bool {
        let Some((ticket, mut batch)) = self.engine.take_batch() else { return false };
        let now = self.now();
        if self.store == Store::Memory {
            self.journal.append(ticket.0, batch);
            let completions = std::mem::take(&mut *self.completions.lock().expect("nobody panics"));
            for completion in completions {
                let Completion::Committed { batch, .. } = completion else { panic!("memory does not fail") };
                self.engine.committed(now, ticket, batch);
            }
        } else {
            batch.clear();
            self.engine.committed(now, ticket, batch);
        }
        true
    }

    /// Waits until all is written that waits for company.
    pub fn write_all(&mut self) {
        while self.engine.is_writing() {
            std::thread::sleep(std::time::Duration::from_millis(1));
            let now = self.now();
            self.engine.advance(now);
            self.settle();
        }
    }
}

/// Appends the answers to whole packets; counts those of messages and those that end exchanges.
fn answer(mut bytes: &[u8], answers: &mut Vec<u8>) -> (u64, u64) {
    let (mut delivered, mut acknowledged) = (0, 0);
    while bytes.len() > 1 {
        let (head, length) = match bytes[1] {
            short @ 0..128 => (2, usize::from(short)),
            low => (3, usize::from(low & 127) + (usize::from(bytes[2]) << 7)),
        };
        let (frame, rest) = bytes.split_at(head + length);
        bytes = rest;
        let id = |at: usize| [frame[at], frame[at + 1]];
        match frame[0] >> 4 {
            3 => {
                delivered += 1;
                let after_topic = head + 2 + usize::from(u16::from_be_bytes(id(head)));
                let [high, low] = id(after_topic);
                match frame[0] >> 1 & 3 {
                    0 => {}
                    1 => answers.extend([0x40, 2, high, low]),
                    _ => answers.extend([0x50, 2, high, low]),
                }
            }
            5 => answers.extend([0x62, 2, frame[2], frame[3]]),
            6 => answers.extend([0x70, 2, frame[2], frame[3]]),
            4 | 7 => acknowledged += 1,
            _ => {}
        }
    }
    (delivered, acknowledged)
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u16).to_be_bytes());
    out.extend(text.as_bytes());
}

fn frame(first: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    let mut left = body.len();
    loop {
        let more = left > 127;
        out.push((left & 127) as u8 | u8::from(more) << 7);
        left >>= 7;
        if !more {
            break;
        }
    }
    out.extend(body);
    out
}

fn connect(id: &str, clean: bool) -> Vec<u8> {
    let mut body = Vec::new();
    text(&mut body, "MQTT");
    body.extend([4, if clean { 2 } else { 0 }, 0, 60]);
    text(&mut body, id);
    frame(0x10, &body)
}

fn subscribe(filters: &[String], qos: u8) -> Vec<u8> {
    let mut body = vec![0, 1];
    for filter in filters {
        text(&mut body, filter);
        body.push(qos);
    }
    frame(0x82, &body)
}

pub fn unsubscribe(filters: &[String]) -> Vec<u8> {
    let mut body = vec![0, 1];
    for filter in filters {
        text(&mut body, filter);
    }
    frame(0xA2, &body)
}

/// Appends a PUBLISH with a payload of 64 bytes.
pub fn publish(topic: &str, qos: u8, retain: bool, id: u16, out: &mut Vec<u8>) {
    let mut body = Vec::with_capacity(128);
    text(&mut body, topic);
    if qos > 0 {
        body.extend(id.to_be_bytes());
    }
    body.extend([b'x'; 64]);
    out.extend(frame(0x30 | qos << 1 | u8::from(retain), &body));
}
