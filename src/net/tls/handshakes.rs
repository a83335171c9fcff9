//! Handshakes, on a thread of their own: a flood of them costs clients that are connected nothing but processor time.

use std::io;
use std::net::TcpStream as StdStream;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::UnixTime;
use tokio_rustls::rustls::server::danger::ClientCertVerifier;
use tokio_rustls::rustls::{Error, HandshakeKind, ServerConnection};

use super::failure::Failure;
use super::places::Places;
use super::server::ServerTls;
use super::socket::TlsSocket;
use crate::core::limit::Limit;
use crate::security::ClientCertificate;

/// Handshakes at a time for each processor.
const PLACES_PER_CORE: usize = 64;

/// How long a handshake may take at least, however many wait for its place.
const GRACE: Duration = Duration::from_secs(2);

/// The first byte of a handshake.
const HANDSHAKE_RECORD: u8 = 22;

/// Makes handshakes; there is one for all acceptors.
pub struct Handshakes {
    jobs: mpsc::UnboundedSender<Job>,
    places: Rc<Places>,
    underway: Rc<Limit>,
    failed: Rc<Limit>,
}

/// A connection for the thread.
struct Job {
    socket: StdStream,
    tls: Arc<ServerTls>,
    answer: oneshot::Sender<Result<Established, Failure>>,
}

/// A connection from the thread.
struct Established {
    socket: StdStream,
    session: ServerConnection,
    certificate: Option<Arc<ClientCertificate>>,
}

impl Handshakes {
    /// Starts the thread; it ends when this is dropped. Every `renewal` it looks whether files have changed.
    ///
    /// # Errors
    /// There can be no more threads.
    pub fn start(acceptors: Vec<Arc<ServerTls>>, renewal: Option<Duration>) -> io::Result<Rc<Self>> {
        let (jobs, received) = mpsc::unbounded_channel();
        let runtime = tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).enable_all().build()?;
        let renewed: Vec<_> = acceptors.into_iter().filter(|tls| tls.settings.is_reloaded).collect();
        if let Some(period) = renewal.filter(|_| !renewed.is_empty()) {
            runtime.spawn(renew(renewed, period));
        }
        let work = move || runtime.block_on(serve(received));
        std::thread::Builder::new().name("tls".into()).spawn(work)?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let underway = Rc::new(Limit::new("TLS handshakes", (PLACES_PER_CORE * cores) as u64));
        let failed = Rc::new(Limit::new("failed TLS handshakes", u64::MAX));
        Ok(Rc::new(Self { jobs, places: Places::new(underway.clone(), GRACE), underway, failed }))
    }

    /// What operators see.
    pub fn limits(&self) -> [&Rc<Limit>; 2] {
        [&self.underway, &self.failed]
    }

    /// Makes the handshake of a new connection.
    ///
    /// # Errors
    /// Why it failed; the connection is closed then.
    pub async fn make(
        &self,
        socket: TcpStream,
        tls: &Arc<ServerTls>,
    ) -> Result<(TlsSocket, Option<Arc<ClientCertificate>>), Failure> {
        let making = self.make_untimed(socket, tls);
        let result = match tls.settings.handshake_max {
            Some(max) => tokio::time::timeout(max, making).await.unwrap_or(Err(Failure::TooSlow)),
            None => making.await,
        };
        if result.is_err() {
            self.failed.refuse();
        }
        result
    }

    async fn make_untimed(
        &self,
        socket: TcpStream,
        tls: &Arc<ServerTls>,
    ) -> Result<(TlsSocket, Option<Arc<ClientCertificate>>), Failure> {
        // Whoever says nothing takes no place.
        let mut first = [0];
        match socket.peek(&mut first).await {
            Ok(0) | Err(_) => return Err(Failure::Silent),
            Ok(_) if first[0] != HANDSHAKE_RECORD => return Err(Failure::PlainText),
            Ok(_) => {}
        }
        let place = self.places.take().await;
        tokio::select! {
            result = self.hand_over(socket, tls) => result,
            () = place.is_wanted() => Err(Failure::CrowdedOut),
        }
    }

    async fn hand_over(
        &self,
        socket: TcpStream,
        tls: &Arc<ServerTls>,
    ) -> Result<(TlsSocket, Option<Arc<ClientCertificate>>), Failure> {
        let (answer, answered) = oneshot::channel();
        let job = Job { socket: socket.into_std()?, tls: tls.clone(), answer };
        self.jobs.send(job).map_err(|_| Failure::Stopping)?;
        let established = answered.await.map_err(|_| Failure::Stopping)??;
        let socket = TcpStream::from_std(established.socket)?;
        Ok((TlsSocket::new(socket, established.session), established.certificate))
    }
}

/// The thread's work.
async fn serve(mut jobs: mpsc::UnboundedReceiver<Job>) {
    while let Some(job) = jobs.recv().await {
        tokio::spawn(work(job));
    }
}

async fn renew(acceptors: Vec<Arc<ServerTls>>, period: Duration) {
    loop {
        tokio::time::sleep(period).await;
        let acceptors = acceptors.clone();
        // Passwords are stretched, which takes a while.
        let _ = tokio::task::spawn_blocking(move || acceptors.iter().for_each(|tls| tls.renew())).await;
    }
}

async fn work(mut job: Job) {
    let handshake = handshake(job.socket, job.tls);
    tokio::select! {
        result = handshake => drop(job.answer.send(result)),
        // Nobody waits for it any more.
        () = job.answer.closed() => {}
    }
}

async fn handshake(socket: StdStream, tls: Arc<ServerTls>) -> Result<Established, Failure> {
    let socket = TcpStream::from_std(socket)?;
    let ready = tls.ready();
    let acceptor = TlsAcceptor::from(ready.config);
    let stream = acceptor.accept(socket).await?;
    let (socket, session) = stream.into_inner();
    let certificate = certificate(&session, ready.trust.as_deref())?;
    Ok(Established { socket: socket.into_std()?, session, certificate })
}

/// What the client has shown. A resumed connection shows what an earlier one has: certificates, authorities and lists of
/// revocations have expired since, perhaps, so all is verified again.
fn certificate(
    session: &ServerConnection,
    trust: Option<&dyn ClientCertVerifier>,
) -> Result<Option<Arc<ClientCertificate>>, Failure> {
    let Some([first, others @ ..]) = session.peer_certificates() else { return Ok(None) };
    if session.handshake_kind() == Some(HandshakeKind::Resumed) {
        let trust = trust.ok_or_else(|| io::Error::other(Error::NoCertificatesPresented))?;
        trust.verify_client_cert(first, others, UnixTime::now()).map_err(io::Error::other)?;
    }
    let chain = std::iter::once(first).chain(others).map(|certificate| certificate.to_vec()).collect();
    Ok(Some(Arc::new(ClientCertificate::from_chain(chain).map_err(io::Error::other)?)))
}
