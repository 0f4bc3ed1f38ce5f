//! The machine's wall clock, held from going back.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use geofence::TimeMs;
use tokio::time::Instant;

/// Receive times of a process: never before the last one, nor before those
/// that an earlier process recorded.
#[derive(Debug)]
pub struct WallClock {
    last: TimeMs,
}

impl WallClock {
    /// A clock that gives no time before `floor`.
    #[must_use]
    pub fn not_before(floor: TimeMs) -> Self {
        Self { last: floor }
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

    /// The time, not before any that was given.
    pub fn now(&mut self) -> TimeMs {
        self.last = self.last.max(Self::read());
        self.last
    }

    /// When this clock will have reached `at`; now, if it has.
    #[must_use]
    pub fn instant_of(&self, at: TimeMs) -> Instant {
        let ahead = at.since(self.last.max(Self::read())).max(0);
        Instant::now() + Duration::from_millis(ahead.unsigned_abs())
    }
}
