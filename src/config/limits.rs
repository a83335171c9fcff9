//! The parameters of an acceptor that bound what its clients may use.

use super::units::number;

/// What the clients of an acceptor may use. `None` is any number, or as many as the broker takes of anybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time from one address, but for those from this machine.
    pub connections_per_address: Option<u64>,
    /// Connections a second.
    pub connect_rate: Option<u64>,
    /// Connections a second from one address, but for those from this machine.
    pub connect_rate_per_address: Option<u64>,
    /// How long a begun packet may take, besides a second for each KiB.
    pub packet_timeout_ms: Option<u64>,
    /// Messages a second from one client.
    pub message_rate: Option<u64>,
    /// Bytes a second from one client.
    pub byte_rate: Option<u64>,
    /// Of one session.
    pub subscriptions: Option<u64>,
    pub filters_per_subscribe: Option<u64>,
    /// Bytes.
    pub client_id_length: Option<u64>,
    /// Bytes of topics and filters.
    pub topic_length: Option<u64>,
    pub topic_levels: Option<u64>,
    /// Of one filter.
    pub wildcards: Option<u64>,
    /// Of one packet.
    pub user_properties: Option<u64>,
    /// Bytes of one packet's properties.
    pub property_length: Option<u64>,
    pub will_delay_s: Option<u64>,
    /// How long a connection may last.
    pub connect_time_s: Option<u64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_per_address: None,
            connect_rate: None,
            connect_rate_per_address: None,
            packet_timeout_ms: Some(10_000),
            message_rate: None,
            byte_rate: None,
            subscriptions: None,
            filters_per_subscribe: None,
            client_id_length: None,
            topic_length: None,
            topic_levels: None,
            wildcards: None,
            user_properties: None,
            property_length: None,
            will_delay_s: None,
            connect_time_s: None,
        }
    }
}

/// Sets one parameter from its text.
pub(super) type Set = fn(&mut Limits, &str) -> Result<(), String>;

macro_rules! keys {
    ($($name:literal => $field:ident: $read:expr;)*) => {
        /// Every such parameter of an acceptor's URI.
        pub(super) const KEYS: &[(&str, Set)] = &[
            $(($name, |limits, text| {
                limits.$field = $read(text)?;
                Ok(())
            }),)*
        ];
    };
}

keys! {
    "connectionsPerAddress" => connections_per_address: |text| at_most(text, 1, i32::MAX.into());
    "connectRate" => connect_rate: |text| at_most(text, 1, i32::MAX.into());
    "connectRatePerAddress" => connect_rate_per_address: |text| at_most(text, 1, i32::MAX.into());
    "packetTimeout" => packet_timeout_ms: |text| at_most(text, 0, i32::MAX.into()).map(milliseconds);
    "messageRate" => message_rate: |text| at_most(text, 1, i32::MAX.into());
    "byteRate" => byte_rate: |text| at_most(text, 1, 1 << 40);
    "subscriptionsMaximum" => subscriptions: |text| at_most(text, 0, i32::MAX.into());
    "filtersPerSubscribeMaximum" => filters_per_subscribe: |text| at_most(text, 1, 1_000_000);
    "clientIdLengthMaximum" => client_id_length: |text| at_most(text, 1, 65_535);
    "topicLengthMaximum" => topic_length: |text| at_most(text, 1, 65_535);
    "topicLevelsMaximum" => topic_levels: |text| at_most(text, 1, 256);
    "wildcardsMaximum" => wildcards: |text| at_most(text, 0, 256);
    "userPropertiesMaximum" => user_properties: |text| at_most(text, 0, 1_000_000);
    "propertyLengthMaximum" => property_length: |text| at_most(text, 0, 268_435_455);
    "willDelayMaximum" => will_delay_s: |text| at_most(text, 0, u32::MAX.into());
    "connectTimeMaximum" => connect_time_s: |text| at_most(text, 1, u32::MAX.into());
}

/// A number, or -1 for none.
fn at_most(text: &str, least: i64, most: i64) -> Result<Option<u64>, String> {
    match number(text, -1..=most) {
        Ok(-1) => Ok(None),
        Ok(value) if value >= least => Ok(u64::try_from(value).ok()),
        _ => Err(format!("expected -1 or a whole number from {least} to {most}, found {text:?}")),
    }
}

fn milliseconds(seconds: Option<u64>) -> Option<u64> {
    seconds.filter(|seconds| *seconds > 0).map(|seconds| seconds * 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(key: &str, text: &str) -> Result<Limits, String> {
        let mut limits = Limits::default();
        let (_, set) = KEYS.iter().find(|(known, _)| *known == key).unwrap();
        set(&mut limits, text).map(|()| limits)
    }

    #[test]
    fn every_limit_can_be_lifted_and_none_takes_nonsense() {
        for (key, _) in KEYS {
            assert!(set(key, "-1").is_ok() && set(key, "1").is_ok(), "{key}");
            assert!(["-2", "", "x", "1.5", "99999999999999"].iter().all(|text| set(key, text).is_err()), "{key}");
        }
    }

    #[test]
    fn values_arrive_where_they_belong() {
        let default = Limits::default;
        for (key, text, expected) in [
            ("connectionsPerAddress", "7", Limits { connections_per_address: Some(7), ..default() }),
            ("packetTimeout", "7", Limits { packet_timeout_ms: Some(7000), ..default() }),
            ("packetTimeout", "0", Limits { packet_timeout_ms: None, ..default() }),
            ("subscriptionsMaximum", "0", Limits { subscriptions: Some(0), ..default() }),
            ("topicLevelsMaximum", "256", Limits { topic_levels: Some(256), ..default() }),
            ("connectTimeMaximum", "60", Limits { connect_time_s: Some(60), ..default() }),
            ("willDelayMaximum", "60", Limits { will_delay_s: Some(60), ..default() }),
        ] {
            assert_eq!(set(key, text).as_ref(), Ok(&expected), "{key}={text}");
        }
        for (key, text) in [("connectRate", "0"), ("topicLevelsMaximum", "257"), ("topicLengthMaximum", "0")] {
            assert!(set(key, text).is_err(), "{key}={text}");
        }
    }
}
