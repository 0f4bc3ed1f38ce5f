//! The loop that makes one segment durable: attempt, read back, retry.

use std::path::PathBuf;

use bytes::Bytes;
use object_store::path::Path;
use protos::journal::Segment;
use sinks::Backoff;
use tokio::time::Instant;
use tracing::warn;

use super::frame::{self, FrameError};
use super::health::CommitHealth;
use super::store::{Attempt, Store};
use super::writer::WriterId;
use crate::logging::News;

/// Reads of a taken name before it counts as unreadable for good.
const UNREADABLE_READS_MAX: u32 = 8;

/// Why a commit ended without success. The state that was applied cannot be
/// undone, so the process must end: drop everything, ack nothing.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// Another writer owns the shard now.
    #[error("{name}: written by writer {writer} in epoch {epoch}: this worker is fenced off")]
    Fenced {
        /// Name of the segment.
        name: String,
        /// The other writer's id.
        writer: String,
        /// The other writer's epoch.
        epoch: u64,
    },
    /// The name holds other bytes of this very writer: a defect in this
    /// engine.
    #[error("{name}: this writer wrote it before with other content; please report this defect")]
    Bug {
        /// Name of the segment.
        name: String,
    },
    /// The name is taken and its content cannot be read.
    #[error("{0}; found there while committing")]
    Unreadable(#[source] FrameError),
    /// The directory of the journal was moved, deleted or covered: its path
    /// leads elsewhere.
    #[error(
        "{}: no longer the directory that this process has opened: it was moved or deleted, or \
         something is mounted in its place; put it back and start again", root.display()
    )]
    RootLost {
        /// Where it was.
        root: PathBuf,
    },
    /// An earlier commit failed or was abandoned before its end was known.
    #[error("no commit can follow one that failed or was abandoned (seq {seq})")]
    Closed {
        /// The seq of the commit whose end is not known.
        seq: u64,
    },
}

impl CommitError {
    /// The process's exit code: 75 when another worker has taken over, 1
    /// otherwise.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Fenced { .. } => 75,
            Self::Bug { .. }
            | Self::Unreadable(_)
            | Self::RootLost { .. }
            | Self::Closed { .. } => 1,
        }
    }
}

/// How the race for a name ended.
pub(super) enum Created {
    /// The segment is ours and durable.
    Ours,
    /// Another writer's segment stands there.
    Theirs(Box<Segment>),
}

/// Creates `path` with `bytes`, however long it takes: every attempt sends
/// the same bytes, and each that does not plainly succeed is read back.
pub(super) async fn create_segment(
    store: &Store,
    path: &Path,
    bytes: &Bytes,
    writer: WriterId,
    health: &CommitHealth,
) -> Result<Created, CommitError> {
    let _under_way = health.begin();
    let mut backoff = Backoff::new();
    let mut news = News::default();
    let mut unreadable_reads = 0;
    loop {
        // Before, so that nothing is made in another's place; after, since
        // only what is in its own place is durable.
        if let Some(root) = store.lost_root().await {
            return Err(CommitError::RootLost { root });
        }
        let error = match store.attempt_create(path, bytes).await {
            Attempt::Durable => match store.lost_root().await {
                None => return Ok(Created::Ours),
                Some(root) => return Err(CommitError::RootLost { root }),
            },
            Attempt::Taken(found) => match frame::decode_segment(&found, path.as_ref()) {
                Ok(segment) if segment.writer_id == writer.as_bytes().as_slice() => {
                    return Err(CommitError::Bug { name: path.to_string() });
                }
                Ok(segment) => return Ok(Created::Theirs(Box::new(segment))),
                Err(fault) => {
                    // A body cut off on its way here looks like this, too.
                    unreadable_reads += 1;
                    if unreadable_reads == UNREADABLE_READS_MAX {
                        return Err(CommitError::Unreadable(fault));
                    }
                    fault.to_string()
                }
            },
            Attempt::Absent(error) | Attempt::Unknown(error) => error.to_string(),
        };
        if news.admit(error.clone(), Instant::now()) {
            warn!(segment = path.as_ref(), error, "commit not yet durable; trying again");
        }
        health.failed(error);
        backoff.pause().await;
    }
}
