//! What clients may do: answers of the authorizer, kept by address until its epoch changes.

use hashbrown::HashMap;
use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::sync::Arc;

use super::{Engine, Policy, guard};
use crate::core::id::ConsumerKey;
use crate::core::router::Route;
use crate::security::{Access, Authorizer, Permission, Principal, Rule, Scope, Voucher};
use crate::store::record::{ClientRecord, RightsRecord};

/// Classes whose answers are kept on an address, beside the first, of all addresses together.
const VERDICTS_MAX: usize = 1_000_000;

/// Classes beyond which those without a client are forgotten.
const CLASSES_KEPT: usize = 64;

/// No epoch: what has it was not looked at yet.
const NEVER: u64 = u64::MAX;

/// A client's principal, and the class of those who may do the same.
#[derive(Debug, Clone)]
pub(super) struct Rights {
    pub principal: Rc<Principal>,
    client_id: Rc<str>,
    /// Absent where the principal may do nothing.
    class: Option<Rc<Class>>,
    /// When it was last looked at.
    epoch: u64,
}

impl Rights {
    /// To be looked at before the first operation.
    pub fn of(principal: Principal, client_id: Rc<str>) -> Self {
        Self { principal: Rc::new(principal), client_id, class: None, epoch: NEVER }
    }

    /// Those of a client from before a restart.
    pub fn restored(record: &ClientRecord, client_id: Rc<str>) -> Self {
        let rule = |(permission, (allows, pattern)): &(Box<str>, (bool, Box<str>))| {
            Permission::from_name(permission).map(|permission| Rule::new(permission, *allows, &**pattern))
        };
        let voucher = |(module, user): &(Box<str>, Box<str>)| Voucher::new(&Arc::from(&**module), user);
        let RightsRecord { rules, has_own_roles, vouchers, is_anonymous } = &record.rights.0;
        let principal = Principal::restored(
            &record.owner,
            record.roles.iter().map(|role| role.to_string()).collect(),
            rules.iter().filter_map(rule).collect(),
        );
        let vouchers = vouchers.iter().map(voucher).collect();
        let principal =
            if *has_own_roles { principal.vouched_by_with_own_roles(vouchers) } else { principal.vouched_by(vouchers) };
        Self::of(if *is_anonymous { principal.anonymous() } else { principal }, client_id)
    }

    pub fn record(&self) -> RightsRecord {
        let rule = |rule: &Rule| (rule.permission.name().into(), (rule.allows, rule.pattern.as_str().into()));
        let voucher = |voucher: &Voucher| (Box::from(&*voucher.module), voucher.user.clone());
        RightsRecord {
            rules: self.principal.rules().iter().map(rule).collect(),
            has_own_roles: self.principal.has_own_roles(),
            vouchers: self.principal.vouchers().iter().map(voucher).collect(),
            is_anonymous: self.principal.is_anonymous(),
        }
    }
}

/// Clients for which every answer is the same.
#[derive(Debug)]
struct Class {
    number: u64,
}

/// What answers for a client depend on.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Traits {
    user: Option<Box<str>>,
    client_id: Option<Rc<str>>,
    roles: Vec<String>,
    rules: Vec<Rule>,
}

impl Traits {
    fn of(principal: &Principal, client_id: &Rc<str>, scope: Scope) -> Self {
        let names = |part: &str| principal.rules().iter().any(|rule| rule.pattern.contains(part));
        let by_client = scope >= Scope::Client || names("%c");
        let by_user = scope >= Scope::User || names("%u");
        let mut roles = principal.roles().to_vec();
        roles.sort_unstable();
        Self {
            user: by_user.then(|| principal.user().into()),
            client_id: by_client.then(|| client_id.clone()),
            roles,
            rules: principal.rules().to_vec(),
        }
    }
}

/// The classes of all clients, and how many answers are kept for them.
#[derive(Debug, Default)]
pub(super) struct Classes {
    known: HashMap<Traits, Weak<Class>, foldhash::fast::RandomState>,
    next: u64,
    pub epoch: u64,
    verdicts: Rc<Cell<usize>>,
}

