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

use super::arrivals::Arrivals;
use super::failure::Failure;
use super::server::ServerTls;
use super::socket::TlsSocket;
use crate::core::limit::Limit;
use crate::engine::guard::contain;
use crate::net::authentication::contained;
use crate::security::ClientCertificate;

/// Handshakes at a time: each takes some 20 KB, and 64 KB at the most.
const UNDERWAY_MAX: u64 = 2_048;

/// Connections whose handshake is not made yet, as many as those that have to log in still.
const ARRIVALS_MAX: u64 = 10_000;

/// Waiting handshakes from which on those that have been given up are looked for.
const SWEEP_MIN: usize = 64;

/// The first byte of a handshake.
const HANDSHAKE_RECORD: u8 = 22;

/// Makes handshakes; there is one for all acceptors.
pub struct Handshakes {
    jobs: mpsc::UnboundedSender<Job>,
    arrivals: Rc<Arrivals>,
    underway: Rc<Arrivals>,
    limits: [Rc<Limit>; 3],
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
        Self::start_bounded(acceptors, renewal, ARRIVALS_MAX)
    }

    fn start_bounded(
        acceptors: Vec<Arc<ServerTls>>,
        renewal: Option<Duration>,
        arrivals_max: u64,
    ) -> io::Result<Rc<Self>> {
        let (jobs, received) = mpsc::unbounded_channel();
        let runtime = tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).enable_all().build()?;
        let renewed: Vec<_> = acceptors.into_iter().filter(|tls| tls.settings.is_reloaded).collect();
        if let Some(period) = renewal.filter(|_| !renewed.is_empty()) {
            runtime.spawn(renew(renewed, period));
        }
        let work = move || runtime.block_on(serve(received));
        std::thread::Builder::new().name("tls".into()).spawn(work)?;
        let making = Rc::new(Limit::new("TLS handshakes", UNDERWAY_MAX));
        let failed = Rc::new(Limit::new("failed TLS handshakes", u64::MAX));
        let arrived = Rc::new(Limit::new("connections before a TLS handshake", arrivals_max));
        let (arrivals, underway) = (Arrivals::new(arrived.clone()), Arrivals::new(making.clone()));
        Ok(Rc::new(Self { jobs, arrivals, underway, limits: [arrived, making, failed] }))
    }

    /// What operators see.
    pub fn limits(&self) -> &[Rc<Limit>; 3] {
        &self.limits
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
        let arrival = self.arrivals.enter();
        let making = async {
            tokio::select! {
                result = self.make_untimed(socket, tls) => result,
                () = arrival.has_to_go() => Err(Failure::CrowdedOut),
            }
        };
        let result = match tls.settings.handshake_max {
            Some(max) => tokio::time::timeout(max, making).await.unwrap_or(Err(Failure::TooSlow)),
            None => making.await,
        };
        if result.is_err() {
            let [.., failed] = self.limits();
            failed.refuse();
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
        let one = self.underway.enter();
        tokio::select! {
            result = self.hand_over(socket, tls) => result,
            () = one.has_to_go() => Err(Failure::CrowdedOut),
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

/// The thread's work. Handshakes that have begun go on before another begins; of those that wait the newest begins, since
/// those before it may have given up: so a flood does not keep everybody out.
async fn serve(mut jobs: mpsc::UnboundedReceiver<Job>) {
    let mut waiting = Vec::new();
    let mut sweep_at = SWEEP_MIN;
    while let Some(job) = jobs.recv().await {
        waiting.push(job);
        while let Some(newest) = waiting.pop() {
            if !newest.answer.is_closed() {
                tokio::spawn(work(newest));
                tokio::task::yield_now().await;
            }
            while let Ok(job) = jobs.try_recv() {
                waiting.push(job);
            }
            if waiting.len() >= sweep_at {
                waiting.retain(|job| !job.answer.is_closed());
                sweep_at = SWEEP_MIN.max(2 * waiting.len());
            }
        }
    }
}

async fn renew(acceptors: Vec<Arc<ServerTls>>, period: Duration) {
    loop {
        tokio::time::sleep(period).await;
        let acceptors = acceptors.clone();
        // Passwords are stretched, which takes a while.
        let renewal = move || {
            for tls in &acceptors {
                contain(|| tls.renew());
            }
        };
        let _ = tokio::task::spawn_blocking(renewal).await;
    }
}

async fn work(mut job: Job) {
    // What a peer says before anybody knows it is read by libraries: their faults end its handshake, not the broker.
    let handshake = contained(handshake(job.socket, job.tls));
    tokio::select! {
        result = handshake => drop(job.answer.send(result.unwrap_or(Err(Failure::Fault)))),
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

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;
    use tokio::task::{LocalSet, spawn_local};
    use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
    use tokio_rustls::rustls::pki_types::ServerName;
    use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
    use tokio_rustls::rustls::sign::CertifiedKey;
    use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig};

    use super::super::settings::{ClientCertificates, TlsSettings, TlsVersion};
    use super::*;
    use crate::engine::guard::is_contained;
    use crate::keystore::StoreFile;

    /// The store of the tests of `keystore`; a handshake has no end.
    fn server() -> Arc<ServerTls> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/keystore/testdata/keys.pem").into();
        let settings = TlsSettings {
            key_store: StoreFile { path, password: Some("changeit".into()), key_password: None },
            key_alias: None,
            trust_store: None,
            client_certificates: ClientCertificates::Off,
            versions: vec![TlsVersion::V1_3],
            cipher_suites: Vec::new(),
            server_names: None,
            revocations: None,
            is_reloaded: false,
            handshake_max: None,
        };
        Arc::new(ServerTls::load("a", settings).map(|(server, _)| server).unwrap_or_else(|error| panic!("{error}")))
    }

    /// However long a handshake may take: otherwise they would keep everybody out who comes later.
    #[test]
    fn the_oldest_of_too_many_silent_connections_goes() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        LocalSet::new().block_on(&runtime, async {
            let (tls, handshakes) = (server(), Handshakes::start_bounded(Vec::new(), None, 2).unwrap());
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let mut clients = Vec::new();
            let mut making = Vec::new();
            for _ in 0..3 {
                clients.push(TcpStream::connect(listener.local_addr().unwrap()).await.unwrap());
                let (socket, _) = listener.accept().await.unwrap();
                let (handshakes, tls) = (handshakes.clone(), tls.clone());
                making.push(spawn_local(async move { handshakes.make(socket, &tls).await.err() }));
                tokio::task::yield_now().await;
            }
            assert!(matches!(making.remove(0).await, Ok(Some(Failure::CrowdedOut))));
            assert!(making.iter().all(|other| !other.is_finished()));
            drop(clients);
            for other in making {
                assert!(matches!(other.await, Ok(Some(Failure::Silent))));
            }
            assert_eq!(
                handshakes.limits().each_ref().map(|limit| (limit.current(), limit.refused())),
                [(0, 1), (0, 0), (0, 3)]
            );
        });
    }

    #[test]
    fn the_newest_of_those_that_wait_begins() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        LocalSet::new().block_on(&runtime, async {
            let (tls, listener) = (server(), TcpListener::bind("127.0.0.1:0").await.unwrap());
            let (jobs, received) = mpsc::unbounded_channel();
            let order = Rc::new(RefCell::new(Vec::new()));
            let mut waiting = Vec::new();
            for number in 0..4 {
                let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
                client.write_all(&[0; 32]).await.unwrap();
                let socket = listener.accept().await.unwrap().0.into_std().unwrap();
                let (answer, answered) = oneshot::channel();
                assert!(jobs.send(Job { socket, tls: tls.clone(), answer }).is_ok());
                let order = order.clone();
                waiting.push(spawn_local(async move {
                    assert!(matches!(answered.await, Ok(Err(_))));
                    order.borrow_mut().push(number);
                }));
            }
            spawn_local(serve(received));
            for task in waiting {
                task.await.unwrap();
            }
            assert_eq!(*order.borrow(), [0, 3, 2, 1]);
        });
    }

    /// A resolver that has a fault.
    #[derive(Debug)]
    struct Faulty;

    impl ResolvesServerCert for Faulty {
        fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
            panic!("the fault is {}", if is_contained() { "contained" } else { "not contained" });
        }
    }

    #[test]
    fn a_fault_of_a_library_ends_one_handshake() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        LocalSet::new().block_on(&runtime, async {
            let (tls, handshakes) = (server(), Handshakes::start(Vec::new(), None).unwrap());
            let config = ServerConfig::builder_with_provider(Arc::new(default_provider()));
            let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
            tls.replace_config(config.with_cert_resolver(Arc::new(Faulty)));
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            let (socket, _) = listener.accept().await.unwrap();
            client.write_all(&hello()).await.unwrap();
            assert!(matches!(handshakes.make(socket, &tls).await.err(), Some(Failure::Fault)));
        });
    }

    /// What a client says first.
    fn hello() -> Vec<u8> {
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()));
        let config =
            config.with_safe_default_protocol_versions().unwrap().with_root_certificates(RootCertStore::empty());
        let config = Arc::new(config.with_no_client_auth());
        let mut session = ClientConnection::new(config, ServerName::try_from("localhost").unwrap()).unwrap();
        let mut bytes = Vec::new();
        session.write_tls(&mut bytes).unwrap();
        bytes
    }
}
