//! Settings by address pattern: what is written for `a.#` holds for `a.b` unless something more specific says otherwise.

use std::cmp::Ordering;

use super::address::{Syntax, Word};

/// How an address hands out its messages: to one of its queues, or to all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoutingType {
    Anycast,
    Multicast,
}

/// What happens to a message for an address that has reached its size limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressFullPolicy {
    Page,
    Drop,
    Fail,
    Block,
}

/// What happens to a message for an address whose pages have reached their limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageFullPolicy {
    Drop,
    Fail,
}

/// What happens to a message while the disk is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskFullPolicy {
    Block,
    Drop,
    Fail,
}

/// Whether what has left the configuration file is deleted when the file is read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigDelete {
    Off,
    Force,
}

/// What is done about a consumer that is slower than its threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlowConsumerPolicy {
    Notify,
    Kill,
}

/// The unit of a slow consumer's threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlowConsumerUnit {
    MessagesPerSecond,
    MessagesPerMinute,
    MessagesPerHour,
    MessagesPerDay,
}

macro_rules! settings {
    ($($(#[$doc:meta])* $field:ident: $kind:ty,)*) => {
        /// What may be set for an address; `None` where nothing was written.
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct AddressSettings {
            $($(#[$doc])* pub $field: Option<$kind>,)*
        }

        impl AddressSettings {
            /// Fills what is not set here from settings written for a less specific pattern.
            pub fn merge_under(&mut self, less_specific: &Self) {
                $(if self.$field.is_none() {
                    self.$field.clone_from(&less_specific.$field);
                })*
            }
        }
    };
}

settings! {
    dead_letter_address: String,
    auto_create_dead_letter_resources: bool,
    dead_letter_queue_prefix: String,
    dead_letter_queue_suffix: String,
    expiry_address: String,
    auto_create_expiry_resources: bool,
    expiry_queue_prefix: String,
    expiry_queue_suffix: String,
    /// Messages never expire, whatever they say.
    no_expiry: bool,
    /// Milliseconds, for messages that have no expiry of their own; -1 for none.
    expiry_delay: i64,
    /// Milliseconds; -1 for none.
    min_expiry_delay: i64,
    /// Milliseconds; -1 for none.
    max_expiry_delay: i64,
    /// Milliseconds.
    redelivery_delay: i64,
    redelivery_delay_multiplier: f64,
    redelivery_collision_avoidance_factor: f64,
    /// Milliseconds.
    max_redelivery_delay: i64,
    /// -1 for any number.
    max_delivery_attempts: i32,
    /// -1 for no limit.
    max_size_bytes: i64,
    /// -1 for no limit.
    max_size_messages: i64,
    max_size_bytes_reject_threshold: i64,
    page_size_bytes: i64,
    max_read_page_messages: i64,
    max_read_page_bytes: i64,
    prefetch_page_messages: i64,
    prefetch_page_bytes: i64,
    page_limit_bytes: i64,
    page_limit_messages: i64,
    page_full_policy: PageFullPolicy,
    address_full_policy: AddressFullPolicy,
    disk_full_policy: DiskFullPolicy,
    message_counter_history_day_limit: i32,
    default_last_value_queue: bool,
    default_last_value_key: String,
    default_non_destructive: bool,
    default_exclusive_queue: bool,
    default_group_rebalance: bool,
    default_group_rebalance_pause_dispatch: bool,
    default_group_buckets: i32,
    default_group_first_key: String,
    default_consumers_before_dispatch: i32,
    /// Milliseconds; -1 for none.
    default_delay_before_dispatch: i64,
    /// Milliseconds; -1 for none.
    redistribution_delay: i64,
    send_to_dla_on_no_route: bool,
    slow_consumer_threshold: i64,
    slow_consumer_threshold_measurement_unit: SlowConsumerUnit,
    slow_consumer_policy: SlowConsumerPolicy,
    /// Seconds.
    slow_consumer_check_period: i64,
    auto_create_queues: bool,
    auto_delete_queues: bool,
    auto_delete_created_queues: bool,
    /// Milliseconds.
    auto_delete_queues_delay: i64,
    /// -1 for any number.
    auto_delete_queues_message_count: i64,
    auto_delete_queues_skip_usage_check: bool,
    config_delete_queues: ConfigDelete,
    auto_create_addresses: bool,
    auto_delete_addresses: bool,
    /// Milliseconds.
    auto_delete_addresses_delay: i64,
    auto_delete_addresses_skip_usage_check: bool,
    config_delete_addresses: ConfigDelete,
    config_delete_diverts: ConfigDelete,
    management_browse_page_size: i32,
    management_message_attribute_size_limit: i32,
    default_purge_on_no_consumers: bool,
    /// -1 for any number.
    default_max_consumers: i32,
    default_queue_routing_type: RoutingType,
    default_address_routing_type: RoutingType,
    default_consumer_window_size: i64,
    /// -1 for no limit.
    default_ring_size: i64,
    retroactive_message_count: i64,
    enable_metrics: bool,
    enable_ingress_timestamp: bool,
    id_cache_size: i32,
    initial_queue_buffer_size: i32,
}

/// Values by address pattern, most specific pattern first.
#[derive(Clone, Debug, PartialEq)]
pub struct Hierarchy<T> {
    syntax: Syntax,
    entries: Vec<(String, T)>,
}

impl<T> Default for Hierarchy<T> {
    fn default() -> Self {
        Self::new(Syntax::default())
    }
}

impl<T> Hierarchy<T> {
    /// An empty hierarchy whose patterns are written in `syntax`.
    pub fn new(syntax: Syntax) -> Self {
        Self { syntax, entries: Vec::new() }
    }

    /// Sets the value of a pattern and returns the one it replaces.
    pub fn insert(&mut self, pattern: impl Into<String>, value: T) -> Option<T> {
        let pattern = pattern.into();
        let place = self.entries.binary_search_by(|(other, _)| self.syntax.by_specificity(other, &pattern));
        match place {
            Ok(at) => Some(std::mem::replace(&mut self.entries[at].1, value)),
            Err(at) => {
                self.entries.insert(at, (pattern, value));
                None
            }
        }
    }

    /// The values of all patterns that match `address`.
    pub fn matches_most_specific_first<'a>(&'a self, address: &'a str) -> impl Iterator<Item = &'a T> {
        self.entries.iter().filter(move |(pattern, _)| self.syntax.matches(pattern, address)).map(|(_, value)| value)
    }

    /// The value of the most specific pattern that matches `address`.
    pub fn most_specific<'a>(&'a self, address: &'a str) -> Option<&'a T> {
        self.matches_most_specific_first(address).next()
    }

    /// All patterns with their values, most specific first.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &T)> {
        self.entries.iter().map(|(pattern, value)| (pattern.as_str(), value))
    }

    /// The value written for exactly this pattern.
    pub fn get(&self, pattern: &str) -> Option<&T> {
        self.iter().find(|(other, _)| *other == pattern).map(|(_, value)| value)
    }

    /// How many patterns there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no pattern at all.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl Hierarchy<AddressSettings> {
    /// The settings of `address`, inherited from less specific patterns where more specific ones are silent.
    pub fn resolve(&self, address: &str) -> AddressSettings {
        let mut settings = AddressSettings::default();
        for less_specific in self.matches_most_specific_first(address) {
            settings.merge_under(less_specific);
        }
        settings
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Literal,
    Single,
    End,
    Any,
}

impl Syntax {
    // Artemis's order: names, then patterns without an any-words wildcard, then the others, of which the longer wins.
    fn by_specificity(&self, a: &str, b: &str) -> Ordering {
        let (kind_a, kind_b) = (self.kind(a), self.kind(b));
        let longer_first = || match kind_a {
            Rank::Any => b.chars().count().cmp(&a.chars().count()),
            _ => Ordering::Equal,
        };
        kind_a
            .cmp(&kind_b)
            .then_with(longer_first)
            .then_with(|| self.ranks(a).cmp(self.ranks(b)))
            .then_with(|| a.cmp(b))
    }

    fn kind(&self, pattern: &str) -> Rank {
        self.ranks(pattern).filter(|rank| *rank != Rank::End).max().unwrap_or(Rank::Literal)
    }

    fn ranks<'a>(&self, pattern: &'a str) -> impl Iterator<Item = Rank> + use<'a> {
        let words = self.pattern(pattern).map(|word| match word {
            Word::Literal(_) => Rank::Literal,
            Word::Single => Rank::Single,
            Word::Any => Rank::Any,
        });
        words.chain([Rank::End])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(patterns: &[&'static str], address: &str) -> Vec<&'static str> {
        let mut hierarchy = Hierarchy::default();
        for pattern in patterns {
            hierarchy.insert(*pattern, *pattern);
        }
        hierarchy.matches_most_specific_first(address).copied().collect()
    }

    #[test]
    fn the_more_specific_pattern_comes_first() {
        for (address, expected) in [
            ("a.b", &["a.b", "a.*", "*.b", "*.*", "a.b.#", "a.#", "#"][..]),
            ("a", &["a", "*", "a.#", "#"]),
            ("a.b.c", &["a.b.c", "a.b.*", "a.*.c", "*.b.c", "a.b.#", "a.#.c", "a.#", "#.c", "#"]),
            ("x.y.c", &["#.y.c", "#.*.c", "#.c", "#"]),
            ("a.x", &["a.*", "a.*.#", "*.x.#", "a.#"]),
        ] {
            let mut shuffled = expected.to_vec();
            shuffled.reverse();
            shuffled.push("z.z");
            assert_eq!(order(&shuffled, address), expected, "{address}");
            shuffled.rotate_left(2);
            assert_eq!(order(&shuffled, address), expected, "{address}");
        }
    }

    #[test]
    fn a_pattern_written_again_replaces() {
        let mut hierarchy = Hierarchy::default();
        assert_eq!(hierarchy.insert("a.#", 1), None);
        assert_eq!(hierarchy.insert("a.#", 2), Some(1));
        assert_eq!((hierarchy.len(), hierarchy.get("a.#")), (1, Some(&2)));
        assert_eq!((hierarchy.most_specific("a.b"), hierarchy.most_specific("b")), (Some(&2), None));
    }

    #[test]
    fn settings_inherit_key_by_key() {
        let mut hierarchy = Hierarchy::default();
        let set = |expiry_delay, max_size_bytes, auto_create_queues| AddressSettings {
            expiry_delay,
            max_size_bytes,
            auto_create_queues,
            ..Default::default()
        };
        hierarchy.insert("#", set(Some(1), Some(1), Some(true)));
        hierarchy.insert("a.*", set(Some(2), None, Some(false)));
        hierarchy.insert("a.b", set(Some(3), None, None));
        assert_eq!(hierarchy.resolve("a.b"), set(Some(3), Some(1), Some(false)));
        assert_eq!(hierarchy.resolve("a.c"), set(Some(2), Some(1), Some(false)));
        assert_eq!(hierarchy.resolve("x"), set(Some(1), Some(1), Some(true)));
    }

    #[test]
    fn a_custom_syntax_rules_the_order() {
        let mut hierarchy = Hierarchy::new(Syntax { delimiter: b'/', single: b'+', any: b'#', escape: None });
        for pattern in ["#", "a/+", "a/b", "a.b"] {
            hierarchy.insert(pattern, pattern);
        }
        assert!(hierarchy.matches_most_specific_first("a/b").eq(&["a/b", "a/+", "#"]));
    }
}
