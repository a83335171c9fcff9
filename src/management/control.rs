//! Questions to a running broker and their answers, a line of JSON each, over a socket in its data directory.

use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

use crate::engine::{AddressReport, Engine, LimitReport, QueueReport};

/// A question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Question {
    Addresses,
    Queues,
    Limits,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    Addresses(Vec<AddressReport>),
    Queues(Vec<QueueReport>),
    Limits(Vec<LimitReport>),
    /// The question was not understood.
    Unknown(String),
}

/// Bytes of a question.
pub const QUESTION_MAX: usize = 4096;

/// Where a broker with this data directory listens for questions.
pub fn socket_path(data: &Path) -> PathBuf {
    data.join("control.sock")
}

/// Answers one line; `limits` are all that the broker has.
pub fn answer(engine: &Engine, limits: impl FnOnce() -> Vec<LimitReport>, line: &[u8]) -> Answer {
    match serde_json::from_slice(line) {
        Ok(Question::Addresses) => Answer::Addresses(engine.addresses()),
        Ok(Question::Queues) => Answer::Queues(engine.queue_reports()),
        Ok(Question::Limits) => Answer::Limits(limits()),
        Err(error) => Answer::Unknown(error.to_string()),
    }
}
