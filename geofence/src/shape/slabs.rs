//! Edges by longitude: which edges lie over a meridian.

use std::sync::Arc;

/// Items with an extent in x, bucketed by equal slabs of it, each slab's items
/// side by side in memory. An item appears in every slab its extent touches;
/// the number of slabs is chosen so that copies stay below three per item.
#[derive(Clone, Debug)]
pub(super) struct Slabs<T> {
    west: i64,
    width: i64,
    /// Slab `i` holds `items[starts[i]..starts[i + 1]]`.
    starts: Arc<[u32]>,
    items: Arc<[T]>,
}

impl<T: Copy> Slabs<T> {
    /// Buckets `items` by the closed extent that `extent` gives.
    pub(super) fn build(items: &[T], extent: impl Fn(&T) -> (i64, i64)) -> Self {
        let (mut west, mut east, mut covered) = (i64::MAX, i64::MIN, 0_i128);
        for (from, to) in items.iter().map(&extent) {
            (west, east) = (west.min(from), east.max(to));
            covered += i128::from(to - from);
        }
        let Some(first) = items.first() else { return Self::nothing() };
        let slabs = (i128::from(east - west) * 2 * items.len() as i128 / covered.max(1))
            .clamp(1, items.len() as i128) as i64;
        let width = (east - west) / slabs + 1;
        let span = |item: &T| {
            let (from, to) = extent(item);
            let first = (from - west) / width;
            // Mostly the next one at the most, which takes no division.
            let mut last = first;
            while (last + 1) * width <= to - west {
                last += 1;
            }
            (first as u32, last as u32)
        };
        let spans: Vec<(u32, u32)> = items.iter().map(span).collect();

        // Counting sort: sizes, then their running sum, then the items.
        let mut starts = vec![0_u32; ((east - west) / width) as usize + 2];
        for (from, to) in &spans {
            starts[*from as usize + 1..=*to as usize + 1].iter_mut().for_each(|size| *size += 1);
        }
        for slab in 1..starts.len() {
            starts[slab] += starts[slab - 1];
        }
        let mut next = starts.clone();
        let mut sorted = vec![*first; starts[starts.len() - 1] as usize];
        for (item, (from, to)) in items.iter().zip(&spans) {
            for next in &mut next[*from as usize..=*to as usize] {
                sorted[*next as usize] = *item;
                *next += 1;
            }
        }
        Self { west, width, starts: starts.into(), items: sorted.into() }
    }

    fn nothing() -> Self {
        Self { west: 0, width: 1, starts: Arc::new([0, 0]), items: Arc::default() }
    }

    /// All items whose extent holds `x`, and some more.
    pub(super) fn over(&self, x: i64) -> &[T] {
        let slab = (x - self.west) / self.width;
        if x < self.west || slab as usize + 1 >= self.starts.len() {
            return &[];
        }
        let slab = slab as usize;
        &self.items[self.starts[slab] as usize..self.starts[slab + 1] as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_is_over_each_x_of_its_extent() {
        let items: Vec<(i64, i64)> =
            (0..200).map(|i| (i * 37 % 501 - 250, i * 37 % 501 - 250 + i * i % 90)).collect();
        let slabs = Slabs::build(&items, |&extent| extent);
        for x in -300..400 {
            let mut found: Vec<_> =
                slabs.over(x).iter().filter(|(a, b)| (a..=b).contains(&&x)).collect();
            let mut all: Vec<_> = items.iter().filter(|(a, b)| (a..=b).contains(&&x)).collect();
            found.sort_unstable();
            all.sort_unstable();
            assert_eq!(found, all, "at {x}");
        }
        assert!(slabs.items.len() <= 4 * items.len(), "copies are bounded");
    }

    #[test]
    fn one_meridian_and_nothing_at_all() {
        assert_eq!(Slabs::build(&[(5, 5)], |&extent| extent).over(5), [(5, 5)]);
        let none: [(i64, i64); 0] = [];
        assert!(Slabs::build(&none, |&extent| extent).over(0).is_empty());
    }
}
