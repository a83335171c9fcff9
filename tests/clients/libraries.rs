//! Paho in Python and MQTT.js in Node, each over TCP and over WebSocket.

use std::process::Command;
use std::time::Duration;

use super::python;
use super::support::broker::Instance;
use super::support::process;

const PATIENCE: Duration = Duration::from_secs(120);

/// Runs a script against a broker of its own; it prints a line for each thing that went well.
#[track_caller]
fn run(command: impl FnOnce(u16) -> Command, package: &str, checks: usize) {
    let instance = Instance::new();
    let broker = instance.start();
    let text = process::run(&mut command(broker.port()), package, PATIENCE).success();
    assert_eq!(text.lines().count(), checks, "{text}");
}

#[track_caller]
fn paho(transport: &str) {
    let command = |port: u16| {
        let mut command = python::command();
        command.arg("-B").arg(python::test_file("clients/paho_client.py")).args([&port.to_string(), transport]);
        command
    };
    run(command, python::PACKAGE, 14);
}

#[track_caller]
fn mqtt_js(scheme: &str) {
    let command = |port: u16| {
        let mut command = Command::new("node");
        command.arg(python::test_file("node/mqttjs.mjs")).arg(format!("{scheme}://localhost:{port}"));
        command
    };
    run(command, "node", 13);
}

#[test]
fn paho_over_tcp() {
    paho("tcp");
}

#[test]
fn paho_over_websocket() {
    paho("websockets");
}

#[test]
fn mqtt_js_over_tcp() {
    mqtt_js("mqtt");
}

#[test]
fn mqtt_js_over_websocket() {
    mqtt_js("ws");
}
