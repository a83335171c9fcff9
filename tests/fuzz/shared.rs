//! Shared subscriptions. Other prefixes with a meaning, as `$exclusive/` of some brokers, do not exist here.

use artemis_rs::protocol::mqtt::codec::shared;
use artemis_rs::protocol::mqtt::fault::Kind;

use super::standard;

/// Words that mean something to other brokers.
const PREFIXES: [&str; 10] =
    ["", "$share/", "$share", "$Share/", "$exclusive/", "$limit/5/", "$delayed/10/", "$queue/", "$SYS/", "$share/g/"];

pub fn fuzz(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else { return };
    let Ok(rest) = std::str::from_utf8(rest) else { return };
    let filter = format!("{}{rest}", PREFIXES[usize::from(*first) % PREFIXES.len()]);
    let levels: Vec<_> = filter.split('/').collect();
    let found = shared(&filter);
    if levels[0] != "$share" {
        assert_eq!(found, None, "{filter:?}");
        return;
    }
    let expected = match levels[..] {
        [_, group, _, ..] if !group.is_empty() && !group.contains(['+', '#']) => {
            let rest = levels[2..].join("/");
            standard::is_filter(&rest).then(|| (group.to_owned(), rest))
        }
        _ => None,
    };
    match found.expect("it is one") {
        Ok((group, rest)) => assert_eq!(Some((group.to_owned(), rest.to_owned())), expected, "{filter:?}"),
        Err(fault) => assert_eq!((expected, fault.kind), (None, Kind::TopicFilterInvalid), "{filter:?}"),
    }
}
