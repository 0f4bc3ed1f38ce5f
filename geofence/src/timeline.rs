//! Which fence set judges which event time (semantics §7).

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::{FenceEpoch, FenceHistory, FenceSet, TimeMs};

/// Of a timeline's epochs.
const NEVER_EMPTY: &str = "a timeline holds at least one epoch";

/// The epochs that some vehicle may still be judged by, in order of time.
#[derive(Clone, Debug)]
pub(crate) struct Timeline {
    /// Number of the first epoch kept; numbers are never used again.
    first: u32,
    epochs: Vec<FenceEpoch>,
    /// The last version of each fence id that the newest epoch lacks and one
    /// before it had, so that a fence that returns after its deletion does not
    /// reuse a version. Archived events name them: no version is ever forgotten.
    gone: BTreeMap<Arc<str>, u32>,
}

impl Timeline {
    /// No fences, since ever.
    pub(crate) fn new() -> Self {
        Self { first: 0, epochs: vec![FenceEpoch::empty()], gone: BTreeMap::new() }
    }

    /// `latest` is as [`Self::latest`] told it.
    pub(crate) fn restore(
        first: u32,
        epochs: Vec<FenceEpoch>,
        latest: impl Iterator<Item = (Arc<str>, u32)>,
    ) -> Option<Self> {
        let newest = &epochs.last()?.set;
        let gone = latest.filter(|(id, _)| newest.position_of(id).is_none()).collect();
        Some(Self { first, epochs, gone })
    }

    /// Whether no fence has ever been taken up.
    pub(crate) fn is_pristine(&self) -> bool {
        self.gone.is_empty() && self.current().set.fences().is_empty()
    }

    /// Takes up the first `set`. It judges every time: the fences that a shard
    /// starts with, before its first vehicle, are no change.
    pub(crate) fn start(&mut self, set: Arc<FenceSet>) {
        self.epochs = vec![self.next_epoch(set, TimeMs::MIN)];
    }

    /// Takes up `set` from `valid_from` on, which is later than any before.
    pub(crate) fn change(&mut self, set: Arc<FenceSet>, valid_from: TimeMs) {
        debug_assert!(valid_from > self.current().valid_from);
        let epoch = self.next_epoch(set, valid_from);
        self.epochs.push(epoch);
    }

    /// The epoch of `set`: fences that stay as they are keep their version.
    fn next_epoch(&mut self, set: Arc<FenceSet>, valid_from: TimeMs) -> FenceEpoch {
        let before = self.epochs.last().expect(NEVER_EMPTY);
        let next = FenceEpoch::after(before, Arc::clone(&set), valid_from, |index, known| {
            let fence = &set.fences()[index as usize];
            match known {
                Some(i) if before.set.fences()[i as usize].same_as(fence) => before.version(i),
                Some(i) => before.version(i) + 1,
                None => self.gone.get(fence.id.as_str()).map_or(1, |version| version + 1),
            }
        });
        self.gone.retain(|id, _| set.position_of(id).is_none());
        for index in 0..before.set.fences().len() as u32 {
            let id = before.id(index);
            if set.position_of(id).is_none() {
                self.gone.insert(Arc::clone(id), before.version(index));
            }
        }
        next
    }

    /// What the timeline says of each fence's versions.
    pub(crate) fn history(&self) -> FenceHistory {
        FenceHistory { is_cut: self.first > 0, epochs: self.epochs.clone() }
    }

    /// The newest epoch.
    pub(crate) fn current(&self) -> &FenceEpoch {
        self.epochs.last().expect(NEVER_EMPTY)
    }

    /// The epoch with number `number`, which must still be kept.
    pub(crate) fn epoch(&self, number: u32) -> &FenceEpoch {
        &self.epochs[(number - self.first) as usize]
    }

    /// The epoch that follows `number`, if that is kept and there is one.
    pub(crate) fn next(&self, number: u32) -> Option<&FenceEpoch> {
        self.epochs.get((number + 1).checked_sub(self.first)? as usize)
    }

    /// When the version that fence `index` has in epoch `number` came into
    /// force, if that was after `after`. No vehicle whose last fix is at
    /// `after` needs an epoch that is no longer kept.
    pub(crate) fn version_start(&self, number: u32, index: u32, after: TimeMs) -> Option<TimeMs> {
        let current = self.epoch(number);
        let later = &self.epochs[1..=(number - self.first) as usize];
        for (i, epoch) in later.iter().enumerate().rev() {
            // Mostly at once, with nothing read of the fence.
            if epoch.valid_from <= after {
                return None;
            }
            let (id, version) = (current.id(index), current.version(index));
            let before = &self.epochs[i];
            let same = before.set.position_of(id).is_some_and(|i| before.version(i) == version);
            if !same {
                return Some(epoch.valid_from);
            }
        }
        None
    }

    /// Number of the oldest epoch kept.
    pub(crate) fn first(&self) -> u32 {
        self.first
    }

    pub(crate) fn epochs(&self) -> &[FenceEpoch] {
        &self.epochs
    }

    /// The highest version each fence id ever had, by id.
    pub(crate) fn latest(&self) -> BTreeMap<&str, u32> {
        let newest = self.current();
        let now = newest.set.fences().iter().map(|fence| fence.id.as_str());
        let gone = self.gone.iter().map(|(id, version)| (&**id, *version));
        now.zip(newest.versions()).chain(gone).collect()
    }

    /// Number of the epoch that judges `t`, or of the oldest one kept.
    pub(crate) fn number_at(&self, t: TimeMs) -> u32 {
        let later = self.epochs.iter().rev().take_while(|epoch| epoch.valid_from > t).count();
        let index = (self.epochs.len() - later).saturating_sub(1);
        self.first + index as u32
    }

    /// Forgets the epochs below `number`; the newest always stays.
    pub(crate) fn forget_below(&mut self, number: u32) {
        let count = number.saturating_sub(self.first) as usize;
        let count = count.min(self.epochs.len() - 1);
        self.epochs.drain(..count);
        self.first += count as u32;
    }
}
