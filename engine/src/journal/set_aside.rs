//! Moving a bad tail away, on request only, and saying what may be lost.

use std::fmt;

use bytes::Bytes;
use protos::journal::Genesis;

use super::error::JournalError;
use super::frame::{self, FrameError, FrameFault};
use super::genesis;
use super::name;
use super::store::Store;
use super::writer::WriterId;

/// A bad segment that was moved away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetAside {
    /// Its number, which the next segment will have again.
    pub seq: u64,
    /// Where it lies now.
    pub moved_to: String,
    /// Its length.
    pub bytes: u64,
    /// What was wrong with it.
    pub error: FrameError,
}

impl fmt::Display for SetAside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}; moved its {} bytes to {}. Pings acknowledged in that segment, the events \
             decided in it and the sink cursors recorded in it may be lost; a sender that still \
             has the pings may send them again",
            self.error, self.bytes, self.moved_to
        )
    }
}

/// Says what a bad segment is: the tail, or in the middle of valid ones.
/// Returns the numbers of the bad segments from it on if it is the tail.
pub(super) async fn bad_tail(
    store: &Store,
    shard: u32,
    seq: u64,
    error: FrameError,
) -> Result<Vec<(u64, FrameError)>, JournalError> {
    if matches!(error.fault, FrameFault::NewerFormat { .. }) {
        // Not damaged: a newer engine reads it.
        return Err(JournalError::BadObject(error));
    }
    let listed = store.list(&name::segments_dir(shard), name::parse_seq).await?;
    let mut bad = vec![(seq, error)];
    for (later, meta) in listed.into_iter().filter(|(later, _)| *later > seq) {
        let path = meta.location;
        let decode = |bytes: &Bytes, _| frame::decode_segment(bytes, path.as_ref());
        match store.read_decoded(&path, None, decode).await {
            Ok(None) => {}
            Ok(Some(_)) => {
                let (_, source) = bad.swap_remove(0);
                let valid_after = path.to_string();
                return Err(JournalError::BadMiddle { source, valid_after });
            }
            Err(JournalError::BadObject(error)) => bad.push((later, error)),
            Err(error) => return Err(error),
        }
    }
    Ok(bad)
}

/// Moves a bad tail away, last segment first, so that what a crash leaves is
/// a bad tail again.
pub(super) async fn move_away(
    store: &Store,
    shard: u32,
    genesis: &Genesis,
    by: WriterId,
    bad: Vec<(u64, FrameError)>,
) -> Result<Vec<SetAside>, JournalError> {
    if bad.iter().any(|(seq, _)| *seq == genesis.first_seq) {
        genesis::found_again(store, genesis, shard).await?;
    }
    let mut moved = Vec::with_capacity(bad.len());
    for (seq, error) in bad.into_iter().rev() {
        let from = name::segment(shard, seq);
        let to = name::set_aside(shard, seq, &by.to_string());
        let Some(bytes) = store.read(&from).await? else { continue };
        // A create is durable, and compared with our bytes, before it counts.
        if store.create(&to, &bytes).await?.is_some() {
            return Err(JournalError::Differs { name: to.to_string(), other: from.to_string() });
        }
        store.delete(&from).await?;
        let set_aside =
            SetAside { seq, moved_to: to.to_string(), bytes: bytes.len() as u64, error };
        tracing::warn!(shard, seq, "{set_aside}");
        moved.push(set_aside);
    }
    moved.reverse();
    Ok(moved)
}
