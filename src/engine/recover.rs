//! From the journal to a running engine: subscriptions are routable before anyone can publish.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::rights::Rights;
use super::timer::Timer;
use super::{Engine, Kept, Options, Owner, SharedName};
use crate::core::binding::Grant;
use crate::core::id::{ConsumerKey, Publisher, QueueKey, Ticket, Time};
use crate::core::message::{Address, Message};
use crate::core::queue::{Entry, Place, Queue};
use crate::core::retained;
use crate::protocol::{DeliveryRef, Expiry, InFlight, RetainedWish, Subscription, SubscriptionName};
use crate::store::record::{
    AliveRecord, ClientRecord, EntryRecord, Key, Kind, MessageRecord, OutgoingRecord, QueueRecord, SubscriptionRecord,
    Value, WillRecord,
};
use crate::store::{Journal, JournalError};

/// What was found in the journal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recovered {
    pub clients: usize,
    pub subscriptions: usize,
    pub messages: usize,
    pub retained: usize,
    /// Records that belonged to nothing.
    pub orphans: usize,
}

struct Recovery {
    engine: Engine,
    alive: Time,
    queues: HashMap<u64, QueueKey>,
    clients: HashMap<u64, ConsumerKey>,
    messages: HashMap<u64, Rc<Message>>,
    addresses: HashMap<Box<str>, Rc<Address>>,
    declared: HashMap<Box<str>, u64>,
    in_flight: HashMap<ConsumerKey, Vec<(u64, InFlight)>>,
    replaying: Vec<(ConsumerKey, SubscriptionName)>,
    /// Clients that were connected when the broker failed.
    cut_off: Vec<ConsumerKey>,
    orphans: Vec<Vec<u8>>,
    found: Recovered,
}

type Records = Vec<(Vec<u8>, Vec<u8>)>;

fn read(journal: &mut dyn Journal, kind: Kind) -> Result<Records, JournalError> {
    let mut records = Records::new();
    journal.scan(&[kind as u8], &mut |key, value| {
        records.push((key.to_vec(), value.to_vec()));
        Ok(())
    })?;
    Ok(records)
}

impl Engine {
    /// The engine as the journal left it.
    ///
    /// # Errors
    /// The journal cannot be read, or holds something that is no record.
    pub fn recover(options: Options, now: Time, journal: &mut dyn Journal) -> Result<(Self, Recovered), JournalError> {
        let mut recovery = Recovery {
            engine: Self::new(options, now),
            alive: now,
            queues: HashMap::new(),
            clients: HashMap::new(),
            messages: HashMap::new(),
            addresses: HashMap::new(),
            declared: HashMap::new(),
            in_flight: HashMap::new(),
            replaying: Vec::new(),
            cut_off: Vec::new(),
            orphans: Vec::new(),
            found: Recovered::default(),
        };
        for (_, value) in read(journal, Kind::Alive)? {
            recovery.alive = Time(AliveRecord::from_bytes(&value)?.at.min(now.0));
        }
        recovery.queues(journal)?;
        recovery.clients(journal)?;
        recovery.subscriptions(journal)?;
        recovery.messages(journal)?;
        recovery.deliveries(journal)?;
        recovery.retained(journal)?;
        recovery.wills(journal)?;
        Ok(recovery.finish())
    }

    /// An engine without a journal, with the queues that broker.xml declares.
    pub fn declared(options: Options, now: Time) -> Self {
        let mut engine = Self::new(options, now);
        engine.declare(&HashMap::new());
        engine
    }

    /// Makes the queues that broker.xml declares.
    fn declare(&mut self, ids: &HashMap<Box<str>, u64>) {
        for address in self.options.addresses.clone() {
            for queue in &address.queues {
                let next = self.next_queue;
                if let Some(id) = ids.get(&*queue.name) {
                    self.next_queue = *id;
                }
                self.declared_queue(&address.name, &queue.name, queue.is_durable, queue.is_anycast);
                self.next_queue = self.next_queue.max(next);
            }
        }
    }
}

impl Recovery {
    fn queues(&mut self, journal: &mut dyn Journal) -> Result<(), JournalError> {
        for (key, value) in read(journal, Kind::Queue)? {
            let (id, _) = Key::numbers(&key);
            let record = QueueRecord::from_bytes(&value)?;
            self.engine.next_queue = self.engine.next_queue.max(id + 1);
            if record.group.is_none() {
                self.declared.insert(record.name, id);
                continue;
            }
            let shared = SharedName { group: record.group, name: (&*record.name).into() };
            let queue = self.engine.add_group_queue(shared, id, true);
            self.queues.insert(id, queue);
        }
        self.engine.declare(&self.declared);
        for (name, id) in &self.declared {
            let name: Rc<str> = (&**name).into();
            let shared = SharedName { group: None, name: name.clone() };
            let engine = &mut self.engine;
            let queue = *engine.shared.entry(shared).or_insert_with(|| {
                // No longer declared: its messages stay, nothing new comes.
                let kept = Kept { queue: Queue::new(*id, name, true), owner: Owner::Declared, is_held: false };
                QueueKey::from(engine.queues.insert(kept))
            });
            self.queues.insert(*id, queue);
        }
        Ok(())
    }

