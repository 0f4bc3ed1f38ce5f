//! Snapshots of one shard: written, read back, the last two kept.

use bytes::Bytes;
use protos::journal::Snapshot;
use sinks::fail_point;

use super::error::JournalError;
use super::frame;
use super::name;
use super::read_back;
use super::store::Store;

/// The snapshots that stand, both known to be readable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Seq of the newest.
    pub newest: Option<u64>,
    /// Seq of the one before it. Segments up to here serve no recovery.
    pub older: Option<u64>,
}

/// Writes the snapshots of one shard.
#[derive(Debug)]
pub struct Snapshots {
    store: Store,
    shard: u32,
    kept: Kept,
}

impl Snapshots {
    /// For a shard that was claimed from the snapshot at `base`. The one
    /// before it is not trusted: nothing has read it.
    pub fn new(store: Store, shard: u32, base: Option<u64>) -> Self {
        Self { store, shard, kept: Kept { newest: base, older: None } }
    }

    /// The snapshots that stand.
    pub fn kept(&self) -> Kept {
        self.kept
    }

    /// Encodes `snapshot` and writes it, see [`Self::write_encoded`].
    ///
    /// # Errors
    /// As there.
    pub async fn write(&mut self, snapshot: Snapshot) -> Result<u64, JournalError> {
        self.write_encoded(snapshot.seq, frame::encode_snapshot(&snapshot)).await
    }

    /// Writes the snapshot of `seq`, whose object is `bytes`, reads it back, and
    /// deletes all but it and the one before it. Returns the length of the object,
    /// and 0 if a snapshot of this seq stands already.
    ///
    /// # Errors
    /// The store fails or gives back something else. [`Snapshots::kept`] is
    /// then what it was.
    pub async fn write_encoded(&mut self, seq: u64, bytes: Bytes) -> Result<u64, JournalError> {
        if self.kept.newest.is_some_and(|newest| newest >= seq) {
            return Ok(0);
        }
        let path = name::snapshot(self.shard, seq);
        // Overwritten, not created: what stands there is a bad one, or one of
        // the same state.
        self.store.overwrite(&path, &bytes).await?;
        fail_point::hit("snapshot.write");
        read_back::verify(&self.store, &path, &bytes).await?;
        self.delete_before(seq).await?;
        self.kept = Kept { newest: Some(seq), older: self.kept.newest };
        Ok(bytes.len() as u64)
    }

    /// Deletes every snapshot before `seq` but the newest kept so far. Those
    /// after `seq` can only be another owner's and are none of ours.
    ///
    /// A claim relies on this coming before the deletion of any segment up to
    /// the older kept snapshot.
    async fn delete_before(&self, seq: u64) -> Result<(), JournalError> {
        let listed = self.store.list(&name::snapshots_dir(self.shard), name::parse_seq).await?;
        for (old, meta) in listed {
            if old < seq && Some(old) != self.kept.newest {
                self.store.delete(&meta.location).await?;
            }
        }
        Ok(())
    }
}

/// When the next snapshot is due: as soon as the segments since the last one
/// exceed its size, but not before there are `segments_min` of them. So
/// re-applying costs about as much as loading, and writing snapshots at most
/// doubles what is written.
#[derive(Clone, Copy, Debug)]
pub struct Cadence {
    segments_min: u64,
    snapshot_bytes: u64,
    segments: u64,
    bytes: u64,
}

impl Cadence {
    /// After a snapshot of `snapshot_bytes`, 0 for none.
    pub fn new(segments_min: u64, snapshot_bytes: u64) -> Self {
        Self { segments_min, snapshot_bytes, segments: 0, bytes: 0 }
    }

    /// Length of the snapshot that it counts from, bytes; 0 for none.
    #[must_use]
    pub fn snapshot_bytes(&self) -> u64 {
        self.snapshot_bytes
    }

    /// Begins to count anew, from a snapshot that is taken to be as large as the one
    /// before.
    pub fn restart(&mut self) {
        *self = Self::new(self.segments_min, self.snapshot_bytes);
    }

    /// The snapshot that it counts from is of `bytes`.
    pub fn measured(&mut self, bytes: u64) {
        self.snapshot_bytes = bytes;
    }

    /// Counts a segment of `bytes`.
    pub fn segment(&mut self, bytes: u64) {
        self.segments += 1;
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// Whether a snapshot is due.
    pub fn is_due(&self) -> bool {
        self.segments >= self.segments_min && self.bytes > self.snapshot_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn due_after_64_segments_and_its_own_size() {
        let mut cadence = Cadence::new(64, 6_400);
        for _ in 0..64 {
            assert!(!cadence.is_due());
            cadence.segment(100);
        }
        assert!(!cadence.is_due(), "6,400 bytes do not exceed 6,400");
        cadence.segment(1);
        assert!(cadence.is_due());
        let mut first = Cadence::new(64, 0);
        for _ in 0..63 {
            first.segment(1 << 20);
        }
        assert!(!first.is_due(), "63 segments are too few, however large");
        first.restart();
        first.segment(1);
        assert!(!first.is_due(), "counted anew");
        for _ in 0..63 {
            first.segment(1);
        }
        first.measured(64);
        assert!(!first.is_due(), "64 bytes do not exceed what the snapshot turned out to be");
        first.segment(1);
        assert!(first.is_due());
    }
}
