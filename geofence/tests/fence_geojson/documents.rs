//! What a document may be, and what its features are called and say.

use super::*;

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
fn a_schedule_that_is_none_refuses_its_fence() {
    let bad = r#","radius_m":50,"schedule":{"zone":"UTC","week":{"mon":["08:00-08:00"]}}"#;
    let (code, message) = refusal("Point", "[10,50]", bad);
    assert_eq!(code, "schedule_invalid");
    assert!(message.starts_with("`schedule.week.mon`: \"08:00-08:00\" is empty"), "{message}");
}