    fn clients(&mut self, journal: &mut dyn Journal) -> Result<(), JournalError> {
        for (key, value) in read(journal, Kind::Client)? {
            let (id, _) = Key::numbers(&key);
            let record = ClientRecord::from_bytes(&value)?;
            let consumer = self.engine.add_client((&*record.client_id).into(), Expiry(record.expiry));
            let client = &mut self.engine.clients[consumer.index()];
            client.id = id;
            client.rights = Rights::restored(&record, client.client_id.clone());
            client.is_durable = true;
            client.has_left_overs = true;
            // A client that was connected has left when the broker was last known to live, however often it fails again.
            if record.left.is_none() {
                self.cut_off.push(consumer);
            }
            client.left = Some(record.left.map_or(self.alive, Time));
            let queue = client.queue;
            let own = self.engine.queue(queue);
            own.id = record.queue;
            own.durable = true;
            self.queues.insert(record.queue, queue);
            self.clients.insert(id, consumer);
            self.engine.next_client = self.engine.next_client.max(id + 1);
            self.engine.next_queue = self.engine.next_queue.max(record.queue + 1);
            self.found.clients += 1;
        }
        Ok(())
    }

    fn subscriptions(&mut self, journal: &mut dyn Journal) -> Result<(), JournalError> {
        for (key, value) in read(journal, Kind::Subscription)? {
            let record = SubscriptionRecord::from_bytes(&value)?;
            let Some(client) = self.clients.get(&Key::numbers(&key).0).copied() else {
                self.orphans.push(key);
                continue;
            };
            let name = SubscriptionName { group: record.group, pattern: (&*record.pattern).into() };
            if record.replaying {
                self.replaying.push((client, name.clone()));
            }
            self.engine.restore_subscription(
                client,
                &Subscription {
                    name,
                    grant: Grant {
                        guarantee: record.guarantee,
                        keep_retain: record.keep_retain,
                        tags: record.tags.into_iter().collect(),
                    },
                    exclude_own: record.exclude_own,
                    retained: RetainedWish::Never,
                    refused: None,
                },
            );
            self.found.subscriptions += 1;
        }
        Ok(())
    }

    fn message(&mut self, id: u64, record: MessageRecord) -> Rc<Message> {
        self.engine.next_message = self.engine.next_message.max(id + 1);
        let publisher = Publisher::from_number(record.publisher).unwrap_or_else(|id| self.publisher_before(id));
        let posting = record.posting;
        let address = self.addresses.entry(posting.address).or_insert_with_key(|name| Rc::new(Address::new(name)));
        Rc::new(Message {
            id,
            address: address.clone(),
            payload: posting.payload,
            properties: posting.properties,
            guarantee: posting.guarantee,
            retain: posting.retain,
            publisher,
            expires: record.expires.map(Time),
            stored: Cell::new(0),
        })
    }

    /// Earlier versions wrote the number of the sender's session, which must not name another.
    fn publisher_before(&mut self, id: u64) -> Publisher {
        self.engine.next_client = self.engine.next_client.max(id + 1);
        let client = self.clients.get(&id).map(|key| &self.engine.clients[key.index()]);
        client.map_or(Publisher::of_digest(id), |client| client.publisher)
    }

    fn messages(&mut self, journal: &mut dyn Journal) -> Result<(), JournalError> {
        for (key, value) in read(journal, Kind::Message)? {
            let (id, _) = Key::numbers(&key);
            let message = self.message(id, MessageRecord::from_bytes(&value)?);
            self.messages.insert(id, message);
        }
        for (key, value) in read(journal, Kind::Entry)? {
            let (queue, sequence) = Key::numbers(&key);
            let record = EntryRecord::from_bytes(&value)?;
            let (Some(queue), Some(message)) = (self.queues.get(&queue), self.messages.get(&record.message)) else {
                self.orphans.push(key);
                continue;
            };
            message.stored.set(message.stored.get() + 1);
            self.engine.counters.queued_bytes += message.size();
            let tags = record.tags.into_iter().collect();
            self.engine.queue(*queue).push(Entry {
                sequence,
                message: message.clone(),
                grant: Rc::new(Grant { guarantee: record.guarantee, keep_retain: record.keep_retain, tags }),
                guarantee: record.guarantee,
                durable: true,
                place: Place::default(),
                ready: Ticket::NONE,
                handle: None,
                retained: record.retained,
                redelivered: false,
            });
            self.found.messages += 1;
        }
        let unused = self.messages.iter().filter(|(_, message)| message.stored.get() == 0);
        self.orphans.extend(unused.map(|(id, _)| Key::message(*id).as_bytes().to_vec()));
        Ok(())
    }

