use super::RoleSet;

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
    roles: [RoleSet; Permission::ALL.len()],
}

impl SecuritySetting {
    /// A setting that allows nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives `permission` to `role`, an index of a [`RoleTable`](super::RoleTable).
    pub fn grant(&mut self, permission: Permission, role: u32) {
        self.roles[permission as usize].insert(role);
    }

    /// Whether one of `roles` has `permission`.
    pub fn allows(&self, roles: &RoleSet, permission: Permission) -> bool {
        self.roles[permission as usize].intersects(roles)
    }
}

#[cfg(test)]
mod tests {
    use super::super::RoleTable;
    use super::*;

    #[test]
    fn each_permission_stands_alone() {
        let mut table = RoleTable::new();
        let role = table.intern("amq");
        let roles = table.set_of(["amq"]);
        for granted in Permission::ALL {
            let mut setting = SecuritySetting::new();
            setting.grant(granted, role);
            for asked in Permission::ALL {
                assert_eq!(setting.allows(&roles, asked), asked == granted, "{granted:?} {asked:?}");
            }
        }
    }

    #[test]
    fn nothing_is_allowed_without_a_grant_or_a_role() {
        let mut table = RoleTable::new();
        let mut setting = SecuritySetting::new();
        let roles = table.set_of(["amq"]);
        assert!(!setting.allows(&roles, Permission::Send));
        setting.grant(Permission::Send, table.intern("amq"));
        assert!(!setting.allows(&RoleSet::default(), Permission::Send));
        assert!(!setting.allows(&table.set_of(["other"]), Permission::Send));
        assert!(setting.allows(&table.set_of(["other", "amq"]), Permission::Send));
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
