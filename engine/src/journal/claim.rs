//! Taking a shard whose former owner is gone: load the newest valid snapshot,
//! hand over the segments after it, then fence off everyone else.

use std::collections::VecDeque;

use bytes::Bytes;
use protos::journal::{Genesis, Segment, SegmentKind, Snapshot};
use sinks::Backoff;

use super::commit::{Created, create_segment};
use super::error::JournalError;
use super::frame::{self, FrameFault, SegmentEncoder};
use super::genesis;
use super::health::CommitHealth;
use super::lineage::Lineage;
use super::name;
use super::reader::{self, JournalReader};
use super::set_aside::{self, SetAside};
use super::store::Store;
use super::writer::{Committed, Journal, WriterId, encode_off_thread};

/// Segments read at once while re-applying: hides a store's latency, holds
/// at most so many segments in memory.
const READ_AHEAD: u64 = 8;
/// Listings that name a deleted snapshot before it counts as an error.
const STALE_LISTINGS_MAX: u32 = 5;

/// How the former owner is known to be gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standby {
    /// This process holds the exclusive lock of the data directory
    /// ([`super::lock`]): nobody else writes.
    ExclusiveLock,
    /// A shared store: the caller has stood by until the journals of all the
    /// shards it takes stood still ([`super::await_quiet`]).
    Waited {
        /// Where this shard's stood still: whoever claims it from there on is not
        /// gone.
        tail: u64,
    },
}

/// What to claim, and how.
#[derive(Clone, Debug)]
pub struct OpenOptions {
    /// The shard.
    pub shard: u32,
    /// The configured number of shards; a journal keeps the one it was
    /// created with.
    pub shards: u32,
    /// Seq of the first segment, if the journal is created now.
    pub first_seq: u64,
    /// Milliseconds since the Unix epoch, if the journal is created now.
    pub created_at_ms: i64,
    /// Identity of this process.
    pub writer: WriterId,
    /// How the former owner is known to be gone.
    pub standby: Standby,
    /// Move a bad tail away instead of refusing it.
    pub set_aside_tail: bool,
}

/// A shard being claimed. Re-apply [`Claim::snapshot`], then what
/// [`Claim::next_segment`] gives until it gives none, then [`Claim::fence`].
#[derive(Debug)]
pub struct Claim {
    store: Store,
    options: OpenOptions,
    genesis: Genesis,
    snapshot: Option<Snapshot>,
    snapshot_bytes: u64,
    newest_listed: Option<u64>,
    reader: JournalReader,
    lineage: Lineage,
    next_seq: u64,
    /// What was read from `next_seq` on.
    ahead: VecDeque<Result<Option<Segment>, JournalError>>,
    /// No segment was found at `next_seq`, nor after it.
    at_tail: bool,
    set_aside: Vec<SetAside>,
}

/// The outcome of one attempt to take the shard.
#[derive(Debug)]
pub enum Fenced {
    /// The shard is ours; the claim's segment is the first of our epoch.
    Won(Box<Journal>, Committed),
    /// Someone else's segment stands there: apply it, then try again.
    Behind(Box<Segment>),
}

/// Begins to claim a shard: reads or creates its genesis, loads the newest
/// valid snapshot.
///
/// # Errors
/// The journal belongs to another number of shards, is lost or damaged, or
/// the store fails.
pub async fn claim(store: Store, options: OpenOptions) -> Result<Claim, JournalError> {
    let shard = options.shard;
    if options.standby == Standby::ExclusiveLock {
        store.prepare_shard(shard).await?;
    }
    let genesis = genesis::read_or_create(&store, &options).await?;
    let Base { snapshot, snapshot_bytes, newest_listed } =
        newest_snapshot(&store, shard, &genesis).await?;
    let reader = JournalReader::new(store.clone(), shard);
    reader.refresh_packs().await?;
    let next_seq = snapshot.as_ref().map_or(genesis.first_seq, |snapshot| snapshot.seq + 1);
    let lineage = Lineage::new(genesis.journal_id.clone(), shard, snapshot.as_ref());
    let mut claim = Claim {
        store,
        options,
        genesis,
        snapshot,
        snapshot_bytes,
        newest_listed,
        reader,
        lineage,
        next_seq,
        ahead: VecDeque::new(),
        at_tail: false,
        set_aside: Vec::new(),
    };
    claim.refuse_if_lost().await?;
    claim.refuse_if_at_work()?;
    Ok(claim)
}

