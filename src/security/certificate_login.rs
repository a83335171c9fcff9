use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use regex::Regex;

use super::{ConnectionRequest, Denied, Login, LoginModule};

/// The entries of the files of certificate users and roles.
#[derive(Clone, Debug, Default)]
pub struct CertificateOptions {
    /// `name = distinguished name`, or `name = /regular expression/` for the whole of it.
    pub users: Vec<(String, String)>,
    /// `role = user,user`.
    pub roles: Vec<(String, String)>,
}

/// Certificate users that cannot be used. There is no fallback.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// The file has no entry.
    #[error("no users are defined")]
    NoUsers,
    /// A user or a role has no name.
    #[error("a user or a role has an empty name")]
    NoName,
    /// A user has no distinguished name.
    #[error("user '{0}' has no distinguished name")]
    NoSubject(String),
    /// A user's expression between slashes is none.
    #[error("user '{user}': {message}")]
    Expression { user: String, message: String },
}

/// Login by the subject of a client certificate that TLS has verified, as Artemis's `TextFileCertificateLoginModule`.
#[derive(Debug)]
pub struct CertificateLogin {
    users: RwLock<Arc<Users>>,
    epoch: AtomicU64,
}

#[derive(Debug, Default)]
struct Users {
    by_subject: HashMap<String, String>,
    by_expression: Vec<(Regex, String)>,
    roles: HashMap<String, Vec<String>>,
}

impl CertificateLogin {
    /// Checks and takes over users and roles.
    ///
    /// # Errors
    /// The first entry that cannot be used.
    pub fn new(options: CertificateOptions) -> Result<Self, CertificateError> {
        if options.users.is_empty() {
            return Err(CertificateError::NoUsers);
        }
        let users = RwLock::new(Arc::new(Users::new(options)?));
        Ok(Self { users, epoch: AtomicU64::new(0) })
    }

    /// Takes over other users and roles, which hold from now on, for clients that are connected as well. Without users
    /// nobody is let in any more.
    ///
    /// # Errors
    /// The first entry that cannot be used; then nothing changes.
    pub fn replace(&self, options: CertificateOptions) -> Result<(), CertificateError> {
        let users = Arc::new(Users::new(options)?);
        *self.users.write().unwrap_or_else(PoisonError::into_inner) = users;
        self.epoch.fetch_add(1, Ordering::Release);
        Ok(())
    }

