//! The engine with its MQTT sessions, without sockets and disk: deliveries per second, memory per thing. Reported, never
//! asserted.
//!
//! `cargo bench --bench engine -- [NAME-PREFIX]... [--seconds N] [--count N] [--million]`; a count makes runs comparable
//! under callgrind.

#[path = "engine/world.rs"]
mod world;

use std::time::{Duration, Instant};

use artemis_rs::engine::ConnectionKey;
use world::{Store, World, publish, unsubscribe};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Messages of one connection in one read.
const BATCH: u16 = 16;
const PAIRS: usize = 50;

struct Bench {
    wanted: Vec<String>,
    time: Duration,
    /// Deliveries after which live traffic ends, whatever the time.
    count: u64,
    million: bool,
}

/// Each runs in a process of its own: what one leaves in the allocator would hide what the next takes.
const GROUPS: [&str; 8] =
    ["p2p", "fan-out", "subscribe-100000", "subscribe-1000000", "resubscribe", "connect", "offline", "retained"];

fn main() {
    let bench = Bench::from_arguments();
    if bench.wanted.is_empty() {
        println!("{:<34} {:>12} {:>10}", "scenario", "per second", "ns each");
        bench.run_groups();
    } else {
        bench.run();
    }
}

/// Resident bytes.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    text.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4096
}

fn report(name: &str, count: u64, time: Duration) {
    let each = time.as_secs_f64() / count as f64;
    println!("{name:<34} {:>12.0} {:>10.1}", 1.0 / each, each * 1e9);
}

fn report_bytes(name: &str, count: usize, before: u64) {
    println!("{name:<34} {:>12} {:>10.1} bytes each", "", resident().saturating_sub(before) as f64 / count as f64);
}

fn topic(number: usize) -> String {
    format!("site/{}/device/{}/value", number / 1000, number % 1000)
}

