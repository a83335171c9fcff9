//! The files of a new instance's `etc`, made from templates.

use super::properties;

/// What differs between the instances that `create` makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placeholders {
    pub name: String,
    /// Where both acceptors listen.
    pub host: String,
    pub port: u16,
    pub mqtt_port: u16,
    /// The data directory, relative to the instance or absolute.
    pub data: String,
    pub persistence: bool,
    pub security: bool,
    /// Whether clients get in without a known name and password.
    pub anonymous: bool,
    /// The role that may do everything.
    pub role: String,
    /// Names with their passwords, plain or masked; all have the role.
    pub users: Vec<(String, String)>,
}

impl Default for Placeholders {
    fn default() -> Self {
        Self {
            name: "localhost".into(),
            host: "127.0.0.1".into(),
            port: 61616,
            mqtt_port: 1883,
            data: "data".into(),
            persistence: true,
            security: true,
            anonymous: true,
            role: "amq".into(),
            users: Vec::new(),
        }
    }
}

const GUEST_MODULE: &str = include_str!("../cli/templates/guest-module");

type Escape = fn(&str) -> String;

const FILES: &[(&str, &str, Escape)] = &[
    ("bootstrap.xml", include_str!("../cli/templates/bootstrap.xml"), escape_xml),
    ("broker.xml", include_str!("../cli/templates/broker.xml"), escape_xml),
    ("login.config", include_str!("../cli/templates/login.config"), escape_quoted),
    ("artemis-users.properties", include_str!("../cli/templates/artemis-users.properties"), escape_property),
    ("artemis-roles.properties", include_str!("../cli/templates/artemis-roles.properties"), escape_property),
    ("log4j2.properties", include_str!("../cli/templates/log4j2.properties"), escape_property),
];

/// The names and contents of all files in `etc`.
pub fn files(placeholders: &Placeholders) -> Vec<(&'static str, String)> {
    let render =
        |(name, template, escape): &(&'static str, &str, Escape)| (*name, render(template, placeholders, *escape));
    FILES.iter().map(render).collect()
}

fn render(template: &str, placeholders: &Placeholders, escape: Escape) -> String {
    let mut text = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, tail)) = rest.split_once('@') {
        text.push_str(before);
        let value = tail.split_once('@').and_then(|(name, after)| Some((placeholders.value(name, escape)?, after)));
        match value {
            Some((value, after)) => {
                text.push_str(&value);
                rest = after;
            }
            None => {
                text.push('@');
                rest = tail;
            }
        }
    }
    text.push_str(rest);
    text
}

impl Placeholders {
    fn value(&self, name: &str, escape: Escape) -> Option<String> {
        Some(match name {
            "NAME" => escape(&self.name),
            "HOST" => escape(&bracketed(&self.host)),
            "PORT" => self.port.to_string(),
            "MQTT_PORT" => self.mqtt_port.to_string(),
            "DATA" => escape(&self.data),
            "PERSISTENCE" => self.persistence.to_string(),
            "SECURITY" => self.security.to_string(),
            "ROLE" => escape(&self.role),
            "PROPERTIES_FLAG" => if self.anonymous { "sufficient" } else { "required" }.into(),
            "GUEST_MODULE" if self.anonymous => render(GUEST_MODULE, self, escape),
            "GUEST_MODULE" => String::new(),
            "USERS" => self
                .users
                .iter()
                .map(|(user, password)| format!("\n{} = {}", escape(user), properties::escape_value(password)))
                .collect(),
            "ROLES" => self.roles(escape),
            _ => return None,
        })
    }

    fn roles(&self, escape: Escape) -> String {
        let users: Vec<_> = self.users.iter().map(|(user, _)| escape(user)).collect();
        if users.is_empty() { String::new() } else { format!("\n{} = {}", escape(&self.role), users.join(",")) }
    }
}

fn bracketed(host: &str) -> String {
    if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host.to_owned() }
}

