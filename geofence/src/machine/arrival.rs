//! A stay that is not an enter yet (semantics §6, enter): its first fix is
//! uncertain, or the fence asks for a longer one.

use protos::events::Reason;

use super::Visit;
use crate::TimeMs;

/// Chance of being inside from which one fix is enough.
pub(super) const CONFIDENCE_MIN: f64 = 0.5;

/// A visit that has not been told.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Arrival {
    /// The visit as it will be, counted from its first inside fix on.
    pub(crate) visit: Visit,
    /// Why the vehicle will have entered, and the fence version that judged
    /// the first fix.
    pub(crate) reason: Reason,
    pub(crate) version: u32,
    /// The vehicle is inside: only the fence's shortest stay is waited for.
    pub(crate) sure: bool,
}

impl Arrival {
    /// Time of the last inside fix.
    pub(super) fn last_inside(&self) -> TimeMs {
        self.visit.inside().map_or(self.visit.enter_not_after, |(_, last)| last)
    }

    /// Whether a fix inside at `t` makes it an enter.
    pub(super) fn is_due(&self, t: TimeMs, min_inside_ms: i64) -> bool {
        self.sure && t >= self.visit.enter.plus(min_inside_ms)
    }
}
