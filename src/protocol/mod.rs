//! What a protocol session and the broker say to each other. A session turns bytes into [`Request`]s and [`Event`]s into
//! bytes; it touches no socket, no queue, no file and no clock.

pub mod detect;
pub mod mqtt;
pub mod output;

use std::fmt;
use std::hash::{DefaultHasher, Hasher};
use std::rc::Rc;

use crate::core::binding::Grant;
use crate::core::id::{DeliveryKey, QueueKey, Ticket, Time};
use crate::core::message::{Guarantee, Message, Posting, Properties};
use output::Output;

/// What a session is lent while it works.
pub struct Context<'a> {
    pub now: Time,
    /// Everything up to this ticket is durable.
    pub committed: Ticket,
    pub out: &'a mut Output,
    pub scratch: &'a mut Scratch,
}

/// Buffers and caches that all sessions of one engine share.
#[derive(Debug)]
pub struct Scratch {
    /// Lent to a publish for its address and given back.
    pub address: String,
    pub mqtt: mqtt::Fanout,
    seed: u64,
    drawn: u64,
}

impl Scratch {
    /// `seed` makes assigned client ids unpredictable.
    pub fn new(seed: u64) -> Self {
        Self { address: String::new(), mqtt: mqtt::Fanout::default(), seed, drawn: 0 }
    }

    /// The next number of a sequence that the seed decides. Clients see it, so that it must tell nothing of the seed or of
    /// what is told to others: a keyed hash of its place.
    pub fn random(&mut self) -> u64 {
        let mut hasher = DefaultHasher::new();
        hasher.write_u64(self.seed);
        hasher.write_u64(self.drawn);
        self.drawn += 1;
        hasher.finish()
    }
}

/// The connection is over. What had to be said to the peer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// For the log.
    pub why: &'static str,
    /// The client did not take its leave: its will is due.
    pub abnormal: bool,
}

/// Numbers what a session owes its peer, in the order it owes it.
pub type Token = u64;

/// How long a client's state outlives its connection: seconds, or for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expiry(pub u32);

impl Expiry {
    pub const AT_DISCONNECT: Self = Self(0);
    pub const NEVER: Self = Self(u32::MAX);

    /// When a client that leaves at `now` is gone; `None` is never.
    pub fn ends(self, now: Time) -> Option<Time> {
        (self != Self::NEVER).then(|| now.after(u64::from(self.0) * 1000))
    }
}

/// What a session asks of the broker.
#[derive(Debug)]
pub enum Request<'a> {
    Authenticate(Box<Authenticate>),
    Open(Box<Open>),
    Publish(Publish<'a>),
    Subscribe {
        token: Token,
        subscriptions: Vec<Subscription>,
    },
    Unsubscribe {
        token: Token,
        subscriptions: Vec<SubscriptionName>,
    },
    /// A delivery's fate; `token` waits for [`Event::Settled`].
    Settle {
        delivery: DeliveryRef,
        handle: u16,
        outcome: Outcome,
        token: Option<Token>,
    },
    /// The sender will not repeat the exactly-once message of this number, which may not be known.
    Release {
        handle: u16,
        known: bool,
        token: Token,
    },
    /// An orderly end, perhaps with another expiry, perhaps asking for the will all the same.
    Close {
        expiry: Option<Expiry>,
        will: bool,
    },
}

/// Who a client says it is.
pub struct Authenticate {
    pub client_id: String,
    pub username: Option<String>,
    pub password: Option<Vec<u8>>,
    pub protocol: &'static str,
    pub will: Option<WillNotice>,
}

/// What a will is, without what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WillNotice {
    pub address: Box<str>,
    pub guarantee: Guarantee,
    pub retain: bool,
}

impl fmt::Debug for Authenticate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { client_id, username, protocol, .. } = self;
        f.debug_struct("Authenticate")
            .field("client_id", client_id)
            .field("username", username)
            .field("protocol", protocol)
            .finish_non_exhaustive()
    }
}

