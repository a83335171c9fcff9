//! SUBSCRIBE and UNSUBSCRIBE of many filters: others are served in between, and the client sees them done at once.

use super::{Script, Seat, lasting, passing};
use crate::sim::packet::{self, Heard, Hello, Letter, wish};

/// More than are taken in two ticks, and no more than in three.
const MANY: usize = 10;

fn filters() -> Vec<String> {
    (0..MANY).map(|number| format!("f/{number}")).collect()
}

fn subscribe(seat: Seat, id: u16) -> Vec<u8> {
    let filters = filters();
    let wanted: Vec<_> = filters.iter().map(|filter| (filter.as_str(), wish(1))).collect();
    packet::subscribe(seat.version, id, &wanted)
}

fn unsubscribe(seat: Seat, id: u16) -> Vec<u8> {
    let filters = filters();
    packet::unsubscribe(seat.version, id, &filters.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn others_are_served_while_many_filters_are_taken() {
    let mut script = Script::new();
    let (greedy, other) = (script.join(&passing("greedy")), script.join(&passing("other")));
    script.node.feed(greedy.link, &[subscribe(greedy, 1), packet::ping()].concat());
    for _ in 0..2 {
        assert_eq!(script.hears(greedy), []);
        script.node.feed(other.link, &packet::ping());
        assert!(script.node.tick());
        assert_eq!(script.hears(other), [Heard::PingResp]);
    }
    script.send(greedy, &[]);
    assert_eq!(script.hears(greedy), [Heard::SubAck(1, vec![1; MANY]), Heard::PingResp]);
}

#[test]
fn nothing_comes_before_the_acknowledgement_of_many_filters() {
    for hello in [passing("greedy"), lasting("greedy")] {
        let mut script = Script::new();
        let (greedy, other) = (script.join(&hello), script.join(&passing("other")));
        script.subscribe(greedy, "before", 0);
        script.node.feed(greedy.link, &subscribe(greedy, 1));
        for (topic, qos) in [("before", 0), ("f/0", 1)] {
            script.node.feed(other.link, &Letter::new(topic, topic, qos, 1).encode(other.version));
        }
        script.node.tick();
        assert_eq!(script.hears(greedy), []);
        script.node.settle();
        let heard = script.hears(greedy);
        let [Heard::SubAck(1, codes), Heard::Publish(first), Heard::Publish(second)] = &heard[..] else {
            panic!("{heard:?}");
        };
        assert_eq!((codes, &*first.topic, &*second.topic), (&vec![1; MANY], "before", "f/0"));
        script.send(other, &Letter::new("f/9", "x", 0, 0).encode(other.version));
        assert_eq!(script.payloads(greedy), ["x"]);
    }
}

#[test]
fn many_filters_are_given_up_in_order() {
    let mut script = Script::new();
    let (greedy, other) = (script.join(&passing("greedy")), script.join(&passing("other")));
    script.send(greedy, &subscribe(greedy, 1));
    assert_eq!(script.hears(greedy), [Heard::SubAck(1, vec![1; MANY])]);
    script.node.feed(greedy.link, &unsubscribe(greedy, 2));
    assert_eq!(script.hears(greedy), []);
    script.node.pump();
    assert_eq!(script.hears(greedy), [Heard::UnsubAck(2, vec![0; MANY])]);
    script.publish(other, &Letter::new("f/0", "x", 1, 1));
    assert_eq!((script.hears(greedy), script.hears(other)), (vec![], vec![Heard::PubAck(1, 0x10)]));
}

#[test]
fn a_client_that_goes_amid_its_filters_leaves_what_was_taken() {
    let mut script = Script::new();
    let (greedy, other) = (script.join(&lasting("greedy")), script.join(&passing("other")));
    script.node.feed(greedy.link, &subscribe(greedy, 1));
    script.lose(greedy);
    // Another connection under the same key has nothing to do with it.
    let next = script.join(&passing("next"));
    script.node.settle();
    assert_eq!(script.hears(next), []);
    for topic in ["f/0", "f/9"] {
        script.publish(other, &Letter::new(topic, topic, 1, 1));
    }
    let greedy = script.rejoin(&lasting("greedy"));
    assert_eq!(script.payloads(greedy), ["f/0"]);
}

#[test]
fn what_comes_while_many_filters_are_given_up_is_delivered() {
    for hello in [passing("greedy"), lasting("greedy")] {
        let mut script = Script::new();
        let (greedy, other) = (script.join(&hello), script.join(&passing("other")));
        script.subscribe(greedy, "stays", 1);
        script.send(greedy, &subscribe(greedy, 1));
        script.node.settle();
        assert_eq!(script.hears(greedy), [Heard::SubAck(1, vec![1; MANY])]);
        script.node.feed(greedy.link, &unsubscribe(greedy, 2));
        for qos in [0, 1] {
            script.node.feed(other.link, &Letter::new("stays", &qos.to_string(), qos, 1).encode(other.version));
        }
        script.node.settle();
        let mut heard = script.hears(greedy);
        heard.retain(|heard| *heard != Heard::UnsubAck(2, vec![0; MANY]));
        let [Heard::Publish(first), Heard::Publish(second)] = &heard[..] else {
            panic!("{heard:?}");
        };
        assert_eq!((first.qos, second.qos), (0, 1));
    }
}

#[test]
fn what_is_said_behind_many_filters_is_heard_before_silence_is_counted() {
    let mut script = Script::new();
    let greedy = script.join(&Hello { keep_alive: 10, ..passing("greedy") });
    script.node.is_lazy = true;
    script.node.feed(greedy.link, &[subscribe(greedy, 1), packet::ping()].concat());
    for _ in 0..2 {
        script.node.pass(14_000);
    }
    assert_eq!(script.hears(greedy), [Heard::SubAck(1, vec![1; MANY]), Heard::PingResp]);
    script.node.feed(greedy.link, &subscribe(greedy, 2));
    script.node.pass(14_000);
    script.node.is_lazy = false;
    // Its time to speak begins when it is listened to.
    script.node.pass(14_000);
    script.node.pass(14_999);
    assert_eq!(script.hears(greedy), [Heard::SubAck(2, vec![1; MANY])]);
    script.node.pass(1);
    assert_eq!(script.hears(greedy), [Heard::Disconnect(0x8D)]);
}
