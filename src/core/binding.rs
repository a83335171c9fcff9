//! What ties a queue to an address.

use smallvec::SmallVec;
use std::rc::Rc;

use crate::core::id::{Publisher, QueueKey};
use crate::core::message::Guarantee;

/// What a binding asks for, carried to each message that comes through it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Grant {
    /// At most this.
    pub guarantee: Guarantee,
    /// Forward the sender's wish to retain as it was.
    pub keep_retain: bool,
    /// Numbers by which the receiver knows its bindings again.
    pub tags: SmallVec<[u32; 1]>,
}

impl Grant {
    /// One grant for a queue that several bindings lead to: the highest guarantee, and all of the rest.
    pub fn merge(&mut self, other: &Self) {
        self.guarantee = self.guarantee.max(other.guarantee);
        self.keep_retain |= other.keep_retain;
        self.tags.extend_from_slice(&other.tags);
    }
}

/// A queue's claim on the messages of the addresses that match a pattern.
#[derive(Debug, Clone)]
pub struct Binding {
    pub queue: QueueKey,
    pub pattern: Rc<str>,
    pub grant: Rc<Grant>,
    /// Leave out what this client itself sends.
    pub exclude: Option<Publisher>,
    /// One of the address's competing queues gets a message, rather than each of them.
    pub anycast: bool,
}
