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
