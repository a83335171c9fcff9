//! Subscriptions: bindings of a client's queue, and places among those who take from a shared one.

use std::rc::Rc;

use super::client::Subscribed;
use super::connection::ConnectionKey;
use super::{Engine, Kept, Owner, SharedName};
use crate::core::binding::{Binding, Grant};
use crate::core::id::{ConsumerKey, Publisher, QueueKey, Ticket};
use crate::core::message::Guarantee;
use crate::core::queue::{Member, Queue};
use crate::protocol::{Event, Refusal, RetainedWish, Subscription, SubscriptionName, Token};
use crate::store::record::{Key, Kind, QueueRecord, SubscriptionRecord, delete_all};

impl Engine {
    /// Takes one subscription of a SUBSCRIBE.
    pub(super) fn subscribe_one(
        &mut self,
        key: ConnectionKey,
        client: ConsumerKey,
        wanted: &Subscription,
    ) -> Result<Guarantee, Refusal> {
        wanted.refused.map_or(Ok(()), Err)?;
        self.check_subscribe(key, client, &wanted.name)?;
        self.check_address(client, &wanted.name)?;
        self.take_room(key, client, wanted)?;
        Ok(self.add_subscription(client, wanted))
    }

    /// All subscriptions of a SUBSCRIBE are decided about.
    pub(super) fn subscribed(
        &mut self,
        key: ConnectionKey,
        client: ConsumerKey,
        token: Token,
        results: Vec<Result<Guarantee, Refusal>>,
    ) {
        let is_changed = results.iter().any(Result::is_ok);
        let is_durable = self.clients[client.index()].is_durable;
        let ticket = if is_durable && is_changed { self.open.ticket() } else { Ticket::NONE };
        let queue = self.clients[client.index()].queue;
        if ticket > self.open.committed() {
            // Nothing of the new subscription comes before its acknowledgement.
            self.queue(queue).hold = ticket;
            self.hold(queue);
        }
        self.await_ticket(key, ticket);
        self.notify(key, Event::Subscribed { token, results, ticket });
        self.dispatch_client(client);
    }

    pub(super) fn hold(&mut self, queue: QueueKey) {
        if !std::mem::replace(&mut self.queues[queue.index()].is_held, true) {
            self.held_queues.push(queue);
        }
    }

    /// An address that is not there is made, unless its settings forbid that.
    fn check_address(&self, key: ConsumerKey, name: &SubscriptionName) -> Result<(), Refusal> {
        let pattern = &*name.pattern;
        if self.may_create(pattern)
            || self.clients[key.index()].subscriptions.contains_key(name)
            || self.has_address(pattern)
            || self.qualified(pattern).is_some()
        {
            return Ok(());
        }
        tracing::debug!(address = pattern, "AMQ229203: Address Does Not Exist");
        Err(Refusal::AddressInvalid)
    }

    /// Whether there is room for a subscription, which is taken at once.
    fn take_room(&mut self, connection: ConnectionKey, key: ConsumerKey, wanted: &Subscription) -> Result<(), Refusal> {
        let client = &self.clients[key.index()];
        if client.subscriptions.contains_key(&wanted.name) {
            return Ok(());
        }
        self.check_queues(key)?;
        let count = client.subscriptions.len() as u64 + 1;
        let own = client.rights.principal.limits().subscriptions.map(u64::from);
        let most = own.or(self.connections[connection.index()].peer.terms.subscriptions_max);
        if most.is_some_and(|most| count > most) {
            self.bounds.subscriptions_of_one.refuse();
            return Err(Refusal::QuotaExceeded);
        }
        let is_shared = wanted.name.group.is_some();
        let members = || {
            let shared = SharedName { group: wanted.name.group.clone(), name: wanted.name.pattern.clone() };
            let queue = self.shared.get(&shared)?;
            Some(self.queues[queue.index()].queue.members.len() as u64)
        };
        let bounds = &self.bounds;
        let has_room = bounds.subscriptions_of_one.admits(count)
            && (!is_shared || bounds.memberships.admits(client.memberships.len() as u64 + 1))
            && (!is_shared || bounds.members.admits(members().unwrap_or(0) + 1))
            && bounds.subscriptions.take(1);
        if !has_room {
            return Err(Refusal::QuotaExceeded);
        }
        if !bounds.pattern_bytes.take(size(&wanted.name)) {
            bounds.subscriptions.give(1);
            return Err(Refusal::QuotaExceeded);
        }
        self.count_use(key, 0, 1);
        Ok(())
    }

