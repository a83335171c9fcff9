//! Addresses, queues and bindings. Knows no protocol, no socket, no disk and no clock.

pub mod address;
