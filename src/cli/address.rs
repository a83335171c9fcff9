use clap::{Args, Subcommand};

use super::Failure;
use super::failure::print;
use super::instance::InstanceOption;
use super::query::{ask, json, mismatch, visible};
use crate::engine::AddressReport;
use crate::management::control::{Answer, Question};

/// Look at the addresses of a running broker
#[derive(Debug, Subcommand)]
pub(super) enum Address {
    Show(Show),
}

/// List the addresses
#[derive(Debug, Args)]
pub(super) struct Show {
    #[command(flatten)]
    instance: InstanceOption,

    /// Also list routing types and the queues bound to each address
    #[arg(long)]
    bindings: bool,

    /// Write JSON, with all there is to say
    #[arg(long)]
    json: bool,
}

impl Address {
    pub fn execute(self) -> Result<(), Failure> {
        match self {
            Self::Show(show) => show.execute(),
        }
    }
}

impl Show {
    fn execute(self) -> Result<(), Failure> {
        let Answer::Addresses(addresses) = ask(&self.instance.locate()?, &Question::Addresses)? else {
            return Err(mismatch());
        };
        let rows = addresses.iter();
        print(&if self.json {
            json(&rows.map(as_json).collect())
        } else if self.bindings {
            rows.map(|address| format!("{}\n", with_bindings(address))).collect()
        } else {
            rows.map(|address| format!("{}\n", visible(&address.name))).collect()
        })
    }
}

fn as_json(address: &AddressReport) -> serde_json::Value {
    serde_json::json!({
        "name": address.name,
        "routingTypes": address.routing_types,
        "bindings": address.bindings,
    })
}

fn with_bindings(address: &AddressReport) -> String {
    let AddressReport { name, routing_types, bindings } = address;
    visible(&format!(
        "Address [name={name}, routingTypes={{{}}}, bindings={{{}}}]",
        routing_types.join(", "),
        bindings.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bindings_are_on_the_line_of_their_address() {
        let address = AddressReport {
            name: "a\u{1b}[2J".into(),
            routing_types: vec!["MULTICAST".into()],
            bindings: vec!["x.a".into(), "y.a".into()],
        };
        let line = r"Address [name=a\u{1b}[2J, routingTypes={MULTICAST}, bindings={x.a, y.a}]";
        assert_eq!(with_bindings(&address), line);
    }
}
