//! Which queues get a message: bindings by pattern, and routes cached by address.

use slab::Slab;
use smallvec::SmallVec;
use std::cell::Cell;
use std::rc::Rc;

use crate::core::address::{Syntax, Word};
use crate::core::binding::{Binding, Grant};
use crate::core::id::{BindingKey, Publisher, QueueKey};
use crate::core::message::Address;
use crate::core::trie::{Cursor, Trie};

/// Routes kept.
const ROUTES_MAX: usize = 65_536;

/// Bytes of the names of routes kept; each name is there several times.
const ROUTED_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Routes dropped at a time where more are wanted.
const ROUTES_DROPPED: usize = 1_024;

/// Routes that a change drops at once, and steps that it looks for them; the others are looked at when they are wanted.
const INVALIDATED_AT_ONCE: usize = 1_024;

/// Changes that concern more routes than that, and are kept to look at these.
const BROAD_MAX: usize = 16;

/// The queues of one address, as long as no binding that concerns it changes.
#[derive(Debug)]
pub struct Route<P> {
    pub address: Rc<Address>,
    pub targets: Vec<Target>,
    /// Queues that compete for messages of the address; one of them gets each.
    pub competing: Vec<QueueKey>,
    pub turn: Cell<usize>,
    /// No change up to this one concerns it.
    valid_at: Cell<u64>,
    /// What the owner of the router wants to know about the address at each message.
    pub policy: P,
}

/// A queue on a route.
#[derive(Debug)]
pub struct Target {
    pub queue: QueueKey,
    pub grant: Rc<Grant>,
    /// Bindings that leave out a client's own messages, if any of this queue's does.
    pub excluding: Option<Box<[(Publisher, BindingKey)]>>,
    bindings: SmallVec<[(BindingKey, Generation); 1]>,
}

/// Tells a binding from an earlier one at the same place.
type Generation = u32;

#[derive(Debug)]
struct Bound {
    binding: Binding,
    generation: Generation,
}

/// All bindings, and the cache of routes. `P` is kept per route, made when a route is made.
#[derive(Debug)]
pub struct Router<P> {
    syntax: Syntax,
    bindings: Slab<Bound>,
    next_generation: Generation,
    patterns: Trie<SmallVec<[BindingKey; 2]>>,
    /// Patterns that the trie may find more than once.
    ambiguous: usize,
    routes: hashbrown::HashMap<Box<str>, Rc<Route<P>>, foldhash::fast::RandomState>,
    routed: Trie<Box<str>>,
    routed_bytes: usize,
    changes: u64,
    /// Changes that may concern routes still in the cache, in order, and the last of those.
    broad: Vec<(u64, Rc<str>)>,
    last_broad: u64,
    /// Routes made before this change are out of date.
    forgotten: u64,
    at_once: usize,
}

impl<P> Router<P> {
    pub fn new(syntax: Syntax, seed: u64) -> Self {
        Self {
            syntax,
            bindings: Slab::new(),
            next_generation: 0,
            patterns: Trie::new(seed),
            ambiguous: 0,
            routes: hashbrown::HashMap::default(),
            routed: Trie::new(seed),
            routed_bytes: 0,
            changes: 0,
            broad: Vec::new(),
            last_broad: 0,
            forgotten: 0,
            at_once: INVALIDATED_AT_ONCE,
        }
    }

    pub fn syntax(&self) -> Syntax {
        self.syntax
    }

    /// Adds a binding; routes of matching addresses are made anew.
    pub fn bind(&mut self, binding: Binding) -> BindingKey {
        let pattern = binding.pattern.clone();
        let key = BindingKey::from(self.bindings.insert(Bound { binding, generation: self.next_generation }));
        self.next_generation = self.next_generation.wrapping_add(1);
        self.patterns.entry(self.syntax.pattern(&pattern), SmallVec::new).push(key);
        self.ambiguous += usize::from(is_ambiguous(self.syntax, &pattern));
        self.invalidate(&pattern);
        key
    }

    /// Takes a binding away.
    pub fn unbind(&mut self, key: BindingKey) -> Binding {
        let binding = self.bindings.remove(key.index()).binding;
        if let Some(keys) = self.patterns.get_mut(self.syntax.pattern(&binding.pattern)) {
            keys.retain(|other| *other != key);
            if keys.is_empty() {
                self.patterns.remove(self.syntax.pattern(&binding.pattern));
            }
        }
        self.ambiguous -= usize::from(is_ambiguous(self.syntax, &binding.pattern));
        self.invalidate(&binding.pattern);
        binding
    }

    /// Changes what a binding asks for.
    pub fn change(&mut self, key: BindingKey, grant: Rc<Grant>, exclude: Option<Publisher>) {
        let binding = &mut self.bindings[key.index()].binding;
        binding.grant = grant;
        binding.exclude = exclude;
        let pattern = binding.pattern.clone();
        self.invalidate(&pattern);
    }

