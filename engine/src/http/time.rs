//! Times as JSON carries them.

use geofence::TimeMs;
use jiff::Timestamp;

/// RFC 3339, UTC, milliseconds. A time beyond the calendar shows as its end.
pub(super) fn rfc3339(time: TimeMs) -> String {
    let end = if time.0 < 0 { Timestamp::MIN } else { Timestamp::MAX };
    format!("{:.3}", Timestamp::from_millisecond(time.0).unwrap_or(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_milliseconds_and_never_fails() {
        assert_eq!(rfc3339(TimeMs(1_480_075_200_000)), "2016-11-25T12:00:00.000Z");
        assert_eq!(rfc3339(TimeMs(-1)), "1969-12-31T23:59:59.999Z");
        assert!(rfc3339(TimeMs(i64::MAX)).starts_with("9999-"));
        assert!(rfc3339(TimeMs::MIN).starts_with("-009999-"));
    }
}
