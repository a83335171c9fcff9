//! Java's own format: a list of entries, a digest over all, keys under a stream of digests.
//!
//! Read are versions 1 and 2. Every length is checked against what is there before anything is taken.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY, digest};
use pkcs8::der::asn1::OctetStringRef;
use pkcs8::der::{Reader, SliceReader};
use pkcs8::spki::{AlgorithmIdentifierRef, ObjectIdentifier};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use super::error::Problem;
use super::store::{CertificateEntry, KeyEntry, SealedKey, Store};

const DIGEST: usize = 20;
const SALT: usize = 20;
const WHITENER: &[u8] = b"Mighty Aphrodite";
const SUN_KEY_PROTECTOR: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.42.2.17.1.1");

/// Reads all entries. Without a password the digest over the store is not checked, as in Java.
///
/// # Errors
/// It is cut off or wrong, or the digest is that of another password.
pub(super) fn read(bytes: &[u8], password: Option<&str>, store: &mut Store) -> Result<(), Problem> {
    let (body, expected) = bytes.split_last_chunk::<DIGEST>().ok_or_else(cut_off)?;
    if let Some(password) = password {
        let mut context = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
        context.update(&utf16(password));
        context.update(WHITENER);
        context.update(body);
        verify_slices_are_equal(context.finish().as_ref(), expected).map_err(|_| Problem::StorePassword)?;
    }
    let mut rest = Rest(body.get(4..).ok_or_else(cut_off)?);
    let version = rest.number()?;
    if !(1..=2).contains(&version) {
        return Err(Problem::malformed(format_args!("it says version {version} of JKS")));
    }
    for _ in 0..rest.number()? {
        read_entry(&mut rest, version, store)?;
    }
    if rest.0.is_empty() { Ok(()) } else { Err(Problem::malformed("there is more than its entries")) }
}

fn read_entry(rest: &mut Rest<'_>, version: u32, store: &mut Store) -> Result<(), Problem> {
    let tag = rest.number()?;
    let alias = rest.text()?;
    rest.take(8)?;
    match tag {
        1 => {
            let sealed = rest.block()?.to_vec();
            let mut chain = Vec::new();
            for _ in 0..rest.number()? {
                chain.push(rest.certificate(version)?);
            }
            store.keys.push(KeyEntry { alias, chain, key: SealedKey::Jks(sealed) });
        }
        2 => {
            let certificate = rest.certificate(version)?;
            store.certificates.push(CertificateEntry { alias, certificate, is_trusted: true });
        }
        _ => return Err(Problem::malformed(format_args!("the entry {alias} is of an unknown kind"))),
    }
    Ok(())
}

/// Opens a key that Java's JKS has protected.
///
/// # Errors
/// The password is wrong, or the protection another.
pub(super) fn unseal(sealed: &[u8], password: &str, alias: &str) -> Result<PrivateKeyDer<'static>, Problem> {
    let (salt, encrypted, expected) = parts(sealed)
        .ok_or_else(|| Problem::malformed(format_args!("the key {alias} is not protected as JKS does")))?;
    let password = utf16(password);
    let chained = |block: &[u8]| digest(&SHA1_FOR_LEGACY_USE_ONLY, &[&password, block].concat());
    let mut key = Vec::with_capacity(encrypted.len());
    let mut block = chained(salt);
    for piece in encrypted.chunks(DIGEST) {
        key.extend(piece.iter().zip(block.as_ref()).map(|(byte, mask)| byte ^ mask));
        block = chained(block.as_ref());
    }
    verify_slices_are_equal(chained(&key).as_ref(), expected).map_err(|_| Problem::KeyPassword(alias.to_owned()))?;
    Ok(PrivatePkcs8KeyDer::from(key).into())
}

/// Salt, encrypted key and digest of an `EncryptedPrivateKeyInfo`.
fn parts(sealed: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let read = |reader: &mut SliceReader<'_>| {
        let algorithm: AlgorithmIdentifierRef<'_> = reader.decode()?;
        let data: &OctetStringRef = reader.decode()?;
        Ok::<_, pkcs8::der::Error>((algorithm.oid, data.as_bytes().len()))
    };
    let (protector, length) = SliceReader::new(sealed).ok()?.sequence(read).ok()?;
    // The octets stand last.
    let data = sealed.get(sealed.len() - length..)?;
    if protector != SUN_KEY_PROTECTOR || length < SALT + DIGEST {
        return None;
    }
    let (salt, rest) = data.split_at(SALT);
    let (encrypted, digest) = rest.split_at(rest.len() - DIGEST);
    Some((salt, encrypted, digest))
}

fn utf16(password: &str) -> Vec<u8> {
    password.encode_utf16().flat_map(u16::to_be_bytes).collect()
}

fn cut_off() -> Problem {
    Problem::malformed("it is cut off")
}

/// What is not read yet.
struct Rest<'b>(&'b [u8]);

