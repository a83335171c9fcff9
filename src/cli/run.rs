use clap::Args;

use super::Failure;
use super::instance::InstanceOption;
use crate::broker;

/// Run the broker of an instance until it is stopped by Ctrl-C or SIGTERM
#[derive(Debug, Args)]
pub(super) struct Run {
    #[command(flatten)]
    instance: InstanceOption,

    /// A value for ${NAME} in the instance's files; it counts before the environment
    #[arg(short = 'D', value_name = "NAME=VALUE", value_parser = definition)]
    define: Vec<(String, String)>,

    /// The account that the broker runs as once its ports are open, where root starts it
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
}

impl Run {
    pub fn execute(self) -> Result<(), Failure> {
        let mut instance = self.instance.locate()?;
        instance.properties = self.define;
        instance.user = self.user;
        broker::run(&instance).map_err(|failure| Failure::new(failure.to_string()).with_code(failure.exit_code()))
    }
}

fn definition(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}
