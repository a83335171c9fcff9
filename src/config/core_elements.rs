//! Every element of `<core>` that Artemis knows, and what it does here.

use std::collections::HashMap;
use std::path::PathBuf;

use super::error::Findings;
use super::units::{boolean, number, size};
use super::xml::Element;
use super::{Config, acceptor, address_settings, addresses, resource_limits, security, wildcards};
use crate::core::settings::Hierarchy;

enum Rule {
    Text(fn(&mut Config) -> &mut String),
    Path(fn(&mut Config) -> &mut PathBuf),
    Bool(fn(&mut Config) -> &mut bool),
    /// A time above 0.
    Time(fn(&mut Config) -> &mut u64),
    /// A time or a number of 0 or more.
    Delay(fn(&mut Config) -> &mut u64),
    /// A time; 0 or less switches off.
    Period(fn(&mut Config) -> &mut Option<u64>),
    /// A number, of bytes or of other things; -1 for none.
    Size(fn(&mut Config) -> &mut Option<u64>),
    Section(fn(&mut Config, &Element, &mut Findings)),
    /// Read before all others.
    Earlier,
}

const RULES: &[(&str, Rule)] = &[
    ("name", Rule::Text(|c| &mut c.name)),
    ("persistence-enabled", Rule::Bool(|c| &mut c.persistence_enabled)),
    ("security-enabled", Rule::Bool(|c| &mut c.security_enabled)),
    ("security-invalidation-interval", Rule::Delay(|c| &mut c.security_invalidation_interval_ms)),
    ("authentication-cache-size", Rule::Delay(|c| &mut c.authentication_cache_size)),
    ("journal-directory", Rule::Path(|c| &mut c.journal_directory)),
    ("journal-sync-transactional", Rule::Bool(|c| &mut c.journal_sync_transactional)),
    ("journal-sync-non-transactional", Rule::Bool(|c| &mut c.journal_sync_non_transactional)),
    ("journal-datasync", Rule::Bool(|c| &mut c.journal_datasync)),
    ("journal-buffer-timeout", Rule::Delay(|c| &mut c.journal_buffer_timeout_ns)),
    ("mqtt-session-scan-interval", Rule::Time(|c| &mut c.mqtt_session_scan_interval_ms)),
    ("mqtt-will-recovery-grace", Rule::Delay(|c| &mut c.mqtt_will_recovery_grace_ms)),
    ("message-expiry-scan-period", Rule::Period(|c| &mut c.message_expiry_scan_period_ms)),
    ("global-max-size", Rule::Size(|c| &mut c.global_max_size)),
    ("management-address", Rule::Text(|c| &mut c.management_address)),
    ("management-notification-address", Rule::Text(|c| &mut c.management_notification_address)),
    ("internal-naming-prefix", Rule::Text(|c| &mut c.internal_naming_prefix)),
    ("max-total-sessions", Rule::Size(|c| &mut c.max_total_sessions)),
    ("max-total-subscriptions", Rule::Size(|c| &mut c.max_total_subscriptions)),
    ("max-retained-messages", Rule::Size(|c| &mut c.max_retained_messages)),
    ("max-will-rate", Rule::Size(|c| &mut c.max_will_rate)),
    ("configuration-file-refresh-period", Rule::Period(|c| &mut c.refresh_period_ms)),
    (
        "resource-limit-settings",
        Rule::Section(|c, element, findings| {
            resource_limits::read(&mut c.resource_limits, element, findings);
        }),
    ),
    ("wild-card-routing-enabled", Rule::Bool(|c| &mut c.wildcard_routing_enabled)),
    ("wildcard-addresses", Rule::Earlier),
    ("password-codec", Rule::Earlier),
    ("mask-password", Rule::Section(mask_password)),
    ("acceptors", Rule::Section(|c, element, findings| acceptor::read(&mut c.acceptors, element, findings))),
    ("addresses", Rule::Section(|c, element, findings| addresses::read(&mut c.addresses, element, findings))),
    (
        "address-settings",
        Rule::Section(|c, element, findings| {
            address_settings::read(&mut c.address_settings, element, findings);
        }),
    ),
    (
        "security-settings",
        Rule::Section(|c, element, findings| {
            security::read(&mut c.security_settings, element, findings);
        }),
    ),
];

