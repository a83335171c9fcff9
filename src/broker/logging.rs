//! The log as log4j2.properties says, also when that changes.

use std::sync::Arc;
use std::time::Duration;

use super::files::load_log;
use super::{Failure, Files, Instance};
use crate::config::Warning;
use crate::config::log4j2::{Level as Configured, LogConfig};
use crate::management::log::{self, Level, Levels, LogHandle, LogOptions};

/// Between looks at log4j2.properties.
const WATCH_PERIOD: Duration = Duration::from_secs(2);

pub fn install(instance: &Instance, files: &Files) -> Result<Arc<LogHandle>, Failure> {
    let options = LogOptions { directory: Some(instance.log()), levels: levels(&files.log) };
    log::install(options).map(Arc::new).map_err(Failure::Log)
}

/// Logs what a file says and what is accepted, but does not do what it seems to.
pub fn tell(warning: &Warning) {
    if warning.severe { tracing::error!("{warning}") } else { tracing::warn!("{warning}") }
}

fn levels(config: &LogConfig) -> Levels {
    let loggers = config.loggers.iter().map(|(name, level)| (name.clone(), translate(*level))).collect();
    Levels { root: translate(config.root), loggers }
}

fn translate(level: Configured) -> Level {
    match level {
        Configured::Off => Level::Off,
        Configured::Fatal | Configured::Error => Level::Error,
        Configured::Warn => Level::Warn,
        Configured::Info => Level::Info,
        Configured::Debug => Level::Debug,
        Configured::Trace | Configured::All => Level::Trace,
    }
}

/// Makes changes of log4j2.properties effective; a wrong file changes nothing.
pub async fn watch(instance: Instance, handle: Arc<LogHandle>) {
    let path = instance.etc().join("log4j2.properties");
    let modified = || std::fs::metadata(&path).and_then(|file| file.modified()).ok();
    let mut seen = modified();
    loop {
        tokio::time::sleep(WATCH_PERIOD).await;
        let now = modified();
        if now == seen {
            continue;
        }
        seen = now;
        match load_log(&instance) {
            Ok(config) => {
                handle.set_levels(levels(&config));
                tracing::info!("log levels are those of log4j2.properties again");
            }
            Err(failure) => tracing::error!("log4j2.properties is not read: {failure}"),
        }
    }
}
