//! The single writer. It owns addresses, queues, clients and connections; events come in, effects go out, and time is an
//! argument. Sessions meet the core here and nowhere else.
//!
//! ```text
//!   bytes ─► Session ─► Request ─► Engine ─► Queue ─► Delivery ─► Session ─► Output
//!                                    │                               ▲
//!                                    └─► OpenBatch ─► journal ─► ticket
//! ```

mod address;
mod bounds;
mod client;
mod commit;
mod connection;
mod departure;
mod dispatch;
pub mod guard;
mod internal;
mod lengthy;
mod open;
mod options;
mod pace;
mod permit;
mod publish;
mod reconfigure;
mod recover;
mod replay;
mod report;
mod rights;
mod routing;
mod scan;
mod settle;
mod subscribe;
mod timer;
mod users;
mod will;

#[cfg(test)]
mod tests;

use hashbrown::HashMap;
use slab::Slab;
use std::cell::OnceCell;
use std::collections::VecDeque;
use std::rc::Rc;

use crate::core::id::{BindingKey, ConsumerKey, QueueKey, Ticket, Time};
use crate::core::limit::Rate;
use crate::core::queue::{Entry, Queue};
use crate::core::retained::Retained;
use crate::core::router::Router;
use crate::protocol::output::Output;
use crate::protocol::{Authenticate, Context, Event, Scratch};
use crate::store::Batch;

use bounds::Bounds;
use client::Client;
use commit::OpenBatch;
use connection::Connection;
use departure::Departure;
use internal::Internal;
use publish::ExpiryRule;
use rights::{Classes, Verdicts};
use routing::Routings;
use timer::Timers;
use users::InUse;
use will::{DueWill, LeftWill};

pub use connection::{Admission, ConnectionKey, Peer};
pub use options::{DeclaredAddress, DeclaredQueue, Options};
pub use pace::Terms;
pub use recover::Recovered;
pub use report::{AddressReport, LimitReport, QueueReport};
pub use users::{UserLimit, UserLimits};

/// What counts as too much unwritten output of one connection: no more messages for it until it is written.
pub const OUTPUT_MAX: usize = 1024 * 1024;

/// Waiting messages without a guarantee in one queue; more are dropped.
const FLEETING_MAX: usize = 10_000;

/// Bytes in one queue beyond which waiting messages without a guarantee are dropped.
const FLEETING_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Bytes that wait for the journal beyond which no connection is read.
const UNWRITTEN_MAX: usize = 64 * 1024 * 1024;

/// Steps of unfinished work taken in one go.
const STEPS_PER_TICK: usize = 2_048;

/// The broker's state and all that changes it.
pub struct Engine {
    options: Options,
    internal: Internal,
    now: Time,
    router: Router<Policy>,
    retained: Retained,
    queues: Slab<Kept>,
    /// Queues that several clients may share, by group and pattern, or by declared name.
    shared: HashMap<SharedName, QueueKey, foldhash::fast::RandomState>,
    clients: Slab<Client>,
    /// Clients whose state has ended, until that is durable.
    ended: HashMap<Rc<str>, Ticket, foldhash::fast::RandomState>,
    by_id: HashMap<Rc<str>, ConsumerKey, foldhash::fast::RandomState>,
    due_wills: VecDeque<DueWill>,
    /// Wills of clients that were there before the broker failed, by client id.
    left_wills: HashMap<Rc<str>, LeftWill, foldhash::fast::RandomState>,
    connections: Slab<Connection>,
    routings: Routings,
    classes: Classes,
    open: OpenBatch,
    timers: Timers,
    scratch: Scratch,
    /// Connections with output to be written, or at their end.
    touched: Vec<ConnectionKey>,
    authentications: Vec<Authentication>,
    /// Who is told when more is durable.
    awaiting: VecDeque<(Ticket, ConnectionKey, u64)>,
    held_queues: Vec<QueueKey>,
    /// Queues that waited for what is durable now.
    released: VecDeque<QueueKey>,
    /// Clients whose retained messages are not all sent yet.
    replaying: VecDeque<ConsumerKey>,
    /// Connections whose SUBSCRIBE or UNSUBSCRIBE is not done yet.
    lengthy: VecDeque<(ConnectionKey, u64)>,
    /// Clients that have ended, whose subscriptions have not all.
    departures: VecDeque<Departure>,
    /// Queues that nothing leads to, and that still have messages.
    dissolving: VecDeque<Queue>,
    /// Queues with more at their head to be dropped.
    unfinished: VecDeque<QueueKey>,
    /// Connections on which nobody is let in yet, and some that are, in the order they came.
    strangers: VecDeque<(ConnectionKey, u64)>,
    /// Wills are due and have used up their rate.
    wills_are_late: bool,
    /// By user.
    in_use: HashMap<Box<str>, InUse, foldhash::fast::RandomState>,
    will_rate: Rate,
    is_stopping: bool,
    next_message: u64,
    next_queue: u64,
    next_client: u64,
    next_connection: u64,
    counters: Counters,
    bounds: Bounds,
}

