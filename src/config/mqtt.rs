//! The MQTT parameters of an acceptor.

use super::units::{boolean, expected, number};

/// How long a session without an interval of its own outlives its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionExpiry {
    Never,
    Seconds(u32),
}

/// What the broker makes of the keep alive a client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeepAlive {
    /// The client's value counts, 0 included.
    Client,
    /// There is no keep alive, whatever the client asks for.
    Off,
    /// The lesser of this many seconds and the client's value; this where the client asks for none.
    AtMost(u16),
}

/// How long another server is to be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moved {
    Temporarily,
    Permanently,
}

/// How an acceptor treats MQTT clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mqtt {
    pub default_session_expiry: SessionExpiry,
    /// Whether the file sets it; the standard's default for MQTT 5 gives way only then.
    pub default_session_expiry_is_explicit: bool,
    pub maximum_session_expiry: SessionExpiry,
    /// Seconds, for clients of 3.1 and 3.1.1; `None` for messages that do not expire.
    pub default_message_expiry: Option<u32>,
    /// Seconds; `None` for no maximum.
    pub maximum_message_expiry: Option<u32>,
    /// `None` is not announced.
    pub receive_maximum: Option<u16>,
    /// `None` is not announced.
    pub topic_alias_maximum: Option<u16>,
    /// `None` is not announced and not enforced.
    pub maximum_packet_size: Option<u32>,
    /// 0, 1 or 2.
    pub maximum_qos: u8,
    pub retain_available: bool,
    pub wildcard_subscription_available: bool,
    pub subscription_identifiers_available: bool,
    pub shared_subscription_available: bool,
    /// The basis of response topics, for clients that ask for one.
    pub response_information: Option<String>,
    /// Hosts, perhaps with ports, separated by spaces, to which all clients are sent.
    pub server_reference: Option<String>,
    pub server_moved: Moved,
    pub server_keep_alive: KeepAlive,
    /// Whether failures are explained in words.
    pub reason_strings: bool,
    /// Whether a payload that is called UTF-8 has to be that.
    pub validate_payload_format: bool,
    /// Or a positive acknowledgement, for clients of 3.1 and 3.1.1.
    pub close_on_publish_authorization_failure: bool,
    /// Whether a new connection takes over the client id of an older one.
    pub allow_link_stealing: bool,
    /// Unacknowledged QoS 1 and 2 messages towards a client that announces no receive maximum.
    pub default_maximum_in_flight: u16,
}

impl Default for Mqtt {
    fn default() -> Self {
        Self {
            default_session_expiry: SessionExpiry::Never,
            default_session_expiry_is_explicit: false,
            maximum_session_expiry: SessionExpiry::Never,
            default_message_expiry: None,
            maximum_message_expiry: None,
            receive_maximum: Some(u16::MAX),
            topic_alias_maximum: Some(u16::MAX),
            maximum_packet_size: Some(PACKET_SIZE_MAX),
            maximum_qos: 2,
            retain_available: true,
            wildcard_subscription_available: true,
            subscription_identifiers_available: true,
            shared_subscription_available: true,
            response_information: None,
            server_reference: None,
            server_moved: Moved::Temporarily,
            server_keep_alive: KeepAlive::AtMost(60),
            reason_strings: true,
            validate_payload_format: false,
            close_on_publish_authorization_failure: true,
            allow_link_stealing: true,
            default_maximum_in_flight: u16::MAX,
        }
    }
}

const PACKET_SIZE_MAX: u32 = 268_435_455;

/// Sets one parameter from its text.
pub(super) type Set = fn(&mut Mqtt, &str) -> Result<(), String>;

