//! What a restart leaves as it was: messages under way, retained ones, wills, groups, and what time is left to all.

use std::collections::HashSet;
use std::thread::sleep;
use std::time::{Duration, Instant};

use artemis_rs::protocol::mqtt::codec::QoS;

use super::bench::Bench;
use super::broker::Instance;
use super::mqtt::{Client, Login, Message};

/// Lets time pass, where time is what is tested.
fn wait_until(time: Instant) {
    sleep(time.saturating_duration_since(Instant::now()));
}

fn after(time: Instant, milliseconds: u64) -> Instant {
    time + Duration::from_millis(milliseconds)
}

#[test]
fn messages_under_way_come_again_under_their_packet_ids() {
    let mut bench = Bench::new("restart-under-way");
    bench.absent("subscriber", "topic/#", QoS::AtLeastOnce);
    let mut publisher = bench.client("publisher");
    (1..=6).for_each(|id| publisher.deliver(&Message::at_least_once("topic", [id], id.into())));
    let login = Login::durable("subscriber").receive_maximum(4);
    let mut subscriber = bench.open(&login);
    let ids = [(); 4].map(|()| subscriber.message().packet_id);
    subscriber.puback(ids[1]).unwrap();
    let fifth = subscriber.message().packet_id;
    bench.restart();
    let mut subscriber = bench.open(&login);
    assert!(subscriber.present);
    let again = [(); 4].map(|()| subscriber.message());
    let seen = again.iter().map(|message| (message.payload[0], message.packet_id, message.dup));
    assert_eq!(seen.collect::<Vec<_>>(), [(1, ids[0], true), (3, ids[2], true), (4, ids[3], true), (5, fifth, true)]);
    assert_eq!(subscriber.so_far(), []);
    again.iter().for_each(|message| subscriber.puback(message.packet_id).unwrap());
    let last = subscriber.message();
    assert_eq!((last.payload[0], last.dup), (6, false));
}

#[test]
fn messages_under_way_keep_their_order_whatever_their_qos() {
    let mut bench = Bench::new("restart-mixed");
    bench.absent("subscriber", "a/#", QoS::ExactlyOnce);
    let mut publisher = bench.client("publisher");
    let sent: Vec<Message> = (0..12).map(numbered).collect();
    sent.iter().for_each(|message| publisher.deliver(message));
    let mut subscriber = bench.client("subscriber");
    let ids: Vec<u16> = sent.iter().map(|_| subscriber.message().packet_id).collect();
    bench.restart();
    let mut subscriber = bench.client("subscriber");
    let again: Vec<Message> = sent.iter().map(|_| subscriber.message()).collect();
    let payloads = |messages: &[Message]| messages.iter().map(|message| message.payload[1]).collect::<Vec<_>>();
    assert_eq!(payloads(&again), payloads(&sent));
    assert_eq!(again.iter().map(|message| message.packet_id).collect::<Vec<_>>(), ids);
}

#[test]
fn queued_messages_keep_their_order_and_content() {
    let mut bench = Bench::new("restart-queued");
    bench.absent("subscriber", "a/#", QoS::ExactlyOnce);
    let mut publisher = bench.client("publisher");
    let sent: Vec<Message> = (0..200).map(numbered).collect();
    sent.iter().for_each(|message| publisher.publish(message).unwrap());
    publisher.deliver(&Message::at_least_once("a/end", "", 1000));
    for end in [Bench::restart, Bench::kill, Bench::cut] {
        end(&mut bench);
    }
    let mut subscriber = bench.client("subscriber");
    for message in &sent {
        let got = subscriber.message();
        let received = (&got.topic, &got.payload, got.qos, got.retain);
        assert_eq!(received, (&message.topic, &message.payload, message.qos, false));
    }
}

#[test]
fn subscriptions_are_there_before_the_first_client() {
    let mut bench = Bench::new("restart-first-client");
    bench.absent("subscriber", "topic/+", QoS::AtLeastOnce);
    for end in [Bench::restart, Bench::kill] {
        end(&mut bench);
        bench.client("publisher").deliver(&Message::at_least_once("topic/first", "kept", 1));
    }
    let mut subscriber = bench.client("subscriber");
    assert_eq!([subscriber.message().text(), subscriber.message().text()], ["kept", "kept"]);
}

/// A message with QoS 1 or 2, large or small.
fn numbered(id: u16) -> Message {
    let filling = if id % 50 == 7 { 100_000 } else { usize::from(id) };
    let payload = [id.to_be_bytes().to_vec(), vec![id as u8; filling]].concat();
    let topic = format!("a/{}", id % 7);
    if id.is_multiple_of(3) {
        Message::exactly_once(&topic, payload, id + 1)
    } else {
        Message::at_least_once(&topic, payload, id + 1)
    }
}