fn escape_xml(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn escape_quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

fn escape_property(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\t' => escaped.push_str("\\t"),
            '\\' | '=' | ':' | '#' | '!' | ' ' => escaped.extend(['\\', c]),
            _ => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::super::bootstrap::{self, Bootstrap, DOMAIN};
    use super::super::login::{self, LoginKind};
    use super::super::{Config, ResourceLimits, load, log4j2, properties};
    use super::*;

    fn file(name: &str, placeholders: &Placeholders) -> String {
        files(placeholders).into_iter().find(|(file, _)| *file == name).unwrap().1
    }

    #[test]
    fn the_shipped_files_are_the_templates_with_defaults() {
        let etc = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("etc");
        for (name, text) in files(&Placeholders::default()) {
            assert_eq!(std::fs::read_to_string(etc.join(name)).unwrap_or_default(), text, "{name}");
        }
    }

    fn loaded(text: &str) -> Config {
        let mut config = load("broker.xml", text, &|_| None).unwrap();
        config.acceptors.iter_mut().for_each(|acceptor| acceptor.line = 0);
        config
    }

    #[test]
    fn the_elements_in_comments_are_defaults() {
        let shipped = file("broker.xml", &Placeholders::default());
        let section = shipped.find("<resource-limit-settings>").unwrap();
        let (before, after) = shipped.split_at(section);
        let whole = format!("{before}-->{}", after.replacen("-->", "", 1));
        let taken_out = |line: &str| match line.trim().strip_prefix("<!-- <") {
            Some(element) => format!("<{}\n", element.trim_end_matches(" -->")),
            None => format!("{line}\n"),
        };
        let config = loaded(&whole.lines().map(taken_out).collect::<String>());
        assert_eq!(config.resource_limits.by_role["amq"], ResourceLimits::default());
        assert_eq!(config.address_settings.resolve("a").expiry_delay, Some(-1));
        assert_eq!(config.global_max_size, Some(1 << 30));
        let default = loaded(&shipped);
        let (resource_limits, address_settings) = (default.resource_limits.clone(), default.address_settings.clone());
        assert_eq!(Config { global_max_size: None, resource_limits, address_settings, ..config }, default);
    }

    #[test]
    fn the_parameters_in_the_comment_are_defaults() {
        let shipped = file("broker.xml", &Placeholders::default());
        let explained = shipped.lines().filter_map(|line| line.strip_prefix("          ")?.split_whitespace().next());
        let is_parameter =
            |word: &&str| !word.contains('<') && word.split_once('=').is_some_and(|(_, value)| !value.is_empty());
        let parameters: Vec<_> = explained.filter(is_parameter).collect();
        assert!(parameters.len() > 35, "{parameters:?}");
        let uri = format!(":1883?protocols=MQTT;{}", parameters.join(";"));
        let mut config = loaded(&shipped.replace(":1883?protocols=MQTT", &uri));
        assert!(std::mem::take(&mut config.acceptors[1].mqtt.default_session_expiry_is_explicit));
        assert_eq!(config, loaded(&shipped));
    }

    #[test]
    fn the_default_files_load_without_a_warning() {
        let placeholders = Placeholders::default();
        let config = load("broker.xml", &file("broker.xml", &placeholders), &|_| None).unwrap();
        assert_eq!(config.warnings, []);
        let acceptors = config.acceptors.iter().map(|a| (a.name.as_str(), a.host.as_str(), a.port));
        assert!(acceptors.eq([("artemis", "127.0.0.1", 61616), ("mqtt", "127.0.0.1", 1883)]));
        let login = login::load("login.config", &file("login.config", &placeholders), &[DOMAIN], &|_| None).unwrap();
        assert_eq!((login.domains[0].modules.len(), login.warnings.len()), (2, 0));
        let bootstrap = bootstrap::load("bootstrap.xml", &file("bootstrap.xml", &placeholders), &|_| None).unwrap();
        let configuration = Some("etc/broker.xml".to_owned());
        let configuration_line = bootstrap.configuration_line;
        assert_eq!(bootstrap, Bootstrap { configuration, configuration_line, ..Bootstrap::default() });
        log4j2::load("log4j2.properties", &file("log4j2.properties", &placeholders)).unwrap();
        assert_eq!(properties::parse(&file("artemis-users.properties", &placeholders)), []);
        assert_eq!(properties::parse(&file("artemis-roles.properties", &placeholders)), []);
    }

    #[test]
    fn the_packet_log_is_two_lines_away() {
        let text = file("log4j2.properties", &Placeholders::default()).replace("#logger", "logger");
        let config = log4j2::load("log4j2.properties", &text).unwrap();
        let packets = ("org.apache.activemq.artemis.core.protocol.mqtt".to_owned(), log4j2::Level::Trace);
        assert!(config.loggers.contains(&packets));
    }

    #[test]
    fn any_value_survives() {
        let odd = "a<b>&\"' @HOST@ = : # ! \\é";
        let placeholders = Placeholders {
            name: odd.into(),
            host: "::1".into(),
            role: odd.replace([',', ' '], ""),
            anonymous: false,
            users: vec![(odd.into(), odd.into()), ("u".into(), "p".into())],
            ..Placeholders::default()
        };
        let config = load("broker.xml", &file("broker.xml", &placeholders), &|_| None).unwrap();
        assert_eq!((config.name.as_str(), config.acceptors[0].host.as_str()), (odd, "::1"));
        let users = properties::parse(&file("artemis-users.properties", &placeholders));
        assert!(users.iter().map(|p| (p.key.as_str(), p.value.as_str())).eq([(odd, odd), ("u", "p")]));
        let roles = properties::parse(&file("artemis-roles.properties", &placeholders));
        assert_eq!((roles[0].key.as_str(), roles[0].value.as_str()), (&*placeholders.role, &*format!("{odd},u")));
        let login = login::load("login.config", &file("login.config", &placeholders), &[DOMAIN], &|_| None).unwrap();
        assert!(
            matches!(&login.domains[0].modules[..], [module] if matches!(module.kind, LoginKind::Properties { .. }))
        );
    }
}
