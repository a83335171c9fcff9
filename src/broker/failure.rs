//! Why a broker does not run.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::config::ConfigError;
use crate::management::log::LogError;
use crate::store::JournalError;

/// Why a broker could not start, or had to stop.
#[derive(Debug)]
#[non_exhaustive]
pub enum Failure {
    /// All that is wrong with the configuration.
    Config(Vec<ConfigError>),
    /// A configuration file means nothing, for this reason.
    Setting {
        file: PathBuf,
        message: String,
    },
    /// The broker cannot run as the account it is to run as.
    Account(String),
    File {
        path: PathBuf,
        error: io::Error,
    },
    Log(LogError),
    /// The journal cannot be opened or read.
    Journal(JournalError),
    /// The journal could not be written: what was not acknowledged may be lost.
    JournalWrite(String),
    Listen {
        acceptor: String,
        at: String,
        error: io::Error,
    },
    Runtime(io::Error),
}

impl Failure {
    pub(super) fn file(path: &Path, error: io::Error) -> Self {
        Self::File { path: path.into(), error }
    }

    /// 2 for configuration, 70 for a journal that failed while running, 1 for the rest.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) | Self::Setting { .. } | Self::Account(_) => 2,
            Self::JournalWrite(_) => 70,
            Self::File { .. } | Self::Log(_) | Self::Journal(_) | Self::Listen { .. } | Self::Runtime(_) => 1,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(errors) => {
                for (number, error) in errors.iter().enumerate() {
                    write!(f, "{}{error}", if number > 0 { "\n" } else { "" })?;
                }
                Ok(())
            }
            Self::Setting { file, message } => write!(f, "{}: {message}", file.display()),
            Self::Account(message) => f.write_str(message),
            Self::File { path, error } => write!(f, "{}: {error}", path.display()),
            Self::Log(error) => error.fmt(f),
            Self::Journal(error) => error.fmt(f),
            Self::JournalWrite(error) => write!(f, "the journal failed, the broker stops at once: {error}"),
            Self::Listen { acceptor, at, error } => write!(f, "acceptor {acceptor} cannot listen at {at}: {error}"),
            Self::Runtime(error) => write!(f, "the runtime cannot start: {error}"),
        }
    }
}

impl std::error::Error for Failure {}