#[test]
fn retained_messages_stay_and_deleted_ones_do_not_come_back() {
    let mut bench = Bench::new("restart-retained");
    let retained = |topic: &str, value: &str| Message::at_least_once(topic, value, 1).retained();
    let mut publisher = bench.client("publisher");
    for (topic, value) in [("r/a", "old"), ("r/a", "new"), ("r/b", "gone"), ("r/b", ""), ("/r/a", "other"), ("r/c", "")]
    {
        publisher.deliver(&retained(topic, value));
    }
    publisher.deliver(&retained("r/d", "brief").expires(1));
    publisher.deliver(&Message::exactly_once("r/e", "twice", 1).retained());
    let published = Instant::now();
    bench.cut();
    bench.kill();
    bench.restart();
    wait_until(after(published, 1100));
    let mut reader = bench.open(&Login::fleeting("reader"));
    ["r/#", "/r/#"].iter().for_each(|filter| reader.subscribe(filter, QoS::AtLeastOnce));
    let found: HashSet<_> = [(); 3].map(|()| reader.message()).map(|found| (found.topic.clone(), found.text())).into();
    let expected = [("r/a", "new"), ("/r/a", "other"), ("r/e", "twice")];
    assert_eq!(found, expected.map(|(topic, value)| (topic.to_owned(), value.to_owned())).into());
    assert_eq!(reader.so_far(), []);
}

#[test]
fn retained_messages_without_guarantee_outlive_a_stop() {
    let mut bench = Bench::new("restart-retained-0");
    let mut publisher = bench.client("publisher");
    publisher.publish(&Message::new("topic", "value").retained()).unwrap();
    publisher.ping();
    bench.restart();
    let mut reader = bench.open(&Login::fleeting("reader"));
    reader.subscribe("topic", QoS::AtMostOnce);
    assert_eq!(reader.message().text(), "value");
}

/// A client with a will that is durably there.
fn with_will(bench: &Bench, name: &str, delay: u32) -> Client {
    let will = Message::at_least_once("will/topic", name, 0);
    let mut client = bench.open(&Login::durable(name).expiry(3600).will(will, delay));
    client.subscribe("none", QoS::AtMostOnce);
    client
}

/// Clients have two seconds to come back before their wills are sent.
fn with_brief_grace(instance: &Instance) {
    let scan = "<mqtt-session-scan-interval>";
    instance.edit(scan, &format!("<mqtt-will-recovery-grace>2000</mqtt-will-recovery-grace>{scan}"));
}

#[test]
fn a_will_comes_once_unless_its_client_comes_back() {
    let mut bench = Bench::with("restart-wills", with_brief_grace);
    bench.absent("heir", "will/#", QoS::AtLeastOnce);
    let _dead = [with_will(&bench, "stays away", 0), with_will(&bench, "comes back", 0)];
    bench.cut();
    bench.client("comes back").disconnect();
    let mut heir = bench.client("heir");
    let will = heir.message();
    assert_eq!(will.text(), "stays away");
    heir.puback(will.packet_id).unwrap();
    let _dead = with_will(&bench, "second", 0);
    bench.settle();
    bench.cut();
    // The second one comes as late as any that came again.
    let mut heir = bench.client("heir");
    assert_eq!(heir.message().text(), "second");
    assert_eq!(heir.so_far(), []);
}

#[test]
fn a_delayed_will_comes_after_the_restart() {
    let mut bench = Bench::with("restart-delayed-will", with_brief_grace);
    bench.absent("heir", "will/#", QoS::AtLeastOnce);
    drop(with_will(&bench, "delayed", 1));
    bench.restart();
    let mut heir = bench.client("heir");
    assert_eq!(heir.message().text(), "delayed");
    assert_eq!(heir.so_far(), []);
}

/// Twenty messages for a group of two absent members; the first one comes back, takes ten and acknowledges none.
fn share(bench: &mut Bench, qos: QoS) -> Vec<u8> {
    bench.absent("first", "$share/group/topic", qos);
    bench.absent("second", "$share/group/topic", qos);
    let mut publisher = bench.client("publisher");
    (1..=20).for_each(|id| publisher.deliver(&Message { qos, packet_id: id, ..Message::new("topic", [id as u8]) }));
    bench.cut();
    let mut first = bench.open(&Login::durable("first").receive_maximum(10));
    let under_way = take(&mut first, 10);
    assert_eq!(first.so_far(), []);
    bench.cut();
    under_way
}

