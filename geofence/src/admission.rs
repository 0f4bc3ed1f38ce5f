//! Admission of a ping (semantics §1): what is refused whole, and what is
//! dropped from a ping that still counts.
//!
//! Judges one ping by itself. Whether it is a duplicate, late or from the
//! future depends on its vehicle and is judged by the core.

use protos::PingView;

use crate::hash::KeyBytes;
use crate::{Identity, Ping, Position, TimeMs};

/// Longest vehicle id, characters.
pub const VEHICLE_ID_CHARS_MAX: usize = 64;
/// Fastest speed that is taken for one, metres per second.
pub const SPEED_MPS_MAX: f64 = 100.0;

/// Why a ping is refused. The code is stable; the message says what to mend.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Reject {
    /// No vehicle id.
    #[error("vehicle_id is empty")]
    VehicleIdEmpty,
    /// The id has more than [`VEHICLE_ID_CHARS_MAX`] characters.
    #[error("vehicle_id has {0} characters; at most {VEHICLE_ID_CHARS_MAX} are allowed")]
    VehicleIdTooLong(usize),
    /// The id holds a character outside `[A-Za-z0-9._:-]`.
    #[error("vehicle_id holds {0:?}; allowed are A-Z a-z 0-9 . _ : -")]
    VehicleIdBadCharacter(char),
    /// A number is NaN or infinite.
    #[error("{0} is not a finite number")]
    NumberNotFinite(&'static str),
    /// Latitude outside ±90.
    #[error("lat {0} is outside -90 to 90 degrees")]
    LatOutOfRange(f64),
    /// Longitude outside ±180.
    #[error("lon {0} is outside -180 to 180 degrees")]
    LonOutOfRange(f64),
    /// Position 0, 0, which devices send when they have none.
    #[error("position 0, 0 stands for no fix (allow_null_island = true admits it)")]
    NullIsland,
}

impl Reject {
    /// Stable code for dead letters, answers and metrics.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::VehicleIdEmpty => "vehicle_id_empty",
            Self::VehicleIdTooLong(_) => "vehicle_id_too_long",
            Self::VehicleIdBadCharacter(_) => "vehicle_id_bad_character",
            Self::NumberNotFinite(_) => "number_not_finite",
            Self::LatOutOfRange(_) => "lat_out_of_range",
            Self::LonOutOfRange(_) => "lon_out_of_range",
            Self::NullIsland => "null_island",
        }
    }
}

/// Fields that held a device's "no value" and were taken for unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Speed outside 0 to [`SPEED_MPS_MAX`].
    pub speed: bool,
    /// Heading outside 0 to 360.
    pub heading: bool,
    /// Accuracy not above 0.
    pub accuracy: bool,
}

/// Clears the fields of `ping` that hold a device's "no value". Numbers that
/// are not finite are left for [`admit`] to refuse.
pub fn clear_unknown(ping: &mut PingView<'_>) -> Dropped {
    fn clear(field: &mut Option<f64>, known: impl Fn(f64) -> bool) -> bool {
        let unknown = field.is_some_and(|value| value.is_finite() && !known(value));
        if unknown {
            *field = None;
        }
        unknown
    }
    Dropped {
        speed: clear(&mut ping.speed_mps, |v| (0.0..=SPEED_MPS_MAX).contains(&v)),
        heading: clear(&mut ping.heading_deg, |v| (0.0..=360.0).contains(&v)),
        accuracy: clear(&mut ping.accuracy_m, |v| v > 0.0),
    }
}

/// Checks a decoded ping whose unknown fields were cleared
/// ([`clear_unknown`]); gives its position, rounded.
///
/// # Errors
/// The first rule that the ping breaks; nothing of it may be used then.
pub fn check(ping: &PingView<'_>, allow_null_island: bool) -> Result<Position, Reject> {
    check_vehicle_id(ping.vehicle_id)?;
    check_finite(ping)?;
    if !(-90.0..=90.0).contains(&ping.lat) {
        return Err(Reject::LatOutOfRange(ping.lat));
    }
    let position =
        Position::from_degrees(ping.lat, ping.lon).ok_or(Reject::LonOutOfRange(ping.lon))?;
    if position == (Position { lat: 0, lon: 0 }) && !allow_null_island {
        return Err(Reject::NullIsland);
    }
    Ok(position)
}

