//! A worker that nobody sends anything writes nothing but what has come of age.

use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;

use crate::support::{Launch, Outputs, PATIENCE, Worker, ping, segments_of, wait_for};

/// Many heartbeats, and several of the sinks' own seconds.
const QUIET: Duration = Duration::from_millis(2_500);

/// Waits until the journal has not grown for [`QUIET`].
fn wait_until_still(dir: &TempDir) -> usize {
    let deadline = Instant::now() + PATIENCE;
    let mut still = (segments_of(dir.path(), 0).len(), Instant::now());
    while still.1.elapsed() < QUIET {
        assert!(Instant::now() < deadline, "the journal grows and grows: {} segments", still.0);
        std::thread::sleep(Duration::from_millis(20));
        let segments = segments_of(dir.path(), 0).len();
        if segments != still.0 {
            still = (segments, Instant::now());
        }
    }
    still.0
}

/// Ticks of 10 ms that the worker has kept a processor busy; 0 where the
/// system does not say.
fn busy_ticks(worker: &Worker) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", worker.pid())).unwrap_or_default();
    // Behind the name in brackets, which may hold anything.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum()
}

#[test]
fn the_journal_of_an_idle_worker_stands_still() {
    expect_stillness("event");
}

#[test]
fn it_does_so_on_the_wall_clock_too() {
    expect_stillness("wall");
}

fn expect_stillness(clock: &str) {
    let dir = TempDir::new().unwrap();
    let launch = Launch::run(dir.path())
        .set("clock", clock)
        .set("commit.max_delay", "50ms")
        .set("journal.heartbeat", "100ms")
        .set("archive.max_age", "1s")
        .set("source.stalled_after", "1s");
    let mut worker = launch.start();
    let fresh = wait_until_still(&dir);
    let now = jiff::Timestamp::now().to_string();
    worker.client().deliver(&[ping("v-1", &now, 10.0, 50.0, "")]);
    let fed = wait_until_still(&dir);
    assert!(fed > fresh, "{clock}: the ping is in the journal");
    // The ping, what the sinks say of it, and the source's silence.
    assert!(fed <= fresh + 12, "{clock}: {fed} segments after {fresh}");
    let before = busy_ticks(&worker);
    assert_eq!(wait_until_still(&dir), fed, "{clock}: still for good");
    let busy = busy_ticks(&worker) - before;
    assert!(busy < 50, "{clock}: busy for {busy}0 ms of {QUIET:?} with nothing to do");
    worker.kill();
    // Idle from its start on, with a history.
    let mut worker = launch.start();
    let again = wait_until_still(&dir);
    assert!(again <= fed + 8, "{clock}: {again} segments after {fed}");
    assert!(worker.stop().success(), "{}", worker.log());
}

#[test]
fn files_appear_at_their_age_though_nothing_comes_in() {
    let dir = TempDir::new().unwrap();
    let data = dir.path().join("data");
    let fences = dir.path().join("depot.geojson");
    let depot = json!({
        "type": "Feature",
        "id": "depot",
        "properties": { "radius_m": 500 },
        "geometry": { "type": "Point", "coordinates": [10.0, 50.0] },
    });
    std::fs::write(&fences, depot.to_string()).unwrap();
    // No heartbeat comes while this waits, no silence is told, and nothing is
    // judged later: no segment follows that of the ping by itself.
    let mut worker = Launch::run(&data)
        .fences(&fences)
        .set("detection.reorder_delay", "0s")
        .set("journal.heartbeat", "10m")
        .set("journal.min_free_percent", "0")
        .set("archive.max_age", "1s")
        .set("source.stalled_after", "1h")
        .start();
    let now = jiff::Timestamp::now().to_string();
    worker.client().deliver(&[ping("v-1", &now, 10.0, 50.0, "")]);
    let outputs = Outputs::of(&data);
    wait_for("the pings' file", || (!outputs.archive().is_empty()).then_some(()));
    wait_for("the events' file", || (!outputs.event_files().is_empty()).then_some(()));
    assert!(worker.stop().success(), "{}", worker.log());
}
