//! What is measured, and how each of it is done.

use std::io;
use std::time::{Duration, Instant};

use super::client::{Client, Dialect};
use super::load::{Layout, Load, Seen, State, Traffic};
use super::process::Broker;

/// One scenario.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    pub name: &'static str,
    pub work: Work,
    /// Also run without a journal.
    pub compares_journal: bool,
}

/// How a scenario is run.
#[derive(Debug, Clone, Copy)]
pub enum Work {
    Live(Traffic),
    /// This many messages while their receivers are away; their coming back.
    Store(u64),
    Drain(u64),
    /// Memory of this many quiet connections.
    Idle(usize),
    /// Connections made and ended.
    Connect,
}

/// What came out.
#[derive(Debug, Clone, Copy, Default)]
pub struct Outcome {
    /// Broker CPU microseconds per message or connection; bytes for [`Work::Idle`].
    pub cost: f64,
    pub per_second: f64,
    /// Median round trip in microseconds, where there is one.
    pub latency: f64,
    /// Cores that the broker was busy on.
    pub cores: f64,
    pub lost: u64,
    pub repeated: u64,
    pub disordered: u64,
}

impl Outcome {
    fn with(self, seen: &Seen) -> Self {
        Self { repeated: seen.repeated, disordered: seen.disordered, ..self }
    }
}

const fn live(publishers: usize, subscribers: usize, layout: Layout, qos: u8, window: u64) -> Work {
    Work::Live(Traffic { publishers, subscribers, layout, qos, window, durable: false })
}

const fn plain(name: &'static str, work: Work) -> Scenario {
    Scenario { name, work, compares_journal: false }
}

pub const SCENARIOS: [Scenario; 16] = [
    plain("p2p-qos0", live(50, 50, Layout::Pairs, 0, 100)),
    plain("p2p-qos1", live(50, 50, Layout::Pairs, 1, 20)),
    plain("p2p-qos2", live(50, 50, Layout::Pairs, 2, 20)),
    plain("one-at-a-time-qos0", live(1, 1, Layout::Pairs, 0, 1)),
    plain("one-at-a-time-qos1", live(1, 1, Layout::Pairs, 1, 1)),
    plain("fan-out-200-qos0", live(1, 200, Layout::FanOut, 0, 20)),
    plain("fan-out-200-qos1", live(1, 200, Layout::FanOut, 1, 20)),
    plain("fan-out-1000-qos0", live(1, 1000, Layout::FanOut, 0, 20)),
    plain("fan-in-200-qos1", live(200, 1, Layout::FanIn, 1, 20)),
    plain("share-8-qos1", live(50, 8, Layout::Share, 1, 20)),
    plain("idle-connections", Work::Idle(2000)),
    plain("connect", Work::Connect),
    Scenario { name: "durable-qos1", work: DURABLE_1, compares_journal: true },
    Scenario { name: "durable-qos2", work: DURABLE_2, compares_journal: true },
    Scenario { name: "offline-store", work: Work::Store(2000), compares_journal: true },
    Scenario { name: "offline-drain", work: Work::Drain(2000), compares_journal: true },
];

const DURABLE_1: Work =
    Work::Live(Traffic { publishers: 50, subscribers: 50, layout: Layout::Pairs, qos: 1, window: 20, durable: true });
const DURABLE_2: Work =
    Work::Live(Traffic { publishers: 50, subscribers: 50, layout: Layout::Pairs, qos: 2, window: 20, durable: true });

impl Work {
    /// Does it against a broker.
    pub async fn run(self, broker: &Broker, time: Duration, dialect: Dialect) -> io::Result<Outcome> {
        match self {
            Self::Live(traffic) => run_live(broker, traffic, time, dialect).await,
            Self::Store(count) => offline(broker, count, true, dialect).await,
            Self::Drain(count) => offline(broker, count, false, dialect).await,
            Self::Idle(count) => idle(broker, count, dialect),
            Self::Connect => connect(broker, time, dialect),
        }
    }
}

