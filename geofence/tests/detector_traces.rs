//! Profile plain on days that others recorded, against a scan over all fences
//! ping by ping: own reading of the GeoJSON numbers, own point in polygon, no
//! index. The enters and exits must be the same, one by one.
//!
//! The San Francisco day lies in the shared data (`FLEETSTREAM_SHARED_DATA`,
//! else `shared/data` beside the workspace); without it that test says so and
//! checks nothing.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the core does no IO, its tests read files"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use geofence::{Input, Ping, Position, TimeMs, parse_fences};
use serde_json::Value;

use support::pings::ping_ms;
use support::shard::{Shard, kind, plain, run};

/// (vehicle, time in ms, fence, whether it is an enter).
type Transition = (String, i64, String, bool);

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn shared_data() -> Option<PathBuf> {
    let beside = || workspace().parent().unwrap().join("shared/data");
    let root = std::env::var_os("FLEETSTREAM_SHARED_DATA").map_or_else(beside, PathBuf::from);
    root.is_dir().then_some(root)
}

#[test]
fn a_day_of_austins_buses() {
    let data = workspace().join("engine/data/austin");
    let packed = fs::read(data.join("buses.csv.zst")).unwrap();
    let csv = zstd::decode_all(packed.as_slice()).unwrap();
    let fences = fs::read(data.join("austin_neighborhoods.geojson")).unwrap();
    let compared = compare(&csv, &fences);
    assert!(compared > 25_000, "{compared} transitions");
}

#[test]
fn a_day_of_san_franciscos_cabs() {
    let Some(data) = shared_data() else {
        eprintln!("skipped: no shared data; set FLEETSTREAM_SHARED_DATA");
        return;
    };
    let packed = fs::read(data.join("traces/sf_cabs_a_2008-05-22.csv.gz")).unwrap();
    let mut csv = Vec::new();
    flate2::read::MultiGzDecoder::new(packed.as_slice()).read_to_end(&mut csv).unwrap();
    for (name, least) in [
        ("sf_analysis_neighborhoods", 60_000),
        ("sf_census_tracts_2010", 150_000),
        ("bay_area_counties_and_neighborhoods", 3_000),
    ] {
        let path = data.join("fences").join(name).with_extension("geojson");
        let compared = compare(&csv, &fs::read(path).unwrap());
        assert!(compared > least, "{name}: {compared} transitions");
    }
}

/// Plays the trace both ways and returns how many transitions agree.
fn compare(csv: &[u8], geojson: &[u8]) -> usize {
    let pings = read_pings(csv);
    let mut found: Vec<Transition> = detected(&pings, geojson);
    let mut expected: Vec<Transition> = scanned(&pings, &read_fences(geojson));
    found.sort_unstable();
    expected.sort_unstable();
    if found != expected {
        let found: BTreeSet<_> = found.into_iter().collect();
        let expected: BTreeSet<_> = expected.into_iter().collect();
        let missing: Vec<_> = expected.difference(&found).take(10).collect();
        let surplus: Vec<_> = found.difference(&expected).take(10).collect();
        panic!("missing {missing:?}, surplus {surplus:?}");
    }
    found.len()
}

fn read_pings(csv: &[u8]) -> Vec<Ping> {
    let mut reader = csv::Reader::from_reader(csv);
    let columns = reader.headers().unwrap().clone();
    let column = |name: &str| columns.iter().position(|column| column == name).unwrap();
    let (vehicle, time) = (column("vehicle_id"), column("event_time"));
    let (lat, lon) = (column("lat"), column("lon"));
    reader
        .records()
        .map(|row| {
            let row = row.unwrap();
            let degrees = |i: usize| row[i].parse::<f64>().unwrap();
            ping_ms(epoch_ms(&row[time]), degrees(lon), degrees(lat))
                .of(&row[vehicle])
                .accuracy(None)
                .done()
        })
        .collect()
}

/// `2008-05-22T07:00:01Z` as milliseconds since the epoch. Days from civil
/// dates after H. Hinnant, "chrono-compatible low-level date algorithms".
fn epoch_ms(text: &str) -> i64 {
    let field = |from: usize, to: usize| text[from..to].parse::<i64>().unwrap();
    let (year, month, day) = (field(0, 4), field(5, 7), field(8, 10));
    let y = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let era = y.div_euclid(400);
    let year_of_era = y - era * 400;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = era * 146_097 + day_of_era - 719_468;
    assert_eq!(&text[19..], "Z");
    (((days * 24 + field(11, 13)) * 60 + field(14, 16)) * 60 + field(17, 19)) * 1000
}

