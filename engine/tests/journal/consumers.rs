//! A sink that reads from the store what is no longer in memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use engine::shard::{CursorBoard, Cursors, SinkRunner};
use protos::journal::{Cursor, Segment};
use sinks::{Flush, Sink, SinkError};
use tokio::sync::watch;

use crate::support::{FIRST_SEQ, Faulty, commit, own};

/// Counts what it takes.
struct Counter(Arc<AtomicUsize>);

#[async_trait]
impl Sink for Counter {
    fn name(&self) -> &'static str {
        "counter"
    }

    async fn write(&mut self, segment: Arc<Segment>) -> Result<(), SinkError> {
        self.0.fetch_add(segment.dead_letters.len(), Ordering::SeqCst);
        Ok(())
    }

    async fn flush(&mut self, _: Flush) -> Result<Cursor, SinkError> {
        Ok(Cursor { sink: "counter".to_owned(), ..Cursor::default() })
    }

    async fn recorded(&mut self, _: &Cursor) -> Result<Option<Cursor>, SinkError> {
        Ok(None)
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_cannot_be_read_is_waited_for() {
    const SEGMENTS: usize = 300;
    let store = Faulty::new();
    let mut journal = own(store.store()).await;
    for i in 0..SEGMENTS {
        commit(&mut journal, &i.to_string()).await;
    }
    let taken = Arc::new(AtomicUsize::new(0));
    let (_last, last) = watch::channel(None);
    let board = CursorBoard::new(Cursors::new());
    let sink = Box::new(Counter(Arc::clone(&taken)));
    // Past what one read tries again by itself.
    store.fail_reads(100);
    let runner =
        SinkRunner::new(sink, 0, journal.reader(), board, FIRST_SEQ, Duration::from_secs(1), last);
    let runner = tokio::spawn(runner.run());
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    assert!(!runner.is_finished(), "{:?}", runner.await);
    assert_eq!(taken.load(Ordering::SeqCst), SEGMENTS);
    runner.abort();
}
