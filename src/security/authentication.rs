use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use super::ClientCertificate;

/// Decides who may connect. The seam for custom authentication; also the place where client ids are rewritten.
#[async_trait]
pub trait SecurityManager: Send + Sync {
    /// Names the principal behind `request`; only a returned principal opens a session.
    ///
    /// It completes at the first poll unless something remote is asked, and is bounded in time by its caller.
    ///
    /// # Errors
    /// Why the client is refused. Unknown users and wrong passwords are told apart neither by the answer nor by time.
    async fn authenticate(&self, request: &AuthenticationRequest) -> Result<Authenticated, Denied>;
}

/// What a client has shown of itself.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct AuthenticationRequest {
    /// The user name, if one was sent.
    pub username: Option<String>,
    /// The password, if one was sent; it may be empty.
    pub password: Option<Secret>,
    /// The client id the session would have.
    pub client_id: String,
    /// Name of the protocol, such as `MQTT`.
    pub protocol: &'static str,
    /// Name of the acceptor.
    pub acceptor: String,
    /// The peer, as `address:port`.
    pub remote_address: String,
    /// The verified certificate of a TLS client, if it has shown one.
    pub certificate: Option<Arc<ClientCertificate>>,
    /// The user whom the certificate proves, where the acceptor says which of its names that is (`userFromCertificate`).
    /// It is `username` too, and needs no password.
    pub certified_user: Option<String>,
}

impl AuthenticationRequest {
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
}

/// Bytes that are never printed.
#[derive(Clone)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Wraps `bytes`.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// The bytes themselves; do not log them.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// A successful authentication.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Authenticated {
    /// Who the client is.
    pub principal: Principal,
    /// Replaces the client's id: the session, take-over and all names use this one.
    pub client_id: Option<String>,
}

impl Authenticated {
    /// `principal` under the client id it sent.
    pub fn new(principal: Principal) -> Self {
        Self { principal, client_id: None }
    }

    /// The same under `client_id`.
    #[must_use]
    pub fn with_client_id(mut self, client_id: impl Into<String>) -> Self {
        self.client_id = Some(client_id.into());
        self
    }
}

/// A validated user and the roles it has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Principal {
    /// Name of the user; empty for none.
    pub user: String,
    /// Names of its roles, each once.
    pub roles: Vec<String>,
}

impl Principal {
    /// `user` with `roles`.
    pub fn new(user: impl Into<String>, roles: Vec<String>) -> Self {
        Self { user: user.into(), roles }
    }
}

/// Why a client is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// No such user, or not its password.
    #[error("bad user name or password")]
    BadCredentials,
    /// The user is known and may not connect.
    #[error("not authorized to connect")]
    NotAuthorized,
    /// The client id is not one this user may have.
    #[error("invalid client id")]
    InvalidClientId,
    /// The question could not be decided now.
    #[error("authentication is unavailable")]
    Unavailable,
}

/// The answer of an authentication that asks nothing remote; panics if it is not there at the first poll.
#[cfg(test)]
pub(super) fn now<T>(authentication: impl Future<Output = T>) -> T {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};
    match pin!(authentication).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("not ready at the first poll"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_prints_without_its_password() {
        let request = AuthenticationRequest::new("MQTT", "c1").with_credentials("ann", "hunter2");
        let text = format!("{request:?}");
        assert!(text.contains("ann") && text.contains("***"), "{text}");
        assert!(!text.contains("hunter2") && !text.contains("104, 117"), "{text}");
    }
}
