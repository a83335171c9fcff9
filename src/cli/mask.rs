use clap::Args;

use super::Failure;
use super::failure::print;
use super::terminal;
use crate::config::SensitiveCodec;
use crate::security::StoredPassword;

/// Mask a password: as ENC(...) for a value in broker.xml, or hashed for artemis-users.properties
#[derive(Debug, Args)]
pub(super) struct Mask {
    /// The password; without it, it is read from the standard input
    password: Option<String>,

    /// Print a hash that nobody can turn back, for artemis-users.properties
    #[arg(long, conflicts_with = "key")]
    hash: bool,

    /// The key of the mask; without it, that of ARTEMIS_DEFAULT_SENSITIVE_STRING_CODEC_KEY, or Artemis's own, which
    /// everybody knows
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
}

impl Mask {
    pub fn execute(self) -> Result<(), Failure> {
        let password = self.password.map_or_else(|| terminal::ask_secret("Password"), Ok)?;
        let shown = if self.hash { hashed(&password)? } else { format!("ENC({})", masked(&password, self.key)?) };
        print(&format!("{shown}\n"))
    }
}

fn masked(password: &str, key: Option<String>) -> Result<String, Failure> {
    let codec = match key {
        Some(key) => SensitiveCodec::new(&key),
        None => SensitiveCodec::with_key_of(&|name| std::env::var(name).ok()),
    };
    Ok(codec.map_err(|error| Failure::new(error.to_string()).with_code(2))?.encode(password))
}

/// A password as a users file is to hold it.
pub(super) fn hashed(password: &str) -> Result<String, Failure> {
    if password.is_empty() {
        return Err(Failure::new("the password is empty"));
    }
    let hashed = StoredPassword::new(password.as_bytes());
    hashed.map(|hashed| hashed.to_string()).map_err(|error| Failure::new(format!("no random salt: {error}")))
}
