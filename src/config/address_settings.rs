//! `<address-settings>`: how addresses and their queues behave.

use self::Effect::{Applied, NoEffect};
use super::addresses::required;
use super::error::Findings;
use super::units::{boolean, expected, number, size};
use super::xml::Element;
use crate::core::settings::{
    AddressFullPolicy, AddressSettings, ConfigDelete, DiskFullPolicy, Hierarchy, PageFullPolicy, RoutingType,
    SlowConsumerPolicy, SlowConsumerUnit,
};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Effect {
    Applied,
    NoEffect,
}

struct Key {
    name: &'static str,
    effect: Effect,
    set: fn(&mut AddressSettings, &str) -> Result<(), String>,
}

macro_rules! keys {
    ($($name:literal => $field:ident: $parse:expr, $effect:ident;)*) => {
        const KEYS: &[Key] = &[$(Key {
            name: $name,
            effect: $effect,
            set: |settings, text| {
                settings.$field = Some(($parse)(text)?);
                Ok(())
            },
        },)*];
    };
}

keys! {
    "dead-letter-address" => dead_letter_address: text, NoEffect;
    "auto-create-dead-letter-resources" => auto_create_dead_letter_resources: boolean, NoEffect;
    "dead-letter-queue-prefix" => dead_letter_queue_prefix: text, NoEffect;
    "dead-letter-queue-suffix" => dead_letter_queue_suffix: text, NoEffect;
    "expiry-address" => expiry_address: text, NoEffect;
    "auto-create-expiry-resources" => auto_create_expiry_resources: boolean, NoEffect;
    "expiry-queue-prefix" => expiry_queue_prefix: text, NoEffect;
    "expiry-queue-suffix" => expiry_queue_suffix: text, NoEffect;
    "no-expiry" => no_expiry: boolean, Applied;
    "expiry-delay" => expiry_delay: or_none, Applied;
    "min-expiry-delay" => min_expiry_delay: or_none, Applied;
    "max-expiry-delay" => max_expiry_delay: or_none, Applied;
    "redelivery-delay" => redelivery_delay: count, NoEffect;
    "redelivery-delay-multiplier" => redelivery_delay_multiplier: factor, NoEffect;
    "redelivery-collision-avoidance-factor" => redelivery_collision_avoidance_factor: factor, NoEffect;
    "max-redelivery-delay" => max_redelivery_delay: count, NoEffect;
    "max-delivery-attempts" => max_delivery_attempts: or_none, NoEffect;
    "max-size-bytes" => max_size_bytes: size, NoEffect;
    "max-size-messages" => max_size_messages: or_none, NoEffect;
    "max-size-bytes-reject-threshold" => max_size_bytes_reject_threshold: size, NoEffect;
    "page-size-bytes" => page_size_bytes: size, NoEffect;
    "max-read-page-messages" => max_read_page_messages: or_none, NoEffect;
    "max-read-page-bytes" => max_read_page_bytes: size, NoEffect;
    "prefetch-page-messages" => prefetch_page_messages: or_none, NoEffect;
    "prefetch-page-bytes" => prefetch_page_bytes: size, NoEffect;
    "page-limit-bytes" => page_limit_bytes: size, NoEffect;
    "page-limit-messages" => page_limit_messages: or_none, NoEffect;
    "page-full-policy" => page_full_policy: |text| one_of(text, PAGE_FULL), NoEffect;
    "address-full-policy" => address_full_policy: |text| one_of(text, ADDRESS_FULL), NoEffect;
    "disk-full-policy" => disk_full_policy: |text| one_of(text, DISK_FULL), NoEffect;
    "message-counter-history-day-limit" => message_counter_history_day_limit: count, NoEffect;
    "default-last-value-queue" => default_last_value_queue: boolean, NoEffect;
    "default-last-value-key" => default_last_value_key: text, NoEffect;
    "default-non-destructive" => default_non_destructive: boolean, NoEffect;
    "default-exclusive-queue" => default_exclusive_queue: boolean, NoEffect;
    "default-group-rebalance" => default_group_rebalance: boolean, NoEffect;
    "default-group-rebalance-pause-dispatch" => default_group_rebalance_pause_dispatch: boolean, NoEffect;
    "default-group-buckets" => default_group_buckets: or_none, NoEffect;
    "default-group-first-key" => default_group_first_key: text, NoEffect;
    "default-consumers-before-dispatch" => default_consumers_before_dispatch: count, NoEffect;
    "default-delay-before-dispatch" => default_delay_before_dispatch: or_none, NoEffect;
    "redistribution-delay" => redistribution_delay: or_none, NoEffect;
    "send-to-dla-on-no-route" => send_to_dla_on_no_route: boolean, NoEffect;
    "slow-consumer-threshold" => slow_consumer_threshold: or_none, NoEffect;
    "slow-consumer-threshold-measurement-unit" => slow_consumer_threshold_measurement_unit: |text| one_of(text, UNIT), NoEffect;
    "slow-consumer-policy" => slow_consumer_policy: |text| one_of(text, SLOW), NoEffect;
    "slow-consumer-check-period" => slow_consumer_check_period: count, NoEffect;
    "auto-create-queues" => auto_create_queues: boolean, NoEffect;
    "auto-delete-queues" => auto_delete_queues: boolean, Applied;
    "auto-delete-created-queues" => auto_delete_created_queues: boolean, NoEffect;
    "auto-delete-queues-delay" => auto_delete_queues_delay: count, Applied;
    "auto-delete-queues-message-count" => auto_delete_queues_message_count: or_none, Applied;
    "auto-delete-queues-skip-usage-check" => auto_delete_queues_skip_usage_check: boolean, NoEffect;
    "config-delete-queues" => config_delete_queues: |text| one_of(text, CONFIG_DELETE), NoEffect;
    "auto-create-addresses" => auto_create_addresses: boolean, Applied;
    "auto-delete-addresses" => auto_delete_addresses: boolean, Applied;
    "auto-delete-addresses-delay" => auto_delete_addresses_delay: count, NoEffect;
    "auto-delete-addresses-skip-usage-check" => auto_delete_addresses_skip_usage_check: boolean, NoEffect;
    "config-delete-addresses" => config_delete_addresses: |text| one_of(text, CONFIG_DELETE), NoEffect;
    "config-delete-diverts" => config_delete_diverts: |text| one_of(text, CONFIG_DELETE), NoEffect;
    "management-browse-page-size" => management_browse_page_size: or_none, NoEffect;
    "management-message-attribute-size-limit" => management_message_attribute_size_limit: or_none, NoEffect;
    "default-purge-on-no-consumers" => default_purge_on_no_consumers: boolean, NoEffect;
    "default-max-consumers" => default_max_consumers: or_none, NoEffect;
    "default-queue-routing-type" => default_queue_routing_type: |text| one_of(text, ROUTING), NoEffect;
    "default-address-routing-type" => default_address_routing_type: |text| one_of(text, ROUTING), NoEffect;
    "default-consumer-window-size" => default_consumer_window_size: size, NoEffect;
    "default-ring-size" => default_ring_size: or_none, NoEffect;
    "retroactive-message-count" => retroactive_message_count: count, NoEffect;
    "enable-metrics" => enable_metrics: boolean, NoEffect;
    "enable-ingress-timestamp" => enable_ingress_timestamp: boolean, NoEffect;
    "id-cache-size" => id_cache_size: count, NoEffect;
    "initial-queue-buffer-size" => initial_queue_buffer_size: count, NoEffect;
}

