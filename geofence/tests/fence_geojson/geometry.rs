//! Outlines: what is refused by name and place, and what has one reading and is
//! mended.

use super::*;

#[test]
fn geometry_that_is_refused_by_name_and_place() {
    let nearly = "at most 1000000 metres is needed";
    let cases = [
        ("MultiPoint", "[[10,50]]", "", "geometry_unsupported", "geometry type \"MultiPoint\""),
        ("GeometryCollection", "[]", "", "geometry_unsupported", "a fence is a Polygon"),
        ("Polygon", "null", "", "coordinates_invalid", "coordinates: an array of rings"),
        ("Polygon", "[]", "", "coordinates_invalid", "a polygon needs an exterior ring"),
        ("Polygon", "[[1,2]]", "", "coordinates_invalid", "coordinates[0][0]: a position"),
        (
            "Polygon",
            "[[[10,50],[10.01,50],[\"x\",50.01],[10,50]]]",
            "",
            "coordinates_invalid",
            "coordinates[0][2]: a position is [longitude, latitude], both numbers",
        ),
        (
            "Polygon",
            "[[[10,50],[10.01,50],[10.01],[10,50]]]",
            "",
            "coordinates_invalid",
            "coordinates[0][2]: a position",
        ),
        (
            "Polygon",
            "[[[10,50],[10.01,50],[null,50.01],[10,50]]]",
            "",
            "coordinates_invalid",
            "coordinates[0][2]: a position",
        ),
        (
            "Polygon",
            "[[[50,10],[50,120.5],[51,120],[50,10]]]",
            "",
            "coordinate_out_of_range",
            "coordinates[0][1] (50, 120.5): latitude is outside ±90; are longitude and latitude",
        ),
        (
            "Polygon",
            "[[[190,10],[191,10],[191,11],[190,10]]]",
            "",
            "coordinate_out_of_range",
            "coordinates[0][0] (190, 10): longitude must be within ±180",
        ),
        (
            "Polygon",
            "[[[10,50],[10.01,50],[10,50]]]",
            "",
            "too_few_points",
            "coordinates[0]: 2 distinct positions, 3 are needed",
        ),
        ("Polygon", "[[]]", "", "too_few_points", "coordinates[0]: 0 distinct positions"),
        (
            "Polygon",
            "[[[10,50],[10.01,50],[10.02,50],[10,50]]]",
            "",
            "zero_area",
            "the rings enclose no area: draw the fence anew, with corners that do not all lie on one line",
        ),
        (
            "MultiPolygon",
            "[[[[10,50],[10.01,50],[10,51],[10,50]]],[[[10,50],[10,50],[10,50],[10,50]]]]",
            "",
            "too_few_points",
            "coordinates[1][0]: 1 distinct positions",
        ),
        (
            "Polygon",
            "[[[0,80],[90,80],[180,80],[-90,80],[0,80]]]",
            "",
            "round_a_pole",
            "coordinates[0] goes round a pole",
        ),
        (
            "Polygon",
            "[[[0,-80],[-120,-81],[120,-82],[0,-80]]]",
            "",
            "round_a_pole",
            "coordinates[0] goes round a pole",
        ),
        (
            "Polygon",
            "[[[0,1],[120,1],[-120,1],[0,2],[120,2],[120,0],[0,0],[-120,0],[120,-1],[0,-1],[0,1]]]",
            "",
            "too_wide",
            "coordinates[0] spans more than the whole Earth",
        ),
        ("Point", "[10,90]", ",\"radius_m\":50", "round_a_pole", "`radius_m` reaches a pole"),
        ("Point", "[10,-85]", ",\"radius_m\":560000", "round_a_pole", "`radius_m` reaches a pole"),
        (
            "LineString",
            "[[10,50],[10,89.9999]]",
            ",\"half_width_m\":20",
            "round_a_pole",
            "`half_width_m` reaches a pole",
        ),
        ("Point", "[10,50]", "", "radius_missing", "a Point needs `radius_m`"),
        ("Point", "[10,50]", ",\"radius_m\":0", "radius_invalid", nearly),
        ("Point", "[10,50]", ",\"radius_m\":-5", "radius_invalid", nearly),
        ("Point", "[10,50]", ",\"radius_m\":0.0004", "radius_invalid", nearly),
        ("Point", "[10,50]", ",\"radius_m\":1e7", "radius_invalid", nearly),
        ("Point", "[10,50]", ",\"radius_m\":\"50\"", "radius_invalid", "`radius_m` is \"50\""),
        ("Point", "[10]", ",\"radius_m\":50", "coordinates_invalid", "coordinates: a position"),
        ("LineString", "[[10,50],[11,50]]", "", "radius_missing", "needs `half_width_m`"),
        (
            "LineString",
            "[[10,50],[10,50]]",
            ",\"half_width_m\":5",
            "too_few_points",
            "coordinates: 1 distinct positions, 2 are needed",
        ),
        (
            "LineString",
            "[[10,50],[11,50]]",
            ",\"half_width_m\":-1",
            "radius_invalid",
            "`half_width_m` is -1",
        ),
    ];
    for (kind, coordinates, properties, code, message) in cases {
        let (found, text) = refusal(kind, coordinates, properties);
        assert_eq!(found, code, "{kind} {coordinates} {properties}: {text}");
        assert!(text.contains(message), "{text}");
    }
    let no_geometry = r#"{"type":"Feature","id":"f","properties":{},"geometry":null}"#;
    let parsed = parse(&[no_geometry.into()]);
    assert_eq!(codes(&parsed.refusals), [("f", "geometry_missing")]);
}

