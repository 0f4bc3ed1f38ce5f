use std::io::Write as _;
use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Float64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
    UInt64Array,
};
use bytes::Bytes;
use geofence::TimeMs;
use proptest::prelude::*;
use prost::Message;
use protos::journal::DeadLetter;
use protos::telemetry::VehiclePing;
use rstest::rstest;

use super::*;

mod bad_files;
mod formats;
mod order;
mod real;

/// 2016-11-25T12:00:00Z, microseconds.
const NOON_US: i64 = 1_480_075_200_000_000;

/// `n` pings a second apart, with every kind of value and with absent ones.
fn pings(n: usize) -> Vec<VehiclePing> {
    (0..n)
        .map(|i| VehiclePing {
            vehicle_id: format!("bus-{}", i % 7),
            ping_id: (i % 3 == 0).then(|| format!("p, \"{i}\"")),
            seq: (i % 2 == 0).then_some(i as u64),
            event_time_us: NOON_US + i as i64 * 1_000_000 + 500,
            lat: 30.25 + i as f64 * 1e-4,
            lon: -97.75,
            altitude_m: None,
            accuracy_m: (i % 5 != 0).then_some(4.5),
            speed_mps: Some(i as f64 % 30.0),
            heading_deg: (i % 4 == 0).then_some(270.25),
            odometer_m: Some(1e6 + i as f64),
            ignition: (i % 6 != 0).then_some(i % 2 == 0),
            engine_rpm: Some(900.0),
            fuel_percent: Some(50.0),
            battery_percent: None,
            driver_id: Some("Ä.".into()),
            route_id: Some("801".into()),
            trip_id: (i % 2 == 0).then(|| "line\nbreak".into()),
        })
        .collect()
}

const HEADER: [&str; 20] = [
    "vehicle_id",
    "ping_id",
    "seq",
    "event_time",
    "receive_time",
    "lat",
    "lon",
    "altitude_m",
    "accuracy_m",
    "speed_mps",
    "heading_deg",
    "odometer_m",
    "ignition",
    "engine_rpm",
    "fuel_percent",
    "battery_percent",
    "driver_id",
    "route_id",
    "trip_id",
    "colour",
];

fn time(us: i64) -> String {
    jiff::Timestamp::from_microsecond(us).expect("in range").to_string()
}

/// The pings as CSV, received a minute after they were taken.
fn csv(pings: &[VehiclePing]) -> Vec<u8> {
    let mut csv = ::csv::Writer::from_writer(Vec::new());
    csv.write_record(HEADER).expect("in memory");
    let text = |v: &Option<String>| v.clone().unwrap_or_default();
    let number = |v: Option<f64>| v.map_or_else(String::new, |v| v.to_string());
    for p in pings {
        csv.write_record([
            p.vehicle_id.clone(),
            text(&p.ping_id),
            p.seq.map_or_else(String::new, |v| v.to_string()),
            time(p.event_time_us),
            time(p.event_time_us + 60_000_000),
            p.lat.to_string(),
            p.lon.to_string(),
            number(p.altitude_m),
            number(p.accuracy_m),
            number(p.speed_mps),
            number(p.heading_deg),
            number(p.odometer_m),
            p.ignition.map_or_else(String::new, |v| v.to_string()),
            number(p.engine_rpm),
            number(p.fuel_percent),
            number(p.battery_percent),
            text(&p.driver_id),
            text(&p.route_id),
            text(&p.trip_id),
            "red".into(),
        ])
        .expect("in memory");
    }
    csv.into_inner().expect("in memory")
}

fn ndjson(pings: &[VehiclePing]) -> Vec<u8> {
    let mut out = Vec::new();
    for p in pings {
        let object = serde_json::json!({
            "vehicle_id": p.vehicle_id, "ping_id": p.ping_id, "seq": p.seq,
            "event_time": time(p.event_time_us),
            "receive_time_ms": p.event_time_us.div_euclid(1000) + 60_000,
            "lat": p.lat, "lon": p.lon, "altitude_m": p.altitude_m, "accuracy_m": p.accuracy_m,
            "speed_mps": p.speed_mps, "heading_deg": p.heading_deg, "odometer_m": p.odometer_m,
            "ignition": p.ignition, "engine_rpm": p.engine_rpm, "fuel_percent": p.fuel_percent,
            "battery_percent": p.battery_percent, "driver_id": p.driver_id,
            "route_id": p.route_id, "trip_id": p.trip_id, "colour": ["red"],
        });
        writeln!(out, "{object}").expect("in memory");
    }
    out
}

