//! What is bounded, and how close to its bound it is.

use std::cell::Cell;
use std::rc::Rc;

use crate::core::id::Time;

/// Something that is bounded: how much there is of it, how much there may be, and how often more was refused.
#[derive(Debug)]
pub struct Limit {
    /// As operators see it.
    pub name: &'static str,
    max: u64,
    current: Cell<u64>,
    refused: Cell<u64>,
}

impl Limit {
    /// No more than `max`; `u64::MAX` is any number.
    pub fn new(name: &'static str, max: u64) -> Self {
        Self { name, max, current: Cell::new(0), refused: Cell::new(0) }
    }

    /// The most there may be.
    pub fn max(&self) -> u64 {
        self.max
    }

    pub fn current(&self) -> u64 {
        self.current.get()
    }

    /// How often more was refused.
    pub fn refused(&self) -> u64 {
        self.refused.get()
    }

    /// Adds `amount` if there is room for it; a refusal is counted.
    #[must_use]
    pub fn take(&self, amount: u64) -> bool {
        let is_admitted = self.admits(self.current.get().saturating_add(amount));
        if is_admitted {
            self.add(amount);
        }
        is_admitted
    }

    /// Whether a single thing of this size is taken; a refusal is counted.
    #[must_use]
    pub fn admits(&self, size: u64) -> bool {
        let is_admitted = size <= self.max;
        self.refused.set(self.refused.get() + u64::from(!is_admitted));
        is_admitted
    }

    /// Counts a refusal that was found out elsewhere.
    pub fn refuse(&self) {
        self.refused.set(self.refused.get() + 1);
    }

    /// Adds what cannot be refused.
    pub fn add(&self, amount: u64) {
        self.current.set(self.current.get().saturating_add(amount));
    }

    /// Gives back what was added.
    pub fn give(&self, amount: u64) {
        self.current.set(self.current.get().saturating_sub(amount));
    }
}

/// A part of a limited amount, given back when it is dropped.
#[derive(Debug)]
pub struct Share {
    limit: Rc<Limit>,
    amount: u64,
}

impl Share {
    /// None of it yet.
    pub fn of(limit: &Rc<Limit>) -> Self {
        Self { limit: limit.clone(), amount: 0 }
    }

    /// Adds `amount` if there is room for it.
    #[must_use]
    pub fn take(&mut self, amount: u64) -> bool {
        let is_taken = self.limit.take(amount);
        self.amount += if is_taken { amount } else { 0 };
        is_taken
    }

    /// Gives a part of it back.
    pub fn give(&mut self, amount: u64) {
        let amount = amount.min(self.amount);
        self.amount -= amount;
        self.limit.give(amount);
    }

    pub fn amount(&self) -> u64 {
        self.amount
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.limit.give(self.amount);
    }
}

/// So much in a second on average, and so much at once. What is taken beyond that has to wait.
#[derive(Debug, Clone, Copy)]
pub struct Rate {
    per_second: u64,
    /// Thousandths that may still be taken; below 0 what was taken too early.
    left: i64,
    since: Time,
}

impl Rate {
    /// `per_second`, at least 1, and at first as much as in `burst_s` seconds.
    pub fn new(per_second: u64, burst_s: u64, now: Time) -> Self {
        let per_second = per_second.clamp(1, 1 << 40);
        Self { per_second, left: thousandths(per_second * burst_s), since: now }
    }

    /// Takes `amount`, however much is left; gives back in how many milliseconds it is made up for.
    pub fn take(&mut self, amount: u64, burst_s: u64, now: Time) -> u64 {
        self.refill(burst_s, now);
        self.left -= thousandths(amount);
        if self.left >= 0 { 0 } else { self.left.unsigned_abs().div_ceil(self.per_second) }
    }

    /// Takes 1 if that much is left.
    pub fn try_take(&mut self, burst_s: u64, now: Time) -> bool {
        self.refill(burst_s, now);
        let is_left = self.left >= 1000;
        self.left -= if is_left { 1000 } else { 0 };
        is_left
    }

    /// Whether it is as full as it gets.
    pub fn is_rested(&self, burst_s: u64, now: Time) -> bool {
        self.left.saturating_add(self.gained(now)) >= thousandths(self.per_second * burst_s)
    }

    fn gained(&self, now: Time) -> i64 {
        let ms = now.since(self.since).min(1 << 20) as i64;
        ms.saturating_mul(self.per_second as i64) // A thousandth per millisecond and unit.
    }

    fn refill(&mut self, burst_s: u64, now: Time) {
        self.left = self.left.saturating_add(self.gained(now)).min(thousandths(self.per_second * burst_s));
        self.since = self.since.max(now);
    }
}

fn thousandths(amount: u64) -> i64 {
    i64::try_from(amount).unwrap_or(i64::MAX).saturating_mul(1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_refused_and_counted() {
        let limit = Rc::new(Limit::new("x", 10));
        let mut share = Share::of(&limit);
        assert!(share.take(6) && limit.take(4) && !limit.take(1) && !share.take(1));
        assert_eq!((limit.current(), limit.refused(), share.amount()), (10, 2, 6));
        share.give(2);
        drop(share);
        assert_eq!((limit.current(), limit.refused()), (4, 2));
        assert!(limit.admits(10) && !limit.admits(11) && Limit::new("y", u64::MAX).take(u64::MAX));
        assert_eq!(limit.refused(), 3);
    }

    #[test]
    fn a_rate_lets_a_burst_through_and_then_the_average() {
        let mut rate = Rate::new(10, 2, Time(1000));
        assert!((0..20).all(|_| rate.try_take(2, Time(1000))));
        assert!(!rate.try_take(2, Time(1099)));
        assert!(rate.try_take(2, Time(1100)) && !rate.try_take(2, Time(1100)));
        assert!(!rate.is_rested(2, Time(3099)) && rate.is_rested(2, Time(3100)));
        assert_eq!(rate.take(25, 2, Time(100_000)), 500);
        assert_eq!(rate.take(0, 2, Time(100_400)), 100);
        assert_eq!(rate.take(0, 2, Time(100_500)), 0);
    }
}
