//! The packet log: switched on and off in a running broker, and what its lines say.
#![expect(clippy::unwrap_used, reason = "a failed test is told by its panic")]

#[path = "clients/support/mod.rs"]
mod support;

use std::thread;
use std::time::Duration;

use artemis_rs::protocol::mqtt::codec::{Packet, Properties, Property, Publish, QoS, Version};
use support::broker::{Broker, Instance};
use support::mqtt::{Client, Hello};
use support::process::eventually;

const FILE: &str = "etc/log4j2.properties";
const LOGGER: &str = "[org.apache.activemq.artemis.core.protocol.mqtt] ";

/// Longer than a line takes from the packet to the test.
const DELAY: Duration = Duration::from_millis(100);

fn switch_on(instance: &Instance) {
    instance.replace(FILE, "#logger.mqtt.", "logger.mqtt.");
}

fn switch_off(instance: &Instance) {
    instance.replace(FILE, "logger.mqtt.", "#logger.mqtt.");
}

/// The lines about packets, without their times, and those that continue them.
fn packets<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut found = Vec::new();
    let mut is_packet = false;
    for line in lines {
        is_packet = line.contains(LOGGER) || (is_packet && line.starts_with('\t'));
        if is_packet {
            found.push(line.split_once(LOGGER).map_or(line, |(_, packet)| packet).to_owned());
        }
    }
    found
}

fn shown(broker: &Broker) -> Vec<String> {
    packets(broker.process.lines().iter().map(String::as_str))
}

fn ping(client: &mut Client) {
    client.send(&Packet::PingReq);
    assert!(matches!(client.next().packet(), Packet::PingResp));
}

/// Pings until that leaves lines in the log, or leaves none.
#[track_caller]
fn ping_until(broker: &Broker, client: &mut Client, is_logged: bool) {
    eventually("a change of the packet log", || {
        let before = shown(broker).len();
        ping(client);
        thread::sleep(DELAY);
        (shown(broker).len() > before) == is_logged
    });
}

fn publish(client: &mut Client, payload: &str) {
    let mut properties = Vec::new();
    Property::ContentType("text/plain").encode(&mut properties);
    Property::UserProperty("trace", "4711").encode(&mut properties);
    client.send(&Packet::Publish(Publish {
        dup: false,
        qos: QoS::AtLeastOnce,
        retain: false,
        topic: "log/t",
        packet_id: 77,
        properties: Properties::from_encoded_unchecked(&properties),
        payload: payload.as_bytes(),
    }));
}

/// A client that does a little of everything and leaves.
fn visit(port: u16, payload: &str) {
    let hello = Hello { credentials: Some(("scott", "tiger")), ..Hello::new(Version::V5, "visitor") };
    let mut client = hello.connect(port);
    client.subscribe("log/#", QoS::AtLeastOnce);
    publish(&mut client, payload);
    let mut kinds = [client.next(), client.next()].map(|frame| matches!(frame.packet(), Packet::Publish(_)));
    kinds.sort_unstable();
    assert_eq!(kinds, [false, true], "a PUBACK and a PUBLISH");
    client.leave();
}

/// The lines of one client, up to its DISCONNECT.
#[track_caller]
fn lines_of_visitor(broker: &Broker) -> Vec<String> {
    let is_last = |line: &String| line.contains("MQTT(visitor): IN << DISCONNECT");
    eventually("the last packet in the log", || shown(broker).iter().any(is_last));
    shown(broker).into_iter().filter(|line| !line.contains("MQTT(pinger)")).collect()
}

#[track_caller]
fn assert_line(lines: &[String], parts: &[&str]) {
    let has_all = |line: &String| parts.iter().all(|part| line.contains(part));
    assert!(lines.iter().any(has_all), "no line has {parts:?}:\n{}", lines.join("\n"));
}

