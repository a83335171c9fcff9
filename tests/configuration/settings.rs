//! Address settings that have an effect.

use artemis_rs::protocol::mqtt::codec::{Packet, Property, QoS, Version};

use crate::support::broker::Instance;
use crate::support::mqtt::Hello;
use crate::support::process::eventually;

const FILE: &str = "etc/broker.xml";

/// An instance that looks for what has ended ten times a second, with settings for one pattern.
fn with_settings(pattern: &str, settings: &str) -> Instance {
    let instance = Instance::new();
    let first = "<address-settings>\n";
    let setting = format!("{first}<address-setting match=\"{pattern}\">{settings}</address-setting>\n");
    instance.replace(FILE, first, &setting);
    instance.replace(FILE, "interval>5000<", "interval>100<");
    instance
}

#[test]
fn an_abandoned_subscription_is_deleted() {
    let settings = "<auto-delete-queues>true</auto-delete-queues>\
                    <auto-delete-queues-delay>500</auto-delete-queues-delay>\
                    <auto-delete-queues-message-count>-1</auto-delete-queues-message-count>";
    let instance = with_settings("short.#", settings);
    let broker = instance.start();
    let mut client = Hello::new(Version::V4, "c").kept().connect(broker.port());
    client.subscribe("short/t", QoS::AtLeastOnce);
    client.subscribe("long/t", QoS::AtLeastOnce);
    let has = |name: &str| broker.queues().iter().any(|queue| queue.name == name);
    assert!(has("c.short.t"));
    client.leave();
    eventually("the subscription is deleted", || !has("c.short.t"));
    assert!(has("c.long.t"));
}

#[test]
fn a_message_without_an_expiry_gets_that_of_its_address() {
    let instance = with_settings("short.#", "<expiry-delay>3600000</expiry-delay>");
    let broker = instance.start();
    let mut client = Hello::new(Version::V5, "c").connect(broker.port());
    client.subscribe("+/t", QoS::AtMostOnce);
    let mut sender = Hello::new(Version::V5, "sender").connect(broker.port());
    for (topic, expected) in [("short/t", true), ("long/t", false)] {
        sender.publish(topic, b"x", false);
        let frame = client.next();
        let Packet::Publish(packet) = frame.packet() else { panic!("expected PUBLISH, got {:?}", frame.packet()) };
        let expires = packet.properties.iter().any(|property| matches!(property, Property::MessageExpiry(_)));
        assert_eq!(expires, expected, "{topic}");
    }
}

#[test]
fn a_retained_message_expires_by_the_name_of_its_address_too() {
    let instance = with_settings("$sys.mqtt.retain.short.#", "<expiry-delay>500</expiry-delay>");
    let broker = instance.start();
    let mut sender = Hello::new(Version::V4, "sender").connect(broker.port());
    sender.publish("short/t", b"x", true);
    sender.publish("long/t", b"x", true);
    let has = |name: &str| broker.queues().iter().any(|queue| queue.name == name);
    assert!(has("$sys.mqtt.retain.short.t"));
    eventually("the retained message is gone", || !has("$sys.mqtt.retain.short.t"));
    assert!(has("$sys.mqtt.retain.long.t"));
}
