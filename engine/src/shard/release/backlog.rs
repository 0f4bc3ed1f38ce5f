//! What a sink has not taken yet, as metrics tell it.

use std::pin::pin;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use crate::journal::JournalReader;
use crate::metrics;

/// While a call to a sink goes on, its backlog is told this often.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// The backlog of one sink.
pub(super) struct Backlog {
    sink: &'static str,
    /// As metrics label it.
    shard: String,
    committed: watch::Receiver<u64>,
    /// Since when there is one.
    since: Option<Instant>,
}

impl Backlog {
    pub(super) fn new(sink: &'static str, shard: u32, reader: &JournalReader) -> Self {
        Self { sink, shard: shard.to_string(), committed: reader.committed(), since: None }
    }

    /// All that was committed when it was looked has been taken.
    pub(super) fn is_taken(&mut self) {
        self.since = None;
    }

    /// Tells it of a sink that has `released` and all before.
    pub(super) fn tell(&mut self, released: u64) {
        let behind = self.committed.borrow().saturating_sub(released);
        if behind == 0 {
            self.since = None;
        } else {
            self.since.get_or_insert_with(Instant::now);
        }
        let labels = [self.sink, &self.shard];
        metrics::UNRELEASED.gauge(&labels).set(behind as f64);
        let lag = self.since.map_or(Duration::ZERO, |since| since.elapsed());
        metrics::RELEASE_LAG.gauge(&labels).set(lag.as_secs_f64());
    }

    /// Waits for a call to the sink, and tells the backlog meanwhile: the call
    /// may never end.
    pub(super) async fn during<T>(&mut self, released: u64, call: impl Future<Output = T>) -> T {
        let mut call = pin!(call);
        loop {
            match timeout(TELL_EVERY, &mut call).await {
                Ok(done) => return done,
                Err(_) => self.tell(released),
            }
        }
    }
}
