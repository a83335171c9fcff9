//! What a client says again on another connection, before the first time is durable: the answer waits for that.

use super::{Script, lasting, limits, options, passing};
use crate::engine::Options;
use crate::protocol::mqtt::codec::{AckKind, Version};
use crate::sim::packet::{Heard, Hello, Letter, disconnect, subscribe, unsubscribe, wish};

#[test]
fn a_repeated_publish_of_qos_2_waits_for_the_first() {
    let mut script = Script::new();
    let publisher = script.join(&lasting("p"));
    script.node.settle();
    script.publish(publisher, &Letter::new("t", "1", 2, 1));
    script.begin_to_write();
    script.lose(publisher);
    let publisher = script.rejoin(&lasting("p"));
    script.publish(publisher, &Letter::new("t", "1", 2, 1).dup());
    assert_eq!(script.hears(publisher), []);
    // Nothing but the commit of the first is needed.
    script.node.write_batch();
    script.node.report_batch();
    assert_eq!(script.hears(publisher), [Heard::PubRec(1, 0)]);
}

#[test]
fn a_repeated_pubrel_waits_for_the_first() {
    let mut script = Script::new();
    let (subscriber, publisher) = (script.join(&lasting("s")), script.join(&lasting("p")));
    script.subscribe(subscriber, "t", 1);
    script.publish(publisher, &Letter::new("t", "old", 2, 1));
    script.node.settle();
    script.ack(publisher, AckKind::PubRel, 1);
    script.lose(publisher);
    let publisher = script.rejoin(&lasting("p"));
    script.ack(publisher, AckKind::PubRel, 1);
    assert_eq!(script.hears(publisher), []);
    script.node.settle();
    assert_eq!(script.hears(publisher), [Heard::PubComp(1, 0x92)]);
    // The number is free now, whatever happens.
    script.node.crash();
    let publisher = script.rejoin(&lasting("p"));
    script.publish(publisher, &Letter::new("t", "new", 2, 1));
    script.node.settle();
    let subscriber = script.rejoin(&lasting("s"));
    assert_eq!(script.payloads(subscriber), ["old", "new"]);
}

#[test]
fn a_pubrel_of_the_next_connection_waits_for_the_pubrec() {
    let mut script = Script::new();
    let (subscriber, publisher) = (script.join(&lasting("s")), script.join(&lasting("p")));
    script.subscribe(subscriber, "t", 2);
    script.publish(publisher, &Letter::new("t", "1", 2, 1));
    script.node.settle();
    assert_eq!(script.messages(subscriber), [("1".to_owned(), 2, 1, false)]);
    script.ack(subscriber, AckKind::PubRec, 1);
    script.lose(subscriber);
    let subscriber = script.rejoin(&lasting("s"));
    assert_eq!(script.hears(subscriber), []);
    script.node.settle();
    assert_eq!(script.hears(subscriber), [Heard::PubRel(1, 0)]);
    script.node.crash();
    let subscriber = script.rejoin(&lasting("s"));
    script.node.settle();
    assert_eq!(script.hears(subscriber), [Heard::PubRel(1, 0)]);
}

#[test]
fn a_repeated_unsubscribe_waits_for_the_first() {
    let mut script = Script::new();
    let client = script.join(&lasting("s"));
    script.subscribe(client, "t", 1);
    script.send(client, &unsubscribe(client.version, 1, &["t"]));
    script.lose(client);
    let client = script.rejoin(&lasting("s"));
    script.send(client, &unsubscribe(client.version, 2, &["t"]));
    assert_eq!(script.hears(client), []);
    script.node.settle();
    assert_eq!(script.hears(client), [Heard::UnsubAck(2, vec![0x11])]);
    script.node.crash();
    let publisher = script.join(&passing("p"));
    script.publish(publisher, &Letter::new("t", "1", 1, 1));
    assert_eq!(script.hears(publisher), [Heard::PubAck(1, 0x10)]);
}

