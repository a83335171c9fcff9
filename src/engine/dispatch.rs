//! From queues to consumers.

use smallvec::SmallVec;

use super::{Engine, OUTPUT_MAX, Owner, STEPS_PER_TICK};
use crate::core::id::{ConsumerKey, DeliveryKey, QueueKey};
use crate::core::message::Guarantee;
use crate::core::queue::{Entry, Member};
use crate::protocol::{Context, Delivered, Delivery, DeliveryRef, Event, Expiry};
use crate::store::record::{Key, OutgoingRecord};

/// Waiting entries that are looked at to see whether one more can have its number at once.
const NUMBERED_MAX: usize = 64;

/// Why the head of a queue stays where it is.
enum Stop {
    Empty,
    /// It waits for the disk.
    Held,
    /// It waits for a consumer.
    Idle,
}

impl Engine {
    /// Gives an entry to the client whose queue it is, at once if nothing stands before it.
    pub(super) fn offer(&mut self, key: QueueKey, entry: Entry) {
        let kept = &self.queues[key.index()];
        let Owner::Client(client) = kept.owner else { return };
        let committed = self.open.committed();
        let is_next = kept.queue.waiting() == 0 && kept.queue.hold <= committed && entry.ready <= committed;
        if is_next
            && self.can_take(client, entry.guarantee)
            && (entry.guarantee < Guarantee::ExactlyOnce || !entry.durable)
        {
            self.deliver_entry(key, client, entry);
            return;
        }
        let is_fleeting = entry.guarantee == Guarantee::AtMostOnce;
        if is_fleeting && self.clients[client.index()].connection.is_some_and(|c| self.is_congested(c)) {
            self.counters.dropped += 1;
            self.counters.queued_bytes -= entry.message.size();
            return;
        }
        let mut entry = entry;
        if entry.durable && entry.guarantee == Guarantee::ExactlyOnce && self.are_numbered(key) {
            self.number(client, key, &mut entry);
        }
        self.queue(key).push(entry);
        // With others before it, whoever holds those up will go on with all of them.
        if self.queue(key).waiting() == 1 {
            self.dispatch(key);
        }
    }

    /// Whether all that waits has its number.
    fn are_numbered(&mut self, key: QueueKey) -> bool {
        let queue = self.queue(key);
        let is_numbered = |entry: &Entry| entry.handle.is_some() || entry.guarantee == Guarantee::AtMostOnce;
        queue.waiting() <= NUMBERED_MAX && queue.waiting_entries().all(is_numbered)
    }

    /// Settles under which number an entry will be sent, in its own batch.
    fn number(&mut self, client: ConsumerKey, key: QueueKey, entry: &mut Entry) {
        if !self.can_take(client, entry.guarantee) {
            return;
        }
        let queue_id = self.queue(key).id;
        let client = &self.clients[client.index()];
        let (id, Some(connection)) = (client.id, client.connection) else { return };
        let session = &mut self.connections[connection.index()].session;
        let Some(handle) = session.reserve() else { return };
        entry.handle = Some(handle);
        entry.ready = self.open.write(|batch| batch.put_record(&Key::outgoing(id, handle), &outgoing(queue_id, entry)));
    }

    /// Whether the client's connection takes more output; if not, deliveries go on once it does.
    fn has_room(&mut self, key: ConsumerKey) -> bool {
        let Some(connection) = self.clients[key.index()].connection else { return false };
        let connection = &mut self.connections[connection.index()];
        connection.is_congested |= connection.out.len() >= OUTPUT_MAX;
        !connection.is_congested && connection.lengthy.is_none()
    }

    fn is_congested(&self, connection: super::ConnectionKey) -> bool {
        self.connections[connection.index()].out.len() >= OUTPUT_MAX
    }

    /// Whether the client takes a message with this guarantee now.
    fn can_take(&mut self, key: ConsumerKey, guarantee: Guarantee) -> bool {
        let client = &self.clients[key.index()];
        let is_held = self.queues[client.queue.index()].queue.hold > self.open.committed();
        if is_held || !self.has_room(key) {
            return false;
        }
        let client = &self.clients[key.index()];
        let window = client.connection.map_or(0, |c| self.connections[c.index()].session.window());
        guarantee == Guarantee::AtMostOnce || client.resume.is_empty() && window > 0
    }

