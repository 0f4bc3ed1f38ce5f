//! Enter and exit (semantics §6).
//!
//! Profile plain: the side of each fix is the state. A first fix inside is an
//! enter, every change of side between two neighbours is a transition at the
//! later one's time.

use protos::events::fleet_event::Detail;
use protos::events::{GeofenceEnter, GeofenceExit, Reason};

use super::visit::Visit;
use super::{Draft, Judge, Machine, Scratch, place_at_fence};
use crate::decided::{Decided, Group, Place};
use crate::fix::Fix;
use crate::hash::{Cause, group_id};
use crate::timeline::Epoch;
use crate::{Settings, TimeMs};

/// Judges `fix` against the fences of the machine's epoch.
pub(super) fn step(machine: &mut Machine, judge: Judge<'_>, fix: &Fix, scratch: &mut Scratch) {
    let epoch = judge.timeline.epoch(machine.epoch);
    let mut hits = std::mem::take(&mut scratch.hits);
    epoch.set.containing(fix.position, &mut hits);

    let crossing = Crossing::between(machine.last.as_ref(), fix, judge.settings);
    let transition = |fence| Transition {
        judge,
        epoch,
        fence,
        fix,
        cause: Cause::Ping(fix.identity),
        crossing,
        at: fix.t,
        observed: fix.received,
    };
    machine.visits.retain(|visit| {
        let inside = hits.binary_search(&visit.fence).is_ok();
        if !inside {
            transition(visit.fence).exit(visit, scratch);
        }
        inside
    });
    for visit in &mut machine.visits {
        visit.stay(judge, epoch, fix, scratch);
    }
    if hits.len() > machine.visits.len() {
        for &fence in &hits {
            if let Err(slot) = machine.visits.binary_search_by_key(&fence, |visit| visit.fence) {
                let mut visit = transition(fence).enter(scratch);
                visit.stay(judge, epoch, fix, scratch);
                machine.visits.insert(slot, visit);
            }
        }
    }
    scratch.hits = hits;
}

/// Why and when a vehicle changed sides.
#[derive(Clone, Copy)]
pub(super) struct Crossing {
    pub(super) reason: Reason,
    pub(super) time: TimeMs,
    pub(super) not_before: TimeMs,
    pub(super) not_after: TimeMs,
}

impl Crossing {
    fn between(last: Option<&Fix>, fix: &Fix, settings: &Settings) -> Self {
        let (reason, not_before) = match last {
            None => (Reason::FirstSeen, fix.t),
            Some(last) if fix.t.since(last.t) > settings.max_gap_ms => (Reason::Reappeared, last.t),
            Some(last) => (Reason::Crossed, last.t),
        };
        Self { reason, time: fix.t, not_before, not_after: fix.t }
    }
}

/// One vehicle changing sides of one fence.
#[derive(Clone, Copy)]
pub(super) struct Transition<'a> {
    pub(super) judge: Judge<'a>,
    /// The fence, at the version that the events name.
    pub(super) epoch: &'a Epoch,
    pub(super) fence: u32,
    /// The first fix on the new side, and what the events hang on.
    pub(super) fix: &'a Fix,
    pub(super) cause: Cause,
    pub(super) crossing: Crossing,
    /// What decided it, and when that was received.
    pub(super) at: TimeMs,
    pub(super) observed: TimeMs,
}

impl Transition<'_> {
    /// Decides an enter and opens its visit, in which no fix is counted yet.
    pub(super) fn enter(&self, scratch: &mut Scratch) -> Visit {
        let id = group_id(
            &self.judge.settings.tenant,
            self.judge.vehicle_id,
            "visit",
            &self.epoch.ids[self.fence as usize],
            self.fix.identity,
        );
        let place = place_at_fence(self.epoch, self.fence, self.fix);
        let enter = Detail::GeofenceEnter(GeofenceEnter {});
        scratch.decided.push(self.decide("geofence_enter", enter, place, id));
        Visit {
            fence: self.fence,
            id,
            cause: self.cause,
            place,
            enter: self.crossing.time,
            enter_not_before: self.crossing.not_before,
            enter_not_after: self.crossing.not_after,
            inside: None,
            gap_max_ms: 0,
            pings: 0,
            dwelt_s: 0,
        }
    }

    /// Decides the exit that closes `visit`, and the visit event with it.
    pub(super) fn exit(&self, visit: &Visit, scratch: &mut Scratch) {
        let place = place_at_fence(self.epoch, self.fence, self.fix);
        let exit = Detail::GeofenceExit(GeofenceExit {});
        let figures = visit.figures(self.crossing.time, self.crossing.not_after);
        scratch.decided.push(self.decide("geofence_exit", exit, place, visit.id));
        scratch.decided.push(self.decide("geofence_visit", figures, place, visit.id));
    }

    fn decide(&self, kind: &str, detail: Detail, place: Place, visit: u128) -> Decided {
        let draft = Draft {
            judge: self.judge,
            at: self.at,
            observed: self.observed,
            cause: self.cause,
            place,
            time: self.crossing.time,
            not_before: self.crossing.not_before,
            not_after: self.crossing.not_after,
            reason: self.crossing.reason,
        };
        let fence = self.epoch.fence_ref(self.fence);
        draft.decide(kind, 0, detail, Some(fence), Group::Visit(visit))
    }
}