/// What happened since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    pub received: u64,
    pub delivered: u64,
    /// Without a guarantee, and there was no room.
    pub dropped: u64,
    pub expired: u64,
    pub refused: u64,
    /// Bytes of all queued messages.
    pub queued_bytes: usize,
    pub kicked: u64,
    /// Our own, in a session.
    pub faults: u64,
}

/// A queue and whose it is.
struct Kept {
    queue: Queue,
    owner: Owner,
    /// It waits in `held_queues`.
    is_held: bool,
}

#[derive(Debug, Clone)]
enum Owner {
    /// One client's own.
    Client(ConsumerKey),
    Shared(SharedName, BindingKey),
    /// Named in broker.xml.
    Declared,
}

/// Names a queue that several clients take from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct SharedName {
    /// `None` for a declared queue.
    group: Option<Box<str>>,
    name: Rc<str>,
}

/// What a route remembers of the settings for its address.
struct Policy {
    expiry: ExpiryRule,
    /// That of the address under which a last value is shown, worked out for the first one.
    retained_expiry: OnceCell<ExpiryRule>,
    verdicts: Verdicts,
    is_internal: bool,
    /// The name may mean a queue of an address.
    is_qualified: bool,
    /// A message may bring the address into being.
    may_create: bool,
}

/// Credentials to be checked outside.
#[derive(Debug)]
pub struct Authentication {
    pub connection: ConnectionKey,
    /// To be given back with the answer.
    pub number: u64,
    pub request: Authenticate,
    pub peer: Rc<Peer>,
}

impl Engine {
    /// An engine without any state; `now` is the time of its start.
    pub fn new(options: Options, now: Time) -> Self {
        let (syntax, seed) = (options.syntax, options.seed);
        let mut engine = Self {
            internal: Internal::new(syntax, &options.internal),
            router: Router::new(syntax, seed),
            retained: Retained::new(syntax, seed),
            queues: Slab::new(),
            shared: HashMap::default(),
            clients: Slab::new(),
            ended: HashMap::default(),
            by_id: HashMap::default(),
            due_wills: VecDeque::new(),
            left_wills: HashMap::default(),
            connections: Slab::new(),
            routings: Routings::default(),
            classes: Classes::default(),
            open: OpenBatch::new(options.is_durable),
            timers: Timers::default(),
            scratch: Scratch::new(seed),
            touched: Vec::new(),
            authentications: Vec::new(),
            awaiting: VecDeque::new(),
            held_queues: Vec::new(),
            released: VecDeque::new(),
            replaying: VecDeque::new(),
            lengthy: VecDeque::new(),
            departures: VecDeque::new(),
            dissolving: VecDeque::new(),
            unfinished: VecDeque::new(),
            strangers: VecDeque::new(),
            wills_are_late: false,
            in_use: HashMap::default(),
            will_rate: Rate::new(options.wills_per_second, 1, now),
            is_stopping: false,
            next_message: 1,
            next_queue: 1,
            next_client: 1,
            next_connection: 1,
            counters: Counters::default(),
            bounds: Bounds::new(&options),
            now,
            options,
        };
        engine.start_scans();
        engine
    }

    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// The batch to be written next. One is written at a time; a batch whose messages may yet be settled is held back
    /// for a moment, so that what is settled is never written.
    pub fn take_batch(&mut self) -> Option<(Ticket, Batch)> {
        if !self.routings.let_batch_go() {
            return None;
        }
        let due = self.open.due(self.now, self.options.settle_ms)?;
        if due > self.now && !self.is_stopping {
            return None;
        }
        self.open.take()
    }

    /// Whether a batch is being written.
    pub fn is_writing(&self) -> bool {
        self.open.is_writing() || !self.open.is_empty() && self.open.is_durable()
    }

    /// A batch is durable: what waited for it leaves.
    pub fn committed(&mut self, now: Time, ticket: Ticket, spare: Batch) {
        self.now = self.now.max(now);
        self.open.done(ticket, spare);
        self.ended.retain(|_, waits| *waits > ticket);
        self.released.extend(self.held_queues.drain(..));
        self.tell_committed();
    }

    /// Tells those who waited for what is durable: a tick's share of them.
    fn tell_committed(&mut self) {
        let mut budget = STEPS_PER_TICK;
        while budget > 0 && self.has_to_tell() {
            budget -= 1;
            let Some((_, connection, number)) = self.awaiting.pop_front() else { break };
            if self.is_current(connection, number) {
                self.notify(connection, Event::Committed);
            }
        }
        for _ in 0..budget.min(self.released.len()) {
            let Some(queue) = self.released.pop_front() else { break };
            if let Some(kept) = self.queues.get_mut(queue.index()) {
                kept.is_held = false;
                self.dispatch(queue);
                self.replay_owner(queue);
            }
        }
    }

