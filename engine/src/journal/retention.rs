//! Keeping the history short: joining old segments into packs, deleting what
//! nobody needs. Only the engine deletes, never a rule of the bucket.
//!
//! A segment may go once it lies at or before the older kept snapshot and
//! every recorded sink cursor, and is older than the time to keep. Every
//! step may be the last before a crash: a pack is read back before the first
//! of its segments goes, and deletion runs from the oldest on, so that what
//! is left is whole and without gaps.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use object_store::ObjectMeta;
use protos::journal::SegmentKind;
use sinks::fail_point;

use super::error::JournalError;
use super::frame;
use super::name;
use super::pack::{self, PackBuilder, PackIndex};
use super::read_back;
use super::reader::read_index;
use super::snapshots::Kept;
use super::store::Store;

/// A pack is held in memory, once, while it is made and verified.
const PACK_BYTES_MAX: u64 = 16 << 20;

/// How long history is kept, and in what form.
#[derive(Clone, Copy, Debug)]
pub struct RetentionPolicy {
    /// Least age of what is deleted, by the store's own time of writing.
    pub keep: Duration,
    /// Segments joined into one pack, 1 to [`pack::SEGMENTS_MAX`]; a run that
    /// is shorter waits, unless it reaches 16 MiB.
    pub segments_per_pack: usize,
    /// On a shared store, never delete the objects of claims (one small
    /// object each time a shard changes hands). A writer that was held up for
    /// long next tries the name at which it was fenced; were that name free
    /// again, it would take its commit for a success.
    pub keep_claims: bool,
}

impl RetentionPolicy {
    /// Keeps history for `keep`, in packs of 4,096, for a data directory
    /// under its exclusive lock.
    pub fn local(keep: Duration) -> Self {
        Self { keep, segments_per_pack: pack::SEGMENTS_MAX, keep_claims: false }
    }

    /// Keeps history for `keep`, in packs of 4,096, for a store that other
    /// processes may write.
    pub fn shared(keep: Duration) -> Self {
        Self { keep_claims: true, ..Self::local(keep) }
    }
}

/// What one run did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Packs made.
    pub packs_made: u64,
    /// Single objects deleted because a pack holds them.
    pub segments_packed: u64,
    /// Packs deleted for their age.
    pub packs_deleted: u64,
    /// Single segments deleted for their age.
    pub segments_deleted: u64,
}

/// Packs and deletes the old segments of one shard.
#[derive(Debug)]
pub struct Retention {
    store: Store,
    shard: u32,
    first_seq: u64,
    policy: RetentionPolicy,
    /// Whether the single at a seq is a claim, of those already read.
    claims: BTreeMap<u64, bool>,
    /// The oldest segment that the last run left.
    oldest_segment: Option<u64>,
}

impl Retention {
    /// For a shard whose journal begins at `first_seq`.
    ///
    /// # Panics
    /// If `segments_per_pack` is out of its range.
    pub fn new(store: Store, shard: u32, first_seq: u64, policy: RetentionPolicy) -> Self {
        assert!(
            (1..=pack::SEGMENTS_MAX).contains(&policy.segments_per_pack),
            "a pack holds 1 to {} segments",
            pack::SEGMENTS_MAX
        );
        let claims = BTreeMap::new();
        Self { store, shard, first_seq, policy, claims, oldest_segment: None }
    }

    /// No segment before this one stands, but the objects of claims that are kept;
    /// `None` before a run has seen to it.
    #[must_use]
    pub fn oldest_segment(&self) -> Option<u64> {
        self.oldest_segment
    }

