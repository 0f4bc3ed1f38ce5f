//! A disk that fills up: intake stops in time, nothing acknowledged is lost,
//! and everything goes on once there is room again.

use std::fs;
use std::path::PathBuf;

use crate::support::{Client, Launch, Mounted, Outputs, Worker, ping, wait_for};

fn launch(disk: &Mounted) -> Launch {
    Launch::run(&disk.path().join("data"))
        .set("clock", "event")
        .set("commit.max_delay", "5ms")
        .set("archive.max_age", "1s")
}

fn one(n: u32) -> Vec<String> {
    let time = format!("2026-03-01T12:{:02}:{:02}Z", n / 60, n % 60);
    vec![ping("v", &time, 10.0, 50.0, &format!(r#","ping_id":"p-{n}""#))]
}

/// Fills the disk up to `free` bytes.
fn fill(disk: &Mounted, free: u64) -> PathBuf {
    let ballast = disk.path().join("ballast");
    let stat = rustix::fs::statvfs(disk.path()).unwrap();
    let available = stat.f_bavail * stat.f_frsize;
    fs::write(&ballast, vec![1; available.saturating_sub(free) as usize]).unwrap();
    ballast
}

fn readiness(client: &Client) -> (u16, String) {
    // A refusal that came before the whole of a request was read closes its
    // connection, perhaps just as the client takes it for the next one.
    let answer = wait_for("an answer", || client.get("/readyz"));
    (answer.status, answer.body)
}

fn archived(disk: &Mounted) -> Vec<String> {
    let archive = Outputs::of(&disk.path().join("data")).archive();
    archive.into_iter().map(|row| row.ping_id).collect()
}

fn expect_clean_end(mut worker: Worker) {
    let status = worker.stop();
    assert!(status.success(), "{status}: {}", worker.log());
}

#[test]
fn intake_stops_before_the_disk_is_full_and_goes_on_with_room() {
    let Some(disk) = Mounted::tmpfs("size=8m") else { return };
    let worker = launch(&disk).start();
    let client = worker.client();
    client.deliver(&one(0));

    let ballast = fill(&disk, 400 << 10);
    let refused = wait_for("503", || client.send(&one(1)).filter(|answer| answer.status != 202));
    assert_eq!(refused.status, 503, "{refused:?}");
    assert_eq!(refused.retry_after.as_deref(), Some("30"), "{refused:?}");
    assert_eq!(refused.json()["code"], "disk_nearly_full");
    let (status, body) = readiness(&client);
    assert!(status == 503 && body.contains("disk_nearly_full"), "{status}: {body}");
    assert_eq!(client.get("/livez").unwrap().status, 200, "it is not to be restarted");

    fs::remove_file(ballast).unwrap();
    wait_for("room again", || (readiness(&client).0 == 200).then_some(()));
    client.deliver(&one(1));
    client.deliver(&one(2));
    expect_clean_end(worker);
    assert_eq!(archived(&disk), ["p-0", "p-1", "p-2"]);
}

#[test]
fn a_full_disk_holds_commits_up_and_loses_nothing() {
    let Some(disk) = Mounted::tmpfs("size=8m") else { return };
    // Nothing stops intake in time.
    let launch = launch(&disk).set("journal.min_free_percent", "0");
    let worker = launch.start();
    let client = worker.client();
    client.deliver(&one(0));
    let ballast = fill(&disk, 0);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| client.send(&one(1)));
        wait_for("a failing commit", || worker.line("commit not yet durable; trying again"));
        assert!(!waiting.is_finished(), "not acknowledged");
        fs::remove_file(&ballast).unwrap();
        let answer = waiting.join().unwrap().expect("an answer");
        assert_eq!(answer.status, 202, "{answer:?}");
    });
    expect_clean_end(worker);
    assert_eq!(archived(&disk), ["p-0", "p-1"]);
}

