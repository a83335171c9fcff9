//! How much is written before others have their turn: large output leaves in pieces, small output at once.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use crate::engine::ConnectionKey;

/// Output up to this is written whatever else there is.
const SMALL: usize = 64 * 1024;

/// Bytes of one connection's larger output at a time.
const PIECE: usize = 256 * 1024;

/// Bytes of all larger output between two looks at the sockets.
const TICK: usize = 1024 * 1024;

/// What has been written in this tick, and who could write more.
#[derive(Debug, Default)]
pub struct Outflow {
    written: Cell<usize>,
    later: RefCell<VecDeque<ConnectionKey>>,
}

impl Outflow {
    /// How many of so many bytes may be written now.
    pub fn share(&self, length: usize) -> usize {
        if length <= SMALL { length } else { PIECE.min(TICK.saturating_sub(self.written.get())) }
    }

    /// So much was written of a connection's output; whether there is more that the socket may take.
    pub fn count(&self, key: ConnectionKey, written: usize, has_more: bool) {
        self.written.set(self.written.get() + written);
        if has_more && written > 0 {
            self.later.borrow_mut().push_back(key);
        } else if has_more {
            // Who got nothing comes before those who did.
            self.later.borrow_mut().push_front(key);
        }
    }

    /// The next tick begins: names those who have more to write, in their order.
    pub fn next(&self, go_on: impl FnMut(ConnectionKey)) {
        self.written.set(0);
        self.later.take().into_iter().for_each(go_on);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Who has written in a tick.
    fn tick(outflow: &Outflow, order: &[u64]) -> (Vec<u64>, Vec<ConnectionKey>) {
        let mut writers = Vec::new();
        for number in order {
            let share = outflow.share(10 * TICK);
            outflow.count(ConnectionKey::of(*number), share, true);
            writers.extend((share > 0).then_some(*number));
        }
        let mut later = Vec::new();
        outflow.next(|key| later.push(key));
        (writers, later)
    }

    #[test]
    fn large_output_leaves_in_pieces_and_everybody_has_a_turn() {
        let outflow = Outflow::default();
        let (first, later) = tick(&outflow, &[1, 2, 3, 4, 5, 6]);
        assert_eq!(first, [1, 2, 3, 4]);
        let order: Vec<_> = later.iter().map(|key| key.index() as u64).collect();
        assert_eq!(order, [6, 5, 1, 2, 3, 4]);
        assert_eq!(tick(&outflow, &order).0, [6, 5, 1, 2]);
    }

    #[test]
    fn small_output_never_waits() {
        let outflow = Outflow::default();
        outflow.count(ConnectionKey::of(1), 2 * TICK, true);
        assert_eq!([outflow.share(SMALL), outflow.share(SMALL + 1), outflow.share(0)], [SMALL, 0, 0]);
        outflow.next(|key| assert_eq!(key, ConnectionKey::of(1)));
        assert_eq!(outflow.share(SMALL + 1), PIECE);
        outflow.next(|key| panic!("{key:?} has nothing to write"));
    }
}