#[test]
fn one_line_per_packet_in_and_out() {
    let instance = Instance::new();
    switch_on(&instance);
    let broker = instance.start();
    visit(broker.port(), "21 °C");
    let lines = lines_of_visitor(&broker);
    for parts in [
        &[
            "MQTT(",
            "): IN << CONNECT",
            "protocol=(MQTT, 5), hasPassword=true, isCleanStart=true, keepAliveTimeSeconds=60, clientIdentifier=visitor, \
             hasUserName=true, isWillFlag=false",
        ][..],
        &["MQTT(visitor): OUT >> CONNACK", "connectReasonCode=0x00, sessionPresent=false", ", topicAliasMaximum=65535"],
        &["MQTT(visitor): IN << SUBSCRIBE(1)"],
        &["\ttopic: log/#, qos: 1, nolocal: false, retainHandling: 0, isRetainAsPublished: false"],
        &["MQTT(visitor): OUT >> SUBACK(1) [1]"],
        &[
            "MQTT(visitor): IN << PUBLISH(77) topic=log/t, qos=1, retain=false, dup=false, remainingLength=",
            ", contentType=",
            ", userProperty=",
            "4711",
            ", payload=21 °C",
        ],
        &["MQTT(visitor): OUT >> PUBACK(77)", "reasonCode=0x00"],
        &["MQTT(visitor): OUT >> PUBLISH(", "topic=log/t, qos=1", "payload=21 °C"],
        &["MQTT(visitor): IN << DISCONNECT", "reasonCode=0x00"],
    ] {
        assert_line(&lines, parts);
    }
    assert_eq!(lines.len(), 9, "{}", lines.join("\n"));
}

#[test]
fn a_password_and_a_user_name_are_never_shown() {
    let instance = Instance::new();
    switch_on(&instance);
    let broker = instance.start();
    visit(broker.port(), "x");
    lines_of_visitor(&broker);
    let text = broker.stop().success() + instance.read("log/artemis.log").as_str();
    assert!(!text.contains("tiger") && !text.contains("scott"), "{text}");
}

#[test]
fn a_payload_is_cut_and_its_control_characters_are_escaped() {
    let instance = Instance::new();
    switch_on(&instance);
    let broker = instance.start();
    let payload = format!("a\nb\u{1b}[2J\t{}", "ü".repeat(300));
    visit(broker.port(), &payload);
    let lines = lines_of_visitor(&broker);
    let line = lines.iter().find(|line| line.contains("IN << PUBLISH")).unwrap();
    let (_, payload) = line.split_once("payload=").unwrap();
    // Of the payload's characters there are 256: these 8 and 248 more.
    assert_eq!(payload, format!("a\\nb\\u{{1b}}[2J\\t{}", "ü".repeat(248)));
    assert!(lines.iter().all(|line| line.trim_start_matches('\t').chars().all(|c| !c.is_control())), "{lines:?}");
}

#[test]
fn the_file_has_the_same_lines() {
    let instance = Instance::new();
    switch_on(&instance);
    let broker = instance.start();
    visit(broker.port(), "x");
    lines_of_visitor(&broker);
    let text = broker.stop().success();
    let file = instance.read("log/artemis.log");
    assert_eq!(packets(file.lines()), packets(text.lines()));
}

#[test]
fn it_is_switched_on_and_off_while_the_broker_runs() {
    let instance = Instance::new();
    let broker = instance.start();
    let mut client = Hello::new(Version::V4, "pinger").connect(broker.port());
    ping(&mut client);
    thread::sleep(DELAY);
    assert_eq!(shown(&broker), [""; 0]);

    switch_on(&instance);
    ping_until(&broker, &mut client, true);
    let lines = shown(&broker);
    assert_line(&lines, &["MQTT(pinger): IN << PINGREQ"]);
    eventually("the answer in the log", || shown(&broker).iter().any(|line| line == "MQTT(pinger): OUT >> PINGRESP"));

    switch_off(&instance);
    ping_until(&broker, &mut client, false);
}

#[test]
fn a_wrong_file_changes_nothing() {
    let instance = Instance::new();
    switch_on(&instance);
    let broker = instance.start();
    let mut client = Hello::new(Version::V4, "pinger").connect(broker.port());
    instance.replace(FILE, "= TRACE", "= EVERYTHING");
    let complaint = broker.process.wait_for("EVERYTHING");
    assert!(complaint.contains("log4j2.properties:"), "{complaint}");
    ping_until(&broker, &mut client, true);
}
