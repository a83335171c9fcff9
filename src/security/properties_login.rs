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
    aws_lc_rs::rand::fill(&mut salt).map_err(|error| PropertiesError::Randomness(error.to_string()))?;
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
    let parsed =
        HashedPassword::parse(value).map_err(|source| PropertiesError::Password { user: user.to_owned(), source })?;
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

#[cfg(test)]
mod tests {
    use super::super::authentication::now;
    use super::*;

    fn pairs(entries: &[(&str, &str)]) -> Vec<(String, String)> {
        entries.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
    }

    fn open(users: &[(&str, &str)], roles: &[(&str, &str)]) -> Result<PropertiesLogin, PropertiesError> {
        PropertiesLogin::new(PropertiesOptions { users: pairs(users), roles: pairs(roles) })
    }

    fn login(module: &PropertiesLogin, user: &str, password: &str) -> Result<Principal, Denied> {
        let request = AuthenticationRequest::new("MQTT", "c").with_credentials(user, password);
        now(module.login(&request)).map(|login| login.unwrap().principal)
    }

    #[test]
    fn plain_and_hashed_passwords_log_in_with_their_roles() {
        let hashed = HashedPassword::with(b"secret", b"salt", 3).to_string();
        let users = [("ann", "plain"), ("bob", hashed.as_str())];
        let module = open(&users, &[("amq", "ann, bob"), ("view", "bob,nobody"), ("none", "")]).unwrap();
        assert_eq!(login(&module, "ann", "plain"), Ok(Principal::new("ann", vec!["amq".to_owned()])));
        let both = vec!["amq".to_owned(), "view".to_owned()];
        assert_eq!(login(&module, "bob", "secret"), Ok(Principal::new("bob", both)));
        assert_eq!(module.iterations, 3);
    }

    #[test]
    fn all_else_is_refused_alike() {
        let hashed = HashedPassword::with(b"secret", b"salt", 3).to_string();
        let module = open(&[("ann", "plain"), ("bob", &hashed)], &[]).unwrap();
        let wrong = [("ann", ""), ("ann", "secret"), ("ann", "plai"), ("bob", "plain"), ("bob", &hashed), ("eve", "")];
        for (user, password) in wrong {
            assert_eq!(login(&module, user, password), Err(Denied::BadCredentials), "{user} {password}");
        }
    }

    #[test]
    fn name_and_password_must_both_be_there() {
        let module = open(&[("ann", "plain")], &[]).unwrap();
        let full = AuthenticationRequest::new("MQTT", "c").with_credentials("ann", "plain");
        let nameless = AuthenticationRequest { username: None, ..full.clone() };
        let without = AuthenticationRequest { password: None, ..full.clone() };
        assert!(now(module.login(&full)).is_ok());
        assert_eq!(now(module.login(&nameless)), Err(Denied::BadCredentials));
        assert_eq!(now(module.login(&without)), Err(Denied::BadCredentials));
    }

    #[test]
    fn a_mistake_in_a_file_lets_nobody_in() {
        let check = |users: &[(&str, &str)], roles: &[(&str, &str)], expected: &str| {
            assert_eq!(open(users, roles).unwrap_err().to_string().split(" (").next(), Some(expected));
        };
        check(&[], &[("amq", "ann")], "no users are defined");
        check(&[("", "x")], &[], "a user has an empty name");
        check(&[("ann", "")], &[], "user 'ann' has no password");
        check(&[("ann", "1"), ("ann", "2")], &[], "user 'ann' is defined twice");
        check(&[("ann", "1")], &[("", "ann")], "a role has an empty name");
        let malformed = open(&[("ann", "ENC(1024:00:)")], &[]).unwrap_err();
        assert!(matches!(malformed, PropertiesError::Password { user, .. } if user == "ann"));
    }

    #[test]
    fn plain_passwords_are_not_kept() {
        let module = open(&[("ann", "topsecret")], &[]).unwrap();
        assert!(!format!("{module:?}").contains("topsecret"));
    }
}
