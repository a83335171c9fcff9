//! The MQTT parameters of an acceptor.

use super::units::{boolean, number};

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

/// How an acceptor treats MQTT clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mqtt {
    pub default_session_expiry: SessionExpiry,
    /// Whether the file sets it; the standard's default for MQTT 5 gives way only then.
    pub default_session_expiry_is_explicit: bool,
    /// `None` is not announced.
    pub receive_maximum: Option<u16>,
    /// `None` is not announced.
    pub topic_alias_maximum: Option<u16>,
    /// `None` is not announced and not enforced.
    pub maximum_packet_size: Option<u32>,
    pub server_keep_alive: KeepAlive,
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
            receive_maximum: Some(u16::MAX),
            topic_alias_maximum: Some(u16::MAX),
            maximum_packet_size: Some(PACKET_SIZE_MAX),
            server_keep_alive: KeepAlive::AtMost(60),
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
            ("defaultMqttSessionExpiryInterval", "-1", explicit(SessionExpiry::Never)),
            ("defaultMqttSessionExpiryInterval", "0", explicit(SessionExpiry::Seconds(0))),
            ("defaultMqttSessionExpiryInterval", "4294967295", explicit(SessionExpiry::Never)),
        ] {
            assert_eq!(set(key, text).as_ref(), Ok(&expected), "{key}={text}");
        }
    }
}
