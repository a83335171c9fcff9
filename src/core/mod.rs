//! Addresses, queues and bindings. Knows no protocol, no socket, no disk and no clock.

pub mod address;
pub mod binding;
pub mod id;
pub mod limit;
pub mod message;
pub mod queue;
pub mod retained;
pub mod router;
pub mod settings;
pub mod trie;
