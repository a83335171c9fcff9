use clap::Args;

use super::Failure;
use super::failure::print;
use super::instance::InstanceOption;
use crate::broker;

/// Read an instance's configuration and name what is wrong with it or has no effect
#[derive(Debug, Args)]
pub(super) struct Check {
    #[command(flatten)]
    instance: InstanceOption,
}

impl Check {
    pub fn execute(self) -> Result<(), Failure> {
        let instance = self.instance.locate()?;
        let checked = broker::check(&instance);
        print(&checked.warnings.iter().map(|warning| format!("warning: {warning}\n")).collect::<String>())?;
        if !checked.failures.is_empty() {
            return Err(Failure::lines(checked.failures).with_code(2));
        }
        print(&format!("{} can be loaded.\n", instance.etc().display()))
    }
}