const NO_EFFECT: &[&str] = &[
    "address-queue-scan-period",
    "allow-failback",
    "amqp-use-core-subscription-naming",
    "async-connection-execution-enabled",
    "authorization-cache-size",
    "bindings-directory",
    "bridges",
    "broadcast-groups",
    "broker-connections",
    "broker-plugins",
    "check-for-live-server",
    "cluster-connections",
    "cluster-password",
    "cluster-user",
    "connection-routers",
    "connection-ttl-check-interval",
    "connection-ttl-check-period",
    "connection-ttl-override",
    "connector-services",
    "connectors",
    "create-bindings-dir",
    "create-journal-dir",
    "critical-analyzer",
    "critical-analyzer-check-period",
    "critical-analyzer-policy",
    "critical-analyzer-timeout",
    "discovery-groups",
    "disk-scan-period",
    "diverts",
    "federations",
    "global-max-messages",
    "global-max-size-percent-of-jvm-max-memory",
    "graceful-shutdown-enabled",
    "graceful-shutdown-timeout",
    "grouping-handler",
    "ha-policy",
    "id-cache-size",
    "jmx-domain",
    "jmx-management-enabled",
    "jmx-notification-enabled",
    "jmx-use-broker-name",
    "journal-buffer-size",
    "journal-compact-min-files",
    "journal-compact-percentage",
    "journal-device-block-size",
    "journal-file-open-timeout",
    "journal-file-size",
    "journal-lock-acquisition-timeout",
    "journal-lock-monitor-max-retries",
    "journal-lock-monitor-timeout",
    "journal-max-atticjournal-files",
    "journal-max-io",
    "journal-min-files",
    "journal-pool-files",
    "journal-retention-directory",
    "journal-type",
    "large-message-sync",
    "large-messages-directory",
    "literal-match-markers",
    "lock-coordinators",
    "log-journal-write-rate",
    "management-message-rbac",
    "management-rbac-prefix",
    "max-disk-usage",
    "max-redelivery-records",
    "max-saved-replicated-journals-size",
    "memory-measure-interval",
    "memory-warning-threshold",
    "message-counter-enabled",
    "message-counter-max-day-history",
    "message-counter-sample-period",
    "message-expiry-thread-priority",
    "metrics",
    "metrics-plugin",
    "min-disk-free",
    "mirror-ack-manager-page-attempts",
    "mirror-ack-manager-queue-attempts",
    "mirror-ack-manager-retry-delay",
    "mirror-ack-manager-warn-unacked",
    "mirror-page-transaction",
    "mqtt-session-state-persistence-timeout",
    "mqtt-subscription-persistence-enabled",
    "network-check-NIC",
    "network-check-URL-list",
    "network-check-list",
    "network-check-period",
    "network-check-ping-command",
    "network-check-ping6-command",
    "network-check-timeout",
    "page-max-concurrent-io",
    "page-sync-timeout",
    "paging-directory",
    "perf-blast-pages",
    "persist-delivery-count-before-delivery",
    "persist-id-cache",
    "populate-validated-user",
    "purge-page-folders",
    "queues",
    "read-whole-page",
    "reject-empty-validated-user",
    "remoting-incoming-interceptors",
    "remoting-outgoing-interceptors",
    "resolve-protocols",
    "run-sync-speed-test",
    "scheduled-thread-pool-max-size",
    "server-dump-interval",
    "store",
    "suppress-session-notifications",
    "system-property-prefix",
    "temporary-queue-namespace",
    "thread-pool-max-size",
    "transaction-timeout",
    "transaction-timeout-scan-period",
    "uuid-namespace",
    "view-permission-method-match-pattern",
];

/// What it means that some of these have no effect, and whether that deserves to be logged as an error.
const MEANINGS: &[(&str, bool, &str)] = &[
    ("bridges", false, "no message goes to other brokers"),
    ("broker-connections", false, "no message goes to other brokers"),
    ("broker-plugins", true, "no plugin of Java is asked or told"),
    ("cluster-connections", false, "this broker is alone"),
    ("diverts", false, "no message is diverted"),
    ("federations", false, "no message comes from other brokers"),
    ("ha-policy", true, "this broker is active as soon as it runs, and replicates nothing"),
    ("queues", false, "declare queues in <addresses>"),
    ("remoting-incoming-interceptors", true, "no interceptor of Java is asked"),
    ("remoting-outgoing-interceptors", true, "no interceptor of Java is asked"),
];

/// Makes a configuration of the mirror of `broker.xml`.
pub(super) fn read(root: &Element, findings: &mut Findings) -> Config {
    let mut config = Config::default();
    let Some(core) = core_of(root, findings) else { return config };
    read_wildcards(&mut config, core, findings);
    let mut seen = HashMap::new();
    for element in &core.children {
        match seen.insert(element.name.as_str(), element.line) {
            Some(first) => findings.error(element, format!("is given twice, first in line {first}")),
            None => apply(&mut config, element, findings),
        }
    }
    config
}

