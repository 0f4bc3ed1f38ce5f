//! What is told of a mistake, and where.

use std::fs;

use rstest::rstest;
use tempfile::TempDir;

use super::*;

#[rstest]
#[case::unknown_key(
    "shards = 2\n[commit]\nmax_dealy = \"1s\"\n",
    "fleet.toml:3:1: commit.max_dealy: unknown key; did you mean commit.max_delay?"
)]
#[case::key_of_another_section(
    "max_delay = \"1s\"\n",
    "fleet.toml:1:1: max_delay: unknown key; did you mean commit.max_delay?"
)]
#[case::unknown_key_like_no_other("colour = 3\n", "fleet.toml:1:1: colour: unknown key")]
#[case::unknown_section(
    "\n[comit]\nmax_delay = \"1s\"\n",
    "fleet.toml:2:2: comit: unknown section; did you mean [commit]?"
)]
#[case::section_as_a_key(
    "commit = 3\n",
    "fleet.toml:1:1: commit: is a section: write its keys under [commit]"
)]
#[case::bare_number_as_duration(
    "commit.max_delay = 200\n",
    "fleet.toml:1:20: commit.max_delay: expected a duration from \"1ms\" to \"10s\" \
     (units ms, s, m, h, d), found the integer 200"
)]
#[case::duration_too_long(
    "commit.max_delay = \"20s\"\n",
    "fleet.toml:1:20: commit.max_delay: \"20s\" is too large: at most \"10s\""
)]
#[case::duration_too_short(
    "[positions]\nmin_interval = \"999ms\"\n",
    "fleet.toml:2:16: positions.min_interval: \"999ms\" is too small: at least \"1s\""
)]
#[case::decimal_megabytes(
    "[commit]\n  max_bytes = \"4MB\"\n",
    "fleet.toml:2:15: commit.max_bytes: expected a size from \"64KiB\" to \"256MiB\" \
     (units B, KiB, MiB, GiB, TiB), found \"4MB\""
)]
#[case::size_too_small(
    "[http]\nmax_body = \"63KiB\"\n",
    "fleet.toml:2:12: http.max_body: \"63KiB\" is too small: at least \"64KiB\""
)]
#[case::size_that_overflows(
    "[http]\nmax_body = \"99999999999TiB\"\n",
    "fleet.toml:2:12: http.max_body: expected a size from \"64KiB\" to \"64MiB\" \
     (units B, KiB, MiB, GiB, TiB), found \"99999999999TiB\""
)]
#[case::no_bucket(
    "[journal]\nurl = \"/srv/journal\"\n",
    "fleet.toml:2:7: journal.url: expected gs://bucket or gs://bucket/prefix, or \"\" for none, \
     found \"/srv/journal\""
)]
#[case::files_beside_a_journal_elsewhere(
    "journal.url = \"gs://fleet/journal\"\n[files]\nparquet = false\n",
    "fleet.toml:1:9: journal.url = \"gs://fleet/journal\" goes with no files under data_dir: a \
     worker that takes over elsewhere has none of them; set files.event_log = false, \
     files.dead_letters = false"
)]
#[case::count_below("shards = 0\n", "fleet.toml:1:10: shards: 0 is too small: at least 1")]
#[case::count_as_text(
    "shards = \"2\"\n",
    "fleet.toml:1:10: shards: expected a whole number from 1 to 1024, found \"2\""
)]
#[case::count_as_float(
    "shards = 2.0\n",
    "fleet.toml:1:10: shards: expected a whole number from 1 to 1024, found the float 2.0"
)]
#[case::count_beyond_any_integer(
    "shards = 123456789012345678901234567890123456789012\n",
    "fleet.toml:1:10: shards: expected a whole number from 1 to 1024, \
     found the integer 123456789012345678901234567890123456789012"
)]
#[case::negative("shards = -1\n", "fleet.toml:1:10: shards: -1 is too small: at least 1")]
#[case::switch_as_text(
    "strict_audit = \"true\"\n",
    "fleet.toml:1:16: strict_audit: expected true or false, found \"true\""
)]
#[case::percent(
    "journal.min_free_percent = \"95%\"\n",
    "fleet.toml:1:28: journal.min_free_percent: \"95%\" is too large: at most \"90%\""
)]
#[case::choice(
    "clock = \"wal\"\n",
    "fleet.toml:1:9: clock: expected one of \"wall\", \"event\", found \"wal\"; \
     did you mean \"wall\"?"
)]
#[case::address(
    "http.listen = \"localhost\"\n",
    "fleet.toml:1:15: http.listen: expected an IP address and a port, such as \
     \"127.0.0.1:8080\" or \"[::]:8080\", found \"localhost\""
)]
#[case::tenant(
    "tenant = \"a b\"\n",
    "fleet.toml:1:10: tenant: expected 1 to 64 characters of A-Z a-z 0-9 . _ : -, found \"a b\""
)]
#[case::misspelt_level(
    "log.level = \"inof\"\n",
    "fleet.toml:1:13: log.level: expected a level (off, error, warn, info, debug, trace), then \
     TARGET=LEVEL of single targets, separated by commas, such as \"info,sinks=debug\", \
     found \"inof\""
)]
#[case::dwell_falls(
    "detection.dwell = [\"15m\", \"5m\"]\n",
    "fleet.toml:1:19: detection.dwell: the list must rise, but \"15m\" is followed by \"5m\""
)]
#[case::dwell_fraction(
    "detection.dwell = [\"1500ms\"]\n",
    "fleet.toml:1:19: detection.dwell: \"1500ms\" is not a whole number of seconds"
)]
#[case::dwell_alone(
    "detection.dwell = \"5m\"\n",
    "fleet.toml:1:19: detection.dwell: expected a rising list of durations from \"1s\" to \"30d\", \
     in whole seconds, found \"5m\""
)]
#[case::table_as_value(
    "[commit.max_delay]\nms = 3\n",
    "fleet.toml:1:1: commit.max_delay: expected a duration from \"1ms\" to \"10s\" \
     (units ms, s, m, h, d), found a table"
)]
#[case::unquoted(
    "[commit]\nmax_delay = 200ms\n",
    "fleet.toml:2:13: 200ms must be in quotes: \"200ms\""
)]
#[case::twice(
    "shards = 1\nshards = 2\n",
    "fleet.toml:2:1: not valid TOML: duplicate key, at \"shards\""
)]
#[case::columns_are_characters(
    "http = { listen = \"é\", max_bodi = 1 }\n",
    "fleet.toml:1:24: http.max_bodi: unknown key; did you mean http.max_body?"
)]
#[case::lateness(
    "[detection]\nhot_lateness = \"1s\"\n",
    "fleet.toml:2:1: detection.reorder_delay = 2s is longer than detection.hot_lateness = 1s: \
     a ping would be too late before its turn came"
)]
#[case::forgotten_early(
    "[detection]\nforget_after = \"15m\"\n",
    "fleet.toml:2:1: detection.forget_after = 15m must be longer than the longer of \
     detection.offline_after = 5m and detection.hot_lateness = 15m: \
     a forgotten vehicle can neither go offline nor be corrected"
)]
#[case::queue_against_commit(
    "commit.max_bytes = \"64MiB\"\n",
    "fleet.toml:1:8: queue.max_bytes = 64MiB is less than 2 × commit.max_bytes = 2 × 64MiB = \
     128MiB: one segment gathers while the one before it is written"
)]
#[case::body_against_queue(
    "http.max_body = \"32MiB\"\nqueue.max_bytes = \"16MiB\"\n",
    "fleet.toml:1:6: http.max_body = 32MiB is larger than queue.max_bytes = 16MiB: \
     such a body would be answered 503 for ever"
)]
#[case::heartbeat_against_commit(
    "journal.heartbeat = \"1s\"\ncommit.max_delay = \"2s\"\n",
    "fleet.toml:1:9: journal.heartbeat = 1s is shorter than commit.max_delay = 2s: \
     it would fall due while input still gathers"
)]
#[case::a_map_that_cannot_keep_its_word(
    "firestore.database = \"projects/p/databases/d\"\npositions.min_interval = \"10s\"\n",
    "fleet.toml:2:11: positions.max_delay = 5s is shorter than positions.min_interval = 10s: \
     a change right after a write could not be shown in time"
)]
#[case::stalled_against_commit(
    "[source]\nstalled_after = \"3s\"\n[commit]\nmax_delay = \"2s\"\n",
    "fleet.toml:2:1: source.stalled_after = 3s is shorter than 2 × commit.max_delay = 2 × 2s = \
     4s: a source that waits for its commit would be called stalled"
)]
#[case::archive_against_commit(
    "archive.max_bytes = \"1MiB\"\n",
    "fleet.toml:1:9: archive.max_bytes = 1MiB is less than commit.max_bytes = 4MiB: \
     a file could not hold one segment"
)]
#[case::event_clock_with_a_subscription(
    "clock = \"event\"\npubsub.subscription = \"projects/p/subscriptions/pings\"\n",
    "fleet.toml:1:1: clock = \"event\" with pubsub.subscription: a message's receive time is its \
     publish time; \"event\" is for old traces over HTTP and replays"
)]
#[case::no_name_of_a_subscription(
    "pubsub.subscription = \"pings\"\n",
    "fleet.toml:1:23: pubsub.subscription: expected \"projects/PROJECT/subscriptions/ID\", with \
     {shard} in ID where each shard has its own, or \"\" for none, found \"pings\""
)]
#[case::a_topic_is_no_subscription(
    "pubsub.subscription = \"projects/p/topics/pings\"\n",
    "fleet.toml:1:23: pubsub.subscription: expected \"projects/PROJECT/subscriptions/ID\", with \
     {shard} in ID where each shard has its own, or \"\" for none, found \
     \"projects/p/topics/pings\""
)]
#[case::an_id_that_is_too_short(
    "pubsub.subscription = \"projects/p/subscriptions/in\"\n",
    "fleet.toml:1:23: pubsub.subscription: expected \"projects/PROJECT/subscriptions/ID\", with \
     {shard} in ID where each shard has its own, or \"\" for none, found \
     \"projects/p/subscriptions/in\": ID has 3 to 255 letters, digits and -_.~+%, begins with a \
     letter, and not with goog"
)]
#[case::an_id_that_the_service_keeps_for_itself(
    "pubsub.events_topic = \"projects/p/topics/google-events\"\n",
    "fleet.toml:1:23: pubsub.events_topic: expected \"projects/PROJECT/topics/ID\", or \"\" for \
     none, found \"projects/p/topics/google-events\": ID has 3 to 255 letters, digits and -_.~+%, \
     begins with a letter, and not with goog"
)]
#[case::a_project_with_a_blank(
    "pubsub.late_topic = \"projects/my fleet/topics/late\"\n",
    "fleet.toml:1:21: pubsub.late_topic: expected \"projects/PROJECT/topics/ID\", or \"\" for \
     none, found \"projects/my fleet/topics/late\": PROJECT has 1 to 255 letters, digits and -:."
)]
#[case::a_shard_twice(
    "shards = 4\nshards_owned = [1, 3, 1]\n",
    "fleet.toml:2:16: shards_owned: shard 1 is there twice"
)]
#[case::no_shard(
    "shards_owned = []\n",
    "fleet.toml:1:16: shards_owned: expected \"all\" or a list of shards by number, from 0 to 1023, \
     such as [0, 3], found a list"
)]
#[case::a_shard_below(
    "shards_owned = [-1]\n",
    "fleet.toml:1:16: shards_owned: -1 is too small: at least 0"
)]
#[case::a_shard_by_name(
    "shards_owned = \"first\"\n",
    "fleet.toml:1:16: shards_owned: expected \"all\" or a list of shards by number, from 0 to 1023, \
     such as [0, 3], found \"first\""
)]
#[case::streams(
    "pubsub.streams = \"some\"\n",
    "fleet.toml:1:18: pubsub.streams: expected \"auto\" or a whole number from 1 to 256, \
     found \"some\""
)]
#[case::starving(
    "[commit]\nmax_delay = \"1s\"\n[pubsub]\nsubscription = \"projects/p/subscriptions/pings\"\n\
     max_outstanding = 1000\n",
    "fleet.toml:5:1: pubsub.max_outstanding = 1000: a message is held for up to \
     2 × commit.max_delay + 1s = 3s, so at most 333 messages a second could pass, fewer than \
     pubsub.expected_rate = 5000; at least 15000 are needed"
)]
#[case::a_queue_that_never_takes_a_message(
    "queue.max_bytes = \"16MiB\"\npubsub.subscription = \"projects/p/subscriptions/pings\"\n",
    "fleet.toml:1:7: queue.max_bytes = 16MiB is less than 2 × 10MiB = 20MiB: a message of Pub/Sub \
     has up to 10MiB, and one that never fits would be delivered again for ever"
)]
fn a_mistake_is_told_with_its_place(#[case] text: &str, #[case] expected: &str) {
    let told = mistakes(text);
    // The case of columns has two; it is the second that it is about.
    assert_eq!(told.last().map(String::as_str), Some(expected), "{told:#?}");
    assert!(told.len() == 1 || text.contains('é'), "{told:#?}");
}

