use clap::Args;

use super::Failure;
use super::instance::InstanceOption;
use crate::broker;

/// Run the broker of an instance until it is stopped by Ctrl-C or SIGTERM
#[derive(Debug, Args)]
pub(super) struct Run {
    #[command(flatten)]
    instance: InstanceOption,
}

impl Run {
    pub fn execute(self) -> Result<(), Failure> {
        let instance = self.instance.locate()?;
        broker::run(&instance).map_err(|failure| Failure::new(failure.to_string()).with_code(failure.exit_code()))
    }
}