impl Bench {
    fn from_arguments() -> Self {
        let mut bench = Self { wanted: Vec::new(), time: Duration::from_secs(1), count: u64::MAX, million: false };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut number = || arguments.next().and_then(|text| text.parse::<f64>().ok()).expect("a number");
            match argument.as_str() {
                "--bench" => {}
                "--million" => bench.million = true,
                "--seconds" => bench.time = Duration::from_secs_f64(number()),
                "--count" => bench.count = number() as u64,
                _ => bench.wanted.push(argument),
            }
        }
        bench
    }

    fn run_groups(&self) {
        let program = std::env::current_exe().expect("the path of this program");
        for group in GROUPS.iter().filter(|group| self.million || !group.ends_with("1000000")) {
            let seconds = self.time.as_secs_f64().to_string();
            let status = std::process::Command::new(&program).args([group, "--seconds", &seconds]).status();
            if !status.is_ok_and(|status| status.success()) {
                println!("{group:<34} failed");
            }
        }
    }

    fn run(&self) {
        for store in [Store::None, Store::Instant] {
            for qos in 0..=2 {
                self.live(&format!("p2p-qos{qos}"), store, qos, PAIRS, 1);
            }
            for qos in 0..=1 {
                self.live(&format!("fan-out-100-qos{qos}"), store, qos, 1, 100);
                self.live(&format!("fan-out-1000-qos{qos}"), store, qos, 1, 1000);
            }
        }
        self.filters(100_000);
        self.filters(1_000_000);
        self.resubscribe(10_000);
        self.connections(10_000);
        for store in [Store::None, Store::Instant, Store::Memory] {
            self.offline(store, 100_000);
        }
        self.retained(100_000);
    }

    fn wants(&self, name: &str) -> bool {
        self.wanted.iter().any(|wanted| name.starts_with(wanted.as_str()))
    }

    /// Publishers with so many receivers each, everybody with a session that is kept where there is a journal.
    fn live(&self, name: &str, store: Store, qos: u8, publishers: usize, receivers: usize) {
        let name = format!("{name}{}", if store == Store::None { "" } else { "-durable" });
        if !self.wants(&name) {
            return;
        }
        let mut world = World::new(store);
        let mut senders = Vec::new();
        for number in 0..publishers {
            for receiver in 0..receivers {
                let key = world.connect(&format!("receiver-{number}-{receiver}"), store == Store::None);
                world.subscribe(key, &[topic(number)], qos);
            }
            let mut packets = Vec::new();
            (1..=BATCH).for_each(|id| publish(&topic(number), qos, false, id, &mut packets));
            senders.push((world.connect(&format!("sender-{number}"), true), packets));
        }
        let rounds = |world: &mut World, time: Duration| {
            let (before, start) = (world.delivered, Instant::now());
            while start.elapsed() < time && world.delivered - before < self.count {
                for (key, packets) in &senders {
                    world.receive(*key, packets);
                }
                world.settle();
            }
            (world.delivered - before, start.elapsed())
        };
        rounds(&mut world, self.time / 4);
        let (count, time) = rounds(&mut world, self.time);
        report(&name, count, time);
    }

    /// Many filters: how fast they are made, what they weigh, how fast messages find one of them.
    fn filters(&self, count: usize) {
        let name = format!("subscribe-{count}");
        // One of 100,000 is not meant by the name of one of a million.
        if !self.wanted.contains(&name) {
            return;
        }
        let mut world = World::new(Store::None);
        let keys: Vec<_> = (0..100).map(|number| world.connect(&format!("client-{number}"), true)).collect();
        let filters: Vec<Vec<String>> =
            (0..count / 100).map(|packet| (0..100).map(|number| topic(packet * 100 + number)).collect()).collect();
        let (before, start) = (resident(), Instant::now());
        for (packet, filters) in filters.iter().enumerate() {
            world.subscribe(keys[packet % keys.len()], filters, 0);
        }
        report(&name, count as u64, start.elapsed());
        report_bytes(&name, count, before);
        let sender = world.connect("sender", true);
        self.route(&format!("route-few-of-{count}"), &mut world, sender, 1000);
        self.route(&format!("route-all-of-{count}"), &mut world, sender, count);
    }

    /// Publishes to topics in turn.
    fn route(&self, name: &str, world: &mut World, sender: ConnectionKey, topics: usize) {
        let mut packets = vec![Vec::new(); topics / 10];
        for number in 0..topics {
            // Neighbours in time are not neighbours in name.
            let number = number * 7919 % topics;
            publish(&topic(number), 0, false, 0, &mut packets[number / 10 % (topics / 10)]);
        }
        let (before, start) = (world.delivered, Instant::now());
        while start.elapsed() < self.time {
            for packet in &packets {
                world.receive(sender, packet);
                world.settle();
            }
        }
        report(name, world.delivered - before, start.elapsed());
    }

    /// Subscribes and unsubscribes beside many others, while their routes are cached.
    fn resubscribe(&self, count: usize) {
        let name = format!("resubscribe-beside-{count}");
        if !self.wants(&name) {
            return;
        }
        let mut world = World::new(Store::None);
        let (others, key) = (world.connect("others", true), world.connect("one", true));
        let mut packets = Vec::new();
        for number in 0..count {
            world.subscribe(others, &[topic(number)], 0);
            publish(&topic(number), 0, false, 0, &mut packets);
        }
        world.receive(key, &packets);
        world.settle();
        let (mut pairs, start) = (0, Instant::now());
        while start.elapsed() < self.time {
            let filter = [topic(pairs as usize % count)];
            world.subscribe(key, &filter, 0);
            world.receive(key, &unsubscribe(&filter));
            world.settle();
            pairs += 1;
        }
        report(&name, pairs, start.elapsed());
    }

    /// Clients that come, stay and leave.
    fn connections(&self, count: usize) {
        if !self.wants("connect") {
            return;
        }
        let mut world = World::new(Store::None);
        let first: Vec<_> = (0..count).map(|number| world.connect(&format!("first-{number}"), true)).collect();
        let before = resident();
        let keys: Vec<_> = (0..count).map(|number| world.connect(&format!("client-{number}"), true)).collect();
        report_bytes("connect-memory", count, before);
        first.into_iter().chain(keys).for_each(|key| world.disconnect(key));
        let start = Instant::now();
        for number in 0..count {
            let key = world.connect(&format!("client-{number}"), true);
            world.disconnect(key);
        }
        report("connect-disconnect", count as u64, start.elapsed());
    }

    /// Messages for a session that is away, and its coming back.
    fn offline(&self, store: Store, count: u64) {
        let name = format!("offline-{}", format!("{store:?}").to_lowercase());
        if !self.wants(&name) {
            return;
        }
        let mut world = World::new(store);
        let receiver = world.connect("receiver", false);
        world.subscribe(receiver, &[topic(1)], 1);
        world.disconnect(receiver);
        let sender = world.connect("sender", true);
        let mut packets = Vec::new();
        (1..=100).for_each(|id| publish(&topic(1), 1, false, id, &mut packets));
        let (before, start) = (resident(), Instant::now());
        for _ in 0..count / 100 {
            world.receive(sender, &packets);
            world.settle();
        }
        world.write_all();
        report(&format!("{name}-store"), count, start.elapsed());
        report_bytes(&format!("{name}-store"), count as usize, before);
        assert_eq!(world.acknowledged, count, "all are acknowledged");
        let start = Instant::now();
        world.connect("receiver", false);
        report(&format!("{name}-drain"), world.delivered, start.elapsed());
        assert_eq!(world.delivered, count, "all are delivered");
    }

    /// Last values of many topics, and one who wants them all.
    fn retained(&self, count: usize) {
        if !self.wants("retained") {
            return;
        }
        let mut world = World::new(Store::None);
        let (sender, receiver) = (world.connect("sender", true), world.connect("receiver", true));
        let (before, start) = (resident(), Instant::now());
        let mut packet = Vec::new();
        for number in 0..count {
            packet.clear();
            publish(&topic(number), 0, true, 0, &mut packet);
            world.receive(sender, &packet);
        }
        report("retained-set", count as u64, start.elapsed());
        report_bytes("retained-set", count, before);
        let start = Instant::now();
        world.subscribe(receiver, &["#".to_owned()], 0);
        report("retained-replay", world.delivered, start.elapsed());
    }
}
