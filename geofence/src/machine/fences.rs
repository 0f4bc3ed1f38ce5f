//! What a change of the fences means for a vehicle (semantics §7).
//!
//! The last fix decides by side alone, and only for fences that are new,
//! changed or gone. The events take the fence's version as their cause. What
//! is pending goes on unless the new shape has the fix on the other side.

use protos::events::Reason;

use super::refused::Refusal;
use super::transitions::{Crossing, Transition};
use super::{Arrival, Judge, Machine, Scratch, Visit, place_at_fence};
use crate::fix::Fix;
use crate::hash::Cause;
use crate::timeline::Epoch;

/// Moves `machine` from its epoch into `next`, which follows it.
pub(super) fn change(machine: &mut Machine, judge: Judge<'_>, next: &Epoch, scratch: &mut Scratch) {
    let Some(last) = machine.last else { return };
    let before = judge.timeline.epoch(machine.epoch);
    let transition = |epoch: &Epoch, fence: u32, reason| Transition {
        judge,
        fence: epoch.fence_ref(fence),
        index: fence,
        place: place_at_fence(epoch, fence, &last),
        cause: Cause::FenceVersion {
            version: epoch.versions[fence as usize],
            valid_from: next.valid_from,
        },
        crossing: Crossing {
            reason,
            time: next.valid_from,
            not_before: next.valid_from,
            not_after: next.valid_from,
        },
        at: next.valid_from,
        observed: next.valid_from,
    };

    let mut visits: Vec<Visit> = Vec::with_capacity(machine.visits.len());
    for mut visit in machine.visits.drain(..) {
        let Some(now) = counterpart(before, visit.fence, next) else {
            transition(before, visit.fence, Reason::FenceDeleted).exit(&visit, scratch);
            continue;
        };
        let unchanged = before.versions[visit.fence as usize] == next.versions[now as usize];
        visit.fence = now;
        if !unchanged {
            let inside = next.set.fences()[now as usize].shape.contains(last.position);
            if visit.leaving.is_none() && !inside {
                transition(next, now, Reason::FenceChanged).exit(&visit, scratch);
                continue;
            }
            if inside && visit.leaving.take().is_some() {
                scratch.refused.count(Refusal::Pending);
            }
        }
        visits.push(visit);
    }
    visits.sort_unstable_by_key(|visit| visit.fence);
    let waiting = machine.arrivals.len();
    machine.arrivals = std::mem::take(&mut machine.arrivals)
        .into_iter()
        .filter_map(|arrival| carried_over(arrival, before, next, &last))
        .collect();
    machine.arrivals.sort_unstable_by_key(|arrival| arrival.visit.fence);
    for _ in machine.arrivals.len()..waiting {
        scratch.refused.count(Refusal::Pending);
    }

    let mut hits = std::mem::take(&mut scratch.hits);
    next.set.containing(last.position, &mut hits);
    for &fence in &hits {
        let Err(slot) = visits.binary_search_by_key(&fence, |visit| visit.fence) else { continue };
        if machine.arrivals.iter().any(|arrival| arrival.visit.fence == fence) {
            continue;
        }
        let reason = match counterpart(next, fence, before) {
            None => Reason::FenceCreated,
            Some(then) if before.versions[then as usize] != next.versions[fence as usize] => {
                Reason::FenceChanged
            }
            Some(_) => continue,
        };
        let transition = transition(next, fence, reason);
        let visit = transition.open(last.identity);
        transition.enter(&visit, scratch);
        visits.insert(slot, visit);
    }
    scratch.hits = hits;
    machine.visits = visits;
}

/// The arrival among the fences of `next`; `None` if it is void there: the
/// fence is gone, or has the last fix on the other side. A fix that comes to
/// lie inside so is an enter of its own.
fn carried_over(mut arrival: Arrival, before: &Epoch, next: &Epoch, last: &Fix) -> Option<Arrival> {
    let then = arrival.visit.fence;
    let now = counterpart(before, then, next)?;
    let inside = |epoch: &Epoch, fence: u32| {
        epoch.set.fences()[fence as usize].shape.contains(last.position)
    };
    let unchanged = before.versions[then as usize] == next.versions[now as usize];
    arrival.visit.fence = now;
    (unchanged || inside(before, then) == inside(next, now)).then_some(arrival)
}

/// The fence of `to` with the id of fence `index` of `from`.
fn counterpart(from: &Epoch, index: u32, to: &Epoch) -> Option<u32> {
    to.set.position_of(&from.ids[index as usize])
}
