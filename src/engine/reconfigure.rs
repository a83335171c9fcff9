//! What may change while the engine runs: settings of addresses, and what is declared.

use super::{DeclaredAddress, Engine};
use crate::core::settings::{AddressSettings, Hierarchy};

impl Engine {
    /// Other settings of addresses hold for what comes from now on, and for abandoned subscriptions from the next scan.
    pub fn set_address_settings(&mut self, settings: Hierarchy<AddressSettings>) {
        self.options.address_settings = settings;
        self.router.forget_routes();
    }

    /// Adds addresses, routing types and queues that are not declared yet. Nothing goes, and no queue changes.
    pub fn declare_more(&mut self, addresses: &[DeclaredAddress]) {
        for address in addresses {
            let declared = self.options.addresses.iter().flat_map(|declared| &declared.queues);
            let is_new = |name: &str| declared.clone().all(|(other, _)| &**other != name);
            let new: Vec<_> = address.queues.iter().filter(|(name, _)| is_new(name)).cloned().collect();
            for (name, durable) in &new {
                let queue = self.declared_queue(&address.name, name, *durable, address.is_anycast);
                // One that was declared before a restart is there for its messages only.
                if !self.router.bindings().any(|binding| binding.queue == queue) {
                    self.bind_declared(queue, &address.name, address.is_anycast);
                }
            }
            match self.options.addresses.iter_mut().find(|declared| declared.name == address.name) {
                Some(declared) => {
                    declared.is_anycast |= address.is_anycast;
                    declared.is_multicast |= address.is_multicast;
                    declared.queues.extend(new);
                }
                None => self.options.addresses.push(DeclaredAddress { queues: new, ..address.clone() }),
            }
        }
    }
}
