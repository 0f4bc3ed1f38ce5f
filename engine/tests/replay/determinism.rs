//! The same input gives the same output: run again, on more shards, out of
//! order and with duplicates.

use std::fmt::Write as _;
use std::sync::LazyLock;

use rstest::rstest;
use tempfile::TempDir;

use crate::rows;
use crate::support::{Replayed, assert_same_lines, austin, replay_well};

fn austin_day(options: &[&str]) -> Replayed {
    let (pings, fences) = austin();
    replay_well(&[&pings], &fences, options)
}

#[test]
fn twice_is_the_same_to_the_byte() {
    let runs = [austin_day(&[]), austin_day(&[])];
    for name in ["events.ndjson", "event_log.ndjson", "liveness.ndjson", "positions.ndjson"] {
        let [one, other] = runs.each_ref().map(|run| run.file(name));
        assert!(!one.is_empty(), "{name}");
        assert_same_lines(name, &one, &other);
    }
    for table in ["pings", "events"] {
        let [one, other] = runs.each_ref().map(|run| rows::table(&run.out().join(table)));
        assert!(rows::count(&one) > 0, "{table}");
        assert!(one == other, "{table}: the rows of two runs differ");
    }
}

#[test]
fn four_shards_say_what_one_says() {
    let one = austin_day(&["--shards", "1"]);
    let four = austin_day(&["--shards", "4"]);
    for name in ["events.ndjson", "liveness.ndjson"] {
        assert_same_lines(name, &one.file(name), &four.file(name));
    }
    let table = |run: &Replayed| rows::count(&rows::table(&run.out().join("pings")));
    assert_eq!(table(&one), table(&four));
}

/// The convergence law on a real day: delays of up to 10 minutes are within
/// the hot lateness of 15.
#[rstest]
fn delays_and_duplicates_change_no_event(
    #[values("1", "2", "3", "4", "5", "6", "7", "8", "9", "10")] seed: &str,
) {
    static UNDISTURBED: LazyLock<String> = LazyLock::new(|| austin_day(&[]).file("events.ndjson"));

    let disturbed = ["--shuffle-seconds", "600", "--seed", seed, "--duplicate", "0.05"];
    let disturbed = austin_day(&disturbed);
    assert_same_lines("events.ndjson", &UNDISTURBED, &disturbed.file("events.ndjson"));

    // Something was disturbed indeed, and corrected.
    let summary = disturbed.summary();
    assert!(summary["dispositions"]["late"].as_u64() > Some(10_000), "{summary}");
    assert!(summary["pings"]["duplicate"].as_u64() > Some(1_000), "{summary}");
    let operations = disturbed.file("event_log.ndjson");
    assert!(operations.contains(r#""op":"retract""#), "no late ping was corrected for");
}

/// Ten thousand pings make a segment, whose last one may come weeks after the
/// others; a vehicle is not silent for that.
#[test]
fn a_vehicle_that_goes_on_is_not_forgotten_for_anothers_gap() {
    const MINUTE_MS: i64 = 60_000;
    const START_MS: i64 = 1_770_000_000_000;
    let mut pings = "vehicle_id,event_time_ms,lat,lon\n".to_owned();
    let mut ping = |vehicle: &str, minute: i64| {
        writeln!(pings, "{vehicle},{},50,10", START_MS + minute * MINUTE_MS).expect("a String");
    };
    (0..10_500).for_each(|minute| ping("steady", minute));
    ping("late", 10_500 + 40 * 24 * 60);
    let folder = TempDir::new().expect("a temporary directory");
    let (file, fences) = (folder.path().join("pings.csv"), folder.path().join("fences.geojson"));
    std::fs::write(&file, pings).expect("written");
    let fence = r#"{"type":"Feature","id":"yard","properties":{"radius_m":500},
        "geometry":{"type":"Point","coordinates":[10,50]}}"#;
    std::fs::write(&fences, fence).expect("written");
    let events = replay_well(&[&file], &fences, &[]).lines("events.ndjson");
    let enters = events
        .iter()
        .filter(|event| event["kind"] == "geofence_enter" && event["vehicle_id"] == "steady");
    assert_eq!(enters.count(), 1, "{events:#?}");
}
