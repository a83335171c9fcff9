//! Listening sockets, and what a new connection turns out to speak.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::connection;
use super::gate::{Entrance, Gate, GateOptions, Place};
use super::reactor::Reactor;
use super::tls::{Handshakes, ServerTls};
use super::transport::Stream;
use crate::core::id::Time;
use crate::core::limit::Limit;
use crate::engine::{Peer, Terms};
use crate::protocol::Session;
use crate::security::{ClientCertificate, NameKind};

/// Pause after a connection could not be accepted, as when there are no more file descriptors.
pub(super) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Connections accepted before other sockets are looked at.
const ACCEPTED_AT_ONCE: u32 = 4;

/// What a listening socket is told.
pub struct Acceptor {
    pub name: Rc<str>,
    pub host: String,
    pub port: u16,
    pub backlog: u32,
    pub no_delay: bool,
    pub send_buffer: Option<u32>,
    pub receive_buffer: Option<u32>,
    pub gate: GateOptions,
    pub terms: Rc<Terms>,
    /// What its sessions are held to, for operators to see.
    pub limits: Vec<Rc<Limit>>,
    /// The same of all acceptors together.
    pub shared_limits: Vec<Rc<Limit>>,
    /// The login domain, where it is not the one for all.
    pub domain: Option<Rc<str>>,
    /// Milliseconds until a client has to be let in; 0 is for ever.
    pub handshake_ms: u64,
    /// Bytes of one WebSocket message.
    pub message_max: usize,
    /// `None` for plain text.
    pub tls: Option<Tls>,
    /// Makes the session of a new connection.
    pub session: Box<dyn Fn() -> Box<dyn Session>>,
}

impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Acceptor({} at {}:{})", self.name, self.host, self.port)
    }
}

/// What an acceptor's handshakes are made with, and who makes them.
#[derive(Clone)]
pub struct Tls {
    pub server: Arc<ServerTls>,
    pub handshakes: Rc<Handshakes>,
    /// The name in a client's certificate that is its client id, and that which is its user.
    pub client_id_from: Option<NameKind>,
    pub user_from: Option<NameKind>,
}

/// An open listening socket.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    acceptor: Rc<Acceptor>,
    gate: Rc<Gate>,
    total: Total,
}

/// The connections of all acceptors, and how many there may be.
#[derive(Debug, Clone)]
pub struct Total(Rc<Limit>);

impl Total {
    /// As many as the process may open files, but for those the journal needs.
    pub fn by_open_files() -> Self {
        let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
        let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
        let files = line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(u64::MAX);
        let reserve = (files / 4).clamp(64, 512);
        Self(Rc::new(Limit::new("connections", files.saturating_sub(reserve))))
    }
}

impl Listener {
    /// Opens a socket at each address of the acceptor's host.
    ///
    /// # Errors
    /// The host has no address, or one is in use.
    pub async fn open(acceptor: Acceptor, total: &Total) -> io::Result<Vec<Self>> {
        let acceptor = Rc::new(acceptor);
        let gate = Rc::new(Gate::new(acceptor.gate, Time(0)));
        let mut addresses: Vec<_> = tokio::net::lookup_host((acceptor.host.as_str(), acceptor.port)).await?.collect();
        addresses.sort();
        addresses.dedup();
        if addresses.is_empty() {
            return Err(io::Error::other("the host has no address"));
        }
        let open = |address| {
            let socket = Self::listen(&acceptor, address)?;
            Ok(Self { socket, acceptor: acceptor.clone(), gate: gate.clone(), total: total.clone() })
        };
        addresses.into_iter().map(open).collect()
    }