    /// Hands out what can be handed out of a queue.
    pub(super) fn dispatch(&mut self, key: QueueKey) {
        loop {
            let stop = match self.queues.get(key.index()).map(|kept| &kept.owner) {
                None => return,
                Some(Owner::Client(client)) => self.dispatch_own(key, *client),
                Some(Owner::Shared(..) | Owner::Declared) => self.dispatch_shared(key),
            };
            match stop {
                None => {}
                Some(Stop::Held) => {
                    let kept = &mut self.queues[key.index()];
                    if !std::mem::replace(&mut kept.is_held, true) {
                        self.held_queues.push(key);
                    }
                    return;
                }
                Some(Stop::Empty | Stop::Idle) => return,
            }
        }
    }

    /// Takes entries off the head whose time is over, or that the queue's only client may not have any more; says whether
    /// none is left. Of very many some are left for the next tick.
    fn drop_heads(&mut self, key: QueueKey, client: Option<ConsumerKey>) -> bool {
        for _ in 0..STEPS_PER_TICK {
            let now = self.now;
            let Some(head) = self.queues[key.index()].queue.head() else { return true };
            if head.is_expired(now) {
                self.counters.expired += 1;
            } else {
                let Some(client) = client.filter(|_| self.options.security.is_some()) else { return true };
                let message = head.message.clone();
                if self.may_take(client, key, message.address.name()) {
                    return true;
                }
                self.bounds.deliveries_denied.refuse();
            }
            self.drop_head(key, client);
        }
        if !self.unfinished.contains(&key) {
            self.unfinished.push_back(key);
        }
        false
    }

    fn drop_head(&mut self, key: QueueKey, client: Option<ConsumerKey>) {
        let kept = &mut self.queues[key.index()];
        let id = kept.queue.id;
        let Some(entry) = kept.queue.remove_head() else { return };
        if let (Some(client), Some(handle)) = (client, entry.handle) {
            // Nothing was sent under its number.
            let client = &self.clients[client.index()];
            let client_id = client.id;
            if let Some(connection) = client.connection {
                self.connections[connection.index()].session.unreserve(handle);
            }
            self.open.write_lazily(|batch| batch.delete_record(&Key::outgoing(client_id, handle)));
        }
        self.discard(id, &entry);
    }

    /// Goes on with one of the queues that had too much to drop for one tick.
    pub(super) fn dispatch_unfinished(&mut self) {
        let Some(key) = self.unfinished.pop_front() else { return };
        self.dispatch(key);
        if !self.unfinished.contains(&key) {
            self.replay_owner(key);
        }
    }

    fn dispatch_own(&mut self, key: QueueKey, client: ConsumerKey) -> Option<Stop> {
        if !self.drop_heads(key, Some(client)) {
            return Some(Stop::Idle);
        }
        let committed = self.open.committed();
        let queue = &self.queues[key.index()].queue;
        if queue.hold > committed {
            return Some(Stop::Held);
        }
        let Some(head) = queue.head() else { return Some(Stop::Empty) };
        let guarantee = head.guarantee;
        let has_number = head.handle.is_some();
        if !has_number && !self.can_take(client, guarantee) {
            return Some(Stop::Idle);
        }
        let Some(head) = self.queues[key.index()].queue.head() else { return Some(Stop::Empty) };
        if head.guarantee == Guarantee::ExactlyOnce && head.durable && !has_number {
            self.number_ahead(key, client);
        }
        let Some(head) = self.queues[key.index()].queue.head() else { return Some(Stop::Empty) };
        if head.ready > committed {
            return Some(Stop::Held);
        }
        if has_number && !self.has_room(client) {
            return Some(Stop::Idle);
        }
        self.deliver_head(key, client);
        None
    }

    /// Settles under which numbers the next exactly-once entries will be sent, a window at a time: it has to be durable
    /// before they leave.
    fn number_ahead(&mut self, key: QueueKey, client: ConsumerKey) {
        let client = &self.clients[client.index()];
        let (id, Some(connection)) = (client.id, client.connection) else { return };
        let session = &mut self.connections[connection.index()].session;
        let queue = &mut self.queues[key.index()].queue;
        let queue_id = queue.id;
        let mut window = session.window();
        for entry in queue.heads_mut(window) {
            if window == 0 {
                break;
            }
            if entry.handle.is_some() || entry.guarantee == Guarantee::AtMostOnce {
                continue;
            }
            window -= 1;
            if entry.guarantee != Guarantee::ExactlyOnce || !entry.durable {
                continue;
            }
            let Some(handle) = session.reserve() else { break };
            entry.handle = Some(handle);
            let record = outgoing(queue_id, entry);
            entry.ready = self.open.write(|batch| batch.put_record(&Key::outgoing(id, handle), &record));
        }
    }

