//! What must hold, whatever the schedule: the invariants O1 to O7.

use std::collections::{BTreeMap, BTreeSet};

use super::packet::Letter;
use crate::protocol::mqtt::codec::SubscribeOptions;

/// What clients that do not take large packets take.
pub const PACKET_MAX: usize = 100;

/// A place in the schedule.
pub type Step = usize;

/// A session from its beginning to its end, as its client knows it.
pub type EpochId = usize;

/// A message that was sent, once or several times.
#[derive(Debug, Clone)]
pub struct Publication {
    pub publisher: usize,
    pub topic: String,
    pub qos: u8,
    pub retain: bool,
    /// Its payload is empty: it takes the retained value away.
    pub is_clear: bool,
    /// Nobody knows when it is sent, or whether.
    pub is_will: bool,
    pub first_sent: Step,
    pub attempts: usize,
    /// PUBACK or PUBREC arrived.
    pub acked: Option<Step>,
    /// The broker has surely dealt with it, or will not: it may take its time to read what was sent.
    pub(super) over: Option<Step>,
}

/// What a session knows of one of its subscriptions.
#[derive(Debug, Clone)]
pub struct Filter {
    pub qos: u8,
    pub no_local: bool,
    /// Since when it is known to exist.
    pub since: Option<Step>,
    pub unsubscribing: bool,
    /// Since when it is known not to exist.
    pub ended: Option<Step>,
    /// At some time it did not leave out the client's own messages.
    pub ever_local: bool,
    /// When the request that is known to have come asked for retained values, and when the latest did.
    pub(super) retained_since: Option<Step>,
    wish: Option<Step>,
    /// Tells the latest request from earlier ones.
    request: usize,
}

/// A session's arrivals of one message.
#[derive(Debug, Clone, Copy, Default)]
pub struct Arrival {
    pub count: usize,
    /// New ones under QoS 2.
    pub exactly: usize,
    /// The connection it last came on.
    pub connection: usize,
}

/// A session.
#[derive(Debug, Clone)]
pub struct Epoch {
    pub client: usize,
    pub is_durable: bool,
    pub filters: BTreeMap<String, Filter>,
    pub arrivals: BTreeMap<usize, Arrival>,
    /// The last first arrival by (publisher, topic, QoS sent, QoS received).
    newest: BTreeMap<(usize, String, u8, u8), usize>,
    pub ended: Option<Step>,
    /// When the broker surely knew that it had ended.
    pub(super) gone: Option<Step>,
    /// Messages without a payload, by topic: they cannot be told apart.
    pub(super) empty: BTreeMap<String, usize>,
    /// Retained copies that came.
    pub(super) retained: BTreeSet<usize>,
    /// Its client would not take large packets at some time.
    pub is_small: bool,
}

/// Knows what was sent, acknowledged and received, and what that must look like.
#[derive(Debug, Default)]
pub struct Oracle {
    pub step: Step,
    pub publications: Vec<Publication>,
    pub epochs: Vec<Epoch>,
    pub violations: Vec<String>,
    /// What happened, for the report.
    pub trace: Vec<String>,
    /// Deliveries that were looked at.
    pub deliveries: usize,
    /// Obligations that were looked at.
    pub obligations: usize,
}

/// The payload of a message, by which it is known again.
pub fn payload(number: usize, topic: &str) -> Vec<u8> {
    let mut text = format!("{number}:{topic}:");
    text.extend(std::iter::repeat_n('x', number * 37 % 200));
    text.into_bytes()
}

/// Whether a client that takes no more than [`PACKET_MAX`] may not take the message.
pub(super) fn is_large(number: usize, sent: &Publication) -> bool {
    payload(number, &sent.topic).len() > PACKET_MAX - 20
}

/// Whether a filter, shared or not, matches a topic.
pub fn matches(filter: &str, topic: &str) -> bool {
    let (_, filter) = split_share(filter);
    let mut topic = topic.split('/');
    let mut words = filter.split('/');
    loop {
        match (words.next(), topic.next()) {
            (Some("#"), _) | (None, None) => return true,
            (Some("+"), Some(_)) => {}
            (Some(word), Some(level)) if word == level => {}
            _ => return false,
        }
    }
}

/// The share group of a filter, and the filter itself.
pub fn split_share(filter: &str) -> (Option<&str>, &str) {
    match filter.strip_prefix("$share/").and_then(|rest| rest.split_once('/')) {
        Some((group, filter)) => (Some(group), filter),
        None => (None, filter),
    }
}

impl Oracle {
    pub fn fail(&mut self, what: String) {
        self.violations.push(format!("step {}: {what}", self.step));
    }

