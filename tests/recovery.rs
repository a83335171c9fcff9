//! What a broker has acknowledged outlives kills, power cuts and disks that fail.
//!
//! The broker is the real one, in a process of its own, and so are the sockets. Chance is seeded: a failing test shows
//! its seed, which RECOVERY_SEED repeats.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "recovery/bench.rs"]
mod bench;
#[path = "support/broker.rs"]
mod broker;
#[path = "recovery/exactly_once.rs"]
mod exactly_once;
#[path = "recovery/gate.rs"]
mod gate;
#[path = "recovery/kill.rs"]
mod kill;
#[path = "recovery/load.rs"]
mod load;
#[path = "support/mqtt.rs"]
mod mqtt;
#[path = "recovery/payload.rs"]
mod payload;
#[path = "recovery/power.rs"]
mod power;
#[path = "recovery/power_cut.rs"]
mod power_cut;
#[path = "recovery/random.rs"]
mod random;
#[path = "recovery/restart.rs"]
mod restart;
#[path = "recovery/world.rs"]
mod world;