    pub fn binding(&self, key: BindingKey) -> &Binding {
        &self.bindings[key.index()].binding
    }

    /// Whether something is bound by exactly this pattern.
    pub fn has_pattern(&self, pattern: &str) -> bool {
        self.patterns.get(self.syntax.pattern(pattern)).is_some()
    }

    /// All bindings, in no order.
    pub fn bindings(&self) -> impl Iterator<Item = &Binding> {
        self.bindings.iter().map(|(_, bound)| &bound.binding)
    }

    /// The route of an address, if it is in the cache.
    pub fn known(&self, address: &str) -> Option<Rc<Route<P>>> {
        self.routes.get(address).filter(|route| self.is_valid(route)).cloned()
    }

    /// The route of an address, from the cache or made now with a policy from `policy`.
    pub fn route(&mut self, address: &str, policy: impl FnOnce() -> P) -> Rc<Route<P>> {
        if let Some(route) = self.routes.get(address) {
            if self.is_valid(route) {
                return route.clone();
            }
            self.drop_routes(&[address.into()]);
        }
        while self.routes.len() >= ROUTES_MAX || self.routed_bytes > ROUTED_BYTES_MAX {
            let dropped: Vec<_> = self.routes.keys().take(ROUTES_DROPPED).cloned().collect();
            self.drop_routes(&dropped);
        }
        let route = Rc::new(self.make_route(address, policy()));
        self.routes.insert(address.into(), route.clone());
        self.routed.insert(self.syntax.words(address).map(Word::Literal), address.into());
        self.routed_bytes += address.len();
        route
    }

    /// Makes all routes anew, with new policies.
    pub fn forget_routes(&mut self) {
        let known: Vec<_> = self.routes.keys().cloned().collect();
        self.drop_routes(&known);
    }

    fn invalidate(&mut self, pattern: &str) {
        self.changes += 1;
        if self.routes.is_empty() {
            return;
        }
        let mut cursor = Cursor::new(self.syntax.pattern(pattern), None);
        let mut stale: SmallVec<[Box<str>; 4]> = SmallVec::new();
        let mut budget = self.at_once;
        while let Some(address) = cursor.next(&self.routed, &mut budget) {
            stale.push(address.clone());
        }
        self.drop_routes(&stale);
        if !cursor.is_finished() {
            self.invalidate_later(pattern);
        }
    }

    /// More routes may be out of date than there is time for: they are when somebody looks.
    fn invalidate_later(&mut self, pattern: &str) {
        if self.broad.len() >= BROAD_MAX {
            self.broad.clear();
            self.forgotten = self.last_broad;
        }
        self.last_broad = self.changes;
        self.broad.push((self.changes, pattern.into()));
    }

    fn is_valid(&self, route: &Route<P>) -> bool {
        let valid_at = route.valid_at.get();
        if valid_at >= self.last_broad {
            return true;
        }
        let concerns = |(change, pattern): &(u64, Rc<str>)| {
            *change > valid_at && self.syntax.matches(pattern, route.address.name())
        };
        let is_valid = valid_at >= self.forgotten && !self.broad.iter().any(concerns);
        if is_valid {
            route.valid_at.set(self.changes);
        }
        is_valid
    }

    fn drop_routes(&mut self, addresses: &[Box<str>]) {
        for address in addresses {
            if self.routes.remove(&**address).is_some() {
                self.routed_bytes -= address.len();
            }
            self.routed.remove(self.syntax.words(address).map(Word::Literal));
        }
    }

    fn make_route(&self, address: &str, policy: P) -> Route<P> {
        let words: SmallVec<[&str; 16]> = self.syntax.words(address).collect();
        let reserved = self.syntax.is_reserved(address);
        let mut keys: Vec<BindingKey> = Vec::new();
        self.patterns.patterns_of(&words, |found| keys.extend_from_slice(found));
        if reserved {
            keys.retain(|key| !self.starts_with_wildcard(*key));
        }
        if self.ambiguous > 0 {
            keys.sort_unstable();
            keys.dedup();
        }
        keys.sort_by_key(|key| self.binding(*key).queue);
        let mut route = Route {
            address: Rc::new(Address::new(address)),
            targets: Vec::with_capacity(keys.len()),
            competing: Vec::new(),
            turn: Cell::new(0),
            valid_at: Cell::new(self.changes),
            policy,
        };
        for same in keys.chunk_by(|a, b| self.binding(*a).queue == self.binding(*b).queue) {
            if self.binding(same[0]).anycast {
                route.competing.push(self.binding(same[0]).queue);
            } else {
                route.targets.push(self.target(same));
            }
        }
        route
    }

