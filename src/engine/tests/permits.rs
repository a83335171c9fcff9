//! What a subscription needs to begin and to end, and which setting counts for its queue.

use std::rc::Rc;

use super::access::{OPEN, guarded, guarded_with, settings, suback, user};
use super::{Options, Script, Seat, lasting, limits, options, passing};
use crate::engine::DeclaredAddress;
use crate::protocol::mqtt::codec::Version;
use crate::sim::packet::{self, Heard, Hello};

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
        let queues = vec![(name.clone(), true), ("other".into(), true)];
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
