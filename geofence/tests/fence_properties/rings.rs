//! Rings round an origin, as text and as shapes, and the slow and obvious
//! reading of them.

use geofence::{Position, Shape};
use proptest::prelude::*;

use crate::support::{feature, parse};

pub(crate) type Corner = (i64, i64);
pub(crate) type Rings = Vec<Vec<Corner>>;

/// Parts of rings, in 1e-7 degrees round an origin, as GeoJSON coordinates.
pub(crate) fn coordinates(parts: &[Rings], origin: Corner) -> String {
    let degrees = |units: i64| {
        format!(
            "{}{}.{:07}",
            if units < 0 { "-" } else { "" },
            units.abs() / 10_000_000,
            units.abs() % 10_000_000
        )
    };
    let position = |&(x, y): &Corner| {
        let lon = (origin.0 + x + 1_800_000_000).rem_euclid(3_600_000_000) - 1_800_000_000;
        format!("[{},{}]", degrees(lon), degrees(origin.1 + y))
    };
    let ring = |corners: &Vec<Corner>| {
        let closed: Vec<String> = corners.iter().chain(corners.first()).map(position).collect();
        format!("[{}]", closed.join(","))
    };
    let part =
        |rings: &Rings| format!("[{}]", rings.iter().map(ring).collect::<Vec<_>>().join(","));
    format!("[{}]", parts.iter().map(part).collect::<Vec<_>>().join(","))
}

/// The shape of parts, whatever had to be mended; `None` if it was refused.
pub(crate) fn shape_of(parts: &[Rings], origin: Corner) -> Option<Shape> {
    let parsed = parse(&[feature("f", "MultiPolygon", &coordinates(parts, origin), "")]);
    parsed.set.fences().first().map(|fence| fence.shape.clone())
}

pub(crate) fn position((x, y): Corner, origin: Corner) -> Position {
    let lon = (origin.0 + x + 1_800_000_000).rem_euclid(3_600_000_000) - 1_800_000_000;
    Position { lat: (origin.1 + y) as i32, lon: lon as i32 }
}

// The oracle: 128-bit integers, every edge, no cleverness.

pub(crate) fn cross(a: Corner, b: Corner, p: Corner) -> i128 {
    i128::from(b.0 - a.0) * i128::from(p.1 - a.1) - i128::from(b.1 - a.1) * i128::from(p.0 - a.0)
}

pub(crate) fn ring_edges(ring: &[Corner]) -> impl Iterator<Item = (Corner, Corner)> {
    (0..ring.len()).map(|i| (ring[i], ring[(i + 1) % ring.len()]))
}

fn on_ring(ring: &[Corner], p: Corner) -> bool {
    ring_edges(ring).any(|(a, b)| {
        cross(a, b, p) == 0
            && p.0 >= a.0.min(b.0)
            && p.0 <= a.0.max(b.0)
            && p.1 >= a.1.min(b.1)
            && p.1 <= a.1.max(b.1)
    })
}

/// Turns of the ring round a place not on it (a horizontal ray, eastwards).
fn winding(ring: &[Corner], p: Corner) -> i32 {
    ring_edges(ring)
        .map(|(a, b)| match (a.1 <= p.1, b.1 <= p.1) {
            (true, false) if cross(a, b, p) > 0 => 1,
            (false, true) if cross(a, b, p) < 0 => -1,
            _ => 0,
        })
        .sum()
}

/// The closed union of parts, each ring nonzero.
pub(crate) fn oracle_holds(parts: &[Rings], p: Corner) -> bool {
    parts.iter().any(|rings| {
        let around = |ring: &Vec<Corner>| on_ring(ring, p) || winding(ring, p) != 0;
        let within = |ring: &Vec<Corner>| !on_ring(ring, p) && winding(ring, p) != 0;
        around(&rings[0]) && !rings[1..].iter().any(within)
    })
}

/// A simple ring round (0, 0): corners at rising angles.
fn star(
    corners: usize,
    radius: std::ops::Range<f64>,
    clockwise: bool,
) -> impl Strategy<Value = Vec<Corner>> {
    proptest::collection::vec(radius, corners).prop_map(move |radii| {
        let count = radii.len() as f64;
        let mut ring: Vec<Corner> = (0..radii.len())
            .map(|k| {
                let (sin, cos) = libm::sincos(k as f64 / count * std::f64::consts::TAU);
                ((radii[k] * cos) as i64, (radii[k] * sin) as i64)
            })
            .collect();
        if clockwise {
            ring.reverse();
        }
        ring
    })
}

/// A star with a star for a hole, from a few metres to continents wide.
pub(crate) fn holed_star() -> impl Strategy<Value = Rings> {
    (3_usize..40, 3_usize..12, any::<(bool, bool)>(), 0_u32..7).prop_flat_map(
        |(outer, inner, (a, b), size)| {
            let unit = 100.0 * [1.0, 10.0, 100.0, 1e3, 1e4, 1e5, 1e6][size as usize];
            // Between corners a ring comes as near as half its radius and less.
            let hole = 0.4 * libm::cos(std::f64::consts::PI / outer as f64);
            let hole = star(inner, 0.2 * hole * unit..hole * unit, b);
            (star(outer, unit * 0.5..unit * 2.0, a), hole)
                .prop_map(|(outer, hole)| vec![outer, hole])
        },
    )
}

pub(crate) fn origins() -> impl Strategy<Value = Corner> {
    prop_oneof![
        Just((100_000_000, 500_000_000)),
        Just((1_800_000_000, -170_000_000)),
        Just((-1_799_999_950, 10)),
        (-1_800_000_000_i64..1_800_000_000, -600_000_000_i64..600_000_000),
    ]
}