    fn dispatch_shared(&mut self, key: QueueKey) -> Option<Stop> {
        if !self.drop_heads(key, None) {
            return Some(Stop::Idle);
        }
        let committed = self.open.committed();
        let queue = &self.queues[key.index()].queue;
        let Some(head) = queue.head() else { return Some(Stop::Empty) };
        let (asked, message) = (head.guarantee, head.message.clone());
        if queue.hold > committed || head.ready > committed {
            return Some(Stop::Held);
        }
        let Some(member) = self.next_member(key, asked, message.address.name()) else {
            return self.pass_by(key, message.address.name());
        };
        let guarantee = asked.min(member.grant.guarantee);
        let outlives = self.clients[member.consumer.index()].expiry != Expiry::AT_DISCONNECT;
        if guarantee == Guarantee::ExactlyOnce && outlives {
            self.move_to(key, &member);
        } else if let Some(mut entry) = self.queue(key).take_head() {
            entry.guarantee = guarantee;
            entry.grant = member.grant;
            self.deliver_entry(key, member.consumer, entry);
        }
        None
    }

    /// Nobody takes the head of a group's queue now. Where those who are there may not have it, they are not made to wait:
    /// it goes to a member who is away and may have it, or is dropped.
    fn pass_by(&mut self, key: QueueKey, address: &str) -> Option<Stop> {
        if self.options.security.is_none() || !matches!(self.queues[key.index()].owner, Owner::Shared(..)) {
            return Some(Stop::Idle);
        }
        let members = std::mem::take(&mut self.queue(key).members);
        let allowed: SmallVec<[bool; 16]> =
            members.iter().map(|member| self.may_take(member.consumer, key, address)).collect();
        let is_here = |member: &Member| self.clients[member.consumer.index()].connection.is_some();
        let may = || members.iter().zip(&allowed).filter(|(_, allowed)| **allowed).map(|(member, _)| member);
        let is_awaited = may().any(is_here);
        let absent = may().next().cloned();
        let is_anyone_here = members.iter().any(is_here);
        self.queue(key).members = members;
        if is_awaited || absent.is_some() && !is_anyone_here {
            return Some(Stop::Idle);
        }
        match absent {
            Some(member) => self.move_to(key, &member),
            None => {
                self.bounds.deliveries_denied.refuse();
                self.drop_head(key, None);
            }
        }
        None
    }

    fn next_member(&mut self, key: QueueKey, asked: Guarantee, address: &str) -> Option<Member> {
        let members = std::mem::take(&mut self.queue(key).members);
        let can_take = |member: &Member| {
            let guarantee = asked.min(member.grant.guarantee);
            let own = self.clients[member.consumer.index()].queue;
            // What has no number yet has a claim on the window.
            let waiting = self.queues[own.index()].queue.waiting();
            let is_free = guarantee < Guarantee::ExactlyOnce || waiting == 0 || self.are_numbered(own);
            is_free && self.can_take(member.consumer, guarantee) && self.may_take(member.consumer, key, address)
        };
        let takers: SmallVec<[bool; 16]> = members.iter().map(can_take).collect();
        let queue = self.queue(key);
        queue.members = members;
        queue.next_member(|at| takers[at])
    }

    /// A message of a shared queue becomes one member's for good: an exactly-once message, so that nobody else ever gets
    /// it.
    fn move_to(&mut self, key: QueueKey, member: &Member) {
        let from = self.queues[key.index()].queue.id;
        let Some(old) = self.queue(key).remove_head() else { return };
        let own = self.clients[member.consumer.index()].queue;
        let mut entry = old.clone();
        entry.sequence = self.queue(own).take_sequence();
        entry.grant = member.grant.clone();
        entry.guarantee = entry.guarantee.min(member.grant.guarantee);
        entry.durable = self.queue(own).durable && entry.guarantee > Guarantee::AtMostOnce;
        if entry.durable {
            let mut unit = self.open.unit_of(&old);
            let to = self.queue(own).id;
            self.open.add(to, &mut entry, &mut unit, self.now);
            if entry.guarantee == Guarantee::ExactlyOnce {
                entry.ready = self.open.ticket();
            }
        }
        self.counters.queued_bytes += entry.message.size();
        self.discard(from, &old);
        self.offer(own, entry);
    }

    fn deliver_head(&mut self, key: QueueKey, client: ConsumerKey) {
        if let Some(entry) = self.queue(key).take_head() {
            self.deliver_entry(key, client, entry);
        }
    }

