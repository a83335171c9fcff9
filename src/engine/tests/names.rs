//! Names that look alike in Artemis's syntax, and do not mean the same.

use std::rc::Rc;

use super::{Script, lasting, limits, options, passing};
use crate::engine::{DeclaredAddress, DeclaredQueue, Options};
use crate::sim::packet::{Letter, unsubscribe};

#[test]
fn subscriptions_whose_queues_have_the_same_name_are_apart() {
    let mut script = Script::new();
    let publisher = script.join(&passing("p"));
    let (a, ab) = (script.join(&lasting("a")), script.join(&lasting("a.b")));
    let member = script.join(&lasting("m"));
    script.subscribe(a, "b/c", 1);
    script.subscribe(ab, "c", 1);
    script.subscribe(member, "$share/a/b/c", 1);
    script.publish(publisher, &Letter::new("b/c", "long", 1, 1));
    script.publish(publisher, &Letter::new("c", "short", 1, 2));
    script.node.settle();
    assert_eq!(script.payloads(a), ["long"]);
    assert_eq!(script.payloads(ab), ["short"]);
    assert_eq!(script.payloads(member), ["long"]);
    script.send(ab, &unsubscribe(ab.version, 1, &["c"]));
    script.send(member, &unsubscribe(member.version, 1, &["$share/a/b/c"]));
    script.publish(publisher, &Letter::new("b/c", "still", 1, 3));
    script.node.settle();
    assert_eq!(script.payloads(a), ["still"]);
}

fn declared() -> Options {
    let name: Rc<str> = "work".into();
    let queues = vec![DeclaredQueue::durable("jobs", false)];
    Options { addresses: vec![DeclaredAddress { name, is_anycast: false, is_multicast: true, queues }], ..options() }
}

#[test]
fn a_declared_queue_is_reached_by_its_full_name() {
    let mut script = Script::with(declared, limits());
    let publisher = script.join(&passing("p"));
    script.publish(publisher, &Letter::new("work", "1", 1, 1));
    script.node.settle();
    let (one, other) = (script.join(&passing("a")), script.join(&passing("b")));
    script.subscribe(one, "work::jobs", 1);
    script.subscribe(other, "work", 1);
    script.publish(publisher, &Letter::new("work", "2", 1, 2));
    script.node.settle();
    assert_eq!(script.payloads(one), ["1", "2"]);
    assert_eq!(script.payloads(other), ["2"]);
}
