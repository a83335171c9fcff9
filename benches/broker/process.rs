//! Brokers as processes: started on fresh directories, measured from outside.

use std::fs;
use std::io;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Which broker, and how it is set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// With its journal.
    Ours,
    /// Without one.
    OursInMemory,
    Mosquitto,
    /// One that runs already: its port and process.
    Peer(u16, u32),
}

/// A running broker.
pub struct Broker {
    pub port: u16,
    pid: u32,
    child: Option<Child>,
    root: PathBuf,
}

impl Kind {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Ours => "artemis-rs",
            Self::OursInMemory => "artemis-rs, no journal",
            Self::Mosquitto => "mosquitto",
            Self::Peer(..) => "peer",
        }
    }

    /// Starts it and waits until it listens.
    pub fn start(&self, binary: &Path) -> io::Result<Broker> {
        if let Self::Peer(port, pid) = self {
            return Ok(Broker { port: *port, pid: *pid, child: None, root: PathBuf::new() });
        }
        let root = std::env::temp_dir().join(format!("artemis-rs-bench-{}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        fs::create_dir_all(&root)?;
        let (port, mut command) = match self {
            Self::Mosquitto => (18830, mosquitto(&root)?),
            _ => (18831, ours(binary, &root, *self == Self::Ours)?),
        };
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let broker = Broker { port, pid: child.id(), child: Some(child), root };
        let patience = Instant::now() + Duration::from_secs(10);
        while let Err(error) = TcpStream::connect(("127.0.0.1", port)) {
            if Instant::now() > patience {
                return Err(error);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(broker)
    }
}

fn mosquitto(root: &Path) -> io::Result<Command> {
    let text = "listener 18830 127.0.0.1\nallow_anonymous true\nmax_inflight_messages 0\nmax_queued_messages 0\n\
                set_tcp_nodelay true\nlog_dest none\n";
    let path = root.join("mosquitto.conf");
    fs::write(&path, text)?;
    let mut command = Command::new("/usr/sbin/mosquitto");
    command.arg("-c").arg(path);
    Ok(command)
}

fn ours(binary: &Path, root: &Path, journal: bool) -> io::Result<Command> {
    let instance = root.join("instance");
    let mut create = Command::new(binary);
    create.arg("create").arg(&instance).args(["--silent", "--allow-anonymous", "--port-offset", "1000"]);
    if !journal {
        create.arg("--disable-persistence");
    }
    if !create.status()?.success() {
        return Err(io::Error::other("the instance cannot be made"));
    }
    let path = instance.join("etc/broker.xml");
    let text = fs::read_to_string(&path)?;
    fs::write(&path, text.replace(":2883", ":18831").replace(":62616", ":18832"))?;
    let mut command = Command::new(binary);
    command.arg("run").arg("--instance").arg(instance);
    Ok(command)
}

impl Broker {
    /// User and system time of all its threads.
    pub fn cpu(&self) -> Duration {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.pid)).into_iter().flatten().flatten();
        let run = |task: fs::DirEntry| {
            let text = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
            text.split(' ').next().and_then(|ns| ns.parse::<u64>().ok()).unwrap_or(0)
        };
        Duration::from_nanos(tasks.map(run).sum())
    }

    /// Resident bytes.
    pub fn resident(&self) -> u64 {
        let text = fs::read_to_string(format!("/proc/{}/statm", self.pid)).unwrap_or_default();
        text.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4096
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
            let _ = fs::remove_dir_all(&self.root);
        }
    }
}