    /// Sends an entry that is in no line any more.
    fn deliver_entry(&mut self, key: QueueKey, client: ConsumerKey, entry: Entry) {
        let id = self.queues[key.index()].queue.id;
        if entry.guarantee == Guarantee::AtMostOnce {
            let at = DeliveryRef { queue: key, queue_id: id, key: DeliveryKey(u32::MAX) };
            self.queue(key).count_passing();
            self.send_to(client, at, &entry);
            self.discard(id, &entry);
            return;
        }
        let delivery = self.queue(key).deliver_directly(entry);
        let at = DeliveryRef { queue: key, queue_id: id, key: delivery };
        let Some(entry) = self.queue(key).delivery(delivery).cloned() else { return };
        if self.send_to(client, at, &entry) == Delivered::Oversized
            && let Some(entry) = self.queue(key).settle(delivery)
        {
            if let Some(handle) = entry.handle {
                let id = self.clients[client.index()].id;
                self.open.write_lazily(|batch| batch.delete_record(&Key::outgoing(id, handle)));
            }
            self.discard(id, &entry);
        }
    }

    fn send_to(&mut self, client: ConsumerKey, at: DeliveryRef, entry: &Entry) -> Delivered {
        let Some(key) = self.clients[client.index()].connection else { return Delivered::Oversized };
        let connection = &mut self.connections[key.index()];
        let delivery = Delivery {
            at,
            message: &entry.message,
            grant: &entry.grant,
            guarantee: entry.guarantee,
            retained: entry.retained,
            redelivered: entry.redelivered,
            handle: entry.handle,
        };
        let mut context = Context {
            now: self.now,
            committed: self.open.committed(),
            out: &mut connection.out,
            scratch: &mut self.scratch,
        };
        let delivered = connection.session.deliver(&delivery, &mut context);
        if delivered == Delivered::Sent {
            self.counters.delivered += 1;
            self.touch(key);
        } else {
            self.counters.dropped += 1;
        }
        delivered
    }

    /// The client can take more: what was under way before, its own queue, what it shares.
    pub(super) fn dispatch_client(&mut self, key: ConsumerKey) {
        if !self.resume(key) {
            return;
        }
        let Some(client) = self.clients.get(key.index()) else { return };
        let (own, memberships) = (client.queue, client.memberships.clone());
        if self.queue(own).waiting() > 0 {
            self.dispatch(own);
        }
        for (queue, _) in memberships {
            if self.queues.get(queue.index()).is_some_and(|kept| kept.queue.waiting() > 0) {
                self.dispatch(queue);
            }
        }
        self.replay(key);
    }

    /// Sends again what was under way when the last connection ended; says whether all of it is sent.
    fn resume(&mut self, key: ConsumerKey) -> bool {
        loop {
            let Some(client) = self.clients.get(key.index()) else { return false };
            let Some(connection) = client.connection else { return false };
            let own = client.queue;
            if client.resume.is_empty() {
                return true;
            }
            let hold = self.queues[own.index()].queue.hold;
            let window = self.connections[connection.index()].session.window();
            if hold > self.open.committed() || window == 0 || !self.has_room(key) {
                return false;
            }
            let Some(in_flight) = self.clients[key.index()].resume.pop_front() else { return true };
            let Some(at) = in_flight.delivery else {
                let ticket = self.open.barrier();
                self.await_ticket(connection, ticket);
                self.notify(connection, Event::Resume { handle: in_flight.handle, ticket });
                continue;
            };
            let Some(entry) = self.queue(at.queue).delivery(at.key).cloned() else { continue };
            if !self.may_take(key, at.queue, entry.message.address.name()) {
                self.withdraw(key, connection, in_flight.handle, at, entry.guarantee);
                continue;
            }
            let again = Entry { handle: Some(in_flight.handle), redelivered: true, ..entry };
            if self.send_to(key, at, &again) == Delivered::Oversized {
                let id = self.queue(own).id;
                if let Some(entry) = self.queue(at.queue).settle(at.key) {
                    self.discard(id, &entry);
                }
            }
        }
    }
}

impl Engine {
    /// A delivery that was under way is not sent again, since its client may not have it any more. Of an exactly-once
    /// exchange only the end is left: its number must not mean another message before.
    fn withdraw(
        &mut self,
        client: ConsumerKey,
        connection: super::ConnectionKey,
        handle: u16,
        at: DeliveryRef,
        guarantee: Guarantee,
    ) {
        self.bounds.deliveries_denied.refuse();
        if guarantee < Guarantee::ExactlyOnce {
            self.accept(client, at, handle);
            return;
        }
        let ticket = self.mark_received(client, at, handle);
        self.await_ticket(connection, ticket);
        self.notify(connection, Event::Resume { handle, ticket });
    }
}

fn outgoing(queue: u64, entry: &Entry) -> OutgoingRecord {
    OutgoingRecord { queue, sequence: entry.sequence, order: entry.sequence, released: false }
}
