//! The journal's open batch: what is in it, what can be taken out again, and who waits for it.

use hashbrown::HashMap;
use slab::Slab;
use std::collections::VecDeque;
use std::rc::Rc;

use crate::core::binding::Grant;
use crate::core::id::{Ticket, Time};
use crate::core::message::{Guarantee, Message, Posting};
use crate::core::queue::{Entry, Place};
use crate::protocol::Token;
use crate::store::Batch;
use crate::store::record::{EntryRecord, Key, MessageRecord, Value};

/// How long what nobody waits for waits for company.
const LAZY_MS: u64 = 1000;

/// Bytes of that beyond which it waits no longer.
const LAZY_BYTES: usize = 1024 * 1024;

/// A publish whose acknowledgement waits for the batch, or for nothing once all its entries are settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiter {
    /// The connection's number, never given twice.
    pub connection: u64,
    pub token: Token,
}

/// Records of one publish that may be taken out again.
#[derive(Debug)]
struct Unit {
    since: Time,
    live: u32,
    message: Option<u32>,
    waiter: Option<Waiter>,
}

#[derive(Debug)]
enum Record {
    Message(Rc<Message>),
    Entry { queue: u64, sequence: u64, message: u64, guarantee: Guarantee, retained: bool, grant: Rc<Grant> },
}

impl Record {
    /// Bytes it takes in the journal, roughly.
    fn size(&self) -> usize {
        match self {
            Self::Message(message) => message.size(),
            Self::Entry { .. } => 64,
        }
    }
}

/// How many units began at each time, in order; times at which none did take no place.
#[derive(Debug, Default)]
struct Ages {
    counts: VecDeque<(Time, u32)>,
}

impl Ages {
    fn add(&mut self, at: Time) {
        match self.counts.back_mut() {
            Some((last, count)) if *last == at => *count += 1,
            _ => self.counts.push_back((at, 1)),
        }
    }

    fn remove(&mut self, at: Time) {
        if let Ok(place) = self.counts.binary_search_by_key(&at, |(since, _)| *since) {
            self.counts[place].1 -= 1;
        }
        while self.counts.front().is_some_and(|(_, count)| *count == 0) {
            self.counts.pop_front();
        }
    }

    fn oldest(&self) -> Option<Time> {
        self.counts.front().map(|(since, _)| *since)
    }
}

/// The batch that is being filled.
#[derive(Debug)]
pub struct OpenBatch {
    ticket: Ticket,
    /// Everything up to here is durable.
    committed: Ticket,
    is_writing: bool,
    records: Slab<Record>,
    record_bytes: usize,
    units: Slab<Unit>,
    /// Units with nothing left; their places are free at the next tick, when nobody builds on them.
    spent: Vec<u32>,
    /// Records of messages whose unit is spent, since entries of other units need them; by message.
    bodies: HashMap<u64, u32, foldhash::fast::RandomState>,
    ages: Ages,
    /// What always has to be written.
    fixed: Batch,
    /// Someone waits for what always has to be written.
    is_urgent: bool,
    /// Since when something waits to be written that nobody waits for.
    lazy_since: Option<Time>,
    spare: Batch,
    /// Whether there is a journal at all.
    is_durable: bool,
}

impl OpenBatch {
    pub fn new(is_durable: bool) -> Self {
        Self {
            ticket: Ticket(1),
            committed: Ticket::NONE,
            is_writing: false,
            records: Slab::new(),
            record_bytes: 0,
            units: Slab::new(),
            spent: Vec::new(),
            bodies: HashMap::default(),
            ages: Ages::default(),
            fixed: Batch::new(),
            is_urgent: false,
            lazy_since: None,
            spare: Batch::new(),
            is_durable,
        }
    }

    pub fn is_durable(&self) -> bool {
        self.is_durable
    }

    pub fn committed(&self) -> Ticket {
        self.committed
    }

    /// What waits for records that are written now waits for this.
    pub fn ticket(&self) -> Ticket {
        if self.is_durable { self.ticket } else { Ticket::NONE }
    }

    /// Puts or deletes what always has to be written, and soon.
    pub fn write(&mut self, change: impl FnOnce(&mut Batch)) -> Ticket {
        if self.is_durable {
            change(&mut self.fixed);
            self.is_urgent = true;
        }
        self.ticket()
    }

    /// Puts or deletes what may be lost with the last second, and rides with the next batch.
    pub fn write_lazily(&mut self, change: impl FnOnce(&mut Batch)) {
        if self.is_durable {
            change(&mut self.fixed);
        }
    }

