//! Packets and bytes by chance: whatever comes, the broker goes on.

use super::{Script, Seat, lasting, passing};
use crate::protocol::mqtt::codec::{AckKind, Version};
use crate::sim::packet::{self, Heard, Hello, Letter, wish};

/// SplitMix64.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }
}

const TOPICS: [&str; 5] = ["a", "a/b", "$x", "", "a//"];
const FILTERS: [&str; 7] = ["a", "#", "+/b", "$share/g/a/#", "$share/g/#", "$x", "a/#/b"];

fn hello(chance: &mut Chance) -> Hello {
    let id = format!("c{}", chance.below(3));
    let version = [Version::V3, Version::V4, Version::V5][chance.below(3)];
    let will = (chance.below(3) == 0).then(|| Letter::new(chance.pick(&TOPICS[..3]), "will", chance.below(3) as u8, 0));
    let kept = if chance.below(2) == 0 { lasting(&id) } else { passing(&id) };
    Hello { version, will, will_delay_s: chance.below(3) as u32, ..kept }
}

fn any_packet(chance: &mut Chance, version: Version) -> Vec<u8> {
    let id = chance.below(4) as u16;
    let kinds = [AckKind::PubAck, AckKind::PubRec, AckKind::PubRel, AckKind::PubComp];
    match chance.below(9) {
        0..=2 => {
            let letter = Letter::new(chance.pick(&TOPICS), "x", chance.below(3) as u8, id);
            let letter = if chance.below(3) == 0 { letter.retained() } else { letter };
            if letter.qos > 0 && chance.below(4) == 0 { letter.dup().encode(version) } else { letter.encode(version) }
        }
        3 => packet::subscribe(version, id, &[(chance.pick(&FILTERS), wish(chance.below(3) as u8))]),
        4 => packet::unsubscribe(version, id, &[chance.pick(&FILTERS)]),
        5 | 6 => packet::ack(version, kinds[chance.below(4)], id),
        7 => packet::disconnect(version, [0, 4][chance.below(2)], None),
        _ => hello(chance).encode(),
    }
}

fn is_well(script: &mut Script) {
    let (subscriber, publisher) = (script.join(&passing("well")), script.join(&passing("other")));
    script.subscribe(subscriber, "well", 1);
    script.publish(publisher, &Letter::new("well", "x", 1, 1));
    script.node.settle();
    assert_eq!(script.payloads(subscriber), ["x"]);
    script.lose(subscriber);
    script.lose(publisher);
    assert_eq!(script.node.engine.counters().faults, 0);
}

#[test]
fn cve_2024_8376_cve_2021_34434_and_cve_2026_22040_packets_in_any_order() {
    for seed in 0..60 {
        let mut chance = Chance(seed);
        let mut script = Script::new();
        let mut seats: Vec<Seat> = Vec::new();
        for step in 0..250 {
            let fresh = seats.is_empty() || chance.below(12) == 0;
            if fresh {
                let hello = hello(&mut chance);
                seats.push(script.connect(&hello));
            }
            let at = chance.below(seats.len());
            let bytes = any_packet(&mut chance, seats[at].version);
            match chance.below(20) {
                0 => script.send(seats[at], &bytes[..chance.below(bytes.len())]),
                1 => script.lose(seats.swap_remove(at)),
                2 => script.node.pass(chance.below(5_000) as u64),
                3 => script.node.settle(),
                _ => script.send(seats[at], &bytes),
            }
            if step % 100 == 99 && seed % 4 == 0 {
                script.node.settle();
                script.node.crash();
                seats.clear();
            }
            seats.retain(|seat| !script.node.is_over(seat.link));
        }
        is_well(&mut script);
    }
}

#[test]
fn cve_2021_33175_and_cve_2021_34431_bytes_by_chance() {
    let mut chance = Chance(1);
    let mut script = Script::new();
    for round in 0..3_000 {
        let seat = match round % 3 {
            0 => Seat { link: script.node.connect(), version: Version::V5 },
            1 => script.connect(&passing("c")),
            _ => script.connect(&Hello { version: Version::V4, ..passing("c") }),
        };
        let mut bytes = any_packet(&mut chance, seat.version);
        for _ in 0..1 + chance.below(3) {
            let at = chance.below(bytes.len());
            bytes[at] = chance.below(256) as u8;
        }
        script.send(seat, &bytes);
        script.node.lose(seat.link);
    }
    is_well(&mut script);
}

#[test]
fn cve_2026_8741_an_exactly_once_message_leaves_when_its_number_is_durable() {
    let mut script = Script::new();
    let (subscriber, publisher) = (script.join(&lasting("s")), script.join(&lasting("p")));
    script.subscribe(subscriber, "t", 2);
    script.publish(publisher, &Letter::new("t", "x", 2, 1));
    script.begin_to_write();
    assert_eq!((script.hears(subscriber), script.hears(publisher)), (vec![], vec![]));
    script.node.crash();
    let subscriber = script.rejoin(&lasting("s"));
    assert_eq!(script.hears(subscriber), []);
    let publisher = script.rejoin(&lasting("p"));
    script.publish(publisher, &Letter::new("t", "x", 2, 1).dup());
    script.node.settle();
    let first = script.messages(subscriber);
    assert_eq!((first.len(), script.hears(publisher)), (1, vec![Heard::PubRec(1, 0)]));
    script.node.crash();
    let subscriber = script.rejoin(&lasting("s"));
    assert_eq!(script.messages(subscriber), [("x".to_owned(), 2, first[0].2, true)]);
}

#[test]
fn mosquitto_3702_a_message_lives_as_long_as_one_queue_holds_it() {
    let mut script = Script::new();
    let (a, b, publisher) = (script.join(&lasting("a")), script.join(&lasting("b")), script.join(&passing("p")));
    for seat in [a, b] {
        script.subscribe(seat, "t", 1);
        script.lose(seat);
    }
    script.publish(publisher, &Letter::new("t", "x", 1, 1).retained());
    script.node.settle();
    script.node.crash();
    let a = script.join(&passing("a-again"));
    script.lose(a);
    // One of both queues goes with its session.
    let gone = script.connect(&passing("a"));
    script.node.settle();
    assert_eq!(script.hears(gone), [Heard::ConnAck { present: false, code: 0 }]);
    script.node.crash();
    let b = script.rejoin(&lasting("b"));
    assert_eq!(script.payloads(b), ["x"]);
}