/// Admits a decoded ping whose unknown fields were cleared
/// ([`clear_unknown`]), received at `receive_time`.
///
/// # Errors
/// Those of [`check`].
pub fn admit(
    ping: &PingView<'_>,
    receive_time: TimeMs,
    allow_null_island: bool,
) -> Result<Ping, Reject> {
    let position = check(ping, allow_null_island)?;
    Ok(Ping {
        vehicle_id: ping.vehicle_id.into(),
        event_time: TimeMs(ping.event_time_us.div_euclid(1000)),
        receive_time,
        position,
        identity: identity(ping, position),
        seq: ping.seq.unwrap_or(0),
        accuracy_m: ping.accuracy_m,
        speed_mps: ping.speed_mps,
        heading_deg: ping.heading_deg,
        ignition: ping.ignition,
        engine_rpm: ping.engine_rpm,
    })
}

/// Which bytes an id may hold.
static IN_IDS: [bool; 256] = {
    let mut allowed = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        let b = byte as u8;
        allowed[byte] = b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b':' | b'-');
        byte += 1;
    }
    allowed
};

/// Whether this can be a vehicle's id.
///
/// # Errors
/// If it is empty, too long, or holds a character that no id does.
pub fn check_vehicle_id(id: &str) -> Result<(), Reject> {
    if id.is_empty() {
        return Err(Reject::VehicleIdEmpty);
    }
    if let Some(at) = id.bytes().position(|b| !IN_IDS[usize::from(b)]) {
        // What comes before is ASCII: a character begins here.
        let bad = id[at..].chars().next().unwrap_or_default();
        return Err(Reject::VehicleIdBadCharacter(bad));
    }
    if id.len() > VEHICLE_ID_CHARS_MAX {
        return Err(Reject::VehicleIdTooLong(id.len()));
    }
    Ok(())
}

fn check_finite(ping: &PingView<'_>) -> Result<(), Reject> {
    let optional = [
        ping.altitude_m,
        ping.accuracy_m,
        ping.speed_mps,
        ping.heading_deg,
        ping.odometer_m,
        ping.engine_rpm,
        ping.fuel_percent,
        ping.battery_percent,
    ];
    // Zero times a number is zero, unless the number is not finite.
    let position = ping.lat * 0.0 + ping.lon * 0.0;
    let all: f64 = optional.into_iter().flatten().map(|number| number * 0.0).sum();
    if position + all == 0.0 { Ok(()) } else { Err(not_finite(ping)) }
}

/// Names the first number that is not finite, of which there is one.
#[cold]
fn not_finite(ping: &PingView<'_>) -> Reject {
    let numbers = [
        ("lat", Some(ping.lat)),
        ("lon", Some(ping.lon)),
        ("altitude_m", ping.altitude_m),
        ("accuracy_m", ping.accuracy_m),
        ("speed_mps", ping.speed_mps),
        ("heading_deg", ping.heading_deg),
        ("odometer_m", ping.odometer_m),
        ("engine_rpm", ping.engine_rpm),
        ("fuel_percent", ping.fuel_percent),
        ("battery_percent", ping.battery_percent),
    ];
    let bad = numbers.iter().find(|(_, value)| value.is_some_and(|value| !value.is_finite()));
    Reject::NumberNotFinite(bad.map_or("", |(name, _)| name))
}

/// Hash of the producer's id and every field that detection reads. Each
/// optional field is preceded by a byte that says whether it is there, so
/// that no two pings run together.
fn identity(ping: &PingView<'_>, position: Position) -> Identity {
    let key = &mut KeyBytes::new();
    text(key, Some(ping.vehicle_id));
    text(key, ping.ping_id);
    number(key, Some(ping.event_time_us.div_euclid(1000).to_le_bytes()));
    number(key, Some(position.lat.to_le_bytes()));
    number(key, Some(position.lon.to_le_bytes()));
    number(key, ping.seq.map(u64::to_le_bytes));
    number(key, ping.accuracy_m.map(f64::to_le_bytes));
    number(key, ping.speed_mps.map(f64::to_le_bytes));
    number(key, ping.engine_rpm.map(f64::to_le_bytes));
    number(key, ping.ignition.map(|on| [u8::from(on)]));
    Identity(key.hash128())
}

/// Its length as a number, and the text as one.
fn text(key: &mut KeyBytes, text: Option<&str>) {
    number(key, Some((text.map_or(0, str::len) as u64).to_le_bytes()));
    key.push_few([u8::from(text.is_some())]);
    key.push(text.unwrap_or_default().as_bytes());
}

