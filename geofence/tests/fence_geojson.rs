//! Reading fences: what is taken, what is mended, what is refused and how it
//! is told; and writing them back.

#![allow(clippy::unwrap_used, reason = "functions that tests call are tests")]

mod support;

use geofence::{Fence, FenceSet, FencesError, Shape, parse_fences};
use support::*;

fn codes(notes: &[geofence::FenceNote]) -> Vec<(&str, &str)> {
    notes.iter().map(|note| (note.fence.as_str(), note.code)).collect()
}

fn refusal(kind: &str, coordinates: &str, properties: &str) -> (&'static str, String) {
    let parsed = parse(&[feature("f", kind, coordinates, properties)]);
    assert!(parsed.set.fences().is_empty(), "{kind} {coordinates}");
    let [note] = &parsed.refusals[..] else { panic!("{:?}", parsed.refusals) };
    assert_eq!(note.fence, "f");
    (note.code, note.message.clone())
}

/// The repaired fence and its remarks.
fn repaired(kind: &str, coordinates: &str) -> (Fence, Vec<(&'static str, String)>) {
    let parsed = parse(&[feature("f", kind, coordinates, "")]);
    assert_eq!(parsed.refusals, []);
    round_trip(&parsed.set);
    let notes = parsed.repairs.iter().map(|note| (note.code, note.message.clone())).collect();
    (parsed.set.fences()[0].clone(), notes)
}

/// Writes the set and reads it again: equal, nothing to mend, equal bytes.
fn round_trip(set: &FenceSet) {
    let bytes = set.to_canonical_json();
    let again = parse_fences(&bytes).unwrap();
    assert_eq!(again.refusals, []);
    assert_eq!(again.repairs, []);
    assert!(again.set == *set, "{}", String::from_utf8_lossy(&bytes));
    assert_eq!(again.set.to_canonical_json(), bytes);
    assert_eq!(again.set.hash(), set.hash());
}

#[test]
fn documents_that_are_fences() {
    let square = format!("[{}]", ring(10.0, 50.0, 10.01, 50.01));
    let one = feature("a", "Polygon", &square, "");
    let bare = format!(r#"{{"type":"Polygon","coordinates":{square}}}"#);
    let cases = [
        ("collection", collection(std::slice::from_ref(&one)), vec!["a"]),
        ("feature", one.clone(), vec!["a"]),
        ("geometry", bare, vec!["fence"]),
        ("empty collection", collection(&[]), vec![]),
        ("with a byte order mark", format!("\u{feff}{one}"), vec!["a"]),
        ("sorted by id", collection(&[feature("b", "Polygon", &square, ""), one]), vec!["a", "b"]),
    ];
    for (name, text, ids) in cases {
        let parsed = parse_fences(text.as_bytes()).unwrap();
        assert_eq!((&parsed.refusals, &parsed.repairs), (&vec![], &vec![]), "{name}");
        let found: Vec<_> = parsed.set.fences().iter().map(|f| f.id.as_str()).collect();
        assert_eq!(found, ids, "{name}");
        for (i, id) in ids.iter().enumerate() {
            assert_eq!(parsed.set.position_of(id), Some(i as u32), "{name}");
        }
        assert_eq!(parsed.set.position_of("nowhere"), None);
        round_trip(&parsed.set);
    }
}

#[test]
fn documents_that_are_none() {
    let cases: [(&[u8], &str); 9] = [
        (b"", "not JSON: EOF while parsing a value at line 1 column 0"),
        (b"{\"type\":\"Feat", "not JSON: EOF while parsing a string at line 1 column 13"),
        (b"\xff\xfe", "not JSON: expected value at line 1 column 1"),
        (b"[]", "not GeoJSON: the document has no `type`"),
        (b"{\"type\":3}", "not GeoJSON: the document has no `type`"),
        (b"{\"type\":\"Topology\"}", "not GeoJSON: `type` is \"Topology\""),
        (
            b"{\"type\":\"FeatureCollection\"}",
            "not GeoJSON: the FeatureCollection has no array `features`",
        ),
        (b"vehicle_id,lat,lon\n", "not JSON: expected value at line 1 column 1"),
        (b"{\"type\":\"Point\",\"coordinates\":[1e999,0]}", "not JSON: number out of range"),
    ];
    for (bytes, message) in cases {
        let error = parse_fences(bytes).unwrap_err();
        assert!(error.to_string().starts_with(message), "{error}");
    }
    assert!(matches!(parse_fences(b"{"), Err(FencesError::NotJson(_))));
}

#[test]
fn ids_names_and_duplicates() {
    let square = format!("[{}]", ring(10.0, 50.0, 10.01, 50.01));
    let with = |members: &str, properties: &str| {
        format!(
            r#"{{"type":"Feature"{members},"properties":{properties},
                "geometry":{{"type":"Polygon","coordinates":{square}}}}}"#
        )
    };
    let parsed = parse(&[
        with(r#","id":"a""#, r#"{"id":"not this","name":"Alpha"}"#),
        with(r#","id":7"#, "null"),
        with("", r#"{"id":"b"}"#),
        with(r#","id":null"#, r#"{"id":8}"#),
        with("", r#"{"name":"Depot 3"}"#),
    ]);
    assert_eq!(parsed.refusals, []);
    let named: Vec<_> =
        parsed.set.fences().iter().map(|f| (f.id.as_str(), f.name.as_str())).collect();
    let expected = [("7", "7"), ("8", "8"), ("Depot 3", "Depot 3"), ("a", "Alpha"), ("b", "b")];
    assert_eq!(named, expected);

    let parsed = parse(&[
        with("", "{}"),
        with(r#","id":"twice""#, "{}"),
        with(r#","id":"once""#, "{}"),
        with(r#","id":"twice""#, "{}"),
        with(r#","id":"""#, "{}"),
        with(r#","id":true"#, "{}"),
        with(&format!(r#","id":"{}""#, "x".repeat(129)), "{}"),
        with(r#","id":"a\u0000b""#, "{}"),
        "{\"type\":\"Polygon\"}".into(),
        with(r#","id":"odd""#, "[]"),
        "null".into(),
    ]);
    assert_eq!(
        codes(&parsed.refusals),
        [
            ("feature 0", "id_missing"),
            ("twice", "id_duplicate"),
            ("feature 4", "id_invalid"),
            ("feature 5", "id_invalid"),
            ("feature 6", "id_invalid"),
            ("feature 7", "id_invalid"),
            ("feature 8", "feature_invalid"),
            ("feature 9", "feature_invalid"),
            ("feature 10", "feature_invalid"),
        ]
    );
    assert!(parsed.refusals[1].message.contains("features 1, 3"), "{:?}", parsed.refusals[1]);
    assert_eq!(parsed.set.fences().len(), 1);
}

#[test]
fn a_feature_that_cannot_be_read_spoils_no_other() {
    let square = format!("[{}]", ring(10.0, 50.0, 10.01, 50.01));
    let good = |id: &str| feature(id, "Polygon", &square, "");
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let bad = [
        feature("large", "Point", "[1e400,50]", r#","radius_m":50"#),
        feature("ignored", "Polygon", &square, r#","population":-1e400"#),
        feature("deep", "Polygon", &nested(200), ""),
        feature("text", "Polygon", &square, r#","note":"\ud800""#),
    ];
    let [large, ignored, deep, text] = bad.clone();
    let parsed = parse(&[good("a"), large, ignored, good("b"), deep, text, good("c")]);
    let found: Vec<_> = parsed.set.fences().iter().map(|f| f.id.as_str()).collect();
    assert_eq!(found, ["a", "b", "c"]);
    let refused = [1, 2, 4, 5].map(|number| (format!("feature {number}"), "feature_invalid"));
    assert_eq!(
        codes(&parsed.refusals),
        refused.each_ref().map(|(name, code)| (name.as_str(), *code))
    );
    for (refusal, problem) in parsed.refusals.iter().zip([
        "number out of range at line 2 column 59",
        "number out of range at line 1",
        "recursion limit exceeded at line 2",
        "unexpected end of hex escape at line 1",
    ]) {
        assert!(refusal.message.contains(problem), "{refusal:?}");
        assert!(refusal.message.ends_with("counted from where the feature begins"), "{refusal:?}");
    }
    // What is one feature, or no JSON at all, is refused as a whole.
    for whole in bad.into_iter().chain([collection(&[good("a"), "{".into()])]) {
        assert!(matches!(parse_fences(whole.as_bytes()), Err(FencesError::NotJson(_))), "{whole}");
    }
}

/// Numbers that are read into floating point are not written back as they were:
/// fences whose ids differ would share one.
#[test]
fn numbers_that_are_ids() {
    let point = |id: &str, members: &str| {
        format!(
            r#"{{"type":"Feature"{members},"properties":{{"radius_m":50{id}}},
                "geometry":{{"type":"Point","coordinates":[10,50]}}}}"#
        )
    };
    for id in ["0", "-7", "18446744073709551615", "-9223372036854775808"] {
        for feature in [point("", &format!(r#","id":{id}"#)), point(&format!(r#","id":{id}"#), "")]
        {
            let parsed = parse(&[feature]);
            assert_eq!(parsed.refusals, []);
            assert_eq!(parsed.set.fences()[0].id, id);
        }
    }
    for id in ["18446744073709551616", "-9223372036854775809", "1e3", "7.0", "7.5"] {
        for property in [format!(r#","id":{id}"#), format!(r#","name":{id}"#)] {
            let parsed = parse(&[point(&property, "")]);
            assert_eq!(codes(&parsed.refusals), [("feature 0", "id_invalid")], "{id}");
            let message = &parsed.refusals[0].message;
            assert!(message.ends_with("write the id as text"), "{message}");
        }
    }
    let neighbours = ["12345678901234567890123", "12345678901234567890124"];
    let parsed = parse(&neighbours.map(|id| point("", &format!(r#","id":{id}"#))));
    let wanted = [("feature 0", "id_invalid"), ("feature 1", "id_invalid")];
    assert_eq!(codes(&parsed.refusals), wanted);
}

#[test]
fn properties_that_are_settings() {
    let read = fence(
        "Point",
        "[10,50]",
        r#","radius_m":25,"tags":["yard","depot","yard"],"dwell_s":[900,300,300],
           "exit_confirm":1,"min_inside_s":60,"colour":{"fill":"red"}"#,
    );
    assert_eq!(read.tags, ["depot", "yard"]);
    assert_eq!(read.settings.dwell_s, Some(vec![300, 900]));
    assert_eq!((read.settings.exit_confirm, read.settings.min_inside_s), (Some(1), Some(60)));
    let one = fence("Point", "[10,50]", r#","radius_m":25,"dwell_s":300.0"#);
    assert_eq!(one.settings.dwell_s, Some(vec![300]));
    let none = fence("Point", "[10,50]", r#","radius_m":25,"dwell_s":[],"tags":null"#);
    assert_eq!((none.settings.dwell_s, none.tags), (Some(vec![]), vec![]));

    let longest = "é".repeat(64);
    let tagged = fence("Point", "[10,50]", &format!(r#","radius_m":25,"tags":["{longest}"]"#));
    assert_eq!(tagged.tags, [longest]);

    let cases = [
        (r#","dwell_s":"300""#, "property_invalid", "`dwell_s` is \"300\": whole seconds"),
        (r#","dwell_s":0"#, "property_invalid", "`dwell_s` is 0"),
        (r#","dwell_s":[300,-1]"#, "property_invalid", "`dwell_s` is [300,-1]"),
        (r#","dwell_s":1.5"#, "property_invalid", "`dwell_s` is 1.5"),
        (r#","exit_confirm":0"#, "property_invalid", "`exit_confirm` is 0: a whole number"),
        (r#","exit_confirm":11"#, "property_invalid", "`exit_confirm` is 11"),
        (r#","min_inside_s":true"#, "property_invalid", "`min_inside_s` is true"),
        (r#","min_inside_s":2678401"#, "property_invalid", "`min_inside_s` is 2678401"),
        (r#","tags":"yard""#, "property_invalid", "`tags` is \"yard\": a list of texts"),
        (r#","tags":["yard",3]"#, "property_invalid", "`tags` is [\"yard\",3]"),
    ];
    let long = format!(r#","tags":["{}"]"#, "é".repeat(65));
    let of_tags = [
        (r#","tags":["yard",""]"#, "`tags` is \"\": a list of texts of 1 to 64 characters"),
        (r#","tags":["a\nb","yard"]"#, "`tags` is \"a\\nb\": a list of texts of 1 to 64"),
        (&long, "`tags` is \"éééé"),
    ];
    let of_tags = of_tags.map(|(properties, message)| (properties, "property_invalid", message));
    for (properties, code, message) in cases.into_iter().chain(of_tags) {
        let (found, text) = refusal("Point", "[10,50]", &format!(r#","radius_m":25{properties}"#));
        assert_eq!(found, code, "{properties}");
        assert!(text.starts_with(message), "{text}");
    }
}

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
fn the_same_fence_uploaded_again() {
    let read = |coordinates: &str, properties: &str| fence("Polygon", coordinates, properties);
    let first = read(&format!("[{}]", ring(10.0, 50.0, 10.01, 50.01)), "");
    let reworded = "[[[10.010,50.0],[10.00,50.0],[10.0,50.0100],[10.01,50.01],[10.01,50]]]";
    assert!(first.same_as(&read(reworded, r#","tags":["new"]"#)));
    assert!(!first.same_as(&read(reworded, r#","dwell_s":60"#)));
    let moved = format!("[{}]", ring(10.0, 50.0, 10.01, 50.010_000_1));
    assert!(!first.same_as(&read(&moved, "")));
}

#[test]
fn canonical_text_and_its_hash() {
    let parsed = parse(&[
        feature(
            "z",
            "Polygon",
            "[[[179.995,-17],[179.995,-16.5],[-179.995,-16.5],[-179.9950001,-17],[179.995,-17]]]",
            "",
        ),
        feature(
            "c",
            "Point",
            "[-0.00000004,50.50]",
            r#","radius_m":12.50,"dwell_s":60,"tags":["t"]"#,
        ),
        feature("l", "LineString", "[[10,50,7.5],[10.5,50.25]]", r#","half_width_m":30"#),
    ]);
    let text = String::from_utf8(parsed.set.to_canonical_json()).unwrap();
    let expected = concat!(
        r#"{"type":"FeatureCollection","features":["#,
        "\n",
        r#"{"type":"Feature","id":"c","properties":{"dwell_s":[60],"name":"c","radius_m":12.5,"#,
        r#""tags":["t"]},"geometry":{"type":"Point","coordinates":[0,50.5]}},"#,
        "\n",
        r#"{"type":"Feature","id":"l","properties":{"half_width_m":30.0,"name":"l"},"#,
        r#""geometry":{"type":"LineString","coordinates":[[10,50],[10.5,50.25]]}},"#,
        "\n",
        r#"{"type":"Feature","id":"z","properties":{"name":"z"},"geometry":{"type":"Polygon","#,
        r#""coordinates":[[[179.995,-17],[-179.9950001,-17],[-179.995,-16.5],[179.995,-16.5],"#,
        r#"[179.995,-17]]]}}"#,
        "\n]}\n"
    );
    assert_eq!(text, expected);
    round_trip(&parsed.set);
    assert_eq!(parsed.set.hash().len(), 32);
    assert_ne!(parsed.set.hash(), FenceSet::empty().hash());
    round_trip(&FenceSet::empty());
}

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

#[test]
fn opening_hours_and_tags_are_written_and_read_back() {
    let hours = r#","tags":["b","a"],"schedule":{"week":{"tue":["22:00-06:00"],"mon":["22:00-06:00"]},
        "zone":"europe/berlin","exceptions":{"2026-12-25":[]}}"#;
    let parsed = parse(&[feature("f", "Point", "[10,50]", &format!(r#","radius_m":50{hours}"#))]);
    assert_eq!(parsed.refusals, []);
    round_trip(&parsed.set);
    let text = parsed.set.fences()[0].to_canonical_json();
    let written = r#""schedule":{"exceptions":{"2026-12-25":[]},"week":{"mon-tue":["22:00-06:00"]},"zone":"Europe/Berlin"},"tags":["a","b"]"#;
    assert!(text.contains(written), "{text}");
    let without = parse(&[feature("f", "Point", "[10,50]", r#","radius_m":50,"tags":["a","b"]"#)]);
    assert_ne!(without.set.hash(), parsed.set.hash());
    assert!(!without.set.fences()[0].same_as(&parsed.set.fences()[0]), "other hours");
}

#[test]
fn a_schedule_that_is_none_refuses_its_fence() {
    let bad = r#","radius_m":50,"schedule":{"zone":"UTC","week":{"mon":["08:00-08:00"]}}"#;
    let (code, message) = refusal("Point", "[10,50]", bad);
    assert_eq!(code, "schedule_invalid");
    assert!(message.starts_with("`schedule.week.mon`: \"08:00-08:00\" is empty"), "{message}");
}
