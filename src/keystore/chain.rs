//! Which certificates belong to a key.

use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::sign::SigningKey;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::FromDer;

use super::error::Problem;
use super::store::CertificateEntry;

/// Certificates of the longest chain.
const CHAIN_MAX: usize = 10;

/// The key's certificate, then those of its issuers below the root: `given` where the store says so, otherwise whatever
/// fits among `others`.
///
/// # Errors
/// The key has no certificate, or it is another key's.
pub(super) fn of(
    alias: &str,
    key: &dyn SigningKey,
    given: &[CertificateDer<'static>],
    others: &[CertificateEntry],
) -> Result<Vec<CertificateDer<'static>>, Problem> {
    let public = key.public_key().ok_or_else(|| Problem::Algorithm(alias.to_owned()))?;
    let is_of_key = |certificate: &&CertificateDer<'static>| {
        X509Certificate::from_der(certificate).is_ok_and(|(_, parsed)| parsed.public_key().raw == public.as_ref())
    };
    let pile = given.iter().chain(others.iter().map(|entry| &entry.certificate));
    let none = if given.is_empty() { Problem::NoCertificateOf } else { Problem::OtherKey };
    let first = pile.clone().find(is_of_key).ok_or_else(|| none(alias.to_owned()))?;
    let mut chain = vec![first.clone()];
    while let Some(next) = chain.last().and_then(|last| issuer(last, pile.clone())) {
        if chain.len() == CHAIN_MAX || chain.contains(next) || is_self_signed(next) {
            break;
        }
        chain.push(next.clone());
    }
    Ok(chain)
}

/// Of several with the issuer's name the one with its key, as far as the certificate tells which that is: authorities are
/// renewed under their old name.
fn issuer<'c>(
    certificate: &CertificateDer<'static>,
    pile: impl Iterator<Item = &'c CertificateDer<'static>> + Clone,
) -> Option<&'c CertificateDer<'static>> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    if parsed.issuer().as_raw() == parsed.subject().as_raw() {
        return None;
    }
    let key = issuers_key(&parsed);
    let is_named = |other: &X509Certificate<'_>| other.subject().as_raw() == parsed.issuer().as_raw();
    let has_key = |other: &X509Certificate<'_>| key.is_some() && own_key(other) == key;
    let find = |fits: &dyn Fn(&X509Certificate<'_>) -> bool| {
        pile.clone()
            .find(|other| X509Certificate::from_der(other).is_ok_and(|(_, other)| is_named(&other) && fits(&other)))
    };
    find(&has_key).or_else(|| find(&|_| true))
}

fn issuers_key<'a>(certificate: &X509Certificate<'a>) -> Option<&'a [u8]> {
    certificate.iter_extensions().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::AuthorityKeyIdentifier(identifier) => identifier.key_identifier.as_ref().map(|key| key.0),
        _ => None,
    })
}

fn own_key<'a>(certificate: &X509Certificate<'a>) -> Option<&'a [u8]> {
    certificate.iter_extensions().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::SubjectKeyIdentifier(identifier) => Some(identifier.0),
        _ => None,
    })
}

fn is_self_signed(certificate: &CertificateDer<'static>) -> bool {
    let parsed = X509Certificate::from_der(certificate);
    parsed.is_ok_and(|(_, parsed)| parsed.issuer().as_raw() == parsed.subject().as_raw())
}
