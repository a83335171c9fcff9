//! Every example, run as README.md says.

use std::time::Duration;

use super::support::broker::{Broker, Instance};
use super::support::mqtt::Hello;
use super::support::process::{self, PATIENCE, Process};
use super::{python, readme_command};
use artemis_rs::protocol::mqtt::codec::{QoS, Version};

/// Cargo may have to link the example first.
const PATIENCE_BUILD: Duration = Duration::from_secs(600);

const RECEIVED: &str = "rooms/1/temperature: 19 °C\nrooms/2/temperature: 20 °C\nrooms/3/temperature: 21 °C\n";

#[test]
fn publish_and_subscribe_in_rust() {
    let instance = Instance::new();
    let broker = instance.start();
    let port = broker.port().to_string();
    let line = "cargo run --release --example publish_subscribe";
    let mut command = readme_command(line, &["--quiet", "--", "localhost", &port]);
    assert_eq!(process::run(&mut command, "cargo", PATIENCE_BUILD).success(), RECEIVED);
}

#[test]
fn publish_and_subscribe_in_python() {
    let instance = Instance::new();
    let broker = instance.start();
    let shown = readme_command("python3 examples/python/publish_subscribe.py", &[]);
    let mut command = python::command();
    command.args(shown.get_args()).args(["localhost", &broker.port().to_string()]);
    command.current_dir(shown.get_current_dir().unwrap());
    assert_eq!(process::run(&mut command, python::PACKAGE, PATIENCE).success(), RECEIVED);
}

#[test]
fn an_example_without_a_broker_says_so() {
    let line = "cargo run --release --example publish_subscribe";
    let mut command = readme_command(line, &["--quiet", "--", "localhost", "1"]);
    let finished = process::run(&mut command, "cargo", PATIENCE_BUILD);
    assert_eq!(finished.status.code(), Some(1));
    assert!(finished.text.contains("refused"), "{}", finished.text);
}

fn start_with_security_manager(instance: &Instance) -> Broker {
    let directory = instance.path("");
    let line = "cargo run --release --example security_manager";
    let mut command = readme_command(line, &["--quiet", "--", directory.to_str().unwrap()]);
    let process: Process = process::start(&mut command, "cargo");
    process.wait_for_within("AMQ221007", PATIENCE_BUILD);
    Broker::active(process, &directory)
}

#[test]
fn a_security_manager_of_ones_own() {
    let instance = Instance::new();
    let login = instance.read("etc/login.config");
    let guest = login.find("   // Everybody else").expect("the shipped file has guests");
    instance.write("etc/login.config", &format!("{}}};\n", &login[..guest]));
    instance.write("etc/artemis-users.properties", "acme = rocket\nglobex = hammock\n");
    instance.write("etc/artemis-roles.properties", "amq = acme,globex\n");
    let broker = start_with_security_manager(&instance);
    let hello =
        |client_id, user, password| Hello { credentials: Some((user, password)), ..Hello::new(Version::V5, client_id) };
    let code = |hello: &Hello<'_>| hello.ask(broker.port()).1.connack().code;
    let mut acme = hello("C1", "acme", "rocket").connect(broker.port());
    assert_eq!(acme.subscribe("t", QoS::AtLeastOnce), 1);
    let mut globex = hello("c1", "globex", "hammock").connect(broker.port());
    assert_eq!(globex.subscribe("t", QoS::AtLeastOnce), 1);
    broker.wait_for_consumer("acme:c1.t");
    broker.wait_for_consumer("globex:c1.t");
    assert!(acme.is_quiet_for(Duration::from_millis(200)), "the other tenant's client took over");

    assert_eq!(code(&hello("c 1", "acme", "rocket")), 0x85);
    assert_eq!(code(&hello("admin1", "acme", "rocket")), 0x85);
    assert_eq!(code(&hello("c2", "acme", "hammock")), 0x86);
    assert_eq!(code(&Hello::new(Version::V5, "c2")), 0x86);
    assert_eq!(code(&Hello { version: Version::V4, ..hello("c_1", "acme", "rocket") }), 2);

    // The files of users are read again below the wrapper as well.
    instance.write("etc/artemis-roles.properties", "amq = globex\n");
    broker.process.wait_for("read again");
    assert_eq!(acme.ask_to_publish("t", b"", false), 0x87);
    assert_eq!(globex.ask_to_publish("u", b"", false), 0x10);
    broker.stop().success();
}