    fn listen(acceptor: &Acceptor, address: SocketAddr) -> io::Result<TcpListener> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        socket.set_reuseaddr(true)?;
        // Accepted sockets inherit this; a peer that has vanished is found by the system, however long its keep alive.
        socket.set_nodelay(acceptor.no_delay)?;
        socket.set_keepalive(true)?;
        if let Some(bytes) = acceptor.send_buffer {
            socket.set_send_buffer_size(bytes)?;
        }
        if let Some(bytes) = acceptor.receive_buffer {
            socket.set_recv_buffer_size(bytes)?;
        }
        socket.bind(address)?;
        socket.listen(acceptor.backlog)
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.socket.local_addr().map_or(self.acceptor.port, |address| address.port())
    }

    pub fn acceptor(&self) -> &Acceptor {
        &self.acceptor
    }

    /// Accepts connections until the reactor is dropped.
    pub async fn run(self, reactor: Rc<Reactor>) {
        reactor.show_limits("", [&self.total.0].into_iter().chain(&self.acceptor.shared_limits));
        if let Some(tls) = &self.acceptor.tls {
            reactor.show_limits("", tls.handshakes.limits().iter());
        }
        reactor.show_limits(&self.acceptor.name, self.gate.limits().iter().chain(&self.acceptor.limits));
        let mut is_failing = false;
        let mut accepted = 0;
        loop {
            match self.socket.accept().await {
                Ok((stream, remote)) => {
                    is_failing = false;
                    self.begin(&reactor, stream, remote);
                    accepted = u32::wrapping_add(accepted, 1);
                    if accepted % ACCEPTED_AT_ONCE == 0 {
                        tokio::task::yield_now().await;
                    }
                }
                Err(error) => {
                    if !std::mem::replace(&mut is_failing, true) {
                        let acceptor = &self.acceptor.name;
                        tracing::warn!("AMQ222216: acceptor {acceptor} cannot accept connections: {error}");
                    }
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn begin(&self, reactor: &Rc<Reactor>, stream: TcpStream, remote: SocketAddr) {
        if reactor.is_stopping() {
            return;
        }
        let (place, is_too_often) = match self.gate.enter(remote.ip(), &self.total.0, reactor.now()) {
            Entrance::In(place) => (place, false),
            // A handshake would cost more than the answer is worth.
            Entrance::TooOften(_) if self.acceptor.tls.is_some() => return,
            Entrance::TooOften(place) => (place, true),
            Entrance::Out => {
                tracing::debug!(acceptor = &*self.acceptor.name, %remote, "connection limit reached");
                return;
            }
        };
        let (reactor, acceptor) = (reactor.clone(), self.acceptor.clone());
        let connection = Incoming { reactor, acceptor, remote: remote.to_string(), is_too_often, place };
        if self.acceptor.tls.is_some() {
            tokio::task::spawn_local(connection.serve_tls(stream));
        } else {
            tokio::task::spawn_local(connection.serve(Stream::Plain(stream), None));
        }
    }
}

/// A connection that was accepted.
struct Incoming {
    reactor: Rc<Reactor>,
    acceptor: Rc<Acceptor>,
    remote: String,
    is_too_often: bool,
    place: Place,
}

impl Incoming {
    fn serve(self, stream: Stream, certificate: Option<Arc<ClientCertificate>>) -> impl Future<Output = ()> {
        let Self { reactor, acceptor, remote, is_too_often, place } = self;
        let tls = acceptor.tls.as_ref();
        // A client without a certificate, where none is needed, says its names itself.
        let name = |kind: Option<NameKind>| {
            certificate.as_ref().zip(kind).map(|(certificate, kind)| certificate.name(kind)).unwrap_or_default()
        };
        let peer = Rc::new(Peer {
            acceptor: acceptor.name.clone(),
            domain: acceptor.domain.clone(),
            address: remote,
            handshake_ms: acceptor.handshake_ms,
            terms: acceptor.terms.clone(),
            is_too_often,
            client_id: name(tls.and_then(|tls| tls.client_id_from)),
            user: name(tls.and_then(|tls| tls.user_from)),
            certificate,
        });
        connection::run(reactor, acceptor, peer, stream, place)
    }

    async fn serve_tls(self, stream: TcpStream) {
        let Some(tls) = self.acceptor.tls.clone() else { return };
        match tls.handshakes.make(stream, &tls.server).await {
            // As a task of its own it takes no more room than one without TLS.
            Ok((socket, certificate)) => {
                tokio::task::spawn_local(self.serve(Stream::Tls(Box::new(socket)), certificate));
            }
            Err(failure) => tls.server.report(&self.remote, &failure),
        }
    }
}
