//! Receivers say what became of deliveries, senders that they will not repeat.

use super::Engine;
use super::connection::ConnectionKey;
use crate::core::id::{QueueKey, Ticket};
use crate::core::message::Guarantee;
use crate::protocol::{DeliveryRef, Event, Outcome, Token};
use crate::store::record::{Key, OutgoingRecord};

impl Engine {
    pub(super) fn settle(
        &mut self,
        key: ConnectionKey,
        at: DeliveryRef,
        handle: u16,
        outcome: Outcome,
        token: Option<Token>,
    ) {
        let Some(client) = self.connections[key.index()].client else { return };
        let ticket = match outcome {
            Outcome::Accepted => self.accept(client, at, handle),
            Outcome::Received => self.mark_received(client, at, handle),
            Outcome::Completed => {
                let client = &self.clients[client.index()];
                let (id, is_durable) = (client.id, client.is_durable);
                if is_durable {
                    self.open.write_lazily(|batch| batch.delete_record(&Key::outgoing(id, handle)));
                }
                Ticket::NONE
            }
        };
        if let Some(token) = token {
            self.await_ticket(key, ticket);
            self.notify(key, Event::Settled { token, ticket });
        }
        self.dispatch_client(client);
    }

    pub(super) fn accept(&mut self, client: crate::core::id::ConsumerKey, at: DeliveryRef, handle: u16) -> Ticket {
        let Some(entry) = self.settle_entry(at) else { return Ticket::NONE };
        let client = &mut self.clients[client.index()];
        let is_recorded = client.recorded.remove(&handle);
        let is_numbered = entry.guarantee == Guarantee::ExactlyOnce && client.is_durable && entry.durable;
        if is_recorded || is_numbered {
            let id = client.id;
            self.open.write_lazily(|batch| batch.delete_record(&Key::outgoing(id, handle)));
        }
        self.discard(at.queue_id, &entry);
        Ticket::NONE
    }

    pub(super) fn mark_received(
        &mut self,
        client: crate::core::id::ConsumerKey,
        at: DeliveryRef,
        handle: u16,
    ) -> Ticket {
        let Some(entry) = self.settle_entry(at) else { return Ticket::NONE };
        let client = &mut self.clients[client.index()];
        client.recorded.remove(&handle);
        let ticket = if client.is_durable {
            let id = client.id;
            let record =
                OutgoingRecord { queue: at.queue_id, sequence: entry.sequence, order: entry.sequence, released: true };
            self.open.write(|batch| batch.put_record(&Key::outgoing(id, handle), &record))
        } else {
            Ticket::NONE
        };
        self.discard(at.queue_id, &entry);
        ticket
    }

    fn settle_entry(&mut self, at: DeliveryRef) -> Option<crate::core::queue::Entry> {
        let kept = self.queues.get_mut(at.queue.index()).filter(|kept| kept.queue.id == at.queue_id)?;
        kept.queue.settle(at.key)
    }

    pub(super) fn release(&mut self, key: ConnectionKey, handle: u16, known: bool, token: Token) {
        let Some(client) = self.connections[key.index()].client else { return };
        let client = &self.clients[client.index()];
        let (id, is_durable) = (client.id, client.is_durable);
        let ticket = match (is_durable, known) {
            (false, _) => Ticket::NONE,
            (true, true) => self.open.write(|batch| batch.delete_record(&Key::received(id, handle))),
            // It may have been released a moment ago, in an earlier connection.
            (true, false) => self.open.barrier(),
        };
        self.await_ticket(key, ticket);
        self.notify(key, Event::Released { token, ticket });
    }

    /// The owner of a queue goes on with its retained messages.
    pub(super) fn replay_owner(&mut self, queue: QueueKey) {
        if let Some(super::Owner::Client(client)) = self.queues.get(queue.index()).map(|kept| &kept.owner) {
            let client = *client;
            self.dispatch_client(client);
        }
    }
}
