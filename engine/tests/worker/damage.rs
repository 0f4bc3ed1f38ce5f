//! Journals that were damaged: refused by name, nothing skipped.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::support::{Launch, Outputs, fences, ping, segments_of, text};

fn launch(dir: &Path) -> Launch {
    Launch::run(dir)
        .set("clock", "event")
        .set("commit.max_delay", "1ms")
        .set("detection.reorder_delay", "0s")
}

/// A directory whose journal has one ping to a segment, killed so that there
/// is no snapshot to start from; and its segments.
fn journal_of_ten() -> (TempDir, Vec<PathBuf>) {
    let dir = TempDir::new().unwrap();
    let mut worker = launch(dir.path()).start();
    let client = worker.client();
    for n in 0..10 {
        let time = format!("2026-03-01T12:00:{n:02}Z");
        client.deliver(&[ping("v", &time, 10.0, 50.0, &format!(r#","ping_id":"p-{n}""#))]);
    }
    worker.kill();
    let segments = segments_of(dir.path(), 0);
    // The claim, the settings, the pings.
    assert!(segments.len() >= 12, "{segments:?}");
    (dir, segments)
}

/// The worker must refuse the journal with `parts` in its error, and leave
/// every segment where it is.
fn expect_refusal(dir: &TempDir, parts: &[&str]) {
    let before = segments_of(dir.path(), 0);
    let output = launch(dir.path()).output();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for part in parts {
        assert!(said.contains(part), "{part:?} is not in: {said}");
    }
    assert_eq!(segments_of(dir.path(), 0), before);
}

fn name(segment: &Path) -> String {
    format!("shard-0/journal/{}", segment.file_name().unwrap().to_str().unwrap())
}

fn cut_short(segment: &Path) {
    let bytes = fs::read(segment).unwrap();
    fs::write(segment, &bytes[..bytes.len() - 5]).unwrap();
}

fn flip_a_bit(segment: &Path) {
    let mut bytes = fs::read(segment).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    fs::write(segment, bytes).unwrap();
}

#[test]
fn a_last_segment_cut_short_is_refused_and_can_be_set_aside() {
    let (dir, segments) = journal_of_ten();
    let last = segments.last().unwrap();
    cut_short(last);
    expect_refusal(&dir, &[&name(last), "--set-aside-tail"]);

    let mut worker = launch(dir.path()).arg("--set-aside-tail").start();
    let log = worker.log();
    assert!(log.contains(&name(last)) && log.contains("may be lost"), "{log}");
    assert!(log.contains("shard-0/set-aside/"), "{log}");
    let aside = dir.path().join("journal/shard-0/set-aside");
    assert_eq!(fs::read_dir(aside).unwrap().count(), 1, "moved, not deleted");
    // Whoever still has the pings sends them again; each is there once then.
    let client = worker.client();
    for n in 0..10 {
        let time = format!("2026-03-01T12:00:{n:02}Z");
        client.deliver(&[ping("v", &time, 10.0, 50.0, &format!(r#","ping_id":"p-{n}""#))]);
    }
    assert!(worker.stop().success(), "{}", worker.log());
    let archive = Outputs::of(dir.path()).archive();
    let ids: Vec<&str> = archive.iter().map(|row| row.ping_id.as_str()).collect();
    assert_eq!(ids, (0..10).map(|n| format!("p-{n}")).collect::<Vec<_>>());
    // And without the flag from here on.
    assert!(launch(dir.path()).start().stop().success());
}

#[test]
fn a_flipped_bit_is_refused_by_name_and_never_set_aside_from_the_middle() {
    let (dir, segments) = journal_of_ten();
    let middle = &segments[6];
    flip_a_bit(middle);
    expect_refusal(&dir, &[&name(middle), "checksum"]);
    let output = launch(dir.path()).arg("--set-aside-tail").output();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("not a tail"), "{}", text(&output.stderr));
    assert_eq!(segments_of(dir.path(), 0), segments);
}

#[test]
fn a_missing_segment_is_refused_by_name() {
    let (dir, segments) = journal_of_ten();
    fs::remove_file(&segments[5]).unwrap();
    expect_refusal(&dir, &[&name(&segments[5]), "not found"]);
}

#[test]
fn a_lost_journal_never_starts_anew_by_itself() {
    let (dir, segments) = journal_of_ten();
    for segment in &segments {
        fs::remove_file(segment).unwrap();
    }
    expect_refusal(&dir, &[&name(&segments[0]), "genesis"]);
}

#[test]
fn a_lost_genesis_is_refused() {
    let (dir, _) = journal_of_ten();
    fs::remove_file(dir.path().join("journal/shard-0/genesis")).unwrap();
    expect_refusal(&dir, &["shard-0/genesis", "not found"]);
}

#[test]
fn an_output_shorter_than_its_cursor_is_refused_by_name() {
    let (dir, _) = journal_of_ten();
    let fences = fences(dir.path(), &[("f", 11.0)]);
    let mut worker = launch(dir.path()).fences(&fences).start();
    worker.client().deliver(&[ping("w", "2026-03-01T12:01:00Z", 11.0, 50.0, "")]);
    assert!(worker.stop().success());
    let log = dir.path().join("event_log/shard-0.ndjson");
    assert!(fs::metadata(&log).unwrap().len() > 0, "an enter");
    fs::write(&log, "").unwrap();
    let launch = launch(dir.path()).fences(&fences);
    let output = launch.output();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("shard-0.ndjson"), "{}", text(&output.stderr));
}

/// As where its volume is not mounted.
#[test]
fn a_journal_that_is_not_there_is_refused_beside_its_output() {
    let dir = TempDir::new().unwrap();
    let mut worker = launch(dir.path()).start();
    let refused = r#"{"vehicle_id":"bad vehicle"}"#.to_owned();
    worker.client().deliver(&[ping("v", "2026-03-01T12:00:00Z", 10.0, 50.0, ""), refused]);
    assert!(worker.stop().success());
    let journal = dir.path().join("journal");
    let elsewhere = dir.path().join("elsewhere");
    fs::rename(&journal, &elsewhere).unwrap();
    let letters = Outputs::of(dir.path()).dead_letters();
    assert_eq!(letters.len(), 1);

    let expect_refusal = |found: &str| {
        let output = launch(dir.path()).output();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("there is no journal") && said.contains(found), "{said}");
        assert!(said.contains("mounted"), "it says what to do: {said}");
    };
    expect_refusal("dead_letters/shard-0.ndjson");
    assert_eq!(Outputs::of(dir.path()).dead_letters(), letters, "nothing is cut");
    let away = dir.path().join("away");
    fs::rename(dir.path().join("dead_letters"), &away).unwrap();
    expect_refusal("pings/dt=");

    fs::rename(away, dir.path().join("dead_letters")).unwrap();
    assert!(!journal.exists(), "the one that is elsewhere could not come back");
    fs::rename(&elsewhere, &journal).unwrap();
    assert!(launch(dir.path()).start().stop().success());
}

#[test]
fn a_journal_without_its_genesis_is_refused_by_that_name() {
    let dir = TempDir::new().unwrap();
    let mut worker = launch(dir.path()).start();
    worker.client().deliver(&[ping("v", "2026-03-01T12:00:00Z", 10.0, 50.0, "")]);
    assert!(worker.stop().success());
    fs::remove_file(dir.path().join("journal/shard-0/genesis")).unwrap();
    let output = launch(dir.path()).output();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("shard-0/genesis: not found, though"), "{said}");
}

/// Recovery reads what follows the snapshot; sinks may have to read what comes
/// before.
#[test]
fn a_segment_that_only_a_sink_needs_is_refused_at_the_start() {
    let dir = TempDir::new().unwrap();
    let mut worker = launch(dir.path()).start();
    worker.client().deliver(&[ping("v", "2026-03-01T12:00:00Z", 10.0, 50.0, "")]);
    assert!(worker.stop().success());
    let segments = segments_of(dir.path(), 0);
    cut_short(segments.last().unwrap());

    let output = launch(dir.path()).output();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(&name(segments.last().unwrap())), "{said}");
    assert!(said.contains("start once without these sinks"), "it says what to do: {said}");

    let without = ["files.event_log", "files.dead_letters", "files.parquet"];
    let without = without.into_iter().fold(launch(dir.path()), |it, key| it.set(key, "false"));
    assert!(without.start().stop().success());
    assert!(launch(dir.path()).start().stop().success());
    assert_eq!(Outputs::of(dir.path()).archive().len(), 1);
}

/// What is acknowledged lies where the next start looks for it.
#[test]
fn a_journal_whose_directory_is_moved_away_takes_nothing_more() {
    let dir = TempDir::new().unwrap();
    let [data, elsewhere] = ["data", "elsewhere"].map(|name| dir.path().join(name));
    let one = |n: u32| {
        let time = format!("2026-03-01T12:00:{n:02}Z");
        vec![ping("v", &time, 10.0, 50.0, &format!(r#","ping_id":"p-{n}""#))]
    };
    let mut worker = launch(&data).start();
    let client = worker.client();
    client.deliver(&one(0));
    fs::rename(&data, &elsewhere).unwrap();
    let answer = client.send(&one(1));
    assert!(answer.is_none_or(|answer| answer.status != 202), "{}", worker.log());
    assert_eq!(worker.wait().code(), Some(1), "{}", worker.log());
    let said = worker.log();
    let journal = data.join("journal");
    assert!(said.contains(journal.to_str().unwrap()), "{said}");
    assert!(said.contains("no longer the directory that this process has opened"), "{said}");
    assert!(!journal.exists(), "made anew");

    fs::rename(&elsewhere, &data).unwrap();
    let mut worker = launch(&data).start();
    worker.client().deliver(&one(1));
    assert!(worker.stop().success(), "{}", worker.log());
    let archived: Vec<_> =
        Outputs::of(&data).archive().into_iter().map(|row| row.ping_id).collect();
    assert_eq!(archived, ["p-0", "p-1"]);
}
