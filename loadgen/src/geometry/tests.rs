use proptest::prelude::*;

use super::*;

fn at(lon: f64, lat: f64) -> Position {
    Position::from_degrees(lat, lon).unwrap()
}

fn square_with_hole() -> Region {
    let ring = |low: f64, high: f64| {
        vec![
            at(20.0 + low, 50.0 + low),
            at(20.0 + high, 50.0 + low),
            at(20.0 + high, 50.0 + high),
            at(20.0 + low, 50.0 + high),
        ]
    };
    let hole = ring(0.004, 0.006).into_iter().rev().collect();
    Region::Polygon(Polygon::new(vec![ring(0.0, 0.010), hole]).unwrap())
}

fn corridor() -> Region {
    let line = vec![at(30.0, 50.0), at(30.01, 50.0), at(30.01, 50.01)];
    Region::Capsules(Capsules::new(line, 30.0).unwrap())
}

fn circle() -> Region {
    Region::Capsules(Capsules::new(vec![at(10.020, 50.005)], 50.0).unwrap())
}

#[test]
fn a_hole_cuts_a_step_in_two_and_its_edge_is_inside() {
    let region = square_with_hole();
    let stretches = region.stretches(at(19.99, 50.005), at(20.02, 50.005));
    let expected = [(1.0 / 3.0, 0.466_666_7), (0.533_333_3, 2.0 / 3.0)];
    assert_eq!(stretches.len(), 2);
    for (stretch, expected) in stretches.iter().zip(expected) {
        assert!((stretch.0 - expected.0).abs() < 1e-6, "{stretches:?}");
        assert!((stretch.1 - expected.1).abs() < 1e-6, "{stretches:?}");
    }
    assert!(region.contains(at(20.004, 50.005)));
    assert!(!region.contains(at(20.005, 50.005)));
}

#[test]
fn a_step_along_an_edge_is_inside_and_one_that_touches_a_corner_is_not() {
    let region = square_with_hole();
    assert_eq!(region.stretches(at(20.001, 50.0), at(20.002, 50.0)), [(0.0, 1.0)]);
    assert!(region.stretches(at(19.999, 50.001), at(20.001, 49.999)).is_empty());
}

#[test]
fn a_circle_is_passed_where_the_specification_says() {
    // Vector V4: 20 s, in at 6.5 s, out at 13.5 s.
    let stretches = circle().stretches(at(10.018, 50.005), at(10.022, 50.005));
    assert_eq!(stretches.len(), 1);
    assert!((stretches[0].0 * 20.0 - 6.5).abs() < 0.05, "{stretches:?}");
    assert!((stretches[0].1 * 20.0 - 13.5).abs() < 0.05, "{stretches:?}");
}

#[test]
fn areas_are_those_of_the_figures() {
    let circle = circle().area_m2();
    assert!((circle - std::f64::consts::PI * 2500.0).abs() < 1.0, "{circle}");
    let square = square_with_hole().area_m2();
    // 717 by 1112 metres, less its middle of a fifth each way.
    assert!((square / (717.0 * 1112.0) - 0.96).abs() < 0.001, "{square}");
}

fn near(lon: f64, lat: f64) -> impl Strategy<Value = Position> {
    let unit = -200_000..200_000_i32;
    (unit.clone(), unit).prop_map(move |(east, north)| {
        let middle = at(lon, lat);
        Position { lat: middle.lat + north, lon: middle.lon + east }
    })
}

fn agrees_with_sampling(region: &Region, a: Position, b: Position) -> Result<(), TestCaseError> {
    let stretches = region.stretches(a, b);
    for pair in stretches.windows(2) {
        prop_assert!(pair[0].1 < pair[1].0, "{:?}", stretches);
    }
    prop_assert_eq!(stretches.first().is_some_and(|s| s.0 == 0.0), region.contains(a));
    prop_assert_eq!(stretches.last().is_some_and(|s| s.1 == 1.0), region.contains(b));
    let scale = Scale::at(a.lat);
    let length_m = scale.distance_m(a, b);
    for number in 0..=400 {
        let fraction = f64::from(number) / 400.0;
        let blend = |from: i32, to: i32| {
            (f64::from(from) + fraction * (f64::from(to) - f64::from(from))).round() as i32
        };
        let p = Position { lat: blend(a.lat, b.lat), lon: blend(a.lon, b.lon) };
        // A sampled position is rounded; within that of an edge it may lie on
        // either side.
        let near_an_end = stretches
            .iter()
            .flat_map(|s| [s.0, s.1])
            .any(|end| (end - fraction).abs() * length_m < 0.05);
        if !near_an_end && region.depth_m(p).abs() > 0.05 {
            let inside = stretches.iter().any(|s| (s.0..=s.1).contains(&fraction));
            prop_assert_eq!(inside, region.contains(p), "{} of {:?}", fraction, stretches);
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn polygons_agree_with_sampling(a in near(20.005, 50.005), b in near(20.005, 50.005)) {
        agrees_with_sampling(&square_with_hole(), a, b)?;
    }

    #[test]
    fn corridors_agree_with_sampling(a in near(30.005, 50.0), b in near(30.005, 50.0)) {
        agrees_with_sampling(&corridor(), a, b)?;
    }

    #[test]
    fn circles_agree_with_sampling(a in near(10.02, 50.005), b in near(10.02, 50.005)) {
        agrees_with_sampling(&circle(), a, b)?;
    }

    #[test]
    fn sides_agree_with_the_sign_of_the_depth(p in near(20.005, 50.005)) {
        let region = square_with_hole();
        prop_assert_eq!(region.contains(p), region.depth_m(p) >= 0.0);
    }
}
