//! Vehicles whose reorder delay has passed and that an apply has yet to judge
//! for that: on the way in of their next ping, or after all input.

use crate::TimeMs;

/// Up to which event time each waits to be judged, by slot.
#[derive(Debug, Default)]
pub(crate) struct Overdue {
    /// [`TimeMs::MIN`] for those that wait for nothing.
    through: Vec<TimeMs>,
    /// Slots in order of first mention; some may wait for nothing by now.
    order: Vec<u32>,
}

impl Overdue {
    pub(crate) fn add(&mut self, slot: u32, through: TimeMs) {
        let place = slot as usize;
        if self.through.len() <= place {
            self.through.resize(place + 1, TimeMs::MIN);
        }
        if self.through[place] == TimeMs::MIN {
            self.order.push(slot);
        }
        self.through[place] = self.through[place].max(through);
    }

    /// Up to when the vehicle waits to be judged, if it does: from here on it
    /// waits no more.
    #[inline]
    pub(crate) fn take_through(&mut self, slot: u32) -> Option<TimeMs> {
        let through = self.through.get_mut(slot as usize)?;
        let through = std::mem::replace(through, TimeMs::MIN);
        (through > TimeMs::MIN).then_some(through)
    }

    /// The slots that still wait, to be handed back to [`Self::reuse`].
    pub(crate) fn take(&mut self) -> Vec<u32> {
        let mut order = std::mem::take(&mut self.order);
        order.retain(|slot| self.through[*slot as usize] > TimeMs::MIN);
        order
    }

    /// Keeps the allocation of a list that has been worked off.
    pub(crate) fn reuse(&mut self, mut list: Vec<u32>) {
        list.clear();
        self.order = list;
    }
}
