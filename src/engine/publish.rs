//! A message comes in: permission, route, queues.

use bytes::Bytes;
use std::cell::{Cell, OnceCell};
use std::rc::Rc;

use super::address::Qualified;
use super::connection::ConnectionKey;
use super::rights::Rights;
use super::{Engine, FLEETING_BYTES_MAX, FLEETING_MAX, Owner, Policy};
use crate::core::binding::Grant;
use crate::core::id::{ConsumerKey, Publisher, QueueKey, Ticket, Time};
use crate::core::message::{Address, Guarantee, Message, Posting, Properties};
use crate::core::queue::{Entry, Place};
use crate::core::retained::Value;
use crate::core::router::Route;
use crate::core::settings::AddressSettings;
use crate::protocol::{Event, Publish, Refusal, Token};
use crate::security::Permission;
use crate::store::Batch;
use crate::store::record::Key;

use super::commit::message_record;
use super::report::RETAIN_PREFIX;
use super::routing::{Routed, Sender, SentPublish};
use super::timer::Timer;
use super::will::SentWill;

/// A message that is not made yet.
struct Draft<'a> {
    payload: &'a [u8],
    properties: Option<Box<Properties>>,
    guarantee: Guarantee,
    retain: bool,
    expires: Option<Time>,
    publisher: Publisher,
}

impl Engine {
    pub(super) fn publish(&mut self, key: ConnectionKey, publish: Publish<'_>) {
        let (token, handle, guarantee) = (publish.token, publish.handle, publish.guarantee);
        let mut route = self.route(&publish.address);
        let qualified = if route.policy.is_qualified { self.qualified(route.address.name()) } else { None };
        if let Some(qualified) = &qualified {
            route = self.route(&qualified.address);
        } else if self.is_large(&route) && self.routings.are_busy() {
            return self.hold_publish(key, publish);
        }
        self.counters.received += 1;
        self.scratch.address = publish.address;
        let connection = &self.connections[key.index()];
        let Some(client) = connection.client else { return };
        let number = connection.number;
        let keeps = publish.retain && !publish.payload.is_empty();
        let may = self.may(client, &route, Permission::Send);
        let admission = self.admit(&route, may, guarantee, keeps);
        if let Err(refusal) = admission.and_then(|()| self.check_creation(&route)) {
            self.counters.refused += 1;
            return self.refuse(key, token, refusal, route.address.name());
        }
        let draft = Draft {
            payload: publish.payload,
            properties: publish.properties,
            guarantee,
            retain: publish.retain,
            expires: publish.expires,
            publisher: self.clients[client.index()].publisher,
        };
        let id = self.clients[client.index()].id;
        let sent = SentPublish { connection: key, number, client, id, handle, token };
        if let Some(qualified) = qualified {
            let routed = self.send_to_one(&route, &qualified, draft);
            self.acknowledge_publish(&sent, &routed);
        } else if let Some((Sender::Client(sent), routed)) = self.send(&route, draft, Sender::Client(sent)) {
            self.acknowledge_publish(&sent, &routed);
        }
    }

    /// Tells a client, and operators, that its message is not taken.
    fn refuse(&mut self, key: ConnectionKey, token: Option<Token>, refusal: Refusal, address: &str) {
        if refusal == Refusal::NotAuthorized {
            self.bounds.publishes_denied.refuse();
            self.tell_denied(key, Permission::Send, address);
        } else {
            tracing::debug!(?refusal, address, "publish refused");
        }
        let event = match token {
            Some(token) => Event::Published { token, result: Err(refusal), ticket: Ticket::NONE },
            None => Event::Dropped(refusal),
        };
        self.notify(key, event);
    }

    pub(super) fn route(&mut self, address: &str) -> Rc<Route<Policy>> {
        let options = &self.options;
        self.router.route(address, || Policy {
            expiry: ExpiryRule::of(&options.address_settings.resolve(address)),
            retained_expiry: OnceCell::new(),
            verdicts: self.classes.verdicts(),
            is_internal: self.internal.holds(address),
            is_qualified: address.contains("::"),
            may_create: options.address_settings.resolve(address).auto_create_addresses != Some(false),
        })
    }

