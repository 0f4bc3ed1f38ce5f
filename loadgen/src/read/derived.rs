//! Columns of a row that follow from others of it.

use geofence::Position;

use crate::content::Difference;

const DAY_US: i64 = 86_400_000_000;
/// How many days a row's `day` may lie before and after that of its receipt.
const DAYS_BEFORE_MAX: i64 = 31;
const DAYS_AFTER_MAX: i64 = 1;

/// What a row says twice.
#[derive(Clone, Copy, Debug)]
pub(super) struct Derived<'r> {
    /// Degrees; `None` of a row without a place.
    pub(super) lat_lon: Option<(f64, f64)>,
    /// The place once more, as well-known text.
    pub(super) location: Option<&'r str>,
    /// Microseconds since the epoch.
    pub(super) event_us: i64,
    /// When it was received, microseconds since the epoch; `None` where the row
    /// does not tell.
    pub(super) received_us: Option<i64>,
    /// Its day, days since the epoch.
    pub(super) day: i64,
}

impl Derived<'_> {
    /// Where it contradicts itself.
    pub(super) fn differences(&self) -> Vec<Difference> {
        let due = self.lat_lon.map(|(lat, lon)| format!("POINT({lon} {lat})"));
        let place = self.lat_lon.and_then(|(lat, lon)| Position::from_degrees(lat, lon));
        let same_place = match self.location {
            None => self.lat_lon.is_none(),
            Some(text) => place.is_some() && place == point(text),
        };
        let location = (!same_place)
            .then(|| Difference::between("location", due, self.location.map(str::to_owned)));
        let day = self.received_us.and_then(|received_us| {
            let due = day_of(self.event_us, received_us);
            Difference::between("day", Some(date(due)), Some(date(self.day)))
        });
        location.flatten().into_iter().chain(day).collect()
    }
}

/// The place that well-known text of a point names.
fn point(text: &str) -> Option<Position> {
    let inner = text.strip_prefix("POINT")?.trim_start().strip_prefix('(')?.strip_suffix(')')?;
    let (lon, lat) = inner.trim().split_once(' ')?;
    Position::from_degrees(lat.trim().parse().ok()?, lon.parse().ok()?)
}

/// The day of the event time, held near that of receipt.
fn day_of(event_us: i64, received_us: i64) -> i64 {
    let received = received_us.div_euclid(DAY_US);
    let near = received - DAYS_BEFORE_MAX..=received + DAYS_AFTER_MAX;
    event_us.div_euclid(DAY_US).clamp(*near.start(), *near.end())
}

fn date(days: i64) -> String {
    let mut text = Vec::with_capacity(10);
    protos::json::push_date(&mut text, days);
    String::from_utf8_lossy(&text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_contradicts_itself_is_told_by_column() {
        // 5 January 2026, 06:00 UTC.
        let at_us = 1_767_592_800_000_000;
        let whole = Derived {
            lat_lon: Some((48.123_456_7, -0.5)),
            location: Some("POINT(-0.5 48.1234567)"),
            event_us: at_us,
            received_us: Some(at_us + 1_000_000),
            day: 20_458,
        };
        let said = |row: Derived<'_>| -> Vec<String> {
            row.differences().iter().map(ToString::to_string).collect()
        };
        let fine = [
            whole,
            // As BigQuery may write it.
            Derived { location: Some("POINT(-0.5 48.123456700000004)"), ..whole },
            Derived { lat_lon: None, location: None, ..whole },
            Derived { received_us: None, day: 1, ..whole },
            // A clock 1024 weeks behind, and one hours ahead over midnight.
            Derived { event_us: at_us - 7_168 * DAY_US, day: 20_458 - 31, ..whole },
            Derived { event_us: at_us + 3 * DAY_US, day: 20_459, ..whole },
        ];
        for row in fine {
            assert_eq!(said(row), [""; 0], "{row:?}");
        }
        for (row, expected) in [
            (
                Derived { location: Some("POINT(-0.5 48.1234568)"), ..whole },
                "location must be POINT(-0.5 48.1234567) and is POINT(-0.5 48.1234568)",
            ),
            (
                Derived { location: None, ..whole },
                "location must be POINT(-0.5 48.1234567) and is none",
            ),
            (
                Derived { location: Some("nowhere"), ..whole },
                "location must be POINT(-0.5 48.1234567) and is nowhere",
            ),
            (
                Derived { lat_lon: None, ..whole },
                "location must be none and is POINT(-0.5 48.1234567)",
            ),
            (Derived { day: 20_459, ..whole }, "day must be 2026-01-05 and is 2026-01-06"),
        ] {
            assert_eq!(said(row), [expected], "{row:?}");
        }
    }
}
