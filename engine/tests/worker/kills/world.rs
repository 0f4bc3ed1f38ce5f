//! Six hours of city buses, and vehicles made up so that every kind of event
//! comes about: cut into rounds of a few seconds, some pings late.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rand::RngExt;
use rand::rngs::StdRng;
use serde_json::{Value, json};

use crate::support::ping;

const BUSES: &[u8] = include_bytes!("../../../data/austin/buses.csv.zst");
const NEIGHBOURHOODS: &str = include_str!("../../../data/austin/austin_neighborhoods.geojson");

/// Noon in Austin.
const START_MS: i64 = 1_441_558_800_000;
const HOURS: i64 = 6;
const ROUND_MS: i64 = 12_000;
/// Connections.
const PARTS: usize = 3;
/// Share of pings that come some rounds late.
const LATE: f64 = 0.05;
const ROUNDS_LATE_MAX: usize = 10;
/// One round in so many carries a ping that is refused.
const REJECT_EVERY: usize = 40;

/// Everything that is sent.
pub(super) struct World {
    /// NDJSON lines, by round and connection.
    pub(super) rounds: Vec<Vec<Vec<String>>>,
    /// Event time of each ping by its id.
    pub(super) pings: BTreeMap<String, i64>,
    /// The newest event time of each vehicle.
    pub(super) newest_ms: BTreeMap<String, i64>,
    /// Lines that are refused.
    pub(super) rejects: usize,
}

struct Fix {
    vehicle: String,
    t_ms: i64,
    lat: f64,
    lon: f64,
    speed_mps: Option<f64>,
    ignition: Option<bool>,
}

impl World {
    pub(super) fn new(random: &mut StdRng) -> Self {
        let count = (HOURS * 3_600_000 / ROUND_MS) as usize;
        let mut world = Self {
            rounds: vec![vec![Vec::new(); PARTS]; count],
            pings: BTreeMap::new(),
            newest_ms: BTreeMap::new(),
            rejects: 0,
        };
        let mut fixes = buses();
        fixes.extend((0..6).flat_map(idler));
        fixes.extend((0..5).flat_map(napper));
        fixes.sort_by(|a, b| (a.t_ms, &a.vehicle).cmp(&(b.t_ms, &b.vehicle)));
        for fix in fixes {
            world.add(&fix, random);
        }
        for round in (0..count).step_by(REJECT_EVERY) {
            world.rejects += 1;
            world.rounds[round][0].push(format!(r#"{{"vehicle_id":"no such id {round}"}}"#));
        }
        for round in &mut world.rounds {
            round.retain(|lines| !lines.is_empty());
        }
        world.rounds.retain(|round| !round.is_empty());
        world
    }

    fn add(&mut self, fix: &Fix, random: &mut StdRng) {
        let id = format!("p-{:06}", self.pings.len());
        let time = Timestamp::from_millisecond(fix.t_ms).expect("in range").to_string();
        let mut extra = format!(r#","ping_id":"{id}""#);
        if let Some(speed) = fix.speed_mps {
            extra += &format!(r#","speed_mps":{speed}"#);
        }
        if let Some(ignition) = fix.ignition {
            extra += &format!(r#","ignition":{ignition}"#);
        }
        let line = ping(&fix.vehicle, &time, fix.lon, fix.lat, &extra);

        let late =
            if random.random_bool(LATE) { random.random_range(1..=ROUNDS_LATE_MAX) } else { 0 };
        let round = ((fix.t_ms - START_MS) / ROUND_MS) as usize + late;
        let round = round.min(self.rounds.len() - 1);
        let part = fix.vehicle.bytes().map(usize::from).sum::<usize>() % PARTS;
        self.rounds[round][part].push(line);
        self.pings.insert(id, fix.t_ms);
        let newest = self.newest_ms.entry(fix.vehicle.clone()).or_insert(fix.t_ms);
        *newest = fix.t_ms.max(*newest);
    }

    /// The neighbourhoods and the depots of the made-up vehicles, as a file
    /// in `directory`.
    pub(super) fn write_fences(&self, directory: &Path) -> PathBuf {
        let mut fences: Value = serde_json::from_str(NEIGHBOURHOODS).expect("GeoJSON");
        let features = fences["features"].as_array_mut().expect("a collection");
        features.extend((0..11).map(|n| {
            let (lon, lat) = depot(n);
            let (w, e, s, north) = (lon - 0.001, lon + 0.001, lat - 0.001, lat + 0.001);
            json!({
                "type": "Feature",
                "id": format!("depot-{n}"),
                "properties": { "name": format!("Depot {n}") },
                "geometry": {
                    "type": "Polygon",
                    "coordinates": [[[w, s], [e, s], [e, north], [w, north], [w, s]]],
                },
            })
        }));
        let path = directory.join("fences.geojson");
        std::fs::write(&path, fences.to_string()).expect("writable");
        path
    }
}

fn buses() -> Vec<Fix> {
    let mut text = String::new();
    let mut decoder = zstd::Decoder::new(BUSES).expect("zstd");
    decoder.read_to_string(&mut text).expect("text");
    let mut rows = csv::Reader::from_reader(text.as_bytes());
    let headers = rows.headers().expect("headers").clone();
    let column = |name: &str| headers.iter().position(|header| header == name).expect("a column");
    let [vehicle, time, lat, lon, speed] =
        ["vehicle_id", "event_time", "lat", "lon", "speed_mps"].map(column);
    let fix = |row: csv::StringRecord| Fix {
        vehicle: row[vehicle].to_owned(),
        t_ms: row[time].parse::<Timestamp>().expect("a time").as_millisecond(),
        lat: row[lat].parse().expect("a latitude"),
        lon: row[lon].parse().expect("a longitude"),
        speed_mps: row[speed].parse().ok(),
        ignition: None,
    };
    let end = START_MS + HOURS * 3_600_000;
    let fixes = rows.records().map(|row| fix(row.expect("CSV")));
    fixes.filter(|fix| (START_MS..end).contains(&fix.t_ms)).collect()
}

/// Away from the buses.
fn depot(n: i64) -> (f64, f64) {
    (-97.5 + 0.02 * n as f64, 30.9)
}

/// Stands in its depot with the engine on for ten minutes of twenty, and
/// drives round outside for the others.
fn idler(n: i64) -> Vec<Fix> {
    let (lon, lat) = depot(n);
    let times = (0..HOURS * 120).map(|step| (step, START_MS + step * 30_000 + n * 1_700));
    times
        .map(|(step, t_ms)| {
            let standing = (step + 7 * n) % 40 < 20;
            Fix {
                vehicle: format!("idler-{n}"),
                t_ms,
                lat,
                lon: if standing { lon } else { lon + 0.004 + 0.001 * (step % 3) as f64 },
                speed_mps: Some(if standing { 0.0 } else { 9.0 }),
                ignition: Some(true),
            }
        })
        .collect()
}

/// Reports twice a minute for twenty minutes, then not at all for fifty.
fn napper(n: i64) -> Vec<Fix> {
    let (lon, lat) = depot(6 + n);
    let times = (0..HOURS * 120).map(|step| (step, START_MS + step * 30_000 + n * 2_300));
    times
        .filter(|(step, _)| (step + 23 * n) % 140 < 40)
        .map(|(step, t_ms)| Fix {
            vehicle: format!("napper-{n}"),
            t_ms,
            lat: lat + 0.0007 * (step % 4) as f64,
            lon,
            speed_mps: None,
            ignition: None,
        })
        .collect()
}
