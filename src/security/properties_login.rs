use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use async_trait::async_trait;

use super::password::Cost;
use super::verified::Verified;
use super::{ConnectionRequest, Denied, HashedPassword, Login, LoginModule, MalformedPassword, StoredPassword};

const PLAIN_ITERATIONS: u32 = 1;

/// The entries of the users and roles files.
#[derive(Clone, Default)]
pub struct PropertiesOptions {
    /// `name = password`, plain, `ENC(...)` or `$argon2id$...`.
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
    /// A user's hash cannot be read.
    #[error("user '{user}': {source}")]
    Password { user: String, source: MalformedPassword },
    /// A role has no name.
    #[error("a role has an empty name")]
    NoRole,
    /// The operating system has no randomness for salts.
    #[error("no randomness for salts: {0}")]
    Randomness(String),
}

/// Login by user name and password, as Artemis's `PropertiesLoginModule`. By default nobody is let in.
///
/// Every attempt costs what the costliest stored password does, whoever the user is.
#[derive(Debug, Default)]
pub struct PropertiesLogin {
    accounts: RwLock<Arc<Accounts>>,
    epoch: AtomicU64,
    /// For how long, and how many, found passwords are remembered.
    memory: (Duration, usize),
}

#[derive(Debug, Default)]
struct Accounts {
    by_user: HashMap<String, Account>,
    /// What every attempt costs.
    cost: Cost,
    /// It goes with the accounts: what was found by earlier files is not remembered.
    verified: Option<Verified>,
}

#[derive(Debug)]
struct Account {
    password: StoredPassword,
    roles: Vec<String>,
}

impl PropertiesLogin {
    /// Checks and takes over users and roles; plain passwords are not kept.
    ///
    /// # Errors
    /// The first entry that cannot be used, or that there is none.
    pub fn new(options: PropertiesOptions) -> Result<Self, PropertiesError> {
        if options.users.is_empty() {
            return Err(PropertiesError::NoUsers);
        }
        let accounts = RwLock::new(Arc::new(Accounts::new(&options)?));
        Ok(Self { accounts, ..Self::default() })
    }

    /// The same, with up to `most` found passwords remembered for `lifetime`, so that they are not hashed again.
    #[must_use]
    pub fn remembering(mut self, lifetime: Duration, most: usize) -> Self {
        self.memory = (lifetime, most);
        let accounts = self.accounts.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(accounts) = Arc::get_mut(accounts) {
            accounts.verified = Verified::new(lifetime, most);
        }
        self
    }

    /// Takes over other users and roles, which hold from now on, for clients that are connected as well. Without users
    /// nobody is let in any more.
    ///
    /// # Errors
    /// The first entry that cannot be used; then nothing changes.
    pub fn replace(&self, options: PropertiesOptions) -> Result<(), PropertiesError> {
        let (lifetime, most) = self.memory;
        let accounts = Accounts { verified: Verified::new(lifetime, most), ..Accounts::new(&options)? };
        *self.accounts.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(accounts);
        self.epoch.fetch_add(1, Ordering::Release);
        Ok(())
    }

