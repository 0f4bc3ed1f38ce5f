//! What every sink does with the journal's segments.

use std::sync::Arc;

use async_trait::async_trait;
use protos::journal::{Cursor, DeadLetter, Segment};

/// Why a sink is asked to flush.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flush {
    /// Time to report progress; a file may stay open.
    Periodic,
    /// No segment follows in this process: close every file.
    Final,
}

/// How far a sink has come, and what it will leave behind for good.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// To be recorded in the next segment.
    pub cursor: Cursor,
    /// To be recorded with it: input that the sink's target refuses.
    pub dead_letters: Vec<DeadLetter>,
}

impl From<Cursor> for Progress {
    fn from(cursor: Cursor) -> Self {
        Self { cursor, dead_letters: Vec::new() }
    }
}

/// A sink failed; mostly the same call is made again after a pause. A later call can
/// succeed after [`SinkError::Io`], [`SinkError::Remote`] and
/// [`SinkError::Displaced`] only; [`SinkError::Unrecorded`] asks for something else first, and after the
/// others the sink waits for a restart, which begins anew from the recorded
/// cursor.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// Reading or writing a file failed.
    #[error("{path}: {source}")]
    Io {
        /// The file or directory.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A service did not take what it was given, or could not be asked. It is
    /// asked again for ever: what is missing or not allowed can be put right
    /// while the worker runs.
    #[error("{target}: {source}")]
    Remote {
        /// The topic, table or database.
        target: String,
        /// What the service or its client said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// What was written is not where it will be looked for: a file was moved,
    /// deleted or changed under the sink. It looks again for ever, and goes on
    /// once that is put right.
    #[error("{path}: {what}")]
    Displaced {
        /// The file or directory.
        path: String,
        /// What happened, and what to do.
        what: String,
    },
    /// The sink goes on only from a cursor that is recorded, so that a crash
    /// in what it does next is understood: record this, then give it the
    /// segments after that cursor, some of them again.
    #[error("goes on once its cursor at segment {} is recorded", .0.cursor.through_seq)]
    Unrecorded(Box<Progress>),
    /// An encoder refused what it was given.
    #[error("{what}: {source}")]
    Encode {
        /// What was being encoded.
        what: &'static str,
        /// What the encoder said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The system could not make a file durable. What was written may be gone,
    /// and asking again may not tell: the system reports such an error once.
    #[error("{path} could not be made durable: {source}; a restart writes it again")]
    Sync {
        /// The file or directory.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// An earlier call failed for good; nothing was written since.
    #[error("stopped until a restart: {reason}")]
    Stopped {
        /// The earlier error.
        reason: String,
    },
    /// A file and the recorded cursor contradict each other: the file was
    /// changed from outside. Restore it, or remove the sink's cursor by running
    /// once without the sink: it then goes on after what is there.
    #[error("{path}: {contradiction}")]
    Cursor {
        /// The file.
        path: String,
        /// What contradicts what.
        contradiction: String,
    },
}

impl SinkError {
    /// Whether the same call can succeed later in this process.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Io { .. } | Self::Remote { .. } | Self::Displaced { .. })
    }
}

/// A consumer of one shard's committed segments.
///
/// The runner calls [`Sink::write`] with segments in order, starting after
/// the `through_seq` of the cursor the sink was opened with. Cursors count
/// only once a committed segment carries them; the runner then calls
/// [`Sink::recorded`]. After a crash the sink is opened again with the last
/// recorded cursor and must make its output what that cursor says before it
/// goes on: segments behind the cursor never come again, those after it do.
#[async_trait]
pub trait Sink: Send + Sync + 'static {
    /// Name in cursors, metrics and logs; stable.
    fn name(&self) -> &'static str;

    /// Whether it was opened without a cursor and found output of its own: it
    /// was switched off for a while. What the journal still has may be in it, so
    /// such a sink is given only what is committed from now on. `None` where that
    /// cannot be seen: the journal says whether the sink was there before.
    fn found_output(&self) -> Option<bool> {
        None
    }

    /// Takes one committed segment. It may stay in memory or in an open file
    /// until the next flush.
    ///
    /// # Errors
    /// Nothing of the segment counts as taken. The runner calls again with the
    /// same segment, so a retry must not double its rows; after
    /// [`SinkError::Unrecorded`] with the segment after the cursor in it, once
    /// that is recorded.
    async fn write(&mut self, segment: Arc<Segment>) -> Result<(), SinkError>;

    /// How many segments [`Sink::write_together`] takes at the most; 1 where
    /// the target gains nothing by more.
    fn together_max(&self) -> usize {
        1
    }

    /// Takes several committed segments in order, as one that was behind may:
    /// 1 to [`Sink::together_max`] of them.
    ///
    /// # Errors
    /// As for [`Sink::write`], of all of them.
    async fn write_together(&mut self, segments: &[Arc<Segment>]) -> Result<(), SinkError> {
        let [segment] = segments else { unreachable!("together_max is 1") };
        self.write(Arc::clone(segment)).await
    }

    /// Makes what the sink has taken durable as far as `flush` asks and
    /// returns the cursor to record.
    ///
    /// # Errors
    /// Nothing is lost; the runner calls again.
    async fn flush(&mut self, flush: Flush) -> Result<Cursor, SinkError>;

    /// `cursor`, returned earlier by [`Sink::flush`] or by this method, now
    /// stands in a committed segment. Returns a further cursor where the sink
    /// works in two steps (announce a file, publish it).
    ///
    /// # Errors
    /// Nothing is lost; the runner calls again.
    async fn recorded(&mut self, cursor: &Cursor) -> Result<Option<Cursor>, SinkError>;
}