    fn starts_with_wildcard(&self, key: BindingKey) -> bool {
        !matches!(self.syntax.pattern(&self.binding(key).pattern).next(), Some(Word::Literal(_)))
    }

    fn target(&self, keys: &[BindingKey]) -> Target {
        let excluding: Vec<_> =
            keys.iter().filter_map(|key| self.binding(*key).exclude.map(|client| (client, *key))).collect();
        Target {
            queue: self.binding(keys[0]).queue,
            grant: self.merged(keys.iter().copied()).unwrap_or_default(),
            excluding: (!excluding.is_empty()).then(|| excluding.into_boxed_slice()),
            bindings: keys.iter().map(|key| (*key, self.bindings[key.index()].generation)).collect(),
        }
    }

    fn merged(&self, mut keys: impl Iterator<Item = BindingKey>) -> Option<Rc<Grant>> {
        let first = self.binding(keys.next()?).grant.clone();
        let Some(second) = keys.next() else { return Some(first) };
        let mut grant = (*first).clone();
        for key in std::iter::once(second).chain(keys) {
            grant.merge(&self.binding(key).grant);
        }
        grant.tags.sort_unstable();
        grant.tags.dedup();
        Some(Rc::new(grant))
    }

    /// What the target asks for of a message by `publisher`; `None` if all its bindings leave that client out.
    pub fn grant_for(&self, target: &Target, publisher: Publisher) -> Option<Rc<Grant>> {
        let Some(excluding) = &target.excluding else {
            return Some(target.grant.clone());
        };
        if excluding.iter().all(|(client, _)| *client != publisher) {
            return Some(target.grant.clone());
        }
        let is_left_out =
            |key: &BindingKey| excluding.iter().any(|(client, other)| other == key && *client == publisher);
        self.merged(target.bindings.iter().map(|(key, _)| *key).filter(|key| !is_left_out(key)))
    }

    /// The same where the target's route may be out of date: bindings that have ended since do not count.
    pub fn grant_now(&self, target: &Target, publisher: Publisher) -> Option<Rc<Grant>> {
        let stands = |(key, generation): &(BindingKey, Generation)| {
            let bound = self.bindings.get(key.index()).filter(|bound| bound.generation == *generation)?;
            (bound.binding.exclude != Some(publisher)).then_some(*key)
        };
        self.merged(target.bindings.iter().filter_map(stands))
    }
}

