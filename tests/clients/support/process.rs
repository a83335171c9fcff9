//! Programs that a test starts: what they say can be waited for, and none outlives its test.
#![allow(dead_code, reason = "each test binary uses a part")]

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

/// How long anything that has to happen may take.
pub const PATIENCE: Duration = Duration::from_secs(20);

const POLL: Duration = Duration::from_millis(10);

/// A running program; dropping it kills it.
pub struct Process {
    name: String,
    child: Child,
    said: Arc<Said>,
    readers: Vec<thread::JoinHandle<()>>,
}

/// The lines a program has written so far, on standard output and standard error.
#[derive(Default)]
struct Said {
    lines: Mutex<Vec<String>>,
    more: Condvar,
}

/// How a program ended, and all it said.
pub struct Finished {
    pub status: ExitStatus,
    pub text: String,
}

/// Starts a program with nothing to read. `package` is what has to be installed where the program is missing.
#[track_caller]
pub fn start(command: &mut Command, package: &str) -> Process {
    let name = command.get_program().to_string_lossy().into_owned();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => panic!("{name} cannot be started ({error}); this test needs {package}, see bin/test"),
    };
    let said = Arc::new(Said::default());
    let out = child.stdout.take().map(|out| read(out, said.clone()));
    let err = child.stderr.take().map(|err| read(err, said.clone()));
    Process { name, child, said, readers: out.into_iter().chain(err).collect() }
}

/// Runs a program to its end within a time.
#[track_caller]
pub fn run(command: &mut Command, package: &str, patience: Duration) -> Finished {
    start(command, package).finish_within(patience)
}

fn read(from: impl Read + Send + 'static, said: Arc<Said>) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        let mut from = BufReader::new(from);
        let mut line = Vec::new();
        while from.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
            let text = String::from_utf8_lossy(&line);
            said.lock().push(text.trim_end_matches(['\r', '\n']).to_owned());
            said.more.notify_all();
            line.clear();
        }
    })
}

impl Said {
    fn lock(&self) -> MutexGuard<'_, Vec<String>> {
        self.lines.lock().unwrap()
    }
}

impl Process {
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// All lines so far.
    pub fn lines(&self) -> Vec<String> {
        self.said.lock().clone()
    }

    /// The first line that contains `text`.
    #[track_caller]
    pub fn wait_for(&self, text: &str) -> String {
        self.wait_for_within(text, PATIENCE)
    }

    /// The first line that contains `text`, which may take longer than usual.
    #[track_caller]
    pub fn wait_for_within(&self, text: &str, patience: Duration) -> String {
        let found = |lines: &[String]| lines.iter().find(|line| line.contains(text)).cloned();
        let waited = self.said.more.wait_timeout_while(self.said.lock(), patience, |lines| found(lines).is_none());
        let (lines, _) = waited.unwrap();
        match found(&lines) {
            Some(line) => line,
            None => panic!("{} did not say {text:?} but:\n{}", self.name, joined(&lines)),
        }
    }

    /// Whether it has ended.
    pub fn is_over(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    #[track_caller]
    pub fn finish(self) -> Finished {
        self.finish_within(PATIENCE)
    }

    #[track_caller]
    pub fn finish_within(mut self, patience: Duration) -> Finished {
        let deadline = Instant::now() + patience;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if Instant::now() > deadline {
                panic!("{} did not end within {patience:?}; it said:\n{}", self.name, joined(&self.said.lock()));
            }
            thread::sleep(POLL);
        };
        for reader in self.readers.drain(..) {
            reader.join().unwrap();
        }
        Finished { status, text: joined(&self.said.lock()) }
    }

    /// Sends it a signal, such as TERM.
    pub fn signal(&self, name: &str) {
        let done = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(done.unwrap().success());
    }

    /// Ends it without a chance to do anything, as a crash would.
    pub fn kill(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Also the programs it has started, where it leads a process group.
        let group = format!("-{}", self.child.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Finished {
    /// What it said, if it ended well.
    #[track_caller]
    pub fn success(self) -> String {
        assert!(self.status.success(), "{}: {}", self.status, self.text);
        self.text
    }
}

/// Waits until something comes true.
#[track_caller]
pub fn eventually(what: &str, mut is_true: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_true() {
        assert!(Instant::now() < deadline, "never happened: {what}");
        thread::sleep(POLL);
    }
}

fn joined(lines: &[String]) -> String {
    lines.iter().fold(String::new(), |mut text, line| {
        let _ = writeln!(text, "{line}");
        text
    })
}