    fn accounts(&self) -> Arc<Accounts> {
        self.accounts.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Accounts {
    fn new(options: &PropertiesOptions) -> Result<Self, PropertiesError> {
        let mut by_user = accounts(&options.users)?;
        for (role, users) in &options.roles {
            assign(&mut by_user, role, users)?;
        }
        let costs = by_user.values().map(|account| account.password.cost());
        let cost = costs.fold(Cost::default(), Cost::max);
        Ok(Self { by_user, cost, verified: None })
    }

    /// The account of `user` if `password` is its password.
    fn find(&self, user: &str, password: &[u8], now: Instant) -> Option<&Account> {
        let account = self.by_user.get(user);
        if self.verified.as_ref().is_some_and(|verified| verified.has(user, password, now)) {
            return account;
        }
        let spent = account.map(|account| account.password.cost()).unwrap_or_default();
        self.cost.spend_beyond(spent, password);
        let account = account.filter(|account| account.password.verify(password))?;
        if let Some(verified) = &self.verified {
            verified.remember(user, password, now);
        }
        Some(account)
    }
}

#[async_trait]
impl LoginModule for PropertiesLogin {
    async fn login(&self, request: &ConnectionRequest) -> Result<Option<Login>, Denied> {
        if let Some(user) = &request.certified_user {
            let roles = self.roles(user).ok_or(Denied::BadCredentials)?;
            return Ok(Some(Login::new(user.as_str(), roles)));
        }
        let (Some(user), Some(password)) = (&request.username, &request.password) else {
            return Err(Denied::BadCredentials);
        };
        let accounts = self.accounts();
        let account = accounts.find(user, password.expose(), Instant::now()).ok_or(Denied::BadCredentials)?;
        Ok(Some(Login::new(user.as_str(), account.roles.clone())))
    }

    fn answers_at_once(&self, request: &ConnectionRequest) -> bool {
        request.certified_user.is_some()
            || request.username.is_none()
            || request.password.is_none()
            || self.accounts().by_user.is_empty()
    }

    fn roles(&self, user: &str) -> Option<Vec<String>> {
        self.accounts().by_user.get(user).map(|account| account.roles.clone())
    }

    fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }
}

fn accounts(users: &[(String, String)]) -> Result<HashMap<String, Account>, PropertiesError> {
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

fn stored_password(user: &str, value: &str, salt: &[u8]) -> Result<StoredPassword, PropertiesError> {
    if user.is_empty() {
        return Err(PropertiesError::NoName);
    }
    if value.is_empty() {
        return Err(PropertiesError::NoPassword(user.to_owned()));
    }
    let parsed =
        StoredPassword::parse(value).map_err(|source| PropertiesError::Password { user: user.to_owned(), source })?;
    let hashed = || StoredPassword::Pbkdf2(HashedPassword::with(value.as_bytes(), salt, PLAIN_ITERATIONS));
    Ok(parsed.unwrap_or_else(hashed))
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
    use super::super::manager::now;
    use super::*;

    fn pairs(entries: &[(&str, &str)]) -> Vec<(String, String)> {
        entries.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
    }

    fn open(users: &[(&str, &str)], roles: &[(&str, &str)]) -> Result<PropertiesLogin, PropertiesError> {
        PropertiesLogin::new(PropertiesOptions { users: pairs(users), roles: pairs(roles) })
    }

    fn login(module: &PropertiesLogin, user: &str, password: &str) -> Result<Login, Denied> {
        let request = ConnectionRequest::new("MQTT", "c").with_credentials(user, password);
        now(module.login(&request)).map(|login| login.unwrap())
    }

    #[test]
    fn plain_and_hashed_passwords_log_in_with_their_roles() {
        let hashed = HashedPassword::with(b"secret", b"salt", 3).to_string();
        let users = [("ann", "plain"), ("bob", hashed.as_str())];
        let module = open(&users, &[("amq", "ann, bob"), ("view", "bob,nobody"), ("none", "")]).unwrap();
        assert_eq!(login(&module, "ann", "plain"), Ok(Login::new("ann", vec!["amq".to_owned()])));
        let both = vec!["amq".to_owned(), "view".to_owned()];
        assert_eq!(login(&module, "bob", "secret"), Ok(Login::new("bob", both)));
        assert_eq!(module.accounts().cost, StoredPassword::parse(&hashed).unwrap().unwrap().cost());
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
        let full = ConnectionRequest::new("MQTT", "c").with_credentials("ann", "plain");
        let nameless = ConnectionRequest { username: None, ..full.clone() };
        let without = ConnectionRequest { password: None, ..full.clone() };
        assert!(now(module.login(&full)).is_ok());
        assert_eq!(now(module.login(&nameless)), Err(Denied::BadCredentials));
        assert_eq!(now(module.login(&without)), Err(Denied::BadCredentials));
    }

    #[test]
    fn a_user_whom_a_certificate_proves_needs_no_password() {
        let module = open(&[("ann", "plain")], &[("amq", "ann")]).unwrap();
        let mut request = ConnectionRequest::new("MQTT", "c").with_credentials("ann", "wrong");
        assert_eq!(now(module.login(&request)), Err(Denied::BadCredentials));
        request.certified_user = Some("ann".to_owned());
        assert_eq!(now(module.login(&request)), Ok(Some(Login::new("ann", vec!["amq".to_owned()]))));
        request.certified_user = Some("eve".to_owned());
        assert_eq!(now(module.login(&request)), Err(Denied::BadCredentials));
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

    #[test]
    fn a_mistake_in_new_files_changes_nothing() {
        let module = open(&[("ann", "plain")], &[("amq", "ann")]).unwrap();
        let replace = |users: &[(&str, &str)], roles: &[(&str, &str)]| {
            module.replace(PropertiesOptions { users: pairs(users), roles: pairs(roles) })
        };
        assert_eq!(replace(&[("eve", "")], &[]), Err(PropertiesError::NoPassword("eve".to_owned())));
        assert_eq!((module.epoch(), module.roles("ann")), (0, Some(vec!["amq".to_owned()])));
        assert_eq!(replace(&[("bob", "new")], &[("few", "bob")]), Ok(()));
        assert_eq!((module.epoch(), module.roles("ann")), (1, None));
        assert_eq!(login(&module, "bob", "new"), Ok(Login::new("bob", vec!["few".to_owned()])));
    }

    #[test]
    fn without_users_any_more_nobody_is_let_in() {
        let module = open(&[("ann", "plain")], &[("amq", "ann")]).unwrap().remembering(Duration::from_secs(3600), 10);
        assert!(login(&module, "ann", "plain").is_ok());
        module.replace(PropertiesOptions { users: Vec::new(), roles: pairs(&[("amq", "ann")]) }).unwrap();
        assert_eq!(login(&module, "ann", "plain"), Err(Denied::BadCredentials));
        assert_eq!((module.epoch(), module.roles("ann")), (1, None));
    }

    #[test]
    fn a_password_found_while_files_are_replaced_is_not_remembered() {
        let module = open(&[("ann", "one")], &[]).unwrap().remembering(Duration::from_secs(3600), 10);
        let before = module.accounts();
        module.replace(PropertiesOptions { users: pairs(&[("ann", "two")]), roles: Vec::new() }).unwrap();
        assert!(before.find("ann", b"one", Instant::now()).is_some());
        assert_eq!(login(&module, "ann", "one"), Err(Denied::BadCredentials));
    }

    #[test]
    fn a_remembered_password_holds_only_for_the_files_it_was_found_in() {
        let hashed = |password: &[u8]| HashedPassword::with(password, b"salt", 3).to_string();
        let module = open(&[("ann", &hashed(b"one"))], &[]).unwrap().remembering(Duration::from_secs(3600), 10);
        for _ in 0..2 {
            assert!(login(&module, "ann", "one").is_ok());
            assert_eq!(login(&module, "ann", "two"), Err(Denied::BadCredentials));
        }
        let users = pairs(&[("ann", &hashed(b"two"))]);
        module.replace(PropertiesOptions { users, roles: Vec::new() }).unwrap();
        assert_eq!(login(&module, "ann", "one"), Err(Denied::BadCredentials));
        assert!(login(&module, "ann", "two").is_ok());
        module.replace(PropertiesOptions { users: pairs(&[("bob", "x")]), roles: Vec::new() }).unwrap();
        assert_eq!(login(&module, "ann", "two"), Err(Denied::BadCredentials));
    }
}
