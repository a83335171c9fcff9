//! Connections: bytes in, requests handled, and the end.

use std::rc::Rc;
use std::sync::Arc;

use super::lengthy::Lengthy;
use super::{Authentication, Engine, OUTPUT_MAX, UNWRITTEN_MAX, guard};
use crate::core::id::{ConsumerKey, Time};
use crate::protocol::output::Output;
use crate::protocol::{Admitted, Closing, Context, Denial, Event, Expiry, Request, Session};
use crate::security::{CertifiedName, ClientCertificate, Principal};

use super::pace::{Allowance, Terms};
use super::timer::Timer;

/// How long the last words to a peer are offered to it.
const LINGER_MS: u64 = 5_000;

/// A connection of the running broker: its place, and a number that is never given twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionKey(u32);

impl ConnectionKey {
    pub fn index(self) -> usize {
        self.0 as usize
    }

    /// The key within a connection's number.
    pub fn of(number: u64) -> Self {
        Self((number & 0xFFFF_FFFF) as u32)
    }
}

/// Who is at the other end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Peer {
    pub acceptor: Rc<str>,
    /// The login domain of the acceptor, where it has one of its own.
    pub domain: Option<Rc<str>>,
    pub address: String,
    /// Milliseconds within which it has to be let in; 0 is for ever.
    pub handshake_ms: u64,
    /// What a TLS client has shown of itself.
    pub certificate: Option<Arc<ClientCertificate>>,
    /// What the certificate says about its client id and its user.
    pub client_id: CertifiedName,
    pub user: CertifiedName,
    pub terms: Rc<Terms>,
    /// Too many connect in a short time: it is told so, and not let in.
    pub is_too_often: bool,
}

/// Who is let in on a connection, by the word of a security manager.
#[derive(Debug, Clone, PartialEq)]
pub struct Admission {
    pub principal: Principal,
    /// The client's id, where it is not the one it sent.
    pub client_id: Option<String>,
}

/// A connection and what belongs to it alone.
pub(super) struct Connection {
    /// Place in the low 32 bits, a count above.
    pub number: u64,
    pub session: Box<dyn Session>,
    pub out: Output,
    pub peer: Rc<Peer>,
    pub client: Option<ConsumerKey>,
    /// Who was authenticated, until a client is opened.
    pub principal: Option<Box<Principal>>,
    pub last_heard: Time,
    /// Silence after which it is dead; 0 is never.
    pub silence_ms: u64,
    /// Tells the timer that counts from those that are void.
    pub watch: u32,
    pub is_touched: bool,
    pub is_ended: bool,
    /// It has ended long ago, and its peer does not take what is still to be said.
    pub is_abandoned: bool,
    /// It waits for its authentication; nothing more is read.
    pub is_waiting: bool,
    /// It had too much to write; deliveries go on when that is written.
    pub is_congested: bool,
    /// It sends too fast, and is not read for a while.
    pub is_paused: bool,
    /// It is not read until what it has sent is routed.
    pub is_parked: bool,
    pub allowance: Option<Box<Allowance>>,
    /// When the packet began that is not whole yet, and when it has to be.
    pub packet: Option<(Time, Time)>,
    pub is_packet_watched: bool,
    /// Nobody is let in on it yet.
    pub is_stranger: bool,
    /// What was refused for want of permission.
    pub denials: u32,
    /// Of a long SUBSCRIBE or UNSUBSCRIBE, what is still to be done; nothing more is read, and nothing delivered.
    pub lengthy: Option<Box<Lengthy>>,
}

impl Connection {
    /// Whether no input is worked on, whatever has come.
    fn is_deaf(&self) -> bool {
        self.is_ended || self.is_waiting || self.is_paused || self.is_parked || self.lengthy.is_some()
    }
}

/// What a session made of its input.
enum Progress<'f> {
    Frame(Option<Request<'f>>, usize),
    /// There is no whole frame; its length, if that is known.
    Partial(Option<usize>),
}

