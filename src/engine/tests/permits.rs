//! What a subscription needs to begin and to end, and which setting counts for its queue.

use std::rc::Rc;

use super::access::{CLOSED, OPEN, guarded, guarded_with, settings, suback, topics, user};
use super::{Options, Script, Seat, lasting, limits, options, passing};
use crate::engine::{Admission, DeclaredAddress, DeclaredQueue};
use crate::protocol::mqtt::codec::{AckKind, Version};
use crate::security::ConnectionRequest;
use crate::sim::packet::{self, Heard, Hello, Letter};

fn unsuback(script: &mut Script, seat: Seat, filter: &str) -> Vec<u8> {
    script.send(seat, &packet::unsubscribe(seat.version, 8, &[filter]));
    script.node.settle();
    match &script.hears(seat)[..] {
        [Heard::UnsubAck(8, codes)] => codes.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_subscription_needs_what_it_makes() {
    let all = "consume createAddress createDurableQueue createNonDurableQueue";
    let but = |name: &str| all.split(' ').filter(|other| *other != name).collect::<Vec<_>>().join(" ");
    let brief = |version| Hello { version, ..passing("c") };
    let kept = |version| Hello { version, ..lasting("c") };
    for (permissions, hello, is_allowed) in [
        (all.to_owned(), brief(Version::V5), true),
        (but("consume"), brief(Version::V5), false),
        (but("createAddress"), brief(Version::V5), false),
        (but("createDurableQueue"), brief(Version::V5), true),
        (but("createDurableQueue"), kept(Version::V5), false),
        (but("createDurableQueue"), kept(Version::V4), false),
        (but("createNonDurableQueue"), kept(Version::V4), true),
    ] {
        let (mut script, _) = guarded(&[("#", &permissions, "any")]);
        let client = script.join(&user("ann", hello.clone()));
        for filter in ["t", "$share/g/t"] {
            let code = suback(&mut script, client, filter);
            let refused = if hello.version == Version::V5 { 0x87 } else { 0x80 };
            assert_eq!(code, if is_allowed { 1 } else { refused }, "{permissions} {hello:?} {filter}");
        }
    }
}

#[test]
fn what_is_there_already_needs_no_permission_to_be_made() {
    let (mut script, authorization) = guarded(OPEN);
    let (ann, bob) = (script.join(&user("ann", passing("ann"))), script.join(&user("bob", passing("bob"))));
    script.subscribe(ann, "t", 0);
    script.subscribe(ann, "$share/g/t", 0);
    authorization.replace(settings(&[("#", "consume createNonDurableQueue", "any")]));
    for (filter, code) in [("t", 1), ("new", 0x87), ("$share/g/t", 1), ("$share/other/new", 0x87)] {
        assert_eq!(suback(&mut script, bob, filter), code, "{filter}");
    }
    authorization.replace(settings(&[("#", "consume", "any")]));
    assert_eq!(suback(&mut script, bob, "t"), 1);
    assert_eq!(suback(&mut script, ann, "$share/g/t"), 1);
    assert_eq!(suback(&mut script, ann, "$share/g2/t"), 0x87);
}

#[test]
fn the_end_of_a_subscription_needs_permission_to_delete_its_queue() {
    for (permission, hello) in [("deleteDurableQueue", lasting("c")), ("deleteNonDurableQueue", passing("c"))] {
        let (mut script, authorization) = guarded(OPEN);
        let (client, other) = (script.join(&user("ann", hello.clone())), script.join(&user("ann", passing("o"))));
        script.subscribe(client, "t", 1);
        script.subscribe(client, "$share/g/t", 1);
        authorization.replace(settings(&[("#", "all", "nobody")]));
        assert_eq!(unsuback(&mut script, client, "t"), [0x87]);
        assert_eq!(unsuback(&mut script, client, "$share/g/t"), [0x87]);
        assert_eq!(unsuback(&mut script, client, "unknown"), [0x11]);
        authorization.replace(settings(OPEN));
        script.subscribe(other, "$share/g/t", 1);
        authorization.replace(settings(&[("#", "all", "nobody")]));
        // Others still take from the group's queue: nothing is deleted.
        assert_eq!(unsuback(&mut script, client, "$share/g/t"), [0]);
        authorization.replace(settings(&[("#", permission, "any")]));
        assert_eq!(unsuback(&mut script, client, "t"), [0]);
    }
}

#[test]
fn a_setting_for_exactly_one_queue_comes_before_its_address() {
    let queue = "t::ann.t";
    let (mut script, _) = guarded(&[
        ("#", "all", "any"),
        (queue, "all", "nobody"),
        ("x.#", "all", "nobody"),
        ("x.y::g.x.y", "all", "any"),
    ]);
    let (ann, bob) = (script.join(&user("ann", passing("ann"))), script.join(&user("bob", passing("bob"))));
    assert_eq!(suback(&mut script, ann, "t"), 0x87);
    assert_eq!(suback(&mut script, bob, "t"), 1);
    assert_eq!(suback(&mut script, bob, "x/y"), 0x87);
    assert_eq!(suback(&mut script, bob, "$share/g/x/y"), 1);
}

#[test]
fn declared_queues_are_as_protected_as_their_names() {
    let name: Rc<str> = "jobs".into();
    let address = move || {
        let queues = vec![DeclaredQueue::durable(&name, true), DeclaredQueue::durable("other", true)];
        let jobs = DeclaredAddress { name: name.clone(), is_anycast: true, is_multicast: false, queues };
        Options { addresses: vec![jobs], ..options() }
    };
    let (mut script, _) =
        guarded_with(&[("#", "consume", "any"), ("jobs::other", "consume", "admin")], limits(), address);
    let (ann, admin) = (script.join(&user("ann", passing("a"))), script.join(&user("admin", passing("b"))));
    assert_eq!(suback(&mut script, ann, "jobs"), 1);
    assert_eq!(suback(&mut script, ann, "jobs::other"), 0x87);
    assert_eq!(suback(&mut script, admin, "jobs::other"), 1);
    // What only looks like a queue is an address like any other.
    assert_eq!(suback(&mut script, admin, "jobs::unknown"), 0x87);
}

fn jobs() -> Options {
    let queues = vec![DeclaredQueue::durable("mine", false), DeclaredQueue::durable("other", false)];
    let jobs = DeclaredAddress { name: "jobs".into(), is_anycast: false, is_multicast: true, queues };
    Options { addresses: vec![jobs], ..options() }
}

#[test]
fn a_revocation_counts_for_queues_called_by_their_names() {
    let open = &[("#", "all", "any"), ("jobs::other", "all", "any")];
    for closed in [
        &[("#", "all", "any"), ("jobs::mine", "all", "admin"), ("jobs::other", "all", "any")],
        &[("#", "all", "any"), ("jobs", "send", "any"), ("jobs::other", "all", "any")],
    ] {
        let (mut script, authorization) = guarded_with(open, limits(), jobs);
        let (ann, bob) = (script.join(&user("ann", passing("a"))), script.join(&user("bob", passing("b"))));
        let publisher = script.join(&user("p", passing("p")));
        script.subscribe(ann, "jobs::mine", 1);
        script.subscribe(bob, "jobs::other", 1);
        for (id, came) in [(1, 1), (2, 0)] {
            script.publish(publisher, &Letter::new("jobs", "x", 1, id));
            script.node.settle();
            assert_eq!((script.payloads(ann).len(), script.payloads(bob).len()), (came, 1), "{closed:?}");
            authorization.replace(settings(closed));
        }
    }
}

#[test]
fn what_the_setting_of_a_queue_permits_comes_though_the_address_is_closed() {
    let grants = &[
        ("#", "all", "any"),
        ("jobs", "send", "any"),
        ("jobs::mine", "all", "any"),
        ("x.y", "send", "any"),
        ("x.y::g.x.y", "all", "any"),
        ("x.z", "send", "any"),
        ("x.z::ann.x.z", "all", "any"),
    ];
    let (mut script, _) = guarded_with(grants, limits(), jobs);
    let (ann, publisher) = (script.join(&user("ann", lasting("ann"))), script.join(&user("p", passing("p"))));
    for filter in ["jobs::mine", "$share/g/x/y", "x/z", "#"] {
        script.subscribe(ann, filter, 2);
    }
    for (id, topic) in (1..).zip(["jobs", "x/y", "x/z", "x/w"]) {
        script.publish(publisher, &Letter::new(topic, topic, 2, id));
        script.node.settle();
        assert_eq!(script.payloads(ann), [topic]);
    }
}

#[test]
fn a_name_that_comes_to_mean_a_queue_later_opens_nothing() {
    let (mut script, _) = guarded(&[("#", "all", "any"), ("a.secret", "all", "admin")]);
    let (ann, admin) = (script.join(&user("ann", lasting("ann"))), script.join(&user("admin", lasting("admin"))));
    // So far it is an address like any other.
    script.subscribe(ann, "a/secret::g/a/secret", 1);
    script.subscribe(admin, "$share/g/a/secret", 1);
    script.node.settle();
    script.node.crash();
    let (ann, admin) = (script.rejoin(&user("ann", lasting("ann"))), script.rejoin(&user("admin", lasting("admin"))));
    for id in 1..=4 {
        script.publish(admin, &Letter::new("a/secret", "x", 0, 0));
        script.node.settle();
        assert_eq!((script.payloads(ann).len(), script.payloads(admin).len()), (0, 1), "{id}");
    }
}

#[test]
fn a_declared_address_with_a_wildcard_is_checked_message_by_message() {
    let declared = || {
        let queues = vec![DeclaredQueue::durable("q", true)];
        let address = DeclaredAddress { name: "jobs.#".into(), is_anycast: true, is_multicast: false, queues };
        Options { addresses: vec![address], ..options() }
    };
    let grants = &[("#", "all", "any"), ("jobs.secret", "all", "admin")];
    let (mut script, _) = guarded_with(grants, limits(), declared);
    let (ann, admin) = (script.join(&user("ann", passing("a"))), script.join(&user("admin", passing("b"))));
    script.subscribe(ann, "jobs/#", 1);
    script.publish(admin, &Letter::new("jobs/1", "1", 0, 0));
    script.publish(admin, &Letter::new("jobs/secret", "2", 0, 0));
    script.node.settle();
    assert_eq!(script.payloads(ann), ["1"]);
}

#[test]
fn what_an_ended_subscription_has_left_in_the_queue_feels_a_revocation() {
    for fails in [false, true] {
        let (mut script, authorization) = guarded(OPEN);
        let narrow = Hello { receive_maximum: Some(1), ..lasting("ann") };
        let (mut ann, publisher) = (script.join(&user("ann", narrow.clone())), script.join(&user("p", passing("p"))));
        script.subscribe(ann, "b/#", 1);
        script.subscribe(ann, "a/secret", 1);
        for (id, topic) in [(1, "b/1"), (2, "a/secret"), (3, "b/2")] {
            script.publish(publisher, &Letter::new(topic, topic, 1, id));
        }
        script.node.settle();
        let mut first = script.messages(ann);
        script.send(ann, &packet::unsubscribe(ann.version, 8, &["a/secret"]));
        script.node.settle();
        assert_eq!(script.hears(ann), [Heard::UnsubAck(8, vec![0])]);
        authorization.replace(settings(CLOSED));
        if fails {
            script.node.crash();
            ann = script.rejoin(&user("ann", narrow));
            first = script.messages(ann);
        }
        assert_eq!(first.len(), 1);
        script.ack(ann, AckKind::PubAck, first[0].2);
        assert_eq!(topics(&mut script, ann), ["b/2"], "{fails}");
    }
}

#[test]
fn a_guest_does_not_take_away_the_will_of_a_user_of_the_same_name() {
    let (mut script, _) = guarded(OPEN);
    script.node.admit = Box::new(|request| {
        let principal = ConnectionRequest::default().admit("guest").with_roles(["any"]);
        let principal = if request.username.is_some() { principal } else { principal.anonymous() };
        Ok(Admission { principal, client_id: None })
    });
    let watcher = script.join(&user("guest", lasting("w")));
    script.subscribe(watcher, "will", 1);
    script.join(&user("guest", Hello { will: Some(Letter::new("will", "x", 1, 0)), ..passing("c") }));
    script.node.pass(1_000);
    script.node.settle();
    script.node.crash();
    script.join(&passing("c"));
    script.node.pass(60_000);
    let watcher = script.rejoin(&user("guest", lasting("w")));
    assert_eq!(topics(&mut script, watcher), ["will"]);
}
