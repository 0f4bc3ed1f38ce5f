//! A worker that nobody sends anything writes nothing.

use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::support::{Launch, PATIENCE, Worker, ping, segments_of};

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
