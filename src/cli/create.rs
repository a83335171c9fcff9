use std::path::{Path, PathBuf};

use clap::Args;

use super::Failure;
use super::failure::print;
use super::mask::hashed;
use super::names::{role_name, user_name};
use super::scaffold::Scaffold;
use super::terminal::{ask, ask_new_password, ask_whether, is_interactive, quoted, this_command};
use crate::broker::Instance;
use crate::config::template::Placeholders;

/// Make the directory of a new instance
///
/// On a terminal it asks for what no option says. Elsewhere, and with --silent, everybody may log in unless a user or
/// --require-login is given.
#[derive(Clone, Debug, Args)]
pub(super) struct Create {
    /// The directory to make
    directory: PathBuf,

    /// The first user
    #[arg(long, value_name = "NAME", value_parser = user_name)]
    user: Option<String>,

    /// The first user's password; etc/artemis-users.properties holds a hash of it
    #[arg(long, requires = "user")]
    password: Option<String>,

    /// The role that may do everything; the first user has it
    #[arg(long, value_name = "NAME", value_parser = role_name, default_value = "amq")]
    role: String,

    /// Let in everybody, also without a password
    #[arg(long, conflicts_with = "require_login")]
    allow_anonymous: bool,

    /// Let in only users with their passwords
    #[arg(long)]
    require_login: bool,

    /// The address to listen at: 0.0.0.0 for all networks
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    host: String,

    /// Added to the ports 61616 and 1883
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    port_offset: u16,

    /// The name of the broker
    #[arg(long, default_value = "localhost")]
    name: String,

    /// The data directory, relative to the instance or absolute
    #[arg(long, value_name = "DIR", default_value = "data")]
    data: String,

    /// Keep nothing on disk: a restart forgets all
    #[arg(long)]
    disable_persistence: bool,

    /// Write over the configuration that is there
    #[arg(long)]
    force: bool,

    /// Ask nothing
    #[arg(long)]
    silent: bool,
}

impl Create {
    pub fn execute(self) -> Result<(), Failure> {
        let root = std::path::absolute(&self.directory).map_err(|error| Failure::file(&self.directory, &error))?;
        let scaffold = Scaffold { instance: Instance::new(root), force: self.force };
        scaffold.check_vacancy()?;
        let silent = self.silent;
        let create = if silent || !is_interactive() { self } else { self.completed_by_questions()? };
        let placeholders = create.placeholders()?;
        scaffold.write(&placeholders)?;
        if silent { Ok(()) } else { print(&next_steps(&scaffold.instance.root, &placeholders)) }
    }

    fn completed_by_questions(mut self) -> Result<Self, Failure> {
        while self.user.is_none() {
            let end = if self.require_login { "" } else { ", empty for none" };
            match ask(&format!("Name of the first user{end}"))? {
                name if name.is_empty() && self.require_login => {}
                name if name.is_empty() => return Ok(self),
                name => self.user = user_name(&name).map_err(|reason| eprintln!("{reason}")).ok(),
            }
        }
        if self.password.is_none() {
            self.password = Some(ask_new_password("Password")?);
        }
        if !self.allow_anonymous && !self.require_login {
            self.allow_anonymous = ask_whether("May clients log in without a user's name and password?", false)?;
        }
        Ok(self)
    }

    fn placeholders(self) -> Result<Placeholders, Failure> {
        let anonymous = self.allow_anonymous || (self.user.is_none() && !self.require_login);
        let users = match (self.user, self.password) {
            (Some(user), Some(password)) => vec![(user, hashed(&password)?)],
            (Some(_), None) => return Err(Failure::new("--user needs --password").with_code(2)),
            (None, _) => Vec::new(),
        };
        let ports = Placeholders::default();
        Ok(Placeholders {
            name: self.name,
            host: self.host,
            port: shifted(ports.port, self.port_offset)?,
            mqtt_port: shifted(ports.mqtt_port, self.port_offset)?,
            data: self.data,
            persistence: !self.disable_persistence,
            anonymous,
            role: self.role,
            users,
            ..ports
        })
    }
}

