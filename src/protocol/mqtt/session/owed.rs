//! Answers a client is owed: they leave in the order of what they answer, each once what it reports is durable.

use std::collections::VecDeque;

use crate::core::id::Ticket;
use crate::protocol::Token;
use crate::protocol::mqtt::codec::{Ack, AckKind, Properties, Property, Version};
use crate::protocol::mqtt::fault::ReasonCode;

/// Not answered by the broker yet.
const PENDING: Ticket = Ticket(u64::MAX);

/// Answers in order.
#[derive(Debug, Default)]
pub struct Owed {
    items: VecDeque<(Ticket, Item)>,
    first: Token,
}

/// One answer.
#[derive(Debug)]
pub struct Item {
    content: Content,
    /// It ends a QoS 1 exchange that the client began.
    pub ends_inbound: bool,
}

#[derive(Debug)]
enum Content {
    Ack { kind: AckKind, id: u16, reason: ReasonCode },
    Bytes(Box<[u8]>),
}

impl Owed {
    /// Adds an answer whose outcome is not known yet.
    pub fn push(&mut self, item: Item) -> Token {
        self.items.push_back((PENDING, item));
        self.first + self.items.len() as u64 - 1
    }

    /// The answer may leave once the ticket is durable.
    pub fn answer(&mut self, token: Token, ticket: Ticket) {
        if let Some((waits, _)) = self.get(token) {
            *waits = ticket;
        }
    }

    pub fn set_reason(&mut self, token: Token, to: ReasonCode) {
        if let Some((_, Item { content: Content::Ack { reason, .. }, .. })) = self.get(token) {
            *reason = to;
        }
    }

    /// Fills an answer that was pushed without content.
    pub fn set_bytes(&mut self, token: Token, bytes: Vec<u8>) {
        if let Some((_, item)) = self.get(token) {
            item.content = Content::Bytes(bytes.into());
        }
    }

    /// The packet id of an acknowledgement; 0 where there is none.
    pub fn packet_id(&mut self, token: Token) -> u16 {
        match self.get(token) {
            Some((_, Item { content: Content::Ack { id, .. }, .. })) => *id,
            _ => 0,
        }
    }

    /// The packet id that an answer without content keeps for now.
    pub fn kept_id(&mut self, token: Token) -> u16 {
        match self.get(token) {
            Some((_, Item { content: Content::Bytes(bytes), .. })) => {
                bytes.first_chunk().map_or(0, |id| u16::from_be_bytes(*id))
            }
            _ => 0,
        }
    }

    fn get(&mut self, token: Token) -> Option<&mut (Ticket, Item)> {
        let at = usize::try_from(token.checked_sub(self.first)?).ok()?;
        self.items.get_mut(at)
    }

    /// Whether not even the first answer of all, the CONNACK, has left.
    pub fn holds_the_first(&self) -> bool {
        self.first == 0 && !self.items.is_empty()
    }

    /// The first answer, if it may leave.
    pub fn next(&mut self, committed: Ticket) -> Option<Item> {
        if self.items.front()?.0 > committed {
            return None;
        }
        self.first += 1;
        self.items.pop_front().map(|(_, item)| item)
    }
}

impl Item {
    pub fn ack(kind: AckKind, id: u16, reason: ReasonCode) -> Self {
        Self { content: Content::Ack { kind, id, reason }, ends_inbound: kind == AckKind::PubAck }
    }

    /// An answer whose bytes come with its outcome.
    pub fn later() -> Self {
        Self { content: Content::Bytes(Box::default()), ends_inbound: false }
    }

    /// Appends the answer; a failure with its reason in words if the client wants that.
    pub fn encode(&self, version: Version, explains: bool, out: &mut Vec<u8>) {
        match &self.content {
            Content::Bytes(bytes) => out.extend_from_slice(bytes),
            Content::Ack { kind, id, reason } => {
                let mut properties = Vec::new();
                if let Some(words) = reason.words().filter(|_| explains && reason.is_error()) {
                    Property::ReasonString(words).encode(&mut properties);
                }
                let properties = Properties::from_encoded_unchecked(&properties);
                Ack { packet_id: *id, reason: *reason, properties }.encode(*kind, version, out);
            }
        }
    }
}