    fn add_subscription(&mut self, key: ConsumerKey, wanted: &Subscription) -> Guarantee {
        let is_new = !self.clients[key.index()].subscriptions.contains_key(&wanted.name);
        let is_wanted = match wanted.retained {
            RetainedWish::Always => true,
            RetainedWish::IfNew => is_new,
            RetainedWish::Never => false,
        };
        // What an earlier SUBSCRIBE asked for is still owed if this one asks for nothing. [MQTT-3.8.4-5]
        if !is_new && is_wanted {
            self.cancel_replay(key, &wanted.name);
        }
        let grant = Rc::new(wanted.grant.clone());
        let exclude = wanted.exclude_own.then(|| self.clients[key.index()].publisher);
        match self.competing_queue(&wanted.name) {
            Some(queue) => self.join(key, &wanted.name, queue, grant.clone()),
            None => self.bind_own(key, &wanted.name, grant.clone(), exclude),
        }
        if is_new {
            self.add_to_narrowness(key, &wanted.name);
        }
        let begins =
            is_wanted && wanted.name.group.is_none() && self.begin_replay(key, &wanted.name, grant.clone(), exclude);
        let replays = begins || self.is_replaying(key, &wanted.name);
        self.write_subscription(key, &wanted.name, &grant, wanted.exclude_own, replays);
        wanted.grant.guarantee
    }

    /// A subscription comes back from the journal.
    pub(super) fn restore_subscription(&mut self, key: ConsumerKey, subscription: &Subscription) {
        self.bounds.subscriptions.add(1);
        self.bounds.pattern_bytes.add(size(&subscription.name));
        self.count_use(key, 0, 1);
        let grant = Rc::new(subscription.grant.clone());
        let exclude = subscription.exclude_own.then(|| self.clients[key.index()].publisher);
        match self.competing_queue(&subscription.name) {
            Some(queue) => self.join(key, &subscription.name, queue, grant),
            None => self.bind_own(key, &subscription.name, grant, exclude),
        }
    }

    fn bind_own(&mut self, key: ConsumerKey, name: &SubscriptionName, grant: Rc<Grant>, exclude: Option<Publisher>) {
        if let Some(Subscribed::Own(binding)) = self.clients[key.index()].subscriptions.get(name) {
            let binding = *binding;
            self.router.change(binding, grant, exclude); // [MQTT-3.8.4-3]
            return;
        }
        let queue = self.clients[key.index()].queue;
        let pattern = name.pattern.clone();
        let binding = self.router.bind(Binding { queue, pattern, grant, exclude, anycast: false });
        self.clients[key.index()].subscriptions.insert(name.clone(), Subscribed::Own(binding));
    }

    /// The queue that several clients take from, if the subscription is to such a one.
    fn competing_queue(&mut self, name: &SubscriptionName) -> Option<QueueKey> {
        if name.group.is_some() {
            return Some(self.group_queue(name));
        }
        if let Some((address, queue)) = name.pattern.split_once("::") {
            return self.several_take_from(address, queue);
        }
        let (address, queue) = self.declared_place(name)?;
        Some(self.declared_queue(&address.into(), &queue, true, true))
    }

