//! Which vehicles an apply has touched: each once, in order of first touch.

/// Vehicles whose memory is asked for together, ahead of their turn: enough
/// for their cache misses to overlap, few enough to stay in the first cache.
pub(crate) const AHEAD: usize = 32;

/// A set of slot numbers, emptied once per apply.
#[derive(Debug, Default)]
pub(crate) struct Touched {
    order: Vec<u32>,
    is: Vec<bool>,
}

impl Touched {
    pub(crate) fn add(&mut self, index: u32) {
        let slot = index as usize;
        if self.is.len() <= slot {
            self.is.resize(slot + 1, false);
        }
        if !std::mem::replace(&mut self.is[slot], true) {
            self.order.push(index);
        }
    }

    /// Takes the list, to be handed back to [`Self::reuse`].
    pub(crate) fn take(&mut self) -> Vec<u32> {
        for &index in &self.order {
            self.is[index as usize] = false;
        }
        std::mem::take(&mut self.order)
    }

    /// Keeps the allocation of a list that has been worked off.
    pub(crate) fn reuse(&mut self, mut list: Vec<u32>) {
        list.clear();
        self.order = list;
    }
}
