//! Listening sockets, and what a new connection turns out to speak.

use std::cell::Cell;
use std::fmt;
use std::io;
use std::rc::Rc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::reactor::Reactor;
use super::connection;
use crate::engine::Peer;
use crate::protocol::Session;

/// Pause after a connection could not be accepted, as when there are no more file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What a listening socket is told.
pub struct Acceptor {
    pub name: Rc<str>,
    pub host: String,
    pub port: u16,
    pub backlog: u32,
    pub no_delay: bool,
    pub send_buffer: Option<u32>,
    pub receive_buffer: Option<u32>,
    /// Connections at a time; `None` for no limit.
    pub connections_max: Option<u64>,
    /// Milliseconds until a client has to be let in; 0 is for ever.
    pub handshake_ms: u64,
    /// Bytes of one WebSocket message.
    pub message_max: usize,
    /// Makes the session of a new connection.
    pub session: Box<dyn Fn() -> Box<dyn Session>>,
}

impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Acceptor({} at {}:{})", self.name, self.host, self.port)
    }
}

/// An open listening socket.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    acceptor: Rc<Acceptor>,
    connections: Rc<Cell<u64>>,
}

/// Counts a connection for as long as it lives.
#[derive(Debug)]
pub struct Place(Rc<Cell<u64>>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

impl Listener {
    /// Opens the socket.
    ///
    /// # Errors
    /// The address cannot be found or is in use.
    pub async fn open(acceptor: Acceptor) -> io::Result<Self> {
        let address = tokio::net::lookup_host((acceptor.host.as_str(), acceptor.port)).await?.next();
        let address = address.ok_or_else(|| io::Error::other("the host has no address"))?;
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        socket.set_reuseaddr(true)?;
        // Accepted sockets inherit this.
        socket.set_nodelay(acceptor.no_delay)?;
        if let Some(bytes) = acceptor.send_buffer {
            socket.set_send_buffer_size(bytes)?;
        }
        if let Some(bytes) = acceptor.receive_buffer {
            socket.set_recv_buffer_size(bytes)?;
        }
        socket.bind(address)?;
        let socket = socket.listen(acceptor.backlog)?;
        Ok(Self { socket, acceptor: Rc::new(acceptor), connections: Rc::default() })
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
        loop {
            match self.socket.accept().await {
                Ok((stream, remote)) => self.begin(&reactor, stream, remote.to_string()),
                Err(error) => {
                    tracing::warn!(acceptor = &*self.acceptor.name, %error, "AMQ222216: a connection cannot be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn begin(&self, reactor: &Rc<Reactor>, stream: TcpStream, remote: String) {
        let count = self.connections.get();
        if self.acceptor.connections_max.is_some_and(|max| count >= max) {
            tracing::debug!(acceptor = &*self.acceptor.name, remote, "connection limit reached");
            return;
        }
        self.connections.set(count + 1);
        let place = Place(self.connections.clone());
        let (acceptor, handshake_ms) = (self.acceptor.clone(), self.acceptor.handshake_ms);
        let peer = Rc::new(Peer { acceptor: acceptor.name.clone(), address: remote, handshake_ms });
        tokio::task::spawn_local(connection::run(reactor.clone(), acceptor, peer, stream, place));
    }
}