impl Claim {
    /// Identity of the journal, from its genesis.
    pub fn journal_id(&self) -> &str {
        &self.genesis.journal_id
    }

    /// The snapshot to start from; none means from the very first segment.
    pub fn snapshot(&self) -> Option<&Snapshot> {
        self.snapshot.as_ref()
    }

    /// Length of the snapshot's object; 0 without one.
    pub fn snapshot_bytes(&self) -> u64 {
        self.snapshot_bytes
    }

    /// The seq of the segment to be applied next.
    pub fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// Seq of the journal's first segment.
    pub fn first_seq(&self) -> u64 {
        self.genesis.first_seq
    }

    /// Bad segments moved away so far.
    pub fn set_aside(&self) -> &[SetAside] {
        &self.set_aside
    }

    /// The next segment to re-apply; `None` at the tail.
    ///
    /// # Errors
    /// A segment is damaged, misplaced or missing; nothing is skipped.
    pub async fn next_segment(&mut self) -> Result<Option<Segment>, JournalError> {
        if self.at_tail {
            return Ok(None);
        }
        if self.ahead.is_empty() {
            let seqs = self.next_seq..self.next_seq.saturating_add(READ_AHEAD);
            let reads = seqs.map(|seq| self.reader.find_where_known(seq));
            self.ahead = futures::future::join_all(reads).await.into();
        }
        let read = self.ahead.pop_front().expect("reading ahead gives at least one answer");
        let found = match read {
            Ok(Some(segment)) => Some(segment),
            Ok(None) => {
                self.ahead.clear();
                self.find_or_tail().await?
            }
            // Only a segment in an object of its own can be a tail.
            Err(JournalError::BadObject(error)) if error.name == self.next_name() => {
                self.ahead.clear();
                let shard = self.options.shard;
                let bad = set_aside::bad_tail(&self.store, shard, self.next_seq, error).await?;
                self.give_up_tail(bad).await?;
                None
            }
            Err(error) => return Err(error),
        };
        match found {
            Some(segment) => self.admit(segment).map(Some),
            None => {
                self.at_tail = true;
                Ok(None)
            }
        }
    }

    /// Tries to take the shard: creates the next segment in an epoch of its
    /// own. `segment` carries what a claim records (settings, cursors); its
    /// identity is filled in here. Where segments are left to re-apply, gives
    /// the first of them instead.
    ///
    /// # Errors
    /// The journal is damaged, has moved on past this claim, or the segment
    /// cannot be created; see each error's exit code.
    pub async fn fence(&mut self, mut segment: Segment) -> Result<Fenced, JournalError> {
        // A name is only taken where nothing is known to stand after it.
        if let Some(behind) = self.next_segment().await? {
            return Ok(Fenced::Behind(Box::new(behind)));
        }
        let (shard, seq, writer) = (self.options.shard, self.next_seq, self.options.writer);
        segment.journal_id.clone_from(&self.genesis.journal_id);
        segment.shard = shard;
        segment.seq = seq;
        segment.epoch = self.lineage.epoch() + 1;
        segment.writer_id = Bytes::copy_from_slice(writer.as_bytes());
        segment.set_kind(SegmentKind::Fence);
        let (segment, bytes, _) = encode_off_thread(segment, SegmentEncoder::default()).await;

        let health = CommitHealth::default();
        let path = name::segment(shard, seq);
        match create_segment(&self.store, &path, &bytes, writer, &health).await? {
            Created::Theirs(theirs) => {
                self.admit(*theirs).map(|segment| Fenced::Behind(Box::new(segment)))
            }
            Created::Ours => {
                self.refuse_if_overtaken().await?;
                genesis::founded(&self.store, shard).await?;
                let bytes = bytes.len() as u64;
                let committed = Committed { seq, bytes, segment: segment.into() };
                self.reader.committed_now(&committed);
                Ok(Fenced::Won(Box::new(self.journal(health, &committed)), committed))
            }
        }
    }

