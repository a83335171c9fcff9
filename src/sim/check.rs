//! What the oracle looks at once nothing is under way any more.

use std::collections::{BTreeMap, BTreeSet};

use super::oracle::{Filter, Oracle, Publication, is_large, matches};

impl Oracle {
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
                other != number
                    && later.retain
                    && later.topic == sent.topic
                    && later.over.is_none_or(|over| over >= sent.first_sent)
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
            let over = sent.over.unwrap_or(usize::MAX);
            retained.iter().any(|(_, later)| later.acked.is_some() && later.first_sent > over)
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
