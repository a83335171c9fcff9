//! Connections that are many, slow, or only half there.

use artemis_rs::protocol::mqtt::codec::QoS;

use crate::raw::{Socket, connect, publish};
use crate::siege::Siege;

#[test]
fn cve_2017_7651_and_mosquitto_3448_announced_bytes_take_no_memory() {
    let siege = Siege::new("announced", "packetTimeout=60", "");
    siege.lay(64, |address| {
        let held: Vec<_> = (0..1_000)
            .map(|number| {
                let mut client = Socket::enter(address, &connect(&format!("a{number}")));
                client.send(&[&[0x30, 0xFF, 0xFF, 0xFF, 0x7F, 0, 1, b't'][..], &[0; 1_000]].concat());
                let stranger = Socket::send_first(address, &[&[0x10, 0x80, 0x80, 0x17][..], &[0; 1_000]].concat());
                // Of what cannot be a CONNECT only the length is read.
                let huge = Socket::send_first(address, &[0x10, 0xFF, 0xFF, 0xFF, 0x7F, 0, 4, b'M', b'Q', b'T', b'T']);
                (client, stranger, huge)
            })
            .collect();
        for (_, _, huge) in held {
            huge.end();
        }
    });
}

#[test]
fn cve_2022_23913_bytes_before_a_login_are_bounded_for_all_together() {
    let siege = Siege::new("unadmitted", "handshake-timeout=2", "");
    let first = [&[0x10, 0x80, 0x80, 0x17, 0, 4, b'M', b'Q', b'T', b'T', 5][..], &[0; 250_000]].concat();
    siege.lay(140, |address| {
        let held: Vec<_> = (0..500).map(|_| Socket::send_first(address, &first)).collect();
        for socket in held {
            socket.end();
        }
    });
    assert!(siege.refused("bytes held before anyone is let in") > 0);
}

#[test]
fn cve_2020_13849_slow_connects_leave_room_for_others() {
    let siege = Siege::new("slow-connect", "handshake-timeout=2", "");
    let whole = connect("slow");
    siege.lay(64, |address| {
        let held: Vec<_> = (0..3_000).map(|number| Socket::send_first(address, &whole[..number % 10])).collect();
        for socket in held {
            assert_eq!(socket.end(), None);
        }
    });
    assert_eq!(siege.refused("connections not let in in time"), 3_000);
}

#[test]
fn slow_packets_end_their_senders() {
    let siege = Siege::new("slow-packet", "packetTimeout=1", "");
    let whole = publish("t", QoS::AtLeastOnce, 1, &[0; 500], &[]);
    siege.lay(32, |address| {
        let held: Vec<_> = (0..500)
            .map(|number| {
                let mut client = Socket::enter(address, &connect(&format!("slow{number}")));
                client.send(&whole[..1 + number % 400]);
                client
            })
            .collect();
        for client in held {
            assert_eq!(client.end(), Some(0x8D));
        }
    });
    assert_eq!(siege.refused("packets not finished in time"), 500);
}

#[test]
fn cve_2023_5632_half_closed_sockets_are_closed() {
    let siege = Siege::new("half-closed", "", "");
    siege.lay(32, |address| {
        let held: Vec<_> = (0..500)
            .map(|number| {
                let client = Socket::enter(address, &connect(&format!("half{number}")));
                client.half_close();
                client
            })
            .collect();
        for client in held {
            client.end();
        }
    });
}

#[test]
fn slowite_an_acceptor_takes_no_more_connections_than_it_is_told() {
    let siege = Siege::new("many", "connectionsAllowed=500", "");
    siege.lay(32, |address| {
        let mut held: Vec<_> = (0..800).map(|_| Socket::send_first(address, &[0x10])).collect();
        for socket in held.split_off(498) {
            socket.end();
        }
    });
    assert_eq!(siege.refused("connections"), 302);
}
