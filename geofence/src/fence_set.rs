//! An immutable set of fences and the index over it.

use std::cell::LazyCell;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use xxhash_rust::xxh3::Xxh3;

use crate::cells::{CellIndex, STEP_UNITS_MAX, Spot};
use crate::chunks::Chunks;
use crate::geojson::{write_fences, write_pieces};
use crate::id_prefix::id_prefix;
use crate::index::EnvelopeIndex;
use crate::shape::Envelope;
use crate::slots::{Moves, Slots};
use crate::{Fence, Fences, Plane, Position, Schedule, Shape};

/// Positions that [`FenceSet::containing_many`] asks ahead for: enough for
/// their cache misses to overlap, few enough for what comes to stay in the
/// first cache.
const AHEAD: usize = 64;

/// Fences sorted by id, with their index and the hash of their content. A
/// change makes a new set, which shares with the one before it what stays; two
/// sets of one content have one hash.
#[derive(Clone, Debug)]
pub struct FenceSet {
    fences: Fences,
    /// Of the fences' ids, by slot.
    id_prefixes: Chunks<u128, 64>,
    /// Every fence, by slot.
    index: EnvelopeIndex,
    /// Fences that it [takes](CellIndex::takes), by slot.
    cells: CellIndex,
    /// The others, by slot.
    wide: EnvelopeIndex,
    hash: String,
    has_schedules: bool,
    has_tags: bool,
    has_dwells: bool,
}

/// Same fences.
impl PartialEq for FenceSet {
    fn eq(&self, other: &Self) -> bool {
        self.fences == other.fences
    }
}

/// Two fences of one set have this id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("two fences have the id {0:?}: ids must differ")]
pub struct DuplicateFence(pub String);

impl FenceSet {
    /// A set of these fences, in any order.
    ///
    /// # Errors
    /// When two of them have the same id.
    pub fn new(fences: Vec<Fence>) -> Result<Self, DuplicateFence> {
        Self::after(&Self::empty(), fences)
    }

    /// [`Self::new`] at less cost where `before` has most of these fences: only
    /// that is made anew which has to do with a fence that is new, gone or
    /// changed, and the rest is shared with `before`.
    ///
    /// # Errors
    /// When two of the fences have the same id.
    pub fn after(before: &Self, fences: Vec<Fence>) -> Result<Self, DuplicateFence> {
        let mut fences = sorted(fences)?;
        let (slots, Moves { left, taken }) = Slots::after(before, &mut fences);
        share_schedules(&mut fences);
        let fences = Fences::after(&before.fences, fences, slots);
        let slots = fences.slots();
        let shape = |slot: u32| (slot, &fences.in_slot(slot).shape);
        let all = || slots.in_order(fences.len() as u32).map(shape);
        let came = || taken.iter().copied().map(shape);
        let went = || left.iter().map(|slot| (*slot, &before.fences.in_slot(*slot).shape));

        let envelope = |(slot, shape): (u32, &Shape)| (slot, shape.envelope());
        let (came_boxes, all_boxes) = (came().map(envelope), all().map(envelope));
        let index = EnvelopeIndex::after(&before.index, &left, came_boxes, all_boxes);
        let is_wide = |(_, shape): &(u32, &Shape)| !CellIndex::takes(shape);
        let went_wide: Vec<u32> = went().filter(is_wide).map(|(slot, _)| slot).collect();
        let came_boxes = came().filter(is_wide).map(envelope);
        let all_boxes = all().filter(is_wide).map(envelope);
        let wide = EnvelopeIndex::after(&before.wide, &went_wide, came_boxes, all_boxes);

        let changed = went().chain(came());
        let touched = changed.flat_map(|(_, shape)| CellIndex::tiles_of(shape)).collect();
        let members = |bounds: &Envelope| {
            let mut members = Vec::new();
            index.meeting(bounds, |slot| members.push((slot, &fences.in_slot(slot).shape)));
            members.sort_unstable_by_key(|member| member.0);
            members.dedup_by_key(|member| member.0);
            members
        };
        let (cells, hash) = before.cells.changed(&touched, members, || hash_of(&fences));

        let id_prefixes = slots.by_slot(fences.iter().map(|fence| id_prefix(&fence.id)));
        let has_schedules = fences.iter().any(|fence| fence.schedule.is_some());
        let has_tags = fences.iter().any(|fence| !fence.tags.is_empty());
        let has_dwells = fences.iter().any(|fence| fence.settings.dwell_s.is_some());
        Ok(Self {
            id_prefixes: Chunks::after(&before.id_prefixes, id_prefixes),
            index,
            cells,
            wide,
            hash,
            has_schedules,
            has_tags,
            has_dwells,
            fences,
        })
    }

