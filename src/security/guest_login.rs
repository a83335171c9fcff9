use async_trait::async_trait;

use super::{ConnectionRequest, Denied, Login, LoginModule};

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
    async fn login(&self, request: &ConnectionRequest) -> Result<Option<Login>, Denied> {
        if self.options.credentials_invalidate && request.password.is_some() {
            return Ok(None);
        }
        Ok(Some(Login::new(self.options.user.as_str(), vec![self.options.role.clone()])))
    }

    fn answers_at_once(&self, _: &ConnectionRequest) -> bool {
        true
    }

    fn is_anonymous(&self) -> bool {
        true
    }

    fn roles(&self, user: &str) -> Option<Vec<String>> {
        (user == self.options.user).then(|| vec![self.options.role.clone()])
    }
}

#[cfg(test)]
mod tests {
    use super::super::manager::now;
    use super::*;

    #[test]
    fn everyone_is_the_guest() {
        let login = GuestLogin::new(GuestOptions::default());
        let request = ConnectionRequest::new("MQTT", "c").with_credentials("ann", "wrong");
        let answer = now(login.login(&request)).unwrap().unwrap();
        assert_eq!(answer, Login::new("guest", vec!["guests".to_owned()]));
        assert_eq!((login.roles("guest"), login.roles("ann")), (Some(answer.roles), None));
    }

    #[test]
    fn a_password_can_rule_the_guest_out() {
        let login = GuestLogin::new(GuestOptions { credentials_invalidate: true, ..GuestOptions::default() });
        let request = ConnectionRequest::new("MQTT", "c");
        assert!(now(login.login(&request)).unwrap().is_some());
        assert_eq!(now(login.login(&request.with_credentials("ann", ""))), Ok(None));
    }
}