fn shifted(port: u16, offset: u16) -> Result<u16, Failure> {
    let too_large = || Failure::new(format!("--port-offset {offset}: {port} + {offset} is no port")).with_code(2);
    port.checked_add(offset).ok_or_else(too_large)
}

fn next_steps(root: &Path, placeholders: &Placeholders) -> String {
    let (command, shown) = (this_command(), quoted(root));
    let Placeholders { host, port, mqtt_port, .. } = placeholders;
    format!(
        "Made {} for MQTT at {host}, ports {mqtt_port} and {port}.\n{}\n\
         To start it:  {command} run --instance {shown}\n\
         To look in:   {command} queue stat --instance {shown}\n",
        root.display(),
        access_notes(root, placeholders),
    )
}

fn access_notes(root: &Path, placeholders: &Placeholders) -> String {
    let etc = root.join("etc");
    let mut notes = String::new();
    if placeholders.anonymous {
        notes += "Everybody may log in";
        notes += if placeholders.users.is_empty() { ".\n" } else { ", also without the user's password.\n" };
    } else if placeholders.users.is_empty() {
        let (command, shown) = (this_command(), quoted(root));
        notes += &format!("Nobody can log in before there is a user:  {command} user add NAME --instance {shown}\n");
    }
    if ["127.0.0.1", "::1", "localhost"].contains(&placeholders.host.as_str()) {
        notes += "Only clients on this machine reach it. To let in others, ";
        notes += if placeholders.anonymous { "take the guests out of login.config and " } else { "" };
        notes += &format!("write 0.0.0.0\nin the acceptors of {}.\n", etc.join("broker.xml").display());
    } else if placeholders.anonymous {
        notes += &format!("To end that, take the guests out of {}.\n", etc.join("login.config").display());
    }
    notes
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::security::StoredPassword;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        create: Create,
    }

    fn placeholders(arguments: &str) -> Result<Placeholders, Failure> {
        let words = ["create", "dir"].into_iter().chain(arguments.split_whitespace());
        Line::try_parse_from(words).unwrap().create.placeholders()
    }

    #[test]
    fn without_options_it_is_the_shipped_configuration() {
        assert_eq!(placeholders("").unwrap(), Placeholders::default());
    }

    #[test]
    fn a_user_closes_the_door_for_others() {
        for (arguments, anonymous) in [
            ("", true),
            ("--require-login", false),
            ("--allow-anonymous", true),
            ("--user a --password b", false),
            ("--user a --password b --allow-anonymous", true),
        ] {
            assert_eq!(placeholders(arguments).unwrap().anonymous, anonymous, "{arguments}");
        }
    }

    #[test]
    fn the_password_is_masked() {
        let made = placeholders("--user a --password b --role r").unwrap();
        let [(user, password)] = &made.users[..] else { panic!("{made:?}") };
        assert_eq!((user.as_str(), made.role.as_str()), ("a", "r"));
        assert!(StoredPassword::parse(password).unwrap().unwrap().verify(b"b"));
    }

    #[test]
    fn ports_move_together_and_stay_ports() {
        let made = placeholders("--port-offset 10").unwrap();
        assert_eq!((made.port, made.mqtt_port), (61626, 1893));
        assert!(placeholders("--port-offset 4000").is_err());
    }

    #[test]
    fn a_user_needs_a_password() {
        assert!(placeholders("--user a").is_err());
        assert!(Line::try_parse_from(["create", "dir", "--password", "b"]).is_err());
        assert!(Line::try_parse_from(["create", "dir", "--user", "a,b", "--password", "b"]).is_err());
    }

    #[test]
    fn an_open_door_is_pointed_out() {
        let notes = |arguments| access_notes(Path::new("/i"), &placeholders(arguments).unwrap());
        assert!(notes("").contains("Everybody may log in.\nOnly clients on this machine"));
        assert!(notes("--host 0.0.0.0").contains("take the guests out of /i/etc/login.config"));
        assert!(notes("--require-login").contains("Nobody can log in"));
        assert_eq!(notes("--host 0.0.0.0 --user a --password b"), "");
    }
}
