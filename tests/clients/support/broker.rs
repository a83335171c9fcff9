//! A broker of its own for a test: the binary on an instance in a temporary directory, at a free port.
#![allow(dead_code, reason = "each test binary uses a part")]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use artemis_rs::engine::{AddressReport, QueueReport};
use artemis_rs::management::control::{Answer, Question, socket_path};

use super::process::{self, Finished, Process};

/// The acceptors of the shipped broker.xml.
const SHIPPED_ACCEPTORS: [&str; 2] =
    [r#"<acceptor name="artemis">tcp://127.0.0.1:61616</acceptor>"#, "tcp://127.0.0.1:1883?protocols=MQTT"];

/// The directory of a broker, removed at the end; its files are the shipped ones with free ports.
pub struct Instance {
    root: PathBuf,
}

/// A running broker.
pub struct Broker {
    pub process: Process,
    root: PathBuf,
    /// Where it listens, in the order of its acceptors.
    pub ports: Vec<u16>,
}

impl Instance {
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("artemis-test-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let root = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&root);
        fs::create_dir_all(root.join("etc")).unwrap();
        let instance = Self { root };
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("etc");
        for file in fs::read_dir(shipped).unwrap() {
            let file = file.unwrap().path();
            fs::copy(&file, instance.path("etc").join(file.file_name().unwrap())).unwrap();
        }
        instance.replace("etc/broker.xml", SHIPPED_ACCEPTORS[0], "");
        instance.replace("etc/broker.xml", SHIPPED_ACCEPTORS[1], "tcp://127.0.0.1:0?protocols=MQTT");
        instance
    }

    /// With further parameters of its acceptor, such as `receiveMaximum=5;serverKeepAlive=1`.
    pub fn with_acceptor(parameters: &str) -> Self {
        let instance = Self::new();
        instance.replace("etc/broker.xml", ":0?protocols=MQTT<", &format!(":0?protocols=MQTT;{parameters}<"));
        instance
    }

    /// With one acceptor for each of these parameters, in this order.
    pub fn with_acceptors(parameters: &[&str]) -> Self {
        let instance = Self::new();
        let shipped = r#"<acceptor name="mqtt">tcp://127.0.0.1:0?protocols=MQTT</acceptor>"#;
        let one = |parameters: &&str| format!("<acceptor>tcp://127.0.0.1:0?protocols=MQTT;{parameters}</acceptor>\n");
        instance.replace("etc/broker.xml", shipped, &parameters.iter().map(one).collect::<String>());
        instance
    }

    /// With further elements of `<core>`.
    pub fn with_core(elements: &str) -> Self {
        let instance = Self::new();
        instance.replace("etc/broker.xml", "</core>", &format!("{elements}\n</core>"));
        instance
    }

    pub fn path(&self, file: &str) -> PathBuf {
        self.root.join(file)
    }

    pub fn read(&self, file: &str) -> String {
        fs::read_to_string(self.path(file)).unwrap()
    }

    pub fn write(&self, file: &str, text: &str) {
        fs::write(self.path(file), text).unwrap();
    }

    /// Replaces what must be in a file.
    #[track_caller]
    pub fn replace(&self, file: &str, from: &str, to: &str) {
        let text = self.read(file);
        assert!(text.contains(from), "{file} has no {from:?}");
        self.write(file, &text.replace(from, to));
    }

    /// A command of artemis-rs on this instance.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_artemis-rs"));
        command
            .args(arguments)
            .current_dir(&self.root)
            .env_remove("ARTEMIS_INSTANCE")
            .env_remove("ARTEMIS_INSTANCE_ETC");
        command
    }

    /// Starts the broker and waits until it is active.
    #[track_caller]
    pub fn start(&self) -> Broker {
        Broker::active(process::start(&mut self.command(&["run"]), "the broker"), &self.root)
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.root);
    }
}

impl Broker {
    /// A started broker of the instance at `root`, once it is active.
    #[track_caller]
    pub fn active(process: Process, root: &Path) -> Self {
        process.wait_for("AMQ221007: Server is now active");
        let lines = process.lines();
        let ports = lines.iter().filter(|line| line.contains("AMQ221020")).map(|line| port_of(line)).collect();
        Self { process, root: root.to_owned(), ports }
    }

    /// The port of its first acceptor.
    pub fn port(&self) -> u16 {
        self.ports[0]
    }

    /// Every queue, as `queue stat` lists them.
    pub fn queues(&self) -> Vec<QueueReport> {
        match self.ask(&Question::Queues) {
            Answer::Queues(queues) => queues,
            other => panic!("{other:?}"),
        }
    }

    /// Every address, as `address show` lists them.
    pub fn addresses(&self) -> Vec<AddressReport> {
        match self.ask(&Question::Addresses) {
            Answer::Addresses(addresses) => addresses,
            other => panic!("{other:?}"),
        }
    }

    /// Waits until a queue of this name has a consumer.
    #[track_caller]
    pub fn wait_for_consumer(&self, queue: &str) {
        let is_consumed = |report: &QueueReport| report.name == queue && report.consumer_count > 0;
        process::eventually(&format!("a consumer of {queue}"), || self.queues().iter().any(is_consumed));
    }

    fn ask(&self, question: &Question) -> Answer {
        let mut socket = UnixStream::connect(socket_path(&self.root.join("data"))).unwrap();
        let mut line = serde_json::to_string(question).unwrap();
        line.push('\n');
        socket.write_all(line.as_bytes()).unwrap();
        let mut answer = String::new();
        BufReader::new(socket).read_line(&mut answer).unwrap();
        serde_json::from_str(&answer).unwrap()
    }

    /// Stops it as a service manager does.
    #[track_caller]
    pub fn stop(self) -> Finished {
        self.process.signal("TERM");
        self.process.finish()
    }

    /// Ends it without a chance to do anything, as a crash would.
    pub fn kill(self) {
        self.process.kill();
    }
}

fn port_of(line: &str) -> u16 {
    let (_, behind) = line.rsplit_once(" at ").unwrap();
    let (at, _) = behind.split_once(' ').unwrap();
    at.rsplit_once(':').unwrap().1.parse().unwrap()
}
