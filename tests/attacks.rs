//! Attacks on a running broker, each under the number or the name it is known by: its memory stays bounded, and others are
//! served all the while.
//!
//! What an attack costs is printed (`--nocapture`), and asserted by no test.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "support/broker.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod broker;
#[path = "attacks/bystanders.rs"]
mod bystanders;
#[path = "attacks/connections.rs"]
mod connections;
#[path = "attacks/memory.rs"]
mod memory;
#[path = "support/mqtt.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod mqtt;
#[path = "attacks/raw.rs"]
mod raw;
#[path = "attacks/siege.rs"]
mod siege;
#[path = "attacks/storms.rs"]
mod storms;
#[path = "attacks/table.rs"]
mod table;
#[path = "attacks/websocket.rs"]
mod websocket;
