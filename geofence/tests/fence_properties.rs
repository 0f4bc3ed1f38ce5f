//! Laws: shapes against slow and obvious readings of the same rings, steps
//! against sampling, the index against a scan of all fences.

#![allow(clippy::unwrap_used, reason = "functions that tests call are tests")]

mod support;

use std::collections::BTreeMap;

use geofence::{Fence, FenceSet, FenceSettings, Plane, Position, Shape};
use proptest::prelude::*;
use support::*;

type Corner = (i64, i64);
type Rings = Vec<Vec<Corner>>;

/// Parts of rings, in 1e-7 degrees round an origin, as GeoJSON coordinates.
fn coordinates(parts: &[Rings], origin: Corner) -> String {
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
fn shape_of(parts: &[Rings], origin: Corner) -> Option<Shape> {
    let parsed = parse(&[feature("f", "MultiPolygon", &coordinates(parts, origin), "")]);
    parsed.set.fences().first().map(|fence| fence.shape.clone())
}

fn position((x, y): Corner, origin: Corner) -> Position {
    let lon = (origin.0 + x + 1_800_000_000).rem_euclid(3_600_000_000) - 1_800_000_000;
    Position { lat: (origin.1 + y) as i32, lon: lon as i32 }
}

// The oracle: 128-bit integers, every edge, no cleverness.

fn cross(a: Corner, b: Corner, p: Corner) -> i128 {
    i128::from(b.0 - a.0) * i128::from(p.1 - a.1) - i128::from(b.1 - a.1) * i128::from(p.0 - a.0)
}

fn ring_edges(ring: &[Corner]) -> impl Iterator<Item = (Corner, Corner)> {
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
fn oracle_holds(parts: &[Rings], p: Corner) -> bool {
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
fn holed_star() -> impl Strategy<Value = Rings> {
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

fn origins() -> impl Strategy<Value = Corner> {
    prop_oneof![
        Just((100_000_000, 500_000_000)),
        Just((1_800_000_000, -170_000_000)),
        Just((-1_799_999_950, 10)),
        (-1_800_000_000_i64..1_800_000_000, -600_000_000_i64..600_000_000),
    ]
}

/// Places worth asking about: corners, middles of edges, lattice neighbours of
/// both, and anywhere in the box.
fn probes(rings: &Rings) -> Vec<Corner> {
    let mut probes = Vec::new();
    for ring in rings {
        for (a, b) in ring_edges(ring) {
            let middle = ((a.0 + b.0) / 2, (a.1 + b.1) / 2);
            for (x, y) in [a, middle, (a.0, b.1)] {
                probes.extend([(x, y), (x + 1, y), (x, y - 1), (x - 2, y + 1)]);
            }
        }
    }
    probes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sides_are_those_of_the_oracle(rings in holed_star(), origin in origins()) {
        let parts = [rings.clone()];
        if let Some(shape) = shape_of(&parts, origin) {
            for p in probes(&rings) {
                prop_assert_eq!(shape.contains(position(p, origin)), oracle_holds(&parts, p), "{:?}", p);
            }
        }
    }

    /// Any scribble of parts and holes is read as the oracle reads it, but for
    /// places within two units of an edge, which rounding may move.
    #[test]
    fn scribbles_are_read_nonzero(
        parts in proptest::collection::vec(
            proptest::collection::vec(
                proptest::collection::vec((0_i64..12, 0_i64..12), 3..9), 1..4), 1..4),
        origin in origins(),
        probes in proptest::collection::vec((-500_i64..12_500, -500_i64..12_500), 200),
    ) {
        let scaled = |ring: &Vec<Corner>| ring.iter().map(|&(x, y)| (x * 1000, y * 1000)).collect();
        let parts: Vec<Rings> = parts.iter().map(|rings| rings.iter().map(scaled).collect()).collect();
        // Rings of fewer than three places are refused or dropped.
        let distinct = |ring: &Vec<Corner>| {
            ring.iter().collect::<std::collections::BTreeSet<_>>().len() >= 3
        };
        prop_assume!(parts.iter().flatten().all(distinct));
        let near_edge = |p: Corner| parts.iter().flatten().any(|ring| {
            ring_edges(ring).any(|(a, b)| {
                let length2 = i128::from((b.0 - a.0).pow(2) + (b.1 - a.1).pow(2));
                cross(a, b, p).pow(2) <= 9 * length2.max(1)
            })
        });
        let shape = shape_of(&parts, origin);
        for p in probes.into_iter().filter(|&p| !near_edge(p)) {
            let found = shape.as_ref().is_some_and(|shape| shape.contains(position(p, origin)));
            prop_assert_eq!(found, oracle_holds(&parts, p), "{:?}", p);
        }
    }

    /// What was mended is written and read again as the same fence, with
    /// nothing left to mend.
    #[test]
    fn mended_fences_come_back_equal(
        parts in proptest::collection::vec(
            proptest::collection::vec(
                proptest::collection::vec((0_i64..12, 0_i64..12), 3..9), 1..4), 1..4),
        origin in origins(),
        unit in prop_oneof![Just(1_i64), Just(7), Just(100_000), Just(30_000_000)],
    ) {
        let scaled = |ring: &Vec<Corner>| ring.iter().map(|&(x, y)| (x * unit, y * unit)).collect();
        let parts: Vec<Rings> = parts.iter().map(|rings| rings.iter().map(scaled).collect()).collect();
        prop_assume!(origin.1.abs() + 12 * unit < 900_000_000);
        let first = parse(&[feature("f", "MultiPolygon", &coordinates(&parts, origin), "")]);
        let again = geofence::parse_fences(&first.set.to_canonical_json()).unwrap();
        prop_assert_eq!(&again.refusals, &vec![]);
        prop_assert_eq!(&again.repairs, &vec![]);
        prop_assert!(again.set == first.set);
        prop_assert_eq!(again.set.hash(), first.set.hash());
    }

    /// Rings about the antimeridian, whose places have the longitude 180 or −180.
    #[test]
    fn places_on_the_antimeridian_may_have_either_longitude(
        ring in proptest::collection::vec((-3_i64..4, 0_i64..7, any::<bool>()), 3..9),
    ) {
        let written = |either: bool| {
            let position = |&(x, y, east): &(i64, i64, bool)| match x {
                0 => format!("[{},{y}]", if east && either { 180 } else { -180 }),
                x => format!("[{},{y}]", if x < 0 { 180 + x } else { x - 180 }),
            };
            let closed: Vec<_> = ring.iter().chain(ring.first()).map(position).collect();
            parse(&[feature("f", "Polygon", &format!("[[{}]]", closed.join(",")), "")])
        };
        let (one, both) = (written(false), written(true));
        prop_assume!(one.refusals.is_empty());
        prop_assert!(one.set == both.set);
        let codes = |repairs: &[geofence::FenceNote]| {
            let codes = repairs.iter().map(|note| note.code);
            codes.filter(|code| *code != "repeated_vertices").collect::<Vec<_>>()
        };
        prop_assert_eq!(codes(&one.repairs), codes(&both.repairs));
    }

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

fn short(delta: i64) -> i64 {
    (delta + 1_800_000_000).rem_euclid(3_600_000_000) - 1_800_000_000
}

/// A fence of any kind: anywhere, over the antimeridian, or close to a pole.
fn any_fence() -> impl Strategy<Value = Shape> {
    let place = prop_oneof![
        (-180.0..180.0_f64, -89.99..89.99_f64),
        (179.9..180.0_f64, -1.0..1.0_f64),
        (-180.0..-179.9_f64, -1.0..1.0_f64),
        (-180.0..180.0_f64, 89.8..89.99_f64),
        (9.9..10.1_f64, 49.9..50.1_f64),
    ];
    let lon = |lon: f64| (lon + 540.0).rem_euclid(360.0) - 180.0;
    (place, 1.0..30_000.0_f64, (-0.5..0.5_f64, -0.2..0.2_f64), 0..3).prop_map(
        move |((x, y), radius_m, (dx, dy), kind)| {
            let (x2, y2) = (lon(x + dx), (y + dy).clamp(-89.99, 89.99));
            let radius_m = radius_m.min((90.0 - y.abs().max(y2.abs())) * 110_000.0);
            match kind {
                0 => circle(x, y, radius_m),
                1 => corridor(&format!("[[{x},{y}],[{x2},{y2}]]"), radius_m),
                _ => polygon(&format!("[[[{x},{y}],[{x2},{y}],[{x2},{y2}],[{x},{y2}],[{x},{y}]]]")),
            }
        },
    )
}

fn set_of(shapes: Vec<Shape>) -> FenceSet {
    let fences = (0..).zip(shapes).map(|(i, shape)| fence_of(i, shape));
    FenceSet::new(fences.collect()).unwrap()
}

fn fence_of(number: u32, shape: Shape) -> Fence {
    Fence {
        id: format!("{number:05}"),
        name: String::new(),
        tags: vec![],
        schedule: None,
        settings: FenceSettings::default(),
        shape,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_index_agrees_with_a_scan(
        shapes in proptest::collection::vec(any_fence(), 1..60),
        strides in proptest::collection::vec((-0.6..0.6_f64, -0.3..0.3_f64), 60),
    ) {
        let set = set_of(shapes);
        let (mut found, mut near) = (vec![99], vec![99]);
        let mut probes: Vec<Position> = vec![
            at(180.0, 0.0), at(-180.0, 0.0), at(0.0, 90.0), at(180.0, 90.0), at(0.0, -90.0), at(-180.0, 90.0)];
        for (k, stride) in strides.iter().enumerate() {
            // Round about the fences: a fence's own middle, moved.
            let shape = &set.fences()[k % set.fences().len()].shape;
            let (x, y) = middle(shape);
            probes.push(at((x + stride.0 + 540.0).rem_euclid(360.0) - 180.0, (y + stride.1).clamp(-90.0, 90.0)));
        }
        for pair in probes.windows(2) {
            let (p, to) = (pair[0], pair[1]);
            set.containing(p, &mut found);
            let scan: Vec<u32> = (0..).zip(set.fences().iter()).filter(|(_, f)| f.shape.contains(p)).map(|(i, _)| i).collect();
            prop_assert_eq!(&found, &scan, "{:?}", p);

            set.near_step(p, to, &mut near);
            prop_assert!(near.windows(2).all(|pair| pair[0] < pair[1]));
            for (i, fence) in (0..).zip(set.fences().iter()) {
                if !fence.shape.inside_stretches(p, to).is_empty() {
                    prop_assert!(near.contains(&i), "fence {} misses the step {:?} {:?}", i, p, to);
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    /// Sets that come of each other by changes of a few fences, their ids now
    /// here, now gone, answer as sets made anew do.
    #[test]
    fn a_changed_set_is_that_made_anew(
        changes in proptest::collection::vec(
            proptest::collection::vec((0_u32..30, proptest::option::weighted(0.7, any_fence())), 1..30),
            1..8,
        ),
        strides in proptest::collection::vec((-0.3..0.3_f64, -0.2..0.2_f64), 20),
    ) {
        let mut shapes: BTreeMap<u32, Shape> = BTreeMap::new();
        let mut changed = FenceSet::empty();
        for change in changes {
            for (id, shape) in change {
                match shape {
                    Some(shape) => shapes.insert(id, shape),
                    None => shapes.remove(&id),
                };
            }
            let fences = || shapes.iter().map(|(id, shape)| fence_of(*id, shape.clone())).collect();
            changed = FenceSet::after(&changed, fences()).unwrap();
            let anew = FenceSet::new(fences()).unwrap();
            prop_assert!(changed == anew);
            prop_assert_eq!(changed.hash(), anew.hash());
            let (mut found, mut expected) = (vec![], vec![]);
            let mut last = at(0.0, 0.0);
            for (shape, stride) in shapes.values().cycle().zip(&strides) {
                let (x, y) = middle(shape);
                for (dx, dy) in [(0.0, 0.0), (stride.0, stride.1), (stride.0 / 60.0, stride.1 / 60.0)] {
                    let lon = (x + dx + 540.0).rem_euclid(360.0) - 180.0;
                    let p = at(lon, (y + dy).clamp(-90.0, 90.0));
                    changed.containing(p, &mut found);
                    anew.containing(p, &mut expected);
                    prop_assert_eq!(&found, &expected, "{:?}", p);
                    changed.may_be_passed(last, p, &mut found);
                    anew.may_be_passed(last, p, &mut expected);
                    prop_assert_eq!(&found, &expected, "{:?} to {:?}", last, p);
                    last = p;
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    /// Steps short enough for the cells, at the corners of fences wherever
    /// they lie, miss none that they pass through.
    #[test]
    fn short_steps_find_what_they_pass_through(
        shapes in proptest::collection::vec(any_fence(), 1..20),
        starts in proptest::collection::vec((-1.0..1.0_f64, -1.0..1.0_f64), 40),
        strides in proptest::collection::vec((-1.0..1.0_f64, -1.0..1.0_f64), 40),
    ) {
        const STRIDE: f64 = 0.006;
        let set = set_of(shapes);
        let mut found = vec![99];
        for (k, (start, stride)) in starts.iter().zip(&strides).enumerate() {
            let (x, y) = middle(&set.fences()[k % set.fences().len()].shape);
            let place = |x: f64, y: f64| at((x + 540.0).rem_euclid(360.0) - 180.0, y.clamp(-90.0, 90.0));
            let (x, y) = (x + start.0 * STRIDE / 2.0, y + start.1 * STRIDE / 2.0);
            let (p, to) = (place(x, y), place(x + stride.0 * STRIDE, y + stride.1 * STRIDE));
            set.may_be_passed(p, to, &mut found);
            prop_assert!(found.windows(2).all(|pair| pair[0] < pair[1]));
            for (i, fence) in (0..).zip(set.fences().iter()) {
                let ends_outside = !fence.shape.contains(p) && !fence.shape.contains(to);
                if ends_outside && !fence.shape.inside_stretches(p, to).is_empty() {
                    prop_assert!(found.contains(&i), "fence {} misses the step {:?} {:?}", i, p, to);
                }
            }
        }
    }
}

/// Somewhere near a fence, in degrees, read from its canonical text.
fn middle(shape: &Shape) -> (f64, f64) {
    let text = set_of(vec![shape.clone()]).to_canonical_json();
    let value: serde_json::Value = serde_json::from_slice(&text).unwrap();
    let mut place = &value["features"][0]["geometry"]["coordinates"];
    while place[0].is_array() {
        place = &place[0];
    }
    (place[0].as_f64().unwrap(), place[1].as_f64().unwrap())
}

#[test]
fn the_index_finds_no_fence_of_the_other_side_of_the_world() {
    let set = set_of(vec![am(), am_cut(), sq()]);
    let (mut near, mut found) = (vec![], vec![]);
    set.near_step(at(179.99, -17.0), at(-179.99, -17.0), &mut near);
    assert_eq!(near, [0, 1]);
    set.near_step(at(-1.0, -17.0), at(1.0, -17.0), &mut near);
    assert!(near.is_empty());
    for lon in [180.0, -180.0] {
        set.containing(at(lon, -17.0), &mut found);
        assert_eq!(found, [0, 1]);
    }
    FenceSet::empty().containing(at(0.0, 0.0), &mut found);
    assert!(found.is_empty());
    assert_eq!(
        FenceSet::new(
            [sq(), sq()]
                .map(|shape| Fence {
                    id: "a".into(),
                    name: String::new(),
                    tags: vec![],
                    schedule: None,
                    settings: FenceSettings::default(),
                    shape
                })
                .to_vec()
        )
        .unwrap_err()
        .0,
        "a"
    );
}

#[test]
fn fifty_thousand_overlapping_fences() {
    // Rectangles of 100 × 100 lattice steps on a lattice of 224 × 224, so that
    // most places lie in thousands of them.
    let side = 224;
    let shapes: Vec<Shape> = (0..50_000_i64)
        .map(|i| {
            let (x, y) = (i % side * 1_000, i / side * 1_000);
            let corners = [(x, y), (x + 100_000, y), (x + 100_000, y + 100_000), (x, y + 100_000)];
            shape_of(&[vec![corners.to_vec()]], (0, 0)).unwrap()
        })
        .collect();
    let set = set_of(shapes);
    let mut found = Vec::new();
    for (x, y) in [(0, 0), (50_500, 50_500), (150_000, 150_000), (323_000, 100_000), (400_000, 0)] {
        set.containing(position((x, y), (0, 0)), &mut found);
        let scan: Vec<u32> = (0..50_000_i64)
            .filter(|i| {
                let (west, south) = (i % side * 1_000, i / side * 1_000);
                (west..=west + 100_000).contains(&x) && (south..=south + 100_000).contains(&y)
            })
            .map(|i| i as u32)
            .collect();
        assert_eq!(found, scan, "{x} {y}");
    }
}

/// The mass of a Gaussian by summing over a fine polar grid of positions.
fn mass_by_sampling(shape: &Shape, p: Position, accuracy_m: f64) -> f64 {
    let sigma_m = accuracy_m / 1.515;
    let plane = Plane::at(p);
    let (east_m, _) = plane.offset_m(Position { lon: p.lon + 10_000, ..p });
    let (_, north_m) = plane.offset_m(Position { lat: p.lat + 10_000, ..p });
    let mut mass = 0.0;
    for k in 0..64 {
        let (sin, cos) = libm::sincos(std::f64::consts::TAU * (f64::from(k) + 0.5) / 64.0);
        for ring in 0..2_000 {
            let (a, b) = (f64::from(ring) * 0.003 * sigma_m, f64::from(ring + 1) * 0.003 * sigma_m);
            let r = (a + b) / 2.0;
            let lon = f64::from(p.lon) + r * cos / east_m * 10_000.0;
            let lat = f64::from(p.lat) + r * sin / north_m * 10_000.0;
            if shape.contains(Position { lon: lon.round() as i32, lat: lat.round() as i32 }) {
                let beyond = |r: f64| libm::exp(-r * r / (2.0 * sigma_m * sigma_m));
                mass += (beyond(a) - beyond(b)) / 64.0;
            }
        }
    }
    mass
}

#[test]
fn confidence_is_the_mass_that_sampling_finds() {
    let strip = polygon(&format!(
        "[{},{}]",
        ring(30.0, 49.9995, 30.01, 50.0005),
        ring(30.004, 49.9999, 30.006, 50.0001)
    ));
    let islands = multi(&format!(
        "[[{}],[{}]]",
        ring(30.0, 50.0, 30.0004, 50.0004),
        ring(30.0006, 50.0, 30.001, 50.0004)
    ));
    let seam = multi(&format!(
        "[[{}],[{}]]",
        ring(179.9995, -17.0, 180.0, -16.9995),
        ring(-180.0, -17.0, -179.9995, -16.9995)
    ));
    let bent = corridor("[[30,50],[30.001,50],[30.001,50.001],[30,50.0005]]", 15.0);
    let world_band = polygon("[[[-180,0],[180,0],[180,0.0005],[-180,0.0005],[-180,0]]]");
    let cases = [
        ("strip, in its hole", &strip, at(30.005, 50.0), 200.0),
        ("strip, beside its hole", &strip, at(30.0035, 50.0), 150.0),
        ("on a corner", &strip, at(30.0, 50.0005), 100.0),
        ("between islands", &islands, at(30.0005, 50.0002), 60.0),
        ("on an island's edge", &islands, at(30.0004, 50.0001), 60.0),
        ("on the antimeridian", &seam, at(180.0, -16.9998), 60.0),
        ("on the antimeridian, from the east", &seam, at(-180.0, -16.9998), 60.0),
        ("a bent corridor", &bent, at(30.0008, 50.0003), 80.0),
        ("outside a bent corridor", &bent, at(30.0, 50.00025), 80.0),
        ("a band round the world, at its seam", &world_band, at(180.0, 0.0003), 150.0),
        ("a band round the world", &world_band, at(77.0, -0.0001), 150.0),
    ];
    for (name, shape, p, accuracy_m) in cases {
        let (found, sampled) =
            (shape.confidence(p, accuracy_m), mass_by_sampling(shape, p, accuracy_m));
        assert!((found - sampled).abs() < 2e-3, "{name}: {found} {sampled}");
        assert!(found > 0.01 && found < 0.99, "{name} is no test: {found}");
    }
}
