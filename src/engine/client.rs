//! A client's state: what outlives its connections.

use aws_lc_rs::digest::{SHA256, digest};
use hashbrown::{HashMap, HashSet};
use smallvec::SmallVec;
use std::collections::VecDeque;
use std::rc::Rc;

use super::connection::ConnectionKey;
use super::permit::Narrowness;
use super::replay::Replay;
use super::rights::Rights;
use super::{Engine, Kept, Owner};
use crate::core::id::{BindingKey, ConsumerKey, Publisher, QueueKey, Ticket, Time};
use crate::core::message::Guarantee;
use crate::core::queue::Queue;
use crate::protocol::{Expiry, InFlight, Saved, SubscriptionName, Will};
use crate::security::Principal;
use crate::store::record::{AliveRecord, ClientRecord, Key, OutgoingRecord, Trailing};

/// A client, connected or away.
pub(super) struct Client {
    /// Never given twice.
    pub id: u64,
    pub client_id: Rc<str>,
    /// What its messages are known by as its own.
    pub publisher: Publisher,
    pub rights: Rights,
    pub narrowness: Narrowness,
    /// A subscription has ended since its queue was last seen empty.
    pub has_left_overs: bool,
    pub connection: Option<ConnectionKey>,
    pub queue: QueueKey,
    pub is_durable: bool,
    /// It has ended, and is no client any more.
    pub is_departing: bool,
    pub expiry: Expiry,
    /// While it is away: since when.
    pub left: Option<Time>,
    pub subscriptions: HashMap<SubscriptionName, Subscribed, foldhash::fast::RandomState>,
    /// Shared queues it takes from, and by how many subscriptions.
    pub memberships: SmallVec<[(QueueKey, u32); 1]>,
    pub will: Option<Will>,
    /// When its will is to be sent.
    pub will_due: Option<Time>,
    /// The journal knows its will.
    pub has_will_record: bool,
    /// Exactly-once messages from it that it may repeat.
    pub received: Vec<(u16, Ticket)>,
    /// Deliveries to be sent again, in order.
    pub resume: VecDeque<InFlight>,
    /// Numbers of at-least-once deliveries that the journal knows.
    pub recorded: HashSet<u16, foldhash::fast::RandomState>,
    pub replays: VecDeque<Replay>,
}

/// A client's subscription.
#[derive(Debug, Clone)]
pub(super) enum Subscribed {
    /// By a binding of its own queue.
    Own(BindingKey),
    /// As one of those who take from a shared queue.
    Member(QueueKey),
}

/// What the messages of a client id are known by: the same in each of its sessions. [MQTT-3.8.3-3]
pub(super) fn publisher(client_id: &str) -> Publisher {
    let digest = digest(&SHA256, client_id.as_bytes());
    Publisher::of_digest(digest.as_ref().first_chunk().map_or(0, |first| u64::from_be_bytes(*first)))
}

impl Client {
    /// Whether its time is over.
    pub fn is_gone(&self, now: Time) -> bool {
        let is_over = || self.left.is_some_and(|left| self.expiry.ends(left).is_some_and(|ends| ends <= now));
        self.is_departing || self.connection.is_none() && is_over()
    }

    /// Name of the user whose it is; empty for none.
    pub fn user(&self) -> &str {
        self.rights.principal.user()
    }

    pub fn record(&self, queue: u64) -> ClientRecord {
        ClientRecord {
            client_id: (&*self.client_id).into(),
            owner: self.user().into(),
            roles: self.rights.principal.roles().iter().map(|role| role.as_str().into()).collect(),
            queue,
            expiry: self.expiry.0,
            left: self.left.map(|at| at.0),
            rights: Trailing(self.rights.record()),
        }
    }
}

