//! Named cases of the questions asked of shapes: sides, distances, stretches,
//! confidence. The fixtures are those of the specification's test vectors.

#![allow(clippy::unwrap_used, reason = "functions that tests call are tests")]

mod support;

use geofence::{Plane, Position, Shape};
use support::*;

/// Stretches of a step, as times on a step of `seconds`, to 0.1 s.
fn times(shape: &Shape, from: (f64, f64), to: (f64, f64), seconds: f64) -> Vec<(f64, f64)> {
    let tenths = |t: f64| (t * seconds * 10.0).round() / 10.0;
    let stretches = shape.inside_stretches(at(from.0, from.1), at(to.0, to.1));
    stretches.into_iter().map(|(a, b)| (tenths(a), tenths(b))).collect()
}

#[test]
fn sides_of_the_closed_set() {
    let cases: Vec<(&str, Shape, f64, f64, bool)> = vec![
        ("interior", sq(), 10.005, 50.005, true),
        ("exterior", sq(), 10.011, 50.005, false),
        ("west edge", sq(), 10.0, 50.005, true),
        ("east edge", sq(), 10.01, 50.005, true),
        ("south edge", sq(), 10.005, 50.0, true),
        ("north edge", sq(), 10.005, 50.01, true),
        ("south-west vertex", sq(), 10.0, 50.0, true),
        ("north-east vertex", sq(), 10.01, 50.01, true),
        ("one unit west of the west edge", sq(), 9.999_999_9, 50.005, false),
        ("one unit north of the north edge", sq(), 10.005, 50.010_000_1, false),
        ("level with a vertex, west of it", sq(), 9.99, 50.0, false),
        ("in line with an edge, south of it", sq(), 10.0, 49.99, false),
        ("between exterior and hole", ho(), 20.002, 50.005, true),
        ("hole interior", ho(), 20.005, 50.005, false),
        ("hole edge", ho(), 20.004, 50.005, true),
        ("hole vertex", ho(), 20.006, 50.006, true),
        ("one unit inside the hole", ho(), 20.004_000_1, 50.005, false),
        ("circle centre", sm(), 10.02, 50.005, true),
        ("49.9 m west of a circle's centre", sm(), 10.019_304, 50.005, true),
        ("50.1 m west of a circle's centre", sm(), 10.019_301, 50.005, false),
        ("on a corridor's line", co(), 30.01, 50.0, true),
        ("29.9 m north of a corridor's line", co(), 30.01, 50.000_268_9, true),
        ("30.1 m north of a corridor's line", co(), 30.01, 50.000_270_7, false),
        ("round cap of a corridor", co(), 29.999_6, 50.0, true),
        ("corner that a square cap would hold", co(), 29.999_65, 50.000_2, false),
        ("west of the antimeridian", am(), 179.997, -17.0, true),
        ("east of the antimeridian", am(), -179.997, -17.0, true),
        ("at 180", am(), 180.0, -17.0, true),
        ("at -180", am(), -180.0, -17.0, true),
        ("beyond, east", am(), -179.99, -17.0, false),
        ("other side of the Earth", am(), 0.0, -17.0, false),
        ("cut: west of the antimeridian", am_cut(), 179.997, -17.0, true),
        ("cut: east of the antimeridian", am_cut(), -179.997, -17.0, true),
        ("cut: at 180", am_cut(), 180.0, -17.0, true),
        ("cut: at -180", am_cut(), -180.0, -17.0, true),
        ("cut: end of the seam", am_cut(), -180.0, -17.005, true),
        ("cut: other side of the Earth", am_cut(), 0.0, -17.0, false),
    ];
    for (name, shape, lon, lat, inside) in cases {
        let p = at(lon, lat);
        assert_eq!(shape.contains(p), inside, "{name}");
        let s = shape.signed_distance_m(p);
        assert!(if inside { s >= 0.0 } else { s <= 0.0 }, "{name}: distance {s}");
        // A step that goes nowhere is inside for its whole length or not at all.
        let stay = if inside { vec![(0.0, 1.0)] } else { vec![] };
        assert_eq!(shape.inside_stretches(p, p), stay, "{name}");
    }
}

