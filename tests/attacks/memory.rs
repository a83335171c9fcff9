//! Packets that cost a broker more than they cost their sender.

use std::sync::atomic::{AtomicU64, Ordering};

use artemis_rs::protocol::mqtt::codec::{Packet, Properties, Property, Publish, QoS};

use crate::mqtt::{Client, Incoming, Login, Message};
use crate::raw::{self, Socket, connect, connect_with, publish, subscribe};
use crate::siege::Siege;

#[test]
fn cve_2021_41039_user_properties_are_bounded_in_number() {
    let siege = Siege::new("user-properties", "", "");
    let pair = Property::UserProperty("", "");
    let flood = publish("t", QoS::AtLeastOnce, 1, b"", &vec![pair; 60_000]);
    let allowed = publish("t", QoS::AtLeastOnce, 1, b"", &vec![pair; 1_000]);
    siege.lay(64, |address| {
        for number in 0..30 {
            let mut client = Socket::enter(address, &connect(&format!("u{number}")));
            client.send(&flood);
            assert_eq!(client.end(), Some(0x97));
            let mut client = Socket::enter(address, &connect(&format!("u{number}")));
            for _ in 0..10 {
                client.send(&allowed);
                client.await_type(0x40);
            }
        }
    });
    assert_eq!(siege.refused("user properties of a packet"), 30);
}

/// A filter of 16 levels that matches `a/a/...`, another for each number.
fn wild_filter(number: usize) -> String {
    let levels: Vec<_> = (0..16).map(|level| if number >> level & 1 == 0 { "+" } else { "a" }).collect();
    levels.join("/")
}

#[test]
fn subscription_bombs_are_bounded_for_a_session_and_in_all() {
    let core = "<max-total-subscriptions>50000</max-total-subscriptions>";
    let siege = Siege::new("subscriptions", "subscriptionsMaximum=10000", core);
    let topic = vec!["a"; 16].join("/");
    siege.lay(160, |address| {
        let held: Vec<_> = (0..6)
            .map(|client| {
                let mut socket = Socket::enter(address, &connect(&format!("b{client}")));
                let filters: Vec<_> = (0..11_000).map(wild_filter).collect();
                for (id, filters) in (1..).zip(filters.chunks(1_000)) {
                    socket.send(&subscribe(id, filters));
                    let answer = socket.await_type(0x90);
                    let is_allowed = client < 5 && id <= 10;
                    // Two of the first fifty thousand are those of the bystander.
                    let expected = if is_allowed { 0 } else { 0x97 };
                    let refused = answer[answer.len() - 1_000..].iter().filter(|code| **code != expected).count();
                    assert!(refused <= 1, "{client} {id} {refused}");
                }
                socket.send(&publish(&topic, QoS::AtLeastOnce, 1, b"x", &[]));
                socket.await_type(0x40);
                socket
            })
            .collect();
        drop(held);
    });
    assert!(siege.refused("subscriptions of one session") > 0 && siege.refused("subscriptions") > 0);
}

#[test]
fn topic_aliases_are_bounded_in_bytes() {
    let siege = Siege::new("aliases", "", "");
    let refused = siege.lay(140, |address| {
        let mut held = Vec::new();
        let mut refused = 0;
        for number in 0..100 {
            let mut client = Socket::enter(address, &connect(&format!("a{number}")));
            for alias in 1..=15_u16 {
                let topic = format!("{number}/{alias}/{}", "x".repeat(65_000));
                client.send(&publish(&topic, QoS::AtMostOnce, 0, b"", &[Property::TopicAlias(alias)]));
            }
            client.send(&raw::bytes(&Packet::PingReq));
            match client.packet().as_slice() {
                [0xD0, ..] => held.push(client),
                [0xE0, _, 0x97, ..] => refused += 1,
                other => panic!("{other:x?}"),
            }
        }
        refused
    });
    assert!((25..=40).contains(&refused), "{refused}");
    assert!(siege.refused("topic alias bytes") >= refused);
}

#[test]
fn cve_2023_28366_messages_that_are_never_acknowledged_are_bounded() {
    let siege = Siege::new("unanswered", "", "<global-max-size>16M</global-max-size>");
    let payload = [b'x'; 1_000];
    siege.lay(96, |address| {
        // One takes all and answers nothing, one takes a single message at a time and does not answer it.
        let mut greedy = Client::open(address, &Login::durable("greedy"));
        greedy.subscribe("t", QoS::ExactlyOnce);
        let mut stubborn = Client::open(address, &Login::durable("stubborn").receive_maximum(1));
        stubborn.subscribe("t", QoS::AtLeastOnce);
        let mut publisher = Client::open(address, &Login::fleeting("publisher"));
        let mut refused = 0;
        for number in 0..20_000_u32 {
            let id = (number % 60_000 + 1) as u16;
            publisher.publish(&Message::at_least_once("t", payload, id)).unwrap();
            if number % 50 == 49 {
                for _ in 0..50 {
                    match publisher.next() {
                        Incoming::PubAck(_, 0) => {}
                        Incoming::PubAck(_, 0x97) => refused += 1,
                        other => panic!("{other:?}"),
                    }
                }
            }
        }
        assert!(refused > 5_000, "{refused}");
    });
    assert!(siege.refused("queued message bytes") > 0);
}

#[test]
fn flashmq_169_last_values_are_bounded() {
    let siege = Siege::new("retained", "", "<max-retained-messages>1000</max-retained-messages>");
    let refused = AtomicU64::new(0);
    siege.lay(48, |address| {
        let mut client = Socket::enter(address, &connect("r"));
        for number in 0..5_000 {
            client.send(&raw::bytes(&Packet::Publish(Publish {
                dup: false,
                qos: QoS::AtLeastOnce,
                retain: true,
                topic: &format!("r/{number}"),
                packet_id: 1,
                properties: Properties::default(),
                payload: &[0; 1_000],
            })));
            let answer = client.await_type(0x40);
            refused.fetch_add(u64::from(answer.get(4) == Some(&0x97)), Ordering::Relaxed);
        }
    });
    assert_eq!((refused.into_inner(), siege.refused("retained messages")), (4_000, 4_000));
}

#[test]
fn will_floods_are_spread_and_none_is_lost() {
    let siege = Siege::new("wills", "", "<max-will-rate>500</max-will-rate>");
    siege.lay(64, |address| {
        let mut watcher = Client::open(address, &Login::fleeting("watcher"));
        watcher.subscribe("wills/#", QoS::AtLeastOnce);
        let clients: Vec<_> = (0..1_500)
            .map(|number| {
                let topic = format!("wills/{number}");
                Socket::enter(address, &connect_with(&topic, Some((&topic, &[b'x'; 1_000])), &[]))
            })
            .collect();
        drop(clients);
        for _ in 0..1_500 {
            let message = watcher.message();
            assert_eq!(message.payload.len(), 1_000);
            watcher.puback(message.packet_id).unwrap();
        }
    });
    assert!(siege.refused("wills held back") > 0);
}
