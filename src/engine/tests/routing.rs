//! Messages with so many receivers that they are routed over several ticks.

use super::access::{guarded_with, settings};
use super::{Options, SETTLE_MS, Script, Seat, lasting, limits, options, passing};
use crate::protocol::mqtt::codec::AckKind;
use crate::sim::packet::{self, Heard, Hello, Letter, wish};

fn in_slices_of(receivers_per_tick: usize) -> impl Fn() -> Options + 'static {
    move || Options { receivers_per_tick, ..options() }
}

/// A broker that routes to two queues in a tick, and seven subscribers to `t`.
fn crowd(hello: impl Fn(&str) -> Hello) -> (Script, Vec<Seat>) {
    let mut script = Script::with(in_slices_of(2), limits());
    let seats = seven(&mut script, hello);
    (script, seats)
}

fn seven(script: &mut Script, hello: impl Fn(&str) -> Hello) -> Vec<Seat> {
    let mut join = |number| {
        let seat = script.join(&hello(&format!("s{number}")));
        script.subscribe(seat, "t", 2);
        seat
    };
    (0..7).map(&mut join).collect()
}

/// How many of them have got something.
fn reached(script: &Script, seats: &[Seat]) -> usize {
    seats.iter().filter(|seat| script.node.has_output(seat.link)).count()
}

/// The first slice of a message, and no tick.
fn begin(script: &mut Script, seat: Seat, letter: &Letter) {
    script.node.feed(seat.link, &letter.encode(seat.version));
}

#[test]
fn others_have_their_turn_between_slices() {
    let mut script = Script::with(|| Options { is_durable: false, ..Options::default() }, limits());
    let [publisher, other] = ["p", "o"].map(|id| script.join(&passing(id)));
    let seats: Vec<_> = (0..10_000)
        .map(|number| {
            let seat = script.join(&passing(&format!("s{number}")));
            script.send(seat, &packet::subscribe(seat.version, 1, &[("t", wish(1))]));
            assert_eq!(script.hears(seat), [Heard::SubAck(1, vec![1])]);
            seat
        })
        .collect();
    begin(&mut script, publisher, &Letter::new("t", "1", 1, 1));
    for count in [8_192, 10_000] {
        script.node.feed(other.link, &packet::ping());
        script.node.feed(publisher.link, &packet::ping());
        assert_eq!(script.hears(publisher), []);
        script.node.tick();
        assert_eq!((script.hears(other), reached(&script, &seats)), (vec![Heard::PingResp], count));
    }
    script.node.pump();
    assert_eq!(script.hears(publisher), [Heard::PubAck(1, 0), Heard::PingResp, Heard::PingResp]);
    for seat in seats {
        assert_eq!(script.payloads(seat), ["1"]);
    }
}

#[test]
fn messages_of_one_sender_keep_their_order_and_others_come_between() {
    let (mut script, seats) = crowd(passing);
    let [publisher, other] = ["p", "o"].map(|id| script.join(&passing(id)));
    script.subscribe(seats[6], "u", 1);
    let burst: Vec<u8> =
        (1..=3).flat_map(|id| Letter::new("t", &id.to_string(), 1, id).encode(publisher.version)).collect();
    script.node.feed(publisher.link, &burst);
    begin(&mut script, other, &Letter::new("u", "between", 1, 1));
    script.node.settle();
    assert_eq!(script.payloads(seats[0]), ["1", "2", "3"]);
    assert_eq!(script.payloads(seats[6]), ["between", "1", "2", "3"]);
    assert_eq!(script.hears(publisher), [Heard::PubAck(1, 0), Heard::PubAck(2, 0), Heard::PubAck(3, 0)]);
}

