//! What keys say, wherever they are set and however they are spelled.

use std::collections::BTreeSet;
use std::fs;

use rstest::rstest;
use tempfile::TempDir;

use super::*;

/// A value of each key that is not its default, as TOML.
const OTHER_VALUES: &[(&str, &str)] = &[
    ("data_dir", "\"/var/lib/fleet\""),
    ("tenant", "\"city-1\""),
    ("shards", "4"),
    ("shards_owned", "[0, 1, 2, 3]"),
    ("clock", "\"event\""),
    ("fences", "\"/etc/fences.json\""),
    ("fences_poll", "\"5s\""),
    ("vehicle_tags", "\"/etc/tags.json\""),
    ("strict_audit", "true"),
    ("http.listen", "\"[::1]:9\""),
    ("http.max_body", "\"2MiB\""),
    ("http.max_in_flight", "7"),
    ("http.token_file", "\"/etc/token\""),
    ("commit.max_delay", "\"500ms\""),
    ("commit.max_bytes", "\"1MiB\""),
    ("queue.max_pings", "2000"),
    ("queue.max_bytes", "\"32MiB\""),
    ("journal.url", "\"gs://fleet-journal/eu\""),
    ("journal.takeover_after", "\"20s\""),
    ("journal.keep", "\"36h\""),
    ("journal.snapshot_min_segments", "3"),
    ("journal.min_free_percent", "\"5%\""),
    ("journal.heartbeat", "\"10s\""),
    ("detection.profile", "\"plain\""),
    ("detection.reorder_delay", "\"0s\""),
    ("detection.hot_lateness", "\"1h\""),
    ("detection.future_tolerance", "\"90s\""),
    ("detection.allow_null_island", "true"),
    ("detection.max_gap", "\"10m\""),
    ("detection.confirm_ttl", "\"4m\""),
    ("detection.cross_max_gap", "\"1m\""),
    ("detection.exit_confirm", "3"),
    ("detection.min_inside", "\"20s\""),
    ("detection.dwell", "[\"1m\", \"1h\"]"),
    ("detection.on_silence", "\"assume\""),
    ("detection.stationary_after", "\"2m\""),
    ("detection.idle_after", "\"3m\""),
    ("detection.idle_gap", "\"4m\""),
    ("detection.assume_engine_on", "true"),
    ("detection.offline_after", "\"6m\""),
    ("detection.forget_after", "\"7d\""),
    ("detection.vehicles_max", "9"),
    ("detection.hot_bytes_max", "\"3GiB\""),
    ("files.parquet", "false"),
    ("files.event_log", "false"),
    ("files.dead_letters", "false"),
    ("files.positions", "false"),
    ("archive.max_age", "\"1m\""),
    ("archive.max_bytes", "\"64MiB\""),
    ("bigquery.dataset", "\"projects/p/datasets/d\""),
    ("bigquery.mode", "\"default_stream\""),
    ("bigquery.pings_table", "\"raw_pings\""),
    ("bigquery.events_table", "\"raw_events\""),
    ("firestore.database", "\"projects/p/databases/(default)\""),
    ("firestore.collection", "\"Buses\""),
    ("firestore.layout", "\"packed\""),
    ("firestore.packed_documents", "9"),
    ("firestore.max_writes_per_second", "70"),
    ("positions.min_interval", "\"1s\""),
    ("positions.max_delay", "\"9s\""),
    ("pubsub.subscription", "\"projects/p/subscriptions/pings\""),
    ("pubsub.expected_rate", "800"),
    ("pubsub.expected_bytes", "\"2KiB\""),
    ("pubsub.streams", "2"),
    ("pubsub.max_outstanding", "20000"),
    ("pubsub.max_outstanding_bytes", "\"512MiB\""),
    ("pubsub.lease", "\"30s\""),
    ("pubsub.events_topic", "\"projects/p/topics/events\""),
    ("pubsub.dead_letter_topic", "\"projects/p/topics/letters\""),
    ("pubsub.late_topic", "\"projects/p/topics/late\""),
    ("source.stalled_after", "\"30s\""),
    ("log.level", "\"warn,sinks=debug\""),
    ("log.format", "\"json\""),
];

/// What a key's other value asks for beside it.
const WHAT_GOES_WITH: &[(&str, &str)] = &[
    ("journal.url", "files.parquet = false\nfiles.event_log = false\nfiles.dead_letters = false\n"),
    ("shards_owned", "shards = 4\n"),
];

/// All of them that go together: a subscription has no clock of the pings.
fn other_values_together() -> String {
    let together = OTHER_VALUES.iter().filter(|(key, _)| *key != "pubsub.subscription");
    together.map(|(key, value)| format!("{key} = {value}\n")).collect()
}

fn row(effective: &Effective, key: &str) -> (String, Origin) {
    let row = effective.rows().find(|row| row.key == key).expect(key);
    (row.value, row.origin.clone())
}

/// TOML as it is spelled in the environment.
fn bare(value: &str) -> String {
    let list = value.strip_prefix('[').and_then(|value| value.strip_suffix(']'));
    list.unwrap_or(value).replace('"', "")
}

