//! Short ways to write fences and positions in tests.
#![allow(
    clippy::unwrap_used,
    dead_code,
    missing_docs,
    unreachable_pub,
    reason = "each test binary uses a part of it"
)]

use geofence::{Fence, FenceSet, Parsed, Position, Shape, parse_fences};

pub mod capture;
pub mod pings;
pub mod shard;

pub fn at(lon: f64, lat: f64) -> Position {
    Position::from_degrees(lat, lon).unwrap()
}

/// A collection of features, each written as GeoJSON.
pub fn collection(features: &[String]) -> String {
    format!(r#"{{"type":"FeatureCollection","features":[{}]}}"#, features.join(","))
}

/// A feature with further properties, written as `,"key":value`.
pub fn feature(id: &str, kind: &str, coordinates: &str, properties: &str) -> String {
    format!(
        r#"{{"type":"Feature","id":"{id}","properties":{{"name":"{id}"{properties}}},
            "geometry":{{"type":"{kind}","coordinates":{coordinates}}}}}"#
    )
}

pub fn parse(features: &[String]) -> Parsed {
    parse_fences(collection(features).as_bytes()).unwrap()
}

/// The one fence of a geometry that needs no repair.
pub fn fence(kind: &str, coordinates: &str, properties: &str) -> Fence {
    let parsed = parse(&[feature("f", kind, coordinates, properties)]);
    assert_eq!((&parsed.refusals, &parsed.repairs), (&vec![], &vec![]));
    parsed.set.fences()[0].clone()
}

pub fn polygon(coordinates: &str) -> Shape {
    fence("Polygon", coordinates, "").shape
}

pub fn multi(coordinates: &str) -> Shape {
    fence("MultiPolygon", coordinates, "").shape
}

pub fn circle(lon: f64, lat: f64, radius_m: f64) -> Shape {
    fence("Point", &format!("[{lon},{lat}]"), &format!(r#","radius_m":{radius_m}"#)).shape
}

pub fn corridor(line: &str, half_width_m: f64) -> Shape {
    fence("LineString", line, &format!(r#","half_width_m":{half_width_m}"#)).shape
}

/// A closed rectangle, counter-clockwise.
pub fn ring(west: f64, south: f64, east: f64, north: f64) -> String {
    format!(
        "[[{west},{south}],[{east},{south}],[{east},{north}],[{west},{north}],[{west},{south}]]"
    )
}

pub fn set(features: &[String]) -> FenceSet {
    let parsed = parse(features);
    assert_eq!((&parsed.refusals, &parsed.repairs), (&vec![], &vec![]));
    parsed.set
}

/// A rectangle from west, south, east and north, with further properties.
pub fn rectangle(id: &str, [w, s, e, n]: [f64; 4], properties: &str) -> String {
    feature(id, "Polygon", &format!("[{}]", ring(w, s, e, n)), properties)
}

/// SQ as the only fence, named `sq`, with further properties.
pub fn only_sq(properties: &str) -> FenceSet {
    set(&[rectangle("sq", [10.0, 50.0, 10.01, 50.01], properties)])
}

// The specification's fixtures.

pub fn sq() -> Shape {
    polygon(&format!("[{}]", ring(10.0, 50.0, 10.01, 50.01)))
}

pub fn sm() -> Shape {
    circle(10.02, 50.005, 50.0)
}

pub fn ho() -> Shape {
    polygon(&format!(
        "[{},{}]",
        ring(20.0, 50.0, 20.01, 50.01),
        ring(20.004, 50.004, 20.006, 50.006)
    ))
}

pub fn co() -> Shape {
    corridor("[[30,50],[30.02,50]]", 30.0)
}

/// AM as one ring that steps across the antimeridian.
pub fn am() -> Shape {
    polygon(
        "[[[179.995,-17.005],[-179.995,-17.005],[-179.995,-16.995],[179.995,-16.995],[179.995,-17.005]]]",
    )
}

/// AM cut in two at ±180.
pub fn am_cut() -> Shape {
    multi(&format!(
        "[[{}],[{}]]",
        ring(179.995, -17.005, 180.0, -16.995),
        ring(-180.0, -17.005, -179.995, -16.995)
    ))
}
