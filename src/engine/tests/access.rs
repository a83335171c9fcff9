//! Who may publish, subscribe, and be given what, while permissions change.

use std::rc::Rc;
use std::sync::Arc;

use super::{Limits, Options, Script, Seat, lasting, limits, options, passing};
use crate::core::address::Syntax;
use crate::core::settings::Hierarchy;
use crate::engine::Admission;
use crate::protocol::mqtt::codec::{AckKind, SubscribeOptions, Version};
use crate::security::{Authorization, ConnectionRequest, OpenSecurity, Permission, SecuritySetting};
use crate::sim::packet::{self, Heard, Hello, Letter, wish};

/// What a role may do, by pattern; `all` is everything.
pub(super) type Grants<'g> = &'g [(&'g str, &'g str, &'g str)];

/// Everybody's role is the same as the user's name; everybody has `any` as well.
pub(super) const OPEN: Grants<'_> = &[("#", "all", "any")];

/// `secret` is closed to all but the admin.
pub(super) const CLOSED: Grants<'_> = &[("#", "all", "any"), ("a.secret", "all", "admin")];

pub(super) fn settings(grants: Grants<'_>) -> Hierarchy<SecuritySetting> {
    let mut settings: Hierarchy<SecuritySetting> = Hierarchy::default();
    for (pattern, permissions, role) in grants {
        let mut setting = settings.get(pattern).cloned().unwrap_or_default();
        for permission in Permission::ALL {
            if *permissions == "all" || permissions.split(' ').any(|name| name == permission.name()) {
                setting.grant(permission, *role);
            }
        }
        settings.insert(*pattern, setting);
    }
    settings
}

/// A broker with these permissions, and what changes them.
pub(super) fn guarded(grants: Grants<'_>) -> (Script, Rc<Authorization>) {
    guarded_with(grants, limits(), options)
}

pub(super) fn guarded_with(
    grants: Grants<'_>,
    limits: Limits,
    options: impl Fn() -> Options + 'static,
) -> (Script, Rc<Authorization>) {
    let authorization = Rc::new(Authorization::new(Arc::new(OpenSecurity), Syntax::default(), settings(grants)));
    let security = authorization.clone();
    let options = move || Options { security: Some(security.clone()), ..options() };
    let mut script = Script::with(options, limits);
    script.node.admit = Box::new(|request| {
        let user = request.username.clone().unwrap_or_default();
        let principal = ConnectionRequest::default().admit(user.as_str()).with_roles([user.as_str(), "any"]);
        Ok(Admission { principal, client_id: None })
    });
    (script, authorization)
}

pub(super) fn user(name: &str, hello: Hello) -> Hello {
    Hello { username: Some(name.to_owned()), ..hello }
}

fn shown(letter: &Heard) -> &str {
    match letter {
        Heard::Publish(letter) => &letter.topic,
        other => panic!("{other:?}"),
    }
}

pub(super) fn topics(script: &mut Script, seat: Seat) -> Vec<String> {
    script.node.settle();
    script.hears(seat).iter().map(|heard| shown(heard).to_owned()).collect()
}

/// The code of a SUBACK for one filter.
pub(super) fn suback(script: &mut Script, seat: Seat, filter: &str) -> u8 {
    script.send(seat, &packet::subscribe(seat.version, 7, &[(filter, wish(1))]));
    script.node.settle();
    match &script.hears(seat)[..] {
        [Heard::SubAck(7, codes), ..] => codes[0],
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_wide_subscription_does_not_lead_around_a_narrower_denial() {
    let (mut script, _) = guarded(CLOSED);
    let (ann, admin) = (script.join(&user("ann", passing("c1"))), script.join(&user("admin", passing("c2"))));
    script.subscribe(ann, "a/#", 1);
    script.subscribe(ann, "+/secret", 1);
    script.subscribe(admin, "a/#", 1);
    for (id, topic) in [(1, "a/b"), (2, "a/secret"), (3, "a/secret/x"), (4, "b/secret")] {
        script.publish(admin, &Letter::new(topic, "x", 1, id));
    }
    assert_eq!(topics(&mut script, ann), ["a/b", "a/secret/x", "b/secret"]);
    let came = script.hears(admin).iter().filter(|heard| matches!(heard, Heard::Publish(_))).count();
    assert_eq!(came, 3);
    assert_eq!(suback(&mut script, ann, "a/secret"), 0x87);
    assert_eq!(script.refused("deliveries without permission"), 1);
}

#[test]
fn ghsa_7qmq_8cc4_hxwg_last_values_are_checked_one_by_one() {
    let (mut script, authorization) = guarded(CLOSED);
    let admin = script.join(&user("admin", passing("admin")));
    for (id, topic) in [(1, "a/b"), (2, "a/secret"), (3, "a/c")] {
        script.publish(admin, &Letter::new(topic, "x", 1, id).retained());
    }
    script.node.settle();
    script.hears(admin);
    let ann = script.join(&user("ann", lasting("ann")));
    script.subscribe(ann, "a/#", 1);
    let mut came = topics(&mut script, ann);
    came.sort();
    assert_eq!(came, ["a/b", "a/c"]);
    authorization.replace(settings(OPEN));
    script.subscribe(ann, "a/#", 1);
    assert_eq!(topics(&mut script, ann).len(), 3);
}

#[test]
fn ghsa_7qmq_8cc4_hxwg_a_replay_under_way_feels_a_revocation() {
    let (mut script, authorization) = guarded(OPEN);
    let admin = script.join(&user("admin", passing("admin")));
    for (id, topic) in [(1, "a/1"), (2, "a/2"), (3, "a/secret")] {
        script.publish(admin, &Letter::new(topic, "x", 1, id).retained());
    }
    script.node.settle();
    let ann = script.join(&user("ann", Hello { receive_maximum: Some(1), ..lasting("ann") }));
    script.subscribe(ann, "a/#", 1);
    let mut came = Vec::new();
    for round in 0..3 {
        script.node.settle();
        let Some(Heard::Publish(letter)) = script.hears(ann).pop() else { break };
        came.push(letter.topic);
        if round == 0 {
            authorization.replace(settings(CLOSED));
        }
        script.ack(ann, AckKind::PubAck, letter.id);
    }
    assert!(!came[1..].contains(&"a/secret".to_owned()), "{came:?}");
}

#[test]
fn cve_2021_34434_a_revocation_counts_for_subscriptions_that_are_there() {
    let (mut script, authorization) = guarded(OPEN);
    let (ann, publisher) = (script.join(&user("ann", lasting("ann"))), script.join(&user("p", passing("p"))));
    script.subscribe(ann, "a/#", 1);
    script.subscribe(ann, "a/secret", 1);
    script.publish(publisher, &Letter::new("a/secret", "1", 1, 1));
    script.node.settle();
    assert_eq!(topics(&mut script, ann), ["a/secret"]);
    authorization.replace(settings(&[("#", "all", "any"), ("a.secret", "send", "any")]));
    script.publish(publisher, &Letter::new("a/secret", "2", 1, 2));
    script.publish(publisher, &Letter::new("a/b", "3", 1, 3));
    assert_eq!(topics(&mut script, ann), ["a/b"]);
    authorization.replace(settings(OPEN));
    script.publish(publisher, &Letter::new("a/secret", "4", 1, 4));
    assert_eq!(topics(&mut script, ann), ["a/secret"]);
}

#[test]
fn mochi_504_and_moquette_689_what_waits_is_skipped_after_a_revocation_and_holds_nothing_up() {
    let (mut script, authorization) = guarded(OPEN);
    let (ann, publisher) = (script.join(&user("ann", lasting("ann"))), script.join(&user("p", passing("p"))));
    script.subscribe(ann, "a/#", 2);
    script.lose(ann);
    for (id, topic) in [(1, "a/secret"), (2, "a/1"), (3, "a/secret"), (4, "a/2"), (5, "a/secret")] {
        script.publish(publisher, &Letter::new(topic, "x", 1 + (id % 2) as u8, id));
    }
    script.node.settle();
    authorization.replace(settings(CLOSED));
    let ann = script.rejoin(&user("ann", lasting("ann")));
    assert_eq!(topics(&mut script, ann), ["a/1", "a/2"]);
    assert_eq!(script.refused("deliveries without permission"), 3);
    for (id, kind) in [(1, AckKind::PubAck), (2, AckKind::PubAck)] {
        script.ack(ann, kind, id);
    }
    script.node.settle();
    assert_eq!(script.node.engine.counters().queued_bytes, 0);
}

#[test]
fn mochi_504_what_was_under_way_is_not_sent_again_after_a_revocation() {
    let (mut script, authorization) = guarded(OPEN);
    let (ann, publisher) = (script.join(&user("ann", lasting("ann"))), script.join(&user("p", passing("p"))));
    script.subscribe(ann, "a/#", 2);
    for (id, topic, qos) in [(1, "a/secret", 1), (2, "a/secret", 2), (3, "a/1", 1), (4, "a/2", 2)] {
        script.publish(publisher, &Letter::new(topic, "x", qos, id));
    }
    script.node.settle();
    let first = script.messages(ann);
    assert_eq!(first.len(), 4);
    script.lose(ann);
    authorization.replace(settings(CLOSED));
    let ann = script.connect(&user("ann", lasting("ann")));
    script.node.settle();
    let heard = script.hears(ann);
    let again: Vec<_> = heard.iter().filter(|heard| matches!(heard, Heard::Publish(_))).map(shown).collect();
    assert_eq!(again, ["a/1", "a/2"]);
    // Of the exactly-once exchange the end is left, so that its number is free again.
    let id = first[1].2;
    assert!(heard.contains(&Heard::PubRel(id, 0)), "{heard:?}");
    script.ack(ann, AckKind::PubComp, id);
    script.ack(ann, AckKind::PubAck, first[2].2);
    script.receive_twice(ann, first[3].2);
    assert_eq!(script.node.engine.counters().queued_bytes, 0);
    script.lose(ann);
    script.node.crash();
    let ann = script.rejoin(&user("ann", lasting("ann")));
    assert_eq!(topics(&mut script, ann), [""; 0]);
}

#[test]
fn exactly_once_messages_that_have_their_number_give_it_back() {
    let (mut script, authorization) = guarded(OPEN);
    let narrow = Hello { receive_maximum: Some(1), ..lasting("ann") };
    let (ann, publisher) = (script.join(&user("ann", narrow)), script.join(&user("p", passing("p"))));
    script.subscribe(ann, "a/#", 2);
    for (id, topic) in [(1, "a/1"), (2, "a/secret"), (3, "a/secret"), (4, "a/2")] {
        script.publish(publisher, &Letter::new(topic, topic, 2, id));
    }
    script.node.settle();
    let first = script.messages(ann);
    assert_eq!(first.len(), 1);
    authorization.replace(settings(CLOSED));
    script.receive_twice(ann, first[0].2);
    assert_eq!(topics(&mut script, ann), ["a/2"]);
}

#[test]
fn nats_2026_18_a_share_group_is_no_way_around() {
    let (mut script, _) = guarded(CLOSED);
    let (ann, admin) = (script.join(&user("ann", lasting("ann"))), script.join(&user("admin", lasting("admin"))));
    assert_eq!(suback(&mut script, ann, "$share/g/a/secret"), 0x87);
    script.subscribe(ann, "$share/g/a/#", 1);
    script.subscribe(admin, "$share/g/a/#", 1);
    let publisher = script.join(&user("admin", passing("p")));
    for id in 1..=6 {
        script.publish(publisher, &Letter::new("a/secret", "x", 1, id));
    }
    // The settings of `a.secret` let the admin have all of it.
    assert_eq!(topics(&mut script, admin), ["a/secret"; 6]);
    assert_eq!(topics(&mut script, ann), [""; 0]);
}

#[test]
fn a_group_without_a_member_who_may_is_not_held_up() {
    let (mut script, _) = guarded(CLOSED);
    let ann = script.join(&user("ann", lasting("ann")));
    script.subscribe(ann, "$share/g/a/#", 1);
    let publisher = script.join(&user("admin", passing("p")));
    for (id, topic) in [(1, "a/secret"), (2, "a/1"), (3, "a/secret"), (4, "a/2")] {
        script.publish(publisher, &Letter::new(topic, "x", 1, id));
    }
    assert_eq!(topics(&mut script, ann), ["a/1", "a/2"]);
    assert_eq!(script.refused("deliveries without permission"), 2);
}

#[test]
fn what_only_an_absent_member_may_have_waits_for_that_member() {
    let (mut script, _) = guarded(CLOSED);
    let (ann, admin) = (script.join(&user("ann", lasting("ann"))), script.join(&user("admin", lasting("admin"))));
    script.subscribe(ann, "$share/g/a/#", 1);
    script.subscribe(admin, "$share/g/a/#", 1);
    script.lose(admin);
    let publisher = script.join(&user("admin", passing("p")));
    for (id, topic) in [(1, "a/secret"), (2, "a/1"), (3, "a/secret"), (4, "a/2")] {
        script.publish(publisher, &Letter::new(topic, "x", 1, id));
    }
    assert_eq!(topics(&mut script, ann), ["a/1", "a/2"]);
    let admin = script.rejoin(&user("admin", lasting("admin")));
    assert_eq!(topics(&mut script, admin), ["a/secret", "a/secret"]);
    assert_eq!(script.refused("deliveries without permission"), 0);
}

#[test]
fn mosquitto_3552_and_emqx_auth_http_92_a_will_needs_permission_when_it_is_left() {
    let (mut script, _) = guarded(&[("#", "all", "any"), ("a.secret", "consume", "any")]);
    let holder = script.join(&user("ann", lasting("c")));
    for (version, code) in [(Version::V5, 0x87), (Version::V4, 5), (Version::V3, 5)] {
        let will = Some(Letter::new("a/secret", "x", 1, 0));
        let refused = script.connect(&user("ann", Hello { version, will, ..passing("c") }));
        assert_eq!(script.hears(refused), [Heard::ConnAck { present: false, code }]);
        // Who is not let in takes nothing over.
        assert!(!script.node.is_over(holder.link));
    }
}

#[test]
fn mosquitto_3552_and_mochi_503_a_will_needs_permission_when_it_is_sent() {
    let (mut script, authorization) = guarded(OPEN);
    let watcher = script.join(&user("w", passing("w")));
    script.subscribe(watcher, "#", 0);
    let will = |topic| Some(Letter::new(topic, "x", 1, 0).retained());
    let allowed = script.join(&user("ann", Hello { will: will("a/b"), ..passing("c1") }));
    let revoked = script.join(&user("ann", Hello { will: will("a/secret"), ..passing("c2") }));
    authorization.replace(settings(&[("#", "all", "any"), ("a.secret", "consume", "any")]));
    script.lose(allowed);
    script.lose(revoked);
    assert_eq!(topics(&mut script, watcher), ["a/b"]);
    let later = script.join(&user("w", passing("later")));
    script.subscribe(later, "a/#", 0);
    assert_eq!(topics(&mut script, later), ["a/b"]);
}

#[test]
fn mosquitto_3553_sol_17_and_cve_2026_6564_a_client_id_is_no_key_to_a_session() {
    let (mut script, _) = guarded(OPEN);
    let ann = script.join(&user("ann", lasting("c")));
    script.subscribe(ann, "t", 1);
    for hello in [lasting("c"), passing("c")] {
        for (version, code) in [(Version::V5, 0x87), (Version::V4, 5)] {
            for name in ["bob", ""] {
                let thief = script.connect(&user(name, Hello { version, ..hello.clone() }));
                assert_eq!(script.hears(thief), [Heard::ConnAck { present: false, code }], "{name}");
                assert!(script.node.is_over(thief.link) && !script.node.is_over(ann.link));
            }
        }
    }
    script.lose(ann);
    let publisher = script.join(&user("p", passing("p")));
    script.publish(publisher, &Letter::new("t", "x", 1, 1));
    let thief = script.connect(&user("bob", passing("c")));
    assert_eq!(script.hears(thief), [Heard::ConnAck { present: false, code: 0x87 }]);
    script.node.settle();
    script.node.crash();
    let thief = script.connect(&user("bob", lasting("c")));
    assert_eq!(script.hears(thief), [Heard::ConnAck { present: false, code: 0x87 }]);
    let ann = script.rejoin(&user("ann", lasting("c")));
    assert_eq!(topics(&mut script, ann), ["t"]);
}

#[test]
fn a_session_of_nobody_can_be_claimed_and_is_kept_then() {
    let (mut script, _) = guarded(OPEN);
    let nobody = script.join(&user("", lasting("c")));
    script.subscribe(nobody, "t", 1);
    let ann = script.rejoin(&user("ann", lasting("c")));
    assert_eq!(script.hears(nobody), [Heard::Disconnect(0x8E)]);
    let publisher = script.join(&user("p", passing("p")));
    script.publish(publisher, &Letter::new("t", "x", 1, 1));
    assert_eq!(topics(&mut script, ann), ["t"]);
    for name in ["", "bob"] {
        let other = script.connect(&user(name, lasting("c")));
        assert_eq!(script.hears(other), [Heard::ConnAck { present: false, code: 0x87 }]);
    }
    script.node.crash();
    let other = script.connect(&user("", lasting("c")));
    assert_eq!(script.hears(other), [Heard::ConnAck { present: false, code: 0x87 }]);
    script.rejoin(&user("ann", lasting("c")));
}

#[test]
fn cve_2026_33217_internal_addresses_are_out_of_reach() {
    let internal = || Options { internal: vec!["activemq.management".to_owned()], ..options() };
    let (mut script, _) = guarded_with(OPEN, limits(), internal);
    let client = script.join(&user("ann", passing("c")));
    let names = [
        "activemq/management",
        "activemq.management",
        "$sys/mqtt/retain/a",
        "$sys.mqtt.retain.a",
        "$/artemis/internal/x",
    ];
    script.subscribe(client, "#", 0);
    for (id, name) in (1..).zip(names) {
        script.publish(client, &Letter::new(name, "x", 1, id).retained());
        assert_eq!(script.hears(client), [Heard::PubAck(id, 0x87)], "{name}");
        assert_eq!(suback(&mut script, client, name), 0x87, "{name}");
        assert_eq!(suback(&mut script, client, &format!("$share/g/{name}")), 0x87, "{name}");
        let will = Some(Letter::new(name, "x", 1, 0));
        let refused = script.connect(&user("ann", Hello { will, ..passing("w") }));
        assert_eq!(script.hears(refused), [Heard::ConnAck { present: false, code: 0x87 }], "{name}");
    }
    assert_eq!(suback(&mut script, client, "$sys/#"), 0x87);
    for filter in ["activemq/#", "+/management", "$/#", "$SYS/#"] {
        assert_eq!(suback(&mut script, client, filter), 1, "{filter}");
    }
    script.node.settle();
    assert_eq!(script.hears(client), []);
}

#[test]
fn a_denied_message_is_answered_as_its_version_knows() {
    let denying: Grants<'_> = &[("#", "all", "any"), ("a.secret", "consume", "any")];
    for (version, closes, qos, answer) in [
        (Version::V5, true, 1, Some(Heard::PubAck(1, 0x87))),
        (Version::V5, true, 2, Some(Heard::PubRec(1, 0x87))),
        (Version::V5, true, 0, None),
        (Version::V4, false, 1, Some(Heard::PubAck(1, 0))),
        (Version::V4, false, 2, Some(Heard::PubRec(1, 0))),
        (Version::V4, false, 0, None),
        (Version::V3, true, 1, Some(Heard::PubAck(1, 0))),
        (Version::V3, true, 0, None),
        (Version::V4, true, 0, None),
        (Version::V4, true, 1, None),
        (Version::V4, true, 2, None),
    ] {
        let acceptor = Limits { close_on_refused_publish: closes, ..limits() };
        let (mut script, _) = guarded_with(denying, acceptor, options);
        let watcher = script.join(&user("w", passing("w")));
        script.subscribe(watcher, "#", 2);
        let client = script.join(&user("ann", Hello { version, ..passing("c") }));
        script.publish(client, &Letter::new("a/secret", "x", qos, qos.min(1).into()).retained());
        script.node.settle();
        assert_eq!(script.hears(client), answer.into_iter().collect::<Vec<_>>(), "{version:?} {closes} {qos}");
        assert_eq!(script.node.is_over(client.link), version == Version::V4 && closes, "{version:?} {closes} {qos}");
        assert_eq!(script.hears(watcher), []);
        assert_eq!(script.refused("publishes without permission"), 1);
    }
}

#[test]
fn an_alias_stands_for_its_topic() {
    let (mut script, authorization) = guarded(OPEN);
    let client = script.join(&user("ann", passing("c")));
    let publish = |topic: &str, id| {
        super::bounds::with_properties(
            topic,
            crate::protocol::mqtt::codec::QoS::AtLeastOnce,
            id,
            &[crate::protocol::mqtt::codec::Property::TopicAlias(1)],
        )
    };
    script.send(client, &publish("a/secret", 1));
    authorization.replace(settings(&[("#", "all", "any"), ("a.secret", "consume", "any")]));
    script.send(client, &publish("", 2));
    assert_eq!(script.hears(client), [Heard::PubAck(1, 0x10), Heard::PubAck(2, 0x87)]);
}

#[test]
fn cve_2018_12550_without_settings_nobody_may_do_anything() {
    let (mut script, _) = guarded(&[]);
    let client = script.join(&user("ann", passing("c")));
    script.publish(client, &Letter::new("t", "x", 1, 1));
    assert_eq!(script.hears(client), [Heard::PubAck(1, 0x87)]);
    assert_eq!(suback(&mut script, client, "t"), 0x87);
    assert_eq!(suback(&mut script, client, "#"), 0x87);
}

#[test]
fn emqx_17596_names_with_wildcards_gain_nothing() {
    let (mut script, _) = guarded(CLOSED);
    let publisher = script.join(&user("admin", passing("p")));
    for name in ["#", "+", "*", "a.secret", "a/secret", "a.#"] {
        let client = script.join(&user(name, passing(name)));
        assert_eq!(suback(&mut script, client, "a/secret"), 0x87, "{name}");
        script.subscribe(client, "a/#", 0);
        script.publish(publisher, &Letter::new("a/secret", "x", 0, 0));
        assert_eq!(topics(&mut script, client), [""; 0], "{name}");
    }
}

#[test]
fn options_of_a_subscription_change_nothing_about_permissions() {
    let (mut script, _) = guarded(CLOSED);
    let ann = script.join(&user("ann", passing("c")));
    for options in [
        SubscribeOptions { no_local: true, ..wish(2) },
        SubscribeOptions { retain_as_published: true, ..wish(1) },
        SubscribeOptions { retain_handling: 2, ..wish(0) },
    ] {
        script.send(ann, &packet::subscribe(ann.version, 1, &[("a/secret", options), ("a/#", options)]));
        script.node.settle();
        assert_eq!(script.hears(ann), [Heard::SubAck(1, vec![0x87, options.qos as u8])]);
    }
    let publisher = script.join(&user("admin", passing("p")));
    script.publish(publisher, &Letter::new("a/secret", "x", 2, 1).retained());
    assert_eq!(topics(&mut script, ann), [""; 0]);
}

#[test]
fn cve_2018_12546_last_values_outlive_the_right_of_their_publisher_only() {
    let (mut script, authorization) = guarded(OPEN);
    let publisher = script.join(&user("p", passing("p")));
    script.publish(publisher, &Letter::new("a/b", "x", 1, 1).retained());
    script.node.settle();
    authorization
        .replace(settings(&[("#", "all", "any"), ("a.b", "consume createAddress createNonDurableQueue", "any")]));
    // As in Artemis it stays until it is deleted, and its publisher can do nothing about it any more.
    script.hears(publisher);
    script.publish(publisher, &Letter::new("a/b", "", 1, 2).retained());
    assert_eq!(script.hears(publisher), [Heard::PubAck(2, 0x87)]);
    let ann = script.join(&user("ann", passing("ann")));
    script.subscribe(ann, "a/b", 0);
    assert_eq!(topics(&mut script, ann), ["a/b"]);
}
