//! The composition root: an instance's files become a running broker. Only this module names implementations.

mod failure;
mod files;
mod logging;
mod tls;
mod wiring;

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::LocalSet;

use crate::config::Config;
use crate::engine::{Engine, guard};
use crate::management::control;
use crate::management::log::LogHandle;
use crate::net::tls::Handshakes;
use crate::net::{Clock, Listener, Reactor, Stopped, Total};
use crate::protocol::mqtt::Bounds;
use crate::security::SecurityManager;
use crate::store::{Completion, Journal, Options as JournalOptions, RocksDbJournal};

pub use failure::Failure;
pub use files::Files;

/// Exit code of a panic outside of protocol sessions.
const EXIT_PANIC: i32 = 71;

/// Exit code when a second signal comes before the broker has stopped.
const EXIT_IMPATIENT: i32 = 130;

/// The directory of one broker: `etc/`, `data/`, `log/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    pub root: PathBuf,
}

impl Instance {
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    pub fn etc(&self) -> PathBuf {
        self.root.join("etc")
    }

    /// Where data is kept unless broker.xml says otherwise.
    pub fn data(&self) -> PathBuf {
        self.root.join("data")
    }

    pub fn log(&self) -> PathBuf {
        self.root.join("log")
    }

    /// The data directory that a configuration means: the one that holds the journal's.
    pub fn data_of(&self, config: &Config) -> PathBuf {
        let journal = self.root.join(&config.journal_directory);
        journal.parent().map_or_else(|| self.data(), Path::to_path_buf)
    }
}

/// Runs the instance's broker until a signal stops it.
///
/// # Errors
/// The files are wrong, something cannot be opened, or the journal failed.
pub fn run(instance: &Instance) -> Result<(), Failure> {
    run_with(instance, None)
}

/// Runs the broker with a security manager of one's own in place of that of login.config.
///
/// # Errors
/// As [`run`].
pub fn run_with(instance: &Instance, security: Option<Arc<dyn SecurityManager>>) -> Result<(), Failure> {
    let started = Instant::now();
    let files = Files::load(instance)?;
    let log = logging::install(instance, &files)?;
    abort_on_panic(log.clone());
    let result = run_logged(instance, files, security, &log, started);
    if let Err(failure) = &result {
        tracing::error!("{failure}");
    }
    log.flush();
    result
}

/// The security manager that the instance's files describe, to be wrapped by one of one's own.
///
/// # Errors
/// The files are wrong.
pub fn security(instance: &Instance) -> Result<Arc<dyn SecurityManager>, Failure> {
    wiring::security(instance, &Files::load(instance)?)
}

fn run_logged(
    instance: &Instance,
    files: Files,
    security: Option<Arc<dyn SecurityManager>>,
    log: &Arc<LogHandle>,
    started: Instant,
) -> Result<(), Failure> {
    for warning in &files.config.warnings {
        if warning.severe { tracing::error!("{warning}") } else { tracing::warn!("{warning}") }
    }
    tracing::info!("AMQ221000: Message broker {} is starting from {}", files.config.name, instance.root.display());
    let security = match security {
        Some(security) => security,
        None => wiring::security(instance, &files)?,
    };
    let (sender, completions) = unbounded_channel();
    let journal = open_journal(instance, &files.config, sender)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .max_blocking_threads(hashing_threads())
        .enable_all()
        .build()
        .map_err(Failure::Runtime)?;
    let serve = serve(instance, files, security, journal, completions, log.clone(), started);
    let stopped = LocalSet::new().block_on(&runtime, serve);
    // A security manager that does not answer is not waited for.
    runtime.shutdown_background();
    stopped?;
    tracing::info!("AMQ221002: Message broker stopped, uptime {} s", started.elapsed().as_secs());
    Ok(())
}

/// Ends the process where its journal failed: nothing may be acknowledged any more, and a write that hangs is not waited
/// for.
fn fail_stop(failure: &Failure, log: &LogHandle) -> ! {
    tracing::error!("{failure}");
    log.flush();
    eprintln!("{failure}");
    std::process::exit(failure.exit_code().into())
}

/// Threads that check passwords, beside the one that serves.
fn hashing_threads() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from).max(2)
}

fn open_journal(
    instance: &Instance,
    config: &Config,
    sender: tokio::sync::mpsc::UnboundedSender<Completion>,
) -> Result<Option<Box<dyn Journal>>, Failure> {
    if !config.persistence_enabled {
        return Ok(None);
    }
    let mut options = JournalOptions::new(instance.data_of(config));
    options.sync = config.journal_datasync && config.journal_sync_non_transactional;
    // The receiver is gone only when the broker stops.
    let notify = Box::new(move |completion| drop(sender.send(completion)));
    Ok(Some(Box::new(RocksDbJournal::open(options, notify).map_err(Failure::Journal)?)))
}

