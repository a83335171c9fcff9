//! TLS with stores as people make them, by keytool and openssl, and clients as people have them.
#![expect(clippy::unwrap_used, reason = "a failed test is told by its panic")]

#[path = "tls/browser.rs"]
mod browser;
#[path = "tls/client.rs"]
mod client;
#[path = "tls/formats.rs"]
mod formats;
#[path = "tls/hostile.rs"]
mod hostile;
#[path = "tls/login.rs"]
mod login;
#[path = "tls/mistakes.rs"]
mod mistakes;
#[path = "tls/mutual.rs"]
mod mutual;
#[path = "tls/names.rs"]
mod names;
#[path = "tls/negotiation.rs"]
mod negotiation;
#[path = "clients/python.rs"]
mod python;
#[path = "tls/reload.rs"]
mod reload;
#[path = "tls/stores.rs"]
mod stores;
#[path = "clients/support/mod.rs"]
mod support;
