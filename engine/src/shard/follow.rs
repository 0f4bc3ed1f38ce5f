//! Reading along with a shard's commits, one segment at a time.

use std::sync::Arc;

use protos::journal::Segment;
use tokio::sync::watch;

use crate::journal::{Consumer, JournalError, JournalReader};

/// Hands over the segments of one shard as they are committed.
pub struct Follower {
    reader: JournalReader,
    committed: watch::Receiver<u64>,
    consumer: Consumer,
    next: u64,
}

impl Follower {
    /// Follows `reader` from segment `next` on.
    #[must_use]
    pub fn new(reader: JournalReader, next: u64) -> Self {
        let (committed, consumer) = (reader.committed(), reader.consumer(next));
        Self { reader, committed, consumer, next }
    }

    /// The next segment, as soon as it is committed. Cancel-safe.
    ///
    /// # Errors
    /// The journal does not have it any more, or cannot be read.
    pub async fn next(&mut self) -> Result<Arc<Segment>, JournalError> {
        let next = self.next;
        self.committed
            .wait_for(|&committed| committed >= next)
            .await
            .expect("the reader holds the sender");
        let segment = self.reader.read(next).await?;
        self.next += 1;
        self.consumer.came_to(self.next);
        Ok(segment)
    }

    /// The next segment if it is committed.
    ///
    /// # Errors
    /// As for [`Follower::next`].
    pub async fn next_committed(&mut self) -> Result<Option<Arc<Segment>>, JournalError> {
        if *self.committed.borrow() < self.next {
            return Ok(None);
        }
        self.next().await.map(Some)
    }
}