#[test]
fn winding_and_start_make_no_difference() {
    let ccw = sq();
    let cw = polygon("[[[10,50],[10,50.01],[10.01,50.01],[10.01,50],[10,50]]]");
    let turned = polygon("[[[10.01,50.01],[10,50.01],[10,50],[10.01,50],[10.01,50.01]]]");
    assert_eq!(ccw, cw);
    assert_eq!(ccw, turned);
    let hole_same_way = polygon(&format!(
        "[{},[[20.004,50.004],[20.004,50.006],[20.006,50.006],[20.006,50.004],[20.004,50.004]]]",
        ring(20.0, 50.0, 20.01, 50.01)
    ));
    assert_eq!(ho(), hole_same_way);
}

#[test]
fn cut_and_stepping_across_the_antimeridian_are_one_shape_but_for_vertices_on_it() {
    let (whole, cut) = (am(), am_cut());
    assert!((whole.area_m2() / cut.area_m2() - 1.0).abs() < 1e-9);
    assert!((whole.perimeter_m() / cut.perimeter_m() - 1.0).abs() < 1e-9);
    for (lon, lat) in [(179.999, -17.0), (180.0, -17.0), (-180.0, -17.0), (-179.996, -17.001)] {
        let p = at(lon, lat);
        // 532 m to the sides, 553 m to north and south: no edge at 180.
        assert_eq!(whole.signed_distance_m(p), cut.signed_distance_m(p), "{lon} {lat}");
    }
    let middle = cut.signed_distance_m(at(180.0, -17.0));
    assert!((middle - 532.4).abs() < 0.5, "{middle}");
}

#[test]
fn distances_in_the_plane_at_the_ping() {
    let cases: Vec<(&str, Shape, f64, f64, f64)> = vec![
        ("V2: on the edge", sq(), 10.0, 50.005, 0.0),
        ("358 m from the west edge", sq(), 10.005, 50.005, 358.45),
        ("outside", sq(), 9.995, 50.005, -358.45),
        ("V17: 988 m outside", sq(), 9.986_218, 50.005, -988.0),
        ("in a hole", ho(), 20.005, 50.005, -71.69),
        ("circle, centre", sm(), 10.02, 50.005, 50.0),
        ("circle, 150 m beyond its edge", sm(), 10.022_79, 50.005, -150.02),
        ("corridor, on the line", co(), 30.01, 50.0, 30.0),
        ("corridor, beyond its end", co(), 29.999, 50.0, -41.69),
    ];
    for (name, shape, lon, lat, expected) in cases {
        let s = shape.signed_distance_m(at(lon, lat));
        assert!((s - expected).abs() < 0.02, "{name}: {s}");
        assert_eq!((s * 1000.0).round() / 1000.0, s, "{name} is in whole millimetres");
    }
}

#[test]
fn v01_and_v46_an_enter_at_half_the_step() {
    assert_eq!(times(&sq(), (9.995, 50.005), (10.005, 50.005), 30.0), [(15.0, 30.0)]);
    assert_eq!(times(&sq(), (9.995, 50.005), (10.005, 50.005), 121.0), [(60.5, 121.0)]);
}

#[test]
fn v02_a_step_that_ends_on_an_edge_touches_it() {
    let stretches = sq().inside_stretches(at(9.995, 50.005), at(10.0, 50.005));
    assert_eq!(stretches, [(1.0, 1.0)]);
    let confidence = sq().confidence(at(10.0, 50.005), 5.0);
    assert_eq!(confidence, 0.5);
}