fn core_of<'a>(root: &'a Element, findings: &mut Findings) -> Option<&'a Element> {
    if root.name == "core" {
        return Some(root);
    }
    if root.name != "configuration" {
        findings.error(root, format!("expected <configuration> as the root element, found <{}>", root.name));
        return None;
    }
    for other in root.children.iter().filter(|child| child.name != "core") {
        findings.no_effect(other, &format!("<{}>", other.name));
    }
    let core = root.child("core");
    if core.is_none() {
        findings.error(root, "expected an element <core>");
    }
    core
}

// The patterns of all other sections are written in this syntax, wherever it stands.
fn read_wildcards(config: &mut Config, core: &Element, findings: &mut Findings) {
    if let Some(section) = core.child("wildcard-addresses") {
        wildcards::read(config, section, findings);
    }
    config.address_settings = Hierarchy::new(config.wildcards);
    config.security_settings = Hierarchy::new(config.wildcards);
}

fn apply(config: &mut Config, element: &Element, findings: &mut Findings) {
    let name = element.name.as_str();
    if let Some((_, rule)) = RULES.iter().find(|(known, _)| *known == name) {
        let result = rule.apply(config, element, findings);
        findings.accept(element, result);
    } else if let Some((_, is_severe, meaning)) = MEANINGS.iter().find(|(known, ..)| *known == name) {
        let warn = if *is_severe { Findings::warn_severely } else { Findings::warn };
        warn(findings, element, format!("<{name}> has no effect: {meaning}"));
    } else if name == "store" && element.child("database-store").is_some() {
        let message = "<database-store> has no effect: what is durable is kept in <journal-directory>";
        findings.warn_severely(element, message);
    } else if NO_EFFECT.contains(&name) {
        findings.no_effect(element, &format!("<{name}>"));
    } else {
        let known = RULES.iter().map(|(name, _)| *name).chain(NO_EFFECT.iter().copied());
        findings.unknown(element, "element", name, known);
    }
}

impl Rule {
    fn apply(&self, config: &mut Config, element: &Element, findings: &mut Findings) -> Result<(), String> {
        let text = element.text.as_str();
        match self {
            Rule::Text(field) => field(config).replace_range(.., text),
            Rule::Path(field) => *field(config) = path(text)?,
            Rule::Bool(field) => *field(config) = boolean(text)?,
            Rule::Time(field) => *field(config) = number(text, 1..=i64::MAX)?.unsigned_abs(),
            Rule::Delay(field) => *field(config) = number(text, 0..=i64::MAX)?.unsigned_abs(),
            Rule::Period(field) => {
                let period = u64::try_from(number(text, -1..=i64::MAX)?);
                *field(config) = period.ok().filter(|period| *period > 0);
            }
            Rule::Size(field) => *field(config) = u64::try_from(size(text)?).ok(),
            Rule::Section(read) => read(config, element, findings),
            Rule::Earlier => {}
        }
        Ok(())
    }

    fn differs(&self, a: &mut Config, b: &mut Config) -> bool {
        match self {
            Rule::Text(field) => field(a) != field(b),
            Rule::Path(field) => field(a) != field(b),
            Rule::Bool(field) => field(a) != field(b),
            Rule::Time(field) | Rule::Delay(field) => field(a) != field(b),
            Rule::Period(field) | Rule::Size(field) => field(a) != field(b),
            Rule::Section(_) | Rule::Earlier => false,
        }
    }
}

/// The elements with a single value whose value is another one.
pub(super) fn changed(old: &Config, new: &Config) -> impl Iterator<Item = &'static str> {
    let (mut old, mut new) = (old.clone(), new.clone());
    let changed = RULES.iter().filter(move |(_, rule)| rule.differs(&mut old, &mut new));
    changed.map(|(name, _)| *name)
}

/// The old way to say that all passwords are masked, without `ENC(...)` around them.
fn mask_password(_: &mut Config, element: &Element, findings: &mut Findings) {
    match boolean(&element.text) {
        Ok(true) => findings.error(element, "is not supported: write each masked password as ENC(...)"),
        Ok(false) => {}
        Err(message) => findings.error(element, message),
    }
}

fn path(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() { Err("expected a directory, found nothing".into()) } else { Ok(text.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique() {
        assert!(NO_EFFECT.is_sorted() && MEANINGS.is_sorted());
        assert!(MEANINGS.iter().all(|(name, ..)| NO_EFFECT.contains(name)));
        let mut all: Vec<_> = RULES.iter().map(|(name, _)| *name).chain(NO_EFFECT.iter().copied()).collect();
        all.sort_unstable();
        assert!(all.windows(2).all(|pair| pair[0] != pair[1]));
    }
}
