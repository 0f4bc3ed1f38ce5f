//! Real administrative fences, where they are at hand: every file is read
//! without a refusal, and sides agree with the `geo` crate's predicates.

#![allow(clippy::unwrap_used, reason = "functions that tests call are tests")]
#![allow(clippy::disallowed_methods, reason = "tests read files, the core does not")]

mod support;

use std::fs;
use std::path::PathBuf;

use geo::{
    Coord, CoordinatePosition, LineString, MultiPolygon, Polygon, coordinate_position::CoordPos,
};
use geofence::{Position, parse_fences};
use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};
use serde_json::Value;

/// The folder of shared data: `FLEETSTREAM_SHARED_DATA`, else `shared/data`
/// beside the workspace.
fn shared_data() -> PathBuf {
    std::env::var_os("FLEETSTREAM_SHARED_DATA").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"),
        PathBuf::from,
    )
}

fn fence_files() -> Vec<PathBuf> {
    let Ok(folder) = fs::read_dir(shared_data().join("fences")) else {
        println!("skipped: no fences under the shared data");
        return Vec::new();
    };
    let mut files: Vec<PathBuf> = folder
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "geojson"))
        .collect();
    files.sort();
    files
}

/// A geometry as `geo` reads it, in whole units of 1e-7 degree.
fn geo_shape(geometry: &Value) -> MultiPolygon<f64> {
    let units = |v: &Value| (v.as_f64().unwrap() * 1e7).round();
    let ring = |r: &Value| -> LineString<f64> {
        r.as_array().unwrap().iter().map(|p| Coord { x: units(&p[0]), y: units(&p[1]) }).collect()
    };
    let polygon = |p: &Value| {
        let mut rings: Vec<LineString<f64>> = p.as_array().unwrap().iter().map(ring).collect();
        Polygon::new(rings.remove(0), rings)
    };
    let coordinates = &geometry["coordinates"];
    match geometry["type"].as_str().unwrap() {
        "Polygon" => MultiPolygon(vec![polygon(coordinates)]),
        _ => MultiPolygon(coordinates.as_array().unwrap().iter().map(polygon).collect()),
    }
}

/// Positions about a shape: in its box, next to its corners, on them.
fn probes(shape: &MultiPolygon<f64>, rng: &mut impl Rng) -> Vec<Position> {
    let corners: Vec<Coord<f64>> =
        shape.iter().flat_map(|p| p.exterior().coords().copied()).collect();
    let span = |axis: fn(&Coord<f64>) -> f64| {
        let values = corners.iter().map(axis);
        (values.clone().fold(f64::INFINITY, f64::min), values.fold(f64::NEG_INFINITY, f64::max))
    };
    let ((west, east), (south, north)) = (span(|c| c.x), span(|c| c.y));
    let mut probes: Vec<Position> = (0..150)
        .map(|_| Position {
            lat: rng.random_range(south as i32..=north as i32),
            lon: rng.random_range(west as i32..=east as i32),
        })
        .collect();
    for _ in 0..100 {
        let corner = corners[rng.random_range(0..corners.len())];
        let off = [0, 1, 20, 1_000][rng.random_range(0..4)];
        let lat = corner.y as i32 + rng.random_range(-off..=off);
        let lon = corner.x as i32 + rng.random_range(-off..=off);
        if lat.abs() <= 900_000_000 && i64::from(lon).abs() <= 1_800_000_000 {
            probes.push(Position { lat, lon });
        }
    }
    probes
}

#[test]
fn every_file_is_read_whole_and_written_back_equal() {
    for path in fence_files() {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let bytes = fs::read(&path).unwrap();
        let document: Value = serde_json::from_slice(&bytes).unwrap();
        let parsed = parse_fences(&bytes).unwrap();
        assert_eq!(parsed.refusals, [], "{name}");
        assert_eq!(parsed.set.fences().len(), document["features"].as_array().unwrap().len());
        println!("{name}: {} fences, {} repairs", parsed.set.fences().len(), parsed.repairs.len());
        for note in &parsed.repairs {
            println!("  {}: {}", note.fence, note.message);
        }

        let canonical = parsed.set.to_canonical_json();
        let again = parse_fences(&canonical).unwrap();
        assert_eq!((&again.refusals, &again.repairs), (&vec![], &vec![]), "{name}");
        assert!(again.set == parsed.set, "{name}");
        assert!(again.set.to_canonical_json() == canonical, "{name}");
    }
}

#[test]
fn sides_agree_with_geo() {
    let mut rng = StdRng::seed_from_u64(7);
    for path in fence_files() {
        let bytes = fs::read(&path).unwrap();
        let document: Value = serde_json::from_slice(&bytes).unwrap();
        let set = parse_fences(&bytes).unwrap().set;
        let (mut asked, mut inside, mut found) = (0, 0, Vec::new());
        for feature in document["features"].as_array().unwrap() {
            let index = set.position_of(feature["id"].as_str().unwrap()).unwrap();
            let shape = &set.fences()[index as usize].shape;
            let reference = geo_shape(&feature["geometry"]);
            for p in probes(&reference, &mut rng) {
                let at = Coord { x: f64::from(p.lon), y: f64::from(p.lat) };
                // Part by part: where two parts meet in a corner, geo takes
                // the boundary of the whole to be no boundary.
                let side = |part: &Polygon<f64>| part.coordinate_position(&at);
                let expected = reference.iter().any(|part| side(part) != CoordPos::Outside);
                assert_eq!(shape.contains(p), expected, "{} at {p:?}", feature["id"]);
                set.containing(p, &mut found);
                assert_eq!(found.contains(&index), expected, "{} at {p:?}", feature["id"]);
                asked += 1;
                inside += u32::from(expected);
            }
        }
        println!("{}: {asked} positions, {inside} inside", path.file_name().unwrap().display());
        assert!(inside > asked / 4 && inside < asked);
    }
}
