use std::collections::HashMap;

use async_trait::async_trait;

use super::password::{self, HashedPassword, MalformedPassword};
use super::{Authenticated, AuthenticationRequest, Denied, LoginModule, Principal};

const PLAIN_ITERATIONS: u32 = 1;

/// The entries of the users and roles files.
#[derive(Clone, Default)]
pub struct PropertiesOptions {
    /// `name = password`, plain or `ENC(...)`.
    pub users: Vec<(String, String)>,
    /// `role = user,user`; users without an account are ignored.
    pub roles: Vec<(String, String)>,
}

/// Users and roles that cannot be used. There is no fallback: nobody is let in by a file with a mistake.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PropertiesError {
    /// The users file has no entry.
    #[error("no users are defined")]
    NoUsers,
    /// A user has no name.
    #[error("a user has an empty name")]
    NoName,
    /// A user is defined twice.
    #[error("user '{0}' is defined twice")]
    Twice(String),
    /// A user has an empty password.
    #[error("user '{0}' has no password")]
    NoPassword(String),
    /// A user's `ENC(...)` cannot be read.
    #[error("user '{user}': {source}")]
    Password { user: String, source: MalformedPassword },
    /// A role has no name.
    #[error("a role has an empty name")]
    NoRole,
    /// The operating system has no randomness for salts.
    #[error("no randomness for salts: {0}")]
    Randomness(String),
}

/// Login by user name and password, as Artemis's `PropertiesLoginModule`.
///
/// Every attempt costs the iterations of the costliest stored password, whoever the user is.
#[derive(Debug)]
pub struct PropertiesLogin {
    accounts: HashMap<String, Account>,
    iterations: u32,
}

#[derive(Debug)]
struct Account {
    password: HashedPassword,
    roles: Vec<String>,
}

impl PropertiesLogin {
    /// Checks and takes over users and roles; plain passwords are not kept.
    ///
    /// # Errors
    /// The first entry that cannot be used.
    pub fn new(options: PropertiesOptions) -> Result<Self, PropertiesError> {
        let mut accounts = accounts(&options.users)?;
        for (role, users) in &options.roles {
            assign(&mut accounts, role, users)?;
        }
        let iterations = accounts.values().map(|account| account.password.iterations()).max().unwrap_or(0);
        Ok(Self { accounts, iterations })
    }

    /// The account of `user` if `password` is its password.
    fn verified(&self, user: &str, password: &[u8]) -> Option<&Account> {
        let account = self.accounts.get(user);
        let spent = account.map_or(0, |account| account.password.iterations());
        password::spend(password, self.iterations - spent);
        account.filter(|account| account.password.verify(password))
    }
}

#[async_trait]
impl LoginModule for PropertiesLogin {
    async fn login(&self, request: &AuthenticationRequest) -> Result<Option<Authenticated>, Denied> {
        let (Some(user), Some(password)) = (&request.username, &request.password) else {
            return Err(Denied::BadCredentials);
        };
        let account = self.verified(user, password.expose()).ok_or(Denied::BadCredentials)?;
        Ok(Some(Authenticated::new(Principal::new(user.as_str(), account.roles.clone()))))
    }
}

fn accounts(users: &[(String, String)]) -> Result<HashMap<String, Account>, PropertiesError> {
    if users.is_empty() {
        return Err(PropertiesError::NoUsers);
    }
    let mut salt = [0; 32];
    getrandom::fill(&mut salt).map_err(|error| PropertiesError::Randomness(error.to_string()))?;
    let mut accounts = HashMap::with_capacity(users.len());
    for (user, value) in users {
        let account = Account { password: stored_password(user, value, &salt)?, roles: Vec::new() };
        if accounts.insert(user.clone(), account).is_some() {
            return Err(PropertiesError::Twice(user.clone()));
        }
    }
    Ok(accounts)
}

fn stored_password(user: &str, value: &str, salt: &[u8]) -> Result<HashedPassword, PropertiesError> {
    if user.is_empty() {
        return Err(PropertiesError::NoName);
    }
    if value.is_empty() {
        return Err(PropertiesError::NoPassword(user.to_owned()));
    }
    let parsed = HashedPassword::parse(value)
        .map_err(|source| PropertiesError::Password { user: user.to_owned(), source })?;
    Ok(parsed.unwrap_or_else(|| HashedPassword::with(value.as_bytes(), salt, PLAIN_ITERATIONS)))
}

fn assign(accounts: &mut HashMap<String, Account>, role: &str, users: &str) -> Result<(), PropertiesError> {
    if role.is_empty() {
        return Err(PropertiesError::NoRole);
    }
    for user in users.split(',').map(str::trim) {
        if let Some(account) = accounts.get_mut(user)
            && !account.roles.iter().any(|known| known == role)
        {
            account.roles.push(role.to_owned());
        }
    }
    Ok(())
}
