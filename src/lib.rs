//! A multi-protocol message broker in the manner of Apache ActiveMQ Artemis.

#[cfg(feature = "rocksdb")]
pub mod broker;
#[cfg(feature = "rocksdb")]
pub mod cli;
pub mod config;
pub mod core;
pub mod engine;
pub mod keystore;
pub mod management;
pub mod net;
pub mod protocol;
pub mod security;
pub mod store;

#[cfg(test)]
mod sim;
