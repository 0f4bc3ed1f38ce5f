//! Where a step is inside, against places along it.

use proptest::prelude::*;

use crate::rings::{Corner, Rings, origins, position, shape_of};
use crate::support::{at, fence};

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// A step of 60 equal strides from grid point to grid point: each of its
    /// points is in a stretch exactly when it is inside.
    #[test]
    fn stretches_agree_with_sampling(
        rings in proptest::collection::vec(proptest::collection::vec((0_i64..9, 0_i64..9), 3..9), 1..3),
        origin in origins(),
        from in (-2_i64..11, -2_i64..11),
        to in (-2_i64..11, -2_i64..11),
    ) {
        // Corners and ends on one coarse lattice, so that edges, corners and
        // steps fall on each other often.
        let at_60 = |(x, y): Corner| (x * 60, y * 60);
        let parts = [rings.iter().map(|r| r.iter().copied().map(at_60).collect()).collect::<Rings>()];
        let Some(shape) = shape_of(&parts, origin) else { return Ok(()) };
        let (start, end) = (at_60(from), at_60(to));
        let stretches = shape.inside_stretches(position(start, origin), position(end, origin));
        for pair in stretches.windows(2) {
            prop_assert!(pair[0].1 < pair[1].0, "sorted, disjoint, maximal: {:?}", stretches);
        }
        prop_assert!(stretches.iter().all(|&(a, b)| 0.0 <= a && a <= b && b <= 1.0));
        for k in 0..=60 {
            let p = (start.0 + (end.0 - start.0) / 60 * k, start.1 + (end.1 - start.1) / 60 * k);
            let t = k as f64 / 60.0;
            let held = stretches.iter().any(|&(a, b)| a - 1e-12 <= t && t <= b + 1e-12);
            prop_assert_eq!(held, shape.contains(position(p, origin)), "at {} of {:?}", t, stretches);
        }
    }

    /// Circles and corridors, whose stretches are searched for.
    #[test]
    fn stretches_of_round_shapes_agree_with_sampling(
        radius_m in prop_oneof![1.0..100.0_f64, 100.0..5_000.0, 5_000.0..300_000.0],
        line in proptest::collection::vec((-3.0..3.0_f64, -3.0..3.0_f64), 1..5),
        from in (-5.0..5.0_f64, -5.0..5.0_f64),
        to in (-5.0..5.0_f64, -5.0..5.0_f64),
        (lon, lat) in (-180.0..180.0_f64, -80.0..80.0_f64),
    ) {
        // Everything in radii round the place.
        let unit = radius_m / 111_000.0;
        let place = |&(x, y): &(f64, f64)| {
            let lon = lon + x * unit / libm::cos(lat.to_radians());
            at((lon + 540.0).rem_euclid(360.0) - 180.0, (lat + y * unit).clamp(-90.0, 90.0))
        };
        let corners: Vec<String> = line.iter().map(place).map(|p| format!("[{},{}]", p.lon_deg(), p.lat_deg())).collect();
        let shape = if let [center] = &corners[..] {
            fence("Point", center, &format!(r#","radius_m":{radius_m}"#)).shape
        } else {
            fence("LineString", &format!("[{}]", corners.join(",")), &format!(r#","half_width_m":{radius_m}"#)).shape
        };
        let (start, end) = (place(&from), place(&to));
        let stretches = shape.inside_stretches(start, end);
        let starts_inside = stretches.first().is_some_and(|s| s.0 == 0.0);
        prop_assert_eq!(starts_inside, shape.contains(start));
        prop_assert_eq!(stretches.last().is_some_and(|s| s.1 == 1.0), shape.contains(end));
        let by = (short(i64::from(end.lon) - i64::from(start.lon)), i64::from(end.lat) - i64::from(start.lat));
        for k in 0..=100 {
            let t = f64::from(k) / 100.0;
            let (x, y) = (start.lon as f64 + t * by.0 as f64, start.lat as f64 + t * by.1 as f64);
            let p = position((x.round() as i64, y.round() as i64), (0, 0));
            // Rounding to the grid moves the sample by up to 8 mm.
            if shape.signed_distance_m(p).abs() > 0.02 {
                let held = stretches.iter().any(|&(a, b)| a <= t && t <= b);
                prop_assert_eq!(held, shape.contains(p), "at {} of {:?}", t, stretches);
            }
        }
    }
}

fn short(delta: i64) -> i64 {
    (delta + 1_800_000_000).rem_euclid(3_600_000_000) - 1_800_000_000
}
