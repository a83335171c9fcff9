//! `login.config`: who may log in, in the syntax of JAAS.

mod tokens;

use self::tokens::{Token, Tokens};
use super::error::{ConfigError, Warning, did_you_mean};
use super::substitute::{Lookup, substitute};

const PACKAGE: &str = "org.apache.activemq.artemis.spi.core.security.jaas.";

/// What the outcome of a module means for the others of its domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flag {
    /// Must succeed; the rest is asked anyway.
    Required,
    /// Must succeed; the rest is not asked if it fails.
    Requisite,
    /// Success is enough; the rest is asked only if it fails.
    Sufficient,
    /// Neither outcome decides.
    Optional,
}

/// A source of users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoginKind {
    /// Two files, relative to `login.config`: `user = password` and `role = user, user`.
    Properties(UserFiles),
    /// Everybody, under one name and with one role; not those who give a password if `credentials_invalidate`.
    Guest { user: String, role: String, credentials_invalidate: bool },
    /// Client certificates; two files: `user = subject` and `role = user, user`.
    Certificate(UserFiles),
    /// Client certificates, each under the name of its subject.
    ExternalCertificate,
}

/// The files of a module, and whether they are read again when they change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserFiles {
    pub users: String,
    pub roles: String,
    pub reload: bool,
}

/// One module of a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginModule {
    pub kind: LoginKind,
    pub flag: Flag,
    pub line: u32,
}

/// The modules of one domain, in the order they are asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Domain {
    pub name: String,
    pub modules: Vec<LoginModule>,
}

/// The domains that are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Login {
    pub domains: Vec<Domain>,
    pub warnings: Vec<Warning>,
}

/// Reads a whole file; `wanted` are the domains that count.
///
/// # Errors
/// The file cannot be read, a wanted domain is not there or has no module, or one of its modules cannot be used.
pub fn load(file: &str, text: &str, wanted: &[&str], lookup: Lookup<'_>) -> Result<Login, Vec<ConfigError>> {
    let entries = Tokens::read(text).and_then(|tokens| Parser { tokens, lookup }.file());
    let entries = entries.map_err(|(line, message)| vec![ConfigError::at_line(file, line, message)])?;
    let mut login = Login::default();
    let mut errors = Vec::new();
    for name in wanted {
        let mut found = entries.iter().filter(|(_, domain, _)| domain == name);
        let Some((line, _, entries)) = found.next() else {
            errors.push(ConfigError::at_line(file, 1, format!("there is no domain {name:?}")));
            continue;
        };
        if let Some((second, ..)) = found.next() {
            errors.push(ConfigError::at_line(file, *second, format!("a second domain {name:?}")));
        }
        if entries.is_empty() {
            errors.push(ConfigError::at_line(file, *line, format!("the domain {name:?} has no module")));
        }
        let mut domain = Domain { name: name.to_string(), modules: Vec::new() };
        for entry in entries {
            match entry.module(file, &mut login.warnings) {
                Ok(module) => domain.modules.push(module),
                Err(message) => errors.push(ConfigError::at_line(file, entry.line, message)),
            }
        }
        login.domains.push(domain);
    }
    if errors.is_empty() { Ok(login) } else { Err(errors) }
}

struct Entry {
    class: String,
    flag: Flag,
    options: Vec<(String, String)>,
    line: u32,
}

const USER_FILE: &str = "org.apache.activemq.jaas.properties.user";
const ROLE_FILE: &str = "org.apache.activemq.jaas.properties.role";
const GUEST_USER: &str = "org.apache.activemq.jaas.guest.user";
const GUEST_ROLE: &str = "org.apache.activemq.jaas.guest.role";
const SUBJECT_FILE: &str = "org.apache.activemq.jaas.textfiledn.user";
const SUBJECT_ROLE_FILE: &str = "org.apache.activemq.jaas.textfiledn.role";
const PROPERTIES_OPTIONS: &[&str] = &[USER_FILE, ROLE_FILE, "reload", "debug", "baseDir"];
const GUEST_OPTIONS: &[&str] = &[GUEST_USER, GUEST_ROLE, "credentialsInvalidate", "debug"];
const CERTIFICATE_OPTIONS: &[&str] = &[SUBJECT_FILE, SUBJECT_ROLE_FILE, "reload", "normalise", "debug", "baseDir"];
const EXTERNAL_OPTIONS: &[&str] = &["debug"];
/// Decides about the passwords in the file: to leave it out would let nobody in, or the wrong ones.
const PASSWORD_CODEC: &str = "org.apache.activemq.jaas.properties.password.codec";

