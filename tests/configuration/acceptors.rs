//! The parameters of an acceptor, as a client meets them.

use std::time::Duration;

use artemis_rs::protocol::mqtt::codec::{Packet, Property, QoS, Version};

use crate::support::broker::{Broker, Instance};
use crate::support::mqtt::{Client, Hello};
use crate::support::process::eventually;

const NEVER: u32 = u32::MAX;

/// The properties of CONNACK.
#[track_caller]
fn announced<'a>(port: u16, hello: &Hello<'a>) -> Vec<String> {
    let (_client, answer) = hello.ask(port);
    let mut properties: Vec<_> = answer.connack().properties.iter().map(|property| format!("{property:?}")).collect();
    properties.sort_unstable();
    properties
}

fn names(properties: &[Property<'_>]) -> Vec<String> {
    let mut names: Vec<_> = properties.iter().map(|property| format!("{property:?}")).collect();
    names.sort_unstable();
    names
}

fn start(parameters: &[&str]) -> (Instance, Broker) {
    let instance = Instance::with_acceptors(parameters);
    let broker = instance.start();
    (instance, broker)
}

#[test]
fn limits_are_announced() {
    use Property::{MaximumPacketSize, ReceiveMaximum, TopicAliasMaximum};
    let none = "receiveMaximum=-1;topicAliasMaximum=-1;maximumPacketSize=-1";
    let (_instance, broker) = start(&["", "receiveMaximum=5;topicAliasMaximum=3;maximumPacketSize=1000", none]);
    for (port, expected) in broker.ports.iter().zip([
        &[TopicAliasMaximum(65535), MaximumPacketSize(268_435_455)][..],
        &[ReceiveMaximum(5), TopicAliasMaximum(3), MaximumPacketSize(1000)],
        &[],
    ]) {
        assert_eq!(announced(*port, &Hello::new(Version::V5, "c")), names(expected));
    }
}

#[test]
fn what_an_acceptor_does_not_offer_is_announced() {
    use Property::{
        MaximumQos, ResponseInformation, RetainAvailable, ServerReference, SessionExpiry, SharedAvailable,
        SubscriptionIdentifiersAvailable, WildcardAvailable,
    };
    let quiet = "receiveMaximum=-1;topicAliasMaximum=-1;maximumPacketSize=-1";
    let limited = format!(
        "{quiet};maximumQoS=1;retainAvailable=false;wildcardSubscriptionAvailable=false;\
         subscriptionIdentifiersAvailable=false;sharedSubscriptionAvailable=false;maximumSessionExpiryInterval=60;\
         responseInformation=replies/"
    );
    let moved = "serverReference=other.example:1883;serverMoved=permanently;reasonStrings=false";
    let (_instance, broker) = start(&[&limited, moved]);
    let asks = Hello::new(Version::V5, "c").property(Property::RequestResponseInformation(true));
    let expected = [
        MaximumQos(1),
        RetainAvailable(false),
        WildcardAvailable(false),
        SubscriptionIdentifiersAvailable(false),
        SharedAvailable(false),
        SessionExpiry(60),
        ResponseInformation("replies/"),
    ];
    let asks = asks.property(SessionExpiry(NEVER));
    assert_eq!(announced(broker.ports[0], &asks), names(&expected));
    let refused = announced(broker.ports[1], &Hello::new(Version::V5, "c"));
    assert_eq!(refused, names(&[ServerReference("other.example:1883")]));
}

#[test]
fn the_keep_alive_is_the_lesser_one() {
    let parameters = ["", "serverKeepAlive=5", "serverKeepAlive=-1", "serverKeepAlive=0"];
    let (_instance, broker) = start(&parameters);
    for (at, asked, expected) in [
        (0, 60, None),
        (0, 10, None),
        (0, 61, Some(60)),
        (0, 0, Some(60)),
        (1, 10, Some(5)),
        (1, 4, None),
        (2, 0, None),
        (2, 65535, None),
        (3, 10, Some(0)),
    ] {
        let properties = announced(broker.ports[at], &Hello::new(Version::V5, "c").keep_alive(asked));
        let told = properties.iter().find(|property| property.starts_with("ServerKeepAlive"));
        let expected = expected.map(|seconds| format!("{:?}", Property::ServerKeepAlive(seconds)));
        assert_eq!(told, expected.as_ref(), "{:?}, asked for {asked}", parameters[at]);
    }
}

#[test]
fn silence_ends_a_connection_unless_keep_alive_is_off() {
    let (_instance, broker) = start(&["serverKeepAlive=1", "serverKeepAlive=-1", "serverKeepAlive=0"]);
    let connect = |at: usize, version, seconds| {
        let id = format!("c{at}{version:?}{seconds}");
        Hello::new(version, &id).keep_alive(seconds).connect(broker.ports[at])
    };
    let mut told = connect(0, Version::V5, 30);
    let mut asked_for_none = connect(0, Version::V4, 0);
    let mut long = connect(0, Version::V4, 30);
    let mut accepted = connect(1, Version::V4, 0);
    let mut off = connect(2, Version::V5, 1);
    assert_eq!(told.next().disconnect_reason(), 0x8D);
    assert!(told.next_or_end().is_none());
    assert!(asked_for_none.next_or_end().is_none());
    // A client of version 3 cannot be told, so that its own value counts.
    for quiet in [&mut long, &mut accepted, &mut off] {
        assert!(quiet.is_quiet_for(Duration::from_secs(1)));
    }
}

#[test]
fn a_session_without_an_expiry_gets_that_of_the_acceptor_only_where_it_is_written() {
    let key = "defaultMqttSessionExpiryInterval";
    let parameters = ["".to_owned(), format!("{key}=100"), format!("{key}=-1"), format!("{key}=0")];
    let (_instance, broker) = start(&parameters.each_ref().map(String::as_str));
    for (at, own, expected) in
        [(0, None, None), (1, None, Some(100)), (1, Some(7), None), (2, None, Some(NEVER)), (3, None, Some(0))]
    {
        let mut hello = Hello::new(Version::V5, "c");
        hello.properties.extend(own.map(Property::SessionExpiry));
        let properties = announced(broker.ports[at], &hello);
        let told = properties.iter().find(|property| property.starts_with("SessionExpiry"));
        let expected = expected.map(|seconds| format!("{:?}", Property::SessionExpiry(seconds)));
        assert_eq!(told, expected.as_ref(), "{:?}, own {own:?}", parameters[at]);
    }
}

#[test]
fn a_session_is_kept_as_long_as_its_expiry_says() {
    let key = "defaultMqttSessionExpiryInterval";
    let parameters = ["".to_owned(), format!("{key}=100"), format!("{key}=0"), format!("{key}=1")];
    let (_instance, broker) = start(&parameters.each_ref().map(String::as_str));
    for (at, version, kept) in [
        (0, Version::V5, false),
        (0, Version::V4, true),
        (1, Version::V5, true),
        (1, Version::V4, true),
        (2, Version::V5, false),
        (2, Version::V4, false),
        (3, Version::V5, true),
    ] {
        let id = format!("c{at}{version:?}");
        let hello = Hello { clean: false, ..Hello::new(version, &id) };
        hello.connect(broker.ports[at]).leave();
        let present = hello.ask(broker.ports[at]).1.connack().session_present;
        assert_eq!(present, kept, "{:?}, {version:?}", parameters[at]);
    }
}

#[test]
fn no_more_connections_than_allowed() {
    let (_instance, broker) = start(&["connectionsAllowed=2", "connectionsAllowed=-1", "connectionsAllowed=0"]);
    let port = broker.port();
    let first = Hello::new(Version::V4, "a").connect(port);
    let _second = Hello::new(Version::V4, "b").connect(port);
    assert!(Client::open(port, Version::V4).next_or_end().is_none());
    Hello::new(Version::V4, "elsewhere").connect(broker.ports[1]);
    assert!(Client::open(broker.ports[2], Version::V4).next_or_end().is_none());
    drop(first);
    eventually("room for another connection", || {
        let mut client = Client::open(port, Version::V4);
        client.is_quiet_for(Duration::from_millis(50))
    });
}

#[test]
fn a_client_that_does_not_begin_is_closed() {
    let (_instance, broker) = start(&["handshake-timeout=1", "handshake-timeout=0", "handshake-timeout=-1"]);
    let mut client = Hello::new(Version::V4, "c").connect(broker.port());
    let mut patient = Client::open(broker.ports[1], Version::V4);
    let mut as_patient = Client::open(broker.ports[2], Version::V4);
    let mut silent = Client::open(broker.port(), Version::V4);
    let mut slow = Client::open(broker.port(), Version::V4);
    slow.send_bytes(&[0x10, 0x10, 0x00, 0x04, b'M', b'Q', b'T', b'T', 0x04, 0x02]);
    assert!(silent.next_or_end().is_none());
    assert!(slow.next_or_end().is_none());
    for open in [&mut client, &mut patient, &mut as_patient] {
        assert!(open.is_quiet_for(Duration::from_millis(500)));
    }
}

#[test]
fn a_client_id_is_taken_over_unless_that_is_forbidden() {
    let (_instance, broker) = start(&["", "allowLinkStealing=false"]);
    for version in [Version::V4, Version::V5] {
        let mut old = Hello::new(version, "thief").connect(broker.ports[0]);
        let _new = Hello::new(version, "thief").connect(broker.ports[0]);
        if version == Version::V5 {
            assert_eq!(old.next().disconnect_reason(), 0x8E);
        }
        assert!(old.next_or_end().is_none());

        let mut old = Hello::new(version, "honest").connect(broker.ports[1]);
        let (mut new, answer) = Hello::new(version, "honest").ask(broker.ports[1]);
        assert!(answer.connack().code >= if version == Version::V5 { 0x80 } else { 1 });
        assert!(new.next_or_end().is_none());
        old.send(&Packet::PingReq);
        assert!(matches!(old.next().packet(), Packet::PingResp));
    }
}

#[test]
fn a_client_id_is_taken_over_from_another_acceptor() {
    let (_instance, broker) = start(&["", ""]);
    let mut old = Hello::new(Version::V5, "thief").connect(broker.ports[0]);
    let _new = Hello::new(Version::V4, "thief").connect(broker.ports[1]);
    assert_eq!(old.next().disconnect_reason(), 0x8E);
    assert!(old.next_or_end().is_none());
}

#[test]
fn a_client_without_a_receive_maximum_gets_so_many_messages_at_a_time() {
    let (_instance, broker) = start(&["defaultMaximumInFlightPublishMessages=2"]);
    let mut receiver = Hello::new(Version::V4, "receiver").connect(broker.port());
    receiver.subscribe("t", QoS::AtLeastOnce);
    let mut sender = Hello::new(Version::V4, "sender").connect(broker.port());
    for payload in [b"1", b"2", b"3"] {
        sender.publish("t", payload, false);
    }
    let first = receiver.next();
    let second = receiver.next();
    assert!(receiver.is_quiet_for(Duration::from_millis(200)));
    receiver.acknowledge(&first);
    receiver.acknowledge(&second);
    assert_eq!(receiver.message().1, b"3");
}

#[test]
fn the_system_looks_for_peers_that_have_vanished() {
    let (_instance, broker) = start(&[""]);
    let _client = Hello::new(Version::V5, "c").connect(broker.port());
    let local = format!(":{:04X}", broker.port());
    let of_broker = |fields: &Vec<&str>| fields[1].ends_with(&local) && fields[3] == "01";
    // The kind of timer that runs: 2 is that of the keep alive.
    eventually("the keep alive of the system", || {
        let sockets = std::fs::read_to_string("/proc/net/tcp").unwrap();
        let mut established = sockets.lines().skip(1).map(|line| line.split_whitespace().collect()).filter(of_broker);
        established.next().is_some_and(|fields| fields[5].starts_with("02:"))
    });
}
