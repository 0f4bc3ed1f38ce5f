//! Reading committed segments: from memory, from packs, from single objects.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use object_store::GetRange;
use protos::journal::Segment;
use tokio::sync::watch;

use super::consumer::Consumer;
use super::error::JournalError;
use super::frame;
use super::name;
use super::pack::{self, PackIndex};
use super::recent::Recent;
use super::store::Store;
use super::writer::Committed;

/// Indexes of packs kept in memory; one is up to 32 KiB.
const INDEXES_MAX: usize = 8;

type PackSeqs = (u64, u64);

/// Reads the segments of one shard by number. Clones share one memory of the
/// newest segments, bounded at 256 of them and 8 MiB of their encoding.
#[derive(Clone, Debug)]
pub struct JournalReader(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    store: Store,
    shard: u32,
    recent: Mutex<Recent>,
    packs: Mutex<Packs>,
    /// The first segment that each consumer has not taken.
    consumers: Mutex<Vec<watch::Receiver<u64>>>,
    /// Seq of the newest segment this process committed; 0 before the first.
    committed: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Packs {
    known: BTreeSet<PackSeqs>,
    indexes: VecDeque<(PackSeqs, Arc<PackIndex>)>,
}

impl JournalReader {
    /// A reader of `shard`, for use beside or without a writer.
    pub fn new(store: Store, shard: u32) -> Self {
        Self(Arc::new(Shared {
            store,
            shard,
            recent: Mutex::default(),
            packs: Mutex::default(),
            consumers: Mutex::default(),
            committed: watch::Sender::new(0),
        }))
    }

    /// The segment `seq`.
    ///
    /// # Errors
    /// It is not in the journal, cannot be read, or is damaged.
    pub async fn read(&self, seq: u64) -> Result<Arc<Segment>, JournalError> {
        if let Some(segment) = lock(&self.0.recent).get(seq) {
            return Ok(segment);
        }
        self.find(seq).await?.map(Arc::new).ok_or_else(|| JournalError::Absent {
            name: name::segment(self.0.shard, seq).to_string(),
        })
    }

    /// Follows the seq of the newest segment this process committed; 0 before
    /// the first.
    pub fn committed(&self) -> watch::Receiver<u64> {
        self.0.committed.subscribe()
    }

    /// A consumer of which [`Self::kept_up`] knows, that has not taken the
    /// segments from `next` on.
    pub fn consumer(&self, next: u64) -> Consumer {
        let (consumer, place) = Consumer::at(next);
        let mut consumers = lock(&self.0.consumers);
        consumers.retain(|place| place.has_changed().is_ok());
        consumers.push(place);
        consumer
    }

    /// Waits until every consumer finds what it takes next in memory, with room
    /// for some segments more. For those who could hand input on faster than it
    /// is taken: a consumer that falls behind reads from the journal, each by
    /// itself, and falls further behind.
    pub async fn kept_up(&self) {
        let fresh_from = lock(&self.0.recent).fresh_from();
        let consumers = lock(&self.0.consumers).clone();
        for mut place in consumers {
            // One that is gone keeps nobody waiting.
            let _ = place.wait_for(|next| *next >= fresh_from).await;
        }
    }

    pub(super) fn committed_now(&self, committed: &Committed) {
        lock(&self.0.recent).push(Arc::clone(&committed.segment), committed.bytes);
        self.0.committed.send_replace(committed.seq);
    }

    /// The segment `seq`, `None` if it is nowhere; looks for new packs before
    /// it says so.
    pub(super) async fn find(&self, seq: u64) -> Result<Option<Segment>, JournalError> {
        if let Some(segment) = self.find_where_known(seq).await? {
            return Ok(Some(segment));
        }
        // It may have moved from its own object into a pack.
        self.refresh_packs().await?;
        self.find_where_known(seq).await
    }

    /// As [`Self::find`], with the packs known from before.
    pub(super) async fn find_where_known(&self, seq: u64) -> Result<Option<Segment>, JournalError> {
        // Packs first: where a name was reused after its segment was packed,
        // the pack tells the history.
        let mut bad_pack = None;
        while let Some(pack) = self.pack_with(seq) {
            match self.read_packed(pack, seq).await {
                Ok(Some(segment)) => return Ok(Some(segment)),
                // Deleted since it was listed.
                Ok(None) => {
                    lock(&self.0.packs).known.remove(&pack);
                }
                // The segment's own object may still stand.
                Err(error @ JournalError::BadObject(_)) => {
                    bad_pack = Some(error);
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        let path = name::segment(self.0.shard, seq);
        let decode = |bytes: &Bytes, _| frame::decode_segment(bytes, path.as_ref());
        match (self.0.store.read_decoded(&path, None, decode).await?, bad_pack) {
            (None, Some(error)) => Err(error),
            (found, _) => Ok(found),
        }
    }

    pub(super) async fn refresh_packs(&self) -> Result<(), JournalError> {
        let dir = name::packs_dir(self.0.shard);
        let listed = self.0.store.list(&dir, name::parse_pack).await?;
        lock(&self.0.packs).known = listed.into_iter().map(|(pack, _)| pack).collect();
        Ok(())
    }

    fn pack_with(&self, seq: u64) -> Option<PackSeqs> {
        let packs = lock(&self.0.packs);
        packs.known.range(..=(seq, u64::MAX)).rev().find(|(_, last)| *last >= seq).copied()
    }

    async fn read_packed(&self, pack: PackSeqs, seq: u64) -> Result<Option<Segment>, JournalError> {
        let Some(index) = self.index_of(pack).await? else { return Ok(None) };
        let Some(range) = index.range(seq) else { return Ok(None) };
        let path = name::pack(self.0.shard, pack.0, pack.1);
        let segment_name = format!("{path}: segment {seq}");
        let decode = |bytes: &Bytes, _| frame::decode_segment(bytes, &segment_name);
        self.0.store.read_decoded(&path, Some(GetRange::Bounded(range)), decode).await
    }

    async fn index_of(&self, pack: PackSeqs) -> Result<Option<Arc<PackIndex>>, JournalError> {
        let cached = |packs: &Packs| {
            packs.indexes.iter().find(|(of, _)| *of == pack).map(|(_, index)| Arc::clone(index))
        };
        if let Some(index) = cached(&lock(&self.0.packs)) {
            return Ok(Some(index));
        }
        let Some(index) = read_index(&self.0.store, self.0.shard, pack).await? else {
            return Ok(None);
        };
        let index = Arc::new(index);
        let mut packs = lock(&self.0.packs);
        if packs.indexes.len() == INDEXES_MAX {
            packs.indexes.pop_front();
        }
        packs.indexes.push_back((pack, Arc::clone(&index)));
        Ok(Some(index))
    }
}

/// Name of an object that holds segments after `seq`, if one is listed.
pub(super) async fn later_object(
    store: &Store,
    shard: u32,
    seq: u64,
) -> Result<Option<String>, JournalError> {
    let segments = store.list(&name::segments_dir(shard), name::parse_seq).await?;
    let packs = store.list(&name::packs_dir(shard), name::parse_pack).await?;
    let later_segment = segments.into_iter().find(|(later, _)| *later > seq);
    let later_pack = packs.into_iter().find(|((_, last), _)| *last > seq);
    let later = later_segment
        .map(|(_, meta)| meta.location)
        .or_else(|| later_pack.map(|(_, meta)| meta.location));
    Ok(later.map(|path| path.to_string()))
}

/// The index of a pack, `None` if there is no such pack.
pub(super) async fn read_index(
    store: &Store,
    shard: u32,
    (first, last): PackSeqs,
) -> Result<Option<PackIndex>, JournalError> {
    let path = name::pack(shard, first, last);
    let footer = Some(GetRange::Suffix(pack::FOOTER_BYTES_MAX));
    let index = store
        .read_decoded(&path, footer, |end, whole| PackIndex::parse(end, whole, path.as_ref()))
        .await?;
    match index {
        Some(index) if index.seqs() != (first, last) => Err(JournalError::Differs {
            name: path.to_string(),
            other: format!("its index, which says {:?}", index.seqs()),
        }),
        index => Ok(index),
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    // Updates leave the value whole at every step, so a panic elsewhere does
    // not spoil it.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
