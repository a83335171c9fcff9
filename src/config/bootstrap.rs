//! `bootstrap.xml`: which security manager decides, and where `broker.xml` is.

use super::error::{ConfigError, Findings, Warning};
use super::substitute::Lookup;
use super::tls::Password;
use super::xml::{self, Element};

/// The domain of `login.config` that decides where nothing else is said.
pub const DOMAIN: &str = "activemq";

/// The class of Artemis whose users are named here, or in two files.
const BASIC: &str = "org.apache.activemq.artemis.spi.core.security.ActiveMQBasicSecurityManager";

/// The name of the manager that asks a script.
const SCRIPT: &str = "script";

/// Who decides about logins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ManagerKind {
    /// The modules of domains of `login.config`.
    Login { domain: String, certificate_domain: Option<String> },
    /// A script, after the modules of a domain where one is named.
    Script { file: String, domain: Option<String> },
    /// Two files: `user = password` and `role = user, user`.
    Basic { users: String, roles: String },
    /// One user, whose password may be hashed.
    OneUser { user: String, password: Password, role: String },
}

/// The content of `bootstrap.xml`, defaults filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bootstrap {
    pub manager: ManagerKind,
    /// Where `broker.xml` is, if that is said.
    pub configuration: Option<String>,
    /// The line that says so.
    pub configuration_line: u32,
    pub warnings: Vec<Warning>,
}

impl Default for Bootstrap {
    fn default() -> Self {
        let manager = ManagerKind::Login { domain: DOMAIN.to_owned(), certificate_domain: None };
        Self { manager, configuration: None, configuration_line: 0, warnings: Vec::new() }
    }
}

/// Reads a whole file.
///
/// # Errors
/// All that is wrong with it; a file that names no security manager is.
pub fn load(file: &str, text: &str, lookup: Lookup<'_>) -> Result<Bootstrap, Vec<ConfigError>> {
    let root = xml::parse(file, text, lookup).map_err(|error| vec![error])?;
    let mut findings = Findings::default();
    let (manager, configuration) = read(&root, &mut findings);
    match manager {
        Some(manager) if findings.errors.is_empty() => {
            let configuration_line = root.child("server").map_or(0, |element| element.line);
            Ok(Bootstrap { manager, configuration, configuration_line, warnings: findings.warnings })
        }
        _ => Err(findings.errors),
    }
}

fn read(root: &Element, findings: &mut Findings) -> (Option<ManagerKind>, Option<String>) {
    if root.name != "broker" {
        findings.error(root, format!("expected <broker> as the root element, found <{}>", root.name));
        return (None, None);
    }
    let (mut managers, mut configuration) = (Vec::new(), None);
    for element in &root.children {
        match element.name.as_str() {
            "jaas-security" => managers.extend(jaas(element, findings)),
            "security-manager" => managers.extend(security_manager(element, findings)),
            "server" => configuration = server(element, findings),
            "web" => findings.no_effect(element, "<web>"),
            other => {
                findings.unknown(element, "element", other, ["jaas-security", "security-manager", "server", "web"]);
            }
        }
    }
    if managers.len() != 1 && findings.errors.is_empty() {
        let found = managers.len();
        findings.error(root, format!("expected one <jaas-security> or <security-manager>, found {found}"));
    }
    (managers.pop(), configuration)
}

fn jaas(element: &Element, findings: &mut Findings) -> Option<ManagerKind> {
    warn_of_attributes(element, &["domain", "certificate-domain"], findings);
    let Some(domain) = element.attribute("domain").filter(|domain| !domain.is_empty()) else {
        findings.error(element, "expected an attribute domain");
        return None;
    };
    let certificate_domain = element.attribute("certificate-domain").map(str::to_owned);
    Some(ManagerKind::Login { domain: domain.to_owned(), certificate_domain })
}