fn is_ambiguous(syntax: Syntax, pattern: &str) -> bool {
    let mut words = syntax.pattern(pattern).skip_while(|word| *word != Word::Any);
    words.next().is_some() && words.next().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::message::Guarantee;

    fn binding(queue: u32, pattern: &str, guarantee: Guarantee, tag: u32, exclude: Option<Publisher>) -> Binding {
        let grant = Grant { guarantee, keep_retain: false, tags: SmallVec::from_elem(tag, 1) };
        Binding { queue: QueueKey(queue), pattern: pattern.into(), grant: Rc::new(grant), exclude, anycast: false }
    }

    fn router() -> Router<()> {
        Router::new(Syntax::default(), 7)
    }

    #[test]
    fn overlapping_bindings_of_a_queue_make_one_target_with_the_highest_guarantee() {
        let mut router = router();
        router.bind(binding(1, "a.#", Guarantee::AtMostOnce, 10, None));
        router.bind(binding(1, "a.*", Guarantee::ExactlyOnce, 20, None));
        router.bind(binding(2, "a.b", Guarantee::AtLeastOnce, 30, None));
        let route = router.route("a.b", || ());
        assert_eq!(route.targets.len(), 2);
        let both = route.targets.iter().find(|target| target.queue == QueueKey(1)).expect("queue 1");
        assert_eq!(both.grant.guarantee, Guarantee::ExactlyOnce);
        let mut tags = both.grant.tags.to_vec();
        tags.sort_unstable();
        assert_eq!(tags, [10, 20]);
    }

    #[test]
    fn a_binding_that_excludes_the_sender_does_not_count_for_it() {
        let mut router = router();
        router.bind(binding(1, "a.#", Guarantee::ExactlyOnce, 10, Some(Publisher::of_digest(77))));
        router.bind(binding(1, "a.b", Guarantee::AtLeastOnce, 20, None));
        let route = router.route("a.b", || ());
        let own = router.grant_for(&route.targets[0], Publisher::of_digest(77)).expect("the other binding");
        assert_eq!((own.guarantee, own.tags.as_slice()), (Guarantee::AtLeastOnce, &[20][..]));
        let other = router.grant_for(&route.targets[0], Publisher::of_digest(78)).expect("both");
        assert_eq!(other.guarantee, Guarantee::ExactlyOnce);
    }

    #[test]
    fn a_change_drops_only_routes_it_concerns() {
        let mut router = router();
        let (kept, dropped) = (router.route("x.y", || ()), router.route("a.b", || ()));
        let key = router.bind(binding(1, "a.*", Guarantee::AtMostOnce, 1, None));
        assert!(Rc::ptr_eq(&kept, &router.route("x.y", || ())));
        assert!(!Rc::ptr_eq(&dropped, &router.route("a.b", || ())));
        router.unbind(key);
        assert!(router.route("a.b", || ()).targets.is_empty());
    }

    #[test]
    fn a_binding_that_has_ended_does_not_count_on_a_route_from_before() {
        let mut router = router();
        let [any, one] =
            ["a.#", "a.b"].map(|pattern| router.bind(binding(1, pattern, Guarantee::ExactlyOnce, 1, None)));
        let route = router.route("a.b", || ());
        let grant = |router: &Router<()>| router.grant_now(&route.targets[0], Publisher::of_digest(7));
        assert_eq!(grant(&router).expect("both").tags.as_slice(), [1]);
        router.unbind(any);
        router.change(one, Rc::new(Grant { tags: SmallVec::from_elem(2, 1), ..Grant::default() }), None);
        assert_eq!(grant(&router).expect("one").tags.as_slice(), [2]);
        router.unbind(one);
        assert_eq!(grant(&router), None);
        // What takes their places is not what was there.
        router.bind(binding(1, "a.#", Guarantee::ExactlyOnce, 3, None));
        router.bind(binding(1, "a.b", Guarantee::ExactlyOnce, 3, None));
        assert_eq!(grant(&router), None);
    }

    #[test]
    fn changes_that_concern_very_many_routes_are_seen_when_those_are_wanted() {
        let mut router = Router { at_once: 2, ..router() };
        let names: Vec<_> = (0..10).map(|number| format!("{}.{number}", if number < 8 { "a" } else { "b" })).collect();
        let queues = |router: &mut Router<()>| {
            let count = |name: &String| router.route(name, || ()).targets.len();
            names.iter().map(count).collect::<Vec<_>>()
        };
        assert_eq!(queues(&mut router), [0; 10]);
        let kept = router.route("b.9", || ());
        let mut keys = Vec::new();
        for queue in 0..3 * BROAD_MAX {
            let held = router.route("a.7", || ());
            keys.push(router.bind(binding(queue as u32, "a.*", Guarantee::AtMostOnce, 1, None)));
            assert!(router.known("a.7").is_none_or(|route| !Rc::ptr_eq(&held, &route)));
            if queue == 3 {
                assert!(Rc::ptr_eq(&kept, &router.route("b.9", || ())));
            }
            if queue % 5 == 0 {
                assert_eq!(queues(&mut router), [[queue + 1; 8].as_slice(), &[0; 2]].concat());
            }
        }
        for (ended, key) in keys.into_iter().enumerate() {
            router.unbind(key);
            let left = 3 * BROAD_MAX - ended - 1;
            assert_eq!(queues(&mut router), [[left; 8].as_slice(), &[0; 2]].concat());
        }
    }

    #[test]
    fn long_names_do_not_pile_up() {
        let mut router = router();
        for number in 0..1_000 {
            router.route(&format!("{number}.{}", "x".repeat(60_000)), || ());
            assert!(router.routed_bytes <= ROUTED_BYTES_MAX + 61_000 && router.routes.len() <= 150);
        }
        router.bind(binding(1, "#", Guarantee::AtMostOnce, 1, None));
        assert_eq!((router.routed_bytes, router.routes.len(), router.routed.len()), (0, 0, 0));
    }

    #[test]
    fn leading_wildcards_leave_reserved_addresses_out() {
        let mut router = router();
        router.bind(binding(1, "#", Guarantee::AtMostOnce, 1, None));
        router.bind(binding(2, "*.a", Guarantee::AtMostOnce, 1, None));
        router.bind(binding(3, "$x.#", Guarantee::AtMostOnce, 1, None));
        let route = router.route("$x.a", || ());
        assert_eq!(route.targets.iter().map(|target| target.queue).collect::<Vec<_>>(), [QueueKey(3)]);
    }

    #[test]
    fn a_dollar_sign_that_has_to_be_escaped_is_reserved_too() {
        let mut router = Router::new(Syntax { single: b'$', ..Syntax::default() }, 7);
        router.bind(binding(1, "$.a", Guarantee::AtMostOnce, 1, None));
        router.bind(binding(2, r"\$x.#", Guarantee::AtMostOnce, 1, None));
        let route = router.route(r"\$x.a", || ());
        assert_eq!(route.targets.iter().map(|target| target.queue).collect::<Vec<_>>(), [QueueKey(2)]);
    }
}
