//! `login.config`: who may log in, in the syntax of JAAS.

mod tokens;

use self::tokens::{Token, Tokens};
use super::error::{ConfigError, Warning, did_you_mean};
use super::substitute::{Lookup, substitute};

/// The domain whose modules count.
pub const DOMAIN: &str = "activemq";

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
    Properties { users: String, roles: String, reload: bool },
    /// Everybody, under one name and with one role; not those who give a password if `credentials_invalidate`.
    Guest { user: String, role: String, credentials_invalidate: bool },
}

/// One module of a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginModule {
    pub kind: LoginKind,
    pub flag: Flag,
    pub line: u32,
}

/// The modules of our domain, in the order they are asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Login {
    pub modules: Vec<LoginModule>,
    pub warnings: Vec<Warning>,
}

/// Reads a whole file; other domains than [`DOMAIN`] are passed over.
pub fn load(file: &str, text: &str, lookup: Lookup<'_>) -> Result<Login, Vec<ConfigError>> {
    let entries = Tokens::read(text).and_then(|tokens| Parser { tokens, lookup }.file());
    let entries = entries.map_err(|(line, message)| vec![ConfigError::at_line(file, line, message)])?;
    let mut login = Login::default();
    let mut errors = Vec::new();
    let mut found = false;
    for (domain, entries) in entries {
        if domain != DOMAIN {
            continue;
        }
        found = true;
        for entry in entries {
            match entry.module(file, &mut login.warnings) {
                Ok(module) => login.modules.push(module),
                Err(message) => errors.push(ConfigError::at_line(file, entry.line, message)),
            }
        }
    }
    if !found {
        errors.push(ConfigError::at_line(file, 1, format!("there is no domain {DOMAIN:?}")));
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
const PROPERTIES_OPTIONS: &[&str] = &[USER_FILE, ROLE_FILE, "reload", "debug", "baseDir"];
const GUEST_OPTIONS: &[&str] = &[GUEST_USER, GUEST_ROLE, "credentialsInvalidate", "debug"];

impl Entry {
    fn module(&self, file: &str, warnings: &mut Vec<Warning>) -> Result<LoginModule, String> {
        let (kind, options) = match self.class.strip_prefix(PACKAGE) {
            Some("PropertiesLoginModule") => (self.properties()?, PROPERTIES_OPTIONS),
            Some("GuestLoginModule") => (self.guest()?, GUEST_OPTIONS),
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
        let known = "PropertiesLoginModule and GuestLoginModule";
        format!("the login module {} is not supported: those of {PACKAGE} that are: {known}", self.class)
    }

    fn properties(&self) -> Result<LoginKind, String> {
        let path = |option: &str| -> Result<String, String> {
            let path = self.option(option).ok_or_else(|| format!("the option {option} is missing"))?;
            Ok(match self.option("baseDir") {
                Some(base) => format!("{base}/{path}"),
                None => path.to_owned(),
            })
        };
        Ok(LoginKind::Properties {
            users: path(USER_FILE)?,
            roles: path(ROLE_FILE)?,
            reload: self.flag_option("reload")?,
        })
    }

    fn guest(&self) -> Result<LoginKind, String> {
        Ok(LoginKind::Guest {
            user: self.option(GUEST_USER).unwrap_or("guest").to_owned(),
            role: self.option(GUEST_ROLE).unwrap_or("guests").to_owned(),
            credentials_invalidate: self.flag_option("credentialsInvalidate")?,
        })
    }

    fn option(&self, name: &str) -> Option<&str> {
        self.options.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn flag_option(&self, name: &str) -> Result<bool, String> {
        let value = self.option(name).unwrap_or("false");
        super::units::boolean(value).map_err(|message| format!("the option {name}: {message}"))
    }
}

type Located<T> = Result<T, (u32, String)>;

struct Parser<'a> {
    tokens: Tokens,
    lookup: Lookup<'a>,
}

impl Parser<'_> {
    fn file(mut self) -> Located<Vec<(String, Vec<Entry>)>> {
        let mut domains = Vec::new();
        while !self.tokens.at_end() {
            let (_, name) = self.tokens.word("the name of a domain")?;
            self.tokens.symbol('{')?;
            let mut entries = Vec::new();
            while !self.tokens.take('}') {
                entries.push(self.entry()?);
            }
            self.tokens.symbol(';')?;
            domains.push((name, entries));
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
