use std::net::IpAddr;

use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

use super::distinguished_name;

/// The certificate of a client that has proved to hold its key, verified up to one that is trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientCertificate {
    /// The certificates as the client sent them, in DER, its own first.
    pub chain: Vec<Vec<u8>>,
    /// Distinguished name of the subject as in RFC 2253, such as `CN=a,O=b`.
    pub subject: String,
    /// The same as `keytool` prints it and Artemis's files have it, such as `CN=a, O=b`.
    pub subject_spaced: String,
    /// The subject's common name; of several the most specific.
    pub common_name: Option<String>,
    /// The other names of the subject, as they stand in the certificate.
    pub alternative_names: Vec<AlternativeName>,
    /// Seconds since 1970 after which it counts no more.
    pub valid_until: i64,
}

/// Another name of a certificate's subject.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AlternativeName {
    Dns(String),
    Email(String),
    Uri(String),
    Ip(IpAddr),
}

/// Which of a certificate's names counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameKind {
    Common,
    /// The first alternative name.
    Alternative,
    /// The whole subject as in RFC 2253.
    Distinguished,
}

/// A name of a client that its certificate may decide about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum CertifiedName {
    /// The client says it itself.
    #[default]
    Free,
    Is(String),
    /// The certificate decides, and has no such name.
    Missing,
}

/// Bytes of the longest name.
const NAME_MAX: usize = 65_535;

/// Bytes that are no certificate of X.509.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a certificate: {0}")]
pub struct MalformedCertificate(String);

impl ClientCertificate {
    /// Reads the names of a chain's first certificate. Nothing is verified here.
    ///
    /// # Errors
    /// There is none, or it cannot be read.
    pub fn from_chain(chain: Vec<Vec<u8>>) -> Result<Self, MalformedCertificate> {
        let wrong = |error: &dyn std::fmt::Display| MalformedCertificate(error.to_string());
        let first = chain.first().ok_or_else(|| wrong(&"the chain is empty"))?;
        let (_, certificate) = X509Certificate::from_der(first).map_err(|error| wrong(&error))?;
        let names = certificate.subject_alternative_name().map_err(|error| wrong(&error))?;
        let subject = certificate.subject();
        Ok(Self {
            subject: distinguished_name::rfc2253(subject),
            subject_spaced: distinguished_name::spaced(subject),
            common_name: subject.iter_common_name().last().and_then(distinguished_name::text),
            alternative_names: names.map(|names| alternative(&names.value.general_names)).unwrap_or_default(),
            valid_until: certificate.validity().not_after.timestamp(),
            chain,
        })
    }

    /// The name of a kind, if it is one to be used: with control characters it is none.
    pub fn name(&self, kind: NameKind) -> CertifiedName {
        let name = match kind {
            NameKind::Common => self.common_name.clone(),
            NameKind::Alternative => self.alternative_names.first().map(ToString::to_string),
            NameKind::Distinguished => Some(self.subject.clone()),
        };
        let is_usable = |name: &String| (1..=NAME_MAX).contains(&name.len()) && !name.chars().any(char::is_control);
        name.filter(is_usable).map_or(CertifiedName::Missing, CertifiedName::Is)
    }
}

fn alternative(names: &[GeneralName<'_>]) -> Vec<AlternativeName> {
    let known = names.iter().filter_map(|name| match name {
        GeneralName::DNSName(name) => Some(AlternativeName::Dns((*name).to_owned())),
        GeneralName::RFC822Name(name) => Some(AlternativeName::Email((*name).to_owned())),
        GeneralName::URI(name) => Some(AlternativeName::Uri((*name).to_owned())),
        GeneralName::IPAddress(bytes) => address(bytes).map(AlternativeName::Ip),
        _ => None,
    });
    known.collect()
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        _ => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
    }
}

impl std::fmt::Display for AlternativeName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Dns(name) | Self::Email(name) | Self::Uri(name) => f.write_str(name),
            Self::Ip(address) => address.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Made by openssl; Java prints both forms of the subject as they are expected here.
    const NAMES: &[u8] = include_bytes!("testdata/names.der");

    #[test]
    fn names_are_those_that_java_prints() {
        let certificate = ClientCertificate::from_chain(vec![NAMES.to_vec()]).unwrap();
        let rfc2253 = r#"CN=\#dev-1+UID=u7,2.5.4.13=#0c046420c3a9,2.5.4.12=#0c024472,2.5.4.5=#13023432+STREET=s 1,1.2.840.113549.1.9.1=#160d61406578616d706c652e6f7267,OU=a\=b\#c,OU=\ lead  x\ ,O=Zähler\, Söhne \+ \"Co\" \<a\;b\>\\,C=DE"#;
        let spaced = r##"CN="#dev-1" + UID=u7, OID.2.5.4.13=d é, T=Dr, SERIALNUMBER=42 + STREET=s 1, EMAILADDRESS=a@example.org, OU="a=b#c", OU=" lead  x ", O="Zähler, Söhne + \"Co\" <a;b>\\", C=DE"##;
        assert_eq!(certificate.subject, rfc2253);
        assert_eq!(certificate.subject_spaced, spaced);
        assert_eq!(certificate.common_name.as_deref(), Some("#dev-1"));
        let names: Vec<_> = certificate.alternative_names.iter().map(ToString::to_string).collect();
        assert_eq!(names, ["dev-1.example.org", "a@example.org", "urn:dev:1", "192.0.2.7", "2001:db8::1"]);
    }

    #[test]
    fn a_name_with_control_characters_is_none() {
        let mut certificate = ClientCertificate::from_chain(vec![NAMES.to_vec()]).unwrap();
        assert_eq!(certificate.name(NameKind::Common), CertifiedName::Is("#dev-1".into()));
        assert_eq!(certificate.name(NameKind::Alternative), CertifiedName::Is("dev-1.example.org".into()));
        for name in [None, Some(""), Some("admin\0.evil"), Some("a\nb")] {
            certificate.common_name = name.map(str::to_owned);
            assert_eq!(certificate.name(NameKind::Common), CertifiedName::Missing, "{name:?}");
        }
    }

    #[test]
    fn what_is_no_certificate_is_an_error() {
        assert!(ClientCertificate::from_chain(Vec::new()).is_err());
        for length in 0..NAMES.len() {
            assert!(ClientCertificate::from_chain(vec![NAMES[..length].to_vec()]).is_err(), "{length}");
        }
    }
}