    /// Packs, then deletes, at `now_ms` (milliseconds since the Unix epoch).
    /// `lowest_cursor` is the lowest recorded cursor of the configured sinks,
    /// `None` if no sink holds segments back. Without an older kept snapshot
    /// it does nothing.
    ///
    /// # Errors
    /// The store fails, a copy differs from its original, or an object is damaged.
    /// What can be done without that is done all the same, what was done
    /// stands, and another run goes on from there.
    pub async fn run(
        &mut self,
        kept: Kept,
        lowest_cursor: Option<u64>,
        now_ms: i64,
    ) -> Result<Swept, JournalError> {
        let mut swept = Swept::default();
        let Some(older) = kept.older else { return Ok(swept) };
        let snapshot = name::snapshot(self.shard, older);
        if !self.store.exists(&snapshot).await? {
            return Err(JournalError::Absent { name: snapshot.to_string() });
        }
        // One damaged object must not keep all others for ever.
        let finished = self.finish_packing(older, &mut swept).await;
        let packed = self.pack(older, &mut swept).await;
        let limit = lowest_cursor.map_or(older, |cursor| cursor.min(older));
        let deleted = self.delete(limit, now_ms, &mut swept).await;
        finished.and(packed).and(deleted)?;
        Ok(swept)
    }

    /// Deletes the singles that a pack already holds: a crash came between.
    async fn finish_packing(&mut self, older: u64, swept: &mut Swept) -> Result<(), JournalError> {
        let singles = self.singles(older).await?;
        let mut finished = Ok(());
        for ((first, last), meta) in self.packs().await? {
            let held: Vec<u64> = singles.range(first..=last).map(|(seq, _)| *seq).collect();
            if !held.iter().all(|seq| self.is_kept_claim(*seq)) {
                finished = finished.and(self.finish_pack(&meta, held, swept).await);
            }
        }
        finished
    }

    /// Deletes the singles `held` by the pack of `meta`.
    async fn finish_pack(
        &mut self,
        meta: &ObjectMeta,
        held: Vec<u64>,
        swept: &mut Swept,
    ) -> Result<(), JournalError> {
        let name = meta.location.to_string();
        let Some(bytes) = self.store.read(&meta.location).await? else { return Ok(()) };
        let index = PackIndex::parse(&bytes, bytes.len() as u64, &name)?;
        for seq in held {
            let range = index.range(seq).ok_or_else(|| JournalError::Differs {
                name: name.clone(),
                other: format!("its name, which includes {seq}"),
            })?;
            let packed = bytes.slice(range.start as usize..range.end as usize);
            self.delete_packed(seq, &packed, &name, swept).await?;
        }
        Ok(())
    }

    /// Deletes the single at `seq` if `packed`, as read from the pack `name`,
    /// is a copy of it.
    async fn delete_packed(
        &mut self,
        seq: u64,
        packed: &Bytes,
        name: &str,
        swept: &mut Swept,
    ) -> Result<(), JournalError> {
        let path = name::segment(self.shard, seq);
        let segment = frame::decode_segment_head(packed, &format!("{name}: segment {seq}"))?;
        if segment.seq != seq {
            let other = format!("its index: segment {} lies where {seq} belongs", segment.seq);
            return Err(JournalError::Differs { name: name.to_owned(), other });
        }
        let Some(single) = self.store.read(&path).await? else { return Ok(()) };
        if single != *packed {
            // Taken by a claim that had been held up for so long that the
            // name was free again, and that then saw it was too late. The
            // history is in the pack.
            tracing::warn!(shard = self.shard, seq, "a stray segment stands beside its pack");
        }
        let is_claim = segment.kind() == SegmentKind::Fence && seq != self.first_seq;
        self.claims.insert(seq, is_claim);
        if !self.is_kept_claim(seq) {
            fail_point::hit("retention.delete");
            self.store.delete(&path).await?;
            swept.segments_packed += 1;
        }
        Ok(())
    }

    /// Makes every pack that is full.
    async fn pack(&mut self, older: u64, swept: &mut Swept) -> Result<(), JournalError> {
        let mut singles = self.singles(older).await?;
        for ((first, last), _) in self.packs().await? {
            // What a pack holds and still stands is a claim that is kept.
            singles.retain(|seq, _| !(first..=last).contains(seq));
        }
        let mut packed = Ok(());
        for full in full_packs(&singles, self.policy.segments_per_pack) {
            packed = packed.and(self.make_pack(full, swept).await);
        }
        packed
    }

