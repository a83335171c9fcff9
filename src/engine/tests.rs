//! Scripts of packets against the engine: what the simulation does not pin down.

mod access;
mod addresses;
mod attacks;
mod bounds;
mod capabilities;
mod chance;
mod departure;
mod durability;
mod expiry;
mod lengthy;
mod limits;
mod names;
mod overlap;
mod own;
mod permits;
mod reasons;
mod reconfigure;
mod refused;
mod repeated;
mod reserved;
mod rights;
mod routing;
mod sessions;
mod shared;
mod wills;

use super::{Options, Terms};
use crate::protocol::mqtt::Limits;
use crate::protocol::mqtt::codec::{self, AckKind, Packet, SubscribeOptions, Version};
use crate::sim::node::{LinkId, Node, limits, peer};
use crate::sim::packet::{self, Heard, Hello, Letter, wish};

/// How long a batch waits for its messages to be settled.
const SETTLE_MS: u64 = 5;

/// A broker and its clients, packet by packet.
struct Script {
    node: Node,
}

/// A client's connection.
#[derive(Debug, Clone, Copy)]
struct Seat {
    link: LinkId,
    version: Version,
}

fn options() -> Options {
    Options { is_durable: true, settle_ms: SETTLE_MS, ..Options::default() }
}

/// A client of MQTT 5 whose session outlives its connection.
fn lasting(id: &str) -> Hello {
    Hello { clean: false, expiry: 3600, ..Hello::new(id) }
}

/// A client of MQTT 5 whose session ends with its connection.
fn passing(id: &str) -> Hello {
    Hello::new(id)
}

impl Script {
    fn new() -> Self {
        Self::with(options, limits())
    }

    fn with(options: impl Fn() -> Options + 'static, limits: Limits) -> Self {
        Self { node: Node::new(options, limits) }
    }

    /// Sends a CONNECT.
    fn connect(&mut self, hello: &Hello) -> Seat {
        let link = self.node.connect();
        self.node.send(link, &hello.encode());
        Seat { link, version: hello.version }
    }

    /// Connects a client that the broker does not know.
    fn join(&mut self, hello: &Hello) -> Seat {
        self.enter(hello, false)
    }

    /// Connects a client that the broker knows.
    fn rejoin(&mut self, hello: &Hello) -> Seat {
        self.enter(hello, true)
    }

    fn enter(&mut self, hello: &Hello, present: bool) -> Seat {
        let seat = self.connect(hello);
        let heard = self.hears(seat);
        assert_eq!(heard.first(), Some(&Heard::ConnAck { present, code: 0 }), "{heard:?}");
        // What came with it is for the test to read.
        self.unread(seat, &heard[1..]);
        seat
    }

    fn unread(&mut self, seat: Seat, heard: &[Heard]) {
        assert!(heard.iter().all(|heard| matches!(heard, Heard::Publish(_))), "{heard:?}");
        for letter in
            heard.iter().filter_map(|heard| if let Heard::Publish(letter) = heard { Some(letter) } else { None })
        {
            self.node.put_back(seat.link, &letter.encode(seat.version));
        }
    }

    /// Subscribes, and waits until that is durable.
    fn subscribe(&mut self, seat: Seat, filter: &str, qos: u8) {
        self.subscribe_with(seat, filter, wish(qos));
    }

    fn subscribe_with(&mut self, seat: Seat, filter: &str, options: SubscribeOptions) {
        self.send(seat, &packet::subscribe(seat.version, 999, &[(filter, options)]));
        self.node.settle();
        let heard = self.hears(seat);
        assert_eq!(heard.first(), Some(&Heard::SubAck(999, vec![options.qos as u8])));
        self.unread(seat, &heard[1..]);
    }

    fn send(&mut self, seat: Seat, bytes: &[u8]) {
        self.node.send(seat.link, bytes);
    }

    fn publish(&mut self, seat: Seat, letter: &Letter) {
        self.send(seat, &letter.encode(seat.version));
    }

    fn ack(&mut self, seat: Seat, kind: AckKind, id: u16) {
        self.send(seat, &packet::ack(seat.version, kind, id));
    }

    /// What has come since the last time.
    fn hears(&mut self, seat: Seat) -> Vec<Heard> {
        packet::parse(&mut self.node.take(seat.link), seat.version)
    }

    /// Messages that have come since the last time, and nothing else did: payload, QoS, packet id, DUP.
    fn messages(&mut self, seat: Seat) -> Vec<(String, u8, u16, bool)> {
        let heard = self.hears(seat);
        let message = |heard: &Heard| match heard {
            Heard::Publish(letter) => {
                (String::from_utf8_lossy(&letter.payload).into_owned(), letter.qos, letter.id, letter.dup)
            }
            other => panic!("{other:?} among the messages"),
        };
        heard.iter().map(message).collect()
    }

    /// Payloads of the messages that have come, which are all that has come.
    fn payloads(&mut self, seat: Seat) -> Vec<String> {
        self.messages(seat).into_iter().map(|(payload, ..)| payload).collect()
    }

    /// How often something was refused for a limit.
    fn refused(&self, limit: &str) -> u64 {
        let reports = self.node.engine.limit_reports();
        reports.iter().find(|report| report.name == limit).expect("a limit of this name").refused
    }

    /// Holds the connections from now on to these terms.
    fn set_terms(&mut self, terms: Terms) {
        self.node.peer = peer(terms).into();
    }

    /// The properties of the packets that have come since the last time.
    fn properties(&mut self, seat: Seat) -> Vec<String> {
        let mut bytes = self.node.take(seat.link);
        let mut properties = Vec::new();
        while let Ok(Some(length)) = codec::frame_length(&bytes, usize::MAX) {
            let frame: Vec<u8> = bytes.drain(..length).collect();
            let found = match codec::decode(&frame, seat.version).expect("well-formed") {
                Packet::ConnAck(packet) => packet.properties,
                Packet::Publish(packet) => packet.properties,
                Packet::PubAck(packet) | Packet::PubRec(packet) | Packet::PubComp(packet) => packet.properties,
                Packet::SubAck(packet) => packet.properties,
                Packet::UnsubAck(packet) => packet.properties,
                Packet::Disconnect(packet) => packet.properties,
                other => panic!("{other:?}"),
            };
            properties.extend(found.iter().map(|property| format!("{property:?}")));
        }
        properties
    }

    fn lose(&mut self, seat: Seat) {
        self.node.lose(seat.link);
    }

    /// The journal takes the open batch, and has it durable only when told.
    fn begin_to_write(&mut self) {
        self.node.pass(SETTLE_MS);
        assert_eq!(self.node.journal.waiting(), 1);
    }

    /// Takes a client to the broker's side of an acknowledged QoS 2 message.
    fn receive_twice(&mut self, seat: Seat, id: u16) {
        self.ack(seat, AckKind::PubRec, id);
        self.node.settle();
        assert_eq!(self.hears(seat), [Heard::PubRel(id, 0)]);
        self.ack(seat, AckKind::PubComp, id);
        self.node.settle();
    }
}