fn number<const N: usize>(key: &mut KeyBytes, number: Option<[u8; N]>) {
    key.push_few([u8::from(number.is_some())]);
    if let Some(bytes) = number {
        key.push_few(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protos::telemetry::VehiclePing;
    use rstest::rstest;

    fn ping() -> VehiclePing {
        VehiclePing {
            vehicle_id: "bus-1".into(),
            event_time_us: 1_700_000_000_123_456,
            lat: 30.25,
            lon: -97.75,
            ..VehiclePing::default()
        }
    }

    fn verdict(change: impl FnOnce(&mut VehiclePing)) -> Result<Ping, &'static str> {
        let mut ping = ping();
        change(&mut ping);
        let mut ping = PingView::from(&ping);
        clear_unknown(&mut ping);
        admit(&ping, TimeMs(0), false).map_err(|reject| reject.code())
    }

    #[rstest]
    #[case::empty_id(|p: &mut VehiclePing| p.vehicle_id.clear(), "vehicle_id_empty")]
    #[case::long_id(|p: &mut VehiclePing| p.vehicle_id = "x".repeat(65), "vehicle_id_too_long")]
    #[case::space(|p: &mut VehiclePing| p.vehicle_id = "a b".into(), "vehicle_id_bad_character")]
    #[case::umlaut(|p: &mut VehiclePing| p.vehicle_id = "ä".into(), "vehicle_id_bad_character")]
    #[case::nan(|p: &mut VehiclePing| p.lat = f64::NAN, "number_not_finite")]
    #[case::infinite(|p: &mut VehiclePing| p.lon = f64::INFINITY, "number_not_finite")]
    #[case::nan_fuel(|p: &mut VehiclePing| p.fuel_percent = Some(f64::NAN), "number_not_finite")]
    #[case::lat_91(|p: &mut VehiclePing| p.lat = 91.0, "lat_out_of_range")]
    #[case::lon_181(|p: &mut VehiclePing| p.lon = -180.1, "lon_out_of_range")]
    #[case::null_island(|p: &mut VehiclePing| (p.lat, p.lon) = (0.0, 0.0), "null_island")]
    fn refuses(#[case] change: fn(&mut VehiclePing), #[case] code: &str) {
        assert_eq!(verdict(change), Err(code));
    }

    #[test]
    fn takes_the_ends_of_every_range() {
        let taken = verdict(|p| {
            p.vehicle_id = "x".repeat(64);
            (p.lat, p.lon) = (-90.0, 180.0);
            p.speed_mps = Some(100.0);
            p.heading_deg = Some(360.0);
        })
        .expect("all in range");
        assert_eq!(taken.position, Position { lat: -900_000_000, lon: 1_800_000_000 });
        assert_eq!((taken.speed_mps, taken.heading_deg), (Some(100.0), Some(360.0)));
    }

    #[test]
    fn drops_a_devices_no_value_and_keeps_the_position() {
        let mut ping = ping();
        ping.speed_mps = Some(114.0); // 255 mph
        ping.heading_deg = Some(-1.0);
        ping.accuracy_m = Some(0.0);
        let mut ping = PingView::from(&ping);
        let dropped = clear_unknown(&mut ping);
        assert_eq!(dropped, Dropped { speed: true, heading: true, accuracy: true });
        let taken = admit(&ping, TimeMs(0), false).expect("the position counts");
        assert_eq!((taken.speed_mps, taken.heading_deg, taken.accuracy_m), (None, None, None));
    }

    #[test]
    fn event_time_is_floored_to_the_millisecond() {
        assert_eq!(verdict(|_| ()).expect("valid").event_time, TimeMs(1_700_000_000_123));
        assert_eq!(verdict(|p| p.event_time_us = -1).expect("valid").event_time, TimeMs(-1));
    }

    #[test]
    fn identity_reads_what_detection_reads_and_nothing_else() {
        let base = verdict(|_| ()).expect("valid").identity;
        let same = |change: fn(&mut VehiclePing)| verdict(change).expect("valid").identity == base;
        assert!(same(|p| p.fuel_percent = Some(50.0)));
        assert!(same(|p| p.heading_deg = Some(50.0)));
        assert!(!same(|p| p.ping_id = Some("a".into())));
        assert!(!same(|p| p.seq = Some(0)));
        assert!(!same(|p| p.lat += 1e-7));
        assert!(!same(|p| p.accuracy_m = Some(10.0)));
        assert!(!same(|p| p.ignition = Some(false)));
    }
}
