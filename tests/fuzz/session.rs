//! Clients that send anything in any order, to a broker that crashes and is slow to write. It keeps its side of the
//! protocol, comes to rest, answers everything, and in the end nothing is left of them.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use artemis_rs::core::address::Syntax;
use artemis_rs::engine::Options;
use artemis_rs::protocol::Expiry;
use artemis_rs::protocol::mqtt::codec::{QoS, Version, frame_length};
use artemis_rs::protocol::mqtt::topic::Translation;
use artemis_rs::protocol::mqtt::{KeepAlive, Limits};
use artemis_rs::store::Journal;

use super::choices::Choices;
use super::client::{Client, Memory};
use super::node::{Node, limits};
use super::packet;

const STEPS_MAX: usize = 160;
const SEATS: usize = 4;
const IDS: [&str; 4] = ["a", "b", "c", ""];
const TIMES_MS: [u64; 6] = [1, 5, 100, 1_500, 20_000, 3_700_000];
/// Bytes that a step may cause for each message so far and each client.
const OUTPUT_MAX: usize = 512;

/// A broker and those who are connected to it.
struct World {
    node: Node,
    seats: [Option<Client>; SEATS],
    /// What clients did in all their connections, by client id.
    memories: BTreeMap<String, Rc<RefCell<Memory>>>,
    limits: Limits,
    sent: usize,
}

pub fn fuzz(data: &[u8]) {
    let mut choices = Choices::new(data);
    let mut world = World::new(permissions(&mut choices));
    for _ in 0..STEPS_MAX {
        if choices.is_empty() {
            break;
        }
        world.step(&mut choices);
    }
    world.answer_everything();
    world.leave_nothing();
}

fn permissions(choices: &mut Choices<'_>) -> Limits {
    let (receive_maximum, topic_alias_maximum) =
        (choices.pick(&[Some(20), None, Some(2)]), choices.pick(&[Some(10), None]));
    let (maximum_packet_size, times, bits) = (choices.pick(&[None, Some(100)]), choices.byte(), choices.byte());
    let is_off = |bit: u8| bits >> bit & 1 == 1;
    Limits {
        receive_maximum,
        topic_alias_maximum,
        maximum_packet_size,
        keep_alive: [KeepAlive::Client, KeepAlive::Off, KeepAlive::AtMost(10)][usize::from(times % 3)],
        maximum_qos: [QoS::ExactlyOnce, QoS::ExactlyOnce, QoS::AtLeastOnce, QoS::AtMostOnce][usize::from(times >> 6)],
        maximum_expiry: if times & 32 == 0 { Expiry::NEVER } else { Expiry(10) },
        may_take_over: bits % 8 != 1,
        retain_available: !is_off(3),
        wildcards_available: !is_off(4),
        shared_available: !is_off(5),
        identifiers_available: !is_off(6),
        checks_payloads: is_off(7),
        ..limits()
    }
}

impl World {
    fn new(limits: Limits) -> Self {
        let starts = Cell::new(0);
        let options = move || {
            // As with the broker itself: an assigned client id is none of those before a restart.
            starts.set(starts.get() + 1);
            Options { is_durable: true, settle_ms: 5, seed: starts.get(), ..Options::default() }
        };
        let (seats, memories) = (Default::default(), BTreeMap::new());
        Self { node: Node::new(options, limits.clone()), seats, memories, limits, sent: 0 }
    }

    fn step(&mut self, choices: &mut Choices<'_>) {
        let (choice, seat) = (choices.below(32), choices.below(SEATS));
        match choice {
            0..=3 => self.connect(seat, choices),
            4 => self.lose(seat),
            5 => self.node.pass(choices.pick(&TIMES_MS)),
            6..=8 => self.write(choices.byte()),
            9 if choices.below(4) == 1 => self.crash(),
            9 => self.node.settle(),
            10..=12 => self.acknowledge(seat, choices.byte()),
            choice => {
                let Some(client) = &self.seats[seat] else { return };
                let bytes = packet::any(choice, client.version, choices);
                self.send(seat, &bytes);
            }
        }
        self.collect();
    }

    /// A new connection in a seat; the one before is lost without a word, or stays if it is another's.
    fn connect(&mut self, seat: usize, choices: &mut Choices<'_>) {
        self.lose(seat);
        let hello = packet::connect(choices.pick(&IDS), choices);
        self.enter(seat, &hello);
    }

    fn enter(&mut self, seat: usize, hello: &[u8]) {
        self.lose(seat);
        self.seats[seat] = Some(Client::new(self.node.connect(), &self.limits));
        self.send(seat, hello);
    }

    fn lose(&mut self, seat: usize) {
        if let Some(client) = self.seats[seat].take() {
            self.node.lose(client.link);
        }
        self.collect();
    }

