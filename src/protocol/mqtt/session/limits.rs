//! What an acceptor lets its MQTT clients do.

use crate::core::address::Syntax;
use crate::protocol::Expiry;
use crate::protocol::mqtt::Bounds;
use crate::protocol::mqtt::codec::{Property, QoS, Version};
use crate::protocol::mqtt::fault::{Fault, Kind};
use crate::protocol::mqtt::topic::Translation;

/// What an acceptor lets its MQTT clients do.
#[derive(Debug, Clone)]
pub struct Limits {
    /// For clients that do not say; MQTT 5 clients only where it was written down.
    pub default_expiry: Expiry,
    pub default_expiry_for_v5: bool,
    /// The longest that a session is kept.
    pub maximum_expiry: Expiry,
    /// Seconds that a message lives whose MQTT 3.x publisher cannot say; `None` is for ever.
    pub default_message_expiry_s: Option<u32>,
    /// Seconds that a message lives at most; `None` is for ever.
    pub maximum_message_expiry_s: Option<u32>,
    /// Unacknowledged QoS 1 and 2 messages from the client; `None` is not announced.
    pub receive_maximum: Option<u16>,
    /// Topic aliases from the client; `None` is not announced and none are taken.
    pub topic_alias_maximum: Option<u16>,
    /// Bytes of a packet from the client; `None` is not announced.
    pub maximum_packet_size: Option<u32>,
    pub maximum_qos: QoS,
    pub retain_available: bool,
    pub wildcards_available: bool,
    pub identifiers_available: bool,
    pub shared_available: bool,
    /// Told to clients that ask for a basis of their response topics.
    pub response_information: Option<Box<str>>,
    /// Where all clients are sent instead.
    pub elsewhere: Option<Elsewhere>,
    pub keep_alive: KeepAlive,
    /// Whether failures are explained in words.
    pub explains: bool,
    /// Whether a payload that is called text has to be UTF-8.
    pub checks_payloads: bool,
    /// Versions 3: end the connection whose publish is not authorized, or acknowledge it.
    pub close_on_refused_publish: bool,
    pub may_take_over: bool,
    /// Unacknowledged messages towards clients that do not say.
    pub in_flight_maximum: u16,
    pub translation: Translation,
    pub bounds: Bounds,
}

/// Another server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elsewhere {
    /// As in Server Reference: hosts, perhaps with ports, separated by spaces.
    pub reference: Box<str>,
    /// For good, or for a while.
    pub permanently: bool,
}

/// Whose keep alive counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeepAlive {
    Client,
    Off,
    /// Seconds.
    AtMost(u16),
}

impl Default for Limits {
    /// Everything is allowed, and nothing announced.
    fn default() -> Self {
        Self {
            default_expiry: Expiry::NEVER,
            default_expiry_for_v5: false,
            maximum_expiry: Expiry::NEVER,
            default_message_expiry_s: None,
            maximum_message_expiry_s: None,
            receive_maximum: None,
            topic_alias_maximum: None,
            maximum_packet_size: None,
            maximum_qos: QoS::ExactlyOnce,
            retain_available: true,
            wildcards_available: true,
            identifiers_available: true,
            shared_available: true,
            response_information: None,
            elsewhere: None,
            keep_alive: KeepAlive::Client,
            explains: true,
            checks_payloads: false,
            close_on_refused_publish: true,
            may_take_over: true,
            in_flight_maximum: u16::MAX,
            translation: Translation::new(Syntax::default()),
            bounds: Bounds::default(),
        }
    }
}

impl Limits {
    /// How long a session is kept, and whether an MQTT 5 client has to be told.
    pub fn expiry(&self, version: Version, asked: Option<Expiry>, is_clean: bool) -> (Expiry, bool) {
        let wanted = match (version, asked) {
            (Version::V5, Some(expiry)) => expiry,
            (Version::V5, None) if self.default_expiry_for_v5 => self.default_expiry,
            (Version::V5, None) => Expiry::AT_DISCONNECT, // MQTT-3.1.2.11.2
            (_, _) if is_clean => Expiry::AT_DISCONNECT,
            (_, _) => self.default_expiry,
        };
        let expiry = self.bounded(wanted);
        // Without a word the client's own value counts, which is 0 where it gave none.
        let is_ours = asked.is_none() && self.default_expiry_for_v5;
        (expiry, is_ours || expiry != asked.unwrap_or(Expiry::AT_DISCONNECT))
    }

    /// A session expiry within what is allowed.
    pub fn bounded(&self, asked: Expiry) -> Expiry {
        Expiry(asked.0.min(self.maximum_expiry.0))
    }

    /// Seconds that a message lives, of those that its publisher asks for.
    pub fn message_expiry_s(&self, version: Version, asked: Option<u32>) -> Option<u32> {
        let asked = if version == Version::V5 { asked } else { self.default_message_expiry_s };
        match (asked, self.maximum_message_expiry_s) {
            (Some(asked), Some(most)) => Some(asked.min(most)),
            (asked, most) => asked.or(most),
        }
    }

    /// Whether a message of this kind is taken from a client.
    ///
    /// # Errors
    /// The acceptor was told not to take such messages.
    pub fn admit(&self, qos: QoS, retain: bool, rules: [&'static str; 2]) -> Result<(), Fault> {
        if qos > self.maximum_qos {
            return Err(Fault::new(Kind::QosNotSupported, rules[0]));
        }
        if retain && !self.retain_available {
            return Err(Fault::new(Kind::RetainNotSupported, rules[1]));
        }
        Ok(())
    }

    /// Appends what differs from the standard's defaults.
    pub fn announce(&self, out: &mut Vec<u8>) {
        // Saying nothing says 65,535 too; Paho's MQTT 5 client for Java takes the number for -1 and never publishes.
        if let Some(maximum) = self.receive_maximum.filter(|maximum| *maximum < u16::MAX) {
            Property::ReceiveMaximum(maximum).encode(out);
        }
        if self.maximum_qos < QoS::ExactlyOnce {
            Property::MaximumQos(self.maximum_qos as u8).encode(out); // [MQTT-3.2.2-9]
        }
        if !self.retain_available {
            Property::RetainAvailable(false).encode(out);
        }
        if let Some(bytes) = self.maximum_packet_size {
            Property::MaximumPacketSize(bytes).encode(out);
        }
        if let Some(maximum) = self.topic_alias_maximum {
            Property::TopicAliasMaximum(maximum).encode(out);
        }
        if !self.wildcards_available {
            Property::WildcardAvailable(false).encode(out);
        }
        if !self.identifiers_available {
            Property::SubscriptionIdentifiersAvailable(false).encode(out);
        }
        if !self.shared_available {
            Property::SharedAvailable(false).encode(out);
        }
    }
}

impl KeepAlive {
    /// The seconds that count for a client, and whether it has to be told.
    pub fn agree(self, version: Version, asked: u16) -> (u16, bool) {
        let can_be_told = version == Version::V5;
        match self {
            Self::Client => (asked, false),
            Self::Off => (0, can_be_told && asked != 0),
            Self::AtMost(seconds) if asked == 0 => (seconds, can_be_told),
            Self::AtMost(seconds) if seconds < asked && can_be_told => (seconds, true),
            Self::AtMost(_) => (asked, false),
        }
    }
}
