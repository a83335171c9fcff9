//! Sessions, their ends, and their wills.

use super::{Limits, Script, lasting, limits, options, passing};
use crate::protocol::Expiry;
use crate::protocol::mqtt::codec::{AckKind, Version};
use crate::sim::packet::{Heard, Hello, Letter, disconnect, ping};

#[test]
fn an_expiry_of_the_acceptors_counts_where_the_client_gives_none() {
    for version in [Version::V5, Version::V4] {
        let limits = Limits { default_expiry: Expiry(1), default_expiry_for_v5: true, ..limits() };
        let mut script = Script::with(options, limits);
        let hello = Hello { version, clean: false, ..passing("s") };
        let seat = script.join(&hello);
        script.lose(seat);
        script.node.pass(900);
        let seat = script.rejoin(&hello);
        script.lose(seat);
        script.node.pass(1100);
        let seat = script.connect(&hello);
        script.node.settle();
        assert_eq!(script.hears(seat), [Heard::ConnAck { present: false, code: 0 }]);
    }
}

#[test]
fn a_session_whose_time_is_over_is_gone_before_any_scan() {
    let mut script = Script::new();
    let brief = Hello { expiry: 1, ..lasting("s") };
    let client = script.join(&brief);
    let publisher = script.join(&passing("p"));
    script.subscribe(client, "t", 1);
    script.node.settle();
    script.lose(client);
    script.node.pass(1000);
    script.publish(publisher, &Letter::new("t", "1", 1, 1));
    assert_eq!(script.hears(publisher), [Heard::PubAck(1, 0x10)]);
    let client = script.connect(&brief);
    script.node.settle();
    assert_eq!(script.hears(client), [Heard::ConnAck { present: false, code: 0 }]);
}

#[test]
fn a_session_lasts_until_its_time_is_over() {
    let mut script = Script::new();
    let brief = Hello { expiry: 20, ..lasting("s") };
    let client = script.join(&brief);
    script.lose(client);
    script.node.pass(19_999);
    let client = script.rejoin(&brief);
    script.send(client, &disconnect(client.version, 0, Some(5)));
    script.node.pass(5_000);
    script.node.settle();
    script.join(&brief);
}

#[test]
fn time_away_counts_from_the_first_of_several_crashes() {
    let mut script = Script::new();
    let brief = Hello { expiry: 30, ..lasting("s") };
    script.join(&brief);
    script.join(&lasting("other"));
    script.node.settle();
    script.node.crash();
    script.rejoin(&lasting("other"));
    script.node.pass(20_000);
    script.node.settle();
    script.node.crash();
    script.node.pass(15_000);
    script.node.settle();
    script.join(&brief);
}

#[test]
fn a_second_connect_of_no_known_version_is_a_protocol_error() {
    let mut script = Script::new();
    let client = script.join(&passing("c"));
    script.send(client, b"\x10\x06\x00\x01Q\x09\x00\x00");
    assert_eq!(script.hears(client), [Heard::Disconnect(0x82)]); // [MQTT-3.1.0-2]
    assert!(script.node.is_over(client.link));
}

#[test]
fn nothing_is_said_before_connack() {
    let mut script = Script::new();
    let first = script.join(&lasting("s"));
    script.node.settle();
    script.lose(first);
    // A clean start waits until the old session is gone from the disk.
    let waiting = script.connect(&Hello { clean: true, ..lasting("s") });
    assert_eq!(script.hears(waiting), []);
    script.connect(&lasting("s"));
    assert!(script.node.is_over(waiting.link));
    assert_eq!(script.hears(waiting), []); // [MQTT-3.2.0-1]
}

/// What a watcher hears of a will, after a time.
fn will_after(client: &Hello, ms: u64, end: impl Fn(&mut Script, super::Seat)) -> Vec<String> {
    let mut script = Script::new();
    let watcher = script.join(&passing("w"));
    script.subscribe(watcher, "will", 0);
    let seat = script.join(client);
    end(&mut script, seat);
    script.node.pass(ms);
    script.payloads(watcher)
}