#[test]
fn who_comes_or_goes_in_between_gets_nothing() {
    let (mut script, seats) = crowd(passing);
    let publisher = script.join(&passing("p"));
    begin(&mut script, publisher, &Letter::new("t", "1", 1, 1));
    script.node.feed(seats[5].link, &packet::unsubscribe(seats[5].version, 9, &["t"]));
    script.node.drop_link(seats[6].link);
    // It takes the place that has become free.
    script.node.is_lazy = true;
    let newcomer = script.connect(&passing("n"));
    script.send(newcomer, &packet::subscribe(newcomer.version, 1, &[("t", wish(1))]));
    script.node.is_lazy = false;
    script.node.settle();
    assert_eq!(script.hears(newcomer), [Heard::ConnAck { present: false, code: 0 }, Heard::SubAck(1, vec![1])]);
    assert_eq!(script.hears(seats[5]), [Heard::UnsubAck(9, vec![0])]);
    for seat in &seats[..5] {
        assert_eq!(script.payloads(*seat), ["1"]);
    }
    assert_eq!(script.hears(publisher), [Heard::PubAck(1, 0)]);
}

#[test]
fn what_a_client_may_have_is_asked_at_its_slice() {
    let open = [("#", "all", "any")];
    let (mut script, authorization) = guarded_with(&open, limits(), in_slices_of(2));
    let seats = seven(&mut script, passing);
    let publisher = script.join(&passing("p"));
    begin(&mut script, publisher, &Letter::new("t", "1", 1, 1));
    authorization.replace(settings(&[("#", "all", "any"), ("t", "send", "any")]));
    script.node.settle();
    assert_eq!(reached(&script, &seats[..2]), 2);
    assert_eq!(reached(&script, &seats[2..]), 0);
    assert_eq!(script.hears(publisher), [Heard::PubAck(1, 0)]);
}

#[test]
fn a_crash_in_between_takes_all_of_it_along() {
    let (mut script, seats) = crowd(lasting);
    let publisher = script.join(&lasting("p"));
    script.node.settle();
    seats.iter().for_each(|seat| script.lose(*seat));
    script.node.settle();
    script.node.is_lazy = true;
    let letter = Letter::new("t", "1", 2, 1);
    begin(&mut script, publisher, &letter);
    script.node.pass(1000); // More than any batch waits.
    assert_eq!((script.node.journal.waiting(), script.hears(publisher)), (0, vec![]));
    script.node.crash();
    script.node.is_lazy = false;
    let publisher = script.rejoin(&lasting("p"));
    script.publish(publisher, &letter.dup());
    script.node.settle();
    assert_eq!(script.hears(publisher), [Heard::PubRec(1, 0)]);
    for number in 0..7 {
        let seat = script.rejoin(&lasting(&format!("s{number}")));
        script.node.settle();
        assert_eq!(script.payloads(seat), ["1"]);
    }
}

#[test]
fn a_sender_that_comes_back_in_between_waits_and_is_not_taken_twice() {
    let (mut script, seats) = crowd(lasting);
    let publisher = script.join(&lasting("p"));
    script.node.settle();
    script.node.is_lazy = true;
    let letter = Letter::new("t", "1", 2, 1);
    begin(&mut script, publisher, &letter);
    script.node.drop_link(publisher.link);
    let publisher = script.connect(&lasting("p"));
    script.node.feed(publisher.link, &letter.clone().dup().encode(publisher.version));
    assert_eq!((reached(&script, &seats), script.hears(publisher)), (0, vec![]));
    script.node.is_lazy = false;
    script.node.pump();
    assert_eq!(script.hears(publisher), [Heard::ConnAck { present: true, code: 0 }]);
    script.node.settle();
    assert_eq!(script.hears(publisher), [Heard::PubRec(1, 0)]);
    for seat in seats {
        assert_eq!(script.payloads(seat), ["1"]);
    }
    script.node.crash();
    let publisher = script.rejoin(&lasting("p"));
    script.publish(publisher, &letter.dup());
    script.node.settle();
    assert_eq!(script.hears(publisher), [Heard::PubRec(1, 0)]);
    let seat = script.rejoin(&lasting("s0"));
    assert_eq!(script.messages(seat), [("1".to_owned(), 2, 1, true)]);
}