    /// Makes the pack of `seqs`, whose segments have `bytes` together.
    async fn make_pack(
        &mut self,
        (seqs, bytes): (Range<u64>, u64),
        swept: &mut Swept,
    ) -> Result<(), JournalError> {
        let mut pack = PackBuilder::new(seqs.start, (seqs.end - seqs.start) as usize, bytes);
        for seq in seqs.clone() {
            let path = name::segment(self.shard, seq);
            // Never pack a damaged segment: as a single it is refused by name.
            let decode = |bytes: &Bytes, _| {
                let head = frame::decode_segment_head(bytes, path.as_ref())?;
                Ok((bytes.clone(), head))
            };
            let (bytes, segment) = self
                .store
                .read_decoded(&path, None, decode)
                .await?
                .ok_or_else(|| JournalError::Absent { name: path.to_string() })?;
            let is_claim = segment.kind() == SegmentKind::Fence && seq != self.first_seq;
            self.claims.insert(seq, is_claim);
            pack.push(&bytes);
        }
        let pack = pack.finish();
        let path = name::pack(self.shard, seqs.start, seqs.end - 1);
        if self.store.create(&path, &pack).await?.is_some() {
            return Err(JournalError::Differs {
                name: path.to_string(),
                other: "the segments it is named after".to_owned(),
            });
        }
        self.verify_pack(&path, &pack).await?;
        swept.packs_made += 1;
        for seq in seqs {
            if self.is_kept_claim(seq) {
                continue;
            }
            fail_point::hit("retention.delete");
            self.store.delete(&name::segment(self.shard, seq)).await?;
            swept.segments_packed += 1;
        }
        Ok(())
    }

    /// Reads a pack back, all of it and by its index alone.
    async fn verify_pack(
        &self,
        path: &object_store::path::Path,
        written: &Bytes,
    ) -> Result<(), JournalError> {
        read_back::verify(&self.store, path, written).await.map_err(|error| match error {
            JournalError::BadObject(_) => {
                let other = "what was written to it".to_owned();
                JournalError::Differs { name: path.to_string(), other }
            }
            error => error,
        })?;
        let absent = || JournalError::Absent { name: path.to_string() };
        let seqs = name::parse_pack(path).expect("the name was made from two numbers");
        read_index(&self.store, self.shard, seqs).await?.map(drop).ok_or_else(absent)
    }

    /// Deletes packs and singles up to `limit`, from the oldest on, up to the
    /// first that is too young.
    async fn delete(
        &mut self,
        limit: u64,
        now_ms: i64,
        swept: &mut Swept,
    ) -> Result<(), JournalError> {
        let keep_ms = i64::try_from(self.policy.keep.as_millis()).unwrap_or(i64::MAX);
        let is_old = |meta: &ObjectMeta| {
            now_ms.saturating_sub(meta.last_modified.timestamp_millis()) > keep_ms
        };
        let packs = self.packs().await?;
        let singles = self.singles(limit).await?;
        let later = packs.iter().filter(|((_, last), _)| *last > limit);
        let mut oldest = later.map(|((first, _), _)| *first).fold(limit + 1, u64::min);
        let mut oldest_first: BTreeMap<(u64, u64), ObjectMeta> =
            packs.into_iter().filter(|((_, last), _)| *last <= limit).collect();
        oldest_first.extend(singles.into_iter().map(|(seq, meta)| ((seq, seq), meta)));
        let single_seqs: BTreeSet<u64> = oldest_first
            .keys()
            .filter(|(first, last)| first == last)
            .map(|(seq, _)| *seq)
            .collect();
        for ((first, _), meta) in oldest_first {
            let is_single = name::parse_seq(&meta.location).is_some();
            if is_single && self.is_claim_to_keep(first).await? {
                continue;
            }
            if !is_old(&meta) {
                oldest = oldest.min(first);
                break;
            }
            fail_point::hit("retention.delete");
            self.store.delete(&meta.location).await?;
            if is_single {
                swept.segments_deleted += 1;
            } else {
                swept.packs_deleted += 1;
            }
        }
        self.claims.retain(|seq, _| single_seqs.contains(seq) || *seq > limit);
        self.oldest_segment = Some(oldest);
        Ok(())
    }

