//! Clocks that go wrong.

use serde::{Deserialize, Serialize};

use crate::draws::{Draws, key};

/// How far ahead a wrong clock is: beyond any tolerance.
const AHEAD_MS: i64 = 3 * 3_600_000;
/// 1024 weeks, in which the week number of GPS comes round.
const ROLLOVER_MS: i64 = 7_168 * 86_400_000;

/// `[clocks]`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Clocks {
    /// Share of vehicles whose clock is off by up to `skew_s`.
    pub skewed: f64,
    /// Most that it is off, either way, seconds.
    pub skew_s: u32,
    /// Share of vehicles whose clock is hours ahead.
    pub future: f64,
    /// Share of vehicles whose clock is 1024 weeks behind.
    pub rollover: f64,
}

/// How a vehicle's clock goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockFault {
    /// Off by so many milliseconds, mostly by none: its events have their
    /// times by its clock.
    Skewed(i64),
    /// Ahead by hours: its pings take no part in detection.
    Future,
    /// 1024 weeks behind: the same.
    Rollover,
}

impl ClockFault {
    /// What to add to a time to have the vehicle's, milliseconds.
    #[must_use]
    pub fn offset_ms(self) -> i64 {
        match self {
            Self::Skewed(by_ms) => by_ms,
            Self::Future => AHEAD_MS,
            Self::Rollover => -ROLLOVER_MS,
        }
    }

    /// Whether its pings take part in detection.
    #[must_use]
    pub fn is_usable(self) -> bool {
        matches!(self, Self::Skewed(_))
    }
}

impl Clocks {
    /// The clock of a vehicle.
    #[must_use]
    pub fn of(&self, seed: u64, vehicle: u32) -> ClockFault {
        if *self == Self::default() {
            return ClockFault::Skewed(0);
        }
        let mut draws = Draws::new(key(seed, "clock", vehicle.into()));
        let share = draws.unit();
        if share < self.future {
            ClockFault::Future
        } else if share < self.future + self.rollover {
            ClockFault::Rollover
        } else if share < self.future + self.rollover + self.skewed {
            let most = i64::from(self.skew_s) * 1000;
            ClockFault::Skewed(draws.within(-most, most))
        } else {
            ClockFault::Skewed(0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_have_their_shares() {
        let clocks = Clocks { skewed: 0.2, skew_s: 5, future: 0.1, rollover: 0.05 };
        let of: Vec<ClockFault> = (0..10_000).map(|vehicle| clocks.of(1, vehicle)).collect();
        let share = |fault: fn(&ClockFault) -> bool| of.iter().filter(|&c| fault(c)).count();
        assert!((900..1_100).contains(&share(|c| *c == ClockFault::Future)));
        assert!((430..570).contains(&share(|c| *c == ClockFault::Rollover)));
        assert!((1_850..2_150).contains(&share(|c| match c {
            ClockFault::Skewed(by) => *by != 0 && by.abs() <= 5_000,
            _ => false,
        })));
    }
}
