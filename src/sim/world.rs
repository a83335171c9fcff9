//! One seed's schedule.

use super::client::{Belief, Client};
use super::node::{Node, limits};
use super::oracle::{Oracle, PACKET_MAX, payload, split_share};
use super::packet::{Heard, Hello, Letter, parse, subscribe, wish};
use super::random::Random;
use crate::engine::Options;
use crate::protocol::mqtt::codec::{SubscribeOptions, Version};

const TOPICS: [&str; 6] = ["t/a", "t/b", "t/a/x", "t/b/x", "s/a", "s/b"];
const FILTERS: [&str; 7] = ["t/a", "t/b", "t/+", "t/#", "t/+/x", "t/a/#", "t/a/x"];
const SHARES: [&str; 3] = ["$share/g/s/+", "$share/g/s/a", "$share/h/s/#"];
const EXPIRIES: [u32; 6] = [0, 30, 3600, 3600, u32::MAX, u32::MAX];

/// The client that does not take large packets.
const SMALL: usize = 4;

/// What a schedule is made of.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    pub seed: u64,
    pub steps: usize,
    pub clients: usize,
    /// In a thousand steps.
    pub crashes: usize,
    pub is_liar: bool,
}

impl Plan {
    pub fn new(seed: u64) -> Self {
        Self { seed, steps: 400, clients: 5, crashes: 12, is_liar: false }
    }
}

/// What a schedule came to.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    pub violations: Vec<String>,
    pub trace: Vec<String>,
    pub crashes: usize,
    pub deliveries: usize,
    pub obligations: usize,
}

struct World {
    plan: Plan,
    random: Random,
    node: Node,
    clients: Vec<Client>,
    oracle: Oracle,
    crashes: usize,
}

/// Runs a schedule to its end, or to the first violation.
pub fn run(plan: Plan) -> Outcome {
    let mut world = World::new(plan);
    for step in 0..plan.steps {
        world.oracle.step = step * 10;
        world.step();
        if !world.oracle.violations.is_empty() {
            break;
        }
    }
    if world.oracle.violations.is_empty() {
        world.check();
    }
    Outcome {
        violations: world.oracle.violations,
        trace: world.oracle.trace,
        crashes: world.crashes,
        deliveries: world.oracle.deliveries,
        obligations: world.oracle.obligations,
    }
}

impl World {
    fn new(plan: Plan) -> Self {
        let mut random = Random::new(plan.seed);
        let settle_ms = random.pick(&[0, 1, 5]);
        let receivers_per_tick = random.pick(&[1, 1, 2, 4096]);
        let seed = plan.seed;
        let settings = move || Options { is_durable: true, settle_ms, receivers_per_tick, seed, ..Options::default() };
        let mut node = Node::new(settings, limits());
        node.is_liar = plan.is_liar;
        let version = |number: usize| if number.is_multiple_of(2) { Version::V5 } else { Version::V4 };
        let clients = (0..plan.clients).map(|number| Client::new(number, version(number))).collect();
        Self { plan, random, node, clients, oracle: Oracle::default(), crashes: 0 }
    }

    fn note(&mut self, what: impl FnOnce() -> String) {
        self.oracle.note(what);
    }

    fn step(&mut self) {
        let number = self.random.below(self.clients.len());
        if self.random.below(1000) < self.plan.crashes {
            return self.crash();
        }
        if self.random.below(1000) < 5 {
            return self.check();
        }
        match self.random.below(100) {
            0..6 => self.write(),
            6..16 => self.report(),
            16..24 => self.pass(),
            24..28 => self.lose(number),
            28..30 => self.leave(number),
            30..32 => self.connect(number),
            32..35 => self.authenticate(),
            35..38 if self.random.chance(50) => self.node.is_lazy = !self.node.is_lazy && self.random.chance(80),
            35..38 => self.node.is_busy = !self.node.is_busy && self.random.chance(60),
            _ if self.clients[number].link.is_none() => self.connect(number),
            38..61 => self.publish(number),
            61..69 => self.subscribe(number),
            69..72 => self.unsubscribe(number),
            _ => self.converse(number),
        }
    }

    fn write(&mut self) {
        if self.node.write_batch() {
            self.note(|| "a batch is durable".into());
        }
    }

    fn report(&mut self) {
        if self.node.report_batch() || self.node.write_batch() && self.node.report_batch() {
            self.note(|| "a batch is committed".into());
        }
    }

    fn pass(&mut self) {
        let ms = if self.random.chance(6) {
            self.random.pick(&[4_000, 12_000, 31_000])
        } else {
            self.random.pick(&[1, 1, 2, 7])
        };
        self.note(|| format!("{ms} ms go by"));
        self.node.pass(ms);
    }