    fn users(&self) -> Arc<Users> {
        self.users.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Users {
    fn new(options: CertificateOptions) -> Result<Self, CertificateError> {
        let mut users = Self::default();
        for (user, subject) in options.users {
            users.add(user, &subject)?;
        }
        for (role, members) in &options.roles {
            if role.is_empty() {
                return Err(CertificateError::NoName);
            }
            for user in members.split(',').map(str::trim) {
                if let Some(roles) = users.roles.get_mut(user).filter(|roles| !roles.contains(role)) {
                    roles.push(role.clone());
                }
            }
        }
        Ok(users)
    }

    fn add(&mut self, user: String, subject: &str) -> Result<(), CertificateError> {
        if user.is_empty() {
            return Err(CertificateError::NoName);
        }
        if subject.is_empty() {
            return Err(CertificateError::NoSubject(user));
        }
        self.roles.insert(user.clone(), Vec::new());
        match subject.strip_prefix('/').and_then(|rest| rest.strip_suffix('/')) {
            Some(expression) => {
                // By itself first: what closes a bracket too many would not stand for the whole subject.
                let whole = Regex::new(expression).and_then(|_| Regex::new(&format!("^(?:{expression})$")));
                let whole = whole
                    .map_err(|error| CertificateError::Expression { user: user.clone(), message: error.to_string() })?;
                self.by_expression.push((whole, user));
            }
            None => {
                self.by_subject.insert(canonical(subject), user);
            }
        }
        Ok(())
    }

    fn user_of(&self, subject: &str) -> Option<&str> {
        let exact = self.by_subject.get(&canonical(subject));
        let matching = || self.by_expression.iter().find(|(expression, _)| expression.is_match(subject));
        exact.or_else(|| matching().map(|(_, user)| user)).map(String::as_str)
    }
}

#[async_trait]
impl LoginModule for CertificateLogin {
    async fn login(&self, request: &ConnectionRequest) -> Result<Option<Login>, Denied> {
        let certificate = request.certificate.as_ref().ok_or(Denied::BadCredentials)?;
        let users = self.users();
        let user = users.user_of(&certificate.subject_spaced).ok_or(Denied::BadCredentials)?;
        Ok(Some(Login::new(user, users.roles.get(user).cloned().unwrap_or_default())))
    }

    fn answers_at_once(&self, request: &ConnectionRequest) -> bool {
        request.certificate.is_none()
    }

    fn roles(&self, user: &str) -> Option<Vec<String>> {
        self.users().roles.get(user).cloned()
    }

    fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }
}

/// Login by any client certificate that TLS has verified, under the name of its subject and without roles, as Artemis's
/// `ExternalCertificateLoginModule`.
#[derive(Clone, Copy, Debug)]
pub struct ExternalCertificateLogin;

#[async_trait]
impl LoginModule for ExternalCertificateLogin {
    async fn login(&self, request: &ConnectionRequest) -> Result<Option<Login>, Denied> {
        let certificate = request.certificate.as_ref().ok_or(Denied::BadCredentials)?;
        Ok(Some(Login::new(certificate.subject_spaced.as_str(), Vec::new())))
    }

    fn answers_at_once(&self, _: &ConnectionRequest) -> bool {
        true
    }

