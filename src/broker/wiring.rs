//! From configuration to what each module is told.

use std::rc::Rc;
use std::sync::Arc;

use super::Failure;
use crate::config::{self, CertificateName, Config, KeepAlive, Moved, PermissionType, SessionExpiry};
use crate::core::address::Syntax;
use crate::core::limit::Limit;
use crate::core::settings::Hierarchy;
use crate::engine::{DeclaredAddress, DeclaredQueue, Options, Terms, UserLimit, UserLimits};
use crate::net::tls::{Handshakes, ServerTls};
use crate::net::{Acceptor, GateOptions, Tls};
use crate::protocol::Expiry;
use crate::protocol::mqtt::{self, BoundNumbers, Bounds, MqttSession, codec::QoS, topic::Translation};
use crate::security::{Authorization, Authorizer, NameKind, Permission, SecurityManager, SecuritySetting};

/// Connections that wait to be accepted, unless the acceptor says otherwise.
const BACKLOG: u32 = 1024;

/// The limit of queued messages, where broker.xml names none.
const QUEUED_BYTES_MAX: usize = 1 << 30;

/// What the engine is told.
pub fn engine_options(
    config: &Config,
    authorization: Option<Rc<Authorization>>,
    is_durable: bool,
) -> Result<Options, Failure> {
    let mut seed = [0; 8];
    aws_lc_rs::rand::fill(&mut seed).map_err(|error| Failure::Runtime(std::io::Error::other(error)))?;
    Ok(Options {
        syntax: config.wildcards,
        seed: u64::from_ne_bytes(seed),
        is_durable,
        settle_ms: config.journal_buffer_timeout_ns.div_ceil(1_000_000),
        session_scan_ms: config.mqtt_session_scan_interval_ms.max(1),
        will_grace_ms: config.mqtt_will_recovery_grace_ms,
        expiry_scan_ms: config.message_expiry_scan_period_ms,
        queued_bytes_max: config.global_max_size.map_or(QUEUED_BYTES_MAX, |bytes| bytes as usize),
        clients_max: config.max_total_sessions.unwrap_or(u64::MAX),
        subscriptions_max: config.max_total_subscriptions.unwrap_or(u64::MAX),
        retained_max: config.max_retained_messages.unwrap_or(u64::MAX),
        user_limits: user_limits(&config.resource_limits),
        wills_per_second: config.max_will_rate.unwrap_or(u64::MAX),
        internal: [&config.management_address, &config.management_notification_address, &config.internal_naming_prefix]
            .map(Clone::clone)
            .into(),
        addresses: addresses(config),
        address_settings: config.address_settings.clone(),
        security: authorization.map(|authorization| authorization as Rc<dyn Authorizer>),
        ..Options::default()
    })
}

/// What users may use.
pub fn user_limits(settings: &config::ResourceLimitSettings) -> UserLimits {
    let limit = |(name, limits): (&String, &config::ResourceLimits)| {
        let limit = UserLimit {
            connections: limits.max_sessions,
            queues: limits.max_queues,
            messages_per_second: limits.max_message_rate,
            bytes_per_second: limits.max_byte_rate,
        };
        (name.clone(), limit)
    };
    UserLimits {
        by_user: settings.by_user.iter().map(limit).collect(),
        by_role: settings.by_role.iter().map(limit).collect(),
    }
}

/// What is there without anyone asking for it.
pub fn addresses(config: &Config) -> Vec<DeclaredAddress> {
    config.addresses.iter().map(declared).collect()
}

fn declared(address: &config::AddressDeclaration) -> DeclaredAddress {
    let queue = |queue: &config::QueueDeclaration, is_anycast| DeclaredQueue {
        name: queue.name.as_str().into(),
        is_durable: queue.durable,
        is_anycast,
    };
    let anycast = address.anycast.iter().flatten().map(|declared| queue(declared, true));
    let multicast = address.multicast.iter().flatten().map(|declared| queue(declared, false));
    DeclaredAddress {
        name: address.name.as_str().into(),
        is_anycast: address.anycast.is_some(),
        is_multicast: address.multicast.is_some(),
        queues: anycast.chain(multicast).collect(),
    }
}

/// Who may do what, unless everybody may do everything.
pub fn authorization(config: &Config, manager: &Arc<dyn SecurityManager>) -> Option<Rc<Authorization>> {
    let authorization = || Rc::new(Authorization::new(manager.clone(), config.wildcards, permissions(config)));
    config.security_enabled.then(authorization)
}

/// What each role may do.
pub fn permissions(config: &Config) -> Hierarchy<SecuritySetting> {
    let mut settings = Hierarchy::new(config.wildcards);
    for (pattern, written) in config.security_settings.iter() {
        let mut setting = SecuritySetting::new();
        for (name, kind) in PermissionType::ALL {
            let Some(permission) = Permission::from_name(name) else { continue };
            for role in written.roles(kind) {
                setting.grant(permission, role);
            }
        }
        settings.insert(pattern, setting);
    }
    settings
}

