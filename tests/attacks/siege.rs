//! A broker under attack, and two clients who only want to talk to each other.
//!
//! What is printed is the processor time that the attack alone has cost the broker. What others notice of attacks that last
//! is measured by `cargo bench --bench attacks`.

use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use crate::broker::{Broker, Instance};
use crate::bystanders::Bystanders;

/// Exchanges before the attack, to compare with.
const QUIET_EXCHANGES: u64 = 1_000;

/// A broker of its own.
pub struct Siege {
    name: &'static str,
    pub instance: Instance,
    pub broker: Broker,
}

impl Siege {
    /// A broker whose acceptor has these parameters and whose `<core>` holds these elements besides.
    pub fn new(name: &'static str, parameters: &str, core: &str) -> Self {
        let instance = Instance::new(name);
        instance.edit("?protocols=MQTT", &format!("?protocols=MQTT;{parameters}"));
        instance.edit("<acceptors>", &format!("{core}<acceptors>"));
        let broker = instance.start();
        Self { name, instance, broker }
    }

    /// Attacks while others talk. The broker may take so many MiB for it, at most.
    #[track_caller]
    pub fn lay<T>(&self, most_mib: u64, attack: impl FnOnce(SocketAddr) -> T) -> T {
        let address = self.broker.address;
        let mut bystanders = Bystanders::meet(address);
        (0..QUIET_EXCHANGES).for_each(|_| bystanders.exchange());
        let start = self.cpu_ms();
        (0..QUIET_EXCHANGES).for_each(|_| bystanders.exchange());
        let (before, attacked) = (self.reset_peak(), self.cpu_ms());
        let talking = go_on(bystanders);
        let result = attack(address);
        let exchanges = talking.end();
        let own_ms = (attacked - start) / QUIET_EXCHANGES as f64 * exchanges as f64;
        let cost_ms = (self.cpu_ms() - attacked - own_ms).max(0.0);
        let grown = self.memory("VmHWM").saturating_sub(before) / 1024;
        println!("{}: {cost_ms:.0} ms of the broker's processor, {grown} MiB", self.name);
        assert!(grown <= most_mib, "{grown} MiB more, at most {most_mib}");
        result
    }

    /// Milliseconds that the broker has been running on a processor.
    fn cpu_ms(&self) -> f64 {
        let threads = fs::read_dir(format!("/proc/{}/task", self.broker.pid())).unwrap();
        let of = |path: std::path::PathBuf| fs::read_to_string(path.join("schedstat")).unwrap_or_default();
        let ns = |text: String| text.split(' ').next().and_then(|ns| ns.parse::<f64>().ok()).unwrap_or(0.0);
        threads.map(|thread| ns(of(thread.unwrap().path()))).sum::<f64>() / 1e6
    }

    /// KiB.
    fn memory(&self, what: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.broker.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(what)).unwrap();
        line.trim_matches([':', ' ', '\t', 'k', 'B']).parse().unwrap()
    }

    /// The peak of the memory is looked for from now on; gives back what is in use.
    fn reset_peak(&self) -> u64 {
        fs::write(format!("/proc/{}/clear_refs", self.broker.pid()), "5").unwrap();
        self.memory("VmRSS")
    }

    /// How often something was refused for the limit of this name.
    pub fn refused(&self, limit: &str) -> u64 {
        let output = self.instance.ask(&["limit", "stat", "--json"]);
        let limits: serde_json::Value = serde_json::from_str(&output).unwrap();
        let of_name = limits.as_array().unwrap().iter().filter(|report| report["name"] == limit);
        of_name.map(|report| report["refused"].as_u64().unwrap()).sum()
    }
}

/// Lets them go on until that is ended.
fn go_on(mut bystanders: Bystanders) -> Talking {
    let (is_over, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let (over, counted) = (is_over.clone(), count.clone());
    let thread = thread::spawn(move || {
        while !over.load(Ordering::Relaxed) {
            bystanders.exchange();
            counted.fetch_add(1, Ordering::Relaxed);
        }
        // Those who were not in the way are still there.
        bystanders.exchange();
    });
    Talking { is_over, count, thread }
}

struct Talking {
    is_over: Arc<AtomicBool>,
    count: Arc<AtomicU64>,
    thread: JoinHandle<()>,
}

impl Talking {
    /// How many exchanges there were; fails if one went wrong.
    fn end(self) -> u64 {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.join().expect("the exchanges go on");
        self.count.load(Ordering::Relaxed)
    }
}
