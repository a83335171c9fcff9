//! What waits for the disk, and what does not.

use super::{SETTLE_MS, Script, lasting, passing};
use crate::engine::STEPS_PER_TICK;
use crate::protocol::mqtt::codec::AckKind;
use crate::sim::packet::{Heard, Letter, subscribe, wish};

#[test]
fn a_live_subscriber_gets_qos_1_before_the_commit_and_the_publisher_its_puback_after() {
    let mut script = Script::new();
    let (subscriber, publisher) = (script.join(&lasting("s")), script.join(&passing("p")));
    script.subscribe(subscriber, "t", 1);
    script.publish(publisher, &Letter::new("t", "1", 1, 7));
    assert_eq!(script.payloads(subscriber), ["1"]);
    script.begin_to_write();
    assert_eq!(script.hears(publisher), []);
    script.node.write_batch();
    assert_eq!(script.hears(publisher), []);
    script.node.report_batch();
    assert_eq!(script.hears(publisher), [Heard::PubAck(7, 0)]);
}

#[test]
fn a_live_subscriber_gets_qos_2_after_the_commit() {
    let mut script = Script::new();
    let (subscriber, publisher) = (script.join(&lasting("s")), script.join(&lasting("p")));
    script.subscribe(subscriber, "t", 2);
    script.publish(publisher, &Letter::new("t", "1", 2, 7));
    script.begin_to_write();
    assert_eq!((script.hears(subscriber), script.hears(publisher)), (vec![], vec![]));
    script.node.settle();
    assert_eq!(script.hears(publisher), [Heard::PubRec(7, 0)]);
    // The one commit was enough: the packet id was in the message's own batch.
    assert_eq!(script.payloads(subscriber), ["1"]);
}

#[test]
fn what_its_subscriber_acknowledges_before_the_batch_is_taken_is_never_written() {
    let mut script = Script::new();
    let (subscriber, publisher) = (script.join(&lasting("s")), script.join(&passing("p")));
    script.subscribe(subscriber, "t", 1);
    script.node.settle();
    script.publish(publisher, &Letter::new("t", "1", 1, 7));
    assert_eq!(script.messages(subscriber), [("1".to_owned(), 1, 1, false)]);
    script.ack(subscriber, AckKind::PubAck, 1);
    assert_eq!(script.hears(publisher), [Heard::PubAck(7, 0)]);
    script.node.pass(1000);
    assert_eq!((script.node.journal.waiting(), script.node.engine.is_writing()), (0, false));
    assert_eq!(script.node.engine.counters().queued_bytes, 0);
}

#[test]
fn one_of_two_subscribers_is_not_enough() {
    let mut script = Script::new();
    let (one, other) = (script.join(&lasting("a")), script.join(&lasting("b")));
    let publisher = script.join(&passing("p"));
    script.subscribe(one, "t", 1);
    script.subscribe(other, "t", 1);
    script.publish(publisher, &Letter::new("t", "1", 1, 7));
    script.ack(one, AckKind::PubAck, 1);
    assert_eq!(script.hears(publisher), []);
    script.ack(other, AckKind::PubAck, 1);
    assert_eq!(script.hears(publisher), [Heard::PubAck(7, 0)]);
}

#[test]
fn an_acknowledgement_after_the_batch_is_taken_lets_nothing_leave_early() {
    let mut script = Script::new();
    let (subscriber, publisher) = (script.join(&lasting("s")), script.join(&passing("p")));
    script.subscribe(subscriber, "t", 1);
    script.publish(publisher, &Letter::new("t", "1", 1, 7));
    script.begin_to_write();
    script.ack(subscriber, AckKind::PubAck, 1);
    assert_eq!(script.hears(publisher), []);
    script.node.settle();
    assert_eq!(script.hears(publisher), [Heard::PubAck(7, 0)]);
    assert_eq!(script.node.engine.counters().queued_bytes, 0);
}

#[test]
fn a_retained_value_is_sent_once_it_is_durable() {
    let mut script = Script::new();
    let (publisher, subscriber) = (script.join(&passing("p")), script.join(&passing("s")));
    script.publish(publisher, &Letter::new("t", "1", 1, 7).retained());
    script.send(subscriber, &subscribe(subscriber.version, 1, &[("t", wish(1))]));
    assert_eq!(script.hears(subscriber), [Heard::SubAck(1, vec![1])]);
    script.begin_to_write();
    assert_eq!(script.hears(publisher), []);
    script.node.settle();
    assert_eq!(script.hears(publisher), [Heard::PubAck(7, 0x10)]);
    assert_eq!(script.payloads(subscriber), ["1"]);
}

