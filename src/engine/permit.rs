//! What clients may subscribe to, and what of it they may be given: asked at the request, and again at each delivery that
//! a narrower setting may forbid.

use super::client::Subscribed;
use super::connection::ConnectionKey;
use super::{Engine, SharedName};
use crate::core::id::ConsumerKey;
use crate::protocol::{Denial, Expiry, Open, Refusal, SubscriptionName};
use crate::security::Permission;

/// Denials of one connection that are told one by one; of more, every so many.
const TOLD_MAX: u32 = 10;

/// Whether a client may be forbidden a part of what it has subscribed to, as of an epoch.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Narrowness {
    epoch: Option<u64>,
    is_narrowed: bool,
}

/// A queue as permissions know it.
struct Place<'n> {
    address: &'n str,
    queue: String,
    /// It is made for the subscription and deleted with it.
    is_own: bool,
    exists: bool,
}

impl Engine {
    /// Whether a client may have a message of this address now. It costs a look at two numbers where no setting is
    /// narrower than its subscriptions.
    pub(super) fn may_receive(&mut self, key: ConsumerKey, address: &str) -> bool {
        if self.options.security.is_none() || !self.is_narrowed(key) {
            return true;
        }
        match self.router.known(address) {
            Some(route) => self.may(key, &route, Permission::Consume),
            None => self.may_on(key, address, Permission::Consume),
        }
    }

    /// A subscription more.
    pub(super) fn add_to_narrowness(&mut self, key: ConsumerKey, pattern: &str) {
        let known = self.clients[key.index()].narrowness;
        if self.options.security.is_some() && known.epoch == Some(self.classes.epoch) && !known.is_narrowed {
            self.clients[key.index()].narrowness.is_narrowed = self.is_narrowed_by(key, pattern);
        }
    }

    fn is_narrowed(&mut self, key: ConsumerKey) -> bool {
        let known = self.clients[key.index()].narrowness;
        if known.epoch == Some(self.classes.epoch) {
            return known.is_narrowed;
        }
        let patterns: Vec<_> =
            self.clients[key.index()].subscriptions.keys().map(|name| name.pattern.clone()).collect();
        let is_narrowed = patterns.iter().any(|pattern| self.is_narrowed_by(key, pattern));
        self.clients[key.index()].narrowness = Narrowness { epoch: Some(self.classes.epoch), is_narrowed };
        is_narrowed
    }

    /// Whether a client may begin a subscription: make what it needs, and take from it.
    pub(super) fn check_subscribe(
        &mut self,
        connection: ConnectionKey,
        key: ConsumerKey,
        name: &SubscriptionName,
    ) -> Result<(), Refusal> {
        let place = self.place(key, name);
        let address = place.address;
        let is_lasting = self.clients[key.index()].expiry != Expiry::AT_DISCONNECT;
        let mut wanted = Vec::with_capacity(3);
        if place.is_own && !place.exists {
            if !self.has_address(address) {
                wanted.push(Permission::CreateAddress);
            }
            // Who may make a queue that stays may make one that does not.
            let is_passing =
                !is_lasting && !self.may_on_queue(key, address, &place.queue, Permission::CreateDurableQueue);
            wanted.push(if is_passing { Permission::CreateNonDurableQueue } else { Permission::CreateDurableQueue });
        }
        wanted.push(Permission::Consume);
        self.check(connection, key, &place, &wanted)
    }

    /// Whether a client may end a subscription, and with it delete a queue.
    pub(super) fn check_unsubscribe(
        &mut self,
        connection: ConnectionKey,
        key: ConsumerKey,
        name: &SubscriptionName,
    ) -> Result<(), Refusal> {
        let client = &self.clients[key.index()];
        let deletes = match client.subscriptions.get(name) {
            None => false,
            Some(Subscribed::Own(_)) => true,
            Some(Subscribed::Member(queue)) => {
                name.group.is_some() && self.queues[queue.index()].queue.members.len() == 1
            }
        };
        if !deletes {
            return Ok(());
        }
        let is_lasting = client.expiry != Expiry::AT_DISCONNECT;
        let place = self.place(key, name);
        let is_passing =
            !is_lasting && !self.may_on_queue(key, place.address, &place.queue, Permission::DeleteDurableQueue);
        let permission = if is_passing { Permission::DeleteNonDurableQueue } else { Permission::DeleteDurableQueue };
        self.check(connection, key, &place, &[permission])
    }

    fn place<'n>(&self, key: ConsumerKey, name: &'n SubscriptionName) -> Place<'n> {
        let client = &self.clients[key.index()];
        let exists = client.subscriptions.contains_key(name);
        if let Some(group) = &name.group {
            let shared = SharedName { group: Some(group.clone()), name: name.pattern.clone() };
            let exists = self.shared.contains_key(&shared);
            return Place { address: &name.pattern, queue: format!("{group}.{}", name.pattern), is_own: true, exists };
        }
        if let Some((address, queue)) = self.declared_place(name) {
            return Place { address, queue: queue.to_string(), is_own: false, exists: true };
        }
        Place { address: &name.pattern, queue: format!("{}.{}", client.client_id, name.pattern), is_own: true, exists }
    }

    fn check(
        &mut self,
        connection: ConnectionKey,
        key: ConsumerKey,
        place: &Place<'_>,
        wanted: &[Permission],
    ) -> Result<(), Refusal> {
        if self.internal.holds(place.address) {
            self.bounds.subscribes_denied.refuse();
            self.tell_denied(connection, Permission::Consume, place.address);
            return Err(Refusal::NotAuthorized);
        }
        for permission in wanted {
            if !self.may_on_queue(key, place.address, &place.queue, *permission) {
                self.bounds.subscribes_denied.refuse();
                self.tell_denied(connection, *permission, place.address);
                return Err(Refusal::NotAuthorized);
            }
        }
        Ok(())
    }

    /// Whether the newcomer on a connection may leave the will it asks for.
    pub(super) fn check_will(&mut self, connection: ConnectionKey, open: &Open) -> Result<(), Denial> {
        let Some(will) = &open.will else { return Ok(()) };
        let address = &*will.posting.address;
        let principal = self.connections[connection.index()].principal.as_deref();
        let may = !self.internal.holds(address)
            && principal
                .is_some_and(|principal| self.may_as_newcomer(principal, &open.client_id, Permission::Send, address));
        if may {
            return Ok(());
        }
        self.bounds.connects_denied.refuse();
        self.tell_denied(connection, Permission::Send, address);
        Err(Denial::NotAuthorized)
    }

    /// Tells operators what was denied, less and less often where one client asks again and again.
    pub(super) fn tell_denied(&mut self, connection: ConnectionKey, permission: Permission, address: &str) {
        let connection = &mut self.connections[connection.index()];
        connection.denials = connection.denials.saturating_add(1);
        if !is_told(connection.denials) {
            return;
        }
        let of_client = connection.client.map(|client| self.clients[client.index()].user());
        let user = of_client.or(connection.principal.as_ref().map(|principal| principal.user())).unwrap_or_default();
        let name = permission.name().to_uppercase();
        tracing::warn!("AMQ229032: User: {user} does not have permission='{name}' on address {address}");
    }
}

fn is_told(denials: u32) -> bool {
    denials <= TOLD_MAX || denials.is_power_of_two()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rabbitmq_2941_denials_are_told_less_and_less_often() {
        let told = (1..=100_000).filter(|count| is_told(*count)).count();
        assert_eq!((told, (1..=TOLD_MAX).all(is_told)), (23, true));
    }
}
