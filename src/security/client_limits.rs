/// What one client may use; what is not set here is as for all others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientLimits {
    /// Messages it may send in a second.
    pub messages_per_second: Option<u32>,
    /// Bytes it may send in a second.
    pub bytes_per_second: Option<u64>,
    /// Bytes of one packet.
    pub packet_bytes: Option<u32>,
    /// Subscriptions at a time.
    pub subscriptions: Option<u32>,
    /// Messages that wait for it.
    pub queued_messages: Option<u64>,
    /// Bytes of messages that wait for it.
    pub queued_bytes: Option<u64>,
    /// QoS 1 and 2 messages on the way to it at a time.
    pub in_flight: Option<u16>,
    /// Seconds for which its session is kept.
    pub session_expiry: Option<u32>,
}

impl ClientLimits {
    /// As for all others.
    pub const NONE: Self = Self {
        messages_per_second: None,
        bytes_per_second: None,
        packet_bytes: None,
        subscriptions: None,
        queued_messages: None,
        queued_bytes: None,
        in_flight: None,
        session_expiry: None,
    };
}
