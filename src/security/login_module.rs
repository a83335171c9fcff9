use async_trait::async_trait;

use super::{ConnectionRequest, Denied};

/// One way to log in.
#[async_trait]
pub trait LoginModule: Send + Sync {
    /// Names the user and its roles, or none when the module has nothing to say about this client.
    ///
    /// # Errors
    /// Why this module refuses; what that means for the client is decided by the module's [`Flag`](super::Flag).
    async fn login(&self, request: &ConnectionRequest) -> Result<Option<Login>, Denied>;

    /// Whether [`LoginModule::login`] answers this request without hashing, waiting or reading anything.
    fn answers_at_once(&self, request: &ConnectionRequest) -> bool {
        let _ = request;
        false
    }

    /// The roles that a user it has let in has now; none if it would not let it in any more.
    fn roles(&self, user: &str) -> Option<Vec<String>>;

    /// Whether those it lets in are nobody in particular.
    fn is_anonymous(&self) -> bool {
        false
    }

    /// A number that grows whenever an answer of [`LoginModule::roles`] may have changed.
    fn epoch(&self) -> u64 {
        0
    }
}

/// A user that a module vouches for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    pub user: String,
    pub roles: Vec<String>,
}

impl Login {
    /// `user` with `roles`.
    pub fn new(user: impl Into<String>, roles: Vec<String>) -> Self {
        Self { user: user.into(), roles }
    }
}
