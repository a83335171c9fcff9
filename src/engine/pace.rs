//! How slowly and how fast a connection may send.

use super::Engine;
use super::connection::ConnectionKey;
use super::timer::Timer;
use crate::core::id::Time;
use crate::core::limit::Rate;
use crate::protocol::Closing;

/// Seconds of its rate that a client may use at once.
const BURST_S: u64 = 1;

/// Bytes a second at which a large packet is still taken for one that arrives.
const CRAWL: u64 = 1024;

/// What an acceptor holds its connections to. `None` is any number.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Terms {
    /// Milliseconds in which a begun packet has to be whole, besides a second for each KiB; 0 is for ever.
    pub packet_ms: u64,
    pub messages_per_second: Option<u64>,
    pub bytes_per_second: Option<u64>,
    /// Subscriptions of one client.
    pub subscriptions_max: Option<u64>,
    /// Milliseconds that a will may wait.
    pub will_delay_max_ms: Option<u64>,
    /// Milliseconds that a connection may last once a client is let in.
    pub connected_max_ms: Option<u64>,
}

/// A connection's allowance of messages and bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Allowance {
    messages: Option<Rate>,
    bytes: Option<Rate>,
}

impl Allowance {
    /// None where there is nothing to count.
    pub fn new(messages: Option<u64>, bytes: Option<u64>, now: Time) -> Option<Box<Self>> {
        let rate = |per_second: Option<u64>| per_second.map(|number| Rate::new(number, BURST_S, now));
        let allowance = Self { messages: rate(messages), bytes: rate(bytes) };
        (messages.is_some() || bytes.is_some()).then(|| Box::new(allowance))
    }

    /// Takes what has come, and says for how many milliseconds nothing more may.
    fn take(&mut self, messages: u64, bytes: u64, now: Time) -> u64 {
        let take = |rate: &mut Option<Rate>, amount| rate.as_mut().map_or(0, |rate| rate.take(amount, BURST_S, now));
        take(&mut self.messages, messages).max(take(&mut self.bytes, bytes))
    }
}

impl Engine {
    /// Counts a frame against its connection's allowance; nothing is read from it until that is made up for.
    pub(super) fn charge(&mut self, key: ConnectionKey, messages: u64, bytes: usize) {
        let now = self.now;
        let Some(connection) = self.connections.get_mut(key.index()) else { return };
        let Some(allowance) = &mut connection.allowance else { return };
        let wait_ms = allowance.take(messages, bytes as u64, now);
        if wait_ms > 0 && !std::mem::replace(&mut connection.is_paused, true) {
            let number = connection.number;
            self.bounds.pauses.refuse();
            self.timers.set(now.after(wait_ms), Timer::Resume(key, number));
        }
    }

    /// The connection may go on to send.
    pub(super) fn end_pause(&mut self, key: ConnectionKey, number: u64) {
        if self.is_current(key, number) {
            self.connections[key.index()].is_paused = false;
            self.listen_again(key);
        }
    }

    /// A connection's input ends within a packet of this length, if that is known, or with a whole one.
    pub(super) fn note_rest(&mut self, key: ConnectionKey, is_new: bool, rest: usize, length: Option<usize>) {
        let now = self.now;
        let Some(connection) = self.connections.get_mut(key.index()) else { return };
        let packet_ms = connection.peer.terms.packet_ms;
        if rest == 0 || packet_ms == 0 || connection.client.is_none() {
            connection.packet = None; // Before anyone is let in there is a term for all.
            return;
        }
        let begun = connection.packet.filter(|_| !is_new).map_or(now, |(begun, _)| begun);
        let due = begun.after(packet_ms).after(length.unwrap_or(0) as u64 * 1000 / CRAWL);
        connection.packet = Some((begun, due));
        if !std::mem::replace(&mut connection.is_packet_watched, true) {
            let number = connection.number;
            self.set_timer(due, Timer::Packet(key, number));
        }
    }

    pub(super) fn check_packet(&mut self, key: ConnectionKey, number: u64) {
        if !self.is_current(key, number) {
            return;
        }
        let is_waiting = self.is_waiting(key);
        let connection = &mut self.connections[key.index()];
        let Some((_, due)) = connection.packet else {
            connection.is_packet_watched = false;
            return;
        };
        if due > self.now {
            return self.set_timer(due, Timer::Packet(key, number));
        }
        if is_waiting {
            // It may have gone on, and was not listened to.
            let again = self.now.after(connection.peer.terms.packet_ms);
            return self.set_timer(again, Timer::Packet(key, number));
        }
        self.bounds.packets.refuse();
        self.kick(key, Closing::Silent, true);
    }

    /// A connection has come on which nobody is let in yet. If there are too many of those, the oldest makes room.
    pub(super) fn add_stranger(&mut self, key: ConnectionKey, number: u64) {
        self.strangers.push_back((key, number));
        self.bounds.strangers.add(1);
        while self.bounds.strangers.current() > self.bounds.strangers.max() {
            let Some((key, number)) = self.strangers.pop_front() else { return };
            if self.is_stranger(key, number) {
                self.bounds.strangers.refuse();
                self.end(key, true, "others wait to be let in");
            }
        }
        // Those that are no strangers any more are forgotten now and then.
        if self.strangers.len() as u64 > 2 * self.bounds.strangers.max().min(self.bounds.strangers.current() + 1024) {
            let mut strangers = std::mem::take(&mut self.strangers);
            strangers.retain(|(key, number)| self.is_stranger(*key, *number));
            self.strangers = strangers;
        }
    }

    fn is_stranger(&self, key: ConnectionKey, number: u64) -> bool {
        self.is_current(key, number) && self.connections[key.index()].is_stranger
    }

    /// The connection is let in, or over.
    pub(super) fn remove_stranger(&mut self, key: ConnectionKey) {
        if std::mem::replace(&mut self.connections[key.index()].is_stranger, false) {
            self.bounds.strangers.give(1);
        }
    }
}