    fn journal(&self, health: CommitHealth, claimed: &Committed) -> Journal {
        Journal {
            store: self.store.clone(),
            journal_id: self.genesis.journal_id.clone(),
            shard: self.options.shard,
            epoch: claimed.segment.epoch,
            writer: self.options.writer,
            next_seq: claimed.seq + 1,
            health,
            reader: self.reader.clone(),
            encoder: SegmentEncoder::default(),
            in_doubt: false,
        }
    }

    fn next_name(&self) -> String {
        name::segment(self.options.shard, self.next_seq).to_string()
    }

    fn admit(&mut self, segment: Segment) -> Result<Segment, JournalError> {
        self.lineage
            .admit(self.next_seq, &segment)
            .map_err(|fault| JournalError::Lineage { name: self.next_name(), fault })?;
        // Two that stood by together would fence each other, for ever where each
        // comes first at another shard.
        if segment.kind() == SegmentKind::Fence && self.is_since_the_wait(segment.seq) {
            return Err(JournalError::Overtaken { name: self.next_name() });
        }
        self.next_seq += 1;
        Ok(segment)
    }

    /// Whether `seq` came after the caller had seen the journal stand still.
    fn is_since_the_wait(&self, seq: u64) -> bool {
        matches!(self.options.standby, Standby::Waited { tail } if seq >= tail)
    }

    /// No object is at `next_seq`: is it the tail, or is the segment missing?
    async fn find_or_tail(&self) -> Result<Option<Segment>, JournalError> {
        let shard = self.options.shard;
        let later = reader::later_object(&self.store, shard, self.next_seq).await?;
        // Looked for after the listing: a live writer may have added it and
        // more in between.
        let found = self.reader.find(self.next_seq).await?;
        match (found, later) {
            (Some(segment), _) => Ok(Some(segment)),
            (None, None) => Ok(None),
            (None, Some(found)) => {
                self.refuse_if_newer_snapshot().await?;
                Err(JournalError::Missing { missing: self.next_name(), found })
            }
        }
    }

    async fn give_up_tail(
        &mut self,
        mut bad: Vec<(u64, frame::FrameError)>,
    ) -> Result<(), JournalError> {
        if !self.options.set_aside_tail {
            let (_, error) = bad.swap_remove(0);
            return Err(JournalError::BadTail(error));
        }
        let (shard, writer) = (self.options.shard, self.options.writer);
        let moved = set_aside::move_away(&self.store, shard, &self.genesis, writer, bad).await?;
        self.set_aside.extend(moved);
        Ok(())
    }

    /// A genesis with neither a readable snapshot nor a first segment is a
    /// lost journal, unless it never got its first segment.
    async fn refuse_if_lost(&mut self) -> Result<(), JournalError> {
        if self.snapshot.is_some() {
            return Ok(());
        }
        let (shard, first) = (self.options.shard, self.genesis.first_seq);
        // In this order: `founding` goes only when the first segment is there.
        if genesis::is_founding(&self.store, shard).await? {
            return Ok(());
        }
        match self.reader.find(first).await {
            // Whether it is damaged beyond use is judged when it is applied.
            Ok(Some(_)) | Err(JournalError::BadObject(_)) => return Ok(()),
            Ok(None) => {}
            Err(error) => return Err(error),
        }
        self.refuse_if_newer_snapshot().await?;
        Err(JournalError::LostJournal { shard, missing: name::segment(shard, first).to_string() })
    }

    /// What is not found may have been deleted by a live owner while this
    /// claim was held up: then that owner has written a snapshot since.
    async fn refuse_if_newer_snapshot(&self) -> Result<(), JournalError> {
        let dir = name::snapshots_dir(self.options.shard);
        match self.store.list(&dir, name::parse_seq).await?.pop() {
            Some((seq, meta)) if Some(seq) > self.newest_listed => {
                Err(JournalError::Overtaken { name: meta.location.to_string() })
            }
            _ => Ok(()),
        }
    }

