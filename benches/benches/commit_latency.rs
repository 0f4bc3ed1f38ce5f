//! How long a commit takes at 5,000 pings a second in batches of 200 ms, on
//! the disk of the temporary directory (`TMPDIR`), with fsync:
//!
//! ```text
//! cargo bench -p benches --bench commit_latency [-- --commits N] [-- --test]
//! ```

use std::time::Duration;

use hdrhistogram::Histogram;
use tokio::time::{Instant, MissedTickBehavior, interval};

mod support;

const BATCH_PINGS: usize = 1_000;
const BATCH_EVERY: Duration = Duration::from_millis(200);
const COMMITS: u64 = 300;

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let after = |name: &str| {
        let place = arguments.iter().position(|argument| argument == name)?;
        arguments.get(place + 1)?.parse().ok()
    };
    let trial = arguments.iter().any(|argument| argument == "--test");
    let commits = if trial { 3 } else { after("--commits").unwrap_or(COMMITS) };

    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut journal = support::journal(directory.path()).await;
    let segment = support::segment(BATCH_PINGS);
    // Microseconds, to three digits.
    let mut latency = Histogram::<u64>::new(3).expect("three digits are allowed");
    let mut due = interval(BATCH_EVERY);
    due.set_missed_tick_behavior(MissedTickBehavior::Burst);
    for _ in 0..commits {
        // Counted from when the batch was due, so that one slow commit shows
        // in those that waited for it.
        let due_at: Instant = due.tick().await;
        journal.commit(segment.clone()).await.expect("a commit");
        latency.record(due_at.elapsed().as_micros() as u64).expect("it grows with its values");
    }
    let ms = |quantile| latency.value_at_quantile(quantile) as f64 / 1000.0;
    println!(
        "{commits} commits of {BATCH_PINGS} pings, one each {} ms: p50 {:.1} ms, p90 {:.1} ms, \
         p99 {:.1} ms, longest {:.1} ms",
        BATCH_EVERY.as_millis(),
        ms(0.5),
        ms(0.9),
        ms(0.99),
        latency.max() as f64 / 1000.0,
    );
}