/// An authenticated client's wish for its state.
#[derive(Debug)]
pub struct Open {
    pub client_id: Rc<str>,
    /// Nothing of an earlier life is wanted.
    pub clean: bool,
    pub expiry: Expiry,
    pub will: Option<Will>,
    /// Silence after which the connection is dead; 0 is never.
    pub silence_ms: u64,
    /// Whether it may take the place of a connection with the same client id.
    pub may_take_over: bool,
}

/// Sent when its client is gone.
#[derive(Debug, Clone, PartialEq)]
pub struct Will {
    pub posting: Posting,
    pub delay_ms: u64,
}

/// A message from a client.
#[derive(Debug)]
pub struct Publish<'a> {
    /// In the core's syntax; the buffer belongs to [`Scratch::address`].
    pub address: String,
    pub payload: &'a [u8],
    pub properties: Option<Box<Properties>>,
    pub guarantee: Guarantee,
    pub retain: bool,
    pub expires: Option<Time>,
    /// The sender's number for it, remembered until released, where it must count once.
    pub handle: Option<u16>,
    /// Absent where nothing is owed.
    pub token: Option<Token>,
}

/// Names a subscription of a client, or of a group of clients.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SubscriptionName {
    pub group: Option<Box<str>>,
    /// In the core's syntax.
    pub pattern: Rc<str>,
}

/// A subscription asked for.
#[derive(Debug)]
pub struct Subscription {
    pub name: SubscriptionName,
    pub grant: Grant,
    pub exclude_own: bool,
    pub retained: RetainedWish,
    /// It is not taken, whoever asks.
    pub refused: Option<Refusal>,
}

/// Whether a subscription wants the last values that are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetainedWish {
    Always,
    IfNew,
    Never,
}

/// Why the broker will not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    NotAuthorized,
    AddressInvalid,
    QuotaExceeded,
}

/// Why a client is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denial {
    BadCredentials,
    NotAuthorized,
    InvalidClientId,
    Banned,
    /// Another connection has the client id and keeps it.
    InUse,
    Unavailable,
    Busy,
    /// There are as many as there may be.
    QuotaExceeded,
    /// Too many connect in a short time.
    TooOften,
}

/// Where a delivery's entry is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeliveryRef {
    pub queue: QueueKey,
    /// Tells a queue from a later one at the same place.
    pub queue_id: u64,
    pub key: DeliveryKey,
}

impl DeliveryRef {
    /// Refers to nothing.
    pub const NONE: Self = Self { queue: QueueKey(u32::MAX), queue_id: 0, key: DeliveryKey(u32::MAX) };
}

/// What became of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Done.
    Accepted,
    /// The receiver has it, and its number until [`Outcome::Completed`].
    Received,
    /// The exactly-once exchange is over.
    Completed,
}

/// A message for a client.
#[derive(Debug)]
pub struct Delivery<'a> {
    pub at: DeliveryRef,
    pub message: &'a Message,
    pub grant: &'a Grant,
    pub guarantee: Guarantee,
    pub retained: bool,
    pub redelivered: bool,
    /// The number to send it under, if that is settled.
    pub handle: Option<u16>,
}

/// What a session did with a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivered {
    /// Sent, and with a guarantee kept until settled.
    Sent,
    /// The client does not take messages of this size: as good as settled.
    Oversized,
}

/// How a client is let in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Admitted {
    /// Its client id, where that is not the one it sent.
    pub client_id: Option<String>,
    /// The most that this client may have, where its acceptor allows more: bytes of a packet, deliveries with a guarantee on
    /// the way to it, seconds for which its state is kept.
    pub packet_bytes: Option<u32>,
    pub in_flight: Option<u16>,
    pub expiry_s: Option<u32>,
}

