//! What it means for a vehicle that the fences change, that some open or
//! close, or that its tags change (semantics §7).
//!
//! The last fix decides by side alone, and only for fences that are new,
//! changed or gone, or come to concern the vehicle or cease to. The events
//! take the fence's version and the moment as their cause. What is pending
//! goes on unless the new shape has the fix on the other side, or there is no
//! fence any more.

use protos::events::Reason;

use super::refused::Refusal;
use super::scope::Scope;
use super::transitions::{Crossing, Transition};
use super::{Arrival, Judge, Machine, Scratch, Visit, place_at_fence};
use crate::fix::Sighting;
use crate::hash::Cause;
use crate::{FenceEpoch, TimeMs};

/// Everything that changes at one moment.
#[derive(Clone, Copy)]
pub(super) struct Turn<'a> {
    pub(super) at: TimeMs,
    /// Right before it.
    pub(super) before: Scope<'a>,
    /// From it on.
    pub(super) next: Scope<'a>,
}

/// Takes `machine` over `turn`, the next one since its last fix or turn.
pub(super) fn change(
    machine: &mut Machine,
    judge: &Judge<'_>,
    turn: Turn<'_>,
    scratch: &mut Scratch,
) {
    let Some(last) = machine.last else { return };
    let (before, next) = (turn.before.epoch, turn.next.epoch);
    let is_inside =
        |epoch: &FenceEpoch, i: u32| epoch.set.fences()[i as usize].shape.contains(last.position);
    let transition = |epoch: &FenceEpoch, fence: u32, inside: bool, reason| Transition {
        judge,
        fence: epoch.fence_ref(fence),
        index: fence,
        place: place_at_fence(epoch, fence, last, inside),
        cause: Cause::FenceVersion { version: epoch.version(fence), valid_from: turn.at },
        crossing: Crossing { reason, time: turn.at, not_before: turn.at, not_after: turn.at },
        at: turn.at,
        observed: turn.at,
    };

    let mut visits: Vec<Visit> = Vec::with_capacity(machine.visits.len());
    for mut visit in machine.visits.drain(..) {
        let then = visit.fence;
        let Some(now) = before.counterpart(then, next) else {
            let inside = is_inside(before, then);
            transition(before, then, inside, Reason::FenceDeleted).exit(&visit, before, scratch);
            continue;
        };
        if !turn.next.concerns(now) {
            let (inside, reason) = (is_inside(next, now), turn.reason(then, now));
            transition(next, now, inside, reason).exit(&visit, before, scratch);
            continue;
        }
        if !turn.is_same(then, now) {
            let inside = is_inside(next, now);
            if visit.leaving.is_none() && !inside {
                transition(next, now, false, Reason::FenceChanged).exit(&visit, before, scratch);
                continue;
            }
            if inside && visit.leaving.take().is_some() {
                scratch.refuse(Refusal::Pending, Some(next.id(now)));
            }
        }
        visit.fence = now;
        visits.push(visit);
    }
    visits.sort_unstable_by_key(|visit| visit.fence);
    machine.arrivals = std::mem::take(&mut machine.arrivals)
        .into_iter()
        .filter_map(|arrival| {
            let then = arrival.visit.fence;
            let carried = turn.carried_over(arrival, last);
            if carried.is_none() {
                scratch.refuse(Refusal::Pending, Some(before.id(then)));
            }
            carried
        })
        .collect();
    machine.arrivals.sort_unstable_by_key(|arrival| arrival.visit.fence);

    let mut hits = std::mem::take(&mut scratch.hits);
    next.set.containing(last.position, &mut hits);
    machine.wakes = turn.next.still_until(hits.iter().copied());
    for &fence in &hits {
        let Err(slot) = visits.binary_search_by_key(&fence, |visit| visit.fence) else { continue };
        if machine.arrivals.iter().any(|arrival| arrival.visit.fence == fence)
            || !turn.next.concerns(fence)
        {
            continue;
        }
        let reason = match next.counterpart(fence, before) {
            None => Reason::FenceCreated,
            Some(then) if turn.is_same(then, fence) && turn.before.concerns(then) => continue,
            Some(then) => turn.reason(then, fence),
        };
        let transition = transition(next, fence, true, reason);
        // One fix may see many changes: it cannot name what each begins.
        let visit = transition.open(transition.cause);
        transition.enter(&visit, scratch);
        visits.insert(slot, visit);
    }
    scratch.hits = hits;
    machine.visits = visits;
}

impl Turn<'_> {
    /// Whether fence `then` has the same version as fence `now` after it.
    fn is_same(&self, then: u32, now: u32) -> bool {
        self.before.epoch.version(then) == self.next.epoch.version(now)
    }

    /// Why fence `then`, which is `now` from here on, is another one to the
    /// vehicle.
    fn reason(&self, then: u32, now: u32) -> Reason {
        if !self.is_same(then, now) {
            Reason::FenceChanged
        } else if self.before.is_assigned(then) != self.next.is_assigned(now) {
            Reason::AssignmentChanged
        } else if self.next.concerns(now) {
            Reason::ScheduleOpened
        } else {
            Reason::ScheduleClosed
        }
    }

    /// The arrival among the fences from here on; `None` if it is void there:
    /// the fence is gone or closed, or has the last fix on the other side. A
    /// fix that comes to lie inside so is an enter of its own.
    fn carried_over(&self, mut arrival: Arrival, last: Sighting) -> Option<Arrival> {
        let then = arrival.visit.fence;
        let now = self.before.epoch.counterpart(then, self.next.epoch)?;
        let inside = |epoch: &FenceEpoch, fence: u32| {
            epoch.set.fences()[fence as usize].shape.contains(last.position)
        };
        arrival.visit.fence = now;
        let goes_on = self.is_same(then, now)
            || inside(self.before.epoch, then) == inside(self.next.epoch, now);
        (goes_on && self.next.concerns(now)).then_some(arrival)
    }
}
