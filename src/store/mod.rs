//! The journal: the live keys of one engine, kept on disk or in memory.
//!
//! A [`Batch`] of puts and deletes is appended under a ticket; the ticket comes back once the batch is durable.

mod batch;
mod journal;
mod lock;
mod memory;
pub mod record;
#[cfg(feature = "rocksdb")]
mod rocksdb;

#[cfg(test)]
pub mod contract;

pub use self::batch::{Batch, Op, Ops};
pub use self::journal::{Completion, Journal, JournalError, Notify, Visit};
pub use self::lock::DataLock;
pub use self::memory::MemoryJournal;
#[cfg(feature = "rocksdb")]
pub use self::rocksdb::{Options, RocksDbJournal};
