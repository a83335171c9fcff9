//! No answer leaves before what it reports is on the disk: syncs are held back, and the power is cut then.

use artemis_rs::protocol::mqtt::codec::QoS;

use super::bench::Bench;
use super::mqtt::{Client, Incoming, Login, Message};

#[test]
fn puback_waits_for_the_sync() {
    let mut bench = Bench::new("gate-puback");
    bench.absent("absent", "topic", QoS::AtLeastOnce);
    let mut publisher = bench.client("publisher");
    let message = Message::at_least_once("topic", "payload", 5);
    bench.disk.block();
    publisher.publish(&message).unwrap();
    assert_eq!(publisher.so_far(), []);
    bench.disk.unblock();
    publisher.expect(Incoming::PubAck(5, 0));
    bench.cut();
    assert_eq!(bench.client("absent").message().text(), "payload");
}

#[test]
fn pubrec_waits_for_the_sync() {
    let mut bench = Bench::new("gate-pubrec");
    bench.absent("absent", "topic", QoS::ExactlyOnce);
    let message = Message::exactly_once("topic", "payload", 5);
    let mut publisher = bench.client("publisher");
    bench.disk.block();
    publisher.publish(&message).unwrap();
    publisher.publish(&message.again()).unwrap();
    assert_eq!(publisher.so_far(), []);
    bench.disk.unblock();
    publisher.expect(Incoming::PubRec(5, 0));
    publisher.expect(Incoming::PubRec(5, 0));
    bench.cut();
    let mut publisher = bench.client("publisher");
    publisher.deliver(&message.again());
    let mut subscriber = bench.client("absent");
    assert_eq!(subscriber.message().text(), "payload");
    assert_eq!(subscriber.so_far(), []);
}

#[test]
fn pubrec_of_a_repeated_message_waits_for_the_sync_of_the_first() {
    let mut bench = Bench::new("gate-repeated");
    bench.absent("absent", "topic", QoS::ExactlyOnce);
    let message = Message::exactly_once("topic", "payload", 5);
    let mut first = bench.client("publisher");
    bench.disk.block();
    first.publish(&message).unwrap();
    first.ping();
    let mut second = bench.client("publisher");
    second.publish(&message.again()).unwrap();
    assert_eq!(second.so_far(), []);
    bench.disk.unblock();
    second.expect(Incoming::PubRec(5, 0));
    bench.cut();
    assert_eq!(bench.client("absent").message().text(), "payload");
}

#[test]
fn pubcomp_waits_for_the_sync() {
    let mut bench = Bench::new("gate-pubcomp");
    bench.absent("absent", "topic", QoS::ExactlyOnce);
    let mut publisher = bench.client("publisher");
    publisher.publish(&Message::exactly_once("topic", "one", 5)).unwrap();
    publisher.expect(Incoming::PubRec(5, 0));
    bench.disk.block();
    publisher.pubrel(5).unwrap();
    assert_eq!(publisher.so_far(), []);
    bench.disk.unblock();
    publisher.expect(Incoming::PubComp(5, 0));
    bench.cut();
    reuse_packet_id(&bench);
}

/// With PUBCOMP the packet id is free: a new message under it is no repetition.
#[track_caller]
fn reuse_packet_id(bench: &Bench) {
    let mut publisher = bench.client("publisher");
    publisher.deliver(&Message::exactly_once("topic", "two", 5));
    let mut subscriber = bench.client("absent");
    assert_eq!([subscriber.message().text(), subscriber.message().text()], ["one", "two"]);
}

#[test]
fn pubcomp_of_a_repeated_pubrel_waits_for_the_sync_of_the_first() {
    let mut bench = Bench::new("gate-pubrel");
    bench.absent("absent", "topic", QoS::ExactlyOnce);
    let mut first = bench.client("publisher");
    first.publish(&Message::exactly_once("topic", "one", 5)).unwrap();
    first.expect(Incoming::PubRec(5, 0));
    bench.disk.block();
    first.pubrel(5).unwrap();
    first.ping();
    let mut second = bench.client("publisher");
    second.pubrel(5).unwrap();
    if second.so_far().is_empty() {
        bench.disk.unblock();
        assert!(matches!(second.next(), Incoming::PubComp(5, _)));
    }
    bench.cut();
    reuse_packet_id(&bench);
}

