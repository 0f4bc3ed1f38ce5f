//! Which fences concern a vehicle at a moment (semantics §7): those that are
//! open, and that ask for none of its tags or for one that it has. To the
//! vehicle the others are as if they were not there.

use crate::roster::Tags;
use crate::timeline::Timeline;
use crate::{Fence, FenceEpoch, TimeMs};

/// One vehicle at one moment.
#[derive(Clone, Copy)]
pub(super) struct Scope<'a> {
    pub(super) epoch: &'a FenceEpoch,
    pub(super) tags: Tags<'a>,
    /// When its tags came into force.
    pub(super) assigned: Option<TimeMs>,
    pub(super) at: TimeMs,
}

impl Scope<'_> {
    /// Whether the fence is one to the vehicle now. Reads the fence only where
    /// some need not be.
    pub(super) fn concerns(&self, fence: u32) -> bool {
        !self.epoch.set.is_selective() || (self.is_assigned(fence) && self.is_open(fence))
    }

    pub(super) fn is_assigned(&self, fence: u32) -> bool {
        self.tags.admit(self.assigned, self.fence(fence))
    }

    pub(super) fn is_open(&self, fence: u32) -> bool {
        let schedule = self.fence(fence).schedule.as_ref();
        schedule.is_none_or(|schedule| schedule.is_open(self.at))
    }

    /// Keeps of `fences` those that concern the vehicle.
    #[inline]
    pub(super) fn narrow(&self, fences: &mut Vec<u32>) {
        if self.epoch.set.is_selective() {
            fences.retain(|&fence| self.concerns(fence));
        }
    }

    /// Until when none of `fences` opens or closes, as far as that is known;
    /// the end of time if none ever does.
    #[inline]
    pub(super) fn still_until(&self, fences: impl IntoIterator<Item = u32>) -> TimeMs {
        if !self.epoch.set.has_schedules() {
            return TimeMs::MAX;
        }
        let schedules = fences.into_iter().filter_map(|fence| self.fence(fence).schedule.as_ref());
        schedules.map(|schedule| schedule.still_until(self.at)).min().unwrap_or(TimeMs::MAX)
    }

    /// When the fence, which concerns the vehicle, opened or came to ask for a
    /// tag that it has, if that was after `after`. `number` is the epoch's.
    pub(super) fn start(
        &self,
        timeline: &Timeline,
        number: u32,
        fence: u32,
        after: TimeMs,
    ) -> Option<TimeMs> {
        let schedule = || self.fence(fence).schedule.as_ref();
        // As good as never, and the fence may lie in no cache.
        let schedule = self.epoch.set.has_schedules().then(schedule).flatten();
        let opened = schedule.and_then(|schedule| schedule.opening(self.at, after));
        if !self.tags.count() {
            return opened;
        }
        opened.max(self.assigned_since(timeline, number, fence, after))
    }

    /// Goes back over the changes of fences and tags after `after`, to the
    /// last one before which the fence did not ask for the vehicle.
    fn assigned_since(
        &self,
        timeline: &Timeline,
        mut number: u32,
        fence: u32,
        after: TimeMs,
    ) -> Option<TimeMs> {
        let id = self.epoch.id(fence);
        let mut assigned = self.assigned;
        loop {
            let valid_from = timeline.epoch(number).valid_from;
            let change = assigned.map_or(valid_from, |from| from.max(valid_from));
            if change <= after {
                return None;
            }
            if valid_from == change {
                if number == timeline.first() {
                    return None;
                }
                number -= 1;
            }
            if assigned == Some(change) {
                assigned = self.tags.in_force(change.plus(-1));
            }
            let set = &timeline.epoch(number).set;
            let before = set.position_of(id).map(|i| &set.fences()[i as usize]);
            if !before.is_some_and(|fence| self.tags.admit(assigned, fence)) {
                return Some(change);
            }
        }
    }

    fn fence(&self, index: u32) -> &Fence {
        &self.epoch.set.fences()[index as usize]
    }
}
