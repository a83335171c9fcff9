//! A fault of ours in a protocol session ends one connection, not the broker.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

thread_local! {
    static CONTAINED: Cell<bool> = const { Cell::new(false) };
}

/// Runs a session's code; `None` if it panicked. What the session holds belongs to its connection and is given up then.
pub fn contain<R>(run: impl FnOnce() -> R) -> Option<R> {
    CONTAINED.set(true);
    let result = catch_unwind(AssertUnwindSafe(run)).ok();
    CONTAINED.set(false);
    result
}

/// Whether a panic on this thread is contained; any other leaves the broker's state in doubt.
pub fn is_contained() -> bool {
    CONTAINED.get()
}
