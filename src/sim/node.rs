//! The engine with a journal and connections made of memory, driven as the reactor drives it.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::mpsc::{Receiver, channel};

use crate::core::id::{Ticket, Time};
use crate::engine::{Admission, Authentication, ConnectionKey, Engine, Options, Peer, Terms};
use crate::protocol::mqtt::{Limits, MqttSession};
use crate::protocol::{Authenticate, Denial};
use crate::security::Principal;
use crate::store::{Batch, Completion, Journal, MemoryJournal, Notify};

/// When the virtual clock begins.
pub const BEGINNING: Time = Time(1_000_000_000);

/// A connection, never the same number twice.
pub type LinkId = usize;

/// Decides about an authentication.
type Admit = dyn Fn(&Authenticate) -> Result<Admission, Denial>;

/// A broker without sockets, disk and clock.
pub struct Node {
    pub engine: Engine,
    pub journal: MemoryJournal,
    pub now: Time,
    /// Authentications are answered by [`Node::authenticate`] only.
    pub is_slow_to_authenticate: bool,
    /// Who is let in, and as whom.
    pub admit: Box<Admit>,
    /// What clients send waits for the next tick.
    pub is_busy: bool,
    /// It does no more than a tick at a time.
    pub is_lazy: bool,
    /// It says that batches are durable before they are.
    pub is_liar: bool,
    completions: Receiver<Completion>,
    settings: Rc<dyn Fn() -> Options>,
    limits: Rc<Limits>,
    /// Of the connections from now on.
    pub peer: Rc<Peer>,
    links: BTreeMap<LinkId, Link>,
    /// The latest link of each.
    ids: BTreeMap<ConnectionKey, LinkId>,
    next_link: LinkId,
    authentications: Vec<Authentication>,
}

struct Link {
    key: ConnectionKey,
    /// What the broker has not taken yet.
    to_broker: Vec<u8>,
    /// What the client has not read yet.
    to_client: Vec<u8>,
    /// The socket takes nothing.
    is_stuck: bool,
    is_over: bool,
}

/// What the acceptor of a simulated broker lets its clients do.
pub fn limits() -> Limits {
    Limits { receive_maximum: Some(20), topic_alias_maximum: Some(10), in_flight_maximum: 8, ..Limits::default() }
}

/// A peer that an acceptor holds to these terms.
pub fn peer(terms: Terms) -> Peer {
    Peer {
        acceptor: "sim".into(),
        address: "sim".into(),
        handshake_ms: 10_000,
        terms: Rc::new(terms),
        ..Peer::default()
    }
}

fn notify() -> (Notify, Receiver<Completion>) {
    let (sender, receiver) = channel();
    (Box::new(move |completion| drop(sender.send(completion))), receiver)
}

impl Node {
    pub fn new(settings: impl Fn() -> Options + 'static, limits: Limits) -> Self {
        let (notify, completions) = notify();
        let mut journal = MemoryJournal::held(notify);
        let (engine, _) = Engine::recover(settings(), BEGINNING, &mut journal).expect("an empty journal");
        Self {
            engine,
            journal,
            now: BEGINNING,
            is_slow_to_authenticate: false,
            admit: Box::new(|_| Ok(Admission { principal: Principal::default(), client_id: None })),
            is_busy: false,
            is_lazy: false,
            is_liar: false,
            completions,
            settings: Rc::new(settings),
            limits: Rc::new(limits),
            peer: Rc::new(peer(Terms { packet_ms: 10_000, ..Terms::default() })),
            links: BTreeMap::new(),
            ids: BTreeMap::new(),
            next_link: 0,
            authentications: Vec::new(),
        }
    }

    pub fn connect(&mut self) -> LinkId {
        let session = Box::new(MqttSession::new(self.limits.clone()));
        let key = self.engine.connect(self.now, session, self.peer.clone());
        let link = Link { key, to_broker: Vec::new(), to_client: Vec::new(), is_stuck: false, is_over: false };
        self.next_link += 1;
        self.links.insert(self.next_link, link);
        self.ids.insert(key, self.next_link);
        self.next_link
    }

    /// Bytes from a client, and the tick that they cause.
    pub fn send(&mut self, link: LinkId, bytes: &[u8]) {
        self.feed(link, bytes);
        if !self.is_busy {
            self.pump();
        }
    }

    /// Bytes from a client that are read in one tick with others.
    pub fn feed(&mut self, id: LinkId, bytes: &[u8]) {
        let Some(link) = self.links.get_mut(&id).filter(|link| !link.is_over) else { return };
        link.to_broker.extend_from_slice(bytes);
        let used = self.engine.receive(self.now, link.key, &link.to_broker);
        link.to_broker.drain(..used);
    }

    /// What has arrived at a client.
    pub fn take(&mut self, link: LinkId) -> Vec<u8> {
        self.links.get_mut(&link).map(|link| std::mem::take(&mut link.to_client)).unwrap_or_default()
    }

    /// What was taken too early waits to be read again.
    pub fn put_back(&mut self, link: LinkId, bytes: &[u8]) {
        if let Some(link) = self.links.get_mut(&link) {
            link.to_client.extend_from_slice(bytes);
        }
    }

    /// Whether something waits to be read by a client.
    pub fn has_output(&self, link: LinkId) -> bool {
        self.links.get(&link).is_some_and(|link| !link.to_client.is_empty())
    }

