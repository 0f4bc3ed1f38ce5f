//! Profile plain against a brute-force scan that shares nothing with the
//! engine: every ping of a real day against every edge of every fence, in
//! integers.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, TimestampMillisecondType};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;

use crate::rows;
use crate::support::{Replayed, austin, replay_well, shared_data};

/// Longitude and latitude on the grid of 1e-7 degrees.
type Point = (i64, i64);

/// One part of a fence: its shell, then its holes.
type Part = Vec<Vec<Point>>;

/// A ping: vehicle, event time in milliseconds, place.
type Ping = (String, i64, Point);

/// An enter (true) or exit at a time: vehicle, time, fence, way.
type Transition = (String, i64, String, bool);

#[test]
fn a_day_of_austins_buses() {
    let (pings, fences) = austin();
    let mut text = String::new();
    let packed = File::open(&pings).expect("the day");
    zstd::Decoder::new(packed).expect("zstd").read_to_string(&mut text).expect("text");
    let days = pings_of_csv(&text);
    compare(&days, &fences, &replay_well(&[&pings], &fences, &["--profile", "plain"]), 26_000);
}

#[test]
fn a_day_of_san_franciscos_cabs() {
    let Some(pings) = shared_data("traces/sf_cabs_a_2008-05-22.csv.gz") else { return };
    let Some(fences) = shared_data("fences/sf_analysis_neighborhoods.geojson") else { return };
    let mut text = String::new();
    let packed = File::open(&pings).expect("the day");
    flate2::read::MultiGzDecoder::new(packed).read_to_string(&mut text).expect("text");
    let day = pings_of_csv(&text);
    compare(&day, &fences, &replay_well(&[&pings], &fences, &["--profile", "plain"]), 50_000);
}

/// Several days, with repeated rows and positions at 0, 0.
#[test]
fn every_day_of_austins_buses() {
    let Some(pings) = shared_data("traces/austin_buses_2015_2016.parquet") else { return };
    let (_, fences) = austin();
    let days = pings_of_parquet(&pings);
    // The scan forgets nobody, whatever lies between the days.
    let options = ["--profile", "plain", "--set", "detection.forget_after=3650d"];
    compare(&days, &fences, &replay_well(&[&pings], &fences, &options), 100_000);
}

/// Asserts that the engine has exactly the transitions of the scan, and that
/// there are at least `least` of them, so that the test means something.
fn compare(pings: &[Ping], fences: &Path, replayed: &Replayed, least: usize) {
    let expected = scan(pings, &fences_of(fences));
    let mut found = transitions(replayed);
    found.sort_unstable();
    for (expected, found) in expected.iter().zip(&found) {
        assert_eq!(expected, found, "the first difference");
    }
    assert_eq!(expected.len(), found.len());
    assert!(expected.len() >= least, "only {} transitions", expected.len());
    let archived = rows::count(&rows::table(&replayed.out().join("pings")));
    assert_eq!(replayed.summary()["pings"]["archived"], archived, "rows in the archive");
}

fn transitions(replayed: &Replayed) -> Vec<Transition> {
    let text = |event: &Value, key: &str| event[key].as_str().expect("text").to_owned();
    let events = replayed.lines("events.ndjson");
    let transition = |event: &Value| {
        let inside = match event["kind"].as_str().expect("a kind") {
            "geofence_enter" => true,
            "geofence_exit" => false,
            _ => return None,
        };
        let time = milliseconds(event["event_time"].as_str().expect("a time"));
        Some((text(event, "vehicle_id"), time, text(event, "fence_id"), inside))
    };
    events.iter().filter_map(transition).collect()
}

/// Every change of side between neighbours, and every first ping inside;
/// sorted.
fn scan(pings: &[Ping], fences: &BTreeMap<String, Vec<Part>>) -> Vec<Transition> {
    let mut by_vehicle = BTreeMap::<&str, BTreeMap<i64, Point>>::new();
    for (vehicle, time, place) in pings {
        if *place == (0, 0) {
            continue;
        }
        let before = by_vehicle.entry(vehicle).or_default().insert(*time, *place);
        // Which of two places would count is a matter of hashes.
        assert!(before.is_none_or(|before| before == *place), "{vehicle} was in two places");
    }
    let mut out = Vec::new();
    for (vehicle, track) in by_vehicle {
        for (fence, parts) in fences {
            let mut inside = false;
            for (&time, &place) in &track {
                let now = parts.iter().any(|part| part_holds(part, place));
                if now != inside {
                    out.push((vehicle.to_owned(), time, fence.clone(), now));
                }
                inside = now;
            }
        }
    }
    out.sort_unstable();
    out
}

