//! Times as answers state them.

use geofence::TimeMs;
use jiff::Timestamp;

/// RFC 3339 with milliseconds; `None` before all calendars.
pub(super) fn time(at: TimeMs) -> Option<String> {
    Timestamp::from_millisecond(at.0).ok().map(|at| format!("{at:.3}"))
}