#[test]
fn a_second_message_waits_for_the_first_and_its_sender_may_repeat_it() {
    let (mut script, seats) = crowd(passing);
    let [one, other] = ["p", "o"].map(|id| script.join(&lasting(id)));
    script.node.settle();
    begin(&mut script, one, &Letter::new("t", "1", 2, 1));
    begin(&mut script, other, &Letter::new("t", "2", 2, 1));
    script.node.drop_link(other.link);
    script.node.settle();
    assert_eq!(script.hears(one), [Heard::PubRec(1, 0)]);
    let other = script.rejoin(&lasting("o"));
    script.publish(other, &Letter::new("t", "2", 2, 1).dup());
    script.node.settle();
    assert_eq!(script.hears(other), [Heard::PubRec(1, 0)]);
    for seat in seats {
        assert_eq!(script.payloads(seat), ["1", "2"]);
    }
}

#[test]
fn between_two_messages_the_batch_is_taken() {
    let (mut script, _seats) = crowd(lasting);
    let senders = ["p", "o", "q"].map(|id| script.join(&passing(id)));
    script.node.settle();
    for sender in senders {
        begin(&mut script, sender, &Letter::new("t", "x", 2, 1));
    }
    script.node.now = script.node.now.after(SETTLE_MS);
    let mut ticks = 0;
    while script.node.journal.waiting() == 0 {
        script.node.tick();
        ticks += 1;
    }
    assert_eq!(ticks, 3); // Seven queues are four slices; the first was at once.
    script.node.settle();
    for sender in senders {
        assert_eq!(script.hears(sender), [Heard::PubRec(1, 0)]);
    }
}

#[test]
fn what_is_acknowledged_before_its_last_slice_is_never_written() {
    let (mut script, seats) = crowd(lasting);
    let publisher = script.join(&passing("p"));
    script.node.settle();
    script.node.is_lazy = true;
    begin(&mut script, publisher, &Letter::new("t", "1", 1, 1));
    for _ in 0..5 {
        script.node.pump();
        for seat in &seats {
            for (_, _, id, _) in script.messages(*seat) {
                script.node.feed(seat.link, &packet::ack(seat.version, AckKind::PubAck, id));
            }
        }
    }
    script.node.pump();
    assert_eq!(script.hears(publisher), [Heard::PubAck(1, 0)]);
    script.node.is_lazy = false;
    script.node.pass(2000);
    assert_eq!(script.node.journal.waiting(), 0);
    assert_eq!(script.node.engine.counters().queued_bytes, 0);
}

#[test]
fn a_will_for_many_is_kept_until_all_of_it_is_durable() {
    let (mut script, seats) = crowd(lasting);
    let will = Some(Letter::new("t", "gone", 1, 0));
    let client = script.join(&Hello { will, ..passing("w") });
    script.node.settle();
    seats.iter().for_each(|seat| script.lose(*seat));
    script.node.settle();
    script.node.is_lazy = true;
    script.node.drop_link(client.link);
    script.node.pass(0);
    script.node.pass(1000);
    assert_eq!(script.node.journal.waiting(), 0);
    script.node.crash();
    script.node.is_lazy = false;
    script.node.pass(60_000);
    script.node.settle();
    for number in 0..7 {
        let seat = script.rejoin(&lasting(&format!("s{number}")));
        script.node.settle();
        assert_eq!(script.payloads(seat), ["gone"]);
    }
}

#[test]
fn a_flood_of_messages_for_several_leaves_time_for_others() {
    let mut script = Script::with(in_slices_of(7), limits());
    let seats = seven(&mut script, passing);
    let publisher = script.join(&passing("p"));
    let flood: Vec<u8> = (0..100).flat_map(|_| Letter::new("t", "x", 0, 0).encode(publisher.version)).collect();
    script.node.feed(publisher.link, &flood);
    assert_eq!(script.node.engine.counters().delivered, 16 * 7);
    script.node.settle();
    assert_eq!(script.payloads(seats[6]).len(), 100);
}