/// Whether a part holds `p`: edges belong to it, those of holes too.
fn part_holds(part: &Part, p: Point) -> bool {
    let mut odd = false;
    for ring in part {
        for edge in ring.windows(2) {
            let (a, b) = (edge[0], edge[1]);
            // Twice the area of the triangle a, b, p: its sign tells the side.
            let side = i128::from(b.0 - a.0) * i128::from(p.1 - a.1)
                - i128::from(b.1 - a.1) * i128::from(p.0 - a.0);
            let between = |low: i64, at: i64, high: i64| low.min(high) <= at && at <= low.max(high);
            if side == 0 && between(a.0, p.0, b.0) && between(a.1, p.1, b.1) {
                return true;
            }
            // A ray to the east; an edge owns its lower end.
            if (a.1 <= p.1) != (b.1 <= p.1) && (side > 0) == (b.1 > a.1) {
                odd = !odd;
            }
        }
    }
    odd
}

fn fences_of(path: &Path) -> BTreeMap<String, Vec<Part>> {
    let text = fs::read_to_string(path).expect("readable");
    let collection: Value = serde_json::from_str(&text).expect("GeoJSON");
    let point = |pair: &Value| (e7(pair[0].as_f64()), e7(pair[1].as_f64()));
    let ring = |ring: &Value| ring.as_array().expect("a ring").iter().map(point).collect();
    let part = |part: &Value| part.as_array().expect("rings").iter().map(ring).collect();
    let fence = |feature: &Value| {
        let id = feature["id"].as_str().expect("an id").to_owned();
        let coordinates = &feature["geometry"]["coordinates"];
        let parts = match feature["geometry"]["type"].as_str().expect("a type") {
            "Polygon" => vec![part(coordinates)],
            "MultiPolygon" => coordinates.as_array().expect("parts").iter().map(part).collect(),
            other => panic!("{id}: {other}"),
        };
        (id, parts)
    };
    collection["features"].as_array().expect("features").iter().map(fence).collect()
}

fn e7(degrees: Option<f64>) -> i64 {
    (degrees.expect("a number") * 1e7).round() as i64
}

fn milliseconds(time: &str) -> i64 {
    time.parse::<jiff::Timestamp>().expect("a time").as_millisecond()
}

/// Rows of a file whose first four columns are vehicle, time, lat and lon.
fn pings_of_csv(text: &str) -> Vec<Ping> {
    let mut lines = text.lines();
    assert!(lines.next().expect("a header").starts_with("vehicle_id,event_time,lat,lon"));
    let ping = |line: &str| {
        let mut cells = line.split(',');
        let mut cell = || cells.next().expect("a cell");
        let (vehicle, time) = (cell().to_owned(), milliseconds(cell()));
        let (lat, lon) = (e7(cell().parse().ok()), e7(cell().parse().ok()));
        (vehicle, time, (lon, lat))
    };
    lines.map(ping).collect()
}

fn pings_of_parquet(path: &Path) -> Vec<Ping> {
    let file = File::open(path).expect("readable");
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).expect("Parquet").build();
    let pings_of_batch = |batch: RecordBatch| {
        let column = |name| batch.column_by_name(name).expect("a column").clone();
        let (vehicles, times) = (column("vehicle_id"), column("event_time"));
        let (lats, lons) = (column("lat"), column("lon"));
        let vehicles = vehicles.as_string::<i32>().iter();
        let times = times.as_primitive::<TimestampMillisecondType>().values().iter();
        let lats = lats.as_primitive::<Float64Type>().values().iter();
        let lons = lons.as_primitive::<Float64Type>().values().iter();
        let rows = vehicles.zip(times).zip(lats.zip(lons));
        let ping = |((vehicle, &time), (&lat, &lon)): ((Option<&str>, _), (_, _))| {
            let vehicle = vehicle.expect("an id").to_owned();
            (vehicle, time, (e7(Some(lon)), e7(Some(lat))))
        };
        rows.map(ping).collect::<Vec<Ping>>()
    };
    reader.expect("Parquet").flat_map(|batch| pings_of_batch(batch.expect("whole"))).collect()
}
