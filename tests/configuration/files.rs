//! Files with mistakes, files of Artemis, and the end of a broker.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use artemis_rs::protocol::mqtt::codec::Version;

use crate::support::broker::Instance;
use crate::support::mqtt::Hello;
use crate::support::process;

const FILE: &str = "etc/broker.xml";

/// The number of the line that contains `text`.
#[track_caller]
fn line_of(instance: &Instance, text: &str) -> usize {
    let content = instance.read(FILE);
    1 + content.lines().position(|line| line.contains(text)).expect("the text is in the file")
}

#[test]
fn every_mistake_is_reported_and_nothing_is_opened() {
    // A broker that got as far as its acceptors would fail on this port instead.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let instance = Instance::new();
    instance.replace(FILE, "<persistence-enabled>true<", "<persistence-enabled>perhaps<");
    instance.replace(
        FILE,
        ":0?protocols=MQTT<",
        &format!(":{port}?protocols=MQTT;receiveMaximum=0;maximumPacketSize=1M<"),
    );
    instance.replace(FILE, "<auto-delete-queues>false<", "<auto-delete-queues>seldom<");
    let output = instance.command(&["run"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8(output.stderr).unwrap();
    for (at, element, expectation) in [
        ("perhaps", "<core><persistence-enabled>", "expected true or false, found \"perhaps\""),
        (
            "receiveMaximum=0;",
            "<core><acceptors><acceptor>",
            "receiveMaximum: expected -1 or a whole number from 1 to 65535",
        ),
        ("receiveMaximum=0;", "<core><acceptors><acceptor>", "maximumPacketSize: expected "),
        ("seldom", "<auto-delete-queues>", "expected true or false, found \"seldom\""),
    ] {
        let place = format!("broker.xml:{}: ", line_of(&instance, at));
        let is_told = |line: &str| line.contains(&place) && line.contains(element) && line.contains(expectation);
        assert_eq!(text.lines().filter(|line| is_told(line)).count(), 1, "{place}{element}: {expectation}\n{text}");
    }
    assert_eq!(text.lines().filter(|line| line.contains("broker.xml:")).count(), 4, "{text}");
    assert!(output.stdout.is_empty());
    assert!(!instance.path("data").exists() && !instance.path("log").exists());
}

#[test]
fn a_file_that_is_no_xml_is_a_mistake() {
    let instance = Instance::new();
    instance.replace(FILE, "</acceptors>", "</acceptor>");
    let output = instance.command(&["run"]).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("broker.xml:") && text.contains("not well-formed XML"), "{text}");
}

#[test]
fn what_is_unknown_is_named_once_with_its_line_and_a_hint() {
    let instance = Instance::with_acceptor("recieveMaximum=5");
    instance.replace(FILE, "</core>", "<persistance-enabled>true</persistance-enabled></core>");
    let broker = instance.start();
    for (text, hint) in [("recieveMaximum", "receiveMaximum"), ("persistance-enabled", "persistence-enabled")] {
        let place = format!("broker.xml:{}: ", line_of(&instance, text));
        let lines: Vec<_> = broker.process.lines().into_iter().filter(|line| line.contains(text)).collect();
        let [line] = &lines[..] else { panic!("{lines:?}") };
        assert!(line.contains(" WARN ") && line.contains(&place), "{line}");
        assert!(line.contains(&format!("(did you mean {hint}?)")), "{line}");
    }
}

#[test]
fn the_shipped_file_gives_no_warning() {
    let instance = Instance::new();
    let broker = instance.start();
    let text = broker.stop().success();
    assert!(!text.contains(" WARN ") && !text.contains(" ERROR "), "{text}");
}

#[test]
fn the_file_that_artemis_generates_starts() {
    let instance = Instance::new();
    let generated = include_str!("../../src/config/tests/generated.xml");
    let generated = generated.replace("tcp://0.0.0.0:61616", "tcp://127.0.0.1:0");
    instance.write(FILE, &generated.replace("tcp://0.0.0.0:1883", "tcp://127.0.0.1:0"));
    let broker = instance.start();
    assert_eq!(broker.ports.len(), 2);
    for port in &broker.ports {
        Hello::new(Version::V5, "c").connect(*port);
    }
    let text = broker.stop().success();
    assert!(text.contains("acceptor amqp is not opened"), "{text}");
    assert!(text.contains("the protocols CORE, AMQP, STOMP, HORNETQ, OPENWIRE are not supported yet"), "{text}");
}

#[test]
fn the_readme_has_the_defaults_of_the_shipped_file() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |file: &str| std::fs::read_to_string(root.join(file)).unwrap();
    let (readme, shipped) = (read("README.md"), read(FILE));
    let cells = readme.lines().map(|line| line.split('|').map(str::trim).collect::<Vec<_>>());
    let rows: Vec<_> =
        cells.skip_while(|cells| cells.get(1) != Some(&"Parameter")).take_while(|cells| cells.len() > 1).collect();
    assert!(rows.len() > 10, "README.md has no table of parameters");
    for row in &rows[3..] {
        let parameter = format!("{}={}", row[1].trim_matches('`'), row[2]);
        assert!(
            shipped.split_whitespace().any(|word| word == parameter),
            "etc/broker.xml does not explain {parameter}"
        );
    }
}

