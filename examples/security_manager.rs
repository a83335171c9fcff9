//! A broker with a security manager of one's own around that of its files: it puts the user's name before all client
//! ids, makes them lower-case, and refuses some.
//!
//! `cargo run --release --example security_manager [-- DIR]` runs the instance in DIR, or in the current directory.

use std::process::ExitCode;
use std::sync::Arc;

use artemis_rs::broker::{self, Instance};
use artemis_rs::security::{Access, ConnectionRequest, Decision, Denied, Principal, Scope, SecurityManager};
use async_trait::async_trait;

fn main() -> ExitCode {
    let instance = Instance::new(std::env::args().nth(1).unwrap_or_else(|| ".".to_owned()));
    match broker::run_with(&instance, |configured| Arc::new(ClientIds { inner: configured })) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}

/// Asks another manager who the client is, and gives its client id a form that no two users share.
struct ClientIds {
    inner: Arc<dyn SecurityManager>,
}

#[async_trait]
impl SecurityManager for ClientIds {
    async fn authenticate(&self, request: &mut ConnectionRequest) -> Result<Principal, Denied> {
        let principal = self.inner.authenticate(request).await?;
        if !is_acceptable(&request.client_id) {
            return Err(Denied::InvalidClientId);
        }
        request.client_id = format!("{}:{}", principal.user(), request.client_id.to_lowercase());
        Ok(principal)
    }

    // The rest is left to the other manager.

    fn authorize(&self, access: &Access<'_>) -> Decision {
        self.inner.authorize(access)
    }

    fn refresh(&self, principal: &Principal) -> Option<Principal> {
        self.inner.refresh(principal)
    }

    fn epoch(&self) -> u64 {
        self.inner.epoch()
    }

    fn decides(&self) -> bool {
        self.inner.decides()
    }

    fn scope(&self) -> Scope {
        self.inner.scope()
    }
}

/// Without a colon in it, so that no two users can meet under one client id: the last one ends the user's name.
fn is_acceptable(client_id: &str) -> bool {
    !client_id.starts_with("admin") && client_id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
}
