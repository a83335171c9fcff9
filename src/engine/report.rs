//! What there is, for those who look from outside.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use super::client::Subscribed;
use super::{Engine, Owner};
use crate::core::limit::Limit;
use crate::core::queue::Queue;

/// The address that holds the last value of an address.
pub const RETAIN_PREFIX: &str = "$sys.mqtt.retain.";

/// An address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressReport {
    pub name: String,
    pub routing_types: Vec<String>,
    /// Names of the queues bound to it.
    pub bindings: Vec<String>,
}

/// A queue, or a subscription as one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueReport {
    pub name: String,
    pub address: String,
    pub routing_type: String,
    pub durable: bool,
    pub consumer_count: usize,
    pub message_count: usize,
    pub messages_added: u64,
    pub delivering_count: usize,
    pub messages_acked: u64,
}

/// Something bounded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitReport {
    pub name: String,
    /// The acceptor whose limit it is; empty for the whole broker.
    pub acceptor: String,
    pub current: u64,
    /// `None` is any number.
    pub limit: Option<u64>,
    /// How often more was refused, or delayed.
    pub refused: u64,
}

impl LimitReport {
    pub fn of(acceptor: &str, limit: &Limit) -> Self {
        Self {
            name: limit.name.to_owned(),
            acceptor: acceptor.to_owned(),
            current: limit.current(),
            limit: Some(limit.max()).filter(|max| *max < u64::MAX),
            refused: limit.refused(),
        }
    }
}

impl Engine {
    /// Every address, by name.
    pub fn addresses(&self) -> Vec<AddressReport> {
        let mut addresses: BTreeMap<String, (Vec<&str>, Vec<String>)> = BTreeMap::new();
        for declared in &self.options.addresses {
            let (types, _) = addresses.entry(declared.name.to_string()).or_default();
            types.extend(declared.is_anycast.then_some("ANYCAST"));
            types.extend(declared.is_multicast.then_some("MULTICAST"));
        }
        for queue in self.queue_reports() {
            let (types, bindings) = addresses.entry(queue.address).or_default();
            let kind = if queue.routing_type == "ANYCAST" { "ANYCAST" } else { "MULTICAST" };
            if !types.contains(&kind) {
                types.push(kind);
            }
            bindings.push(queue.name);
        }
        let report = |(name, (types, bindings)): (String, (Vec<&str>, Vec<String>))| AddressReport {
            name,
            routing_types: types.into_iter().map(str::to_owned).collect(),
            bindings,
        };
        addresses.into_iter().map(report).collect()
    }

    /// Every queue, every subscription under its name, and every last value.
    pub fn queue_reports(&self) -> Vec<QueueReport> {
        let mut reports = Vec::new();
        for (_, client) in &self.clients {
            let queue = &self.queues[client.queue.index()].queue;
            let consumers = usize::from(client.connection.is_some());
            for (name, subscribed) in &client.subscriptions {
                if matches!(subscribed, Subscribed::Own(_)) {
                    let shown = format!("{}.{}", client.client_id, name.pattern);
                    reports.push(report(shown, name.pattern.to_string(), queue, consumers));
                }
            }
        }
        for (_, kept) in &self.queues {
            let consumers = kept.queue.members.iter();
            let consumers =
                consumers.filter(|member| self.clients[member.consumer.index()].connection.is_some()).count();
            match &kept.owner {
                Owner::Client(_) => {}
                Owner::Shared(shared, _) => {
                    reports.push(report(kept.queue.name.to_string(), shared.name.to_string(), &kept.queue, consumers));
                }
                Owner::Declared => {
                    let declared = self.options.addresses.iter();
                    let address = declared
                        .flat_map(|address| address.queues.iter().map(move |queue| (address, queue)))
                        .find(|(_, queue)| queue.name == kept.queue.name)
                        .map(|(address, queue)| (address.name.to_string(), queue.is_anycast))
                        .unwrap_or_else(|| (kept.queue.name.to_string(), true));
                    let mut report = report(kept.queue.name.to_string(), address.0, &kept.queue, consumers);
                    if address.1 {
                        report.routing_type = "ANYCAST".into();
                    }
                    reports.push(report);
                }
            }
        }
        reports.extend(self.retained.iter().map(|value| {
            let name = format!("{RETAIN_PREFIX}{}", value.message.address.name());
            QueueReport {
                address: name.clone(),
                name,
                routing_type: "MULTICAST".into(),
                durable: true,
                consumer_count: 0,
                message_count: 1,
                messages_added: 1,
                delivering_count: 0,
                messages_acked: 0,
            }
        }));
        reports.sort_by(|a, b| a.name.cmp(&b.name));
        reports
    }
}

fn report(name: String, address: String, queue: &Queue, consumer_count: usize) -> QueueReport {
    let (messages_added, messages_acked) = queue.counts();
    QueueReport {
        name,
        address,
        routing_type: "MULTICAST".into(),
        durable: queue.durable,
        consumer_count,
        message_count: queue.len(),
        messages_added,
        delivering_count: queue.delivering(),
        messages_acked,
    }
}