impl Classes {
    fn class(&mut self, traits: Traits) -> Rc<Class> {
        if let Some(class) = self.known.get(&traits).and_then(Weak::upgrade) {
            return class;
        }
        if self.known.len() >= CLASSES_KEPT && self.known.len() == self.known.capacity() {
            self.known.retain(|_, class| class.strong_count() > 0);
        }
        let class = Rc::new(Class { number: self.next });
        self.next += 1;
        self.known.insert(traits, Rc::downgrade(&class));
        class
    }

    /// A place for an address's answers.
    pub fn verdicts(&self) -> Verdicts {
        let count = self.verdicts.clone();
        Verdicts { epoch: Cell::new(self.epoch), first: Cell::default(), others: RefCell::default(), count }
    }

    /// The class of some rights, the principal looked at again after a change.
    fn of(&mut self, security: &Rc<dyn Authorizer>, rights: &mut Rights) -> Option<u64> {
        if rights.epoch != self.epoch {
            let fresh = guard::contain(|| security.refresh(&rights.principal)).flatten();
            rights.epoch = self.epoch;
            rights.class = fresh.map(|fresh| {
                let class = self.class(Traits::of(&fresh, &rights.client_id, security.scope()));
                if fresh != *rights.principal {
                    rights.principal = Rc::new(fresh);
                }
                class
            });
        }
        rights.class.as_ref().map(|class| class.number)
    }
}

/// Which permissions a class was asked about, and which it has: a bit each.
#[derive(Debug, Clone, Copy, Default)]
struct Verdict {
    class: u64,
    asked: u16,
    allowed: u16,
}

impl Verdict {
    fn with(self, permission: Permission, allowed: bool) -> Self {
        let bit = 1 << permission as u16;
        Self { asked: self.asked | bit, allowed: self.allowed | (bit * u16::from(allowed)), ..self }
    }
}

/// What is known of the rights on one address. The first class, which mostly is the only one, takes no room of its own.
#[derive(Debug)]
pub(super) struct Verdicts {
    epoch: Cell<u64>,
    first: Cell<Verdict>,
    others: RefCell<HashMap<u64, Verdict, foldhash::fast::RandomState>>,
    count: Rc<Cell<usize>>,
}

impl Verdicts {
    fn get(&self, epoch: u64, class: u64, permission: Permission) -> Option<bool> {
        if self.epoch.get() != epoch {
            self.forget();
            self.epoch.set(epoch);
        }
        let bit = 1 << permission as u16;
        let first = self.first.get();
        let verdict = if first.class == class { first } else { self.others.borrow().get(&class).copied()? };
        (verdict.asked & bit != 0).then_some(verdict.allowed & bit != 0)
    }

    /// Keeps an answer, unless too many are kept already.
    fn put(&self, class: u64, permission: Permission, allowed: bool) {
        let first = self.first.get();
        if first.class == class || first.asked == 0 {
            return self.first.set(Verdict { class, ..first }.with(permission, allowed));
        }
        let mut others = self.others.borrow_mut();
        if let Some(known) = others.get_mut(&class) {
            *known = known.with(permission, allowed);
        } else if self.count.get() < VERDICTS_MAX {
            self.count.set(self.count.get() + 1);
            others.insert(class, Verdict { class, ..Verdict::default() }.with(permission, allowed));
        }
    }

    fn forget(&self) {
        let mut others = self.others.borrow_mut();
        self.count.set(self.count.get() - others.len());
        *others = HashMap::default();
        self.first.set(Verdict::default());
    }
}

impl Drop for Verdicts {
    fn drop(&mut self) {
        self.forget();
    }
}

/// Whether the bearer of `rights` may do something on the address of a route.
fn verdict(
    security: Option<&Rc<dyn Authorizer>>,
    classes: &mut Classes,
    rights: &mut Rights,
    route: &Route<Policy>,
    permission: Permission,
) -> bool {
    let Some(security) = security else { return true };
    let Some(class) = classes.of(security, rights) else { return false };
    if let Some(known) = route.policy.verdicts.get(classes.epoch, class, permission) {
        return known;
    }
    let allowed = ask(security, rights, permission, route.address.name());
    route.policy.verdicts.put(class, permission, allowed);
    allowed
}

fn ask(security: &Rc<dyn Authorizer>, rights: &Rights, permission: Permission, address: &str) -> bool {
    let access = Access::new(&rights.principal, &rights.client_id, permission, address);
    // A fault in somebody's security manager allows nothing.
    guard::contain(|| security.authorize(&access)).unwrap_or(false)
}

