//! Admission of a ping (semantics §1): what is refused whole, and what is
//! dropped from a ping that still counts.
//!
//! Judges one ping by itself. Whether it is a duplicate, late or from the
//! future depends on its vehicle and is judged by the core.

use protos::PingView;

use crate::hash::{Key, hash_key};
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
#[inline]
pub fn clear_unknown(ping: &mut PingView<'_>) -> Dropped {
    #[inline]
    fn clear(field: &mut Option<f64>, known: impl Fn(f64) -> bool) -> bool {
        match *field {
            Some(value) if !known(value) => clear_finite(field),
            _ => false,
        }
    }
    Dropped {
        speed: clear(&mut ping.speed_mps, |v| (0.0..=SPEED_MPS_MAX).contains(&v)),
        heading: clear(&mut ping.heading_deg, |v| (0.0..=360.0).contains(&v)),
        accuracy: clear(&mut ping.accuracy_m, |v| v > 0.0),
    }
}

/// Whether there was a number to clear.
#[cold]
fn clear_finite(field: &mut Option<f64>) -> bool {
    field.take_if(|value| value.is_finite()).is_some()
}

/// Checks a decoded ping whose unknown fields were cleared
/// ([`clear_unknown`]); gives its position, rounded.
///
/// # Errors
/// The first rule that the ping breaks; nothing of it may be used then.
#[inline]
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
    Ok(admitted(ping, position, receive_time))
}

/// What the core is to know of a ping that passed [`check`], which gave
/// `position`. Inlined, so that a ping is written where it stays.
#[inline(always)]
#[must_use]
pub fn admitted(ping: &PingView<'_>, position: Position, receive_time: TimeMs) -> Ping {
    let event_time = TimeMs(ping.event_time_us.div_euclid(1000));
    let identity = identity(ping, event_time, position);
    Ping {
        vehicle_id: ping.vehicle_id.into(),
        event_time,
        receive_time,
        position,
        identity,
        seq: ping.seq.unwrap_or(0),
        accuracy_m: ping.accuracy_m,
        speed_mps: ping.speed_mps,
        heading_deg: ping.heading_deg,
        ignition: ping.ignition,
        engine_rpm: ping.engine_rpm,
    }
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
#[inline]
pub fn check_vehicle_id(id: &str) -> Result<(), Reject> {
    if id.is_empty() {
        return Err(Reject::VehicleIdEmpty);
    }
    // Every byte is looked at: that is faster than to stop at the first bad
    // one, which few ids have.
    if !id.bytes().fold(true, |all, byte| all & IN_IDS[usize::from(byte)]) {
        return Err(bad_character(id));
    }
    if id.len() > VEHICLE_ID_CHARS_MAX {
        return Err(Reject::VehicleIdTooLong(id.len()));
    }
    Ok(())
}

/// Names the first character of `id` that no id has, of which there is one.
#[cold]
fn bad_character(id: &str) -> Reject {
    let in_ids = |char| u8::try_from(char).is_ok_and(|byte| IN_IDS[usize::from(byte)]);
    let bad = id.chars().find(|&char| !in_ids(char));
    Reject::VehicleIdBadCharacter(bad.unwrap_or_default())
}

#[inline]
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
    let position = ping.lat + ping.lon;
    let sum = optional.into_iter().fold(position, |sum, number| sum + number.unwrap_or(0.0));
    // A sum with a number that is not finite is not finite either; one of huge
    // numbers may not be.
    if sum.is_finite() { Ok(()) } else { not_finite(ping) }
}

/// Refuses the first number that is not finite, if there is one.
#[cold]
fn not_finite(ping: &PingView<'_>) -> Result<(), Reject> {
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
    match numbers.iter().find(|(_, value)| value.is_some_and(|value| !value.is_finite())) {
        Some((name, _)) => Err(Reject::NumberNotFinite(name)),
        None => Ok(()),
    }
}

/// Hash of the producer's id and every field that detection reads. Each
/// optional field is preceded by a byte that says whether it is there, so
/// that no two pings run together.
#[inline(never)] // Once, not wherever a ping is admitted.
fn identity(ping: &PingView<'_>, event_time: TimeMs, position: Position) -> Identity {
    let texts = ping.vehicle_id.len() + ping.ping_id.map_or(0, str::len);
    Identity(hash_key(texts + IDENTITY_NUMBERS_BYTES_MAX, |key| {
        push_text(key, Some(ping.vehicle_id));
        push_text(key, ping.ping_id);
        key.push_if_any(Some(event_time.0.to_le_bytes()));
        key.push_if_any(Some(position.lat.to_le_bytes()));
        key.push_if_any(Some(position.lon.to_le_bytes()));
        key.push_if_any(ping.seq.map(u64::to_le_bytes));
        key.push_if_any(ping.accuracy_m.map(f64::to_le_bytes));
        key.push_if_any(ping.speed_mps.map(f64::to_le_bytes));
        key.push_if_any(ping.engine_rpm.map(f64::to_le_bytes));
        key.push_if_any(ping.ignition.map(|on| [u8::from(on)]));
    }))
}

