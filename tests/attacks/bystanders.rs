//! Two clients who only want to talk to each other.

use std::net::SocketAddr;

use artemis_rs::protocol::mqtt::codec::QoS;

use crate::mqtt::{Client, Incoming, Login, Message};

/// One publishes what the other waits for, again and again.
pub struct Bystanders {
    publisher: Client,
    subscriber: Client,
}

impl Bystanders {
    pub fn meet(address: SocketAddr) -> Self {
        let mut subscriber = Client::open(address, &Login::fleeting("bystander-s"));
        subscriber.subscribe("bystanders", QoS::AtLeastOnce);
        Self { publisher: Client::open(address, &Login::fleeting("bystander-p")), subscriber }
    }

    /// One message, acknowledged by both sides.
    pub fn exchange(&mut self) {
        self.publisher.publish(&Message::at_least_once("bystanders", "hello", 1)).unwrap();
        let message = self.subscriber.message();
        assert_eq!(message.text(), "hello");
        self.subscriber.puback(message.packet_id).unwrap();
        self.publisher.expect(Incoming::PubAck(1, 0));
    }
}
