//! The conformance script finds nothing wrong, over TCP, over TCP byte by byte, and over WebSocket; and what Mosquitto does
//! differently with generated scripts of packets is known and explained.
#![expect(clippy::unwrap_used, reason = "a failed test is told by its panic")]

#[path = "clients/python.rs"]
mod python;
#[path = "clients/support/mod.rs"]
mod support;

use std::net::TcpListener;
use std::process::Command;
use std::time::Duration;
use std::{env, fs};

use support::broker::Instance;
use support::process;

const PATIENCE: Duration = Duration::from_secs(300);

#[track_caller]
fn judge(transport: &str) {
    let instance = Instance::new();
    let broker = instance.start();
    let mut command = python::command();
    command.arg("-B").arg(python::test_file("conformance/conformance.py"));
    command.args(["--transport", transport, "--port", &broker.port().to_string()]);
    let text = process::run(&mut command, python::PACKAGE, PATIENCE).success();
    let verdict = text.lines().last().unwrap_or_default();
    assert!(verdict.ends_with(" passed, 0 failed"), "{text}");
    let passed = verdict.split(' ').next().and_then(|count| count.parse().ok());
    assert!(passed > Some(500), "{text}");
}

#[test]
fn over_tcp() {
    judge("tcp");
}

#[test]
fn over_tcp_byte_by_byte() {
    judge("split");
}

#[test]
fn over_websocket() {
    judge("ws");
}

/// Mosquitto's own limits, and nothing that waits for a disk.
const AS_MOSQUITTO: &str = "receiveMaximum=20;topicAliasMaximum=10;maximumPacketSize=-1;serverKeepAlive=-1";

fn differential() -> Command {
    let mut command = python::command();
    command.arg("-B").arg(python::test_file("differential/differential.py"));
    command
}

/// Mosquitto, listening at a port that was free a moment ago.
#[track_caller]
fn start_mosquitto(instance: &Instance) -> (process::Process, u16) {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let file = instance.path("mosquitto.conf");
    fs::write(&file, format!("listener {port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\n")).unwrap();
    let path = format!("{}:/usr/sbin:/usr/local/sbin", env::var("PATH").unwrap_or_default());
    let mosquitto = env::split_paths(&path).map(|folder| folder.join("mosquitto")).find(|program| program.is_file());
    let mosquitto = mosquitto.expect("this test needs mosquitto, see bin/test");
    let process = process::start(Command::new(mosquitto).arg("-c").arg(file), "mosquitto");
    process.wait_for("running");
    (process, port)
}

#[test]
fn generated_scripts_differ_from_mosquitto_only_as_explained() {
    let instance = Instance::with_acceptor(AS_MOSQUITTO);
    instance.replace("etc/broker.xml", "<persistence-enabled>true", "<persistence-enabled>false");
    let broker = instance.start();
    let (mosquitto, theirs) = start_mosquitto(&instance);
    let mut command = differential();
    command.args(["--ours", &broker.port().to_string(), "--theirs", &theirs.to_string(), "--scripts", "600"]);
    let finished = process::run(&mut command, python::PACKAGE, PATIENCE);
    drop(mosquitto);
    assert!(finished.text.contains(" 0 not explained"), "{}", finished.text);
    assert!(finished.status.success());
}

#[test]
fn each_class_of_differences_is_explained() {
    let statement = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/conformance.md")).unwrap();
    let classes = process::run(differential().arg("--classes"), python::PACKAGE, PATIENCE).success();
    let missing: Vec<_> = classes.lines().filter(|class| !statement.contains(&format!("| `{class}` |"))).collect();
    assert!(classes.lines().count() > 10 && missing.is_empty(), "not in docs/conformance.md: {missing:?}");
}
