//! A broker with a security manager of one's own around another: it looks at client ids and changes them.
//!
//! `cargo run --release --example security_manager [-- DIR]` runs the instance in DIR, or in the current directory.
//! Users log in as `acme` with `rocket` or as `globex` with `hammock`; each sees its clients under its own name only.

use std::process::ExitCode;
use std::sync::Arc;

use artemis_rs::broker::{self, Instance};
use artemis_rs::security::{
    Authenticated, AuthenticationRequest, Denied, Flag, LoginChain, LoginModule, PropertiesError, PropertiesLogin,
    PropertiesOptions, SecurityManager,
};

fn main() -> ExitCode {
    let instance = Instance::new(std::env::args().nth(1).unwrap_or_else(|| ".".to_owned()));
    let login = match tenants() {
        Ok(login) => login,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    match broker::run_with(&instance, Some(Arc::new(ClientIds { login }))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}

/// Wraps a security manager: refuses strange client ids and puts the user's name before all others.
struct ClientIds<S> {
    login: S,
}

#[async_trait::async_trait]
impl<S: SecurityManager> SecurityManager for ClientIds<S> {
    async fn authenticate(&self, request: &AuthenticationRequest) -> Result<Authenticated, Denied> {
        if !is_acceptable(&request.client_id) {
            return Err(Denied::InvalidClientId);
        }
        let login = self.login.authenticate(request).await?;
        let client_id = format!("{}-{}", login.principal.user, request.client_id);
        Ok(login.with_client_id(client_id))
    }
}

fn is_acceptable(client_id: &str) -> bool {
    !client_id.starts_with("admin") && client_id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
}

/// Login with a user name and a password; both users have the role to which broker.xml permits everything.
fn tenants() -> Result<LoginChain, PropertiesError> {
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let users = vec![pair("acme", "rocket"), pair("globex", "hammock")];
    let login = PropertiesLogin::new(PropertiesOptions { users, roles: vec![pair("amq", "acme,globex")] })?;
    let modules: Vec<(Flag, Box<dyn LoginModule>)> = vec![(Flag::Required, Box::new(login))];
    Ok(LoginChain::new(modules))
}
