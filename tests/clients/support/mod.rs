//! What these tests share: programs, a broker of one's own, and a client that speaks in packets.

pub mod broker;
pub mod mqtt;
pub mod process;
