//! `kill -9` under load, again and again, on the same data.

use artemis_rs::protocol::mqtt::codec::QoS;

use super::broker::{Broker, Instance};
use super::mqtt::{Client, Login, Message};
use super::random::Random;
use super::world::World;

const CYCLES: usize = 8;

fn survive_kills(name: &str, qos: QoS) {
    let mut random = Random::new(name);
    let mut world = World::new(Instance::new(name), qos, &mut random);
    world.prepare();
    for _ in 0..CYCLES {
        world.cycle(random.between(20, 1200), Broker::kill);
    }
    world.drain();
    assert_eq!(world.violations(), [""; 0]);
}

#[test]
fn at_least_once_survives_kills() {
    survive_kills("kill-at-least-once", QoS::AtLeastOnce);
}

#[test]
fn exactly_once_survives_kills() {
    survive_kills("kill-exactly-once", QoS::ExactlyOnce);
}

#[test]
fn a_second_broker_on_the_same_data_is_refused() {
    let instance = Instance::new("second");
    let first = instance.start();
    let second = instance.run_to_end();
    let text = String::from_utf8_lossy(&second.stderr).into_owned() + &*String::from_utf8_lossy(&second.stdout);
    assert_eq!(second.status.code(), Some(1), "{text}");
    assert!(text.contains("data") && text.contains("in use") && text.contains("process"), "{text}");
    let mut client = Client::open(first.address, &Login::durable("client"));
    client.subscribe("topic", QoS::AtLeastOnce);
    client.deliver(&Message::at_least_once("topic", "goes on", 1));
    assert_eq!(client.message().text(), "goes on");
    assert!(first.stop().success());
}
