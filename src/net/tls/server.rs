//! What an acceptor's handshakes are made with, and its renewal when files change.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::server::danger::ClientCertVerifier;

use super::failure::Failure;
use super::settings::{LoadError, Loaded, TlsSettings};

/// The least time between two failed handshakes that are told.
const TELLING: Duration = Duration::from_secs(1);

/// Keys and trusted certificates of one acceptor, shared with the thread that makes its handshakes.
pub struct ServerTls {
    acceptor: String,
    pub settings: TlsSettings,
    current: Mutex<Current>,
    /// When a failed handshake was last told.
    told: Mutex<Option<Instant>>,
}

struct Current {
    ready: Ready,
    /// The files as they were when they were last read, well or not.
    stamps: Vec<(PathBuf, Option<Stamp>)>,
}

/// What a handshake is made with.
#[derive(Clone)]
pub struct Ready {
    pub config: Arc<ServerConfig>,
    /// Who decides about certificates of clients.
    pub trust: Option<Arc<dyn ClientCertVerifier>>,
}

/// What changes with a file: the time of any change, which nobody can set, in seconds and nanoseconds, and the place on the disk.
type Stamp = (i64, i64, u64);

impl ServerTls {
    /// Reads the files.
    ///
    /// # Errors
    /// As [`TlsSettings::load`].
    pub fn load(acceptor: &str, settings: TlsSettings) -> Result<(Self, Loaded), LoadError> {
        let loaded = settings.load()?;
        let current = Mutex::new(Current { ready: Ready::of(&loaded), stamps: stamps(&loaded.files) });
        Ok((Self { acceptor: acceptor.to_owned(), settings, current, told: Mutex::default() }, loaded))
    }

    #[cfg(test)]
    pub(super) fn replace_config(&self, config: ServerConfig) {
        self.lock().ready.config = Arc::new(config);
    }

    /// What the next handshake is made with.
    pub fn ready(&self) -> Ready {
        self.lock().ready.clone()
    }

    /// Reads all files anew if one of them has changed. What is wrong with them is logged, and the old stay in use.
    pub fn renew(&self) {
        let files: Vec<_> = self.lock().stamps.iter().map(|(path, _)| path.clone()).collect();
        let seen = stamps(&files);
        if seen == self.lock().stamps {
            return;
        }
        self.lock().stamps = seen;
        let acceptor = &self.acceptor;
        match self.settings.load() {
            Ok(loaded) => {
                let mut current = self.lock();
                if loaded.files != files {
                    current.stamps = stamps(&loaded.files);
                }
                current.ready = Ready::of(&loaded);
                drop(current);
                tracing::info!("acceptor {acceptor}: keys and certificates were read anew");
            }
            Err(error) => {
                tracing::error!(
                    "acceptor {acceptor}: the new keys and certificates are not used, the old stay: {error}"
                );
                // A file that a configuration names since is waited for as well; it may have come in the meantime.
                let named = error.path.filter(|path| !files.contains(path));
                self.lock().stamps.extend(named.map(|path| (path, None)));
            }
        }
    }

    /// Tells why a handshake failed: one a second to everybody, the others to those who look closer.
    pub fn report(&self, remote: &str, failure: &Failure) {
        let acceptor = &self.acceptor;
        if matches!(failure, Failure::Silent) || !self.may_tell() {
            tracing::debug!("acceptor {acceptor}: no TLS connection from {remote}: {failure}");
        } else {
            tracing::warn!(
                "AMQ222208: SSL handshake failed for client from {remote} at acceptor {acceptor}: {failure}"
            );
        }
    }

    fn may_tell(&self) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = told.is_none_or(|told| told.elapsed() >= TELLING);
        if is_due {
            *told = Some(Instant::now());
        }
        is_due
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ready {
    fn of(loaded: &Loaded) -> Self {
        Self { config: loaded.config.clone(), trust: loaded.trust.clone() }
    }
}

fn stamps(files: &[PathBuf]) -> Vec<(PathBuf, Option<Stamp>)> {
    files.iter().map(|path| (path.clone(), stamp(path))).collect()
}

fn stamp(path: &Path) -> Option<Stamp> {
    let data = std::fs::metadata(path).ok()?;
    Some((data.ctime(), data.ctime_nsec(), data.ino()))
}
