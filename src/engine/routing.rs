//! A message for very many queues is routed some of them at a time, so that others have their turn. One is under way; its
//! sender is not read until it is done, nor are those whose messages wait to be next.

use bytes::Bytes;
use std::collections::VecDeque;
use std::rc::Rc;

use super::commit::Waiter;
use super::connection::ConnectionKey;
use super::will::SentWill;
use super::{Engine, Policy};
use crate::core::id::{ConsumerKey, Ticket, Time};
use crate::core::message::{Guarantee, Message, Properties};
use crate::core::router::Route;
use crate::protocol::{Event, Open, Publish, Saved, Token};
use crate::store::record::Key;

/// Slices that messages may make up in one tick, after which connections are not read before the next.
const SLICES_PER_TICK: usize = 16;

/// What routing a message has led to.
#[derive(Debug, Default)]
pub(super) struct Routed {
    /// Some queue took it.
    pub is_matched: bool,
    /// Its entries' records in the open batch.
    pub unit: Option<u32>,
    /// Something of it is written whatever becomes of the entries.
    pub is_fixed: bool,
}

/// Who sent a message, and what is owed for it.
pub(super) enum Sender {
    Client(SentPublish),
    Will(SentWill),
}

/// A client's message, as far as its acknowledgement goes.
pub(super) struct SentPublish {
    pub connection: ConnectionKey,
    pub number: u64,
    pub client: ConsumerKey,
    /// The client's own number.
    pub id: u64,
    pub handle: Option<u16>,
    pub token: Option<Token>,
}

/// A message under way, on the route that it had when it came.
struct Routing {
    route: Rc<Route<Policy>>,
    message: Rc<Message>,
    place: usize,
    routed: Routed,
    sender: Sender,
}

/// A message that came while another was under way: nothing has been done with it.
struct Held {
    connection: ConnectionKey,
    number: u64,
    address: String,
    payload: Bytes,
    properties: Option<Box<Properties>>,
    guarantee: Guarantee,
    retain: bool,
    expires: Option<Time>,
    handle: Option<u16>,
    token: Option<Token>,
}

/// Messages for very many queues.
#[derive(Default)]
pub(super) struct Routings {
    current: Option<Box<Routing>>,
    held: VecDeque<Held>,
    /// The last one's batch could not be taken yet: no other begins.
    is_resting: bool,
    /// Who wants to be the client whose message is under way.
    newcomers: Vec<(ConnectionKey, u64, Box<Open>)>,
    /// Queues that messages were routed to in this tick.
    routed: usize,
    /// Who sent more than that allows.
    paused: Vec<(ConnectionKey, u64)>,
}

impl Routings {
    /// Whether one more would have to wait.
    pub fn are_busy(&self) -> bool {
        self.current.is_some() || self.is_resting || !self.held.is_empty()
    }

    /// Whether there is something to do in the next tick.
    pub fn have_more(&self) -> bool {
        self.current.is_some() || !self.held.is_empty() || !self.paused.is_empty()
    }

    /// Whether the open batch may be taken: one message's records are in one batch.
    pub fn let_batch_go(&mut self) -> bool {
        let is_whole = self.current.is_none();
        self.is_resting &= !is_whole;
        is_whole
    }

    /// Whether there was enough to route for one tick, in slices of so many queues.
    pub fn are_enough(&self, slice: usize) -> bool {
        self.routed >= SLICES_PER_TICK * slice
    }

    pub fn count(&mut self, queues: usize) {
        self.routed += queues;
    }
}

impl Engine {
    pub(super) fn is_large(&self, route: &Route<Policy>) -> bool {
        route.targets.len() > self.options.receivers_per_tick
    }

    /// Keeps a message until it can be routed.
    pub(super) fn hold_publish(&mut self, key: ConnectionKey, publish: Publish<'_>) {
        let Publish { address, payload, properties, guarantee, retain, expires, handle, token } = publish;
        let payload = Bytes::copy_from_slice(payload);
        let number = self.park(key);
        self.routings.held.push_back(Held {
            connection: key,
            number,
            address,
            payload,
            properties,
            guarantee,
            retain,
            expires,
            handle,
            token,
        });
    }

    /// The connection is not read until [`Engine::unpark`].
    fn park(&mut self, key: ConnectionKey) -> u64 {
        let connection = &mut self.connections[key.index()];
        connection.is_parked = true;
        connection.number
    }

    fn unpark(&mut self, key: ConnectionKey, number: u64) {
        if self.is_current(key, number) {
            self.connections[key.index()].is_parked = false;
            self.listen_again(key);
        }
    }

    /// The connection has sent what makes enough work for one tick.
    pub(super) fn pause_until_next_tick(&mut self, key: ConnectionKey) {
        let number = self.park(key);
        self.routings.paused.push((key, number));
    }

    /// Begins to route a message to more queues than there is time for.
    pub(super) fn begin_routing(
        &mut self,
        route: &Rc<Route<Policy>>,
        message: Rc<Message>,
        routed: Routed,
        sender: Sender,
    ) {
        if let Sender::Client(sent) = &sender {
            self.park(sent.connection);
        }
        let routed = Routed { unit: self.open.begin(self.now), ..routed };
        self.routings.current = Some(Box::new(Routing { route: route.clone(), message, place: 0, routed, sender }));
        self.go_on_routing();
    }

