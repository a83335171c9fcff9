use clap::Args;

use super::Failure;
use super::instance::InstanceOption;
use crate::broker;

/// Run the broker of an instance until it is stopped by Ctrl-C or SIGTERM
#[derive(Debug, Args)]
pub(super) struct Run {
    #[command(flatten)]
    instance: InstanceOption,

    /// The account that the broker runs as once its ports are open, where root starts it
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
}

impl Run {
    pub fn execute(self) -> Result<(), Failure> {
        let mut instance = self.instance.locate()?;
        instance.user = self.user;
        broker::run(&instance).map_err(|failure| Failure::new(failure.to_string()).with_code(failure.exit_code()))
    }
}
