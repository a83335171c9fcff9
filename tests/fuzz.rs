//! What is fuzzed: each target takes any bytes and panics where the broker does not do what it should. libFuzzer runs
//! them (`bin/fuzz`), and as a test each is run with its seeds and with some thousand mutations of them.

use artemis_rs::{core, engine, protocol, security, store};

#[path = "fuzz/choices.rs"]
mod choices;
#[path = "fuzz/client.rs"]
mod client;
#[path = "fuzz/decode.rs"]
mod decode;
#[path = "fuzz/detect.rs"]
mod detect;
#[path = "fuzz/frames.rs"]
mod frames;
#[path = "fuzz/identity.rs"]
mod identity;
#[path = "fuzz/matching.rs"]
mod matching;
#[allow(dead_code, reason = "the simulation uses all of it")]
#[path = "../src/sim/node.rs"]
mod node;
#[path = "fuzz/packet.rs"]
mod packet;
#[path = "fuzz/properties.rs"]
mod properties;
#[path = "fuzz/session.rs"]
mod session;
#[path = "fuzz/shared.rs"]
mod shared;
#[cfg(test)]
#[path = "fuzz/smoke.rs"]
mod smoke;
#[path = "fuzz/standard.rs"]
mod standard;
#[path = "fuzz/text.rs"]
mod text;
#[path = "fuzz/trie.rs"]
mod trie;
#[path = "fuzz/varint.rs"]
mod varint;

/// A name, which is also that of a binary and of a folder of seeds, and what is run.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: [Target; 12] = [
    ("varint", varint::fuzz),
    ("text", text::fuzz),
    ("frames", frames::fuzz),
    ("decode_v3", decode::fuzz_v3),
    ("decode_v5", decode::fuzz_v5),
    ("identity", identity::fuzz),
    ("properties", properties::fuzz),
    ("session", session::fuzz),
    ("matching", matching::fuzz),
    ("trie", trie::fuzz),
    ("shared", shared::fuzz),
    ("detect", detect::fuzz),
];

/// Runs a target.
pub fn run(name: &str, data: &[u8]) {
    let target = TARGETS.iter().find(|(other, _)| *other == name);
    target.expect("a target of that name").1(data);
}
