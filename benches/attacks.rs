//! A broker under attacks that last, beside Mosquitto where that is installed: what two clients who only want to talk to
//! each other notice of it. Reported, never asserted.
//!
//! The attackers' process takes only what processor time others leave, as they come from other machines in real life.
//! `cargo bench --bench attacks -- [--attack NAME]... [--seconds N] [--binary PATH] [--ours-only]`

#![allow(clippy::unwrap_used, reason = "a measurement that cannot go on has failed")]

#[path = "attacks/attackers.rs"]
mod attackers;
#[path = "../tests/attacks/bystanders.rs"]
mod bystanders;
#[path = "../tests/support/mqtt.rs"]
#[allow(dead_code, reason = "shared with tests")]
mod mqtt;
#[path = "broker/process.rs"]
#[allow(dead_code, reason = "shared with the benchmark of load")]
mod process;
#[path = "../tests/attacks/raw.rs"]
#[allow(dead_code, reason = "shared with tests")]
mod raw;
#[path = "attacks/talk.rs"]
mod talk;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use attackers::{ATTACKS, Attack};
use bystanders::Bystanders;
use process::{Broker, Kind};
use talk::{Talk, talk};

/// How long an attack goes on before what others notice of it counts.
const ONSET: Duration = Duration::from_millis(500);

struct Options {
    attacks: Vec<String>,
    time: Duration,
    binary: PathBuf,
    ours_only: bool,
    /// This process attacks.
    target: Option<SocketAddr>,
}

fn main() {
    let options = options();
    if let Some(target) = options.target {
        let attack = ATTACKS.iter().find(|attack| attack.name == options.attacks[0]).unwrap();
        return println!("{}", attackers::attack(attack, target, options.time));
    }
    println!(
        "{:<20} {:<11} {:>9} {:>9} {:>6} {:>7} {:>8} {:>8} {:>6} {:>10}",
        "attack", "broker", "quiet/s", "under/s", "%", "paced %", "p99 us", "max us", "cores", "attacks/s"
    );
    for attack in &ATTACKS {
        if options.attacks.is_empty() || options.attacks.iter().any(|name| attack.name.starts_with(name.as_str())) {
            for kind in [Kind::Ours, Kind::Mosquitto] {
                if kind == Kind::Ours || !options.ours_only && Path::new("/usr/sbin/mosquitto").exists() {
                    report(attack, &kind, &options);
                }
            }
        }
    }
}

fn options() -> Options {
    let mut options = Options {
        attacks: Vec::new(),
        time: Duration::from_secs(3),
        binary: env!("CARGO_BIN_EXE_artemis-rs").into(),
        ours_only: false,
        target: None,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().unwrap_or_else(|| panic!("{argument} needs a value"));
        match argument.as_str() {
            "--attack" => options.attacks.push(value()),
            "--seconds" => options.time = Duration::from_secs_f64(value().parse().expect("a number of seconds")),
            "--binary" => options.binary = value().into(),
            "--ours-only" => options.ours_only = true,
            "--target" => options.target = Some(value().parse().expect("an address")),
            "--bench" => {}
            other => panic!("{other} is not known"),
        }
    }
    options
}

fn report(attack: &Attack, kind: &Kind, options: &Options) {
    let broker = kind.start(&options.binary).unwrap();
    let address = SocketAddr::from(([127, 0, 0, 1], broker.port));
    let mut bystanders = Bystanders::meet(address);
    talk(&mut bystanders, Duration::from_millis(500), None);
    let quiet = talk(&mut bystanders, options.time, None);
    let attackers = attackers_of(attack, address, ONSET * 2 + options.time * 2);
    talk(&mut bystanders, ONSET, None);
    let (under, cores) = with_cores(&broker, || talk(&mut bystanders, options.time, None));
    // Half of what they could do in peace.
    let paced = talk(&mut bystanders, options.time, Some(quiet.per_second() / 2.0));
    let output = attackers.wait_with_output().unwrap();
    let attacks: f64 = String::from_utf8_lossy(&output.stdout).trim().parse().unwrap_or(0.0);
    println!(
        "{:<20} {:<11} {:>9.0} {:>9.0} {:>6.0} {:>7.0} {:>8.0} {:>8.0} {cores:>6.2} {attacks:>10.0}",
        attack.name,
        kind.name(),
        quiet.per_second(),
        under.per_second(),
        100.0 * under.per_second() / quiet.per_second(),
        100.0 * share(&paced, &quiet),
        paced.percentile(0.99).as_secs_f64() * 1e6,
        paced.percentile(1.0).as_secs_f64() * 1e6,
    );
}

/// What came of the exchanges that were due at half the pace of quiet times.
fn share(paced: &Talk, quiet: &Talk) -> f64 {
    paced.per_second() / (quiet.per_second() / 2.0)
}

fn with_cores<T>(broker: &Broker, work: impl FnOnce() -> T) -> (T, f64) {
    let (start, cpu) = (Instant::now(), broker.cpu());
    let result = work();
    (result, (broker.cpu() - cpu).as_secs_f64() / start.elapsed().as_secs_f64())
}

fn attackers_of(attack: &Attack, target: SocketAddr, time: Duration) -> Child {
    let mut command = Command::new("chrt");
    command.args(["-i", "0"]).arg(std::env::current_exe().unwrap());
    command.args(["--attack", attack.name, "--target", &target.to_string()]);
    command.args(["--seconds", &time.as_secs_f64().to_string()]);
    command.stdout(Stdio::piped()).spawn().unwrap()
}
