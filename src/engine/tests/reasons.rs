//! Reason codes and the words that explain them.

use super::{Limits, Script, Seat, Terms, lasting, limits, options, passing, wish};
use crate::protocol::mqtt::codec::{AckKind, Property, Version};
use crate::sim::packet::{Heard, Hello, Letter, ack, disconnect, ping, subscribe, unsubscribe};

fn silent(script: &mut Script) -> Seat {
    let mut properties = Vec::new();
    Property::RequestProblemInformation(false).encode(&mut properties);
    script.join(&Hello { properties, ..passing("s") })
}

const RESERVED: &str = "$SYS/mine";

#[test]
fn failures_are_explained() {
    let mut script = Script::new();
    let seat = script.join(&passing("c"));
    script.publish(seat, &Letter::new(RESERVED, "", 1, 1));
    assert_eq!(script.properties(seat), ["ReasonString(\"not authorized\")"]);
    script.ack(seat, AckKind::PubRel, 9);
    assert_eq!(script.properties(seat), ["ReasonString(\"packet identifier not found\")"]);
    script.send(seat, &subscribe(Version::V5, 2, &[("a", wish(0)), ("a#", wish(0))]));
    assert_eq!(script.properties(seat), ["ReasonString(\"topic filter invalid\")"]);
    script.send(seat, &unsubscribe(Version::V5, 3, &["a#"]));
    assert_eq!(script.properties(seat), ["ReasonString(\"topic filter invalid\")"]);
    script.send(seat, &unsubscribe(Version::V5, 3, &["nothing"]));
    script.publish(seat, &Letter::new("nobody", "", 1, 4));
    assert_eq!(script.properties(seat), [""; 0], "no failures");
    script.ack(seat, AckKind::PubAck, 0);
    assert_eq!(script.properties(seat).len(), 1);
    assert!(script.node.is_over(seat.link));
}

#[test]
fn a_client_may_ask_to_be_spared_explanations_while_it_is_connected() {
    let mut script = Script::new();
    let seat = silent(&mut script);
    script.publish(seat, &Letter::new(RESERVED, "", 1, 1));
    script.ack(seat, AckKind::PubRel, 9);
    script.send(seat, &subscribe(Version::V5, 2, &[("a#", wish(0))]));
    script.send(seat, &unsubscribe(Version::V5, 3, &["a#"]));
    assert_eq!(script.properties(seat), [""; 0]);
    script.send(seat, &ack(Version::V5, AckKind::PubAck, 0));
    assert_eq!(script.properties(seat).len(), 1, "DISCONNECT may explain");
}

#[test]
fn an_acceptor_may_explain_nothing() {
    let mut script = Script::with(options, Limits { explains: false, ..limits() });
    let seat = script.join(&passing("c"));
    script.publish(seat, &Letter::new(RESERVED, "", 1, 1));
    script.send(seat, &subscribe(Version::V5, 2, &[("a#", wish(0))]));
    script.send(seat, &ack(Version::V5, AckKind::PubAck, 0));
    assert_eq!(script.properties(seat), [""; 0]);
    assert!(script.node.is_over(seat.link));
}

#[test]
fn an_explanation_is_left_out_where_the_packet_would_be_too_large() {
    // PUBACK: 2 of header, 2 of id, 1 of reason; with words 1 of length, 3 of property and 14 of "not authorized".
    for (maximum, explained) in [(23, true), (22, false), (30, true)] {
        let mut script = Script::with(options, Limits { receive_maximum: None, topic_alias_maximum: None, ..limits() });
        let seat = script.join(&Hello { packet_maximum: Some(maximum), ..passing("c") });
        script.publish(seat, &Letter::new(RESERVED, "", 1, 1));
        assert_eq!(script.properties(seat).len(), usize::from(explained), "{maximum}");
        script.publish(seat, &Letter::new(RESERVED, "", 1, 1));
        assert_eq!(script.hears(seat), [Heard::PubAck(1, 0x87)]);
    }
}

#[test]
fn nothing_is_sent_that_is_larger_than_a_client_takes() {
    let bare = || Script::with(options, Limits { receive_maximum: None, topic_alias_maximum: None, ..limits() });
    let mut script = bare();
    let seat = script.connect(&Hello { packet_maximum: Some(4), ..passing("c") });
    assert_eq!(script.hears(seat), []);
    assert!(script.node.is_over(seat.link));
    let mut script = bare();
    let seat = script.join(&Hello { packet_maximum: Some(10), ..passing("c") });
    let filters: Vec<_> = ["a", "b", "c", "d", "e", "f"].iter().map(|filter| (*filter, wish(0))).collect();
    script.send(seat, &subscribe(Version::V5, 1, &filters));
    assert_eq!(script.hears(seat), [Heard::Disconnect(0x95)]);
}

