use std::str::FromStr;

use async_trait::async_trait;

use super::{Authenticated, AuthenticationRequest, Denied, SecurityManager};

/// One way to log in.
#[async_trait]
pub trait LoginModule: Send + Sync {
    /// Names the principal, or none when the module has nothing to say about this client.
    ///
    /// # Errors
    /// Why this module refuses; what that means for the client is decided by the module's [`Flag`].
    async fn login(&self, request: &AuthenticationRequest) -> Result<Option<Authenticated>, Denied>;
}

/// What a module's answer means for the whole login, as in JAAS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flag {
    /// It must not refuse; the modules after it are asked in any case.
    Required,
    /// It must not refuse; when it does, no other module is asked.
    Requisite,
    /// When it succeeds, no other module is asked; when it refuses, the next one is.
    Sufficient,
    /// It may refuse.
    Optional,
}

/// A word that is none of `required`, `requisite`, `sufficient`, `optional`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is none of required, requisite, sufficient, optional")]
pub struct UnknownFlag(String);

impl FromStr for Flag {
    type Err = UnknownFlag;

    fn from_str(word: &str) -> Result<Self, UnknownFlag> {
        match word.to_ascii_lowercase().as_str() {
            "required" => Ok(Self::Required),
            "requisite" => Ok(Self::Requisite),
            "sufficient" => Ok(Self::Sufficient),
            "optional" => Ok(Self::Optional),
            _ => Err(UnknownFlag(word.to_owned())),
        }
    }
}

/// Login modules asked in order. A client is let in when no required or requisite module refused and at least one
/// module succeeded; a chain without modules lets nobody in.
///
/// With a sufficient properties module before a sufficient guest module, a wrong password logs in as guest.
#[derive(Default)]
pub struct LoginChain {
    modules: Vec<(Flag, Box<dyn LoginModule>)>,
}

impl LoginChain {
    /// A chain of these modules, in this order.
    pub fn new(modules: Vec<(Flag, Box<dyn LoginModule>)>) -> Self {
        Self { modules }
    }
}

#[async_trait]
impl SecurityManager for LoginChain {
    async fn authenticate(&self, request: &AuthenticationRequest) -> Result<Authenticated, Denied> {
        let mut verdict = Verdict::default();
        for (flag, module) in &self.modules {
            let answer = module.login(request).await;
            if verdict.add(*flag, answer) == Next::Stop {
                break;
            }
        }
        verdict.result()
    }
}

#[derive(PartialEq, Eq)]
enum Next {
    Ask,
    Stop,
}

/// The answers so far.
#[derive(Default)]
struct Verdict {
    accepted: Option<Authenticated>,
    refused: Option<Denied>,
    failed: Option<Denied>,
}

impl Verdict {
    fn add(&mut self, flag: Flag, answer: Result<Option<Authenticated>, Denied>) -> Next {
        match answer {
            Ok(None) => Next::Ask,
            Ok(Some(login)) => self.accept(flag, login),
            Err(denied) => self.refuse(flag, denied),
        }
    }

    fn accept(&mut self, flag: Flag, login: Authenticated) -> Next {
        match &mut self.accepted {
            None => self.accepted = Some(login),
            Some(first) => merge(first, login),
        }
        if flag == Flag::Sufficient && self.refused.is_none() { Next::Stop } else { Next::Ask }
    }

    fn refuse(&mut self, flag: Flag, denied: Denied) -> Next {
        let decisive = matches!(flag, Flag::Required | Flag::Requisite) || denied == Denied::InvalidClientId;
        let reason = if decisive { &mut self.refused } else { &mut self.failed };
        reason.get_or_insert(denied);
        // A refused client id is no failed login that a guest module could make good.
        if flag == Flag::Requisite || denied == Denied::InvalidClientId { Next::Stop } else { Next::Ask }
    }

    fn result(self) -> Result<Authenticated, Denied> {
        match self.refused {
            Some(denied) => Err(denied),
            None => self.accepted.ok_or(self.failed.unwrap_or(Denied::BadCredentials)),
        }
    }
}

/// Adds the roles of `next`; user and client id stay those of the first module that gave one.
fn merge(first: &mut Authenticated, next: Authenticated) {
    for role in next.principal.roles {
        if !first.principal.roles.contains(&role) {
            first.principal.roles.push(role);
        }
    }
    first.client_id = first.client_id.take().or(next.client_id);
}

#[cfg(test)]
mod tests {
    use super::super::authentication::now;
    use super::super::{GuestLogin, GuestOptions, Principal, PropertiesLogin, PropertiesOptions};
    use super::*;

