//! Times, spans and metres in words.

use geofence::TimeMs;
use protos::json::push_time;

/// RFC 3339 with milliseconds, UTC.
pub(crate) fn time(t: TimeMs) -> String {
    let mut text = Vec::with_capacity(24);
    push_time(&mut text, t.0);
    String::from_utf8(text).expect("a time is ASCII")
}

/// Date and time of day, apart.
pub(super) fn date_and_clock(t: TimeMs) -> (String, String) {
    let text = time(t);
    let (date, clock) = text.split_once('T').expect("a time has a date");
    (date.to_owned(), clock.trim_end_matches('Z').to_owned())
}

/// Time of day with milliseconds, UTC.
pub(super) fn clock(t: TimeMs) -> String {
    date_and_clock(t).1
}

/// A span as people say it, in its two largest units.
pub(super) fn span(ms: i64) -> String {
    let s = ms.unsigned_abs() as f64 / 1000.0;
    if s < 60.0 {
        return format!("{} s", short(s));
    }
    let whole = ms.unsigned_abs().saturating_add(500) / 1000;
    let units = [(86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")];
    let first = units.iter().position(|(unit, _)| whole >= *unit).unwrap_or(units.len() - 1);
    let mut rest = whole;
    let mut parts = Vec::new();
    for (unit, name) in units.iter().skip(first).take(2) {
        if rest / unit > 0 {
            parts.push(format!("{} {name}", rest / unit));
        }
        rest %= unit;
    }
    parts.join(" ")
}

/// Metres: a decimal below ten, none above.
pub(super) fn metres(m: f64) -> String {
    if m.abs() < 9.95 { format!("{} m", short(m)) } else { format!("{m:.0} m") }
}

/// Metres per second.
pub(super) fn speed(mps: f64) -> String {
    if mps < 9.95 { format!("{} m/s", short(mps)) } else { format!("{mps:.0} m/s") }
}

/// At most one decimal.
fn short(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

/// `1 ping`, `2 pings`.
pub(super) fn counted(count: u64, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_their_two_largest_units() {
        let told = [
            (0, "0 s"),
            (860, "0.9 s"),
            (30_000, "30 s"),
            (59_999, "60 s"),
            (150_000, "2 min 30 s"),
            (3 * 3_600_000, "3 h"),
            (90_061_000, "1 d 1 h"),
        ];
        for (ms, wanted) in told {
            assert_eq!(span(ms), wanted, "{ms}");
        }
    }

    #[test]
    fn metres_are_as_fine_as_they_matter() {
        assert_eq!([metres(0.0), metres(4.26), metres(-12.4)], ["0 m", "4.3 m", "-12 m"]);
    }
}
