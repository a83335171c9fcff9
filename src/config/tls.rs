//! The TLS parameters of an acceptor. What they name is read later, by whoever opens the acceptor.

use std::fmt;

use super::units::{boolean, expected, number};

/// A password, which is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(pub String);

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// A file with keys or certificates, as written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreReference {
    pub path: String,
    pub password: Option<Password>,
    /// The format that is said to be.
    pub kind: Option<String>,
}

/// Whether clients show a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientAuth {
    #[default]
    Off,
    /// They may; one that is shown has to be good.
    Wanted,
    Needed,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsVersion {
    V1_2,
    V1_3,
}

/// Which name in a client's certificate counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateName {
    /// The common name of the subject.
    Common,
    /// The first alternative name.
    Alternative,
    /// The whole distinguished name.
    Distinguished,
}

/// How an acceptor speaks TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    pub key_store: StoreReference,
    pub key_alias: Option<String>,
    /// `None` where it is the store's.
    pub key_password: Option<Password>,
    /// Present where clients may show certificates.
    pub trust_store: Option<StoreReference>,
    pub client_auth: ClientAuth,
    /// At least one.
    pub versions: Vec<TlsVersion>,
    /// Names of cipher suites; none leaves the choice open.
    pub cipher_suites: Vec<String>,
    /// A regular expression for the server name that clients ask for.
    pub sni_host: Option<String>,
    pub crl_path: Option<String>,
    pub auto_reload: bool,
    /// `None` for ever.
    pub handshake_timeout_ms: Option<u64>,
    pub client_id_from: Option<CertificateName>,
    pub user_from: Option<CertificateName>,
}

impl Default for Tls {
    fn default() -> Self {
        Self {
            key_store: StoreReference::default(),
            key_alias: None,
            key_password: None,
            trust_store: None,
            client_auth: ClientAuth::Off,
            versions: vec![TlsVersion::V1_2, TlsVersion::V1_3],
            cipher_suites: Vec::new(),
            sni_host: None,
            crl_path: None,
            auto_reload: false,
            handshake_timeout_ms: Some(10_000),
            client_id_from: None,
            user_from: None,
        }
    }
}

/// Java's names for what is too weak to be spoken.
const WEAK_VERSIONS: [&str; 4] = ["SSLv2Hello", "SSLv3", "TLSv1", "TLSv1.1"];

/// Sets one parameter from its text.
pub(super) type Set = fn(&mut Tls, &str) -> Result<(), String>;

/// Every TLS parameter of an acceptor's URI.
pub(super) const KEYS: &[(&str, Set)] = &[
    ("keyStorePath", |tls, text| put(&mut tls.key_store.path, text)),
    ("keyStorePassword", |tls, text| put_password(&mut tls.key_store.password, text)),
    ("keyStoreType", |tls, text| put(tls.key_store.kind.get_or_insert_default(), text)),
    ("keyStoreAlias", |tls, text| put(tls.key_alias.get_or_insert_default(), text)),
    ("keyPassword", |tls, text| put_password(&mut tls.key_password, text)),
    ("trustStorePath", |tls, text| put(&mut trust_store(tls).path, text)),
    ("trustStorePassword", |tls, text| put_password(&mut trust_store(tls).password, text)),
    ("trustStoreType", |tls, text| put(trust_store(tls).kind.get_or_insert_default(), text)),
    ("needClientAuth", |tls, text| {
        if boolean(text)? {
            tls.client_auth = ClientAuth::Needed;
        }
        Ok(())
    }),
    ("wantClientAuth", |tls, text| {
        // Needing them is more than wanting them, in whatever order they stand.
        if boolean(text)? && tls.client_auth == ClientAuth::Off {
            tls.client_auth = ClientAuth::Wanted;
        }
        Ok(())
    }),
    ("enabledProtocols", |tls, text| versions(text).map(|versions| tls.versions = versions)),
    ("enabledCipherSuites", |tls, text| {
        tls.cipher_suites = listed(text).map(str::to_owned).collect();
        if tls.cipher_suites.is_empty() { Err(expected("a list of cipher suites", text)) } else { Ok(()) }
    }),
    ("sniHost", |tls, text| put(tls.sni_host.get_or_insert_default(), text)),
    ("crlPath", |tls, text| put(tls.crl_path.get_or_insert_default(), text)),
    ("sslAutoReload", |tls, text| boolean(text).map(|value| tls.auto_reload = value)),
    ("sslHandshakeTimeout", |tls, text| {
        let seconds = number(text, 0..=i32::MAX.into())?;
        tls.handshake_timeout_ms = u64::try_from(seconds).ok().filter(|seconds| *seconds > 0).map(|s| s * 1000);
        Ok(())
    }),
    ("clientIdFromCertificate", |tls, text| certificate_name(text).map(|name| tls.client_id_from = Some(name))),
    ("userFromCertificate", |tls, text| certificate_name(text).map(|name| tls.user_from = Some(name))),
];

