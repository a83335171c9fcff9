use clap::Args;

use super::Failure;
use super::failure::print;
use super::terminal;
use crate::security::HashedPassword;

/// Print a password as artemis-users.properties may hold it: ENC(...)
#[derive(Debug, Args)]
pub(super) struct Mask {
    /// The password; without it, it is read from the standard input
    password: Option<String>,

    /// Accepted because Artemis needs it: there is no other form here than the hash
    #[arg(long)]
    hash: bool,
}

impl Mask {
    pub fn execute(self) -> Result<(), Failure> {
        let password = self.password.map_or_else(|| terminal::ask_secret("Password"), Ok)?;
        print(&format!("{}\n", masked(&password)?))
    }
}

/// `ENC(...)` of a password.
pub(super) fn masked(password: &str) -> Result<String, Failure> {
    if password.is_empty() {
        return Err(Failure::new("the password is empty"));
    }
    let hashed = HashedPassword::new(password.as_bytes());
    hashed.map(|hashed| hashed.to_string()).map_err(|error| Failure::new(format!("no random salt: {error}")))
}
