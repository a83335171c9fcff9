use std::fmt;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand;

use super::MalformedPassword;

const SALT_BYTES: usize = 16;
const HASH_BYTES_MIN: usize = 16;

/// KiB of memory, passes and lanes that a stored password may ask for.
const MEMORY_MAX: u32 = 1 << 20;
const PASSES_MAX: u32 = 64;
const LANES_MAX: u32 = 16;

/// A password as argon2id of it: `$argon2id$v=19$m=19456,t=2,p=1$salt$hash`.
#[derive(Clone, PartialEq, Eq)]
pub struct Argon2Password {
    text: String,
    cost: Cost,
}

/// KiB of memory, passes and lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cost {
    memory: u32,
    passes: u32,
    lanes: u32,
}

impl Argon2Password {
    /// Hashes `password` with a random salt.
    ///
    /// # Errors
    /// The operating system has no randomness.
    pub fn new(password: &[u8]) -> Result<Self, Unspecified> {
        let mut salt = [0; SALT_BYTES];
        rand::fill(&mut salt)?;
        let hash: PasswordHash = Argon2::default().hash_password_with_salt(password, &salt).map_err(|_| Unspecified)?;
        let text = hash.to_string();
        Self::parse(&text).map_err(|_| Unspecified)
    }

    /// # Errors
    /// It is no hash by argon2id, or one that would cost too much.
    pub fn parse(text: &str) -> Result<Self, MalformedPassword> {
        let hash = PasswordHash::new(text).map_err(|_| MalformedPassword::Argon2)?;
        let params = Params::try_from(&hash).map_err(|_| MalformedPassword::Argon2)?;
        let cost = Cost { memory: params.m_cost(), passes: params.t_cost(), lanes: params.p_cost() };
        let is_bounded = cost.memory <= MEMORY_MAX && cost.passes <= PASSES_MAX && cost.lanes <= LANES_MAX;
        let is_whole = hash.salt.is_some() && hash.hash.is_some_and(|hash| hash.len() >= HASH_BYTES_MIN);
        if is_bounded && is_whole && hash.algorithm.as_str() == "argon2id" {
            Ok(Self { text: text.to_owned(), cost })
        } else {
            Err(MalformedPassword::Argon2)
        }
    }

    /// Whether `password` is the one that was hashed; the time taken does not depend on the answer.
    pub fn verify(&self, password: &[u8]) -> bool {
        PasswordHash::new(&self.text).is_ok_and(|hash| Argon2::default().verify_password(password, &hash).is_ok())
    }

    pub fn cost(&self) -> Cost {
        self.cost
    }
}

/// Takes as long as verifying a hash of this cost.
pub fn spend(password: &[u8], cost: Cost) {
    let mut hash = [0; 32];
    if let Ok(params) = Params::new(cost.memory, cost.passes, cost.lanes, None) {
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let _ = std::hint::black_box(argon2.hash_password_into(password, &[0; SALT_BYTES], &mut hash));
    }
}

impl fmt::Display for Argon2Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Argon2Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("$argon2id$***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_of_the_reference_implementation_verifies() {
        let text = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
        let stored = Argon2Password::parse(text).unwrap();
        assert!(stored.verify(b"password") && !stored.verify(b"Password"));
    }

    #[test]
    fn unusable_hashes_are_refused() {
        for text in [
            "$argon2id",
            "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ",
            "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$",
            "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$AAAA",
            "$argon2i$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
            "$argon2id$v=19$m=4294967295,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
            "$argon2id$v=19$m=256,t=4000000,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
        ] {
            assert_eq!(Argon2Password::parse(text), Err(MalformedPassword::Argon2), "{text}");
        }
    }
}