/// What the broker tells a session.
#[derive(Debug)]
pub enum Event {
    Authenticated(Result<Admitted, Denial>),
    /// Exactly-once messages received and not released, with what their acknowledgement waits for.
    Opened {
        present: bool,
        received: Vec<(u16, Ticket)>,
        ticket: Ticket,
    },
    /// The state asked for is not to be had.
    NotOpened(Denial),
    /// Whether any subscription matched, or why it was refused.
    Published {
        token: Token,
        result: Result<bool, Refusal>,
        ticket: Ticket,
    },
    Subscribed {
        token: Token,
        results: Vec<Result<Guarantee, Refusal>>,
        ticket: Ticket,
    },
    /// Whether each subscription had existed, or why it stays.
    Unsubscribed {
        token: Token,
        results: Vec<Result<bool, Refusal>>,
        ticket: Ticket,
    },
    /// A message for which nothing is owed was refused.
    Dropped(Refusal),
    Settled {
        token: Token,
        ticket: Ticket,
    },
    Released {
        token: Token,
        ticket: Ticket,
    },
    /// What this token waited for needs no disk any more.
    Elided {
        token: Token,
    },
    /// More is durable.
    Committed,
    /// An exactly-once delivery that the client has received, in an earlier connection.
    Resume {
        handle: u16,
        ticket: Ticket,
    },
    Close(Closing),
}

/// Why the broker ends a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closing {
    TakenOver,
    ShuttingDown,
    Silent,
    Slow,
    Administrative,
    NotAuthorized,
    /// The connection has lasted as long as it may.
    TimeOver,
    Fault,
}

/// A delivery under way when a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InFlight {
    pub handle: u16,
    /// `None` once received: only its number is still taken.
    pub delivery: Option<DeliveryRef>,
}

/// What outlives a session's connection.
#[derive(Debug, Default)]
pub struct Saved {
    pub received: Vec<(u16, Ticket)>,
    /// In the order they were sent.
    pub in_flight: Vec<InFlight>,
}

/// One client's side of a protocol, for one connection. Every call may write to `cx.out`.
pub trait Session {
    /// Length of the first frame of `input`, once that can be told. An error is answered by [`Session::receive`] later;
    /// here it only ends the connection.
    fn frame_length(&mut self, input: &[u8], cx: &mut Context<'_>) -> Result<Option<usize>, Ended>;

    /// Works through one whole frame.
    fn receive<'f>(&mut self, frame: &'f [u8], cx: &mut Context<'_>) -> Result<Option<Request<'f>>, Ended>;

    /// Takes an answer or a notice.
    fn notify(&mut self, event: Event, cx: &mut Context<'_>) -> Result<Option<Request<'static>>, Ended>;

    /// Sends a message.
    fn deliver(&mut self, delivery: &Delivery<'_>, cx: &mut Context<'_>) -> Delivered;

    /// Deliveries with a guarantee that it takes now.
    fn window(&self) -> usize;

    /// Takes a number for a delivery that is sent later.
    fn reserve(&mut self) -> Option<u16>;

    /// Gives a number back under which nothing was sent.
    fn unreserve(&mut self, handle: u16);

    /// What the next connection goes on with.
    fn save(&mut self) -> Saved;
}

#[cfg(test)]
mod tests {
    use super::Scratch;

    const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

    fn mix(state: u64) -> u64 {
        let z = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn unmix(number: u64) -> u64 {
        let z = (number ^ (number >> 31) ^ (number >> 62)).wrapping_mul(0x3196_42B2_D24D_8EC3);
        let z = (z ^ (z >> 27) ^ (z >> 54)).wrapping_mul(0x96DE_1B17_3F11_9089);
        z ^ (z >> 30) ^ (z >> 60)
    }

    #[test]
    fn a_number_tells_nothing_of_the_seed_or_of_the_next() {
        let (mut scratch, mut same) = (Scratch::new(7), Scratch::new(7));
        let numbers: Vec<_> = (0..100).map(|_| scratch.random()).collect();
        assert!(numbers.iter().all(|number| *number == same.random()));
        // As with SplitMix64, where one number is the key to all others.
        assert_eq!(unmix(mix(42)), 42);
        for (number, next) in numbers.iter().zip(&numbers[1..]) {
            assert_ne!(mix(unmix(*number).wrapping_add(STEP)), *next);
        }
        assert_ne!(unmix(numbers[0]).wrapping_sub(STEP), 7);
    }
}
