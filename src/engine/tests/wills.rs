//! Wills across restarts, and in crowds.

use super::{Script, Seat, lasting, options, passing};
use crate::engine::Options;
use crate::protocol::mqtt::codec::Property;
use crate::sim::packet::{Heard, Hello, Letter, disconnect};

const GRACE_MS: u64 = 30_000;

fn with_will(id: &str, delay_s: u32, expiry: u32) -> Hello {
    Hello { will: Some(Letter::new("will", id, 1, 0)), will_delay_s: delay_s, expiry, ..lasting(id) }
}

/// A broker with a watcher that stays away, so that it hears later what was sent meanwhile.
fn watched() -> Script {
    let mut script = Script::new();
    let watcher = script.join(&lasting("w"));
    script.subscribe(watcher, "will", 1);
    script.lose(watcher);
    script
}

fn heard_by_now(script: &mut Script) -> Vec<String> {
    script.node.settle();
    let watcher = script.rejoin(&lasting("w"));
    let heard = script.messages(watcher);
    for (.., id, _) in &heard {
        script.ack(watcher, crate::protocol::mqtt::codec::AckKind::PubAck, *id);
    }
    script.node.settle();
    script.lose(watcher);
    script.node.settle();
    heard.into_iter().map(|(payload, ..)| payload).collect()
}

#[test]
fn a_crash_leaves_clients_time_to_come_back() {
    for client in [with_will("c", 0, 3600), with_will("c", 0, 0), Hello { clean: true, ..with_will("c", 0, 0) }] {
        let mut script = watched();
        script.connect(&client);
        script.node.pass(1_000);
        script.node.settle();
        script.node.crash();
        script.node.pass(GRACE_MS - 1_000);
        assert_eq!(heard_by_now(&mut script), [""; 0], "{client:?}");
        script.node.pass(1_000);
        assert_eq!(heard_by_now(&mut script), ["c"], "{client:?}");
    }
}

#[test]
fn a_client_that_is_back_in_time_takes_its_will_away() {
    for client in [with_will("c", 0, 3600), Hello { clean: true, ..with_will("c", 0, 0) }] {
        let mut script = watched();
        script.connect(&client);
        script.node.pass(1_000);
        script.node.settle();
        script.node.crash();
        script.node.pass(GRACE_MS - 1_000);
        script.connect(&Hello { will: None, ..client });
        script.node.settle();
        script.node.pass(GRACE_MS);
        script.node.crash();
        script.node.pass(2 * GRACE_MS);
        assert_eq!(heard_by_now(&mut script), [""; 0]);
    }
}

#[test]
fn a_will_that_was_due_at_a_crash_goes_out_beside_that_of_the_next_client_of_the_id() {
    let mut script = watched();
    script.join(&Hello { will: Some(Letter::new("will", "first", 1, 0)), ..passing("c") });
    script.connect(&Hello { clean: true, ..with_will("c", 0, 3600) });
    assert!(script.node.write_batch());
    script.node.crash();
    script.node.pass(1_000);
    assert_eq!(heard_by_now(&mut script), ["first"]);
    script.node.pass(GRACE_MS);
    assert_eq!(heard_by_now(&mut script), ["c"]);
    script.node.crash();
    script.node.pass(GRACE_MS);
    assert_eq!(heard_by_now(&mut script), [""; 0]);
}

#[test]
fn the_time_to_come_back_begins_with_each_crash() {
    let mut script = watched();
    script.connect(&with_will("c", 0, 3600));
    script.node.settle();
    for _ in 0..3 {
        script.node.crash();
        script.node.pass(GRACE_MS - 1_000);
        script.node.settle();
    }
    script.node.pass(1_000);
    assert_eq!(heard_by_now(&mut script), ["c"]);
    script.node.crash();
    script.node.pass(2 * GRACE_MS);
    assert_eq!(heard_by_now(&mut script), [""; 0], "sent once");
}

#[test]
fn a_longer_delay_counts_from_the_crash_and_a_running_one_goes_on() {
    let mut script = watched();
    script.connect(&with_will("connected", 600, 3600));
    let away = script.connect(&with_will("away", 1_000, 3600));
    script.lose(away);
    script.node.settle();
    script.node.pass(10_000);
    script.node.crash();
    script.node.pass(580_000);
    assert_eq!(heard_by_now(&mut script), [""; 0]);
    script.node.pass(20_000);
    assert_eq!(heard_by_now(&mut script), ["connected"]);
    script.node.pass(370_000);
    assert_eq!(heard_by_now(&mut script), [""; 0]);
    script.node.pass(20_000);
    assert_eq!(heard_by_now(&mut script), ["away"]);
}

