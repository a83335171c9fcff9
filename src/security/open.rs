use async_trait::async_trait;

use super::{ConnectionRequest, Denied, Principal, Scope, SecurityManager};

/// Lets everyone in without a user: what `security-enabled` false means.
#[derive(Clone, Copy, Debug, Default)]
pub struct OpenSecurity;

#[async_trait]
impl SecurityManager for OpenSecurity {
    async fn authenticate(&self, request: &mut ConnectionRequest) -> Result<Principal, Denied> {
        Ok(request.admit(""))
    }

    fn answers_at_once(&self, _: &ConnectionRequest) -> bool {
        true
    }

    fn decides(&self) -> bool {
        false
    }

    fn scope(&self) -> Scope {
        Scope::Roles
    }
}

#[cfg(test)]
mod tests {
    use super::super::manager::now;
    use super::*;

    #[test]
    fn nobody_gets_a_name_that_was_not_checked() {
        let mut request = ConnectionRequest::new("MQTT", "c").with_credentials("admin", "any");
        let login = now(OpenSecurity.authenticate(&mut request)).unwrap();
        assert_eq!(login, Principal::default());
    }
}