#[test]
fn pubrel_waits_for_the_sync() {
    let mut bench = Bench::new("gate-outbound");
    let mut subscriber = bench.client("subscriber");
    subscriber.subscribe("topic", QoS::ExactlyOnce);
    bench.client("publisher").deliver(&Message::exactly_once("topic", "payload", 1));
    let id = subscriber.message().packet_id;
    bench.settle();
    bench.disk.block();
    subscriber.pubrec(id).unwrap();
    assert_eq!(subscriber.so_far(), []);
    bench.disk.unblock();
    subscriber.expect(Incoming::PubRel(id, 0));
    bench.cut();
    let mut subscriber = bench.client("subscriber");
    subscriber.expect(Incoming::PubRel(id, 0));
}

#[test]
fn a_repeated_pubrel_waits_for_the_sync_too() {
    let mut bench = Bench::new("gate-outbound-again");
    let mut first = bench.client("subscriber");
    first.subscribe("topic", QoS::ExactlyOnce);
    bench.client("publisher").deliver(&Message::exactly_once("topic", "payload", 1));
    let id = first.message().packet_id;
    bench.settle();
    bench.disk.block();
    first.pubrec(id).unwrap();
    first.ping();
    let mut second = bench.client("subscriber");
    let has_pubrel = second.so_far().contains(&Incoming::PubRel(id, 0));
    bench.cut();
    let mut third = bench.client("subscriber");
    let is_sent_again = third.so_far().iter().any(|incoming| matches!(incoming, Incoming::Publish(_)));
    assert!(!(has_pubrel && is_sent_again), "the client has completed the exchange, and gets the message again");
}

#[test]
fn a_message_with_qos_2_waits_for_its_packet_id_on_the_disk() {
    let mut bench = Bench::new("gate-publish");
    let mut subscriber = bench.client("subscriber");
    subscriber.subscribe("topic", QoS::ExactlyOnce);
    let mut publisher = bench.client("publisher");
    bench.disk.block();
    publisher.publish(&Message::exactly_once("topic", "payload", 1)).unwrap();
    publisher.ping();
    assert_eq!(subscriber.so_far(), []);
    bench.disk.unblock();
    let message = subscriber.message();
    bench.cut();
    let again = bench.client("subscriber").message();
    assert_eq!((again.packet_id, again.dup), (message.packet_id, true));
}

#[test]
fn suback_and_unsuback_wait_for_the_sync() {
    let mut bench = Bench::new("gate-suback");
    let mut client = bench.client("client");
    bench.disk.block();
    client.send_subscribe(7, "topic", QoS::AtLeastOnce).unwrap();
    assert_eq!(client.so_far(), []);
    bench.disk.unblock();
    client.expect(Incoming::SubAck(7, vec![1]));
    bench.cut();
    let mut client = bench.client("client");
    assert!(client.present);
    client.deliver(&Message::at_least_once("topic", "payload", 1));
    assert_eq!(client.message().text(), "payload");
    bench.disk.block();
    client.send_unsubscribe(8, "topic").unwrap();
    assert_eq!(client.so_far(), []);
    bench.disk.unblock();
    client.expect(Incoming::UnsubAck(8, vec![0]));
    bench.cut();
    assert_unsubscribed(&bench);
}

#[track_caller]
fn assert_unsubscribed(bench: &Bench) {
    let mut publisher = bench.client("publisher");
    publisher.publish(&Message::at_least_once("topic", "payload", 1)).unwrap();
    publisher.expect(Incoming::PubAck(1, 0x10));
}