impl Engine {
    /// Takes note of changes of users, roles and settings.
    pub(super) fn look_at_epoch(&mut self) {
        if let Some(security) = &self.options.security {
            self.classes.epoch = security.epoch();
        }
    }

    /// Whether a client may do something on the address of a route.
    pub(super) fn may(&mut self, key: ConsumerKey, route: &Route<Policy>, permission: Permission) -> bool {
        let rights = &mut self.clients[key.index()].rights;
        verdict(self.options.security.as_ref(), &mut self.classes, rights, route, permission)
    }

    /// The same for one whose client may be gone.
    pub(super) fn may_as(&mut self, rights: &mut Rights, route: &Route<Policy>, permission: Permission) -> bool {
        verdict(self.options.security.as_ref(), &mut self.classes, rights, route, permission)
    }

    /// Whether somebody who is not let in yet may do something on an address.
    pub(super) fn may_as_newcomer(
        &self,
        principal: &Principal,
        client_id: &str,
        permission: Permission,
        address: &str,
    ) -> bool {
        let Some(security) = &self.options.security else { return true };
        let access = Access::new(principal, client_id, permission, address);
        guard::contain(|| security.authorize(&access)).unwrap_or(false)
    }

    /// As [`Engine::may_on`], for a queue of the address.
    pub(super) fn may_on_queue(
        &mut self,
        key: ConsumerKey,
        address: &str,
        queue: &str,
        permission: Permission,
    ) -> bool {
        let Some(security) = &self.options.security else { return true };
        let rights = &mut self.clients[key.index()].rights;
        let is_known = self.classes.of(security, rights).is_some();
        let access = Access::new(&rights.principal, &rights.client_id, permission, address).to_queue(queue);
        is_known && guard::contain(|| security.authorize(&access)).unwrap_or(false)
    }

    /// Whether an address that the pattern stands for may be closed to a client.
    pub(super) fn is_narrowed_by(&mut self, key: ConsumerKey, pattern: &str) -> bool {
        let Some(security) = &self.options.security else { return false };
        let rights = &mut self.clients[key.index()].rights;
        if self.classes.of(security, rights).is_none() {
            return true;
        }
        let access = Access::new(&rights.principal, &rights.client_id, Permission::Consume, pattern);
        guard::contain(|| security.is_narrowed(&access)).unwrap_or(true)
    }

    /// Whether a client may do something on an address, or on all that a pattern stands for. Nothing is kept.
    pub(super) fn may_on(&mut self, key: ConsumerKey, address: &str, permission: Permission) -> bool {
        let Some(security) = &self.options.security else { return true };
        let rights = &mut self.clients[key.index()].rights;
        self.classes.of(security, rights).is_some() && ask(security, rights, permission, address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_kept_by_class_and_permission_until_the_epoch_changes() {
        let classes = Classes::default();
        let verdicts = classes.verdicts();
        for class in [3, 0, 7] {
            assert_eq!(verdicts.get(0, class, Permission::Send), None);
            verdicts.put(class, Permission::Send, class > 0);
            verdicts.put(class, Permission::Consume, class == 0);
        }
        for class in [0, 3, 7] {
            assert_eq!(verdicts.get(0, class, Permission::Send), Some(class > 0));
            assert_eq!(verdicts.get(0, class, Permission::Consume), Some(class == 0));
            assert_eq!(verdicts.get(0, class, Permission::Manage), None);
        }
        assert_eq!(classes.verdicts.get(), 2);
        assert_eq!(verdicts.get(1, 3, Permission::Send), None);
        assert_eq!(classes.verdicts.get(), 0);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let classes = Classes::default();
        let (one, two) = (classes.verdicts(), classes.verdicts());
        classes.verdicts.set(VERDICTS_MAX - 1);
        for class in 0..3 {
            one.put(class, Permission::Send, true);
            two.put(class, Permission::Send, true);
        }
        assert_eq!(classes.verdicts.get(), VERDICTS_MAX);
        let kept =
            |verdicts: &Verdicts| (0..3).filter(|class| verdicts.get(0, *class, Permission::Send).is_some()).count();
        assert_eq!((kept(&one), kept(&two)), (2, 1));
        drop(one);
        assert_eq!(classes.verdicts.get(), VERDICTS_MAX - 1);
        classes.verdicts.set(0);
    }
}