    fn authenticate(&mut self) {
        self.node.is_slow_to_authenticate = !self.node.is_slow_to_authenticate && self.random.chance(30);
        self.node.pump();
    }

    fn lose(&mut self, number: usize) {
        let client = &mut self.clients[number];
        if let Some(link) = client.link {
            if self.random.chance(50) {
                client.read(&mut self.node, &mut self.oracle);
            }
            if client.link.is_some() {
                self.node.lose(link);
                client.lost(&mut self.oracle, self.node.now);
                self.note(|| format!("client {number} loses its connection"));
            }
        }
    }

    fn leave(&mut self, number: usize) {
        let expiry = self.random.chance(30).then(|| self.random.pick(&EXPIRIES));
        self.note(|| format!("client {number} disconnects, expiry {expiry:?}"));
        self.clients[number].disconnect(&mut self.node, &mut self.oracle, expiry);
    }

    /// Connects, or takes over its own connection.
    fn connect(&mut self, number: usize) {
        let client = &self.clients[number];
        let is_new = client.belief == Belief::Nothing;
        let clean = client.must_clean() || self.random.chance(if is_new { 30 } else { 8 });
        let expiry = self.random.pick(&EXPIRIES);
        self.connect_as(number, clean, expiry);
    }

    fn connect_as(&mut self, number: usize, clean: bool, expiry: u32) {
        let will = self.random.chance(20).then(|| self.will(number));
        let client = &mut self.clients[number];
        // One that took less than before could not be told the end of what was under way.
        let is_small = number == SMALL;
        let receive_maximum = self.random.pick(&[None, Some(1), Some(2), Some(3), Some(10)]);
        let hello = Hello {
            version: client.version,
            clean,
            expiry,
            receive_maximum: receive_maximum.filter(|_| client.version == Version::V5),
            packet_maximum: is_small.then_some(PACKET_MAX as u32),
            keep_alive: self.random.pick(&[0, 0, 0, 5]),
            will,
            will_delay_s: self.random.pick(&[0, 0, 10]),
            ..Hello::new(&format!("c{number}"))
        };
        client.connect(&mut self.node, &mut self.oracle, hello);
        self.note(|| format!("client {number} connects, clean {clean}, expiry {expiry}, at most {receive_maximum:?}"));
    }

    fn will(&mut self, client: usize) -> Letter {
        let topic = self.random.pick(&TOPICS);
        let number = self.oracle.publish(client, topic, 1, false, false);
        self.oracle.publications[number].is_will = true;
        Letter { payload: payload(number, topic), ..Letter::new(topic, "", 1, 0) }
    }

    fn publish(&mut self, number: usize) {
        let topic = self.random.pick(&TOPICS);
        let qos = self.random.pick(&[0, 1, 1, 1, 2, 2, 2]);
        self.publish_to(number, topic, qos);
        for _ in 0..self.random.pick(&[0, 0, 0, 1, 4]) {
            self.publish_to(number, topic, qos);
        }
    }

    fn publish_to(&mut self, number: usize, topic: &str, qos: u8) {
        let retain = topic.starts_with("t/") && self.random.chance(15);
        let text = if retain && self.random.chance(45) { "clear" } else { "" };
        let letter = Letter { retain, ..Letter::new(topic, text, qos, 0) };
        let next = self.oracle.publications.len();
        self.clients[number].publish(&mut self.node, &mut self.oracle, letter);
        if self.oracle.publications.len() > next {
            self.oracle.step += 1;
            self.note(|| format!("client {number} publishes {next} to {topic}, QoS {qos}, retain {retain} {text}"));
        }
    }

    fn subscribe(&mut self, number: usize) {
        let mut options = wish(self.random.pick(&[0, 1, 1, 2, 2, 2]));
        let filter = if self.random.chance(30) {
            options = wish(1 + options.qos as u8 / 2);
            SHARES[number % SHARES.len()]
        } else {
            options.no_local = self.clients[number].version == Version::V5 && self.random.chance(15);
            options.retain_handling =
                if self.clients[number].version == Version::V5 { self.random.pick(&[0, 1, 2]) } else { 0 };
            self.random.pick(&FILTERS)
        };
        self.subscribe_to(number, filter, options);
    }

    fn subscribe_to(&mut self, number: usize, filter: &str, options: SubscribeOptions) {
        self.clients[number].subscribe(&mut self.node, &mut self.oracle, &[(filter, options)]);
        self.note(|| format!("client {number} subscribes to {filter} {options:?}"));
    }