    fn has_to_tell(&self) -> bool {
        self.awaiting.front().is_some_and(|(waits, _, _)| *waits <= self.open.committed())
    }

    /// Connections with something to write, or to be closed, since the last call. Give the list back when done.
    pub fn take_touched(&mut self) -> Vec<ConnectionKey> {
        std::mem::take(&mut self.touched)
    }

    /// Whether there is something to write.
    pub fn has_touched(&self) -> bool {
        !self.touched.is_empty()
    }

    /// Returns the emptied list of [`Engine::take_touched`].
    pub fn give_touched(&mut self, mut list: Vec<ConnectionKey>) {
        if self.touched.is_empty() {
            list.clear();
            self.touched = list;
        }
    }

    /// Credentials to check; answer with [`Engine::authenticated`].
    pub fn take_authentications(&mut self) -> Vec<Authentication> {
        std::mem::take(&mut self.authentications)
    }

    /// What a connection has to write.
    pub fn output(&mut self, connection: ConnectionKey) -> Option<&mut Output> {
        self.connections.get_mut(connection.index()).map(|connection| &mut connection.out)
    }

    /// Whether there is work that did not fit into this tick.
    pub fn has_more(&self) -> bool {
        self.routings.have_more()
            || !self.replaying.is_empty()
            || !self.lengthy.is_empty()
            || !self.departures.is_empty()
            || !self.dissolving.is_empty()
            || !self.unfinished.is_empty()
            || self.has_due_wills()
            || self.has_to_tell()
            || !self.released.is_empty()
    }

    /// When [`Engine::advance`] has something to do.
    pub fn next_due(&mut self) -> Option<Time> {
        let batch = if self.open.is_writing() { None } else { self.open.due(self.now, self.options.settle_ms) };
        [self.timers.next(), batch].into_iter().flatten().min()
    }

    /// Does what time brings.
    pub fn advance(&mut self, now: Time) {
        self.now = self.now.max(now);
        self.look_at_epoch();
        self.run_timers();
        self.tell_committed();
        self.route_more();
        self.send_wills();
        self.dispatch_unfinished();
        self.go_on_with_lengthy();
        self.go_on_with_ends();
        self.replay_more();
    }

    fn take_message_id(&mut self) -> u64 {
        self.next_message += 1;
        self.next_message - 1
    }

    fn queue(&mut self, key: QueueKey) -> &mut Queue {
        &mut self.queues[key.index()].queue
    }

    fn touch(&mut self, key: ConnectionKey) {
        let connection = &mut self.connections[key.index()];
        if !connection.is_touched {
            connection.is_touched = true;
            self.touched.push(key);
        }
    }

    /// Tells a connection's session something, and does what it asks for in turn.
    fn notify(&mut self, key: ConnectionKey, event: Event) {
        let Some(connection) = self.connections.get_mut(key.index()) else { return };
        if connection.is_ended {
            return;
        }
        let mut context = Context {
            now: self.now,
            committed: self.open.committed(),
            out: &mut connection.out,
            scratch: &mut self.scratch,
        };
        let result = guard::contain(|| connection.session.notify(event, &mut context));
        if !connection.out.is_empty() {
            self.touch(key);
        }
        match result {
            Some(Ok(Some(request))) => self.handle(key, request),
            Some(Ok(None)) => {}
            Some(Err(ended)) => self.end(key, ended.abnormal, ended.why),
            None => {
                self.counters.faults += 1;
                self.end(key, true, "fault in its session");
            }
        }
    }

    /// A session waits for a ticket: tell it once that is durable.
    fn await_ticket(&mut self, key: ConnectionKey, ticket: Ticket) {
        if ticket > self.open.committed() {
            let number = self.connections[key.index()].number;
            let at = self.awaiting.partition_point(|(waits, _, _)| *waits <= ticket);
            if at.checked_sub(1).and_then(|last| self.awaiting.get(last)) != Some(&(ticket, key, number)) {
                self.awaiting.insert(at, (ticket, key, number));
            }
        }
    }

    fn is_current(&self, key: ConnectionKey, number: u64) -> bool {
        self.connections.get(key.index()).is_some_and(|connection| connection.number == number && !connection.is_ended)
    }

    /// An entry has left its queue for good: its record goes, and whoever waited only for it is told.
    fn discard(&mut self, queue: u64, entry: &Entry) {
        self.counters.queued_bytes = self.counters.queued_bytes.saturating_sub(entry.message.size());
        if let Some(waiter) = self.open.remove(queue, entry) {
            let key = ConnectionKey::of(waiter.connection);
            if self.is_current(key, waiter.connection) {
                self.notify(key, Event::Elided { token: waiter.token });
            }
        }
    }
}
