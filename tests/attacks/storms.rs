//! Connections that come and go.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use artemis_rs::protocol::mqtt::codec::QoS;

use crate::mqtt::{Client, Incoming, Login, Message};
use crate::raw::{Socket, connect, connect_with, publish, subscribe};
use crate::siege::Siege;

#[test]
fn cve_2017_7654_and_cve_2021_34431_connects_that_are_broken_off_leave_nothing_behind() {
    let siege = Siege::new("abort", "", "");
    let whole = connect_with("aborted", Some(("will", b"gone")), &[]);
    let storm = |address, rounds: usize| {
        for round in 0..rounds {
            let mut socket = Socket::send_first(address, &whole[..round % (whole.len() + 1)]);
            if round % 3 == 0 {
                socket.send(&whole);
            }
        }
    };
    // What the first ones cost is kept for those to come.
    siege.lay(48, |address| storm(address, 3_000));
    siege.lay(8, |address| storm(address, 9_000));
}

#[test]
fn client_id_ping_pong_does_not_disturb_others() {
    let siege = Siege::new("ping-pong", "", "");
    siege.lay(32, |address| {
        let mut last = Socket::enter(address, &connect("contested"));
        for _ in 0..3_000 {
            let next = Socket::enter(address, &connect("contested"));
            assert_eq!(last.end(), Some(0x8E));
            last = next;
        }
    });
}

/// Joins, subscribes, publishes and leaves under one of a few names, over and over.
fn come_and_go(address: SocketAddr, seed: usize, rounds: usize) {
    for round in 0..rounds {
        let name = format!("shared{}", (seed + round) % 4);
        let mut socket = Socket::send_first(address, &connect(&name));
        socket.send(&subscribe(1, &["storm/#".to_owned(), format!("$share/g/storm/{}", round % 3)]));
        for id in 1..=5 {
            socket.send(&publish(&format!("storm/{}", id % 3), QoS::AtLeastOnce, id, b"x", &[]));
        }
        if round % 2 == 0 {
            socket.packet();
        }
    }
}

#[test]
fn cve_2025_59946_and_cve_2026_22040_reconnects_under_one_name_with_a_flood() {
    let siege = Siege::new("storm", "", "");
    siege.lay(64, |address| {
        let running = AtomicUsize::new(0);
        thread::scope(|scope| {
            for seed in 0..6 {
                let running = &running;
                scope.spawn(move || {
                    running.fetch_add(1, Ordering::Relaxed);
                    come_and_go(address, seed, 400);
                });
            }
        });
        assert_eq!(running.into_inner(), 6);
        // Exactly one may hold a name, and it is served.
        let mut client = Client::open(address, &Login::fleeting("shared0"));
        client.subscribe("storm/after", QoS::AtLeastOnce);
        client.publish(&Message::at_least_once("storm/after", "x", 7)).unwrap();
        let answers = [client.next(), client.next()];
        assert!(answers.contains(&Incoming::PubAck(7, 0)), "{answers:?}");
    });
}
