//! Topic names, topic filters and shared subscriptions.

use crate::protocol::mqtt::fault::{Fault, Kind};

const LENGTH_MAX: usize = 65_535;

/// Whether a message may be published to `topic`.
pub fn topic_is_valid(topic: &str) -> bool {
    length_is_valid(topic) // [MQTT-4.7.3-1] [MQTT-4.7.3-3]
        && !has_wildcard(topic) // [MQTT-4.7.0-1]
        && !topic.contains('\0') // [MQTT-4.7.3-2]
}

/// Whether `filter` can be subscribed to; of a shared subscription this is the part that `shared` gives.
pub fn filter_is_valid(filter: &str) -> bool {
    if !length_is_valid(filter) || filter.contains('\0') {
        return false; // [MQTT-4.7.3-1] [MQTT-4.7.3-2] [MQTT-4.7.3-3]
    }
    let mut levels = filter.split('/');
    while let Some(level) = levels.next() {
        match level {
            "#" => return levels.next().is_none(),        // [MQTT-4.7.1-1]
            "+" => {}                                     // [MQTT-4.7.1-2]
            level if has_wildcard(level) => return false, // [MQTT-4.7.1-1] [MQTT-4.7.1-2]
            _ => {}
        }
    }
    true
}

/// Whether a wildcard character stands anywhere in `text`.
pub fn has_wildcard(text: &str) -> bool {
    memchr::memchr2(b'+', b'#', text.as_bytes()).is_some()
}

/// Group and filter of a shared subscription; `None` if `filter` is not one.
pub fn shared(filter: &str) -> Option<Result<(&str, &str), Fault>> {
    let rest = match filter.strip_prefix("$share")? {
        "" => return Some(Err(Fault::new(Kind::TopicFilterInvalid, "MQTT-4.8.2-1"))), // [MQTT-4.8.2-1]
        rest => rest.strip_prefix('/')?,
    };
    Some(split_shared(rest))
}

fn split_shared(rest: &str) -> Result<(&str, &str), Fault> {
    let invalid = |rule| Fault::new(Kind::TopicFilterInvalid, rule);
    let (group, filter) = rest.split_once('/').ok_or(invalid("MQTT-4.8.2-2"))?; // [MQTT-4.8.2-2]
    if group.is_empty() {
        return Err(invalid("MQTT-4.8.2-1")); // [MQTT-4.8.2-1]
    }
    if has_wildcard(group) || !filter_is_valid(filter) {
        return Err(invalid("MQTT-4.8.2-2")); // [MQTT-4.8.2-2]
    }
    Ok((group, filter))
}

fn length_is_valid(text: &str) -> bool {
    (1..=LENGTH_MAX).contains(&text.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn topics_and_filters() {
        let valid = ["#", "+", "/", "a", "/a", "a/#", "+/a/+", "a//b", "$SYS/#", "+/#", " "];
        let invalid = ["", "a#", "a/#/b", "#/a", "a+", "+a", "a/b+/c", "a/b#", "##", "a\0"];
        assert!(valid.iter().all(|filter| filter_is_valid(filter)));
        assert!(!invalid.iter().any(|filter| filter_is_valid(filter)));
        assert!(["a", "/", "$SYS", "a b"].iter().all(|topic| topic_is_valid(topic)));
        assert!(!["", "a+", "#", "a\0", &"a".repeat(65_536)].iter().any(|topic| topic_is_valid(topic)));
        assert!(filter_is_valid(&"/".repeat(65_535)));
    }

    #[test]
    fn shared_subscriptions() {
        assert_eq!(shared("$share/g/a/+"), Some(Ok(("g", "a/+"))));
        assert_eq!(shared("$share/g//"), Some(Ok(("g", "/"))));
        assert_eq!(shared("a/$share/g/a"), None);
        assert_eq!(shared("$shared/g/a"), None);
        for filter in
            ["$share", "$share/", "$share/g", "$share/g/", "$share//a", "$share/+/a", "$share/g#/a", "$share/g/a#"]
        {
            let fault = shared(filter).and_then(Result::err);
            assert_eq!(fault.map(|fault| fault.kind), Some(Kind::TopicFilterInvalid), "{filter}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_valid_or_not(text in "[+#/a$é]{0,12}") {
            prop_assert!(filter_is_valid(&text) || !topic_is_valid(&text));
            let _ = shared(&text);
        }
    }
}
