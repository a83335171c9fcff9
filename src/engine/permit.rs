//! What clients may subscribe to, and what of it they may be given: asked at the request, and again at each delivery that
//! a narrower setting may forbid.

use super::address::QUALIFIER;
use super::client::Subscribed;
use super::connection::ConnectionKey;
use super::{Engine, Owner, SharedName};
use crate::core::id::{ConsumerKey, QueueKey};
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
        if self.options.security.is_none() || !self.is_narrowed(key) || self.is_open_to(key, address) {
            return true;
        }
        let own = SubscriptionName { group: None, pattern: address.into() };
        let client = &self.clients[key.index()];
        matches!(client.subscriptions.get(&own), Some(Subscribed::Own(_))) && {
            let queue = self.place(key, &own).queue;
            self.may_on_queue(key, address, &queue, Permission::Consume)
        }
    }

    /// The same for a message that is in a queue, for which there may be a setting of its own.
    pub(super) fn may_take(&mut self, key: ConsumerKey, queue: QueueKey, address: &str) -> bool {
        if self.options.security.is_none() || !self.is_narrowed(key) {
            return true;
        }
        let kept = &self.queues[queue.index()];
        match &kept.owner {
            Owner::Declared if self.has_declared(address, &kept.queue.name) => {
                self.may_take_by_name(key, queue, address)
            }
            Owner::Declared => self.is_open_to(key, address),
            Owner::Shared(..) => self.is_open_to(key, address) || self.may_take_by_name(key, queue, address),
            // It may have come from one of those it shares.
            Owner::Client(_) => {
                self.may_receive(key, address) || {
                    let shared = self.clients[key.index()].memberships.clone();
                    shared.iter().any(|(queue, _)| self.may_take_by_name(key, *queue, address))
                }
            }
        }
    }

    /// Whether a queue of exactly this address is open to a client.
    fn may_take_by_name(&mut self, key: ConsumerKey, queue: QueueKey, address: &str) -> bool {
        let kept = &self.queues[queue.index()];
        let name = kept.queue.name.clone();
        let is_of_address = match &kept.owner {
            Owner::Client(_) => false,
            Owner::Shared(shared, _) => &*shared.name == address,
            Owner::Declared => self.has_declared(address, &name),
        };
        is_of_address && self.may_on_queue(key, address, &name, Permission::Consume)
    }

    fn is_open_to(&mut self, key: ConsumerKey, address: &str) -> bool {
        match self.router.known(address) {
            Some(route) => self.may(key, &route, Permission::Consume),
            None => self.may_on(key, address, Permission::Consume),
        }
    }

    /// A subscription more.
    pub(super) fn add_to_narrowness(&mut self, key: ConsumerKey, name: &SubscriptionName) {
        let known = self.clients[key.index()].narrowness;
        if self.options.security.is_some() && known.epoch == Some(self.classes.epoch) && !known.is_narrowed {
            self.clients[key.index()].narrowness.is_narrowed = self.may_be_narrowed(key, name);
        }
    }

    fn is_narrowed(&mut self, key: ConsumerKey) -> bool {
        if self.has_left_overs(key) {
            return true;
        }
        let known = self.clients[key.index()].narrowness;
        if known.epoch == Some(self.classes.epoch) {
            return known.is_narrowed;
        }
        let names: Vec<_> = self.clients[key.index()].subscriptions.keys().cloned().collect();
        let is_narrowed = names.iter().any(|name| self.may_be_narrowed(key, name));
        self.clients[key.index()].narrowness = Narrowness { epoch: Some(self.classes.epoch), is_narrowed };
        is_narrowed
    }

    /// What is said of the address of a queue, or of the queue, is not found by the pattern of a subscription to it.
    fn may_be_narrowed(&mut self, key: ConsumerKey, name: &SubscriptionName) -> bool {
        let subscribed = self.clients[key.index()].subscriptions.get(name);
        let is_to_a_queue = matches!(subscribed, Some(Subscribed::Member(_))) || name.pattern.contains(QUALIFIER);
        name.group.is_none() && is_to_a_queue || self.is_narrowed_by(key, &name.pattern)
    }

    /// Whether something may wait for the client that none of its subscriptions stands for any more.
    fn has_left_overs(&mut self, key: ConsumerKey) -> bool {
        let client = &mut self.clients[key.index()];
        client.has_left_overs &= !self.queues[client.queue.index()].queue.is_empty();
        client.has_left_overs
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
