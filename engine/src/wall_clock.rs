//! The machine's wall clock, held from going back.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use geofence::TimeMs;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::metrics;

/// The machine's clock may be set back by so much without a word, milliseconds.
const BEHIND_MS_TOLD: i64 = 60_000;

/// Receive times of a process: never before the last one, nor before those
/// that an earlier process recorded.
#[derive(Debug)]
pub struct WallClock {
    last: TimeMs,
    /// Whether it was told that the machine's clock is behind.
    told: bool,
}

impl WallClock {
    /// A clock that gives no time before `floor`.
    #[must_use]
    pub fn not_before(floor: TimeMs) -> Self {
        Self { last: floor, told: false }
    }

    /// The machine's time as it stands.
    #[must_use]
    pub fn read() -> TimeMs {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        TimeMs(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
    }

    /// Seq of the first segment of a journal that is made now: Unix
    /// milliseconds, so that a journal made after another never reuses a seq.
    #[must_use]
    pub fn first_seq() -> u64 {
        Self::read().0.max(1).unsigned_abs()
    }

    /// The time, not before any that was given. Says so where that stands still
    /// for long: nobody's silence is told meanwhile.
    pub fn now(&mut self) -> TimeMs {
        self.tell(Self::read())
    }

    fn tell(&mut self, machine: TimeMs) -> TimeMs {
        let behind_ms = self.last.since(machine).max(0);
        metrics::CLOCK_BEHIND.gauge(&[]).set(behind_ms as f64 / 1000.0);
        if behind_ms > BEHIND_MS_TOLD && !self.told {
            let behind_s = behind_ms / 1000;
            warn!(
                behind_s,
                "the machine's clock is behind receive times given before: they stand still, and no \
                 silence is told, until it has caught up"
            );
            self.told = true;
        } else if behind_ms == 0 && std::mem::take(&mut self.told) {
            info!("the machine's clock has caught up with the receive times");
        }
        self.last = self.last.max(machine);
        self.last
    }

    /// Gives no time before `floor` from here on.
    pub fn not_again_before(&mut self, floor: TimeMs) {
        self.last = self.last.max(floor);
    }

    /// When this clock will have reached `at`; now, if it has.
    #[must_use]
    pub fn instant_of(&self, at: TimeMs) -> Instant {
        let ahead = at.since(self.last.max(Self::read())).max(0);
        Instant::now() + Duration::from_millis(ahead.unsigned_abs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_ahead_is_told_until_it_has_caught_up() {
        let mut clock = WallClock::not_before(TimeMs(1_000_000));
        assert_eq!((clock.tell(TimeMs(999_000)), clock.told), (TimeMs(1_000_000), false));
        assert_eq!((clock.tell(TimeMs(100_000)), clock.told), (TimeMs(1_000_000), true));
        assert_eq!((clock.tell(TimeMs(999_999)), clock.told), (TimeMs(1_000_000), true));
        assert_eq!((clock.tell(TimeMs(1_000_001)), clock.told), (TimeMs(1_000_001), false));
    }
}
