//! What a client that breaks a limit of its acceptor, or its permissions, is told.

use artemis_rs::protocol::mqtt::codec::{Packet, Properties, Property, Publish, QoS, Version};

use crate::support::broker::Instance;
use crate::support::mqtt::{Client, Hello};
use crate::support::process::eventually;

const NO_SEND: &str =
    r#"<security-setting match="secret.#"><permission type="consume" roles="amq"/></security-setting>"#;

fn publish(client: &mut Client, qos: QoS, packet_id: u16, topic: &str, payload: &[u8], property: Option<Property<'_>>) {
    let mut properties = Vec::new();
    property.iter().for_each(|property| property.encode(&mut properties));
    let properties = Properties::from_encoded_unchecked(&properties);
    client.send(&Packet::Publish(Publish { dup: false, qos, retain: false, topic, packet_id, properties, payload }));
}

#[test]
fn a_packet_that_is_too_large() {
    let instance = Instance::with_acceptor("maximumPacketSize=1000");
    let broker = instance.start();
    let mut client = Hello::new(Version::V5, "c").connect(broker.port());
    publish(&mut client, QoS::AtMostOnce, 0, "t", &[b'x'; 1000], None);
    assert_eq!(client.next().disconnect_reason(), 0x95);
    assert!(client.next_or_end().is_none());
}

#[test]
fn a_topic_alias_that_was_not_offered() {
    let instance = Instance::with_acceptors(&["topicAliasMaximum=2", "topicAliasMaximum=0", "topicAliasMaximum=-1"]);
    let broker = instance.start();
    for (port, alias, allowed) in [
        (broker.ports[0], 2, true),
        (broker.ports[0], 3, false),
        (broker.ports[1], 1, false),
        (broker.ports[2], 1, false),
    ] {
        let mut client = Hello::new(Version::V5, "c").connect(port);
        publish(&mut client, QoS::AtLeastOnce, 1, "t", b"", Some(Property::TopicAlias(alias)));
        let answer = client.next();
        match answer.packet() {
            Packet::PubAck(_) => assert!(allowed, "{alias}"),
            _ => assert_eq!((answer.disconnect_reason(), allowed), (0x94, false)),
        }
    }
}

#[test]
fn more_messages_at_a_time_than_offered() {
    let instance = Instance::with_acceptor("receiveMaximum=2");
    let broker = instance.start();
    let mut client = Hello::new(Version::V5, "c").connect(broker.port());
    for packet_id in 1..=3 {
        publish(&mut client, QoS::ExactlyOnce, packet_id, "t", b"", None);
    }
    let mut last = client.next();
    while let Packet::PubRec(_) = last.packet() {
        last = client.next();
    }
    assert_eq!(last.disconnect_reason(), 0x93);
}

#[test]
fn a_message_that_may_not_be_sent() {
    let key = "closeMqttConnectionOnPublishAuthorizationFailure";
    let instance = Instance::with_acceptors(&["", &format!("{key}=false")]);
    instance.replace("etc/broker.xml", "<security-settings>", &format!("<security-settings>{NO_SEND}"));
    let broker = instance.start();
    let ask = |port: u16, version| {
        let mut client = Hello::new(version, "c").connect(port);
        publish(&mut client, QoS::AtLeastOnce, 1, "secret/t", b"", None);
        client.next_or_end()
    };
    assert!(ask(broker.ports[0], Version::V4).is_none());
    assert!(matches!(ask(broker.ports[1], Version::V4).unwrap().packet(), Packet::PubAck(_)));
    for port in &broker.ports {
        let answer = ask(*port, Version::V5).unwrap();
        let Packet::PubAck(answer) = answer.packet() else { panic!("{:?}", answer.packet()) };
        assert_eq!(answer.reason.0, 0x87);
    }
}

#[test]
fn cve_2018_20145_permissions_count_at_every_acceptor() {
    let instance = Instance::with_acceptors(&["", "receiveMaximum=5", "allowLinkStealing=false"]);
    instance.replace("etc/broker.xml", "<security-settings>", &format!("<security-settings>{NO_SEND}"));
    let broker = instance.start();
    for port in &broker.ports {
        let mut client = Hello::new(Version::V5, &format!("c{port}")).connect(*port);
        publish(&mut client, QoS::AtLeastOnce, 1, "secret/t", b"", None);
        let answer = client.next();
        let Packet::PubAck(answer) = answer.packet() else { panic!("{:?}", answer.packet()) };
        assert_eq!(answer.reason.0, 0x87);
        assert_eq!(client.subscribe("elsewhere", QoS::AtLeastOnce), 1);
    }
}

#[test]
fn more_connections_subscriptions_and_messages_than_a_user_may_have() {
    let settings = r#"<resource-limit-settings><resource-limit-setting match="guest">
        <max-sessions>2</max-sessions><max-queues>1</max-queues></resource-limit-setting></resource-limit-settings>"#;
    let instance = Instance::with_core(settings);
    let broker = instance.start();
    let mut first = Hello::new(Version::V5, "first").connect(broker.port());
    let mut second = Hello::new(Version::V5, "second").connect(broker.port());
    for (version, code) in [(Version::V5, 0x97), (Version::V4, 3)] {
        assert_eq!(Hello::new(version, "third").ask(broker.port()).1.connack().code, code);
    }
    // Whoever takes over its own client id is not one more.
    let taken = Hello::new(Version::V5, "second").connect(broker.port());
    assert_eq!(second.next().disconnect_reason(), 0x8E);
    assert_eq!(first.subscribe("a", QoS::AtLeastOnce), 1);
    assert_eq!(first.subscribe("b", QoS::AtLeastOnce), 0x97);
    assert_eq!(first.subscribe("a", QoS::AtMostOnce), 0);
    drop((first, taken));
    eventually("there is room again", || Hello::new(Version::V5, "third").ask(broker.port()).1.connack().code == 0);
}

#[test]
fn limits_are_shown_with_what_was_refused() {
    let instance = Instance::with_acceptor("subscriptionsMaximum=1;connectionsAllowed=2");
    let broker = instance.start();
    let mut client = Hello::new(Version::V5, "c").connect(broker.port());
    assert_eq!(client.subscribe("a", QoS::AtMostOnce), 0);
    assert_eq!(client.subscribe("b", QoS::AtMostOnce), 0x97);
    let shown = |arguments: &[&str]| {
        let output = instance.command(arguments).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let cells = |line: &str| line.split('|').map(str::trim).collect::<Vec<_>>().join("|");
    let table = shown(&["limit", "stat", "--used"]);
    let lines: Vec<_> = table.lines().map(cells).collect();
    assert_eq!(lines[0], "|NAME|ACCEPTOR|CURRENT|LIMIT|REFUSED|");
    for expected in ["|connections|mqtt|1|2|0|", "|subscriptions||1|2000000|0|"] {
        assert!(lines.iter().any(|line| line == expected), "{expected}\n{table}");
    }
    let json: serde_json::Value = serde_json::from_str(&shown(&["limit", "stat", "--json"])).unwrap();
    let one = |name: &str| json.as_array().unwrap().iter().find(|limit| limit["name"] == name).unwrap().clone();
    assert_eq!(one("subscriptions of one session")["refused"], 1);
    assert_eq!(one("packets not finished in time")["limit"], serde_json::Value::Null);
}
