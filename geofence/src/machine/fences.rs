//! What a change of the fences means for a vehicle (semantics §7).
//!
//! The last fix decides by side alone, and only for fences that are new,
//! changed or gone. The events take the fence's version as their cause.

use protos::events::Reason;

use super::transitions::{Crossing, Transition};
use super::{Judge, Machine, Scratch, Visit};
use crate::hash::Cause;
use crate::timeline::Epoch;

/// Moves `machine` from its epoch into `next`, which follows it.
pub(super) fn change(machine: &mut Machine, judge: Judge<'_>, next: &Epoch, scratch: &mut Scratch) {
    let Some(last) = machine.last else { return };
    let before = judge.timeline.epoch(machine.epoch);
    let transition = |epoch, fence: u32, reason| Transition {
        judge,
        epoch,
        fence,
        fix: &last,
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
        let shape = &next.set.fences()[now as usize].shape;
        let unchanged = before.versions[visit.fence as usize] == next.versions[now as usize];
        if unchanged || shape.contains(last.position) {
            visit.fence = now;
            visits.push(visit);
        } else {
            transition(next, now, Reason::FenceChanged).exit(&visit, scratch);
        }
    }
    visits.sort_unstable_by_key(|visit| visit.fence);

    let mut hits = std::mem::take(&mut scratch.hits);
    next.set.containing(last.position, &mut hits);
    for &fence in &hits {
        let Err(slot) = visits.binary_search_by_key(&fence, |visit| visit.fence) else { continue };
        let reason = match counterpart(next, fence, before) {
            None => Reason::FenceCreated,
            Some(then) if before.versions[then as usize] != next.versions[fence as usize] => {
                Reason::FenceChanged
            }
            Some(_) => continue,
        };
        visits.insert(slot, transition(next, fence, reason).enter(scratch));
    }
    scratch.hits = hits;
    machine.visits = visits;
}

/// The fence of `to` with the id of fence `index` of `from`.
fn counterpart(from: &Epoch, index: u32, to: &Epoch) -> Option<u32> {
    to.set.position_of(&from.ids[index as usize])
}
