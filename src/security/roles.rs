use std::collections::HashMap;

const WORD_BITS: u32 = u64::BITS;

/// The role names that security-settings speak of, each with a small index.
#[derive(Clone, Debug, Default)]
pub struct RoleTable {
    indexes: HashMap<String, u32>,
}

impl RoleTable {
    /// A table without roles.
    pub fn new() -> Self {
        Self::default()
    }

    /// The index of `role`, given to it now if it had none.
    pub fn intern(&mut self, role: &str) -> u32 {
        if let Some(index) = self.indexes.get(role) {
            return *index;
        }
        let index = self.indexes.len() as u32;
        self.indexes.insert(role.to_owned(), index);
        index
    }

    /// The set of those `roles` that are in the table; others can have no permission and take no room.
    pub fn set_of<R: AsRef<str>>(&self, roles: impl IntoIterator<Item = R>) -> RoleSet {
        let mut set = RoleSet::default();
        for index in roles.into_iter().filter_map(|role| self.indexes.get(role.as_ref()).copied()) {
            set.insert(index);
        }
        set
    }
}

/// A set of role indexes of one [`RoleTable`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoleSet {
    words: Vec<u64>,
}

impl RoleSet {
    /// Adds `role`.
    pub fn insert(&mut self, role: u32) {
        let word = (role / WORD_BITS) as usize;
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        self.words[word] |= 1 << (role % WORD_BITS);
    }

    /// Whether the sets have a role in common.
    pub fn intersects(&self, other: &Self) -> bool {
        self.words.iter().zip(&other.words).any(|(ours, theirs)| ours & theirs != 0)
    }

    /// Whether the set has no role.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_its_index() {
        let mut table = RoleTable::new();
        let first = table.intern("a");
        assert_ne!(first, table.intern("b"));
        assert_eq!(first, table.intern("a"));
    }

    #[test]
    fn sets_meet_in_every_word() {
        let mut table = RoleTable::new();
        let names: Vec<String> = (0..200).map(|index| format!("role{index}")).collect();
        for name in &names {
            table.intern(name);
        }
        for (index, name) in names.iter().enumerate() {
            let one = table.set_of([name]);
            assert!(one.intersects(&table.set_of(&names)));
            assert!(!one.intersects(&table.set_of(names.iter().filter(|other| *other != name))), "{index}");
        }
    }

    #[test]
    fn unknown_roles_take_no_room() {
        assert!(RoleTable::new().set_of(["x", "y"]).is_empty());
    }
}