const DEPRECATED: &[&str] = &[
    "auto-create-jms-queues",
    "auto-create-jms-topics",
    "auto-delete-jms-queues",
    "auto-delete-jms-topics",
    "last-value-queue",
];

const PAGE_FULL: &[(&str, PageFullPolicy)] = &[("DROP", PageFullPolicy::Drop), ("FAIL", PageFullPolicy::Fail)];
const ADDRESS_FULL: &[(&str, AddressFullPolicy)] = &[
    ("PAGE", AddressFullPolicy::Page),
    ("DROP", AddressFullPolicy::Drop),
    ("FAIL", AddressFullPolicy::Fail),
    ("BLOCK", AddressFullPolicy::Block),
];
const DISK_FULL: &[(&str, DiskFullPolicy)] =
    &[("BLOCK", DiskFullPolicy::Block), ("DROP", DiskFullPolicy::Drop), ("FAIL", DiskFullPolicy::Fail)];
const CONFIG_DELETE: &[(&str, ConfigDelete)] = &[("OFF", ConfigDelete::Off), ("FORCE", ConfigDelete::Force)];
const ROUTING: &[(&str, RoutingType)] = &[("ANYCAST", RoutingType::Anycast), ("MULTICAST", RoutingType::Multicast)];
const SLOW: &[(&str, SlowConsumerPolicy)] =
    &[("NOTIFY", SlowConsumerPolicy::Notify), ("KILL", SlowConsumerPolicy::Kill)];
