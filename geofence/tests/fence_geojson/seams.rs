//! Fences over the antimeridian and at the poles.

use super::*;

#[test]
fn fences_over_seams_and_poles_come_back_equal() {
    let shapes = [
        (
            "Polygon",
            "[[[-180,85],[-90,85],[0,85],[90,85],[180,85],[180,90],[-180,90],[-180,85]]]"
                .to_string(),
        ),
        ("Polygon", "[[[-180,-90],[180,-90],[180,90],[-180,90],[-180,-90]]]".into()),
        ("Polygon", "[[[-180,-1],[180,-1],[180,1],[-180,1],[-180,-1]]]".into()),
        (
            "MultiPolygon",
            format!("[[{}],[{}]]", ring(179.0, -1.0, 180.0, 1.0), ring(-180.0, 0.0, -179.0, 2.0)),
        ),
        (
            "MultiPolygon",
            format!(
                "[[{}],[{}],[{}]]",
                ring(-175.0, 0.0, -50.0, 1.0),
                ring(-60.0, 2.0, 100.0, 3.0),
                "[[90,4],[170,4],[-170,4],[-170,5],[170,5],[90,5],[90,4]]"
            ),
        ),
    ];
    for (kind, coordinates) in shapes {
        repaired(kind, &coordinates);
    }
    // Places on the antimeridian, which has two longitudes.
    for (kind, coordinates, length) in [
        ("LineString", "[[179.9,-17],[180,-17],[-180,-17],[-179.9,-17]]", "half_width_m"),
        ("LineString", "[[180,-17],[179,-17]]", "half_width_m"),
        ("LineString", "[[0,10],[180,10]]", "half_width_m"),
        ("Point", "[180,-17]", "radius_m"),
    ] {
        let length = format!(",\"{length}\":500");
        let parsed = parse(&[feature("f", kind, coordinates, &length)]);
        assert_eq!((&parsed.refusals, &parsed.repairs), (&vec![], &vec![]), "{coordinates}");
        round_trip(&parsed.set);
    }
}

#[test]
fn a_place_on_the_antimeridian_is_one_whatever_its_sign() {
    let quay = |lon: &str| format!("[[[180,0],[-179.99,0],[-179.99,0.01],[{lon},0.01],[{lon},0]]]");
    let (both, one) = (repaired("Polygon", &quay("-180")), repaired("Polygon", &quay("180")));
    assert_eq!(both.1, []);
    assert_eq!(both, one);

    let two = "[[[180,0],[-180,0],[-179,1],[180,0]]]";
    assert_eq!(refusal("Polygon", two, "").0, "too_few_points");
    assert_eq!(
        refusal("LineString", "[[180,0],[-180,0]]", ",\"half_width_m\":5").0,
        "too_few_points"
    );
    // A sliver, no frame of the world.
    let (sliver, _) = repaired("Polygon", "[[[-180,0],[-180,1],[180,2],[-179.9,0],[-180,0]]]");
    assert!(!sliver.shape.contains(at(0.0, 0.5)));
}

#[test]
fn parts_that_only_together_go_round_the_world_are_refused() {
    let ocean = "[[[[0,0],[100,0],[170,0],[170,10],[100,10],[0,10],[0,0]]],
        [[[160,5],[-100,5],[10,5],[10,15],[-100,15],[160,15],[160,5]]]]";
    let (code, message) = refusal("MultiPolygon", ocean, "");
    assert_eq!(code, "too_wide", "{message}");
}