#[test]
fn what_has_one_reading_is_mended_and_told() {
    let square = sq();
    let bow_tie = multi(
        "[[[[10,50],[10.005,50.005],[10,50.01],[10,50]]],
          [[[10.01,50],[10.01,50.01],[10.005,50.005],[10.01,50]]]]",
    );
    type Case = (&'static str, &'static str, String, Shape, Vec<(&'static str, &'static str)>);
    let cases: Vec<Case> = vec![
        (
            "unclosed",
            "Polygon",
            "[[[10,50],[10.01,50],[10.01,50.01],[10,50.01]]]".into(),
            square.clone(),
            vec![("ring_closed", "coordinates[0] does not end where it begins")],
        ),
        (
            "repeated vertices",
            "Polygon",
            "[[[10,50],[10.01,50],[10.01,50],[10.01,50],[10.01,50.01],[10,50.01],[10,50]]]".into(),
            square.clone(),
            vec![("repeated_vertices", "2 positions repeat the one before them, first coordinates[0][2] (10.01, 50)")],
        ),
        (
            "closed twice",
            "Polygon",
            "[[[10,50],[10.01,50],[10.01,50.01],[10,50.01],[10,50],[10,50]]]".into(),
            square.clone(),
            vec![],
        ),
        (
            "a spike",
            "Polygon",
            "[[[10,50],[10.01,50],[10.02,50],[10.01,50],[10.01,50.01],[10,50.01],[10,50]]]".into(),
            square.clone(),
            vec![("spike", "coordinates[0] goes out and back along one line at (10.01, 50)")],
        ),
        (
            "a bow-tie",
            "Polygon",
            "[[[10,50],[10.01,50.01],[10.01,50],[10,50.01],[10,50]]]".into(),
            bow_tie,
            vec![("self_crossing", "coordinates[0] crosses itself at (10.005, 50.005)")],
        ),
        (
            "traced twice",
            "Polygon",
            "[[[10,50],[10.01,50],[10.01,50.01],[10,50.01],[10,50],[10.01,50],[10.01,50.01],[10,50.01],[10,50]]]".into(),
            square.clone(),
            vec![("ring_idle", "coordinates[0] encloses nothing at (10, 50)")],
        ),
        (
            "to and fro along an edge",
            "Polygon",
            "[[[10,50],[10.01,50],[10.01,50.006],[10.01,50.003],[10.01,50.01],[10,50.01],[10,50]]]".into(),
            polygon("[[[10,50],[10.01,50],[10.01,50.003],[10.01,50.006],[10.01,50.01],[10,50.01],[10,50]]]"),
            vec![("spike", "coordinates[0] goes out and back along one line at (10.01, 50.003)")],
        ),
        (
            "a spike along a part of no width",
            "MultiPolygon",
            "[[[[10,50],[10.01,50],[10.03,50],[10.01,50],[10.01,50.01],[10,50.01],[10,50]]],[[[10.01,50],[10.03,50],[10.02,50],[10.01,50]]]]".into(),
            square.clone(),
            vec![
                ("spike", "coordinates[0][0] goes out and back along one line at (10.01, 50)"),
                ("spike", "coordinates[1][0] goes out and back along one line at (10.01, 50)"),
            ],
        ),
        (
            "the same part twice",
            "MultiPolygon",
            format!("[[{0}],[{0}]]", ring(10.0, 50.0, 10.01, 50.01)),
            square.clone(),
            vec![("parts_overlap", "coordinates[1] overlaps another part at (10, 50)")],
        ),
        (
            "the same hole twice",
            "Polygon",
            format!("[{0},{1},{1}]", ring(20.0, 50.0, 20.01, 50.01), ring(20.004, 50.004, 20.006, 50.006)),
            ho(),
            vec![("ring_idle", "coordinates[2] encloses nothing at (20.004, 50.004)")],
        ),
        (
            "a hole outside",
            "Polygon",
            format!("[{},{}]", ring(10.0, 50.0, 10.01, 50.01), ring(11.0, 50.0, 11.01, 50.01)),
            square.clone(),
            vec![("ring_idle", "coordinates[1] encloses nothing at (11, 50)")],
        ),
        (
            "a hole of two points",
            "Polygon",
            format!("[{},[[10.001,50.001],[10.002,50.002],[10.001,50.001]]]", ring(10.0, 50.0, 10.01, 50.01)),
            square.clone(),
            vec![("hole_dropped", "coordinates[1] has 2 distinct positions")],
        ),
        (
            "a part in a part",
            "MultiPolygon",
            format!("[[{}],[{}]]", ring(10.0, 50.0, 10.01, 50.01), ring(10.002, 50.002, 10.004, 50.004)),
            square.clone(),
            vec![("parts_overlap", "coordinates[1] overlaps another part at (10.002, 50.002)")],
        ),
        (
            "overlapping parts",
            "MultiPolygon",
            format!("[[{}],[{}]]", ring(10.0, 50.0, 10.007, 50.01), ring(10.003, 50.0, 10.01, 50.01)),
            polygon("[[[10,50],[10.003,50],[10.007,50],[10.01,50],[10.01,50.01],[10.007,50.01],[10.003,50.01],[10,50.01],[10,50]]]"),
            vec![
                ("parts_overlap", "coordinates[0] overlaps another part"),
                ("parts_overlap", "coordinates[1] overlaps another part"),
            ],
        ),
        (
            "a hole across the exterior",
            "Polygon",
            format!("[{},{}]", ring(10.0, 50.0, 10.01, 50.01), ring(10.005, 49.99, 10.02, 50.02)),
            polygon(&format!("[{}]", ring(10.0, 50.0, 10.005, 50.01))),
            vec![
                ("rings_cross", "coordinates[0] and coordinates[1] cross at (10.005, 50) and at 1 more"),
                ("ring_idle", "coordinates[0]"),
                ("ring_idle", "coordinates[1]"),
            ],
        ),
        (
            "an edge over half the world",
            "Polygon",
            "[[[-90,0],[90,1],[0,2],[-90,0]]]".into(),
            polygon("[[[-90,0],[0,0.5],[90,1],[0,2],[-90,0]]]"),
            vec![("long_edge", "coordinates[0][0]")],
        ),
    ];
    for (name, kind, coordinates, expected, notes) in cases {
        let (fence, found) = repaired(kind, &coordinates);
        assert_eq!(fence.shape, expected, "{name}: {found:?}");
        assert_eq!(found.len(), notes.len(), "{name}: {found:?}");
        for ((code, message), (expected_code, part)) in found.iter().zip(notes) {
            assert_eq!(*code, expected_code, "{name}");
            assert!(message.contains(part), "{name}: {message}");
        }
    }
}

