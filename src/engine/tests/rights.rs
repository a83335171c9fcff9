//! What clients may do, when it is asked, and what a change does.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::{Script, lasting, limits, options, passing};
use crate::engine::Options;
use crate::protocol::mqtt::codec::SubscribeOptions;
use crate::security::{Access, Authorizer, Permission, Principal, Scope};
use crate::sim::packet::{self, Heard, Hello, Letter, wish};

/// Allows what is not listed, and notes what it was asked.
#[derive(Debug, Default)]
struct Authority {
    epoch: Cell<u64>,
    denied: RefCell<Vec<(Permission, &'static str)>>,
    revoked: Cell<bool>,
    asked: RefCell<Vec<String>>,
}

impl Authority {
    fn deny(&self, permission: Permission, address: &'static str) {
        self.denied.borrow_mut().push((permission, address));
        self.epoch.set(self.epoch.get() + 1);
    }
}

impl Authorizer for Authority {
    fn authorize(&self, access: &Access<'_>) -> bool {
        self.asked.borrow_mut().push(format!("{} {} {}", access.client_id, access.permission.name(), access.address));
        !self.denied.borrow().contains(&(access.permission, access.address)) && !panics(access.address)
    }

    fn refresh(&self, principal: &Principal) -> Option<Principal> {
        (!self.revoked.get()).then(|| principal.clone())
    }

    fn epoch(&self) -> u64 {
        self.epoch.get()
    }

    fn is_narrowed(&self, _: &Access<'_>) -> bool {
        true
    }

    fn scope(&self) -> Scope {
        Scope::Roles
    }
}

fn panics(address: &str) -> bool {
    assert_ne!(address, "fault", "a fault in somebody's code");
    false
}

fn script() -> (Script, Rc<Authority>) {
    let authority = Rc::new(Authority::default());
    let shared = authority.clone();
    // The options are made by one thread, as they are used.
    let with = move || Options { security: Some(shared.clone()), ..options() };
    (Script::with(with, limits()), authority)
}

#[test]
fn an_answer_is_kept_until_the_epoch_changes() {
    let (mut script, authority) = script();
    let (one, two) = (script.join(&passing("one")), script.join(&passing("two")));
    for client in [one, two, one] {
        script.publish(client, &Letter::new("t", "x", 1, 1));
        script.node.settle();
        assert_eq!(script.hears(client), [Heard::PubAck(1, 0x10)]);
    }
    assert_eq!(*authority.asked.borrow(), ["one send t"]);
    authority.deny(Permission::Send, "t");
    for client in [one, two] {
        script.publish(client, &Letter::new("t", "x", 1, 1));
        script.node.settle();
        assert_eq!(script.hears(client), [Heard::PubAck(1, 0x87)]);
    }
    script.publish(one, &Letter::new("u", "x", 1, 1));
    script.node.settle();
    assert_eq!(script.hears(one), [Heard::PubAck(1, 0x10)]);
    assert_eq!(*authority.asked.borrow(), ["one send t", "one send t", "one send u"]);
}

#[test]
fn a_revoked_principal_may_do_nothing() {
    let (mut script, authority) = script();
    let client = script.join(&passing("c"));
    script.subscribe(client, "t", 1);
    authority.revoked.set(true);
    authority.epoch.set(1);
    script.publish(client, &Letter::new("t", "x", 1, 1));
    script.send(client, &packet::subscribe(client.version, 2, &[("u", SubscribeOptions { ..wish(1) })]));
    script.node.settle();
    assert_eq!(script.hears(client), [Heard::PubAck(1, 0x87), Heard::SubAck(2, vec![0x87])]);
}

#[test]
fn a_fault_in_the_authorizer_denies() {
    let (mut script, _) = script();
    let client = script.join(&passing("c"));
    script.publish(client, &Letter::new("fault", "x", 1, 1));
    script.node.settle();
    assert_eq!(script.hears(client), [Heard::PubAck(1, 0x87)]);
}

#[test]
fn a_will_is_sent_by_the_rights_of_its_time() {
    let (mut script, authority) = script();
    let will = |topic: &str| Hello { will: Some(Letter::new(topic, "gone", 1, 0)), ..passing(topic) };
    let watcher = script.join(&lasting("w"));
    script.subscribe(watcher, "#", 1);
    let (open, closed) = (script.join(&will("open")), script.join(&will("closed")));
    authority.deny(Permission::Send, "closed");
    script.lose(open);
    script.lose(closed);
    script.node.settle();
    let came = script.messages(watcher);
    assert_eq!(came.len(), 1, "{came:?}");
    assert_eq!(script.node.engine.counters().refused, 1);
}
