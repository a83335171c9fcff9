use async_trait::async_trait;

use super::{Authenticated, AuthenticationRequest, Denied, LoginModule, Principal};

/// The options of Artemis's `GuestLoginModule`.
#[derive(Clone, Debug)]
pub struct GuestOptions {
    /// Name of the guest.
    pub user: String,
    /// Its only role.
    pub role: String,
    /// Whether a client that sends a password is not taken as guest.
    pub credentials_invalidate: bool,
}

impl Default for GuestOptions {
    fn default() -> Self {
        Self { user: "guest".to_owned(), role: "guests".to_owned(), credentials_invalidate: false }
    }
}

/// Lets everyone in as one guest.
#[derive(Clone, Debug)]
pub struct GuestLogin {
    options: GuestOptions,
}

impl GuestLogin {
    /// A guest of these options.
    pub fn new(options: GuestOptions) -> Self {
        Self { options }
    }
}

#[async_trait]
impl LoginModule for GuestLogin {
    async fn login(&self, request: &AuthenticationRequest) -> Result<Option<Authenticated>, Denied> {
        if self.options.credentials_invalidate && request.password.is_some() {
            return Ok(None);
        }
        let principal = Principal::new(self.options.user.as_str(), vec![self.options.role.clone()]);
        Ok(Some(Authenticated::new(principal)))
    }
}