    struct Fixed(Result<Option<&'static str>, Denied>);

    #[async_trait]
    impl LoginModule for Fixed {
        async fn login(&self, _: &AuthenticationRequest) -> Result<Option<Authenticated>, Denied> {
            let roles = |user: &str| vec!["all".to_owned(), format!("role-{user}")];
            self.0.map(|user| user.map(|user| Authenticated::new(Principal::new(user, roles(user)))))
        }
    }

    const A: Fixed = Fixed(Ok(Some("a")));
    const B: Fixed = Fixed(Ok(Some("b")));
    const SILENT: Fixed = Fixed(Ok(None));
    const WRONG: Fixed = Fixed(Err(Denied::BadCredentials));
    const DOWN: Fixed = Fixed(Err(Denied::Unavailable));
    const BAD_ID: Fixed = Fixed(Err(Denied::InvalidClientId));

    /// User and number of roles of the login.
    fn check<const N: usize>(modules: [(&str, Fixed); N], expected: Result<(&str, usize), Denied>) {
        let boxed = |(flag, module): (&str, Fixed)| (flag.parse().unwrap(), Box::new(module) as Box<dyn LoginModule>);
        let words = modules.each_ref().map(|(flag, module)| (flag.to_string(), module.0));
        let chain = LoginChain::new(modules.into_iter().map(boxed).collect());
        let result = now(chain.authenticate(&AuthenticationRequest::new("MQTT", "c")));
        let found = result.map(|login| (login.principal.user, login.principal.roles.len()));
        assert_eq!(found, expected.map(|(user, roles)| (user.to_owned(), roles)), "{words:?}");
    }

    #[test]
    fn nobody_is_let_in_without_a_success() {
        check([], Err(Denied::BadCredentials));
        check([("required", SILENT), ("optional", SILENT)], Err(Denied::BadCredentials));
        check([("optional", WRONG)], Err(Denied::BadCredentials));
        check([("sufficient", DOWN)], Err(Denied::Unavailable));
    }

    #[test]
    fn required_refusals_decide_and_the_rest_is_asked() {
        check([("required", A), ("required", B)], Ok(("a", 3)));
        check([("required", A), ("required", WRONG)], Err(Denied::BadCredentials));
        check([("required", WRONG), ("required", DOWN)], Err(Denied::BadCredentials));
        check([("required", DOWN), ("sufficient", A)], Err(Denied::Unavailable));
        check([("required", WRONG), ("requisite", DOWN)], Err(Denied::BadCredentials));
    }

    #[test]
    fn requisite_refusals_end_the_login() {
        check([("requisite", DOWN), ("required", WRONG)], Err(Denied::Unavailable));
        check([("requisite", A), ("optional", B)], Ok(("a", 3)));
        check([("requisite", WRONG), ("sufficient", A)], Err(Denied::BadCredentials));
    }

    #[test]
    fn sufficient_successes_end_the_login() {
        check([("sufficient", A), ("required", WRONG)], Ok(("a", 2)));
        check([("sufficient", WRONG), ("sufficient", B)], Ok(("b", 2)));
        check([("sufficient", WRONG), ("required", B)], Ok(("b", 2)));
        check([("optional", A), ("sufficient", WRONG)], Ok(("a", 2)));
    }

    #[test]
    fn a_refused_client_id_is_final() {
        check([("sufficient", BAD_ID), ("sufficient", A)], Err(Denied::InvalidClientId));
        check([("optional", A), ("optional", BAD_ID)], Err(Denied::InvalidClientId));
    }

    #[test]
    fn flags_are_the_words_of_jaas() {
        assert_eq!("SUFFICIENT".parse(), Ok(Flag::Sufficient));
        assert_eq!(
            "maybe".parse::<Flag>().unwrap_err().to_string(),
            "'maybe' is none of required, requisite, sufficient, optional"
        );
    }

    #[test]
    fn the_first_client_id_given_is_kept() {
        let login = |user: &str, id: Option<&str>| {
            let login = Authenticated::new(Principal::new(user, Vec::new()));
            id.into_iter().fold(login, Authenticated::with_client_id)
        };
        let mut verdict = Verdict::default();
        for (user, id) in [("a", None), ("b", Some("b1")), ("c", Some("c1"))] {
            verdict.add(Flag::Required, Ok(Some(login(user, id))));
        }
        assert_eq!(verdict.result(), Ok(login("a", Some("b1"))));
    }

    #[test]
    fn a_wrong_password_becomes_a_guest_where_guests_suffice() {
        let users = vec![("ann".to_owned(), "secret".to_owned())];
        let properties = PropertiesLogin::new(PropertiesOptions { users, roles: Vec::new() }).unwrap();
        let guest = GuestLogin::new(GuestOptions::default());
        let chain =
            LoginChain::new(vec![(Flag::Sufficient, Box::new(properties)), (Flag::Sufficient, Box::new(guest))]);
        for (password, user) in [("secret", "ann"), ("wrong", "guest")] {
            let request = AuthenticationRequest::new("MQTT", "c").with_credentials("ann", password);
            assert_eq!(now(chain.authenticate(&request)).unwrap().principal.user, user);
        }
    }
}