const UNIT: &[(&str, SlowConsumerUnit)] = &[
    ("MESSAGES_PER_SECOND", SlowConsumerUnit::MessagesPerSecond),
    ("MESSAGES_PER_MINUTE", SlowConsumerUnit::MessagesPerMinute),
    ("MESSAGES_PER_HOUR", SlowConsumerUnit::MessagesPerHour),
    ("MESSAGES_PER_DAY", SlowConsumerUnit::MessagesPerDay),
];

fn text(text: &str) -> Result<String, String> {
    Ok(text.to_owned())
}

fn count<T: TryFrom<i64> + Bound>(text: &str) -> Result<T, String> {
    T::try_from(number(text, 0..=T::MOST)?).map_err(|_| expected("a smaller number", text))
}

fn or_none<T: TryFrom<i64> + Bound>(text: &str) -> Result<T, String> {
    T::try_from(number(text, -1..=T::MOST)?).map_err(|_| expected("a smaller number", text))
}

fn factor(text: &str) -> Result<f64, String> {
    let value = text.parse().ok().filter(|factor: &f64| factor.is_finite() && *factor >= 0.0);
    value.ok_or_else(|| expected("a number of 0 or more", text))
}

fn one_of<T: Copy>(text: &str, names: &[(&str, T)]) -> Result<T, String> {
    let found = names.iter().find(|(name, _)| *name == text).map(|(_, value)| *value);
    found.ok_or_else(|| expected(names.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(" or "), text))
}

trait Bound {
    const MOST: i64;
}

impl Bound for i32 {
    const MOST: i64 = i32::MAX as i64;
}

impl Bound for i64 {
    const MOST: i64 = i64::MAX;
}

/// Reads `<address-settings>`.
pub(super) fn read(settings: &mut Hierarchy<AddressSettings>, section: &Element, findings: &mut Findings) {
    for element in &section.children {
        if element.name != "address-setting" {
            findings.unknown(element, "element", &element.name, ["address-setting"]);
        } else if let Some(pattern) = required(element, "match", findings) {
            let one = read_one(&pattern, element, findings);
            if settings.get(&pattern).is_some() {
                // As in Artemis, but not for security-settings.
                findings.warn(element, format!("is ignored: there is an earlier address-setting for {pattern:?}"));
            } else {
                settings.insert(pattern, one);
            }
        }
    }
}

fn read_one(pattern: &str, element: &Element, findings: &mut Findings) -> AddressSettings {
    let mut settings = AddressSettings::default();
    for child in &element.children {
        let name = child.name.as_str();
        if let Some(key) = KEYS.iter().find(|key| key.name == name) {
            findings.accept(child, (key.set)(&mut settings, &child.text));
            if key.effect == NoEffect {
                findings.no_effect(child, &format!("{name} for {pattern:?}"));
            }
        } else if DEPRECATED.contains(&name) {
            findings.no_effect(child, &format!("{name} for {pattern:?} is deprecated and"));
        } else {
            findings.unknown(child, "element", name, KEYS.iter().map(|key| key.name));
        }
    }
    settings
}
