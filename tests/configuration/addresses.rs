//! Addresses and queues behind topics, as the commands show them.

use artemis_rs::protocol::mqtt::codec::{QoS, Version};

use crate::support::broker::Instance;
use crate::support::mqtt::Hello;

const JOBS: &str = r#"<addresses><address name="jobs"><anycast><queue name="jobs"/></anycast></address></addresses>"#;

/// What a command on the instance prints.
#[track_caller]
fn printed(instance: &Instance, command: &str) -> String {
    let words: Vec<_> = command.split(' ').collect();
    let output = instance.command(&words).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// A row of `queue stat`, in its columns.
#[track_caller]
fn row(table: &str, name: &str) -> Vec<String> {
    let rows = table.lines().map(|line| line.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>());
    let row = rows.into_iter().find(|row| row[0] == name);
    row.unwrap_or_else(|| panic!("no {name} in\n{table}")).into_iter().map(str::to_owned).collect()
}

#[test]
fn subscriptions_and_retained_messages_have_the_names_of_artemis() {
    let instance = Instance::new();
    let broker = instance.start();
    let mut client = Hello::new(Version::V5, "c1").kept().connect(broker.port());
    client.subscribe("abc/+/#", QoS::AtLeastOnce);
    client.subscribe("$share/group/abc/1.5", QoS::AtLeastOnce);
    let mut sender = Hello::new(Version::V4, "c2").connect(broker.port());
    sender.publish("/abc/123", b"x", true);
    sender.publish("abc/123", b"x", true);

    let addresses = printed(&instance, "address show");
    for name in ["$sys.mqtt.retain..abc.123", "$sys.mqtt.retain.abc.123", "abc.*.#", r"abc.1\.5"] {
        assert!(addresses.lines().any(|line| line == name), "no {name} in\n{addresses}");
    }
    let queues = printed(&instance, "queue stat");
    for name in ["$sys.mqtt.retain..abc.123", "$sys.mqtt.retain.abc.123"] {
        let row = row(&queues, name);
        assert_eq!((row[1].as_str(), row[3].as_str(), row[8].as_str()), (name, "1", "MULTICAST"));
    }
    let own = row(&queues, "c1.abc.*.#");
    assert_eq!((own[1].as_str(), own[2].as_str(), own[8].as_str()), ("abc.*.#", "1", "MULTICAST"));
    assert_eq!(row(&queues, r"group.abc.1\.5")[1], r"abc.1\.5");
}

#[test]
fn with_the_wildcards_of_mqtt_addresses_are_topics() {
    let wildcards = "<delimiter>/</delimiter><any-words>#</any-words><single-word>+</single-word>";
    let instance = Instance::with_core(&format!("<wildcard-addresses>{wildcards}</wildcard-addresses>"));
    let broker = instance.start();
    let mut client = Hello::new(Version::V5, "c1").connect(broker.port());
    client.subscribe("abc/+/1.5/#", QoS::AtLeastOnce);
    let addresses = printed(&instance, "address show");
    assert!(addresses.lines().any(|line| line == "abc/+/1.5/#"), "{addresses}");
}

#[test]
fn an_anycast_address_gives_each_message_to_one_client() {
    let instance = Instance::with_core(JOBS);
    let broker = instance.start();
    let mut sender = Hello::new(Version::V5, "sender").connect(broker.port());
    sender.publish("jobs", b"0", false);
    let mut workers = ["a", "b"].map(|id| Hello::new(Version::V4, id).connect(broker.port()));
    for worker in &mut workers {
        assert_eq!(worker.subscribe("jobs", QoS::AtLeastOnce), 1);
    }
    for number in b'1'..b'9' {
        sender.publish("jobs", &[number], false);
    }
    let mut got = Vec::new();
    for worker in &mut workers {
        let before = got.len();
        while !worker.is_quiet_for(std::time::Duration::from_millis(300)) {
            got.extend(worker.message().1);
        }
        assert!(got.len() > before, "a worker without work");
    }
    got.sort_unstable();
    assert_eq!(got, *b"012345678");
    let jobs = row(&printed(&instance, "queue stat"), "jobs");
    assert_eq!((jobs[2].as_str(), jobs[3].as_str(), jobs[8].as_str()), ("2", "0", "ANYCAST"));
}

#[test]
fn an_anycast_queue_keeps_its_messages_over_a_restart() {
    let instance = Instance::with_core(JOBS);
    let broker = instance.start();
    Hello::new(Version::V5, "sender").connect(broker.port()).publish("jobs", b"0", false);
    broker.stop().success();
    let broker = instance.start();
    let mut worker = Hello::new(Version::V5, "worker").connect(broker.port());
    worker.subscribe("jobs", QoS::AtLeastOnce);
    assert_eq!(worker.message().1, b"0");
}

#[test]
fn a_shared_subscription_keeps_its_messages_while_all_members_are_away() {
    let instance = Instance::new();
    let broker = instance.start();
    let hellos = ["a", "b"].map(|id| Hello::new(Version::V5, id).kept());
    for hello in &hellos {
        let mut member = hello.connect(broker.port());
        member.subscribe("$share/group/t", QoS::AtLeastOnce);
        member.leave();
    }
    Hello::new(Version::V5, "sender").connect(broker.port()).publish("t", b"missed", false);
    let shared = row(&printed(&instance, "queue stat"), "group.t");
    assert_eq!((shared[2].as_str(), shared[3].as_str()), ("0", "1"));
    let mut member = hellos[1].connect(broker.port());
    assert_eq!(member.message(), ("t".to_owned(), b"missed".to_vec()));
}
