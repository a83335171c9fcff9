/// What a role can be allowed to do on the addresses of a security-setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Permission {
    /// Send messages.
    Send,
    /// Consume messages.
    Consume,
    /// Create an address by using it.
    CreateAddress,
    /// Delete an address by no longer using it.
    DeleteAddress,
    /// Create a queue that does not survive a restart.
    CreateNonDurableQueue,
    /// Delete a queue that does not survive a restart.
    DeleteNonDurableQueue,
    /// Create a queue that survives a restart.
    CreateDurableQueue,
    /// Delete a queue that survives a restart.
    DeleteDurableQueue,
    /// Send management messages.
    Manage,
    /// Look at messages without consuming them.
    Browse,
    /// See a managed resource.
    View,
    /// Change a managed resource.
    Edit,
}

impl Permission {
    /// All permissions, in the order of their declaration.
    pub const ALL: [Self; 12] = [
        Self::Send,
        Self::Consume,
        Self::CreateAddress,
        Self::DeleteAddress,
        Self::CreateNonDurableQueue,
        Self::DeleteNonDurableQueue,
        Self::CreateDurableQueue,
        Self::DeleteDurableQueue,
        Self::Manage,
        Self::Browse,
        Self::View,
        Self::Edit,
    ];

    /// The name in the `type` attribute of a `<permission>`, such as `createDurableQueue`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Send => "send",
            Self::Consume => "consume",
            Self::CreateAddress => "createAddress",
            Self::DeleteAddress => "deleteAddress",
            Self::CreateNonDurableQueue => "createNonDurableQueue",
            Self::DeleteNonDurableQueue => "deleteNonDurableQueue",
            Self::CreateDurableQueue => "createDurableQueue",
            Self::DeleteDurableQueue => "deleteDurableQueue",
            Self::Manage => "manage",
            Self::Browse => "browse",
            Self::View => "view",
            Self::Edit => "edit",
        }
    }

    /// The permission of that exact name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|permission| permission.name() == name)
    }
}

/// The roles that have each permission on the addresses of one match. What is not granted is refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecuritySetting {
    roles: [Vec<String>; Permission::ALL.len()],
}

impl SecuritySetting {
    /// A setting that allows nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives `permission` to `role`.
    pub fn grant(&mut self, permission: Permission, role: impl Into<String>) {
        self.roles[permission as usize].push(role.into());
    }

    /// Whether one of `roles` has `permission`.
    pub fn allows(&self, roles: &[String], permission: Permission) -> bool {
        self.roles[permission as usize].iter().any(|granted| roles.contains(granted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roles<const N: usize>(names: [&str; N]) -> [String; N] {
        names.map(str::to_owned)
    }

    #[test]
    fn each_permission_stands_alone() {
        for granted in Permission::ALL {
            let mut setting = SecuritySetting::new();
            setting.grant(granted, "amq");
            for asked in Permission::ALL {
                assert_eq!(setting.allows(&roles(["amq"]), asked), asked == granted, "{granted:?} {asked:?}");
            }
        }
    }

    #[test]
    fn nothing_is_allowed_without_a_grant_or_a_role() {
        let mut setting = SecuritySetting::new();
        assert!(!setting.allows(&roles(["amq"]), Permission::Send));
        setting.grant(Permission::Send, "amq");
        assert!(!setting.allows(&[], Permission::Send));
        assert!(!setting.allows(&roles(["other"]), Permission::Send));
        assert!(setting.allows(&roles(["other", "amq"]), Permission::Send));
    }

    #[test]
    fn names_are_those_of_the_file() {
        for permission in Permission::ALL {
            assert_eq!(Permission::from_name(permission.name()), Some(permission));
        }
        assert_eq!(Permission::from_name("createDurableQueue"), Some(Permission::CreateDurableQueue));
        assert_eq!(Permission::from_name("SEND"), None);
    }
}
