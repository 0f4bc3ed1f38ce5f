//! Fences written as text, which is their identity.

use super::*;

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
