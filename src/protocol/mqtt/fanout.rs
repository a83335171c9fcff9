//! Encodes what is the same for all receivers of a message once.

use crate::core::id::Time;
use crate::core::message::Message;
use crate::protocol::mqtt::convert;

/// The encoded properties of the message that was sent last, and a buffer for those of one receiver.
#[derive(Debug, Default)]
pub struct Fanout {
    encoded: Option<(u64, Time)>,
    properties: Vec<u8>,
    /// Properties that differ between receivers: subscription identifiers, topic alias.
    pub own: Vec<u8>,
}

impl Fanout {
    /// Makes [`Fanout::properties`] those of `message` at `now`.
    pub fn encode(&mut self, message: &Message, now: Time) {
        if message.properties.is_none() && message.expires.is_none() {
            self.encoded = None;
            self.properties.clear();
            return;
        }
        if self.encoded != Some((message.id, now)) {
            self.properties.clear();
            convert::encode(message, now, &mut self.properties);
            self.encoded = Some((message.id, now));
        }
    }

    /// Encoded properties that every MQTT 5 receiver of the message gets.
    pub fn properties(&self) -> &[u8] {
        &self.properties
    }
}
