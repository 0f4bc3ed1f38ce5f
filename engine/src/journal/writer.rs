//! The owner's side of the journal: one commit after another.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use protos::journal::{Segment, SegmentKind};
use sinks::fail_point;

use super::commit::{CommitError, Created, create_segment};
use super::frame::SegmentEncoder;
use super::health::CommitHealth;
use super::name;
use super::reader::JournalReader;
use super::store::Store;

/// Identity of a writing process, drawn once at its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriterId([u8; 16]);

impl WriterId {
    /// A new one, a version 4 UUID.
    pub fn random() -> Self {
        Self(uuid::Uuid::new_v4().into_bytes())
    }

    /// The 16 bytes as segments carry them.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl From<[u8; 16]> for WriterId {
    fn from(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for WriterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        uuid::Uuid::from_bytes(self.0).fmt(f)
    }
}

/// A segment that is durable.
#[derive(Clone, Debug)]
pub struct Committed {
    /// Its number.
    pub seq: u64,
    /// Length of its object.
    pub bytes: u64,
    /// The segment with every field filled in.
    pub segment: Arc<Segment>,
}

/// The journal of one shard, owned: the only way to commit.
#[derive(Debug)]
pub struct Journal {
    pub(super) store: Store,
    pub(super) journal_id: String,
    pub(super) shard: u32,
    pub(super) epoch: u64,
    pub(super) writer: WriterId,
    pub(super) next_seq: u64,
    pub(super) health: CommitHealth,
    pub(super) reader: JournalReader,
    pub(super) encoder: SegmentEncoder,
    /// True from a commit's first attempt until its success is known.
    pub(super) in_doubt: bool,
}

impl Journal {
    /// Identity of the journal, from its genesis.
    pub fn journal_id(&self) -> &str {
        &self.journal_id
    }

    /// The seq the next commit will have.
    pub fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// The epoch this owner writes in.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// How the current commit fares; for readiness and HTTP 503.
    pub fn health(&self) -> CommitHealth {
        self.health.clone()
    }

    /// A reader of the committed segments.
    pub fn reader(&self) -> JournalReader {
        self.reader.clone()
    }

    /// Makes `segment` durable as the next one. Fills in journal id, shard,
    /// seq, epoch, writer id and kind; the caller fills in the rest. Tries
    /// for as long as the store fails: see [`CommitHealth`].
    ///
    /// A dropped call leaves it unknown whether the segment stands, so no
    /// commit can follow.
    ///
    /// # Errors
    /// The worker must end; see [`CommitError`].
    pub async fn commit(&mut self, mut segment: Segment) -> Result<Committed, CommitError> {
        if self.in_doubt {
            return Err(CommitError::Closed { seq: self.next_seq });
        }
        let seq = self.next_seq;
        segment.journal_id.clone_from(&self.journal_id);
        segment.shard = self.shard;
        segment.seq = seq;
        segment.epoch = self.epoch;
        segment.writer_id = Bytes::copy_from_slice(self.writer.as_bytes());
        segment.set_kind(SegmentKind::Data);
        let encoder = std::mem::take(&mut self.encoder);
        let (segment, bytes, encoder) = encode_off_thread(segment, encoder).await;
        self.encoder = encoder;

        let path = name::segment(self.shard, seq);
        self.in_doubt = true;
        fail_point::hit("commit.before");
        let created = create_segment(&self.store, &path, &bytes, self.writer, &self.health).await?;
        if let Created::Theirs(theirs) = created {
            return Err(fenced(path.as_ref(), &theirs));
        }
        fail_point::hit("commit.after");
        self.in_doubt = false;
        self.next_seq += 1;
        let committed = Committed { seq, bytes: bytes.len() as u64, segment: Arc::new(segment) };
        self.reader.committed_now(&committed);
        Ok(committed)
    }
}

fn fenced(name: &str, theirs: &Segment) -> CommitError {
    let writer = <[u8; 16]>::try_from(theirs.writer_id.as_ref())
        .map_or_else(|_| "of no valid id".to_owned(), |id| WriterId::from(id).to_string());
    CommitError::Fenced { name: name.to_owned(), writer, epoch: theirs.epoch }
}

/// Encodes away from the runtime's threads: megabytes take milliseconds. Gives
/// segment and encoder back.
pub(super) async fn encode_off_thread(
    segment: Segment,
    mut encoder: SegmentEncoder,
) -> (Segment, Bytes, SegmentEncoder) {
    let encoding = tokio::task::spawn_blocking(move || {
        let bytes = encoder.encode(&segment);
        (segment, bytes, encoder)
    });
    encoding.await.expect("encoding neither panics nor is cancelled")
}