/// Of an identity's key, all but its texts: two lengths, a time, two degrees,
/// four numbers and a flag, a byte before each, and one before each text.
const IDENTITY_NUMBERS_BYTES_MAX: usize = 7 * 9 + 2 * 5 + 2 + 2;

/// Its length as a number, whether there is one, and the text.
#[inline(always)]
fn push_text(key: &mut Key<'_>, text: Option<&str>) {
    key.push_if_any(Some((text.map_or(0, str::len) as u64).to_le_bytes()));
    key.push([u8::from(text.is_some())]);
    if let Some(text) = text {
        key.push_bytes(text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use protos::telemetry::VehiclePing;
    use rstest::rstest;
    use xxhash_rust::xxh3::xxh3_128;

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
    fn numbers_whose_sum_is_infinite_are_finite() {
        let huge = |p: &mut VehiclePing| {
            p.altitude_m = Some(f64::MAX);
            p.odometer_m = Some(f64::MAX);
        };
        assert_eq!(verdict(huge).map(|taken| taken.seq), Ok(0));
        let opposite = |p: &mut VehiclePing| {
            p.altitude_m = Some(f64::INFINITY);
            p.odometer_m = Some(f64::NEG_INFINITY);
        };
        assert_eq!(verdict(opposite), Err("number_not_finite"));
    }

    #[test]
    fn the_first_character_that_no_id_has_is_named() {
        for (id, bad) in [("a b/c", ' '), ("aé b", 'é'), ("日", '日'), ("a\u{2d80}", '\u{2d80}')]
        {
            assert_eq!(check_vehicle_id(id), Err(Reject::VehicleIdBadCharacter(bad)), "{id:?}");
        }
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

    /// Journals and events hold them.
    #[rstest]
    #[case::bare(ping(), 0x85dc_f0a7_a9f0_8915_3c2d_5215_8aac_15e3)]
    #[case::full(full_ping(), 0xdd49_201c_39ed_9a12_a1ec_2a78_42a0_7697)]
    fn identities_never_change(#[case] ping: VehiclePing, #[case] identity: u128) {
        let taken = admit(&PingView::from(&ping), TimeMs(0), false).expect("valid");
        assert_eq!(taken.identity, Identity(identity));
    }

    fn full_ping() -> VehiclePing {
        VehiclePing {
            ping_id: Some("5e0b7c1c-4b6e-4c53-9c68-3d1a2b7f9e10".into()),
            seq: Some(7),
            accuracy_m: Some(4.0),
            speed_mps: Some(11.25),
            engine_rpm: Some(900.0),
            ignition: Some(false),
            ..ping()
        }
    }

    fn any_number() -> impl Strategy<Value = Option<f64>> {
        prop::option::of(0.1..100.0)
    }

    proptest! {
        /// Written out, byte for byte.
        #[test]
        fn an_identity_is_the_hash_of_its_fields(
            vehicle_id in "[a-z0-9]{1,64}",
            ping_id in prop::option::of(prop_oneof!["[a-zü]{0,40}", "x{150,300}"]),
            event_time_us in any::<i64>(),
            seq in prop::option::of(any::<u64>()),
            numbers in (any_number(), any_number(), any_number()),
            ignition in prop::option::of(any::<bool>()),
        ) {
            let (accuracy_m, speed_mps, engine_rpm) = numbers;
            let ping = VehiclePing {
                vehicle_id, ping_id, event_time_us, seq, accuracy_m, speed_mps, engine_rpm,
                ignition, ..ping()
            };
            let mut key = Vec::new();
            let mut part = |bytes: Option<&[u8]>| {
                key.push(u8::from(bytes.is_some()));
                key.extend_from_slice(bytes.unwrap_or_default());
            };
            for text in [Some(&ping.vehicle_id), ping.ping_id.as_ref()] {
                part(Some(&(text.map_or(0, String::len) as u64).to_le_bytes()));
                part(text.map(|text| text.as_bytes()));
            }
            part(Some(&ping.event_time_us.div_euclid(1000).to_le_bytes()));
            part(Some(&302_500_000_i32.to_le_bytes()));
            part(Some(&(-977_500_000_i32).to_le_bytes()));
            part(ping.seq.map(u64::to_le_bytes).as_ref().map(|bytes| &bytes[..]));
            for number in [ping.accuracy_m, ping.speed_mps, ping.engine_rpm] {
                part(number.map(f64::to_le_bytes).as_ref().map(|bytes| &bytes[..]));
            }
            part(ping.ignition.map(|on| [u8::from(on)]).as_ref().map(|bytes| &bytes[..]));
            let taken = admit(&PingView::from(&ping), TimeMs(0), false).expect("valid");
            prop_assert_eq!(taken.identity, Identity(xxh3_128(&key)));
        }
    }
}