impl Engine {
    /// A peer has connected.
    pub fn connect(&mut self, now: Time, session: Box<dyn Session>, peer: Rc<Peer>) -> ConnectionKey {
        self.now = self.now.max(now);
        let place = self.connections.vacant_key();
        let key = ConnectionKey(place as u32);
        let number = self.next_connection << 32 | place as u64;
        self.next_connection += 1;
        let silence_ms = peer.handshake_ms;
        self.connections.insert(Connection {
            number,
            session,
            out: Output::default(),
            peer,
            client: None,
            principal: None,
            last_heard: self.now,
            silence_ms,
            watch: 0,
            is_touched: false,
            is_ended: false,
            is_abandoned: false,
            is_waiting: false,
            is_congested: false,
            is_paused: false,
            is_parked: false,
            allowance: None,
            packet: None,
            is_packet_watched: false,
            is_stranger: true,
            denials: 0,
            lengthy: None,
        });
        self.watch_silence(key);
        self.add_stranger(key, number);
        key
    }

    /// Works through the whole frames of `input`; gives back how many bytes that took. What is left has to be offered
    /// again with more, or once an authentication is answered.
    pub fn receive(&mut self, now: Time, key: ConnectionKey, input: &[u8]) -> usize {
        self.receive_some(now, key, input, usize::MAX).0
    }

    /// The same with so many frames at the most; gives back how many bytes were taken, and how many frames.
    pub fn receive_some(&mut self, now: Time, key: ConnectionKey, input: &[u8], most: usize) -> (usize, usize) {
        self.now = self.now.max(now);
        self.look_at_epoch();
        let (mut used, mut frames) = (0, 0);
        // Until it is let in, a peer has one term for all: bytes do not renew it.
        if let Some(connection) = self.connections.get_mut(key.index()).filter(|connection| connection.client.is_some())
        {
            connection.last_heard = self.now;
        }
        while let Some(connection) = self.connections.get_mut(key.index()) {
            if frames == most || connection.is_deaf() {
                break;
            }
            if self.routings.are_enough(self.options.receivers_per_tick) {
                self.pause_until_next_tick(key);
                break;
            }
            let mut context = Context {
                now: self.now,
                committed: self.open.committed(),
                out: &mut connection.out,
                scratch: &mut self.scratch,
            };
            let rest = &input[used..];
            let result = guard::contain(|| match connection.session.frame_length(rest, &mut context) {
                Ok(Some(length)) if length <= rest.len() => {
                    used += length;
                    let request = connection.session.receive(&rest[..length], &mut context)?;
                    Ok(Progress::Frame(request, length))
                }
                Ok(length) => Ok(Progress::Partial(length)),
                Err(ended) => Err(ended),
            });
            if !connection.out.is_empty() {
                self.touch(key);
            }
            match result {
                Some(Ok(Progress::Frame(request, length))) => {
                    frames += 1;
                    let messages = u64::from(matches!(request, Some(Request::Publish(_))));
                    if let Some(request) = request {
                        self.handle(key, request);
                    }
                    self.charge(key, messages, length);
                }
                Some(Ok(Progress::Partial(length))) => {
                    self.note_rest(key, used > 0, input.len() - used, length);
                    break;
                }
                Some(Err(ended)) => self.end(key, ended.abnormal, ended.why),
                None => {
                    self.counters.faults += 1;
                    self.kick(key, Closing::Fault, true);
                }
            }
        }
        (used, frames)
    }

    /// Whether the connection takes no input now: its authentication or a long SUBSCRIBE is under way, it does not read
    /// its output, or the journal lags behind.
    pub fn is_waiting(&self, key: ConnectionKey) -> bool {
        let waits = |connection: &Connection| connection.is_deaf() || connection.out.len() >= 2 * OUTPUT_MAX;
        self.is_overloaded() || self.connections.get(key.index()).is_none_or(waits)
    }

    /// Whether no connection is read, since the journal lags behind.
    pub fn is_overloaded(&self) -> bool {
        self.open.bytes() >= UNWRITTEN_MAX
    }

    /// Whether a client is let in on the connection.
    pub fn is_open(&self, key: ConnectionKey) -> bool {
        self.connections.get(key.index()).is_some_and(|connection| connection.client.is_some())
    }

