//! PUBLISH properties to the core's and back.

use crate::core::id::Time;
use crate::core::message::{Guarantee, Message, Properties as Core};
use crate::protocol::mqtt::codec::{Properties, Property, QoS};

/// What a PUBLISH's or will's properties say, apart.
#[derive(Debug, Default)]
pub struct Parts {
    pub forwarded: Option<Box<Core>>,
    pub topic_alias: Option<u16>,
    pub expiry_s: Option<u32>,
    pub will_delay_s: u32,
    pub has_subscription_identifier: bool,
}

impl Parts {
    /// Whether a payload that is said to be text is UTF-8.
    pub fn payload_is_as_said(&self, payload: &[u8]) -> bool {
        let is_text = self.forwarded.as_ref().is_some_and(|properties| properties.payload_is_text == Some(true));
        !is_text || std::str::from_utf8(payload).is_ok()
    }
}

/// Takes properties apart, copying those that are forwarded.
pub fn parts(properties: Properties<'_>) -> Parts {
    let mut parts = Parts::default();
    for property in properties.iter() {
        match property {
            Property::TopicAlias(alias) => parts.topic_alias = Some(alias),
            Property::MessageExpiry(seconds) => parts.expiry_s = Some(seconds),
            Property::WillDelay(seconds) => parts.will_delay_s = seconds,
            Property::SubscriptionIdentifier(_) => parts.has_subscription_identifier = true,
            Property::PayloadFormat(format) => core(&mut parts).payload_is_text = Some(format == 1),
            Property::ContentType(text) => core(&mut parts).content_type = Some(text.into()),
            Property::ResponseTopic(topic) => core(&mut parts).reply_to = Some(topic.into()),
            Property::CorrelationData(data) => core(&mut parts).correlation = Some(data.into()),
            Property::UserProperty(name, value) => core(&mut parts).user.push((name.into(), value.into())),
            _ => {}
        }
    }
    parts
}

fn core(parts: &mut Parts) -> &mut Core {
    parts.forwarded.get_or_insert_default()
}

/// Appends what a receiver is told of a message, its remaining lifetime at `now` included.
pub fn encode(message: &Message, now: Time, out: &mut Vec<u8>) {
    if let Some(expires) = message.expires {
        // [MQTT-3.3.2-6]
        let seconds = expires.since(now).div_ceil(1000);
        Property::MessageExpiry(u32::try_from(seconds).unwrap_or(u32::MAX)).encode(out);
    }
    let Some(properties) = &message.properties else { return };
    if let Some(is_text) = properties.payload_is_text {
        Property::PayloadFormat(u8::from(is_text)).encode(out); // [MQTT-3.3.2-4]
    }
    if let Some(text) = &properties.content_type {
        Property::ContentType(text).encode(out); // [MQTT-3.3.2-20]
    }
    if let Some(topic) = &properties.reply_to {
        Property::ResponseTopic(topic).encode(out); // [MQTT-3.3.2-15]
    }
    if let Some(data) = &properties.correlation {
        Property::CorrelationData(data).encode(out); // [MQTT-3.3.2-16]
    }
    for (name, value) in &properties.user {
        Property::UserProperty(name, value).encode(out); // [MQTT-3.3.2-17] [MQTT-3.3.2-18]
    }
}

/// The core's guarantee of a QoS.
pub fn guarantee(qos: QoS) -> Guarantee {
    match qos {
        QoS::AtMostOnce => Guarantee::AtMostOnce,
        QoS::AtLeastOnce => Guarantee::AtLeastOnce,
        QoS::ExactlyOnce => Guarantee::ExactlyOnce,
    }
}

/// The QoS of a guarantee.
pub fn qos(guarantee: Guarantee) -> QoS {
    match guarantee {
        Guarantee::AtMostOnce => QoS::AtMostOnce,
        Guarantee::AtLeastOnce => QoS::AtLeastOnce,
        Guarantee::ExactlyOnce => QoS::ExactlyOnce,
    }
}
