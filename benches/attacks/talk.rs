//! How well bystanders can talk.

use std::time::{Duration, Instant};

use crate::bystanders::Bystanders;

/// How long each exchange took, from when it was due.
pub struct Talk {
    took: Vec<Duration>,
    time: Duration,
}

/// Goes on for this long, one exchange after the other, or so many a second.
pub fn talk(bystanders: &mut Bystanders, time: Duration, per_second: Option<f64>) -> Talk {
    let start = Instant::now();
    let mut took = Vec::new();
    while start.elapsed() < time {
        let due = per_second.map(|rate| start + Duration::from_secs_f64(took.len() as f64 / rate));
        while due.is_some_and(|due| due > Instant::now()) {
            std::hint::spin_loop();
        }
        let begun = due.unwrap_or_else(Instant::now);
        bystanders.exchange();
        took.push(begun.elapsed());
    }
    Talk { took, time: start.elapsed() }
}

impl Talk {
    pub fn per_second(&self) -> f64 {
        self.took.len() as f64 / self.time.as_secs_f64()
    }

    /// What this part of all exchanges took at the most.
    pub fn percentile(&self, part: f64) -> Duration {
        let mut sorted = self.took.clone();
        sorted.sort_unstable();
        sorted[((sorted.len() - 1) as f64 * part) as usize]
    }
}
