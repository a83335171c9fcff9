//! Who is not let in, and what it is told.

use super::{Script, lasting, options, passing};
use crate::protocol::Denial;
use crate::protocol::mqtt::Limits;
use crate::protocol::mqtt::codec::{QoS, Version};
use crate::sim::node::limits;
use crate::sim::packet::{Heard, Hello, Letter};

#[test]
fn a_client_that_is_not_let_in_is_told_and_sent_away() {
    for (denial, reason, return_code) in [
        (Denial::BadCredentials, 0x86, 5),
        (Denial::NotAuthorized, 0x87, 5),
        (Denial::InvalidClientId, 0x85, 2),
        (Denial::Unavailable, 0x88, 3),
        (Denial::Busy, 0x89, 3),
    ] {
        for (version, code) in [(Version::V3, return_code), (Version::V4, return_code), (Version::V5, reason)] {
            let mut script = Script::new();
            let known = script.join(&Hello { version, clean: false, expiry: 60, ..Hello::new("s") });
            script.lose(known);
            script.node.is_slow_to_authenticate = true;
            let client = script.connect(&Hello { version, clean: false, ..Hello::new("s") });
            script.publish(client, &Letter::new("t", "1", 1, 1));
            script.node.deny(denial);
            assert_eq!(script.hears(client), [Heard::ConnAck { present: false, code }], "{denial:?}, {version:?}");
            assert!(script.node.is_over(client.link));
        }
    }
}

#[test]
fn a_refusal_is_no_larger_than_its_client_takes() {
    let limits = || Limits { maximum_qos: QoS::AtLeastOnce, ..limits() };
    let will = Some(Letter::new("t", "1", 2, 0));
    let mut sizes = Vec::new();
    for packet_maximum in [None, Some(41), Some(40)] {
        let mut script = Script::with(options, limits());
        let client = script.connect(&Hello { packet_maximum, will: will.clone(), ..passing("c") });
        let heard = script.node.take(client.link);
        assert_eq!(heard[3], 0x9B);
        sizes.push(heard.len());
    }
    assert_eq!(sizes, [41, 41, 5]);
}

#[test]
fn what_follows_a_connect_that_is_refused_is_not_read() {
    let mut script = Script::new();
    let subscriber = script.join(&lasting("s"));
    script.subscribe(subscriber, "t", 1);
    script.node.is_slow_to_authenticate = true;
    let client = script.connect(&passing("c"));
    script.publish(client, &Letter::new("t", "1", 1, 1));
    script.node.deny(Denial::BadCredentials);
    assert_eq!(script.hears(subscriber), []);
}

#[test]
fn a_version_that_is_not_spoken_is_told_so() {
    for connect in [&b"\x10\x0d\0\x04MQTT\x06\x02\0\x3c\0\x01c"[..], b"\x10\x0f\0\x06MQIsdp\x04\x02\0\x3c\0\x01c"] {
        let mut script = Script::new();
        let link = script.node.connect();
        script.node.send(link, connect);
        assert_eq!((script.node.take(link), script.node.is_over(link)), (vec![0x20, 2, 0, 1], true));
    }
}
