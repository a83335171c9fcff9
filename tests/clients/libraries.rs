//! Paho in Python, C and Java, gmqtt and aiomqtt in Python, MQTT.js in Node, HiveMQ's in Java: what they do goes well.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::support::broker::Instance;
use super::support::process;
use super::{java, python};

const PATIENCE: Duration = Duration::from_secs(120);

/// Runs a script against a broker of its own; it prints a line for each thing that went well.
#[track_caller]
fn run(command: impl FnOnce(u16) -> Command, package: &str, checks: usize) {
    run_on(&Instance::new(), command, package, checks);
}

#[track_caller]
fn run_on(instance: &Instance, command: impl FnOnce(u16) -> Command, package: &str, checks: usize) {
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

#[track_caller]
fn asyncio(library: &str) {
    let command = |port: u16| {
        let mut command = python::command();
        command.arg("-B").arg(python::test_file("clients/asyncio_clients.py")).args([&port.to_string(), library]);
        command
    };
    run(command, library, 10);
}

#[track_caller]
fn paho_c(scheme: &str) {
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("paho_client_{scheme}"));
    let mut compiler = Command::new("cc");
    compiler.args(["-Wall", "-Wextra", "-Werror", "-o"]).args([&program, &python::test_file("clients/paho_client.c")]);
    process::run(compiler.arg("-lpaho-mqtt3c"), "gcc", PATIENCE).success();
    let command = |port: u16| {
        let mut command = Command::new(program);
        command.arg(format!("{scheme}://localhost:{port}"));
        command
    };
    run(command, "libpaho-mqtt-dev", 3);
}

fn java(class: &str, port: u16) -> Command {
    let mut command = java::command(class);
    command.arg(port.to_string());
    command
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

#[test]
fn paho_c_over_tcp() {
    paho_c("tcp");
}

#[test]
fn paho_c_over_websocket() {
    paho_c("ws");
}

#[test]
fn gmqtt() {
    asyncio("gmqtt");
}

#[test]
fn aiomqtt() {
    asyncio("aiomqtt");
}

#[test]
fn hivemq_over_tcp_and_websocket() {
    run(|port| java("HiveMq", port), java::PACKAGE, 8);
}

#[test]
fn paho_java_over_tcp_and_websocket() {
    run(|port| java("Paho", port), java::PACKAGE, 2);
}

/// The MQTT 5 endpoint of Gravitee's API gateway, whose client HiveMQ's is.
#[test]
fn an_api_gateway() {
    let instance = Instance::new();
    instance.replace("etc/broker.xml", "scan-interval>5000<", "scan-interval>100<");
    run_on(&instance, |port| java("Gravitee", port), java::PACKAGE, 16);
}

#[test]
fn an_api_gateway_with_a_name() {
    let instance = Instance::new();
    let login = instance.read("etc/login.config");
    let guests = login.find("   // Everybody else").expect("the shipped file has guests");
    instance.write("etc/login.config", &format!("{}}};\n", &login[..guests]));
    for arguments in ["user add ann --password secret", "user add bob --password hidden --role nobody"] {
        let words: Vec<_> = arguments.split(' ').collect();
        process::run(&mut instance.command(&words), "artemis-rs", PATIENCE).success();
    }
    run_on(&instance, |port| java("Login", port), java::PACKAGE, 5);
}
