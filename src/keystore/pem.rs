//! PEM files: sections between lines of dashes, anything between them.

use std::path::Path;

use pkcs8::der::SecretDocument;
use pkcs8::pkcs5::pbes2::Kdf;
use pkcs8::{EncryptedPrivateKeyInfoRef, PrivateKeyInfoRef};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{
    CertificateDer, CertificateRevocationListDer, PrivateKeyDer, PrivatePkcs8KeyDer,
};

use super::error::{Problem, StoreError};
use super::store::{self, CertificateEntry, KeyEntry, SealedKey, Store};

/// The alias of a PEM file's key, as in Artemis.
const ALIAS: &str = "pem";

/// Files that a configuration of PEM files may name.
const SOURCES_MAX: usize = 64;

/// Iterations of PBKDF2 up to which keys are opened, as in Java.
const ITERATIONS_MAX: u32 = 5_000_000;

/// Bytes that scrypt may go through.
const SCRYPT_MAX: u64 = 1 << 30;

const TO_PKCS8: &str = "openssl pkcs8 -topk8 -v2 aes-256-cbc -in FILE -out FILE.new";

/// Sections that are known and not read, and what makes of them one that is.
const FOREIGN: [(&str, &str, &str); 4] = [
    ("TRUSTED CERTIFICATE", "a certificate with OpenSSL's own notes of trust", "openssl x509 -in FILE -out FILE.new"),
    ("PKCS7", "a bundle in PKCS7", "openssl pkcs7 -print_certs -in FILE -out FILE.new"),
    ("OPENSSH PRIVATE KEY", "a key of OpenSSH", "ssh-keygen -p -m PKCS8 -f FILE, which rewrites the file"),
    (
        "DSA PRIVATE KEY",
        "a DSA key, which TLS no longer uses",
        "openssl genpkey -algorithm ed25519 -out FILE.new, for a new key",
    ),
];

/// One section: its label, and its text with the lines of dashes.
struct Section<'t> {
    label: &'t str,
    text: &'t str,
}

/// Reads a file with keys and certificates in any order.
///
/// # Errors
/// A section is damaged, or in a form that is not read.
pub(super) fn read(bytes: &[u8], store: &mut Store) -> Result<(), Problem> {
    read_as(ALIAS, bytes, store)
}

/// Reads a properties file whose entries `source.NAME` are paths of PEM files, relative to its own directory.
///
/// # Errors
/// As [`read`], for any of them.
pub(super) fn read_config(bytes: &[u8], path: &Path, store: &mut Store) -> Result<(), StoreError> {
    let text = String::from_utf8_lossy(bytes);
    let mut properties: Vec<_> = text.lines().filter_map(property).collect();
    properties.sort_unstable();
    let alias = properties.iter().find(|(key, _)| *key == "alias").map_or(ALIAS, |(_, value)| *value);
    let sources = properties.iter().filter(|(key, _)| key.starts_with("source."));
    for (_, source) in sources.take(SOURCES_MAX) {
        let source = path.parent().unwrap_or(Path::new("")).join(source);
        store::read(&source).and_then(|bytes| read_as(alias, &bytes, store)).map_err(|problem| problem.at(&source))?;
        store.files.push(source);
    }
    Ok(())
}

fn property(line: &str) -> Option<(&str, &str)> {
    let line = line.trim();
    let (key, value) = line.split_once(['=', ':'])?;
    (!line.starts_with(['#', '!'])).then_some((key.trim(), value.trim()))
}

