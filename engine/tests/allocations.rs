//! Memory is asked for by the batch, never by the ping.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use std::sync::Arc;

use bytes::Bytes;
use engine::decode::entry::Envelope;
use engine::decode::{ContentType, DecodeError, decode};
use engine::intake::Entry;
use geofence::{Detector, Input, Ping, PingRun, Profile, Settings, TimeMs, parse_fences};
use prost::Message as _;
use protos::telemetry::{VehiclePing, VehiclePingBatch};
use rstest::rstest;

const VEHICLES: u32 = 500;
const EVERY_MS: i64 = 10_000;
/// The hot window is full after 90 rounds, and cut for the first time.
const WARM_UP: i64 = 200;
const MEASURED: i64 = 50;
/// Of one batch and one apply: the lists that hold what they bring.
const ALLOCATIONS_MAX: u64 = 40;

/// Vehicles in one large fence, driving in a circle or standing.
fn batch(round: i64) -> Bytes {
    let ping = |vehicle: u32| {
        let turn = if vehicle.is_multiple_of(6) { 0.0 } else { round as f64 / 10.0 };
        VehiclePing {
            vehicle_id: format!("vehicle-{vehicle:06}"),
            event_time_us: round * EVERY_MS * 1_000,
            lat: 30.0 + f64::from(vehicle) * 1e-4 + 0.005 * turn.sin(),
            lon: -97.0 + 0.005 * turn.cos(),
            accuracy_m: Some(5.0),
            speed_mps: Some(8.0),
            ..VehiclePing::default()
        }
    };
    VehiclePingBatch { pings: (0..VEHICLES).map(ping).collect() }.encode_to_vec().into()
}

/// A batch, from its bytes to what the core makes of it.
fn take(detector: &mut Detector, bytes: &Bytes, round: i64) -> usize {
    let now = TimeMs(round * EVERY_MS);
    let envelope = Envelope {
        source: "test",
        message_id: "",
        receive_time: now,
        allow_null_island: false,
        owned: None,
    };
    let mut entries = Vec::new();
    envelope.entries(ContentType::Batch, bytes, &mut entries);
    let mut pings: Vec<Ping> = Vec::with_capacity(entries.len());
    for entry in entries {
        match entry {
            Entry::Ping { ping, .. } => pings.push(ping),
            Entry::Rejected(letter) => panic!("{letter:?}"),
        }
    }
    let run = PingRun { pings, ..PingRun::default() };
    detector.apply(&[Input::Pings(run)], now, round as u64).events.len()
}

#[rstest]
fn driving_on_allocates_by_the_batch(#[values(Profile::Plain, Profile::Robust)] profile: Profile) {
    let fence = r#"{"type":"Feature","id":"all","properties":{},"geometry":{"type":"Polygon",
        "coordinates":[[[-98,29],[-96,29],[-96,31],[-98,31],[-98,29]]]}}"#;
    let set = Arc::new(parse_fences(fence.as_bytes()).unwrap().set);
    let mut detector = Detector::new(Settings { profile, ..Settings::default() });
    detector.apply(&[Input::Fences { set, valid_from: TimeMs::MIN }], TimeMs(0), 1);
    let start = 1_000_000;
    for round in 0..WARM_UP {
        take(&mut detector, &batch(start + round), start + round);
    }
    for round in WARM_UP..WARM_UP + MEASURED {
        let bytes = batch(start + round);
        let mut events = 0;
        let info = allocation_counter::measure(|| {
            events = take(&mut detector, &bytes, start + round);
        });
        assert_eq!(events, 0, "nothing happens to these vehicles");
        assert!(
            info.count_total <= ALLOCATIONS_MAX,
            "round {round}: {} allocations for {VEHICLES} pings",
            info.count_total
        );
    }
}

/// Whoever sends the bytes decides how many there are.
#[rstest]
#[case::a_batch(ContentType::Batch, b"", b"\x0a\x00", b"")]
#[case::a_batch_of_a_later_version(ContentType::Batch, b"\x10\x05", b"\x0a\x00", b"")]
#[case::an_array(ContentType::Json, b"[{}", b",{}", b"]")]
#[case::lines(ContentType::Ndjson, b"", b"{}\n", b"")]
fn a_message_of_too_many_pings_takes_no_memory_for_them(
    #[case] content_type: ContentType,
    #[case] before: &[u8],
    #[case] ping: &[u8],
    #[case] after: &[u8],
) {
    let message: Bytes = [before, &ping.repeat(1_000_000), after].concat().into();
    let mut refused = None;
    let info = allocation_counter::measure(|| {
        refused = decode(content_type, &message).err();
    });
    assert!(matches!(refused, Some(DecodeError::TooMany { pings: 1_000_000.. })), "{refused:?}");
    assert!(info.bytes_max < 200_000, "{} bytes at once", info.bytes_max);
}