    fn admit(&self, route: &Route<Policy>, may: bool, guarantee: Guarantee, keeps: bool) -> Result<(), Refusal> {
        if !may || route.policy.is_internal {
            return Err(Refusal::NotAuthorized);
        }
        let is_full = self.counters.queued_bytes as u64 > self.bounds.queued_bytes.max();
        if guarantee > Guarantee::AtMostOnce && is_full && self.would_wait(route) {
            self.bounds.queued_bytes.refuse();
            return Err(Refusal::QuotaExceeded);
        }
        if keeps && !self.retains(route.address.name()) {
            return Err(Refusal::QuotaExceeded);
        }
        Ok(())
    }

    /// Whether a message of this route would stay in some queue, rather than go to receivers who are there.
    fn would_wait(&self, route: &Route<Policy>) -> bool {
        let waits = |key: &QueueKey| {
            let kept = &self.queues[key.index()];
            kept.queue.waiting() > 0
                || match &kept.owner {
                    Owner::Client(client) => self.clients[client.index()].connection.is_none(),
                    Owner::Shared(..) | Owner::Declared => !self.has_connected_member(*key),
                }
        };
        let first = route.targets.iter().take(self.options.receivers_per_tick);
        route.competing.iter().any(waits) || first.map(|target| &target.queue).any(waits)
    }

    /// Whether there is room for a last value of the address.
    fn retains(&self, address: &str) -> bool {
        let bounds = &self.bounds;
        let is_near = self.retained.len() as u64 >= bounds.retained.max();
        (!is_near || self.retained.get(address).is_some() || bounds.retained.admits(self.retained.len() as u64 + 1))
            && bounds.retained_bytes.admits(self.retained.bytes() as u64)
    }

    /// A message that reaches nobody brings its address into being, unless the address's settings forbid that.
    fn check_creation(&self, route: &Route<Policy>) -> Result<(), Refusal> {
        let is_needed = !route.policy.may_create && route.targets.is_empty() && route.competing.is_empty();
        if is_needed && !self.has_address(route.address.name()) {
            return Err(Refusal::AddressInvalid);
        }
        Ok(())
    }

    /// A message for one queue of an address; it is no last value.
    fn send_to_one(&mut self, route: &Rc<Route<Policy>>, to: &Qualified, draft: Draft<'_>) -> Routed {
        let mut routed = Routed::default();
        let expires = route.policy.expiry.apply(draft.expires, self.now);
        let message = self.make_message(route, Draft { expires, retain: false, ..draft });
        routed.is_matched = self.enqueue(to.queue, &message, &to.grant, &mut routed.unit);
        routed
    }

    /// Sends what a will has to say, by the rights of its client; says whether that is done with.
    pub(super) fn post(
        &mut self,
        posting: Posting,
        publisher: Publisher,
        rights: &mut Rights,
        sent: SentWill,
    ) -> Option<SentWill> {
        let route = self.route(&posting.address);
        let may = self.may_as(rights, &route, Permission::Send);
        if let Err(refusal) = self.admit(&route, may, posting.guarantee, posting.retain && !posting.payload.is_empty())
        {
            self.counters.refused += 1;
            tracing::warn!(
                address = &*posting.address,
                ?refusal,
                "AMQ834007: Authorization failure sending will message"
            );
            return Some(sent);
        }
        let expires = posting.lifetime_ms.map(|ms| self.now.after(ms));
        let Posting { payload, properties, guarantee, retain, .. } = posting;
        let draft = Draft { payload: &payload, properties, guarantee, retain, expires, publisher };
        match self.send(&route, draft, Sender::Will(sent)) {
            Some((Sender::Will(sent), _)) => Some(sent),
            _ => None,
        }
    }