    /// A snapshot of what came after the wait is of somebody at work, whose claim
    /// this one may never come to see.
    fn refuse_if_at_work(&self) -> Result<(), JournalError> {
        match self.snapshot.as_ref().map(|base| base.seq).filter(|&seq| self.is_since_the_wait(seq))
        {
            Some(seq) => {
                let name = name::snapshot(self.options.shard, seq).to_string();
                Err(JournalError::Overtaken { name })
            }
            None => Ok(()),
        }
    }

    /// Winning a name proves nothing if the segment that stood there was
    /// packed and deleted while this claim was held up. Before anything after
    /// a snapshot is deleted, two newer snapshots exist and that one is gone:
    /// so the base still being there proves the name was free, unless it was
    /// written again since, by a fenced owner that was held up, too; then the
    /// newer ones are there. What we created is left: it is no part of the
    /// history, which is in the pack.
    async fn refuse_if_overtaken(&self) -> Result<(), JournalError> {
        let shard = self.options.shard;
        if let Some(base) = &self.snapshot {
            let path = name::snapshot(shard, base.seq);
            if !self.store.exists(&path).await? {
                return Err(JournalError::Overtaken { name: path.to_string() });
            }
        }
        let snapshots = self.store.list(&name::snapshots_dir(shard), name::parse_seq).await?;
        match snapshots.last() {
            Some((seq, meta)) if *seq >= self.next_seq => {
                Err(JournalError::Overtaken { name: meta.location.to_string() })
            }
            _ => Ok(()),
        }
    }
}

/// What a claim starts from.
struct Base {
    snapshot: Option<Snapshot>,
    snapshot_bytes: u64,
    /// Seq of the newest snapshot there was, readable or not.
    newest_listed: Option<u64>,
}

/// The newest valid snapshot. A bad one is passed over for the one before
/// it, with a warning.
async fn newest_snapshot(
    store: &Store,
    shard: u32,
    genesis: &Genesis,
) -> Result<Base, JournalError> {
    let mut backoff = Backoff::new();
    let mut stale_listings = 0;
    'listing: loop {
        let listed = store.list(&name::snapshots_dir(shard), name::parse_seq).await?;
        let newest_listed = listed.last().map(|(seq, _)| *seq);
        for (seq, meta) in listed.into_iter().rev() {
            let path = meta.location;
            match read_snapshot(store, &path, shard, seq, genesis).await {
                Ok(Some((snapshot, snapshot_bytes))) => {
                    return Ok(Base { snapshot: Some(snapshot), snapshot_bytes, newest_listed });
                }
                Ok(None) if stale_listings == STALE_LISTINGS_MAX => {
                    return Err(JournalError::Overtaken { name: path.to_string() });
                }
                // Deleted since it was listed: newer ones must be there.
                Ok(None) => {
                    stale_listings += 1;
                    backoff.pause().await;
                    continue 'listing;
                }
                // A newer engine's snapshot is not damaged: run that engine.
                Err(JournalError::BadObject(error))
                    if !matches!(error.fault, FrameFault::NewerFormat { .. }) =>
                {
                    tracing::warn!(shard, %error, "bad snapshot; falling back to an older one");
                }
                Err(error) => return Err(error),
            }
        }
        return Ok(Base { snapshot: None, snapshot_bytes: 0, newest_listed });
    }
}

/// The snapshot at `path`, which must be of this journal, with the length of
/// its object; `None` if there is none.
pub(super) async fn read_snapshot(
    store: &Store,
    path: &object_store::path::Path,
    shard: u32,
    seq: u64,
    genesis: &Genesis,
) -> Result<Option<(Snapshot, u64)>, JournalError> {
    let decode = |bytes: &Bytes, whole: u64| {
        let snapshot = frame::decode_snapshot(bytes, path.as_ref())?;
        let place = (snapshot.journal_id.as_str(), snapshot.shard, snapshot.seq);
        if place != (genesis.journal_id.as_str(), shard, seq) {
            let fault = format!("holds {place:?}, which does not belong here");
            return Err(FrameFault::Malformed(fault).of(path.as_ref()));
        }
        Ok((snapshot, whole))
    };
    store.read_decoded(path, None, decode).await
}
