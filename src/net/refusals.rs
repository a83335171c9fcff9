use crate::core::id::Time;
use crate::core::limit::Rate;

/// Refused logins that are told a second, and for how many seconds' worth of them there is room at once.
const TOLD_PER_SECOND: u64 = 10;
const BURST_S: u64 = 10;

/// Which refused logins operators are told of: whoever is not let in must not be able to fill a disk with that.
#[derive(Debug)]
pub struct Refusals {
    rate: Rate,
    untold: u64,
}

impl Refusals {
    pub fn new(now: Time) -> Self {
        Self { rate: Rate::new(TOLD_PER_SECOND, BURST_S, now), untold: 0 }
    }

    /// Counts one; gives back whether it is to be told, with the number of those that were not since the last that was.
    pub fn add(&mut self, now: Time) -> Option<u64> {
        if self.rate.try_take(BURST_S, now) {
            return Some(std::mem::take(&mut self.untold));
        }
        self.untold += 1;
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rabbitmq_2941_refused_logins_are_told_at_a_rate() {
        let mut refusals = Refusals::new(Time(0));
        let told = (0..10_000).filter(|_| refusals.add(Time(0)).is_some()).count();
        assert_eq!(told, 100);
        assert_eq!((refusals.add(Time(99)), refusals.add(Time(100))), (None, Some(9_901)));
        assert_eq!(
            (refusals.add(Time(100)), refusals.add(Time(1_000)), refusals.add(Time(1_000))),
            (None, Some(1), Some(0))
        );
    }
}