#[test]
fn the_shipped_file_has_the_limits_of_the_document() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |file: &str| std::fs::read_to_string(root.join(file)).unwrap();
    let (document, shipped) = (read("docs/limits.md"), read(FILE));
    let cells = document.lines().map(|line| line.split('|').map(str::trim).collect::<Vec<_>>());
    let rows: Vec<_> = cells.filter(|cells| cells.get(1).is_some_and(|name| name.starts_with('`'))).collect();
    assert!(rows.len() > 25, "docs/limits.md has no tables of limits");
    for row in rows {
        for name in row[1].split(", ").map(|name| name.trim_matches('`')) {
            let default = row[2].split(' ').next().unwrap();
            let (parameter, element) = (format!("{name}={default}"), format!("<{name}>{default}</{name}>"));
            let of_user = format!("<{name}>-1</{name}>");
            let is_there =
                [parameter, element, of_user].iter().any(|text| shipped.split_whitespace().any(|word| word == text));
            assert!(is_there || name.starts_with("ssl"), "etc/broker.xml does not explain {name} with {default}");
        }
    }
}

#[test]
fn a_broker_that_is_asked_to_stop_says_so_to_its_clients() {
    for signal in ["TERM", "INT"] {
        let instance = Instance::new();
        let broker = instance.start();
        let mut old = Hello::new(Version::V4, "old").connect(broker.port());
        let mut new = Hello::new(Version::V5, "new").connect(broker.port());
        broker.process.signal(signal);
        assert_eq!(new.next().disconnect_reason(), 0x8B);
        assert!(new.next_or_end().is_none());
        assert!(old.next_or_end().is_none());
        assert_eq!(broker.process.finish().status.code(), Some(0), "{signal}");
    }
}

#[test]
fn a_broker_can_be_stopped_as_soon_as_it_is_active() {
    // A shell sends the signal at once, a process of its own for that would come too late.
    const SCRIPT: &str = "mkfifo lines; \"$0\" run >lines & \
        while read -r line; do case $line in *AMQ221007*) kill -TERM $!;; esac; done <lines; \
        wait $!; code=$?; rm lines; exit $code";
    let instance = Instance::new();
    for _ in 0..10 {
        let mut shell = Command::new("sh");
        shell.args(["-c", SCRIPT, env!("CARGO_BIN_EXE_artemis-rs")]).current_dir(instance.path(""));
        process::run(&mut shell, "a shell", process::PATIENCE).success();
    }
}
