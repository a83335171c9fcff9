use tracing::level_filters::LevelFilter;

/// The logger of the broker's own events that name no other.
pub(super) const SERVER: &str = "org.apache.activemq.artemis.core.server";

const OWN_CRATE: &str = "artemis_rs";

/// How much a logger shows: itself and everything more severe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Nothing.
    Off,
    /// Our failures.
    Error,
    /// What an operator should look at.
    Warn,
    /// What an operator may want to know.
    #[default]
    Info,
    /// Client mistakes and decisions.
    Debug,
    /// Every packet.
    Trace,
}

impl Level {
    /// The level of this name in a log4j2 file, in any case; `FATAL` is error, `ALL` is trace.
    pub fn from_name(name: &str) -> Option<Self> {
        match name.to_ascii_uppercase().as_str() {
            "OFF" => Some(Self::Off),
            "FATAL" | "ERROR" => Some(Self::Error),
            "WARN" => Some(Self::Warn),
            "INFO" => Some(Self::Info),
            "DEBUG" => Some(Self::Debug),
            "TRACE" | "ALL" => Some(Self::Trace),
            _ => None,
        }
    }

    /// Whether an event of `level` is shown.
    pub(super) fn shows(self, level: tracing::Level) -> bool {
        level <= self.filter()
    }

    pub(super) fn filter(self) -> LevelFilter {
        match self {
            Self::Off => LevelFilter::OFF,
            Self::Error => LevelFilter::ERROR,
            Self::Warn => LevelFilter::WARN,
            Self::Info => LevelFilter::INFO,
            Self::Debug => LevelFilter::DEBUG,
            Self::Trace => LevelFilter::TRACE,
        }
    }
}

/// The level of each logger.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Levels {
    /// For loggers that nothing in `loggers` covers.
    pub root: Level,
    /// Levels by logger name: each covers its name and all names below it, the longest one wins, then the last.
    pub loggers: Vec<(String, Level)>,
}

impl Levels {
    /// The level of `logger`.
    pub fn of(&self, logger: &str) -> Level {
        let covering = self.loggers.iter().filter(|(name, _)| covers(name, logger));
        covering.max_by_key(|(name, _)| name.len()).map_or(self.root, |(_, level)| *level)
    }

    /// The level of the logger that shows the most.
    pub fn most(&self) -> Level {
        self.loggers.iter().map(|(_, level)| *level).fold(self.root, Level::max)
    }
}

/// The logger under which events of `target` appear: the server's for our own modules, else the target itself.
pub(super) fn logger_of(target: &str) -> &str {
    if covers(OWN_CRATE, target) { SERVER } else { target }
}

fn covers(name: &str, logger: &str) -> bool {
    let rest = logger.strip_prefix(name);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.') || rest.starts_with("::"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_name_at_a_dot_wins() {
        let logger = |name: &str, level| (name.to_owned(), level);
        let levels = Levels {
            root: Level::Warn,
            loggers: vec![
                logger("org.apache.activemq.artemis.core.protocol.mqtt", Level::Trace),
                logger("org.apache.activemq", Level::Info),
                logger("org.apache.activemq.audit", Level::Error),
                logger("org.apache.activemq.audit", Level::Off),
            ],
        };
        assert_eq!(levels.of("org.apache.activemq.artemis.core.protocol.mqtt"), Level::Trace);
        assert_eq!(levels.of("org.apache.activemq.artemis.core.protocol.mqtt.x"), Level::Trace);
        assert_eq!(levels.of("org.apache.activemq.artemis.core.protocol.mqttx"), Level::Info);
        assert_eq!(levels.of(logger_of("artemis_rs::net::acceptor")), Level::Info);
        assert_eq!(levels.of("org.apache.activemq.audit.base"), Level::Off);
        assert_eq!(levels.of("org.apache.activemqX"), Level::Warn);
        assert_eq!(levels.of("rustls"), Level::Warn);
        assert_eq!(levels.most(), Level::Trace);
    }

    #[test]
    fn own_modules_are_the_server() {
        assert_eq!(logger_of("artemis_rs"), SERVER);
        assert_eq!(logger_of("artemis_rs::engine"), SERVER);
        assert_eq!(logger_of("artemis_rsx"), "artemis_rsx");
        assert_eq!(logger_of("org.apache.activemq.audit"), "org.apache.activemq.audit");
    }

    #[test]
    fn levels_show_themselves_and_what_is_more_severe() {
        assert!(Level::Info.shows(tracing::Level::INFO) && Level::Info.shows(tracing::Level::ERROR));
        assert!(!Level::Info.shows(tracing::Level::DEBUG) && !Level::Off.shows(tracing::Level::ERROR));
        assert!(Level::Trace.shows(tracing::Level::TRACE));
        assert_eq!(Level::from_name("warn"), Some(Level::Warn));
        assert_eq!(Level::from_name("loud"), None);
    }
}
