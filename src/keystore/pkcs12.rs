use p12_keystore::error::Error;
use p12_keystore::{Pkcs12Archive, PrivateKeyBag};
use pkcs8::der::ErrorKind;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};

use super::error::Problem;
use super::store::{CertificateEntry, KeyEntry, SealedKey, Store};

const TO_PKCS12: &str =
    "openssl pkcs12 -legacy -in FILE -nodes -out FILE.pem && openssl pkcs12 -export -in FILE.pem -out FILE.new";

/// Reads a PKCS12 store, those of keytool and OpenSSL, modern and legacy.
///
/// # Errors
/// The password is wrong, or the store is damaged or encrypted in a way that is not read.
pub(super) fn read(bytes: &[u8], password: &str, store: &mut Store) -> Result<(), Problem> {
    let archive = Pkcs12Archive::from_pkcs12(bytes, password).map_err(problem)?;
    let certificate = |der: &[u8]| CertificateDer::from(der.to_vec());
    for (number, key) in archive.keys.iter().enumerate() {
        let of_key = |id: Option<&[u8]>| id.is_some() && id == local_id(key);
        let own = archive.certs.iter().filter(|bag| of_key(bag.local_key_id.as_deref()));
        store.keys.push(KeyEntry {
            alias: key.friendly_name.clone().unwrap_or_else(|| (number + 1).to_string()),
            chain: own.map(|bag| certificate(bag.cert.as_der())).collect(),
            key: SealedKey::Open(PrivatePkcs8KeyDer::from(key.key.as_der().to_vec()).into()),
        });
    }
    for bag in &archive.certs {
        let alias = bag.friendly_name.clone().unwrap_or_else(|| bag.cert.subject().to_owned());
        let certificate = certificate(bag.cert.as_der());
        store.certificates.push(CertificateEntry { alias, certificate, is_trusted: bag.trusted });
    }
    Ok(())
}

fn local_id(key: &PrivateKeyBag) -> Option<&[u8]> {
    key.local_key_id.as_ref().map(AsRef::as_ref)
}

fn problem(error: Error) -> Problem {
    let foreign = |what| Problem::foreign(what, TO_PKCS12);
    match error {
        Error::MacError(_) | Error::Pkcs5Error(_) | Error::UnpadError => Problem::StorePassword,
        Error::UnsupportedEncryptionScheme | Error::UnsupportedMacAlgorithm | Error::UnsupportedContentType => {
            foreign("a PKCS12 store with an encryption")
        }
        Error::InvalidParameters => foreign("a PKCS12 store whose password is stretched more than a million times"),
        Error::DerError(error) if matches!(error.kind(), ErrorKind::OidUnknown { .. }) => {
            foreign("a PKCS12 store with an encryption")
        }
        Error::DerError(error) if error.kind() == ErrorKind::IndefiniteLength => foreign("a PKCS12 store in BER"),
        other => Problem::malformed(other),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Kind;
    use super::*;

    // Made by openssl.
    const STORE: &[u8] = include_bytes!("testdata/keys.p12");

    fn parsed(bytes: &[u8], password: &str) -> Result<Store, Problem> {
        let mut store = Store { kind: Kind::Pkcs12, files: Vec::new(), keys: Vec::new(), certificates: Vec::new() };
        read(bytes, password, &mut store).map(|()| store)
    }

    #[test]
    fn entries_are_those_that_openssl_wrote() {
        let store = parsed(STORE, "changeit").unwrap();
        assert_eq!((store.keys.len(), &*store.keys[0].alias, store.keys[0].chain.len()), (1, "broker", 1));
        assert!(matches!(parsed(STORE, "changeIt"), Err(Problem::StorePassword)));
    }

    /// NSS and Bouncy Castle write stores of this form.
    #[test]
    fn a_store_in_ber_is_told() {
        let ber = [&[0x30, 0x80], &STORE[4..], &[0, 0]].concat();
        assert!(matches!(Kind::detect(&ber), Ok(Kind::Pkcs12)));
        let Err(Problem::Foreign { what, .. }) = parsed(&ber, "changeit") else { panic!("it is read") };
        assert_eq!(what, "a PKCS12 store in BER");
    }

    #[test]
    fn a_store_that_is_cut_off_or_changed_is_an_error() {
        for length in 0..STORE.len() {
            assert!(parsed(&STORE[..length], "changeit").is_err(), "{length}");
        }
        // Within what the digest covers nothing goes unnoticed; it begins behind the headers.
        for at in (60..STORE.len() - 120).step_by(7) {
            let mut changed = STORE.to_vec();
            changed[at] ^= 0x40;
            assert!(parsed(&changed, "changeit").is_err(), "{at}");
        }
    }
}