    fn roles(&self, _: &str) -> Option<Vec<String>> {
        Some(Vec::new())
    }
}

/// A distinguished name in a form in which spaces around separators and the case of keywords make no difference. Whatever
/// else is white belongs to the value: no other certificate may pass for the one that is meant.
fn canonical(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let (mut is_quoted, mut is_escaped, mut in_keyword, mut is_first) = (false, false, true, false);
    for c in name.trim_matches(' ').chars() {
        if in_keyword && c.is_whitespace() || is_first && c == ' ' {
            continue;
        }
        is_first = false;
        if !is_quoted && !is_escaped && matches!(c, ',' | '+' | '=') {
            out.truncate(out.trim_end_matches(' ').len());
            in_keyword = c != '=';
            is_first = c == '=';
            out.push(c);
            continue;
        }
        is_quoted ^= c == '"' && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
        if in_keyword {
            out.extend(c.to_uppercase());
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::ClientCertificate;
    use super::super::manager::now;
    use super::*;

    // Its subject is as the test of `client_certificate` shows it.
    const NAMES: &[u8] = include_bytes!("testdata/names.der");

    fn open(users: &[(&str, &str)], roles: &[(&str, &str)]) -> Result<CertificateLogin, CertificateError> {
        let pairs = |entries: &[(&str, &str)]| entries.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        CertificateLogin::new(CertificateOptions { users: pairs(users), roles: pairs(roles) })
    }

    fn login(module: &dyn LoginModule, certificate: bool) -> Result<Option<Login>, Denied> {
        let mut request = ConnectionRequest::new("MQTT", "c").with_credentials("admin", "x");
        if certificate {
            let certificate = ClientCertificate::from_chain(vec![NAMES.to_vec()]).unwrap();
            request.certificate = Some(certificate.into());
        }
        now(module.login(&request))
    }

    #[test]
    fn names_and_expressions_are_of_the_whole_subject() {
        let subject = r##"CN="#dev-1"+UID=u7,oid.2.5.4.13=d é,T=Dr,serialnumber=42 + STREET=s 1,EMAILADDRESS=a@example.org,
            OU="a=b#c", OU=" lead  x ", O="Zähler, Söhne + \"Co\" <a;b>\\", C=DE"##;
        for (entry, expected) in [
            (subject, Some("one")),
            ("CN=\"#dev-1\"", None),
            ("/CN=\"#dev-\\d\" .*, C=DE/", Some("one")),
            ("/CN=\"#dev-1\"/", None),
            ("/x|CN=\"#dev-1\"/", None),
        ] {
            let module = open(&[("one", entry), ("two", "CN=two")], &[("amq", "one, two")]).unwrap();
            let expected = expected.map(|user| Login::new(user, vec!["amq".to_owned()]));
            assert_eq!(login(&module, true).ok().flatten(), expected, "{entry}");
            assert_eq!(login(&module, false), Err(Denied::BadCredentials));
        }
    }

    #[test]
    fn any_certificate_is_a_user_to_the_external_module() {
        let user = login(&ExternalCertificateLogin, true).unwrap().unwrap().user;
        assert!(user.starts_with("CN=\"#dev-1\" + UID=u7, "), "{user}");
        assert_eq!(login(&ExternalCertificateLogin, false), Err(Denied::BadCredentials));
    }

    #[test]
    fn a_mistake_lets_nobody_in_and_new_files_hold() {
        assert_eq!(open(&[], &[]).unwrap_err(), CertificateError::NoUsers);
        assert_eq!(open(&[("", "CN=a")], &[]).unwrap_err(), CertificateError::NoName);
        assert_eq!(open(&[("a", "")], &[]).unwrap_err(), CertificateError::NoSubject("a".to_owned()));
        for expression in ["/(/", "/CN=a)|(CN=b/"] {
            assert!(matches!(open(&[("a", expression)], &[]), Err(CertificateError::Expression { .. })));
        }
        let module = open(&[("a", "CN=a")], &[("amq", "a")]).unwrap();
        let wrong = vec![("a".to_owned(), String::new())];
        assert!(module.replace(CertificateOptions { users: wrong, roles: Vec::new() }).is_err());
        assert_eq!((module.epoch(), module.roles("a")), (0, Some(vec!["amq".to_owned()])));
        let users = vec![("b".to_owned(), "CN=b".to_owned())];
        module.replace(CertificateOptions { users, roles: Vec::new() }).unwrap();
        assert_eq!((module.epoch(), module.roles("a"), module.roles("b")), (1, None, Some(Vec::new())));
        module.replace(CertificateOptions::default()).unwrap();
        assert_eq!((module.epoch(), module.roles("b")), (2, None));
    }

    #[test]
    fn spaces_and_case_of_keywords_make_no_difference() {
        for same in [
            "CN=client 1, O=\"Acme, Inc.\", C=DE",
            "cn=client 1,o=\"Acme, Inc.\",c=DE",
            " cn = client 1 , O=\"Acme, Inc.\" ,C=DE ",
        ] {
            assert_eq!(canonical(same), "CN=client 1,O=\"Acme, Inc.\",C=DE");
        }
        assert_ne!(canonical("CN=a"), canonical("CN=A"));
        assert_ne!(canonical("CN=a b"), canonical("CN=ab"));
    }

    /// What Java does not put between quotes, and what stands between them, is told apart.
    #[test]
    fn no_other_subject_passes_for_the_one_that_is_meant() {
        for (other, meant) in [
            ("CN=\tadmin", "CN=admin"),
            ("CN=admin\u{a0}", "CN=admin"),
            ("CN=\u{2003}admin, O=a", "CN=admin, O=a"),
            ("CN=admin\u{a0}, O=a", "CN=admin, O=a"),
            ("CN=\"a= b\"", "CN=\"a=b\""),
            ("CN=\" admin\"", "CN=admin"),
            ("CN=\"admin, O=a\"", "CN=admin, O=a"),
        ] {
            assert_ne!(canonical(other), canonical(meant), "{other:?}");
        }
    }
}
