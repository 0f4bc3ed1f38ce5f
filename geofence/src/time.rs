//! Points in time. The core never asks for the time: every value comes in
//! with its input.

use std::fmt;

/// Milliseconds since the Unix epoch, UTC: an event time, a receive time or a
/// mark between them. Differences are plain milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimeMs(pub i64);

impl TimeMs {
    /// Before every time a device can report.
    pub const MIN: Self = Self(i64::MIN);
    /// After every time a device can report: when what never happens does.
    pub const MAX: Self = Self(i64::MAX);

    /// Milliseconds from `earlier` to `self`; saturates at the ends of `i64`.
    #[must_use]
    pub fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// `self` moved by `ms`; saturates at the ends of `i64`.
    #[must_use]
    pub fn plus(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms))
    }
}

impl fmt::Display for TimeMs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms", self.0)
    }
}