#[test]
fn a_clean_start_after_a_crash_sends_a_will_whose_delay_was_running() {
    let mut script = watched();
    let client = with_will("c", 100, 3600);
    let seat = script.connect(&client);
    script.lose(seat);
    script.node.settle();
    script.node.crash();
    script.connect(&Hello { clean: true, will: None, ..client });
    assert_eq!(heard_by_now(&mut script), ["c"]);
}

#[test]
fn the_grace_is_a_setting() {
    let mut script = Script::with(|| Options { will_grace_ms: 5_000, ..options() }, super::limits());
    let watcher = script.join(&lasting("w"));
    script.subscribe(watcher, "will", 1);
    script.lose(watcher);
    script.connect(&with_will("c", 0, 3600));
    script.node.settle();
    script.node.crash();
    script.node.pass(4_000);
    assert_eq!(heard_by_now(&mut script), [""; 0]);
    script.node.pass(1_000);
    assert_eq!(heard_by_now(&mut script), ["c"]);
}

#[test]
fn at_a_stop_wills_without_delay_are_sent_and_others_wait() {
    let mut script = watched();
    script.connect(&with_will("at once", 0, 3600));
    script.connect(&with_will("later", 60, 3600));
    script.node.settle();
    script.node.engine.shut_down(script.node.now);
    script.node.settle();
    script.node.crash();
    assert_eq!(heard_by_now(&mut script), ["at once"]);
    script.node.pass(60_000);
    assert_eq!(heard_by_now(&mut script), ["later"]);
}

#[test]
fn a_crowd_that_leaves_at_once_does_not_fill_a_tick() {
    let mut script = Script::new();
    let watcher = script.join(&passing("w"));
    script.subscribe(watcher, "will", 0);
    let clients: Vec<Seat> = (0..1_000)
        .map(|n| {
            script.join(&Hello { will: Some(Letter::new("will", &n.to_string(), 0, 0)), ..passing(&format!("c{n}")) })
        })
        .collect();
    for client in &clients {
        script.node.drop_link(client.link);
    }
    let before = script.node.engine.counters().delivered;
    script.node.engine.advance(script.node.now);
    assert_eq!(script.node.engine.counters().delivered - before, 256);
    assert!(script.node.engine.has_more());
    script.node.pump();
    let heard = script.payloads(watcher);
    assert_eq!(heard, (0..1_000).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[test]
fn a_will_keeps_its_properties_but_for_the_delay() {
    let mut script = Script::new();
    let watcher = script.join(&passing("w"));
    script.subscribe(watcher, "will", 0);
    let mut will_properties = Vec::new();
    for property in [
        Property::WillDelay(1),
        Property::PayloadFormat(1),
        Property::MessageExpiry(9),
        Property::ContentType("text"),
        Property::ResponseTopic("back"),
        Property::CorrelationData(b"7"),
        Property::UserProperty("k", "1"),
        Property::UserProperty("k", "2"),
    ] {
        property.encode(&mut will_properties);
    }
    let client = Hello { will_properties, will: Some(Letter::new("will", "gone", 0, 0)), ..lasting("c") };
    let seat = script.join(&client);
    script.lose(seat);
    script.node.pass(1_000);
    let expected = [
        "MessageExpiry(9)",
        "PayloadFormat(1)",
        "ContentType(\"text\")",
        "ResponseTopic(\"back\")",
        "CorrelationData([55])",
        "UserProperty(\"k\", \"1\")",
        "UserProperty(\"k\", \"2\")",
    ];
    assert_eq!(script.properties(watcher), expected);
}

#[test]
fn a_takeover_sends_the_will_unless_its_delay_is_left_time_for() {
    for (delay_s, expected) in [(0, vec!["c".to_owned()]), (60, vec![])] {
        let mut script = watched();
        script.connect(&with_will("c", delay_s, 3600));
        script.node.settle();
        let second = script.connect(&Hello { will: None, ..with_will("c", 0, 3600) });
        script.node.settle();
        assert!(matches!(script.hears(second)[..], [Heard::ConnAck { present: true, code: 0 }]));
        script.node.pass(100_000);
        assert_eq!(heard_by_now(&mut script), expected);
    }
}

#[test]
fn a_new_connection_without_a_will_has_none() {
    let mut script = watched();
    let first = script.connect(&with_will("c", 60, 3600));
    script.lose(first);
    let second = script.rejoin(&lasting("c"));
    script.lose(second);
    script.node.pass(100_000);
    assert_eq!(heard_by_now(&mut script), [""; 0]);
}

#[test]
fn a_disconnect_that_shortens_the_session_lets_the_will_go_with_it() {
    let mut script = watched();
    let seat = script.join(&with_will("c", 60, 3600));
    script.send(seat, &disconnect(seat.version, 4, Some(10)));
    script.node.pass(9_000);
    assert_eq!(heard_by_now(&mut script), [""; 0]);
    script.node.pass(1_000);
    assert_eq!(heard_by_now(&mut script), ["c"]);
}
