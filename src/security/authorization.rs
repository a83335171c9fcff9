use std::cell::{Cell, RefCell};
use std::fmt;
use std::sync::Arc;

use super::{Access, Decision, Permission, Principal, Scope, SecurityManager, SecuritySetting};
use crate::core::address::Syntax;
use crate::core::settings::Hierarchy;

/// What the engine asks about rights. All answers are local and short, and hold until the epoch changes.
pub trait Authorizer: fmt::Debug {
    /// Whether the access is allowed.
    fn authorize(&self, access: &Access<'_>) -> bool;

    /// The principal as it is now; none if it may do nothing any more.
    fn refresh(&self, principal: &Principal) -> Option<Principal>;

    /// A number that changes whenever an answer may have.
    fn epoch(&self) -> u64;

    /// Whether an address that the pattern of the access stands for may be closed to its principal. It may say yes where
    /// that is not so.
    fn is_narrowed(&self, access: &Access<'_>) -> bool;

    /// What answers depend on.
    fn scope(&self) -> Scope;
}

/// The manager's word, then the principal's own rules, then its roles by the most specific security-setting. What nobody
/// allows is refused.
pub struct Authorization {
    manager: Arc<dyn SecurityManager>,
    syntax: Syntax,
    settings: RefCell<Hierarchy<SecuritySetting>>,
    replaced: Cell<u64>,
}

impl Authorization {
    /// Permissions by these settings, whose patterns are written in `syntax`.
    pub fn new(manager: Arc<dyn SecurityManager>, syntax: Syntax, settings: Hierarchy<SecuritySetting>) -> Self {
        Self { manager, syntax, settings: RefCell::new(settings), replaced: Cell::new(0) }
    }

    /// What the manager says, or else the principal's own rules.
    fn word(&self, access: &Access<'_>) -> Option<bool> {
        match self.manager.authorize(access) {
            Decision::Allow => Some(true),
            Decision::Deny => Some(false),
            Decision::Undecided => Principal::ruling(access, self.syntax),
        }
    }

    /// Whether it is the manager, or a rule, that lets the principal consume: its word is about the address as a whole.
    fn lets_consume(&self, access: &Access<'_>) -> bool {
        self.word(&Access { permission: Permission::Consume, ..*access }) == Some(true)
    }

    fn setting_allows(&self, access: &Access<'_>) -> bool {
        let settings = self.settings.borrow();
        // A setting for exactly one queue comes before that of its address.
        let own = access.queue.and_then(|queue| settings.get(&format!("{}::{queue}", access.address)));
        let setting = own.or_else(|| settings.most_specific(access.address));
        setting.is_some_and(|setting| setting.allows(access.principal.roles(), access.permission))
    }

    /// Other settings hold from now on.
    pub fn replace(&self, settings: Hierarchy<SecuritySetting>) {
        *self.settings.borrow_mut() = settings;
        self.replaced.set(self.replaced.get() + 1);
    }
}

impl Authorizer for Authorization {
    fn authorize(&self, access: &Access<'_>) -> bool {
        let word = self.word(access);
        if word != Some(true) && is_of_a_queue(access.permission) && self.lets_consume(access) {
            // Whoever lets somebody consume lets them make, and end, what that takes, unless a rule says otherwise.
            return Principal::ruling(access, self.syntax).unwrap_or(true);
        }
        word.unwrap_or_else(|| self.setting_allows(access))
    }

    fn is_narrowed(&self, access: &Access<'_>) -> bool {
        let has_rules = access.principal.rules().iter().any(|rule| rule.permission == access.permission);
        if has_rules || self.manager.decides() {
            return true;
        }
        for (pattern, setting) in self.settings.borrow().iter() {
            if !self.syntax.overlaps(pattern, access.address) {
                continue;
            }
            if !setting.allows(access.principal.roles(), access.permission) {
                return true;
            }
            if self.syntax.covers(pattern, access.address) {
                return false; // What is less specific decides about none of the addresses.
            }
        }
        true
    }

    fn refresh(&self, principal: &Principal) -> Option<Principal> {
        self.manager.refresh(principal)
    }

    fn epoch(&self) -> u64 {
        self.manager.epoch() + self.replaced.get()
    }

    fn scope(&self) -> Scope {
        self.manager.scope()
    }
}

/// What a subscription makes and ends beside itself.
fn is_of_a_queue(permission: Permission) -> bool {
    use Permission as P;
    matches!(
        permission,
        P::CreateAddress
            | P::DeleteAddress
            | P::CreateDurableQueue
            | P::DeleteDurableQueue
            | P::CreateNonDurableQueue
            | P::DeleteNonDurableQueue
    )
}

impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorization").field("settings", &self.settings).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;

    use super::super::{ConnectionRequest, Denied};
    use super::*;

    struct Fixed(Decision);

    #[async_trait]
    impl SecurityManager for Fixed {
        async fn authenticate(&self, request: &mut ConnectionRequest) -> Result<Principal, Denied> {
            Ok(request.admit(""))
        }

        fn authorize(&self, _: &Access<'_>) -> Decision {
            self.0
        }
    }

    fn settings(grants: &[(&str, &str)]) -> Hierarchy<SecuritySetting> {
        let mut settings = Hierarchy::default();
        for (pattern, role) in grants {
            let mut setting = SecuritySetting::new();
            setting.grant(Permission::Send, *role);
            settings.insert(*pattern, setting);
        }
        settings
    }

    fn ask(authorization: &Authorization, principal: &Principal, address: &str) -> bool {
        authorization.authorize(&Access::new(principal, "c", Permission::Send, address))
    }

    #[test]
    fn manager_then_rules_then_roles_decide() {
        let of = |decision| {
            Authorization::new(Arc::new(Fixed(decision)), Syntax::default(), settings(&[("#", "all"), ("a.b", "few")]))
        };
        let all = Principal::of("ann").with_roles(["all"]);
        let own = all.clone().deny(Permission::Send, "x").allow(Permission::Send, "a.b");
        let undecided = of(Decision::Undecided);
        for (principal, address, expected) in
            [(&all, "x", true), (&all, "a.b", false), (&own, "x", false), (&own, "a.b", true), (&own, "y", true)]
        {
            assert_eq!(ask(&undecided, principal, address), expected, "{principal:?} {address}");
            assert!(ask(&of(Decision::Allow), principal, address));
            assert!(!ask(&of(Decision::Deny), principal, address));
        }
    }

    #[test]
    fn who_lets_somebody_consume_lets_them_make_what_that_takes() {
        struct OnlyConsume;

        #[async_trait]
        impl SecurityManager for OnlyConsume {
            async fn authenticate(&self, request: &mut ConnectionRequest) -> Result<Principal, Denied> {
                Ok(request.admit(""))
            }

            fn authorize(&self, access: &Access<'_>) -> Decision {
                if access.permission == Permission::Consume { Decision::Allow } else { Decision::Deny }
            }
        }

        let may = |manager: Arc<dyn SecurityManager>, principal: &Principal, permission| {
            let authorization = Authorization::new(manager, Syntax::default(), settings(&[]));
            authorization.authorize(&Access::new(principal, "c", permission, "a").to_queue("c.a"))
        };
        let nobody = Principal::of("ann");
        let ruled = nobody.clone().allow(Permission::Consume, "#");
        let denied = ruled.clone().deny(Permission::CreateDurableQueue, "#");
        let undecided = || Arc::new(Fixed(Decision::Undecided));
        assert!(may(Arc::new(OnlyConsume), &nobody, Permission::CreateDurableQueue));
        assert!(!may(Arc::new(OnlyConsume), &nobody, Permission::Send));
        assert!(!may(Arc::new(OnlyConsume), &denied, Permission::CreateDurableQueue));
        assert!(may(undecided(), &ruled, Permission::CreateAddress) && !may(undecided(), &ruled, Permission::Manage));
        assert!(!may(undecided(), &denied, Permission::CreateDurableQueue));
        assert!(!may(undecided(), &nobody, Permission::CreateDurableQueue));
    }

    #[test]
    fn a_pattern_is_narrowed_where_a_setting_within_it_decides_otherwise() {
        let of = |grants| Authorization::new(Arc::new(super::super::OpenSecurity), Syntax::default(), settings(grants));
        let ann = Principal::of("ann").with_roles(["all"]);
        let check = |authorization: &Authorization, pattern: &str, expected: bool| {
            let access = Access::new(&ann, "c", Permission::Send, pattern);
            assert_eq!(authorization.is_narrowed(&access), expected, "{pattern}");
        };
        let closed = of(&[("#", "all"), ("a.secret", "few"), ("b.*", "all")]);
        for (pattern, expected) in [
            ("#", true),
            ("a.#", true),
            ("*.secret", true),
            ("a.*", true),
            ("a.b", false),
            ("c.#", false),
            ("b.*", false),
            ("b.#", false),
        ] {
            check(&closed, pattern, expected);
        }
        // Where the wider one is closed, and the narrower covers all.
        let inner = of(&[("#", "few"), ("a.#", "all")]);
        check(&inner, "a.*", false);
        check(&inner, "*", true);
        let rules = ann.clone().deny(Permission::Send, "x");
        assert!(closed.is_narrowed(&Access::new(&rules, "c", Permission::Send, "c.#")));
    }

    #[test]
    fn replaced_settings_are_another_epoch() {
        let authorization =
            Authorization::new(Arc::new(Fixed(Decision::Undecided)), Syntax::default(), settings(&[("#", "all")]));
        let (epoch, ann) = (authorization.epoch(), Principal::of("ann").with_roles(["all"]));
        assert!(ask(&authorization, &ann, "a"));
        authorization.replace(settings(&[]));
        assert!(!ask(&authorization, &ann, "a"));
        assert_ne!(authorization.epoch(), epoch);
    }
}
