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

#[cfg(test)]
mod tests {
    use super::super::authentication::now;
    use super::*;

    #[test]
    fn everyone_is_the_guest() {
        let login = GuestLogin::new(GuestOptions::default());
        let request = AuthenticationRequest::new("MQTT", "c").with_credentials("ann", "wrong");
        let answer = now(login.login(&request)).unwrap().unwrap();
        assert_eq!(answer.principal, Principal::new("guest", vec!["guests".to_owned()]));
    }

    #[test]
    fn a_password_can_rule_the_guest_out() {
        let login = GuestLogin::new(GuestOptions { credentials_invalidate: true, ..GuestOptions::default() });
        let request = AuthenticationRequest::new("MQTT", "c");
        assert!(now(login.login(&request)).unwrap().is_some());
        assert_eq!(now(login.login(&request.with_credentials("ann", ""))), Ok(None));
    }
}