fn with_will(delay_s: u32, expiry: u32) -> Hello {
    Hello { will: Some(Letter::new("will", "gone", 0, 0)), will_delay_s: delay_s, expiry, ..lasting("s") }
}

#[test]
fn a_will_waits_for_its_delay_or_the_end_of_the_session() {
    let lose = |script: &mut Script, seat: super::Seat| script.lose(seat);
    assert_eq!(will_after(&with_will(0, 60), 0, lose), ["gone"]);
    assert_eq!(will_after(&with_will(10, 60), 9_999, lose), [""; 0]);
    assert_eq!(will_after(&with_will(10, 60), 10_000, lose), ["gone"]);
    assert_eq!(will_after(&with_will(60, 10), 9_999, lose), [""; 0]);
    assert_eq!(will_after(&with_will(60, 10), 10_000, lose), ["gone"]);
    assert_eq!(will_after(&with_will(60, 0), 0, lose), ["gone"]);
}

#[test]
fn a_clean_start_sends_the_will_and_a_resumed_session_takes_it_back() {
    let clean = |script: &mut Script, seat: super::Seat| {
        script.lose(seat);
        script.connect(&Hello { clean: true, ..lasting("s") });
    };
    assert_eq!(will_after(&with_will(60, 60), 0, clean), ["gone"]);
    let resume = |script: &mut Script, seat: super::Seat| {
        script.lose(seat);
        script.rejoin(&lasting("s"));
    };
    assert_eq!(will_after(&with_will(10, 3600), 60_000, resume), [""; 0]);
}

#[test]
fn an_orderly_end_takes_the_will_along_unless_it_is_asked_for() {
    let leave = |reason| {
        move |script: &mut Script, seat: super::Seat| script.send(seat, &disconnect(seat.version, reason, None))
    };
    assert_eq!(will_after(&with_will(0, 60), 60_000, leave(0)), [""; 0]);
    assert_eq!(will_after(&with_will(0, 60), 0, leave(4)), ["gone"]);
}

#[test]
fn silence_for_one_and_a_half_keep_alives_ends_the_connection() {
    let mut script = Script::new();
    let client = script.join(&Hello { keep_alive: 10, ..passing("s") });
    script.node.pass(14_000);
    script.send(client, &ping());
    assert_eq!(script.hears(client), [Heard::PingResp]);
    script.node.pass(14_999);
    assert!(!script.node.is_over(client.link));
    script.node.pass(1);
    assert!(script.node.is_over(client.link));
    assert_eq!(script.hears(client), [Heard::Disconnect(0x8D)]);
}

#[test]
fn who_says_nothing_is_not_kept() {
    let mut script = Script::new();
    let link = script.node.connect();
    script.node.pass(9_999);
    assert!(!script.node.is_over(link));
    script.node.pass(1);
    assert!(script.node.is_over(link));
}

#[test]
fn a_second_connection_takes_the_place_of_the_first() {
    let mut script = Script::new();
    let first = script.join(&lasting("s"));
    script.subscribe(first, "t", 1);
    let second = script.rejoin(&lasting("s"));
    assert_eq!(script.hears(first), [Heard::Disconnect(0x8E)]);
    assert!(script.node.is_over(first.link));
    let publisher = script.join(&passing("p"));
    script.publish(publisher, &Letter::new("t", "1", 1, 1));
    assert_eq!(script.payloads(second), ["1"]);
}

#[test]
fn without_link_stealing_the_first_connection_stays() {
    let mut script = Script::with(options, Limits { may_take_over: false, ..limits() });
    let first = script.join(&lasting("s"));
    let second = script.connect(&lasting("s"));
    assert!(matches!(script.hears(second)[..], [Heard::ConnAck { present: false, code: 0x80.. }]));
    assert!(script.node.is_over(second.link) && !script.node.is_over(first.link));
}

