//! A spike of threaded mode: one thread makes input and takes output as an I/O thread would, another owns the engine, and
//! batches go between them. Says what a message costs by the size of the batches, beside the same work on one thread.
//!
//! `cargo bench --bench threaded`

#[path = "engine/world.rs"]
#[allow(dead_code, reason = "the other benchmark uses more of it")]
mod world;

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Instant;

use artemis_rs::engine::ConnectionKey;
use world::{Store, World, publish};

const PAIRS: usize = 256;
const MESSAGES: usize = 2_000_000;
/// Batches on their way at a time.
const DEPTH: usize = 8;

/// Input or output of one connection: its number among the pairs, and bytes.
type Piece = (usize, Vec<u8>);

fn main() {
    println!("{:>12} {:>12} {:>12}", "batch", "inline ns", "threaded ns");
    for batch in [1, 8, 64, 256] {
        println!("{batch:>12} {:>12.0} {:>12.0}", inline(batch), threaded(batch));
    }
}

fn pairs(world: &mut World) -> Vec<ConnectionKey> {
    let pair = |number: usize| {
        let subscriber = world.connect(&format!("subscriber-{number}"), true);
        world.subscribe(subscriber, &[topic(number)], 0);
        world.connect(&format!("publisher-{number}"), true)
    };
    (0..PAIRS).map(pair).collect()
}

fn topic(number: usize) -> String {
    format!("bench/{number}/value")
}

fn input(number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    publish(&topic(number), 0, false, 0, &mut bytes);
    bytes
}

/// Works through one batch of input; gives back the output of all connections.
fn work(world: &mut World, keys: &[ConnectionKey], batch: &[Piece], output: &mut Vec<Piece>) {
    for (number, bytes) in batch {
        world.receive(keys[*number], bytes);
    }
    let touched = world.engine.take_touched();
    for key in &touched {
        if let Some(out) = world.engine.output(*key) {
            output.push((key.index(), out.take().to_vec()));
        }
        world.engine.written(*key);
    }
    world.engine.give_touched(touched);
}

fn batches(size: usize) -> impl Iterator<Item = Vec<Piece>> {
    (0..MESSAGES / size)
        .map(move |at| (0..size).map(|step| (at * size + step) % PAIRS).map(|n| (n, input(n))).collect())
}

fn inline(size: usize) -> f64 {
    let mut world = World::new(Store::None);
    let keys = pairs(&mut world);
    let mut output = Vec::new();
    let start = Instant::now();
    for batch in batches(size) {
        work(&mut world, &keys, &batch, &mut output);
        output.clear();
    }
    start.elapsed().as_nanos() as f64 / MESSAGES as f64
}

fn threaded(size: usize) -> f64 {
    let (to_engine, inputs): (SyncSender<Vec<Piece>>, Receiver<_>) = sync_channel(DEPTH);
    let (to_network, outputs): (SyncSender<Vec<Piece>>, Receiver<_>) = sync_channel(DEPTH * 2);
    let engine = thread::spawn(move || {
        let mut world = World::new(Store::None);
        let keys = pairs(&mut world);
        for batch in inputs {
            let mut output = Vec::with_capacity(batch.len());
            work(&mut world, &keys, &batch, &mut output);
            if to_network.send(output).is_err() {
                return;
            }
        }
    });
    let start = Instant::now();
    let (mut sent, mut taken) = (0, 0);
    for batch in batches(size) {
        while sent - taken >= DEPTH && outputs.recv().is_ok() {
            taken += 1;
        }
        if to_engine.send(batch).is_err() {
            break;
        }
        sent += 1;
    }
    drop(to_engine);
    while outputs.recv().is_ok() {
        taken += 1;
    }
    assert_eq!(sent, taken, "each batch is answered");
    let elapsed = start.elapsed().as_nanos() as f64 / MESSAGES as f64;
    engine.join().expect("the engine ends");
    elapsed
}
