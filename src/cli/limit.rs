use clap::{Args, Subcommand};

use super::Failure;
use super::failure::print;
use super::instance::InstanceOption;
use super::query::{ask, json, mismatch};
use super::table::table;
use crate::engine::LimitReport;
use crate::management::control::{Answer, Question};

/// Look at the limits of a running broker
#[derive(Debug, Subcommand)]
pub(super) enum Limit {
    Stat(Stat),
}

/// List what is bounded: how much there is, how much there may be, and how often more was refused
#[derive(Debug, Args)]
pub(super) struct Stat {
    #[command(flatten)]
    instance: InstanceOption,

    /// Only what is in use, or was refused
    #[arg(long)]
    used: bool,

    /// Write JSON
    #[arg(long)]
    json: bool,
}

const TITLES: [&str; 5] = ["NAME", "ACCEPTOR", "CURRENT", "LIMIT", "REFUSED"];

impl Limit {
    pub fn execute(self) -> Result<(), Failure> {
        match self {
            Self::Stat(stat) => stat.execute(),
        }
    }
}

impl Stat {
    fn execute(self) -> Result<(), Failure> {
        let Answer::Limits(mut limits) = ask(&self.instance.locate()?, &Question::Limits)? else {
            return Err(mismatch());
        };
        limits.retain(|limit| !self.used || limit.current > 0 || limit.refused > 0);
        if self.json {
            return print(&json(&limits.iter().map(|limit| serde_json::json!(limit)).collect()));
        }
        print(&table(&TITLES.map(|title| (title, title.len())), limits.iter().map(cells)))
    }
}

fn cells(limit: &LimitReport) -> Vec<String> {
    vec![
        limit.name.clone(),
        limit.acceptor.clone(),
        limit.current.to_string(),
        limit.limit.map_or_else(|| "-".to_owned(), |limit| limit.to_string()),
        limit.refused.to_string(),
    ]
}
