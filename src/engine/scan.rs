//! The session scan: clients whose time is over end, and subscriptions that were abandoned are deleted.

use super::client::Subscribed;
use super::timer::Timer;
use super::{Engine, STEPS_PER_TICK};
use crate::core::id::ConsumerKey;
use crate::protocol::SubscriptionName;
use crate::store::record::{AliveRecord, Key};

/// Steps that the end of a client counts for.
const ENDED: usize = 32;

impl Engine {
    /// Looks at some clients, and at the others a little later.
    pub(super) fn scan_sessions(&mut self, from: usize) {
        if from == 0 {
            self.give_sign_of_life();
        }
        let may_abandon = self.least_abandonment().is_some();
        let mut budget = STEPS_PER_TICK;
        let mut place = from;
        while place < self.clients.capacity() && budget > 0 {
            budget -= 1;
            let key = ConsumerKey::from(place);
            place += 1;
            let Some(client) = self.clients.get(key.index()) else { continue };
            if client.is_departing {
                continue;
            }
            if client.is_gone(self.now) {
                budget = budget.saturating_sub(ENDED);
                self.end_client(key);
            } else if may_abandon && client.connection.is_none() {
                budget = budget.saturating_sub(client.subscriptions.len());
                self.delete_abandoned(key);
            }
        }
        let is_done = place >= self.clients.capacity();
        let (at, from) =
            if is_done { (self.now.after(self.options.session_scan_ms), 0) } else { (self.now.after(1), place) };
        self.timers.set(at, Timer::SessionScan(from));
    }

    /// After a crash, clients count as connected until the last of these.
    fn give_sign_of_life(&mut self) {
        if self.clients.iter().any(|(_, client)| client.is_durable && client.connection.is_some()) {
            let record = AliveRecord { at: self.now.0 };
            self.open.write_lazily(|batch| batch.put_record(&Key::alive(), &record));
        }
    }

    /// The shortest delay in milliseconds after which some subscription counts as abandoned.
    fn least_abandonment(&self) -> Option<u64> {
        let delays = self.options.address_settings.iter().filter_map(|(_, settings)| settings.auto_delete_queues_delay);
        delays.filter_map(|ms| u64::try_from(ms).ok().filter(|ms| *ms > 0)).min()
    }

    /// Deletes subscriptions whose client is away longer than their address's settings allow. Nothing is deleted unless
    /// a delay was written for it.
    fn delete_abandoned(&mut self, key: ConsumerKey) {
        let client = &self.clients[key.index()];
        let Some(left) = client.left else { return };
        if self.least_abandonment().is_none_or(|ms| left.after(ms) > self.now) {
            return;
        }
        let names = client.subscriptions.keys().filter(|name| self.is_forsaken(key, name)).cloned();
        let abandoned: Vec<_> = names.collect();
        for name in &abandoned {
            tracing::debug!(client = &*self.clients[key.index()].client_id, filter = &*name.pattern, "abandoned");
            self.remove_subscription(key, name);
        }
        if abandoned.is_empty() {
            return;
        }
        self.drop_unwanted(key);
        if self.has_nothing(key) {
            self.end_client(key);
        }
    }

    /// Whether nothing would be lost with a client that is away.
    fn has_nothing(&self, key: ConsumerKey) -> bool {
        let client = &self.clients[key.index()];
        client.subscriptions.is_empty()
            && client.will.is_none()
            && client.received.is_empty()
            && client.resume.is_empty()
            && self.queues[client.queue.index()].queue.is_empty()
    }

    fn is_forsaken(&self, key: ConsumerKey, name: &SubscriptionName) -> bool {
        let client = &self.clients[key.index()];
        let settings = self.options.address_settings.resolve(&name.pattern);
        let delay = settings.auto_delete_queues_delay.and_then(|ms| u64::try_from(ms).ok()).unwrap_or(0);
        let is_old = delay > 0 && client.left.is_some_and(|left| left.after(delay) <= self.now);
        let most = settings.auto_delete_queues_message_count.unwrap_or(0);
        is_old
            && settings.auto_delete_queues != Some(false)
            && (most < 0 || self.has_no_more(key, name, usize::try_from(most).unwrap_or(usize::MAX)))
    }

    /// Whether no more than `most` messages wait for a subscription.
    fn has_no_more(&self, key: ConsumerKey, name: &SubscriptionName, most: usize) -> bool {
        let client = &self.clients[key.index()];
        let queue = match client.subscriptions.get(name) {
            // Others may still take what waits.
            Some(Subscribed::Member(queue)) => {
                return self.has_other_members(key, *queue) || self.queues[queue.index()].queue.len() <= most;
            }
            _ => &self.queues[client.queue.index()].queue,
        };
        if queue.len() <= most {
            return true;
        }
        let syntax = self.router.syntax();
        let is_its = |address: &str| client.subscriptions.len() == 1 || syntax.matches(&name.pattern, address);
        let waiting = queue.waiting_entries().filter(|entry| is_its(entry.message.address.name()));
        waiting.take(most + 1).count() + client.resume.len() <= most
    }

    fn has_other_members(&self, key: ConsumerKey, queue: crate::core::id::QueueKey) -> bool {
        self.queues[queue.index()].queue.members.iter().any(|member| member.consumer != key)
    }

    /// Drops what waits for a client and belongs to none of its subscriptions, unless its exchange has begun.
    fn drop_unwanted(&mut self, key: ConsumerKey) {
        let own = self.clients[key.index()].queue;
        let addresses: Vec<_> = self.queue(own).waiting_entries().map(|entry| entry.message.address.clone()).collect();
        let unwanted: std::collections::HashSet<_> = addresses
            .iter()
            .map(|address| address.name())
            .filter(|name| !self.route(name).targets.iter().any(|target| target.queue == own))
            .collect();
        if unwanted.is_empty() {
            return;
        }
        let queue = self.queue(own);
        let (id, count) = (queue.id, queue.waiting());
        let is_doomed = |entry: &crate::core::queue::Entry| {
            entry.handle.is_none() && unwanted.contains(entry.message.address.name())
        };
        for entry in queue.remove_waiting(0, count, is_doomed) {
            self.discard(id, &entry);
        }
    }
}
