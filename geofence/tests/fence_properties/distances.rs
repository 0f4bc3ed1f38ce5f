//! How far a place is from the nearest edge.

use geofence::Plane;
use proptest::prelude::*;

use crate::rings::{Corner, holed_star, origins, position, ring_edges, shape_of};

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn distances_are_those_of_a_scan(rings in holed_star(), origin in origins(), p in (-3.0..3.0_f64, -3.0..3.0_f64)) {
        let Some(shape) = shape_of(std::slice::from_ref(&rings), origin) else { return Ok(()) };
        let size = rings[0].iter().map(|c| c.0.abs().max(c.1.abs())).max().unwrap() as f64;
        let p = ((p.0 * size) as i64, (p.1 * size) as i64);
        prop_assume!((origin.1 + p.1).abs() < 800_000_000);
        let plane = Plane::at(position(p, origin));
        let metres = |corner: Corner| plane.offset_m(position(corner, origin));
        let nearest = rings.iter().flat_map(|ring| ring_edges(ring)).map(|(a, b)| {
            let (a, b) = (metres(a), metres(b));
            let (ex, ey) = (b.0 - a.0, b.1 - a.1);
            let t = (-(a.0 * ex + a.1 * ey) / (ex * ex + ey * ey)).clamp(0.0, 1.0);
            let (x, y) = (a.0 + t * ex, a.1 + t * ey);
            (x * x + y * y).sqrt()
        }).fold(f64::INFINITY, f64::min);
        let s = shape.signed_distance_m(position(p, origin));
        prop_assert!((s.abs() - nearest).abs() <= 0.000_51 + nearest * 1e-12, "{} {}", s, nearest);
        prop_assert!(s == 0.0 || (s > 0.0) == shape.contains(position(p, origin)));
    }
}
