//! Reads an instance's configuration files; what comes out is valid and complete.
//!
//! `broker.xml` is read in two steps: [`xml`] mirrors the file, [`load`] makes a typed [`Config`] of the mirror.

mod acceptor;
mod acceptor_keys;
mod address_settings;
mod addresses;
pub mod bootstrap;
mod changes;
mod core_elements;
mod error;
mod limits;
pub mod log4j2;
pub mod login;
mod mqtt;
pub mod properties;
mod resource_limits;
mod security;
mod sensitive;
mod substitute;
pub mod template;
mod tls;
mod units;
mod uri;
mod wildcards;
pub mod xml;

use std::path::PathBuf;

pub use acceptor::{Acceptor, Protocol};
pub use addresses::{AddressDeclaration, QueueDeclaration};
pub use error::{ConfigError, Warning};
pub use limits::Limits;
pub use mqtt::{KeepAlive, Moved, Mqtt, SessionExpiry};
pub use resource_limits::{ResourceLimitSettings, ResourceLimits};
pub use security::{PermissionType, SecuritySetting};
pub use sensitive::{SensitiveCodec, SensitiveError};
pub use substitute::{Lookup, substitute};
pub use tls::{CertificateName, ClientAuth, Password, StoreReference, Tls, TlsVersion};

use self::xml::{Element, Include};
use crate::core::address::Syntax;
use crate::core::settings::{AddressSettings, Hierarchy};

/// The content of `broker.xml`, defaults filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    pub name: String,
    pub persistence_enabled: bool,
    pub security_enabled: bool,
    /// How long a password that was found right is not hashed again.
    pub security_invalidation_interval_ms: u64,
    /// How many such passwords are remembered.
    pub authentication_cache_size: u64,
    /// As written: relative to the instance.
    pub journal_directory: PathBuf,
    pub journal_sync_transactional: bool,
    pub journal_sync_non_transactional: bool,
    pub journal_datasync: bool,
    pub journal_buffer_timeout_ns: u64,
    pub mqtt_session_scan_interval_ms: u64,
    pub mqtt_will_recovery_grace_ms: u64,
    /// `None` where the scan is switched off.
    pub message_expiry_scan_period_ms: Option<u64>,
    /// Bytes; `None` leaves it to the broker.
    pub global_max_size: Option<u64>,
    /// Sessions that are kept, connected or not; `None` is any number, as for the next two.
    pub max_total_sessions: Option<u64>,
    pub max_total_subscriptions: Option<u64>,
    pub max_retained_messages: Option<u64>,
    /// Wills a second; `None` is any number.
    pub max_will_rate: Option<u64>,
    /// Between looks at this file; `None` for never.
    pub refresh_period_ms: Option<u64>,
    pub resource_limits: ResourceLimitSettings,
    /// Not served, and closed to clients; as is what begins with the prefix.
    pub management_address: String,
    pub management_notification_address: String,
    pub internal_naming_prefix: String,
    pub wildcards: Syntax,
    pub wildcard_routing_enabled: bool,
    /// Those to be opened.
    pub acceptors: Vec<Acceptor>,
    pub addresses: Vec<AddressDeclaration>,
    pub address_settings: Hierarchy<AddressSettings>,
    pub security_settings: Hierarchy<SecuritySetting>,
    /// What was read and has no effect, by file and line.
    pub warnings: Vec<Warning>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            name: "localhost".into(),
            persistence_enabled: true,
            security_enabled: true,
            security_invalidation_interval_ms: 10_000,
            authentication_cache_size: 1000,
            journal_directory: "data/journal".into(),
            journal_sync_transactional: true,
            journal_sync_non_transactional: true,
            journal_datasync: true,
            journal_buffer_timeout_ns: 3_333_333,
            mqtt_session_scan_interval_ms: 5000,
            mqtt_will_recovery_grace_ms: 30_000,
            message_expiry_scan_period_ms: Some(30_000),
            global_max_size: None,
            max_total_sessions: Some(1_000_000),
            max_total_subscriptions: Some(2_000_000),
            max_retained_messages: Some(1_000_000),
            max_will_rate: Some(5_000),
            refresh_period_ms: Some(5_000),
            resource_limits: ResourceLimitSettings::default(),
            management_address: "activemq.management".into(),
            management_notification_address: "activemq.notifications".into(),
            internal_naming_prefix: "$.artemis.internal.".into(),
            wildcards: Syntax::default(),
            wildcard_routing_enabled: true,
            acceptors: Vec::new(),
            addresses: Vec::new(),
            address_settings: Hierarchy::default(),
            security_settings: Hierarchy::default(),
            warnings: Vec::new(),
        }
    }
}

/// Reads `broker.xml`; reports everything that is wrong with it, not only the first.
pub fn load(file_name: &str, text: &str, lookup: Lookup<'_>) -> Result<Config, Vec<ConfigError>> {
    interpret(xml::parse(file_name, text, lookup), lookup)
}

/// The same, with the files that it includes.
pub fn load_including(
    file_name: &str,
    text: &str,
    lookup: Lookup<'_>,
    include: Include<'_>,
) -> Result<Config, Vec<ConfigError>> {
    interpret(xml::parse_including(file_name, text, lookup, include), lookup)
}

fn interpret(root: Result<Element, ConfigError>, lookup: Lookup<'_>) -> Result<Config, Vec<ConfigError>> {
    let mut root = root.map_err(|error| vec![error])?;
    let mut findings = error::Findings::default();
    unmask(&mut root, lookup, &mut findings);
    let mut config = core_elements::read(&root, &mut findings);
    findings.errors.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
    findings.warnings.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
    if !findings.errors.is_empty() {
        return Err(findings.errors);
    }
    config.warnings = findings.warnings;
    Ok(config)
}

/// Replaces masked values, `ENC(...)`, by what they stand for.
fn unmask(root: &mut Element, lookup: Lookup<'_>, findings: &mut error::Findings) {
    let configured = root.child("core").unwrap_or(root).child("password-codec");
    let codec = match configured {
        Some(element) => findings.accept(element, SensitiveCodec::configured(&element.text, lookup)),
        None => findings.accept(root, SensitiveCodec::with_key_of(lookup).map_err(|error| error.to_string())),
    };
    if let Some(codec) = codec {
        unmask_below(root, &codec, findings);
    }
}

fn unmask_below(element: &mut Element, codec: &SensitiveCodec, findings: &mut error::Findings) {
    let text = codec.unmask(&element.text).map_err(|error| error.to_string());
    if let Some(text) = findings.accept(element, text) {
        element.text = text;
    }
    for child in &mut element.children {
        unmask_below(child, codec, findings);
    }
}

#[cfg(test)]
mod tests;
