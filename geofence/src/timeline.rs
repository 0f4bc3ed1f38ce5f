//! Which fence set judges which event time (semantics §7).

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::{FenceEpoch, FenceHistory, FenceSet, TimeMs};

/// One fence set and the span of event time that it judges: from
/// `valid_from` to the next epoch's.
#[derive(Clone, Debug)]
pub(crate) struct Epoch {
    pub(crate) valid_from: TimeMs,
    pub(crate) set: Arc<FenceSet>,
    /// Version of each fence of the set; 1 for a fence's first shape.
    pub(crate) versions: Vec<u32>,
    /// Id of each fence of the set, shared with the events that name it.
    pub(crate) ids: Vec<Arc<str>>,
}

/// The epochs that some vehicle may still be judged by, in order of time.
#[derive(Clone, Debug)]
pub(crate) struct Timeline {
    /// Number of the first epoch kept; numbers are never used again.
    first: u32,
    epochs: Vec<Epoch>,
    /// The highest version each fence id ever had, so that a fence that
    /// returns after its deletion does not reuse a version.
    latest: BTreeMap<Arc<str>, u32>,
}

impl Timeline {
    /// No fences, since ever.
    pub(crate) fn new() -> Self {
        let none = Epoch {
            valid_from: TimeMs::MIN,
            set: Arc::new(FenceSet::empty()),
            versions: Vec::new(),
            ids: Vec::new(),
        };
        Self { first: 0, epochs: vec![none], latest: BTreeMap::new() }
    }

    pub(crate) fn restore(
        first: u32,
        epochs: Vec<Epoch>,
        latest: BTreeMap<Arc<str>, u32>,
    ) -> Option<Self> {
        (!epochs.is_empty()).then_some(Self { first, epochs, latest })
    }

    /// Whether no fence has ever been taken up.
    pub(crate) fn is_pristine(&self) -> bool {
        self.latest.is_empty()
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
    fn next_epoch(&mut self, set: Arc<FenceSet>, valid_from: TimeMs) -> Epoch {
        let before = self.current();
        let ids: Vec<Arc<str>> =
            set.fences().iter().map(|fence| Arc::from(fence.id.as_str())).collect();
        let versions = set
            .fences()
            .iter()
            .zip(&ids)
            .map(|(fence, id)| match before.set.position_of(&fence.id) {
                Some(i) if before.set.fences()[i as usize].same_as(fence) => {
                    before.versions[i as usize]
                }
                _ => self.latest.get(id).map_or(1, |version| version + 1),
            })
            .collect::<Vec<u32>>();
        for (id, version) in ids.iter().zip(&versions) {
            self.latest.insert(Arc::clone(id), *version);
        }
        Epoch { valid_from, set, versions, ids }
    }

    /// What the timeline says of each fence's versions.
    pub(crate) fn history(&self) -> FenceHistory {
        let epoch = |epoch: &Epoch| FenceEpoch {
            valid_from: epoch.valid_from,
            set: Arc::clone(&epoch.set),
            versions: epoch.versions.clone(),
        };
        FenceHistory { is_cut: self.first > 0, epochs: self.epochs.iter().map(epoch).collect() }
    }

    /// The newest epoch.
    pub(crate) fn current(&self) -> &Epoch {
        self.epochs.last().expect("a timeline holds at least one epoch")
    }

    /// The epoch with number `number`, which must still be kept.
    pub(crate) fn epoch(&self, number: u32) -> &Epoch {
        &self.epochs[(number - self.first) as usize]
    }

    /// The epoch that follows `number`, if that is kept and there is one.
    pub(crate) fn next(&self, number: u32) -> Option<&Epoch> {
        self.epochs.get((number + 1).checked_sub(self.first)? as usize)
    }

    /// When the version that fence `index` has in epoch `number` came into
    /// force, if that was after `after`. No vehicle whose last fix is at
    /// `after` needs an epoch that is no longer kept.
    pub(crate) fn version_start(&self, number: u32, index: u32, after: TimeMs) -> Option<TimeMs> {
        let current = self.epoch(number);
        let (id, version) = (&current.ids[index as usize], current.versions[index as usize]);
        let later = &self.epochs[1..=(number - self.first) as usize];
        for (i, epoch) in later.iter().enumerate().rev() {
            if epoch.valid_from <= after {
                return None;
            }
            let before = &self.epochs[i];
            let same =
                before.set.position_of(id).is_some_and(|i| before.versions[i as usize] == version);
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

    pub(crate) fn epochs(&self) -> &[Epoch] {
        &self.epochs
    }

    pub(crate) fn latest(&self) -> &BTreeMap<Arc<str>, u32> {
        &self.latest
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
