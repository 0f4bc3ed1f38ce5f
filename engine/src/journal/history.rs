//! A journal as it lies there, read by somebody who does not own it: no
//! claim, no lock, no write. Its owner may go on working meanwhile.

use std::collections::VecDeque;

use protos::journal::{Genesis, Segment, Snapshot};

use super::claim::read_snapshot;
use super::error::JournalError;
use super::genesis;
use super::name;
use super::reader::{JournalReader, later_object};
use super::store::Store;

/// Segments read at once: hides a store's latency.
const READ_AHEAD: u64 = 8;

/// The segments of one shard from the oldest that is still there, in order.
#[derive(Debug)]
pub struct History {
    store: Store,
    shard: u32,
    genesis: Genesis,
    first_seq: u64,
    next_seq: u64,
    reader: JournalReader,
    ahead: VecDeque<Result<Option<Segment>, JournalError>>,
}

impl History {
    /// Number of shards of the journal in `store`, as `shard` was founded with;
    /// `None` if that is not there.
    ///
    /// # Errors
    /// The store fails, or the genesis is damaged.
    pub async fn shards(store: &Store, shard: u32) -> Result<Option<u32>, JournalError> {
        Ok(genesis::read(store, shard).await?.map(|genesis| genesis.shards))
    }

    /// The history of `shard`.
    ///
    /// # Errors
    /// The store fails, or the genesis is missing or damaged.
    pub async fn open(store: Store, shard: u32) -> Result<Self, JournalError> {
        let genesis = genesis::read(&store, shard)
            .await?
            .ok_or_else(|| JournalError::Absent { name: name::genesis(shard).to_string() })?;
        let reader = JournalReader::new(store.clone(), shard);
        reader.refresh_packs().await?;
        let first_seq = first_kept(&store, shard).await?.unwrap_or(genesis.first_seq);
        let ahead = VecDeque::new();
        Ok(Self { store, shard, genesis, first_seq, next_seq: first_seq, reader, ahead })
    }

    /// Whether it is there from its very beginning.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.first_seq <= self.genesis.first_seq
    }

    /// Seq of the oldest segment that is still there.
    #[must_use]
    pub fn first_seq(&self) -> u64 {
        self.first_seq
    }

    /// The next segment; `None` at the end.
    ///
    /// # Errors
    /// A segment is damaged or missing; nothing is skipped. One that was
    /// deleted for its age since the history was opened is
    /// [`JournalError::Absent`].
    pub async fn next(&mut self) -> Result<Option<Segment>, JournalError> {
        if self.ahead.is_empty() {
            let seqs = self.next_seq..self.next_seq.saturating_add(READ_AHEAD);
            let reads = seqs.map(|seq| self.reader.find_where_known(seq));
            self.ahead = futures::future::join_all(reads).await.into();
        }
        let read = self.ahead.pop_front().expect("reading ahead gives at least one answer")?;
        let found = match read {
            Some(segment) => Some(segment),
            None => {
                self.ahead.clear();
                self.find_or_end().await?
            }
        };
        self.next_seq += u64::from(found.is_some());
        Ok(found)
    }

    /// No object is at `next_seq` where it was looked for: is it the end?
    async fn find_or_end(&self) -> Result<Option<Segment>, JournalError> {
        let later = later_object(&self.store, self.shard, self.next_seq).await?;
        // Looked for after the listing: its owner may have added it and more,
        // or packed it, in between.
        if let Some(segment) = self.reader.find(self.next_seq).await? {
            return Ok(Some(segment));
        }
        let Some(found) = later else { return Ok(None) };
        let missing = name::segment(self.shard, self.next_seq).to_string();
        match first_kept(&self.store, self.shard).await? {
            Some(first) if first > self.next_seq => Err(JournalError::Absent { name: missing }),
            _ => Err(JournalError::Missing { missing, found }),
        }
    }

    /// The oldest snapshot that can be read; `None` if there is none.
    ///
    /// # Errors
    /// The store fails.
    pub async fn oldest_snapshot(&self) -> Result<Option<Snapshot>, JournalError> {
        let dir = name::snapshots_dir(self.shard);
        for (seq, meta) in self.store.list(&dir, name::parse_seq).await? {
            let path = meta.location;
            match read_snapshot(&self.store, &path, self.shard, seq, &self.genesis).await {
                Ok(Some((snapshot, _))) => return Ok(Some(snapshot)),
                // Deleted since it was listed: the next one is the oldest.
                Ok(None) => {}
                Err(JournalError::BadObject(error)) => {
                    tracing::warn!(shard = self.shard, %error, "bad snapshot; passed over");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }
}

/// Seq of the first segment of the run that reaches to the end. Claims of a
/// shared store are kept for ever and stand alone before it.
async fn first_kept(store: &Store, shard: u32) -> Result<Option<u64>, JournalError> {
    let segments = store.list(&name::segments_dir(shard), name::parse_seq).await?;
    let packs = store.list(&name::packs_dir(shard), name::parse_pack).await?;
    let singles = segments.into_iter().map(|(seq, _)| (seq, seq));
    Ok(last_run(singles.chain(packs.into_iter().map(|(seqs, _)| seqs)).collect()))
}

/// Where the last run of spans without a gap begins.
fn last_run(mut spans: Vec<(u64, u64)>) -> Option<u64> {
    spans.sort_unstable();
    let mut run: Option<(u64, u64)> = None;
    for (first, last) in spans {
        run = match run {
            Some((start, end)) if first <= end.saturating_add(1) => Some((start, end.max(last))),
            _ => Some((first, last)),
        };
    }
    run.map(|(start, _)| start)
}

#[cfg(test)]
mod tests {
    use super::last_run;

    #[test]
    fn the_last_run_begins_after_the_last_gap() {
        assert_eq!(last_run(vec![]), None);
        assert_eq!(last_run(vec![(7, 7)]), Some(7));
        assert_eq!(last_run(vec![(9, 9), (8, 8), (1, 4), (5, 7)]), Some(1));
        assert_eq!(last_run(vec![(2, 2), (5, 9), (7, 7), (10, 10)]), Some(5), "a kept claim");
    }
}