fn detected(pings: &[Ping], geojson: &[u8]) -> Vec<Transition> {
    let mut shard = Shard::new(plain(), parse_fences(geojson).unwrap().set);
    for batch in pings.chunks(10_000) {
        let now = batch.last().unwrap().receive_time;
        shard.apply(&[Input::Pings(run(batch.to_vec()))], now);
    }
    let last = pings.iter().map(|ping| ping.event_time).max().unwrap_or(TimeMs::MIN);
    shard.apply(&[Input::End { end: last }], last);
    shard
        .fold
        .events()
        .into_iter()
        .filter(|event| ["enter", "exit"].contains(&kind(event)))
        .map(|event| {
            let enter = kind(&event) == "enter";
            (event.vehicle_id.into(), event.event_time_ms, event.fence_id.into(), enter)
        })
        .collect()
}

/// A fence as GeoJSON has it: polygons of rings of (lon, lat), 1e-7 degrees.
struct Scanned {
    id: String,
    polygons: Vec<Vec<Vec<(i64, i64)>>>,
    bounds: [i64; 4],
}

fn read_fences(geojson: &[u8]) -> Vec<Scanned> {
    let collection: Value = serde_json::from_slice(geojson).unwrap();
    let features = collection["features"].as_array().unwrap();
    features
        .iter()
        .map(|feature| {
            let geometry = &feature["geometry"];
            let coordinates = &geometry["coordinates"];
            let polygons: Vec<_> = match geometry["type"].as_str().unwrap() {
                "Polygon" => vec![polygon(coordinates)],
                "MultiPolygon" => coordinates.as_array().unwrap().iter().map(polygon).collect(),
                other => panic!("{other}"),
            };
            let points = || polygons.iter().flatten().flatten();
            let bounds = [
                points().map(|p| p.0).min().unwrap(),
                points().map(|p| p.1).min().unwrap(),
                points().map(|p| p.0).max().unwrap(),
                points().map(|p| p.1).max().unwrap(),
            ];
            Scanned { id: feature["id"].as_str().unwrap().to_owned(), polygons, bounds }
        })
        .collect()
}

fn polygon(rings: &Value) -> Vec<Vec<(i64, i64)>> {
    let unit = |value: &Value| (value.as_f64().unwrap() * 1e7).round() as i64;
    let point = |point: &Value| (unit(&point[0]), unit(&point[1]));
    let ring = |ring: &Value| ring.as_array().unwrap().iter().map(point).collect();
    rings.as_array().unwrap().iter().map(ring).collect()
}

impl Scanned {
    /// Inside some polygon or on an edge of it; not inside a hole.
    fn holds(&self, p: Position) -> bool {
        let (x, y) = (i64::from(p.lon), i64::from(p.lat));
        let [west, south, east, north] = self.bounds;
        if x < west || x > east || y < south || y > north {
            return false;
        }
        self.polygons.iter().any(|rings| {
            let sides: Vec<Side> = rings.iter().map(|ring| side(ring, x, y)).collect();
            let in_hole = sides[1..].contains(&Side::Inside);
            sides.contains(&Side::Edge) || (sides[0] == Side::Inside && !in_hole)
        })
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Side {
    Inside,
    Edge,
    Outside,
}

/// By winding number, in exact integers.
fn side(ring: &[(i64, i64)], x: i64, y: i64) -> Side {
    let mut winding = 0;
    for edge in ring.windows(2) {
        let ((ax, ay), (bx, by)) = (edge[0], edge[1]);
        let cross =
            i128::from(bx - ax) * i128::from(y - ay) - i128::from(x - ax) * i128::from(by - ay);
        let between = |a: i64, b: i64, v: i64| a.min(b) <= v && v <= a.max(b);
        if cross == 0 && between(ax, bx, x) && between(ay, by, y) {
            return Side::Edge;
        }
        if ay <= y && by > y && cross > 0 {
            winding += 1;
        }
        if ay > y && by <= y && cross < 0 {
            winding -= 1;
        }
    }
    if winding == 0 { Side::Outside } else { Side::Inside }
}

/// Every ping of every vehicle against every fence.
fn scanned(pings: &[Ping], fences: &[Scanned]) -> Vec<Transition> {
    let mut by_vehicle: BTreeMap<&str, BTreeMap<i64, &Ping>> = BTreeMap::new();
    for ping in pings {
        let fixes = by_vehicle.entry(&ping.vehicle_id).or_default();
        assert!(fixes.insert(ping.event_time.0, ping).is_none(), "one ping a time here");
    }
    let mut transitions = Vec::new();
    for (vehicle, fixes) in by_vehicle {
        let mut before: BTreeSet<&str> = BTreeSet::new();
        for (t, fix) in fixes {
            let now: BTreeSet<&str> = fences
                .iter()
                .filter(|fence| fence.holds(fix.position))
                .map(|fence| fence.id.as_str())
                .collect();
            for id in now.symmetric_difference(&before) {
                transitions.push((vehicle.to_owned(), t, (*id).to_owned(), now.contains(id)));
            }
            before = now;
        }
    }
    transitions
}
