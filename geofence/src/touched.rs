//! Which vehicles an apply has touched: each once, in order of first touch.

/// A set of slot numbers, emptied once per apply.
#[derive(Debug, Default)]
pub(crate) struct Touched {
    order: Vec<u32>,
    is: Vec<bool>,
}

impl Touched {
    #[inline]
    pub(crate) fn add(&mut self, index: u32) {
        let slot = index as usize;
        if self.is.len() <= slot {
            self.is.resize(slot + 1, false);
        }
        if !std::mem::replace(&mut self.is[slot], true) {
            self.order.push(index);
        }
    }

    /// Takes the vehicle out of the set. Returns whether it was in it.
    #[inline]
    pub(crate) fn remove(&mut self, index: u32) -> bool {
        self.is.get_mut(index as usize).is_some_and(std::mem::take)
    }

    /// Whether the set is empty. Never right after a slot was taken out of it:
    /// its list keeps that until it is taken.
    pub(crate) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Takes the list, to be handed back to [`Self::reuse`].
    pub(crate) fn take(&mut self) -> Vec<u32> {
        let mut order = std::mem::take(&mut self.order);
        order.retain(|index| std::mem::take(&mut self.is[*index as usize]));
        order
    }

    /// Keeps the allocation of a list that has been worked off.
    pub(crate) fn reuse(&mut self, mut list: Vec<u32>) {
        list.clear();
        self.order = list;
    }
}
