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
    pub last_sent: Step,
    pub attempts: usize,
    /// PUBACK or PUBREC arrived.
    pub acked: Option<Step>,
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
    /// When it last asked for retained values.
    retained_since: Option<Step>,
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
    gone: Option<Step>,
    /// Messages without a payload, by topic: they cannot be told apart.
    empty: BTreeMap<String, usize>,
    /// Retained copies that came.
    retained: BTreeSet<usize>,
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
fn is_large(number: usize, sent: &Publication) -> bool {
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
            last_sent: step,
            attempts: 1,
            acked: None,
        });
        self.publications.len() - 1
    }

    pub fn sent_again(&mut self, number: usize) {
        self.publications[number].last_sent = self.step;
        self.publications[number].attempts += 1;
    }

    pub fn acked(&mut self, number: usize) {
        self.publications[number].acked.get_or_insert(self.step);
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
            request: 0,
        });
        if known.qos.min(1) != qos.min(1) || known.no_local != no_local || known.unsubscribing {
            known.since = None;
        }
        known.ever_local |= !no_local;
        match options.retain_handling {
            0 => known.retained_since = Some(step),
            1 if is_new => known.retained_since = Some(step),
            // [MQTT-3.3.1-10] [MQTT-3.3.1-11] What an earlier one began may end here.
            _ => known.retained_since = None,
        }
        (known.qos, known.no_local, known.unsubscribing, known.ended) = (qos, no_local, false, None);
        known.request += 1;
        known.request
    }

    /// SUBACK; an answer to an earlier request says nothing.
    pub fn subscribed(&mut self, epoch: EpochId, filter: &str, request: usize) {
        let step = self.step;
        if let Some(known) = self.epochs[epoch].filters.get_mut(filter).filter(|known| known.request == request) {
            known.since.get_or_insert(step);
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
        if is_retained {
            return None;
        }
        if sent.is_will {
            return None;
        }
        if matching.iter().all(|known| known.ended.is_some_and(|ended| ended < sent.first_sent)) {
            return Some("it had unsubscribed");
        }
        let is_own = sent.publisher == epoch.client;
        (is_own && matching.iter().all(|known| !known.ever_local)).then_some("it is its own, and not wanted")
    }

    /// Whether a session is sure to be subscribed, with at least this QoS, since before the message was sent.
    fn covers(&self, id: EpochId, sent: &Publication, qos: u8) -> bool {
        let epoch = &self.epochs[id];
        epoch.filters.iter().any(|(filter, known)| {
            known.since.is_some_and(|since| since < sent.first_sent)
                && !known.unsubscribing
                && known.qos >= qos
                && (!known.no_local || sent.publisher != epoch.client)
                && matches(filter, &sent.topic)
        })
    }

    /// O1 and the other half of O2, once nothing is under way any more.
    pub fn check_delivered(&mut self) {
        let mut missing = Vec::new();
        let mut obligations = 0;
        for (number, sent) in self.publications.iter().enumerate() {
            if sent.acked.is_none() || sent.qos == 0 || sent.is_clear {
                continue;
            }
            if sent.topic.starts_with("s/") {
                missing.extend(self.missing_of_groups(number, sent, &mut obligations));
                continue;
            }
            for (id, epoch) in self.epochs.iter().enumerate() {
                let is_too_large = epoch.is_small && is_large(number, sent);
                if epoch.ended.is_none() && !is_too_large && self.covers(id, sent, 1) {
                    obligations += 1;
                    if !epoch.arrivals.contains_key(&number) {
                        missing.push(format!(
                            "O1: message {number} (QoS {}) of {} from client {}, sent at {}, acknowledged at {:?}, \
                             never reached client {}",
                            sent.qos, sent.topic, sent.publisher, sent.first_sent, sent.acked, epoch.client
                        ));
                    }
                }
            }
        }
        missing.extend(self.missing_clears());
        missing.extend(self.missing_retained(&mut obligations));
        self.obligations += obligations;
        for what in missing {
            self.fail(what);
        }
    }

    /// O1 for messages without a payload: at least as many arrive as were acknowledged.
    fn missing_clears(&self) -> Vec<String> {
        let mut missing = Vec::new();
        for (id, epoch) in self.epochs.iter().enumerate().filter(|(_, epoch)| epoch.ended.is_none()) {
            let mut owed: BTreeMap<&str, usize> = BTreeMap::new();
            let clears = self.publications.iter().filter(|sent| sent.is_clear && sent.acked.is_some() && sent.qos > 0);
            for sent in clears.filter(|sent| self.covers(id, sent, 1)) {
                *owed.entry(&sent.topic).or_default() += 1;
            }
            for (topic, owed) in owed {
                let came = epoch.empty.get(topic).copied().unwrap_or_default();
                if came < owed {
                    missing.push(format!(
                        "O1: {came} of {owed} empty messages of {topic} reached client {}",
                        epoch.client
                    ));
                }
            }
        }
        missing
    }

    /// A subscription gets the value that was retained before it was made, and not touched since.
    fn missing_retained(&self, obligations: &mut usize) -> Vec<String> {
        let mut missing = Vec::new();
        for (number, sent) in self.publications.iter().enumerate() {
            let is_touched = |(other, later): (usize, &Publication)| {
                other != number && later.retain && later.topic == sent.topic && later.last_sent >= sent.first_sent
            };
            let is_value = sent.retain && !sent.is_clear && sent.qos > 0;
            if !is_value || self.publications.iter().enumerate().any(is_touched) {
                continue;
            }
            for epoch in self.epochs.iter().filter(|epoch| epoch.ended.is_none()) {
                let is_owed = |(filter, known): (&String, &Filter)| {
                    known.since.is_some()
                        && known.qos > 0
                        && !(known.no_local && sent.publisher == epoch.client)
                        && known.retained_since.is_some_and(|since| sent.acked.is_some_and(|acked| acked < since))
                        && matches(filter, &sent.topic)
                };
                if epoch.filters.iter().any(is_owed) && !(epoch.is_small && is_large(number, sent)) {
                    *obligations += 1;
                    if !epoch.retained.contains(&number) && !epoch.arrivals.contains_key(&number) {
                        let (client, topic) = (epoch.client, &sent.topic);
                        missing.push(format!("O5: client {client} never got the retained value {number} of {topic}"));
                    }
                }
            }
        }
        missing
    }

    fn missing_of_groups(&self, number: usize, sent: &Publication, obligations: &mut usize) -> Vec<String> {
        let mut missing = Vec::new();
        let matching = self.epochs.iter().flat_map(|epoch| epoch.filters.keys());
        let shares: BTreeSet<&String> = matching.filter(|filter| matches(filter, &sent.topic)).collect();
        for share in shares {
            let members: Vec<_> =
                self.epochs.iter().enumerate().filter(|(_, epoch)| epoch.filters.contains_key(share)).collect();
            let is_owed = members
                .iter()
                .any(|(id, epoch)| epoch.ended.is_none() && epoch.is_durable && self.covers(*id, sent, 1));
            // What was one member's under QoS 2 ends with it.
            let may_be_lost = sent.qos == 2
                && members
                    .iter()
                    .any(|(_, epoch)| epoch.ended.is_some() && epoch.gone.is_none_or(|gone| gone >= sent.first_sent));
            let may_be_large = is_large(number, sent) && members.iter().any(|(_, epoch)| epoch.is_small);
            if is_owed && !may_be_lost && !may_be_large {
                *obligations += 1;
                if !members.iter().any(|(_, epoch)| epoch.arrivals.contains_key(&number)) {
                    missing.push(format!("O1: message {number} (QoS {}) never reached anyone of {share}", sent.qos));
                }
            }
            let living = members.iter().filter(|(_, epoch)| epoch.is_durable && epoch.ended.is_none());
            let copies: usize =
                living.map(|(_, epoch)| epoch.arrivals.get(&number).map_or(0, |arrival| arrival.exactly)).sum();
            if copies > 1 {
                missing.push(format!("O2: QoS 2 message {number} reached {copies} members of {share}"));
            }
        }
        missing
    }

    /// O5: the retained value of a topic is the last acknowledged or a later one.
    pub fn check_retained(&mut self, topic: &str, found: Option<usize>) {
        let retained: Vec<_> =
            self.publications.iter().enumerate().filter(|(_, sent)| sent.retain && sent.topic == topic).collect();
        let is_superseded = |sent: &Publication| {
            retained.iter().any(|(_, later)| later.acked.is_some() && later.first_sent > sent.last_sent)
        };
        let is_right = match found {
            Some(number) => {
                let sent = &self.publications[number];
                sent.retain && !sent.is_clear && !is_superseded(sent)
            }
            None => {
                let mut clears = retained.iter().filter(|(_, sent)| sent.is_clear);
                let was_set = retained.iter().any(|(_, sent)| sent.acked.is_some() && !sent.is_clear);
                !was_set || clears.any(|(_, clear)| !is_superseded(clear))
            }
        };
        if !is_right {
            let newest = retained.iter().rev().find(|(_, sent)| sent.acked.is_some()).map(|(number, _)| *number);
            self.fail(format!("O5: {topic} has the retained value {found:?}, last acknowledged {newest:?}"));
        }
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
