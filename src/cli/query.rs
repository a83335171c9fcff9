use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use super::Failure;
use super::terminal::{quoted, this_command};
use crate::broker::{Files, Instance};
use crate::management::control::{Answer, Question, socket_path};

const PATIENCE: Duration = Duration::from_secs(30);
const ANSWER_BYTES_MAX: u64 = 1 << 30;

/// The answer of an instance's running broker.
pub(super) fn ask(instance: &Instance, question: &Question) -> Result<Answer, Failure> {
    let mut socket = UnixStream::connect(socket_path(&data_of(instance))).map_err(|error| absent(instance, &error))?;
    let line = exchange(&mut socket, question).map_err(|error| silent(instance, &error))?;
    match serde_json::from_slice(&line) {
        Ok(Answer::Unknown(reason)) => Err(Failure::new(format!("the broker does not answer this: {reason}"))),
        Ok(answer) => Ok(answer),
        Err(_) => Err(mismatch()),
    }
}

// A file that cannot be loaded any more may have been changed since the broker started.
fn data_of(instance: &Instance) -> PathBuf {
    Files::load(instance).map_or_else(|_| instance.data(), |files| instance.data_of(&files.config))
}

/// An answer that does not fit the question.
pub(super) fn mismatch() -> Failure {
    Failure::new("the broker's answer is not understood: is it of another version?")
}

fn exchange(socket: &mut UnixStream, question: &Question) -> io::Result<Vec<u8>> {
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    let mut line = serde_json::to_vec(question)?;
    line.push(b'\n');
    socket.write_all(&line)?;
    let mut answer = Vec::new();
    BufReader::new(socket).take(ANSWER_BYTES_MAX).read_until(b'\n', &mut answer)?;
    Ok(answer)
}

fn absent(instance: &Instance, error: &io::Error) -> Failure {
    let root = instance.root.display();
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => Failure::new(format!(
            "no broker is running in {root}.\nTo start it:  {} run --instance {}",
            this_command(),
            quoted(&instance.root)
        )),
        _ => Failure::new(format!("the broker in {root} cannot be asked: {error}")),
    }
}

fn silent(instance: &Instance, error: &io::Error) -> Failure {
    let reason = match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => format!("none within {} s", PATIENCE.as_secs()),
        _ => error.to_string(),
    };
    Failure::new(format!("no answer from the broker in {}: {reason}", instance.root.display()))
}

/// Names come from clients: what a terminal would obey is written out.
pub(super) fn visible(name: &str) -> String {
    name.chars().fold(String::with_capacity(name.len()), |mut text, c| {
        let _ = if c.is_control() { write!(text, "{}", c.escape_default()) } else { text.write_char(c) };
        text
    })
}

/// Indented JSON and a line feed.
pub(super) fn json(value: &serde_json::Value) -> String {
    format!("{value:#}\n")
}
