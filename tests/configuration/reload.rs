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

/// Replaces something in broker.xml and waits until the broker has read that.
#[track_caller]
fn change(instance: &Instance, broker: &Broker, from: &str, to: &str) {
    const READ: &str = "AMQ221056: Reloaded configuration";
    let times = || broker.process.lines().iter().filter(|line| line.contains(READ)).count();
    let before = times();
    instance.replace(FILE, from, to);
    eventually("broker.xml is read again", || times() > before);
}

#[test]
fn changed_address_settings_and_new_queues_count() {
    let instance = impatient();
    let broker = instance.start();
    let mut client = Hello::new(Version::V5, "c").connect(broker.port());
    assert_eq!(client.ask_to_publish("t", b"", false), 0x10);
    let more =
        "<addresses><address name=\"jobs\"><anycast><queue name=\"jobs\"/></anycast></address></addresses>\n</core>";
    change(&instance, &broker, "</core>", more);
    assert_eq!(client.ask_to_publish("jobs", b"", false), 0);
    let closed = "<address-setting match=\"#\"><auto-create-addresses>false</auto-create-addresses>";
    change(&instance, &broker, "<address-setting match=\"#\">", closed);
    assert_eq!(client.ask_to_publish("t", b"", false), 0x90);
    assert_eq!(client.ask_to_publish("jobs", b"", false), 0);
}

#[test]
fn what_needs_a_restart_is_named_once() {
    let instance = impatient();
    let broker = instance.start();
    change(&instance, &broker, "<name>localhost<", "<name>other<");
    change(&instance, &broker, "protocols=MQTT<", "protocols=MQTT;receiveMaximum=7<");
    change(&instance, &broker, "</core>", "\n</core>");
    let lines = broker.process.lines();
    let told: Vec<_> = lines.iter().filter(|line| line.contains("after a restart")).collect();
    let [name, acceptor] = &told[..] else { panic!("{told:?}") };
    assert!(name.contains(" WARN ") && name.contains("what has changed in <name> counts after a restart"), "{name}");
    assert!(acceptor.contains("what has changed in <acceptor name=\"mqtt\"> counts"), "{acceptor}");
}

#[test]
fn what_has_no_effect_in_a_changed_file_is_named() {
    let instance = impatient();
    instance.replace(FILE, "<name>", "<jmx-domain>x</jmx-domain>\n<name>");
    let broker = instance.start();
    let misspelt = "\n<address-setting match=\"#\"><expirey-delay>1</expirey-delay>";
    change(&instance, &broker, "<address-setting match=\"#\">", misspelt);
    broker.process.wait_for("unknown element \"expirey-delay\" is ignored (did you mean expiry-delay?)");
    change(&instance, &broker, "</core>", "\n</core>");
    let lines = broker.process.lines();
    let count = |text: &str| lines.iter().filter(|line| line.contains(text)).count();
    assert_eq!([count("expirey-delay"), count("<jmx-domain> has no effect")], [1, 1]);
}

#[test]
fn the_file_says_how_often_it_is_read() {
    let never = "<configuration-file-refresh-period>-1</configuration-file-refresh-period>";
    Instance::with_core(never).start().process.wait_for("broker.xml is not read again before a restart");
    let instance = impatient();
    let broker = instance.start();
    change(&instance, &broker, "refresh-period>50<", "refresh-period>60<");
    change(&instance, &broker, "refresh-period>60<", "refresh-period>-1<");
    broker.process.wait_for("broker.xml is not read again before a restart");
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
