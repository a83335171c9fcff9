use tokio_rustls::rustls::SupportedCipherSuite;
use tokio_rustls::rustls::crypto::aws_lc_rs::ALL_CIPHER_SUITES;

/// The suite with a name as Java has it, such as `TLS_AES_128_GCM_SHA256`.
pub fn cipher_suite(name: &str) -> Option<SupportedCipherSuite> {
    ALL_CIPHER_SUITES.iter().copied().find(|suite| java_name(*suite) == name)
}

/// The names of all suites.
pub fn cipher_suite_names() -> impl Iterator<Item = String> {
    ALL_CIPHER_SUITES.iter().copied().map(java_name)
}

fn java_name(suite: SupportedCipherSuite) -> String {
    suite.suite().as_str().unwrap_or_default().replace("TLS13_", "TLS_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suites_have_their_standard_names() {
        for name in ["TLS_AES_256_GCM_SHA384", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"] {
            assert!(cipher_suite(name).is_some(), "{name}");
        }
        assert!(cipher_suite("TLS_RSA_WITH_AES_128_CBC_SHA").is_none());
        assert_eq!(cipher_suite_names().count(), ALL_CIPHER_SUITES.len());
    }
}
