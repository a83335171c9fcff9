//! Share groups, and addresses whose receivers compete.

use std::rc::Rc;

use super::{Script, lasting, limits, options, passing};
use crate::engine::{DeclaredAddress, DeclaredQueue, Options};
use crate::protocol::mqtt::codec::AckKind;
use crate::sim::packet::{Hello, Letter, disconnect, unsubscribe};

const SHARE: &str = "$share/g/t";

#[test]
fn members_take_turns() {
    let mut script = Script::new();
    let (a, b, publisher) = (script.join(&lasting("a")), script.join(&passing("b")), script.join(&passing("p")));
    script.subscribe(a, SHARE, 1);
    script.subscribe(b, SHARE, 1);
    for id in 1..=4 {
        script.publish(publisher, &Letter::new("t", &id.to_string(), 1, id));
    }
    let (a, b) = (script.payloads(a), script.payloads(b));
    assert_eq!((a.len(), b.len()), (2, 2), "{a:?} {b:?}");
}

#[test]
fn what_a_leaving_member_has_not_acknowledged_goes_to_the_others_in_order() {
    let mut script = Script::new();
    let (a, publisher) = (script.join(&lasting("a")), script.join(&passing("p")));
    script.subscribe(a, SHARE, 1);
    for id in 1..=5 {
        script.publish(publisher, &Letter::new("t", &id.to_string(), 1, id));
    }
    assert_eq!(script.payloads(a).len(), 5);
    script.ack(a, AckKind::PubAck, 2);
    let b = script.join(&lasting("b"));
    script.subscribe(b, SHARE, 1);
    script.lose(a);
    let came = script.messages(b);
    assert_eq!(came.iter().map(|(payload, ..)| payload.as_str()).collect::<Vec<_>>(), ["1", "3", "4", "5"]);
    let a = script.rejoin(&lasting("a"));
    assert_eq!(script.hears(a), []);
}

#[test]
fn qos_2_under_way_stays_with_its_member() {
    let mut script = Script::new();
    let (a, publisher) = (script.join(&lasting("a")), script.join(&lasting("p")));
    script.subscribe(a, SHARE, 2);
    script.publish(publisher, &Letter::new("t", "1", 2, 1));
    script.node.settle();
    assert_eq!(script.messages(a), [("1".to_owned(), 2, 1, false)]);
    let b = script.join(&lasting("b"));
    script.subscribe(b, SHARE, 2);
    script.lose(a);
    script.node.settle();
    assert_eq!(script.hears(b), []);
    script.node.crash();
    let (a, b) = (script.rejoin(&lasting("a")), script.rejoin(&lasting("b")));
    assert_eq!(script.messages(a), [("1".to_owned(), 2, 1, true)]);
    assert_eq!(script.hears(b), []);
    script.receive_twice(a, 1);
    assert_eq!(script.node.engine.counters().queued_bytes, 0);
}

#[test]
fn qos_2_under_way_ends_with_its_members_session() {
    let mut script = Script::new();
    let publisher = script.join(&lasting("p"));
    let brief = Hello { expiry: 10, ..lasting("a") };
    let leavers = [script.join(&brief), script.join(&passing("c"))];
    for (id, leaver) in [(1, leavers[0]), (2, leavers[1])] {
        script.subscribe(leaver, SHARE, 2);
        script.publish(publisher, &Letter::new("t", "1", 2, id));
        script.node.settle();
        assert_eq!(script.payloads(leaver), ["1"]);
        let stayer = script.join(&lasting("b"));
        script.subscribe(stayer, SHARE, 2);
        script.lose(leaver);
        script.node.pass(10_000);
        script.node.settle();
        assert_eq!(script.hears(stayer), []);
        script.send(stayer, &disconnect(stayer.version, 0, Some(0)));
        script.node.settle();
    }
    script.hears(publisher);
    assert_eq!(script.node.engine.counters().queued_bytes, 0);
}

