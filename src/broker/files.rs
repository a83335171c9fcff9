//! An instance's configuration files.

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::watch::Sight;
use super::{Failure, Instance, tls};
use crate::config::bootstrap::{self, Bootstrap};
use crate::config::log4j2::{self, LogConfig};
use crate::config::{self, Config, Warning};
use crate::net::tls::ServerTls;

/// What was read before anything is opened.
pub struct Files {
    pub bootstrap: Bootstrap,
    pub config: Config,
    /// Where `broker.xml` is.
    pub broker_xml: PathBuf,
    /// It and what it includes, as they were read.
    pub sight: Sight,
    /// For each acceptor; `None` for plain text.
    pub tls: Vec<Option<Arc<ServerTls>>>,
    pub log: LogConfig,
}

impl Files {
    /// Reads `bootstrap.xml`, the `broker.xml` that it names with the stores that this names, and `log4j2.properties`.
    ///
    /// # Errors
    /// A file is missing or wrong.
    pub fn load(instance: &Instance) -> Result<Self, Failure> {
        let mut bootstrap = load_bootstrap(instance)?;
        let path = locate(instance, &mut bootstrap);
        let (mut config, sight) = load_config(instance, &path)?;
        let tls = tls::load(instance, &mut config).map_err(Failure::Config)?;
        Ok(Self { bootstrap, config, broker_xml: path, sight, tls, log: load_log(instance)? })
    }
}

/// Where `broker.xml` is. An instance that was moved may still name its old place.
fn locate(instance: &Instance, bootstrap: &mut Bootstrap) -> PathBuf {
    let own = instance.etc().join("broker.xml");
    let Some(named) = &bootstrap.configuration else { return own };
    let path = instance.root.join(named);
    if path.is_file() || !own.is_file() {
        return path;
    }
    let message = format!("{named} is not there: {} is read", own.display());
    let (file, path) = ("bootstrap.xml".to_owned(), "<server>".to_owned());
    bootstrap.warnings.push(Warning { file, line: bootstrap.configuration_line, path, message, severe: true });
    own
}

/// Reads `broker.xml` at this path with what it includes, but without the stores that it names.
pub fn load_config(instance: &Instance, path: &Path) -> Result<(Config, Sight), Failure> {
    let lookup = |name: &str| lookup(instance, name);
    let sight = RefCell::new(Sight::of(&[path.to_owned()]));
    let include = |from: &str, href: &str| {
        let (name, path) = locate_included(instance, path, from, href)?;
        sight.borrow_mut().add(&path);
        let text = read(&path).map_err(|failure| failure.to_string())?;
        Ok((name, text))
    };
    let config = config::load_including("broker.xml", &read(path)?, &lookup, &include).map_err(Failure::Config)?;
    Ok((config, sight.into_inner()))
}

/// The name and place of a file that is included: a local one, beside the file `from` or below the instance.
fn locate_included(instance: &Instance, main: &Path, from: &str, href: &str) -> Result<(String, PathBuf), String> {
    let written = href.strip_prefix("file://").or(href.strip_prefix("file:")).unwrap_or(href);
    if written.is_empty() || written.contains("://") {
        return Err(format!("expected the path of a file in the attribute href, found {href:?}"));
    }
    let beside = Path::new(from).with_file_name(written);
    let tried = [main.with_file_name(&beside), instance.root.join(written)];
    let found = tried.iter().find(|path| path.is_file());
    let Some(path) = found else {
        let shown = tried.map(|path| path.display().to_string()).join(" nor at ");
        return Err(format!("expected a file, found none at {shown}"));
    };
    if fs::metadata(path).map_err(|error| error.to_string())?.len() > config::xml::SIZE_MAX as u64 {
        return Err(format!("{} is larger than {} bytes", path.display(), config::xml::SIZE_MAX));
    }
    Ok((beside.display().to_string(), path.clone()))
}

/// Reads `bootstrap.xml`; without the file the domain `activemq` of `login.config` decides.
pub fn load_bootstrap(instance: &Instance) -> Result<Bootstrap, Failure> {
    let path = instance.etc().join("bootstrap.xml");
    if !path.exists() {
        return Ok(Bootstrap::default());
    }
    bootstrap::load("bootstrap.xml", &read(&path)?, &|name| lookup(instance, name)).map_err(Failure::Config)
}

/// Reads `log4j2.properties`; without the file there are defaults.
pub fn load_log(instance: &Instance) -> Result<LogConfig, Failure> {
    let path = instance.etc().join("log4j2.properties");
    let text = if path.exists() { read(&path)? } else { String::new() };
    log4j2::load("log4j2.properties", &text).map_err(Failure::Config)
}

pub fn read(path: &Path) -> Result<String, Failure> {
    let bytes = fs::read(path).map_err(|error| Failure::file(path, error))?;
    String::from_utf8(bytes).map_err(|error| {
        let line = memchr::memchr_iter(b'\n', &error.as_bytes()[..error.utf8_error().valid_up_to()]).count() + 1;
        let message = format!("line {line} is not UTF-8: save the file as UTF-8");
        Failure::Setting { file: path.to_owned(), message }
    })
}

/// Values for `${…}`: those given with the command, those of the instance, then the environment.
pub fn lookup(instance: &Instance, name: &str) -> Option<String> {
    if let Some((_, value)) = instance.properties.iter().rev().find(|(key, _)| key == name) {
        return Some(value.clone());
    }
    let path = |path: PathBuf| Some(path.display().to_string());
    match name {
        "artemis.instance.etc.uri" => Some(format!("file:{}", instance.etc().display())),
        "artemis.URI.instance" => Some(format!("file:{}", instance.root.display())),
        "artemis.instance" => path(instance.root.clone()),
        "artemis.instance.etc" => path(instance.etc()),
        "data.dir" => path(instance.data()),
        _ => std::env::var(name).ok(),
    }
}
