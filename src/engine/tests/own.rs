//! No Local: what a client published itself, in this session or in one before.

use super::{Script, Seat, lasting, passing, wish};
use crate::core::message::{Guarantee, Posting};
use crate::sim::packet::{Hello, Letter};
use crate::store::record::{Key, MessageRecord};
use crate::store::{Batch, Journal};

fn subscribe_to_others(script: &mut Script, client: Seat) {
    let mut options = wish(0);
    options.no_local = true;
    script.subscribe_with(client, "#", options);
}

/// What a new session of a client gets that does not want its own.
fn kept_by_others(script: &mut Script, id: &str) -> Vec<String> {
    let client = script.join(&passing(id));
    subscribe_to_others(script, client);
    script.node.settle();
    let mut payloads = script.payloads(client);
    payloads.sort_unstable();
    script.lose(client);
    script.node.settle();
    payloads
}

fn with_will(id: &str) -> Hello {
    Hello { will: Some(Letter::new("will", "will", 1, 0).retained()), ..passing(id) }
}

#[test]
fn last_values_that_a_client_kept_in_an_ended_session_are_its_own() {
    let mut script = Script::new();
    for id in ["s", "p"] {
        let client = script.join(&with_will(id));
        script.publish(client, &Letter::new(id, id, 1, 1).retained());
        script.node.settle();
        script.lose(client);
        script.node.settle();
    }
    // The last will is that of p.
    assert_eq!(kept_by_others(&mut script, "s"), ["p", "will"]);
    assert_eq!(kept_by_others(&mut script, "p"), ["s"]);
    script.node.crash();
    assert_eq!(kept_by_others(&mut script, "s"), ["p", "will"]);
    assert_eq!(kept_by_others(&mut script, "p"), ["s"]);
}

#[test]
fn last_values_in_a_journal_of_before_belong_to_the_session_with_their_number() {
    let mut script = Script::new();
    let client = script.join(&lasting("s")); // Session 1.
    script.node.settle();
    script.lose(client);
    script.node.settle();
    let mut batch = Batch::new();
    for publisher in [1, 7] {
        let address = format!("t{publisher}");
        let record = MessageRecord {
            posting: Posting {
                address: address.as_str().into(),
                payload: address.clone().into(),
                properties: None,
                guarantee: Guarantee::AtLeastOnce,
                retain: true,
                lifetime_ms: None,
            },
            publisher,
            expires: None,
        };
        batch.put_record(&Key::retained(&address), &(publisher, record));
    }
    script.node.journal.append(u64::MAX, batch);
    script.node.journal.complete_next();
    script.node.crash();
    let client = script.rejoin(&lasting("s"));
    subscribe_to_others(&mut script, client);
    script.node.settle();
    assert_eq!(script.payloads(client), ["t7"]);
    // No session from now on has the number of one that has ended.
    let others: Vec<_> = (2..10).map(|number| lasting(&format!("c{number}"))).collect();
    for other in &others {
        script.join(other);
    }
    script.node.settle();
    script.node.crash();
    for other in &others {
        let client = script.rejoin(other);
        subscribe_to_others(&mut script, client);
        script.node.settle();
        assert_eq!(script.payloads(client).len(), 2);
    }
}
