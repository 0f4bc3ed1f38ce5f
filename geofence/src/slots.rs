//! Numbers of fences that stay when others come and go.
//!
//! A fence's index in its set changes with every id that comes before it. The
//! cells know fences by slots instead, which a fence keeps from set to set as
//! long as its shape stays the same; a slot that became free is given away
//! again.

use std::collections::BTreeSet;

use crate::cells::CellIndex;
use crate::{Fence, FenceSet};

/// Which fence of a set has which slot.
#[derive(Clone, Debug, Default)]
pub(crate) struct Slots {
    /// Index of the fence by slot; empty if both are the same.
    fences: Vec<u32>,
}

/// The slots of a set in the making.
pub(crate) struct Assigned {
    /// Slot by index of the fence.
    slots: Vec<u32>,
}

impl Slots {
    /// Slots for `fences`, sorted by id, after those that `before` has, and the
    /// tiles of its index that they have to do with and it does not, or the
    /// other way round. Shapes that stay the same are shared with `before`.
    pub(crate) fn after(before: &FenceSet, fences: &mut [Fence]) -> (Assigned, BTreeSet<u32>) {
        let mut touched = BTreeSet::new();
        let mut touch = |fence: &Fence| {
            touched.extend(CellIndex::tiles_of(&fence.shape.envelope()));
        };
        let old = before.fences();
        let mut old_slots = vec![0; old.len()];
        for (slot, fence) in (0_u32..).zip(before.slots().in_order(old.len())) {
            if let Some(place) = old_slots.get_mut(fence as usize) {
                *place = slot;
            }
        }
        let mut slots = vec![None; fences.len()];
        let mut stays = vec![false; old.len()];
        for (slot, fence) in slots.iter_mut().zip(fences) {
            let known = before.position_of(&fence.id).map(|i| i as usize);
            match known.filter(|i| old[*i].shape == fence.shape) {
                Some(i) => {
                    fence.shape = old[i].shape.clone();
                    stays[i] = true;
                    *slot = Some(old_slots[i]);
                }
                None => touch(fence),
            }
        }
        for (_, gone) in stays.iter().zip(old).filter(|(stays, _)| !**stays) {
            touch(gone);
        }
        let taken: BTreeSet<u32> = slots.iter().flatten().copied().collect();
        let mut free = (0_u32..).filter(|slot| !taken.contains(slot));
        let mut next = || free.next().expect("there are more numbers than fences");
        let slots = slots.into_iter().map(|slot| slot.unwrap_or_else(&mut next)).collect();
        (Assigned { slots }, touched)
    }

    /// The fence that has a slot.
    #[inline]
    pub(crate) fn fence(&self, slot: u32) -> u32 {
        if self.fences.is_empty() { slot } else { self.fences[slot as usize] }
    }

    /// Makes ascending fences of ascending slots.
    #[inline]
    pub(crate) fn name_fences(&self, slots: &mut [u32]) {
        if !self.fences.is_empty() {
            slots.iter_mut().for_each(|slot| *slot = self.fences[*slot as usize]);
            slots.sort_unstable();
        }
    }

    /// The fences by slot, of a set of `count`.
    fn in_order(&self, count: usize) -> impl Iterator<Item = u32> {
        let same = if self.fences.is_empty() { 0..count as u32 } else { 0..0 };
        self.fences.iter().copied().chain(same)
    }
}

/// No fence has this index.
const NONE: u32 = u32::MAX;

impl Assigned {
    /// The slot of a fence.
    pub(crate) fn of_fence(&self, fence: u32) -> u32 {
        self.slots[fence as usize]
    }

    pub(crate) fn by_slot(self) -> Slots {
        if (0_u32..).zip(&self.slots).all(|(fence, slot)| fence == *slot) {
            return Slots::default();
        }
        let count = self.slots.iter().max().map_or(0, |slot| *slot as usize + 1);
        let mut fences = vec![NONE; count];
        for (fence, slot) in (0_u32..).zip(&self.slots) {
            fences[*slot as usize] = fence;
        }
        Slots { fences }
    }
}