#[test]
fn an_invalid_filter_is_refused_alone_where_the_client_can_be_told() {
    let mut script = Script::new();
    let deep = "a/".repeat(300);
    for (filter, code) in [
        ("a#", 0x8F),
        ("a/#/b", 0x8F),
        ("+a", 0x8F),
        ("$share/g", 0x8F),
        ("$share//a", 0x8F),
        ("$share/+/a", 0x8F),
        ("$share/g/a#", 0x8F),
        (&deep, 0x8F),
    ] {
        let seat = script.join(&passing("c"));
        script.send(seat, &subscribe(Version::V5, 1, &[("good", wish(1)), (filter, wish(1)), ("fine", wish(2))]));
        assert_eq!(script.hears(seat), [Heard::SubAck(1, vec![1, code, 2])], "{filter}");
        script.send(seat, &unsubscribe(Version::V5, 2, &["good", filter, "good"]));
        let code = if filter == deep { 0x11 } else { code };
        assert_eq!(script.hears(seat), [Heard::UnsubAck(2, vec![0, code, 0x11])], "{filter}");
    }
    for version in [Version::V3, Version::V4] {
        let seat = script.join(&Hello { version, ..passing("c") });
        script.send(seat, &subscribe(version, 1, &[("good", wish(1)), ("a#", wish(1))]));
        assert_eq!(script.hears(seat), []);
        assert!(script.node.is_over(seat.link));
        let seat = script.join(&Hello { version, ..passing("c") });
        script.send(seat, &subscribe(version, 1, &[("good", wish(1)), (&deep, wish(1))]));
        let refused = if version == Version::V4 { 0x80 } else { 0 };
        assert_eq!(script.hears(seat), [Heard::SubAck(1, vec![1, refused])]);
    }
    let seat = script.join(&passing("c"));
    script.send(seat, &subscribe(Version::V5, 1, &[("", wish(1))]));
    assert_eq!(script.hears(seat), [Heard::Disconnect(0x81)]);
}

#[test]
fn a_packet_id_of_an_open_exchange_is_in_use() {
    let mut script = Script::new();
    let seat = script.join(&lasting("c"));
    script.publish(seat, &Letter::new("t", "", 2, 7));
    script.node.settle();
    assert_eq!(script.hears(seat), [Heard::PubRec(7, 0x10)]);
    script.send(seat, &subscribe(Version::V5, 7, &[("a", wish(0)), ("b", wish(0))]));
    script.send(seat, &unsubscribe(Version::V5, 7, &["a"]));
    script.publish(seat, &Letter::new("t", "", 1, 7));
    let expected = [Heard::SubAck(7, vec![0x91, 0x91]), Heard::UnsubAck(7, vec![0x91]), Heard::PubAck(7, 0x91)];
    assert_eq!(script.hears(seat), expected);
    script.publish(seat, &Letter::new("t", "", 2, 7));
    assert_eq!(script.hears(seat), [Heard::PubRec(7, 0)], "the exchange is still open");
    script.ack(seat, AckKind::PubRel, 7);
    script.node.settle();
    assert_eq!(script.hears(seat), [Heard::PubComp(7, 0)]);
    script.send(seat, &subscribe(Version::V5, 7, &[("a", wish(0))]));
    script.send(seat, &subscribe(Version::V5, 7, &[("b", wish(0))]));
    script.node.settle();
    let mut heard = script.hears(seat);
    heard.sort_by_key(|heard| format!("{heard:?}"));
    assert_eq!(heard, [Heard::SubAck(7, vec![0]), Heard::SubAck(7, vec![0x91])].to_vec());
}

#[test]
fn the_wrong_acknowledgement_is_a_protocol_error() {
    for (qos, kind) in [(1, AckKind::PubRec), (1, AckKind::PubComp), (2, AckKind::PubAck), (2, AckKind::PubComp)] {
        let mut script = Script::new();
        let watcher = script.join(&passing("w"));
        script.subscribe(watcher, "t", 2);
        let publisher = script.join(&passing("p"));
        script.publish(publisher, &Letter::new("t", "1", qos, 1));
        let id = script.messages(watcher)[0].2;
        script.ack(watcher, kind, id);
        assert_eq!(script.hears(watcher), [Heard::Disconnect(0x82)], "{kind:?} for QoS {qos}");
    }
}

#[test]
fn an_expiry_that_begins_with_disconnect_is_a_protocol_error() {
    let mut script = Script::new();
    let seat = script.join(&passing("c"));
    script.send(seat, &disconnect(Version::V5, 0, Some(5)));
    assert_eq!(script.hears(seat), [Heard::Disconnect(0x82)]);
}

#[test]
fn a_connection_lasts_as_long_as_its_acceptor_allows() {
    let mut script = Script::new();
    script.set_terms(Terms { connected_max_ms: Some(90_000), ..Terms::default() });
    let seat = script.join(&lasting("c"));
    for _ in 0..8 {
        script.node.pass(10_000);
        script.send(seat, &ping());
        assert_eq!(script.hears(seat), [Heard::PingResp]);
    }
    script.node.pass(10_000);
    assert_eq!(script.hears(seat), [Heard::Disconnect(0xA0)]);
    script.rejoin(&lasting("c"));
}