    fn crash(&mut self) {
        self.node.crash();
        self.seats = Default::default();
    }

    /// The journal gets on.
    fn write(&mut self, what: u8) {
        if what & 1 == 0 {
            self.node.write_batch();
        }
        if what & 2 == 0 {
            self.node.report_batch();
        }
    }

    /// A client sends bytes; whole packets arrive, one by one.
    fn send(&mut self, seat: usize, bytes: &[u8]) {
        if let Some(client) = &mut self.seats[seat] {
            client.unsent.extend_from_slice(bytes);
        }
        while let Some(client) = self.seats[seat].as_mut().filter(|client| !client.is_over) {
            let length = match frame_length(&client.unsent, client.limit()) {
                Ok(Some(length)) if length <= client.unsent.len() => length,
                Ok(_) => return,
                Err(_) => client.unsent.len(),
            };
            let frame: Vec<u8> = client.unsent.drain(..length).collect();
            let must_end = client.sends(&frame, &mut self.memories);
            let link = client.link;
            self.node.send(link, &frame);
            self.sent += 1;
            assert!(!must_end || self.node.is_over(link), "the connection goes on after {frame:02x?}");
            self.collect();
        }
    }

    /// Everybody reads what has come; those whose connection is over first.
    fn collect(&mut self) {
        let mut total = 0;
        for are_over in [true, false] {
            for client in self.seats.iter_mut().flatten() {
                if self.node.is_over(client.link) == are_over {
                    let bytes = self.node.take(client.link);
                    total += bytes.len();
                    client.hears(&bytes, are_over, &mut self.memories);
                }
            }
        }
        assert!(total <= (self.sent + 8) * SEATS * OUTPUT_MAX, "{total} bytes at once");
        assert_eq!(self.node.engine.counters().faults, 0);
    }

    /// Acknowledges what is under way to a client, as its broker expects: the oldest, or all.
    fn acknowledge(&mut self, seat: usize, how: u8) {
        let count = if how & 1 == 0 { 1 } else { usize::MAX };
        let Some(client) = &self.seats[seat] else { return };
        for bytes in client.acknowledgements(count) {
            self.send(seat, &bytes);
        }
    }

    /// Whoever is still there got an answer to each of its packets, once the journal has written all.
    fn answer_everything(&mut self) {
        // Who stopped in the middle of a packet has nothing more to say.
        let is_stuck = |seat: &usize| self.seats[*seat].as_ref().is_some_and(|client| !client.unsent.is_empty());
        (0..SEATS).filter(is_stuck).collect::<Vec<_>>().into_iter().for_each(|seat| self.lose(seat));
        for _ in 0..10_000 {
            self.node.settle();
            self.collect();
            let owing = (0..SEATS).find(|seat| {
                let client = self.seats[*seat].as_ref().filter(|client| !client.is_over);
                client.is_some_and(|client| !client.in_flight.is_empty())
            });
            let Some(seat) = owing else {
                self.seats.iter().flatten().filter(|client| !client.is_over).for_each(Client::owes_nothing);
                return;
            };
            self.acknowledge(seat, 1);
        }
        panic!("messages come without end");
    }

    /// Sessions that are ended and retained messages that are cleared leave nothing, in memory and in the journal.
    fn leave_nothing(&mut self) {
        (0..SEATS).for_each(|seat| self.lose(seat));
        for id in self.memories.keys().cloned().collect::<Vec<_>>() {
            self.enter(0, &packet::clean_start(&id));
            self.send(0, &packet::disconnect());
        }
        self.let_time_pass();
        self.clear_retained();
        self.let_time_pass();
        self.lose(0);
        assert_eq!(self.node.engine.queue_reports(), []);
        assert_eq!(self.node.engine.counters().queued_bytes, 0);
        let mut keys = Vec::new();
        let mut visit = |key: &[u8], _: &[u8]| {
            keys.push(key.to_vec());
            Ok(())
        };
        self.node.journal.scan(b"", &mut visit).expect("the journal can be read");
        keys.retain(|key| key != b"a"); // the sign of life
        assert_eq!(keys, Vec::<Vec<u8>>::new());
    }

    /// Until every will is sent, and every scan done.
    fn let_time_pass(&mut self) {
        for _ in 0..3 {
            self.node.settle();
            self.node.pass(60_000);
        }
        self.node.settle();
    }

    fn clear_retained(&mut self) {
        self.enter(0, &packet::clean_start("sweeper"));
        let translation = Translation::new(Syntax::default());
        for report in self.node.engine.queue_reports() {
            if let Some(address) = report.address.strip_prefix("$sys.mqtt.retain.") {
                self.send(0, &packet::publish(&translation.topic(address), QoS::AtMostOnce, Version::V5));
            }
        }
        self.send(0, &packet::disconnect());
        self.node.settle();
    }
}
