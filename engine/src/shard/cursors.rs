//! How far each sink of a shard has come: what the sinks propose, and what a
//! committed segment has recorded.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use protos::journal::{Cursor, DeadLetter, Segment};
use sinks::Progress;
use tokio::sync::{Notify, watch};

/// Cursors by sink.
pub type Cursors = BTreeMap<String, Cursor>;

/// Where sinks and their shard meet. Cursors count once they are recorded.
#[derive(Clone, Debug)]
pub struct CursorBoard(Arc<Board>);

#[derive(Debug)]
struct Board {
    proposed: Mutex<Proposed>,
    news: Notify,
    recorded: watch::Sender<Cursors>,
}

/// What waits to be recorded.
#[derive(Debug, Default)]
pub(super) struct Proposed {
    cursors: Cursors,
    /// Of the cursors, and of those that they took the place of.
    dead_letters: Vec<DeadLetter>,
}

impl Proposed {
    pub(super) fn is_empty(&self) -> bool {
        self.cursors.is_empty()
    }

    /// Has `segment` record them.
    pub(super) fn record_in(self, segment: &mut Segment) {
        segment.cursors = self.cursors.into_values().collect();
        segment.dead_letters.extend(self.dead_letters);
    }
}

impl CursorBoard {
    /// A board on which `recorded` stands already.
    pub fn new(recorded: Cursors) -> Self {
        Self(Arc::new(Board {
            proposed: Mutex::default(),
            news: Notify::new(),
            recorded: watch::Sender::new(recorded),
        }))
    }

    /// A sink asks to have its progress recorded.
    pub fn propose(&self, progress: impl Into<Progress>) {
        let Progress { cursor, dead_letters } = progress.into();
        let mut proposed = self.0.proposed.lock().unwrap_or_else(PoisonError::into_inner);
        proposed.cursors.insert(cursor.sink.clone(), cursor);
        proposed.dead_letters.extend(dead_letters);
        drop(proposed);
        self.0.news.notify_one();
    }

    /// What has been recorded, and every change of it.
    pub fn recorded(&self) -> watch::Receiver<Cursors> {
        self.0.recorded.subscribe()
    }

    /// Waits for a proposal.
    pub(super) async fn news(&self) {
        self.0.news.notified().await;
    }

    /// Whether output waits for a proposal to be recorded: what is announced comes
    /// after it, and the first line of a log that begins anew, which no start may
    /// find shorter than it is recorded to be.
    pub(super) fn is_awaited(&self) -> bool {
        let proposed = self.0.proposed.lock().unwrap_or_else(PoisonError::into_inner);
        let recorded = self.0.recorded.borrow();
        proposed.cursors.values().any(|cursor| {
            let known = recorded.get(&cursor.sink);
            let pending = known.and_then(|known| known.pending_through_seq);
            let announced = cursor.pending_through_seq;
            (announced.is_some() && announced != pending)
                || known.is_some_and(|known| cursor.byte_length < known.byte_length)
        })
    }

    /// Takes the proposals, for the segment that is about to be committed.
    pub(super) fn take(&self) -> Proposed {
        let mut proposed = self.0.proposed.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *proposed)
    }

    /// Says that `cursors` stand in a durable segment.
    pub(super) fn record(&self, cursors: &[Cursor]) {
        if !cursors.is_empty() {
            self.0.recorded.send_modify(|recorded| {
                recorded.extend(cursors.iter().map(|cursor| (cursor.sink.clone(), cursor.clone())));
            });
        }
    }

    /// The last segment that every one of `sinks` has behind it; 0 while one
    /// of them has no cursor recorded.
    pub(super) fn floor<'a>(&self, sinks: impl IntoIterator<Item = &'a str>) -> u64 {
        let recorded = self.0.recorded.borrow();
        let through = |sink| recorded.get(sink).map_or(0, |cursor| cursor.through_seq);
        sinks.into_iter().map(through).min().unwrap_or(u64::MAX)
    }
}
