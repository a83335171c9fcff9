//! A queue: entries in order, handed to consumers, kept until they are settled.

use slab::Slab;
use std::collections::VecDeque;
use std::rc::Rc;

use crate::core::binding::Grant;
use crate::core::id::{ConsumerKey, DeliveryKey, Ticket, Time};
use crate::core::message::{Guarantee, Message};

/// Where the journal's open batch holds an entry's record, so that it can be taken out again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Place {
    pub batch: Ticket,
    pub record: u32,
    pub unit: u32,
}

/// A message in a queue.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its number in the queue; order is by it.
    pub sequence: u64,
    pub message: Rc<Message>,
    pub grant: Rc<Grant>,
    /// What holds for this queue: fixed when it came in.
    pub guarantee: Guarantee,
    /// Its record is in the journal, or on the way there.
    pub durable: bool,
    pub place: Place,
    /// It may be handed out once this is durable.
    pub ready: Ticket,
    /// The number under which its consumer will get it, where that is settled beforehand.
    pub handle: Option<u16>,
    /// A copy of the address's last value, for a new subscription.
    pub retained: bool,
    pub redelivered: bool,
}

/// Who takes messages from a shared queue, and on what terms.
#[derive(Debug, Clone)]
pub struct Member {
    pub consumer: ConsumerKey,
    pub grant: Rc<Grant>,
}

/// Entries that wait, entries handed out, and who takes them.
#[derive(Debug)]
pub struct Queue {
    /// Its number in the journal.
    pub id: u64,
    pub name: Rc<str>,
    pub durable: bool,
    /// Entries wait until this is durable.
    pub hold: Ticket,
    pub members: Vec<Member>,
    turn: usize,
    next_sequence: u64,
    pending: VecDeque<Entry>,
    unsettled: Slab<Entry>,
    bytes: usize,
    added: u64,
    settled: u64,
}

impl Queue {
    pub fn new(id: u64, name: Rc<str>, durable: bool) -> Self {
        Self {
            id,
            name,
            durable,
            hold: Ticket::NONE,
            members: Vec::new(),
            turn: 0,
            next_sequence: 1,
            pending: VecDeque::new(),
            unsettled: Slab::new(),
            bytes: 0,
            added: 0,
            settled: 0,
        }
    }

    /// The number for the next entry; each is given once.
    pub fn take_sequence(&mut self) -> u64 {
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        sequence
    }

    /// Puts an entry at its place by sequence: at the end, unless it comes back.
    pub fn push(&mut self, entry: Entry) {
        self.bytes += entry.message.size();
        self.added += 1;
        self.next_sequence = self.next_sequence.max(entry.sequence + 1);
        self.insert(entry);
    }

    fn insert(&mut self, entry: Entry) {
        let at = match self.pending.back() {
            Some(last) if last.sequence > entry.sequence => {
                self.pending.partition_point(|other| other.sequence < entry.sequence)
            }
            _ => self.pending.len(),
        };
        self.pending.insert(at, entry);
    }

    /// The entry whose turn it is.
    pub fn head(&self) -> Option<&Entry> {
        self.pending.front()
    }

    /// The waiting entries in order.
    pub fn waiting_entries(&self) -> impl Iterator<Item = &Entry> {
        self.pending.iter()
    }

    /// The first `count` waiting entries, for change in place.
    pub fn heads_mut(&mut self, count: usize) -> impl Iterator<Item = &mut Entry> {
        self.pending.iter_mut().take(count)
    }

    /// Takes the head out of the line, to be handed out: it is no longer counted.
    pub fn take_head(&mut self) -> Option<Entry> {
        let entry = self.pending.pop_front()?;
        self.bytes = self.bytes.saturating_sub(entry.message.size());
        self.added -= 1;
        Some(entry)
    }

    /// Hands out the waiting entry of this number.
    pub fn deliver_sequence(&mut self, sequence: u64) -> Option<DeliveryKey> {
        let at = self.pending.binary_search_by_key(&sequence, |entry| entry.sequence).ok()?;
        let mut entry = self.pending.remove(at)?;
        entry.redelivered = true;
        Some(DeliveryKey::from(self.unsettled.insert(entry)))
    }