#[test]
fn v03_a_vertex_and_a_shared_edge_belong_to_both_neighbours() {
    let east = polygon(&format!("[{}]", ring(10.01, 50.0, 10.02, 50.01)));
    for p in [at(10.01, 50.005), at(10.01, 50.01), at(10.01, 50.0)] {
        assert!(sq().contains(p) && east.contains(p), "{p:?}");
    }
}

#[test]
fn v04_a_circle_crossed_between_two_pings() {
    assert_eq!(times(&sm(), (10.018, 50.005), (10.022, 50.005), 20.0), [(6.5, 13.5)]);
}

#[test]
fn v07_a_corridor_crossed_between_two_pings() {
    assert_eq!(times(&co(), (30.01, 49.999), (30.01, 50.001), 20.0), [(7.3, 12.7)]);
}

#[test]
fn v18_confidence_of_a_blurred_fix_in_a_small_circle() {
    assert_eq!(sm().confidence(at(10.02, 50.005), 200.0), 0.0692);
    let polygonal = small_polygonal_circle();
    let confidence = polygonal.confidence(at(10.02, 50.005), 200.0);
    assert!((confidence - 0.0692).abs() < 2e-4, "{confidence}");
}

#[test]
fn v28_a_step_across_the_antimeridian() {
    for shape in [am(), am_cut()] {
        for (from, to) in [((179.99, -17.0), (-179.99, -17.0)), ((-179.99, -17.0), (179.99, -17.0))]
        {
            assert_eq!(times(&shape, from, to, 60.0), [(15.0, 45.0)]);
            let stretches = shape.inside_stretches(at(from.0, from.1), at(to.0, to.1));
            let step_m = Plane::at(at(to.0, to.1)).distance_m(at(from.0, from.1));
            let inside_m = (stretches[0].1 - stretches[0].0) * step_m;
            assert!((inside_m - 1065.0).abs() < 0.5, "{inside_m}");
        }
    }
}

#[test]
fn v29_in_and_out_of_a_hole() {
    assert_eq!(times(&ho(), (20.002, 50.005), (20.005, 50.005), 30.0), [(0.0, 20.0)]);
    assert_eq!(times(&ho(), (20.005, 50.005), (20.008, 50.005), 30.0), [(10.0, 30.0)]);
    assert_eq!(times(&ho(), (20.002, 50.005), (20.008, 50.005), 30.0), [(0.0, 10.0), (20.0, 30.0)]);
}

#[test]
fn v31_one_way_out_is_the_neighbours_way_in() {
    let east = polygon(&format!("[{}]", ring(10.01, 50.0, 10.02, 50.01)));
    let (from, to) = ((10.0095, 50.005), (10.0115, 50.005));
    assert_eq!(times(&sq(), from, to, 30.0), [(0.0, 7.5)]);
    assert_eq!(times(&east, from, to, 30.0), [(7.5, 30.0)]);
}