    pub fn note(&mut self, what: impl FnOnce() -> String) {
        self.trace.push(format!("{}: {}", self.step, what()));
    }

    /// A new message; gives back its number.
    pub fn publish(&mut self, publisher: usize, topic: &str, qos: u8, retain: bool, is_clear: bool) -> usize {
        let step = self.step;
        self.publications.push(Publication {
            publisher,
            topic: topic.to_owned(),
            qos,
            retain,
            is_clear,
            is_will: false,
            first_sent: step,
            attempts: 1,
            acked: None,
            over: None,
        });
        self.publications.len() - 1
    }

    pub fn sent_again(&mut self, number: usize) {
        self.publications[number].attempts += 1;
        self.publications[number].over = None;
    }

    pub fn acked(&mut self, number: usize) {
        self.publications[number].acked.get_or_insert(self.step);
        self.publications[number].over = Some(self.step);
    }

    /// Nothing is under way.
    pub fn at_rest(&mut self) {
        for sent in &mut self.publications {
            sent.over.get_or_insert(self.step);
        }
    }

    pub fn begin(&mut self, client: usize, is_durable: bool) -> EpochId {
        self.epochs.push(Epoch {
            client,
            is_durable,
            filters: BTreeMap::new(),
            arrivals: BTreeMap::new(),
            newest: BTreeMap::new(),
            ended: None,
            gone: None,
            empty: BTreeMap::new(),
            retained: BTreeSet::new(),
            is_small: false,
        });
        self.epochs.len() - 1
    }

    pub fn end(&mut self, epoch: EpochId) {
        self.epochs[epoch].ended = Some(self.step);
    }

    /// The broker answers a later connection of the client: it knows that earlier sessions have ended.
    pub fn welcomed(&mut self, client: usize) {
        let step = self.step;
        for epoch in self.epochs.iter_mut().filter(|epoch| epoch.client == client && epoch.ended.is_some()) {
            epoch.gone.get_or_insert(step);
        }
    }

    /// A SUBSCRIBE is sent; gives back by which number its answer is known.
    pub fn subscribing(&mut self, epoch: EpochId, filter: &str, options: SubscribeOptions, no_local: bool) -> usize {
        let (qos, step) = (options.qos as u8, self.step);
        let is_new = !self.epochs[epoch].filters.contains_key(filter);
        let known = self.epochs[epoch].filters.entry(filter.to_owned()).or_insert(Filter {
            qos,
            no_local,
            since: None,
            unsubscribing: false,
            ended: None,
            ever_local: false,
            retained_since: None,
            wish: None,
            request: 0,
        });
        if known.qos.min(1) != qos.min(1) || known.no_local != no_local || known.unsubscribing {
            known.since = None;
        }
        known.ever_local |= !no_local;
        // [MQTT-3.3.1-10] [MQTT-3.3.1-11] What an earlier request began may end with this one.
        known.retained_since = None;
        let is_wanted = options.retain_handling == 0 || options.retain_handling == 1 && is_new;
        known.wish = is_wanted.then_some(step);
        (known.qos, known.no_local, known.unsubscribing, known.ended) = (qos, no_local, false, None);
        known.request += 1;
        known.request
    }

    /// SUBACK; an answer to an earlier request says nothing.
    pub fn subscribed(&mut self, epoch: EpochId, filter: &str, request: usize) {
        let step = self.step;
        if let Some(known) = self.epochs[epoch].filters.get_mut(filter).filter(|known| known.request == request) {
            known.since.get_or_insert(step);
            known.retained_since = known.wish;
        }
    }

    /// An UNSUBSCRIBE is sent; gives back by which number its answer is known.
    pub fn unsubscribing(&mut self, epoch: EpochId, filter: &str) -> usize {
        let Some(known) = self.epochs[epoch].filters.get_mut(filter) else { return 0 };
        known.unsubscribing = true;
        known.since = None;
        known.retained_since = None;
        known.request += 1;
        known.request
    }

    /// UNSUBACK.
    pub fn unsubscribed(&mut self, epoch: EpochId, filter: &str, request: usize) {
        let step = self.step;
        if let Some(known) = self.epochs[epoch].filters.get_mut(filter).filter(|known| known.request == request) {
            known.ended.get_or_insert(step);
        }
    }

