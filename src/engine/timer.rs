//! What time brings.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::rc::Rc;

use super::connection::ConnectionKey;
use super::{Engine, STEPS_PER_TICK};
use crate::core::id::{ConsumerKey, Time};
use crate::core::message::Address;

/// Something that is due at a time. It may have become void by then.
#[derive(Debug, Clone)]
pub(super) enum Timer {
    Silence(ConnectionKey, u64, u32),
    /// A begun packet has to be whole.
    Packet(ConnectionKey, u64),
    /// A connection that sent too fast may go on.
    Resume(ConnectionKey, u64),
    /// Wills that were held back are sent.
    LateWills,
    /// An ended connection is given up.
    Linger(ConnectionKey, u64),
    /// A connection has lasted as long as it may.
    ConnectTime(ConnectionKey, u64, Time),
    Will(ConsumerKey, u64),
    /// A will that a failure of the broker has left over, by client id.
    LeftWill(Rc<str>),
    /// A last value's time is over.
    Retained(Rc<Address>),
    /// Looks for clients and subscriptions whose time is over, from this client on.
    SessionScan(usize),
    /// Looks for expired messages, from this queue on.
    ExpiryScan(usize),
}

/// How far ahead a timer is set.
const AHEAD_MAX_MS: u64 = 60_000;

/// Timers in order.
#[derive(Debug, Default)]
pub(super) struct Timers {
    heap: BinaryHeap<Reverse<Due>>,
    set: u64,
}

/// A timer, ordered by its time and by when it was set.
#[derive(Debug)]
struct Due {
    at: (Time, u64),
    timer: Timer,
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> Ordering {
        self.at.cmp(&other.at)
    }
}

impl Timers {
    pub fn set(&mut self, at: Time, timer: Timer) {
        self.heap.push(Reverse(Due { at: (at, self.set), timer }));
        self.set += 1;
    }

    pub fn next(&self) -> Option<Time> {
        self.heap.peek().map(|Reverse(due)| due.at.0)
    }

    fn take_due(&mut self, now: Time) -> Option<Timer> {
        if self.next()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse(due)| due.timer)
    }
}

impl Engine {
    /// Sets a timer that looks again when it comes too early. None lies far ahead, so that void ones do not pile up.
    pub(super) fn set_timer(&mut self, at: Time, timer: Timer) {
        self.timers.set(at.min(self.now.after(AHEAD_MAX_MS)), timer);
    }

    pub(super) fn start_scans(&mut self) {
        self.timers.set(self.now.after(self.options.session_scan_ms), Timer::SessionScan(0));
        if let Some(period) = self.options.expiry_scan_ms {
            self.timers.set(self.now.after(period), Timer::ExpiryScan(0));
        }
    }

    pub(super) fn run_timers(&mut self) {
        for _ in 0..STEPS_PER_TICK {
            let Some(timer) = self.timers.take_due(self.now) else { return };
            match timer {
                Timer::Silence(connection, number, watch) => self.check_silence(connection, number, watch),
                Timer::Packet(connection, number) => self.check_packet(connection, number),
                Timer::Resume(connection, number) => self.end_pause(connection, number),
                Timer::LateWills => self.send_late_wills(),
                Timer::Linger(connection, number) => self.abandon(connection, number),
                Timer::ConnectTime(connection, number, ends) => self.check_connect_time(connection, number, ends),
                Timer::Will(client, id) => self.send_due_will(client, id, self.now),
                Timer::LeftWill(client_id) => self.send_due_left_will(client_id),
                Timer::Retained(address) => self.expire_retained(&address),
                Timer::SessionScan(from) => self.scan_sessions(from),
                Timer::ExpiryScan(from) => self.scan_expiry(from),
            }
        }
    }

    fn expire_retained(&mut self, address: &Rc<Address>) {
        let Some(expires) = self.retained.get(address.name()).and_then(|value| value.message.expires) else { return };
        if expires <= self.now {
            self.forget_retained(address);
        } else {
            self.set_timer(expires, Timer::Retained(address.clone()));
        }
    }

    /// Looks through some queues, and goes on with the others a little later.
    fn scan_expiry(&mut self, from: usize) {
        let mut budget = STEPS_PER_TICK;
        let mut place = from;
        while place < self.queues.capacity() && budget > 0 {
            budget -= 1;
            if let Some(kept) = self.queues.get_mut(place) {
                let count = kept.queue.waiting().min(budget);
                budget -= count;
                let (id, now) = (kept.queue.id, self.now);
                for entry in kept.queue.remove_waiting(0, count, |entry| entry.is_expired(now)) {
                    self.counters.expired += 1;
                    self.discard(id, &entry);
                }
            }
            place += 1;
        }
        let is_done = place >= self.queues.capacity();
        let period = self.options.expiry_scan_ms.unwrap_or(30_000);
        let (at, from) = if is_done { (self.now.after(period), 0) } else { (self.now.after(1), place) };
        self.timers.set(at, Timer::ExpiryScan(from));
    }
}
