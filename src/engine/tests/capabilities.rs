//! What an acceptor may be told not to offer: announced, and refused with its own code.

use super::{Limits, Script, lasting, limits, options, passing, wish};
use crate::protocol::Expiry;
use crate::protocol::mqtt::Elsewhere;
use crate::protocol::mqtt::codec::{self, Property, QoS, Version};
use crate::sim::packet::{Heard, Hello, Letter, disconnect, subscribe};

fn restricted(change: impl Fn(&mut Limits)) -> Script {
    let mut limits = Limits { receive_maximum: None, topic_alias_maximum: None, ..limits() };
    change(&mut limits);
    Script::with(options, limits)
}

fn v4(id: &str) -> Hello {
    Hello { version: Version::V4, ..passing(id) }
}

/// What CONNACK says beyond success.
fn announced(script: &mut Script, hello: &Hello) -> Vec<String> {
    let seat = script.connect(hello);
    script.properties(seat)
}

/// What a client hears, once it is let in, of what it sends.
fn answer(script: &mut Script, hello: &Hello, bytes: &[u8]) -> (Vec<Heard>, bool) {
    let seat = script.join(hello);
    script.send(seat, bytes);
    script.node.settle();
    (script.hears(seat), script.node.is_over(seat.link))
}

fn encoded(properties: &[Property<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    properties.iter().for_each(|property| property.encode(&mut out));
    out
}

#[test]
fn only_what_differs_from_the_standard_is_announced() {
    let mut script = restricted(|_| ());
    assert_eq!(announced(&mut script, &passing("c")), [""; 0]);
    let mut script = restricted(|limits| {
        limits.maximum_qos = QoS::AtLeastOnce;
        limits.retain_available = false;
        limits.wildcards_available = false;
        limits.identifiers_available = false;
        limits.shared_available = false;
    });
    let expected = [
        "MaximumQos(1)",
        "RetainAvailable(false)",
        "WildcardAvailable(false)",
        "SubscriptionIdentifiersAvailable(false)",
        "SharedAvailable(false)",
    ];
    assert_eq!(announced(&mut script, &passing("c")), expected);
}

#[test]
fn a_publish_above_the_maximum_qos_ends_the_connection() {
    let mut script = restricted(|limits| limits.maximum_qos = QoS::AtLeastOnce);
    let above = Letter::new("t", "1", 2, 1);
    let (heard, is_over) = answer(&mut script, &passing("a"), &above.encode(Version::V5));
    assert_eq!((&heard[..], is_over), (&[Heard::Disconnect(0x9B)][..], true));
    let (heard, is_over) = answer(&mut script, &v4("b"), &above.encode(Version::V4));
    assert_eq!((&heard[..], is_over), (&[][..], true));
    let within = Letter::new("t", "1", 1, 1);
    let (heard, is_over) = answer(&mut script, &passing("c"), &within.encode(Version::V5));
    assert_eq!((&heard[..], is_over), (&[Heard::PubAck(1, 0x10)][..], false));
}

#[test]
fn subscriptions_get_no_more_than_the_maximum_qos() {
    let mut script = restricted(|limits| limits.maximum_qos = QoS::AtLeastOnce);
    for version in [Version::V3, Version::V4, Version::V5] {
        let asked = subscribe(version, 1, &[("a", wish(0)), ("b", wish(1)), ("c", wish(2))]);
        let hello = Hello { version, ..passing("c") };
        assert_eq!(answer(&mut script, &hello, &asked).0, [Heard::SubAck(1, vec![0, 1, 1])]);
    }
}

#[test]
fn a_will_that_could_not_be_sent_is_refused_at_once() {
    let mut script = restricted(|limits| {
        limits.maximum_qos = QoS::AtMostOnce;
        limits.retain_available = false;
    });
    let will = |version, qos, will: Letter| Hello { version, will: Some(Letter { qos, ..will }), ..passing("c") };
    for (hello, code) in [
        (will(Version::V5, 1, Letter::new("w", "", 0, 0)), 0x9B),
        (will(Version::V5, 0, Letter::new("w", "", 0, 0).retained()), 0x9A),
        (will(Version::V5, 0, Letter::new("w", "", 0, 0)), 0),
        (will(Version::V4, 0, Letter::new("w", "", 0, 0)), 0),
    ] {
        let seat = script.connect(&hello);
        assert_eq!(script.hears(seat), [Heard::ConnAck { present: false, code }]);
        script.lose(seat);
    }
    let seat = script.connect(&will(Version::V4, 1, Letter::new("w", "", 0, 0)));
    assert!(script.node.is_over(seat.link), "{:?}", script.hears(seat));
}

#[test]
fn without_retain_nothing_is_kept_and_nothing_is_replayed() {
    let mut script = restricted(|limits| limits.retain_available = false);
    let retained = Letter::new("t", "1", 0, 0).retained();
    let (heard, is_over) = answer(&mut script, &passing("a"), &retained.encode(Version::V5));
    assert_eq!((&heard[..], is_over), (&[Heard::Disconnect(0x9A)][..], true));
    let (heard, is_over) = answer(&mut script, &v4("b"), &retained.encode(Version::V4));
    assert_eq!((&heard[..], is_over), (&[][..], true));
}

#[test]
fn unavailable_kinds_of_subscription_are_refused() {
    let mut script = restricted(|limits| {
        limits.wildcards_available = false;
        limits.identifiers_available = false;
        limits.shared_available = false;
    });
    for (filter, code) in [("a/+", 0xA2), ("#", 0xA2), ("$share/g/a", 0x9E)] {
        let asked = |version| subscribe(version, 1, &[("plain", wish(1)), (filter, wish(1))]);
        let (heard, is_over) = answer(&mut script, &passing("a"), &asked(Version::V5));
        assert_eq!((&heard[..], is_over), (&[Heard::Disconnect(code)][..], true), "{filter}");
        let (heard, is_over) = answer(&mut script, &v4("b"), &asked(Version::V4));
        assert_eq!((&heard[..], is_over), (&[Heard::SubAck(1, vec![1, 0x80])][..], false), "{filter}");
        let v3 = Hello { version: Version::V3, ..passing("c") };
        let (heard, is_over) = answer(&mut script, &v3, &asked(Version::V3));
        assert_eq!((&heard[..], is_over), (&[Heard::SubAck(1, vec![1, 0])][..], false), "{filter}");
    }
    let tag = encoded(&[Property::SubscriptionIdentifier(5)]);
    let mut asked = Vec::new();
    let properties = codec::Properties::from_encoded_unchecked(&tag);
    codec::encode_subscribe(1, properties, &[("a", wish(0))], Version::V5, &mut asked);
    assert_eq!(answer(&mut script, &passing("d"), &asked), (vec![Heard::Disconnect(0xA1)], true));
}

#[test]
fn a_session_is_kept_no_longer_than_the_maximum() {
    let mut script = restricted(|limits| limits.maximum_expiry = Expiry(10));
    assert_eq!(announced(&mut script, &lasting("a")), ["SessionExpiry(10)"]);
    assert_eq!(announced(&mut script, &Hello { expiry: 10, ..lasting("b") }), [""; 0]);
    assert_eq!(announced(&mut script, &passing("c")), [""; 0]);
    for hello in [lasting("d"), Hello { version: Version::V4, ..lasting("e") }] {
        let seat = script.join(&hello);
        script.lose(seat);
        script.node.pass(9_999);
        let seat = script.rejoin(&hello);
        script.lose(seat);
        script.node.pass(10_000);
        script.node.settle();
        script.join(&hello);
    }
}

#[test]
fn a_disconnect_does_not_lift_the_maximum() {
    let mut script = restricted(|limits| limits.maximum_expiry = Expiry(10));
    let hello = Hello { expiry: 5, ..lasting("c") };
    let seat = script.join(&hello);
    script.send(seat, &disconnect(Version::V5, 0, Some(3600)));
    script.node.pass(9_999);
    let seat = script.rejoin(&hello);
    script.send(seat, &disconnect(Version::V5, 0, Some(3600)));
    script.node.pass(10_000);
    script.node.settle();
    script.join(&hello);
}

/// The expiry with which a message arrives.
fn arrives_with(change: impl Fn(&mut Limits), version: Version, asked: Option<u32>) -> Option<u32> {
    let mut script = restricted(change);
    let watcher = script.join(&passing("w"));
    script.subscribe(watcher, "t", 0);
    let publisher = script.join(&Hello { version, ..passing("p") });
    script.publish(publisher, &Letter { expiry_s: asked, ..Letter::new("t", "1", 0, 0) });
    match &script.hears(watcher)[..] {
        [Heard::Publish(letter)] => letter.expiry_s,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_message_lives_no_longer_than_the_maximum() {
    let most = |limits: &mut Limits| limits.maximum_message_expiry_s = Some(60);
    assert_eq!(arrives_with(most, Version::V5, Some(30)), Some(30));
    assert_eq!(arrives_with(most, Version::V5, Some(90)), Some(60));
    assert_eq!(arrives_with(most, Version::V5, None), Some(60));
    assert_eq!(arrives_with(most, Version::V4, None), Some(60));
}

#[test]
fn messages_of_version_3_clients_live_as_long_as_the_acceptor_says() {
    let default = |limits: &mut Limits| limits.default_message_expiry_s = Some(30);
    assert_eq!(arrives_with(default, Version::V4, None), Some(30));
    assert_eq!(arrives_with(default, Version::V3, None), Some(30));
    assert_eq!(arrives_with(default, Version::V5, None), None);
}

#[test]
fn a_will_lives_no_longer_than_the_maximum() {
    let mut script = restricted(|limits| limits.maximum_message_expiry_s = Some(60));
    let watcher = script.join(&passing("w"));
    script.subscribe(watcher, "will", 0);
    let will_properties = encoded(&[Property::MessageExpiry(90)]);
    let client = Hello { will: Some(Letter::new("will", "gone", 0, 0)), will_properties, ..passing("c") };
    let seat = script.join(&client);
    script.lose(seat);
    assert_eq!(script.properties(watcher), ["MessageExpiry(60)"]);
}

#[test]
fn response_information_is_for_those_who_ask() {
    let mut script = restricted(|limits| limits.response_information = Some("replies/".into()));
    let asks = |wanted| Hello { properties: encoded(&[Property::RequestResponseInformation(wanted)]), ..passing("c") };
    assert_eq!(announced(&mut script, &asks(true)), ["ResponseInformation(\"replies/\")"]);
    assert_eq!(announced(&mut script, &asks(false)), [""; 0]);
    assert_eq!(announced(&mut script, &passing("c")), [""; 0]);
}

#[test]
fn an_acceptor_that_has_moved_says_where() {
    for (permanently, code) in [(false, 0x9C), (true, 0x9D)] {
        let elsewhere = Elsewhere { reference: "other:1883".into(), permanently };
        let mut script = restricted(|limits| limits.elsewhere = Some(elsewhere.clone()));
        let seat = script.connect(&passing("c"));
        assert!(script.node.is_over(seat.link));
        assert_eq!(script.properties(seat)[0], "ServerReference(\"other:1883\")");
        let seat = script.connect(&passing("c"));
        assert_eq!(script.hears(seat), [Heard::ConnAck { present: false, code }]);
        let seat = script.connect(&v4("c"));
        assert_eq!(script.hears(seat), [Heard::ConnAck { present: false, code: 3 }]);
    }
}

#[test]
fn a_payload_is_what_it_is_said_to_be_where_that_is_checked() {
    let letter = |qos: u8, payload: &[u8]| {
        let text = encoded(&[Property::PayloadFormat(1)]);
        let packet = codec::Packet::Publish(codec::Publish {
            dup: false,
            qos: QoS::try_from(qos).expect("a QoS"),
            retain: false,
            topic: "t",
            packet_id: u16::from(qos),
            properties: codec::Properties::from_encoded_unchecked(&text),
            payload,
        });
        let mut out = Vec::new();
        packet.encode(Version::V5, &mut out);
        out
    };
    let mut strict = restricted(|limits| limits.checks_payloads = true);
    let watcher = strict.join(&passing("w"));
    strict.subscribe(watcher, "t", 0);
    let seat = strict.join(&passing("c"));
    strict.send(seat, &[letter(0, b"\xFF"), letter(1, b"\xFF"), letter(2, b"\xFF"), letter(0, b"\xC3\xA9")].concat());
    strict.node.settle();
    assert_eq!(strict.hears(seat), [Heard::PubAck(1, 0x99), Heard::PubRec(2, 0x99)]);
    assert_eq!(strict.payloads(watcher), ["\u{e9}"]);
    let bad = Hello {
        will: Some(Letter { payload: vec![0xFF], ..Letter::new("w", "", 0, 0) }),
        will_properties: encoded(&[Property::PayloadFormat(1)]),
        ..passing("d")
    };
    let seat = strict.connect(&bad);
    assert_eq!(strict.hears(seat), [Heard::ConnAck { present: false, code: 0x99 }]);
    let mut lenient = restricted(|_| ());
    let (heard, _) = answer(&mut lenient, &passing("c"), &letter(1, b"\xFF"));
    assert_eq!(heard, [Heard::PubAck(1, 0x10)]);
}
