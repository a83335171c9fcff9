//! The broker as a process under closed-loop load, beside Mosquitto where that is installed: CPU time per message,
//! messages per second, and whether each message came once and in order. Reported, never asserted.
//!
//! `cargo bench --bench broker -- [--scenario NAME]... [--seconds N] [--rounds N] [--v5] [--binary PATH]
//! [--peer PORT PID] [--ours-only]`

#[path = "broker/client.rs"]
mod client;
#[path = "broker/load.rs"]
mod load;
#[path = "broker/process.rs"]
mod process;
#[path = "broker/scenario.rs"]
mod scenario;

use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::task::LocalSet;

use client::Dialect;
use process::Kind;
use scenario::{Outcome, SCENARIOS, Scenario, Work};

struct Options {
    scenarios: Vec<String>,
    time: Duration,
    rounds: usize,
    dialect: Dialect,
    binary: PathBuf,
    peer: Option<Kind>,
    ours_only: bool,
}

fn main() {
    let options = options();
    // A copy stays what it is while others build.
    let binary = std::env::temp_dir().join(format!("artemis-rs-{}", std::process::id()));
    std::fs::copy(&options.binary, &binary).expect("the broker's binary is there");
    println!(
        "{:<20} {:<24} {:>9} {:>11} {:>8} {:>6} {:>7} {:>6} {:>6} {:>6}",
        "scenario", "broker", "us/msg", "msg/s", "p50 us", "cores", "ratio", "lost", "dup", "order"
    );
    for scenario in &SCENARIOS {
        let wanted = |name: &String| scenario.name.starts_with(name.as_str());
        if options.scenarios.is_empty() || options.scenarios.iter().any(wanted) {
            report(scenario, &options, &binary);
        }
    }
    let _ = std::fs::remove_file(binary);
}

fn options() -> Options {
    let mut options = Options {
        scenarios: Vec::new(),
        time: Duration::from_secs(3),
        rounds: 3,
        dialect: Dialect { v5: false },
        binary: env!("CARGO_BIN_EXE_artemis-rs").into(),
        peer: None,
        ours_only: false,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().unwrap_or_else(|| panic!("{argument} needs a value"));
        match argument.as_str() {
            "--scenario" => options.scenarios.push(value()),
            "--seconds" => options.time = Duration::from_secs_f64(value().parse().expect("a number of seconds")),
            "--rounds" => options.rounds = value().parse().expect("a number of rounds"),
            "--binary" => options.binary = value().into(),
            "--v5" => options.dialect.v5 = true,
            "--ours-only" => options.ours_only = true,
            "--peer" => {
                let port = value().parse().expect("a port");
                options.peer = Some(Kind::Peer(port, value().parse().expect("a process id")));
            }
            "--bench" => {}
            other => panic!("{other} is not known"),
        }
    }
    options
}

fn brokers(scenario: &Scenario, options: &Options) -> Vec<Kind> {
    let mut kinds = vec![Kind::Ours];
    if scenario.compares_journal {
        kinds.push(Kind::OursInMemory);
    }
    if !options.ours_only && Path::new("/usr/sbin/mosquitto").exists() {
        kinds.push(Kind::Mosquitto);
    }
    kinds.extend(options.peer.clone());
    kinds
}

/// Starts a broker and runs a scenario against it.
fn run(scenario: &Scenario, kind: &Kind, options: &Options, binary: &Path) -> std::io::Result<Outcome> {
    let broker = kind.start(binary)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().event_interval(1024).build()?;
    LocalSet::new().block_on(&runtime, scenario.work.run(&broker, options.time, options.dialect))
}

/// Runs a scenario against all brokers in turn, several times, and prints medians.
fn report(scenario: &Scenario, options: &Options, binary: &Path) {
    let kinds = brokers(scenario, options);
    let mut outcomes: Vec<Vec<Outcome>> = vec![Vec::new(); kinds.len()];
    for _ in 0..options.rounds {
        for (kind, outcomes) in kinds.iter().zip(&mut outcomes) {
            match run(scenario, kind, options, binary) {
                Ok(outcome) => outcomes.push(outcome),
                Err(error) => println!("{:<20} {:<24} {error}", scenario.name, kind.name()),
            }
        }
    }
    let first = outcomes.first().and_then(|outcomes| median(outcomes)).map(|outcome| outcome.cost);
    for (kind, outcomes) in kinds.iter().zip(&outcomes) {
        let Some(outcome) = median(outcomes) else { continue };
        let unit = if matches!(scenario.work, Work::Idle(_)) { "B" } else { "" };
        println!(
            "{:<20} {:<24} {:>8.2}{unit:1} {:>11.0} {:>8.1} {:>6.2} {:>7.3} {:>6} {:>6} {:>6}",
            scenario.name,
            kind.name(),
            outcome.cost,
            outcome.per_second,
            outcome.latency,
            outcome.cores,
            first.unwrap_or(0.0) / outcome.cost,
            outcome.lost,
            outcome.repeated,
            outcome.disordered
        );
    }
}

/// The outcome of median cost, with the faults of all.
fn median(outcomes: &[Outcome]) -> Option<Outcome> {
    let mut sorted = outcomes.to_vec();
    sorted.sort_by(|a, b| a.cost.total_cmp(&b.cost));
    let mut middle = *sorted.get(sorted.len() / 2)?;
    middle.lost = outcomes.iter().map(|outcome| outcome.lost).sum();
    middle.repeated = outcomes.iter().map(|outcome| outcome.repeated).sum();
    middle.disordered = outcomes.iter().map(|outcome| outcome.disordered).sum();
    Some(middle)
}
