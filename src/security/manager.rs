use async_trait::async_trait;

use super::{ConnectionRequest, Permission, Principal};

/// Decides who may connect and what they may do. The seam for custom security; also the place where client ids are
/// rewritten or refused.
#[async_trait]
pub trait SecurityManager: Send + Sync {
    /// Names the principal behind `request`; only a returned principal opens a session. The client id of the request
    /// may be changed: whatever stands there at the end is the client's id.
    ///
    /// It is asked for every connection, whatever is cached below it. It runs on a thread of its own kind, where it may
    /// hash and wait for others, and is given up after ten seconds.
    ///
    /// # Errors
    /// Why the client is refused. Unknown users and wrong passwords are told apart neither by the answer nor by time.
    async fn authenticate(&self, request: &mut ConnectionRequest) -> Result<Principal, Denied>;

    /// Whether [`SecurityManager::authenticate`] answers this request without hashing, waiting or reading anything, so
    /// that it is not worth a change of threads.
    fn answers_at_once(&self, request: &ConnectionRequest) -> bool {
        let _ = request;
        false
    }

    /// Whether a principal may do something. It runs on the engine's thread, so it has to be local and short; the answer
    /// is kept until [`SecurityManager::epoch`] changes.
    fn authorize(&self, access: &Access<'_>) -> Decision {
        let _ = access;
        Decision::Undecided
    }

    /// The principal as it would be let in now, without a look at credentials; none if it would not be. Asked before the
    /// next operation of a client after a change of epoch; as short as [`SecurityManager::authorize`].
    fn refresh(&self, principal: &Principal) -> Option<Principal> {
        Some(principal.clone())
    }

    /// A number that grows whenever users, roles or answers of [`SecurityManager::authorize`] may have changed.
    fn epoch(&self) -> u64 {
        0
    }

    /// Whether [`SecurityManager::authorize`] decides about addresses at all. Where it does, each delivery is asked about.
    fn decides(&self) -> bool {
        true
    }

    /// What the answers of [`SecurityManager::authorize`] depend on. Clients that are alike in it share answers.
    fn scope(&self) -> Scope {
        Scope::Client
    }
}

/// A question to [`SecurityManager::authorize`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Access<'a> {
    pub principal: &'a Principal,
    /// The client's id, rewritten if it was.
    pub client_id: &'a str,
    pub permission: Permission,
    /// The address, or the pattern of a subscription.
    pub address: &'a str,
    /// The queue of the address, where it is about one.
    pub queue: Option<&'a str>,
}

impl<'a> Access<'a> {
    /// Whether `principal` has `permission` on `address`.
    pub fn new(principal: &'a Principal, client_id: &'a str, permission: Permission, address: &'a str) -> Self {
        Self { principal, client_id, permission, address, queue: None }
    }

    /// The same for a queue of the address.
    #[must_use]
    pub fn to_queue(self, queue: &'a str) -> Self {
        Self { queue: Some(queue), ..self }
    }
}

/// An answer of [`SecurityManager::authorize`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    Allow,
    Deny,
    /// The principal's own rules decide, and where they say nothing the roles by `security-settings`.
    Undecided,
}

/// How far answers of [`SecurityManager::authorize`] reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// They are the same for the same roles and rules.
    Roles,
    /// They may differ by user.
    User,
    /// They may differ by user and client id.
    Client,
}

/// Why a client is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
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
    /// The client is shut out.
    #[error("banned")]
    Banned,
    /// The question could not be decided now.
    #[error("authentication is unavailable")]
    Unavailable,
    /// Too many ask at once.
    #[error("too many authentications at once")]
    Busy,
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