    /// Routes a message; `None` if it has too many receivers to be done with at once.
    fn send(&mut self, route: &Rc<Route<Policy>>, draft: Draft<'_>, sender: Sender) -> Option<(Sender, Routed)> {
        let mut routed = Routed::default();
        if !draft.retain && route.targets.is_empty() && route.competing.is_empty() {
            return Some((sender, routed));
        }
        let mut draft = draft;
        draft.expires = route.policy.expiry.apply(draft.expires, self.now);
        if draft.retain && draft.expires.is_none() {
            let rule = route.policy.retained_expiry.get_or_init(|| {
                let name = format!("{RETAIN_PREFIX}{}", route.address.name());
                ExpiryRule::of(&self.options.address_settings.resolve(&name))
            });
            draft.expires = rule.apply(None, self.now);
        }
        let message = self.make_message(route, draft);
        if message.retain {
            routed.is_fixed = self.retain(&message);
        }
        if self.is_large(route) {
            self.begin_routing(route, message, routed, sender);
            return None;
        }
        self.routings.count(route.targets.len());
        for target in &route.targets {
            if let Some(grant) = self.router.grant_for(target, message.publisher) {
                routed.is_matched |= self.enqueue(target.queue, &message, &grant, &mut routed.unit);
            }
        }
        self.send_to_competing(route, &message, &mut routed);
        Some((sender, routed))
    }

    /// One of the queues that compete gets the message.
    pub(super) fn send_to_competing(&mut self, route: &Route<Policy>, message: &Rc<Message>, routed: &mut Routed) {
        if !route.competing.is_empty() {
            let turn = route.turn.get();
            route.turn.set(turn.wrapping_add(1));
            let queue = route.competing[turn % route.competing.len()];
            let grant = Rc::new(Grant { guarantee: Guarantee::ExactlyOnce, ..Grant::default() });
            routed.is_matched |= self.enqueue(queue, message, &grant, &mut routed.unit);
        }
    }

    fn make_message(&mut self, route: &Route<Policy>, draft: Draft<'_>) -> Rc<Message> {
        Rc::new(Message {
            id: self.take_message_id(),
            address: route.address.clone(),
            payload: Bytes::copy_from_slice(draft.payload),
            properties: draft.properties,
            guarantee: draft.guarantee,
            retain: draft.retain,
            publisher: draft.publisher,
            expires: draft.expires,
            stored: Cell::new(0),
        })
    }

    /// Keeps or forgets the address's last value; says whether the journal is written.
    fn retain(&mut self, message: &Rc<Message>) -> bool {
        let key = Key::retained(message.address.name());
        if message.payload.is_empty() {
            // [MQTT-3.3.1-6] [MQTT-3.3.1-7]
            return self.forget_retained(&message.address);
        }
        let put = |batch: &mut Batch| batch.put_record(&key, &(message.id, message_record(message)));
        let mut ready = Ticket::NONE;
        if message.guarantee == Guarantee::AtMostOnce {
            self.open.write_lazily(put);
        } else {
            ready = self.open.write(put);
        }
        let old = self.retained.put(Value { message: message.clone(), ready });
        if let Some(expires) = message.expires {
            // One timer an address: it looks at the value of its hour.
            if old.is_none_or(|old| old.message.expires.is_none_or(|at| at > expires)) {
                self.set_timer(expires, Timer::Retained(message.address.clone()));
            }
        }
        true
    }

    pub(super) fn forget_retained(&mut self, address: &Rc<Address>) -> bool {
        let existed = self.retained.remove(address.name()).is_some();
        // It may have been deleted a moment ago, which is not durable yet.
        let changes = existed || self.open.barrier() != Ticket::NONE;
        if changes {
            self.open.write(|batch| batch.delete_record(&Key::retained(address.name())));
        }
        changes
    }