    /// Address and queue that are there for a subscription to take from, if it is to such a one.
    pub(super) fn declared_place<'n>(&self, name: &'n SubscriptionName) -> Option<(&'n str, Rc<str>)> {
        if let Some((address, queue)) = name.pattern.split_once("::") {
            self.several_take_from(address, queue)?;
            return Some((address, queue.into()));
        }
        let declared = self.options.addresses.iter().find(|declared| declared.name == name.pattern)?;
        if !declared.is_anycast || declared.is_multicast {
            return None;
        }
        let queue = declared.queues.iter().find(|queue| queue.name == declared.name).or(declared.queues.first());
        Some((&name.pattern, queue.map_or_else(|| declared.name.clone(), |queue| queue.name.clone())))
    }

    fn group_queue(&mut self, name: &SubscriptionName) -> QueueKey {
        let shared = SharedName { group: name.group.clone(), name: name.pattern.clone() };
        if let Some(queue) = self.shared.get(&shared) {
            return *queue;
        }
        let id = self.next_queue;
        self.next_queue += 1;
        self.add_group_queue(shared, id, false)
    }

    pub(super) fn add_group_queue(&mut self, shared: SharedName, id: u64, durable: bool) -> QueueKey {
        let group = shared.group.as_deref().unwrap_or_default();
        let queue = Queue::new(id, format!("{group}.{}", shared.name).into(), durable);
        let key = QueueKey::from(self.queues.vacant_key());
        let grant = Rc::new(Grant { guarantee: Guarantee::ExactlyOnce, ..Grant::default() });
        let pattern = shared.name.clone();
        let binding = self.router.bind(Binding { queue: key, pattern, grant, exclude: None, anycast: false });
        self.queues.insert(Kept { queue, owner: Owner::Shared(shared.clone(), binding), is_held: false });
        self.shared.insert(shared, key);
        key
    }

    /// A queue of a declared address, made if it is not there.
    pub(super) fn declared_queue(
        &mut self,
        address: &Rc<str>,
        name: &Rc<str>,
        durable: bool,
        anycast: bool,
    ) -> QueueKey {
        let shared = SharedName { group: None, name: name.clone() };
        if let Some(queue) = self.shared.get(&shared) {
            return *queue;
        }
        let id = self.next_queue;
        self.next_queue += 1;
        let durable = durable && self.open.is_durable();
        if durable {
            let record = QueueRecord { group: None, name: (&**name).into() };
            self.open.write(|batch| batch.put_record(&Key::queue(id), &record));
        }
        let kept = Kept { queue: Queue::new(id, name.clone(), durable), owner: Owner::Declared, is_held: false };
        let key = QueueKey::from(self.queues.insert(kept));
        self.bind_declared(key, address, anycast);
        self.shared.insert(shared, key);
        key
    }

    pub(super) fn bind_declared(&mut self, queue: QueueKey, address: &Rc<str>, anycast: bool) {
        let grant = Rc::new(Grant { guarantee: Guarantee::ExactlyOnce, ..Grant::default() });
        self.router.bind(Binding { queue, pattern: address.clone(), grant, exclude: None, anycast });
    }

    fn join(&mut self, key: ConsumerKey, name: &SubscriptionName, queue: QueueKey, grant: Rc<Grant>) {
        let client = &mut self.clients[key.index()];
        if client.subscriptions.insert(name.clone(), Subscribed::Member(queue)).is_none() {
            match client.memberships.iter_mut().find(|(other, _)| *other == queue) {
                Some((_, count)) => *count += 1,
                None => client.memberships.push((queue, 1)),
            }
        }
        let is_durable = client.is_durable;
        let kept = &mut self.queues[queue.index()];
        match kept.queue.members.iter_mut().find(|member| member.consumer == key) {
            Some(member) => member.grant = grant,
            None => kept.queue.members.push(Member { consumer: key, grant }),
        }
        if is_durable && !kept.queue.durable {
            kept.queue.durable = true;
            let id = kept.queue.id;
            if let Owner::Shared(shared, _) = &kept.owner {
                let record = QueueRecord { group: shared.group.clone(), name: (&*shared.name).into() };
                self.open.write(|batch| batch.put_record(&Key::queue(id), &record));
            }
        }
    }

    fn write_subscription(
        &mut self,
        key: ConsumerKey,
        name: &SubscriptionName,
        grant: &Grant,
        exclude_own: bool,
        replaying: bool,
    ) {
        let client = &self.clients[key.index()];
        if client.is_durable {
            let key = Key::subscription(client.id, name.group.as_deref(), &name.pattern);
            let record = record(name, grant, exclude_own, replaying);
            self.open.write(|batch| batch.put_record(&key, &record));
        }
    }

    /// All last values that a subscription asked for are on their way: a restart does not begin again.
    pub(super) fn end_replaying(&mut self, key: ConsumerKey, name: &SubscriptionName) {
        let client = &self.clients[key.index()];
        let Some(Subscribed::Own(binding)) = client.subscriptions.get(name) else { return };
        let binding = self.router.binding(*binding);
        if client.is_durable {
            let key = Key::subscription(client.id, None, &name.pattern);
            let record = record(name, &binding.grant, binding.exclude.is_some(), false);
            self.open.write_lazily(|batch| batch.put_record(&key, &record));
        }
    }

    /// Ends one subscription of an UNSUBSCRIBE; says whether there was one.
    pub(super) fn unsubscribe_one(
        &mut self,
        key: ConnectionKey,
        client: ConsumerKey,
        name: &SubscriptionName,
    ) -> Result<bool, Refusal> {
        self.check_unsubscribe(key, client, name)?;
        Ok(self.remove_subscription(client, name))
    }

    /// All subscriptions of an UNSUBSCRIBE are decided about.
    pub(super) fn unsubscribed(
        &mut self,
        key: ConnectionKey,
        client: ConsumerKey,
        token: Token,
        results: Vec<Result<bool, Refusal>>,
    ) {
        let is_durable = self.clients[client.index()].is_durable;
        // A subscription that is not there may have ended a moment ago.
        let ticket = if is_durable { self.open.barrier() } else { Ticket::NONE };
        self.await_ticket(key, ticket);
        self.notify(key, Event::Unsubscribed { token, results, ticket });
        // What came meanwhile has waited.
        self.dispatch_client(client);
    }

    /// Ends a subscription; says whether there was one.
    pub(super) fn remove_subscription(&mut self, key: ConsumerKey, name: &SubscriptionName) -> bool {
        let Some(subscribed) = self.clients[key.index()].subscriptions.remove(name) else { return false };
        self.give_room_back(name);
        self.count_use(key, 0, -1);
        // What it has brought may still wait, or be under way.
        self.clients[key.index()].has_left_overs = true;
        let (id, is_durable) = (self.clients[key.index()].id, self.clients[key.index()].is_durable);
        self.cancel_replay(key, name);
        if is_durable {
            let name = Key::subscription(id, name.group.as_deref(), &name.pattern);
            self.open.write(|batch| batch.delete_record(&name));
        }
        match subscribed {
            Subscribed::Own(binding) => {
                self.router.unbind(binding);
            }
            Subscribed::Member(queue) => self.leave(key, queue),
        }
        true
    }

    /// What a subscription was accounted with, but for its client's user, is free again.
    pub(super) fn give_room_back(&mut self, name: &SubscriptionName) {
        self.bounds.subscriptions.give(1);
        self.bounds.pattern_bytes.give(size(name));
    }

    fn leave(&mut self, key: ConsumerKey, queue: QueueKey) {
        let client = &mut self.clients[key.index()];
        let Some(place) = client.memberships.iter().position(|(other, _)| *other == queue) else { return };
        client.memberships[place].1 -= 1;
        if client.memberships[place].1 > 0 {
            return;
        }
        client.memberships.remove(place);
        let kept = &mut self.queues[queue.index()];
        kept.queue.members.retain(|member| member.consumer != key);
        if kept.queue.members.is_empty() {
            self.remove_group_queue(queue);
        }
    }

    /// Deletes a shared queue that nobody takes from any more.
    pub(super) fn remove_group_queue(&mut self, queue: QueueKey) {
        let Owner::Shared(shared, binding) = self.queues[queue.index()].owner.clone() else { return };
        self.router.unbind(binding);
        self.shared.remove(&shared);
        let queue = self.queues.remove(queue.index()).queue;
        if queue.durable {
            self.open.write(|batch| {
                batch.delete_record(&Key::queue(queue.id));
                delete_all(batch, Kind::Entry, queue.id);
            });
        }
        self.dissolve(queue);
    }
}

/// Bytes that a subscription is accounted with.
fn size(name: &SubscriptionName) -> u64 {
    (name.pattern.len() + name.group.as_deref().map_or(0, str::len)) as u64
}

fn record(name: &SubscriptionName, grant: &Grant, exclude_own: bool, replaying: bool) -> SubscriptionRecord {
    SubscriptionRecord {
        pattern: (&*name.pattern).into(),
        group: name.group.clone(),
        guarantee: grant.guarantee,
        keep_retain: grant.keep_retain,
        exclude_own,
        tags: grant.tags.to_vec(),
        replaying,
    }
}
