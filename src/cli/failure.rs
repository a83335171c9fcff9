use std::fmt::Display;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

/// Why a command did not do what it was to do, and the exit code that says so.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Failure {
    text: String,
    code: u8,
}

impl Failure {
    /// With the exit code 1.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), code: 1 }
    }

    /// Something that could not be done with a file.
    pub fn file(path: &Path, error: &io::Error) -> Self {
        Self::new(format!("{}: {error}", path.display()))
    }

    /// All that is wrong, a line each.
    pub fn lines(errors: impl IntoIterator<Item = impl Display>) -> Self {
        let lines: Vec<_> = errors.into_iter().map(|error| error.to_string()).collect();
        Self::new(lines.join("\n"))
    }

    /// With another exit code.
    pub fn with_code(self, code: u8) -> Self {
        Self { code, ..self }
    }

    /// Writes the text to the standard error.
    pub fn report(&self) -> ExitCode {
        let _ = writeln!(io::stderr(), "{}", self.text.trim_end());
        ExitCode::from(self.code)
    }
}

/// Writes to the standard output; a reader that has gone, such as `head`, is no failure.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::new(format!("output: {error}"))),
        _ => Ok(()),
    }
}
