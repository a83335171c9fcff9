//! Answers a client is owed: they leave in the order of what they answer, each once what it reports is durable.

use std::collections::VecDeque;

use crate::core::id::Ticket;
use crate::protocol::Token;
use crate::protocol::mqtt::codec::{Ack, AckKind, Properties, Property, Version};
use crate::protocol::mqtt::fault::ReasonCode;

/// Not answered by the broker yet.
const PENDING: Ticket = Ticket(u64::MAX);

/// Answers looked at to see whether a packet id is taken.
const AWAITED_MAX: usize = 256;

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
    /// The packet id that is free once the answer has left; 0 for none.
    frees: u16,
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

    /// The packet id of a PUBREC; 0 where there is none.
    pub fn exchange_id(&mut self, token: Token) -> u16 {
        match self.get(token) {
            Some((_, Item { content: Content::Ack { id, kind: AckKind::PubRec, .. }, .. })) => *id,
            _ => 0,
        }
    }

    /// What an answer without content keeps for now: a packet id, and the codes that are settled.
    pub fn kept(&mut self, token: Token) -> (u16, Box<[u8]>) {
        match self.get(token) {
            Some((_, Item { content: Content::Bytes(bytes), frees, .. })) => (*frees, std::mem::take(bytes)),
            _ => (0, Box::default()),
        }
    }

    /// Whether a packet with this id is not answered yet, as far as that is found among the last answers owed.
    pub fn awaits(&self, packet_id: u16) -> bool {
        self.items.iter().rev().take(AWAITED_MAX).any(|(_, item)| item.frees == packet_id)
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
        let ends_inbound = kind == AckKind::PubAck;
        Self { content: Content::Ack { kind, id, reason }, ends_inbound, frees: if ends_inbound { id } else { 0 } }
    }

    /// An answer whose bytes come with its outcome.
    pub fn later() -> Self {
        Self::later_with(0, &[])
    }

    /// An answer whose bytes come with its outcome, to a packet with an id; some codes are settled.
    pub fn later_with(id: u16, codes: &[u8]) -> Self {
        Self { content: Content::Bytes(codes.into()), ends_inbound: false, frees: id }
    }

    /// Appends the answer; a failure with its reason in words, if that makes no more than `room` bytes.
    pub fn encode(&self, version: Version, room: usize, out: &mut Vec<u8>) {
        match &self.content {
            Content::Bytes(bytes) => out.extend_from_slice(bytes),
            Content::Ack { kind, id, reason } => {
                let from = out.len();
                let mut properties = Vec::new();
                if let Some(words) = reason.words().filter(|_| room > 0 && reason.is_error()) {
                    Property::ReasonString(words).encode(&mut properties);
                }
                let mut ack = Ack::new(*id, *reason);
                ack.properties = Properties::from_encoded_unchecked(&properties);
                ack.encode(*kind, version, out);
                if out.len() - from > room && !properties.is_empty() {
                    out.truncate(from);
                    Ack::new(*id, *reason).encode(*kind, version, out); // [MQTT-3.4.2-2]
                }
            }
        }
    }
}
