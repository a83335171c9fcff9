//! What another reading of `broker.xml` has changed.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::{Acceptor, AddressDeclaration, Config, core_elements};

impl Config {
    /// What of `new` cannot count before a restart, by element, where this is what counts now.
    pub fn changes_that_wait(&self, new: &Config) -> Vec<String> {
        let mut waiting: Vec<_> = core_elements::changed(self, new)
            .filter(|name| *name != "configuration-file-refresh-period")
            .map(|name| format!("<{name}>"))
            .collect();
        waiting.extend(acceptors(&self.acceptors, &new.acceptors).map(|name| format!("<acceptor name={name:?}>")));
        waiting.extend(addresses(&self.addresses, &new.addresses));
        waiting
    }

    /// What counts once all of `new` that can be taken is.
    #[must_use]
    pub fn with_changes(self, new: Self) -> Self {
        Self {
            refresh_period_ms: new.refresh_period_ms,
            resource_limits: new.resource_limits,
            address_settings: new.address_settings,
            security_settings: new.security_settings,
            addresses: joined(self.addresses, new.addresses),
            warnings: new.warnings,
            ..self
        }
    }
}

/// What was declared, and what is declared besides.
fn joined(mut old: Vec<AddressDeclaration>, new: Vec<AddressDeclaration>) -> Vec<AddressDeclaration> {
    let queues = old.iter().flat_map(|address| [&address.anycast, &address.multicast]).flatten().flatten();
    let mut queues: HashSet<_> = queues.map(|queue| queue.name.clone()).collect();
    let places: HashMap<_, _> = old.iter().enumerate().map(|(at, address)| (address.name.clone(), at)).collect();
    for mut address in new {
        for declared in [&mut address.anycast, &mut address.multicast].into_iter().flatten() {
            declared.retain(|queue| queues.insert(queue.name.clone()));
        }
        let Some(known) = places.get(&address.name) else {
            old.push(address);
            continue;
        };
        let known = &mut old[*known];
        for (queues, more) in [(&mut known.anycast, address.anycast), (&mut known.multicast, address.multicast)] {
            if let Some(more) = more {
                queues.get_or_insert_default().extend(more);
            }
        }
    }
    old
}

/// Names of those that are other ones, or only in one of the two.
fn acceptors<'a>(old: &'a [Acceptor], new: &'a [Acceptor]) -> impl Iterator<Item = &'a str> {
    let is_in = |all: &[Acceptor], one: &Acceptor| all.iter().any(|other| other.is_same(one));
    let lost = old.iter().filter(move |one| !is_in(new, one));
    let found = new.iter().filter(move |one| !is_in(old, one));
    let names: BTreeSet<_> = lost.chain(found).map(|acceptor| acceptor.name.as_str()).collect();
    names.into_iter()
}

/// Addresses and queues that are not declared any more, or in another way.
fn addresses(old: &[AddressDeclaration], new: &[AddressDeclaration]) -> Vec<String> {
    let mut waiting = Vec::new();
    let new: HashMap<_, _> = new.iter().map(|address| (address.name.as_str(), address)).collect();
    for address in old {
        let Some(now) = new.get(address.name.as_str()) else {
            waiting.push(format!("<address name={:?}>", address.name));
            continue;
        };
        for (queues, now) in [(&address.anycast, &now.anycast), (&address.multicast, &now.multicast)] {
            let gone = queues.iter().flatten().filter(|queue| !now.iter().flatten().any(|other| other == *queue));
            waiting.extend(gone.map(|queue| format!("<queue name={:?}>", queue.name)));
        }
    }
    waiting
}

#[cfg(test)]
mod tests {
    use super::super::{QueueDeclaration, load};
    use super::*;

    fn core(body: &str) -> Config {
        load("broker.xml", &format!("<core>{body}</core>"), &|_| None).unwrap()
    }

    const OLD: &str = "<name>a</name><journal-datasync>true</journal-datasync>
        <configuration-file-refresh-period>50</configuration-file-refresh-period>
        <acceptors><acceptor name='x'>tcp://h:1</acceptor><acceptor name='y'>tcp://h:2</acceptor></acceptors>
        <addresses><address name='a'><anycast><queue name='q'/><queue name='r'/></anycast></address>
        <address name='b'><multicast/></address></addresses>";

    #[test]
    fn what_waits_for_a_restart_is_named_by_its_element() {
        let old = core(OLD);
        for (from, to, expected) in [
            ("", "", &[][..]),
            ("<acceptors>", "<!-- \n -->\n<acceptors>", &[]),
            ("<name>a<", "<name>b<", &["<name>"]),
            (">50<", ">-1<", &[]),
            ("<journal-datasync>true<", "<journal-datasync>false<", &["<journal-datasync>"]),
            (
                "<name>",
                "<global-max-size>1M</global-max-size><max-will-rate>7</max-will-rate><name>",
                &["<global-max-size>", "<max-will-rate>"],
            ),
            ("h:1", "h:3", &["<acceptor name=\"x\">"]),
            ("<acceptor name='x'>tcp://h:1</acceptor>", "", &["<acceptor name=\"x\">"]),
            ("</acceptors>", "<acceptor name='z'>tcp://h:3</acceptor></acceptors>", &["<acceptor name=\"z\">"]),
            ("<queue name='r'/>", "<queue name='s'/>", &["<queue name=\"r\">"]),
            ("<queue name='q'/>", "<queue name='q'><durable>false</durable></queue>", &["<queue name=\"q\">"]),
            (
                "<address name='b'><multicast/></address>",
                "<address name='c'><multicast/></address>",
                &["<address name=\"b\">"],
            ),
            (
                "</addresses>",
                "</addresses><address-settings><address-setting match='#'><expiry-delay>1</expiry-delay></address-setting></address-settings>",
                &[],
            ),
        ] {
            let new = core(&OLD.replacen(from, to, 1));
            assert_eq!(old.changes_that_wait(&new), expected, "{from} to {to}");
        }
    }

    #[test]
    fn what_is_taken_counts_and_the_rest_is_as_before() {
        let new = OLD
            .replace("<name>a<", "<name>b<")
            .replace(">50<", ">-1<")
            .replace("<queue name='q'/>", "")
            .replace("<multicast/>", "<anycast><queue name='r'/><queue name='s'/></anycast>");
        let holds = core(OLD).with_changes(core(&new));
        assert_eq!((holds.name.as_str(), holds.refresh_period_ms), ("a", None));
        let names = |queues: &Option<Vec<QueueDeclaration>>| {
            queues.as_ref().map(|queues| queues.iter().map(|queue| queue.name.as_str()).collect::<String>())
        };
        let found: Vec<_> =
            holds.addresses.iter().map(|a| (&*a.name, names(&a.anycast), names(&a.multicast))).collect();
        let some = |names: &str| Some(names.to_owned());
        assert_eq!(found, [("a", some("qr"), None), ("b", some("s"), some(""))]);
    }
}
