//! What users may use, all their clients together.

use std::collections::BTreeMap;

use super::Engine;
use super::connection::ConnectionKey;
use crate::core::id::ConsumerKey;
use crate::protocol::{Denial, Refusal};
use crate::security::Principal;

/// What one user may use. `None` is any number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UserLimit {
    /// Connections at a time.
    pub connections: Option<u64>,
    /// Subscriptions of all its clients.
    pub queues: Option<u64>,
    /// Of each connection.
    pub messages_per_second: Option<u64>,
    pub bytes_per_second: Option<u64>,
}

/// Limits by the name of a user, and by role for those without limits of their own.
#[derive(Debug, Clone, Default)]
pub struct UserLimits {
    pub by_user: BTreeMap<String, UserLimit>,
    pub by_role: BTreeMap<String, UserLimit>,
}

/// What a user's clients have.
#[derive(Debug, Default)]
pub(super) struct InUse {
    connections: u64,
    queues: u64,
}

impl UserLimits {
    /// What a principal may use: what its security manager says, what is written for the user, or for its roles. Of
    /// several roles, what allows the most counts.
    pub(super) fn of(&self, principal: &Principal) -> UserLimit {
        let own = principal.limits();
        let mut limit = self.written(principal);
        limit.messages_per_second = own.messages_per_second.map(u64::from).or(limit.messages_per_second);
        limit.bytes_per_second = own.bytes_per_second.or(limit.bytes_per_second);
        limit
    }

    fn written(&self, principal: &Principal) -> UserLimit {
        if self.is_empty() {
            return UserLimit::default();
        }
        if let Some(own) = self.by_user.get(principal.user()) {
            return *own;
        }
        let mut of_roles = principal.roles().iter().filter_map(|role| self.by_role.get(role)).copied();
        let first = of_roles.next().unwrap_or_default();
        of_roles.fold(first, |a, b| UserLimit {
            connections: larger(a.connections, b.connections),
            queues: larger(a.queues, b.queues),
            messages_per_second: larger(a.messages_per_second, b.messages_per_second),
            bytes_per_second: larger(a.bytes_per_second, b.bytes_per_second),
        })
    }

    fn is_empty(&self) -> bool {
        self.by_user.is_empty() && self.by_role.is_empty()
    }
}

fn larger(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    Some(a?.max(b?))
}

impl Engine {
    /// Other limits hold for what comes from now on.
    pub fn set_user_limits(&mut self, limits: UserLimits) {
        self.options.user_limits = limits;
    }

    /// Whether the newcomer's user may have one more connection, besides the one that makes way for it.
    pub(super) fn check_connections(
        &self,
        connection: ConnectionKey,
        found: Option<ConsumerKey>,
    ) -> Result<(), Denial> {
        let Some(principal) = self.connections[connection.index()].principal.as_deref() else { return Ok(()) };
        let Some(most) = self.options.user_limits.of(principal).connections else { return Ok(()) };
        let makes_way = found.is_some_and(|key| {
            let client = &self.clients[key.index()];
            client.connection.is_some() && client.user() == principal.user()
        });
        let count = self.in_use.get(principal.user()).map_or(0, |in_use| in_use.connections);
        if count + u64::from(!makes_way) <= most {
            return Ok(());
        }
        self.bounds.sessions_of_user.refuse();
        Err(Denial::QuotaExceeded)
    }

    /// Whether the client's user may have one more subscription.
    pub(super) fn check_queues(&self, key: ConsumerKey) -> Result<(), Refusal> {
        if self.options.user_limits.is_empty() {
            return Ok(());
        }
        let principal = &self.clients[key.index()].rights.principal;
        let Some(most) = self.options.user_limits.of(principal).queues else { return Ok(()) };
        let count = self.in_use.get(principal.user()).map_or(0, |in_use| in_use.queues);
        if count < most {
            return Ok(());
        }
        self.bounds.queues_of_user.refuse();
        Err(Refusal::QuotaExceeded)
    }

    /// The client's user has so many connections and subscriptions more, or less.
    pub(super) fn count_use(&mut self, key: ConsumerKey, connections: i64, queues: i64) {
        let user = self.clients[key.index()].user();
        if user.is_empty() {
            return;
        }
        let in_use = match self.in_use.get_mut(user) {
            Some(in_use) => in_use,
            None => self.in_use.entry(user.into()).or_default(),
        };
        in_use.connections = in_use.connections.saturating_add_signed(connections);
        in_use.queues = in_use.queues.saturating_add_signed(queues);
        if in_use.connections == 0 && in_use.queues == 0 {
            self.in_use.remove(user);
        }
    }
}