    /// As [`Self::is_kept_claim`], reading the segment if it was not read
    /// before.
    async fn is_claim_to_keep(&mut self, seq: u64) -> Result<bool, JournalError> {
        if self.policy.keep_claims && !self.claims.contains_key(&seq) {
            let path = name::segment(self.shard, seq);
            let decode = |bytes: &Bytes, _| frame::decode_segment_head(bytes, path.as_ref());
            let Some(segment) = self.store.read_decoded(&path, None, decode).await? else {
                return Ok(false);
            };
            let is_claim = segment.kind() == SegmentKind::Fence && seq != self.first_seq;
            self.claims.insert(seq, is_claim);
        }
        Ok(self.is_kept_claim(seq))
    }

    /// Known to be a claim whose object stays. The first segment is none: a
    /// journal that has lost all else must not look like one that has just
    /// begun.
    fn is_kept_claim(&self, seq: u64) -> bool {
        self.policy.keep_claims && self.claims.get(&seq) == Some(&true)
    }

    async fn singles(&self, through: u64) -> Result<BTreeMap<u64, ObjectMeta>, JournalError> {
        let mut singles: BTreeMap<u64, ObjectMeta> = self
            .store
            .list(&name::segments_dir(self.shard), name::parse_seq)
            .await?
            .into_iter()
            .collect();
        singles.retain(|seq, _| *seq <= through);
        Ok(singles)
    }

    async fn packs(&self) -> Result<Vec<((u64, u64), ObjectMeta)>, JournalError> {
        self.store.list(&name::packs_dir(self.shard), name::parse_pack).await
    }
}

/// Cuts runs of consecutive singles into full packs: `segments` of them, or
/// as many as stay within 16 MiB; each with its bytes.
fn full_packs(singles: &BTreeMap<u64, ObjectMeta>, segments: usize) -> Vec<(Range<u64>, u64)> {
    let mut packs = Vec::new();
    let mut run = 0..0;
    let mut bytes = 0;
    for (&seq, meta) in singles {
        if seq != run.end {
            (run, bytes) = (seq..seq, 0);
        }
        if bytes + meta.size > PACK_BYTES_MAX && !run.is_empty() {
            packs.push((run.clone(), bytes));
            (run, bytes) = (seq..seq, 0);
        }
        run.end = seq + 1;
        bytes += meta.size;
        if run.end - run.start == segments as u64 {
            packs.push((run.clone(), bytes));
            (run, bytes) = (run.end..run.end, 0);
        }
    }
    packs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn singles(sizes: &[(u64, u64)]) -> BTreeMap<u64, ObjectMeta> {
        let meta = |size| ObjectMeta {
            location: object_store::path::Path::default(),
            last_modified: std::time::SystemTime::UNIX_EPOCH.into(),
            size,
            e_tag: None,
            version: None,
        };
        sizes.iter().map(|&(seq, size)| (seq, meta(size))).collect()
    }

    #[test]
    fn packs_are_cut_full_and_never_across_a_gap() {
        let cut = |seqs: &[u64], segments| {
            let even = seqs.iter().map(|&seq| (seq, 1)).collect::<Vec<_>>();
            let packs = full_packs(&singles(&even), segments);
            packs.into_iter().map(|(pack, _)| (pack.start, pack.end - 1)).collect::<Vec<_>>()
        };
        assert_eq!(cut(&[1, 2, 3, 4, 5], 2), [(1, 2), (3, 4)]);
        assert_eq!(cut(&[1, 2, 4, 5, 6], 3), [(4, 6)]);
        assert_eq!(cut(&[0], 1), [(0, 0)]);
        assert_eq!(cut(&[], 2), []);
    }

    #[test]
    fn a_pack_is_full_at_its_bytes_too() {
        let third = PACK_BYTES_MAX / 3;
        let sizes =
            [(1, third), (2, third), (3, third), (4, third), (5, PACK_BYTES_MAX + 1), (6, 1)];
        let expected = [(1..4, 3 * third), (4..5, third), (5..6, PACK_BYTES_MAX + 1)];
        assert_eq!(full_packs(&singles(&sizes), 100), expected);
    }
}
