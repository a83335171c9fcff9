use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use rocksdb::{DB, WriteBatch, WriteOptions};

use super::Options;
use crate::store::{Batch, Completion, JournalError, Notify, Op};

const GROUP_BYTES: usize = 4 * 1024 * 1024;

/// One appended batch on its way to the commit thread.
pub(super) struct Commit {
    pub ticket: u64,
    pub batch: Batch,
}

/// Writes what waits, one group after another, and reports each ticket in order.
pub(super) struct Committer {
    database: Arc<DB>,
    incoming: Receiver<Commit>,
    notify: Arc<Notify>,
    write: WriteOptions,
    sync: bool,
    flush_interval: Duration,
    unflushed_since: Option<Instant>,
}

impl Committer {
    pub fn new(options: &Options, database: Arc<DB>, incoming: Receiver<Commit>, notify: Arc<Notify>) -> Self {
        let mut write = WriteOptions::default();
        write.set_sync(options.sync);
        let (sync, flush_interval) = (options.sync, options.flush_interval);
        Self { database, incoming, notify, write, sync, flush_interval, unflushed_since: None }
    }

    /// Commits until the senders are gone, then makes everything durable.
    ///
    /// # Errors
    /// The first failure, after which nothing was written.
    pub fn run(mut self) -> Result<(), JournalError> {
        match self.commit_all() {
            Ok(()) => Ok(()),
            Err(error) => Err(self.poison(error)),
        }
    }

    fn commit_all(&mut self) -> Result<(), rocksdb::Error> {
        let mut group = Vec::new();
        while let Some(first) = self.wait()? {
            self.collect(first, &mut group);
            self.commit(&group)?;
            for Commit { ticket, mut batch } in group.drain(..) {
                batch.clear();
                (self.notify)(Completion::Committed { ticket, batch });
            }
        }
        self.database.flush_wal(true)
    }

    /// The next commit, or none when the journal closes; syncs what has waited for the flush interval meanwhile.
    fn wait(&mut self) -> Result<Option<Commit>, rocksdb::Error> {
        while let Some(since) = self.unflushed_since {
            let left = self.flush_interval.saturating_sub(since.elapsed());
            match self.incoming.recv_timeout(left) {
                Ok(commit) if !left.is_zero() => return Ok(Some(commit)),
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
                received => {
                    self.database.flush_wal(true)?;
                    self.unflushed_since = None;
                    if let Ok(commit) = received {
                        return Ok(Some(commit));
                    }
                }
            }
        }
        Ok(self.incoming.recv().ok())
    }

    fn collect(&self, first: Commit, group: &mut Vec<Commit>) {
        let mut bytes = first.batch.bytes();
        group.push(first);
        while bytes < GROUP_BYTES {
            let Ok(next) = self.incoming.try_recv() else {
                return;
            };
            bytes += next.batch.bytes();
            group.push(next);
        }
    }

    fn commit(&mut self, group: &[Commit]) -> Result<(), rocksdb::Error> {
        let bytes = group.iter().map(|commit| commit.batch.bytes()).sum();
        let mut merged = WriteBatch::with_capacity_bytes(bytes);
        for op in group.iter().flat_map(|commit| &commit.batch) {
            match op {
                Op::Put { key, value } => merged.put(key, value),
                Op::Delete { key } => merged.delete(key),
                Op::DeleteRange { from, to } => merged.delete_range(from, to),
            }
        }
        if merged.is_empty() {
            return Ok(());
        }
        self.database.write_opt(merged, &self.write)?;
        if !self.sync {
            self.unflushed_since.get_or_insert_with(Instant::now);
        }
        Ok(())
    }

    /// Reports the failure once, then takes and drops whatever still comes until the journal closes.
    fn poison(&self, error: rocksdb::Error) -> JournalError {
        let error = error.into_string();
        (self.notify)(Completion::Failed { error: error.clone() });
        self.incoming.iter().for_each(drop);
        JournalError::Poisoned(error)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{self, Sender};

    use super::super::database_options;
    use super::*;
    use crate::store::contract::{self, TestDirectory};

    fn batch(key: &[u8]) -> Batch {
        let mut batch = Batch::new();
        batch.put(key, b"1");
        batch
    }

    fn committer(options: &Options, notify: Notify) -> (Sender<Commit>, Committer) {
        let database = DB::open(&database_options(), &options.directory).unwrap();
        let (sender, incoming) = mpsc::channel();
        (sender, Committer::new(options, Arc::new(database), incoming, Arc::new(notify)))
    }

    #[test]
    fn a_failed_commit_is_reported_once_and_ends_writing() {
        let data = TestDirectory::new("poison");
        let (notify, completions) = contract::collect();
        let (sender, mut committer) = committer(&Options::new(data.path()), notify);
        // RocksDB refuses a synced write without its log.
        committer.write.disable_wal(true);
        for ticket in 1..=3 {
            sender.send(Commit { ticket, batch: batch(b"a") }).unwrap();
        }
        drop(sender);
        let database = Arc::clone(&committer.database);
        assert!(matches!(committer.run(), Err(JournalError::Poisoned(_))));
        assert!(matches!(completions.recv(), Ok(Completion::Failed { .. })));
        assert!(completions.recv().is_err());
        assert_eq!(database.get(b"a").unwrap(), None);
    }

    #[test]
    fn what_waits_forms_one_group_up_to_its_bound() {
        let data = TestDirectory::new("group");
        let (sender, committer) = committer(&Options::new(data.path()), contract::ignore());
        let mut large = Batch::new();
        large.put(b"a", &vec![0; GROUP_BYTES]);
        for batch in [batch(b"b"), large, batch(b"c")] {
            sender.send(Commit { ticket: 0, batch }).unwrap();
        }
        let mut group = Vec::new();
        committer.collect(Commit { ticket: 0, batch: batch(b"d") }, &mut group);
        assert_eq!(group.len(), 3);
        committer.collect(committer.incoming.recv().unwrap(), &mut group);
        assert_eq!(group.len(), 4);
    }

    #[test]
    fn unsynced_writes_are_flushed_after_the_interval() {
        let data = TestDirectory::new("flush");
        let options = Options { sync: false, flush_interval: Duration::ZERO, ..Options::new(data.path()) };
        let (sender, mut committer) = committer(&options, contract::ignore());
        committer.commit(&[Commit { ticket: 1, batch: batch(b"a") }]).unwrap();
        assert!(committer.unflushed_since.is_some());
        sender.send(Commit { ticket: 2, batch: batch(b"b") }).unwrap();
        assert_eq!(committer.wait().unwrap().map(|commit| commit.ticket), Some(2));
        assert!(committer.unflushed_since.is_none());
    }
}