#[test]
fn steps_along_and_through_what_is_special() {
    type Case = (&'static str, Shape, (f64, f64), (f64, f64), Vec<(f64, f64)>);
    let cases: Vec<Case> = vec![
        ("along an edge", sq(), (9.99, 50.01), (10.02, 50.01), vec![(10.0, 20.0)]),
        ("along an edge, back", sq(), (10.02, 50.0), (9.99, 50.0), vec![(10.0, 20.0)]),
        ("along part of an edge", sq(), (10.0025, 50.0), (10.0075, 50.0), vec![(0.0, 30.0)]),
        ("through two vertices", sq(), (9.99, 49.99), (10.02, 50.02), vec![(10.0, 20.0)]),
        ("touching a vertex", sq(), (9.995, 50.005), (10.005, 50.015), vec![(15.0, 15.0)]),
        ("from an edge outwards", sq(), (10.01, 50.005), (10.02, 50.005), vec![(0.0, 0.0)]),
        ("from an edge inwards", sq(), (10.0, 50.005), (10.005, 50.005), vec![(0.0, 30.0)]),
        ("from a vertex through", sq(), (10.0, 50.0), (10.02, 50.02), vec![(0.0, 15.0)]),
        ("from an edge along it", sq(), (10.005, 50.0), (10.02, 50.0), vec![(0.0, 10.0)]),
        ("along a hole's edge", ho(), (20.0, 50.004), (20.01, 50.004), vec![(0.0, 30.0)]),
        ("missing", sq(), (9.99, 50.02), (10.02, 50.02), vec![]),
        ("wholly inside", sq(), (10.001, 50.001), (10.009, 50.009), vec![(0.0, 30.0)]),
        ("through a hole's corner", ho(), (20.002, 50.006), (20.006, 50.002), vec![(0.0, 30.0)]),
    ];
    for (name, shape, from, to, expected) in cases {
        assert_eq!(times(&shape, from, to, 30.0), expected, "{name}");
    }
}

#[test]
fn parts_that_touch_have_no_edge_between_them() {
    let halves = multi(&format!(
        "[[{}],[{}]]",
        ring(10.0, 50.0, 10.005, 50.01),
        ring(10.005, 50.002, 10.01, 50.008)
    ));
    let on_the_seam = at(10.005, 50.005);
    assert!(halves.contains(on_the_seam));
    assert!(halves.signed_distance_m(on_the_seam) > 300.0);
    assert_eq!(times(&halves, (9.995, 50.005), (10.015, 50.005), 40.0), [(10.0, 30.0)]);
    // Where only one part touches the seam there is an edge.
    assert!(!halves.contains(at(10.006, 50.001)));
    assert!(halves.signed_distance_m(at(10.005, 50.001)) == 0.0);
}

#[test]
fn parts_apart_are_one_shape() {
    let parts = multi(&format!(
        "[[{}],[{}]]",
        ring(10.0, 50.0, 10.01, 50.01),
        ring(10.02, 50.0, 10.03, 50.01)
    ));
    assert!(parts.contains(at(10.005, 50.005)) && parts.contains(at(10.025, 50.005)));
    assert!(!parts.contains(at(10.015, 50.005)));
    assert_eq!(times(&parts, (10.005, 50.005), (10.025, 50.005), 20.0), [(0.0, 5.0), (15.0, 20.0)]);
}

#[test]
fn a_sliver_and_a_fence_of_one_metre() {
    // One unit, 11 mm, wide.
    let sliver = polygon("[[[10,50],[10.0000001,50],[10.0000001,50.01],[10,50.01],[10,50]]]");
    assert!(sliver.contains(at(10.0, 50.005)) && sliver.contains(at(10.000_000_1, 50.005)));
    assert!(!sliver.contains(at(9.999_999_9, 50.005)));
    assert!(!sliver.contains(at(10.000_000_2, 50.005)));
    assert_eq!(times(&sliver, (9.99, 50.005), (10.01, 50.005), 20.0), [(10.0, 10.0)]);

    let metre = polygon("[[[10,50],[10.000014,50],[10.000014,50.000009],[10,50.000009],[10,50]]]");
    assert!((metre.area_m2() - 1.004).abs() < 0.001, "{}", metre.area_m2());
    assert!((metre.perimeter_m() - 4.01).abs() < 0.01, "{}", metre.perimeter_m());
    assert!(metre.contains(at(10.000_007, 50.000_004)));
    assert!(!metre.contains(at(10.000_007, 50.000_01)));
    // A diagonal sliver: its long edges pass between grid points.
    let diagonal = polygon("[[[10,50],[10.01,50.0099999],[10.01,50.01],[10,50]]]");
    assert!(diagonal.contains(at(10.01, 50.01)) && diagonal.contains(at(10.005, 50.005)));
    assert!(!diagonal.contains(at(10.005, 50.005_000_1)));
    assert!(!diagonal.contains(at(10.005, 50.004_999_9)));
}

#[test]
fn a_cap_at_a_pole_cut_at_the_antimeridian() {
    let cap =
        polygon("[[[-180,85],[-90,85],[0,85],[90,85],[180,85],[180,90],[-180,90],[-180,85]]]");
    for (lon, lat) in [(0.0, 86.0), (180.0, 86.0), (-180.0, 88.0), (135.0, 90.0), (12.0, 85.0)] {
        assert!(cap.contains(at(lon, lat)), "{lon} {lat}");
    }
    assert!(!cap.contains(at(0.0, 84.9)) && !cap.contains(at(180.0, 84.9)));
    // Neither the antimeridian nor the pole is an edge.
    let s = cap.signed_distance_m(at(180.0, 89.0));
    assert!((s - 446_700.0).abs() < 500.0, "{s}");
    assert_eq!(times(&cap, (179.0, 87.0), (-179.0, 87.0), 2.0), [(0.0, 2.0)]);
}

#[test]
fn the_whole_world_has_no_edge() {
    let world = polygon("[[[-180,-90],[180,-90],[180,90],[-180,90],[-180,-90]]]");
    for (lon, lat) in [(0.0, 0.0), (180.0, 0.0), (-180.0, 90.0), (77.0, -90.0)] {
        assert!(world.contains(at(lon, lat)), "{lon} {lat}");
        assert!(world.signed_distance_m(at(lon, lat)) > 1e7);
        assert_eq!(world.confidence(at(lon, lat), 100.0), 1.0);
    }
    let earth_m2 = 5.100_656e14;
    assert!((world.area_m2() / earth_m2 - 1.0).abs() < 1e-6, "{}", world.area_m2());
}

#[test]
fn circles_near_the_poles_and_over_the_antimeridian() {
    for lat in [89.9, -89.9] {
        let shape = circle(0.0, lat, 500.0);
        assert!(shape.contains(at(0.0, lat)));
        // 0.2 degrees of longitude are 39 m here.
        assert!(shape.contains(at(0.2, lat)) && shape.contains(at(-2.5, lat)));
        assert!(!shape.contains(at(3.0, lat)) && !shape.contains(at(180.0, lat)));
    }

    let over = circle(179.9999, -17.0, 50.0);
    assert!(over.contains(at(-179.9998, -17.0)) && over.contains(at(180.0, -17.0)));
    assert_eq!(times(&over, (179.998, -17.0), (-179.998, -17.0), 40.0).len(), 1);
}

#[test]
fn a_corridor_over_the_antimeridian_and_round_a_bend() {
    let shape = corridor("[[179.99,-17],[-179.99,-17],[-179.99,-17.01]]", 30.0);
    assert!(shape.contains(at(180.0, -17.0)) && shape.contains(at(-179.99, -17.005)));
    assert!(!shape.contains(at(180.0, -17.001)));
    assert!(!shape.contains(at(0.0, -17.0)));
    // Through both legs: two stretches.
    let crossed = shape.inside_stretches(at(179.995, -16.999), at(-179.985, -17.006));
    assert_eq!(crossed.len(), 2, "{crossed:?}");
}

#[test]
fn confidence_across_an_edge_and_in_a_thin_shape() {
    // Wide shape: the normal distribution of the signed distance.
    let sigma = 30.0 / 1.515;
    let p = at(10.000_276_2, 50.005);
    let z = sq().signed_distance_m(p) / sigma;
    assert!((z - 1.0).abs() < 0.01);
    assert!((sq().confidence(p, 30.0) - 0.8413).abs() < 2e-3);
    assert_eq!(sq().confidence(at(10.005, 50.005), 5.0), 1.0);
    assert_eq!(sq().confidence(at(9.99, 50.005), 5.0), 0.0);
    // Thin shape: a corridor of ±30 m seen with σ = 66 m from its middle, with
    // its ends far off, is the mass of a band: 2 Φ(30/66) − 1.
    let band = co().confidence(at(30.01, 50.0), 100.0);
    assert!((band - 0.3506).abs() < 5e-3, "{band}");
    let strip =
        polygon("[[[30,49.99973],[30.02,49.99973],[30.02,50.00027],[30,50.00027],[30,49.99973]]]");
    let confidence = strip.confidence(at(30.01, 50.0), 100.0);
    assert!((confidence - band).abs() < 5e-3, "{confidence} {band}");
    // On the strip's edge a half is lost, and the far side with it.
    let edge = strip.confidence(at(30.01, 50.00027), 100.0);
    assert!((edge - 0.3181).abs() < 5e-3, "{edge}");
    // Devices that claim to be exact.
    assert_eq!(sq().confidence(at(10.005, 50.005), 0.0), 1.0);
    assert_eq!(sq().confidence(at(9.0, 50.005), f64::NAN), 0.0);
}

/// SM as a polygon of 720 corners.
fn small_polygonal_circle() -> Shape {
    let center = at(10.02, 50.005);
    let plane = Plane::at(center);
    let (east, _) = plane.offset_m(at(10.021, 50.005));
    let (_, north) = plane.offset_m(at(10.02, 50.006));
    let corners: Vec<String> = (0..=720)
        .map(|k| {
            let (sin, cos) = libm::sincos(f64::from(k % 720) * std::f64::consts::TAU / 720.0);
            format!("[{},{}]", 10.02 + 0.05 * cos / east, 50.005 + 0.05 * sin / north)
        })
        .collect();
    polygon(&format!("[[{}]]", corners.join(",")))
}

#[test]
fn areas_on_the_ellipsoid() {
    // Against strips of 3.6" along the parallels, each measured in its plane.
    for south in [-1.0, 0.0, 50.0, 60.0, 88.0] {
        let shape = polygon(&format!("[{}]", ring(7.0, south, 8.0, south + 1.0)));
        let strips: f64 = (0..1000)
            .map(|i| {
                let plane = Plane::at(at(7.0, south + (f64::from(i) + 0.5) / 1000.0));
                let (width, height) =
                    plane.offset_m(at(8.0, south + (f64::from(i) + 1.5) / 1000.0));
                width * height
            })
            .sum();
        let ratio = shape.area_m2() / strips;
        assert!((ratio - 1.0).abs() < 1e-6, "{south}: {}", shape.area_m2());
    }
    // A published value: one degree square on the equator, GeographicLib's
    // planimeter, whose geodesics bulge a little over our parallels.
    let equator = polygon(&format!("[{}]", ring(0.0, 0.0, 1.0, 1.0)));
    assert!((equator.area_m2() / 12_308_778_361.0 - 1.0).abs() < 1e-4, "{}", equator.area_m2());
    assert!((sq().area_m2() - 716.9 * 1112.27).abs() < 50.0, "{}", sq().area_m2());
    let hole = 143.4 * 222.5;
    assert!((sq().area_m2() - ho().area_m2() - hole).abs() < 50.0);
    assert!((sq().perimeter_m() - 2.0 * (716.9 + 1112.5)).abs() < 1.0);
}

#[test]
fn positions_that_are_not_within_the_usual_range_of_a_step() {
    // From one pole to the other, and half way round the equator.
    let shape = polygon(&format!("[{}]", ring(-1.0, -1.0, 1.0, 1.0)));
    let meridian = shape.inside_stretches(
        Position { lat: -900_000_000, lon: 0 },
        Position { lat: 900_000_000, lon: 0 },
    );
    assert_eq!(meridian.len(), 1);
    assert!((meridian[0].1 - meridian[0].0 - 2.0 / 180.0).abs() < 1e-9);
    let equator = shape.inside_stretches(
        Position { lat: 0, lon: -900_000_000 },
        Position { lat: 0, lon: 900_000_000 },
    );
    assert!((equator[0].1 - equator[0].0 - 2.0 / 180.0).abs() < 1e-9);
}
