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

    /// The directory of its files, relative to the instance; without it etc
    #[arg(long, value_name = "DIR", env = "ARTEMIS_INSTANCE_ETC")]
    etc: Option<PathBuf>,

    /// A value for ${NAME} in the instance's files; it counts before the environment
    #[arg(short = 'D', value_name = "NAME=VALUE", value_parser = definition)]
    define: Vec<(String, String)>,
}

impl InstanceOption {
    /// The instance, if there is one.
    pub fn locate(self) -> Result<Instance, Failure> {
        let named = self.instance.is_some();
        let root = std::path::absolute(self.instance.unwrap_or_else(|| ".".into()))
            .map_err(|error| Failure::new(format!("the current directory: {error}")))?;
        let instance = Instance { configuration: self.etc, properties: self.define, ..Instance::new(root) };
        let is_there = |file| instance.etc().join(file).is_file();
        if is_there("broker.xml") || is_there("bootstrap.xml") { Ok(instance) } else { Err(none_in(&instance, named)) }
    }
}

fn definition(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}

fn none_in(instance: &Instance, named: bool) -> Failure {
    let (command, shown) = (this_command(), quoted(&instance.root));
    let create = if named { format!("{command} create {shown}") } else { format!("{command} create DIR") };
    let elsewhere = if named { "" } else { "\nOr name another with --instance DIR or ARTEMIS_INSTANCE." };
    let etc = if instance.configuration.is_some() { "" } else { "\nIf its files are elsewhere:  --etc DIR" };
    Failure::new(format!(
        "{} is no instance of a broker: it has no {}.\nTo make one:  {create}{elsewhere}{etc}",
        instance.root.display(),
        instance.configuration.as_deref().unwrap_or(Path::new("etc")).join("broker.xml").display()
    ))
}
