//! What every journal must do, whatever it is made of.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;
use std::{env, fs, process};

use super::{Batch, Completion, Journal, JournalError, Notify};

const PATIENCE: Duration = Duration::from_secs(30);

/// Opens one and the same store, again after each close.
pub type Open = Box<dyn Fn(Notify) -> Box<dyn Journal>>;

/// Runs every case, each on a new store from `fresh`.
pub fn suite(fresh: &dyn Fn() -> Open) {
    keys_are_scanned_in_order(&Store::new(fresh));
    the_last_write_wins(&Store::new(fresh));
    deletes_remove(&Store::new(fresh));
    range_deletes_exclude_their_end(&Store::new(fresh));
    writes_after_a_range_delete_stay(&Store::new(fresh));
    tickets_come_back_in_order(&Store::new(fresh));
    empty_batches_complete(&Store::new(fresh));
    large_batches_are_whole(&Store::new(fresh));
    close_commits_what_is_outstanding(&Store::new(fresh));
    an_error_of_the_visitor_ends_the_scan(&Store::new(fresh));
}

struct Store(Open);

struct Opened {
    journal: Box<dyn Journal>,
    completions: Receiver<Completion>,
}

impl Store {
    fn new(fresh: &dyn Fn() -> Open) -> Self {
        Self(fresh())
    }

    fn open(&self) -> Opened {
        let (notify, completions) = collect();
        Opened { journal: (self.0)(notify), completions }
    }

    /// Writes one batch after another, each committed before the next, and closes.
    fn write(&self, batches: &[&dyn Fn(&mut Batch)]) {
        let mut opened = self.open();
        for (ticket, fill) in batches.iter().enumerate() {
            let mut batch = Batch::new();
            fill(&mut batch);
            opened.journal.append(ticket as u64, batch);
            assert_eq!(opened.committed(), ticket as u64);
        }
        opened.journal.close().unwrap();
    }

    /// The keys and values below `prefix`, joined as text, from a journal opened for it.
    fn contents(&self, prefix: &[u8]) -> String {
        let mut opened = self.open();
        let mut found = Vec::new();
        let mut visit = |key: &[u8], value: &[u8]| {
            found.push([String::from_utf8_lossy(key), String::from_utf8_lossy(value)].join("="));
            Ok(())
        };
        opened.journal.scan(prefix, &mut visit).unwrap();
        opened.journal.close().unwrap();
        found.join(" ")
    }
}

impl Opened {
    fn committed(&self) -> u64 {
        match self.completions.recv_timeout(PATIENCE) {
            Ok(Completion::Committed { ticket, batch }) => {
                assert!(batch.is_empty(), "a batch comes back emptied");
                ticket
            }
            other => panic!("expected a ticket, got {other:?}"),
        }
    }
}

fn keys_are_scanned_in_order(store: &Store) {
    store.write(&[&|batch| {
        for key in ["qb", "r", "q\u{0}", "q", "p", "qa"] {
            batch.put(key.as_bytes(), b"1");
        }
    }]);
    assert_eq!(store.contents(b"q"), "q=1 q\u{0}=1 qa=1 qb=1");
    assert_eq!(store.contents(b""), "p=1 q=1 q\u{0}=1 qa=1 qb=1 r=1");
    assert_eq!(store.contents(b"s"), "");
}

fn the_last_write_wins(store: &Store) {
    store.write(&[
        &|batch| {
            batch.put(b"a", b"1");
            batch.put(b"a", b"2");
            batch.delete(b"b");
            batch.put(b"b", b"1");
        },
        &|batch| batch.put(b"b", b"2"),
    ]);
    assert_eq!(store.contents(b""), "a=2 b=2");
}

fn deletes_remove(store: &Store) {
    store.write(&[
        &|batch| {
            batch.put(b"a", b"1");
            batch.put(b"b", b"1");
            batch.put(b"c", b"1");
            batch.delete(b"c");
        },
        &|batch| {
            batch.delete(b"a");
            batch.delete(b"absent");
        },
    ]);
    assert_eq!(store.contents(b""), "b=1");
}

