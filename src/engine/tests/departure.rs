//! Clients and queues that end with very much: at once for all who look, and in pieces for those who wait.

use super::{Options, Script, Seat, lasting, limits, options, passing};
use crate::engine::{Admission, UserLimit, UserLimits};
use crate::security::ConnectionRequest;
use crate::sim::packet::{self, Heard, Hello, Letter, wish};

/// More than end in two ticks.
const MANY: usize = 100;

fn subscribe_to_many(script: &mut Script, seat: Seat) {
    let filters: Vec<_> = (0..MANY).map(|number| format!("f/{number}")).collect();
    let wanted: Vec<_> = filters.iter().map(|filter| (filter.as_str(), wish(1))).collect();
    script.send(seat, &packet::subscribe(seat.version, 1, &wanted));
    script.node.settle();
    assert_eq!(script.hears(seat), [Heard::SubAck(1, vec![1; MANY])]);
}

fn publish_many(script: &mut Script, seat: Seat) {
    for _ in 0..5 * MANY {
        script.publish(seat, &Letter::new("t", "old", 1, 1));
        script.node.settle();
        assert_eq!(script.hears(seat), [Heard::PubAck(1, 0)]);
    }
}

fn current(script: &Script, limit: &str) -> u64 {
    script.node.engine.limit_reports().iter().find(|report| report.name == limit).expect("a limit of this name").current
}

/// Ends a session by its next CONNECT, and waits for no more than the one tick that answers it.
fn start_anew(script: &mut Script, id: &str) -> Seat {
    let link = script.node.connect();
    let hello = Hello { clean: true, ..lasting(id) };
    script.node.feed(link, &hello.encode());
    script.node.tick();
    Seat { link, version: hello.version }
}

#[test]
fn many_subscriptions_end_at_once_and_others_are_served_meanwhile() {
    let mut script = Script::new();
    let (greedy, other) = (script.join(&lasting("greedy")), script.join(&passing("other")));
    subscribe_to_many(&mut script, greedy);
    let again = start_anew(&mut script, "greedy");
    assert!(current(&script, "subscriptions") > 0, "all of them ended in one tick");
    for number in [0, MANY / 2, MANY - 1] {
        script.node.feed(other.link, &Letter::new(&format!("f/{number}"), "x", 1, 1).encode(other.version));
        script.node.tick();
        assert_eq!(script.hears(other), [Heard::PubAck(1, 0x10)]);
    }
    script.node.settle();
    assert_eq!(current(&script, "subscriptions"), 0);
    assert_eq!(script.hears(again), [Heard::ConnAck { present: false, code: 0 }]);
    script.subscribe(again, "f/0", 1);
    script.publish(other, &Letter::new("f/0", "new", 1, 1));
    assert_eq!(script.payloads(again), ["new"]);
}

#[test]
fn many_messages_are_dropped_with_their_client_and_never_come_back() {
    for crashes in [false, true] {
        let mut script = Script::with(|| Options { settle_ms: 0, ..options() }, limits());
        let (greedy, other) = (script.join(&lasting("greedy")), script.join(&passing("other")));
        script.subscribe(greedy, "t", 1);
        script.lose(greedy);
        publish_many(&mut script, other);
        let mut again = start_anew(&mut script, "greedy");
        assert!(current(&script, "queued message bytes") > 0, "all of them were dropped in one tick");
        if crashes {
            assert!(script.node.write_batch(), "the end of the first session is not written");
            script.node.crash();
            assert_eq!(current(&script, "queued message bytes"), 0);
            again = script.rejoin(&lasting("greedy"));
        } else {
            script.node.settle();
            assert_eq!(current(&script, "queued message bytes"), 0);
            assert_eq!(script.hears(again), [Heard::ConnAck { present: false, code: 0 }]);
        }
        script.subscribe(again, "t", 1);
        assert_eq!(script.hears(again), []);
        script.node.crash();
        let again = script.rejoin(&lasting("greedy"));
        assert_eq!(script.hears(again), []);
    }
}

#[test]
fn a_share_group_that_ends_drops_what_waits_for_it() {
    let mut script = Script::new();
    let (member, other) = (script.join(&lasting("member")), script.join(&passing("other")));
    script.subscribe(member, "$share/g/t", 1);
    script.lose(member);
    publish_many(&mut script, other);
    let again = start_anew(&mut script, "member");
    script.node.settle();
    assert_eq!(script.hears(again), [Heard::ConnAck { present: false, code: 0 }]);
    assert_eq!(current(&script, "queued message bytes"), 0);
    script.subscribe(again, "$share/g/t", 1);
    script.publish(other, &Letter::new("t", "new", 1, 1));
    assert_eq!(script.payloads(again), ["new"]);
}

#[test]
fn who_begins_anew_at_the_limits_has_the_room_of_what_has_ended() {
    let one = UserLimit { queues: Some(MANY as u64), ..UserLimit::default() };
    let limited = move || {
        let by_user = [("u".to_owned(), one)].into();
        Options { clients_max: 1, user_limits: UserLimits { by_user, ..UserLimits::default() }, ..options() }
    };
    let mut script = Script::with(limited, limits());
    let admission = |_: &_| Ok(Admission { principal: ConnectionRequest::default().admit("u"), client_id: None });
    script.node.admit = Box::new(admission);
    let first = script.join(&lasting("greedy"));
    subscribe_to_many(&mut script, first);
    let again = start_anew(&mut script, "greedy");
    assert!(current(&script, "subscriptions") > 0, "all of them ended in one tick");
    let filters: Vec<_> = (0..MANY).map(|number| format!("f/{number}")).collect();
    let wanted: Vec<_> = filters.iter().map(|filter| (filter.as_str(), wish(1))).collect();
    script.node.feed(again.link, &packet::subscribe(again.version, 1, &wanted));
    script.node.settle();
    let heard = [Heard::ConnAck { present: false, code: 0 }, Heard::SubAck(1, vec![1; MANY])];
    assert_eq!(script.hears(again), heard);
    assert_eq!((script.refused("sessions"), script.refused("queues of one user")), (0, 0));
    // What has ended is not given back twice.
    script.send(again, &packet::subscribe(again.version, 2, &[("one/more", wish(1))]));
    script.node.settle();
    assert_eq!(script.hears(again), [Heard::SubAck(2, vec![0x97])]);
}
