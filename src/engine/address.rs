//! Addresses: which exist, and queues of theirs that are called by a qualified name, `address::queue`.

use std::rc::Rc;

use super::client::Subscribed;
use super::{Engine, SharedName};
use crate::core::binding::Grant;
use crate::core::id::QueueKey;
use crate::core::message::Guarantee;
use crate::protocol::SubscriptionName;

/// Stands between an address and the name of a queue.
pub(super) const QUALIFIER: &str = "::";

/// A queue that a qualified name means, and what it asks for.
pub(super) struct Qualified {
    pub address: Rc<str>,
    pub queue: QueueKey,
    pub grant: Rc<Grant>,
}

impl Engine {
    /// Whether there is an address of this name: it is declared, something is bound to it, or it has a last value.
    pub(super) fn has_address(&self, name: &str) -> bool {
        self.options.addresses.iter().any(|declared| &*declared.name == name)
            || self.router.has_pattern(name)
            || self.retained.get(name).is_some()
    }

    /// Whether a subscription to it, or a message, may bring an address into being.
    pub(super) fn may_create(&self, name: &str) -> bool {
        self.options.address_settings.resolve(name).auto_create_addresses != Some(false)
    }

    /// What a name means if it is a qualified one: only then is there a queue of that name on the address.
    pub(super) fn qualified(&self, name: &str) -> Option<Qualified> {
        let (address, queue) = name.split_once(QUALIFIER)?;
        let whole = || Rc::new(Grant { guarantee: Guarantee::ExactlyOnce, ..Grant::default() });
        if let Some(queue) = self.several_take_from(address, queue) {
            return Some(Qualified { address: address.into(), queue, grant: whole() });
        }
        let client_id = self.prefix_of(queue, address)?;
        let client = &self.clients[self.by_id.get(client_id)?.index()];
        let name = SubscriptionName { group: None, pattern: address.into() };
        let Subscribed::Own(binding) = client.subscriptions.get(&name)? else { return None };
        let grant = self.router.binding(*binding).grant.clone();
        Some(Qualified { address: address.into(), queue: client.queue, grant })
    }

    /// The queue of this name on an address, if it is one that clients share.
    pub(super) fn several_take_from(&self, address: &str, queue: &str) -> Option<QueueKey> {
        if self.has_declared(address, queue) {
            return self.shared.get(&SharedName { group: None, name: queue.into() }).copied();
        }
        let group = self.prefix_of(queue, address)?;
        self.shared.get(&SharedName { group: Some(group.into()), name: address.into() }).copied()
    }

    /// Whether broker.xml declares this queue on the address.
    pub(super) fn has_declared(&self, address: &str, queue: &str) -> bool {
        let mut declared = self.options.addresses.iter().filter(|declared| &*declared.name == address);
        declared.any(|declared| declared.queues.iter().any(|declared| &*declared.name == queue))
    }

    /// What stands before the address in a queue's name, as `c1` in `c1.a.b` for `a.b`.
    fn prefix_of<'q>(&self, queue: &'q str, address: &str) -> Option<&'q str> {
        queue.strip_suffix(address)?.strip_suffix('.')
    }
}
