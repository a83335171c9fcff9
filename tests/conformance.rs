//! The conformance script finds nothing wrong, over TCP, over TCP byte by byte, and over WebSocket.
#![expect(clippy::unwrap_used, reason = "a failed test is told by its panic")]

#[path = "clients/python.rs"]
mod python;
#[path = "clients/support/mod.rs"]
mod support;

use std::time::Duration;

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
