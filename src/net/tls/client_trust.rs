//! Which clients' certificates are good.

use std::fmt;
use std::sync::Arc;

use tokio_rustls::rustls::client::danger::HandshakeSignatureValid;
use tokio_rustls::rustls::pki_types::{CertificateDer, UnixTime};
use tokio_rustls::rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use tokio_rustls::rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

/// Good is what leads to a trusted certificate and, as in Java, what is itself one, while it is valid; and whose key may sign.
pub(super) struct ClientTrust {
    paths: Arc<dyn ClientCertVerifier>,
    trusted: Vec<CertificateDer<'static>>,
}

impl ClientTrust {
    /// `paths` decides first; it has the last word on what is revoked or out of date.
    pub fn new(paths: Arc<dyn ClientCertVerifier>, trusted: Vec<CertificateDer<'static>>) -> Self {
        Self { paths, trusted }
    }

    fn is_trusted_itself(&self, certificate: &CertificateDer<'_>, now: UnixTime) -> bool {
        let is_valid = || {
            let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
            let (from, until) = (parsed.validity().not_before.timestamp(), parsed.validity().not_after.timestamp());
            Some((from..=until).contains(&i64::try_from(now.as_secs()).ok()?))
        };
        self.trusted.iter().any(|trusted| trusted == certificate) && is_valid().unwrap_or(false)
    }
}

/// Whether a certificate's key usage, if it has one, covers the signature that proves a client.
fn may_sign(certificate: &CertificateDer<'_>) -> bool {
    let Ok((_, parsed)) = X509Certificate::from_der(certificate) else { return false };
    let usage = parsed.key_usage();
    usage.is_ok_and(|usage| usage.is_none_or(|usage| usage.value.digital_signature()))
}

/// Whether a certificate may still count because it is trusted itself.
fn is_about_the_path(error: &Error) -> bool {
    use CertificateError as Wrong;
    let Error::InvalidCertificate(wrong) = error else { return false };
    matches!(wrong, Wrong::UnknownIssuer | Wrong::Other(_) | Wrong::BadSignature)
}

impl fmt::Debug for ClientTrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientTrust({} certificates)", self.trusted.len())
    }
}

impl ClientCertVerifier for ClientTrust {
    fn offer_client_auth(&self) -> bool {
        self.paths.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.paths.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.paths.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verdict = self.paths.verify_client_cert(end_entity, intermediates, now);
        let verified = match verdict {
            Err(error) if is_about_the_path(&error) && self.is_trusted_itself(end_entity, now) => {
                ClientCertVerified::assertion()
            }
            verdict => verdict?,
        };
        if may_sign(end_entity) { Ok(verified) } else { Err(CertificateError::InvalidPurpose.into()) }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.paths.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.paths.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.paths.supported_verify_schemes()
    }
}
