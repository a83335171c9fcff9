use std::str::FromStr;
use std::sync::Arc;

use async_trait::async_trait;

use super::{ConnectionRequest, Denied, Login, LoginModule, Principal, Scope, SecurityManager, Voucher};

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
    modules: Vec<Link>,
}

struct Link {
    /// Names it among all modules of the broker.
    name: Arc<str>,
    flag: Flag,
    module: Arc<dyn LoginModule>,
}

impl LoginChain {
    /// A chain of these modules, in this order; `domain` is the name it has.
    pub fn new(domain: &str, modules: Vec<(Flag, Arc<dyn LoginModule>)>) -> Self {
        let link = |(number, (flag, module))| Link { name: format!("{domain}/{number}").into(), flag, module };
        Self { modules: modules.into_iter().enumerate().map(link).collect() }
    }

    /// Whether the voucher is of a module of this chain.
    pub(super) fn has(&self, voucher: &Voucher) -> bool {
        self.modules.iter().any(|link| link.name == voucher.module)
    }

    /// Whether nobody is let in whom the voucher's module refuses.
    fn is_needed(&self, voucher: &Voucher) -> bool {
        let link = self.modules.iter().find(|link| link.name == voucher.module);
        link.is_some_and(|link| matches!(link.flag, Flag::Required | Flag::Requisite))
    }

    /// The roles that come of a voucher now; none if its module would not vouch any more.
    fn roles(&self, voucher: &Voucher) -> Option<Vec<String>> {
        self.modules.iter().find(|link| link.name == voucher.module)?.module.roles(&voucher.user)
    }
}

#[async_trait]
impl SecurityManager for LoginChain {
    async fn authenticate(&self, request: &mut ConnectionRequest) -> Result<Principal, Denied> {
        let mut verdict = Verdict::default();
        for link in &self.modules {
            let answer = link.module.login(request).await;
            if verdict.add(link, answer) == Next::Stop {
                break;
            }
        }
        let mut accepted = verdict.result()?;
        let is_guest =
            |name: &Arc<str>| self.modules.iter().any(|link| link.name == *name && link.module.is_anonymous());
        // Whoever is a guest besides is called as the others say: else all would be one user.
        accepted.sort_by_key(|(module, _)| is_guest(module));
        let first = accepted.first().map(|(_, login)| login.user.clone()).unwrap_or_default();
        let is_anonymous = accepted.iter().all(|(module, _)| is_guest(module));
        let vouchers = accepted.iter().map(|(module, login)| Voucher::new(module, &login.user)).collect();
        let roles = accepted.into_iter().flat_map(|(_, login)| login.roles);
        let principal = request.admit(first).with_roles(roles).vouched_by(vouchers);
        Ok(if is_anonymous { principal.anonymous() } else { principal })
    }

    fn answers_at_once(&self, request: &ConnectionRequest) -> bool {
        self.modules.iter().all(|link| link.module.answers_at_once(request))
    }

    fn refresh(&self, principal: &Principal) -> Option<Principal> {
        let [first, ..] = principal.vouchers() else { return Some(principal.clone()) };
        let mut roles = Vec::new();
        for voucher in principal.vouchers() {
            match self.roles(voucher) {
                Some(of_module) => roles.extend(of_module),
                // The user is called as the first says, and others must still vouch as they had to.
                None if voucher == first || self.is_needed(voucher) => return None,
                None => {}
            }
        }
        if principal.has_own_roles() {
            return Some(principal.clone());
        }
        let vouchers = principal.vouchers().to_vec();
        Some(principal.clone().without_roles().with_roles(roles).vouched_by(vouchers))
    }

    fn epoch(&self) -> u64 {
        self.modules.iter().map(|link| link.module.epoch()).sum()
    }

    fn decides(&self) -> bool {
        false
    }