/// Looks at the broker before and after.
struct Meter<'a> {
    broker: &'a Broker,
    cpu: Duration,
    start: Instant,
}

impl<'a> Meter<'a> {
    fn start(broker: &'a Broker) -> Self {
        Self { broker, cpu: broker.cpu(), start: Instant::now() }
    }

    fn stop(&self, count: u64) -> Outcome {
        let wall = self.start.elapsed().as_secs_f64();
        let cpu = (self.broker.cpu() - self.cpu).as_secs_f64();
        let count = count.max(1) as f64;
        Outcome { cost: cpu * 1e6 / count, per_second: count / wall, cores: cpu / wall, ..Outcome::default() }
    }
}

async fn run_live(broker: &Broker, traffic: Traffic, time: Duration, dialect: Dialect) -> io::Result<Outcome> {
    let load = Load::open(broker.port, traffic, dialect)?;
    load.run(Duration::from_millis(500), |_| false).await?;
    load.state().seen = Seen::default();
    let meter = Meter::start(broker);
    load.run(time, |_| false).await?;
    let mut outcome = meter.stop(load.state().seen.delivered);
    outcome.lost = load.drain().await?;
    let state = &mut *load.state();
    state.seen.latencies.sort_unstable();
    let middle = state.seen.latencies.get(state.seen.latencies.len() / 2);
    outcome.latency = middle.map_or(0.0, |ns| f64::from(*ns) / 1e3);
    Ok(outcome.with(&state.seen))
}

/// Fifty sessions away, so many messages for each.
async fn offline(broker: &Broker, count: u64, is_store: bool, dialect: Dialect) -> io::Result<Outcome> {
    let traffic =
        Traffic { publishers: 50, subscribers: 50, layout: Layout::Pairs, qos: 1, window: u64::MAX, durable: true };
    let load = Load::open(broker.port, traffic, dialect)?;
    load.leave_subscribers().await?;
    let total = count * 50;
    let meter = Meter::start(broker);
    // On average, 200 messages of each publisher are not acknowledged yet.
    let stored = move |state: &mut State| {
        let limit = (state.acknowledged() / 50 + 200).min(count);
        if limit > state.limit {
            state.limit = limit;
            state.mark_all();
        }
        state.acknowledged() >= total
    };
    load.run(Duration::from_secs(60), stored).await?;
    let mut outcome = meter.stop(total);
    if is_store {
        outcome.lost = total.saturating_sub(load.state().acknowledged());
        return Ok(outcome);
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let meter = Meter::start(broker);
    load.return_subscribers(broker.port)?;
    let lost = load.drain().await?;
    outcome = meter.stop(load.state().deliveries());
    outcome.lost = lost;
    let outcome = outcome.with(&load.state().seen);
    Ok(outcome)
}

fn idle(broker: &Broker, count: usize, dialect: Dialect) -> io::Result<Outcome> {
    let open = |name: &str, number| Client::connect(broker.port, &format!("{name}-{number}"), true, dialect);
    let warm: io::Result<Vec<_>> = (0..100).map(|number| open("warm", number)).collect();
    let before = broker.resident();
    let meter = Meter::start(broker);
    let kept: io::Result<Vec<_>> = (0..count).map(|number| open("idle", number)).collect();
    let mut outcome = meter.stop(count as u64);
    std::thread::sleep(Duration::from_millis(300));
    outcome.cost = broker.resident().saturating_sub(before) as f64 / count as f64;
    drop((warm?, kept?));
    Ok(outcome)
}

fn connect(broker: &Broker, time: Duration, dialect: Dialect) -> io::Result<Outcome> {
    let meter = Meter::start(broker);
    let end = Instant::now() + time;
    let mut count = 0;
    while Instant::now() < end {
        Client::connect(broker.port, &format!("client-{count}"), true, dialect)?.disconnect()?;
        count += 1;
    }
    std::thread::sleep(Duration::from_millis(50));
    Ok(meter.stop(count))
}