#[test]
fn a_group_outlives_that_others_leave_it() {
    let mut script = Script::new();
    let (away, publisher) = (script.join(&lasting("a")), script.join(&passing("p")));
    script.subscribe(away, SHARE, 1);
    script.lose(away);
    script.publish(publisher, &Letter::new("t", "1", 1, 1));
    let leaver = script.join(&lasting("b"));
    script.subscribe(leaver, SHARE, 1);
    assert_eq!(script.payloads(leaver), ["1"]);
    script.send(leaver, &unsubscribe(leaver.version, 1, &[SHARE]));
    script.send(leaver, &disconnect(leaver.version, 0, Some(0)));
    script.publish(publisher, &Letter::new("t", "2", 1, 2));
    script.node.settle();
    let away = script.rejoin(&lasting("a"));
    let mut came = script.payloads(away);
    came.sort();
    assert_eq!(came, ["1", "2"]);
}

#[test]
fn a_group_without_members_ends_even_by_a_restart() {
    let mut script = Script::new();
    let (lasting_member, member) = (script.join(&lasting("a")), script.join(&passing("b")));
    script.subscribe(lasting_member, SHARE, 1);
    script.subscribe(member, SHARE, 1);
    script.send(lasting_member, &unsubscribe(lasting_member.version, 1, &[SHARE]));
    script.node.settle();
    // The only member left does not survive.
    script.node.crash();
    let publisher = script.join(&passing("p"));
    script.publish(publisher, &Letter::new("t", "1", 1, 1));
    script.node.settle();
    assert_eq!(script.hears(publisher), [crate::sim::packet::Heard::PubAck(1, 0x10)]);
    assert_eq!(script.node.engine.counters().queued_bytes, 0);
}

fn jobs() -> Options {
    let name: Rc<str> = "jobs".into();
    let queues = vec![DeclaredQueue::durable(&name, true)];
    Options { addresses: vec![DeclaredAddress { name, is_anycast: true, is_multicast: false, queues }], ..options() }
}

#[test]
fn receivers_of_an_anycast_address_compete() {
    let mut script = Script::with(jobs, limits());
    let (a, b, publisher) = (script.join(&passing("a")), script.join(&passing("b")), script.join(&passing("p")));
    script.subscribe(a, "jobs", 1);
    script.subscribe(b, "jobs", 1);
    for id in 1..=4 {
        script.publish(publisher, &Letter::new("jobs", &id.to_string(), 1, id));
    }
    let (mut all, b) = (script.payloads(a), script.payloads(b));
    assert_eq!((all.len(), b.len()), (2, 2));
    all.extend(b);
    all.sort();
    assert_eq!(all, ["1", "2", "3", "4"]);
}

#[test]
fn an_anycast_address_keeps_messages_while_nobody_is_there() {
    let mut script = Script::with(jobs, limits());
    let publisher = script.join(&passing("p"));
    script.publish(publisher, &Letter::new("jobs", "1", 1, 1));
    script.node.settle();
    script.node.crash();
    let receiver = script.join(&passing("a"));
    script.subscribe(receiver, "jobs", 1);
    assert_eq!(script.payloads(receiver), ["1"]);
}

#[test]
fn of_an_address_of_both_kinds_every_multicast_queue_gets_a_copy() {
    let both = || {
        let queues = vec![
            DeclaredQueue::durable("a1", true),
            DeclaredQueue::durable("a2", true),
            DeclaredQueue::durable("m1", false),
            DeclaredQueue::durable("m2", false),
        ];
        let both = DeclaredAddress { name: "both".into(), is_anycast: true, is_multicast: true, queues };
        Options { addresses: vec![both], ..options() }
    };
    let mut script = Script::with(both, limits());
    let publisher = script.join(&passing("p"));
    for id in 1..=4 {
        script.publish(publisher, &Letter::new("both", "x", 1, id));
    }
    let reports = script.node.engine.queue_reports();
    let found: Vec<_> =
        reports.iter().map(|report| (&*report.name, &*report.routing_type, report.message_count)).collect();
    let expected = [("a1", "ANYCAST", 2), ("a2", "ANYCAST", 2), ("m1", "MULTICAST", 4), ("m2", "MULTICAST", 4)];
    assert_eq!(found, expected);
}
