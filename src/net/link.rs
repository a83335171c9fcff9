//! What the reactor knows of a connection, and tells its task.

use std::cell::{Cell, RefCell};
use std::task::Waker;

use super::transport::WriteHalf;
use super::turns::{Share, Spell};

/// The reactor's hold on a connection.
pub struct Link {
    /// Absent for a WebSocket, whose task writes.
    pub(super) write: Option<WriteHalf>,
    waker: RefCell<Option<Waker>>,
    /// Output waits until the socket takes more.
    pub(super) is_blocked: Cell<bool>,
    pub(super) is_finished: Cell<bool>,
    pub(super) is_abandoned: Cell<bool>,
    pub(super) is_paused: Cell<bool>,
    /// It waits for its turn.
    pub(super) is_in_line: Cell<bool>,
    pub(super) spell: Cell<Spell>,
}

impl Link {
    pub fn socket(write: WriteHalf) -> Self {
        Self { write: Some(write), ..Self::other() }
    }

    /// For a transport that takes its output itself when woken.
    pub fn other() -> Self {
        Self {
            write: None,
            waker: RefCell::default(),
            is_blocked: Cell::new(false),
            is_finished: Cell::new(false),
            is_abandoned: Cell::new(false),
            is_paused: Cell::new(false),
            is_in_line: Cell::new(false),
            spell: Cell::new(Spell::NONE),
        }
    }

    pub fn into_write_half(self) -> Option<WriteHalf> {
        self.write
    }

    pub fn write_half(&self) -> Option<&WriteHalf> {
        self.write.as_ref()
    }

    pub fn remember(&self, waker: &Waker) {
        let mut kept = self.waker.borrow_mut();
        if !kept.as_ref().is_some_and(|kept| kept.will_wake(waker)) {
            *kept = Some(waker.clone());
        }
    }

    pub fn wake(&self) {
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }

    pub fn is_blocked(&self) -> bool {
        self.is_blocked.get()
    }

    pub fn mark_blocked(&self) {
        self.is_blocked.set(true);
    }

    pub fn is_finished(&self) -> bool {
        self.is_finished.get()
    }

    /// Nothing more is to be written.
    pub fn is_abandoned(&self) -> bool {
        self.is_abandoned.get()
    }

    pub fn mark_paused(&self) {
        self.is_paused.set(true);
    }

    pub fn take_paused(&self) -> bool {
        self.is_paused.replace(false)
    }

    /// Counts what has come from the peer against its turn.
    pub fn count(&self, said: Share) {
        let mut spell = self.spell.get();
        spell.add(said);
        self.spell.set(spell);
    }
}
