//! `<acceptors>`: the sockets the broker listens on.

use std::sync::Arc;

use super::acceptor_keys::{Key, key, names};
use super::error::{Findings, did_you_mean};
use super::limits::Limits;
use super::mqtt::Mqtt;
use super::tls::{self, Tls};
use super::units::boolean;
use super::uri::{Uri, without_query};
use super::xml::Element;

/// A protocol that this broker speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Mqtt,
}

const PROTOCOLS: &[(&str, Option<Protocol>)] = &[
    ("MQTT", Some(Protocol::Mqtt)),
    ("AMQP", None),
    ("CORE", None),
    ("HORNETQ", None),
    ("OPENWIRE", None),
    ("STOMP", None),
];

/// A socket to listen on, and how to treat those who connect.
#[derive(Clone, Debug, PartialEq)]
pub struct Acceptor {
    pub name: String,
    pub host: String,
    pub port: u16,
    /// At least one.
    pub protocols: Vec<Protocol>,
    /// `None` for any number.
    pub connections_allowed: Option<u64>,
    /// How long a client may take to begin a protocol; `None` for ever.
    pub handshake_timeout_ms: Option<u64>,
    /// `None` leaves it to the system, as for the socket's buffers.
    pub backlog: Option<u32>,
    pub tcp_no_delay: bool,
    pub tcp_send_buffer: Option<usize>,
    pub tcp_receive_buffer: Option<usize>,
    /// The domain of `login.config` that decides, where it is not that of all.
    pub security_domain: Option<String>,
    pub mqtt: Mqtt,
    /// `None` for plain text.
    pub tls: Option<Tls>,
    pub limits: Limits,
    /// Where it stands.
    pub file: Arc<str>,
    pub line: u32,
}

impl Acceptor {
    /// Whether it is the same but for where it stands.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        *self == Self { file: self.file.clone(), line: self.line, ..other.clone() }
    }
}

impl Default for Acceptor {
    fn default() -> Self {
        Self {
            name: "artemis".into(),
            host: "localhost".into(),
            port: 61616,
            protocols: vec![Protocol::Mqtt],
            connections_allowed: None,
            handshake_timeout_ms: Some(10_000),
            backlog: None,
            tcp_no_delay: true,
            tcp_send_buffer: None,
            tcp_receive_buffer: None,
            security_domain: None,
            mqtt: Mqtt::default(),
            tls: None,
            limits: Limits::default(),
            file: Arc::default(),
            line: 0,
        }
    }
}

/// Reads `<acceptors>`.
pub(super) fn read(acceptors: &mut Vec<Acceptor>, section: &Element, findings: &mut Findings) {
    for element in &section.children {
        if element.name == "acceptor" {
            acceptors.extend(read_one(element, findings));
        } else {
            findings.unknown(element, "element", &element.name, ["acceptor"]);
        }
    }
}

fn read_one(element: &Element, findings: &mut Findings) -> Vec<Acceptor> {
    let Some(uri) = findings.accept(element, Uri::parse(&element.text)) else {
        return Vec::new();
    };
    let name = element.attribute("name").unwrap_or(without_query(&element.text));
    let Some((protocols, is_tls)) = opened(name, element, &uri, findings) else {
        return Vec::new();
    };
    if element.attribute("lock-coordinator").is_some() {
        findings.no_effect(element, &format!("acceptor {name}: lock-coordinator"));
    }
    let (file, line) = (element.file.clone(), element.line);
    let mut acceptor = Acceptor { name: name.into(), protocols, file, line, ..Acceptor::default() };
    acceptor.tls = is_tls.then(Tls::default);
    // Whether clients show certificates decides about other parameters.
    let (first, then): (Vec<_>, Vec<_>) = uri.parameters.iter().partition(|(key, _)| tls::is_key(key));
    for (key, value) in first.into_iter().chain(then) {
        set(&mut acceptor, key, value, element, findings);
    }
    warn_of_idle(name, &uri, element, findings);
    check_tls(&acceptor, &uri, element, findings);
    let at = |(host, port): &(String, u16)| Acceptor { host: host.clone(), port: *port, ..acceptor.clone() };
    uri.hosts.iter().map(at).collect()
}

/// The protocols of an acceptor and whether it speaks TLS, or nothing and a warning where it stays closed.
fn opened(name: &str, element: &Element, uri: &Uri, findings: &mut Findings) -> Option<(Vec<Protocol>, bool)> {
    let closed = |findings: &mut Findings, why: &str| {
        findings.warn(element, format!("acceptor {name} is not opened: {why}"));
        None
    };
    let mut flag = |key: &str, default| match parameter(uri, key) {
        Some(text) => findings.accept(element, boolean(text).map_err(|message| format!("{key}: {message}"))),
        None => Some(default),
    };
    let (tls, start) = (flag("sslEnabled", false)?, flag("autoStart", true)?);
    match uri.scheme.as_str() {
        "tcp" => {}
        "vm" => return closed(findings, "vm:// is for clients inside a Java process"),
        _ => {
            let message = format!("acceptor {name}: expected tcp://, found {}://", uri.scheme);
            findings.error(element, message);
            return None;
        }
    }
    if !start {
        return closed(findings, "autoStart=false");
    }
    let Some(list) = parameter(uri, "protocols").or_else(|| parameter(uri, "protocol")) else {
        return Some((vec![Protocol::Mqtt], tls));
    };
    let protocols = known_protocols(list);
    if protocols.is_empty() {
        return closed(findings, &format!("of its protocols ({list}) none is supported yet{}", hints(list)));
    }
    warn_of_protocols(name, list, element, findings);
    Some((protocols, tls))
}

