//! What is wrong with a file, or without effect, and where.

use std::fmt;

use super::xml::Element;

/// A place in a file that cannot be accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", Place { file, line: *line, path, message })]
pub struct ConfigError {
    pub file: String,
    pub line: u32,
    /// The elements around it, as `<core><acceptors>`; empty outside of elements.
    pub path: String,
    pub message: String,
}

/// A place in a file that is accepted but does not do what it seems to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    pub file: String,
    pub line: u32,
    pub path: String,
    pub message: String,
    /// Whether it deserves to be logged as an error.
    pub severe: bool,
}

impl Warning {
    /// Whether it is the same but for its line.
    pub fn is_same(&self, other: &Self) -> bool {
        (&self.file, &self.path, &self.message) == (&other.file, &other.path, &other.message)
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, path, message, .. } = self;
        Place { file, line: *line, path, message }.fmt(f)
    }
}

impl ConfigError {
    /// An error at a line that belongs to no element.
    pub fn at_line(file: &str, line: u32, message: impl Into<String>) -> Self {
        Self { file: file.into(), line, path: String::new(), message: message.into() }
    }

    /// An error in an element.
    pub(super) fn at(element: &Element, message: impl Into<String>) -> Self {
        let (file, path) = (element.file.to_string(), element.path.clone());
        Self { file, line: element.line, path, message: message.into() }
    }
}

struct Place<'a> {
    file: &'a str,
    line: u32,
    path: &'a str,
    message: &'a str,
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.file, self.line)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(self.message)
    }
}

/// Everything found while a file is read, with what it includes.
#[derive(Default)]
pub(super) struct Findings {
    pub errors: Vec<ConfigError>,
    pub warnings: Vec<Warning>,
}

impl Findings {
    pub fn error(&mut self, at: &Element, message: impl Into<String>) {
        self.errors.push(ConfigError::at(at, message));
    }

    pub fn warn(&mut self, at: &Element, message: impl Into<String>) {
        self.push_warning(at, message.into(), false);
    }

    pub fn warn_severely(&mut self, at: &Element, message: impl Into<String>) {
        self.push_warning(at, message.into(), true);
    }

    fn push_warning(&mut self, at: &Element, message: String, severe: bool) {
        let (file, path) = (at.file.to_string(), at.path.clone());
        self.warnings.push(Warning { file, line: at.line, path, message, severe });
    }

    /// Takes the value out of a result, or notes what was expected.
    pub fn accept<T>(&mut self, at: &Element, value: Result<T, String>) -> Option<T> {
        value.map_err(|message| self.error(at, message)).ok()
    }

    /// Notes a name that Artemis does not know either, with the nearest that it does.
    pub fn unknown<'n>(&mut self, at: &Element, what: &str, name: &str, known: impl IntoIterator<Item = &'n str>) {
        self.warn(at, format!("unknown {what} {name:?} is ignored{}", did_you_mean(name, known)));
    }

    pub fn no_effect(&mut self, at: &Element, what: &str) {
        self.warn(at, format!("{what} has no effect"));
    }
}

/// ` (did you mean x?)` for the name nearest to a misspelt one, if one is near.
pub(super) fn did_you_mean<'n>(name: &str, known: impl IntoIterator<Item = &'n str>) -> String {
    known
        .into_iter()
        .map(|other| (strsim::jaro_winkler(&name.to_lowercase(), &other.to_lowercase()), other))
        .filter(|(similarity, _)| *similarity > 0.85)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, other)| format!(" (did you mean {other}?)"))
        .unwrap_or_default()
}
