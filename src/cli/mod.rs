//! The command line: one file per command, one row of [`Command`] each.

mod address;
mod check;
mod create;
mod failure;
mod instance;
mod limit;
mod mask;
mod names;
mod query;
mod queue;
mod run;
mod scaffold;
mod table;
mod terminal;
mod user;
mod user_files;
mod version;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::failure::Failure;

/// A multi-protocol message broker in the manner of Apache ActiveMQ Artemis
#[derive(Debug, Parser)]
#[command(name = "artemis-rs", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Run),
    Create(create::Create),
    Check(check::Check),
    #[command(subcommand)]
    Address(address::Address),
    #[command(subcommand)]
    Queue(queue::Queue),
    #[command(subcommand)]
    Limit(limit::Limit),
    #[command(subcommand)]
    User(user::User),
    Mask(mask::Mask),
    Version(version::Version),
}

impl Command {
    fn execute(self) -> Result<(), Failure> {
        match self {
            Self::Run(run) => run.execute(),
            Self::Create(create) => create.execute(),
            Self::Check(check) => check.execute(),
            Self::Address(address) => address.execute(),
            Self::Queue(queue) => queue.execute(),
            Self::Limit(limit) => limit.execute(),
            Self::User(user) => user.execute(),
            Self::Mask(mask) => mask.execute(),
            Self::Version(version) => version.execute(),
        }
    }
}

/// Does what the arguments of the process say.
pub fn main() -> ExitCode {
    match Cli::parse().command.execute() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn artemis_spellings_and_ours_are_the_same() {
        let parse = |arguments: &str| Cli::try_parse_from(arguments.split(' ')).map(|cli| format!("{cli:?}"));
        let artemis = parse("a queue stat --queueName x --maxRows 5");
        assert_eq!(artemis.unwrap(), parse("a queue stat --queue-name x --max-rows 5").unwrap());
        for artemis in ["a mask --hash x", "a user add --user-command-user u --user-command-password p --role r"] {
            parse(artemis).unwrap();
        }
    }
}
