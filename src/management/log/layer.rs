use std::cell::Cell;
use std::fmt::{self, Write};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use super::buffer::Lines;
use super::levels::{Level, Levels, logger_of};
use super::line::{self, Escaped};

const KEPT_BYTES: usize = 16 * 1024;

thread_local! {
    static LINE: Cell<String> = const { Cell::new(String::new()) };
}

/// Turns the events that the levels show into lines.
pub(super) struct LineLayer {
    levels: Arc<RwLock<Levels>>,
    lines: Lines,
}

impl LineLayer {
    /// A layer that reads `levels` when they are set, not at each event.
    pub fn new(levels: Arc<RwLock<Levels>>, lines: Lines) -> Self {
        Self { levels, lines }
    }

    fn shows(&self, metadata: &Metadata<'_>) -> bool {
        self.read(|levels| levels.of(logger_of(metadata.target()))).shows(*metadata.level())
    }

    fn read(&self, level: impl FnOnce(&Levels) -> Level) -> Level {
        level(&self.levels.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<S: Subscriber> Layer<S> for LineLayer {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.shows(metadata) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        self.shows(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.read(Levels::most).filter())
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        // A value may log while it is formatted: it then finds an empty string here.
        let mut line = LINE.take();
        line.clear();
        format(&mut line, event);
        self.lines.push(line.as_bytes());
        if line.capacity() <= KEPT_BYTES {
            LINE.set(line);
        }
    }
}

fn format(line: &mut String, event: &Event<'_>) {
    let metadata = event.metadata();
    line::head(line, SystemTime::now(), *metadata.level(), logger_of(metadata.target()));
    event.record(&mut Fields { line });
    line.push('\n');
}

/// Appends the message as it is and every other field as ` name=value`.
struct Fields<'a> {
    line: &'a mut String,
}

impl Fields<'_> {
    fn append(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        if field.name() != "message" {
            let _ = write!(self.line, " {}=", field.name());
        }
        let _ = Escaped::new(self.line).write_all(value);
    }
}

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.append(field, format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.append(field, format_args!("{value:?}"));
    }
}
