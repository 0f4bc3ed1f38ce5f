//! What a ping says, as a number to compare it by, and column by column.
//!
//! Who sent a ping and who finds it in an archive each know its content, and
//! neither keeps it: only its print is kept, 4 bytes a ping. Two contents have
//! the same print by chance once in four thousand million times. Where prints
//! differ, the ping is made again to say what of it does.

use std::fmt;

use geofence::Position;
use xxhash_rust::xxh3::xxh3_64;

use crate::stream::Ping;
use crate::wire::{degrees_sent, speed_sent};

/// Metres per second above which a speed is a device's "no value", which an
/// archive does not keep (semantics §1).
const SPEED_MPS_MAX: f64 = 100.0;

/// What a ping says besides whose it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Content {
    /// When it was taken, microseconds since the start of the run.
    pub event_us: i64,
    /// Where, degrees; compared as rounded to 1e-7.
    pub lat: f64,
    /// See `lat`.
    pub lon: f64,
    /// 68 % radius, metres.
    pub accuracy_m: Option<f64>,
    /// Metres per second.
    pub speed_mps: Option<f64>,
    /// Degrees clockwise from north.
    pub heading_deg: Option<f64>,
    /// Whether the ignition is on.
    pub ignition: Option<bool>,
}

/// The number that stands for the bytes of a message that is no ping.
#[must_use]
pub fn print_of_bytes(message: &[u8]) -> u32 {
    xxh3_64(message) as u32
}

/// A column that has another value than it must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Its name.
    pub column: &'static str,
    /// What it must be, as text.
    pub due: String,
    /// What it is.
    pub found: String,
}

impl Difference {
    /// Of a column, unless both are the same; no value is `none`.
    pub fn between<T: PartialEq + ToString>(
        column: &'static str,
        due: Option<T>,
        found: Option<T>,
    ) -> Option<Self> {
        let text = |value: Option<T>| value.map_or_else(|| "none".to_owned(), |it| it.to_string());
        (due != found).then(|| Self { column, due: text(due), found: text(found) })
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} must be {} and is {}", self.column, self.due, self.found)
    }
}

/// A time of a run that began at `start_ms` since the epoch, `us` microseconds
/// after that, for people.
#[must_use]
pub fn time_text(start_ms: i64, us: i64) -> String {
    let time = jiff::Timestamp::from_microsecond(start_ms * 1000 + us);
    time.map_or_else(|_| format!("{us} µs since the start"), |it| it.to_string())
}

impl Content {
    /// Of a ping, as an archive has it: without values that are none.
    #[must_use]
    pub fn of(ping: &Ping) -> Self {
        Self {
            event_us: ping.event_ms * 1000,
            lat: ping.position.lat_deg(),
            lon: ping.position.lon_deg(),
            accuracy_m: ping.accuracy_m.filter(|metres| *metres > 0.0),
            speed_mps: ping
                .speed_mps
                .map(speed_sent)
                .filter(|it| (0.0..=SPEED_MPS_MAX).contains(it)),
            heading_deg: ping.heading_deg.map(degrees_sent).filter(|it| (0.0..=360.0).contains(it)),
            ignition: ping.engine_on,
        }
    }

    /// What `found` has otherwise, of a run that began at `start_ms` since the
    /// epoch. Nothing if and only if both have one print, but for chance.
    #[must_use]
    pub fn differences(&self, found: &Self, start_ms: i64) -> Vec<Difference> {
        let at = |event_us: i64| Some(time_text(start_ms, event_us));
        // What lies between two places of the grid is the nearest one.
        let is_elsewhere = self.place() != found.place();
        let degrees = |value: f64| Some(value).filter(|_| is_elsewhere);
        let columns = [
            Difference::between("event_time", at(self.event_us), at(found.event_us)),
            Difference::between("lat", degrees(self.lat), degrees(found.lat)),
            Difference::between("lon", degrees(self.lon), degrees(found.lon)),
            Difference::between("accuracy_m", self.accuracy_m, found.accuracy_m),
            Difference::between("speed_mps", self.speed_mps, found.speed_mps),
            Difference::between("heading_deg", self.heading_deg, found.heading_deg),
            Difference::between("ignition", self.ignition, found.ignition),
        ];
        columns.into_iter().flatten().collect()
    }

    /// One place has one position, on the antimeridian too; `None` of what is no
    /// place.
    fn place(&self) -> Option<Position> {
        Position::from_degrees(self.lat, self.lon)
    }

    /// The number that stands for it.
    #[must_use]
    pub fn print(&self) -> u32 {
        let place = self.place().map_or((i32::MAX, i32::MAX), |place| (place.lat, place.lon));
        let mut bytes = Vec::with_capacity(48);
        bytes.extend(self.event_us.to_le_bytes());
        bytes.extend(place.0.to_le_bytes());
        bytes.extend(place.1.to_le_bytes());
        for number in [self.accuracy_m, self.speed_mps, self.heading_deg] {
            // NaN is no value of a ping.
            bytes.extend(number.unwrap_or(f64::NAN).to_bits().to_le_bytes());
        }
        bytes.push(self.ignition.map_or(2, u8::from));
        xxh3_64(&bytes) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_it_counts_and_the_grid_of_places_is_that_of_archives() {
        let content = Content {
            event_us: 1_500_000,
            lat: 48.123_456_7,
            lon: 11.5,
            accuracy_m: Some(5.0),
            speed_mps: Some(13.33),
            heading_deg: None,
            ignition: Some(true),
        };
        let print = content.print();
        let others = [
            Content { event_us: 1_500_001, ..content },
            Content { lat: 48.123_456_8, ..content },
            Content { lon: 11.500_000_1, ..content },
            Content { accuracy_m: None, ..content },
            Content { speed_mps: Some(13.34), ..content },
            Content { heading_deg: Some(0.0), ..content },
            Content { ignition: None, ..content },
            Content { ignition: Some(false), ..content },
        ];
        let columns = [
            "event_time",
            "lat",
            "lon",
            "accuracy_m",
            "speed_mps",
            "heading_deg",
            "ignition",
            "ignition",
        ];
        for (other, column) in others.iter().zip(columns) {
            assert_ne!(other.print(), print, "{other:?}");
            let differences = content.differences(other, 1_000_000);
            assert_eq!(differences.iter().map(|it| it.column).collect::<Vec<_>>(), [column]);
        }
        let near = Content { lat: 48.123_456_700_000_004, ..content };
        assert_eq!((near.print(), near.differences(&content, 0)), (print, vec![]));
        let said = |other: &Content| content.differences(other, 1_000_000)[0].to_string();
        assert_eq!(said(&others[3]), "accuracy_m must be 5 and is none");
        assert_eq!(
            said(&others[0]),
            "event_time must be 1970-01-01T00:16:41.5Z and is 1970-01-01T00:16:41.500001Z"
        );
    }

    #[test]
    fn what_a_device_sends_for_no_value_is_none() {
        let ping = Ping {
            vehicle: 0,
            seq: 1,
            event_ms: 0,
            position: Position { lat: 1, lon: 2 },
            accuracy_m: Some(0.0),
            speed_mps: Some(114.0),
            heading_deg: Some(400.0),
            engine_on: None,
        };
        let content = Content::of(&ping);
        assert_eq!(
            (content.accuracy_m, content.speed_mps, content.heading_deg),
            (None, None, None)
        );
    }
}
