//! `fleetstream fences check`, and the fences a configuration names, from the
//! outside.

use std::fs;
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;

const GOOD: &str = r#"{"type": "FeatureCollection", "features": [
  {"type": "Feature", "id": "square", "properties": {"name": "Market square", "tags": ["b", "a"]},
   "geometry": {"type": "Polygon", "coordinates":
     [[[10.0, 50.0], [10.01, 50.0], [10.01, 50.01], [10.0, 50.01], [10.0, 50.0]]]}},
  {"type": "Feature", "id": "depot", "properties": {"radius_m": 50},
   "geometry": {"type": "Point", "coordinates": [10.02, 50.005]}},
  {"type": "Feature", "id": "road", "properties": {"half_width_m": 30},
   "geometry": {"type": "LineString", "coordinates": [[30.0, 50.0], [30.02, 50.0]]}}
]}"#;

/// One ring is not closed, one point has no radius.
const MIXED: &str = r#"{"type": "FeatureCollection", "features": [
  {"type": "Feature", "id": "open", "properties": {},
   "geometry": {"type": "Polygon", "coordinates":
     [[[10.0, 50.0], [10.01, 50.0], [10.01, 50.01], [10.0, 50.01]]]}},
  {"type": "Feature", "id": "point", "properties": {},
   "geometry": {"type": "Point", "coordinates": [10.02, 50.005]}}
]}"#;

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = TempDir::new().expect("a temporary directory");
    for (name, text) in files {
        fs::write(folder.path().join(name), text).expect("writable");
    }
    folder
}

fn fleetstream(folder: &TempDir, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fleetstream"));
    command.current_dir(folder.path()).args(arguments).output().expect("the binary starts")
}

fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).expect("text")
}

