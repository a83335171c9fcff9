//! Every parameter of an acceptor's URI that Artemis knows, and what it does here.

use super::acceptor::Acceptor;
use super::units::{boolean, number};
use super::{limits, mqtt, tls};

/// What a parameter of an acceptor does.
#[derive(Clone, Copy)]
pub(super) enum Key {
    /// Decides about the acceptor as a whole; read before all others.
    Whole,
    Set(fn(&mut Acceptor, &str) -> Result<(), String>),
    Mqtt(mqtt::Set),
    Tls(tls::Set),
    /// Restricts clients with certificates and is not there, so that it must not be written where there are such.
    Refused(&'static str),
    Limit(limits::Set),
    /// Protects or restricts, so that leaving it out is worth more than a word.
    Missing(&'static str),
    NoEffect,
}

/// Looks a parameter up.
pub(super) fn key(name: &str) -> Option<Key> {
    let own = KEYS.iter().find(|(known, _)| *known == name).map(|(_, key)| *key);
    let mqtt = || mqtt::KEYS.iter().find(|(known, _)| *known == name).map(|(_, set)| Key::Mqtt(*set));
    let tls = || tls::KEYS.iter().find(|(known, _)| *known == name).map(|(_, set)| Key::Tls(*set));
    let limit = || limits::KEYS.iter().find(|(known, _)| *known == name).map(|(_, set)| Key::Limit(*set));
    own.or_else(mqtt).or_else(tls).or_else(limit).or_else(|| NO_EFFECT.contains(&name).then_some(Key::NoEffect))
}

/// All names, for hints.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    let keys = KEYS.iter().map(|(name, _)| *name);
    let tables = mqtt::KEYS.iter().map(|(name, _)| *name).chain(tls::KEYS.iter().map(|(name, _)| *name));
    let limits = limits::KEYS.iter().map(|(name, _)| *name);
    keys.chain(tables).chain(limits).chain(NO_EFFECT.iter().copied())
}

const KEYS: &[(&str, Key)] = &[
    ("protocols", Key::Whole),
    ("protocol", Key::Whole),
    ("sslEnabled", Key::Whole),
    ("autoStart", Key::Whole),
    ("tcpNoDelay", Key::Set(|acceptor, text| boolean(text).map(|value| acceptor.tcp_no_delay = value))),
    ("tcpSendBufferSize", Key::Set(|acceptor, text| or_system(text).map(|value| acceptor.tcp_send_buffer = value))),
    (
        "tcpReceiveBufferSize",
        Key::Set(|acceptor, text| or_system(text).map(|value| acceptor.tcp_receive_buffer = value)),
    ),
    ("backlog", Key::Set(|acceptor, text| or_system(text).map(|value| acceptor.backlog = value))),
    (
        "connectionsAllowed",
        Key::Set(|acceptor, text| or_system(text).map(|value| acceptor.connections_allowed = value)),
    ),
    (
        "handshake-timeout",
        Key::Set(|acceptor, text| handshake(text).map(|value| acceptor.handshake_timeout_ms = value)),
    ),
    ("proxyProtocolEnabled", Key::Missing("clients behind a proxy that sends a PROXY header are refused")),
    ("verifyHost", Key::Refused("the host names of clients are not compared with their certificates")),
    ("crcOptions", Key::Refused("revocation is read from crlPath only")),
    ("ocspResponderURL", Key::Refused("revocation is read from crlPath only")),
    ("trustManagerFactoryPlugin", Key::Refused("it is for Java; write trustStorePath")),
    ("securityDomain", Key::Set(|acceptor, text| domain(text).map(|value| acceptor.security_domain = Some(value)))),
];

const NO_EFFECT: &[&str] = &[
    "amqpCredits",
    "amqpDrainOnTransientDeliveryErrors",
    "amqpDuplicateDetection",
    "amqpIdleTimeout",
    "amqpLinkQuiesceTimeout",
    "amqpLowCredits",
    "amqpMinCredits",
    "amqpMinLargeMessageSize",
    "amqpTreatRejectAsUnmodifiedDeliveryFailed",
    "amqpUseModifiedForTransientDeliveryErrors",
    "anycastPrefix",
    "batchDelay",
    "connectionTtl",
    "connectionTtlMax",
    "connectionTtlMin",
    "directDeliver",
    "disableStompServerHeader",
    "heartBeatToConnectionTtlModifier",
    "httpEnabled",
    "httpResponseTime",
    "httpServerScanPeriod",
    "httpUpgradeEnabled",
    "keyStoreProvider",
    "maxFrameSize",
    "maxTransfersPerDelivery",
    "multicastPrefix",
    "nioRemotingThreads",
    "pubSubPrefix",
    "quietPeriod",
    "remotingThreads",
    "router",
    "saslLoginConfigScope",
    "saslMechanisms",
    "shutdownTimeout",
    "sslContext",
    "sslProvider",
    "stompConsumerCredits",
    "stompConsumerWindowSize",
    "stompEnableMessageId",
    "stompMaxFramePayloadLength",
    "stompMinLargeMessageSize",
    "supportAdvisory",
    "suppressInternalManagementObjects",
    "trustStoreProvider",
    "useEpoll",
    "useInvm",
    "useKQueue",
    "useNio",
    "webSocketCompressionSupported",
    "webSocketEncoderType",
    "webSocketMaxFramePayloadLength",
    "writeBufferHighWaterMark",
    "writeBufferLowWaterMark",
];

fn or_system<T: TryFrom<i64>>(text: &str) -> Result<Option<T>, String> {
    Ok(T::try_from(number(text, -1..=i32::MAX.into())?).ok())
}

fn domain(text: &str) -> Result<String, String> {
    if text.is_empty() { Err("expected the name of a domain of login.config".into()) } else { Ok(text.to_owned()) }
}

fn handshake(text: &str) -> Result<Option<u64>, String> {
    let seconds = number(text, i32::MIN.into()..=i32::MAX.into())?;
    Ok(u64::try_from(seconds).ok().filter(|seconds| *seconds > 0).map(|seconds| seconds * 1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique() {
        let mut all: Vec<_> = names().collect();
        all.sort_unstable();
        assert!(all.windows(2).all(|pair| pair[0] != pair[1]));
        assert!(NO_EFFECT.is_sorted());
    }

    #[test]
    fn cve_2026_42209_every_parameter_at_0_1_and_the_most() {
        for name in names() {
            for value in
                ["0", "1", "-1", "-2", "65535", "2147483647", "9223372036854775807", "99999999999999999999", ""]
            {
                let text = format!(
                    "<core><acceptors><acceptor>tcp://127.0.0.1:1?{name}={value}</acceptor></acceptors></core>"
                );
                // It is taken or refused, and never taken for something else.
                if let Ok(config) = crate::config::load("f", &text, &|_| None) {
                    assert!(config.acceptors.len() <= 1, "{name}={value}");
                }
            }
        }
    }
}