fn read_as(alias: &str, bytes: &[u8], store: &mut Store) -> Result<(), Problem> {
    let text = String::from_utf8_lossy(bytes);
    for section in sections(&text)? {
        let pem = section.text.as_bytes();
        match section.label {
            "CERTIFICATE" | "X509 CERTIFICATE" => {
                let renamed = section.text.replace("X509 CERTIFICATE", "CERTIFICATE");
                let certificate = CertificateDer::from_pem_slice(renamed.as_bytes()).map_err(|_| damaged(&section))?;
                let alias = format!("{alias}-{}", store.certificates.len());
                store.certificates.push(CertificateEntry { alias, certificate, is_trusted: false });
            }
            "ENCRYPTED PRIVATE KEY" => {
                let (_, sealed) = SecretDocument::from_pem(section.text).map_err(|_| damaged(&section))?;
                add_key(alias, SealedKey::Pkcs8(sealed.as_bytes().to_vec()), store);
            }
            "PRIVATE KEY" | "RSA PRIVATE KEY" | "EC PRIVATE KEY" => {
                if section.text.contains("Proc-Type: 4,ENCRYPTED") {
                    return Err(Problem::foreign("a key encrypted in OpenSSL's traditional form", TO_PKCS8));
                }
                let key = PrivateKeyDer::from_pem_slice(pem).map_err(|_| damaged(&section))?;
                add_key(alias, SealedKey::Open(key), store);
            }
            label => {
                if let Some((_, what, command)) = FOREIGN.iter().find(|(known, ..)| *known == label) {
                    return Err(Problem::foreign(what, command));
                }
            }
        }
    }
    Ok(())
}

fn add_key(alias: &str, key: SealedKey, store: &mut Store) {
    let number = store.keys.len();
    let alias = if number == 0 { alias.to_owned() } else { format!("{alias}-{number}") };
    store.keys.push(KeyEntry { alias, chain: Vec::new(), key });
}

/// Opens an encrypted PKCS8 key.
///
/// # Errors
/// The password is wrong, or the encryption one that is not read, or that would take too long or too much memory.
pub(super) fn unseal(sealed: &[u8], password: &str, alias: &str) -> Result<PrivateKeyDer<'static>, Problem> {
    let old = || Problem::foreign("a key with an encryption of old", TO_PKCS8);
    let info = EncryptedPrivateKeyInfoRef::try_from(sealed).map_err(|_| old())?;
    if !is_bearable(&info.encryption_algorithm.pbes2().ok_or_else(old)?.kdf) {
        return Err(Problem::foreign("a key whose password is stretched beyond measure", TO_PKCS8));
    }
    let wrong = || Problem::KeyPassword(alias.to_owned());
    let key = info.decrypt(password).map_err(|_| wrong())?;
    // A wrong password can leave bytes that look padded.
    PrivateKeyInfoRef::try_from(key.as_bytes()).map_err(|_| wrong())?;
    Ok(PrivatePkcs8KeyDer::from(key.as_bytes().to_vec()).into())
}

fn is_bearable(kdf: &Kdf) -> bool {
    match kdf {
        Kdf::Pbkdf2(pbkdf2) => pbkdf2.iteration_count <= ITERATIONS_MAX,
        Kdf::Scrypt(scrypt) => {
            let memory = scrypt.cost_parameter.saturating_mul(u64::from(scrypt.block_size)).saturating_mul(128);
            memory.saturating_mul(u64::from(scrypt.parallelization)) <= SCRYPT_MAX
        }
        _ => false,
    }
}

/// The revocation lists among the sections; at least one.
///
/// # Errors
/// There is none, or one is damaged.
pub(super) fn revocation_lists(bytes: &[u8]) -> Result<Vec<CertificateRevocationListDer<'static>>, Problem> {
    let lists: Result<Vec<_>, _> = CertificateRevocationListDer::pem_slice_iter(bytes).collect();
    let lists = lists.map_err(|_| Problem::malformed("a section is not encoded correctly"))?;
    if lists.is_empty() { Err(Problem::malformed("there is no revocation list in it")) } else { Ok(lists) }
}

fn damaged(section: &Section<'_>) -> Problem {
    Problem::malformed(format_args!("the section {} is not encoded correctly", section.label))
}

