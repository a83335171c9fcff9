//! Seeds.

use super::world::{Outcome, Plan, run};

/// Says which seed it was, if the broker panics.
struct Naming(u64);

impl Drop for Naming {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("seed {} panicked", self.0);
        }
    }
}

fn outcome(plan: Plan) -> Outcome {
    let _naming = Naming(plan.seed);
    run(plan)
}

fn tail() -> usize {
    std::env::var("SIM_TRACE").ok().and_then(|lines| lines.parse().ok()).unwrap_or(40)
}

/// How many seeds, and from which on: more than usual on demand.
fn seeds(usual: u64) -> std::ops::Range<u64> {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let from = number("SIM_SEED").unwrap_or(1);
    from..from + number("SIM_SEEDS").unwrap_or(usual)
}

#[test]
fn whatever_the_schedule_the_invariants_hold() {
    let mut total = Outcome::default();
    for seed in seeds(400) {
        let outcome = outcome(Plan::new(seed));
        total.crashes += outcome.crashes;
        total.deliveries += outcome.deliveries;
        total.obligations += outcome.obligations;
        if let Some(violation) = outcome.violations.first() {
            println!("seed {seed}: {violation}");
            total.violations.push(violation.clone());
            total.trace = outcome.trace;
        }
    }
    println!("{} crashes, {} deliveries, {} obligations", total.crashes, total.deliveries, total.obligations);
    let from = total.trace.len().saturating_sub(tail());
    assert!(
        total.violations.is_empty(),
        "{} seeds failed; the last:\n{}",
        total.violations.len(),
        total.trace[from..].join("\n")
    );
}

#[test]
fn a_broker_that_acknowledges_before_the_commit_is_found_out() {
    let caught = (1..=40).filter(|seed| !outcome(Plan { is_liar: true, ..Plan::new(*seed) }).violations.is_empty());
    let caught = caught.count();
    assert!(caught >= 30, "only {caught} of 40 schedules showed it");
}
