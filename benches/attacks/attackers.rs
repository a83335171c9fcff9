//! Clients that mean no good, and do it as fast as they can.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use artemis_rs::protocol::mqtt::codec::{Packet, Property, QoS};

use crate::raw::{self, Socket, connect, connect_with, publish, subscribe};

/// Connections that attack at a time.
const ATTACKERS: usize = 4;

/// What one attacker does again and again; its number, and how often it has done it, make names of their own.
pub struct Attack {
    pub name: &'static str,
    round: fn(SocketAddr, usize, usize),
}

pub const ATTACKS: [Attack; 13] = [
    Attack { name: "connect", round: |address, _, _| drop(Socket::send_first(address, &[])) },
    Attack { name: "broken-off", round: broken_off },
    Attack { name: "come-and-go", round: come_and_go },
    Attack { name: "takeover", round: takeover },
    Attack { name: "filters", round: filters },
    Attack { name: "filters-again", round: filters_again },
    Attack { name: "user-properties", round: user_properties },
    Attack { name: "aliases", round: aliases },
    Attack { name: "unanswered", round: unanswered },
    Attack { name: "retained-replay", round: retained_replay },
    Attack { name: "publish", round: publish_flood },
    Attack { name: "ping", round: ping_flood },
    Attack { name: "websocket", round: websocket },
];