#[test]
fn a_commit_that_goes_on_failing_is_told_of_once() {
    let Some(disk) = Mounted::tmpfs("size=8m") else { return };
    let worker = launch(&disk).set("journal.min_free_percent", "0").start();
    let client = worker.client();
    client.deliver(&one(0));
    let ballast = fill(&disk, 0);
    let told = || worker.log().matches("commit not yet durable").count();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| client.send(&one(1)));
        wait_for("a failing commit", || (told() > 0).then_some(()));
        // By then there were half a dozen attempts.
        let age = || client.metric("fleetstream_commit_age_seconds");
        wait_for("an old failure", || (age() >= 2.0).then_some(()));
        fs::remove_file(&ballast).unwrap();
        assert_eq!(waiting.join().unwrap().expect("an answer").status, 202);
    });
    assert_eq!(told(), 1, "{}", worker.log());
    expect_clean_end(worker);
}

/// What the worker tells of the sink of dead letters.
fn backlog(client: &Client, metric: &str) -> f64 {
    client.metric_of(metric, |labels| labels.contains(r#"sink="dead_letters""#))
}

#[test]
fn a_sink_whose_disk_is_full_shows_in_the_metrics() {
    let Some(disk) = Mounted::tmpfs("size=1m") else { return };
    let dir = tempfile::TempDir::new().unwrap();
    std::os::unix::fs::symlink(disk.path(), dir.path().join("dead_letters")).unwrap();
    let worker = Launch::run(dir.path()).set("clock", "event").start();
    let client = worker.client();
    let ballast = fill(&disk, 0);
    client.deliver(&[r#"{"vehicle_id":"bad vehicle"}"#.to_owned()]);
    for metric in ["fleetstream_unreleased_segments", "fleetstream_release_lag_seconds"] {
        wait_for(metric, || (backlog(&client, metric) > 0.0).then_some(()));
    }
    assert_eq!(readiness(&client).0, 200, "pings are durable all the same");
    fs::remove_file(ballast).unwrap();
    for metric in ["fleetstream_unreleased_segments", "fleetstream_release_lag_seconds"] {
        wait_for(metric, || (backlog(&client, metric) == 0.0).then_some(()));
    }
    expect_clean_end(worker);
    assert_eq!(Outputs::of(dir.path()).dead_letters().len(), 1);
}

#[test]
fn a_worker_on_a_full_disk_ends_in_time() {
    let Some(disk) = Mounted::tmpfs("size=8m") else { return };
    let launch = launch(&disk).set("journal.min_free_percent", "0");
    let worker = launch.start();
    let client = worker.client();
    client.deliver(&one(0));
    let ballast = fill(&disk, 0);
    let unanswered = std::thread::spawn(move || client.send(&one(1)));
    wait_for("a failing commit", || worker.line("commit not yet durable; trying again"));
    // Within 8 s; the journal has what was acknowledged.
    expect_clean_end(worker);
    let answer = unanswered.join().unwrap();
    assert!(answer.as_ref().is_none_or(|answer| answer.status != 202), "{answer:?}");
    fs::remove_file(ballast).unwrap();
    expect_clean_end(launch.start());
    assert_eq!(archived(&disk), ["p-0"]);
}

#[test]
fn a_worker_waits_for_room_to_start_and_can_be_ended_meanwhile() {
    let Some(disk) = Mounted::tmpfs("size=8m") else { return };
    expect_clean_end(launch(&disk).start());
    let ballast = fill(&disk, 0);
    let mut worker = launch(&disk).spawn();
    let ended = wait_for("it notices", || {
        worker
            .has_ended()
            .map(Some)
            .or_else(|| worker.line("commit not yet durable; trying again").map(|_| None))
    });
    match ended {
        // Refused at once: it says so.
        Some(status) => {
            assert_eq!(status.code(), Some(1), "{}", worker.log());
            assert!(worker.log().contains("space"), "{}", worker.log());
        }
        None => {
            let _ = worker.stop();
        }
    }
    fs::remove_file(ballast).unwrap();
    expect_clean_end(launch(&disk).start());
}
