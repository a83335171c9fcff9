//! Several subscriptions of one client match a message.

use super::{Script, Seat, lasting, passing, wish};
use crate::protocol::mqtt::codec::{self, Properties, Property};
use crate::sim::packet::{Heard, Letter};

/// Subscribes under an identifier.
fn subscribe(script: &mut Script, seat: Seat, filter: &str, qos: u8, identifier: u32) {
    let mut properties = Vec::new();
    Property::SubscriptionIdentifier(identifier).encode(&mut properties);
    let mut packet = Vec::new();
    let properties = Properties::from_encoded_unchecked(&properties);
    codec::encode_subscribe(1, properties, &[(filter, wish(qos))], seat.version, &mut packet);
    script.send(seat, &packet);
    script.node.settle();
    assert_eq!(script.hears(seat), [Heard::SubAck(1, vec![qos])]);
}

/// QoS and identifiers of the messages that came.
fn copies(script: &mut Script, seat: Seat) -> Vec<(u8, Vec<u32>)> {
    let heard = script.hears(seat);
    let mut copies: Vec<_> = heard
        .into_iter()
        .map(|heard| match heard {
            Heard::Publish(Letter { qos, mut tags, .. }) => {
                tags.sort_unstable();
                (qos, tags)
            }
            other => panic!("{other:?} among the messages"),
        })
        .collect();
    copies.sort();
    copies
}

#[test]
fn overlapping_subscriptions_give_one_copy() {
    let mut script = Script::new();
    let (subscriber, publisher) = (script.join(&lasting("s")), script.join(&passing("p")));
    for (identifier, filter, qos) in [(1, "a/+", 1), (2, "a/#", 2), (3, "a/b", 0)] {
        subscribe(&mut script, subscriber, filter, qos, identifier);
    }
    for (id, sent) in [(1, 0), (2, 1), (3, 2)] {
        script.publish(publisher, &Letter::new("a/b", "x", sent, id));
        script.node.settle();
        assert_eq!(copies(&mut script, subscriber), [(sent, vec![1, 2, 3])]);
    }
    script.publish(publisher, &Letter::new("a/c", "x", 2, 4));
    script.node.settle();
    assert_eq!(copies(&mut script, subscriber), [(2, vec![1, 2])]);
}

#[test]
fn a_share_and_a_subscription_each_have_their_copy() {
    let mut script = Script::new();
    let (subscriber, publisher) = (script.join(&lasting("s")), script.join(&passing("p")));
    subscribe(&mut script, subscriber, "t", 1, 1);
    subscribe(&mut script, subscriber, "$share/g/t", 1, 2);
    script.publish(publisher, &Letter::new("t", "x", 1, 1));
    script.node.settle();
    assert_eq!(copies(&mut script, subscriber), [(1, vec![1]), (1, vec![2])]);
}
