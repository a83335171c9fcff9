//! A multi-protocol message broker in the manner of Apache ActiveMQ Artemis.

pub mod config;
pub mod core;
pub mod protocol;
pub mod store;
pub mod engine;
pub mod security;
pub mod management;
