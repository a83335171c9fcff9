//! A broker under load, cycle after cycle, and the oracle that says whether it kept its promises.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use artemis_rs::protocol::mqtt::codec::QoS;

use super::broker::{Broker, Instance};
use super::load::{Churner, Goal, MARKER, Publisher, Subscriber};
use super::mqtt::{Client, Login, Message};
use super::payload::{self, Number};
use super::random::Random;

const PUBLISHERS: u16 = 3;

/// The clients of one instance.
#[derive(Debug)]
pub struct World {
    pub instance: Instance,
    qos: QoS,
    publishers: Vec<Publisher>,
    subscribers: Vec<Subscriber>,
    churner: Churner,
    drains: u64,
    complaints: Vec<String>,
}

impl World {
    /// Clients that publish and subscribe with this QoS.
    pub fn new(instance: Instance, qos: QoS, random: &mut Random) -> Self {
        let publisher = |id| Publisher::new(id, qos, 4 << (2 * id), random.fork());
        let publishers = (0..PUBLISHERS).map(publisher).collect();
        let subscribers = vec![
            Subscriber::new("prompt", &["load/#"], true, 0),
            Subscriber::new("late", &["load/#", "load/+"], true, 40),
            Subscriber::new("absent", &["load/1", "load/#"], false, 0),
            Subscriber::new("picky", &["load/2"], false, 0),
            Subscriber::new("member-1", &["$share/group/load/#"], true, 10),
            Subscriber::new("member-2", &["$share/group/load/#"], false, 0),
        ];
        let churner = Churner::new(random.fork());
        Self { instance, qos, publishers, subscribers, churner, drains: 0, complaints: Vec::new() }
    }

    /// Makes the subscriptions.
    pub fn prepare(&mut self) {
        let broker = self.instance.start();
        self.subscribers.iter().for_each(|subscriber| subscriber.subscribe(broker.address, self.qos));
        assert!(broker.stop().success());
    }

    /// Runs a broker until so many messages are acknowledged; then `end` ends it under full load.
    pub fn cycle(&mut self, acks: u64, end: impl FnOnce(Broker)) {
        let count = self.run(acks, end);
        if count < acks {
            self.complaints.push(format!("the broker ended by itself: {count} of {acks} messages are acknowledged"));
        }
    }

    /// Runs a broker that is expected to end by itself, which `end` sees.
    pub fn cycle_to_failure(&mut self, end: impl FnOnce(Broker)) {
        const ACKS_MAX: u64 = 100_000;
        self.run(ACKS_MAX, end);
    }

    /// Gives back how many messages were acknowledged.
    fn run(&mut self, acks: u64, end: impl FnOnce(Broker)) -> u64 {
        let broker = self.instance.start();
        let address = broker.address;
        let (sender, receiver) = channel();
        thread::scope(|scope| {
            for publisher in &mut self.publishers {
                let sender = sender.clone();
                scope.spawn(move || publisher.run(address, Goal::Crash, &sender));
            }
            drop(sender);
            for subscriber in self.subscribers.iter_mut().filter(|subscriber| subscriber.is_online) {
                scope.spawn(move || subscriber.run(address, Goal::Crash));
            }
            scope.spawn(|| self.churner.run(address, Goal::Crash));
            let count = count(&receiver, acks);
            end(broker);
            count
        })
    }

    /// Lets every client finish what it began.
    pub fn drain(&mut self) {
        self.drains += 1;
        let broker = self.instance.start();
        let (address, goal, qos) = (broker.address, Goal::Finish(self.drains), self.qos);
        let (sender, _receiver) = channel();
        let waiting = AtomicUsize::new(self.subscribers.len());
        thread::scope(|scope| {
            for subscriber in &mut self.subscribers {
                let waiting = &waiting;
                scope.spawn(move || {
                    let ended = subscriber.run(address, goal);
                    waiting.fetch_sub(1, Ordering::Relaxed);
                    ended.expect("a broker");
                });
            }
            finish(&mut self.publishers, address, goal, &sender);
            mark(address, qos, self.drains, &waiting);
            self.churner.run(address, goal).expect("a broker");
        });
        assert!(broker.stop().success());
    }

