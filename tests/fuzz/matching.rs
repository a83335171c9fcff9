//! Topics against filters: the router, the retained values and the translation between MQTT's and the core's names.

use std::rc::Rc;

use artemis_rs::core::address::{Syntax, Word};
use artemis_rs::core::binding::{Binding, Grant};
use artemis_rs::core::id::QueueKey;
use artemis_rs::core::router::Router;
use artemis_rs::core::trie::{Cursor, Trie};
use artemis_rs::protocol::mqtt::topic::Translation;

use super::standard::{is_filter, is_topic};

const SYNTAXES: [Syntax; 4] = [
    Syntax { delimiter: b'.', single: b'*', any: b'#', escape: Some(b'\\') },
    Syntax { delimiter: b'/', single: b'+', any: b'#', escape: None },
    Syntax { delimiter: b'|', single: b'$', any: b'!', escape: Some(b'\\') },
    Syntax { delimiter: b'/', single: b'*', any: b'#', escape: Some(b'\\') },
];

/// Whether a filter matches a topic, as MQTT says in section 4.7.
pub fn matches(filter: &str, topic: &str) -> bool {
    let (filter, topic): (Vec<_>, Vec<_>) = (filter.split('/').collect(), topic.split('/').collect());
    // [MQTT-4.7.2-1]
    let is_reserved = topic[0].starts_with('$') && matches!(filter[0], "+" | "#");
    !is_reserved && levels_match(&filter, &topic)
}

fn levels_match(filter: &[&str], topic: &[&str]) -> bool {
    match (filter, topic) {
        (["#"], _) | ([], []) => true,
        ([level, filter @ ..], [name, topic @ ..]) => (*level == "+" || level == name) && levels_match(filter, topic),
        _ => false,
    }
}

/// The first byte chooses the syntax; lines are topics or filters or both.
pub fn fuzz(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else { return };
    let Ok(rest) = std::str::from_utf8(rest) else { return };
    let lines: Vec<_> = rest.split('\n').take(12).collect();
    let filters: Vec<_> = lines.iter().copied().filter(|line| is_filter(line)).collect();
    let topics: Vec<_> = lines.iter().copied().filter(|line| is_topic(line)).collect();
    let syntax = SYNTAXES[usize::from(*first) % SYNTAXES.len()];
    let translation = Translation::new(syntax);
    translate(translation, syntax, &filters, &topics);
    route(translation, syntax, &filters, &topics);
    retain(translation, syntax, &filters, &topics);
}

fn pattern(translation: Translation, filter: &str) -> String {
    let mut out = String::new();
    translation.pattern(filter, &mut out);
    out
}

fn address(translation: Translation, topic: &str) -> String {
    let mut out = String::new();
    translation.address(topic, &mut out);
    out
}

/// Names come back, and plain matching of the core agrees with MQTT's.
fn translate(translation: Translation, syntax: Syntax, filters: &[&str], topics: &[&str]) {
    for filter in filters {
        assert_eq!(&*translation.topic(&pattern(translation, filter)), *filter);
        assert_eq!(syntax.has_wildcard(&pattern(translation, filter)), !is_topic(filter));
    }
    for topic in topics {
        let name = address(translation, topic);
        assert_eq!(&*translation.topic(&name), *topic);
        for filter in filters {
            let levels: (Vec<_>, Vec<_>) = (filter.split('/').collect(), topic.split('/').collect());
            let expected = levels_match(&levels.0, &levels.1);
            assert_eq!(syntax.matches(&pattern(translation, filter), &name), expected, "{filter:?} {topic:?}");
        }
    }
}

/// Every filter is a client's; each topic is routed before, between and after the subscriptions.
fn route(translation: Translation, syntax: Syntax, filters: &[&str], topics: &[&str]) {
    let mut router = Router::new(syntax, 7);
    let mut keys = Vec::new();
    for (number, filter) in filters.iter().enumerate() {
        let queue = QueueKey::from(number);
        let pattern = Rc::from(pattern(translation, filter));
        keys.push(router.bind(Binding {
            queue,
            pattern,
            grant: Rc::new(Grant::default()),
            exclude: None,
            anycast: false,
        }));
        routes_are(&mut router, translation, &filters[..=number], topics);
    }
    for (number, key) in keys.into_iter().enumerate().rev() {
        router.unbind(key);
        routes_are(&mut router, translation, &filters[..number], topics);
    }
}

fn routes_are(router: &mut Router<()>, translation: Translation, filters: &[&str], topics: &[&str]) {
    for topic in topics {
        let route = router.route(&address(translation, topic), || ());
        let mut found: Vec<_> = route.targets.iter().map(|target| target.queue.index()).collect();
        found.sort_unstable();
        let expected: Vec<_> = (0..filters.len()).filter(|number| matches(filters[*number], topic)).collect();
        assert_eq!(found, expected, "{topic:?} among {filters:?}");
    }
}

/// The topics that a filter finds, as a new subscription finds retained messages.
fn retain(translation: Translation, syntax: Syntax, filters: &[&str], topics: &[&str]) {
    let mut values = Trie::new(7);
    for topic in topics {
        values.insert(syntax.words(&address(translation, topic)).map(Word::Literal), *topic);
    }
    for filter in filters {
        let mut cursor = Cursor::new(syntax.pattern(&pattern(translation, filter)), Some(syntax));
        let mut found = Vec::new();
        while !cursor.is_finished() {
            found.extend(cursor.next(&values, &mut 3).copied());
        }
        found.sort_unstable();
        let mut expected: Vec<_> = topics.iter().copied().filter(|topic| matches(filter, topic)).collect();
        expected.sort_unstable();
        expected.dedup();
        assert_eq!(found, expected, "{filter:?} among {topics:?}");
    }
}