    /// Whether the connection is over, but for what it has to write.
    pub fn is_ended(&self, key: ConnectionKey) -> bool {
        self.connections.get(key.index()).is_none_or(|connection| connection.is_ended)
    }

    pub(super) fn handle(&mut self, key: ConnectionKey, request: Request<'_>) {
        match request {
            Request::Publish(publish) => self.publish(key, publish),
            Request::Settle { delivery, handle, outcome, token } => self.settle(key, delivery, handle, outcome, token),
            Request::Release { handle, known, token } => self.release(key, handle, known, token),
            Request::Subscribe { token, subscriptions } => self.subscribe(key, token, subscriptions),
            Request::Unsubscribe { token, subscriptions } => self.unsubscribe(key, token, subscriptions),
            Request::Authenticate(_) if self.connections[key.index()].peer.is_too_often => {
                self.notify(key, Event::Authenticated(Err(Denial::TooOften)));
            }
            Request::Authenticate(request) => {
                let connection = &mut self.connections[key.index()];
                connection.is_waiting = true;
                let (number, peer) = (connection.number, connection.peer.clone());
                self.authentications.push(Authentication { connection: key, number, request: *request, peer });
            }
            Request::Open(open) => self.open_client(key, *open),
            Request::Close { expiry, will } => {
                if let Some(client) = self.connections[key.index()].client {
                    let client = &mut self.clients[client.index()];
                    let most = client.rights.principal.limits().session_expiry.map_or(Expiry::NEVER, Expiry);
                    let asked = expiry.unwrap_or(client.expiry);
                    client.expiry = if asked.0 > most.0 { most } else { asked };
                    if !will {
                        client.will = None; // The client took its leave.
                    }
                }
                self.end(key, will, "client disconnected");
            }
        }
    }

    /// The answer to an authentication: who is let in, or why not. Dropped if the connection is gone.
    pub fn authenticated(&mut self, now: Time, key: ConnectionKey, number: u64, result: Result<Admission, Denial>) {
        self.now = self.now.max(now);
        if !self.is_current(key, number) {
            return;
        }
        let connection = &mut self.connections[key.index()];
        connection.is_waiting = false;
        connection.last_heard = self.now;
        let result = result.map(|admission| {
            let own = admission.principal.limits();
            let admitted = Admitted {
                client_id: admission.client_id,
                packet_bytes: own.packet_bytes,
                in_flight: own.in_flight,
                expiry_s: own.session_expiry,
            };
            connection.principal = Some(Box::new(admission.principal));
            admitted
        });
        self.notify(key, Event::Authenticated(result));
    }

    /// The peer is gone without a word.
    pub fn disconnect(&mut self, now: Time, key: ConnectionKey) {
        self.now = self.now.max(now);
        if self.connections.contains(key.index()) {
            self.end(key, true, "connection lost");
        }
    }

    /// Ends a connection by the broker's will.
    pub(super) fn kick(&mut self, key: ConnectionKey, closing: Closing, abnormal: bool) {
        self.counters.kicked += 1;
        self.notify(key, Event::Close(closing));
        self.end(key, abnormal, "ended by the broker");
    }

    pub(super) fn end(&mut self, key: ConnectionKey, abnormal: bool, why: &'static str) {
        let Some(connection) = self.connections.get_mut(key.index()) else { return };
        if connection.is_ended {
            return;
        }
        connection.is_ended = true;
        connection.lengthy = None;
        self.remove_stranger(key);
        let connection = &mut self.connections[key.index()];
        tracing::debug!(remote = connection.peer.address, why, "connection ended");
        self.timers.set(self.now.after(LINGER_MS), Timer::Linger(key, connection.number));
        if let Some(client) = connection.client.take() {
            let mut saved = connection.session.save();
            if connection.is_parked {
                let number = connection.number;
                self.drop_held(number, &mut saved);
            }
            self.detach(client, saved, abnormal);
        }
        self.touch(key);
    }