    /// A set of no fences.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            hash: hash_of(&Fences::default()),
            fences: Fences::default(),
            id_prefixes: Chunks::default(),
            index: EnvelopeIndex::default(),
            cells: CellIndex::empty(),
            wide: EnvelopeIndex::default(),
            has_schedules: false,
            has_tags: false,
            has_dwells: false,
        }
    }

    /// The fences, sorted by id (bytewise).
    #[must_use]
    pub fn fences(&self) -> &Fences {
        &self.fences
    }

    /// Index in [`Self::fences`] of the fence with this id.
    #[must_use]
    pub fn position_of(&self, id: &str) -> Option<u32> {
        let prefix = id_prefix(id);
        let (mut low, mut high) = (0, self.fences.len() as u32);
        while low < high {
            let middle = low + (high - low) / 2;
            let order = self.id_prefixes.get(self.slots().slot(middle)).cmp(&prefix);
            // Mostly the first bytes tell, and the fence need not be read.
            match order.then_with(|| self.fences[middle as usize].id.as_str().cmp(id)) {
                Ordering::Less => low = middle + 1,
                Ordering::Greater => high = middle,
                Ordering::Equal => return Some(middle),
            }
        }
        None
    }

    /// Has `fence` share its shape with the fence of its id, if they are of one
    /// shape; that fence's index then.
    pub(crate) fn share_shape(&self, fence: &mut Fence) -> Option<u32> {
        let same = |place: &u32| self.fences[*place as usize].shape == fence.shape;
        let place = self.position_of(&fence.id).filter(same)?;
        fence.shape = self.fences[place as usize].shape.clone();
        Some(place)
    }

    pub(crate) fn slots(&self) -> &Slots {
        self.fences.slots()
    }

    /// Whether some fence opens and closes.
    pub(crate) fn has_schedules(&self) -> bool {
        self.has_schedules
    }

    /// Whether some fence need not concern every vehicle at every time.
    pub(crate) fn is_selective(&self) -> bool {
        self.has_schedules || self.has_tags
    }

    /// The dwell thresholds of a fence's own. Reads the fence only where some
    /// fence has any.
    #[inline]
    pub(crate) fn dwell_s(&self, fence: u32) -> Option<&Vec<u32>> {
        self.has_dwells.then(|| self.fences[fence as usize].settings.dwell_s.as_ref()).flatten()
    }

    /// Replaces `out` with the ascending indexes of the fences that hold `p`
    /// (see [`Shape::contains`](crate::Shape::contains)). Allocates nothing
    /// but what `out` may need to grow. Of many positions
    /// [`Self::containing_many`] asks faster.
    pub fn containing(&self, p: Position, out: &mut Vec<u32>) {
        self.containing_at(self.cells.spot(p), p, out);
    }

    /// Calls `found` for each of `positions`, in their order, with its index
    /// and with what [`Self::containing`] says of it. Reads the index for some
    /// positions ahead, so that it waits for memory once for all of them.
    pub fn containing_many(&self, positions: &[Position], mut found: impl FnMut(usize, &[u32])) {
        let mut out = Vec::with_capacity(AHEAD);
        let mut spots = [Spot::default(); AHEAD];
        let mut index = 0;
        for positions in positions.chunks(AHEAD) {
            for (spot, position) in spots.iter_mut().zip(positions) {
                *spot = self.cells.spot(*position);
            }
            for spot in &spots[..positions.len()] {
                self.cells.prefetch(*spot);
            }
            for (spot, position) in spots.iter().zip(positions) {
                self.containing_at(*spot, *position, &mut out);
                found(index, &out);
                index += 1;
            }
        }
    }

    /// [`Self::containing`] for a position whose spot is known.
    #[inline]
    fn containing_at(&self, spot: Spot, p: Position, out: &mut Vec<u32>) {
        out.clear();
        let plane = LazyCell::new(|| Plane::at(p));
        let holds = |slot: u32| self.fences.in_slot(slot).shape.contains_at(p, &plane);
        self.cells.at(spot, p, out, holds);
        self.slots().name_fences(out);
        if !self.wide.is_empty() {
            self.wide.at(p, |slot| {
                if holds(slot) {
                    out.push(self.slots().fence(slot));
                }
            });
            out.sort_unstable();
            // A fence over the antimeridian has two boxes.
            out.dedup();
        }
    }

    /// The index of most fences: those that it [takes](CellIndex::takes).
    pub(crate) fn cells(&self) -> &CellIndex {
        &self.cells
    }

    /// Replaces `out` with the ascending indexes of the fences whose envelope
    /// meets that of the straight step from `from` to `to`, the short way
    /// round. Allocates nothing but what `out` may need to grow.
    pub fn near_step(&self, from: Position, to: Position, out: &mut Vec<u32>) {
        out.clear();
        Envelope::of_step(from, to).each_piece(|piece| {
            self.index.meeting(piece, |slot| out.push(self.slots().fence(slot)))
        });
        out.sort_unstable();
        out.dedup();
    }

    /// Replaces `out` with the ascending indexes of the fences that the
    /// straight step from `from` to `to` may pass through without either end
    /// in them, but for those that `passes_over` names. Allocates nothing but
    /// what `out` may need to grow.
    pub fn may_be_passed(
        &self,
        from: Position,
        to: Position,
        passes_over: impl Fn(u32) -> bool,
        out: &mut Vec<u32>,
    ) {
        let step = Envelope::of_step(from, to);
        if (step.east - step.west).max(step.north - step.south) > STEP_UNITS_MAX {
            self.near_step(from, to, out);
            out.retain(|fence| !passes_over(*fence));
            return;
        }
        out.clear();
        let passes_over = |slot: u32| passes_over(self.slots().fence(slot));
        step.each_piece(|piece| {
            self.cells.outlines(piece, passes_over, |slot| out.push(self.slots().fence(slot)));
            if !self.wide.is_empty() {
                self.wide.meeting(piece, |slot| {
                    if !passes_over(slot) {
                        out.push(self.slots().fence(slot));
                    }
                });
            }
        });
        if out.len() > 1 {
            out.sort_unstable();
            out.dedup();
        }
    }

    /// Whether the same fences hold every place of the straight step from `from`
    /// to `to`, and it meets no outline, as far as that can be told of the box
    /// round it, which it can of most steps of a vehicle.
    #[must_use]
    #[inline]
    pub fn is_uniform(&self, from: Position, to: Position) -> bool {
        self.wide.is_empty() && self.cells.is_uniform(from, to)
    }

    /// Bytes of the index of cells, about.
    #[must_use]
    pub fn index_bytes(&self) -> usize {
        self.cells.bytes()
    }

    /// The set as GeoJSON, repairs made: equal sets give equal bytes, and the
    /// bytes parse back to an equal set with nothing to mend.
    #[must_use]
    pub fn to_canonical_json(&self) -> Vec<u8> {
        write_fences(self.fences.iter())
    }

    /// xxh3-128 of [`Self::to_canonical_json`], 32 lower-case hex digits.
    #[must_use]
    pub fn hash(&self) -> &str {
        &self.hash
    }
}