    /// Routes a slice of the message that is under way, or begins with the next one.
    pub(super) fn route_more(&mut self) {
        self.routings.routed = 0;
        for (key, number) in std::mem::take(&mut self.routings.paused) {
            self.unpark(key, number);
        }
        if self.routings.current.is_some() {
            self.go_on_routing();
        } else if !self.routings.is_resting {
            self.publish_held();
        }
    }

    /// Routes all of the message that is under way.
    pub(super) fn finish_routing(&mut self) {
        while self.routings.current.is_some() {
            self.go_on_routing();
        }
    }

    fn go_on_routing(&mut self) {
        let Some(mut routing) = self.routings.current.take() else { return };
        let Routing { route, message, place, routed, .. } = &mut *routing;
        let slice = route.targets.iter().skip(*place).take(self.options.receivers_per_tick);
        for target in slice {
            *place += 1;
            if let Some(grant) = self.router.grant_now(target, message.publisher) {
                routed.is_matched |= self.enqueue(target.queue, message, &grant, &mut routed.unit);
            }
        }
        if *place < route.targets.len() {
            self.routings.current = Some(routing);
            return;
        }
        self.send_to_competing(route, message, routed);
        if let Some(unit) = routed.unit {
            self.open.end(unit);
        }
        self.routings.is_resting = true;
        self.end_routing(routing.sender, &routing.routed);
    }

    fn end_routing(&mut self, sender: Sender, routed: &Routed) {
        match sender {
            Sender::Client(sent) => {
                self.acknowledge_publish(&sent, routed);
                self.unpark(sent.connection, sent.number);
            }
            Sender::Will(sent) => self.forget_sent_will(&sent),
        }
        for (key, number, open) in std::mem::take(&mut self.routings.newcomers) {
            if self.is_current(key, number) {
                self.connections[key.index()].is_waiting = false;
                self.touch(key);
                self.open_client(key, *open);
            }
        }
    }

    /// Has the sender told once its message is as durable as it has to be.
    pub(super) fn acknowledge_publish(&mut self, sent: &SentPublish, routed: &Routed) {
        let Some(token) = sent.token else { return };
        let client = self.clients.get(sent.client.index()).filter(|client| client.id == sent.id);
        let marker = sent.handle.filter(|_| client.is_some_and(|client| client.is_durable));
        if let Some(handle) = marker {
            self.open.write(|batch| batch.put(Key::received(sent.id, handle).as_bytes(), &[]));
        }
        let is_fixed = routed.is_fixed || marker.is_some();
        let mut ticket = if is_fixed { self.open.barrier() } else { Ticket::NONE };
        if !self.is_current(sent.connection, sent.number) {
            return self.note_received(sent, ticket);
        }
        if let Some(unit) = routed.unit.filter(|_| !is_fixed)
            && self.open.wait(unit, Waiter { connection: sent.number, token })
        {
            ticket = self.open.ticket();
        }
        self.await_ticket(sent.connection, ticket);
        self.notify(sent.connection, Event::Published { token, result: Ok(routed.is_matched), ticket });
    }

    /// The client was away when its exactly-once message was done with: it may repeat it.
    fn note_received(&mut self, sent: &SentPublish, ticket: Ticket) {
        let client = self.clients.get_mut(sent.client.index()).filter(|client| client.id == sent.id);
        let received = client.into_iter().flat_map(|client| &mut client.received);
        for (_, waits) in received.filter(|(handle, _)| Some(*handle) == sent.handle) {
            *waits = ticket;
        }
    }

    /// Goes on with the first message that had to wait and whose sender is still there.
    fn publish_held(&mut self) {
        let mut waiting = std::mem::take(&mut self.routings.held);
        while let Some(held) = waiting.pop_front() {
            if !self.is_current(held.connection, held.number) {
                continue;
            }
            self.unpark(held.connection, held.number);
            let Held { connection, address, properties, guarantee, retain, expires, handle, token, .. } = held;
            let payload = &*held.payload;
            self.publish(
                connection,
                Publish { address, payload, properties, guarantee, retain, expires, handle, token },
            );
            break;
        }
        self.routings.held = waiting;
    }

    /// A connection ends: a message of its that waits was never taken, and may be repeated.
    pub(super) fn drop_held(&mut self, number: u64, saved: &mut Saved) {
        if let Some(place) = self.routings.held.iter().position(|held| held.number == number)
            && let Some(held) = self.routings.held.remove(place)
        {
            saved.received.retain(|(handle, _)| Some(*handle) != held.handle);
        }
    }

    /// Whether a newcomer has to wait, since a message of the client that it wants to be is under way.
    pub(super) fn has_to_wait(&self, client_id: &str) -> bool {
        let Some(Sender::Client(sent)) = self.routings.current.as_ref().map(|routing| &routing.sender) else {
            return false;
        };
        self.by_id.get(client_id) == Some(&sent.client)
    }

    pub(super) fn keep_waiting(&mut self, key: ConnectionKey, open: Open) {
        let connection = &mut self.connections[key.index()];
        connection.is_waiting = true;
        let number = connection.number;
        self.routings.newcomers.push((key, number, Box::new(open)));
    }
}
