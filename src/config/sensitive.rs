//! `ENC(...)` in values: what Artemis's `DefaultSensitiveStringCodec` masks so that it can be read back.

use blowfish::Blowfish;
use blowfish::cipher::{Array, BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};

use super::substitute::Lookup;

/// The key of Artemis where none is given. Everybody knows it: it hides a password from a glance, no more.
const DEFAULT_KEY: &str = "clusterpassword";

const KEY_PROPERTY: &str = "artemis.default.sensitive.string.codec.key";
const KEY_VARIABLE: &str = "ARTEMIS_DEFAULT_SENSITIVE_STRING_CODEC_KEY";

const CLASS: &str = "org.apache.activemq.artemis.utils.DefaultSensitiveStringCodec";

const BLOCK: usize = 8;

/// Masks values and reads them: Blowfish, written as a signed hexadecimal number.
#[derive(Clone)]
pub struct SensitiveCodec {
    cipher: Blowfish,
}

/// A masked value that cannot be read, or a key that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SensitiveError {
    #[error("the key must have 4 to 56 bytes")]
    Key,
    #[error("ENC(...) cannot be read; is it masked with another key? The key is in {KEY_VARIABLE} or <password-codec>")]
    Value,
}

impl SensitiveCodec {
    /// # Errors
    /// The key is too short or too long.
    pub fn new(key: &str) -> Result<Self, SensitiveError> {
        let cipher = Blowfish::new_from_slice(key.as_bytes()).map_err(|_| SensitiveError::Key)?;
        Ok(Self { cipher })
    }

    /// With the key of the environment, of a `-D` property, or Artemis's own.
    ///
    /// # Errors
    /// The key is too short or too long.
    pub fn with_key_of(lookup: Lookup<'_>) -> Result<Self, SensitiveError> {
        let key = lookup(KEY_PROPERTY).or_else(|| lookup(KEY_VARIABLE));
        Self::new(key.as_deref().unwrap_or(DEFAULT_KEY))
    }

    /// What `<password-codec>` says: `class;key=value`.
    ///
    /// # Errors
    /// Another class or parameter than ours, or a wrong key.
    pub(super) fn configured(text: &str, lookup: Lookup<'_>) -> Result<Self, String> {
        let mut parts = text.split(';').map(str::trim);
        let class = parts.next().unwrap_or_default();
        if class != CLASS {
            return Err(format!("the codec {class:?} is not supported: the one that is: {CLASS}"));
        }
        let mut key = None;
        for part in parts.filter(|part| !part.is_empty()) {
            match part.split_once('=') {
                Some(("key", value)) => key = Some(value.to_owned()),
                Some(("algorithm", "two-way")) => {}
                Some((name, _)) => return Err(format!("the parameter {name} of the codec is not supported")),
                None => return Err("expected key=value behind the codec's class".into()),
            }
        }
        let codec = match key {
            Some(key) => Self::new(&key),
            None => Self::with_key_of(lookup),
        };
        codec.map_err(|error| error.to_string())
    }

    /// The inside of `ENC(...)` for `plain`.
    pub fn encode(&self, plain: &str) -> String {
        let padding = BLOCK - plain.len() % BLOCK;
        let mut bytes = plain.as_bytes().to_vec();
        bytes.extend(std::iter::repeat_n(padding as u8, padding));
        for block in bytes.as_chunks_mut::<BLOCK>().0 {
            let mut array = Array::from(*block);
            self.cipher.encrypt_block(&mut array);
            *block = array.into();
        }
        signed_hex(bytes)
    }

    /// The value of the inside of `ENC(...)`.
    ///
    /// # Errors
    /// It is no such value, or one of another key.
    pub fn decode(&self, masked: &str) -> Result<String, SensitiveError> {
        let mut bytes = bytes_of(masked).ok_or(SensitiveError::Value)?;
        for block in bytes.as_chunks_mut::<BLOCK>().0 {
            let mut array = Array::from(*block);
            self.cipher.decrypt_block(&mut array);
            *block = array.into();
        }
        let padding = usize::from(*bytes.last().ok_or(SensitiveError::Value)?);
        let length = bytes.len().checked_sub(padding).ok_or(SensitiveError::Value)?;
        if !(1..=BLOCK).contains(&padding) || bytes[length..].iter().any(|byte| usize::from(*byte) != padding) {
            return Err(SensitiveError::Value);
        }
        bytes.truncate(length);
        String::from_utf8(bytes).map_err(|_| SensitiveError::Value)
    }

    /// Replaces every `ENC(...)` that is a whole value: the text itself, or that of a parameter of a URI, where it is
    /// percent-encoded.
    ///
    /// # Errors
    /// A masked value cannot be read.
    pub(super) fn unmask(&self, text: &str) -> Result<String, SensitiveError> {
        if let Some(masked) = inside(text) {
            return self.decode(masked);
        }
        let Some((address, query)) = text.split_once('?').filter(|_| text.contains("=ENC(")) else {
            return Ok(text.to_owned());
        };
        let mut out = format!("{address}?");
        for part in query.split_inclusive([';', '&']) {
            let (pair, end) = match part.strip_suffix([';', '&']) {
                Some(pair) => (pair, &part[pair.len()..]),
                None => (part, ""),
            };
            match pair.split_once('=').and_then(|(key, value)| Some((key, inside(value.trim())?))) {
                Some((key, masked)) => {
                    out.push_str(key);
                    out.push('=');
                    out.extend(self.decode(masked)?.bytes().map(|byte| format!("%{byte:02X}")));
                }
                None => out.push_str(pair),
            }
            out.push_str(end);
        }
        Ok(out)
    }
}

fn inside(value: &str) -> Option<&str> {
    value.strip_prefix("ENC(")?.strip_suffix(')')
}

