//! What goes wrong on an MQTT connection, by whose fault, and the one table to the wire.

use std::fmt;

/// A violation or refusal, with the rule that says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    pub kind: Kind,
    /// A statement of MQTT 5, as `MQTT-3.1.2-3`, or a section where no statement is numbered, as `MQTT-3.1.2.11.3`.
    pub rule: &'static str,
}

/// What a fault is, independent of the protocol version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Malformed,
    Protocol,
    Implementation,
    Unspecified,
    UnsupportedVersion,
    ClientIdentifier,
    BadCredentials,
    NotAuthorized,
    ServerUnavailable,
    ServerBusy,
    Banned,
    ServerShuttingDown,
    BadAuthenticationMethod,
    KeepAliveTimeout,
    SessionTakenOver,
    TopicFilterInvalid,
    TopicNameInvalid,
    PacketIdentifierInUse,
    ReceiveMaximumExceeded,
    TopicAliasInvalid,
    PacketTooLarge,
    QuotaExceeded,
    AdministrativeAction,
    PayloadFormatInvalid,
    RetainNotSupported,
    QosNotSupported,
    UseAnotherServer,
    ServerMoved,
    SharedNotSupported,
    ConnectionRateExceeded,
    MaximumConnectTime,
    IdentifiersNotSupported,
    WildcardsNotSupported,
}

/// CONNACK return codes of MQTT 3.x.
mod return_code {
    pub const UNACCEPTABLE_VERSION: u8 = 1;
    pub const IDENTIFIER_REJECTED: u8 = 2;
    pub const SERVER_UNAVAILABLE: u8 = 3;
    pub const NOT_AUTHORIZED: u8 = 5;
}

