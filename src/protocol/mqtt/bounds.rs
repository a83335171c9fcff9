//! How large and how many the things in a packet may be.

use std::rc::Rc;

use crate::core::limit::Limit;
use crate::protocol::mqtt::codec::{Properties, Property};
use crate::protocol::mqtt::fault::{Fault, Kind};
use crate::protocol::mqtt::topic::LEVELS_MAX;

/// Bytes of topics that the aliases of all connections may hold.
const ALIAS_BYTES_MAX: u64 = 64 * 1024 * 1024;

macro_rules! bounds {
    ($($(#[$doc:meta])* $field:ident = $name:literal, $max:expr;)*) => {
        /// The bounds of one acceptor, each with its counts; `u64::MAX` is any number.
        #[derive(Debug, Clone)]
        pub struct Bounds {
            $($(#[$doc])* pub $field: Rc<Limit>,)*
            /// Of all acceptors together.
            pub alias_bytes: Rc<Limit>,
        }

        /// The numbers of [`Bounds`].
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct BoundNumbers {
            $($(#[$doc])* pub $field: u64,)*
        }

        impl Default for BoundNumbers {
            fn default() -> Self {
                Self { $($field: $max,)* }
            }
        }

        impl Bounds {
            pub fn new(numbers: &BoundNumbers, alias_bytes: Rc<Limit>) -> Self {
                Self { $($field: Rc::new(Limit::new($name, numbers.$field)),)* alias_bytes }
            }

            /// Those of the acceptor alone.
            pub fn all(&self) -> Vec<Rc<Limit>> {
                vec![$(self.$field.clone()),*]
            }
        }
    };
}

bounds! {
    packet_bytes = "packet bytes", u64::MAX;
    client_id_bytes = "client id bytes", u64::MAX;
    topic_bytes = "topic bytes", u64::MAX;
    /// Of topics and filters.
    topic_levels = "topic levels", LEVELS_MAX as u64;
    /// Of one filter.
    wildcards = "wildcards of a filter", u64::MAX;
    /// Of one SUBSCRIBE or UNSUBSCRIBE. Each costs many times its bytes.
    filters = "filters of a packet", 10_000;
    /// Of one packet. Each costs many times its bytes.
    user_properties = "user properties of a packet", 1_000;
    property_bytes = "property bytes of a packet", u64::MAX;
    /// Of one connection.
    own_alias_bytes = "topic alias bytes of a connection", 1024 * 1024;
}

impl Default for Bounds {
    fn default() -> Self {
        Self::new(&BoundNumbers::default(), Self::shared())
    }
}

impl Bounds {
    /// What all acceptors share.
    pub fn shared() -> Rc<Limit> {
        Rc::new(Limit::new("topic alias bytes", ALIAS_BYTES_MAX))
    }

    /// Whether a topic, or a filter, is neither too long nor too deep.
    pub fn admits_topic(&self, topic: &str) -> bool {
        let is_short = (topic.len() as u64) < self.topic_levels.max() && topic.len() as u64 <= self.topic_bytes.max();
        is_short
            || self.topic_bytes.admits(topic.len() as u64)
                && self.topic_levels.admits(memchr::memchr_iter(b'/', topic.as_bytes()).count() as u64 + 1)
    }

    /// Whether a filter is not too long, too deep, or too wild.
    pub fn admits_filter(&self, filter: &str) -> bool {
        let wildcards = || filter.split('/').filter(|level| matches!(*level, "+" | "#")).count() as u64;
        self.admits_topic(filter) && (self.wildcards.max() == u64::MAX || self.wildcards.admits(wildcards()))
    }

    /// Counts what is kept of a packet's properties.
    pub fn check_properties(&self, properties: Properties<'_>) -> Result<(), Fault> {
        let bytes = properties.as_bytes().len() as u64;
        let count = || properties.iter().filter(|property| matches!(property, Property::UserProperty(..))).count();
        // None is shorter than five bytes.
        let is_few = bytes / 5 <= self.user_properties.max();
        if self.property_bytes.admits(bytes) && (is_few || self.user_properties.admits(count() as u64)) {
            Ok(())
        } else {
            Err(Fault::new(Kind::QuotaExceeded, "MQTT-3.3.2.3.7"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds(numbers: BoundNumbers) -> Bounds {
        Bounds::new(&numbers, Bounds::shared())
    }

    #[test]
    fn topics_and_filters_are_measured() {
        let bounds = bounds(BoundNumbers { topic_bytes: 8, topic_levels: 3, wildcards: 2, ..BoundNumbers::default() });
        for (filter, admitted) in [
            ("a/b/c", true),
            ("a/b/c/d", false),
            ("//", true),
            ("///", false),
            ("12345678", true),
            ("123456789", false),
            ("+/+/c", true),
            ("+/+/#", false),
            ("a+/+#", true),
        ] {
            assert_eq!(bounds.admits_filter(filter), admitted, "{filter}");
        }
        let refused = [&bounds.topic_bytes, &bounds.topic_levels, &bounds.wildcards].map(|limit| limit.refused());
        assert_eq!(refused, [1, 2, 1]);
    }

    #[test]
    fn properties_are_counted() {
        let bounds = bounds(BoundNumbers { user_properties: 2, property_bytes: 100, ..BoundNumbers::default() });
        let encoded = |count: usize, value: &str| {
            let mut bytes = Vec::new();
            (0..count).for_each(|_| Property::UserProperty("k", value).encode(&mut bytes));
            bytes
        };
        for (count, value, admitted) in [(2, "v", true), (3, "v", false), (1, &"v".repeat(99), false)] {
            let bytes = encoded(count, value);
            let properties = Properties::from_encoded_unchecked(&bytes);
            assert_eq!(bounds.check_properties(properties).is_ok(), admitted, "{count}");
        }
        assert_eq!((bounds.user_properties.refused(), bounds.property_bytes.refused()), (1, 1));
    }
}
