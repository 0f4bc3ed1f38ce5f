//! Numbers of fences that stay when others come and go.
//!
//! A fence's index in its set changes with every id that comes before it. What
//! a set knows of its fences, the cells above all, stands under slots instead,
//! which a fence keeps from set to set as long as its shape stays the same; a
//! slot that became free is given away again.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::{Fence, FenceSet};

/// Which fence of a set has which slot.
#[derive(Clone, Debug, Default)]
pub(crate) struct Slots {
    /// Index of the fence by slot; empty if both are the same.
    fences: Arc<[u32]>,
    /// Slot by index of the fence; empty if both are the same.
    slots: Arc<[u32]>,
    /// How many there are, free ones too.
    count: u32,
}

/// What of the slots is another in a set than in the one before it.
#[derive(Debug, Default)]
pub(crate) struct Moves {
    /// Slots of before whose fence is gone or of another shape.
    pub(crate) left: Vec<u32>,
    /// Slots whose fence is new or of another shape.
    pub(crate) taken: Vec<u32>,
}

/// No fence has this index.
const NONE: u32 = u32::MAX;

impl Slots {
    /// Slots for `fences`, sorted by id, after those that `before` has. Shapes
    /// that stay the same are shared with `before`.
    pub(crate) fn after(before: &FenceSet, fences: &mut [Fence]) -> (Self, Moves) {
        let mut slots = vec![None; fences.len()];
        let mut stays = vec![false; before.fences().len()];
        for (slot, fence) in slots.iter_mut().zip(fences) {
            if let Some(i) = before.share_shape(fence) {
                stays[i as usize] = true;
                *slot = Some(before.slots().slot(i));
            }
        }
        let left = (0_u32..).zip(stays).filter(|(_, stays)| !stays);
        let left = left.map(|(i, _)| before.slots().slot(i)).collect();
        let kept: BTreeSet<u32> = slots.iter().flatten().copied().collect();
        let mut free = (0_u32..).filter(|slot| !kept.contains(slot));
        let mut taken = Vec::new();
        let mut take = || {
            let slot = free.next().expect("there are more numbers than fences");
            taken.push(slot);
            slot
        };
        let slots = slots.into_iter().map(|slot| slot.unwrap_or_else(&mut take)).collect();
        (Self::of(slots, before.slots()), Moves { left, taken })
    }

    /// Of the slot of each fence, shared with `before` where they are the same.
    fn of(slots: Vec<u32>, before: &Self) -> Self {
        let count = slots.iter().max().map_or(0, |slot| slot + 1);
        if (0_u32..).zip(&slots).all(|(fence, slot)| fence == *slot) {
            return Self { count, ..Self::default() };
        }
        if *slots == *before.slots {
            return before.clone();
        }
        let mut fences = vec![NONE; count as usize];
        for (fence, slot) in (0_u32..).zip(&slots) {
            fences[*slot as usize] = fence;
        }
        Self { fences: fences.into(), slots: slots.into(), count }
    }

    /// The fence that has a slot.
    #[inline]
    pub(crate) fn fence(&self, slot: u32) -> u32 {
        if self.fences.is_empty() { slot } else { self.fences[slot as usize] }
    }

    /// The slot that a fence has.
    #[inline]
    pub(crate) fn slot(&self, fence: u32) -> u32 {
        if self.slots.is_empty() { fence } else { self.slots[fence as usize] }
    }

    /// Makes ascending fences of ascending slots.
    #[inline]
    pub(crate) fn name_fences(&self, slots: &mut [u32]) {
        if !self.fences.is_empty() {
            slots.iter_mut().for_each(|slot| *slot = self.fences[*slot as usize]);
            slots.sort_unstable();
        }
    }

    /// The slots, by fence.
    pub(crate) fn in_order(&self, fences: u32) -> impl Iterator<Item = u32> {
        (0..fences).map(|fence| self.slot(fence))
    }

    /// What `items` holds for each fence, by slot.
    pub(crate) fn by_slot<T: Default>(&self, items: impl IntoIterator<Item = T>) -> Vec<T> {
        let mut by_slot = Vec::new();
        by_slot.resize_with(self.count as usize, T::default);
        for (fence, item) in (0_u32..).zip(items) {
            by_slot[self.slot(fence) as usize] = item;
        }
        by_slot
    }
}