    /// The number of a message that arrived, if it is intact and was sent.
    pub fn known(&mut self, letter: &Letter) -> Option<usize> {
        let text = String::from_utf8_lossy(&letter.payload);
        let number = text.split(':').next().and_then(|number| number.parse::<usize>().ok());
        let sent = number.and_then(|number| self.publications.get(number));
        let is_intact = sent.is_some_and(|sent| {
            sent.topic == letter.topic
                && letter.qos <= sent.qos
                && number.is_some_and(|number| payload(number, &letter.topic) == letter.payload)
        });
        if is_intact {
            return number;
        }
        self.fail(format!("O4: foreign or damaged message {letter:?}"));
        None
    }

    /// A message arrives that the client has not got under this packet id before.
    pub fn arrived(&mut self, id: EpochId, connection: usize, letter: &Letter) {
        self.deliveries += 1;
        if letter.payload.is_empty() {
            *self.epochs[id].empty.entry(letter.topic.clone()).or_default() += 1;
            return;
        }
        let Some(number) = self.known(letter) else { return };
        let sent = self.publications[number].clone();
        if let Some(reason) = self.is_foreign(id, &sent, letter.retain) {
            let client = self.epochs[id].client;
            self.fail(format!("O4/O6: client {client} got message {number} of {} although {reason}", sent.topic));
        }
        if letter.retain {
            if !sent.retain {
                self.fail(format!("O4: message {number} was not to be retained"));
            }
            self.epochs[id].retained.insert(number);
            return;
        }
        let covered = self.covers(id, &sent, letter.qos.min(1));
        let epoch = &mut self.epochs[id];
        let arrival = epoch.arrivals.entry(number).or_default();
        let before = *arrival;
        arrival.count += 1;
        arrival.exactly += usize::from(letter.qos == 2);
        arrival.connection = connection;
        let arrival = *arrival;
        let key = (sent.publisher, sent.topic.clone(), sent.qos, letter.qos);
        let newest = epoch.newest.get(&key).copied();
        if before.count == 0 && covered && !sent.is_will {
            epoch.newest.insert(key, number);
        }
        let is_shared = sent.topic.starts_with("s/");
        let client = epoch.client;
        if arrival.exactly > 1 {
            self.fail(format!("O2: QoS 2 message {number} reached client {client} {} times", arrival.exactly));
        }
        if letter.qos == 0 && before.count > 0 && sent.qos == 0 {
            self.fail(format!("QoS 0 message {number} reached client {client} again"));
        }
        if before.count > 0 && sent.attempts == 1 && !sent.is_will && before.connection == connection {
            self.fail(format!("message {number} reached client {client} again on one connection, sent once"));
        }
        // What is sent again at QoS 0 may have passed a client that was away the first time.
        let is_ordered = !is_shared && !sent.is_will && (letter.qos > 0 || sent.attempts == 1);
        if before.count == 0 && covered && is_ordered && newest.is_some_and(|newest| newest > number) {
            self.fail(format!("O3: client {client} got {number} of {} after {newest:?}", sent.topic));
        }
    }

    fn is_foreign(&self, id: EpochId, sent: &Publication, is_retained: bool) -> Option<&'static str> {
        let epoch = &self.epochs[id];
        let matching: Vec<_> =
            epoch.filters.iter().filter(|(filter, _)| matches(filter, &sent.topic)).map(|(_, known)| known).collect();
        if matching.is_empty() {
            return Some("it never subscribed to it");
        }
        if sent.publisher == epoch.client && matching.iter().all(|known| !known.ever_local) {
            return Some("it is its own, and not wanted");
        }
        if is_retained || sent.is_will {
            return None;
        }
        let is_over = matching.iter().all(|known| known.ended.is_some_and(|ended| ended < sent.first_sent));
        is_over.then_some("it had unsubscribed")
    }

    /// Whether a session is sure to be subscribed, with at least this QoS, since before the message was sent.
    pub(super) fn covers(&self, id: EpochId, sent: &Publication, qos: u8) -> bool {
        let epoch = &self.epochs[id];
        epoch.filters.iter().any(|(filter, known)| {
            known.since.is_some_and(|since| since < sent.first_sent)
                && !known.unsubscribing
                && known.qos >= qos
                && (!known.no_local || sent.publisher != epoch.client)
                && matches(filter, &sent.topic)
        })
    }
}

#[test]
fn filters_match_as_the_standard_says() {
    for (filter, topic, expected) in [
        ("t/a", "t/a", true),
        ("t/+", "t/a", true),
        ("t/+", "t/a/x", false),
        ("t/#", "t", true),
        ("t/#", "t/a/x", true),
        ("t/+/x", "t/a/x", true),
        ("t/a", "t/b", false),
        ("$share/g/s/+", "s/a", true),
    ] {
        assert_eq!(matches(filter, topic), expected, "{filter} {topic}");
    }
}
