use std::io;
use std::path::{Path, PathBuf};

/// Why a file gives no key or certificate.
#[derive(Debug, thiserror::Error)]
#[error("{}: {}", path.display(), problem.told(path))]
pub struct StoreError {
    pub path: PathBuf,
    pub problem: Problem,
}

/// What is wrong with a store.
#[derive(Debug)]
#[non_exhaustive]
pub enum Problem {
    Unreadable(io::Error),
    Empty,
    /// More bytes than any store has.
    TooLarge,
    /// None of the formats that are known at all.
    Unknown,
    /// A format that is known and not read, and the command that makes one that is; `FILE` in it is the path.
    Foreign {
        what: &'static str,
        command: &'static str,
    },
    /// It does not keep to its own format.
    Malformed(String),
    /// The password is not the store's; a damaged store looks the same.
    StorePassword,
    /// The password does not open the key with this alias.
    KeyPassword(String),
    /// The key with this alias is encrypted, and there is no password.
    NoKeyPassword(String),
    NoSuchAlias {
        alias: String,
        found: Vec<String>,
    },
    /// There are certificates only, with these aliases.
    NoKey(Vec<String>),
    /// There is no certificate, or only those of keys.
    NothingTrusted,
    /// The key with this alias has no certificate in the store.
    NoCertificateOf(String),
    /// The key with this alias does not belong to its certificate.
    OtherKey(String),
    /// The key with this alias is of an algorithm that TLS does not use.
    Algorithm(String),
}

impl Problem {
    pub(super) fn foreign(what: &'static str, command: &'static str) -> Self {
        Self::Foreign { what, command }
    }

    pub(super) fn malformed(what: impl std::fmt::Display) -> Self {
        Self::Malformed(what.to_string())
    }

    pub(super) fn at(self, path: &Path) -> StoreError {
        StoreError { path: path.into(), problem: self }
    }

    fn told(&self, path: &Path) -> String {
        let listed = |names: &[String]| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        match self {
            Self::Unreadable(error) => format!("it cannot be read: {error}"),
            Self::Empty => "the file is empty".into(),
            Self::TooLarge => "the file is too large for a store".into(),
            Self::Unknown => "it is none of PKCS12, JKS and PEM".into(),
            Self::Foreign { what, command } => {
                format!(
                    "it is {what}, which is not read here. To convert it: {}",
                    command.replace("FILE", &quoted(path))
                )
            }
            Self::Malformed(what) => format!("it is damaged: {what}"),
            Self::StorePassword => "this is not the store's password, or the file is damaged".into(),
            Self::KeyPassword(alias) => format!("the password does not open the key {alias}"),
            Self::NoKeyPassword(alias) => format!("the key {alias} is encrypted, and no password is given"),
            Self::NoSuchAlias { alias, found } => {
                format!("it has no key with the alias {alias}; those it has: {}", listed(found))
            }
            Self::NoKey(found) => format!("it has no private key, only certificates: {}", listed(found)),
            Self::NothingTrusted => "it has no certificate to trust".into(),
            Self::NoCertificateOf(alias) => format!("it has no certificate of the key {alias}"),
            Self::OtherKey(alias) => format!("the key {alias} is not that of its certificate"),
            Self::Algorithm(alias) => {
                format!("the key {alias} is not one of RSA (2048 to 8192 bits), ECDSA (P-256, P-384, P-521) or Ed25519")
            }
        }
    }
}

fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    if text.contains([' ', '\'', '"', '$', '\\']) { format!("'{}'", text.replace('\'', r"'\''")) } else { text }
}