impl Engine {
    pub(super) fn add_client(&mut self, client_id: Rc<str>, expiry: Expiry) -> ConsumerKey {
        let is_durable = expiry != Expiry::AT_DISCONNECT && self.open.is_durable();
        let consumer = ConsumerKey::from(self.clients.vacant_key());
        let queue = Queue::new(self.next_queue, client_id.clone(), is_durable);
        self.next_queue += 1;
        let kept = Kept { queue, owner: Owner::Client(consumer), is_held: false };
        let queue = QueueKey::from(self.queues.insert(kept));
        self.by_id.insert(client_id.clone(), consumer);
        self.clients.insert(Client {
            id: self.next_client,
            publisher: publisher(&client_id),
            rights: Rights::of(Principal::default(), client_id.clone()),
            client_id,
            narrowness: Narrowness::default(),
            has_left_overs: false,
            connection: None,
            queue,
            is_durable,
            is_departing: false,
            expiry,
            left: None,
            subscriptions: HashMap::default(),
            memberships: SmallVec::new(),
            will: None,
            will_due: None,
            has_will_record: false,
            received: Vec::new(),
            resume: VecDeque::new(),
            recorded: HashSet::default(),
            replays: VecDeque::new(),
        });
        self.next_client += 1;
        consumer
    }

    pub(super) fn write_client(&mut self, key: ConsumerKey) {
        let client = &self.clients[key.index()];
        if client.is_durable {
            let record = client.record(self.queues[client.queue.index()].queue.id);
            let (id, now) = (client.id, self.now.0);
            self.open.write_lazily(|batch| {
                batch.put_record(&Key::client(id), &record);
                if record.left.is_none() {
                    // After a crash it counts as connected until the last sign of life, which must not be older.
                    batch.put_record(&Key::alive(), &AliveRecord { at: now });
                }
            });
        }
    }

    /// The client's connection is over: its state goes with it, or waits for the next one.
    pub(super) fn detach(&mut self, key: ConsumerKey, saved: Saved, abnormal: bool) {
        let now = self.now;
        self.count_use(key, -1, 0);
        let client = &mut self.clients[key.index()];
        client.connection = None;
        client.left = Some(now);
        client.received = saved.received;
        if !abnormal {
            client.will = None;
        }
        self.keep_in_flight(key, saved.in_flight);
        let client = &self.clients[key.index()];
        if client.expiry == Expiry::AT_DISCONNECT {
            self.end_client(key);
            return;
        }
        self.write_client(key);
        self.arrange_will(key);
    }

    /// Own deliveries under way stay with the client under their numbers; those of shared queues go back, but for
    /// exactly-once ones, which nobody else may get.
    fn keep_in_flight(&mut self, key: ConsumerKey, in_flight: Vec<InFlight>) {
        let client = &mut self.clients[key.index()];
        let (own, id, is_durable) = (client.queue, client.id, client.is_durable);
        let left_over = std::mem::take(&mut client.resume);
        let mut returned: SmallVec<[QueueKey; 2]> = SmallVec::new();
        let mut kept = VecDeque::new();
        for in_flight in in_flight.into_iter().chain(left_over) {
            let Some(at) = in_flight.delivery else {
                kept.push_back(in_flight);
                continue;
            };
            let Some(place) = self.queues.get_mut(at.queue.index()).filter(|kept| kept.queue.id == at.queue_id) else {
                continue;
            };
            let Some(entry) = place.queue.delivery_mut(at.key) else { continue };
            entry.redelivered = true;
            if at.queue == own {
                if is_durable && entry.durable && entry.guarantee == Guarantee::AtLeastOnce {
                    let record = OutgoingRecord {
                        queue: at.queue_id,
                        sequence: entry.sequence,
                        order: entry.sequence,
                        released: false,
                    };
                    self.open.write_lazily(|batch| batch.put_record(&Key::outgoing(id, in_flight.handle), &record));
                    self.clients[key.index()].recorded.insert(in_flight.handle);
                }
                kept.push_back(in_flight);
            } else if entry.guarantee == Guarantee::ExactlyOnce {
                let queue = place.queue.id;
                if let Some(entry) = self.queue(at.queue).settle(at.key) {
                    self.discard(queue, &entry);
                }
            } else {
                place.queue.give_back(at.key);
                if !returned.contains(&at.queue) {
                    returned.push(at.queue);
                }
            }
        }
        // Numbers taken for what was never sent are free again; behind as many entries as there are numbers none has one.
        for entry in self.queues[own.index()].queue.heads_mut(usize::from(u16::MAX)) {
            if let Some(handle) = entry.handle.take() {
                self.open.write_lazily(|batch| batch.delete_record(&Key::outgoing(id, handle)));
            }
        }
        self.clients[key.index()].resume = kept;
        for queue in returned {
            self.dispatch(queue);
        }
    }
}