/// Attacks for so long, and says how many rounds a second that were.
pub fn attack(attack: &Attack, target: SocketAddr, time: Duration) -> f64 {
    let (start, count) = (Instant::now(), AtomicU64::new(0));
    thread::scope(|scope| {
        for attacker in 0..ATTACKERS {
            let count = &count;
            scope.spawn(move || {
                for round in 0.. {
                    if start.elapsed() >= time {
                        break;
                    }
                    (attack.round)(target, attacker, round);
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    count.into_inner() as f64 / start.elapsed().as_secs_f64()
}

fn broken_off(address: SocketAddr, _: usize, round: usize) {
    let whole = connect_with("aborted", Some(("will", b"gone")), &[]);
    Socket::send_first(address, &whole[..round % (whole.len() + 1)]);
}

fn come_and_go(address: SocketAddr, attacker: usize, round: usize) {
    let mut socket = Socket::send_first(address, &connect(&format!("shared{}", (attacker + round) % 4)));
    socket.send(&subscribe(1, &["storm/#".to_owned(), format!("$share/g/storm/{}", round % 3)]));
    for id in 1..=5 {
        socket.send(&publish(&format!("storm/{}", id % 3), QoS::AtLeastOnce, id, b"x", &[]));
    }
    if round.is_multiple_of(2) {
        socket.packet();
    }
}

fn takeover(address: SocketAddr, _: usize, _: usize) {
    Socket::send_first(address, &connect("contested")).packet();
}

/// A filter of 16 levels, another for each number.
fn wild_filter(number: usize) -> String {
    let levels: Vec<_> = (0..16).map(|level| if number >> level & 1 == 0 { "+" } else { "a" }).collect();
    levels.join("/")
}

fn packets_of_filters(range: std::ops::Range<usize>) -> Vec<u8> {
    let filters: Vec<_> = range.map(wild_filter).collect();
    (1..).zip(filters.chunks(1_000)).flat_map(|(id, filters)| subscribe(id, filters)).collect()
}

/// As many filters as one session may have, all at once, and the session ends.
fn filters(address: SocketAddr, attacker: usize, _: usize) {
    let mut socket = Socket::send_first(address, &connect(&format!("filters{attacker}")));
    socket.send(&packets_of_filters(0..10_000));
    (0..10).for_each(|_| drop(socket.packet()));
}

/// The same filters over and over.
fn filters_again(address: SocketAddr, attacker: usize, _: usize) {
    let mut socket = Socket::send_first(address, &connect(&format!("again{attacker}")));
    let packets = packets_of_filters(0..10_000);
    for _ in 0..10 {
        socket.send(&packets);
        (0..10).for_each(|_| drop(socket.packet()));
    }
}

fn user_properties(address: SocketAddr, attacker: usize, _: usize) {
    let mut socket = Socket::send_first(address, &connect(&format!("properties{attacker}")));
    let flood = publish("t", QoS::AtLeastOnce, 1, b"", &vec![Property::UserProperty("", ""); 1_000]);
    socket.packet();
    for _ in 0..100 {
        socket.send(&flood);
        socket.packet();
    }
}

fn aliases(address: SocketAddr, attacker: usize, _: usize) {
    let mut socket = Socket::send_first(address, &connect(&format!("aliases{attacker}")));
    for alias in 1..=15_u16 {
        let topic = format!("{attacker}/{alias}/{}", "x".repeat(65_000));
        socket.send(&publish(&topic, QoS::AtMostOnce, 0, b"", &[Property::TopicAlias(alias)]));
    }
    socket.send(&raw::bytes(&Packet::PingReq));
    socket.packet();
    socket.packet();
}

/// One takes a message and does not answer, so that all others have to be kept.
fn unanswered(address: SocketAddr, attacker: usize, _: usize) {
    let topic = format!("unanswered/{attacker}");
    let stubborn = connect_with(&format!("stubborn{attacker}"), None, &[Property::ReceiveMaximum(1)]);
    let mut stubborn = Socket::send_first(address, &stubborn);
    stubborn.send(&subscribe(1, std::slice::from_ref(&topic)));
    let mut publisher = Socket::send_first(address, &connect(&format!("pushing{attacker}")));
    publisher.packet();
    let packets: Vec<u8> =
        (1..=100).flat_map(|id| publish(&topic, QoS::AtLeastOnce, id, &[b'x'; 1_000], &[])).collect();
    for _ in 0..100 {
        publisher.send(&packets);
        (0..100).for_each(|_| drop(publisher.packet()));
    }
}

/// Asks for all retained messages again and again.
fn retained_replay(address: SocketAddr, attacker: usize, round: usize) {
    let mut socket = Socket::send_first(address, &connect(&format!("replay{attacker}")));
    socket.packet();
    if round == 0 {
        for number in 0..1_000 {
            let mut packet = publish(&format!("kept/{attacker}/{number}"), QoS::AtLeastOnce, 1, &[b'x'; 1_000], &[]);
            packet[0] |= 1;
            socket.send(&packet);
            socket.packet();
        }
    }
    for id in 1..=20 {
        socket.send(&subscribe(id, &["kept/#".to_owned()]));
        socket.await_type(0x90);
        (0..1_000).for_each(|_| drop(socket.await_type(0x30)));
    }
}

fn publish_flood(address: SocketAddr, attacker: usize, _: usize) {
    let mut socket = Socket::send_first(address, &connect(&format!("flood{attacker}")));
    let packets = publish("nobody/listens", QoS::AtMostOnce, 0, b"x", &[]).repeat(1_000);
    (0..1_000).for_each(|_| socket.send(&packets));
    socket.send(&raw::bytes(&Packet::PingReq));
    socket.packet();
    socket.packet();
}

fn ping_flood(address: SocketAddr, attacker: usize, _: usize) {
    let mut socket = Socket::send_first(address, &connect(&format!("ping{attacker}")));
    socket.packet();
    let packets = raw::bytes(&Packet::PingReq).repeat(1_000);
    for _ in 0..100 {
        socket.send(&packets);
        (0..1_000).for_each(|_| drop(socket.packet()));
    }
}

/// A WebSocket whose first frame has a length that cannot be.
fn websocket(address: SocketAddr, _: usize, _: usize) {
    let Ok(mut stream) = TcpStream::connect(address) else { return };
    let request = "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\
                   \r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n";
    let _ = stream.write_all(request.as_bytes());
    let _ = stream.write_all(&[0x82, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1, 2, 3, 4]);
    let _ = stream.read_to_end(&mut Vec::new());
}