fn range_deletes_exclude_their_end(store: &Store) {
    let put = |batch: &mut Batch| {
        for key in [b"a1", b"a2", b"a3", b"a4"] {
            batch.put(key, b"1");
        }
    };
    store.write(&[&put, &|batch| batch.delete_range(b"a2", b"a4")]);
    assert_eq!(store.contents(b""), "a1=1 a4=1");
}

fn writes_after_a_range_delete_stay(store: &Store) {
    store.write(&[&|batch| {
        batch.put(b"a1", b"1");
        batch.delete_range(b"a", b"b");
        batch.put(b"a2", b"1");
    }]);
    assert_eq!(store.contents(b""), "a2=1");
}

fn tickets_come_back_in_order(store: &Store) {
    let mut opened = store.open();
    let tickets = (0..200).map(|ticket| ticket * 3);
    for ticket in tickets.clone() {
        let mut batch = Batch::new();
        batch.put(format!("k{:03}", ticket % 7).as_bytes(), ticket.to_string().as_bytes());
        opened.journal.append(ticket, batch);
    }
    for ticket in tickets {
        assert_eq!(opened.committed(), ticket);
    }
    opened.journal.close().unwrap();
    assert_eq!(store.contents(b"k000"), "k000=588");
}

fn empty_batches_complete(store: &Store) {
    store.write(&[&|_| (), &|batch| batch.put(b"a", b"1"), &|_| ()]);
    assert_eq!(store.contents(b""), "a=1");
}

fn large_batches_are_whole(store: &Store) {
    const KEYS: u32 = 6_000;
    const VALUE_BYTES: usize = 1024;
    store.write(&[&|batch| {
        for key in 0..KEYS {
            batch.put_with(&[b"n".as_slice(), &key.to_be_bytes()].concat(), |value| {
                value.extend_from_slice(&[key as u8; VALUE_BYTES]);
            });
        }
    }]);
    let mut opened = store.open();
    let mut next = 0_u32;
    let mut visit = |key: &[u8], value: &[u8]| {
        assert_eq!(key[1..], next.to_be_bytes());
        assert_eq!(value, [next as u8; VALUE_BYTES]);
        next += 1;
        Ok(())
    };
    opened.journal.scan(b"n", &mut visit).unwrap();
    assert_eq!(next, KEYS);
}

fn close_commits_what_is_outstanding(store: &Store) {
    let mut opened = store.open();
    for ticket in 0..50 {
        let mut batch = Batch::new();
        batch.put(b"last", ticket.to_string().as_bytes());
        opened.journal.append(ticket, batch);
    }
    opened.journal.close().unwrap();
    assert_eq!(opened.completions.try_iter().count(), 50);
    assert_eq!(store.contents(b""), "last=49");
}

fn an_error_of_the_visitor_ends_the_scan(store: &Store) {
    store.write(&[&|batch| {
        batch.put(b"a", b"1");
        batch.put(b"b", b"1");
    }]);
    let mut visited = 0;
    let mut visit = |_: &[u8], _: &[u8]| {
        visited += 1;
        Err(JournalError::Record("unreadable".to_owned()))
    };
    let result = store.open().journal.scan(b"", &mut visit);
    assert!(matches!(result, Err(JournalError::Record(text)) if text == "unreadable"));
    assert_eq!(visited, 1);
}

/// A sink for completions that nobody reads.
pub fn ignore() -> Notify {
    Box::new(|_| ())
}

/// A sink that keeps completions, and the reader's end.
pub fn collect() -> (Notify, Receiver<Completion>) {
    let (sender, receiver) = mpsc::channel();
    (Box::new(move |completion| drop(sender.send(completion))), receiver)
}

/// An empty directory of its own for one test, removed with the value.
pub struct TestDirectory(PathBuf);

impl TestDirectory {
    pub fn new(name: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("artemis-{name}-{}-{}", process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TestDirectory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
