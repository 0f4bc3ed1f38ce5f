//! One fence set and from when on it judges.

use std::sync::Arc;

use crate::chunks::Chunks;
use crate::{FenceSet, TimeMs};

/// A fence set and the span of event time that it judges: from `valid_from` to
/// the next epoch's.
#[derive(Clone, Debug)]
pub struct FenceEpoch {
    /// [`TimeMs::MIN`] where it always did.
    pub valid_from: TimeMs,
    /// The fences.
    pub set: Arc<FenceSet>,
    /// Of each fence, by slot.
    names: Chunks<Option<Name>, 64>,
}

/// A fence as events name it.
#[derive(Clone, Debug, PartialEq)]
struct Name {
    /// Shared with the events that name it.
    id: Arc<str>,
    /// 1 for a fence's first shape.
    version: u32,
}

/// Same fences and versions, from the same time on.
impl PartialEq for FenceEpoch {
    fn eq(&self, other: &Self) -> bool {
        self.valid_from == other.valid_from
            && self.set == other.set
            && self.versions().eq(other.versions())
    }
}

impl FenceEpoch {
    /// No fences, since ever.
    pub(crate) fn empty() -> Self {
        let set = Arc::new(FenceSet::empty());
        Self { valid_from: TimeMs::MIN, set, names: Chunks::default() }
    }

    /// The epoch of `set` from `valid_from` on. `version` says that of a fence
    /// by its index, and by its index in `before` if it is there. What is the
    /// same in `before` is shared with it.
    pub(crate) fn after(
        before: &Self,
        set: Arc<FenceSet>,
        valid_from: TimeMs,
        version: impl Fn(u32, Option<u32>) -> u32,
    ) -> Self {
        let names = (0_u32..).zip(set.fences().iter()).map(|(index, fence)| {
            let known = before.set.position_of(&fence.id);
            let id = known.map_or_else(|| fence.id.as_str().into(), |i| Arc::clone(before.id(i)));
            Some(Name { id, version: version(index, known) })
        });
        let names = Chunks::after(&before.names, set.slots().by_slot(names));
        Self { valid_from, set, names }
    }

    /// The version of the fence with this index in the set; 1 for the first
    /// shape of its id.
    #[must_use]
    pub fn version(&self, index: u32) -> u32 {
        self.name(index).version
    }

    /// The version of each fence of the set.
    pub(crate) fn versions(&self) -> impl Iterator<Item = u32> {
        (0..self.set.fences().len() as u32).map(|index| self.version(index))
    }

    /// The fence of `to` with the id of fence `index` of this epoch.
    pub(crate) fn counterpart(&self, index: u32, to: &Self) -> Option<u32> {
        let id = self.id(index);
        // Where no other fence came or went before it, it has the same index.
        let stays = (index as usize) < to.set.fences().len() && Arc::ptr_eq(to.id(index), id);
        if stays { Some(index) } else { to.set.position_of(id) }
    }

    /// How many fences `next` no longer has, or has another version of.
    pub(crate) fn others(&self, next: &Self) -> usize {
        let stays = |index: &u32| {
            self.counterpart(*index, next)
                .is_some_and(|it| next.version(it) == self.version(*index))
        };
        (0..self.set.fences().len() as u32).filter(|index| !stays(index)).count()
    }

    /// Id of the fence with this index in the set.
    #[inline]
    pub(crate) fn id(&self, index: u32) -> &Arc<str> {
        &self.name(index).id
    }

    #[inline]
    fn name(&self, index: u32) -> &Name {
        let name = self.names.get(self.set.slots().slot(index)).as_ref();
        name.expect("every fence of the set has a name")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse_fences;

    fn set(fences: &[(&str, u32)]) -> Arc<FenceSet> {
        let feature = |(id, radius_m): &(&str, u32)| {
            format!(
                r#"{{"type":"Feature","id":"{id}","properties":{{"radius_m":{radius_m}}},
                "geometry":{{"type":"Point","coordinates":[10,50]}}}}"#
            )
        };
        let features: Vec<_> = fences.iter().map(feature).collect();
        let text = format!(r#"{{"type":"FeatureCollection","features":[{}]}}"#, features.join(","));
        Arc::new(parse_fences(text.as_bytes()).unwrap().set)
    }

    #[test]
    fn a_fence_is_found_again_by_its_id_whatever_came_or_went() {
        let next = |before: &FenceEpoch, fences: &[(&str, u32)]| {
            let (set, raised) = (set(fences), |known: Option<u32>| known.map_or(1, |_| 2));
            FenceEpoch::after(before, set, TimeMs(1), |_, known| raised(known))
        };
        let first = next(&FenceEpoch::empty(), &[("a", 50), ("b", 50), ("d", 50)]);
        let second = next(&first, &[("a", 50), ("c", 60), ("d", 50)]);
        let found = |from: &FenceEpoch, to| [0, 1, 2].map(|index| from.counterpart(index, to));
        assert_eq!(found(&first, &second), [Some(0), None, Some(2)]);
        assert_eq!(found(&second, &first), [Some(0), None, Some(2)]);
        let third = next(&second, &[("c", 60), ("d", 50)]);
        assert_eq!(found(&second, &third), [None, Some(0), Some(1)]);
        assert_eq!(first.others(&first), 0);
        assert_eq!(first.others(&second), 3);
        assert_eq!(FenceEpoch::empty().others(&first), 0);
    }
}