fn parquet(pings: &[VehiclePing]) -> Vec<u8> {
    fn text(pings: &[VehiclePing], get: impl Fn(&VehiclePing) -> Option<&str>) -> ArrayRef {
        Arc::new(pings.iter().map(get).collect::<StringArray>())
    }
    fn number(pings: &[VehiclePing], get: impl Fn(&VehiclePing) -> Option<f64>) -> ArrayRef {
        Arc::new(pings.iter().map(get).collect::<Float64Array>())
    }
    let times = |after_us: i64| -> ArrayRef {
        let values = pings.iter().map(|p| p.event_time_us + after_us);
        Arc::new(TimestampMicrosecondArray::from_iter_values(values).with_timezone("UTC"))
    };
    parquet_of([
        ("vehicle_id", text(pings, |p| Some(&p.vehicle_id))),
        ("ping_id", text(pings, |p| p.ping_id.as_deref())),
        ("seq", Arc::new(pings.iter().map(|p| p.seq).collect::<UInt64Array>())),
        ("colour", text(pings, |_| Some("red"))),
        ("event_time", times(0)),
        ("receive_time", times(60_000_000)),
        ("lat", number(pings, |p| Some(p.lat))),
        ("lon", number(pings, |p| Some(p.lon))),
        ("altitude_m", number(pings, |p| p.altitude_m)),
        ("accuracy_m", number(pings, |p| p.accuracy_m)),
        ("speed_mps", number(pings, |p| p.speed_mps)),
        ("heading_deg", number(pings, |p| p.heading_deg)),
        ("odometer_m", number(pings, |p| p.odometer_m)),
        ("ignition", Arc::new(pings.iter().map(|p| p.ignition).collect::<BooleanArray>())),
        ("engine_rpm", number(pings, |p| p.engine_rpm)),
        ("fuel_percent", number(pings, |p| p.fuel_percent)),
        ("battery_percent", number(pings, |p| p.battery_percent)),
        ("driver_id", text(pings, |p| p.driver_id.as_deref())),
        ("route_id", text(pings, |p| p.route_id.as_deref())),
        ("trip_id", text(pings, |p| p.trip_id.as_deref())),
    ])
}

fn parquet_of<'a>(columns: impl IntoIterator<Item = (&'a str, ArrayRef)>) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter(columns).expect("columns of one length");
    let mut out = Vec::new();
    let mut writer = ::parquet::arrow::ArrowWriter::try_new(&mut out, batch.schema(), None)
        .expect("types that Parquet has");
    // Small row groups, so that a damaged one has whole ones before it.
    for start in (0..batch.num_rows()).step_by(100) {
        let rows = batch.slice(start, 100.min(batch.num_rows() - start));
        writer.write(&rows).expect("in memory");
        writer.flush().expect("in memory");
    }
    writer.close().expect("in memory");
    out
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("in memory");
    encoder.finish().expect("in memory")
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    ::zstd::encode_all(bytes, 1).expect("in memory")
}

fn input(name: &str, bytes: impl Into<Bytes>) -> ReplayInput {
    ReplayInput::Memory { name: name.to_owned(), bytes: bytes.into() }
}

fn open_with(bytes: impl Into<Bytes>, options: ReplayOptions) -> Result<FileReplay, FileError> {
    FileReplay::open([input("file", bytes)], options)
}

fn open(bytes: impl Into<Bytes>) -> Result<FileReplay, FileError> {
    open_with(bytes, ReplayOptions::default())
}

/// Every batch, and the error that ended the replay.
fn drain(mut replay: FileReplay) -> (Vec<SourceBatch>, Option<FileError>) {
    let mut batches = Vec::new();
    while let Some(batch) = replay.next_batch() {
        match batch {
            Ok(batch) => batches.push(batch),
            Err(error) => {
                assert!(replay.next_batch().is_none(), "an error is the last thing that comes");
                return (batches, Some(error));
            }
        }
    }
    (batches, None)
}

/// Every entry of an input that is whole.
fn entries(replay: FileReplay) -> Vec<Entry> {
    let (batches, error) = drain(replay);
    assert!(error.is_none(), "{error:?}");
    batches.into_iter().flat_map(|batch| batch.entries).collect()
}

/// Receive time (milliseconds) and ping of each entry, none of which may be a
/// dead letter.
fn received(entries: &[Entry]) -> Vec<(i64, VehiclePing)> {
    let read = |entry: &Entry| match entry {
        Entry::Ping { ping, payload, .. } => (
            ping.receive_time.0,
            VehiclePing::decode(payload.clone()).expect("a payload is a ping"),
        ),
        Entry::Rejected(letter) => panic!("refused: {letter:?}"),
    };
    entries.iter().map(read).collect()
}

fn letters(entries: &[Entry]) -> Vec<&DeadLetter> {
    let mut letters = Vec::new();
    for entry in entries {
        if let Entry::Rejected(letter) = entry {
            letters.push(letter);
        }
    }
    letters
}

/// `vehicle_id,event_time_ms,lat,lon` rows.
fn plain_csv(times_ms: impl IntoIterator<Item = i64>) -> Vec<u8> {
    let mut out = b"vehicle_id,event_time_ms,lat,lon\n".to_vec();
    for (row, ms) in times_ms.into_iter().enumerate() {
        writeln!(out, "v{row},{ms},30.25,-97.75").expect("in memory");
    }
    out
}

/// Number in the vehicle id and receive time of each entry of such rows.
fn rows_and_times(entries: &[Entry]) -> Vec<(u64, i64)> {
    received(entries)
        .into_iter()
        .map(|(at, ping)| (ping.vehicle_id[1..].parse().expect("v<row>"), at))
        .collect()
}
