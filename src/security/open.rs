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
