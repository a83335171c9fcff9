use clap::{Args, Subcommand};

use super::Failure;
use super::failure::print;
use super::instance::InstanceOption;
use super::mask::hashed;
use super::names::{role_name, user_name};
use super::terminal::ask_new_password;
use super::user_files::UserFiles;
use crate::config::properties;
use crate::security::StoredPassword;

/// Change who may log in; a running broker takes it over within seconds
#[derive(Debug, Subcommand)]
pub(super) enum User {
    Add(Add),
    Reset(Reset),
    Rm(Rm),
    List(List),
}

/// Which user a command is about.
#[derive(Debug, Args)]
struct UserName {
    /// The name; Artemis's --user-command-user is understood too
    #[arg(value_parser = user_name, required_unless_present = "command_user")]
    name: Option<String>,

    #[arg(long = "user-command-user", hide = true, value_parser = user_name, conflicts_with = "name")]
    command_user: Option<String>,
}

impl UserName {
    fn take(self) -> String {
        self.name.or(self.command_user).unwrap_or_default()
    }
}

/// Add a user to the instance's users and roles files
#[derive(Debug, Args)]
pub(super) struct Add {
    #[command(flatten)]
    instance: InstanceOption,

    #[command(flatten)]
    user: UserName,

    /// The password; without it, it is asked for or read from the standard input
    #[arg(long, alias = "user-command-password")]
    password: Option<String>,

    /// Keep the password as it is, not a hash of it
    #[arg(long)]
    plaintext: bool,

    /// The roles, with commas between them
    #[arg(long, value_name = "ROLE", value_parser = role_name, value_delimiter = ',', default_value = "amq")]
    role: Vec<String>,
}

/// Give a user another password, or other roles
#[derive(Debug, Args)]
pub(super) struct Reset {
    #[command(flatten)]
    instance: InstanceOption,

    #[command(flatten)]
    user: UserName,

    /// The new password; without it and without --role, it is asked for or read from the standard input
    #[arg(long, alias = "user-command-password")]
    password: Option<String>,

    /// Keep the password as it is, not a hash of it
    #[arg(long)]
    plaintext: bool,

    /// The roles it has from now on, with commas between them; without it, they stay
    #[arg(long, value_name = "ROLE", value_parser = role_name, value_delimiter = ',')]
    role: Option<Vec<String>>,
}

/// Remove a user
#[derive(Debug, Args)]
pub(super) struct Rm {
    #[command(flatten)]
    instance: InstanceOption,

    #[command(flatten)]
    user: UserName,
}

/// List the users and their roles
#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    instance: InstanceOption,

    /// Only this user
    #[arg(long, alias = "user-command-user")]
    user: Option<String>,
}

impl User {
    pub fn execute(self) -> Result<(), Failure> {
        match self {
            Self::Add(add) => add.execute(),
            Self::Reset(reset) => reset.execute(),
            Self::Rm(rm) => rm.execute(),
            Self::List(list) => list.execute(),
        }
    }
}

/// What is written into the users file.
fn stored(password: &str, is_plain: bool) -> Result<String, Failure> {
    match StoredPassword::parse(password) {
        Ok(None) if is_plain && !password.is_empty() => Ok(properties::escape_value(password)),
        _ if is_plain => Err(Failure::new("the password is empty, or would be taken for a hash")),
        _ => hashed(password),
    }
}

impl Add {
    fn execute(self) -> Result<(), Failure> {
        let mut files = UserFiles::open(&self.instance.locate()?)?;
        let name = self.user.take();
        if files.has(&name) {
            return Err(Failure::new(format!("{}: there is a user {name} already", files.users_path().display())));
        }
        let password = self.password.map_or_else(|| ask_new_password("Password"), Ok)?;
        files.set_password(&name, &stored(&password, self.plaintext)?);
        files.set_roles(&name, &self.role);
        files.save()?;
        print(&format!("Added {name} with the role {}.\n", self.role.join(", ")))
    }
}

impl Reset {
    fn execute(self) -> Result<(), Failure> {
        let mut files = UserFiles::open(&self.instance.locate()?)?;
        let name = self.user.take();
        files.must_have(&name)?;
        let password = match self.password {
            None if self.role.is_none() => Some(ask_new_password("Password")?),
            given => given,
        };
        if let Some(password) = password {
            files.set_password(&name, &stored(&password, self.plaintext)?);
        }
        if let Some(roles) = &self.role {
            files.set_roles(&name, roles);
        }
        files.save()?;
        print(&format!("Changed {name}.\n"))
    }
}

impl Rm {
    fn execute(self) -> Result<(), Failure> {
        let mut files = UserFiles::open(&self.instance.locate()?)?;
        let name = self.user.take();
        files.must_have(&name)?;
        files.remove(&name);
        files.save()?;
        print(&format!("Removed {name}.\n"))
    }
}

impl List {
    fn execute(self) -> Result<(), Failure> {
        let files = UserFiles::open(&self.instance.locate()?)?;
        let is_wanted = |name: &String| self.user.as_ref().is_none_or(|user| user == name);
        let users: Vec<_> = files.users().into_iter().filter(|(name, _)| is_wanted(name)).collect();
        let line = |(name, roles): &(String, Vec<String>)| format!("\"{name}\"({})\n", roles.join(","));
        let lines: String = users.iter().map(line).collect();
        print(&format!("--- \"user\"(roles) ---\n\n{lines}\n Total: {}\n", users.len()))
    }
}
