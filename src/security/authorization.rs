use std::cell::{Cell, RefCell};
use std::fmt;
use std::sync::Arc;

use super::{Access, Decision, Principal, Scope, SecurityManager, SecuritySetting};
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

    /// Other settings hold from now on.
    pub fn replace(&self, settings: Hierarchy<SecuritySetting>) {
        *self.settings.borrow_mut() = settings;
        self.replaced.set(self.replaced.get() + 1);
    }
}

impl Authorizer for Authorization {
    fn authorize(&self, access: &Access<'_>) -> bool {
        match self.manager.authorize(access) {
            Decision::Allow => true,
            Decision::Deny => false,
            Decision::Undecided => Principal::ruling(access, self.syntax).unwrap_or_else(|| {
                let settings = self.settings.borrow();
                let setting = settings.most_specific(access.address);
                setting.is_some_and(|setting| setting.allows(access.principal.roles(), access.permission))
            }),
        }
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

impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorization").field("settings", &self.settings).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;

    use super::super::{ConnectionRequest, Denied, Permission};
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
