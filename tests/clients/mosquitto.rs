//! mosquitto_pub and mosquitto_sub.

use std::process::Command;

use super::readme_command;
use super::support::broker::{Broker, Instance};
use super::support::process::{self, PATIENCE, Process};

const PACKAGE: &str = "mosquitto-clients";
const VERSIONS: [&str; 3] = ["mqttv31", "mqttv311", "mqttv5"];

/// The exit code of mosquitto_sub when nothing came in time.
const TIMED_OUT: i32 = 27;

fn command(program: &str, broker: &Broker, arguments: &str) -> Command {
    let mut command = Command::new(program);
    command.args(["-h", "localhost", "-p", &broker.port().to_string()]).args(arguments.split_whitespace());
    command
}

#[track_caller]
fn publish(broker: &Broker, arguments: &str) {
    process::run(&mut command("mosquitto_pub", broker, arguments), PACKAGE, PATIENCE).success();
}

/// Starts mosquitto_sub, which prints topic, QoS, retain flag and payload of each message.
fn subscribe(broker: &Broker, arguments: &str) -> Process {
    process::start(command("mosquitto_sub", broker, arguments).args(["-F", "%t %q %r %p"]), PACKAGE)
}

#[test]
fn every_version_and_qos() {
    let instance = Instance::new();
    let broker = instance.start();
    for version in VERSIONS {
        for qos in 0..=2 {
            let id = format!("sub-{version}-{qos}");
            let sub = subscribe(&broker, &format!("-V {version} -i {id} -q {qos} -t {id}/+ -C 3"));
            broker.wait_for_consumer(&format!("{id}.{id}.*"));
            for sent in 0..=2 {
                publish(&broker, &format!("-V {version} -q {sent} -t {id}/{sent} -m hello"));
            }
            let expected: Vec<_> = (0..=2).map(|sent| format!("{id}/{sent} {} 0 hello", qos.min(sent))).collect();
            assert_eq!(sub.finish().success().lines().collect::<Vec<_>>(), expected);
        }
    }
}

#[test]
fn versions_understand_each_other() {
    let instance = Instance::new();
    let broker = instance.start();
    for from in VERSIONS {
        for to in VERSIONS {
            let id = format!("{from}{to}");
            let sub = subscribe(&broker, &format!("-V {to} -i {id} -q 2 -t {id} -C 1"));
            broker.wait_for_consumer(&format!("{id}.{id}"));
            publish(&broker, &format!("-V {from} -q 2 -t {id} -m x"));
            assert_eq!(sub.finish().success(), format!("{id} 2 0 x\n"));
        }
    }
}

#[test]
fn retained_until_cleared() {
    let instance = Instance::new();
    let broker = instance.start();
    for version in VERSIONS {
        publish(&broker, &format!("-V {version} -q 1 -r -t kept/{version} -m first"));
        publish(&broker, &format!("-V {version} -q 2 -r -t kept/{version} -m last"));
        let sub = subscribe(&broker, &format!("-V {version} -q 1 -t kept/{version} -C 1"));
        assert_eq!(sub.finish().success(), format!("kept/{version} 1 1 last\n"));
        publish(&broker, &format!("-V {version} -q 1 -r -n -t kept/{version}"));
        let sub = subscribe(&broker, &format!("-V {version} -q 1 -t kept/{version} -W 1")).finish();
        assert_eq!((sub.status.code(), sub.text.contains("kept/")), (Some(TIMED_OUT), false), "{}", sub.text);
    }
}

#[test]
fn a_kept_session_gets_what_it_missed() {
    let instance = Instance::new();
    let mut broker = instance.start();
    for version in VERSIONS {
        let expiry = if version == "mqttv5" { "-x 600" } else { "" };
        let session = format!("-V {version} {expiry} -c -i kept-{version} -q 2 -t missed/{version}");
        subscribe(&broker, &format!("{session} -E")).finish().success();
        for number in 1..=3 {
            publish(&broker, &format!("-q {} -t missed/{version} -m {number}", 1 + number % 2));
        }
        broker.stop().success();
        broker = instance.start();
        let text = subscribe(&broker, &format!("{session} -C 3")).finish().success();
        let payloads: Vec<_> = text.lines().filter_map(|line| line.rsplit(' ').next()).collect();
        assert_eq!(payloads.len(), 3, "{text}");
        assert!(["1", "2", "3"].iter().all(|number| payloads.contains(number)), "{text}");
    }
}

#[test]
fn a_will_tells_that_its_client_is_gone() {
    let instance = Instance::new();
    let broker = instance.start();
    for version in VERSIONS {
        let watcher = subscribe(&broker, &format!("-V {version} -i watcher -q 1 -t gone -C 1"));
        broker.wait_for_consumer("watcher.gone");
        let will = "--will-topic gone --will-payload bye --will-qos 1";
        let client = subscribe(&broker, &format!("-V {version} -i mortal -t other {will}"));
        broker.wait_for_consumer("mortal.other");
        client.kill();
        assert_eq!(watcher.finish().success(), "gone 1 0 bye\n");
    }
}

#[test]
fn the_commands_of_the_readme() {
    let instance = Instance::new();
    let broker = instance.start();
    let port = broker.port().to_string();
    let mut sub = readme_command("mosquitto_sub -t 'rooms/#' -v", &["-p", &port, "-i", "reader"]);
    let sub = process::start(&mut sub, PACKAGE);
    broker.wait_for_consumer("reader.rooms.#");
    let mut publish = readme_command("mosquitto_pub -t rooms/1/temperature -m 21 -q 1", &["-p", &port]);
    process::run(&mut publish, PACKAGE, PATIENCE).success();
    sub.wait_for("rooms/1/temperature 21");
}
