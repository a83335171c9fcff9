//! Address settings that concern MQTT: what may come into being, and what is cleaned up.

use std::rc::Rc;

use super::{Limits, Script, lasting, limits, options, passing, wish};
use crate::core::settings::{AddressSettings, Hierarchy};
use crate::engine::{DeclaredAddress, DeclaredQueue, Options};
use crate::protocol::mqtt::codec::{AckKind, Version};
use crate::sim::packet::{Heard, Hello, Letter, subscribe, unsubscribe};

fn v4(id: &str) -> Hello {
    Hello { version: Version::V4, clean: false, ..passing(id) }
}

fn broker(pattern: &'static str, settings: AddressSettings, addresses: Vec<DeclaredAddress>) -> Script {
    let settings = Rc::new(settings);
    let options = move || {
        let mut address_settings = Hierarchy::default();
        address_settings.insert(pattern, (*settings).clone());
        Options { address_settings, addresses: addresses.clone(), ..options() }
    };
    Script::with(options, Limits { close_on_refused_publish: true, ..limits() })
}

fn declared(name: &str, queues: &[&str]) -> DeclaredAddress {
    DeclaredAddress {
        name: name.into(),
        is_anycast: false,
        is_multicast: true,
        queues: queues.iter().map(|queue| DeclaredQueue::durable(queue, false)).collect(),
    }
}

fn closed() -> Script {
    let settings = AddressSettings { auto_create_addresses: Some(false), ..AddressSettings::default() };
    broker("#", settings, vec![declared("known", &[]), declared("wild.*", &[])])
}

#[test]
fn a_subscription_makes_no_address_where_that_is_forbidden() {
    let mut script = closed();
    for (version, refused) in [(Version::V5, 0x8F), (Version::V4, 0x80), (Version::V3, 0)] {
        let seat = script.join(&Hello { version, ..passing("c") });
        let asked = [("known", wish(1)), ("unknown", wish(1)), ("wild/+", wish(2)), ("other/+", wish(1))];
        script.send(seat, &subscribe(version, 1, &asked));
        script.node.settle();
        assert_eq!(script.hears(seat), [Heard::SubAck(1, vec![1, refused, 2, refused])]);
        assert!(!script.node.is_over(seat.link));
    }
}

#[test]
fn a_message_makes_no_address_where_that_is_forbidden() {
    let mut script = closed();
    let five = script.join(&passing("five"));
    script.publish(five, &Letter::new("unknown", "1", 1, 1));
    script.publish(five, &Letter::new("unknown", "1", 2, 2));
    script.publish(five, &Letter::new("known", "1", 1, 3));
    script.publish(five, &Letter::new("unknown", "1", 0, 0).retained());
    let expected = [Heard::PubAck(1, 0x90), Heard::PubRec(2, 0x90), Heard::PubAck(3, 0x10)];
    assert_eq!(script.hears(five), expected);
    for version in [Version::V3, Version::V4] {
        let old = script.join(&Hello { version, ..passing("old") });
        script.publish(old, &Letter::new("unknown", "1", 1, 1));
        assert_eq!(script.hears(old), [Heard::PubAck(1, 0)]);
    }
    assert!(script.node.engine.queue_reports().is_empty(), "no last value");
    let watcher = script.join(&passing("w"));
    script.subscribe(watcher, "wild/+", 0);
    script.publish(five, &Letter::new("wild/x", "seen", 0, 0));
    assert_eq!(script.payloads(watcher), ["seen"], "a pattern reaches addresses that are not there");
}

#[test]
fn who_is_subscribed_already_may_subscribe_again() {
    let allowed = Rc::new(std::cell::Cell::new(true));
    let switch = allowed.clone();
    let options = move || {
        let mut address_settings = Hierarchy::default();
        let auto_create_addresses = Some(switch.get());
        address_settings.insert("#", AddressSettings { auto_create_addresses, ..AddressSettings::default() });
        Options { address_settings, ..options() }
    };
    let mut script = Script::with(options, limits());
    let seat = script.join(&lasting("c"));
    script.subscribe(seat, "t", 1);
    script.node.settle();
    allowed.set(false);
    script.node.crash();
    let seat = script.rejoin(&lasting("c"));
    script.subscribe(seat, "t", 2);
    let other = script.join(&passing("o"));
    script.subscribe(other, "t", 0);
}