impl<'b> Rest<'b> {
    fn take(&mut self, length: usize) -> Result<&'b [u8], Problem> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or_else(cut_off)?;
        self.0 = rest;
        Ok(taken)
    }

    fn number(&mut self) -> Result<u32, Problem> {
        Ok(self.take(4)?.iter().fold(0, |number, byte| number << 8 | u32::from(*byte)))
    }

    fn block(&mut self) -> Result<&'b [u8], Problem> {
        let length = self.number()?;
        self.take(length as usize)
    }

    fn text(&mut self) -> Result<String, Problem> {
        let length = self.take(2)?.iter().fold(0, |number, byte| number << 8 | usize::from(*byte));
        Ok(String::from_utf8_lossy(self.take(length)?).into_owned())
    }

    fn certificate(&mut self, version: u32) -> Result<CertificateDer<'static>, Problem> {
        if version == 2 {
            let kind = self.text()?;
            if kind != "X.509" {
                return Err(Problem::malformed(format_args!("a certificate is of the kind {kind}")));
            }
        }
        Ok(CertificateDer::from(self.block()?.to_vec()))
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::super::{Identity, Kind, StoreError, StoreFile};
    use super::*;

    // Made by keytool: a key with a password of its own, and a trusted certificate.
    const STORE: &[u8] = include_bytes!("testdata/keys.jks");

    fn parsed(bytes: &[u8], password: Option<&str>) -> Result<Store, Problem> {
        let mut store = Store { kind: Kind::Jks, files: Vec::new(), keys: Vec::new(), certificates: Vec::new() };
        read(bytes, password, &mut store).map(|()| store)
    }

    fn identities(key_password: &str) -> Result<Vec<Identity>, StoreError> {
        let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/src/keystore/testdata/keys.jks"));
        let file = StoreFile { path, password: Some("changeit".into()), key_password: Some(key_password.into()) };
        file.identities(&file.open()?, Some("BROKER"))
    }

    /// The same entries with a digest that fits.
    fn sealed_again(body: &[u8]) -> Vec<u8> {
        let whole = digest(&SHA1_FOR_LEGACY_USE_ONLY, &[&utf16("changeit"), WHITENER, body].concat());
        [body, whole.as_ref()].concat()
    }

    #[test]
    fn entries_are_those_that_keytool_wrote() {
        let store = parsed(STORE, Some("changeit")).unwrap();
        assert_eq!((store.keys.len(), store.certificates.len()), (1, 1));
        assert_eq!((&*store.keys[0].alias, store.keys[0].chain.len()), ("broker", 1));
        assert_eq!((&*store.certificates[0].alias, store.certificates[0].is_trusted), ("root", true));
        assert_eq!(identities("tiger12").unwrap()[0].alias, "broker");
    }

    #[test]
    fn wrong_passwords_are_told_apart() {
        assert!(matches!(parsed(STORE, Some("changeIt")), Err(Problem::StorePassword)));
        assert!(matches!(parsed(STORE, Some("")), Err(Problem::StorePassword)));
        assert!(parsed(STORE, None).is_ok());
        let error = identities("changeit").unwrap_err();
        assert!(matches!(&error.problem, Problem::KeyPassword(alias) if alias == "broker"), "{error}");
    }

    #[test]
    fn a_store_that_is_cut_off_anywhere_is_an_error() {
        let body = &STORE[..STORE.len() - DIGEST];
        for length in 0..STORE.len() {
            assert!(parsed(&STORE[..length], None).is_err(), "{length}");
        }
        for length in 0..body.len() {
            assert!(parsed(&sealed_again(&body[..length]), Some("changeit")).is_err(), "{length}");
        }
        assert!(parsed(&sealed_again(&[body, &[0]].concat()), Some("changeit")).is_err());
        assert!(parsed(&sealed_again(body), Some("changeit")).is_ok());
    }

    #[test]
    fn a_changed_byte_does_not_go_unnoticed() {
        for at in 4..STORE.len() {
            let mut changed = STORE.to_vec();
            changed[at] ^= 0x40;
            assert!(parsed(&changed, Some("changeit")).is_err(), "{at}");
        }
    }

    /// Whatever the lengths in it say, no more is taken than is there.
    #[test]
    fn lengths_out_of_bounds_are_errors() {
        for at in 8..STORE.len() - DIGEST - 4 {
            let mut changed = STORE.to_vec();
            changed[at..at + 4].fill(0xFF);
            // Within a certificate or key nothing is read yet; everywhere else it is an error.
            if let Ok(store) = parsed(&changed, None) {
                assert_eq!((store.keys.len(), store.certificates.len()), (1, 1), "{at}");
            }
        }
        let many = [&STORE[..8], &[0xFF; 4], &STORE[12..]].concat();
        assert!(parsed(&many, None).is_err());
    }

    #[test]
    fn hostile_keys_are_errors() {
        let store = parsed(STORE, None).unwrap();
        let SealedKey::Jks(sealed) = &store.keys[0].key else { panic!("the key is open") };
        let key = unseal(sealed, "tiger12", "a").unwrap();
        for length in 0..sealed.len() {
            assert!(unseal(&sealed[..length], "tiger12", "a").is_err(), "{length}");
        }
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 0x01;
            // Of the name of the protection not every byte counts.
            assert!(unseal(&changed, "tiger12", "a").map_or(true, |other| other == key), "{at}");
        }
    }
}