fn sections(text: &str) -> Result<Vec<Section<'_>>, Problem> {
    let mut sections = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("-----BEGIN ") {
        rest = &rest[start..];
        let label = rest["-----BEGIN ".len()..].split("-----").next().unwrap_or_default();
        let end = format!("-----END {label}-----");
        let length =
            rest.find(&end).ok_or_else(|| Problem::malformed(format_args!("the section {label} has no end")))?;
        let (section, tail) = rest.split_at(length + end.len());
        sections.push(Section { label, text: section });
        rest = tail;
    }
    Ok(sections)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use pkcs8::der::Encode;
    use pkcs8::der::asn1::OctetStringRef;
    use pkcs8::pkcs5::pbes2::Parameters;
    use pkcs8::pkcs5::scrypt;

    use super::super::{Kind, StoreFile};
    use super::*;

    // Made by openssl: a certificate, text around it, and a key encrypted with `changeit`.
    const STORE: &str = include_str!("testdata/keys.pem");

    fn parsed(text: &str) -> Result<Store, Problem> {
        let mut store = Store { kind: Kind::Pem, files: Vec::new(), keys: Vec::new(), certificates: Vec::new() };
        read(text.as_bytes(), &mut store).map(|()| store)
    }

    fn serves(password: &str) -> bool {
        let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/src/keystore/testdata/keys.pem"));
        let file = StoreFile { path, password: Some(password.into()), key_password: None };
        file.open().and_then(|store| file.identities(&store, None)).is_ok()
    }

    #[test]
    fn text_around_sections_does_not_matter() {
        let store = parsed(STORE).unwrap();
        assert_eq!((store.keys.len(), store.certificates.len()), (1, 1));
        assert!(serves("changeit") && !serves("changeIt"));
        let windows = STORE.replace('\n', "\r\n");
        let store = parsed(&windows).unwrap();
        assert_eq!((store.keys.len(), store.certificates.len()), (1, 1));
    }

    /// What a file asks for in memory and time is bounded: with these it would be hours, or more than there is.
    #[test]
    fn costs_without_measure_are_refused_before_they_are_paid() {
        let iv = [7; 16];
        let mut costly = Vec::new();
        costly.push(Parameters::generate_pbkdf2_sha256_aes256cbc(ITERATIONS_MAX + 1, b"saltsalt", iv).unwrap());
        for (log_n, r, p) in [(30, 8, 1), (20, 1 << 14, 1), (14, 8, 1 << 14)] {
            let params = scrypt::Params::new(log_n, r, p).unwrap();
            costly.push(Parameters::generate_scrypt_aes256cbc(params, b"saltsalt", iv).unwrap());
        }
        for parameters in costly {
            let encrypted_data = OctetStringRef::new(&[0; 64]).unwrap();
            let info = EncryptedPrivateKeyInfoRef { encryption_algorithm: parameters.into(), encrypted_data };
            let problem = unseal(&info.to_der().unwrap(), "changeit", "a").unwrap_err();
            assert!(matches!(problem, Problem::Foreign { .. }), "{problem:?}");
        }
    }

    #[test]
    fn a_file_that_is_cut_off_never_has_more_than_its_whole_sections() {
        let ends: Vec<_> = STORE.match_indices("-----END ").map(|(at, _)| at).collect();
        for length in (0..STORE.trim_end().len()).filter(|length| STORE.is_char_boundary(*length)) {
            if let Ok(store) = parsed(&STORE[..length]) {
                let whole = ends.iter().filter(|end| **end < length).count();
                assert!(store.keys.len() + store.certificates.len() <= whole, "{length}");
            }
        }
    }

    #[test]
    fn what_is_hostile_is_an_error() {
        for text in [
            "-----BEGIN ",
            "-----BEGIN CERTIFICATE-----",
            "-----BEGIN CERTIFICATE-----\n-----END PRIVATE KEY-----",
            "-----BEGIN CERTIFICATE-----\n???\n-----END CERTIFICATE-----",
            "-----BEGIN PRIVATE KEY-----\nAAAA=A\n-----END PRIVATE KEY-----",
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\n\u{e9}\n-----END ENCRYPTED PRIVATE KEY-----",
            "-----BEGIN DSA PRIVATE KEY-----\n-----END DSA PRIVATE KEY-----",
        ] {
            assert!(parsed(text).is_err(), "{text}");
        }
        let sealed = |bytes: &[u8]| unseal(bytes, "changeit", "a");
        let SealedKey::Pkcs8(whole) = &parsed(STORE).unwrap().keys[0].key else { panic!("the key is open") };
        assert!(sealed(whole).is_ok());
        for length in 0..whole.len() {
            assert!(sealed(&whole[..length]).is_err(), "{length}");
        }
    }
}
