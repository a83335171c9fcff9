use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Batch, Completion, Journal, JournalError, Notify, Op, Visit};

/// A journal without a disk: for brokers without persistence, and for tests that answer late, crash or fail.
///
/// A clone is another handle on the same journal.
#[derive(Clone)]
pub struct MemoryJournal {
    state: Arc<Mutex<State>>,
    notify: Arc<Notify>,
}

struct State {
    keys: BTreeMap<Vec<u8>, Vec<u8>>,
    waiting: VecDeque<(u64, Batch)>,
    held: bool,
    failed: Option<String>,
}

impl MemoryJournal {
    /// An empty journal that commits within `append`, on the caller's thread.
    pub fn new(notify: Notify) -> Self {
        Self::with(BTreeMap::new(), false, notify)
    }

    /// An empty journal whose batches wait for [`complete_next`](Self::complete_next).
    pub fn held(notify: Notify) -> Self {
        Self::with(BTreeMap::new(), true, notify)
    }

    /// Commits and reports the oldest waiting batch; false if none waits.
    pub fn complete_next(&self) -> bool {
        let mut state = self.state();
        let Some((ticket, mut batch)) = state.waiting.pop_front() else {
            return false;
        };
        apply(&mut state.keys, &batch);
        batch.clear();
        drop(state);
        (self.notify)(Completion::Committed { ticket, batch });
        true
    }

    /// Commits and reports all waiting batches in order.
    pub fn complete_all(&self) {
        while self.complete_next() {}
    }

    /// Fails the waiting batches: reports `error`, writes nothing again.
    pub fn fail(&self, error: &str) {
        let mut state = self.state();
        state.waiting.clear();
        let first = state.failed.replace(error.to_owned()).is_none();
        drop(state);
        if first {
            (self.notify)(Completion::Failed { error: error.to_owned() });
        }
    }

    /// Number of batches that wait.
    pub fn waiting(&self) -> usize {
        self.state().waiting.len()
    }

    /// A journal of the same mode with what was committed; waiting batches are lost, this one no longer shares with it.
    pub fn crash(&self, notify: Notify) -> Self {
        let mut state = self.state();
        state.waiting.clear();
        Self::with(state.keys.clone(), state.held, notify)
    }

    fn with(keys: BTreeMap<Vec<u8>, Vec<u8>>, held: bool, notify: Notify) -> Self {
        let state = State { keys, waiting: VecDeque::new(), held, failed: None };
        Self { state: Arc::new(Mutex::new(state)), notify: Arc::new(notify) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Journal for MemoryJournal {
    fn append(&mut self, ticket: u64, batch: Batch) {
        let mut state = self.state();
        if state.failed.is_some() {
            return;
        }
        state.waiting.push_back((ticket, batch));
        let held = state.held;
        drop(state);
        if !held {
            self.complete_all();
        }
    }

    fn scan(&mut self, prefix: &[u8], visit: &mut Visit<'_>) -> Result<(), JournalError> {
        let state = self.state();
        state
            .keys
            .range(prefix.to_vec()..)
            .take_while(|(key, _)| key.starts_with(prefix))
            .try_for_each(|(key, value)| visit(key, value))
    }

    fn close(self: Box<Self>) -> Result<(), JournalError> {
        self.complete_all();
        let failed = self.state().failed.clone();
        match failed {
            Some(error) => Err(JournalError::Poisoned(error)),
            None => Ok(()),
        }
    }
}

fn apply(keys: &mut BTreeMap<Vec<u8>, Vec<u8>>, batch: &Batch) {
    for op in batch {
        match op {
            Op::Put { key, value } => drop(keys.insert(key.to_vec(), value.to_vec())),
            Op::Delete { key } => drop(keys.remove(key)),
            Op::DeleteRange { from, to } => drop(keys.extract_if(from.to_vec()..to.to_vec(), |_, _| true).count()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::super::contract;
    use super::*;

    fn batch(key: &[u8]) -> Batch {
        let mut batch = Batch::new();
        batch.put(key, b"1");
        batch
    }

    fn keys(journal: &mut MemoryJournal) -> Vec<Vec<u8>> {
        let mut keys = Vec::new();
        let mut visit = |key: &[u8], _: &[u8]| {
            keys.push(key.to_vec());
            Ok(())
        };
        journal.scan(b"", &mut visit).unwrap();
        keys
    }

    #[test]
    fn keeps_the_contract() {
        contract::suite(&|| {
            let store = RefCell::new(MemoryJournal::new(contract::ignore()));
            Box::new(move |notify| {
                let opened = store.borrow().crash(notify);
                *store.borrow_mut() = opened.clone();
                Box::new(opened)
            })
        });
    }

    #[test]
    fn held_batches_complete_one_by_one() {
        let (notify, completions) = contract::collect();
        let mut journal = MemoryJournal::held(notify);
        journal.append(1, batch(b"a"));
        journal.append(2, batch(b"b"));
        assert!(completions.try_recv().is_err());
        assert!(journal.complete_next());
        assert!(matches!(completions.try_recv(), Ok(Completion::Committed { ticket: 1, .. })));
        assert!(completions.try_recv().is_err());
        assert_eq!(journal.waiting(), 1);
        journal.complete_all();
        assert!(matches!(completions.try_recv(), Ok(Completion::Committed { ticket: 2, .. })));
        assert!(!journal.complete_next());
    }

    #[test]
    fn a_crash_loses_what_waits_and_nothing_else() {
        let mut journal = MemoryJournal::held(contract::ignore());
        journal.append(1, batch(b"a"));
        journal.append(2, batch(b"b"));
        journal.complete_next();
        let mut after = journal.crash(contract::ignore());
        assert_eq!(keys(&mut after), [b"a"]);
        journal.append(3, batch(b"c"));
        journal.complete_all();
        assert_eq!(keys(&mut after), [b"a"]);
    }

    #[test]
    fn a_failure_is_reported_once_and_ends_writing() {
        let (notify, completions) = contract::collect();
        let mut journal = MemoryJournal::held(notify);
        journal.append(1, batch(b"a"));
        journal.fail("disk gone");
        journal.fail("disk gone");
        journal.append(2, batch(b"b"));
        journal.complete_all();
        let reported: Vec<_> = completions.try_iter().collect();
        assert_eq!(reported, [Completion::Failed { error: "disk gone".to_owned() }]);
        assert_eq!(keys(&mut journal), Vec::<Vec<u8>>::new());
        assert!(matches!(Box::new(journal).close(), Err(JournalError::Poisoned(_))));
    }
}