impl Tls {
    /// What is missing.
    pub(super) fn gaps(&self) -> impl Iterator<Item = &'static str> {
        let rows = [
            (self.key_store.path.is_empty(), "sslEnabled=true needs keyStorePath, the file with the server's key"),
            (
                self.asks() && !self.is_trusting(),
                "needClientAuth and wantClientAuth need trustStorePath, whom to trust",
            ),
            (
                !self.asks() && (self.client_id_from.is_some() || self.user_from.is_some()),
                "clientIdFromCertificate and userFromCertificate need needClientAuth=true or wantClientAuth=true",
            ),
        ];
        rows.into_iter().filter(|(is_missing, _)| *is_missing).map(|(_, what)| what)
    }

    /// What has no use without certificates of clients.
    pub(super) fn idle(&self) -> impl Iterator<Item = &'static str> {
        let rows = [(self.is_trusting(), "trustStorePath"), (self.crl_path.is_some(), "crlPath")];
        let asks = self.asks();
        rows.into_iter().filter(move |(is_there, _)| *is_there && !asks).map(|(_, name)| name)
    }

    /// Whether clients may show certificates.
    pub(super) fn asks(&self) -> bool {
        self.client_auth != ClientAuth::Off
    }

    fn is_trusting(&self) -> bool {
        self.trust_store.as_ref().is_some_and(|store| !store.path.is_empty())
    }
}

/// Whether a parameter is one of these.
pub(super) fn is_key(name: &str) -> bool {
    KEYS.iter().any(|(known, _)| *known == name)
}

/// The names in a list of versions that are too weak to be spoken.
pub(super) fn weak_versions(text: &str) -> Vec<&str> {
    listed(text).filter(|word| WEAK_VERSIONS.contains(word)).collect()
}

fn trust_store(tls: &mut Tls) -> &mut StoreReference {
    tls.trust_store.get_or_insert_default()
}

fn put(place: &mut String, text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err("expected a value, found nothing".into());
    }
    text.clone_into(place);
    Ok(())
}

fn put_password(place: &mut Option<Password>, text: &str) -> Result<(), String> {
    *place = Some(Password(text.to_owned()));
    Ok(())
}

fn listed(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|word| !word.is_empty())
}

fn versions(text: &str) -> Result<Vec<TlsVersion>, String> {
    let mut versions = Vec::new();
    for word in listed(text) {
        match word {
            "TLSv1.2" => versions.push(TlsVersion::V1_2),
            "TLSv1.3" => versions.push(TlsVersion::V1_3),
            weak if WEAK_VERSIONS.contains(&weak) => {}
            _ => return Err(expected("TLSv1.2, TLSv1.3 or both", text)),
        }
    }
    if versions.is_empty() { Err(expected("TLSv1.2, TLSv1.3 or both", text)) } else { Ok(versions) }
}

fn certificate_name(text: &str) -> Result<CertificateName, String> {
    match text {
        "cn" => Ok(CertificateName::Common),
        "san" => Ok(CertificateName::Alternative),
        "dn" => Ok(CertificateName::Distinguished),
        _ => Err(expected("cn, san or dn", text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(pairs: &[(&str, &str)]) -> Result<Tls, String> {
        let mut tls = Tls::default();
        for (key, text) in pairs {
            let (_, set) = KEYS.iter().find(|(known, _)| known == key).unwrap();
            set(&mut tls, text)?;
        }
        Ok(tls)
    }

    #[test]
    fn need_is_more_than_want() {
        for (pairs, expected) in [
            (&[("wantClientAuth", "true")][..], ClientAuth::Wanted),
            (&[("wantClientAuth", "true"), ("needClientAuth", "true")], ClientAuth::Needed),
            (&[("needClientAuth", "true"), ("wantClientAuth", "true")], ClientAuth::Needed),
            (&[("needClientAuth", "false"), ("wantClientAuth", "false")], ClientAuth::Off),
        ] {
            assert_eq!(set(pairs).unwrap().client_auth, expected, "{pairs:?}");
        }
    }

    #[test]
    fn values_are_checked() {
        for (key, texts, good) in [
            ("keyStorePath", &["x"][..], true),
            ("keyStorePath", &[""], false),
            ("keyStorePassword", &["", "x"], true),
            ("needClientAuth", &["yes", ""], false),
            ("enabledProtocols", &["TLSv1.2", "TLSv1.3,TLSv1.2", "TLSv1, TLSv1.2"], true),
            ("enabledProtocols", &["", "TLSv1", "SSLv3", "tls", "TLSv1.4"], false),
            ("enabledCipherSuites", &["A", "A, B"], true),
            ("enabledCipherSuites", &["", ","], false),
            ("sslHandshakeTimeout", &["0", "10"], true),
            ("sslHandshakeTimeout", &["-1", "x", "1.5"], false),
            ("clientIdFromCertificate", &["cn", "san", "dn"], true),
            ("userFromCertificate", &["", "CN", "serial"], false),
        ] {
            for text in texts {
                assert_eq!(set(&[(key, text)]).is_ok(), good, "{key}={text}");
            }
        }
        assert_eq!(set(&[("sslHandshakeTimeout", "0")]).unwrap().handshake_timeout_ms, None);
    }
}
