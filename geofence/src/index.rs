//! The R-tree over fence envelopes: which fences may concern a place.

use std::ops::ControlFlow;
use std::sync::Arc;

use rstar::primitives::{GeomWithData, Rectangle};
use rstar::{AABB, RTree};

use crate::Position;
use crate::shape::Envelope;

/// Corners as (lon, lat) in units; `i64`, since the tree adds coordinates.
type Entry = GeomWithData<Rectangle<[i64; 2]>, u32>;

/// Envelopes that may come before all are put into one tree again: a tree
/// takes some 90 bytes an envelope, and one more is little to ask.
const CAME_MAX: usize = 64;

/// Envelopes by number, each cut into pieces within ±180 degrees. Indexes
/// that differ in a few share the tree of the others.
#[derive(Clone, Debug, Default)]
pub(crate) struct EnvelopeIndex {
    tree: Arc<RTree<Entry>>,
    /// Numbers of which what `tree` says counts no longer, ascending.
    gone: Vec<u32>,
    /// What came since `tree` was made.
    came: RTree<Entry>,
}

impl EnvelopeIndex {
    /// The index of `all` envelopes, after one that had others of the numbers
    /// `left` and now has those `taken`.
    pub(crate) fn after(
        before: &Self,
        left: &[u32],
        taken: impl Iterator<Item = (u32, Envelope)>,
        all: impl Iterator<Item = (u32, Envelope)>,
    ) -> Self {
        let mut gone: Vec<u32> = before.gone.iter().chain(left).copied().collect();
        gone.sort_unstable();
        gone.dedup();
        let stays = |entry: &&Entry| !left.contains(&entry.data);
        let came = before.came.iter().filter(stays).copied();
        let came: Vec<Entry> = came.chain(entries(taken)).collect();
        if came.len().max(gone.len()) > CAME_MAX {
            return Self {
                tree: Arc::new(RTree::bulk_load(entries(all).collect())),
                ..Self::default()
            };
        }
        Self { tree: Arc::clone(&before.tree), gone, came: RTree::bulk_load(came) }
    }

    /// Whether there is none.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.tree.size() == 0 && self.came.size() == 0
    }

    /// Calls `found` for every envelope that holds `p`, in no order, and twice
    /// where two of its pieces do.
    pub(crate) fn at(&self, p: Position, mut found: impl FnMut(u32)) {
        let point = [i64::from(p.lon), i64::from(p.lat)];
        for (tree, gone) in self.trees() {
            let all: ControlFlow<()> = tree.locate_all_at_point_int(point, |entry| {
                tell(entry, gone, &mut found);
                ControlFlow::Continue(())
            });
            debug_assert!(all.is_continue());
        }
    }

    /// Calls `found` for every envelope that meets the box, which lies within
    /// ±180 degrees; in no order, perhaps more than once.
    pub(crate) fn meeting(&self, bounds: &Envelope, mut found: impl FnMut(u32)) {
        let bounds = AABB::from_corners([bounds.west, bounds.south], [bounds.east, bounds.north]);
        for (tree, gone) in self.trees() {
            let all: ControlFlow<()> = tree.locate_in_envelope_intersecting_int(bounds, |entry| {
                tell(entry, gone, &mut found);
                ControlFlow::Continue(())
            });
            debug_assert!(all.is_continue());
        }
    }

    /// Both trees, each with the numbers that do not count in it.
    fn trees(&self) -> [(&RTree<Entry>, &[u32]); 2] {
        [(&self.tree, &self.gone), (&self.came, &[])]
    }
}

fn tell(entry: &Entry, gone: &[u32], found: &mut impl FnMut(u32)) {
    if gone.binary_search(&entry.data).is_err() {
        found(entry.data);
    }
}

fn entries(envelopes: impl Iterator<Item = (u32, Envelope)>) -> impl Iterator<Item = Entry> {
    envelopes.flat_map(|(i, envelope)| {
        envelope.pieces().map(move |piece| {
            let (low, high) = ([piece.west, piece.south], [piece.east, piece.north]);
            GeomWithData::new(Rectangle::from_corners(low, high), i)
        })
    })
}