    pub(super) fn abandon(&mut self, key: ConnectionKey, number: u64) {
        let ended = self.connections.get_mut(key.index());
        if let Some(connection) = ended.filter(|connection| connection.number == number && connection.is_ended) {
            connection.is_abandoned = true;
            connection.out = Output::default();
            self.touch(key);
        }
    }

    /// Whether an ended connection's last words are not waited for any longer.
    pub fn is_abandoned(&self, key: ConnectionKey) -> bool {
        self.connections.get(key.index()).is_none_or(|connection| connection.is_abandoned)
    }

    /// The network is done with an ended connection; its place is free.
    pub fn forget(&mut self, key: ConnectionKey) {
        if self.connections.get(key.index()).is_some_and(|connection| connection.is_ended) {
            self.connections.remove(key.index());
        }
    }

    /// Output was written, or at least tried: the connection is no longer in the list of the touched.
    pub fn written(&mut self, key: ConnectionKey) {
        let Some(connection) = self.connections.get_mut(key.index()) else { return };
        connection.is_touched = false;
        if connection.is_congested && connection.out.len() < OUTPUT_MAX / 2 {
            connection.is_congested = false;
            if let Some(client) = connection.client {
                self.dispatch_client(client);
            }
        }
    }

    /// There is more output than was written: the connection is in the list of the touched again.
    pub fn write_later(&mut self, key: ConnectionKey) {
        if self.connections.contains(key.index()) {
            self.touch(key);
        }
    }

    /// Tells every client that the broker stops, and ends all connections.
    pub fn shut_down(&mut self, now: Time) {
        self.now = self.now.max(now);
        self.is_stopping = true;
        self.finish_routing();
        let keys: Vec<_> = self.connections.iter().map(|(place, _)| ConnectionKey(place as u32)).collect();
        for key in keys {
            self.kick(key, Closing::ShuttingDown, true);
        }
        self.send_all_wills();
    }

    fn watch_silence(&mut self, key: ConnectionKey) {
        let connection = &self.connections[key.index()];
        if connection.silence_ms > 0 {
            let at = connection.last_heard.after(connection.silence_ms).max(self.now.after(1));
            let timer = Timer::Silence(key, connection.number, connection.watch);
            self.set_timer(at, timer);
        }
    }

    pub(super) fn set_silence(&mut self, key: ConnectionKey, silence_ms: u64) {
        let connection = &mut self.connections[key.index()];
        connection.last_heard = self.now;
        connection.silence_ms = silence_ms;
        connection.watch += 1;
        self.watch_silence(key);
    }

    /// A connection that was not read for a while is read again: what it has sent meanwhile comes now, and only from now on
    /// it may be silent.
    pub(super) fn listen_again(&mut self, key: ConnectionKey) {
        self.connections[key.index()].last_heard = self.now;
        self.touch(key);
    }

    pub(super) fn check_connect_time(&mut self, key: ConnectionKey, number: u64, ends: Time) {
        if !self.is_current(key, number) {
            return;
        }
        if ends <= self.now {
            self.kick(key, Closing::TimeOver, true);
        } else {
            self.set_timer(ends, Timer::ConnectTime(key, number, ends));
        }
    }

    pub(super) fn check_silence(&mut self, key: ConnectionKey, number: u64, watch: u32) {
        if !self.is_current(key, number) || self.connections[key.index()].watch != watch {
            return;
        }
        let is_overloaded = self.is_overloaded();
        let connection = &mut self.connections[key.index()];
        if connection.silence_ms == 0 || connection.is_waiting {
            return;
        }
        if is_overloaded && connection.client.is_some() {
            connection.last_heard = self.now;
        }
        if is_overloaded || connection.is_paused || connection.is_parked || connection.lengthy.is_some() {
            // It may have spoken, and was not listened to.
            return self.watch_silence(key);
        }
        let connection = &self.connections[key.index()];
        if connection.last_heard.after(connection.silence_ms) <= self.now {
            if connection.client.is_none() {
                self.bounds.handshakes.refuse();
            }
            self.kick(key, Closing::Silent, true);
        } else {
            self.watch_silence(key);
        }
    }
}
