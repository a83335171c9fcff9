use std::fmt;
use std::io;

use tokio_rustls::rustls::{AlertDescription, CertificateError, Error};

/// Why there is no connection.
#[derive(Debug)]
pub enum Failure {
    /// The peer has gone before it said anything.
    Silent,
    /// It speaks, but not TLS.
    PlainText,
    TooSlow,
    /// Others waited, and it was the slowest.
    CrowdedOut,
    /// It does not keep to the protocol, is not wanted, or has gone.
    Broken(io::Error),
    /// A fault of ours or of a library's.
    Fault,
    /// The broker is about to end.
    Stopping,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silent => f.write_str("it has gone before a handshake began"),
            Self::PlainText => f.write_str("it does not speak TLS, which this acceptor expects"),
            Self::TooSlow => f.write_str("the handshake took longer than sslHandshakeTimeout"),
            Self::CrowdedOut => f.write_str("the handshake was slow, and others waited for its place"),
            Self::Broken(error) => {
                write!(f, "{error}")?;
                let error = error.get_ref().and_then(|error| error.downcast_ref());
                error.and_then(hint).map_or(Ok(()), |hint| write!(f, ": {hint}"))
            }
            Self::Fault => f.write_str("a fault of the broker, which the log has told before"),
            Self::Stopping => f.write_str("the broker is stopping"),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Broken(error)
    }
}

/// What an operator has to look at.
fn hint(error: &Error) -> Option<&'static str> {
    Some(match error {
        Error::NoCertificatesPresented => "needClientAuth=true asks for one",
        Error::InvalidCertificate(error) => return certificate_hint(error),
        Error::AlertReceived(
            AlertDescription::UnknownCA | AlertDescription::BadCertificate | AlertDescription::CertificateUnknown,
        ) => "the client does not trust the certificate in keyStorePath",
        Error::PeerIncompatible(_) => {
            "the client and this acceptor have no version, cipher suite or signature in common"
        }
        Error::NoApplicationProtocol => "the client asks by ALPN for other protocols than mqtt and http/1.1",
        Error::General(text) if text.contains("no server certificate chain") => {
            "the server name that the client asks for does not match sniHost"
        }
        _ => return None,
    })
}

fn certificate_hint(error: &CertificateError) -> Option<&'static str> {
    use CertificateError as Wrong;
    Some(match error {
        Wrong::UnknownIssuer => "nothing in trustStorePath vouches for it",
        Wrong::UnknownRevocationStatus => "crlPath has no list of one of its issuers",
        Wrong::ExpiredRevocationList | Wrong::ExpiredRevocationListContext { .. } => "a list in crlPath is out of date",
        Wrong::InvalidPurpose | Wrong::InvalidPurposeContext { .. } => {
            "its keyUsage or extendedKeyUsage is not that of clients"
        }
        Wrong::Other(other) if format!("{other:?}").contains("CaUsedAsEndEntity") => {
            "it is that of an authority, and is not itself in trustStorePath"
        }
        Wrong::Other(other) if format!("{other:?}").contains("UnsupportedCertVersion") => {
            "it is of X.509 version 1 and has to be issued with extensions, see docs/tls.md"
        }
        _ => return None,
    })
}
