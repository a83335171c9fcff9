//! `log4j2.properties`: what is logged. Appenders are accepted and have no meaning here.

use std::collections::BTreeMap;

use super::error::{ConfigError, did_you_mean};
use super::properties;

/// How much is logged, from nothing to everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Off,
    Fatal,
    Error,
    Warn,
    Info,
    Debug,
    Trace,
    All,
}

const LEVELS: &[(&str, Level)] = &[
    ("OFF", Level::Off),
    ("FATAL", Level::Fatal),
    ("ERROR", Level::Error),
    ("WARN", Level::Warn),
    ("INFO", Level::Info),
    ("DEBUG", Level::Debug),
    ("TRACE", Level::Trace),
    ("ALL", Level::All),
];

/// The levels of all loggers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    pub root: Level,
    /// By logger name, which counts for the names below it too.
    pub loggers: Vec<(String, Level)>,
    /// Seconds between looks at the file; 0 for never.
    pub monitor_interval_s: u32,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { root: Level::Info, loggers: Vec::new(), monitor_interval_s: 0 }
    }
}

#[derive(Default)]
struct Logger {
    name: Option<String>,
    level: Option<Level>,
    line: u32,
}

/// Reads a whole file.
pub fn load(file: &str, text: &str) -> Result<LogConfig, Vec<ConfigError>> {
    let mut config = LogConfig::default();
    let mut loggers = BTreeMap::<String, Logger>::new();
    let mut errors = Vec::new();
    for property in properties::parse(text) {
        let (key, value) = (property.key.as_str(), property.value.trim());
        let result = match key.split('.').collect::<Vec<_>>()[..] {
            ["rootLogger"] | ["rootLogger", "level"] => level(value).map(|level| config.root = level),
            ["monitorInterval"] => seconds(value).map(|seconds| config.monitor_interval_s = seconds),
            ["logger", reference] | ["logger", reference, "name" | "level"] => {
                let logger = loggers.entry(reference.to_owned()).or_default();
                logger.line = property.line;
                logger.set(key.ends_with(".name"), value)
            }
            _ => Ok(()),
        };
        errors
            .extend(result.err().map(|message| ConfigError::at_line(file, property.line, format!("{key}: {message}"))));
    }
    for (reference, logger) in loggers {
        match (logger.name, logger.level) {
            (Some(name), Some(level)) => config.loggers.push((name, level)),
            (None, Some(_)) => {
                let message = format!("logger.{reference}.name is missing");
                errors.push(ConfigError::at_line(file, logger.line, message));
            }
            (_, None) => {}
        }
    }
    if errors.is_empty() { Ok(config) } else { Err(errors) }
}

impl Logger {
    fn set(&mut self, is_name: bool, value: &str) -> Result<(), String> {
        if is_name {
            self.name = Some(value.to_owned());
        } else {
            self.level = Some(level(value)?);
        }
        Ok(())
    }
}

// A level may be followed by appenders: `INFO, console, log_file`.
fn level(text: &str) -> Result<Level, String> {
    let name = text.split(',').next().unwrap_or(text).trim();
    let known = LEVELS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    known.map(|(_, level)| *level).ok_or_else(|| {
        let names: Vec<_> = LEVELS.iter().map(|(name, _)| *name).collect();
        let hint = did_you_mean(name, names.iter().copied());
        format!("expected one of {}, found {name:?}{hint}", names.join(" "))
    })
}

fn seconds(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| format!("expected a number of seconds, found {text:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_read_and_appenders_are_not() {
        let text = "monitorInterval = 5\nrootLogger = INFO, console, log_file\n\
            logger.activemq.name=org.apache.activemq\nlogger.activemq.level=debug\n\
            logger.audit = OFF, audit_log_file\nlogger.audit.name = org.apache.activemq.audit\n\
            logger.audit.additivity = false\nlogger.silent.name = x\n\
            appender.console.type=Console\nappender.console.layout.pattern=%d %-5level [%logger] %msg%n\n";
        let config = load("log4j2.properties", text).unwrap();
        assert_eq!((config.root, config.monitor_interval_s), (Level::Info, 5));
        let expected = [("org.apache.activemq", Level::Debug), ("org.apache.activemq.audit", Level::Off)];
        assert!(config.loggers.iter().map(|(name, level)| (name.as_str(), *level)).eq(expected));
        assert_eq!(load("f", "rootLogger.level = warn").unwrap().root, Level::Warn);
        assert_eq!(load("f", "").unwrap(), LogConfig::default());
    }

    #[test]
    fn wrong_levels_are_named_with_their_line() {
        let text = "rootLogger = INFOO\n\nlogger.a.name = a\nlogger.a.level = loud\nlogger.b.level = INFO\n";
        let errors = load("f", text).unwrap_err();
        let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
        let levels = "OFF FATAL ERROR WARN INFO DEBUG TRACE ALL";
        assert_eq!(
            errors,
            [
                format!("f:1: rootLogger: expected one of {levels}, found \"INFOO\" (did you mean INFO?)"),
                format!("f:4: logger.a.level: expected one of {levels}, found \"loud\""),
                "f:5: logger.b.name is missing".into(),
            ]
        );
    }
}
