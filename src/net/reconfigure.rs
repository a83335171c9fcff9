//! What the engine is told while it runs.

use super::Reactor;
use crate::core::settings::{AddressSettings, Hierarchy};
use crate::engine::DeclaredAddress;

impl Reactor {
    /// Other settings of addresses hold from now on, and what is declared and not there yet is made.
    pub fn reconfigure(&self, settings: Hierarchy<AddressSettings>, addresses: &[DeclaredAddress]) {
        let mut engine = self.engine.borrow_mut();
        engine.set_address_settings(settings);
        engine.declare_more(addresses);
        drop(engine);
        self.wake();
    }
}
