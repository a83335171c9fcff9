//! Python as the tests have it.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What is missing where Python does not start.
pub const PACKAGE: &str = "python3";

/// The interpreter that has the packages of the tests: that of `TEST_PYTHON`, that of bin/test, or the system's.
pub fn command() -> Command {
    let prepared = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-venv/bin/python");
    let prepared = prepared.exists().then(|| prepared.into_os_string());
    Command::new(env::var_os("TEST_PYTHON").or(prepared).unwrap_or_else(|| "python3".into()))
}

/// A file below `tests`.
pub fn test_file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(path)
}
