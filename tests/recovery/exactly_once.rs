//! QoS 2, raw: the broker ends in every state of an exchange, in both directions, and the message comes once.

use std::collections::HashSet;

use artemis_rs::protocol::mqtt::codec::QoS;

use super::bench::Bench;
use super::mqtt::{Client, Incoming, Message};

/// The last packet of an exchange that its sender or receiver knows of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Publish,
    Pubrec,
    Pubrel,
    Pubcomp,
}

const STEPS: [Step; 4] = [Step::Publish, Step::Pubrec, Step::Pubrel, Step::Pubcomp];

/// How the broker ends, and whether it had the time to handle what came last.
#[derive(Debug, Clone, Copy)]
struct End {
    is_power_cut: bool,
    is_handled: bool,
}

fn ends() -> impl Iterator<Item = End> {
    let ends = [(false, false), (false, true), (true, false), (true, true)];
    ends.into_iter().map(|(is_power_cut, is_handled)| End { is_power_cut, is_handled })
}

impl End {
    fn come(self, client: &mut Client, bench: &mut Bench) {
        if self.is_handled {
            client.ping();
        }
        if self.is_power_cut { bench.cut() } else { bench.kill() }
    }
}

#[test]
fn from_a_publisher_that_pauses_in_each_state() {
    let mut bench = Bench::new("exactly-once-inbound");
    for end in ends() {
        for step in STEPS {
            bench.absent("absent", "topic", QoS::ExactlyOnce);
            publish_and_end(&mut bench, step, end);
            resume_publisher(&mut bench, step);
            let mut receiver = Receiver::default();
            receiver.run(&mut bench.client("absent"), "two");
            assert_eq!(receiver.arrivals, ["one", "two"], "{step:?}, {end:?}");
        }
    }
}

fn publish_and_end(bench: &mut Bench, step: Step, end: End) {
    let mut publisher = bench.client("publisher");
    publisher.publish(&Message::exactly_once("topic", "one", 5)).unwrap();
    if step >= Step::Pubrec {
        publisher.expect(Incoming::PubRec(5, 0));
    }
    if step >= Step::Pubrel {
        publisher.pubrel(5).unwrap();
    }
    if step >= Step::Pubcomp {
        publisher.expect(Incoming::PubComp(5, 0));
    }
    end.come(&mut publisher, bench);
}

/// Goes on where the connection broke, then uses the packet id for another message.
fn resume_publisher(bench: &mut Bench, step: Step) {
    let mut publisher = bench.client("publisher");
    assert!(publisher.present || step == Step::Publish);
    match step {
        Step::Publish => publisher.deliver(&Message::exactly_once("topic", "one", 5).again()),
        // Perhaps PUBREC was lost on its way: the publisher begins again.
        Step::Pubrec => {
            publisher.publish(&Message::exactly_once("topic", "one", 5).again()).unwrap();
            publisher.expect(Incoming::PubRec(5, 0));
            publisher.release(5);
        }
        Step::Pubrel => publisher.release(5),
        Step::Pubcomp => {}
    }
    publisher.deliver(&Message::exactly_once("topic", "two", 5));
    publisher.disconnect();
}

#[test]
fn to_a_subscriber_that_pauses_in_each_state() {
    let mut bench = Bench::new("exactly-once-outbound");
    for end in ends() {
        for step in STEPS {
            bench.absent("subscriber", "topic", QoS::ExactlyOnce);
            bench.client("publisher").deliver(&Message::exactly_once("topic", "one", 5));
            let mut receiver = Receiver::default();
            let id = receive_and_end(&mut bench, &mut receiver, step, end);
            bench.client("publisher").deliver(&Message::exactly_once("topic", "two", 5));
            let mut subscriber = bench.client("subscriber");
            assert!(subscriber.present);
            receiver.run(&mut subscriber, "two");
            assert_eq!(receiver.arrivals, ["one", "two"], "{step:?}, {end:?}");
            let is_again = receiver.repeated.contains(&id);
            assert!(is_again || step > Step::Publish, "{end:?}: {id} is not repeated");
            assert!(!is_again || step < Step::Pubrel, "{step:?}, {end:?}: {id} is repeated");
        }
    }
}

/// Takes the first message as far as `step`; gives back its packet id.
fn receive_and_end(bench: &mut Bench, receiver: &mut Receiver, step: Step, end: End) -> u16 {
    let mut subscriber = bench.client("subscriber");
    let message = subscriber.message();
    let id = message.packet_id;
    receiver.take(&message);
    if step >= Step::Pubrec {
        subscriber.pubrec(id).unwrap();
    }
    if step >= Step::Pubrel {
        subscriber.expect(Incoming::PubRel(id, 0));
        receiver.unreleased.remove(&id);
    }
    if step >= Step::Pubcomp {
        subscriber.pubcomp(id).unwrap();
    }
    end.come(&mut subscriber, bench);
    if step == Step::Pubrel {
        // It has not answered yet, and is asked again.
        receiver.unreleased.insert(id);
    }
    id
}

/// A receiver's side of QoS 2 that outlives connections.
#[derive(Debug, Default)]
struct Receiver {
    arrivals: Vec<String>,
    unreleased: HashSet<u16>,
    /// Packet ids of messages that came again.
    repeated: HashSet<u16>,
}

impl Receiver {
    fn take(&mut self, message: &Message) {
        if self.unreleased.insert(message.packet_id) {
            self.arrivals.push(message.text());
        } else {
            assert!(message.dup);
            self.repeated.insert(message.packet_id);
        }
    }

    /// Goes on until the last message has come and every exchange is complete.
    fn run(&mut self, client: &mut Client, last: &str) {
        while !self.unreleased.is_empty() || self.arrivals.last().is_none_or(|arrived| arrived != last) {
            match client.next() {
                Incoming::Publish(message) => {
                    self.take(&message);
                    client.pubrec(message.packet_id).unwrap();
                }
                Incoming::PubRel(id, _) => {
                    self.unreleased.remove(&id);
                    client.pubcomp(id).unwrap();
                }
                other => panic!("a receiver does not get {other:?}"),
            }
        }
        client.ping();
    }
}
