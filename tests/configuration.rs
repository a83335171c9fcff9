//! What the files of an instance say is what a running broker does, or refuses to do.
#![expect(clippy::unwrap_used, reason = "a failed test is told by its panic")]

#[path = "configuration/acceptors.rs"]
mod acceptors;
#[path = "configuration/addresses.rs"]
mod addresses;
#[path = "configuration/files.rs"]
mod files;
#[path = "configuration/includes.rs"]
mod includes;
#[path = "configuration/limits.rs"]
mod limits;
#[path = "configuration/refusals.rs"]
mod refusals;
#[path = "configuration/reload.rs"]
mod reload;
#[path = "configuration/security.rs"]
mod security;
#[path = "configuration/settings.rs"]
mod settings;
#[path = "configuration/startup.rs"]
mod startup;
#[path = "clients/support/mod.rs"]
mod support;
#[path = "configuration/users.rs"]
mod users;