    fn deliveries(&mut self, journal: &mut dyn Journal) -> Result<(), JournalError> {
        for (key, value) in read(journal, Kind::Outgoing)? {
            let (id, handle) = Key::numbers(&key);
            let record = OutgoingRecord::from_bytes(&value)?;
            let (Some(client), Ok(handle)) = (self.clients.get(&id).copied(), u16::try_from(handle)) else {
                self.orphans.push(key);
                continue;
            };
            let delivery = if record.released { None } else { self.delivery(&record) };
            if delivery.is_none() && !record.released {
                self.orphans.push(key);
                continue;
            }
            if !record.released {
                self.engine.clients[client.index()].recorded.insert(handle);
            }
            self.in_flight.entry(client).or_default().push((record.order, InFlight { handle, delivery }));
        }
        for (client, mut in_flight) in std::mem::take(&mut self.in_flight) {
            self.add_earlier(client, &mut in_flight);
            in_flight.sort_by_key(|(order, _)| *order);
            self.engine.clients[client.index()].resume =
                in_flight.into_iter().map(|(_, in_flight)| in_flight).collect();
        }
        for (key, _) in read(journal, Kind::Received)? {
            let (id, handle) = Key::numbers(&key);
            match (self.clients.get(&id), u16::try_from(handle)) {
                (Some(client), Ok(handle)) => {
                    self.engine.clients[client.index()].received.push((handle, Ticket::NONE));
                }
                _ => self.orphans.push(key),
            }
        }
        Ok(())
    }

    /// What waits before a delivery that was under way was under way as well: it is sent again at its place.
    fn add_earlier(&mut self, client: ConsumerKey, in_flight: &mut Vec<(u64, InFlight)>) {
        let last =
            in_flight.iter().filter(|(_, in_flight)| in_flight.delivery.is_some()).map(|(order, _)| *order).max();
        let taken: HashSet<u16> = in_flight.iter().map(|(_, in_flight)| in_flight.handle).collect();
        let mut free = (1..=u16::MAX).filter(|handle| !taken.contains(handle));
        let key = self.engine.clients[client.index()].queue;
        let queue = self.engine.queue(key);
        let queue_id = queue.id;
        while let Some(sequence) = queue.head().map(|head| head.sequence).filter(|sequence| Some(*sequence) < last) {
            let (Some(handle), Some(delivery)) = (free.next(), queue.deliver_sequence(sequence)) else { return };
            let delivery = Some(DeliveryRef { queue: key, queue_id, key: delivery });
            in_flight.push((sequence, InFlight { handle, delivery }));
        }
    }

    fn delivery(&mut self, record: &OutgoingRecord) -> Option<DeliveryRef> {
        let queue = *self.queues.get(&record.queue)?;
        let key = self.engine.queue(queue).deliver_sequence(record.sequence)?;
        Some(DeliveryRef { queue, queue_id: record.queue, key })
    }

    fn retained(&mut self, journal: &mut dyn Journal) -> Result<(), JournalError> {
        for (key, value) in read(journal, Kind::Retained)? {
            let (id, record) = <(u64, MessageRecord)>::from_bytes(&value)?;
            // A queue may hold the same message.
            let message = self.messages.get(&id).cloned().unwrap_or_else(|| self.message(id, record));
            if message.is_expired(self.engine.now) {
                self.orphans.push(key);
                continue;
            }
            if let Some(expires) = message.expires {
                self.engine.set_timer(expires, Timer::Retained(message.address.clone()));
            }
            self.engine.retained.put(retained::Value { message, ready: Ticket::NONE });
            self.found.retained += 1;
        }
        Ok(())
    }

    fn wills(&mut self, journal: &mut dyn Journal) -> Result<(), JournalError> {
        for (key, value) in read(journal, Kind::Will)? {
            let (id, _) = Key::numbers(&key);
            self.engine.restore_will(id, WillRecord::from_bytes(&value)?);
        }
        Ok(())
    }

    fn finish(mut self) -> (Engine, Recovered) {
        for client in std::mem::take(&mut self.cut_off) {
            self.engine.write_client(client);
        }
        for (client, name) in std::mem::take(&mut self.replaying) {
            self.engine.resume_replay(client, &name);
        }
        let queues = self.engine.queues.iter();
        let deserted = queues.filter(|(_, kept)| kept.queue.members.is_empty()).map(|(place, _)| QueueKey::from(place));
        for queue in deserted.collect::<Vec<_>>() {
            self.engine.remove_group_queue(queue);
        }
        self.found.orphans = self.orphans.len();
        for key in &self.orphans {
            self.engine.open.write_lazily(|batch| batch.delete(key));
        }
        (self.engine, self.found)
    }
}
