//! MQTT 3.1, 3.1.1 and 5.

mod bounds;
pub mod codec;
mod convert;
mod fanout;
pub mod fault;
mod session;
pub mod topic;
pub mod trace;

pub use bounds::{BoundNumbers, Bounds};
pub use fanout::Fanout;
pub use session::{Elsewhere, KeepAlive, Limits, MqttSession};