    /// Counts a message that was handed out and is not to be settled.
    pub fn count_passing(&mut self) {
        self.added += 1;
        self.settled += 1;
    }

    /// Takes the head out for good.
    pub fn remove_head(&mut self) -> Option<Entry> {
        let entry = self.pending.pop_front()?;
        self.forget(&entry);
        Some(entry)
    }

    /// Hands out an entry that never waited in line.
    pub fn deliver_directly(&mut self, entry: Entry) -> DeliveryKey {
        self.bytes += entry.message.size();
        self.added += 1;
        DeliveryKey::from(self.unsettled.insert(entry))
    }

    /// An entry handed out and not settled.
    pub fn delivery(&self, key: DeliveryKey) -> Option<&Entry> {
        self.unsettled.get(key.index())
    }

    pub fn delivery_mut(&mut self, key: DeliveryKey) -> Option<&mut Entry> {
        self.unsettled.get_mut(key.index())
    }

    /// The entry is done with.
    pub fn settle(&mut self, key: DeliveryKey) -> Option<Entry> {
        let entry = self.unsettled.try_remove(key.index())?;
        self.forget(&entry);
        Some(entry)
    }

    /// The entry goes back to where it came from in the order, to be handed out to anyone, as if for the first time.
    pub fn give_back(&mut self, key: DeliveryKey) {
        if let Some(mut entry) = self.unsettled.try_remove(key.index()) {
            entry.redelivered = false;
            entry.handle = None;
            entry.guarantee = entry.message.guarantee;
            self.insert(entry);
        }
    }

    /// Takes entries out, waiting ones before those handed out, `most` of them.
    pub fn drain(&mut self, most: usize) -> Vec<Entry> {
        let mut entries: Vec<_> = self.pending.drain(..most.min(self.pending.len())).collect();
        let handed_out = self.unsettled.iter().map(|(at, _)| at).take(most - entries.len());
        for at in handed_out.collect::<Vec<_>>() {
            entries.push(self.unsettled.remove(at));
        }
        entries.iter().for_each(|entry| self.forget(entry));
        entries
    }

    /// Takes the waiting entries out that `doomed` picks, looking at `count` of them from position `from`.
    pub fn remove_waiting(&mut self, from: usize, count: usize, doomed: impl Fn(&Entry) -> bool) -> Vec<Entry> {
        let mut removed = Vec::new();
        let mut at = from;
        for _ in 0..count {
            match self.pending.get(at) {
                None => break,
                Some(entry) if doomed(entry) => removed.extend(self.pending.remove(at)),
                Some(_) => at += 1,
            }
        }
        for entry in &removed {
            self.forget(entry);
        }
        removed
    }

    fn forget(&mut self, entry: &Entry) {
        self.bytes = self.bytes.saturating_sub(entry.message.size());
        self.settled += 1;
    }

    /// The next member in turn that can take something, by its place among the members.
    pub fn next_member(&mut self, can_take: impl Fn(usize) -> bool) -> Option<Member> {
        let count = self.members.len();
        let found = (0..count).map(|step| (self.turn + step) % count).find(|&at| can_take(at))?;
        self.turn = found + 1;
        Some(self.members[found].clone())
    }

    /// Entries that wait.
    pub fn waiting(&self) -> usize {
        self.pending.len()
    }

    /// Entries handed out and not settled.
    pub fn delivering(&self) -> usize {
        self.unsettled.len()
    }

    /// All entries.
    pub fn len(&self) -> usize {
        self.pending.len() + self.unsettled.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes accounted to its entries.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Entries that ever came in, and that were done with.
    pub fn counts(&self) -> (u64, u64) {
        (self.added, self.settled)
    }
}

impl Entry {
    /// Whether it may be dropped because its time is over: never once its consumer may have begun an exactly-once exchange.
    pub fn is_expired(&self, now: Time) -> bool {
        self.handle.is_none() && self.message.is_expired(now)
    }
}
