//! Clients as people have them: Mosquitto's, libraries in Python, C, Java and Rust, MQTT.js in Node and in a browser, and
//! every example.
#![expect(clippy::unwrap_used, reason = "a failed test is told by its panic")]

#[path = "clients/browser.rs"]
mod browser;
#[path = "clients/examples.rs"]
mod examples;
#[path = "clients/java.rs"]
mod java;
#[path = "clients/libraries.rs"]
mod libraries;
#[path = "clients/mosquitto.rs"]
mod mosquitto;
#[path = "clients/python.rs"]
mod python;
#[path = "clients/rumqttc.rs"]
mod rumqttc;
#[path = "clients/support/mod.rs"]
mod support;
#[path = "clients/tls.rs"]
mod tls;

use std::path::Path;
use std::process::Command;

/// A command line of the README, run in the checkout with further arguments.
#[track_caller]
fn readme_command(line: &str, arguments: &[&str]) -> Command {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    assert!(readme.lines().any(|found| found.trim() == line), "README.md has no line {line:?}");
    let mut words = line.split(' ');
    let mut command = Command::new(words.next().unwrap());
    command.args(words.map(|word| word.trim_matches('\''))).args(arguments).current_dir(root);
    command
}
