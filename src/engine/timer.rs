//! What time brings.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::rc::Rc;

use super::connection::ConnectionKey;
use super::{Engine, STEPS_PER_TICK};
use crate::core::id::{ConsumerKey, Time};
use crate::core::message::Address;
use crate::store::record::{AliveRecord, Key};

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
    Will(ConsumerKey, u64),
    /// A last value's time is over.
    Retained(Rc<Address>),
    SessionScan,
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
        self.timers.set(self.now.after(self.options.session_scan_ms), Timer::SessionScan);
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
                Timer::Will(client, id) => self.send_due_will(client, id, self.now),
                Timer::Retained(address) => self.expire_retained(&address),
                Timer::SessionScan => self.scan_sessions(),
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

    fn scan_sessions(&mut self) {
        let gone: Vec<_> = self
            .clients
            .iter()
            .filter(|(_, client)| client.is_gone(self.now))
            .map(|(place, _)| ConsumerKey::from(place))
            .collect();
        for key in gone {
            self.end_client(key);
        }
        self.delete_abandoned();
        if self.clients.iter().any(|(_, client)| client.is_durable && client.connection.is_some()) {
            let record = AliveRecord { at: self.now.0 };
            self.open.write_lazily(|batch| batch.put_record(&Key::alive(), &record));
        }
        self.timers.set(self.now.after(self.options.session_scan_ms), Timer::SessionScan);
    }

    /// Deletes subscriptions whose client is away longer than their address's settings allow. Nothing is deleted unless
    /// a delay was written for it.
    fn delete_abandoned(&mut self) {
        if !self.options.address_settings.iter().any(|(_, settings)| settings.auto_delete_queues_delay > Some(0)) {
            return;
        }
        let mut abandoned = Vec::new();
        for (place, client) in &self.clients {
            let Some(left) = client.left.filter(|_| client.connection.is_none()) else { continue };
            let waiting = self.queues[client.queue.index()].queue.len() as i64;
            for name in client.subscriptions.keys() {
                let settings = self.options.address_settings.resolve(&name.pattern);
                let delay = settings.auto_delete_queues_delay.and_then(|ms| u64::try_from(ms).ok()).unwrap_or(0);
                let count = settings.auto_delete_queues_message_count.unwrap_or(0);
                let is_old = delay > 0 && left.after(delay) <= self.now;
                if is_old && settings.auto_delete_queues != Some(false) && (count == -1 || waiting <= count) {
                    abandoned.push((ConsumerKey::from(place), name.clone()));
                }
            }
        }
        for (client, name) in abandoned {
            self.remove_subscription(client, &name);
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
