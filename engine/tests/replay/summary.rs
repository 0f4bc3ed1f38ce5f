//! `summary.json` adds up, among itself and with the files it tells of.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

use rstest::rstest;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::rows;
use crate::support::{austin, counted, fleetstream, replay_well};

/// Hours of one bus near Austin's capitol: pings that count, and one of each
/// kind that does not. Receive times are given, as clocks are judged by them.
fn mixed_pings() -> String {
    let mut lines = String::new();
    let mut push = |event_s: i64, receive_s: i64, rest: &str| {
        let ms = |s: i64| (1_441_540_800 + s) * 1000;
        let (event, receive) = (ms(event_s), ms(receive_s));
        let _ = writeln!(
            lines,
            r#"{{"vehicle_id":"mixed","event_time_ms":{event},"receive_time_ms":{receive},{rest}}}"#
        );
    };
    for minute in 0..60 {
        push(minute * 60, minute * 60, r#""lat":30.27,"lon":-97.74"#);
    }
    let end = 3_600;
    push(end - 60, end, r#""lat":30.27,"lon":-97.74"#); // known already
    push(end - 120, end, r#""lat":30.28,"lon":-97.74,"accuracy_m":5"#); // wins its time
    push(end - 180, end, r#""lat":30.28,"lon":-97.74,"accuracy_m":-5"#); // either of two
    push(end - 90, end, r#""lat":30.27,"lon":-97.74"#); // late
    push(10, end, r#""lat":30.27,"lon":-97.74"#); // too late
    push(end + 3_600, end, r#""lat":30.27,"lon":-97.74"#); // future
    push(end - 40 * 86_400, end, r#""lat":30.27,"lon":-97.74"#); // ancient
    push(end - 7_168 * 86_400, end, r#""lat":30.27,"lon":-97.74"#); // rollover
    push(end, end, r#""lat":91,"lon":0"#); // refused
    push(end, end, r#""lat":0,"lon":0"#); // refused
    lines.push_str("no JSON at all\n");
    lines
}

#[test]
fn counts_add_up() {
    let (buses, fences) = austin();
    let folder = TempDir::new().expect("a temporary directory");
    let mixed = folder.path().join("mixed.ndjson");
    fs::write(&mixed, mixed_pings()).expect("writable");
    let options = ["--shuffle-seconds", "60", "--duplicate", "0.01", "--shards", "2"];
    let run = replay_well(&[&buses, &mixed], &fences, &options);
    let summary = run.summary();

    let number = |value: &Value| value.as_u64().unwrap_or_else(|| panic!("{summary}"));
    let sum = |object: &Value| -> u64 {
        object.as_object().expect("an object").values().map(number).sum()
    };
    let pings = &summary["pings"];
    assert_eq!(
        number(&pings["read"]),
        number(&pings["archived"]) + number(&pings["duplicate"]) + number(&pings["dead_letters"]),
        "{summary}"
    );
    assert_eq!(number(&pings["archived"]), sum(&summary["dispositions"]), "{summary}");
    assert_eq!(number(&summary["vehicles"]), 147, "{summary}");
    for name in ["on_time", "late", "too_late", "future", "ancient", "rollover_suspected"] {
        assert!(number(&summary["dispositions"][name]) > 0, "no {name} ping: {summary}");
    }

    let archived = rows::count(&rows::table(&run.out().join("pings")));
    assert_eq!(archived, number(&pings["archived"]));
    let operations = run.lines("event_log.ndjson");
    assert_eq!(operations.len() as u64, number(&summary["operations"]));
    assert_eq!(rows::count(&rows::table(&run.out().join("events"))), operations.len() as u64);
    let letters = run.lines("dead_letters.ndjson");
    assert_eq!(letters.len() as u64, number(&pings["dead_letters"]));
    assert!(letters.len() >= 3, "{letters:?}");
    for (file, counts) in [("events.ndjson", "events"), ("liveness.ndjson", "liveness")] {
        let lines = run.lines(file);
        let kinds = counted(lines.iter().map(|event| event["kind"].as_str().expect("a kind")));
        let told: BTreeMap<String, u64> =
            serde_json::from_value(summary[counts].clone()).expect("counts by kind");
        assert_eq!(kinds, told, "{file}");
    }
    let positions = run.lines("positions.ndjson");
    assert_eq!(positions.len() as u64, number(&summary["vehicles"]));
}

#[test]
fn the_figures_of_the_machine_are_there() {
    let (buses, fences) = austin();
    let run = replay_well(&[&buses], &fences, &["--format", "json"]);
    let printed: Value = serde_json::from_slice(&run.output.stdout).expect("JSON on stdout");
    assert_eq!(printed, run.summary());
    for figure in ["wall_seconds", "cpu_seconds", "pings_per_second", "peak_rss_bytes"] {
        assert!(printed[figure].as_f64() > Some(0.0), "{figure}: {printed}");
    }
}

#[test]
fn an_input_without_a_usable_ping_is_all_dead_letters() {
    let folder = TempDir::new().expect("a temporary directory");
    let (_, fences) = austin();
    fs::write(folder.path().join("bad.ndjson"), "{\"vehicle_id\":\"a\"}\n{}\n").expect("writable");
    let fences = fences.to_str().expect("text");
    let arguments = ["replay", "--pings", "bad.ndjson", "--fences", fences, "--out", "out"];
    let output = fleetstream(folder.path(), &arguments);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let text = fs::read_to_string(folder.path().join("out/summary.json")).expect("a summary");
    let summary: Value = serde_json::from_str(&text).expect("JSON");
    let expected = json!({"read": 2, "archived": 0, "duplicate": 0, "dead_letters": 2});
    assert_eq!(summary["pings"], expected);
    assert_eq!(fs::read_to_string(folder.path().join("out/events.ndjson")).expect("a file"), "");
}

#[rstest]
#[case::milliseconds(1, false)]
#[case::seconds_for_milliseconds(1_000, true)]
fn the_span_of_event_times_is_told_and_one_of_another_unit_warned_of(
    #[case] divided_by: i64,
    #[case] warned: bool,
) {
    let (_, fences) = austin();
    let folder = TempDir::new().expect("a temporary directory");
    let ping = |seconds: i64| {
        let time = (1_441_540_800_000 + seconds * 1_000) / divided_by;
        format!("{{\"vehicle_id\":\"a\",\"event_time_ms\":{time},\"lat\":30.27,\"lon\":-97.74}}\n")
    };
    let file = folder.path().join("pings.ndjson");
    fs::write(&file, ping(60) + &ping(0)).expect("writable");
    let run = replay_well(&[&file], &fences, &[]);
    let summary = run.summary();
    let times = [&summary["event_time_first"], &summary["event_time_last"]];
    let expected = if warned {
        ["1970-01-17T16:25:40.800Z", "1970-01-17T16:25:40.860Z"]
    } else {
        ["2015-09-06T12:00:00.000Z", "2015-09-06T12:01:00.000Z"]
    };
    assert_eq!(times, expected, "{summary}");
    let warning = "event_time_ms counts milliseconds since 1970";
    assert_eq!(run.stderr().contains(warning), warned, "{}", run.stderr());
}
