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
