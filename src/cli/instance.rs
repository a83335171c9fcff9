use std::path::{Path, PathBuf};

use clap::Args;

use super::Failure;
use super::terminal::{quoted, this_command};
use crate::broker::Instance;

/// Which instance a command is about.
#[derive(Debug, Args)]
pub(super) struct InstanceOption {
    /// The directory of the instance; without it the current directory
    #[arg(long, value_name = "DIR", env = "ARTEMIS_INSTANCE")]
    instance: Option<PathBuf>,
}

impl InstanceOption {
    /// The instance, if there is one.
    pub fn locate(self) -> Result<Instance, Failure> {
        let named = self.instance.is_some();
        let root = std::path::absolute(self.instance.unwrap_or_else(|| ".".into()))
            .map_err(|error| Failure::new(format!("the current directory: {error}")))?;
        let instance = Instance::new(root.clone());
        if instance.etc().join("broker.xml").is_file() { Ok(instance) } else { Err(none_in(&root, named)) }
    }
}

fn none_in(root: &Path, named: bool) -> Failure {
    let (command, shown) = (this_command(), quoted(root));
    let create = if named { format!("{command} create {shown}") } else { format!("{command} create DIR") };
    let elsewhere = if named { "" } else { "\nOr name another with --instance DIR or ARTEMIS_INSTANCE." };
    Failure::new(format!(
        "{} is no instance of a broker: it has no etc/broker.xml.\nTo make one:  {create}{elsewhere}",
        root.display()
    ))
}