#[test]
fn every_mistake_is_told_at_once_in_reading_order() {
    let told = load_text(
        "shards = 0\n\
         tennant = \"a\"\n\
         [commit]\n\
         max_delay = 1s\n\
         max_bytes = \"1GiB\"\n\
         [http\n\
         max_body = 3\n",
        &[("FLEETSTREAM_QUEUE__MAX_PINGS", "many"), ("FLEETSTREAM_COMMIT_MAX_DELAY", "1s")],
        &[Flag::new("--listen", "http.listen", "8080")],
    );
    assert_eq!(
        told.expect_err("many mistakes"),
        "8 mistakes in the configuration\n\
         fleet.toml:1:10: shards: 0 is too small: at least 1\n\
         fleet.toml:2:1: tennant: unknown key; did you mean tenant?\n\
         fleet.toml:4:13: 1s must be in quotes: \"1s\"\n\
         fleet.toml:5:13: commit.max_bytes: \"1GiB\" is too large: at most \"256MiB\"\n\
         fleet.toml:6:6: not valid TOML: unclosed table, expected `]`\n\
         environment FLEETSTREAM_COMMIT_MAX_DELAY: sets no known key; \
         did you mean FLEETSTREAM_COMMIT__MAX_DELAY?\n\
         environment FLEETSTREAM_QUEUE__MAX_PINGS: queue.max_pings: \
         expected a whole number from 1000 to 100000000, found \"many\"\n\
         flag --listen: http.listen: expected an IP address and a port, such as \
         \"127.0.0.1:8080\" or \"[::]:8080\", found \"8080\""
    );
}

