//! The users and roles files, changed so that all else in them stays as it is.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};

use super::Failure;
use crate::broker::{self, Instance};
use crate::config::properties::{self, Property};

pub(super) struct UserFiles {
    users: Text,
    roles: Text,
}

/// A properties file.
struct Text {
    path: PathBuf,
    text: String,
}

impl UserFiles {
    /// The files that login.config names.
    pub fn open(instance: &Instance) -> Result<Self, Failure> {
        let named = broker::user_files(instance);
        let [users, roles] =
            named.map_err(|failure| Failure::new(failure.to_string()).with_code(failure.exit_code()))?;
        Ok(Self { users: Text::open(users)?, roles: Text::open(roles)? })
    }

    pub fn users_path(&self) -> &Path {
        &self.users.path
    }

    pub fn has(&self, user: &str) -> bool {
        self.users.find(user).is_some()
    }

    pub fn must_have(&self, user: &str) -> Result<(), Failure> {
        if self.has(user) {
            return Ok(());
        }
        Err(Failure::new(format!("{}: there is no user {user}", self.users.path.display())))
    }

    /// All users with their roles, in the order of the files.
    pub fn users(&self) -> Vec<(String, Vec<String>)> {
        let roles = properties::parse(&self.roles.text);
        let of = |user: &str| {
            let having = roles.iter().filter(|role| members(role).any(|member| member == user));
            having.map(|role| role.key.clone()).collect()
        };
        let users = properties::parse(&self.users.text).into_iter();
        users.map(|user| (user.key.clone(), of(&user.key))).collect()
    }

    pub fn set_password(&mut self, user: &str, stored: &str) {
        self.users.set(user, stored);
    }

    /// Gives a user these roles and no other.
    pub fn set_roles(&mut self, user: &str, roles: &[String]) {
        self.leave_roles(user, roles);
        for role in roles {
            let members = self.roles.find(role).map(|found| found.value).unwrap_or_default();
            if !members.split(',').any(|member| member.trim() == user) {
                let separator = if members.trim().is_empty() { "" } else { "," };
                self.roles.set(role, &format!("{}{separator}{user}", members.trim_end()));
            }
        }
    }

    pub fn remove(&mut self, user: &str) {
        self.users.remove(user);
        self.leave_roles(user, &[]);
    }

    fn leave_roles(&mut self, user: &str, kept: &[String]) {
        for role in properties::parse(&self.roles.text) {
            if kept.contains(&role.key) || !members(&role).any(|member| member == user) {
                continue;
            }
            let others: Vec<_> = members(&role).filter(|member| *member != user).collect();
            if others.is_empty() {
                self.roles.remove(&role.key);
            } else {
                self.roles.set(&role.key, &others.join(","));
            }
        }
    }

    /// Roles first: one of a user that is not there yet means nothing.
    pub fn save(&self) -> Result<(), Failure> {
        self.roles.save()?;
        self.users.save()
    }
}

fn members(role: &Property) -> impl Iterator<Item = &str> {
    role.value.split(',').map(str::trim).filter(|member| !member.is_empty())
}

impl Text {
    fn open(path: PathBuf) -> Result<Self, Failure> {
        let text = fs::read_to_string(&path).map_err(|error| Failure::file(&path, &error))?;
        Ok(Self { path, text })
    }

    fn find(&self, key: &str) -> Option<Property> {
        properties::parse(&self.text).into_iter().find(|property| property.key == key)
    }

    /// The lines of a key, counted from 0.
    fn lines_of(&self, key: &str) -> Option<(usize, usize)> {
        let first = self.find(key)?.line as usize - 1;
        let continued = self.text.lines().skip(first).take_while(|line| is_continued(line)).count();
        Some((first, first + continued))
    }

