use std::fmt::{self, Write};
use std::num::NonZeroU32;

use aws_lc_rs::error::Unspecified;
use aws_lc_rs::{constant_time, pbkdf2, rand};

use super::MalformedPassword;

const ITERATIONS: u32 = 1024;
const ITERATIONS_MAX: u32 = 10_000_000;
const SALT_BYTES: usize = 32;
const HASH_BYTES: usize = 64;
const HASH_BYTES_MIN: usize = 16;
const HASH_BYTES_MAX: usize = 1024;

/// A password as PBKDF2WithHmacSHA1 of it: `ENC(iterations:salt:hash)` in hexadecimal, as Artemis writes it.
#[derive(Clone, PartialEq, Eq)]
pub struct HashedPassword {
    iterations: u32,
    salt: Vec<u8>,
    hash: Vec<u8>,
}

impl HashedPassword {
    /// Hashes `password` as Artemis does: 1024 iterations, a random salt of 32 bytes, a hash of 64 bytes.
    ///
    /// # Errors
    /// The operating system has no randomness.
    pub fn new(password: &[u8]) -> Result<Self, Unspecified> {
        let mut salt = [0; SALT_BYTES];
        rand::fill(&mut salt)?;
        Ok(Self::with(password, &salt, ITERATIONS))
    }

    /// Hashes `password` with a given salt; `iterations` is at least 1.
    pub fn with(password: &[u8], salt: &[u8], iterations: u32) -> Self {
        let hash = derive(password, salt, iterations, HASH_BYTES);
        Self { iterations, salt: salt.to_vec(), hash }
    }

    /// Reads a value of a users file; none if it is not in `ENC(...)` and thus a plain password.
    ///
    /// # Errors
    /// [`MalformedPassword::Pbkdf2`]; among others for an empty or short hash, which any password might match.
    pub fn parse(value: &str) -> Result<Option<Self>, MalformedPassword> {
        let Some(inner) = value.strip_prefix("ENC(").and_then(|rest| rest.strip_suffix(')')) else {
            return Ok(None);
        };
        let [iterations, salt, hash] = inner.splitn(3, ':').collect::<Vec<_>>()[..] else {
            return Err(MalformedPassword::Pbkdf2);
        };
        let iterations = iterations.parse().map_err(|_| MalformedPassword::Pbkdf2)?;
        let salt = bytes_of(salt).filter(|salt| !salt.is_empty()).ok_or(MalformedPassword::Pbkdf2)?;
        let hash = bytes_of(hash).ok_or(MalformedPassword::Pbkdf2)?;
        let usable =
            (1..=ITERATIONS_MAX).contains(&iterations) && (HASH_BYTES_MIN..=HASH_BYTES_MAX).contains(&hash.len());
        if usable { Ok(Some(Self { iterations, salt, hash })) } else { Err(MalformedPassword::Pbkdf2) }
    }

    /// Whether `password` is the one that was hashed; the time taken does not depend on the answer.
    pub fn verify(&self, password: &[u8]) -> bool {
        let derived = derive(password, &self.salt, self.iterations, self.hash.len());
        // To HMAC a key is the same with zeros behind it.
        constant_time::verify_slices_are_equal(&derived, &self.hash).is_ok() && !password.ends_with(&[0])
    }

    /// What a verification costs.
    pub fn iterations(&self) -> u32 {
        self.iterations
    }
}

impl fmt::Display for HashedPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ENC({}:{}:{})", self.iterations, hex_of(&self.salt), hex_of(&self.hash))
    }
}

impl fmt::Debug for HashedPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ENC({}:***)", self.iterations)
    }
}

/// Takes as long as verifying a 64-byte hash of `iterations`, for passwords that have no hash to verify.
pub fn spend(password: &[u8], iterations: u32) {
    if iterations > 0 {
        std::hint::black_box(derive(password, &[0; SALT_BYTES], iterations, HASH_BYTES));
    }
}

