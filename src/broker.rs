//! The composition root: an instance's files become a running broker. Only this module names implementations.

mod exposure;
mod failure;
mod files;
mod logging;
mod privileges;
mod reload;
mod security;
mod tls;
mod watch;
mod wiring;

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::unbounded_channel;
use tokio::task::LocalSet;

use crate::config::{Config, Warning};
use crate::engine::{Engine, guard};
use crate::management::control;
use crate::management::log::LogHandle;
use crate::net::tls::Handshakes;
use crate::net::{Authenticators, Clock, Listener, Reactor, Stopped, Total};
use crate::protocol::mqtt::Bounds;
use crate::security::SecurityManager;
use crate::store::{Completion, Journal, Options as JournalOptions, RocksDbJournal};

use privileges::Account;

pub use failure::Failure;
pub use files::Files;
pub use security::user_files;

/// Exit code of a panic outside of protocol sessions.
const EXIT_PANIC: i32 = 71;

/// Exit code when a second signal comes before the broker has stopped.
const EXIT_IMPATIENT: i32 = 130;

/// The directory of one broker: `etc/`, `data/`, `log/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    pub root: PathBuf,
    /// Where its files are instead of `etc`; relative to the root.
    pub configuration: Option<PathBuf>,
    /// Values for `${name}` in its files, before all others.
    pub properties: Vec<(String, String)>,
    /// The account it runs as, where root starts it.
    pub user: Option<String>,
}

impl Instance {
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), configuration: None, properties: Vec::new(), user: None }
    }

    pub fn etc(&self) -> PathBuf {
        self.root.join(self.configuration.as_deref().unwrap_or(Path::new("etc")))
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

/// What is wrong with an instance's files, and what has no effect.
#[derive(Debug, Default)]
pub struct Checked {
    pub warnings: Vec<Warning>,
    pub failures: Vec<Failure>,
}

/// Reads all files of an instance, and starts nothing.
pub fn check(instance: &Instance) -> Checked {
    let mut checked = Checked::default();
    match Files::load(instance) {
        Ok(files) => {
            checked.warnings.extend(files.bootstrap.warnings.iter().chain(&files.config.warnings).cloned());
            match security::configure(instance, &files) {
                Ok(configured) => checked.warnings.extend(configured.warnings),
                Err(failure) => checked.failures.push(failure),
            }
        }
        Err(failure) => checked.failures.push(failure),
    }
    checked
}

/// Runs the instance's broker until a signal stops it.
///
/// # Errors
/// The files are wrong, something cannot be opened, or the journal failed.
pub fn run(instance: &Instance) -> Result<(), Failure> {
    run_with(instance, |configured| configured)
}

/// Runs the broker with the security manager that `wrap` makes of the configured one.
///
/// # Errors
/// As [`run`].
pub fn run_with(
    instance: &Instance,
    wrap: impl FnOnce(Arc<dyn SecurityManager>) -> Arc<dyn SecurityManager>,
) -> Result<(), Failure> {
    let started = Instant::now();
    privileges::make_files_private();
    let files = Files::load(instance)?;
    let log = logging::install(instance, &files)?;
    abort_on_panic(log.clone());
    let result = run_logged(instance, files, wrap, &log, started);
    if let Err(failure) = &result {
        tracing::error!("{failure}");
    }
    log.flush();
    result
}

/// Who decides, and what is read again when it changes.
struct Security {
    manager: Arc<dyn SecurityManager>,
    watched: Vec<watch::Watched>,
}

fn run_logged(
    instance: &Instance,
    files: Files,
    wrap: impl FnOnce(Arc<dyn SecurityManager>) -> Arc<dyn SecurityManager>,
    log: &Arc<LogHandle>,
    started: Instant,
) -> Result<(), Failure> {
    for warning in files.bootstrap.warnings.iter().chain(&files.config.warnings) {
        logging::tell(warning);
    }
    for (name, _) in instance.properties.iter().filter(|(name, _)| name.starts_with("brokerconfig.")) {
        tracing::warn!("-D{name} has no effect: properties give values for ${{...}} only");
    }
    tracing::info!("AMQ221000: Message broker {} is starting from {}", files.config.name, instance.root.display());
    let configured = security::configure(instance, &files)?;
    for warning in &configured.warnings {
        tracing::warn!("{warning}");
    }
    for warning in exposure::warnings(&files.config, &configured) {
        tracing::warn!("{warning}");
    }
    let security = Security { manager: wrap(configured.manager), watched: configured.watched };
    let account = privileges::account(instance.user.as_deref())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::Runtime)?;
    let serve = serve(instance, files, security, account, log.clone(), started);
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

fn has_journal_of_artemis(directory: &Path) -> bool {
    let files = std::fs::read_dir(directory).into_iter().flatten().flatten();
    files.map(|file| PathBuf::from(file.file_name())).any(|name| name.extension().is_some_and(|ending| ending == "amq"))
}

fn open_journal(
    instance: &Instance,
    config: &Config,
    sender: tokio::sync::mpsc::UnboundedSender<Completion>,
) -> Result<Option<Box<dyn Journal>>, Failure> {
    if !config.persistence_enabled {
        return Ok(None);
    }
    let directory = instance.root.join(&config.journal_directory);
    if has_journal_of_artemis(&directory) {
        tracing::warn!(
            "{} has a journal of Artemis, which is not read: its messages and subscriptions are not here",
            directory.display()
        );
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
    security: Security,
    account: Option<Account>,
    log: Arc<LogHandle>,
    started: Instant,
) -> Result<(), Failure> {
    let stop = stop_signal()?;
    let clock = Clock::start();
    let data = instance.data_of(&files.config);
    let mut listeners = Vec::new();
    if let Some(account) = account {
        // A port may be root's alone; all else is done without its rights.
        listeners = open_listeners(&files).await?;
        account.take(&[&data, &instance.log()])?;
        for path in security.watched.iter().flat_map(watch::Watched::unreadable) {
            tracing::warn!("{} cannot be read by the account: changes of it do not count", path.display());
        }
    }
    let (sender, completions) = unbounded_channel();
    let mut journal = open_journal(instance, &files.config, sender)?;
    let authorization = wiring::authorization(&files.config, &security.manager);
    let options = wiring::engine_options(&files.config, authorization.clone(), journal.is_some())?;
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
    let authenticators = Authenticators::start(hashing_threads()).map_err(Failure::Runtime)?;
    let reactor = Reactor::new(engine, journal, security.manager, authenticators, clock);
    if listeners.is_empty() {
        listeners = open_listeners(&files).await?;
    }
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
    tokio::task::spawn_local(watch::watch(security.watched));
    tokio::task::spawn_local(reload::watch(instance.clone(), files, authorization, reactor.clone()));
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
    let renewal = files.config.refresh_period_ms.map(Duration::from_millis);
    let start = |servers| Handshakes::start(servers, renewal).map_err(Failure::Runtime);
    let handshakes = if servers.is_empty() { None } else { Some(start(servers)?) };
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
