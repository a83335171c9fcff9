use std::sync::Arc;

use super::{Access, ClientLimits, Permission};
use crate::core::address::Syntax;

/// A validated user, its roles, and what it has of its own. Made by [`ConnectionRequest::admit`] only.
///
/// [`ConnectionRequest::admit`]: super::ConnectionRequest::admit
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Principal {
    user: String,
    roles: Vec<String>,
    rules: Vec<Rule>,
    limits: Option<Box<ClientLimits>>,
    vouchers: Vec<Voucher>,
    /// Whether its roles are no longer those of its vouchers.
    has_own_roles: bool,
    is_anonymous: bool,
}

/// The login module that let a user in, and the name it did so for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Voucher {
    pub module: Arc<str>,
    pub user: Box<str>,
}

impl Voucher {
    pub fn new(module: &Arc<str>, user: &str) -> Self {
        Self { module: module.clone(), user: user.into() }
    }
}

/// What a principal may do, or may not, on the addresses of one pattern.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Rule {
    pub permission: Permission,
    pub allows: bool,
    /// In the syntax of addresses. `%u` stands for the user and `%c` for the client id.
    pub pattern: String,
}

impl Rule {
    /// A rule that allows or denies `permission` where `pattern` matches.
    pub fn new(permission: Permission, allows: bool, pattern: impl Into<String>) -> Self {
        Self { permission, allows, pattern: pattern.into() }
    }
}

impl Principal {
    pub(super) fn of(user: impl Into<String>) -> Self {
        Self { user: user.into(), ..Self::default() }
    }

    /// One that was let in before a restart of the broker.
    pub(crate) fn restored(user: &str, roles: Vec<String>, rules: Vec<Rule>) -> Self {
        Self { user: user.to_owned(), roles, rules, ..Self::default() }
    }

    /// The same principal by the word of these, its roles being theirs.
    pub(crate) fn vouched_by(self, vouchers: Vec<Voucher>) -> Self {
        Self { vouchers, has_own_roles: false, ..self }
    }

    /// The same principal, its roles being its own although these let it in.
    pub(crate) fn vouched_by_with_own_roles(self, vouchers: Vec<Voucher>) -> Self {
        Self { vouchers, has_own_roles: true, ..self }
    }

    pub(crate) fn has_own_roles(&self) -> bool {
        self.has_own_roles
    }

    pub(crate) fn vouchers(&self) -> &[Voucher] {
        &self.vouchers
    }

    /// The same principal, standing for everybody who says nothing about themselves.
    #[must_use]
    pub fn anonymous(self) -> Self {
        Self { is_anonymous: true, ..self }
    }

    /// Whether it stands for nobody in particular.
    pub fn is_anonymous(&self) -> bool {
        self.is_anonymous || self.user.is_empty()
    }

    /// Whether it may have what belongs to `owner`: its own, and what belongs to nobody in particular.
    pub fn may_take_from(&self, owner: &Self) -> bool {
        owner.is_anonymous() || !self.is_anonymous() && self.user == owner.user
    }

    /// Name of the user; empty for none.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Names of its roles, each once.
    pub fn roles(&self) -> &[String] {
        &self.roles
    }

    /// Its own rules.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// What its clients may use, where that differs from what holds for all.
    pub fn limits(&self) -> &ClientLimits {
        self.limits.as_deref().unwrap_or(&ClientLimits::NONE)
    }

    /// The same principal with further roles.
    #[must_use]
    pub fn with_roles<R: Into<String>>(mut self, roles: impl IntoIterator<Item = R>) -> Self {
        for role in roles {
            let role = role.into();
            if !self.roles.contains(&role) {
                self.roles.push(role);
                self.has_own_roles = true;
            }
        }
        self
    }

    /// The same principal without any role: only its rules, and its manager, allow it something.
    #[must_use]
    pub fn without_roles(mut self) -> Self {
        self.has_own_roles |= !self.roles.is_empty();
        self.roles.clear();
        self
    }

    /// Allows `permission` where `pattern` matches, whatever the roles say.
    ///
    /// In the pattern `%u` stands for the user and `%c` for the client id, each as part of a single literal word: a user
    /// called `#` gains nothing by its name.
    #[must_use]
    pub fn allow(mut self, permission: Permission, pattern: impl Into<String>) -> Self {
        self.rules.push(Rule::new(permission, true, pattern));
        self
    }

    /// Denies `permission` where `pattern` matches, whatever else allows it.
    #[must_use]
    pub fn deny(mut self, permission: Permission, pattern: impl Into<String>) -> Self {
        self.rules.push(Rule::new(permission, false, pattern));
        self
    }

