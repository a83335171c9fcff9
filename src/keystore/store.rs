use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::rustls::crypto::aws_lc_rs::sign::any_supported_type;
use tokio_rustls::rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use tokio_rustls::rustls::sign::{CertifiedKey, SigningKey};

use super::error::{Problem, StoreError};
use super::{Kind, chain, jks, pem, pkcs12};

/// Bytes of the largest file that is read.
const FILE_MAX: u64 = 16 * 1024 * 1024;

/// Where a store is, and what opens it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct StoreFile {
    pub path: PathBuf,
    pub password: Option<String>,
    /// Of the keys, where it is not the store's.
    pub key_password: Option<String>,
}

/// A store that was read: keys with their certificates, and certificates that are trusted.
pub struct Store {
    pub kind: Kind,
    /// The files it was read from.
    pub files: Vec<PathBuf>,
    pub(super) keys: Vec<KeyEntry>,
    pub(super) certificates: Vec<CertificateEntry>,
}

/// A certificate that stands by itself in the store.
pub(super) struct CertificateEntry {
    pub alias: String,
    pub certificate: CertificateDer<'static>,
    /// Marked as trusted; in a store without keys all are trusted.
    pub is_trusted: bool,
}

/// A key as it lies in the store.
pub(super) struct KeyEntry {
    pub alias: String,
    pub chain: Vec<CertificateDer<'static>>,
    pub key: SealedKey,
}

/// A private key, encrypted or not.
pub(super) enum SealedKey {
    Open(PrivateKeyDer<'static>),
    /// As Java's JKS stores protect it.
    Jks(Vec<u8>),
    /// `EncryptedPrivateKeyInfo` of PKCS8.
    Pkcs8(Vec<u8>),
}

/// A key with the certificates that prove it, ready for handshakes.
#[derive(Clone, Debug)]
pub struct Identity {
    pub alias: String,
    pub certified: Arc<CertifiedKey>,
}

impl StoreFile {
    /// Reads the file; its keys stay closed until they are asked for.
    ///
    /// # Errors
    /// It is missing, of no known format, damaged, or has another password.
    pub fn open(&self) -> Result<Store, StoreError> {
        let at = |problem: Problem| problem.at(&self.path);
        let bytes = read(&self.path).map_err(at)?;
        let kind = Kind::detect(&bytes).map_err(at)?;
        let password = self.password.as_deref();
        let mut store = Store { kind, files: vec![self.path.clone()], keys: Vec::new(), certificates: Vec::new() };
        match kind {
            Kind::Jks => jks::read(&bytes, password, &mut store).map_err(at)?,
            Kind::Pkcs12 => pkcs12::read(&bytes, password.unwrap_or_default(), &mut store).map_err(at)?,
            Kind::Pem => pem::read(&bytes, &mut store).map_err(at)?,
            Kind::PemConfig => pem::read_config(&bytes, &self.path, &mut store)?,
        }
        Ok(store)
    }

    /// The keys of the store that TLS can use, or only that with the alias; at least one.
    ///
    /// # Errors
    /// There is none, a password is wrong, or a key does not fit its certificate.
    pub fn identities(&self, store: &Store, alias: Option<&str>) -> Result<Vec<Identity>, StoreError> {
        let at = |problem: Problem| problem.at(&self.path);
        let aliases = || store.keys.iter().map(|entry| entry.alias.clone()).collect();
        if store.keys.is_empty() {
            return Err(at(Problem::NoKey(store.certificates.iter().map(|entry| entry.alias.clone()).collect())));
        }
        // Java's stores do not tell upper from lower case.
        let is_meant = |entry: &&KeyEntry| alias.is_none_or(|alias| entry.alias.to_lowercase() == alias.to_lowercase());
        let password = self.key_password.as_deref().or(self.password.as_deref());
        let mut identities = Vec::new();
        let mut unused = None;
        for entry in store.keys.iter().filter(is_meant) {
            match entry.identity(password, &store.certificates) {
                Ok(identity) => identities.push(identity),
                // As in Java, whoever can be used is.
                Err(problem @ Problem::Algorithm(_)) => unused = Some(problem),
                Err(problem) => return Err(at(problem)),
            }
        }
        if identities.is_empty() {
            let alias = alias.unwrap_or_default().to_owned();
            return Err(at(unused.unwrap_or_else(|| Problem::NoSuchAlias { alias, found: aliases() })));
        }
        Ok(identities)
    }
}

impl Store {
    /// The certificates that are trusted, as in Java: those marked so and the first of each key's; all, where there are no
    /// keys.
    ///
    /// # Errors
    /// There is none.
    pub fn trusted(&self, file: &StoreFile) -> Result<Vec<CertificateDer<'static>>, StoreError> {
        let alone = self.certificates.iter().filter(|entry| entry.is_trusted || self.keys.is_empty());
        let of_keys = self.keys.iter().filter_map(|entry| entry.chain.first());
        let all: Vec<_> = alone.map(|entry| &entry.certificate).chain(of_keys).cloned().collect();
        if all.is_empty() { Err(Problem::NothingTrusted.at(&file.path)) } else { Ok(all) }
    }
}

impl KeyEntry {
    fn identity(&self, password: Option<&str>, certificates: &[CertificateEntry]) -> Result<Identity, Problem> {
        let key = match &self.key {
            SealedKey::Open(key) => key.clone_key(),
            SealedKey::Jks(sealed) => jks::unseal(sealed, self.password(password)?, &self.alias)?,
            SealedKey::Pkcs8(sealed) => pem::unseal(sealed, self.password(password)?, &self.alias)?,
        };
        let key: Arc<dyn SigningKey> = any_supported_type(&key).map_err(|_| Problem::Algorithm(self.alias.clone()))?;
        let chain = chain::of(&self.alias, key.as_ref(), &self.chain, certificates)?;
        Ok(Identity { alias: self.alias.clone(), certified: Arc::new(CertifiedKey::new(chain, key)) })
    }

    fn password<'p>(&self, password: Option<&'p str>) -> Result<&'p str, Problem> {
        password.ok_or_else(|| Problem::NoKeyPassword(self.alias.clone()))
    }
}

/// The revocation lists in a file, in PEM or DER; at least one.
///
/// # Errors
/// The file cannot be read, or has none.
pub fn revocation_lists(path: &Path) -> Result<Vec<CertificateRevocationListDer<'static>>, StoreError> {
    let bytes = read(path).map_err(|problem| problem.at(path))?;
    match bytes.first() {
        Some(0x30) => Ok(vec![CertificateRevocationListDer::from(bytes)]),
        _ => pem::revocation_lists(&bytes).map_err(|problem| problem.at(path)),
    }
}

pub(super) fn read(path: &Path) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    // A pipe would keep whoever opens it waiting for a writer.
    if !std::fs::metadata(path).map_err(Problem::Unreadable)?.is_file() {
        return Err(Problem::Unreadable(std::io::Error::other("it is not a file")));
    }
    let file = File::open(path).map_err(Problem::Unreadable)?;
    file.take(FILE_MAX + 1).read_to_end(&mut bytes).map_err(Problem::Unreadable)?;
    if bytes.len() as u64 > FILE_MAX { Err(Problem::TooLarge) } else { Ok(bytes) }
}