fn deleting(message_count: Option<i64>) -> Script {
    let settings = AddressSettings {
        auto_delete_queues: Some(true),
        auto_delete_queues_delay: Some(60_000),
        auto_delete_queues_message_count: message_count,
        ..AddressSettings::default()
    };
    broker("gone.#", settings, Vec::new())
}

/// Names of subscriptions that there are.
fn subscriptions(script: &Script) -> Vec<String> {
    script.node.engine.queue_reports().into_iter().map(|report| report.name).collect()
}

#[test]
fn abandoned_subscriptions_of_old_clients_are_deleted() {
    let mut script = deleting(None);
    let seat = script.join(&v4("c"));
    script.subscribe(seat, "gone/a", 1);
    script.subscribe(seat, "kept", 1);
    script.lose(seat);
    script.node.pass(55_000);
    assert_eq!(subscriptions(&script), ["c.gone.a", "c.kept"]);
    script.node.pass(10_000);
    assert_eq!(subscriptions(&script), ["c.kept"]);
    script.node.settle();
    script.node.crash();
    assert_eq!(subscriptions(&script), ["c.kept"]);
    script.rejoin(&v4("c"));
}

#[test]
fn a_session_ends_with_the_last_subscription_it_abandons() {
    let mut script = deleting(None);
    let seat = script.join(&v4("c"));
    script.subscribe(seat, "gone/a", 1);
    script.lose(seat);
    let waiting = script.join(&v4("w"));
    script.subscribe(waiting, "gone/a", 1);
    script.subscribe(waiting, "kept", 1);
    script.send(waiting, &unsubscribe(Version::V4, 1, &["kept"]));
    let publisher = script.join(&passing("p"));
    script.publish(publisher, &Letter::new("gone/a", "1", 2, 7));
    script.node.settle();
    assert_eq!(script.hears(publisher), [Heard::PubRec(7, 0)]);
    script.lose(waiting);
    script.node.pass(70_000);
    script.node.settle();
    script.node.crash();
    assert_eq!(subscriptions(&script), ["c.gone.a", "w.gone.a"], "a message waits");
    let again = script.rejoin(&v4("c"));
    for (.., id, _) in script.messages(again) {
        script.ack(again, AckKind::PubAck, id);
    }
    script.lose(again);
    script.node.pass(70_000);
    script.node.settle();
    assert_eq!(subscriptions(&script), ["w.gone.a"]);
    script.join(&v4("c"));
}

#[test]
fn connected_clients_abandon_nothing() {
    let mut script = deleting(Some(-1));
    let seat = script.join(&v4("c"));
    script.subscribe(seat, "gone/a", 1);
    for _ in 0..20 {
        script.node.pass(10_000);
    }
    assert_eq!(subscriptions(&script), ["c.gone.a"]);
}

#[test]
fn a_subscription_for_which_messages_wait_is_kept_up_to_the_count() {
    for (count, messages, is_kept) in
        [(None, 0, false), (None, 1, true), (Some(1), 1, false), (Some(1), 2, true), (Some(-1), 5, false)]
    {
        let mut script = deleting(count);
        let seat = script.join(&v4("c"));
        script.subscribe(seat, "gone/#", 1);
        script.subscribe(seat, "kept", 1);
        script.lose(seat);
        let publisher = script.join(&passing("p"));
        for n in 0..messages {
            script.publish(publisher, &Letter::new("gone/x", &n.to_string(), 1, n + 1));
        }
        for n in 0..3 {
            script.publish(publisher, &Letter::new("kept", &n.to_string(), 1, n + 10));
        }
        script.node.settle();
        script.node.pass(70_000);
        script.node.settle();
        let expected: &[&str] = if is_kept { &["c.gone.#", "c.kept"] } else { &["c.kept"] };
        assert_eq!(subscriptions(&script), expected, "{count:?} {messages}");
        let seat = script.rejoin(&v4("c"));
        let heard = script.payloads(seat).len();
        assert_eq!(heard, if is_kept { messages as usize + 3 } else { 3 }, "{count:?} {messages}");
    }
}

