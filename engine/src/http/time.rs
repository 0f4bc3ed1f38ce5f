//! Times as answers state them, and as queries do.

use geofence::TimeMs;
use jiff::Timestamp;

/// RFC 3339 with milliseconds; `None` before all calendars.
pub(super) fn time(at: TimeMs) -> Option<String> {
    Timestamp::from_millisecond(at.0).ok().map(|at| format!("{at:.3}"))
}

/// What to add to a refusal of `text` as the time in a query.
pub(super) fn hint(text: &str) -> &'static str {
    // There a plus stands for a blank, and an offset east of Greenwich has one.
    if text.contains(' ') { "; in a URL write %2B for +" } else { "" }
}
