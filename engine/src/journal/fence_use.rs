//! Which fence sets are needed, and the removal of those that are not.
//!
//! For a process that owns every shard of a store that nobody else writes: a
//! directory under its exclusive lock. Only there all who may refer to a set are
//! known at any moment, and none of them is another process, held up for however long.
//!
//! A set is needed while
//!
//! - a snapshot that stands refers to it,
//! - a segment that stands may name it, or
//! - it is announced: stored for a change that may yet come into a journal.
//!
//! A segment names a set only once that was announced. What was named before this
//! process came is not read again: sets that were there when it claimed the shards
//! count as named by the newest segment that each of them had then.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use protos::journal::{Segment, input};
use sinks::fail_point;

use super::error::JournalError;
use super::name;
use super::store::Store;

/// The use of the fence sets of a store. Clones share it.
#[derive(Clone, Debug)]
pub struct FenceUse(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    store: Store,
    uses: Mutex<Uses>,
    /// Held while sets are removed: none is announced meanwhile.
    sweeping: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Uses {
    /// By hash, each as often as it was announced and is not settled.
    announced: Vec<String>,
    shards: BTreeMap<u32, ShardUse>,
}

/// What one shard needs.
#[derive(Debug, Default)]
struct ShardUse {
    /// The newest segment that may name each set, by hash.
    named: BTreeMap<String, u64>,
    /// The last two snapshots and the sets that they refer to, the newest last.
    snapshots: Vec<(u64, Vec<String>)>,
    /// The oldest segment that stands; `None` before that is known.
    oldest_segment: Option<u64>,
}

/// A shard as it was claimed.
#[derive(Clone, Debug)]
pub struct ClaimedShard {
    /// Its number.
    pub shard: u32,
    /// Its newest segment.
    pub tail: u64,
    /// The snapshot that it was claimed from, and the hashes of the sets in it.
    pub snapshot: Option<(u64, Vec<String>)>,
}

impl FenceUse {
    /// Of the sets in `store` by `claimed`, which are all of its shards, before any of
    /// them commits more. The store is nobody else's to write.
    ///
    /// # Errors
    /// The store cannot be listed.
    pub async fn new(
        store: Store,
        claimed: impl IntoIterator<Item = ClaimedShard>,
    ) -> Result<Self, JournalError> {
        let listed = store.list(&name::fences_dir(), name::parse_fence_set).await?;
        let of_shard = |ClaimedShard { shard, tail, snapshot }| {
            let named = listed.iter().map(|(hash, _)| (hash.clone(), tail)).collect();
            let snapshots = snapshot.into_iter().collect();
            (shard, ShardUse { named, snapshots, oldest_segment: None })
        };
        let shards = claimed.into_iter().map(of_shard).collect();
        let uses = Mutex::new(Uses { announced: Vec::new(), shards });
        Ok(Self(Arc::new(Shared { store, uses, sweeping: tokio::sync::Mutex::default() })))
    }

    /// The set `hash` is about to be stored for a change. It stays until
    /// [`Self::settled`] is called; never, where it is not known what became of the
    /// change.
    pub async fn announce(&self, hash: &str) {
        let _none_is_removed = self.0.sweeping.lock().await;
        self.lock().announced.push(hash.to_owned());
    }

    /// The change for which the set `hash` was announced is committed in every shard that
    /// takes it up, and [`Self::committed`] told of each; or it will be in none.
    pub fn settled(&self, hash: &str) {
        let announced = &mut self.lock().announced;
        if let Some(place) = announced.iter().position(|one| one == hash) {
            announced.swap_remove(place);
        }
    }

    /// `segment` of `shard` is committed.
    pub fn committed(&self, shard: u32, segment: &Segment) {
        for recorded in &segment.inputs {
            if let Some(input::Input::Fences(change)) = &recorded.input {
                let mut uses = self.lock();
                uses.of(shard).named.insert(change.hash.clone(), segment.seq);
            }
        }
    }

    /// A snapshot of `shard` at `seq` refers to the sets `hashes` and stands, beside it
    /// no other than the one before it.
    pub fn snapshot(&self, shard: u32, seq: u64, hashes: Vec<String>) {
        let mut uses = self.lock();
        let snapshots = &mut uses.of(shard).snapshots;
        if snapshots.last().is_some_and(|(newest, _)| *newest >= seq) {
            return;
        }
        snapshots.push((seq, hashes));
        if snapshots.len() > 2 {
            snapshots.remove(0);
        }
    }

    /// No segment of `shard` before `seq` stands any more.
    pub fn oldest_segment(&self, shard: u32, seq: u64) {
        let mut uses = self.lock();
        let of_shard = uses.of(shard);
        of_shard.oldest_segment = Some(seq);
        of_shard.named.retain(|_, named| *named >= seq);
    }

    /// Removes the sets that nobody needs; returns how many. None before the oldest
    /// segment of every shard is known.
    ///
    /// # Errors
    /// The store fails. What was removed was not needed.
    pub async fn sweep(&self) -> Result<u64, JournalError> {
        let _none_is_announced = self.0.sweeping.lock().await;
        let store = &self.0.store;
        let listed = store.list(&name::fences_dir(), name::parse_fence_set).await?;
        let Some(needed) = self.lock().needed() else { return Ok(0) };
        let mut removed = 0;
        for (hash, meta) in listed {
            if !needed.contains(&hash) {
                fail_point::hit("fences.delete");
                store.delete(&meta.location).await?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    fn lock(&self) -> MutexGuard<'_, Uses> {
        // Every update leaves the value whole.
        self.0.uses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Uses {
    fn of(&mut self, shard: u32) -> &mut ShardUse {
        self.shards.get_mut(&shard).expect("every shard was claimed")
    }

    /// The sets that are needed; `None` while that is not known of every shard.
    fn needed(&self) -> Option<BTreeSet<String>> {
        let mut needed: BTreeSet<String> = self.announced.iter().cloned().collect();
        for shard in self.shards.values() {
            let oldest = shard.oldest_segment?;
            let named = shard.named.iter().filter(|(_, named)| **named >= oldest);
            needed.extend(named.map(|(hash, _)| hash.clone()));
            needed.extend(shard.snapshots.iter().flat_map(|(_, hashes)| hashes.clone()));
        }
        Some(needed)
    }
}
