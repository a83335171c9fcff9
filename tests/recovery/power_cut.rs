//! Power cuts under load, and disks that fail: what was not synced is gone.

use artemis_rs::protocol::mqtt::codec::QoS;

use super::bench::Bench;
use super::broker::{Broker, Instance};
use super::mqtt::Message;
use super::power::Disk;
use super::random::Random;
use super::world::World;

const CYCLES: usize = 8;

fn world(name: &str, qos: QoS, random: &mut Random) -> (World, Disk) {
    let mut instance = Instance::new(name);
    let disk = Disk::watch(&mut instance);
    let mut world = World::new(instance, qos, random);
    world.prepare();
    (world, disk)
}

fn survive_cuts(name: &str, qos: QoS) {
    let mut random = Random::new(name);
    let (mut world, disk) = world(name, qos, &mut random);
    for _ in 0..CYCLES {
        let acks = random.between(20, 1200);
        world.cycle(acks, |broker| disk.cut(broker, &mut random));
    }
    world.drain();
    assert_eq!(world.violations(), [""; 0]);
}

#[test]
fn at_least_once_survives_power_cuts() {
    survive_cuts("cut-at-least-once", QoS::AtLeastOnce);
}

#[test]
fn exactly_once_survives_power_cuts() {
    survive_cuts("cut-exactly-once", QoS::ExactlyOnce);
}

/// This shows that the tests above would see a broker that acknowledges before the sync.
#[test]
fn without_syncs_a_power_cut_loses_messages() {
    let mut random = Random::new("cut-without-sync");
    let (mut world, disk) = world("cut-without-sync", QoS::AtLeastOnce, &mut random);
    world.instance.edit("<journal-datasync>true", "<journal-datasync>false");
    world.instance.edit("<journal-sync-non-transactional>true", "<journal-sync-non-transactional>false");
    let is_lost = (0..CYCLES).any(|_| {
        let acks = random.between(20, 1200);
        world.cycle(acks, |broker| disk.cut(broker, &mut random));
        world.drain();
        world.violations().iter().any(|violation| violation.contains("lost"))
    });
    assert!(is_lost, "nothing is missing: {:?}", world.violations());
}

/// The same without syncs, but the processes alone are killed: the system keeps what was written.
#[test]
fn without_syncs_kills_lose_nothing() {
    let mut random = Random::new("kill-without-sync");
    let (mut world, _) = world("kill-without-sync", QoS::AtLeastOnce, &mut random);
    world.instance.edit("<journal-datasync>true", "<journal-datasync>false");
    for _ in 0..3 {
        world.cycle(random.between(20, 1200), Broker::kill);
    }
    world.drain();
    assert_eq!(world.violations(), [""; 0]);
}

#[test]
fn a_failed_sync_ends_the_broker_before_anything_else_is_acknowledged() {
    const EXIT_JOURNAL: i32 = 70;
    let mut random = Random::new("failed-sync");
    let (mut world, disk) = world("failed-sync", QoS::AtLeastOnce, &mut random);
    for _ in 0..3 {
        // The first syncs are those of the start.
        world.instance.set("POWER_CUT_FAIL", random.between(5, 200).to_string());
        world.cycle_to_failure(|broker| {
            let (status, text) = broker.end();
            assert_eq!(status.code(), Some(EXIT_JOURNAL), "{text}");
            assert!(text.contains("journal failed"), "{text}");
            disk.forget_unsynced(&mut random);
        });
        world.instance.unset("POWER_CUT_FAIL");
    }
    world.drain();
    assert_eq!(world.violations(), [""; 0]);
}

#[test]
fn a_tail_with_zeros_costs_nothing_that_was_acknowledged() {
    survive_torn_tails("torn-zeros", Some(0));
}

#[test]
fn a_tail_with_garbage_costs_nothing_that_was_acknowledged() {
    survive_torn_tails("torn-garbage", None);
}

/// Sectors behind the last sync may have come to the disk in any order, and hold anything where they did not.
fn survive_torn_tails(name: &str, filling: Option<u8>) {
    let mut random = Random::new(name);
    let mut bench = Bench::new(name);
    for round in 0..6 {
        bench.absent("subscriber", "topic", QoS::AtLeastOnce);
        let mut publisher = bench.client("publisher");
        publisher.deliver(&Message::at_least_once("topic", "kept", 1));
        bench.disk.block();
        for id in 2..10 {
            publisher.publish(&Message::at_least_once("topic", vec![id; 10_000], id.into())).unwrap();
        }
        assert_eq!(publisher.so_far(), []);
        bench.cut_torn(filling, &mut random);
        let mut subscriber = bench.client("subscriber");
        assert!(subscriber.present, "round {round}");
        assert_eq!(subscriber.message().text(), "kept", "round {round}");
    }
}