    /// The same principal under another name, still vouched for by those who let it in.
    pub(super) fn called(self, user: String) -> Self {
        let is_anonymous = self.is_anonymous && user == self.user;
        Self { user, is_anonymous, ..self }
    }

    /// The same principal without rules of its own.
    pub(super) fn without_rules(self) -> Self {
        Self { rules: Vec::new(), ..self }
    }

    /// The same principal with further rules.
    #[must_use]
    pub fn with_rules(mut self, rules: impl IntoIterator<Item = Rule>) -> Self {
        self.rules.extend(rules);
        self
    }

    /// The same principal with limits of its own.
    #[must_use]
    pub fn with_limits(mut self, limits: ClientLimits) -> Self {
        self.limits = Some(Box::new(limits));
        self
    }

    /// What its own rules say: a matching denial counts before a matching permission.
    pub(super) fn ruling(access: &Access<'_>, syntax: Syntax) -> Option<bool> {
        let matching = access
            .principal
            .rules
            .iter()
            .filter(|rule| rule.permission == access.permission && covers(syntax, &rule.pattern, access));
        matching.map(|rule| rule.allows).min()
    }
}

/// Whether a pattern covers all that the access is to, names put in as literal words.
fn covers(syntax: Syntax, pattern: &str, access: &Access<'_>) -> bool {
    if !pattern.contains('%') {
        return syntax.covers(pattern, access.address);
    }
    let mut literal = String::with_capacity(pattern.len() + 16);
    let mut rest = pattern;
    while let Some(at) = rest.find('%') {
        literal.push_str(&rest[..at]);
        let (name, length) = match rest.as_bytes().get(at + 1) {
            Some(b'u') => (access.principal.user(), 2),
            Some(b'c') => (access.client_id, 2),
            _ => ("%", 1),
        };
        if length == 2 && !syntax.push_literal(name, &mut literal) {
            return false;
        } else if length == 1 {
            literal.push('%');
        }
        rest = &rest[at + length..];
    }
    literal.push_str(rest);
    syntax.covers(&literal, access.address)
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDENTITY: Syntax = Syntax { delimiter: b'/', single: b'+', any: b'#', escape: None };

    fn ruling(principal: &Principal, client_id: &str, address: &str) -> Option<bool> {
        let syntax = if address.contains('/') { IDENTITY } else { Syntax::default() };
        Principal::ruling(&Access::new(principal, client_id, Permission::Send, address), syntax)
    }

    #[test]
    fn denials_count_before_permissions() {
        let rules = Principal::of("ann").deny(Permission::Send, "a.secret").allow(Permission::Send, "a.#");
        assert_eq!(ruling(&rules, "c", "a.b"), Some(true));
        assert_eq!(ruling(&rules, "c", "a.secret"), Some(false));
        assert_eq!(ruling(&rules, "c", "b"), None);
        assert_eq!(ruling(&Principal::of("ann").allow(Permission::Consume, "#"), "c", "a"), None);
    }

    #[test]
    fn cve_2017_7650_names_in_patterns_are_no_patterns() {
        let of = |user: &str| Principal::of(user).allow(Permission::Send, "a.%u.#").allow(Permission::Send, "c.%c");
        for (user, client_id, address, expected) in [
            ("ann", "c1", "a.ann.x", Some(true)),
            ("ann", "c1", "a.bob.x", None),
            ("ann", "c1", "c.c1", Some(true)),
            ("#", "#", "a.bob.x", None),
            ("*", "*", "a.bob.x", None),
            ("#", "#", "a.\\#.x", Some(true)),
            ("b.ob", "c", "a.b.ob.x", None),
            ("b.ob", "c", "a.b\\.ob.x", Some(true)),
            ("ann", "#", "c.x", None),
            ("%c", "bob", "a.bob.x", None),
            ("", "c1", "a.bob.x", None),
        ] {
            assert_eq!(ruling(&of(user), client_id, address), expected, "{user} {client_id} {address}");
        }
        let plain = |user: &str| Principal::of(user).allow(Permission::Send, "a/%u/#");
        for (user, address, expected) in
            [("ann", "a/ann/x", Some(true)), ("+", "a/bob/x", None), ("#", "a/b/x", None), ("a/b", "a/a/b/x", None)]
        {
            assert_eq!(ruling(&plain(user), "c", address), expected, "{user} {address}");
        }
    }

    #[test]
    fn roles_are_kept_once() {
        let principal = Principal::of("ann").with_roles(["a", "b"]).with_roles(["b", "c"]);
        assert_eq!(principal.roles(), ["a", "b", "c"]);
        assert!(principal.without_roles().roles().is_empty());
    }
}
