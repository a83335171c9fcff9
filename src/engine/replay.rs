//! Last values for new subscriptions, as fast as the client takes them.

use std::rc::Rc;

use super::Engine;
use super::client::Subscribed;
use crate::core::binding::Grant;
use crate::core::id::{ConsumerKey, Publisher, Ticket};
use crate::core::message::Guarantee;
use crate::core::queue::{Entry, Place};
use crate::core::trie::Cursor;
use crate::protocol::SubscriptionName;

/// Steps of one client's walks in one go.
const STEPS: usize = 256;

/// A subscription's walk over the last values that it asked for.
#[derive(Debug)]
pub(super) struct Replay {
    pub name: SubscriptionName,
    pub cursor: Cursor,
    pub grant: Rc<Grant>,
    pub exclude: Option<Publisher>,
    /// What was published from this message on came live.
    pub before: u64,
}

impl Engine {
    /// Begins to send the last values that a subscription asked for; says whether there may be any.
    pub(super) fn begin_replay(
        &mut self,
        key: ConsumerKey,
        name: &SubscriptionName,
        grant: Rc<Grant>,
        exclude: Option<Publisher>,
    ) -> bool {
        if self.retained.is_empty() {
            return false;
        }
        let cursor = self.retained.begin(&name.pattern);
        let before = self.next_message;
        let name = name.clone();
        self.clients[key.index()].replays.push_back(Replay { name, cursor, grant, exclude, before });
        true
    }

    /// Whether last values that a subscription has asked for are still to be sent.
    pub(super) fn is_replaying(&self, key: ConsumerKey, name: &SubscriptionName) -> bool {
        self.clients[key.index()].replays.iter().any(|replay| replay.name == *name)
    }

    /// Stops sending what a subscription has asked for earlier.
    pub(super) fn cancel_replay(&mut self, key: ConsumerKey, name: &SubscriptionName) {
        let replays = &mut self.clients[key.index()].replays;
        if let Some(place) = replays.iter().position(|replay| replay.name == *name)
            && let Some(replay) = replays.remove(place)
        {
            self.retained.end(replay.cursor);
        }
    }

    /// Begins again what a restart has cut off.
    pub(super) fn resume_replay(&mut self, key: ConsumerKey, name: &SubscriptionName) {
        if let Some(Subscribed::Own(binding)) = self.clients[key.index()].subscriptions.get(name) {
            let binding = self.router.binding(*binding);
            let (grant, exclude) = (binding.grant.clone(), binding.exclude);
            self.begin_replay(key, name, grant, exclude);
        }
    }

    pub(super) fn end_replays(&mut self, key: ConsumerKey) {
        for replay in std::mem::take(&mut self.clients[key.index()].replays) {
            self.retained.end(replay.cursor);
        }
    }

    /// Goes on with a client's replays until it can take no more, or for a tick's share.
    pub(super) fn replay(&mut self, key: ConsumerKey) {
        let mut budget = STEPS;
        while budget > 0 {
            let Some(client) = self.clients.get_mut(key.index()) else { return };
            let queue = client.queue;
            if client.replays.is_empty() || !self.wants_more(key) {
                return;
            }
            let Some(mut replay) = self.clients[key.index()].replays.pop_front() else { return };
            let value = self.retained.next(&mut replay.cursor, self.now, &mut budget).cloned();
            let is_finished = value.is_none() && replay.cursor.is_finished();
            if let Some(value) = value {
                let message = &value.message;
                if !self.may_receive(key, message.address.name()) {
                    self.bounds.deliveries_denied.refuse();
                } else if message.id < replay.before && replay.exclude != Some(message.publisher) {
                    let entry = self.retained_entry(queue, &value, &replay.grant);
                    self.offer(queue, entry);
                }
            }
            if is_finished {
                self.retained.end(replay.cursor);
                self.end_replaying(key, &replay.name);
            } else {
                self.clients[key.index()].replays.push_front(replay);
            }
        }
        if !self.replaying.contains(&key) {
            self.replaying.push_back(key);
        }
    }

    /// Whether the client's queue has room for a last value: it is connected and nothing waits.
    fn wants_more(&mut self, key: ConsumerKey) -> bool {
        let client = &self.clients[key.index()];
        let queue = &self.queues[client.queue.index()].queue;
        let Some(connection) = client.connection else { return false };
        let connection = &mut self.connections[connection.index()];
        if connection.out.len() >= super::OUTPUT_MAX {
            connection.is_congested = true;
            return false;
        }
        let room = if queue.durable { connection.session.window().min(1024) } else { 1 };
        queue.hold <= self.open.committed()
            && connection.lengthy.is_none()
            && queue.waiting() < room.max(1)
            && client.resume.is_empty()
            && connection.session.window() > 0
    }

    fn retained_entry(
        &mut self,
        key: crate::core::id::QueueKey,
        value: &crate::core::retained::Value,
        grant: &Rc<Grant>,
    ) -> Entry {
        let message = &value.message;
        let guarantee = message.guarantee.min(grant.guarantee);
        let kept = &mut self.queues[key.index()];
        let durable = kept.queue.durable && guarantee > Guarantee::AtMostOnce;
        let mut entry = Entry {
            sequence: kept.queue.take_sequence(),
            message: message.clone(),
            grant: grant.clone(),
            guarantee,
            durable,
            place: Place::default(),
            ready: value.ready,
            handle: None,
            retained: true,
            redelivered: false,
        };
        self.counters.queued_bytes += message.size();
        if durable {
            let id = kept.queue.id;
            self.open.add(id, &mut entry, &mut None, self.now);
            if guarantee == Guarantee::ExactlyOnce {
                entry.ready = self.open.ticket();
            }
        }
        if entry.ready <= self.open.committed() {
            entry.ready = Ticket::NONE;
        }
        entry
    }

    /// Goes on with one client's replays.
    pub(super) fn replay_more(&mut self) {
        if let Some(key) = self.replaying.pop_front() {
            self.replay(key);
        }
    }
}