/// Every MQTT parameter of an acceptor's URI.
pub(super) const KEYS: &[(&str, Set)] = &[
    ("defaultMqttSessionExpiryInterval", |mqtt, text| {
        mqtt.default_session_expiry = session_expiry(text)?;
        mqtt.default_session_expiry_is_explicit = true;
        Ok(())
    }),
    ("maximumSessionExpiryInterval", |mqtt, text| {
        mqtt.maximum_session_expiry = session_expiry(text)?;
        Ok(())
    }),
    ("defaultMqttMessageExpiryInterval", |mqtt, text| {
        mqtt.default_message_expiry = message_expiry(text)?;
        Ok(())
    }),
    ("maximumMessageExpiryInterval", |mqtt, text| {
        mqtt.maximum_message_expiry = message_expiry(text)?;
        Ok(())
    }),
    ("receiveMaximum", |mqtt, text| {
        mqtt.receive_maximum = announced(text, 1, u16::MAX)?;
        Ok(())
    }),
    ("topicAliasMaximum", |mqtt, text| {
        mqtt.topic_alias_maximum = announced(text, 0, u16::MAX)?;
        Ok(())
    }),
    ("maximumPacketSize", |mqtt, text| {
        mqtt.maximum_packet_size = announced(text, 1, PACKET_SIZE_MAX)?;
        Ok(())
    }),
    ("maximumQoS", |mqtt, text| {
        mqtt.maximum_qos = u8::try_from(number(text, 0..=2)?).unwrap_or(2);
        Ok(())
    }),
    ("retainAvailable", |mqtt, text| {
        mqtt.retain_available = boolean(text)?;
        Ok(())
    }),
    ("wildcardSubscriptionAvailable", |mqtt, text| {
        mqtt.wildcard_subscription_available = boolean(text)?;
        Ok(())
    }),
    ("subscriptionIdentifiersAvailable", |mqtt, text| {
        mqtt.subscription_identifiers_available = boolean(text)?;
        Ok(())
    }),
    ("sharedSubscriptionAvailable", |mqtt, text| {
        mqtt.shared_subscription_available = boolean(text)?;
        Ok(())
    }),
    ("responseInformation", |mqtt, text| {
        mqtt.response_information = Some(announced_text(text)?);
        Ok(())
    }),
    ("serverReference", |mqtt, text| {
        mqtt.server_reference = Some(announced_text(text)?);
        Ok(())
    }),
    ("serverMoved", |mqtt, text| {
        mqtt.server_moved = moved(text)?;
        Ok(())
    }),
    ("reasonStrings", |mqtt, text| {
        mqtt.reason_strings = boolean(text)?;
        Ok(())
    }),
    ("validatePayloadFormat", |mqtt, text| {
        mqtt.validate_payload_format = boolean(text)?;
        Ok(())
    }),
    ("serverKeepAlive", |mqtt, text| {
        mqtt.server_keep_alive = keep_alive(text)?;
        Ok(())
    }),
    ("closeMqttConnectionOnPublishAuthorizationFailure", |mqtt, text| {
        mqtt.close_on_publish_authorization_failure = boolean(text)?;
        Ok(())
    }),
    ("allowLinkStealing", |mqtt, text| {
        mqtt.allow_link_stealing = boolean(text)?;
        Ok(())
    }),
    ("defaultMaximumInFlightPublishMessages", |mqtt, text| {
        mqtt.default_maximum_in_flight = in_flight(text)?;
        Ok(())
    }),
];

fn session_expiry(text: &str) -> Result<SessionExpiry, String> {
    let seconds = number(text, -1..=u32::MAX.into())?;
    Ok(match u32::try_from(seconds) {
        Ok(u32::MAX) | Err(_) => SessionExpiry::Never,
        Ok(seconds) => SessionExpiry::Seconds(seconds),
    })
}

fn message_expiry(text: &str) -> Result<Option<u32>, String> {
    Ok(u32::try_from(number(text, -1..=u32::MAX.into())?).ok())
}

fn announced_text(text: &str) -> Result<String, String> {
    let is_good = !text.is_empty() && text.len() <= u16::MAX.into() && !text.contains(char::is_control);
    if is_good { Ok(text.into()) } else { Err(expected("text without control characters", text)) }
}

fn moved(text: &str) -> Result<Moved, String> {
    match text {
        "temporarily" => Ok(Moved::Temporarily),
        "permanently" => Ok(Moved::Permanently),
        _ => Err(expected("temporarily or permanently", text)),
    }
}

fn announced<T: TryFrom<i64> + Into<i64>>(text: &str, least: i64, most: T) -> Result<Option<T>, String> {
    let most = most.into();
    match number(text, -1..=most) {
        Ok(-1) => Ok(None),
        Ok(value) if value >= least => Ok(T::try_from(value).ok()),
        _ => Err(format!("expected -1 or a whole number from {least} to {most}, found {text:?}")),
    }
}

fn keep_alive(text: &str) -> Result<KeepAlive, String> {
    Ok(match u16::try_from(number(text, -1..=u16::MAX.into())?) {
        Err(_) => KeepAlive::Client,
        Ok(0) => KeepAlive::Off,
        Ok(seconds) => KeepAlive::AtMost(seconds),
    })
}