#[test]
fn an_overridden_mistake_is_still_one() {
    let told = load_text("shards = 0\n", &[("FLEETSTREAM_SHARDS", "2")], &[]);
    assert!(told.expect_err("a mistake").contains("fleet.toml:1:10: shards: 0 is too small"));
}

#[test]
fn a_relation_is_not_judged_on_a_default_that_stands_in_for_a_mistake() {
    let told = mistakes("[detection]\nhot_lateness = \"1s\"\nreorder_delay = \"soon\"\n");
    assert_eq!(told.len(), 1, "{told:#?}");
    assert!(told[0].starts_with("fleet.toml:3:17: detection.reorder_delay: expected"), "{told:?}");
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let folder = TempDir::new().expect("a temporary directory");
    let path = folder.path().join("missing.toml");
    let told = load(Some(&path), [], &[]).expect_err("no file").to_string();
    assert!(told.contains(&format!("{}: cannot be read: No such file", path.display())), "{told}");

    fs::write(&path, b"shards = 1\ntenant = \"\xff\"\n").expect("a writable directory");
    let told = load(Some(&path), [], &[]).expect_err("not text").to_string();
    assert!(told.ends_with("missing.toml:2:11: is not valid UTF-8"), "{told}");
}

#[test]
fn a_byte_order_mark_and_carriage_returns_move_no_place() {
    let told = mistakes("\u{feff}shards = 1\r\nshard = 2\r\n");
    assert_eq!(told, ["fleet.toml:2:1: shard: unknown key; did you mean shards?"]);
}

proptest::proptest! {
    /// Whatever stands in the file, each mistake has a place inside it.
    #[test]
    fn no_text_is_too_broken(
        parts in proptest::collection::vec(proptest::sample::select(vec![
            "shards", "commit", "max_delay", "é", ".", "=", " ", "\n", "\r\n", "[", "]", "{", "}",
            "\"", "'", "\"\"\"", "200ms", "1", "-", "#", ",", "\\u", "[[", "[commit]\n", "\u{feff}",
        ]), 0..40)
    ) {
        let text = parts.concat();
        let lines = text.split('\n').count();
        let names: Vec<_> = table::sections().iter().map(|section| section.name).collect();
        let document = Document::parse(Path::new("fleet.toml"), &text, &names);
        let settings = document.settings.iter().map(|setting| &setting.value_origin);
        let mistakes = document.syntax.iter().chain(&document.structure).map(|m| &m.origin);
        for origin in settings.chain(mistakes) {
            let Origin::File { place: Some(Place { line, column }), .. } = origin else {
                panic!("{origin:?} has no place");
            };
            let width = text.split('\n').nth(line - 1).map_or(0, |text| text.chars().count());
            assert!(*line <= lines && *column <= width + 1, "{line}:{column} in {text:?}");
        }
    }
}
