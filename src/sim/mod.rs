//! The broker without sockets, disk and clock: the engine, a journal that answers late and forgets at a crash, clients
//! that do what the standard asks, and a clock that a schedule moves. A seed decides the schedule; whatever it is, the
//! invariants of the [`oracle`] hold.

mod check;
mod client;
pub mod node;
mod oracle;
pub mod packet;
mod random;
mod world;

mod tests;
