//! Topics that begin with a dollar sign.

use super::{Script, lasting, passing};
use crate::sim::packet::{Heard, Letter};

#[test]
fn retained_topics_of_the_server_hide_from_leading_wildcards() {
    let mut script = Script::new();
    let publisher = script.join(&passing("p"));
    script.publish(publisher, &Letter::new("$x/a", "hidden", 1, 1).retained());
    script.publish(publisher, &Letter::new("y/a", "seen", 1, 2).retained());
    script.node.settle();
    for (filter, expected) in [
        ("#", vec!["seen"]),
        ("+/a", vec!["seen"]),
        ("+/#", vec!["seen"]),
        ("$x/#", vec!["hidden"]),
        ("$x/+", vec!["hidden"]),
    ] {
        let subscriber = script.join(&passing(filter));
        script.subscribe(subscriber, filter, 1);
        script.node.settle();
        assert_eq!(script.payloads(subscriber), expected, "{filter}");
    }
}

#[test]
fn the_servers_own_topics_cannot_be_written_and_others_can() {
    let mut script = Script::new();
    let (subscriber, publisher) = (script.join(&lasting("s")), script.join(&passing("p")));
    for filter in ["$SYS/#", "$other/#", "$SYSTEM/#"] {
        script.subscribe(subscriber, filter, 1);
    }
    for topic in ["$SYS/broker/version", "$SYS", "$share/g/t", "$sys/mqtt/retain/t"] {
        script.publish(publisher, &Letter::new(topic, "x", 1, 1));
        script.publish(publisher, &Letter::new(topic, "x", 2, 2));
        script.publish(publisher, &Letter::new(topic, "x", 0, 0).retained());
        assert_eq!(script.hears(publisher), [Heard::PubAck(1, 0x87), Heard::PubRec(2, 0x87)], "{topic}");
    }
    for topic in ["$other/t", "$SYSTEM/t"] {
        script.publish(publisher, &Letter::new(topic, topic, 1, 1));
        script.node.settle();
        assert_eq!(script.hears(publisher), [Heard::PubAck(1, 0)]);
        assert_eq!(script.payloads(subscriber), [topic]);
    }
}
