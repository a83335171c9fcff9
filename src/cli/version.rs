use clap::Args;

use super::Failure;
use super::failure::print;

/// Print the version
#[derive(Debug, Args)]
pub(super) struct Version;

impl Version {
    pub fn execute(self) -> Result<(), Failure> {
        print(concat!("artemis-rs ", env!("CARGO_PKG_VERSION"), "\n"))
    }
}
