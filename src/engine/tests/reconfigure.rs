//! What broker.xml changes while the engine runs.

use super::{Script, lasting, limits, options, passing, wish};
use crate::core::settings::{AddressSettings, Hierarchy};
use crate::engine::{DeclaredAddress, DeclaredQueue};
use crate::sim::packet::{Heard, Letter, subscribe};

fn set(script: &mut Script, pattern: &str, settings: AddressSettings) {
    let mut all = Hierarchy::default();
    all.insert(pattern, settings);
    script.node.engine.set_address_settings(all);
}

fn expiring(delay: i64) -> AddressSettings {
    AddressSettings { expiry_delay: Some(delay), ..AddressSettings::default() }
}

fn expiries(script: &mut Script, seat: super::Seat) -> Vec<Option<u32>> {
    let heard = script.hears(seat);
    heard.iter().map(|heard| if let Heard::Publish(letter) = heard { letter.expiry_s } else { panic!() }).collect()
}

#[test]
fn another_expiry_holds_for_addresses_in_use() {
    let mut script = Script::new();
    let (seat, publisher) = (script.join(&passing("c")), script.join(&passing("p")));
    script.subscribe(seat, "t", 0);
    script.publish(publisher, &Letter::new("t", "1", 0, 0));
    set(&mut script, "t", expiring(5000));
    script.publish(publisher, &Letter::new("t", "2", 0, 0));
    set(&mut script, "t", expiring(9000));
    script.publish(publisher, &Letter::new("t", "3", 0, 0));
    set(&mut script, "u", expiring(9000));
    script.publish(publisher, &Letter::new("t", "4", 0, 0));
    assert_eq!(expiries(&mut script, seat), [None, Some(5), Some(9), None]);
}

#[test]
fn another_expiry_holds_for_the_next_last_value() {
    let mut script = Script::new();
    let publisher = script.join(&passing("p"));
    script.publish(publisher, &Letter::new("t", "1", 0, 0).retained());
    set(&mut script, "$sys.mqtt.retain.#", expiring(1000));
    script.node.pass(2000);
    assert_eq!(script.node.engine.queue_reports().len(), 1, "what is there stays");
    script.publish(publisher, &Letter::new("t", "2", 0, 0).retained());
    script.node.pass(2000);
    assert_eq!(script.node.engine.queue_reports(), []);
}

#[test]
fn addresses_are_made_as_long_as_that_is_permitted() {
    let mut script = Script::new();
    let seat = script.join(&passing("c"));
    script.publish(seat, &Letter::new("t", "1", 1, 1));
    let auto_create_addresses =
        |may| AddressSettings { auto_create_addresses: Some(may), ..AddressSettings::default() };
    set(&mut script, "#", auto_create_addresses(false));
    script.publish(seat, &Letter::new("t", "1", 1, 2));
    script.send(seat, &subscribe(seat.version, 3, &[("t", wish(1))]));
    set(&mut script, "#", auto_create_addresses(true));
    script.publish(seat, &Letter::new("t", "1", 1, 4));
    let expected =
        [Heard::PubAck(1, 0x10), Heard::PubAck(2, 0x90), Heard::SubAck(3, vec![0x8F]), Heard::PubAck(4, 0x10)];
    assert_eq!(script.hears(seat), expected);
}

#[test]
fn abandoned_subscriptions_are_deleted_from_the_next_scan_on() {
    let mut script = Script::new();
    let seat = script.join(&lasting("c"));
    script.subscribe(seat, "t", 1);
    script.subscribe(seat, "u", 1);
    script.lose(seat);
    script.node.pass(60_000);
    assert_eq!(names(&script), ["c.t", "c.u"]);
    let settings = AddressSettings {
        auto_delete_queues: Some(true),
        auto_delete_queues_delay: Some(1000),
        ..AddressSettings::default()
    };
    set(&mut script, "t", settings);
    script.node.pass(5000);
    assert_eq!(names(&script), ["c.u"]);
}

fn declared(name: &str, is_anycast: bool, queues: &[&str]) -> DeclaredAddress {
    let queues = queues.iter().map(|queue| DeclaredQueue::durable(queue, is_anycast)).collect();
    DeclaredAddress { name: name.into(), is_anycast, is_multicast: !is_anycast, queues }
}

fn names(script: &Script) -> Vec<String> {
    script.node.engine.queue_reports().into_iter().map(|report| report.name).collect()
}

fn waiting(script: &Script) -> Vec<(String, usize)> {
    let reports = script.node.engine.queue_reports().into_iter();
    reports.map(|report| (report.name, report.message_count)).collect()
}

#[test]
fn a_queue_that_is_declared_later_takes_messages_from_then_on() {
    let mut script = Script::new();
    let publisher = script.join(&passing("p"));
    script.publish(publisher, &Letter::new("t", "1", 1, 1));
    script.node.engine.declare_more(&[declared("t", false, &["q"])]);
    script.publish(publisher, &Letter::new("t", "2", 1, 2));
    script.node.engine.declare_more(&[declared("t", false, &["q", "r"]), declared("u", false, &["q"])]);
    script.publish(publisher, &Letter::new("t", "3", 1, 3));
    script.publish(publisher, &Letter::new("u", "4", 1, 4));
    script.node.settle();
    let mut heard = script.hears(publisher);
    heard.sort_by_key(|heard| format!("{heard:?}"));
    assert_eq!(heard, [Heard::PubAck(1, 0x10), Heard::PubAck(2, 0), Heard::PubAck(3, 0), Heard::PubAck(4, 0x10)]);
    assert_eq!(waiting(&script), [("q".into(), 2), ("r".into(), 1)]);
    let addresses: Vec<_> = script.node.engine.addresses().into_iter().map(|address| address.name).collect();
    assert_eq!(addresses, ["t", "u"]);
}

#[test]
fn a_queue_that_was_declared_before_a_restart_takes_messages_again() {
    let mut script = Script::new();
    let publisher = script.join(&passing("p"));
    script.node.engine.declare_more(&[declared("t", true, &["q"])]);
    script.publish(publisher, &Letter::new("t", "1", 1, 1));
    script.node.settle();
    // Its declaration is gone by then.
    script.node.crash();
    let publisher = script.join(&passing("p"));
    script.publish(publisher, &Letter::new("t", "2", 1, 2));
    assert_eq!(waiting(&script), [("q".into(), 1)]);
    script.node.engine.declare_more(&[declared("t", true, &["q"])]);
    script.node.engine.declare_more(&[declared("t", true, &["q"])]);
    let receiver = script.join(&passing("c"));
    script.subscribe(receiver, "t", 0);
    script.publish(publisher, &Letter::new("t", "3", 0, 0));
    assert_eq!(script.payloads(receiver), ["1", "3"]);
}

#[test]
fn receivers_of_an_address_that_is_declared_later_compete() {
    let mut script = Script::with(options, limits());
    script.node.engine.declare_more(&[declared("jobs", true, &["jobs"])]);
    let (a, b, publisher) = (script.join(&passing("a")), script.join(&passing("b")), script.join(&passing("p")));
    script.subscribe(a, "jobs", 0);
    script.subscribe(b, "jobs", 0);
    for _ in 0..4 {
        script.publish(publisher, &Letter::new("jobs", "x", 0, 0));
    }
    assert_eq!((script.payloads(a).len(), script.payloads(b).len()), (2, 2));
}
