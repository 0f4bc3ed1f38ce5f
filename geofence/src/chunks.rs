//! Lists that share what they have in common.
//!
//! Of a list that differs from the one before it in a few items, only the
//! chunks are new in which these lie. To read an item costs one more look, at a
//! list so short that it mostly lies in the cache.

use std::sync::Arc;

/// An immutable list, in chunks of `N` items. `N` is a power of two.
#[derive(Clone, Debug)]
pub(crate) struct Chunks<T, const N: usize> {
    chunks: Vec<Arc<[T]>>,
}

impl<T, const N: usize> Default for Chunks<T, N> {
    fn default() -> Self {
        Self { chunks: Vec::new() }
    }
}

impl<T: PartialEq, const N: usize> Chunks<T, N> {
    /// The list of `items`. Of chunks that are equal in it and in `before`, or
    /// one after the other in it, there is one.
    pub(crate) fn after(before: &Self, items: impl IntoIterator<Item = T>) -> Self {
        let mut items = items.into_iter();
        let mut chunks: Vec<Arc<[T]>> = Vec::new();
        loop {
            let chunk: Vec<T> = items.by_ref().take(N).collect();
            if chunk.is_empty() {
                break;
            }
            let known = [before.chunks.get(chunks.len()), chunks.last()].into_iter().flatten();
            let same = known.into_iter().find(|known| ***known == *chunk).map(Arc::clone);
            chunks.push(same.unwrap_or_else(|| chunk.into()));
        }
        chunks.shrink_to_fit();
        Self { chunks }
    }

    /// The item at `index`.
    #[inline]
    pub(crate) fn get(&self, index: u32) -> &T {
        &self.chunks[index as usize / N][index as usize % N]
    }

    /// Chunks that are not those of `other`.
    #[cfg(test)]
    pub(crate) fn own(&self, other: &Self) -> usize {
        let shared = |chunk: &&Arc<[T]>| other.chunks.iter().any(|it| Arc::ptr_eq(it, chunk));
        self.chunks.iter().filter(|chunk| !shared(chunk)).count()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_list_holds_its_items_whatever_was_before_it(
            before in prop::collection::vec(0..3_u8, 0..40),
            items in prop::collection::vec(0..3_u8, 0..40),
        ) {
            let before = Chunks::<u8, 4>::after(&Chunks::default(), before);
            let list = Chunks::after(&before, items.iter().copied());
            for (index, item) in (0..).zip(&items) {
                prop_assert_eq!(list.get(index), item);
            }
        }
    }

    #[test]
    fn only_chunks_that_differ_are_new() {
        let mut items: Vec<u32> = (0..4_000).collect();
        let before = Chunks::<u32, 64>::after(&Chunks::default(), items.iter().copied());
        assert_eq!(Chunks::after(&before, items.iter().copied()).own(&before), 0);
        items[700] = 0;
        items[701] = 0;
        items.push(4_000);
        assert_eq!(Chunks::after(&before, items.iter().copied()).own(&before), 2);
    }

    #[test]
    fn chunks_of_one_content_are_one() {
        let list = Chunks::<u32, 64>::after(&Chunks::default(), [7; 6_400]);
        assert!(list.chunks.iter().all(|chunk| Arc::ptr_eq(chunk, &list.chunks[0])));
    }
}
