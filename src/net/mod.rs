//! Sockets: one thread, one current-thread runtime, the engine in its midst. Connections that are ready are read one
//! after the other; then every connection that got something is written once.

mod acceptor;
mod authentication;
mod authenticators;
mod clock;
mod connection;
mod control;
mod gate;
mod link;
mod outflow;
mod prefixed;
mod reactor;
mod reconfigure;
mod refusals;
pub mod tls;
mod transport;
mod turns;
mod websocket;

pub use acceptor::{Acceptor, Listener, Tls, Total};
pub use authenticators::Authenticators;
pub use clock::Clock;
pub use gate::GateOptions;
pub use reactor::{Reactor, Stopped};