    /// Puts a message into a queue, or straight into its consumer's hands; says whether the queue takes it.
    pub(super) fn enqueue(
        &mut self,
        key: QueueKey,
        message: &Rc<Message>,
        grant: &Rc<Grant>,
        unit: &mut Option<u32>,
    ) -> bool {
        let guarantee = message.guarantee.min(grant.guarantee);
        if let Some(is_taken) = self.turned_away(key, message) {
            return is_taken;
        }
        let kept = &self.queues[key.index()];
        let (is_own, is_live) = match &kept.owner {
            Owner::Client(client) => {
                let client = &self.clients[client.index()];
                if client.connection.is_none() && (guarantee == Guarantee::AtMostOnce || client.is_gone(self.now)) {
                    return !client.is_gone(self.now);
                }
                (true, client.connection.is_some() && kept.queue.waiting() == 0)
            }
            Owner::Shared(..) | Owner::Declared => (false, self.has_connected_member(key)),
        };
        let is_fleeting = guarantee == Guarantee::AtMostOnce;
        let waiting = kept.queue.waiting();
        let is_full = waiting >= FLEETING_MAX || waiting > 0 && kept.queue.bytes() >= FLEETING_BYTES_MAX;
        if is_fleeting && (is_full || !is_own && !is_live) {
            self.counters.dropped += 1;
            return true;
        }
        let durable = kept.queue.durable && !is_fleeting;
        let mut entry = Entry {
            sequence: self.queue(key).take_sequence(),
            message: message.clone(),
            grant: grant.clone(),
            guarantee,
            durable,
            place: Place::default(),
            ready: Ticket::NONE,
            handle: None,
            retained: false,
            redelivered: false,
        };
        self.counters.queued_bytes += message.size();
        if durable {
            let id = self.queues[key.index()].queue.id;
            self.open.add(id, &mut entry, unit, self.now);
            if !is_live {
                self.open.hurry();
            }
            if guarantee == Guarantee::ExactlyOnce {
                entry.ready = self.open.ticket();
            }
        }
        if is_own {
            self.offer(key, entry);
        } else {
            self.queue(key).push(entry);
            self.dispatch(key);
        }
        true
    }

    /// Whether a message stays out of a client's queue, and counts as taken all the same: the client may not have it, or its
    /// own limits leave no room.
    fn turned_away(&mut self, key: QueueKey, message: &Message) -> Option<bool> {
        let Owner::Client(client) = self.queues[key.index()].owner else { return None };
        if !self.may_receive(client, message.address.name()) {
            self.bounds.deliveries_denied.refuse();
            return Some(false);
        }
        if !self.has_place(client, key, message) {
            self.bounds.queued_of_one.refuse();
            self.counters.dropped += 1;
            return Some(true);
        }
        None
    }

    /// Whether a client's own limits leave room for one more message that waits for it.
    fn has_place(&self, client: ConsumerKey, key: QueueKey, message: &Message) -> bool {
        let limits = self.clients[client.index()].rights.principal.limits();
        let queue = &self.queues[key.index()].queue;
        limits.queued_messages.is_none_or(|most| (queue.waiting() as u64) < most)
            && limits.queued_bytes.is_none_or(|most| (queue.bytes() + message.size()) as u64 <= most)
    }

    fn has_connected_member(&self, key: QueueKey) -> bool {
        let members = &self.queues[key.index()].queue.members;
        members.iter().any(|member| self.clients[member.consumer.index()].connection.is_some())
    }
}

/// What an address's settings say of a message's time, in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct ExpiryRule {
    never: bool,
    delay: Option<u64>,
    least: Option<u64>,
    most: Option<u64>,
}

impl ExpiryRule {
    fn of(settings: &AddressSettings) -> Self {
        let set = |value: Option<i64>| value.and_then(|ms| u64::try_from(ms).ok());
        Self {
            never: settings.no_expiry == Some(true),
            delay: set(settings.expiry_delay),
            least: set(settings.min_expiry_delay),
            most: set(settings.max_expiry_delay),
        }
    }

    /// When a message expires: what its sender says, within the rule.
    fn apply(&self, asked: Option<Time>, now: Time) -> Option<Time> {
        if self.never {
            return None;
        }
        let Some(asked) = asked else {
            return self.delay.or(self.most).map(|ms| now.after(ms));
        };
        if self.delay.is_some() {
            return Some(asked);
        }
        let least = self.least.map_or(asked, |ms| asked.max(now.after(ms)));
        Some(self.most.map_or(least, |ms| least.min(now.after(ms))))
    }
}
