//! Changes of broker.xml that count while the broker runs.

use std::fs;

use artemis_rs::protocol::mqtt::codec::{QoS, Version};

use crate::support::broker::{Broker, Instance};
use crate::support::mqtt::{Client, Hello};
use crate::support::process::eventually;

const FILE: &str = "etc/broker.xml";

const CLOSED: &str = r#"<security-settings>
    <security-setting match="a.secret"><permission type="send" roles="amq"/></security-setting>"#;

fn impatient() -> Instance {
    Instance::with_core("<configuration-file-refresh-period>50</configuration-file-refresh-period>")
}

fn close(instance: &Instance) {
    instance.replace(FILE, "<security-settings>", CLOSED);
}

fn open(instance: &Instance) {
    instance.replace(FILE, CLOSED, "<security-settings>");
}

/// A subscriber of `a/#` and whoever publishes to it.
struct Pair {
    subscriber: Client,
    publisher: Client,
}

impl Pair {
    fn new(broker: &Broker) -> Self {
        let mut subscriber = Hello::new(Version::V5, "subscriber").connect(broker.port());
        assert_eq!(subscriber.subscribe("a/#", QoS::AtLeastOnce), 1);
        Self { subscriber, publisher: Hello::new(Version::V5, "publisher").connect(broker.port()) }
    }

    /// Whether the secret arrives as well as what comes after it.
    fn sees_the_secret(&mut self) -> bool {
        self.publisher.publish("a/secret", b"x", false);
        self.publisher.publish("a/end", b"x", false);
        let mut seen = false;
        loop {
            match self.subscriber.message().0.as_str() {
                "a/end" => return seen,
                _ => seen = true,
            }
        }
    }
}

#[test]
fn changed_permissions_count_for_subscriptions_that_are_there() {
    let instance = impatient();
    let broker = instance.start();
    let mut pair = Pair::new(&broker);
    assert!(pair.sees_the_secret());
    close(&instance);
    eventually("the secret is kept", || !pair.sees_the_secret());
    assert_eq!(pair.subscriber.subscribe("a/secret", QoS::AtLeastOnce), 0x87);
    open(&instance);
    eventually("there is no secret any more", || pair.sees_the_secret());
}

#[test]
fn changed_files_count_that_are_included() {
    let instance = impatient();
    instance.replace(FILE, "<security-settings>", "<xi:include href=\"security.xml\"/><!--");
    instance.replace(FILE, "</security-settings>", "-->");
    let all = ["createNonDurableQueue", "createAddress", "consume", "send"];
    let all: String = all.iter().map(|kind| format!("<permission type=\"{kind}\" roles=\"amq\"/>")).collect();
    let open = format!("<security-settings><security-setting match=\"#\">{all}</security-setting></security-settings>");
    instance.write("etc/security.xml", &open);
    let broker = instance.start();
    let mut pair = Pair::new(&broker);
    assert!(pair.sees_the_secret());
    instance.write("etc/security.xml", &open.replace("<security-settings>", CLOSED));
    eventually("the secret is kept", || !pair.sees_the_secret());
}

#[test]
fn cve_2017_7652_a_file_that_cannot_be_read_changes_nothing() {
    let instance = impatient();
    close(&instance);
    let broker = instance.start();
    let mut pair = Pair::new(&broker);
    let right = instance.read(FILE);
    instance.write(FILE, "<configuration><core><security-settings>");
    broker.process.wait_for("the settings stay as they were");
    assert!(!pair.sees_the_secret());
    instance.write(FILE, "");
    assert!(!pair.sees_the_secret());
    fs::remove_file(instance.path(FILE)).unwrap();
    assert!(!pair.sees_the_secret());
    fs::create_dir(instance.path(FILE)).unwrap();
    assert!(!pair.sees_the_secret());
    fs::remove_dir(instance.path(FILE)).unwrap();
    instance.write(FILE, &right);
    open(&instance);
    eventually("the right file counts again", || pair.sees_the_secret());
}
