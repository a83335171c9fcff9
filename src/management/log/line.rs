use std::fmt::{self, Write};
use std::time::{Duration, SystemTime};

const DAY_SECONDS: u64 = 86_400;

/// Appends `2026-11-21 10:00:00,123 INFO  [logger] `, the time in UTC.
pub(super) fn head(line: &mut String, time: SystemTime, level: tracing::Level, logger: &str) {
    let since = since_1970(time);
    let second = since.as_secs() % DAY_SECONDS;
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let (day, millis) = (Day::of(time), since.subsec_millis());
    let _ = write!(line, "{day} {hour:02}:{minute:02}:{second:02},{millis:03} {level:<5} [");
    let _ = Escaped::new(line).write_all(format_args!("{logger}"));
    line.push_str("] ");
}

/// A date in UTC, shown as `2026-11-21`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Day(u64);

impl Day {
    /// The day of `time`; times before 1970 count as its first day.
    pub fn of(time: SystemTime) -> Self {
        Self(since_1970(time).as_secs() / DAY_SECONDS)
    }
}

impl fmt::Display for Day {
    /// Counts in years that begin in March, so that the leap day is the last of its year.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days = self.0 + 719_468;
        let (era, day_of_era) = (days / 146_097, days % 146_097);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * from_march + 2) / 5 + 1;
        let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
        let year = era * 400 + year_of_era + u64::from(month <= 2);
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

fn since_1970(time: SystemTime) -> Duration {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

/// Appends text so that it cannot pass for a line of its own: control characters and line separators appear escaped,
/// but a newline followed by a tab stays.
pub(super) struct Escaped<'a> {
    line: &'a mut String,
    newline: bool,
}

impl<'a> Escaped<'a> {
    /// Appends to `line`.
    pub fn new(line: &'a mut String) -> Self {
        Self { line, newline: false }
    }

    /// Appends one whole text.
    ///
    /// # Errors
    /// What the text's own formatting returns.
    pub fn write_all(&mut self, text: fmt::Arguments<'_>) -> fmt::Result {
        let result = self.write_fmt(text);
        if self.newline {
            self.newline = false;
            self.line.push_str("\\n");
        }
        result
    }
}

impl Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|char| self.write_char(char))
    }

    fn write_char(&mut self, char: char) -> fmt::Result {
        let after_newline = std::mem::take(&mut self.newline);
        match (after_newline, char) {
            (true, '\t') => self.line.push_str("\n\t"),
            (true, _) => {
                self.line.push_str("\\n");
                self.write_char(char)?;
            }
            (false, '\n') => self.newline = true,
            (false, char) if char.is_control() || matches!(char, '\u{2028}' | '\u{2029}') => {
                self.line.extend(char.escape_default());
            }
            (false, char) => self.line.push(char),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_is_that_of_artemis() {
        let time = SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_255_200_123);
        let mut line = String::new();
        head(&mut line, time, tracing::Level::INFO, "org.apache.activemq.artemis.core.server");
        assert_eq!(line, "2026-11-21 10:00:00,123 INFO  [org.apache.activemq.artemis.core.server] ");
    }

    #[test]
    fn days_have_their_dates() {
        let check = |days: u64, expected: &str| assert_eq!(Day(days).to_string(), expected);
        check(0, "1970-01-01");
        check(58, "1970-02-28");
        check(59, "1970-03-01");
        check(11_016, "2000-02-29");
        check(11_017, "2000-03-01");
        check(20_088, "2024-12-31");
        check(47_540, "2100-02-28");
        check(47_541, "2100-03-01");
    }

    #[test]
    fn text_cannot_pass_for_a_line() {
        let check = |text: &str, expected: &str| {
            let mut line = String::new();
            Escaped::new(&mut line).write_all(format_args!("{text}")).unwrap();
            assert_eq!(line, expected, "{text:?}");
        };
        check("plain é 😀", "plain é 😀");
        check("a\nb", "a\\nb");
        check("a\r\nb\n", "a\\r\\nb\\n");
        check("a\n\tb\tc", "a\n\tb\\tc");
        check("a\n\n\tb\n\n", "a\\n\n\tb\\n\\n");
        check("\u{1b}[2J\0\u{7f}\u{9b}\u{2028}", "\\u{1b}[2J\\u{0}\\u{7f}\\u{9b}\\u{2028}");
    }

    #[test]
    fn a_newline_and_a_tab_may_come_in_pieces() {
        let mut line = String::new();
        Escaped::new(&mut line).write_all(format_args!("a{}{}b{}", "\n", "\t", "\n")).unwrap();
        assert_eq!(line, "a\n\tb\\n");
    }
}