#[test]
fn acknowledgements_leave_in_the_order_of_their_packets() {
    let mut script = Script::new();
    let (away, publisher) = (script.join(&lasting("s")), script.join(&lasting("p")));
    script.subscribe(away, "t", 1);
    script.lose(away);
    script.node.settle();
    script.publish(publisher, &Letter::new("t", "1", 2, 1));
    script.publish(publisher, &Letter::new("nobody", "2", 1, 2));
    script.publish(publisher, &Letter::new("t", "3", 1, 3));
    script.send(publisher, &subscribe(publisher.version, 4, &[("u", wish(0))]));
    assert_eq!(script.hears(publisher), []);
    script.node.settle();
    let expected = [Heard::PubRec(1, 0), Heard::PubAck(2, 0x10), Heard::PubAck(3, 0), Heard::SubAck(4, vec![0])];
    assert_eq!(script.hears(publisher), expected);
}

#[test]
fn several_messages_of_qos_2_take_one_commit() {
    let mut script = Script::new();
    let (subscriber, publisher) = (script.join(&lasting("s")), script.join(&lasting("p")));
    script.subscribe(subscriber, "t", 2);
    for id in 1..=3 {
        script.node.feed(publisher.link, &Letter::new("t", &id.to_string(), 2, id).encode(publisher.version));
    }
    script.begin_to_write();
    script.node.write_batch();
    script.node.report_batch();
    assert_eq!(script.payloads(subscriber), ["1", "2", "3"]);
}

#[test]
fn a_message_beyond_its_only_receivers_maximum_is_acknowledged_at_once() {
    let mut script = Script::new();
    let mut small = lasting("s");
    small.packet_maximum = Some(40);
    let (subscriber, publisher) = (script.join(&small), script.join(&passing("p")));
    script.subscribe(subscriber, "t", 1);
    script.publish(publisher, &Letter::new("t", &"x".repeat(200), 1, 7));
    assert_eq!(script.hears(publisher), [Heard::PubAck(7, 0)]);
    assert_eq!(script.hears(subscriber), []);
}

#[test]
fn a_message_beyond_one_receivers_maximum_reaches_the_other() {
    let mut script = Script::new();
    let mut small = lasting("s");
    small.packet_maximum = Some(40);
    let (small, large) = (script.join(&small), script.join(&lasting("l")));
    let publisher = script.join(&passing("p"));
    script.subscribe(small, "t", 1);
    script.subscribe(large, "t", 1);
    let text = "x".repeat(200);
    script.publish(publisher, &Letter::new("t", &text, 1, 7));
    assert_eq!(script.payloads(large), [text]);
    script.node.settle();
    assert_eq!(script.hears(publisher), [Heard::PubAck(7, 0)]);
    script.ack(large, AckKind::PubAck, 1);
    assert_eq!(script.node.engine.counters().queued_bytes, 0);
}

#[test]
fn a_retained_message_survives_that_its_last_holder_goes_as_a_new_one_comes() {
    let mut script = Script::new();
    let (first, publisher) = (script.join(&lasting("a")), script.join(&passing("p")));
    script.subscribe(first, "t", 1);
    script.publish(publisher, &Letter::new("t", "1", 1, 7).retained());
    script.node.settle();
    assert_eq!(script.payloads(first), ["1"]);
    let second = script.join(&lasting("b"));
    script.ack(first, AckKind::PubAck, 1);
    script.subscribe(second, "t", 1);
    script.node.settle();
    assert_eq!(script.payloads(second), ["1"]);
    script.node.crash();
    let second = script.rejoin(&lasting("b"));
    assert_eq!(script.payloads(second), ["1"]);
}

#[test]
fn a_retained_message_in_a_queue_outlives_its_copies_after_a_restart() {
    let mut script = Script::new();
    let (away, publisher) = (script.join(&lasting("a")), script.join(&passing("p")));
    script.subscribe(away, "t", 1);
    script.lose(away);
    script.publish(publisher, &Letter::new("t", "1", 1, 7).retained());
    script.node.settle();
    script.node.crash();
    let second = script.join(&lasting("b"));
    script.subscribe(second, "t", 1);
    script.node.settle();
    assert_eq!(script.messages(second), [("1".to_owned(), 1, 1, false)]);
    script.ack(second, AckKind::PubAck, 1);
    script.node.settle();
    script.node.crash();
    let away = script.rejoin(&lasting("a"));
    assert_eq!(script.payloads(away), ["1"]);
}

#[test]
fn very_many_who_wait_for_a_commit_are_told_tick_by_tick() {
    let mut script = Script::new();
    let away = script.join(&lasting("s"));
    script.subscribe(away, "t", 1);
    script.lose(away);
    let publishers: Vec<_> =
        (0..2 * STEPS_PER_TICK + 1).map(|number| script.join(&passing(&number.to_string()))).collect();
    script.node.settle();
    for publisher in &publishers {
        script.node.feed(publisher.link, &Letter::new("t", "x", 1, 1).encode(publisher.version));
    }
    script.node.pass(SETTLE_MS);
    script.node.write_batch();
    script.node.is_lazy = true;
    script.node.report_batch();
    let told = |script: &Script| publishers.iter().filter(|seat| script.node.has_output(seat.link)).count();
    // A share is told at once, the next in the tick that follows.
    assert_eq!(told(&script), 2 * STEPS_PER_TICK);
    script.node.tick();
    assert_eq!(told(&script), 2 * STEPS_PER_TICK + 1);
}
