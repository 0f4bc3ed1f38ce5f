//! Recorded traces: the demo's, which is in the project, and those of the
//! shared data set where it is at hand.

use std::path::PathBuf;

use super::*;
use crate::source::demo;

/// `FLEETSTREAM_SHARED_DATA`, else `shared/data` beside the workspace.
fn shared(file: &str) -> Option<PathBuf> {
    let root = std::env::var_os("FLEETSTREAM_SHARED_DATA").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"),
        PathBuf::from,
    );
    let path = root.join(file);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: {} is not there", path.display());
    None
}

fn replay(path: PathBuf) -> Vec<Entry> {
    entries(FileReplay::open([path], ReplayOptions::default()).expect("a recorded trace"))
}

fn vehicles(found: &[(i64, VehiclePing)]) -> usize {
    let ids: std::collections::BTreeSet<&str> =
        found.iter().map(|(_, ping)| ping.vehicle_id.as_str()).collect();
    ids.len()
}

#[test]
fn the_demos_day_is_whole() {
    let input = input(demo::PINGS_NAME, demo::pings());
    let replay = FileReplay::open([input], ReplayOptions::default()).expect("the demo's day");
    let found = received(&entries(replay));
    assert_eq!((found.len(), vehicles(&found)), (53_569, 146));
    assert_eq!(found[0].0, 1_441_515_647_000, "2015-09-06T05:00:47Z");
    assert_eq!(found[53_568].0, 1_441_601_919_000, "2015-09-07T04:58:39Z");
    let first = VehiclePing {
        vehicle_id: "8918".into(),
        event_time_us: 1_441_515_647_000_000,
        lat: 30.350088,
        lon: -97.71197,
        speed_mps: Some(0.0357632),
        route_id: Some("275".into()),
        trip_id: Some("1479078".into()),
        ..VehiclePing::default()
    };
    assert_eq!(found[0].1, first);
    assert!(demo::fences().contains("\"austin-blackland\""));
}

#[test]
fn the_demos_day_is_a_part_of_the_recorded_ones() {
    let Some(path) = shared("traces/austin_buses_2015_2016.parquet") else { return };
    let all = replay(path);
    assert_eq!((all.len(), letters(&all).len()), (280_947, 53), "53 rows lie at 0, 0");
    let pings = |entries: Vec<Entry>| -> Vec<Entry> {
        entries.into_iter().filter(|entry| matches!(entry, Entry::Ping { .. })).collect()
    };
    let key = |(at, ping): (i64, VehiclePing)| {
        // The demo's speeds are the recorded ones in their shortest decimal form.
        let speed = ping.speed_mps.map(|speed| (speed as f32).to_bits());
        (at, ping.vehicle_id, ping.lat.to_bits(), ping.lon.to_bits(), speed, ping.trip_id)
    };
    let day = 1_441_515_600_000..1_441_602_000_000;
    let recorded: Vec<_> =
        received(&pings(all)).into_iter().filter(|(at, _)| day.contains(at)).map(key).collect();
    let input = input(demo::PINGS_NAME, demo::pings());
    let replay = FileReplay::open([input], ReplayOptions::default()).expect("the demo's day");
    let shown: Vec<_> = received(&entries(replay)).into_iter().map(key).collect();
    assert!(recorded == shown, "{} against {} rows", recorded.len(), shown.len());
}

#[test]
fn recorded_gzip_csv_is_read() {
    let Some(path) = shared("traces/sf_cabs_a_2008-05-22.csv.gz") else { return };
    let found = received(&replay(path));
    assert_eq!((found.len(), vehicles(&found)), (238_286, 240));
    let Some(path) = shared("traces/liverpool_buses_route14.csv.gz") else { return };
    let found = received(&replay(path));
    assert_eq!((found.len(), vehicles(&found)), (1_533, 8));
    let headings = found.iter().filter(|(_, ping)| ping.heading_deg.is_some()).count();
    assert_eq!(headings, 1_134, "rows with a heading");
}

/// The input of the benchmark: 2.7 million rows in the memory they may take.
#[test]
fn recorded_parquet_is_held_in_a_hundred_bytes_a_row() {
    let Some(path) = shared("traces/sf_cabs_a_2008-05-17_28.parquet") else { return };
    let mut replay = FileReplay::open([path], ReplayOptions::default()).expect("a recorded trace");
    let first = replay.next_batch().expect("a batch").expect("good").entries.len();
    assert_eq!(replay.rows_total(), Some(2_714_805));
    let bytes_per_row = replay.feed.window.bytes() / 2_714_805;
    assert!(bytes_per_row <= 100, "{bytes_per_row}");
    let mut entries = first;
    while let Some(batch) = replay.next_batch() {
        entries += batch.expect("good").entries.len();
    }
    assert_eq!(entries, 2_714_805);
}
