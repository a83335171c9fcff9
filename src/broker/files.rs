//! An instance's configuration files.

use std::path::Path;

use super::{Failure, Instance};
use crate::config::log4j2::{self, LogConfig};
use crate::config::{self, Config};

/// What was read before anything is opened.
#[derive(Debug)]
pub struct Files {
    pub config: Config,
    pub log: LogConfig,
}

impl Files {
    /// Reads `broker.xml` and `log4j2.properties`.
    ///
    /// # Errors
    /// A file is missing or wrong.
    pub fn load(instance: &Instance) -> Result<Self, Failure> {
        let path = instance.etc().join("broker.xml");
        let lookup = |name: &str| lookup(instance, name);
        let config = config::load("broker.xml", &read(&path)?, &lookup).map_err(Failure::Config)?;
        Ok(Self { config, log: load_log(instance)? })
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
