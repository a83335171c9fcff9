//! Passwords as they are kept: plain, or hashed as Artemis does it or as it is done today.

mod argon2id;
mod pbkdf2;

use std::fmt;

pub use argon2id::Argon2Password;
pub use pbkdf2::HashedPassword;

/// A password of which only a hash is known.
#[derive(Clone, PartialEq, Eq)]
pub enum StoredPassword {
    /// `ENC(iterations:salt:hash)`, as Artemis writes it.
    Pbkdf2(HashedPassword),
    /// `$argon2id$…`
    Argon2(Argon2Password),
}

/// A hash that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MalformedPassword {
    /// An `ENC(...)` without usable parts.
    #[error(
        "a password in ENC(...) must be iterations:salt:hash, with 1 to 10000000 iterations and 16 to 1024 hash bytes"
    )]
    Pbkdf2,
    /// An `$argon2…` that is not what argon2 writes, or that would cost too much.
    #[error(
        "a password that begins with $argon2 must be $argon2id$v=19$m=...,t=...,p=...$salt$hash, with m up to 1048576"
    )]
    Argon2,
}

impl StoredPassword {
    /// Hashes `password` with argon2id, a random salt and the parameters that OWASP recommends.
    ///
    /// # Errors
    /// The operating system has no randomness.
    pub fn new(password: &[u8]) -> Result<Self, aws_lc_rs::error::Unspecified> {
        Argon2Password::new(password).map(Self::Argon2)
    }

    /// Reads a value of a users file; none if it is a plain password.
    ///
    /// # Errors
    /// It looks like a hash and is none that can be used, such as an empty one, which any password might match.
    pub fn parse(value: &str) -> Result<Option<Self>, MalformedPassword> {
        if value.starts_with("$argon2") {
            return Argon2Password::parse(value).map(Self::Argon2).map(Some);
        }
        Ok(HashedPassword::parse(value)?.map(Self::Pbkdf2))
    }

    /// Whether `password` is the one that was hashed; the time taken does not depend on the answer.
    pub fn verify(&self, password: &[u8]) -> bool {
        match self {
            Self::Pbkdf2(hashed) => hashed.verify(password),
            Self::Argon2(hashed) => hashed.verify(password),
        }
    }

    pub(super) fn cost(&self) -> Cost {
        match self {
            Self::Pbkdf2(hashed) => Cost { iterations: hashed.iterations(), ..Cost::default() },
            Self::Argon2(hashed) => Cost { argon2: Some(hashed.cost()), ..Cost::default() },
        }
    }
}

impl fmt::Display for StoredPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pbkdf2(hashed) => hashed.fmt(f),
            Self::Argon2(hashed) => hashed.fmt(f),
        }
    }
}

impl fmt::Debug for StoredPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pbkdf2(hashed) => hashed.fmt(f),
            Self::Argon2(hashed) => fmt::Debug::fmt(hashed, f),
        }
    }
}

/// What it takes to verify passwords.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cost {
    iterations: u32,
    argon2: Option<argon2id::Cost>,
}

impl Cost {
    /// The higher of both, part by part.
    pub fn max(self, other: Self) -> Self {
        Self { iterations: self.iterations.max(other.iterations), argon2: self.argon2.max(other.argon2) }
    }

    /// Works on `password` for as long as this cost is above `spent`, so that all attempts take alike.
    pub fn spend_beyond(self, spent: Self, password: &[u8]) {
        pbkdf2::spend(password, self.iterations.saturating_sub(spent.iterations));
        if let Some(cost) = self.argon2.filter(|_| spent.argon2.is_none()) {
            argon2id::spend(password, cost);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_are_read_and_told_from_plain_ones() {
        let old = HashedPassword::with(b"secret", b"salt", 3).to_string();
        let new = StoredPassword::new(b"secret").unwrap().to_string();
        assert!(new.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{new}");
        for text in [old, new] {
            let stored = StoredPassword::parse(&text).unwrap().unwrap();
            assert!(stored.verify(b"secret") && !stored.verify(b"Secret") && !stored.verify(b""), "{text}");
            assert_eq!(stored.to_string(), text);
            assert!(format!("{stored:?}").ends_with("***") || format!("{stored:?}").ends_with("***)"));
        }
        assert_eq!(StoredPassword::parse("secret"), Ok(None));
        assert_eq!(StoredPassword::parse("ENC(1:2)"), Err(MalformedPassword::Pbkdf2));
        assert_eq!(StoredPassword::parse("$argon2id$"), Err(MalformedPassword::Argon2));
    }

    #[test]
    fn the_higher_cost_counts() {
        let pbkdf2 = StoredPassword::Pbkdf2(HashedPassword::with(b"a", b"b", 7)).cost();
        let argon2 = StoredPassword::new(b"a").unwrap().cost();
        let both = pbkdf2.max(argon2);
        assert_eq!((both.iterations, both.argon2), (7, argon2.argon2));
        assert_eq!(Cost::default().max(pbkdf2), pbkdf2);
    }
}
