//! `<security-settings>`: which role may do what on which addresses.

use std::collections::HashMap;

use super::addresses::required;
use super::error::{Findings, did_you_mean};
use super::xml::Element;
use crate::core::settings::Hierarchy;

/// What a role may be permitted to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PermissionType {
    Send,
    Consume,
    Browse,
    CreateAddress,
    DeleteAddress,
    CreateDurableQueue,
    DeleteDurableQueue,
    CreateNonDurableQueue,
    DeleteNonDurableQueue,
    Manage,
    View,
    Edit,
}

impl PermissionType {
    /// All types with the names they have in the file.
    pub const ALL: [(&'static str, Self); 12] = [
        ("send", Self::Send),
        ("consume", Self::Consume),
        ("browse", Self::Browse),
        ("createAddress", Self::CreateAddress),
        ("deleteAddress", Self::DeleteAddress),
        ("createDurableQueue", Self::CreateDurableQueue),
        ("deleteDurableQueue", Self::DeleteDurableQueue),
        ("createNonDurableQueue", Self::CreateNonDurableQueue),
        ("deleteNonDurableQueue", Self::DeleteNonDurableQueue),
        ("manage", Self::Manage),
        ("view", Self::View),
        ("edit", Self::Edit),
    ];

    fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, permission)| *permission)
    }
}

/// The roles permitted to do each thing on the addresses of one pattern.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecuritySetting {
    roles: [Vec<String>; 12],
}

impl SecuritySetting {
    /// The roles that have a permission.
    pub fn roles(&self, permission: PermissionType) -> &[String] {
        &self.roles[permission as usize]
    }

    /// Permits something to a role.
    pub fn permit(&mut self, permission: PermissionType, role: &str) {
        let roles = &mut self.roles[permission as usize];
        if !roles.iter().any(|known| known == role) {
            roles.push(role.to_owned());
        }
    }
}

type Mappings = HashMap<String, Vec<String>>;

/// Reads `<security-settings>`.
pub(super) fn read(settings: &mut Hierarchy<SecuritySetting>, section: &Element, findings: &mut Findings) {
    let mappings = mappings(section, findings);
    for element in &section.children {
        match element.name.as_str() {
            "security-setting" => read_setting(settings, &mappings, element, findings),
            "role-mapping" => {}
            "security-setting-plugin" => {
                let message = "the plugin is not supported: what it permits has to be written as security-setting";
                findings.error(element, message);
            }
            other => refuse(element, "element", other, &["security-setting", "role-mapping"], findings),
        }
    }
}

// To leave out what was meant to close something would open it.
fn refuse(element: &Element, what: &str, name: &str, known: &[&str], findings: &mut Findings) {
    findings.error(element, format!("unknown {what} {name:?}{}", did_you_mean(name, known.iter().copied())));
}

fn refuse_other_attributes(element: &Element, known: &[&str], findings: &mut Findings) {
    for (name, _) in element.attributes.iter().filter(|(name, _)| !known.contains(&name.as_str())) {
        refuse(element, "attribute", name, known, findings);
    }
}

// `from` has what is permitted to any role of `to`, in addition to what is permitted to itself.
fn mappings(section: &Element, findings: &mut Findings) -> Mappings {
    let mut mappings = Mappings::new();
    for element in section.children.iter().filter(|child| child.name == "role-mapping") {
        refuse_other_attributes(element, &["from", "to"], findings);
        let from = required(element, "from", findings);
        let Some(to) = element.attribute("to") else {
            findings.error(element, "expected an attribute to");
            continue;
        };
        for role in names(to) {
            mappings.entry(role.to_owned()).or_default().extend(from.clone());
        }
    }
    mappings
}

fn names(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|name| !name.is_empty())
}

fn read_setting(
    settings: &mut Hierarchy<SecuritySetting>,
    mappings: &Mappings,
    element: &Element,
    findings: &mut Findings,
) {
    refuse_other_attributes(element, &["match"], findings);
    let Some(pattern) = required(element, "match", findings) else { return };
    let mut setting = SecuritySetting::default();
    for child in &element.children {
        if child.name == "permission" {
            read_permission(&mut setting, mappings, child, findings);
        } else {
            refuse(child, "element", &child.name, &["permission"], findings);
        }
    }
    if settings.insert(pattern.clone(), setting).is_some() {
        findings.warn(element, format!("replaces an earlier security-setting for {pattern:?}"));
    }
}

fn read_permission(setting: &mut SecuritySetting, mappings: &Mappings, element: &Element, findings: &mut Findings) {
    refuse_other_attributes(element, &["type", "roles"], findings);
    let kind = required(element, "type", findings);
    let Some(roles) = element.attribute("roles") else {
        findings.error(element, "expected an attribute roles");
        return;
    };
    let Some(kind) = kind else { return };
    let Some(permission) = PermissionType::named(&kind) else {
        let hint = did_you_mean(&kind, PermissionType::ALL.iter().map(|(name, _)| *name));
        findings.error(element, format!("unknown permission type {kind:?}{hint}"));
        return;
    };
    for role in names(roles) {
        setting.permit(permission, role);
        for mapped in mappings.get(role).into_iter().flatten() {
            setting.permit(permission, mapped);
        }
    }
}
