//! SIGTERM: what was taken in is finished, within 8 s, whatever the sinks do.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::support::{Client, Launch, Outputs, Worker, ping};

fn launch(dir: &TempDir) -> Launch {
    Launch::run(dir.path()).set("clock", "event").set("commit.max_delay", "20ms")
}

/// Sends from one vehicle until `stop`, or until nobody answers. Returns the
/// ids of what was acknowledged and of everything that was sent.
fn load(client: &Client, vehicle: usize, stop: &AtomicBool) -> (Vec<String>, Vec<String>) {
    let (mut acknowledged, mut sent) = (Vec::new(), Vec::new());
    for batch in 0_i64.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let ids: Vec<String> = (0..20).map(|n| format!("{vehicle}-{batch}-{n}")).collect();
        let line = |(n, id): (i64, &String)| {
            let time = jiff::Timestamp::from_millisecond(1_770_000_000_000 + (20 * batch + n) * 50);
            let time = time.expect("in range").to_string();
            ping(&format!("v-{vehicle}"), &time, 10.0, 50.0, &format!(r#","ping_id":"{id}""#))
        };
        let lines: Vec<String> = (0..).zip(&ids).map(line).collect();
        sent.extend(ids.iter().cloned());
        match client.send(&lines) {
            Some(answer) if answer.status == 202 => acknowledged.extend(ids),
            Some(answer) => assert_eq!(answer.status, 503, "{answer:?}"),
            None => break,
        }
    }
    (acknowledged, sent)
}

#[test]
fn a_drain_under_load_loses_nothing_and_leaves_little_to_apply_again() {
    let dir = TempDir::new().unwrap();
    let mut worker = launch(&dir).start();
    let (client, stop) = (worker.client(), AtomicBool::new(false));
    let (client, stop) = (&client, &stop);
    let (mut acknowledged, mut sent) = (Vec::new(), Vec::new());
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..4).map(|n| scope.spawn(move || load(client, n, stop))).collect();
        crate::support::wait_for("some commits", || {
            (crate::support::segments_of(dir.path(), 0).len() > 20).then_some(())
        });
        assert!(worker.stop().success(), "{}", worker.log());
        stop.store(true, Ordering::Relaxed);
        for client in clients {
            let (acked, all) = client.join().expect("no panic");
            acknowledged.extend(acked);
            sent.extend(all);
        }
    });
    assert!(worker.line("drained").is_some(), "{}", worker.log());
    let mut archived: Vec<String> =
        Outputs::of(dir.path()).archive().into_iter().map(|row| row.ping_id).collect();
    archived.sort();
    let mut distinct = archived.clone();
    distinct.dedup();
    assert_eq!(distinct.len(), archived.len(), "once each");
    acknowledged.sort();
    sent.sort();
    for id in &acknowledged {
        assert!(archived.binary_search(id).is_ok(), "{id} was acknowledged and is lost");
    }
    // What was committed, but whose answer came too late, may be there too.
    for id in &archived {
        assert!(sent.binary_search(id).is_ok(), "{id} was never sent");
    }

    let mut worker = launch(&dir).start();
    let recovered = worker.line("recovered").expect("it says so");
    assert!(recovered["snapshot"].is_u64(), "{recovered}");
    assert!(recovered["segments"].as_u64().unwrap() <= 2, "{recovered}");
    assert_eq!(recovered["differences"], 0, "{recovered}");
    assert!(worker.stop().success());
}

/// A worker whose archive cannot be written from now on.
fn with_a_stuck_sink(dir: &TempDir) -> Worker {
    let worker = launch(dir).start();
    let pings = dir.path().join("pings");
    fs::rename(&pings, dir.path().join("pings-away")).unwrap();
    fs::write(&pings, "in the way").unwrap();
    worker.client().deliver(&[ping("v", "2026-03-01T12:00:00Z", 10.0, 50.0, r#","ping_id":"p""#)]);
    worker
}

#[test]
fn a_sink_that_cannot_finish_does_not_hold_up_the_end() {
    let dir = TempDir::new().unwrap();
    let mut worker = with_a_stuck_sink(&dir);
    // Within 8 s; what the sink still owes is in the journal.
    let status = worker.stop();
    assert!(status.success(), "{status}: {}", worker.log());
    assert!(worker.log().contains("a sink fails"), "{}", worker.log());
    assert!(worker.line("drained").is_none(), "{}", worker.log());
    // Without one the next start would apply all of it again, every time.
    let snapshots = fs::read_dir(dir.path().join("journal/shard-0/snapshots")).unwrap();
    assert_eq!(snapshots.count(), 1, "{}", worker.log());

    fs::remove_file(dir.path().join("pings")).unwrap();
    fs::rename(dir.path().join("pings-away"), dir.path().join("pings")).unwrap();
    let mut worker = launch(&dir).start();
    assert!(worker.stop().success(), "{}", worker.log());
    let archive = Outputs::of(dir.path()).archive();
    assert_eq!(archive.len(), 1, "{archive:?}");
}

#[test]
fn a_second_signal_ends_at_once() {
    let dir = TempDir::new().unwrap();
    let mut worker = with_a_stuck_sink(&dir);
    worker.terminate();
    worker.wait_for_line("draining; a second signal ends at once");
    let begun = Instant::now();
    worker.terminate();
    assert_eq!(worker.wait().code(), Some(1), "{}", worker.log());
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}

#[test]
fn a_write_that_hangs_does_not_hold_up_the_end() {
    let dir = TempDir::new().unwrap();
    let mut worker = launch(&dir).start();
    // Opening a pipe that nobody reads hangs.
    let pipe = dir.path().join(".positions.ndjson.tmp");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    worker.client().deliver(&[ping("v", "2026-03-01T12:00:00Z", 10.0, 50.0, r#","ping_id":"p""#)]);
    let status = worker.stop();
    assert!(status.success(), "{status}: {}", worker.log());

    fs::remove_file(pipe).unwrap();
    let mut worker = launch(&dir).start();
    assert!(worker.stop().success(), "{}", worker.log());
    assert!(Outputs::of(dir.path()).positions().contains_key("v"));
}
