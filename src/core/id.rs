//! Keys, tickets and time.

/// Milliseconds since 1970 by a clock that never goes back while the process lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct Time(pub u64);

impl Time {
    /// The time `ms` milliseconds later; saturates.
    pub fn after(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` to this time; zero if it lies later.
    pub fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// Number of a journal batch: what waits for it may leave when that batch is durable. `NONE` is always durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct Ticket(pub u64);

impl Ticket {
    pub const NONE: Self = Self(0);
}

/// Who sent a message: one number for each client id, in all of its lives and after a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Publisher(u64);

impl Publisher {
    /// Set in every number that stands for a client id; those of earlier versions stood for one life of it.
    const IS_CLIENT_ID: u64 = 1 << 63;

    /// From a digest of the client id.
    pub fn of_digest(digest: u64) -> Self {
        Self(digest | Self::IS_CLIENT_ID)
    }

    /// From the journal; `Err` has the number of a client's life.
    pub fn from_number(number: u64) -> Result<Self, u64> {
        if number & Self::IS_CLIENT_ID == 0 { Err(number) } else { Ok(Self(number)) }
    }

    pub fn number(self) -> u64 {
        self.0
    }
}

macro_rules! key {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u32);

        impl $name {
            /// Position in the slab that holds the thing.
            pub fn index(self) -> usize {
                self.0 as usize
            }
        }

        impl From<usize> for $name {
            fn from(index: usize) -> Self {
                Self(u32::try_from(index).expect("a slab holds less than 2^32 things"))
            }
        }
    };
}

key!(/// A queue of the running broker.
    QueueKey);
key!(/// A binding of the running broker.
    BindingKey);
key!(/// A consumer: the client that takes messages from queues.
    ConsumerKey);
key!(/// A message handed to a consumer and not settled yet, within its queue.
    DeliveryKey);