    fn unsubscribe(&mut self, number: usize) {
        let Belief::Held(epoch) = self.clients[number].belief else { return };
        let filters: Vec<String> = self.oracle.epochs[epoch].filters.keys().cloned().collect();
        if filters.is_empty() {
            return;
        }
        let filter = filters[self.random.below(filters.len())].clone();
        // What a group has not handed out when its last member goes is nobody's: left out of these schedules.
        if split_share(&filter).0.is_none() || self.random.chance(30) {
            self.note(|| format!("client {number} unsubscribes from {filter}"));
            self.clients[number].unsubscribe(&mut self.node, &mut self.oracle, &filter);
        }
    }

    /// Reads and answers, not always everything.
    fn converse(&mut self, number: usize) {
        let client = &mut self.clients[number];
        client.read(&mut self.node, &mut self.oracle);
        let count = self.random.pick(&[0, 1, 2, 10]);
        client.reply(&mut self.node, &mut self.oracle, count);
        self.note(|| format!("client {number} reads and answers {count}"));
    }

    fn crash(&mut self) {
        self.crashes += 1;
        for number in 0..self.clients.len() {
            // What the broker has written may still arrive.
            if self.random.chance(50) {
                self.clients[number].read(&mut self.node, &mut self.oracle);
            }
        }
        self.node.crash();
        for client in &mut self.clients {
            client.crashed(&mut self.oracle, self.node.now);
        }
        self.note(|| "crash".into());
    }

    /// Lets everything come to rest with all clients connected, and looks whether all is as it must be.
    fn check(&mut self) {
        self.note(|| "check".into());
        self.drain();
        if self.oracle.violations.is_empty() {
            self.oracle.step += 1;
            self.probe();
            self.oracle.step += 1;
            self.drain();
        }
        if !self.oracle.violations.is_empty() {
            return;
        }
        self.oracle.check_delivered();
        self.check_retained();
        let counters = self.node.engine.counters();
        if counters.queued_bytes != 0 {
            self.oracle.fail(format!("{} bytes stay queued", counters.queued_bytes));
        }
        if counters.faults != 0 {
            self.oracle.fail(format!("{} faults", counters.faults));
        }
    }

    fn drain(&mut self) {
        (self.node.is_slow_to_authenticate, self.node.is_busy, self.node.is_lazy) = (false, false, false);
        self.node.pump();
        for _ in 0..400 {
            for number in 0..self.clients.len() {
                if self.clients[number].link.is_none() {
                    let is_new = self.clients[number].belief == Belief::Nothing;
                    self.connect_as(number, is_new || self.clients[number].must_clean(), u32::MAX);
                }
                let client = &mut self.clients[number];
                client.read(&mut self.node, &mut self.oracle);
                client.reply(&mut self.node, &mut self.oracle, usize::MAX);
            }
            self.node.settle();
            let is_idle = self.clients.iter().all(Client::is_idle);
            let has_output =
                self.clients.iter().any(|client| client.link.is_some_and(|link| self.node.has_output(link)));
            if is_idle && !has_output || !self.oracle.violations.is_empty() {
                self.oracle.at_rest();
                return;
            }
        }
        let waiting: Vec<_> = self.clients.iter().filter(|client| !client.is_idle()).map(Client::waits_for).collect();
        self.oracle.fail(format!("stuck: {waiting:?}"));
    }

    /// A message to each topic shows which subscriptions there are.
    fn probe(&mut self) {
        for (number, topic) in TOPICS.iter().enumerate() {
            let letter = Letter::new(topic, "", 1, 0);
            self.clients[number % self.plan.clients].publish(&mut self.node, &mut self.oracle, letter);
        }
    }

    fn check_retained(&mut self) {
        let link = self.node.connect();
        self.node.send(link, &Hello::new("probe").encode());
        self.node.send(link, &subscribe(Version::V5, 1, &[("t/#", wish(0))]));
        self.node.settle();
        let mut bytes = self.node.take(link);
        self.node.lose(link);
        let mut found = Vec::new();
        for heard in parse(&mut bytes, Version::V5) {
            if let Heard::Publish(letter) = heard
                && let Some(number) = self.oracle.known(&letter)
            {
                found.push((letter.topic, number));
            }
        }
        for topic in TOPICS.iter().filter(|topic| topic.starts_with("t/")) {
            let values: Vec<_> = found.iter().filter(|(found, _)| found == topic).collect();
            if values.len() > 1 {
                self.oracle.fail(format!("O5: {} retained values of {topic}", values.len()));
            }
            self.oracle.check_retained(topic, values.first().map(|(_, number)| *number));
        }
    }
}
