//! What the engine is told at its start.

use std::rc::Rc;

use super::users::UserLimits;
use crate::core::address::Syntax;
use crate::core::settings::{AddressSettings, Hierarchy};
use crate::security::Authorizer;

/// Settings of one engine.
#[derive(Debug)]
pub struct Options {
    pub syntax: Syntax,
    /// Decides hashes and assigned client ids.
    pub seed: u64,
    /// Whether there is a journal.
    pub is_durable: bool,
    /// How long a batch waits for its messages to be settled by connected clients.
    pub settle_ms: u64,
    pub session_scan_ms: u64,
    /// How long clients may take to come back after a failure of the broker before their wills are sent.
    pub will_grace_ms: u64,
    /// Milliseconds between scans for expired messages; `None` for none.
    pub expiry_scan_ms: Option<u64>,
    /// Bytes of queued messages beyond which durable ones are refused.
    pub queued_bytes_max: usize,
    /// Clients whose state is kept, connected or not.
    pub clients_max: u64,
    pub subscriptions_max: u64,
    /// Queues to which one message is routed in a tick; those of more go on in the next.
    pub receivers_per_tick: usize,
    /// Last values.
    pub retained_max: u64,
    /// Wills sent in a second; more wait.
    pub wills_per_second: u64,
    pub user_limits: UserLimits,
    /// Addresses of the broker's own besides those that always are; with a dot at the end, all that is below.
    pub internal: Vec<String>,
    pub addresses: Vec<DeclaredAddress>,
    pub address_settings: Hierarchy<AddressSettings>,
    /// `None` where everybody may do everything.
    pub security: Option<Rc<dyn Authorizer>>,
}

/// An address from broker.xml.
#[derive(Debug, Clone)]
pub struct DeclaredAddress {
    pub name: Rc<str>,
    pub is_anycast: bool,
    pub is_multicast: bool,
    pub queues: Vec<DeclaredQueue>,
}

/// A queue from broker.xml.
#[derive(Debug, Clone)]
pub struct DeclaredQueue {
    pub name: Rc<str>,
    pub is_durable: bool,
    /// Whether it competes for messages with the other anycast queues of its address.
    pub is_anycast: bool,
}

impl DeclaredQueue {
    /// A durable queue.
    #[cfg(test)]
    pub fn durable(name: &str, is_anycast: bool) -> Self {
        Self { name: name.into(), is_durable: true, is_anycast }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            syntax: Syntax::default(),
            seed: 0,
            is_durable: false,
            settle_ms: 1,
            session_scan_ms: 5000,
            will_grace_ms: 30_000,
            expiry_scan_ms: Some(30_000),
            queued_bytes_max: usize::MAX,
            clients_max: 1_000_000,
            subscriptions_max: 2_000_000,
            receivers_per_tick: 4_096,
            retained_max: 1_000_000,
            wills_per_second: 5_000,
            user_limits: UserLimits::default(),
            internal: Vec::new(),
            addresses: Vec::new(),
            address_settings: Hierarchy::default(),
            security: None,
        }
    }
}