    fn set(&mut self, key: &str, value: &str) {
        let line = format!("{key} = {value}");
        match self.lines_of(key) {
            Some((first, last)) => self.replace(first, last, Some(line)),
            None => {
                if !self.text.is_empty() && !self.text.ends_with('\n') {
                    self.text.push('\n');
                }
                self.text.push_str(&line);
                self.text.push('\n');
            }
        }
    }

    fn remove(&mut self, key: &str) {
        if let Some((first, last)) = self.lines_of(key) {
            self.replace(first, last, None);
        }
    }

    fn replace(&mut self, first: usize, last: usize, line: Option<String>) {
        let lines = self.text.lines().enumerate();
        let mut kept: Vec<_> =
            lines.filter(|(number, _)| !(first..=last).contains(number)).map(|(_, line)| line.to_owned()).collect();
        if let Some(line) = line {
            kept.insert(first, line);
        }
        self.text = kept.join("\n");
        if !self.text.is_empty() {
            self.text.push('\n');
        }
    }

    /// Whoever reads it meanwhile finds the old file or the new one, with the same owner and mode.
    fn save(&self) -> Result<(), Failure> {
        let fresh = self.path.with_extension("properties.new");
        let written = || -> io::Result<()> {
            let old = fs::metadata(&self.path)?;
            fs::write(&fresh, "")?;
            fs::set_permissions(&fresh, old.permissions())?;
            let made = fs::metadata(&fresh)?;
            if (made.uid(), made.gid()) != (old.uid(), old.gid()) {
                chown(&fresh, Some(old.uid()), Some(old.gid()))?;
            }
            fs::write(&fresh, &self.text)?;
            fs::File::open(&fresh)?.sync_all()?;
            fs::rename(&fresh, &self.path)
        };
        written().map_err(|error| Failure::file(&self.path, &error))
    }
}

fn is_continued(line: &str) -> bool {
    line.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(users: &str, roles: &str) -> UserFiles {
        let text = |text: &str| Text { path: PathBuf::new(), text: text.to_owned() };
        UserFiles { users: text(users), roles: text(roles) }
    }

    fn roles_after(before: &str, change: impl FnOnce(&mut UserFiles)) -> String {
        let mut files = files("u = 1\n", before);
        change(&mut files);
        files.roles.text
    }

    #[test]
    fn a_member_joins_the_line_of_its_role() {
        for (before, after) in [
            ("", "r = u\n"),
            ("# r = x", "# r = x\nr = u\n"),
            ("r = a, b \nq = c\n", "r = a, b,u\nq = c\n"),
            ("r =\n", "r = u\n"),
            ("r = a,\\\n    b\nq = c\n", "r = a,b,u\nq = c\n"),
            ("q = r\n", "q = r\nr = u\n"),
            ("r = a, u\n", "r = a, u\n"),
            ("q = u, b\nr = a\n", "q = b\nr = a,u\n"),
            ("q = u\n# kept\n", "# kept\nr = u\n"),
        ] {
            assert_eq!(roles_after(before, |files| files.set_roles("u", &["r".to_owned()])), after, "{before}");
        }
    }

    #[test]
    fn a_user_goes_from_both_files() {
        let mut files = files("# who\nu = 1\\\n2\nv = 3\n", "r = u,v\nq = u\n");
        assert_eq!(files.users()[0], ("u".to_owned(), vec!["r".to_owned(), "q".to_owned()]));
        files.remove("u");
        assert_eq!((files.users.text.as_str(), files.roles.text.as_str()), ("# who\nv = 3\n", "r = v\n"));
        assert!(files.has("v") && !files.has("u") && files.must_have("u").is_err());
    }

    #[test]
    fn a_password_takes_the_place_of_the_old_one() {
        let mut files = files("# who\nu : 1\nv = 3", "");
        files.set_password("u", "$argon2id$v=19$m=1,t=1,p=1$a$b");
        files.set_password("w", "x");
        assert_eq!(files.users.text, "# who\nu = $argon2id$v=19$m=1,t=1,p=1$a$b\nv = 3\nw = x\n");
    }
}
