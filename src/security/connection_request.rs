use std::sync::Arc;

use super::{ClientCertificate, Principal, Secret};

/// What a client has shown of itself when it asks to be let in.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ConnectionRequest {
    /// The user name, if one was sent.
    pub username: Option<String>,
    /// The password, if one was sent; it may be empty.
    pub password: Option<Secret>,
    /// The client id. A manager that changes it gives the session, takeover, queues and the log another name.
    pub client_id: String,
    /// The protocol and its version: `MQTT` or `MQTT5`.
    pub protocol: &'static str,
    /// Name of the acceptor.
    pub acceptor: String,
    /// The login domain of the acceptor, where it has one of its own.
    pub domain: Option<String>,
    /// The peer, as `address:port`.
    pub remote_address: String,
    /// The verified certificate of a TLS client, if it has shown one.
    pub certificate: Option<Arc<ClientCertificate>>,
    /// The user whom the certificate proves, where the acceptor says which of its names that is (`userFromCertificate`).
    /// It is `username` too, and needs no password.
    pub certified_user: Option<String>,
    /// The message to be sent when the client is lost.
    pub will: Option<WillRequest>,
}

/// A will that a client asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WillRequest {
    /// Where it goes, in the syntax of addresses.
    pub address: String,
    /// At most once (0), at least once (1), exactly once (2).
    pub qos: u8,
    /// Whether it stays as the last value.
    pub retain: bool,
}

impl ConnectionRequest {
    /// A request without credentials; the fields are public.
    pub fn new(protocol: &'static str, client_id: impl Into<String>) -> Self {
        Self { protocol, client_id: client_id.into(), ..Self::default() }
    }

    /// The same request with a user name and a password.
    #[must_use]
    pub fn with_credentials(mut self, username: impl Into<String>, password: impl Into<Vec<u8>>) -> Self {
        self.username = Some(username.into());
        self.password = Some(Secret::new(password));
        self
    }

    /// Lets the client in as `user`, empty for nobody in particular, so far without roles.
    pub fn admit(&self, user: impl Into<String>) -> Principal {
        Principal::of(user)
    }
}

impl WillRequest {
    /// A will for `address`.
    pub fn new(address: impl Into<String>, qos: u8, retain: bool) -> Self {
        Self { address: address.into(), qos, retain }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_prints_without_its_password() {
        let request = ConnectionRequest::new("MQTT", "c1").with_credentials("ann", "hunter2");
        let text = format!("{request:?}");
        assert!(text.contains("ann") && text.contains("***"), "{text}");
        assert!(!text.contains("hunter2") && !text.contains("104, 117"), "{text}");
    }
}