/// xxh3-128 of the canonical text of `fences`, which are sorted by id.
fn hash_of(fences: &Fences) -> String {
    let mut hasher = Xxh3::new();
    write_pieces(fences.iter(), |piece| hasher.update(piece));
    format!("{:032x}", hasher.digest128())
}

/// The fences by id.
fn sorted(mut fences: Vec<Fence>) -> Result<Vec<Fence>, DuplicateFence> {
    fences.sort_unstable_by(|a, b| a.id.cmp(&b.id));
    match fences.windows(2).find(|pair| pair[0].id == pair[1].id) {
        Some(pair) => Err(DuplicateFence(pair[0].id.clone())),
        None => Ok(fences),
    }
}

/// Has fences with the same opening hours share them, and with them what is
/// laid out of their calendar.
fn share_schedules(fences: &mut [Fence]) {
    let mut known: BTreeMap<String, Arc<Schedule>> = BTreeMap::new();
    for schedule in fences.iter_mut().filter_map(|fence| fence.schedule.as_mut()) {
        let shared = known.entry(schedule.to_json().to_string());
        *schedule = Arc::clone(shared.or_insert_with(|| Arc::clone(schedule)));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Circle, FenceSettings};

    fn fence(id: &str) -> Fence {
        let centre = Position { lat: 0, lon: 0 };
        Fence {
            id: id.into(),
            name: id.into(),
            tags: Vec::new(),
            schedule: None,
            settings: FenceSettings::default(),
            shape: Shape::Circle(Circle::new(centre, 10.0).unwrap()),
        }
    }

    proptest! {
        /// Ids whose first sixteen bytes are often the same.
        #[test]
        fn a_fence_is_found_by_its_id(
            ids in prop::collection::btree_set("(a{14,17}|é{7,9})?[a-c]{1,3}", 0..20),
            other in "(a{14,17}|é{7,9})?[a-c]{0,3}",
        ) {
            let set = FenceSet::new(ids.iter().map(|id| fence(id)).collect()).unwrap();
            for (place, id) in (0..).zip(&ids) {
                prop_assert_eq!(set.position_of(id), Some(place));
            }
            prop_assert_eq!(set.position_of(&other).is_some(), ids.contains(&other));
        }
    }
}