#[test]
fn a_client_that_does_not_want_its_own_messages_never_has_them_queued() {
    let mut script = Script::new();
    let client = script.join(&lasting("s"));
    let mut options = super::wish(2);
    options.no_local = true;
    script.subscribe_with(client, "t", options);
    script.publish(client, &Letter::new("t", "own", 1, 1));
    assert_eq!(script.hears(client), [Heard::PubAck(1, 0x10)]);
    assert_eq!(script.node.engine.counters().queued_bytes, 0);
    let other = script.join(&passing("p"));
    script.publish(other, &Letter::new("t", "other", 1, 1));
    script.node.settle();
    assert_eq!(script.payloads(client), ["other"]);
}

#[test]
fn who_reaches_nobody_is_told_so() {
    let mut script = Script::new();
    let (subscriber, publisher) = (script.join(&passing("s")), script.join(&passing("p")));
    let publish = |script: &mut Script| {
        for (qos, id) in [(1, 1), (2, 2)] {
            script.publish(publisher, &Letter::new("a/b", "x", qos, id));
        }
        script.ack(publisher, AckKind::PubRel, 2);
        script.node.settle();
        script.hears(publisher)
    };
    let answers = |code| [Heard::PubAck(1, code), Heard::PubRec(2, code), Heard::PubComp(2, 0)];
    assert_eq!(publish(&mut script), answers(0x10));
    script.subscribe(subscriber, "a/+", 0);
    assert_eq!(publish(&mut script), answers(0));
    script.lose(subscriber);
    assert_eq!(publish(&mut script), answers(0x10));
}

#[test]
fn a_client_that_never_subscribed_leaves_nothing() {
    let mut script = Script::new();
    let clean = Hello { version: Version::V4, ..Hello::new("p") };
    let publisher = script.join(&clean);
    script.publish(publisher, &Letter::new("t", "x", 1, 1));
    script.node.settle();
    script.send(publisher, &disconnect(Version::V4, 0, None));
    script.node.settle();
    script.node.crash();
    let again = script.connect(&Hello { clean: false, ..clean });
    script.node.settle();
    assert_eq!(script.hears(again), [Heard::ConnAck { present: false, code: 0 }]);
}

#[test]
fn a_pubrel_for_nothing_is_told_so() {
    let mut script = Script::new();
    let new = script.join(&lasting("n"));
    script.node.settle();
    script.ack(new, AckKind::PubRel, 5);
    script.node.settle();
    assert_eq!(script.hears(new), [Heard::PubComp(5, 0x92)]);
    let old = script.join(&Hello { version: Version::V4, ..passing("o") });
    script.ack(old, AckKind::PubRel, 5);
    assert_eq!(script.hears(old), [Heard::PubComp(5, 0)]);
}

#[test]
fn unacknowledged_messages_come_again_under_their_numbers_and_in_order() {
    let mut script = Script::new();
    let (subscriber, publisher) = (script.join(&lasting("s")), script.join(&lasting("p")));
    script.subscribe(subscriber, "t", 2);
    for (id, qos) in [(1, 1), (2, 2), (3, 1), (4, 2)] {
        script.publish(publisher, &Letter::new("t", &id.to_string(), qos, id));
        script.node.settle();
    }
    let first = script.messages(subscriber);
    assert_eq!(first.iter().map(|(payload, ..)| payload.as_str()).collect::<Vec<_>>(), ["1", "2", "3", "4"]);
    script.lose(subscriber);
    let again: Vec<_> = first.into_iter().map(|(payload, qos, id, _)| (payload, qos, id, true)).collect();
    let subscriber = script.rejoin(&lasting("s"));
    assert_eq!(script.messages(subscriber), again);
    script.lose(subscriber);
    script.node.settle();
    script.node.crash();
    let subscriber = script.rejoin(&lasting("s"));
    let mut after = script.messages(subscriber);
    after.sort();
    assert_eq!(after, again);
}