fn server(element: &Element, findings: &mut Findings) -> Option<String> {
    warn_of_attributes(element, &["configuration"], findings);
    let configuration = element.attribute("configuration")?;
    let path = configuration.strip_prefix("xinclude:").unwrap_or(configuration);
    let path = path.strip_prefix("file:").unwrap_or(path);
    // file:///a is /a.
    let path = path.strip_prefix("//").filter(|rest| rest.starts_with('/')).unwrap_or(path);
    if path.contains("://") || path.is_empty() {
        findings.error(element, format!("expected file:path in the attribute configuration, found {configuration:?}"));
        return None;
    }
    Some(path.to_owned())
}

fn warn_of_attributes(element: &Element, known: &[&str], findings: &mut Findings) {
    for (name, _) in element.attributes.iter().filter(|(name, _)| !known.contains(&name.as_str())) {
        findings.unknown(element, "attribute", name, known.iter().copied());
    }
}

fn security_manager(element: &Element, findings: &mut Findings) -> Option<ManagerKind> {
    let class = element.attribute("class-name").unwrap_or_default();
    let properties = properties(element, findings);
    let mut taken = Vec::new();
    let mut get = |name: &'static str| {
        taken.push(name);
        properties.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone())
    };
    let manager = match class {
        SCRIPT => match (get("file"), get("domain")) {
            (Some(file), domain) => Some(ManagerKind::Script { file, domain }),
            (None, _) => missing(element, "file", findings),
        },
        BASIC => {
            match ["bootstrapUserFile", "bootstrapRoleFile", "bootstrapUser", "bootstrapPassword", "bootstrapRole"]
                .map(&mut get)
            {
                [Some(users), Some(roles), ..] => Some(ManagerKind::Basic { users, roles }),
                [None, None, Some(user), Some(password), Some(role)] => {
                    Some(ManagerKind::OneUser { user, password: Password(password), role })
                }
                [Some(_), None, ..] => missing(element, "bootstrapRoleFile", findings),
                [None, None, Some(_), None, _] => missing(element, "bootstrapPassword", findings),
                [None, None, Some(_), _, None] => missing(element, "bootstrapRole", findings),
                _ => missing(element, "bootstrapUserFile", findings),
            }
        }
        _ => {
            let known = format!("those that are: {SCRIPT}, {BASIC}");
            let own = "one's own is a Rust program, see docs/security-manager.md";
            findings.error(element, format!("the security manager {class:?} is not supported; {known}; {own}"));
            return None;
        }
    };
    for (name, _) in properties.iter().filter(|(name, _)| !taken.contains(&name.as_str())) {
        findings.unknown(element, "property", name, taken.iter().copied());
    }
    manager
}

fn missing(element: &Element, name: &str, findings: &mut Findings) -> Option<ManagerKind> {
    findings.error(element, format!("expected <property key=\"{name}\" value=\"...\"/>"));
    None
}

