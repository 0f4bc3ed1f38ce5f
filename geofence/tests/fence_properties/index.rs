//! The index of a set, made at once or by changes, against a scan of all fences.

use std::collections::BTreeMap;

use geofence::{Fence, FenceSet, FenceSettings, Position, Shape};
use proptest::prelude::*;

use crate::rings::{position, shape_of};
use crate::support::{am, am_cut, at, circle, corridor, polygon, ring, sq};

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
                    changed.may_be_passed(last, p, |_| false, &mut found);
                    anew.may_be_passed(last, p, |_| false, &mut expected);
                    prop_assert_eq!(&found, &expected, "{:?} to {:?}", last, p);
                    last = p;
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

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
            set.may_be_passed(p, to, |_| false, &mut found);
            prop_assert!(found.windows(2).all(|pair| pair[0] < pair[1]));
            let passed_over = |fence: u32| fence as usize == k % set.fences().len();
            let mut others = vec![99];
            set.may_be_passed(p, to, passed_over, &mut others);
            prop_assert!(found.iter().copied().filter(|fence| !passed_over(*fence)).eq(others));
            // The step itself, and one that mostly stays in its cell.
            for to in [to, place(x + stride.0 * STRIDE / 100.0, y + stride.1 * STRIDE / 100.0)] {
                let says_so = set.is_uniform(p, to);
                prop_assert!(!says_so || is_uniform(&set, p, to), "{:?} to {:?}", p, to);
            }
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

/// Whether each fence holds all of the straight step or nothing of it.
fn is_uniform(set: &FenceSet, from: Position, to: Position) -> bool {
    set.fences().iter().all(|fence| {
        let stretches = fence.shape.inside_stretches(from, to);
        match (fence.shape.contains(from), fence.shape.contains(to)) {
            (false, false) => stretches.is_empty(),
            (true, true) => stretches.len() == 1,
            _ => false,
        }
    })
}

#[test]
fn steps_that_meet_no_outline_are_told_at_a_glance() {
    let set = set_of(vec![polygon(&format!("[{}]", ring(10.0, 50.0, 11.0, 51.0)))]);
    let (within, outside) = (at(10.5, 50.5), at(11.5, 50.5));
    for place in [within, outside] {
        let near = Position { lat: place.lat + 300, lon: place.lon - 300 };
        assert!(set.is_uniform(place, near), "{place:?}");
    }
    assert!(!set.is_uniform(within, outside), "an outline lies between");
    assert!(!set.is_uniform(at(9.9999, 50.5), at(10.0001, 50.5)), "likewise, close by");
    for (from, to) in [(9.9997, 9.9999), (10.0001, 10.0003)] {
        assert!(set.is_uniform(at(from, 50.5), at(to, 50.5)), "beside it: {from}");
    }
    assert!(!set.is_uniform(at(9.9999, 50.5), at(10.0, 50.5)), "up to it");
}