/// What a listening socket is told.
pub fn acceptor(config: &config::Acceptor, syntax: Syntax, tls: Option<Tls>, alias_bytes: &Rc<Limit>) -> Acceptor {
    let bounds = Bounds::new(&bound_numbers(config), alias_bytes.clone());
    let shown = bounds.all();
    let limits = Rc::new(limits(&config.mqtt, syntax, bounds));
    let size = |bytes: Option<usize>| bytes.and_then(|bytes| u32::try_from(bytes).ok());
    Acceptor {
        name: config.name.as_str().into(),
        host: config.host.clone(),
        port: config.port,
        backlog: config.backlog.unwrap_or(BACKLOG),
        no_delay: config.tcp_no_delay,
        send_buffer: size(config.tcp_send_buffer),
        receive_buffer: size(config.tcp_receive_buffer),
        gate: GateOptions {
            connections_max: config.connections_allowed,
            per_address_max: config.limits.connections_per_address,
            rate: config.limits.connect_rate,
            per_address_rate: config.limits.connect_rate_per_address,
        },
        limits: shown,
        shared_limits: vec![alias_bytes.clone()],
        terms: Rc::new(terms(&config.limits)),
        domain: config.security_domain.as_deref().map(Into::into),
        handshake_ms: config.handshake_timeout_ms.unwrap_or(0),
        message_max: config.mqtt.maximum_packet_size.map_or(usize::MAX, |bytes| bytes as usize + 5),
        tls,
        session: Box::new(move || Box::new(MqttSession::new(limits.clone()))),
    }
}

/// How an acceptor's connections become TLS.
pub fn tls(config: &config::Tls, server: Arc<ServerTls>, handshakes: Rc<Handshakes>) -> Tls {
    let kind = |name| match name {
        CertificateName::Common => NameKind::Common,
        CertificateName::Alternative => NameKind::Alternative,
        CertificateName::Distinguished => NameKind::Distinguished,
    };
    Tls { server, handshakes, client_id_from: config.client_id_from.map(kind), user_from: config.user_from.map(kind) }
}

fn terms(limits: &config::Limits) -> Terms {
    Terms {
        packet_ms: limits.packet_timeout_ms.unwrap_or(0),
        messages_per_second: limits.message_rate,
        bytes_per_second: limits.byte_rate,
        subscriptions_max: limits.subscriptions,
        will_delay_max_ms: limits.will_delay_s.map(|seconds| seconds * 1000),
        connected_max_ms: limits.connect_time_s.map(|seconds| seconds * 1000),
    }
}

fn bound_numbers(config: &config::Acceptor) -> BoundNumbers {
    let (limits, default) = (&config.limits, BoundNumbers::default());
    BoundNumbers {
        packet_bytes: config.mqtt.maximum_packet_size.map_or(default.packet_bytes, u64::from),
        client_id_bytes: limits.client_id_length.unwrap_or(default.client_id_bytes),
        topic_bytes: limits.topic_length.unwrap_or(default.topic_bytes),
        topic_levels: limits.topic_levels.unwrap_or(default.topic_levels),
        wildcards: limits.wildcards.unwrap_or(default.wildcards),
        filters: limits.filters_per_subscribe.unwrap_or(default.filters),
        user_properties: limits.user_properties.unwrap_or(default.user_properties),
        property_bytes: limits.property_length.unwrap_or(default.property_bytes),
        ..default
    }
}

fn limits(config: &config::Mqtt, syntax: Syntax, bounds: Bounds) -> mqtt::Limits {
    let elsewhere = config.server_reference.as_deref().map(|reference| mqtt::Elsewhere {
        reference: reference.into(),
        permanently: config.server_moved == Moved::Permanently,
    });
    mqtt::Limits {
        default_expiry: expiry(config.default_session_expiry),
        default_expiry_for_v5: config.default_session_expiry_is_explicit,
        maximum_expiry: expiry(config.maximum_session_expiry),
        default_message_expiry_s: config.default_message_expiry,
        maximum_message_expiry_s: config.maximum_message_expiry,
        receive_maximum: config.receive_maximum,
        topic_alias_maximum: config.topic_alias_maximum,
        maximum_packet_size: config.maximum_packet_size,
        maximum_qos: QoS::try_from(config.maximum_qos).unwrap_or(QoS::ExactlyOnce),
        retain_available: config.retain_available,
        wildcards_available: config.wildcard_subscription_available,
        identifiers_available: config.subscription_identifiers_available,
        shared_available: config.shared_subscription_available,
        response_information: config.response_information.as_deref().map(Into::into),
        elsewhere,
        keep_alive: match config.server_keep_alive {
            KeepAlive::Client => mqtt::KeepAlive::Client,
            KeepAlive::Off => mqtt::KeepAlive::Off,
            KeepAlive::AtMost(seconds) => mqtt::KeepAlive::AtMost(seconds),
        },
        explains: config.reason_strings,
        checks_payloads: config.validate_payload_format,
        close_on_refused_publish: config.close_on_publish_authorization_failure,
        may_take_over: config.allow_link_stealing,
        in_flight_maximum: config.default_maximum_in_flight,
        translation: Translation::new(syntax),
        bounds,
    }
}

fn expiry(configured: SessionExpiry) -> Expiry {
    match configured {
        SessionExpiry::Never => Expiry::NEVER,
        SessionExpiry::Seconds(seconds) => Expiry(seconds),
    }
}
