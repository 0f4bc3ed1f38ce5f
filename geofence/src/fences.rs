//! The fences of a set, which shares with the set before it those that stay.

use std::ops::Index;

use crate::Fence;
use crate::chunks::Chunks;
use crate::slots::Slots;

/// Fences that are copied where one of them changes: 5 kB.
const CHUNK: usize = 16;

/// Fences sorted by id (bytewise), each by its index.
#[derive(Clone, Debug, Default)]
pub struct Fences {
    by_slot: Chunks<Option<Fence>, CHUNK>,
    slots: Slots,
    len: usize,
}

/// Same fences.
impl PartialEq for Fences {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Fences {
    /// `fences`, sorted by id, which have these slots.
    pub(crate) fn after(before: &Self, fences: Vec<Fence>, slots: Slots) -> Self {
        let len = fences.len();
        Self {
            by_slot: Chunks::after(&before.by_slot, slots.by_slot(fences.into_iter().map(Some))),
            slots,
            len,
        }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The first of them.
    #[must_use]
    pub fn first(&self) -> Option<&Fence> {
        self.iter().next()
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Fence> {
        (0..self.len).map(|index| &self[index])
    }

    pub(crate) fn slots(&self) -> &Slots {
        &self.slots
    }

    /// The fence that has this slot.
    #[inline]
    pub(crate) fn in_slot(&self, slot: u32) -> &Fence {
        self.by_slot.get(slot).as_ref().expect("a slot that a fence has")
    }
}

impl Index<usize> for Fences {
    type Output = Fence;

    #[inline]
    fn index(&self, index: usize) -> &Fence {
        self.in_slot(self.slots.slot(index as u32))
    }
}