#[test]
fn a_new_session_is_announced_once_the_old_one_cannot_come_back() {
    let mut script = Script::new();
    let client = script.join(&lasting("s"));
    script.subscribe(client, "t", 1);
    script.send(client, &disconnect(client.version, 0, Some(0)));
    let client = script.connect(&lasting("s"));
    assert_eq!(script.hears(client), []);
    script.node.settle();
    assert_eq!(script.hears(client), [Heard::ConnAck { present: false, code: 0 }]);
    script.node.crash();
    let publisher = script.join(&passing("p"));
    script.publish(publisher, &Letter::new("t", "1", 1, 1));
    assert_eq!(script.hears(publisher), [Heard::PubAck(1, 0x10)]);
}

#[test]
fn a_clean_start_is_answered_once_the_old_session_is_gone_for_good() {
    let mut script = Script::new();
    let client = script.join(&lasting("s"));
    script.subscribe(client, "t", 1);
    script.lose(client);
    let client = script.connect(&Hello { clean: true, ..lasting("s") });
    script.send(client, &subscribe(client.version, 1, &[("u", wish(1))]));
    assert_eq!(script.hears(client), []);
    script.node.settle();
    assert_eq!(script.hears(client), [Heard::ConnAck { present: false, code: 0 }, Heard::SubAck(1, vec![1])]);
}

#[test]
fn a_repeated_clearing_of_a_retained_value_waits_for_the_first() {
    let mut script = Script::new();
    let publisher = script.join(&passing("p"));
    script.publish(publisher, &Letter::new("t", "1", 1, 1).retained());
    script.node.settle();
    script.hears(publisher);
    script.publish(publisher, &Letter::new("t", "", 1, 2).retained());
    script.lose(publisher);
    let publisher = script.join(&passing("p"));
    script.publish(publisher, &Letter::new("t", "", 1, 2).retained().dup());
    assert_eq!(script.hears(publisher), []);
    script.node.settle();
    assert_eq!(script.hears(publisher), [Heard::PubAck(2, 0x10)]);
    script.node.crash();
    let subscriber = script.join(&passing("s"));
    script.subscribe(subscriber, "t", 0);
    assert_eq!(script.hears(subscriber), []);
}

#[test]
fn clearing_what_is_cleared_waits_for_its_own_receivers_too() {
    let mut script = Script::new();
    let (away, publisher) = (script.join(&lasting("s")), script.join(&passing("p")));
    script.subscribe(away, "t", 1);
    script.lose(away);
    script.publish(publisher, &Letter::new("t", "1", 1, 1).retained());
    script.node.settle();
    script.hears(publisher);
    script.publish(publisher, &Letter::new("t", "", 0, 0).retained());
    script.begin_to_write();
    script.publish(publisher, &Letter::new("t", "", 1, 2).retained());
    script.node.write_batch();
    script.node.report_batch();
    assert_eq!(script.hears(publisher), []);
    script.node.settle();
    assert_eq!(script.hears(publisher), [Heard::PubAck(2, 0)]);
    script.node.crash();
    let away = script.rejoin(&lasting("s"));
    assert_eq!(script.payloads(away), ["1", ""]);
}

#[test]
fn a_refused_publish_of_qos_2_is_not_taken_for_received_when_it_is_repeated() {
    let tight = || Options { queued_bytes_max: 100, ..options() };
    let mut script = Script::with(tight, limits());
    let (away, publisher) = (script.join(&lasting("s")), script.join(&lasting("p")));
    script.subscribe(away, "t", 2);
    script.lose(away);
    script.publish(publisher, &Letter::new("t", "1", 1, 1));
    script.node.settle();
    let old = Hello { version: Version::V4, clean: false, ..Hello::new("old") };
    let client = script.join(&old);
    script.publish(client, &Letter::new("t", "2", 2, 1));
    assert!(script.node.is_over(client.link) && script.hears(client).is_empty());
    // There is room again.
    let back = script.rejoin(&lasting("s"));
    assert_eq!(script.payloads(back), ["1"]);
    script.ack(back, AckKind::PubAck, 1);
    script.node.settle();
    let client = script.rejoin(&old);
    script.publish(client, &Letter::new("t", "2", 2, 1).dup());
    script.node.settle();
    assert_eq!(script.hears(client), [Heard::PubRec(1, 0)]);
    assert_eq!(script.payloads(back), ["2"]);
}