/// Two's complement, most significant byte first, as a number in hexadecimal.
fn signed_hex(mut bytes: Vec<u8>) -> String {
    let is_negative = bytes[0] & 0x80 != 0;
    if is_negative {
        negate(&mut bytes);
    }
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let digits = digits.trim_start_matches('0');
    format!("{}{}", if is_negative { "-" } else { "" }, if digits.is_empty() { "0" } else { digits })
}

/// The whole blocks of a number in hexadecimal.
fn bytes_of(hex: &str) -> Option<Vec<u8>> {
    let (is_negative, digits) = hex.strip_prefix('-').map_or((false, hex), |digits| (true, digits));
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let length = digits.len().div_ceil(2 * BLOCK) * 2 * BLOCK;
    let padded = format!("{digits:0>length$}");
    let mut bytes: Vec<u8> =
        (0..length).step_by(2).filter_map(|at| u8::from_str_radix(&padded[at..at + 2], 16).ok()).collect();
    if is_negative {
        negate(&mut bytes);
    }
    Some(bytes)
}

fn negate(bytes: &mut [u8]) {
    let mut carry = true;
    for byte in bytes.iter_mut().rev() {
        let (sum, overflow) = (!*byte).overflowing_add(u8::from(carry));
        (*byte, carry) = (sum, overflow);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by Java's `Cipher.getInstance("Blowfish")` and `new BigInteger(bytes).toString(16)`.
    const BY_JAVA: [(&str, &str, &str); 15] = [
        (DEFAULT_KEY, "", "22fa49a8d8fa115d"),
        (DEFAULT_KEY, "a", "-4413f2d1fa455a12"),
        (DEFAULT_KEY, "password", "3a34fd21b82bf2a822fa49a8d8fa115d"),
        (DEFAULT_KEY, "guest", "80cf731af62c290"),
        (DEFAULT_KEY, "bridgepassword", "-22f3e2ac643dd74dd962ee7dc68cb9d1"),
        (DEFAULT_KEY, "s3crét with spaces;&%", "-555d3f48dd5b1c22dd3a0b46c6cc5fca729c37035960ea12"),
        (DEFAULT_KEY, "p7", "11bca9e0ef0a80"),
        (DEFAULT_KEY, "p46", "-5545f9c548b089"),
        (DEFAULT_KEY, "p132", "-c7f0b9a82d554d"),
        (DEFAULT_KEY, "p253", "-231be48c0ab7d"),
        ("my-own-key", "", "-763bcd182f74d762"),
        ("my-own-key", "password", "-2055d6acce31b5aa763bcd182f74d762"),
        ("my-own-key", "secret", "3c9784a1e40308df"),
        ("my-own-key", "s3crét with spaces;&%", "908f204c33d1b7d89dca711e87f33d1fc5e43097db1c3e1"),
        ("my-own-key", "mypassword", "-7816a458e89fd8498422868f445d76f0"),
    ];

    #[test]
    fn values_of_artemis_are_read_and_written() {
        for (key, plain, masked) in BY_JAVA {
            let codec = SensitiveCodec::new(key).unwrap();
            assert_eq!((codec.decode(masked).as_deref(), codec.encode(plain).as_str()), (Ok(plain), masked));
        }
    }

    #[test]
    fn what_is_no_masked_value_is_refused() {
        let codec = SensitiveCodec::new(DEFAULT_KEY).unwrap();
        for masked in ["", "-", "xyz", "1", "3a34fd21b82bf2a8", "-2055d6acce31b5aa763bcd182f74d762", "80cf731af62c290 "]
        {
            assert_eq!(codec.decode(masked), Err(SensitiveError::Value), "{masked}");
        }
        for key in ["", "abc", &"x".repeat(57)] {
            assert_eq!(SensitiveCodec::new(key).err(), Some(SensitiveError::Key));
        }
    }

    #[test]
    fn whole_values_are_unmasked() {
        let codec = SensitiveCodec::new(DEFAULT_KEY).unwrap();
        for (text, expected) in [
            ("", ""),
            ("plain", "plain"),
            ("ENC(80cf731af62c290)", "guest"),
            ("xENC(80cf731af62c290)", "xENC(80cf731af62c290)"),
            ("tcp://h:1?a=ENC(80cf731af62c290);b=2", "tcp://h:1?a=%67%75%65%73%74;b=2"),
            ("tcp://h:1?x=1&a=ENC(80cf731af62c290)", "tcp://h:1?x=1&a=%67%75%65%73%74"),
            ("tcp://h:1?a=b", "tcp://h:1?a=b"),
        ] {
            assert_eq!(codec.unmask(text).as_deref(), Ok(expected));
        }
        assert_eq!(codec.unmask("tcp://h:1?a=ENC(zz)"), Err(SensitiveError::Value));
    }

    #[test]
    fn keys_come_from_the_file_or_from_around() {
        let key_of = |name: &str| (name == KEY_VARIABLE).then(|| "my-own-key".to_owned());
        let none = |_: &str| None;
        let decode = |codec: SensitiveCodec| codec.decode("3c9784a1e40308df").is_ok();
        assert!(decode(SensitiveCodec::with_key_of(&key_of).unwrap()));
        assert!(!decode(SensitiveCodec::with_key_of(&none).unwrap()));
        assert!(decode(
            SensitiveCodec::configured(&format!("{CLASS};key=my-own-key;algorithm=two-way"), &none).unwrap()
        ));
        assert!(decode(SensitiveCodec::configured(CLASS, &key_of).unwrap()));
        for wrong in ["com.acme.Codec", &format!("{CLASS};algorithm=one-way"), &format!("{CLASS};key=x")] {
            assert!(SensitiveCodec::configured(wrong, &none).is_err(), "{wrong}");
        }
    }
}