    /// When the batch is to be written; `None` if there is nothing to write. Records that receivers may yet settle are
    /// given `settle_ms`, what nobody waits for a second.
    pub fn due(&mut self, now: Time, settle_ms: u64) -> Option<Time> {
        for unit in self.spent.drain(..) {
            if self.units.get(unit as usize).is_some_and(|unit| unit.live == 0) {
                self.units.remove(unit as usize);
            }
        }
        if self.is_empty() {
            return None;
        }
        if self.is_urgent {
            return Some(now);
        }
        if let Some(oldest) = self.ages.oldest() {
            return Some(oldest.after(settle_ms));
        }
        if self.fixed.bytes() >= LAZY_BYTES {
            return Some(now);
        }
        Some(self.lazy_since.get_or_insert(now).after(LAZY_MS))
    }

    /// Bytes that wait to be written, roughly.
    pub fn bytes(&self) -> usize {
        self.fixed.bytes() + self.record_bytes
    }

    /// Begins a unit whose entries come in several ticks, until [`OpenBatch::end`]; the batch must not be taken before.
    pub fn begin(&mut self, now: Time) -> Option<u32> {
        if !self.is_durable {
            return None;
        }
        self.ages.add(now);
        Some(self.units.insert(Unit { since: now, live: 1, message: None, waiter: None }) as u32)
    }

    /// All entries of a unit are there.
    pub fn end(&mut self, unit: u32) {
        self.count_down(unit);
    }

    /// Adds an entry's record, and its message's if no other entry has brought it. `unit` ties the entries of one
    /// publish together.
    pub fn add(&mut self, queue: u64, entry: &mut Entry, unit: &mut Option<u32>, now: Time) {
        if !self.is_durable {
            return;
        }
        let unit = *unit
            .get_or_insert_with(|| self.units.insert(Unit { since: now, live: 0, message: None, waiter: None }) as u32);
        let message = &entry.message;
        if message.stored.get() == 0 {
            self.units[unit as usize].message = Some(self.push(Record::Message(message.clone())));
        }
        message.stored.set(message.stored.get() + 1);
        let record = self.push(Record::Entry {
            queue,
            sequence: entry.sequence,
            message: message.id,
            guarantee: entry.guarantee,
            retained: entry.retained,
            grant: entry.grant.clone(),
        });
        let unit_of = &mut self.units[unit as usize];
        unit_of.live += 1;
        if unit_of.live == 1 {
            unit_of.since = now;
            self.ages.add(now);
        }
        entry.place = Place { batch: self.ticket, record, unit };
    }

    fn push(&mut self, record: Record) -> u32 {
        self.record_bytes += record.size();
        self.records.insert(record) as u32
    }

    /// The unit that an entry's record is in, if it is not written yet.
    pub fn unit_of(&self, entry: &Entry) -> Option<u32> {
        (entry.durable && entry.place.batch == self.ticket).then_some(entry.place.unit)
    }

    /// Takes an entry's record away: out of the batch if it is still there, by a delete otherwise. Gives back who need
    /// not wait any longer.
    pub fn remove(&mut self, queue: u64, entry: &Entry) -> Option<Waiter> {
        if !self.is_durable || !entry.durable {
            return None;
        }
        let message = &entry.message;
        message.stored.set(message.stored.get().saturating_sub(1));
        if entry.place.batch != self.ticket {
            self.fixed.delete_record(&Key::entry(queue, entry.sequence));
            if message.stored.get() == 0 {
                self.fixed.delete_record(&Key::message(message.id));
            }
            return None;
        }
        self.take_out(entry.place.record);
        let unit = &mut self.units[entry.place.unit as usize];
        let body = unit.message.take_if(|_| message.stored.get() == 0);
        if message.stored.get() == 0 {
            match body.or_else(|| self.bodies.remove(&message.id)) {
                Some(record) => self.take_out(record),
                None => self.fixed.delete_record(&Key::message(message.id)),
            }
        }
        self.count_down(entry.place.unit)
    }

    /// One thing less keeps a unit; gives back who need not wait for it any longer.
    fn count_down(&mut self, key: u32) -> Option<Waiter> {
        let unit = &mut self.units[key as usize];
        unit.live -= 1;
        if unit.live > 0 {
            return None;
        }
        let (waiter, since, body) = (unit.waiter, unit.since, unit.message.take());
        if let Some(record) = body
            && let Some(Record::Message(message)) = self.records.get(record as usize)
        {
            self.bodies.insert(message.id, record);
        }
        self.ages.remove(since);
        self.spent.push(key);
        waiter
    }

    fn take_out(&mut self, record: u32) {
        if let Some(record) = self.records.try_remove(record as usize) {
            self.record_bytes -= record.size();
        }
    }

    /// Names who waits for a unit; false if nothing of it is left to wait for.
    pub fn wait(&mut self, unit: u32, waiter: Waiter) -> bool {
        let Some(unit) = self.units.get_mut(unit as usize).filter(|unit| unit.live > 0) else { return false };
        unit.waiter = Some(waiter);
        true
    }

    /// Nobody who is there can settle what was added last: it is written without waiting.
    pub fn hurry(&mut self) {
        self.is_urgent = true;
    }

