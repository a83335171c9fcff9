//! What is bounded, and what happens at the bound.

use super::{Script, lasting, limits, options, passing};
use crate::engine::{OUTPUT_MAX, Options};
use crate::protocol::mqtt::codec::{AckKind, Version};
use crate::sim::packet::{Heard, Hello, Letter};

#[test]
fn no_more_is_in_flight_than_the_client_takes() {
    let mut script = Script::new();
    let subscriber = script.join(&Hello { receive_maximum: Some(2), ..lasting("s") });
    let publisher = script.join(&lasting("p"));
    script.subscribe(subscriber, "t", 2);
    for (id, qos) in [(1, 1), (2, 2), (3, 1), (4, 1)] {
        script.publish(publisher, &Letter::new("t", &id.to_string(), qos, id));
    }
    script.node.settle();
    let came = script.messages(subscriber);
    assert_eq!(came.iter().map(|(payload, ..)| payload.as_str()).collect::<Vec<_>>(), ["1", "2"]);
    let ids: Vec<u16> = came.iter().map(|(_, _, id, _)| *id).collect();
    script.ack(subscriber, AckKind::PubRec, ids[1]);
    script.node.settle();
    // Received is not completed.
    assert_eq!(script.hears(subscriber), [Heard::PubRel(ids[1], 0)]);
    script.ack(subscriber, AckKind::PubComp, ids[1]);
    assert_eq!(script.payloads(subscriber), ["3"]);
    script.ack(subscriber, AckKind::PubAck, ids[0]);
    assert_eq!(script.payloads(subscriber), ["4"]);
}

#[test]
fn a_client_that_sends_more_than_the_broker_takes_is_sent_away() {
    let mut script = Script::new();
    let publisher = script.join(&lasting("p"));
    for id in 1..=20 {
        script.publish(publisher, &Letter::new("t", "x", 2, id));
    }
    script.node.settle();
    assert_eq!(script.hears(publisher).len(), 20);
    script.publish(publisher, &Letter::new("t", "x", 1, 21));
    assert_eq!(script.hears(publisher), [Heard::Disconnect(0x93)]);
    assert!(script.node.is_over(publisher.link));
}

#[test]
fn without_an_announced_maximum_only_packet_ids_bound_a_client() {
    let mut script = Script::with(options, super::Limits { receive_maximum: None, ..limits() });
    let publisher = script.join(&lasting("p"));
    for id in 1..=1000 {
        script.publish(publisher, &Letter::new("t", "x", 2, id));
    }
    script.node.settle();
    assert_eq!(script.hears(publisher).len(), 1000);
    assert!(!script.node.is_over(publisher.link));
}

#[test]
fn a_connect_beyond_its_limit_is_refused_by_its_header() {
    let mut script = Script::new();
    let link = script.node.connect();
    script.node.send(link, &[0x10, 0x80, 0x80, 0x80]);
    assert!(!script.node.is_over(link));
    script.node.send(link, &[0x01]);
    assert!(script.node.is_over(link));
}

#[test]
fn an_invalid_topic_alias_ends_the_connection() {
    let name = |topic: &str, alias: u16| {
        let mut body = (topic.len() as u16).to_be_bytes().to_vec();
        body.extend_from_slice(topic.as_bytes());
        body.extend_from_slice(&[3, 0x23]);
        body.extend_from_slice(&alias.to_be_bytes());
        body.push(b'x');
        [&[0x30, body.len() as u8], body.as_slice()].concat()
    };
    // None, more than the ten that are offered, and one that stands for nothing.
    for (publish, reason) in [(name("t", 0), 0x94), (name("t", 11), 0x94), (name("", 3), 0x82)] {
        let mut script = Script::new();
        let (subscriber, publisher) = (script.join(&passing("s")), script.join(&passing("p")));
        script.subscribe(subscriber, "#", 0);
        script.send(publisher, &publish);
        assert_eq!(script.hears(publisher), [Heard::Disconnect(reason)], "{publish:?}");
        assert!(script.node.is_over(publisher.link));
        assert_eq!(script.hears(subscriber), []);
    }
}

#[test]
fn beyond_the_global_limit_what_would_be_kept_is_refused() {
    let tight = || Options { queued_bytes_max: 1000, ..options() };
    let mut script = Script::with(tight, limits());
    let (subscriber, publisher) = (script.join(&lasting("s")), script.join(&lasting("p")));
    script.subscribe(subscriber, "t", 1);
    script.lose(subscriber);
    let text = "x".repeat(600);
    for id in 1..=3 {
        script.publish(publisher, &Letter::new("t", &text, 1, id));
    }
    script.publish(publisher, &Letter::new("t", &text, 2, 4));
    script.publish(publisher, &Letter::new("t", "y", 0, 0));
    script.node.settle();
    let expected = [Heard::PubAck(1, 0), Heard::PubAck(2, 0), Heard::PubAck(3, 0x97), Heard::PubRec(4, 0x97)];
    assert_eq!(script.hears(publisher), expected);
    let subscriber = script.rejoin(&lasting("s"));
    assert_eq!(script.messages(subscriber).len(), 2);
    script.ack(subscriber, AckKind::PubAck, 1);
    script.ack(subscriber, AckKind::PubAck, 2);
    script.publish(publisher, &Letter::new("t", "again", 1, 3));
    assert_eq!(script.payloads(subscriber), ["again"]);
}

#[test]
fn before_mqtt_5_what_cannot_be_kept_is_not_acknowledged() {
    let tight = || Options { queued_bytes_max: 100, ..options() };
    for version in [Version::V3, Version::V4] {
        let mut script = Script::with(tight, super::Limits { close_on_refused_publish: false, ..limits() });
        let (subscriber, publisher) = (script.join(&lasting("s")), script.join(&Hello { version, ..passing("p") }));
        script.subscribe(subscriber, "t", 1);
        script.lose(subscriber);
        script.publish(publisher, &Letter::new("t", "1", 1, 1));
        script.publish(publisher, &Letter::new("t", "2", 1, 2));
        script.node.settle();
        let heard = script.hears(publisher);
        assert!(!heard.contains(&Heard::PubAck(2, 0)), "{version:?}: {heard:?}");
    }
}

#[test]
fn a_full_socket_costs_qos_0_and_delays_qos_1() {
    let mut script = Script::new();
    let (subscriber, publisher) = (script.join(&passing("s")), script.join(&passing("p")));
    script.subscribe(subscriber, "t", 1);
    script.node.set_stuck(subscriber.link, true);
    let large = "x".repeat(OUTPUT_MAX / 4);
    for _ in 0..6 {
        script.publish(publisher, &Letter::new("t", &large, 0, 0));
    }
    for id in 1..=3 {
        script.publish(publisher, &Letter::new("t", &id.to_string(), 1, id));
    }
    script.publish(publisher, &Letter::new("t", "lost", 0, 0));
    script.node.settle();
    assert_eq!(script.hears(publisher), [Heard::PubAck(1, 0), Heard::PubAck(2, 0), Heard::PubAck(3, 0)]);
    assert_eq!(script.node.engine.counters().dropped, 3);
    script.node.set_stuck(subscriber.link, false);
    let came: Vec<_> = script.messages(subscriber).into_iter().map(|(payload, qos, ..)| (payload.len(), qos)).collect();
    let large = (large.len(), 0);
    assert_eq!(came, [large, large, large, large, (1, 1), (1, 1), (1, 1)]);
    for id in 1..=3 {
        script.ack(subscriber, AckKind::PubAck, id);
    }
    assert_eq!(script.node.engine.counters().queued_bytes, 0);
}