#[test]
fn unsuback_of_a_repeated_unsubscribe_waits_for_the_sync_of_the_first() {
    let mut bench = Bench::new("gate-unsuback");
    let mut first = bench.client("client");
    first.subscribe("topic", QoS::AtLeastOnce);
    bench.disk.block();
    first.send_unsubscribe(8, "topic").unwrap();
    first.ping();
    let mut second = bench.client("client");
    second.send_unsubscribe(9, "topic").unwrap();
    if second.so_far().is_empty() {
        bench.disk.unblock();
        assert!(matches!(second.next(), Incoming::UnsubAck(9, _)));
    }
    bench.cut();
    assert_unsubscribed(&bench);
}

/// Whether a client without a CONNACK has none after others had time enough to come and go.
#[track_caller]
fn is_held_back(bench: &Bench, client: &Client) -> bool {
    (0..20).for_each(|_| bench.open(&Login::fleeting("other")).ping());
    client.is_silent()
}

#[test]
fn connack_of_a_clean_start_waits_for_the_sync() {
    let mut bench = Bench::new("gate-connack");
    bench.absent("client", "topic", QoS::AtLeastOnce);
    bench.client("publisher").deliver(&Message::at_least_once("topic", "payload", 1));
    bench.disk.block();
    let login = Login::fleeting("client");
    let mut client = bench.begin(&login);
    assert!(is_held_back(&bench, &client));
    bench.disk.unblock();
    client.expect(Incoming::ConnAck { present: false, code: 0 });
    bench.cut();
    let mut client = bench.client("client");
    assert!(!client.present);
    assert_eq!(client.so_far(), []);
    assert_unsubscribed(&bench);
}

#[test]
fn connack_of_a_repeated_clean_start_waits_for_the_sync_of_the_first() {
    let mut bench = Bench::new("gate-connack-again");
    bench.absent("client", "topic", QoS::AtLeastOnce);
    bench.disk.block();
    let login = Login::fleeting("client");
    let first = bench.begin(&login);
    assert!(is_held_back(&bench, &first));
    let mut second = bench.begin(&login);
    if is_held_back(&bench, &second) {
        bench.disk.unblock();
        second.expect(Incoming::ConnAck { present: false, code: 0 });
    }
    bench.cut();
    assert!(!bench.client("client").present);
    assert_unsubscribed(&bench);
}

#[test]
fn a_retained_message_waits_for_the_sync() {
    let mut bench = Bench::new("gate-retained");
    let mut publisher = bench.client("publisher");
    bench.disk.block();
    publisher.publish(&Message::at_least_once("topic", "value", 5).retained()).unwrap();
    assert_eq!(publisher.so_far(), []);
    let mut reader = bench.open(&Login::fleeting("reader"));
    reader.subscribe("topic", QoS::AtLeastOnce);
    assert_eq!(reader.so_far(), []);
    bench.disk.unblock();
    publisher.expect(Incoming::PubAck(5, 0x10));
    assert_eq!(reader.message().text(), "value");
    bench.cut();
    let mut reader = bench.open(&Login::fleeting("reader"));
    reader.subscribe("topic", QoS::AtLeastOnce);
    assert_eq!(reader.message().text(), "value");
}

/// One client is done with a retained message while another one is just about to get it.
#[test]
fn a_retained_message_in_two_queues_survives() {
    let mut bench = Bench::new("gate-retained-twice");
    let mut first = bench.client("first");
    first.subscribe("topic", QoS::AtLeastOnce);
    bench.client("publisher").deliver(&Message::at_least_once("topic", "value", 5).retained());
    let id = first.message().packet_id;
    bench.settle();
    bench.disk.block();
    let mut second = bench.client("second");
    second.send_subscribe(7, "topic", QoS::AtLeastOnce).unwrap();
    second.ping();
    first.puback(id).unwrap();
    first.ping();
    bench.disk.unblock();
    second.expect(Incoming::SubAck(7, vec![1]));
    assert_eq!(second.message().text(), "value");
    bench.settle();
    bench.cut();
    assert_eq!(bench.client("second").message().text(), "value");
}