fn parameter<'a>(uri: &'a Uri, name: &str) -> Option<&'a str> {
    uri.parameters.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

fn listed(list: &str) -> impl Iterator<Item = (&str, Option<&'static (&'static str, Option<Protocol>)>)> {
    let words = list.split(',').map(str::trim).filter(|word| !word.is_empty());
    words.map(|word| (word, PROTOCOLS.iter().find(|(known, _)| *known == word)))
}

fn known_protocols(list: &str) -> Vec<Protocol> {
    let mut protocols: Vec<_> = listed(list).filter_map(|(_, row)| row.and_then(|(_, protocol)| *protocol)).collect();
    protocols.dedup();
    protocols
}

fn hints(list: &str) -> String {
    let unknown = listed(list).filter(|(_, row)| row.is_none());
    unknown.map(|(word, _)| did_you_mean(word, PROTOCOLS.iter().map(|(name, _)| *name))).collect()
}

fn warn_of_protocols(name: &str, list: &str, element: &Element, findings: &mut Findings) {
    let mut missing = Vec::new();
    for (word, row) in listed(list) {
        match row {
            Some((_, Some(_))) => {}
            Some((_, None)) => missing.push(word),
            None => {
                let names = PROTOCOLS.iter().map(|(name, _)| *name);
                findings.unknown(element, &format!("protocol of acceptor {name}:"), word, names);
            }
        }
    }
    match &missing[..] {
        [] => {}
        [one] => findings.warn(element, format!("acceptor {name}: the protocol {one} is not supported yet")),
        _ => {
            let all = missing.join(", ");
            findings.warn(element, format!("acceptor {name}: the protocols {all} are not supported yet"));
        }
    }
}

/// Names in one warning the parameters that have no effect.
fn warn_of_idle(name: &str, uri: &Uri, element: &Element, findings: &mut Findings) {
    let mut idle: Vec<_> = uri.parameters.iter().map(|(name, _)| name.as_str()).collect();
    idle.retain(|name| matches!(key(name), Some(Key::NoEffect)));
    match &idle[..] {
        [] => {}
        [one] => findings.no_effect(element, &format!("acceptor {name}: {one}")),
        _ => findings.warn(element, format!("acceptor {name}: {} have no effect", idle.join(", "))),
    }
}

fn set(acceptor: &mut Acceptor, name: &str, value: &str, element: &Element, findings: &mut Findings) {
    let at = format!("acceptor {}", acceptor.name);
    let result = match key(name) {
        Some(Key::Whole | Key::NoEffect) => Ok(()),
        Some(Key::Set(set)) => set(acceptor, value),
        Some(Key::Mqtt(set)) => set(&mut acceptor.mqtt, value),
        Some(Key::Tls(set)) => match &mut acceptor.tls {
            Some(tls) => set(tls, value),
            None => {
                let message = format!("{at}: {name} has no effect without sslEnabled=true: it speaks plain text");
                let warn = if name == "keyStorePath" { Findings::warn_severely } else { Findings::warn };
                warn(findings, element, message);
                Ok(())
            }
        },
        Some(Key::Refused(why)) if value != "false" => refused(acceptor, name, why, element, findings),
        Some(Key::Refused(_)) => Ok(()),
        Some(Key::Limit(set)) => set(&mut acceptor.limits, value),
        Some(Key::Missing(_)) if value == "false" => Ok(()),
        Some(Key::Missing(consequence)) => {
            findings.warn(element, format!("{at}: {name} has no effect: {consequence}"));
            Ok(())
        }
        None => {
            findings.unknown(element, &format!("parameter of {at}:"), name, names());
            Ok(())
        }
    };
    findings.accept(element, result.map_err(|message| format!("{at}: {name}: {message}")));
}

/// What restricts clients with certificates may only be left out where there are none.
fn refused(
    acceptor: &Acceptor,
    name: &str,
    why: &str,
    element: &Element,
    findings: &mut Findings,
) -> Result<(), String> {
    if acceptor.tls.as_ref().is_some_and(Tls::asks) {
        return Err(why.to_owned());
    }
    findings.no_effect(element, &format!("acceptor {}: {name}", acceptor.name));
    Ok(())
}

fn check_tls(acceptor: &Acceptor, uri: &Uri, element: &Element, findings: &mut Findings) {
    let Some(tls) = &acceptor.tls else { return };
    let at = format!("acceptor {}", acceptor.name);
    for gap in tls.gaps() {
        findings.error(element, format!("{at}: {gap}"));
    }
    for name in tls.idle() {
        findings.no_effect(element, &format!("{at}: without needClientAuth=true or wantClientAuth=true {name}"));
    }
    for weak in tls::weak_versions(parameter(uri, "enabledProtocols").unwrap_or_default()) {
        findings.warn(element, format!("{at}: enabledProtocols: {weak} is too weak and is not spoken"));
    }
}