#[test]
fn a_directory_is_read_as_one_set() {
    let own = r#"{"type": "Feature", "id": "yard", "properties":
        {"radius_m": 50, "dwell_s": [60, 300], "min_inside_s": 30, "exit_confirm": 3},
        "geometry": {"type": "Point", "coordinates": [10.02, 51]}}"#;
    let folder = folder(&[]);
    fs::create_dir(folder.path().join("fences")).expect("writable");
    let write = |name: &str, text: &str| {
        fs::write(folder.path().join("fences").join(name), text).expect("writable");
    };
    write("city.geojson", GOOD);
    write("yard.geojson", own);
    let output = fleetstream(&folder, &["fences", "check", "fences"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let listed = text(&output.stdout);
    assert!(listed.starts_with("4 fences, 0 repaired, 0 refused\n"), "{listed}");
    let yard = listed.lines().find(|line| line.contains("yard")).expect("it is listed");
    assert!(yard.ends_with("dwell at 60, 300 s; entered after 30 s; left after 3 pings"), "{yard}");

    write("again.geojson", GOOD);
    let output = fleetstream(&folder, &["fences", "check", "fences", "--format", "json"]);
    assert_eq!(output.status.code(), Some(78), "{output:?}");
    let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let refusals = told["refusals"].as_array().expect("a list");
    assert_eq!(refusals.len(), 3);
    assert_eq!((&told["ok"], &refusals[0]["code"]), (&json!(false), &json!("id_duplicate")));
    let message = refusals[0]["message"].as_str().expect("text");
    assert!(message.contains("again.geojson") && message.contains("city.geojson"), "{message}");
}

#[test]
fn usable_fences_are_listed() {
    let folder = folder(&[("city.geojson", GOOD)]);
    let output = fleetstream(&folder, &["fences", "check", "city.geojson"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(
        text(&output.stdout),
        "3 fences, 0 repaired, 0 refused\n\
         \x20 depot   circle, radius 50 m          7854 m²\n\
         \x20 road    corridor, half width 30 m   88862 m²\n\
         \x20 square  polygon, 4 vertices        0.797 km²  Market square; for a, b\n"
    );
}

#[test]
fn opening_hours_are_told_and_their_mistakes_named() {
    let yard = |schedule: &str| {
        format!(
            r#"{{"type": "Feature", "id": "yard", "properties": {{"radius_m": 50,
            "schedule": {schedule}}}, "geometry": {{"type": "Point", "coordinates": [10, 50]}}}}"#
        )
    };
    let good = yard(r#"{"zone": "europe/berlin", "week": {"mon-fri": ["08:00-18:00"]}}"#);
    let bad = yard(r#"{"zone": "Europe/Berlim", "week": {"mon-fri": ["08:00-18:00"]}}"#);
    let folder = folder(&[("good", &good), ("bad", &bad)]);
    let output = fleetstream(&folder, &["fences", "check", "good"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let answer = text(&output.stdout);
    assert!(answer.ends_with("  open Europe/Berlin mon-fri 08:00-18:00\n"), "{answer}");
    let output = fleetstream(&folder, &["fences", "check", "bad"]);
    assert_eq!(output.status.code(), Some(78), "{output:?}");
    let answer = text(&output.stdout);
    let wanted = "refused: yard: `schedule.zone`: \"Europe/Berlim\" is no time zone of the IANA \
                  database; near to it are \"Europe/Berlin\", ";
    assert!(answer.contains(wanted) && answer.ends_with("[schedule_invalid]\n"), "{answer}");
}

#[test]
fn repairs_and_refusals_are_told_and_the_code_is_78() {
    let folder = folder(&[("city.geojson", MIXED)]);
    let output = fleetstream(&folder, &["fences", "check", "city.geojson"]);
    assert_eq!(output.status.code(), Some(78), "{output:?}");
    let answer = text(&output.stdout);
    assert!(answer.starts_with("1 fence, 1 repaired, 1 refused\n  open "), "{answer}");
    assert!(answer.contains("\nrepaired: open: "), "{answer}");
    assert!(answer.contains("\nrefused: point: "), "{answer}");
    assert!(answer.contains("radius_m"), "{answer}");
}

#[test]
fn as_json() {
    let folder = folder(&[("good", GOOD), ("mixed", MIXED)]);
    let answer = |file: &str, code: i32| -> Value {
        let output = fleetstream(&folder, &["fences", "check", file, "--format", "json"]);
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        serde_json::from_slice(&output.stdout).expect("JSON")
    };
    let good = answer("good", 0);
    assert_eq!(good["ok"], true);
    assert_eq!(good["hash"].as_str().map(str::len), Some(32));
    let mut square = good["fences"][2].clone();
    let area = square["area_m2"].take().as_f64().expect("a number");
    assert!((area - 717.0 * 1112.0).abs() < 1_500.0, "{area}");
    assert_eq!(
        square,
        json!({
            "id": "square",
            "name": "Market square",
            "tags": ["a", "b"],
            "schedule": null,
            "dwell_s": null,
            "exit_confirm": null,
            "min_inside_s": null,
            "shape": "polygon",
            "vertices": 4,
            "area_m2": null,
        })
    );
    let mixed = answer("mixed", 78);
    assert_eq!(mixed["ok"], false);
    assert_eq!(mixed["repairs"][0]["fence"], "open");
    assert_eq!(mixed["refusals"][0]["fence"], "point");
    assert_ne!(mixed["hash"], good["hash"]);
}

#[test]
fn what_is_no_geojson_at_all_is_an_error_with_its_place() {
    let folder = folder(&[("broken", "{\n  \"type\": oops\n}"), ("other", "[1]")]);
    for (file, expected) in [
        ("missing", "error: missing\n  caused by: cannot be read: "),
        ("broken", "error: broken\n  caused by: not JSON: "),
        ("other", "error: other\n  caused by: not GeoJSON: "),
    ] {
        let output = fleetstream(&folder, &["fences", "check", file]);
        assert_eq!(output.status.code(), Some(78), "{output:?}");
        assert!(text(&output.stderr).starts_with(expected), "{output:?}");
    }
    let output = fleetstream(&folder, &["fences", "check", "broken"]);
    assert!(text(&output.stderr).contains("line 2 column 11"), "{output:?}");
}

#[test]
fn check_config_looks_at_the_fences_too() {
    let folder = folder(&[
        ("good.toml", "fences = \"city.geojson\"\n"),
        ("mixed.toml", "\nfences = \"mixed.geojson\"\n"),
        ("missing.toml", "fences = \"nowhere.geojson\"\n"),
        ("city.geojson", GOOD),
        ("mixed.geojson", MIXED),
    ]);
    let check = |file: &str| fleetstream(&folder, &["check-config", file]);
    assert_eq!(check("good.toml").status.code(), Some(0));

    let mixed = check("mixed.toml");
    assert_eq!(mixed.status.code(), Some(78));
    let told = text(&mixed.stderr);
    let expected = "error: 1 mistake in the configuration\n\
                    mixed.toml:2:1: fences: mixed.geojson: point: ";
    assert!(told.starts_with(expected), "{told}");

    let missing = check("missing.toml");
    assert_eq!(missing.status.code(), Some(78));
    let expected = "missing.toml:1:1: fences: nowhere.geojson: cannot be read: No such file";
    assert!(text(&missing.stderr).contains(expected), "{missing:?}");
}