    /// What waits for this can rely on everything that always has to be written and was so far.
    pub fn barrier(&mut self) -> Ticket {
        if !self.fixed.is_empty() {
            self.is_urgent = true;
            return self.ticket;
        }
        if self.is_writing { Ticket(self.ticket.0 - 1) } else { Ticket::NONE }
    }

    /// Whether there is something to write.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty() && self.fixed.is_empty()
    }

    pub fn is_writing(&self) -> bool {
        self.is_writing
    }

    /// Closes the batch and gives it away to be written; one is written at a time.
    pub fn take(&mut self) -> Option<(Ticket, Batch)> {
        if self.is_writing || self.is_empty() {
            return None;
        }
        // Deletes come first: a message that nobody held any more may have got a new holder since.
        let mut batch = std::mem::replace(&mut self.fixed, std::mem::take(&mut self.spare));
        for record in self.records.drain() {
            write_record(&record, &mut batch);
        }
        self.units.clear();
        self.record_bytes = 0;
        self.spent.clear();
        self.bodies.clear();
        self.ages = Ages::default();
        self.is_urgent = false;
        self.lazy_since = None;
        self.is_writing = true;
        let ticket = self.ticket;
        self.ticket = Ticket(ticket.0 + 1);
        Some((ticket, batch))
    }

    /// The batch of this ticket is durable; its buffer comes back.
    pub fn done(&mut self, ticket: Ticket, spare: Batch) {
        debug_assert!(ticket > self.committed);
        self.committed = ticket;
        self.is_writing = false;
        self.spare = spare;
    }
}

fn write_record(record: &Record, batch: &mut Batch) {
    match record {
        Record::Message(message) => batch.put_record(&Key::message(message.id), &message_record(message)),
        Record::Entry { queue, sequence, message, guarantee, retained, grant } => {
            let record = EntryRecord {
                message: *message,
                guarantee: *guarantee,
                keep_retain: grant.keep_retain,
                retained: *retained,
                tags: grant.tags.to_vec(),
            };
            batch.put_with(Key::entry(*queue, *sequence).as_bytes(), |out| record.write(out));
        }
    }
}

/// A message as the journal keeps it.
pub fn message_record(message: &Message) -> MessageRecord {
    MessageRecord {
        posting: Posting {
            address: message.address.name().into(),
            payload: message.payload.clone(),
            properties: message.properties.clone(),
            guarantee: message.guarantee,
            retain: message.retain,
            lifetime_ms: None,
        },
        publisher: message.publisher.number(),
        expires: message.expires.map(|at| at.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_of_several_units_leaves_with_the_last_of_its_entries() {
        let message = Rc::new(Message {
            id: 7,
            address: Rc::new(crate::core::message::Address::new("a")),
            payload: bytes::Bytes::new(),
            properties: None,
            guarantee: Guarantee::AtLeastOnce,
            retain: true,
            publisher: crate::core::id::Publisher::of_digest(1),
            expires: None,
            stored: std::cell::Cell::new(0),
        });
        let mut open = OpenBatch::new(true);
        let mut add = |sequence| {
            let mut entry = Entry {
                sequence,
                message: message.clone(),
                grant: Rc::new(Grant::default()),
                guarantee: Guarantee::AtLeastOnce,
                durable: true,
                place: Place::default(),
                ready: Ticket::NONE,
                handle: None,
                retained: true,
                redelivered: false,
            };
            open.add(1, &mut entry, &mut None, Time(1));
            entry
        };
        let entries = [add(1), add(2)];
        for entry in &entries {
            assert!(open.remove(1, entry).is_none());
        }
        assert!(open.records.is_empty() && open.bodies.is_empty());
    }

    #[test]
    fn much_that_nobody_waits_for_is_written_before_it_holds_others_up() {
        let mut open = OpenBatch::new(true);
        open.write_lazily(|batch| batch.put(b"key", &[0; LAZY_BYTES / 2]));
        assert_eq!(open.due(Time(5), 1), Some(Time(5 + LAZY_MS)));
        open.write_lazily(|batch| batch.put(b"other", &[0; LAZY_BYTES / 2]));
        assert_eq!(open.due(Time(6), 1), Some(Time(6)));
    }

    #[test]
    fn a_long_time_between_units_takes_no_memory() {
        let mut ages = Ages::default();
        let [first, second, last] = [Time(1), Time(2), Time(u64::MAX)];
        [first, second, second, last].into_iter().for_each(|at| ages.add(at));
        assert!(ages.counts.capacity() < 100);
        ages.remove(second);
        assert_eq!(ages.oldest(), Some(first));
        ages.remove(first);
        assert_eq!(ages.oldest(), Some(second));
        ages.remove(second);
        assert_eq!(ages.oldest(), Some(last));
        ages.remove(last);
        assert_eq!(ages.oldest(), None);
    }
}
