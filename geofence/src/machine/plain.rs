//! Profile plain: the side of each fix is the state. A first fix inside is an
//! enter, every change of side between two neighbours is a transition at the
//! later one's time.

use super::transitions::{Crossing, Transition};
use super::{Judge, Machine, Scratch, place_at_fence};
use crate::fix::Fix;
use crate::hash::Cause;
use crate::lists::make_room;

/// Judges `fix` against the fences of the machine's epoch.
pub(super) fn step(machine: &mut Machine, judge: &Judge<'_>, fix: &Fix, scratch: &mut Scratch) {
    let epoch = judge.timeline.epoch(machine.epoch);
    let mut hits = std::mem::take(&mut scratch.hits);
    epoch.set.containing(fix.position, &mut hits);
    let scope = machine.scope(judge, fix.t);
    machine.wakes = scope.still_until(hits.iter().copied());
    scope.narrow(&mut hits);

    let crossing = Crossing::at(fix.t, machine.last.map(|last| last.t), judge.settings);
    let transition = |fence, inside| Transition {
        judge,
        fence: epoch.fence_ref(fence),
        index: fence,
        cause: Cause::Ping(fix.identity),
        place: place_at_fence(epoch, fence, fix.sighting(), inside),
        crossing,
        at: fix.t,
        observed: fix.received,
    };
    machine.visits.retain(|visit| {
        let inside = hits.binary_search(&visit.fence).is_ok();
        if !inside {
            transition(visit.fence, false).exit(visit, epoch, scratch);
        }
        inside
    });
    for visit in &mut machine.visits {
        visit.stay(judge, epoch, fix, scratch);
    }
    if hits.len() > machine.visits.len() {
        for &fence in &hits {
            if let Err(slot) = machine.visits.binary_search_by_key(&fence, |visit| visit.fence) {
                let transition = transition(fence, true);
                let mut visit = transition.open(Cause::Ping(fix.identity));
                transition.enter(&visit, scratch);
                visit.stay(judge, epoch, fix, scratch);
                make_room(&mut machine.visits, 1);
                machine.visits.insert(slot, visit);
            }
        }
    }
    scratch.hits = hits;
}
