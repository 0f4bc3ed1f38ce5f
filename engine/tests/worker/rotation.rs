//! Logs that somebody takes away while they are written: no line is lost that
//! is not deleted with its file, and nothing else stops.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use sinks::dead_letters::content_id;
use tempfile::TempDir;

use crate::support::{Client, Launch, Outputs, Worker, ping, wait_for};

fn launch(dir: &Path) -> Launch {
    Launch::run(dir)
        .set("clock", "event")
        .set("commit.max_delay", "1ms")
        .set("journal.heartbeat", "100ms")
}

fn letters(dir: &Path) -> PathBuf {
    dir.join("dead_letters/shard-0.ndjson")
}

/// A good ping, and input that is refused: both are acknowledged, and the second
/// becomes a line.
fn deliver(client: &Client, n: u32) {
    let time = format!("2026-03-01T12:00:{n:02}Z");
    client.deliver(&[ping("v", &time, 10.0, 50.0, ""), refused(n)]);
}

fn refused(n: u32) -> String {
    format!(r#"{{"vehicle_id":"bad vehicle {n}"}}"#)
}

/// What `n`, in their order, are called in the lines of a log.
fn ids(n: impl IntoIterator<Item = u32>) -> Vec<String> {
    n.into_iter().map(|n| content_id(refused(n).as_bytes())).collect()
}

/// The ids of the lines of `file`, where it is there and has whole lines.
fn lines(file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap_or_default();
    let id = |line: &str| -> Option<String> {
        let line: Value = serde_json::from_str(line).ok()?;
        Some(line["source_message_id"].as_str()?.to_owned())
    };
    text.lines().map_while(id).collect()
}

fn expect_clean_restart(mut worker: Worker, dir: &Path) {
    assert!(worker.stop().success(), "{}", worker.log());
    assert!(launch(dir).start().stop().success());
}

#[test]
fn a_log_that_is_moved_away_begins_anew_and_lacks_no_line() {
    let dir = TempDir::new().unwrap();
    let file = letters(dir.path());
    let [old, older] = ["old", "older"].map(|name| file.with_file_name(format!("{name}.ndjson")));
    let worker = launch(dir.path()).start();
    let client = worker.client();
    deliver(&client, 0);
    wait_for("a line", || (lines(&file) == ids(0..1)).then_some(()));
    fs::rename(&file, &old).unwrap();
    deliver(&client, 1);
    // Until it is seen that it is gone, lines still go to the old one.
    wait_for("a new file", || file.exists().then_some(()));
    deliver(&client, 2);
    wait_for("a line", || lines(&file).contains(&ids(2..3)[0]).then_some(()));
    // The last flush finds it gone.
    fs::rename(&file, &older).unwrap();
    expect_clean_restart(worker, dir.path());
    assert_eq!([lines(&old), lines(&older)].concat(), ids(0..3));
    assert_eq!(lines(&file), ids(0..0));
}

#[test]
fn a_log_begins_anew_without_waiting_for_a_heartbeat() {
    let dir = TempDir::new().unwrap();
    let file = letters(dir.path());
    let worker = launch(dir.path()).set("journal.heartbeat", "10m").start();
    let client = worker.client();
    // A line comes once the cursor before it is recorded.
    (0..2).for_each(|n| deliver(&client, n));
    wait_for("lines", || lines(&file).contains(&ids(0..1)[0]).then_some(()));
    let old = file.with_file_name("old.ndjson");
    fs::rename(&file, &old).unwrap();
    deliver(&client, 2);
    wait_for("a new file", || file.exists().then_some(()));
    expect_clean_restart(worker, dir.path());
    assert_eq!([lines(&old), lines(&file)].concat(), ids(0..3));
}

/// As after `logrotate` and a crash, or on a worker that is stopped.
#[test]
fn a_worker_that_dies_before_a_new_log_begins_goes_on_as_if_it_had_not() {
    for (dies_first, makes_anew) in [(false, false), (false, true), (true, false)] {
        let dir = TempDir::new().unwrap();
        let file = letters(dir.path());
        let old = file.with_file_name("old.ndjson");
        let mut worker = launch(dir.path()).start();
        deliver(&worker.client(), 0);
        assert!(worker.stop().success(), "{}", worker.log());

        let mut worker = launch(dir.path()).start();
        deliver(&worker.client(), 1);
        wait_for("a line", || (lines(&file) == ids(0..2)).then_some(()));
        if dies_first {
            worker.kill();
        }
        fs::rename(&file, &old).unwrap();
        if makes_anew {
            fs::write(&file, "").unwrap();
        }
        if !dies_first {
            worker.kill();
        }

        let worker = launch(dir.path()).start();
        deliver(&worker.client(), 2);
        wait_for("a new file", || file.exists().then_some(()));
        deliver(&worker.client(), 3);
        expect_clean_restart(worker, dir.path());
        assert_eq!([lines(&old), lines(&file)].concat(), ids(0..4));
    }
}

#[test]
fn an_old_log_in_the_place_of_a_new_one_ends_the_start_and_stays() {
    let dir = TempDir::new().unwrap();
    let file = letters(dir.path());
    let [old, new] = ["old", "new"].map(|name| file.with_file_name(format!("{name}.ndjson")));
    let mut worker = launch(dir.path()).start();
    (0..2).for_each(|n| deliver(&worker.client(), n));
    wait_for("lines", || (lines(&file) == ids(0..2)).then_some(()));
    fs::rename(&file, &old).unwrap();
    wait_for("a new file", || file.exists().then_some(()));
    deliver(&worker.client(), 2);
    assert!(worker.stop().success(), "{}", worker.log());
    let before = [lines(&old), lines(&file)].concat();
    assert_eq!(before, ids(0..3));

    fs::rename(&file, &new).unwrap();
    fs::rename(&old, &file).unwrap();
    let output = launch(dir.path()).output();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("shard-0.ndjson: "), "{said}");
    assert!(said.contains("Move it away"), "it says what to do: {said}");
    fs::rename(&file, &old).unwrap();
    fs::rename(&new, &file).unwrap();
    assert!(launch(dir.path()).start().stop().success());
    assert_eq!([lines(&old), lines(&file)].concat(), before);
}

#[test]
fn a_log_that_is_deleted_holds_up_nothing_else_and_goes_on_in_an_empty_file() {
    let dir = TempDir::new().unwrap();
    let file = letters(dir.path());
    let worker = launch(dir.path()).start();
    let client = worker.client();
    deliver(&client, 0);
    wait_for("a line", || (lines(&file) == ids(0..1)).then_some(()));
    fs::remove_file(&file).unwrap();
    let said =
        wait_for("what is wrong", || worker.line("a sink fails: its backlog waits in the journal"));
    let error = said["error"].as_str().unwrap_or_default();
    assert!(error.contains("shard-0.ndjson: was deleted"), "{said}");
    assert!(error.contains("an empty file in its place"), "it says what to do: {said}");
    deliver(&client, 1);
    assert_eq!(client.get("/readyz").map(|answer| answer.status), Some(200));
    assert!(!file.exists(), "made anew by itself");

    fs::write(&file, "").unwrap();
    wait_for("a line", || lines(&file).ends_with(&ids(1..2)).then_some(()));
    deliver(&client, 2);
    wait_for("a line", || lines(&file).ends_with(&ids(1..3)).then_some(()));
    expect_clean_restart(worker, dir.path());
    let found = lines(&file);
    assert!(found == ids(1..3) || found == ids(0..3), "{found:?}");
    assert_eq!(Outputs::of(dir.path()).archive().len(), 3);
}