/// Payloads of the next messages, each of one byte.
fn take(client: &mut Client, count: usize) -> Vec<u8> {
    (0..count).map(|_| client.message().payload[0]).collect()
}

#[test]
fn a_group_gives_to_another_member_what_was_not_acknowledged() {
    let mut bench = Bench::new("restart-group-1");
    let under_way = share(&mut bench, QoS::AtLeastOnce);
    assert_eq!(under_way, (1..=10).collect::<Vec<_>>());
    let mut second = bench.client("second");
    assert_eq!(take(&mut second, 20), (1..=20).collect::<Vec<_>>());
    assert_eq!(second.so_far(), []);
    let mut first = bench.client("first");
    assert_eq!(first.so_far(), []);
}

#[test]
fn a_group_gives_nobody_else_what_a_member_began_to_take_exactly_once() {
    let mut bench = Bench::new("restart-group-2");
    let under_way = share(&mut bench, QoS::ExactlyOnce);
    assert_eq!(under_way, (1..=10).collect::<Vec<_>>());
    let mut second = bench.client("second");
    assert_eq!(take(&mut second, 10), (11..=20).collect::<Vec<_>>());
    assert_eq!(second.so_far(), []);
    let mut first = bench.client("first");
    assert_eq!(take(&mut first, 10), under_way);
    assert_eq!(first.so_far(), []);
}

#[test]
fn time_goes_on_for_messages_while_the_broker_is_away() {
    let mut bench = Bench::new("restart-message-expiry");
    bench.absent("subscriber", "topic", QoS::ExactlyOnce);
    let mut publisher = bench.client("publisher");
    publisher.deliver(&Message::exactly_once("topic", "under way", 1).expires(1));
    let mut subscriber = bench.open(&Login::durable("subscriber").receive_maximum(1));
    let under_way = subscriber.message();
    publisher.deliver(&Message::at_least_once("topic", "brief", 2).expires(1));
    publisher.deliver(&Message::at_least_once("topic", "long", 3).expires(100));
    bench.stay_away(Duration::from_millis(1100));
    let mut subscriber = bench.client("subscriber");
    // An exchange that has begun comes to its end, whatever its message's lifetime.
    let again = subscriber.message();
    assert_eq!((again.text(), again.packet_id), (under_way.text(), under_way.packet_id));
    let long = subscriber.message();
    assert_eq!(long.text(), "long");
    assert!(long.expiry.is_some_and(|left| (90..100).contains(&left)), "{:?}", long.expiry);
    assert_eq!(subscriber.so_far(), []);
}

#[test]
fn sessions_end_while_the_broker_is_away() {
    let mut bench = Bench::new("restart-session-expiry");
    let brief = Login::durable("brief").expiry(1);
    let connected = Login::durable("connected").expiry(1);
    bench.open(&brief).subscribe("topic", QoS::AtLeastOnce);
    bench.client("long").subscribe("topic", QoS::AtLeastOnce);
    bench.settle();
    let mut holder = bench.open(&connected);
    holder.subscribe("topic", QoS::AtLeastOnce);
    bench.client("publisher").deliver(&Message::at_least_once("topic", "payload", 1));
    bench.stay_away(Duration::from_millis(1200));
    for login in [brief, connected] {
        let mut client = bench.open(&login);
        assert!(!client.present, "{login:?}");
        assert_eq!(client.so_far(), []);
    }
    let mut long = bench.client("long");
    assert!(long.present);
    assert_eq!(long.message().text(), "payload");
}

/// A session's time begins when its connection ends, not when the broker last wrote down that it lives.
#[test]
fn a_session_that_was_just_connected_has_its_whole_time() {
    const SCAN: &str = "<mqtt-session-scan-interval>5000";
    let mut bench = Bench::with("restart-alive", |instance| instance.edit(SCAN, "<mqtt-session-scan-interval>100"));
    let login = Login::durable("client").expiry(4);
    let mut client = bench.open(&login);
    client.subscribe("topic", QoS::AtLeastOnce);
    wait_until(after(Instant::now(), 500));
    // From now on the broker looks at sessions too rarely to be of help.
    bench.instance.edit("<mqtt-session-scan-interval>100", "<mqtt-session-scan-interval>3600000");
    let killed = Instant::now();
    bench.kill();
    wait_until(after(killed, 2500));
    let mut client = bench.open(&login);
    assert!(client.present);
    client.subscribe("other", QoS::AtLeastOnce);
    let killed = Instant::now();
    bench.kill();
    wait_until(after(killed, 2000));
    assert!(bench.open(&login).present);
}