fn in_flight(text: &str) -> Result<u16, String> {
    let value = number(text, i64::MIN..=u16::MAX.into())?;
    Ok(u16::try_from(value).ok().filter(|value| *value > 0).unwrap_or(u16::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(key: &str, text: &str) -> Result<Mqtt, String> {
        let mut mqtt = Mqtt::default();
        let (_, set) = KEYS.iter().find(|(known, _)| *known == key).unwrap();
        set(&mut mqtt, text).map(|()| mqtt)
    }

    #[test]
    fn ranges_follow_the_manual() {
        for (key, texts, good) in [
            ("receiveMaximum", &["-1", "1", "65535"][..], true),
            ("receiveMaximum", &["0", "-2", "65536", "", "x"], false),
            ("topicAliasMaximum", &["-1", "0", "65535"], true),
            ("topicAliasMaximum", &["-2", "65536"], false),
            ("maximumPacketSize", &["-1", "1", "268435455"], true),
            ("maximumPacketSize", &["0", "-2", "268435456", "1M"], false),
            ("serverKeepAlive", &["-1", "0", "65535"], true),
            ("serverKeepAlive", &["-2", "65536"], false),
            ("defaultMqttSessionExpiryInterval", &["-1", "0", "4294967295"], true),
            ("defaultMqttSessionExpiryInterval", &["-2", "4294967296"], false),
            ("defaultMaximumInFlightPublishMessages", &["-5", "0", "65535"], true),
            ("defaultMaximumInFlightPublishMessages", &["65536"], false),
            ("maximumSessionExpiryInterval", &["-1", "0", "4294967295"], true),
            ("maximumSessionExpiryInterval", &["-2", "4294967296", "1d"], false),
            ("defaultMqttMessageExpiryInterval", &["-1", "0", "4294967295"], true),
            ("defaultMqttMessageExpiryInterval", &["-2", "4294967296"], false),
            ("maximumMessageExpiryInterval", &["-1", "0", "4294967295"], true),
            ("maximumMessageExpiryInterval", &["-2", "4294967296"], false),
            ("maximumQoS", &["0", "1", "2"], true),
            ("maximumQoS", &["-1", "3", ""], false),
            ("retainAvailable", &["true", "false"], true),
            ("retainAvailable", &["1", "no"], false),
            ("responseInformation", &["replies/", "a b"], true),
            ("responseInformation", &["", "a\nb"], false),
            ("serverReference", &["other.example:1883", "a:1 b:2"], true),
            ("serverReference", &[""], false),
            ("serverMoved", &["temporarily", "permanently"], true),
            ("serverMoved", &["true", ""], false),
            ("allowLinkStealing", &["true", "false"], true),
            ("allowLinkStealing", &["yes", "1"], false),
        ] {
            for text in texts {
                assert_eq!(set(key, text).is_ok(), good, "{key}={text}");
            }
        }
    }

    #[test]
    fn special_values_have_their_meaning() {
        let default = Mqtt::default;
        let explicit = |default_session_expiry| Mqtt {
            default_session_expiry,
            default_session_expiry_is_explicit: true,
            ..default()
        };
        for (key, text, expected) in [
            ("receiveMaximum", "-1", Mqtt { receive_maximum: None, ..default() }),
            ("topicAliasMaximum", "0", Mqtt { topic_alias_maximum: Some(0), ..default() }),
            ("maximumPacketSize", "-1", Mqtt { maximum_packet_size: None, ..default() }),
            ("serverKeepAlive", "-1", Mqtt { server_keep_alive: KeepAlive::Client, ..default() }),
            ("serverKeepAlive", "0", Mqtt { server_keep_alive: KeepAlive::Off, ..default() }),
            ("serverKeepAlive", "5", Mqtt { server_keep_alive: KeepAlive::AtMost(5), ..default() }),
            ("defaultMaximumInFlightPublishMessages", "0", default()),
            ("defaultMaximumInFlightPublishMessages", "10", Mqtt { default_maximum_in_flight: 10, ..default() }),
            ("maximumQoS", "1", Mqtt { maximum_qos: 1, ..default() }),
            ("maximumSessionExpiryInterval", "-1", default()),
            (
                "maximumSessionExpiryInterval",
                "0",
                Mqtt { maximum_session_expiry: SessionExpiry::Seconds(0), ..default() },
            ),
            ("maximumMessageExpiryInterval", "-1", default()),
            ("maximumMessageExpiryInterval", "5", Mqtt { maximum_message_expiry: Some(5), ..default() }),
            ("defaultMqttMessageExpiryInterval", "0", Mqtt { default_message_expiry: Some(0), ..default() }),
            ("serverMoved", "permanently", Mqtt { server_moved: Moved::Permanently, ..default() }),
            ("defaultMqttSessionExpiryInterval", "-1", explicit(SessionExpiry::Never)),
            ("defaultMqttSessionExpiryInterval", "0", explicit(SessionExpiry::Seconds(0))),
            ("defaultMqttSessionExpiryInterval", "4294967295", explicit(SessionExpiry::Never)),
        ] {
            assert_eq!(set(key, text).as_ref(), Ok(&expected), "{key}={text}");
        }
    }
}
