use std::fs;
use std::io;
use std::path::Path;

use clap::{Args, Subcommand};

use super::Failure;
use super::failure::print;
use super::instance::InstanceOption;
use super::mask::masked;
use super::names::{role_name, user_name};
use super::terminal::ask_new_password;
use crate::config::properties;

/// Change who may log in
#[derive(Debug, Subcommand)]
pub(super) enum User {
    Add(Add),
}

/// Add a user to the instance's users and roles files
#[derive(Debug, Args)]
pub(super) struct Add {
    #[command(flatten)]
    instance: InstanceOption,

    /// The name; Artemis's --user-command-user is understood too
    #[arg(value_parser = user_name, required_unless_present = "command_user")]
    name: Option<String>,

    #[arg(long = "user-command-user", hide = true, value_parser = user_name, conflicts_with = "name")]
    command_user: Option<String>,

    /// The password; without it, it is asked for or read from the standard input
    #[arg(long, alias = "user-command-password")]
    password: Option<String>,

    /// The roles, with commas between them
    #[arg(long, value_name = "ROLE", value_parser = role_name, value_delimiter = ',', default_value = "amq")]
    role: Vec<String>,
}

impl User {
    pub fn execute(self) -> Result<(), Failure> {
        match self {
            Self::Add(add) => add.execute(),
        }
    }
}

impl Add {
    fn execute(self) -> Result<(), Failure> {
        let etc = self.instance.locate()?.etc();
        let name = self.name.or(self.command_user).unwrap_or_default();
        let (users_path, roles_path) = (etc.join("artemis-users.properties"), etc.join("artemis-roles.properties"));
        let users = read(&users_path)?;
        if properties::parse(&users).iter().any(|property| property.key == name) {
            return Err(Failure::new(format!("{}: there is a user {name} already", users_path.display())));
        }
        let password = self.password.map_or_else(|| ask_new_password("Password"), Ok)?;
        let users = with_line(users, &format!("{name} = {}", masked(&password)?));
        let roles = self.role.iter().fold(read(&roles_path)?, |text, role| with_member(text, role, &name));
        // Roles first: one of a user that is not there yet means nothing.
        replace(&roles_path, &roles)?;
        replace(&users_path, &users)?;
        print(&format!("Added {name} with the role {}.\n", self.role.join(", ")))
    }
}

fn with_line(mut text: String, line: &str) -> String {
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text + line + "\n"
}

fn with_member(text: String, role: &str, user: &str) -> String {
    let properties = properties::parse(&text);
    let Some(property) = properties.iter().find(|property| property.key == role) else {
        return with_line(text, &format!("{role} = {user}"));
    };
    if property.value.split(',').any(|member| member.trim() == user) {
        return text;
    }
    let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
    let mut last = property.line as usize - 1;
    while is_continued(&lines[last]) && last + 1 < lines.len() {
        last += 1;
    }
    let separator = if property.value.trim().is_empty() { "" } else { "," };
    lines[last] = format!("{}{separator}{user}", lines[last].trim_end());
    lines.join("\n") + "\n"
}

fn is_continued(line: &str) -> bool {
    line.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1
}

fn read(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|error| Failure::file(path, &error))
}

fn replace(path: &Path, text: &str) -> Result<(), Failure> {
    let fresh = path.with_extension("properties.new");
    let written = || -> io::Result<()> {
        fs::write(&fresh, "")?;
        fs::set_permissions(&fresh, fs::metadata(path)?.permissions())?;
        fs::write(&fresh, text)?;
        fs::rename(&fresh, path)
    };
    written().map_err(|error| Failure::file(path, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_joins_the_line_of_its_role() {
        for (before, after) in [
            ("", "r = u\n"),
            ("# r = x", "# r = x\nr = u\n"),
            ("r = a, b \nq = c\n", "r = a, b,u\nq = c\n"),
            ("r =\n", "r =u\n"),
            ("r = a,\\\n    b\n", "r = a,\\\n    b,u\n"),
            ("q = r\n", "q = r\nr = u\n"),
            ("r = a, u\n", "r = a, u\n"),
        ] {
            assert_eq!(with_member(before.into(), "r", "u"), after);
        }
    }

    #[test]
    fn a_line_begins_on_a_line_of_its_own() {
        assert_eq!(with_line("a".into(), "b"), "a\nb\n");
        assert_eq!(with_line("a\n".into(), "b"), "a\nb\n");
    }
}
