//! Connections whose handshake is not made yet, or is under way, and which of them make room for others.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use tokio::sync::Notify;

use crate::core::limit::Limit;

/// So many connections at a time. When there are too many, the oldest has to go.
pub(super) struct Arrivals {
    limit: Rc<Limit>,
    next: Cell<u64>,
    /// The oldest first.
    present: RefCell<BTreeMap<u64, Rc<Notify>>>,
}

/// One of them, until it is dropped.
pub(super) struct Arrival {
    arrivals: Rc<Arrivals>,
    number: u64,
    has_to_go: Rc<Notify>,
}

impl Arrivals {
    /// As many as `limit` may count. Who has to go counts as refused.
    pub fn new(limit: Rc<Limit>) -> Rc<Self> {
        Rc::new(Self { limit, next: Cell::new(0), present: RefCell::default() })
    }

    /// Takes in another.
    pub fn enter(self: &Rc<Self>) -> Arrival {
        if self.limit.current() >= self.limit.max()
            && let Some((_, oldest)) = self.present.borrow_mut().pop_first()
        {
            oldest.notify_one();
            self.limit.give(1);
            self.limit.refuse();
        }
        let number = self.next.replace(self.next.get() + 1);
        let has_to_go = Rc::new(Notify::new());
        self.present.borrow_mut().insert(number, has_to_go.clone());
        self.limit.add(1);
        Arrival { arrivals: self.clone(), number, has_to_go }
    }
}

impl Arrival {
    /// Comes when it has to make room.
    pub async fn has_to_go(&self) {
        self.has_to_go.notified().await;
    }
}

impl Drop for Arrival {
    fn drop(&mut self) {
        if self.arrivals.present.borrow_mut().remove(&self.number).is_some() {
            self.arrivals.limit.give(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;

    fn has_to_go(arrival: &Arrival) -> bool {
        pin!(arrival.has_to_go()).poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn the_oldest_makes_room() {
        let arrivals = Arrivals::new(Rc::new(Limit::new("arrivals", 2)));
        let [first, second, third] = [(); 3].map(|()| arrivals.enter());
        assert!(has_to_go(&first) && !has_to_go(&second) && !has_to_go(&third));
        assert_eq!((arrivals.limit.current(), arrivals.limit.refused()), (2, 1));
        drop(first);
        drop(third);
        let fourth = arrivals.enter();
        assert!(!has_to_go(&second) && !has_to_go(&fourth));
        drop((second, fourth));
        assert_eq!((arrivals.limit.current(), arrivals.limit.refused()), (0, 1));
        assert!(arrivals.present.borrow().is_empty());
    }
}