#[test]
fn rings_that_touch_themselves_are_valid_as_they_are() {
    // A hole that touches the exterior at a vertex, drawn as two rings and as
    // one ring that passes the vertex twice.
    let two = polygon(
        "[[[10,50],[10.01,50],[10.01,50.01],[10,50.01],[10,50]],
          [[10,50],[10.002,50.006],[10.006,50.002],[10,50]]]",
    );
    let one = polygon(
        "[[[10,50],[10.01,50],[10.01,50.01],[10,50.01],[10,50],
           [10.002,50.006],[10.006,50.002],[10,50]]]",
    );
    assert_eq!(two, one);
    assert!(!two.contains(at(10.002, 50.002)) && two.contains(at(10.001, 50.0001)));
    // A hole whose corner lies on the exterior's edge.
    let touching = polygon(
        "[[[10,50],[10.01,50],[10.01,50.01],[10,50.01],[10,50]],
          [[10.005,50],[10.007,50.005],[10.003,50.005],[10.005,50]]]",
    );
    assert!(touching.contains(at(10.005, 50.0)) && !touching.contains(at(10.005, 50.003)));
}

#[test]
fn islands_in_holes_and_many_holes() {
    let shape = multi(&format!(
        "[[{},{},{}],[{}]]",
        ring(0.0, 0.0, 1.0, 1.0),
        ring(0.2, 0.2, 0.8, 0.4),
        ring(0.2, 0.5, 0.8, 0.9),
        ring(0.3, 0.6, 0.7, 0.8),
    ));
    for (lon, lat, inside) in [
        (0.1, 0.1, true),
        (0.5, 0.3, false),
        (0.25, 0.7, false),
        (0.5, 0.7, true),
        (0.5, 0.45, true),
    ] {
        assert_eq!(shape.contains(at(lon, lat)), inside, "{lon} {lat}");
    }
    let (again, _) = repaired(
        "MultiPolygon",
        &format!(
            "[[{}],[{},{},{}]]",
            ring(0.3, 0.6, 0.7, 0.8),
            ring(0.0, 0.0, 1.0, 1.0),
            ring(0.2, 0.5, 0.8, 0.9),
            ring(0.2, 0.2, 0.8, 0.4),
        ),
    );
    assert_eq!(again.shape, shape, "the order of parts and holes makes no difference");
}