fn derive(password: &[u8], salt: &[u8], iterations: u32, length: usize) -> Vec<u8> {
    let mut hash = vec![0; length];
    let iterations = NonZeroU32::new(iterations).unwrap_or(NonZeroU32::MIN);
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA1, iterations, salt, password, &mut hash);
    hash
}

fn hex_of(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02X}");
        text
    })
}

fn bytes_of(hex: &str) -> Option<Vec<u8>> {
    let digit = |digit: u8| char::from(digit).to_digit(16).map(|value| value as u8);
    let (pairs, rest) = hex.as_bytes().as_chunks::<2>();
    let pairs = pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?));
    if rest.is_empty() { pairs.collect() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "1A0BF79446B0981B60D2910E998B5393A784FB600ECBF5A546A8606A56AAE7034D88A8C305B66D4B500B35BD33DA71FF\
                        9FDC3FE3520FC7934C2A2904231C91DF";

    fn parse(value: &str) -> Result<Option<HashedPassword>, MalformedPassword> {
        HashedPassword::parse(value)
    }

    #[test]
    fn derives_as_rfc_6070_says() {
        let check = |iterations, expected: &str| {
            assert_eq!(hex_of(&derive(b"password", b"salt", iterations, 20)).to_lowercase(), expected);
        };
        check(1, "0c60c80f961f0e71f3a9b524af6012062fe037a6");
        check(2, "ea6c014dc72d6f8ccd1ed92ace1d41f0d8de8957");
        check(4096, "4b007901b765489abead49d926f721d065a429c1");
    }

    #[test]
    fn text_has_the_form_of_artemis() {
        let salt: Vec<u8> = (0..32).collect();
        let text = HashedPassword::with("s3crét".as_bytes(), &salt, 1024).to_string();
        assert_eq!(text, format!("ENC(1024:{}:{HASH})", hex_of(&salt)));
        let read = parse(&text.to_lowercase().replace("enc", "ENC")).unwrap().unwrap();
        assert!(read.verify("s3crét".as_bytes()));
        assert!(!read.verify(b"s3cret"));
        assert!(!read.verify(b"") && !read.verify("s3crét\0".as_bytes()));
    }

    #[test]
    fn new_hashes_differ_and_verify() {
        let [first, second] = [(); 2].map(|()| HashedPassword::new(b"a").unwrap());
        assert_ne!(first.to_string(), second.to_string());
        assert!(first.verify(b"a") && second.verify(b"a") && !first.verify(b"b"));
    }

    #[test]
    fn what_is_not_enc_is_plain() {
        for plain in ["", "secret", "ENC", "ENC(", "enc(1:00:00)", "xENC(1:00:00)"] {
            assert_eq!(parse(plain), Ok(None), "{plain}");
        }
    }

    #[test]
    fn unusable_hashes_are_refused() {
        let salt = "00".repeat(32);
        let short = "00".repeat(HASH_BYTES_MIN - 1);
        for inner in [
            String::new(),
            "abc".to_owned(),
            format!("1024:{salt}"),
            format!("1024:{salt}:"),
            format!("1024:{salt}:{short}"),
            format!("1024::{HASH}"),
            format!("0:{salt}:{HASH}"),
            format!("10000001:{salt}:{HASH}"),
            format!("-1:{salt}:{HASH}"),
            format!("1024:{salt}:{HASH}0"),
            format!("1024:{salt}:{HASH}:00"),
            format!("1024:zz:{HASH}"),
            format!("1024:é:{HASH}"),
        ] {
            assert_eq!(parse(&format!("ENC({inner})")), Err(MalformedPassword::Pbkdf2), "{inner}");
        }
    }

    #[test]
    fn debug_shows_no_hash() {
        assert_eq!(format!("{:?}", HashedPassword::with(b"a", b"b", 7)), "ENC(7:***)");
    }
}
