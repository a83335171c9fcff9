use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::Failure;
use super::failure::print;
use super::instance::InstanceOption;
use super::query::{self, ask, mismatch, visible};
use crate::engine::QueueReport;
use crate::management::control::{Answer, Question};

/// Look at the queues of a running broker
#[derive(Debug, Subcommand)]
pub(super) enum Queue {
    Stat(Stat),
}

/// List queues and subscriptions with their counts
#[derive(Debug, Args)]
pub(super) struct Stat {
    #[command(flatten)]
    instance: InstanceOption,

    /// Only those whose name contains this
    #[arg(long = "queueName", alias = "queue-name", value_name = "TEXT")]
    queue_name: Option<String>,

    /// The most to list
    #[arg(long = "maxRows", alias = "max-rows", value_name = "COUNT", default_value_t = 50)]
    rows_max: usize,

    /// Write JSON
    #[arg(long)]
    json: bool,
}

/// A column of the table, and a key of the JSON.
struct Column {
    title: &'static str,
    key: &'static str,
    width_min: usize,
    value: fn(&QueueReport) -> Value,
}

const COLUMNS: &[Column] = &[
    Column { title: "NAME", key: "name", width_min: 25, value: |queue| json!(queue.name) },
    Column { title: "ADDRESS", key: "address", width_min: 25, value: |queue| json!(queue.address) },
    Column { title: "CONSUMER_COUNT", key: "consumerCount", width_min: 15, value: |queue| json!(queue.consumer_count) },
    Column { title: "MESSAGE_COUNT", key: "messageCount", width_min: 14, value: |queue| json!(queue.message_count) },
    Column { title: "MESSAGES_ADDED", key: "messagesAdded", width_min: 15, value: |queue| json!(queue.messages_added) },
    Column {
        title: "DELIVERING_COUNT",
        key: "deliveringCount",
        width_min: 17,
        value: |queue| json!(queue.delivering_count),
    },
    Column { title: "MESSAGES_ACKED", key: "messagesAcked", width_min: 15, value: |queue| json!(queue.messages_acked) },
    Column { title: "SCHEDULED_COUNT", key: "scheduledCount", width_min: 16, value: |_| json!(0) },
    Column { title: "ROUTING_TYPE", key: "routingType", width_min: 13, value: |queue| json!(queue.routing_type) },
];

impl Queue {
    pub fn execute(self) -> Result<(), Failure> {
        match self {
            Self::Stat(stat) => stat.execute(),
        }
    }
}

impl Stat {
    fn execute(self) -> Result<(), Failure> {
        let Answer::Queues(mut queues) = ask(&self.instance.locate()?, &Question::Queues)? else {
            return Err(mismatch());
        };
        if let Some(part) = &self.queue_name {
            queues.retain(|queue| queue.name.contains(part));
        }
        let count = queues.len();
        queues.truncate(self.rows_max);
        if self.json {
            return print(&query::json(&as_json(&queues, count)));
        }
        print(&table(&queues))?;
        print(&hidden_rows(queues.len(), count))
    }
}

fn hidden_rows(shown: usize, count: usize) -> String {
    if shown == count {
        return String::new();
    }
    format!("WARNING: the displayed queues are {shown}/{count}, set maxRows to display more queues.\n")
}

fn as_json(queues: &[QueueReport], count: usize) -> Value {
    let row = |queue| COLUMNS.iter().map(|column| (column.key.to_owned(), (column.value)(queue))).collect::<Value>();
    json!({ "count": count, "data": queues.iter().map(row).collect::<Vec<_>>() })
}

fn table(queues: &[QueueReport]) -> String {
    let titles: Vec<_> = COLUMNS.iter().map(|column| (column.title, column.width_min)).collect();
    super::table::table(&titles, queues.iter().map(cells))
}

fn cells(queue: &QueueReport) -> Vec<String> {
    let cell = |column: &Column| match (column.value)(queue) {
        Value::String(text) => visible(&text),
        other => other.to_string(),
    };
    COLUMNS.iter().map(cell).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(name: &str) -> QueueReport {
        QueueReport {
            name: name.into(),
            address: "a.b".into(),
            routing_type: "MULTICAST".into(),
            durable: true,
            consumer_count: 1,
            message_count: 2,
            messages_added: 3,
            delivering_count: 4,
            messages_acked: 5,
        }
    }

    #[test]
    fn the_header_is_that_of_artemis() {
        let titles = "NAME|ADDRESS|CONSUMER_COUNT|MESSAGE_COUNT|MESSAGES_ADDED|DELIVERING_COUNT|MESSAGES_ACKED|\
                      SCHEDULED_COUNT|ROUTING_TYPE";
        assert_eq!(table(&[]).trim().trim_matches('|').replace(' ', ""), titles);
    }

    #[test]
    fn a_long_name_widens_its_column_for_all_rows() {
        let long = "ü".repeat(40);
        let table = table(&[queue("x\n"), queue(&long)]);
        let lines: Vec<_> = table.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(lines.iter().all(|line| line.chars().count() == lines[0].chars().count()), "{table}");
        assert!(lines[1].starts_with(r"|x\n "), "{table}");
        assert!(lines[2].starts_with(&format!("|{long}|a.b ")), "{table}");
    }

    #[test]
    fn json_counts_what_is_not_shown() {
        let value = as_json(&[queue("x")], 7);
        assert_eq!((&value["count"], &value["data"][0]["deliveringCount"]), (&json!(7), &json!(4)));
        assert_eq!(value["data"][0].as_object().unwrap().len(), COLUMNS.len());
        assert_eq!(hidden_rows(1, 1), "");
        assert!(hidden_rows(1, 7).contains(" 1/7,"));
    }
}
