//! Messages and what travels with them, in terms that every protocol shares.

use bytes::Bytes;
use std::cell::{Cell, OnceCell};
use std::rc::Rc;

use crate::core::id::{Publisher, Time};

/// How often a message may arrive: the lesser of what its sender and its receiver ask for holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Guarantee {
    #[default]
    AtMostOnce,
    AtLeastOnce,
    ExactlyOnce,
}

impl TryFrom<u8> for Guarantee {
    type Error = u8;

    fn try_from(value: u8) -> Result<Self, u8> {
        match value {
            0 => Ok(Self::AtMostOnce),
            1 => Ok(Self::AtLeastOnce),
            2 => Ok(Self::ExactlyOnce),
            other => Err(other),
        }
    }
}

/// A name that messages are sent to, shared by all that carry it.
#[derive(Debug)]
pub struct Address {
    name: Box<str>,
    /// The name in the words of a protocol that spells addresses its own way, worked out once.
    face: OnceCell<Box<str>>,
}

impl Address {
    pub fn new(name: &str) -> Self {
        Self { name: name.into(), face: OnceCell::new() }
    }

    /// The name in the core's syntax.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The protocol's spelling, made by `spell` at the first call.
    pub fn face(&self, spell: impl FnOnce(&str) -> Box<str>) -> &str {
        self.face.get_or_init(|| spell(&self.name))
    }
}

/// What a sender says about a payload; forwarded to receivers unchanged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Properties {
    pub payload_is_text: Option<bool>,
    pub content_type: Option<Box<str>>,
    pub reply_to: Option<Box<str>>,
    pub correlation: Option<Box<[u8]>>,
    /// Pairs in the sender's order.
    pub user: Vec<(Box<str>, Box<str>)>,
}

impl Properties {
    fn size(&self) -> usize {
        let text = |text: &Option<Box<str>>| text.as_deref().map_or(0, str::len);
        let correlation = self.correlation.as_deref().map_or(0, <[u8]>::len);
        let user: usize = self.user.iter().map(|(name, value)| name.len() + value.len() + 32).sum();
        128 + text(&self.content_type) + text(&self.reply_to) + correlation + user
    }
}

/// A message, immutable but for the count of queues that keep it durably.
#[derive(Debug)]
pub struct Message {
    /// Unique in this broker's life and across restarts.
    pub id: u64,
    pub address: Rc<Address>,
    pub payload: Bytes,
    pub properties: Option<Box<Properties>>,
    pub guarantee: Guarantee,
    /// The sender asked to keep it as the address's last value.
    pub retain: bool,
    /// The client that sent it, for bindings that exclude their own.
    pub publisher: Publisher,
    pub expires: Option<Time>,
    /// Queue entries that hold it in the journal.
    pub stored: Cell<u32>,
}

impl Message {
    /// Whether its time is over at `now`.
    pub fn is_expired(&self, now: Time) -> bool {
        self.expires.is_some_and(|at| at <= now)
    }

    /// Bytes it is accounted with.
    pub fn size(&self) -> usize {
        128 + self.address.name().len() + self.payload.len() + self.properties.as_deref().map_or(0, Properties::size)
    }
}

/// A message before it is sent: what a will keeps until its client is gone.
#[derive(Debug, Clone, PartialEq)]
pub struct Posting {
    pub address: Box<str>,
    pub payload: Bytes,
    pub properties: Option<Box<Properties>>,
    pub guarantee: Guarantee,
    pub retain: bool,
    /// Milliseconds it may live from the moment it is sent.
    pub lifetime_ms: Option<u64>,
}
