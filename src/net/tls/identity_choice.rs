//! Which key answers a client.

use std::sync::Arc;

use regex::Regex;
use tokio_rustls::rustls::client::verify_server_name;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;

/// The keys of an acceptor, and the server names that it answers to.
#[derive(Debug)]
pub(super) struct IdentityChoice {
    /// In the order of the store.
    pub keys: Vec<Arc<CertifiedKey>>,
    /// Matches whole names in lower case; a client that names no server is answered in any case.
    pub names: Option<Regex>,
}

impl ResolvesServerCert for IdentityChoice {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name();
        if let (Some(names), Some(name)) = (&self.names, name)
            && !names.is_match(&name.to_ascii_lowercase())
        {
            return None;
        }
        let can_sign = |key: &&Arc<CertifiedKey>| key.key.choose_scheme(hello.signature_schemes()).is_some();
        let is_of_name = |key: &&Arc<CertifiedKey>| name.is_some_and(|name| is_for(key, name));
        let mut usable = self.keys.iter().filter(can_sign);
        usable.clone().find(is_of_name).or_else(|| usable.next()).or(self.keys.first()).cloned()
    }
}

fn is_for(key: &CertifiedKey, name: &str) -> bool {
    let parsed = key.end_entity_cert().ok().and_then(|certificate| ParsedCertificate::try_from(certificate).ok());
    let name = ServerName::try_from(name).ok();
    parsed.zip(name).is_some_and(|(parsed, name)| verify_server_name(&parsed, &name).is_ok())
}