    fn scope(&self) -> Scope {
        Scope::Roles
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
    accepted: Vec<(Arc<str>, Login)>,
    refused: Option<Denied>,
    failed: Option<Denied>,
}

impl Verdict {
    fn add(&mut self, link: &Link, answer: Result<Option<Login>, Denied>) -> Next {
        match answer {
            Ok(None) => Next::Ask,
            Ok(Some(login)) => {
                self.accepted.push((link.name.clone(), login));
                if link.flag == Flag::Sufficient && self.refused.is_none() { Next::Stop } else { Next::Ask }
            }
            Err(denied) => self.refuse(link.flag, denied),
        }
    }

    fn refuse(&mut self, flag: Flag, denied: Denied) -> Next {
        // A refused client id or a ban is no failed login that a guest module could make good.
        let is_final = matches!(denied, Denied::InvalidClientId | Denied::Banned);
        let is_decisive = is_final || matches!(flag, Flag::Required | Flag::Requisite);
        let reason = if is_decisive { &mut self.refused } else { &mut self.failed };
        reason.get_or_insert(denied);
        if flag == Flag::Requisite || is_final { Next::Stop } else { Next::Ask }
    }

    /// One login at least.
    fn result(self) -> Result<Vec<(Arc<str>, Login)>, Denied> {
        match self.refused {
            Some(denied) => Err(denied),
            None if self.accepted.is_empty() => Err(self.failed.unwrap_or(Denied::BadCredentials)),
            None => Ok(self.accepted),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::manager::now;
    use super::super::{GuestLogin, GuestOptions, PropertiesLogin, PropertiesOptions};
    use super::*;

    struct Fixed(Result<Option<&'static str>, Denied>);

    #[async_trait]
    impl LoginModule for Fixed {
        async fn login(&self, _: &ConnectionRequest) -> Result<Option<Login>, Denied> {
            let roles = |user: &str| vec!["all".to_owned(), format!("role-{user}")];
            self.0.map(|user| user.map(|user| Login::new(user, roles(user))))
        }

        fn roles(&self, _: &str) -> Option<Vec<String>> {
            None
        }
    }

    const A: Fixed = Fixed(Ok(Some("a")));
    const B: Fixed = Fixed(Ok(Some("b")));
    const SILENT: Fixed = Fixed(Ok(None));
    const WRONG: Fixed = Fixed(Err(Denied::BadCredentials));
    const DOWN: Fixed = Fixed(Err(Denied::Unavailable));
    const BAD_ID: Fixed = Fixed(Err(Denied::InvalidClientId));
    const BANNED: Fixed = Fixed(Err(Denied::Banned));

    /// User and number of roles of the login.
    fn check<const N: usize>(modules: [(&str, Fixed); N], expected: Result<(&str, usize), Denied>) {
        let boxed = |(flag, module): (&str, Fixed)| (flag.parse().unwrap(), Arc::new(module) as Arc<dyn LoginModule>);
        let words = modules.each_ref().map(|(flag, module)| (flag.to_string(), module.0));
        let chain = LoginChain::new("activemq", modules.into_iter().map(boxed).collect());
        let result = now(chain.authenticate(&mut ConnectionRequest::new("MQTT", "c")));
        let found = result.map(|principal| (principal.user().to_owned(), principal.roles().len()));
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
        check([("optional", BANNED), ("sufficient", A)], Err(Denied::Banned));
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
    fn roles_are_those_of_the_modules_that_let_it_in() {
        let pairs = |key: &str, value: &str| vec![(key.to_owned(), value.to_owned())];
        let options = PropertiesOptions { users: pairs("guest", "secret"), roles: pairs("amq", "guest") };
        let users = Arc::new(PropertiesLogin::new(options).unwrap());
        let guest = Arc::new(GuestLogin::new(GuestOptions::default()));
        let chain =
            LoginChain::new("activemq", vec![(Flag::Sufficient, users.clone()), (Flag::Sufficient, guest.clone())]);
        let login = |password: &str| {
            let mut request = ConnectionRequest::new("MQTT", "c").with_credentials("guest", password);
            now(chain.authenticate(&mut request)).unwrap()
        };
        let (user, guest) = (login("secret"), login("wrong"));
        assert_eq!((user.roles(), guest.roles()), (&["amq".to_owned()][..], &["guests".to_owned()][..]));
        assert_eq!((chain.refresh(&user), chain.refresh(&guest)), (Some(user.clone()), Some(guest.clone())));
        let epoch = chain.epoch();
        users.replace(PropertiesOptions { users: pairs("guest", "other"), roles: pairs("few", "guest") }).unwrap();
        assert!(chain.epoch() > epoch);
        assert_eq!(chain.refresh(&user).unwrap().roles(), ["few"]);
        assert_eq!(chain.refresh(&guest), Some(guest));
        users.replace(PropertiesOptions { users: pairs("ann", "x"), roles: Vec::new() }).unwrap();
        assert_eq!(chain.refresh(&user), None);
    }

    fn users(user: &str, role: &str) -> PropertiesOptions {
        let pair = |key: &str, value: &str| vec![(key.to_owned(), value.to_owned())];
        PropertiesOptions { users: pair(user, "secret"), roles: pair(role, user) }
    }

    fn login(chain: &LoginChain, user: &str) -> Result<Principal, Denied> {
        now(chain.authenticate(&mut ConnectionRequest::new("MQTT", "c").with_credentials(user, "secret")))
    }

    #[test]
    fn a_user_whom_a_module_must_let_in_is_none_once_it_would_not() {
        for (flag, is_still_let_in) in [(Flag::Required, false), (Flag::Requisite, false), (Flag::Optional, true)] {
            let [one, two] = ["one", "two"].map(|role| Arc::new(PropertiesLogin::new(users("ann", role)).unwrap()));
            let chain = LoginChain::new("activemq", vec![(Flag::Required, one), (flag, two.clone())]);
            let principal = login(&chain, "ann").unwrap();
            let own = principal.clone().with_roles(["own"]);
            assert_eq!(principal.roles(), ["one", "two"]);
            assert_eq!((chain.refresh(&principal), chain.refresh(&own)), (Some(principal.clone()), Some(own.clone())));
            two.replace(users("bob", "two")).unwrap();
            let roles = |principal: Principal| principal.roles().to_vec();
            let anew = login(&chain, "ann").ok().map(roles);
            assert_eq!(anew.is_some(), is_still_let_in, "{flag:?}");
            assert_eq!(chain.refresh(&principal).map(roles), anew);
            assert_eq!(chain.refresh(&own).is_some(), is_still_let_in);
        }
    }

    #[test]
    fn whoever_is_a_guest_besides_has_a_name_of_its_own() {
        let properties = Arc::new(PropertiesLogin::new(users("ann", "amq")).unwrap());
        let guest = Arc::new(GuestLogin::new(GuestOptions::default()));
        let chain = LoginChain::new("d", vec![(Flag::Optional, guest), (Flag::Optional, properties.clone())]);
        let (ann, eve) = (login(&chain, "ann").unwrap(), login(&chain, "eve").unwrap());
        assert_eq!((ann.user(), ann.is_anonymous(), ann.roles().len()), ("ann", false, 2));
        assert_eq!((eve.user(), eve.is_anonymous(), eve.roles().len()), ("guest", true, 1));
        assert!(ann.may_take_from(&eve) && !eve.may_take_from(&ann));
        properties.replace(users("bob", "amq")).unwrap();
        assert!(!login(&chain, "bob").unwrap().may_take_from(&ann));
        assert_eq!(chain.refresh(&ann), None);
    }

    #[test]
    fn a_wrong_password_becomes_a_guest_where_guests_suffice() {
        let users = vec![("ann".to_owned(), "secret".to_owned())];
        let properties = PropertiesLogin::new(PropertiesOptions { users, roles: Vec::new() }).unwrap();
        let guest = GuestLogin::new(GuestOptions::default());
        let chain =
            LoginChain::new("d", vec![(Flag::Sufficient, Arc::new(properties)), (Flag::Sufficient, Arc::new(guest))]);
        for (password, user) in [("secret", "ann"), ("wrong", "guest")] {
            let mut request = ConnectionRequest::new("MQTT", "c").with_credentials("ann", password);
            assert_eq!(now(chain.authenticate(&mut request)).unwrap().user(), user);
        }
    }
}
