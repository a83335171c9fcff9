//! Every target with its seeds and with mutations of them, the same at each run.

use std::fs;
use std::path::Path;

use super::{TARGETS, run};

/// Mutations of one target.
const MUTATIONS: usize = 4_000;
/// Bytes that mean something more often than others.
const BYTES: [u8; 8] = [0, 1, 2, b'/', b'#', 0x7F, 0x80, 0xFF];

/// Numbers that look like chance (SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) as usize
    }

    fn below(&mut self, limit: usize) -> usize {
        self.next() % limit.max(1)
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

/// Shows the input of a target that fails.
struct Tried<'a>(&'a str, &'a [u8]);

impl Drop for Tried<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}: {:?}", self.0, self.1);
        }
    }
}

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fuzz"))
}

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let entries = fs::read_dir(folder().join("corpus").join(target)).expect("a folder of seeds");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).expect("a seed")).collect()
}

fn mutate(bytes: &mut Vec<u8>, other: &[u8], numbers: &mut Numbers) {
    let at = numbers.below(bytes.len() + 1);
    let end = (at + 1 + numbers.below(8)).min(bytes.len());
    match numbers.below(6) {
        0 if at < bytes.len() => bytes[at] ^= 1 << numbers.below(8),
        1 if at < bytes.len() => bytes[at] = *numbers.pick(&BYTES),
        2 => bytes.insert(at, numbers.next() as u8),
        3 => drop(bytes.drain(at.min(end)..end)),
        4 => bytes.extend_from_within(at.min(end)..),
        _ => {
            bytes.truncate(at);
            bytes.extend_from_slice(&other[numbers.below(other.len())..]);
        }
    }
}

fn holds(target: &str) {
    let seeds = seeds(target);
    for seed in &seeds {
        tries(target, seed);
    }
    let mut numbers = Numbers(7);
    for _ in 0..MUTATIONS {
        let (mut bytes, other) = (numbers.pick(&seeds).clone(), numbers.pick(&seeds));
        for _ in 0..=numbers.below(4) {
            mutate(&mut bytes, other, &mut numbers);
        }
        bytes.truncate(1_000);
        tries(target, &bytes);
    }
}

/// With each bit of each seed turned, too.
fn holds_bit_by_bit(target: &str) {
    holds(target);
    for mut seed in seeds(target) {
        for at in 0..seed.len() * 8 {
            seed[at / 8] ^= 1 << (at % 8);
            tries(target, &seed);
            seed[at / 8] ^= 1 << (at % 8);
        }
    }
}

fn tries(target: &str, bytes: &[u8]) {
    let _tried = Tried(target, bytes);
    run(target, bytes);
}

#[test]
fn every_target_has_seeds_and_a_program() {
    for (target, _) in TARGETS {
        assert!(!seeds(target).is_empty(), "{target}");
        let program = fs::read_to_string(folder().join(format!("src/bin/{target}.rs"))).expect("a program");
        assert!(program.contains(&format!("\"{target}\"")), "{target}");
    }
}

#[test]
fn varint() {
    holds_bit_by_bit("varint");
}

#[test]
fn text() {
    holds_bit_by_bit("text");
}

#[test]
fn frames() {
    holds("frames");
}

#[test]
fn decode_v3() {
    holds_bit_by_bit("decode_v3");
}

#[test]
fn decode_v5() {
    holds_bit_by_bit("decode_v5");
}

#[test]
fn identity() {
    holds_bit_by_bit("identity");
}

#[test]
fn properties() {
    holds_bit_by_bit("properties");
}

#[test]
fn session() {
    holds("session");
}

#[test]
fn matching() {
    holds("matching");
}

#[test]
fn trie() {
    holds("trie");
}

#[test]
fn shared() {
    holds_bit_by_bit("shared");
}

#[test]
fn detect() {
    holds_bit_by_bit("detect");
}
