//! The R-tree over fence envelopes: which fences may concern a place.

use std::ops::ControlFlow;

use rstar::primitives::{GeomWithData, Rectangle};
use rstar::{AABB, RTree};

use crate::Position;
use crate::shape::Envelope;

/// Corners as (lon, lat) in units; `i64`, since the tree adds coordinates.
type Entry = GeomWithData<Rectangle<[i64; 2]>, u32>;

/// Envelopes by number, each cut into pieces within ±180 degrees.
#[derive(Clone, Debug)]
pub(crate) struct EnvelopeIndex {
    tree: RTree<Entry>,
}

impl EnvelopeIndex {
    /// An index of these envelopes by number.
    pub(crate) fn over(envelopes: impl Iterator<Item = (u32, Envelope)>) -> Self {
        let entries = envelopes.flat_map(|(i, envelope)| {
            envelope.pieces().map(move |piece| {
                let (low, high) = ([piece.west, piece.south], [piece.east, piece.north]);
                GeomWithData::new(Rectangle::from_corners(low, high), i)
            })
        });
        Self { tree: RTree::bulk_load(entries.collect()) }
    }

    /// Whether there is none.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.tree.size() == 0
    }

    /// Calls `found` for every envelope that holds `p`, in no order, and twice
    /// where two of its pieces do.
    pub(crate) fn at(&self, p: Position, mut found: impl FnMut(u32)) {
        let point = [i64::from(p.lon), i64::from(p.lat)];
        let all: ControlFlow<()> = self.tree.locate_all_at_point_int(point, |entry| {
            found(entry.data);
            ControlFlow::Continue(())
        });
        debug_assert!(all.is_continue());
    }

    /// Calls `found` for every envelope that meets the box, which lies within
    /// ±180 degrees; in no order, perhaps more than once.
    pub(crate) fn meeting(&self, bounds: &Envelope, mut found: impl FnMut(u32)) {
        let bounds = AABB::from_corners([bounds.west, bounds.south], [bounds.east, bounds.north]);
        let all: ControlFlow<()> = self.tree.locate_in_envelope_intersecting_int(bounds, |entry| {
            found(entry.data);
            ControlFlow::Continue(())
        });
        debug_assert!(all.is_continue());
    }
}
