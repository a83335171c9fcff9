//! A broker to be stopped, killed or cut off, and the same one again on the same data.

use std::thread::sleep;
use std::time::Duration;

use artemis_rs::protocol::mqtt::codec::QoS;

use super::broker::{Broker, Instance};
use super::mqtt::{Client, Login};
use super::power::Disk;
use super::random::Random;

/// A broker on a disk that can be held up.
pub struct Bench {
    pub instance: Instance,
    pub disk: Disk,
    broker: Option<Broker>,
}

impl Bench {
    pub fn new(name: &str) -> Self {
        Self::with(name, |_| {})
    }

    /// With changes to the configuration before the start.
    pub fn with(name: &str, change: impl FnOnce(&Instance)) -> Self {
        let mut instance = Instance::new(name);
        change(&instance);
        let disk = Disk::watch(&mut instance);
        let broker = Some(instance.start());
        Self { instance, disk, broker }
    }

    #[track_caller]
    pub fn open(&self, login: &Login) -> Client {
        Client::open(self.broker.as_ref().expect("a broker").address, login)
    }

    /// A CONNECT whose answer is left to be received.
    #[track_caller]
    pub fn begin(&self, login: &Login) -> Client {
        Client::begin(self.broker.as_ref().expect("a broker").address, login).expect("a connection")
    }

    /// A durable client.
    #[track_caller]
    pub fn client(&self, name: &str) -> Client {
        self.open(&Login::durable(name))
    }

    /// A durable client without a past, with a subscription, that is away.
    #[track_caller]
    pub fn absent(&self, name: &str, filter: &str, qos: QoS) {
        let mut client = self.open(&Login::durable(name).clean());
        client.subscribe(filter, qos);
        client.disconnect();
        self.settle();
    }

    /// Whatever was written before is on the disk after this.
    #[track_caller]
    pub fn settle(&self) {
        let mut client = self.client("settle");
        client.subscribe("settle", QoS::AtLeastOnce);
        client.disconnect();
    }

    /// All that was not synced is lost, and the next broker starts.
    #[track_caller]
    pub fn cut(&mut self) {
        self.disk.cut_clean(self.broker.take().expect("a broker"));
        self.broker = Some(self.instance.start());
    }

    /// What was not synced is partly lost and partly something else, and the next broker starts.
    #[track_caller]
    pub fn cut_torn(&mut self, filling: Option<u8>, random: &mut Random) {
        self.broker.take().expect("a broker").kill();
        self.disk.unblock();
        self.disk.tear(filling, random);
        self.broker = Some(self.instance.start());
    }

    /// The broker is killed, and the next one starts.
    #[track_caller]
    pub fn kill(&mut self) {
        self.broker.take().expect("a broker").kill();
        self.broker = Some(self.instance.start());
    }

    /// The broker is killed, and the next one starts after a time, where time is what is tested.
    #[track_caller]
    pub fn stay_away(&mut self, time: Duration) {
        self.broker.take().expect("a broker").kill();
        sleep(time);
        self.broker = Some(self.instance.start());
    }

    /// The broker is asked to stop, and the next one starts.
    #[track_caller]
    pub fn restart(&mut self) {
        assert!(self.broker.take().expect("a broker").stop().success());
        self.broker = Some(self.instance.start());
    }
}