fn properties(element: &Element, findings: &mut Findings) -> Vec<(String, String)> {
    let mut properties = Vec::new();
    for child in &element.children {
        match (child.name.as_str(), child.attribute("key"), child.attribute("value")) {
            ("property", Some(key), Some(value)) => properties.push((key.to_owned(), value.to_owned())),
            ("property", ..) => findings.error(child, "expected the attributes key and value"),
            (other, ..) => findings.unknown(child, "element", other, ["property"]),
        }
    }
    properties
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(inner: &str) -> Result<Bootstrap, Vec<String>> {
        let lookup = |name: &str| (name == "artemis.instance").then(|| "/i".to_owned());
        let text = format!("<broker xmlns=\"http://activemq.apache.org/schema\">\n{inner}\n</broker>");
        load("bootstrap.xml", &text, &lookup).map_err(|errors| errors.iter().map(ToString::to_string).collect())
    }

    fn login(domain: &str, certificate_domain: Option<&str>) -> ManagerKind {
        ManagerKind::Login { domain: domain.into(), certificate_domain: certificate_domain.map(str::to_owned) }
    }

    #[test]
    fn the_manager_and_the_configuration_are_found() {
        let script = |domain: Option<&str>| ManagerKind::Script {
            file: "security.rhai".into(),
            domain: domain.map(str::to_owned),
        };
        for (text, manager) in [
            ("<jaas-security domain=\"activemq\"/>", login("activemq", None)),
            ("<jaas-security domain=\"a\" certificate-domain=\"c\"/>", login("a", Some("c"))),
            (
                "<security-manager class-name=\"script\"><property key=\"file\" value=\"security.rhai\"/></security-manager>",
                script(None),
            ),
            (
                "<security-manager class-name=\"script\"><property key=\"file\" value=\"security.rhai\"/>\
                 <property key=\"domain\" value=\"activemq\"/></security-manager>",
                script(Some("activemq")),
            ),
            (
                "<security-manager class-name=\"org.apache.activemq.artemis.spi.core.security.ActiveMQBasicSecurityManager\">\
                 <property key=\"bootstrapUserFile\" value=\"u\"/><property key=\"bootstrapRoleFile\" value=\"r\"/></security-manager>",
                ManagerKind::Basic { users: "u".into(), roles: "r".into() },
            ),
            (
                "<security-manager class-name=\"org.apache.activemq.artemis.spi.core.security.ActiveMQBasicSecurityManager\">\
                 <property key=\"bootstrapUser\" value=\"u\"/><property key=\"bootstrapPassword\" value=\"p\"/>\
                 <property key=\"bootstrapRole\" value=\"r\"/></security-manager>",
                ManagerKind::OneUser { user: "u".into(), password: Password("p".into()), role: "r".into() },
            ),
        ] {
            let bootstrap = read(text).unwrap();
            assert_eq!((bootstrap.manager, bootstrap.configuration, bootstrap.warnings), (manager, None, vec![]));
        }
        let jaas = "<jaas-security domain=\"activemq\"/>";
        for (configuration, expected) in [
            ("file:${artemis.instance}/etc//broker.xml", "/i/etc//broker.xml"),
            ("file:///i/broker.xml", "/i/broker.xml"),
            ("file:/i/broker.xml", "/i/broker.xml"),
            ("xinclude:etc/broker.xml", "etc/broker.xml"),
        ] {
            let bootstrap = read(&format!("{jaas}<server configuration=\"{configuration}\"/>")).unwrap();
            assert_eq!(bootstrap.configuration.as_deref(), Some(expected));
        }
    }

    #[test]
    fn what_has_no_effect_is_named() {
        let text = "<jaas-security domain=\"activemq\" colour=\"red\"/>\n<web bind=\"x\"><binding/></web>\n<webs/>";
        let warnings: Vec<_> = read(text).unwrap().warnings.iter().map(ToString::to_string).collect();
        assert_eq!(
            warnings,
            [
                "bootstrap.xml:2: <jaas-security>: unknown attribute \"colour\" is ignored",
                "bootstrap.xml:3: <web>: <web> has no effect",
                "bootstrap.xml:4: <webs>: unknown element \"webs\" is ignored (did you mean web?)",
            ]
        );
    }

    #[test]
    fn without_one_manager_nothing_starts() {
        for (text, expected) in [
            ("", "expected one <jaas-security> or <security-manager>, found 0"),
            (
                "<jaas-security domain=\"a\"/><jaas-security domain=\"b\"/>",
                "expected one <jaas-security> or <security-manager>, found 2",
            ),
            ("<jaas-security/>", "expected an attribute domain"),
            ("<jaas-security domain=\"\"/>", "expected an attribute domain"),
            (
                "<security-manager class-name=\"com.acme.Mine\"/>",
                "the security manager \"com.acme.Mine\" is not supported",
            ),
            ("<security-manager/>", "the security manager \"\" is not supported"),
            (
                "<security-manager class-name=\"org.apache.activemq.artemis.spi.core.security.ActiveMQBasicSecurityManager\">\
                 <property key=\"bootstrapUser\" value=\"u\"/></security-manager>",
                "expected <property key=\"bootstrapPassword\" value=\"...\"/>",
            ),
            ("<security-manager class-name=\"script\"/>", "expected <property key=\"file\" value=\"...\"/>"),
            ("<jaas-security domain=\"a\"/><server configuration=\"http://h/broker.xml\"/>", "expected file:path"),
        ] {
            let errors = read(text).unwrap_err();
            assert!(errors.len() == 1 && errors[0].contains(expected), "{text}: {errors:?}");
        }
    }
}
