//! What a ping says, as a number to compare it by.
//!
//! Who sent a ping and who finds it in an archive each know its content, and
//! neither keeps it: only its print is kept, 4 bytes a ping. Two contents have
//! the same print by chance once in four thousand million times.

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

    /// The number that stands for it.
    #[must_use]
    pub fn print(&self) -> u32 {
        // One place has one position, on the antimeridian too.
        let place = Position::from_degrees(self.lat, self.lon);
        let place = place.map_or((i32::MAX, i32::MAX), |place| (place.lat, place.lon));
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
        for other in others {
            assert_ne!(other.print(), print, "{other:?}");
        }
        assert_eq!(Content { lat: 48.123_456_700_000_004, ..content }.print(), print);
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
