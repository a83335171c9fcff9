//! `<addresses>`: what exists without anyone asking for it.

use std::collections::HashMap;

use super::error::Findings;
use super::units::{boolean, number};
use super::xml::Element;

/// An address that exists from the start, with the routing types it supports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressDeclaration {
    pub name: String,
    /// `None` where the address is not for anycast; empty where it is, without queues of its own.
    pub anycast: Option<Vec<QueueDeclaration>>,
    pub multicast: Option<Vec<QueueDeclaration>>,
}

/// A queue that exists from the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueDeclaration {
    pub name: String,
    pub durable: bool,
    /// `None` for any number.
    pub max_consumers: Option<u32>,
    pub purge_on_no_consumers: bool,
    /// Whether messages are routed to it.
    pub enabled: bool,
    pub filter: Option<String>,
    pub user: Option<String>,
}

const ATTRIBUTES_WITHOUT_EFFECT: &[&str] = &[
    "consumers-before-dispatch",
    "delay-before-dispatch",
    "exclusive",
    "group-buckets",
    "group-first-key",
    "group-rebalance",
    "group-rebalance-pause-dispatch",
    "last-value",
    "last-value-key",
    "non-destructive",
    "ring-size",
];
const ATTRIBUTES: &[&str] = &["name", "max-consumers", "purge-on-no-consumers", "enabled"];

/// Reads `<addresses>`. Of queues with one name the first counts; addresses with one name are one.
pub(super) fn read(addresses: &mut Vec<AddressDeclaration>, section: &Element, findings: &mut Findings) {
    let (mut known, mut queues) = (HashMap::new(), HashMap::new());
    for element in &section.children {
        if element.name != "address" {
            findings.unknown(element, "element", &element.name, ["address"]);
        } else if let Some(name) = required(element, "name", findings) {
            let at = *known.entry(name.clone()).or_insert_with(|| {
                addresses.push(AddressDeclaration { name, ..AddressDeclaration::default() });
                addresses.len() - 1
            });
            read_address(&mut addresses[at], element, &mut queues, findings);
        }
    }
}

fn read_address(
    address: &mut AddressDeclaration,
    element: &Element,
    seen: &mut HashMap<String, String>,
    findings: &mut Findings,
) {
    for child in &element.children {
        let queues = match child.name.as_str() {
            "anycast" => &mut address.anycast,
            "multicast" => &mut address.multicast,
            other => {
                findings.unknown(child, "element", other, ["anycast", "multicast"]);
                continue;
            }
        };
        let queues = queues.get_or_insert_default();
        for element in &child.children {
            let Some(queue) = read_queue(element, findings) else { continue };
            if let Some(first) = seen.get(&queue.name) {
                findings.warn(element, format!("is ignored: the queue {:?} is declared in {first}", queue.name));
            } else {
                seen.insert(queue.name.clone(), format!("{}:{}", element.file, element.line));
                queues.push(queue);
            }
        }
    }
}

/// An attribute that must be there and not be empty.
pub(super) fn required(element: &Element, attribute: &str, findings: &mut Findings) -> Option<String> {
    let value = element.attribute(attribute).filter(|value| !value.is_empty());
    if value.is_none() {
        findings.error(element, format!("expected an attribute {attribute}"));
    }
    value.map(str::to_owned)
}

fn read_queue(element: &Element, findings: &mut Findings) -> Option<QueueDeclaration> {
    if element.name != "queue" {
        findings.unknown(element, "element", &element.name, ["queue"]);
        return None;
    }
    let name = required(element, "name", findings)?;
    let mut queue = QueueDeclaration {
        name,
        durable: true,
        max_consumers: None,
        purge_on_no_consumers: false,
        enabled: true,
        filter: None,
        user: None,
    };
    for (key, value) in &element.attributes {
        let result = set_attribute(&mut queue, key, value, element, findings);
        findings.accept(element, result.map_err(|message| format!("{key}: {message}")));
    }
    for child in &element.children {
        set_child(&mut queue, child, findings);
    }
    let idle = [
        ("max-consumers", queue.max_consumers.is_some()),
        ("purge-on-no-consumers", queue.purge_on_no_consumers),
        ("enabled", !queue.enabled),
    ];
    for (attribute, _) in idle.into_iter().filter(|(_, is_set)| *is_set) {
        findings.no_effect(element, &format!("queue {}: {attribute}", queue.name));
    }
    Some(queue)
}

fn set_attribute(
    queue: &mut QueueDeclaration,
    key: &str,
    value: &str,
    element: &Element,
    findings: &mut Findings,
) -> Result<(), String> {
    match key {
        "name" => {}
        "max-consumers" => queue.max_consumers = u32::try_from(number(value, -1..=i32::MAX.into())?).ok(),
        "purge-on-no-consumers" => queue.purge_on_no_consumers = boolean(value)?,
        "enabled" => queue.enabled = boolean(value)?,
        _ if ATTRIBUTES_WITHOUT_EFFECT.contains(&key) => {
            findings.no_effect(element, &format!("queue {}: {key}", queue.name));
        }
        _ => {
            let known = ATTRIBUTES.iter().chain(ATTRIBUTES_WITHOUT_EFFECT).copied();
            findings.unknown(element, "attribute", key, known);
        }
    }
    Ok(())
}

fn set_child(queue: &mut QueueDeclaration, child: &Element, findings: &mut Findings) {
    match child.name.as_str() {
        "durable" => {
            if let Some(durable) = findings.accept(child, boolean(&child.text)) {
                queue.durable = durable;
            }
        }
        "filter" => {
            queue.filter = child.attribute("string").map(str::to_owned);
            findings.no_effect(child, &format!("queue {}: the filter", queue.name));
        }
        "user" => queue.user = Some(child.text.clone()),
        other => findings.unknown(child, "element", other, ["durable", "filter", "user"]),
    }
}
