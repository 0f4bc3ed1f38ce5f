//! 202 means durable: nothing is acknowledged before its segment is.

use tempfile::TempDir;

use crate::support::{Launch, Outputs, ping};

fn pings(from: u32, count: u32) -> Vec<String> {
    let line = |n: u32| {
        let time = format!("2026-03-01T12:{:02}:{:02}Z", n / 60, n % 60);
        ping("v-1", &time, 10.0, 50.0, &format!(r#","ping_id":"p-{n}""#))
    };
    (from..from + count).map(line).collect()
}

fn launch(dir: &TempDir) -> Launch {
    Launch::run(dir.path()).set("clock", "event").set("commit.max_delay", "5ms")
}

fn archived_ids(dir: &TempDir) -> Vec<String> {
    Outputs::of(dir.path()).archive().into_iter().map(|row| row.ping_id).collect()
}

/// Dies with the first batch of a new journal. A new journal's settings are
/// the first commit, and the only one that is none of the shard's.
fn lose_a_batch(dir: &TempDir, fail_point: &str) {
    let nth = if fail_point.starts_with("commit") { 2 } else { 1 };
    let mut worker = launch(dir).dies_at(fail_point, nth).start();
    let answer = worker.client().send(&pings(0, 3));
    assert_eq!(worker.wait().code(), None, "killed: {}", worker.log());
    assert!(answer.is_none(), "nothing was acknowledged: {answer:?}");
}

#[test]
fn a_batch_lost_before_its_commit_was_not_acknowledged_and_left_nothing() {
    let dir = TempDir::new().unwrap();
    lose_a_batch(&dir, "commit.before");
    let mut worker = launch(&dir).start();
    let taken = worker.client().deliver(&pings(0, 3));
    assert_eq!((&taken["accepted"], &taken["duplicate"]), (&3.into(), &0.into()));
    assert!(worker.stop().success(), "{}", worker.log());
    assert_eq!(archived_ids(&dir), ["p-0", "p-1", "p-2"]);
}

#[test]
fn a_batch_lost_after_its_commit_is_known_when_it_comes_again() {
    for fail_point in ["commit.after", "release.before", "release.after", "ack.before"] {
        let dir = TempDir::new().unwrap();
        lose_a_batch(&dir, fail_point);
        let mut worker = launch(&dir).start();
        // One ping is new: the duplicates do not hold it up.
        let taken = worker.client().deliver(&pings(0, 4));
        assert_eq!((&taken["accepted"], &taken["duplicate"]), (&1.into(), &3.into()));
        assert!(worker.stop().success(), "{fail_point}: {}", worker.log());
        assert_eq!(archived_ids(&dir), ["p-0", "p-1", "p-2", "p-3"], "{fail_point}");
    }
}

#[test]
fn everything_acknowledged_survives_a_kill_right_after() {
    let dir = TempDir::new().unwrap();
    for n in 0..5 {
        let mut worker = launch(&dir).start();
        let taken = worker.client().deliver(&pings(n, 1));
        assert_eq!(taken["accepted"], 1);
        worker.kill();
    }
    let mut worker = launch(&dir).start();
    assert!(worker.stop().success(), "{}", worker.log());
    assert_eq!(archived_ids(&dir), ["p-0", "p-1", "p-2", "p-3", "p-4"]);
}