#[test]
fn a_tangle_is_refused_and_a_scribble_is_mended() {
    // A star polygon of 99 corners crosses itself some thousand times.
    let star: Vec<String> = (0..100)
        .map(|k| {
            let (sin, cos) = libm::sincos(f64::from(k * 40 % 99) * std::f64::consts::TAU / 99.0);
            format!("[{},{}]", 10.0 + 0.01 * cos, 50.0 + 0.01 * sin)
        })
        .collect();
    let (fence, notes) = repaired("Polygon", &format!("[[{}]]", star.join(",")));
    assert_eq!(notes[0].0, "self_crossing");
    // Nonzero: the centre, wound round many times, is inside.
    assert!(fence.shape.contains(at(10.0, 50.0)));

    // 6,000 strokes to and fro, each across all others' way: millions of
    // crossings.
    let strokes: Vec<String> = (0..6_000)
        .map(|k| {
            let t = f64::from(k) / 6_000.0;
            let (x, y) = if k % 2 == 0 { (t, 0.0) } else { (1.0 - t, 1.0) };
            format!("[{x},{y}]")
        })
        .collect();
    let (code, message) = refusal("Polygon", &format!("[[{},[0,0]]]", strokes.join(",")), "");
    assert_eq!(code, "not_repairable", "{message}");

    // Few corners, and much to do: 400 triangles, each in nearly the same place.
    let place = |x: i32, y: i32| format!("[{},{}]", f64::from(x) / 1e7, f64::from(y) / 1e7);
    let triangle = |i: i32| {
        let corners = [(10 * i, 0), (10_000_000 + 10 * i, 0), (5_000_000 + 10 * i, 10_000_000)];
        let ring = corners.iter().chain(corners.first()).map(|&(x, y)| place(x, y));
        format!("[[{}]]", ring.collect::<Vec<_>>().join(","))
    };
    let triangles: Vec<String> = (0..400).map(triangle).collect();
    let (code, message) = refusal("MultiPolygon", &format!("[{}]", triangles.join(",")), "");
    assert_eq!(code, "not_repairable", "{message}");
}

#[test]
fn very_many_vertices() {
    // A comb of 100,000 vertices.
    let comb = |teeth: u32| {
        let mut corners = Vec::new();
        for i in 0..teeth {
            let x = f64::from(i) * 1e-5;
            corners.push(format!("[{:.7},{}]", 10.0 + x, 50.01));
            corners.push(format!("[{:.7},{}]", 10.0 + x + 5e-6, 50.001));
        }
        corners.push(format!("[{:.7},50]", 10.0 + f64::from(teeth) * 1e-5));
        corners.push("[10,50]".into());
        corners.push("[10,50.01]".into());
        format!("[[{}]]", corners.join(","))
    };
    let (fence, notes) = repaired("Polygon", &comb(50_000));
    assert_eq!(notes, []);
    assert!(fence.shape.contains(at(10.3, 50.0005)) && fence.shape.contains(at(10.3, 50.01)));
    assert!(!fence.shape.contains(at(10.300_005, 50.005)));
    let across = fence.shape.inside_stretches(at(10.2, 50.009), at(10.201, 50.009));
    assert_eq!(across.len(), 101);

    let (code, message) = refusal("Polygon", &comb(130_000), "");
    assert_eq!(
        (code, message.starts_with("260002 vertices, at most 250000")),
        ("too_many_vertices", true),
        "{message}"
    );
}
