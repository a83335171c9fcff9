//! The log: events of `tracing` as lines of Artemis's form, on standard output and in `artemis.log`.
//!
//! Who logs never waits for a disk or a terminal: lines go through a bounded buffer to a thread that writes them.

mod buffer;
mod file;
mod layer;
mod levels;
mod line;

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use tracing::Subscriber;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::Registry;

use self::buffer::LineWriter;
use self::file::RollingFile;
use self::layer::LineLayer;

pub use self::levels::{Level, Levels};

/// Where the log goes and what it shows.
#[derive(Clone, Debug, Default)]
pub struct LogOptions {
    /// Directory of `artemis.log`, created if it is missing; none for standard output only.
    pub directory: Option<PathBuf>,
    /// What is logged at first.
    pub levels: Levels,
}

/// Why the log cannot be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// The log file could not be opened.
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    /// The writer thread could not be started.
    #[error("the log thread could not be started: {0}")]
    Thread(io::Error),
    /// Another log is already installed in this process.
    #[error("a log is already installed")]
    Installed,
}

/// The installed log. Dropping it writes what waits and ends the log.
#[derive(Debug)]
pub struct LogHandle {
    levels: Arc<RwLock<Levels>>,
    writer: LineWriter,
}

impl LogHandle {
    /// Makes `levels` effective for all events from now on, on every thread.
    pub fn set_levels(&self, levels: Levels) {
        *self.levels.write().unwrap_or_else(PoisonError::into_inner) = levels;
        tracing::callsite::rebuild_interest_cache();
    }

    /// Number of lines lost so far because the buffer was full; each gap is also told in the log itself.
    pub fn dropped(&self) -> u64 {
        self.writer.dropped()
    }

    /// Waits until every line logged before is written; false if that took more than 10 seconds.
    pub fn flush(&self) -> bool {
        self.writer.flush()
    }
}

/// Makes the log of `options` the one of this process.
///
/// # Errors
/// The file or the thread could not be had, or a log is installed already.
pub fn install(options: LogOptions) -> Result<LogHandle, LogError> {
    let (subscriber, handle) = subscriber(options)?;
    tracing::subscriber::set_global_default(subscriber).map_err(|_| LogError::Installed)?;
    Ok(handle)
}

/// The log of `options` without installing it.
///
/// # Errors
/// The file or the thread could not be had.
pub fn subscriber(options: LogOptions) -> Result<(impl Subscriber + Send + Sync, LogHandle), LogError> {
    let file = options.directory.map(open).transpose()?;
    to_sink(options.levels, outputs(file))
}

fn to_sink(
    levels: Levels,
    sink: impl FnMut(&[u8]) + Send + 'static,
) -> Result<(impl Subscriber + Send + Sync, LogHandle), LogError> {
    let levels = Arc::new(RwLock::new(levels));
    let writer = LineWriter::spawn(sink).map_err(LogError::Thread)?;
    let layer = LineLayer::new(Arc::clone(&levels), writer.lines());
    Ok((Registry::default().with(layer), LogHandle { levels, writer }))
}

fn open(directory: PathBuf) -> Result<RollingFile, LogError> {
    let path = directory.join("artemis.log");
    RollingFile::open(&path, SystemTime::now()).map_err(|source| LogError::File { path, source })
}

/// Writes to the file first: a terminal that has stopped must not keep lines from the disk.
fn outputs(mut file: Option<RollingFile>) -> impl FnMut(&[u8]) + Send + 'static {
    let mut complained = false;
    move |lines| {
        if let Some(file) = &mut file {
            let written = file.write(lines, SystemTime::now());
            if let (Err(error), false) = (&written, complained) {
                let _ = writeln!(io::stderr(), "artemis.log cannot be written: {error}");
            }
            complained = written.is_err();
        }
        let mut stdout = io::stdout().lock();
        let _ = stdout.write_all(lines).and_then(|()| stdout.flush());
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::mpsc::{self, Receiver};

    use tracing::{debug, error, info, trace};

    use super::*;

    const MQTT: &str = "org.apache.activemq.artemis.core.protocol.mqtt";

    fn levels(loggers: &[(&str, Level)]) -> Levels {
        let loggers = loggers.iter().map(|(name, level)| (name.to_string(), *level)).collect();
        Levels { root: Level::Info, loggers }
    }

    /// Runs `events` under a log of these levels and returns its lines without their times.
    fn logged(levels: Levels, events: impl FnOnce(&LogHandle)) -> String {
        let (sender, lines): (_, Receiver<Vec<u8>>) = mpsc::channel();
        let (subscriber, handle) = to_sink(levels, move |lines| drop(sender.send(lines.to_vec()))).unwrap();
        tracing::subscriber::with_default(subscriber, || events(&handle));
        assert!(handle.flush());
        let text = String::from_utf8(lines.try_iter().flatten().collect()).unwrap();
        let without_time = |line: &str| if line.starts_with('\t') { line.to_owned() } else { line[24..].to_owned() };
        text.lines().map(without_time).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn lines_have_level_logger_and_message() {
        let text = logged(levels(&[]), |_| {
            info!(target: "artemis_rs::broker", "AMQ221007: Server is now active");
            error!(target: "other", client = "a\nb", count = 3, "bad\r\n{}", "[x]\n\tcause");
            debug!(target: "artemis_rs::broker", "not shown");
        });
        let expected = "INFO  [org.apache.activemq.artemis.core.server] AMQ221007: Server is now active\n\
                        ERROR [other] bad\\r\\n[x]\n\tcause client=a\\nb count=3";
        assert_eq!(text, expected);
    }

    #[test]
    fn levels_follow_the_logger() {
        let text = logged(levels(&[(MQTT, Level::Trace), ("org.apache.activemq", Level::Off)]), |_| {
            trace!(target: MQTT, "packet");
            info!(target: "artemis_rs", "hidden");
            info!(target: "elsewhere", "root");
            debug!(target: "elsewhere", "hidden");
        });
        assert_eq!(text, format!("TRACE [{MQTT}] packet\nINFO  [elsewhere] root"));
    }

    #[test]
    fn new_levels_are_effective_at_once() {
        let text = logged(levels(&[]), |handle| {
            let packet = |number: u32| trace!(target: MQTT, "packet {number}");
            packet(1);
            handle.set_levels(levels(&[(MQTT, Level::Trace)]));
            packet(2);
            handle.set_levels(levels(&[]));
            packet(3);
        });
        assert_eq!(text, format!("TRACE [{MQTT}] packet 2"));
    }

    #[test]
    fn lines_reach_the_file() {
        let directory = std::env::temp_dir().join(format!("artemis-log-{}", std::process::id()));
        let options = LogOptions { directory: Some(directory.join("log")), levels: Levels::default() };
        let (subscriber, handle) = subscriber(options).unwrap();
        tracing::subscriber::with_default(subscriber, || info!(target: "t", "written"));
        drop(handle);
        let text = fs::read_to_string(directory.join("log/artemis.log")).unwrap();
        let _ = fs::remove_dir_all(directory);
        assert!(text.ends_with("INFO  [t] written\n"), "{text}");
    }
}
