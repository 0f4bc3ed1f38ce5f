//! A city of star-shaped fences.

use std::f64::consts::TAU;
use std::fmt::Write as _;
use std::ops::RangeInclusive;

use geofence::{E7, FenceSet, parse_fences};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// South-western corner, degrees (lon, lat).
pub const CORNER: (f64, f64) = (13.0, 52.3);
/// Extent, degrees (lon, lat): about 50 by 55 km.
pub const EXTENT: (f64, f64) = (0.74, 0.5);

/// Share of the city that all fences together cover, places under two counted
/// twice: how many fences a place lies in, on average.
const COVER: f64 = 1.25;

/// A ring, (lon, lat) in degrees, its first corner not repeated.
pub type Ring = Vec<(f64, f64)>;

/// `count` star polygons of 20 to 200 corners, the smaller the more there are,
/// so that a place lies in one or two of them whatever their number.
#[must_use]
pub fn rings(count: usize, seed: u64) -> Vec<Ring> {
    rings_of(count, 20..=200, seed)
}

/// The same with so many corners each.
#[must_use]
pub fn rings_of(count: usize, corners: RangeInclusive<u32>, seed: u64) -> Vec<Ring> {
    let mut random = StdRng::seed_from_u64(seed);
    let mean_radius = (COVER / (count as f64 * 2.0)).sqrt();
    let star = |_| {
        let corners = random.random_range(corners.clone());
        let at = (random.random::<f64>(), random.random::<f64>());
        let radius = mean_radius * random.random_range(0.5..1.5);
        let corner = |k| {
            let angle = TAU * f64::from(k) / f64::from(corners);
            let reach = radius * random.random_range(0.6..1.0);
            let (x, y) = (at.0 + reach * angle.cos(), at.1 + reach * angle.sin());
            (on_grid(CORNER.0 + EXTENT.0 * x), on_grid(CORNER.1 + EXTENT.1 * y))
        };
        (0..corners).map(corner).collect()
    };
    (0..count).map(star).collect()
}

/// Degrees, rounded to the grid of the engine.
#[must_use]
pub fn on_grid(degrees: f64) -> f64 {
    (degrees * E7).round() / E7
}

/// The fences of `rings`, numbered in their order.
///
/// # Panics
/// If one of the rings is no fence.
#[must_use]
pub fn fence_set(rings: &[Ring]) -> FenceSet {
    let parsed = parse_fences(geojson(rings).as_bytes()).expect("star polygons are fences");
    assert_eq!(parsed.set.fences().len(), rings.len());
    parsed.set
}

/// The fences of `rings` as GeoJSON.
#[must_use]
pub fn geojson(rings: &[Ring]) -> String {
    let mut text = String::from(r#"{"type":"FeatureCollection","features":["#);
    for (index, ring) in rings.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        let _ = write!(text, r#"{comma}{{"type":"Feature","id":"fence-{index:06}","#);
        text.push_str(r#""properties":{},"geometry":{"type":"Polygon","coordinates":[["#);
        for (lon, lat) in ring.iter().chain(ring.first()) {
            let _ = write!(text, "[{lon:.7},{lat:.7}],");
        }
        text.pop();
        text.push_str("]]}}");
    }
    text.push_str("]}");
    text
}
