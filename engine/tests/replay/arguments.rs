//! What `replay` refuses before it reads a ping.

use std::fs;
use std::path::Path;

use rstest::rstest;
use tempfile::TempDir;

use crate::support::{austin, fleetstream};

/// A folder with pings and fences that are in order, and `full/`, which is
/// not empty.
fn folder() -> TempDir {
    let folder = TempDir::new().expect("a temporary directory");
    let path = |name: &str| folder.path().join(name);
    let pings = "vehicle_id,event_time,lat,lon\nbus,2015-09-06T05:00:47Z,30.27,-97.74\n";
    fs::write(path("pings.csv"), pings).expect("writable");
    fs::copy(austin().1, path("fences.geojson")).expect("writable");
    fs::create_dir(path("full")).expect("writable");
    fs::write(path("full/kept"), "as it was").expect("writable");
    folder
}

fn replay(folder: &Path, pings: &str, fences: &str, out: &str, more: &[&str]) -> (i32, String) {
    let mut arguments = vec!["replay", "--pings", pings, "--fences", fences, "--out", out];
    arguments.extend(more);
    let output = fleetstream(folder, &arguments);
    let code = output.status.code().expect("an exit code");
    (code, String::from_utf8(output.stderr).expect("text"))
}

#[test]
fn an_output_directory_that_is_not_empty_is_left_alone() {
    let folder = folder();
    let (code, message) = replay(folder.path(), "pings.csv", "fences.geojson", "full", &[]);
    assert_eq!(code, 2, "{message}");
    assert!(message.contains("--out full: the directory is not empty"), "{message}");
    let left = fs::read_dir(folder.path().join("full")).expect("a directory").count();
    assert_eq!(left, 1, "something was written");
}

#[test]
fn an_output_directory_that_is_empty_is_used() {
    let folder = folder();
    fs::create_dir(folder.path().join("out")).expect("writable");
    let (code, message) = replay(folder.path(), "pings.csv", "fences.geojson", "out", &[]);
    assert_eq!(code, 0, "{message}");
    assert!(folder.path().join("out/events.ndjson").is_file());
}

#[test]
fn what_is_switched_off_is_not_there() {
    let folder = folder();
    let off = ["event_log", "dead_letters", "parquet", "positions"];
    let off: Vec<String> = off.iter().map(|file| format!("files.{file}=false")).collect();
    let more: Vec<&str> = off.iter().flat_map(|set| ["--set", set]).collect();
    let (code, message) = replay(folder.path(), "pings.csv", "fences.geojson", "out", &more);
    assert_eq!(code, 0, "{message}");
    let there = |name: &str| folder.path().join("out").join(name).exists();
    assert!(there("events.ndjson") && there("summary.json"));
    for gone in ["event_log.ndjson", "dead_letters.ndjson", "pings", "events", "positions.ndjson"] {
        assert!(!there(gone), "{gone}");
    }
}

#[test]
fn an_output_that_is_a_file_is_refused() {
    let folder = folder();
    let (code, message) = replay(folder.path(), "pings.csv", "fences.geojson", "pings.csv", &[]);
    assert_eq!(code, 2, "{message}");
    assert!(message.contains("--out pings.csv"), "{message}");
}

#[rstest]
#[case::no_shards(&["--shards", "0"], 78, "shards: 0 is too small: at least 1")]
#[case::shards_by_name(&["--shards", "many"], 78, "flag --shards")]
#[case::unknown_profile(&["--profile", "fancy"], 78, "flag --profile")]
#[case::unknown_setting(&["--set", "detection.dwel_s=[1]"], 78, "did you mean detection.dwell?")]
#[case::share_above_one(&["--duplicate", "1.5"], 2, "expected a number from 0 to 1")]
#[case::share_of_nothing(&["--duplicate", "NaN"], 2, "expected a number from 0 to 1")]
#[case::shuffle_backwards(&["--shuffle-seconds=-1"], 2, "--shuffle-seconds")]
#[case::unknown_flag(&["--speed", "2"], 2, "--speed")]
fn what_makes_no_sense_is_refused(#[case] more: &[&str], #[case] code: i32, #[case] message: &str) {
    let folder = folder();
    let (found, stderr) = replay(folder.path(), "pings.csv", "fences.geojson", "out", more);
    assert_eq!(found, code, "{stderr}");
    assert!(stderr.contains(message), "{stderr}");
    assert!(!folder.path().join("out").exists(), "something was written");
}

#[rstest]
#[case::missing("nowhere.geojson", "nowhere.geojson: cannot be read")]
#[case::no_geojson("pings.csv", "pings.csv: not JSON")]
fn fences_that_cannot_be_read_are_a_mistake_in_the_configuration(
    #[case] fences: &str,
    #[case] message: &str,
) {
    let folder = folder();
    let (code, stderr) = replay(folder.path(), "pings.csv", fences, "out", &[]);
    assert_eq!(code, 78, "{stderr}");
    assert!(stderr.contains(message), "{stderr}");
}

#[test]
fn pings_fences_and_output_must_be_named() {
    let folder = folder();
    for (missing, arguments) in [
        ("--pings", ["replay", "--fences", "fences.geojson", "--out", "out"]),
        ("--fences", ["replay", "--pings", "pings.csv", "--out", "out"]),
        ("--out", ["replay", "--pings", "pings.csv", "--fences", "fences.geojson"]),
    ] {
        let output = fleetstream(folder.path(), &arguments);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let stderr = String::from_utf8(output.stderr).expect("text");
        assert!(stderr.contains(missing), "{stderr}");
    }
}