#[test]
fn the_last_abandoned_share_takes_its_queue_along() {
    let mut script = deleting(Some(-1));
    let seat = script.join(&v4("c"));
    script.subscribe(seat, "$share/g/gone/a", 1);
    script.lose(seat);
    let publisher = script.join(&passing("p"));
    script.publish(publisher, &Letter::new("gone/a", "1", 1, 1));
    script.node.settle();
    assert_eq!(script.hears(publisher), [Heard::PubAck(1, 0)]);
    assert_eq!(subscriptions(&script), ["g.gone.a"]);
    script.node.pass(70_000);
    script.node.settle();
    assert_eq!(subscriptions(&script), [""; 0]);
    assert_eq!(script.node.engine.counters().queued_bytes, 0);
}

fn qualifying() -> Script {
    broker("#", AddressSettings::default(), vec![declared("a.b", &["q1", "q2"])])
}

#[test]
fn a_qualified_name_means_one_queue_of_an_address() {
    let mut script = qualifying();
    let (first, second) = (script.join(&passing("1")), script.join(&passing("2")));
    script.subscribe(first, "a/b::q1", 1);
    script.subscribe(second, "a/b::q2", 1);
    let publisher = script.join(&passing("p"));
    script.publish(publisher, &Letter::new("a/b::q1", "one", 1, 1));
    script.node.settle();
    assert_eq!(script.hears(publisher), [Heard::PubAck(1, 0)]);
    script.publish(publisher, &Letter::new("a/b", "both", 1, 2));
    script.node.settle();
    assert_eq!(
        (script.payloads(first), script.payloads(second)),
        (vec!["one".into(), "both".into()], vec!["both".into()])
    );
}

#[test]
fn subscriptions_have_qualified_names_too() {
    let mut script = qualifying();
    let (first, second) = (script.join(&passing("1")), script.join(&passing("2")));
    script.subscribe(first, "x/+", 1);
    script.subscribe(second, "x/+", 1);
    let member = script.join(&passing("m"));
    script.subscribe(member, "$share/g/y", 1);
    let publisher = script.join(&passing("p"));
    script.publish(publisher, &Letter::new("y::g/y", "shared", 1, 1));
    assert_eq!(script.payloads(member), ["shared"]);
    let other = script.join(&passing("o"));
    script.subscribe(other, "y::g/y", 1);
    for id in [2, 3] {
        script.publish(publisher, &Letter::new("y", "turn", 1, id));
    }
    assert_eq!((script.payloads(member).len(), script.payloads(other).len()), (1, 1));
    script.subscribe(second, "z", 1);
    script.publish(publisher, &Letter::new("z::2/z", "second", 1, 4));
    assert_eq!((script.payloads(first).len(), script.payloads(second)), (0, vec!["second".into()]));
}

#[test]
fn without_such_a_queue_it_is_a_name_like_any_other() {
    let mut script = qualifying();
    let seat = script.join(&passing("c"));
    script.subscribe(seat, "a/b::nothing", 1);
    let publisher = script.join(&passing("p"));
    script.publish(publisher, &Letter::new("a/b::nothing", "1", 1, 1));
    script.node.settle();
    let messages = script.messages(seat);
    assert_eq!(messages[0].0, "1");
    script.ack(seat, AckKind::PubAck, messages[0].2);
    script.publish(publisher, &Letter::new("a/b", "2", 1, 2));
    assert_eq!(script.payloads(seat), [""; 0]);
}
