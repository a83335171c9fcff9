//! What is bounded in the whole broker, and what operators see of it.

use super::{Engine, LimitReport, Options};
use crate::core::limit::Limit;

/// Bytes of all subscriptions' patterns.
const PATTERN_BYTES_MAX: u64 = 1 << 30;

/// Bytes of last values beyond which no more are kept.
const RETAINED_BYTES_MAX: u64 = 1 << 30;

/// Subscriptions of one client.
const SUBSCRIPTIONS_OF_ONE_MAX: u64 = 250_000;

/// Shared subscriptions of one client.
const MEMBERSHIPS_MAX: u64 = 1_000;

/// Clients that take from one shared queue; each message looks at all of them.
const MEMBERS_MAX: u64 = 10_000;

/// Connections on which nobody is let in yet; beyond that the oldest makes room.
const STRANGERS_MAX: u64 = 10_000;

/// There is no number; refusals are counted.
const ANY: u64 = u64::MAX;

macro_rules! bounds {
    (|$options:ident| $($field:ident = $name:literal, $max:expr;)*) => {
        /// Bounds of one engine.
        #[derive(Debug)]
        pub(super) struct Bounds {
            $(pub $field: Limit,)*
        }

        impl Bounds {
            pub fn new($options: &Options) -> Self {
                Self { $($field: Limit::new($name, $max),)* }
            }

            fn all(&self) -> impl Iterator<Item = &Limit> {
                [$(&self.$field),*].into_iter()
            }
        }
    };
}

bounds! { |options|
    clients = "sessions", options.clients_max;
    subscriptions = "subscriptions", options.subscriptions_max;
    pattern_bytes = "subscription filter bytes", PATTERN_BYTES_MAX;
    subscriptions_of_one = "subscriptions of one session", SUBSCRIPTIONS_OF_ONE_MAX;
    memberships = "shared subscriptions of one session", MEMBERSHIPS_MAX;
    members = "members of one share group", MEMBERS_MAX;
    retained = "retained messages", options.retained_max;
    retained_bytes = "retained message bytes", RETAINED_BYTES_MAX;
    queued_bytes = "queued message bytes", options.queued_bytes_max as u64;
    strangers = "connections not let in yet", STRANGERS_MAX;
    handshakes = "connections not let in in time", ANY;
    packets = "packets not finished in time", ANY;
    pauses = "pauses of clients that send too fast", ANY;
    wills = "wills held back", ANY;
    sessions_of_user = "connections of one user", ANY;
    queued_of_one = "queued messages of one session", ANY;
    queues_of_user = "queues of one user", ANY;
    connects_denied = "connects without permission", ANY;
    publishes_denied = "publishes without permission", ANY;
    subscribes_denied = "subscriptions without permission", ANY;
    deliveries_denied = "deliveries without permission", ANY;
}

impl Engine {
    /// What is bounded, with its counts.
    pub fn limit_reports(&self) -> Vec<LimitReport> {
        let mut reports: Vec<_> = self.bounds.all().map(|limit| LimitReport::of("", limit)).collect();
        let counts = [
            (&self.bounds.clients, self.sessions()),
            (&self.bounds.retained, self.retained.len()),
            (&self.bounds.retained_bytes, self.retained.bytes()),
            (&self.bounds.queued_bytes, self.counters.queued_bytes),
        ];
        for (limit, count) in counts {
            if let Some(report) = reports.iter_mut().find(|report| report.name == limit.name) {
                report.current = count as u64;
            }
        }
        reports
    }
}
