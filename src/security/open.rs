use async_trait::async_trait;

use super::{Authenticated, AuthenticationRequest, Denied, Principal, SecurityManager};

/// Lets everyone in without a user: what `security-enabled` false means.
#[derive(Clone, Copy, Debug, Default)]
pub struct OpenSecurity;

#[async_trait]
impl SecurityManager for OpenSecurity {
    async fn authenticate(&self, _: &AuthenticationRequest) -> Result<Authenticated, Denied> {
        Ok(Authenticated::new(Principal::default()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::authentication::now;
    use super::*;

    #[test]
    fn nobody_gets_a_name_that_was_not_checked() {
        let request = AuthenticationRequest::new("MQTT", "c").with_credentials("admin", "any");
        let login = now(OpenSecurity.authenticate(&request)).unwrap();
        assert_eq!(login, Authenticated::new(Principal::default()));
    }
}
