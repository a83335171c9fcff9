//! Times that are long, and times that are almost over.

use super::{Options, Script, lasting, limits, options, passing};
use crate::core::settings::{AddressSettings, Hierarchy};
use crate::engine::STEPS_PER_TICK;
use crate::sim::packet::{Heard, Hello, Letter};

/// Seconds beyond what 32 bits of milliseconds, or 31 bits of seconds, can say.
const LONG: u32 = 4_000_000_000;

#[test]
fn long_times_do_not_overflow() {
    let mut script = Script::new();
    let (watcher, publisher) = (script.join(&passing("w")), script.join(&passing("p")));
    script.subscribe(watcher, "will", 0);
    let will = Some(Letter::new("will", "gone", 0, 0));
    let hello = Hello { expiry: u32::MAX - 1, will, will_delay_s: LONG, ..lasting("s") };
    let client = script.join(&hello);
    script.subscribe(client, "t", 1);
    script.lose(client);
    script.publish(publisher, &Letter { expiry_s: Some(LONG), ..Letter::new("t", "1", 1, 1) });
    script.node.settle();
    let before = u64::from(LONG) * 1000 - 1000;
    script.node.pass(before);
    script.node.settle();
    assert_eq!(script.hears(watcher), []);
    let client = script.rejoin(&Hello { will: None, ..hello });
    let heard = script.hears(client);
    assert!(matches!(&heard[..], [Heard::Publish(Letter { expiry_s: Some(1), .. })]), "{heard:?}");
}

#[test]
fn a_delayed_will_comes_after_a_long_time() {
    let mut script = Script::new();
    let watcher = script.join(&passing("w"));
    script.subscribe(watcher, "will", 0);
    let will = Some(Letter::new("will", "gone", 0, 0));
    let client = script.join(&Hello { expiry: u32::MAX, will, will_delay_s: LONG, ..lasting("s") });
    script.lose(client);
    script.node.pass(u64::from(LONG) * 1000);
    assert_eq!(script.payloads(watcher), ["gone"]);
}

#[test]
fn what_is_left_of_a_message_is_never_nothing() {
    let mut script = Script::new();
    let (client, publisher) = (script.join(&lasting("s")), script.join(&passing("p")));
    script.subscribe(client, "t", 1);
    script.lose(client);
    for (id, seconds) in [(1, 1), (2, 2)] {
        script.publish(publisher, &Letter { expiry_s: Some(seconds), ..Letter::new("t", "x", 1, id) });
    }
    script.node.settle();
    let sent = script.node.now;
    script.node.pass(1_990 - script.node.now.since(sent));
    let client = script.rejoin(&lasting("s"));
    let heard = script.hears(client);
    assert!(matches!(&heard[..], [Heard::Publish(Letter { expiry_s: Some(1), .. })]), "{heard:?}");
}

#[test]
fn what_waits_expires_by_the_settings_of_its_address() {
    let mut script = Script::new();
    let mut settings = Hierarchy::default();
    settings.insert("short.#", AddressSettings { expiry_delay: Some(500), ..AddressSettings::default() });
    script.node.engine.set_address_settings(settings);
    let (client, publisher) = (script.join(&lasting("s")), script.join(&passing("p")));
    script.subscribe(client, "+/t", 1);
    script.lose(client);
    script.publish(publisher, &Letter::new("short/t", "old", 1, 1));
    script.publish(publisher, &Letter::new("long/t", "old", 1, 2));
    script.node.settle();
    script.node.pass(600);
    script.publish(publisher, &Letter::new("short/t", "new", 1, 3));
    script.node.settle();
    let client = script.rejoin(&lasting("s"));
    let heard = script.hears(client);
    let topics: Vec<_> =
        heard.iter().map(|heard| if let Heard::Publish(letter) = heard { letter.topic.as_str() } else { "" }).collect();
    assert_eq!(topics, ["long/t", "short/t"]);
}

#[test]
fn of_queues_with_very_much_to_drop_one_goes_on_at_a_time() {
    let mut script = Script::with(|| Options { expiry_scan_ms: None, ..options() }, limits());
    let clients = ["a", "b"].map(|id| script.join(&lasting(id)));
    let publisher = script.join(&passing("p"));
    for client in clients {
        script.subscribe(client, "t", 1);
        script.lose(client);
    }
    for _ in 0..3 * STEPS_PER_TICK {
        script.publish(publisher, &Letter { expiry_s: Some(1), ..Letter::new("t", "x", 1, 1) });
        script.node.settle();
        assert_eq!(script.hears(publisher), [Heard::PubAck(1, 0)]);
    }
    script.node.pass(1000);
    for id in ["a", "b"] {
        let link = script.node.connect();
        script.node.feed(link, &lasting(id).encode());
    }
    let mut steps = Vec::new();
    let mut before = 0;
    while script.node.tick() {
        let expired = script.node.engine.counters().expired;
        steps.push((expired - before) as usize);
        before = expired;
    }
    assert_eq!(steps.iter().sum::<usize>(), 6 * STEPS_PER_TICK);
    // Each began when its client came.
    assert!(steps.iter().skip(1).all(|step| *step <= STEPS_PER_TICK), "{steps:?}");
}
