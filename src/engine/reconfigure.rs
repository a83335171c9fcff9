//! What may change while the engine runs: settings of addresses, and what is declared.

use std::collections::{HashMap, HashSet};

use super::{DeclaredAddress, DeclaredQueue, Engine, SharedName};
use crate::core::id::QueueKey;
use crate::core::settings::{AddressSettings, Hierarchy};

impl Engine {
    /// Other settings of addresses hold for what comes from now on, and for abandoned subscriptions from the next scan.
    pub fn set_address_settings(&mut self, settings: Hierarchy<AddressSettings>) {
        self.options.address_settings = settings;
        self.router.forget_routes();
    }

    /// Adds addresses, routing types and queues that are not declared yet. Nothing goes, and no queue changes.
    pub fn declare_more(&mut self, addresses: &[DeclaredAddress]) {
        let declared = self.options.addresses.iter();
        let mut queues: HashSet<_> =
            declared.clone().flat_map(|declared| &declared.queues).map(|queue| queue.name.clone()).collect();
        let mut places: HashMap<_, _> =
            declared.enumerate().map(|(at, declared)| (declared.name.clone(), at)).collect();
        for address in addresses {
            let new = address.queues.iter().filter(|queue| queues.insert(queue.name.clone())).cloned();
            let new: Vec<_> = new.collect();
            for DeclaredQueue { name, is_durable, is_anycast } in &new {
                // One that was declared before a restart is there for its messages only.
                let there = self.shared.get(&SharedName { group: None, name: name.clone() }).copied();
                let is_unbound = |queue: &QueueKey| !self.router.bindings().any(|binding| binding.queue == *queue);
                if let Some(queue) = there.filter(is_unbound) {
                    self.bind_declared(queue, &address.name, *is_anycast);
                }
                self.declared_queue(&address.name, name, *is_durable, *is_anycast);
            }
            let at = *places.entry(address.name.clone()).or_insert_with(|| {
                self.options.addresses.push(DeclaredAddress { queues: Vec::new(), ..address.clone() });
                self.options.addresses.len() - 1
            });
            let declared = &mut self.options.addresses[at];
            declared.is_anycast |= address.is_anycast;
            declared.is_multicast |= address.is_multicast;
            declared.queues.extend(new);
        }
    }
}
