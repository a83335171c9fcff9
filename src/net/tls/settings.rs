//! From files to what rustls is told.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use regex::Regex;
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::server::danger::ClientCertVerifier;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{RootCertStore, ServerConfig, SupportedCipherSuite, SupportedProtocolVersion};

use super::client_trust::ClientTrust;
use super::identity_choice::IdentityChoice;
use crate::keystore::{Kind, Problem, Store, StoreError, StoreFile, revocation_lists};

/// Protocols that a client may ask for by ALPN: MQTT, and what WebSockets begin with.
const ALPN: [&[u8]; 2] = [b"mqtt", b"http/1.1"];

/// Bytes of the names of those who are trusted, up to which clients are told them.
const HINTS_MAX: usize = 16 * 1024;

/// Whether clients show a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientCertificates {
    #[default]
    Off,
    Wanted,
    Needed,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsVersion {
    V1_2,
    V1_3,
}

/// How an acceptor speaks TLS.
#[derive(Clone)]
pub struct TlsSettings {
    pub key_store: StoreFile,
    /// `None` for all keys of the store.
    pub key_alias: Option<String>,
    pub trust_store: Option<StoreFile>,
    pub client_certificates: ClientCertificates,
    /// At least one.
    pub versions: Vec<TlsVersion>,
    /// None for all.
    pub cipher_suites: Vec<SupportedCipherSuite>,
    /// Matches whole server names in lower case.
    pub server_names: Option<Regex>,
    pub revocations: Option<PathBuf>,
    pub is_reloaded: bool,
    /// `None` for ever.
    pub handshake_max: Option<Duration>,
}

/// What the files gave.
pub struct Loaded {
    pub config: Arc<ServerConfig>,
    /// Who decides about certificates of clients.
    pub trust: Option<Arc<dyn ClientCertVerifier>>,
    pub key_store_kind: Kind,
    pub trust_store_kind: Option<Kind>,
    /// All files that were read.
    pub files: Vec<PathBuf>,
}

/// What is wrong, and with which parameter.
#[derive(Debug)]
pub struct LoadError {
    pub parameter: &'static str,
    pub message: String,
    /// The file it is about, where it is one.
    pub path: Option<PathBuf>,
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.parameter, self.message)
    }
}

impl TlsSettings {
    /// Reads all files.
    ///
    /// # Errors
    /// One is missing or wrong, or they do not go together.
    pub fn load(&self) -> Result<Loaded, LoadError> {
        let keys = self.key_store.open().map_err(of_key_store)?;
        let identities = self.key_store.identities(&keys, self.key_alias.as_deref()).map_err(of_key_store)?;
        let mut files = keys.files.clone();
        let provider = Arc::new(self.provider());
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&self.versions())
            .map_err(|error| wrong("enabledCipherSuites", error))?;
        let (builder, trust, trust_store_kind) = match &self.trust_store {
            Some(file) if self.client_certificates != ClientCertificates::Off => {
                let store = file.open().map_err(of_trust_store)?;
                files.extend(store.files.iter().cloned());
                files.extend(self.revocations.clone());
                let trust = self.client_trust(&store, file, provider)?;
                (builder.with_client_cert_verifier(trust.clone()), Some(trust), Some(store.kind))
            }
            _ => (builder.with_no_client_auth(), None, None),
        };
        let keys_of = identities.into_iter().map(|identity| identity.certified).collect();
        let choice = IdentityChoice { keys: keys_of, names: self.server_names.clone() };
        let mut config = builder.with_cert_resolver(Arc::new(choice));
        config.alpn_protocols = ALPN.iter().map(|name| name.to_vec()).collect();
        // Each load has its own: what was proved by files that are gone is not believed any more.
        config.ticketer = aws_lc_rs::Ticketer::new().map_err(|error| wrong("keyStorePath", error))?;
        Ok(Loaded { config: Arc::new(config), trust, key_store_kind: keys.kind, trust_store_kind, files })
    }

    fn provider(&self) -> CryptoProvider {
        let mut provider = aws_lc_rs::default_provider();
        if !self.cipher_suites.is_empty() {
            provider.cipher_suites.clone_from(&self.cipher_suites);
        }
        provider
    }

    fn versions(&self) -> Vec<&'static SupportedProtocolVersion> {
        let version = |version: &TlsVersion| match version {
            TlsVersion::V1_2 => &TLS12,
            TlsVersion::V1_3 => &TLS13,
        };
        self.versions.iter().map(version).collect()
    }

    fn client_trust(
        &self,
        store: &Store,
        file: &StoreFile,
        provider: Arc<CryptoProvider>,
    ) -> Result<Arc<dyn ClientCertVerifier>, LoadError> {
        let trusted = store.trusted(file).map_err(of_trust_store)?;
        let mut roots = RootCertStore::empty();
        for certificate in &trusted {
            roots.add(certificate.clone()).map_err(|error| {
                wrong("trustStorePath", format_args!("{}: a certificate cannot be used: {error}", file.path.display()))
            })?;
        }
        let names = roots.subjects().iter().map(|name| name.as_ref().len()).sum::<usize>();
        let mut builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        if names > HINTS_MAX {
            builder = builder.clear_root_hint_subjects();
        }
        if let Some(path) = &self.revocations {
            let lists = revocation_lists(path).map_err(|error| wrong("crlPath", error))?;
            // As in Java: what no list vouches for is refused, and an old list vouches for nothing.
            builder = builder.with_crls(lists).enforce_revocation_expiration();
        }
        if self.client_certificates == ClientCertificates::Wanted {
            builder = builder.allow_unauthenticated();
        }
        let parameter = if self.revocations.is_some() { "crlPath" } else { "trustStorePath" };
        let paths = builder.build().map_err(|error| wrong(parameter, error))?;
        Ok(Arc::new(ClientTrust::new(paths, trusted)))
    }
}

fn wrong(parameter: &'static str, message: impl fmt::Display) -> LoadError {
    LoadError { parameter, message: message.to_string(), path: None }
}

fn of_file(parameter: &'static str, error: &StoreError) -> LoadError {
    LoadError { path: Some(error.path.clone()), ..wrong(parameter, error) }
}

fn of_key_store(error: StoreError) -> LoadError {
    let parameter = match &error.problem {
        Problem::StorePassword => "keyStorePassword",
        Problem::KeyPassword(_) | Problem::NoKeyPassword(_) => "keyPassword",
        Problem::NoSuchAlias { .. } => "keyStoreAlias",
        _ => "keyStorePath",
    };
    of_file(parameter, &error)
}

fn of_trust_store(error: StoreError) -> LoadError {
    let parameter =
        if matches!(error.problem, Problem::StorePassword) { "trustStorePassword" } else { "trustStorePath" };
    of_file(parameter, &error)
}