    /// All that is wrong; call it after a drain.
    pub fn violations(&self) -> Vec<String> {
        let mut violations = self.complaints.clone();
        violations.extend(self.publishers.iter().flat_map(|publisher| publisher.complaints.clone()));
        violations.extend(self.subscribers.iter().flat_map(|subscriber| subscriber.complaints.clone()));
        violations.extend(self.churner.complaints.clone());
        let (members, others): (Vec<_>, Vec<_>) =
            self.subscribers.iter().partition(|subscriber| subscriber.filters[0].starts_with("$share"));
        for subscriber in others {
            self.judge(&subscriber.name, subscriber.filters.contains(&"load/#"), &subscriber.arrivals, &mut violations);
            self.judge_order(subscriber, &mut violations);
        }
        let shared: Vec<Number> = members.iter().flat_map(|member| member.arrivals.clone()).collect();
        self.judge("the group", true, &shared, &mut violations);
        violations
    }

    /// What was acknowledged has arrived, with QoS 2 once, and nothing that was never sent.
    fn judge(&self, name: &str, takes_all: bool, arrivals: &[Number], violations: &mut Vec<String>) {
        let mut times: HashMap<Number, usize> = HashMap::new();
        arrivals.iter().for_each(|number| *times.entry(*number).or_default() += 1);
        for publisher in &self.publishers {
            let id = publisher.id;
            if !takes_all && id != 2 {
                continue;
            }
            let is_missing = |count: &u64| !times.contains_key(&Number { publisher: id, count: *count });
            let missing: Vec<u64> = publisher.acknowledged.iter().copied().filter(is_missing).collect();
            if let (Some(first), Some(last)) = (missing.first(), missing.last()) {
                let count = missing.len();
                violations.push(format!("{name}: {count} acknowledged messages of {id} are lost, {first} to {last}"));
            }
        }
        let is_known = |number: &Number| {
            let publisher = self.publishers.iter().find(|publisher| publisher.id == number.publisher);
            publisher.is_some_and(|publisher| number.count < publisher.next) && (takes_all || number.publisher == 2)
        };
        let foreign = times.keys().filter(|number| !is_known(number));
        violations.extend(foreign.map(|number| format!("{name}: {number:?} was never sent here")));
        if self.qos == QoS::ExactlyOnce {
            let twice = times.iter().filter(|(_, times)| **times > 1);
            violations.extend(twice.map(|(number, times)| format!("{name}: {number:?} came {times} times")));
        }
    }

    /// What a publisher sent arrives for the first time in the order of sending.
    fn judge_order(&self, subscriber: &Subscriber, violations: &mut Vec<String>) {
        let (mut seen, mut last) = (HashSet::new(), HashMap::new());
        for number in subscriber.arrivals.iter().filter(|number| seen.insert(**number)) {
            let last = last.entry(number.publisher).or_insert(0);
            if number.count < *last {
                violations.push(format!("{}: {number:?} first came after {last}", subscriber.name));
            }
            *last = number.count.max(*last);
        }
    }
}

/// Waits for acknowledgements, or for the end of all who could report one.
fn count(acks: &Receiver<()>, enough: u64) -> u64 {
    (0..enough).take_while(|_| acks.recv().is_ok()).count() as u64
}

fn finish(publishers: &mut [Publisher], address: SocketAddr, goal: Goal, acks: &Sender<()>) {
    for publisher in publishers {
        publisher.run(address, goal, acks).expect("a broker");
    }
}

/// Publishes markers until every subscriber has got one: in a group each goes to one member only.
fn mark(address: SocketAddr, qos: QoS, drain: u64, waiting: &AtomicUsize) {
    let mut client = Client::open(address, &Login::fleeting("marker"));
    let marker = payload::payload(Number { publisher: MARKER, count: drain }, 0);
    for id in (0..PUBLISHERS).cycle() {
        if waiting.load(Ordering::Relaxed) == 0 {
            break;
        }
        client.deliver(&Message { qos, packet_id: 1, ..Message::new(&format!("load/{id}"), &marker) });
    }
    client.disconnect();
}
