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
    pub line: u32,
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
    pub line: u32,
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

/// Reads `<addresses>`.
pub(super) fn read(addresses: &mut Vec<AddressDeclaration>, section: &Element, findings: &mut Findings<'_>) {
    for element in &section.children {
        if element.name != "address" {
            findings.unknown(element, "element", &element.name, ["address"]);
        } else if let Some(address) = read_address(element, findings) {
            addresses.push(address);
        }
    }
    check_unique(addresses, section, findings);
}

fn read_address(element: &Element, findings: &mut Findings<'_>) -> Option<AddressDeclaration> {
    let name = required(element, "name", findings)?;
    let mut address = AddressDeclaration { name, line: element.line, ..AddressDeclaration::default() };
    for child in &element.children {
        let queues = match child.name.as_str() {
            "anycast" => &mut address.anycast,
            "multicast" => &mut address.multicast,
            other => {
                findings.unknown(child, "element", other, ["anycast", "multicast"]);
                continue;
            }
        };
        let declared = child.children.iter().filter_map(|queue| read_queue(queue, findings));
        queues.get_or_insert_default().extend(declared);
    }
    Some(address)
}

/// An attribute that must be there and not be empty.
pub(super) fn required(element: &Element, attribute: &str, findings: &mut Findings<'_>) -> Option<String> {
    let value = element.attribute(attribute).filter(|value| !value.is_empty());
    if value.is_none() {
        findings.error(element, format!("expected an attribute {attribute}"));
    }
    value.map(str::to_owned)
}

fn read_queue(element: &Element, findings: &mut Findings<'_>) -> Option<QueueDeclaration> {
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
        line: element.line,
    };
    for (key, value) in &element.attributes {
        let result = set_attribute(&mut queue, key, value, element, findings);
        findings.accept(element, result.map_err(|message| format!("{key}: {message}")));
    }
    for child in &element.children {
        set_child(&mut queue, child, findings);
    }
    Some(queue)
}

fn set_attribute(
    queue: &mut QueueDeclaration,
    key: &str,
    value: &str,
    element: &Element,
    findings: &mut Findings<'_>,
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

fn set_child(queue: &mut QueueDeclaration, child: &Element, findings: &mut Findings<'_>) {
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

fn check_unique(addresses: &[AddressDeclaration], section: &Element, findings: &mut Findings<'_>) {
    let queues = addresses.iter().flat_map(|address| [&address.anycast, &address.multicast]).flatten().flatten();
    let addresses = addresses.iter().map(|address| ("address", &address.name, address.line));
    let mut seen = HashMap::new();
    for (kind, name, line) in addresses.chain(queues.map(|queue| ("queue", &queue.name, queue.line))) {
        if let Some(first) = seen.insert((kind, name), line) {
            let at = Element { line, path: format!("{}<{kind}>", section.path), ..Element::default() };
            findings.error(&at, format!("the {kind} {name:?} is declared twice, first in line {first}"));
        }
    }
}