#[test]
fn every_key_takes_file_environment_and_flag_in_that_order_of_strength() {
    let keys: BTreeSet<&str> =
        table::sections().iter().flat_map(|section| &section.keys).map(|key| key.name).collect();
    let covered: BTreeSet<&str> = OTHER_VALUES.iter().map(|(key, _)| *key).collect();
    assert_eq!(covered, keys, "each key needs a value here");

    let defaults = load(None, [], &[]).expect("defaults agree");
    for (key, other) in OTHER_VALUES {
        let (default, origin) = row(&defaults, key);
        assert_eq!(origin, Origin::Default);
        assert_ne!(default, *other, "{key}: the value tried must not be the default");
        let variable = environment::variable(key);
        let beside = WHAT_GOES_WITH.iter().find(|(with, _)| with == key).map_or("", |(_, it)| it);
        let (file_default, file_other) =
            (format!("{key} = {default}\n{beside}"), format!("{key} = {other}\n{beside}"));
        let env_default = [(variable.as_str(), &*bare(&default))];
        let env_other = [(variable.as_str(), &*bare(other))];
        let flag_other = [Flag::new("--set", *key, bare(other))];
        let is_file = |origin: &Origin| matches!(origin, Origin::File { place: Some(place), .. } if place.line == 1);

        let effective = load_text(&file_other, &[], &[]).expect(key);
        let (value, origin) = row(&effective, key);
        assert_eq!(value, *other);
        assert!(is_file(&origin), "{origin:?}");

        let effective = load_text(&file_default, &env_other, &[]).expect(key);
        assert_eq!(
            row(&effective, key),
            (other.to_string(), Origin::Environment { variable: variable.clone() })
        );

        let effective = load_text(&file_default, &env_default, &flag_other).expect(key);
        assert_eq!(
            row(&effective, key),
            (other.to_string(), Origin::Flag { flag: "--set".into() })
        );
    }
}

#[test]
fn what_is_written_reads_back() {
    let text = other_values_together();
    let once = load_text(&text, &[], &[]).expect("they agree with one another");
    let text: String = once.rows().map(|row| format!("{} = {}\n", row.key, row.value)).collect();
    let twice = load_text(&text, &[], &[]).expect("what was written");
    assert_eq!(once.config, twice.config);
}

#[test]
fn defaults_of_detection_are_the_cores() {
    let defaults = load(None, [], &[]).expect("defaults agree");
    assert_eq!(defaults.config.detection_settings(), geofence::Settings::default());
}

#[test]
fn detection_settings_carry_every_setting() {
    let text = other_values_together();
    let effective = load_text(&text, &[], &[]).expect("they agree with one another");
    assert_eq!(
        effective.config.detection_settings(),
        geofence::Settings {
            tenant: "city-1".into(),
            profile: geofence::Profile::Plain,
            reorder_delay_ms: 0,
            hot_lateness_ms: 3_600_000,
            future_tolerance_ms: 90_000,
            allow_null_island: true,
            max_gap_ms: 600_000,
            confirm_ttl_ms: 240_000,
            cross_max_gap_ms: 60_000,
            exit_confirm: 3,
            min_inside_ms: 20_000,
            dwell_s: vec![60, 3_600],
            on_silence: geofence::OnSilence::Assume,
            stationary_after_ms: 120_000,
            idle_after_ms: 180_000,
            idle_gap_ms: 240_000,
            assume_engine_on: true,
            offline_after_ms: 360_000,
            forget_after_ms: 7 * 86_400_000,
            vehicles_max: 9,
            hot_bytes_max: 3 << 30,
        }
    );
}

#[test]
fn paths_count_from_the_file_or_from_the_working_directory() {
    let folder = TempDir::new().expect("a temporary directory");
    let path = folder.path().join("fleet.toml");
    fs::write(&path, "data_dir = \"data\"\nfences = \"city.json\"\n").expect("writable");
    let read = |env: &[(&str, &str)]| load(Some(&path), variables(env), &[]).expect("valid").config;
    assert_eq!(read(&[]).data_dir, folder.path().join("data"));
    assert_eq!(read(&[]).fences, Some(folder.path().join("city.json")));
    assert_eq!(read(&[("FLEETSTREAM_DATA_DIR", "data")]).data_dir, Path::new("data"));
    assert_eq!(read(&[("FLEETSTREAM_FENCES", "")]).fences, None);
}

#[test]
fn other_peoples_variables_are_passed_over() {
    let env = [
        ("PATH", "/bin"),
        ("FLEETSTREAM", "x"),
        ("FLEETSTREAM_CONFIG", "x"),
        ("FLEETSTREAM_FAIL_POINT", "x"),
        ("FLEETSTREAM_PORT", "tcp://10.0.0.1:80"),
        ("FLEETSTREAM_PORT_80_TCP_ADDR", "10.0.0.1"),
        ("FLEETSTREAM_SERVICE_HOST", "10.0.0.1"),
    ];
    let effective = load(None, variables(&env), &[]).expect("none of them is ours");
    assert!(effective.rows().all(|row| *row.origin == Origin::Default));
}

#[test]
fn a_percentage_may_be_a_number() {
    for text in ["5", "\"5%\""] {
        let effective = load_text(&format!("journal.min_free_percent = {text}\n"), &[], &[]);
        assert_eq!(effective.expect(text).config.journal.min_free_percent, 5);
    }
}

#[rstest]
#[case("100_000", 100_000)]
#[case("0x2710", 10_000)]
#[case("+5000", 5_000)]
fn integers_may_be_spelled_in_any_way_toml_allows(#[case] text: &str, #[case] expected: u32) {
    let effective = load_text(&format!("queue.max_pings = {text}\n"), &[], &[]);
    assert_eq!(effective.expect(text).config.queue.max_pings, expected);
}
