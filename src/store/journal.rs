use std::io;
use std::path::PathBuf;

use super::Batch;

/// Called for each key and value of a scan; an error ends the scan and is returned by it.
pub type Visit<'a> = dyn FnMut(&[u8], &[u8]) -> Result<(), JournalError> + 'a;

/// Where completions arrive, in order of tickets, on any thread.
///
/// It is called by the journal itself: it must not block and must not call the journal.
pub type Notify = Box<dyn Fn(Completion) + Send + Sync>;

/// Group-commit log of live keys. After a crash it holds every committed batch whole, and no part of any other batch
/// unless all batches before it are there too.
pub trait Journal: Send {
    /// Hands over `batch`; tickets ascend, several may be outstanding, an empty batch completes in its turn.
    ///
    /// Never blocks and never reports durability itself: that arrives as a [`Completion`]. The caller bounds the bytes
    /// that are outstanding.
    fn append(&mut self, ticket: u64, batch: Batch);

    /// Visits the keys that begin with `prefix`, ascending. Only at recovery, before the first append.
    ///
    /// # Errors
    /// What `visit` returned, or a damaged or unreadable journal.
    fn scan(&mut self, prefix: &[u8], visit: &mut Visit<'_>) -> Result<(), JournalError>;

    /// Waits until all outstanding batches are committed and reported, makes everything durable, closes.
    ///
    /// # Errors
    /// [`JournalError::Poisoned`] when a commit has failed, now or earlier.
    fn close(self: Box<Self>) -> Result<(), JournalError>;
}

/// What became of appended batches.
#[derive(Debug, PartialEq, Eq)]
pub enum Completion {
    /// The batch of this ticket and all before it are as durable as the journal makes them; `batch` is emptied, for
    /// reuse.
    Committed { ticket: u64, batch: Batch },
    /// A commit failed: reported once, nothing later is written or reported. Which of the outstanding batches are on
    /// disk is unknown, so the process must stop and recover.
    Failed { error: String },
}

/// Why a journal cannot be opened, read or closed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// A file or directory could not be used.
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    /// Another broker uses the data directory.
    #[error("the data directory {} is in use by another broker (process {owner}); stop it first", path.display())]
    InUse { path: PathBuf, owner: String },
    /// The journal was written in a format this version does not read.
    #[error("{} holds a journal of format {found}, this version reads format {expected}", path.display())]
    Format { path: PathBuf, found: String, expected: String },
    /// The storage engine failed or found damage.
    #[error("journal storage: {0}")]
    Storage(String),
    /// A commit failed; nothing was written after it.
    #[error("the journal stopped at a failed commit: {0}")]
    Poisoned(String),
    /// The visitor of a scan refused a key or value.
    #[error("journal record: {0}")]
    Record(String),
}

impl JournalError {
    pub(super) fn file(path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self::File { path: path.into(), source }
    }
}
