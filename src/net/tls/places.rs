//! Who may be at it at a time, and who has to go when others wait.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::pending;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use crate::core::limit::Limit;

/// Waiting peers from which on those that have gone are looked for.
const SWEEP_MIN: usize = 64;

/// A number of places. When all are taken, the newest that waits gets the next, since those before it may have given up;
/// and the oldest holder has to go once its grace is over.
pub(super) struct Places {
    taken: Rc<Limit>,
    grace: Duration,
    /// The newest last.
    waiting: RefCell<Vec<oneshot::Sender<Place>>>,
    sweep_at: Cell<usize>,
    /// The oldest first.
    holders: RefCell<VecDeque<Rc<Holder>>>,
}

struct Holder {
    since: Instant,
    /// Told when somebody waits.
    may_have_to_go: Notify,
}

/// A place that is taken; dropping it gives it to the next.
pub(super) struct Place {
    places: Rc<Places>,
    holder: Option<Rc<Holder>>,
}

impl Places {
    /// As many as `taken` may count. Who has to go counts as refused.
    pub fn new(taken: Rc<Limit>, grace: Duration) -> Rc<Self> {
        Rc::new(Self {
            taken,
            grace,
            waiting: RefCell::default(),
            sweep_at: Cell::new(SWEEP_MIN),
            holders: RefCell::default(),
        })
    }

    /// Waits for a place.
    pub async fn take(self: &Rc<Self>) -> Place {
        if self.taken.current() < self.taken.max() {
            self.taken.add(1);
            return self.begin(Place { places: self.clone(), holder: None });
        }
        let (sender, receiver) = oneshot::channel();
        self.enqueue(sender);
        self.hurry_the_oldest();
        match receiver.await {
            Ok(place) => self.begin(place),
            // Nobody drops what waits here without having given it a place.
            Err(_) => pending().await,
        }
    }

    fn enqueue(&self, sender: oneshot::Sender<Place>) {
        let mut waiting = self.waiting.borrow_mut();
        if waiting.len() >= self.sweep_at.get() {
            waiting.retain(|sender| !sender.is_closed());
            self.sweep_at.set(SWEEP_MIN.max(2 * waiting.len()));
        }
        waiting.push(sender);
    }

    fn begin(&self, mut place: Place) -> Place {
        let holder = Rc::new(Holder { since: Instant::now(), may_have_to_go: Notify::new() });
        self.holders.borrow_mut().push_back(holder.clone());
        place.holder = Some(holder);
        place
    }

    fn hurry_the_oldest(&self) {
        if let Some(oldest) = self.holders.borrow().front() {
            oldest.may_have_to_go.notify_one();
        }
    }

    /// Whether somebody waits who has not given up.
    fn is_wanted(&self) -> bool {
        let mut waiting = self.waiting.borrow_mut();
        while waiting.pop_if(|newest| newest.is_closed()).is_some() {}
        !waiting.is_empty()
    }
}

impl Place {
    /// Comes when this is the oldest whose grace is over, and another waits for a place.
    pub async fn is_wanted(&self) {
        let Some(holder) = &self.holder else { return pending().await };
        tokio::time::sleep_until(holder.since + self.places.grace).await;
        while !self.places.is_wanted() {
            holder.may_have_to_go.notified().await;
        }
        self.places.taken.refuse();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(holder) = self.holder.take() {
            self.places.holders.borrow_mut().retain(|other| !Rc::ptr_eq(other, &holder));
        }
        loop {
            let next = self.places.waiting.borrow_mut().pop();
            let Some(next) = next else { break };
            if !next.is_closed() {
                // If it gives up before it looks, this comes back here.
                drop(next.send(Place { places: self.places.clone(), holder: None }));
                self.places.hurry_the_oldest();
                return;
            }
        }
        self.places.taken.give(1);
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    const GRACE: Duration = Duration::from_secs(2);

    fn one_place(grace: Duration) -> Rc<Places> {
        Places::new(Rc::new(Limit::new("places", 1)), grace)
    }

    fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn the_newest_gets_the_next_place_and_none_is_lost() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let _entered = runtime.enter();
        let places = one_place(GRACE);
        let Poll::Ready(first) = poll(pin!(places.take())) else { panic!("no place is free") };
        let mut second = Box::pin(places.take());
        let mut third = Box::pin(places.take());
        let mut fourth = Box::pin(places.take());
        for waiting in [&mut second, &mut third, &mut fourth] {
            assert!(poll(waiting.as_mut()).is_pending());
        }
        drop(first);
        assert!(poll(second.as_mut()).is_pending());
        // The fourth has been given the place, and gives up before it looks.
        drop(fourth);
        let Poll::Ready(place) = poll(third.as_mut()) else { panic!("the place is lost") };
        drop(second);
        drop(place);
        assert_eq!(places.taken.current(), 0);
        assert!(places.holders.borrow().is_empty());
    }

    #[test]
    fn those_that_have_given_up_are_forgotten() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let _entered = runtime.enter();
        let places = one_place(GRACE);
        let Poll::Ready(_first) = poll(pin!(places.take())) else { panic!("no place is free") };
        for _ in 0..10_000 {
            assert!(poll(pin!(places.take())).is_pending());
        }
        assert!(places.waiting.borrow().len() <= 2 * SWEEP_MIN);
    }

    #[test]
    fn the_oldest_has_to_go_when_its_grace_is_over() {
        let places = one_place(Duration::ZERO);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        tokio::task::LocalSet::new().block_on(&runtime, async {
            let first = places.take().await;
            let second = tokio::task::spawn_local({
                let places = places.clone();
                async move { places.take().await }
            });
            first.is_wanted().await;
            drop(first);
            assert!(second.await.is_ok());
            assert_eq!((places.taken.current(), places.taken.refused()), (0, 1));
        });
    }

    /// However many wait: each that goes counts once, and makes room for one.
    #[test]
    fn who_has_to_go_is_counted_once() {
        const WAITING: u64 = 500;
        let places = one_place(Duration::from_millis(1));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        tokio::task::LocalSet::new().block_on(&runtime, async {
            let waiting = |_| {
                let places = places.clone();
                tokio::task::spawn_local(async move { places.take().await.is_wanted().await })
            };
            let mut tasks: Vec<_> = (0..=WAITING).map(waiting).collect();
            while tasks.iter().filter(|task| task.is_finished()).count() < 3 {
                tokio::task::yield_now().await;
            }
            let gone = tasks.iter().filter(|task| task.is_finished()).count() as u64;
            assert_eq!(places.taken.refused(), gone);
            tasks.drain(..).for_each(|task| task.abort());
        });
    }
}
