//! The real broker as a process of its own, on an instance in a temporary directory, with ports of the system's choice.

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

/// The most a start or a stop may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Configuration files of an instance.
const FILES: [&str; 5] =
    ["broker.xml", "login.config", "artemis-users.properties", "artemis-roles.properties", "log4j2.properties"];

/// A broker's directory; it goes away with this, unless a test fails.
#[derive(Debug)]
pub struct Instance {
    root: PathBuf,
    variables: Vec<(OsString, OsString)>,
}

impl Instance {
    /// The configuration that comes with the broker, with free ports.
    pub fn new(name: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}-{count}", std::process::id()));
        fs::create_dir_all(root.join("etc")).unwrap();
        for file in FILES {
            fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("etc").join(file), root.join("etc").join(file))
                .unwrap();
        }
        let instance = Self { root, variables: Vec::new() };
        instance.edit("127.0.0.1:61616", "127.0.0.1:0");
        instance.edit("127.0.0.1:1883", "127.0.0.1:0");
        instance
    }

    /// Replaces text in broker.xml.
    pub fn edit(&self, from: &str, to: &str) {
        let path = self.path("etc/broker.xml");
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "broker.xml does not say {from}");
        fs::write(path, text.replace(from, to)).unwrap();
    }

    /// Sets an environment variable for the brokers started from now on.
    pub fn set(&mut self, name: &str, value: impl Into<OsString>) {
        self.unset(name);
        self.variables.push((name.into(), value.into()));
    }

    /// Takes an environment variable away again.
    pub fn unset(&mut self, name: &str) {
        self.variables.retain(|(other, _)| other != name);
    }

    /// A path inside of the instance.
    pub fn path(&self, inside: &str) -> PathBuf {
        self.root.join(inside)
    }

    /// Starts a broker and waits until it serves.
    #[track_caller]
    pub fn start(&self) -> Broker {
        Broker::start(self.command())
    }

    /// What the running broker answers to a command such as `queue stat`.
    #[allow(dead_code, reason = "not every test asks")]
    #[track_caller]
    pub fn ask(&self, command: &[&str]) -> String {
        let mut process = Command::new(env!("CARGO_BIN_EXE_artemis-rs"));
        let output = process.args(command).arg("--instance").arg(&self.root).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a broker that is expected to end by itself.
    pub fn run_to_end(&self) -> Output {
        self.command().output().unwrap()
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_artemis-rs"));
        command.arg("run").arg("--instance").arg(&self.root).envs(self.variables.iter().cloned());
        command.stdin(Stdio::null());
        command
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        if !thread::panicking() {
            let _ = fs::remove_dir_all(&self.root);
        }
    }
}

/// A running broker; it is killed when this is dropped.
#[derive(Debug)]
pub struct Broker {
    process: Child,
    output: Receiver<String>,
    /// Where MQTT is spoken.
    pub address: SocketAddr,
}

impl Broker {
    #[track_caller]
    fn start(mut command: Command) -> Self {
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let (sender, output) = channel();
        thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let mut broker = Self { process, output, address: ([127, 0, 0, 1], 0).into() };
        let mut seen = Vec::new();
        loop {
            let Ok(line) = broker.output.recv_timeout(PATIENCE) else {
                panic!("the broker does not start: {:?}\n{}", broker.process.try_wait(), seen.join("\n"));
            };
            if let Some(address) = line.split_once("Acceptor at ").and_then(|(_, rest)| rest.split(' ').next()) {
                broker.address = address.parse().unwrap();
            }
            if line.contains("AMQ221007") {
                return broker;
            }
            seen.push(line);
        }
    }

    /// The process.
    #[allow(dead_code, reason = "not every test looks at it")]
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Ends the process without any warning, as `kill -9` does.
    pub fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Asks the broker to stop, and waits until it has.
    pub fn stop(self) -> ExitStatus {
        let asked = Command::new("sh").arg("-c").arg(format!("kill -TERM {}", self.process.id())).status();
        assert!(asked.unwrap().success());
        self.end().0
    }

    /// Waits for the broker's own end; what it wrote since its start comes with it.
    pub fn end(mut self) -> (ExitStatus, String) {
        let mut text = String::new();
        loop {
            match self.output.recv_timeout(PATIENCE) {
                Ok(line) => text = text + line.as_str() + "\n",
                Err(RecvTimeoutError::Disconnected) => return (self.process.wait().unwrap(), text),
                Err(RecvTimeoutError::Timeout) => panic!("the broker does not end:\n{text}"),
            }
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
