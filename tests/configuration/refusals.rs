//! What a client is told, in its version's words, when it may not do something.

use artemis_rs::protocol::mqtt::codec::{Connect, Packet, Properties, QoS, Version, Will};

use crate::support::broker::{Broker, Instance};
use crate::support::mqtt::{Client, Hello};

/// `write` may be subscribed to by nobody, `read` may be sent to by nobody.
const SETTINGS: &str = r#"<security-settings>
<security-setting match="write.#"><permission type="send" roles="amq"/></security-setting>
<security-setting match="read.#">
<permission type="createAddress" roles="amq"/>
<permission type="createNonDurableQueue" roles="amq"/>
<permission type="consume" roles="amq"/></security-setting>"#;

fn instance() -> Instance {
    let instance = Instance::new();
    instance.replace("etc/broker.xml", "<security-settings>", SETTINGS);
    instance
}

#[test]
fn a_subscription_that_is_not_allowed_is_told_as_the_version_can() {
    let instance = instance();
    let broker = instance.start();
    for (version, code) in [(Version::V5, 0x87), (Version::V4, 0x80), (Version::V3, 0)] {
        let mut client = Hello::new(version, "c").connect(broker.port());
        assert_eq!(client.subscribe("write/t", QoS::AtLeastOnce), code, "{version:?}");
        assert_eq!(client.subscribe("read/t", QoS::AtLeastOnce), 1, "{version:?}");
        let mut sender = Hello::new(Version::V5, "sender").connect(broker.port());
        sender.publish("write/t", b"hidden", false);
        sender.publish("other", b"seen", false);
        assert_eq!(client.subscribe("other", QoS::AtLeastOnce), 1);
        sender.publish("other", b"seen", false);
        assert_eq!(client.message(), ("other".to_owned(), b"seen".to_vec()), "{version:?}");
    }
}

#[test]
fn a_client_of_3_1_gets_an_acknowledgement_for_what_it_may_not_send() {
    let instance = instance();
    let broker = instance.start();
    let mut watcher = watcher(&broker);
    let mut sender = Hello::new(Version::V3, "sender").connect(broker.port());
    sender.publish("read/t", b"dropped", false);
    sender.publish("other", b"kept", false);
    assert_eq!(watcher.message().1, b"kept");
}

fn watcher(broker: &Broker) -> Client {
    let mut watcher = Hello::new(Version::V5, "watcher").connect(broker.port());
    for filter in ["read/#", "other"] {
        assert_eq!(watcher.subscribe(filter, QoS::AtLeastOnce), 1);
    }
    watcher
}

/// A client that leaves nothing but its will.
fn die(broker: &Broker, topic: &str) {
    let mut client = Client::open(broker.port(), Version::V5);
    let (qos, properties) = (QoS::AtLeastOnce, Properties::default());
    let will = Some(Will { topic, payload: topic.as_bytes(), qos, retain: true, properties });
    client.send(&Packet::Connect(Connect {
        version: Version::V5,
        clean_start: true,
        keep_alive: 0,
        client_id: "mortal",
        username: None,
        password: None,
        will,
        properties,
    }));
    client.next();
}

#[test]
fn a_will_that_may_not_be_sent_is_not_sent() {
    let instance = instance();
    let broker = instance.start();
    let mut watcher = watcher(&broker);
    die(&broker, "read/t");
    die(&broker, "other");
    assert_eq!(watcher.message().0, "other");
    let mut late = Hello::new(Version::V5, "late").connect(broker.port());
    for filter in ["read/t", "other"] {
        late.subscribe(filter, QoS::AtLeastOnce);
    }
    assert_eq!(late.message().0, "other");
}