impl Kind {
    /// The reason code of MQTT 5, the CONNACK return code of MQTT 3.x, and the words of a log.
    const fn wire(self) -> (ReasonCode, u8, &'static str) {
        use ReasonCode as R;
        use return_code::{IDENTIFIER_REJECTED, NOT_AUTHORIZED, SERVER_UNAVAILABLE, UNACCEPTABLE_VERSION};
        match self {
            Self::Malformed => (R::MALFORMED_PACKET, SERVER_UNAVAILABLE, "malformed packet"),
            Self::Protocol => (R::PROTOCOL_ERROR, SERVER_UNAVAILABLE, "protocol error"),
            Self::Implementation => (R::IMPLEMENTATION_SPECIFIC, SERVER_UNAVAILABLE, "not accepted by this server"),
            Self::Unspecified => (R::UNSPECIFIED, SERVER_UNAVAILABLE, "unspecified error"),
            Self::UnsupportedVersion => (R::UNSUPPORTED_VERSION, UNACCEPTABLE_VERSION, "unsupported protocol version"),
            Self::ClientIdentifier => (R::CLIENT_IDENTIFIER, IDENTIFIER_REJECTED, "client identifier not valid"),
            // Artemis answers 5 here, not 4.
            Self::BadCredentials => (R::BAD_CREDENTIALS, NOT_AUTHORIZED, "bad user name or password"),
            Self::NotAuthorized => (R::NOT_AUTHORIZED, NOT_AUTHORIZED, "not authorized"),
            Self::ServerUnavailable => (R::SERVER_UNAVAILABLE, SERVER_UNAVAILABLE, "server unavailable"),
            Self::ServerBusy => (R::SERVER_BUSY, SERVER_UNAVAILABLE, "server busy"),
            Self::Banned => (R::BANNED, NOT_AUTHORIZED, "banned"),
            Self::ServerShuttingDown => (R::SERVER_SHUTTING_DOWN, SERVER_UNAVAILABLE, "server shutting down"),
            Self::BadAuthenticationMethod => {
                (R::BAD_AUTHENTICATION_METHOD, NOT_AUTHORIZED, "bad authentication method")
            }
            Self::KeepAliveTimeout => (R::KEEP_ALIVE_TIMEOUT, SERVER_UNAVAILABLE, "keep alive timeout"),
            Self::SessionTakenOver => (R::SESSION_TAKEN_OVER, SERVER_UNAVAILABLE, "session taken over"),
            Self::TopicFilterInvalid => (R::TOPIC_FILTER_INVALID, SERVER_UNAVAILABLE, "invalid topic filter"),
            Self::TopicNameInvalid => (R::TOPIC_NAME_INVALID, SERVER_UNAVAILABLE, "invalid topic name"),
            Self::PacketIdentifierInUse => {
                (R::PACKET_IDENTIFIER_IN_USE, SERVER_UNAVAILABLE, "packet identifier in use")
            }
            Self::ReceiveMaximumExceeded => {
                (R::RECEIVE_MAXIMUM_EXCEEDED, SERVER_UNAVAILABLE, "receive maximum exceeded")
            }
            Self::TopicAliasInvalid => (R::TOPIC_ALIAS_INVALID, SERVER_UNAVAILABLE, "invalid topic alias"),
            Self::PacketTooLarge => (R::PACKET_TOO_LARGE, SERVER_UNAVAILABLE, "packet too large"),
            Self::QuotaExceeded => (R::QUOTA_EXCEEDED, SERVER_UNAVAILABLE, "quota exceeded"),
            Self::AdministrativeAction => (R::ADMINISTRATIVE_ACTION, SERVER_UNAVAILABLE, "administrative action"),
            Self::PayloadFormatInvalid => (R::PAYLOAD_FORMAT_INVALID, SERVER_UNAVAILABLE, "invalid payload format"),
            Self::RetainNotSupported => (R::RETAIN_NOT_SUPPORTED, SERVER_UNAVAILABLE, "retain not supported"),
            Self::QosNotSupported => (R::QOS_NOT_SUPPORTED, SERVER_UNAVAILABLE, "QoS not supported"),
            Self::UseAnotherServer => (R::USE_ANOTHER_SERVER, SERVER_UNAVAILABLE, "use another server"),
            Self::ServerMoved => (R::SERVER_MOVED, SERVER_UNAVAILABLE, "server moved"),
            Self::SharedNotSupported => {
                (R::SHARED_SUBSCRIPTIONS_NOT_SUPPORTED, SERVER_UNAVAILABLE, "shared subscriptions not supported")
            }
            Self::MaximumConnectTime => (R::MAXIMUM_CONNECT_TIME, SERVER_UNAVAILABLE, "maximum connect time"),
            Self::IdentifiersNotSupported => (
                R::SUBSCRIPTION_IDENTIFIERS_NOT_SUPPORTED,
                SERVER_UNAVAILABLE,
                "subscription identifiers not supported",
            ),
            Self::WildcardsNotSupported => {
                (R::WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED, SERVER_UNAVAILABLE, "wildcard subscriptions not supported")
            }
            Self::ConnectionRateExceeded => {
                (R::CONNECTION_RATE_EXCEEDED, SERVER_UNAVAILABLE, "connection rate exceeded")
            }
        }
    }
}

impl Fault {
    /// Any fault.
    pub const fn new(kind: Kind, rule: &'static str) -> Self {
        Self { kind, rule }
    }

    /// Bytes that cannot be read as the standard says.
    pub const fn malformed(rule: &'static str) -> Self {
        Self::new(Kind::Malformed, rule)
    }

    /// Well-formed bytes that the standard does not allow here.
    pub const fn protocol(rule: &'static str) -> Self {
        Self::new(Kind::Protocol, rule)
    }

    /// The reason code of MQTT 5.
    pub const fn reason(&self) -> ReasonCode {
        self.kind.wire().0
    }

    /// The CONNACK return code of MQTT 3.x; 3 stands for all that has no code of its own.
    pub const fn return_code(&self) -> u8 {
        self.kind.wire().1
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.wire().2)?;
        if self.rule.is_empty() { Ok(()) } else { write!(f, " [{}]", self.rule) }
    }
}

impl std::error::Error for Fault {}

/// A reason code of MQTT 5, known or not.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ReasonCode(pub u8);

macro_rules! reason_codes {
    ($($name:ident = $value:literal, $words:literal;)*) => {
        impl ReasonCode {
            $(pub const $name: Self = Self($value);)*

            /// The name the standard gives it, if it has one.
            pub const fn words(self) -> Option<&'static str> {
                match self.0 {
                    $($value => Some($words),)*
                    _ => None,
                }
            }
        }
    };
}

