//! An instance's configuration files.

use std::path::Path;
use std::sync::Arc;

use super::{Failure, Instance, tls};
use crate::config::log4j2::{self, LogConfig};
use crate::config::{self, Config};
use crate::net::tls::ServerTls;

/// What was read before anything is opened.
pub struct Files {
    pub config: Config,
    /// For each acceptor; `None` for plain text.
    pub tls: Vec<Option<Arc<ServerTls>>>,
    pub log: LogConfig,
}

impl Files {
    /// Reads `broker.xml` with the stores that it names, and `log4j2.properties`.
    ///
    /// # Errors
    /// A file is missing or wrong.
    pub fn load(instance: &Instance) -> Result<Self, Failure> {
        let path = instance.etc().join("broker.xml");
        let lookup = |name: &str| lookup(instance, name);
        let mut config = config::load("broker.xml", &read(&path)?, &lookup).map_err(Failure::Config)?;
        let tls = tls::load(instance, &mut config).map_err(Failure::Config)?;
        Ok(Self { config, tls, log: load_log(instance)? })
    }
}

/// Reads `log4j2.properties`; without the file there are defaults.
pub fn load_log(instance: &Instance) -> Result<LogConfig, Failure> {
    let path = instance.etc().join("log4j2.properties");
    let text = if path.exists() { read(&path)? } else { String::new() };
    log4j2::load("log4j2.properties", &text).map_err(Failure::Config)
}

pub fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|error| Failure::file(path, error))
}

/// Values for `${…}`: those of the instance, then the environment.
pub fn lookup(instance: &Instance, name: &str) -> Option<String> {
    let path = |path: std::path::PathBuf| Some(path.display().to_string());
    match name {
        "artemis.instance" => path(instance.root.clone()),
        "artemis.instance.etc" => path(instance.etc()),
        "data.dir" => path(instance.data()),
        _ => std::env::var(name).ok(),
    }
}
