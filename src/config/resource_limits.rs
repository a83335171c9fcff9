//! `<resource-limit-settings>`: what one user may use.

use std::collections::BTreeMap;

use super::error::Findings;
use super::units::number;
use super::xml::Element;

/// What one user, or one who has a role, may use; `None` is any number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResourceLimits {
    /// Connections at a time.
    pub max_sessions: Option<u64>,
    /// Subscriptions of all its sessions.
    pub max_queues: Option<u64>,
    /// Messages a second on each of its connections.
    pub max_message_rate: Option<u64>,
    /// Bytes a second on each of its connections.
    pub max_byte_rate: Option<u64>,
}

/// Limits by user and by role.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResourceLimitSettings {
    pub by_user: BTreeMap<String, ResourceLimits>,
    /// For users without limits of their own. Of several roles each limit counts that allows the most.
    pub by_role: BTreeMap<String, ResourceLimits>,
}

const ELEMENTS: [&str; 4] = ["max-sessions", "max-queues", "max-message-rate", "max-byte-rate"];

/// Reads `<resource-limit-settings>`.
pub(super) fn read(settings: &mut ResourceLimitSettings, section: &Element, findings: &mut Findings) {
    for element in &section.children {
        if element.name != "resource-limit-setting" {
            findings.unknown(element, "element", &element.name, ["resource-limit-setting"]);
            continue;
        }
        let limits = limits(element, findings);
        let (to, name) = match (element.attribute("match"), element.attribute("role")) {
            (Some(user), None) => (&mut settings.by_user, user),
            (None, Some(role)) => (&mut settings.by_role, role),
            _ => {
                findings.error(element, "expected an attribute match with a user, or role with a role");
                continue;
            }
        };
        if to.insert(name.to_owned(), limits).is_some() {
            findings.warn(element, format!("replaces an earlier resource-limit-setting for {name:?}"));
        }
    }
}

fn limits(element: &Element, findings: &mut Findings) -> ResourceLimits {
    let mut limits = ResourceLimits::default();
    for child in &element.children {
        let (field, least) = match child.name.as_str() {
            "max-sessions" => (&mut limits.max_sessions, 0),
            "max-queues" => (&mut limits.max_queues, 0),
            "max-message-rate" => (&mut limits.max_message_rate, 1),
            "max-byte-rate" => (&mut limits.max_byte_rate, 1),
            other => {
                findings.unknown(child, "element", other, ELEMENTS);
                continue;
            }
        };
        let value = match number(&child.text, -1..=i64::MAX) {
            Ok(0) if least > 0 => Err(format!("expected -1 or a whole number of 1 or more, found {:?}", child.text)),
            value => value,
        };
        *field = findings.accept(child, value).and_then(|value| u64::try_from(value).ok());
    }
    limits
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load;

    fn settings(text: &str) -> Result<ResourceLimitSettings, String> {
        let core = format!("<core><resource-limit-settings>{text}</resource-limit-settings></core>");
        let config = load("f", &core, &|_| None).map_err(|errors| errors[0].to_string())?;
        assert_eq!(config.warnings, []);
        Ok(config.resource_limits)
    }

    #[test]
    fn limits_belong_to_a_user_or_a_role() {
        let text = r#"<resource-limit-setting match="ann"><max-sessions>5</max-sessions><max-queues>-1</max-queues></resource-limit-setting>
            <resource-limit-setting role="devices"><max-queues>0</max-queues><max-message-rate>10</max-message-rate>
            <max-byte-rate>1000</max-byte-rate></resource-limit-setting>"#;
        let settings = settings(text).unwrap();
        let ann = ResourceLimits { max_sessions: Some(5), ..ResourceLimits::default() };
        let device = ResourceLimits {
            max_sessions: None,
            max_queues: Some(0),
            max_message_rate: Some(10),
            max_byte_rate: Some(1000),
        };
        assert_eq!(settings.by_user, BTreeMap::from([("ann".to_owned(), ann)]));
        assert_eq!(settings.by_role, BTreeMap::from([("devices".to_owned(), device)]));
    }

    #[test]
    fn mistakes_are_named() {
        for text in [
            "<resource-limit-setting/>",
            r#"<resource-limit-setting match="a" role="b"/>"#,
            r#"<resource-limit-setting match="a"><max-queues>x</max-queues></resource-limit-setting>"#,
            r#"<resource-limit-setting match="a"><max-byte-rate>0</max-byte-rate></resource-limit-setting>"#,
        ] {
            assert!(settings(text).unwrap_err().contains("expected"), "{text}");
        }
    }
}
