use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;

/// Remembers for a short time which user names and passwords were found to belong together, so that a client that
/// connects often does not cost a hash each time. It knows no password: only keyed digests, the key of which is new at
/// every start.
pub struct Verified {
    key: hmac::Key,
    lifetime: Duration,
    most: usize,
    until: Mutex<HashMap<[u8; 32], Instant>>,
}

impl Verified {
    /// Keeps up to `most` for `lifetime`; none if either is 0 or there is no randomness for the key.
    pub fn new(lifetime: Duration, most: usize) -> Option<Self> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new()).ok()?;
        let is_wanted = !lifetime.is_zero() && most > 0;
        is_wanted.then(|| Self { key, lifetime, most, until: Mutex::default() })
    }

    /// Whether they were remembered and are still.
    pub fn has(&self, user: &str, password: &[u8], now: Instant) -> bool {
        let digest = self.digest(user, password);
        let until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        until.get(&digest).is_some_and(|until| *until > now)
    }

    /// Remembers them; not if there are too many that are still to be kept.
    pub fn remember(&self, user: &str, password: &[u8], now: Instant) {
        let digest = self.digest(user, password);
        let mut until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        if until.len() >= self.most {
            until.retain(|_, until| *until > now);
        }
        if until.len() < self.most || until.contains_key(&digest) {
            until.insert(digest, now + self.lifetime);
        }
    }

    fn digest(&self, user: &str, password: &[u8]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.key);
        // The length keeps ("ab", "c") and ("a", "bc") apart.
        context.update(&(user.len() as u64).to_be_bytes());
        context.update(user.as_bytes());
        context.update(password);
        let tag = context.sign();
        tag.as_ref().try_into().unwrap_or_default()
    }
}

impl fmt::Debug for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verified").field("lifetime", &self.lifetime).field("most", &self.most).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_verified_is_known_for_a_while() {
        let verified = Verified::new(Duration::from_secs(10), 2).unwrap();
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        assert!(!verified.has("ann", b"secret", start));
        verified.remember("ann", b"secret", start);
        assert!(verified.has("ann", b"secret", after(9)) && !verified.has("ann", b"secret", after(10)));
        for (user, password) in [("an", "nsecret"), ("ann", "secre"), ("bob", "secret"), ("ann", "")] {
            assert!(!verified.has(user, password.as_bytes(), start), "{user} {password}");
        }
    }

    #[test]
    fn no_more_are_kept_than_may_be() {
        let verified = Verified::new(Duration::from_secs(10), 2).unwrap();
        let start = Instant::now();
        for user in ["a", "b", "c"] {
            verified.remember(user, b"x", start);
        }
        assert_eq!(["a", "b", "c"].map(|user| verified.has(user, b"x", start)), [true, true, false]);
        let later = start + Duration::from_secs(11);
        verified.remember("c", b"x", later);
        assert!(verified.has("c", b"x", later));
        assert!(Verified::new(Duration::ZERO, 2).is_none() && Verified::new(Duration::from_secs(1), 0).is_none());
    }
}
