//! The end of a client, and of queues: what refers to it goes at once, and what there is very much of in pieces, so that
//! others do not wait for all of it.

use hashbrown::hash_map::IntoIter;

use super::client::Subscribed;
use super::{Engine, Ticket};
use crate::core::id::ConsumerKey;
use crate::core::queue::Queue;
use crate::protocol::SubscriptionName;
use crate::store::record::{Key, Kind, delete_all};

/// Subscriptions ended in one go.
const SUBSCRIPTIONS: usize = 4;

/// Messages dropped in one go.
const MESSAGES: usize = 64;

/// A client that has ended, and its subscriptions that are still bound.
#[derive(Debug)]
pub(super) struct Departure {
    client: ConsumerKey,
    rest: IntoIter<SubscriptionName, Subscribed>,
}

impl Engine {
    /// Deletes all that is known of a client, sending its will if that is still to be sent. What waits for the ticket
    /// can rely on the deletion.
    pub(super) fn end_client(&mut self, key: ConsumerKey) -> Ticket {
        self.send_will_now(key);
        self.forget_will(key);
        self.end_replays(key);
        self.leave_all(key);
        let client = &mut self.clients[key.index()];
        client.is_departing = true;
        let (id, client_id) = (client.id, client.client_id.clone());
        let is_durable = std::mem::take(&mut client.is_durable);
        let rest = std::mem::take(&mut client.subscriptions).into_iter();
        self.by_id.remove(&client_id);
        // Its user may have as many again at once.
        self.count_use(key, 0, -(rest.len() as i64));
        self.depart(Departure { client: key, rest });
        if !is_durable {
            return Ticket::NONE;
        }
        let ticket = self.open.write(|batch| {
            batch.delete_record(&Key::client(id));
            delete_all(batch, Kind::Subscription, id);
            delete_all(batch, Kind::Outgoing, id);
            delete_all(batch, Kind::Received, id);
        });
        self.ended.insert(client_id, ticket);
        ticket
    }

    /// Nothing of a shared queue is meant for it any more.
    fn leave_all(&mut self, key: ConsumerKey) {
        let subscriptions = self.clients[key.index()].subscriptions.iter();
        let shared = subscriptions.filter(|(_, subscribed)| matches!(subscribed, Subscribed::Member(_)));
        let names: Vec<_> = shared.map(|(name, _)| name.clone()).collect();
        for name in &names {
            self.remove_subscription(key, name);
        }
    }

    /// Clients that are there: those that have ended do not count, however much of them is left.
    pub(super) fn sessions(&self) -> usize {
        self.clients.len() - self.departures.len()
    }

    fn depart(&mut self, mut departure: Departure) {
        let key = departure.client;
        for (name, subscribed) in departure.rest.by_ref().take(SUBSCRIPTIONS) {
            self.give_room_back(&name);
            if let Subscribed::Own(binding) = subscribed {
                self.router.unbind(binding);
            }
        }
        if departure.rest.len() > 0 {
            return self.departures.push_back(departure);
        }
        let client = self.clients.remove(key.index());
        let kept = self.queues.remove(client.queue.index());
        self.dissolve(kept.queue);
    }

    /// Drops all that is in a queue which nothing leads to.
    pub(super) fn dissolve(&mut self, mut queue: Queue) {
        for entry in queue.drain(MESSAGES) {
            self.discard(queue.id, &entry);
        }
        if !queue.is_empty() {
            self.dissolving.push_back(queue);
        }
    }

    /// Goes on with one client and one queue.
    pub(super) fn go_on_with_ends(&mut self) {
        if let Some(departure) = self.departures.pop_front() {
            self.depart(departure);
        }
        if let Some(queue) = self.dissolving.pop_front() {
            self.dissolve(queue);
        }
    }
}