impl Entry {
    fn module(&self, file: &str, warnings: &mut Vec<Warning>) -> Result<LoginModule, String> {
        let (kind, options) = match self.class.strip_prefix(PACKAGE) {
            Some("PropertiesLoginModule") => (self.properties()?, PROPERTIES_OPTIONS),
            Some("GuestLoginModule") => (self.guest()?, GUEST_OPTIONS),
            Some("TextFileCertificateLoginModule") => {
                (LoginKind::Certificate(self.files(SUBJECT_FILE, SUBJECT_ROLE_FILE)?), CERTIFICATE_OPTIONS)
            }
            Some("ExternalCertificateLoginModule") => (LoginKind::ExternalCertificate, EXTERNAL_OPTIONS),
            _ => return Err(self.unknown_class()),
        };
        for (name, _) in self.options.iter().filter(|(name, _)| !options.contains(&name.as_str())) {
            let hint = did_you_mean(name, options.iter().copied());
            let message = format!("the option {name} has no effect{hint}");
            warnings.push(Warning { file: file.into(), line: self.line, path: String::new(), message, severe: false });
        }
        Ok(LoginModule { kind, flag: self.flag, line: self.line })
    }

    fn unknown_class(&self) -> String {
        let known =
            "PropertiesLoginModule, GuestLoginModule, TextFileCertificateLoginModule, ExternalCertificateLoginModule";
        format!("the login module {} is not supported: those of {PACKAGE} that are: {known}", self.class)
    }

    fn properties(&self) -> Result<LoginKind, String> {
        if self.option(PASSWORD_CODEC).is_some() {
            return Err(format!("the option {PASSWORD_CODEC} is not supported"));
        }
        self.files(USER_FILE, ROLE_FILE).map(LoginKind::Properties)
    }

    fn files(&self, users: &str, roles: &str) -> Result<UserFiles, String> {
        let path = |option: &str| -> Result<String, String> {
            let path = self.option(option).ok_or_else(|| format!("the option {option} is missing"))?;
            Ok(match self.option("baseDir") {
                Some(base) => format!("{base}/{path}"),
                None => path.to_owned(),
            })
        };
        Ok(UserFiles { users: path(users)?, roles: path(roles)?, reload: self.flag_option("reload", "true")? })
    }

    fn guest(&self) -> Result<LoginKind, String> {
        Ok(LoginKind::Guest {
            user: self.option(GUEST_USER).unwrap_or("guest").to_owned(),
            role: self.option(GUEST_ROLE).unwrap_or("guests").to_owned(),
            credentials_invalidate: self.flag_option("credentialsInvalidate", "false")?,
        })
    }

    fn option(&self, name: &str) -> Option<&str> {
        self.options.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn flag_option(&self, name: &str, default: &str) -> Result<bool, String> {
        let value = self.option(name).unwrap_or(default);
        super::units::boolean(value).map_err(|message| format!("the option {name}: {message}"))
    }
}

type Located<T> = Result<T, (u32, String)>;

struct Parser<'a> {
    tokens: Tokens,
    lookup: Lookup<'a>,
}

impl Parser<'_> {
    fn file(mut self) -> Located<Vec<(u32, String, Vec<Entry>)>> {
        let mut domains = Vec::new();
        while !self.tokens.at_end() {
            let (line, name) = self.tokens.word("the name of a domain")?;
            self.tokens.symbol('{')?;
            let mut entries = Vec::new();
            while !self.tokens.take('}') {
                entries.push(self.entry()?);
            }
            self.tokens.symbol(';')?;
            domains.push((line, name, entries));
        }
        Ok(domains)
    }

    fn entry(&mut self) -> Located<Entry> {
        let (line, class) = self.tokens.word("the class of a login module or }")?;
        let (flag_line, flag) = self.tokens.word("required, requisite, sufficient or optional")?;
        let flag = flag_named(&flag).map_err(|message| (flag_line, message))?;
        let mut options = Vec::new();
        while !self.tokens.take(';') {
            let (_, key) = self.tokens.word("an option or ;")?;
            self.tokens.symbol('=')?;
            let (_, value) = self.tokens.word("the value of the option")?;
            options.push((key, substitute(&value, self.lookup)));
        }
        Ok(Entry { class, flag, options, line })
    }
}

fn flag_named(name: &str) -> Result<Flag, String> {
    Ok(match name.to_ascii_lowercase().as_str() {
        "required" => Flag::Required,
        "requisite" => Flag::Requisite,
        "sufficient" => Flag::Sufficient,
        "optional" => Flag::Optional,
        _ => return Err(format!("expected required, requisite, sufficient or optional, found {name:?}")),
    })
}

impl Tokens {
    fn word(&mut self, what: &str) -> Located<(u32, String)> {
        match self.next() {
            Some((line, Token::Word(word))) => Ok((line, word)),
            Some((line, Token::Symbol(found))) => Err((line, format!("expected {what}, found {found:?}"))),
            None => Err((self.last_line(), format!("expected {what}, found the end of the file"))),
        }
    }

    fn symbol(&mut self, symbol: char) -> Located<()> {
        match self.next() {
            Some((_, Token::Symbol(found))) if found == symbol => Ok(()),
            Some((line, found)) => Err((line, format!("expected {symbol:?}, found {found}"))),
            None => Err((self.last_line(), format!("expected {symbol:?}, found the end of the file"))),
        }
    }
}

#[cfg(test)]
mod tests;