reason_codes! {
    SUCCESS = 0x00, "success";
    GRANTED_QOS_1 = 0x01, "granted QoS 1";
    GRANTED_QOS_2 = 0x02, "granted QoS 2";
    DISCONNECT_WITH_WILL = 0x04, "disconnect with will message";
    NO_MATCHING_SUBSCRIBERS = 0x10, "no matching subscribers";
    NO_SUBSCRIPTION_EXISTED = 0x11, "no subscription existed";
    CONTINUE_AUTHENTICATION = 0x18, "continue authentication";
    REAUTHENTICATE = 0x19, "re-authenticate";
    UNSPECIFIED = 0x80, "unspecified error";
    MALFORMED_PACKET = 0x81, "malformed packet";
    PROTOCOL_ERROR = 0x82, "protocol error";
    IMPLEMENTATION_SPECIFIC = 0x83, "implementation specific error";
    UNSUPPORTED_VERSION = 0x84, "unsupported protocol version";
    CLIENT_IDENTIFIER = 0x85, "client identifier not valid";
    BAD_CREDENTIALS = 0x86, "bad user name or password";
    NOT_AUTHORIZED = 0x87, "not authorized";
    SERVER_UNAVAILABLE = 0x88, "server unavailable";
    SERVER_BUSY = 0x89, "server busy";
    BANNED = 0x8A, "banned";
    SERVER_SHUTTING_DOWN = 0x8B, "server shutting down";
    BAD_AUTHENTICATION_METHOD = 0x8C, "bad authentication method";
    KEEP_ALIVE_TIMEOUT = 0x8D, "keep alive timeout";
    SESSION_TAKEN_OVER = 0x8E, "session taken over";
    TOPIC_FILTER_INVALID = 0x8F, "topic filter invalid";
    TOPIC_NAME_INVALID = 0x90, "topic name invalid";
    PACKET_IDENTIFIER_IN_USE = 0x91, "packet identifier in use";
    PACKET_IDENTIFIER_NOT_FOUND = 0x92, "packet identifier not found";
    RECEIVE_MAXIMUM_EXCEEDED = 0x93, "receive maximum exceeded";
    TOPIC_ALIAS_INVALID = 0x94, "topic alias invalid";
    PACKET_TOO_LARGE = 0x95, "packet too large";
    MESSAGE_RATE_TOO_HIGH = 0x96, "message rate too high";
    QUOTA_EXCEEDED = 0x97, "quota exceeded";
    ADMINISTRATIVE_ACTION = 0x98, "administrative action";
    PAYLOAD_FORMAT_INVALID = 0x99, "payload format invalid";
    RETAIN_NOT_SUPPORTED = 0x9A, "retain not supported";
    QOS_NOT_SUPPORTED = 0x9B, "QoS not supported";
    USE_ANOTHER_SERVER = 0x9C, "use another server";
    SERVER_MOVED = 0x9D, "server moved";
    SHARED_SUBSCRIPTIONS_NOT_SUPPORTED = 0x9E, "shared subscriptions not supported";
    CONNECTION_RATE_EXCEEDED = 0x9F, "connection rate exceeded";
    MAXIMUM_CONNECT_TIME = 0xA0, "maximum connect time";
    SUBSCRIPTION_IDENTIFIERS_NOT_SUPPORTED = 0xA1, "subscription identifiers not supported";
    WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED = 0xA2, "wildcard subscriptions not supported";
}

impl ReasonCode {
    /// Whether the code reports a failure.
    pub const fn is_error(self) -> bool {
        self.0 >= 0x80
    }
}

impl fmt::Display for ReasonCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:02X} {}", self.0, self.words().unwrap_or("unknown reason"))
    }
}

impl fmt::Debug for ReasonCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_speak_both_languages() {
        let fault = Fault::malformed("MQTT-3.1.2-3");
        assert_eq!(fault.to_string(), "malformed packet [MQTT-3.1.2-3]");
        assert_eq!(
            (fault.reason(), ReasonCode(0x87).is_error(), ReasonCode(0x11).is_error()),
            (ReasonCode(0x81), true, false)
        );
        let credentials = Fault::new(Kind::BadCredentials, "MQTT-3.1.4-2");
        assert_eq!((credentials.reason().0, credentials.return_code()), (0x86, 5));
        assert_eq!(
            (ReasonCode(0x91).to_string(), ReasonCode(7).to_string().as_str()),
            ("0x91 packet identifier in use".into(), "0x07 unknown reason")
        );
    }
}
