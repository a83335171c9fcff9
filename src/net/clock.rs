//! The one clock.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::core::id::Time;

/// Wall-clock time at the start, and what has gone by since: a step of the wall clock changes nothing.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    start: Instant,
    wall_ms: u64,
}

impl Clock {
    pub fn start() -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { start: Instant::now(), wall_ms: wall.as_millis() as u64 }
    }

    pub fn now(&self) -> Time {
        self.at(Instant::now())
    }

    /// The time of an instant.
    pub fn at(&self, instant: Instant) -> Time {
        Time(self.wall_ms + instant.saturating_duration_since(self.start).as_millis() as u64)
    }

    /// The instant of a time.
    pub fn instant(&self, time: Time) -> Instant {
        self.start + Duration::from_millis(time.since(Time(self.wall_ms)))
    }
}
