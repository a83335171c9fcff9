//! Limits of the broker and of an acceptor: what is refused, with which word, and that it is counted.

use super::{Limits, Options, Script, Terms, lasting, limits, options, passing};
use crate::core::limit::Limit;
use crate::engine::{Admission, Peer};
use crate::protocol::mqtt::codec::{AckKind, Packet, Properties, Property, Publish, QoS, Version};
use crate::protocol::mqtt::{BoundNumbers, Bounds};
use crate::security::{ClientLimits, ConnectionRequest, Principal};
use crate::sim::node::peer;
use crate::sim::packet::{self, Heard, Hello, Letter, wish};

fn bounded(numbers: BoundNumbers) -> Script {
    Script::with(options, Limits { bounds: Bounds::new(&numbers, Bounds::shared()), ..limits() })
}

/// A PUBLISH with properties.
pub(super) fn with_properties(topic: &str, qos: QoS, packet_id: u16, properties: &[Property<'_>]) -> Vec<u8> {
    let mut encoded = Vec::new();
    properties.iter().for_each(|property| property.encode(&mut encoded));
    let properties = Properties::from_encoded_unchecked(&encoded);
    let packet = Publish { dup: false, qos, retain: false, topic, packet_id, properties, payload: b"x" };
    let mut out = Vec::new();
    Packet::Publish(packet).encode(Version::V5, &mut out);
    out
}

#[test]
fn a_packet_has_to_come_to_an_end() {
    let mut script = Script::new();
    let (slow, other) = (script.join(&passing("slow")), script.join(&passing("other")));
    let whole = Letter::new("t", &"x".repeat(5 * 1024), 1, 1).encode(Version::V5);
    script.send(slow, &whole[..1]);
    for at in 1..14 {
        // Every byte counts as a sign of life, and the packet has ten seconds and one for each KiB.
        script.node.pass(1000);
        script.send(slow, &whole[at..at + 1]);
        script.send(other, &packet::ping());
        assert_eq!(script.hears(other), [Heard::PingResp]);
        assert_eq!(script.hears(slow), []);
    }
    script.node.pass(2100);
    assert_eq!(script.hears(slow), [Heard::Disconnect(0x8D)]);
    assert!(script.node.is_over(slow.link) && !script.node.is_over(other.link));
    assert_eq!(script.refused("packets not finished in time"), 1);
}

#[test]
fn a_packet_that_ends_in_time_is_taken() {
    let mut script = Script::new();
    let client = script.join(&passing("c"));
    let whole = Letter::new("t", "x", 1, 1).encode(Version::V5);
    for _ in 0..5 {
        script.send(client, &whole[..4]);
        script.node.pass(9_000);
        script.send(client, &whole[4..]);
        assert_eq!(script.hears(client), [Heard::PubAck(1, 0x10)]);
        script.node.pass(60_000);
    }
    assert!(!script.node.is_over(client.link));
}

#[test]
fn whoever_is_let_in_too_late_is_counted() {
    let mut script = Script::new();
    let link = script.node.connect();
    script.node.send(link, &[0x10]);
    script.node.pass(9_999);
    script.node.send(link, &[0x20]);
    assert!(!script.node.is_over(link));
    script.node.pass(1);
    assert!(script.node.is_over(link));
    assert_eq!(script.refused("connections not let in in time"), 1);
}

#[test]
fn the_oldest_stranger_makes_room() {
    let mut script = Script::new();
    let friend = script.join(&passing("friend"));
    let links: Vec<_> = (0..10_002).map(|_| script.node.connect()).collect();
    script.node.pump();
    let over: Vec<_> = links.iter().map(|link| script.node.is_over(*link)).collect();
    assert!(over[..2].iter().all(|over| *over) && !over[2..].contains(&true));
    assert!(!script.node.is_over(friend.link));
    assert_eq!(script.refused("connections not let in yet"), 2);
    for link in links {
        script.node.lose(link);
    }
    let reports = script.node.engine.limit_reports();
    assert_eq!(reports.iter().find(|report| report.name == "connections not let in yet").unwrap().current, 0);
}

#[test]
fn a_client_that_sends_too_fast_is_not_read() {
    let mut script = Script::new();
    script.set_terms(Terms { messages_per_second: Some(10), ..Terms::default() });
    let (fast, other) = (script.join(&passing("fast")), script.join(&passing("other")));
    for id in 1..=15 {
        script.publish(fast, &Letter::new("t", "x", 1, id));
    }
    assert_eq!(script.hears(fast).len(), 11);
    script.send(other, &packet::ping());
    assert_eq!(script.hears(other), [Heard::PingResp]);
    let mut answers = Vec::new();
    for _ in 0..4 {
        script.node.pass(100);
        script.send(fast, &[]);
        answers.push(script.hears(fast).len());
    }
    assert_eq!(answers, [1, 1, 1, 1]);
    assert_eq!(script.refused("pauses of clients that send too fast"), 5);
}

#[test]
fn bytes_have_a_rate_as_well() {
    let mut script = Script::new();
    script.set_terms(Terms { bytes_per_second: Some(1000), ..Terms::default() });
    let client = script.join(&passing("c"));
    let letter = |id| Letter::new("t", &"x".repeat(1480), 1, id);
    script.publish(client, &letter(1));
    script.publish(client, &letter(2));
    assert_eq!(script.hears(client).len(), 1);
    script.node.pass(450);
    script.send(client, &[]);
    assert_eq!(script.hears(client), []);
    script.node.pass(100);
    script.send(client, &[]);
    assert_eq!(script.hears(client).len(), 1);
}

#[test]
fn who_is_not_read_for_a_while_is_not_taken_for_silent() {
    let mut script = Script::new();
    script.set_terms(Terms { bytes_per_second: Some(100), ..Terms::default() });
    let client = script.join(&Hello { keep_alive: 10, ..passing("c") });
    script.publish(client, &Letter::new("t", &"x".repeat(5_000), 1, 1));
    assert_eq!(script.hears(client).len(), 1);
    script.node.feed(client.link, &packet::ping());
    for _ in 0..60_000 {
        script.node.pass(1);
    }
    assert_eq!(script.hears(client), [Heard::PingResp]);
    assert!(!script.node.is_over(client.link));
}

#[test]
fn more_subscriptions_than_allowed_are_refused_one_by_one() {
    let mut script = Script::new();
    script.set_terms(Terms { subscriptions_max: Some(2), ..Terms::default() });
    let client = script.join(&passing("c"));
    let filters = [("a", wish(0)), ("b", wish(1)), ("c", wish(0)), ("b", wish(2))];
    script.send(client, &packet::subscribe(client.version, 1, &filters));
    assert_eq!(script.hears(client), [Heard::SubAck(1, vec![0, 1, 0x97, 2])]);
    script.send(client, &packet::unsubscribe(client.version, 2, &["a"]));
    assert_eq!(script.hears(client), [Heard::UnsubAck(2, vec![0])]);
    script.subscribe(client, "c", 0);
    assert_eq!(script.refused("subscriptions of one session"), 1);
}

#[test]
fn all_subscriptions_together_are_bounded() {
    let mut script = Script::with(|| Options { subscriptions_max: 2, ..options() }, limits());
    let (a, b) = (script.join(&passing("a")), script.join(&passing("b")));
    script.subscribe(a, "t", 0);
    script.subscribe(a, "$share/g/t", 0);
    script.send(b, &packet::subscribe(b.version, 1, &[("t", wish(0))]));
    assert_eq!(script.hears(b), [Heard::SubAck(1, vec![0x97])]);
    script.lose(a);
    script.subscribe(b, "t", 0);
}

#[test]
fn more_sessions_than_allowed_are_refused() {
    let mut script = Script::with(|| Options { clients_max: 1, ..options() }, limits());
    let first = script.join(&passing("a"));
    for (version, code) in [(Version::V5, 0x97), (Version::V4, 3)] {
        let second = script.connect(&Hello { version, ..passing("b") });
        assert_eq!(script.hears(second), [Heard::ConnAck { present: false, code }]);
    }
    script.lose(first);
    script.join(&passing("b"));
    assert_eq!(script.refused("sessions"), 2);
}

#[test]
fn more_last_values_than_allowed_are_refused_but_not_their_change_or_end() {
    let mut script = Script::with(|| Options { retained_max: 2, ..options() }, limits());
    let client = script.join(&passing("c"));
    for (topic, id, code) in [("a", 1, 0x10), ("b", 2, 0x10), ("c", 3, 0x97), ("a", 4, 0x10)] {
        script.publish(client, &Letter::new(topic, "x", 1, id).retained());
        script.node.settle();
        assert_eq!(script.hears(client), [Heard::PubAck(id, code)], "{topic}");
    }
    script.publish(client, &Letter::new("b", "", 1, 5).retained());
    script.publish(client, &Letter::new("c", "x", 1, 6).retained());
    script.node.settle();
    assert_eq!(script.hears(client), [Heard::PubAck(5, 0x10), Heard::PubAck(6, 0x10)]);
    assert_eq!(script.refused("retained messages"), 1);
}

#[test]
fn wills_of_many_clients_are_spread() {
    let mut script = Script::with(|| Options { wills_per_second: 10, ..options() }, limits());
    let subscriber = script.join(&passing("s"));
    script.subscribe(subscriber, "wills", 0);
    let clients: Vec<_> = (0..25)
        .map(|number| {
            let will = Some(Letter::new("wills", &number.to_string(), 0, 0));
            script.join(&Hello { will, ..passing(&format!("c{number}")) })
        })
        .collect();
    for client in clients {
        script.lose(client);
    }
    assert_eq!(script.payloads(subscriber).len(), 10);
    let mut later = Vec::new();
    for _ in 0..15 {
        script.node.pass(100);
        later.extend(script.payloads(subscriber));
    }
    assert_eq!(later, (10..25).map(|number| number.to_string()).collect::<Vec<_>>());
    assert_eq!(script.refused("wills held back"), 15);
}

#[test]
fn a_will_waits_no_longer_than_its_acceptor_allows() {
    let mut script = Script::new();
    script.set_terms(Terms { will_delay_max_ms: Some(2_000), ..Terms::default() });
    let subscriber = script.join(&passing("s"));
    script.subscribe(subscriber, "wills", 0);
    let will = Some(Letter::new("wills", "gone", 0, 0));
    let client = script.join(&Hello { will, will_delay_s: 3600, ..lasting("c") });
    script.lose(client);
    script.node.pass(1_999);
    assert_eq!(script.hears(subscriber), []);
    script.node.pass(1);
    assert_eq!(script.payloads(subscriber), ["gone"]);
}

#[test]
fn whoever_connects_too_often_is_told_so() {
    let mut script = Script::new();
    script.node.peer = Peer { is_too_often: true, ..peer(Terms::default()) }.into();
    for (version, code) in [(Version::V5, 0x9F), (Version::V4, 3)] {
        let seat = script.connect(&Hello { version, ..passing("c") });
        assert_eq!(script.hears(seat), [Heard::ConnAck { present: false, code }]);
        assert!(script.node.is_over(seat.link));
    }
}

#[test]
fn topics_are_neither_too_long_nor_too_deep() {
    let mut script = bounded(BoundNumbers { topic_bytes: 10, topic_levels: 3, ..BoundNumbers::default() });
    for (topic, code) in [("a/b/c", None), ("a/b/c/d", Some(0x90)), ("12345678901", Some(0x90))] {
        let client = script.join(&passing(topic));
        script.publish(client, &Letter::new(topic, "x", 1, 1));
        let expected = code.map_or(Heard::PubAck(1, 0x10), Heard::Disconnect);
        assert_eq!(script.hears(client), [expected], "{topic}");
    }
    let client = script.join(&passing("s"));
    let filters = ["+/+/#", "+/+/+/#", "$share/group/a/b/c", "$share/group/a/b/c/d"].map(|filter| (filter, wish(0)));
    script.send(client, &packet::subscribe(client.version, 1, &filters));
    assert_eq!(script.hears(client), [Heard::SubAck(1, vec![0, 0x8F, 0, 0x8F])]);
}

#[test]
fn one_subscribe_has_only_so_many_filters() {
    let mut script = bounded(BoundNumbers { filters: 2, ..BoundNumbers::default() });
    let client = script.join(&passing("c"));
    script.send(client, &packet::subscribe(client.version, 1, &[("a", wish(0)), ("b", wish(0))]));
    script.send(client, &packet::subscribe(client.version, 2, &[("a", wish(0)), ("b", wish(0)), ("c", wish(0))]));
    assert_eq!(script.hears(client), [Heard::SubAck(1, vec![0, 0]), Heard::Disconnect(0x97)]);
}

#[test]
fn one_packet_has_only_so_many_user_properties() {
    let mut script = bounded(BoundNumbers { user_properties: 2, ..BoundNumbers::default() });
    let client = script.join(&passing("c"));
    let pair = Property::UserProperty("k", "v");
    script.send(client, &with_properties("t", QoS::AtLeastOnce, 1, &[pair, pair]));
    script.send(client, &with_properties("t", QoS::AtLeastOnce, 2, &[pair, pair, pair]));
    assert_eq!(script.hears(client), [Heard::PubAck(1, 0x10), Heard::Disconnect(0x97)]);
}

#[test]
fn topic_aliases_are_bounded_in_bytes_for_one_client_and_for_all() {
    let topic = |letter: &str| letter.repeat(100);
    let alias = |topic: &str, number| with_properties(topic, QoS::AtLeastOnce, 1, &[Property::TopicAlias(number)]);
    let own = BoundNumbers { own_alias_bytes: 250, ..BoundNumbers::default() };
    let all = std::rc::Rc::new(Limit::new("topic alias bytes", 350));
    let mut script = Script::with(options, Limits { bounds: Bounds::new(&own, all.clone()), ..limits() });
    let first = script.join(&passing("first"));
    for (number, letter) in [(1, "a"), (2, "b"), (1, "c")] {
        script.send(first, &alias(&topic(letter), number));
        assert_eq!(script.hears(first), [Heard::PubAck(1, 0x10)]);
    }
    let second = script.join(&passing("second"));
    script.send(second, &alias(&topic("a"), 1));
    script.send(second, &alias(&topic("b"), 2));
    assert_eq!(script.hears(second), [Heard::PubAck(1, 0x10), Heard::Disconnect(0x97)]);
    script.send(first, &alias(&topic("d"), 3));
    assert_eq!(script.hears(first), [Heard::Disconnect(0x97)]);
    assert_eq!((all.current(), all.refused()), (0, 1));
}

#[test]
fn a_client_id_is_no_longer_than_its_acceptor_allows() {
    let mut script = bounded(BoundNumbers { client_id_bytes: 5, ..BoundNumbers::default() });
    for (version, code) in [(Version::V5, 0x85), (Version::V4, 2)] {
        let seat = script.connect(&Hello { version, ..passing("123456") });
        assert_eq!(script.hears(seat), [Heard::ConnAck { present: false, code }]);
    }
    script.join(&passing("12345"));
}

#[test]
fn a_client_is_held_to_limits_of_its_own() {
    let mut script = Script::new();
    script.node.admit = Box::new(|_| {
        let mut limits = ClientLimits::NONE;
        limits.messages_per_second = Some(5);
        limits.packet_bytes = Some(100);
        limits.subscriptions = Some(1);
        limits.queued_messages = Some(2);
        limits.in_flight = Some(1);
        limits.session_expiry = Some(10);
        let principal = ConnectionRequest::default().admit("").with_limits(limits);
        Ok(Admission { principal, client_id: None })
    });
    let client = script.join(&Hello { expiry: 3600, ..lasting("c") });
    assert_eq!(suback(&mut script, client, "t"), 1);
    assert_eq!(suback(&mut script, client, "u"), 0x97);
    script.node.admit = Box::new(|_| Ok(Admission { principal: Principal::default(), client_id: None }));
    let publisher = script.join(&passing("p"));
    for id in 1..=5 {
        script.publish(publisher, &Letter::new("t", &id.to_string(), 1, id));
    }
    script.node.settle();
    // One is on its way, two wait, the others are not kept.
    let came = script.messages(client);
    assert_eq!(came.len(), 1);
    script.ack(client, AckKind::PubAck, came[0].2);
    let came = script.messages(client);
    script.ack(client, AckKind::PubAck, came[0].2);
    let came = script.messages(client);
    script.ack(client, AckKind::PubAck, came[0].2);
    assert_eq!((came[0].0.as_str(), script.payloads(client).len()), ("3", 0));
    assert_eq!(script.refused("queued messages of one session"), 2);
    script.publish(client, &Letter::new("x", &"x".repeat(200), 1, 1));
    assert_eq!(script.hears(client), [Heard::Disconnect(0x95)]);
    script.node.pass(10_000);
    script.node.settle();
    script.join(&lasting("c"));
}

fn suback(script: &mut Script, seat: super::Seat, filter: &str) -> u8 {
    script.send(seat, &packet::subscribe(seat.version, 7, &[(filter, wish(1))]));
    script.node.settle();
    match &script.hears(seat)[..] {
        [Heard::SubAck(7, codes), ..] => codes[0],
        other => panic!("{other:?}"),
    }
}