async fn serve(
    instance: &Instance,
    files: Files,
    security: Arc<dyn SecurityManager>,
    mut journal: Option<Box<dyn Journal>>,
    completions: UnboundedReceiver<Completion>,
    log: Arc<LogHandle>,
    started: Instant,
) -> Result<(), Failure> {
    let stop = stop_signal()?;
    let clock = Clock::start();
    let options = wiring::engine_options(&files.config, journal.is_some())?;
    let engine = match &mut journal {
        Some(journal) => {
            let (engine, found) = Engine::recover(options, clock.now(), journal.as_mut()).map_err(Failure::Journal)?;
            tracing::info!(
                "Recovered {} clients, {} subscriptions, {} queued and {} retained messages",
                found.clients,
                found.subscriptions,
                found.messages,
                found.retained
            );
            engine
        }
        None => Engine::declared(options, clock.now()),
    };
    let reactor = Reactor::new(engine, journal, security, clock);
    let listeners = open_listeners(&files).await?;
    let data = instance.data_of(&files.config);
    std::fs::create_dir_all(&data).map_err(|error| Failure::file(&data, error))?;
    let socket = control::socket_path(&data);
    if let Err(error) = reactor.open_control(&socket) {
        tracing::warn!("{} cannot be opened, so no questions can be asked: {error}", socket.display());
    }
    announce(&listeners, started);
    for listener in listeners {
        tokio::task::spawn_local(listener.run(Rc::clone(&reactor)));
    }
    tokio::task::spawn_local(logging::watch(instance.clone(), log.clone()));
    let stopped = reactor.run(completions, stop).await;
    if let Stopped::Journal(error) = stopped {
        fail_stop(&Failure::JournalWrite(error), &log);
    }
    // It may be gone already; the next start removes it in any case.
    let _ = std::fs::remove_file(&socket);
    Ok(())
}

async fn open_listeners(files: &Files) -> Result<Vec<Listener>, Failure> {
    let (total, alias_bytes) = (Total::by_open_files(), Bounds::shared());
    let servers: Vec<_> = files.tls.iter().flatten().cloned().collect();
    let handshakes =
        if servers.is_empty() { None } else { Some(Handshakes::start(servers).map_err(Failure::Runtime)?) };
    let mut listeners = Vec::new();
    for (acceptor, server) in files.config.acceptors.iter().zip(&files.tls) {
        let at = format!("{}:{}", acceptor.host, acceptor.port);
        let tls = acceptor.tls.as_ref().zip(server.clone()).zip(handshakes.clone());
        let tls = tls.map(|((config, server), handshakes)| wiring::tls(config, server, handshakes));
        let told = wiring::acceptor(acceptor, files.config.wildcards, tls, &alias_bytes);
        let opened = Listener::open(told, &total).await;
        listeners.extend(opened.map_err(|error| Failure::Listen { acceptor: acceptor.name.clone(), at, error })?);
    }
    Ok(listeners)
}

fn announce(listeners: &[Listener], started: Instant) {
    for listener in listeners {
        let host = &listener.acceptor().host;
        tracing::info!("AMQ221020: Started EPOLL Acceptor at {host}:{} for protocols [MQTT]", listener.port());
    }
    tracing::info!("AMQ221007: Server is now active");
    tracing::info!("AMQ221001: artemis-rs {}, started in {:?}", env!("CARGO_PKG_VERSION"), started.elapsed());
}

/// Comes when the process is asked to stop.
fn stop_signal() -> Result<impl Future<Output = ()>, Failure> {
    let mut terminate = signal(SignalKind::terminate()).map_err(Failure::Runtime)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::Runtime)?;
    let mut asked = async move || {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    Ok(async move {
        asked().await;
        // Who asks again does not want to wait for the goodbye.
        tokio::task::spawn_local(async move {
            asked().await;
            std::process::exit(EXIT_IMPATIENT);
        });
    })
}

/// Ends the process at a panic that leaves the broker's state in doubt.
fn abort_on_panic(log: Arc<LogHandle>) {
    std::panic::set_hook(Box::new(move |panic| {
        if guard::is_contained() {
            tracing::error!("fault in a session or a security manager, its connection ends: {panic}");
            return;
        }
        tracing::error!("fault in the broker, it ends at once: {panic}");
        log.flush();
        std::process::exit(EXIT_PANIC);
    }));
}