    /// Whether the broker has ended the connection.
    pub fn is_over(&self, link: LinkId) -> bool {
        self.links.get(&link).is_none_or(|link| link.is_over)
    }

    /// The socket of a connection takes nothing any more, or takes again.
    pub fn set_stuck(&mut self, id: LinkId, is_stuck: bool) {
        if let Some(link) = self.links.get_mut(&id) {
            link.is_stuck = is_stuck;
            let key = link.key;
            self.write(key);
            self.pump();
        }
    }

    /// The connection is lost, with what was on its way to the client.
    pub fn lose(&mut self, id: LinkId) {
        if let Some(link) = self.links.remove(&id) {
            if !link.is_over {
                self.engine.disconnect(self.now, link.key);
                self.engine.forget(link.key);
            }
            self.pump();
        }
    }

    /// The connection is lost, without the tick that this causes.
    pub fn drop_link(&mut self, id: LinkId) {
        if let Some(link) = self.links.remove(&id) {
            self.engine.disconnect(self.now, link.key);
            self.engine.forget(link.key);
        }
    }

    /// Time goes by.
    pub fn pass(&mut self, ms: u64) {
        self.now = self.now.after(ms);
        self.pump();
    }

    /// Ticks until nothing moves, or once.
    pub fn pump(&mut self) {
        for _ in 0..1000 {
            if !self.tick() || self.is_lazy {
                return;
            }
        }
        panic!("the engine does not come to rest");
    }

    /// One tick of the network; says whether anything has moved.
    pub fn tick(&mut self) -> bool {
        let mut has_moved = self.engine.has_more();
        self.engine.advance(self.now);
        loop {
            let touched = self.engine.take_touched();
            if touched.is_empty() {
                break;
            }
            has_moved = true;
            for key in &touched {
                self.write(*key);
            }
            self.engine.give_touched(touched);
        }
        self.authentications.extend(self.engine.take_authentications());
        if !self.is_slow_to_authenticate {
            has_moved |= self.authenticate();
        }
        self.commit();
        has_moved
    }

    fn write(&mut self, key: ConnectionKey) {
        let found = self.ids.get(&key).and_then(|id| Some((id, self.links.get_mut(id).filter(|link| !link.is_over)?)));
        let is_ended = self.engine.is_ended(key);
        let mut goes_on = None;
        if let (Some((id, link)), Some(out)) = (found, self.engine.output(key)) {
            goes_on = Some(*id).filter(|_| !link.to_broker.is_empty() && !is_ended);
            if !link.is_stuck {
                link.to_client.extend_from_slice(&out.take());
                link.is_over = is_ended;
            }
            if link.is_over {
                self.engine.disconnect(self.now, key);
                self.engine.forget(key);
            }
        }
        self.engine.written(key);
        if let Some(id) = goes_on.filter(|_| !self.engine.is_waiting(key)) {
            self.feed(id, &[]);
        }
    }

    /// Lets everybody in who asks; says whether there was anybody.
    pub fn authenticate(&mut self) -> bool {
        let asked = std::mem::take(&mut self.authentications);
        for authentication in &asked {
            let key = authentication.connection;
            let answer = (self.admit)(&authentication.request);
            self.engine.authenticated(self.now, key, authentication.number, answer);
            if let Some(id) = self.ids.get(&key).copied() {
                self.feed(id, &[]);
            }
        }
        !asked.is_empty()
    }

    /// Lets nobody in who asks.
    pub fn deny(&mut self, denial: Denial) {
        for authentication in std::mem::take(&mut self.authentications) {
            self.engine.authenticated(self.now, authentication.connection, authentication.number, Err(denial));
        }
        self.pump();
    }

    fn commit(&mut self) {
        while let Some((ticket, batch)) = self.engine.take_batch() {
            self.journal.append(ticket.0, batch);
            if !self.is_liar {
                return;
            }
            self.engine.committed(self.now, ticket, Batch::new());
        }
    }

    /// The oldest batch becomes durable; the engine is not told yet.
    pub fn write_batch(&mut self) -> bool {
        self.journal.complete_next()
    }

    /// The engine is told of one durable batch.
    pub fn report_batch(&mut self) -> bool {
        let Ok(Completion::Committed { ticket, batch }) = self.completions.try_recv() else { return false };
        if !self.is_liar {
            self.engine.committed(self.now, Ticket(ticket), batch);
        }
        self.pump();
        true
    }

    /// Everything that is to be written is written and reported, with the time that batches wait for company.
    pub fn settle(&mut self) {
        for _ in 0..1000 {
            self.pump();
            let has_written = self.write_batch();
            let has_reported = self.report_batch();
            if !has_written && !has_reported {
                if !self.engine.is_writing() {
                    return;
                }
                let due = self.engine.next_due().unwrap_or(self.now);
                self.pass(due.since(self.now));
            }
        }
        panic!("the journal does not come to rest");
    }

    /// The process dies and starts again: what was not durable is lost, and all connections.
    pub fn crash(&mut self) {
        let (notify, completions) = notify();
        self.journal = self.journal.crash(notify);
        self.completions = completions;
        self.links.clear();
        self.authentications.clear();
        let (engine, _) =
            Engine::recover((self.settings)(), self.now, &mut self.journal).expect("what was written can be read");
        self.engine = engine;
        self.pump();
    }
}
