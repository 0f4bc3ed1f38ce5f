//! Enter and exit as events (semantics §4 and §6).

use protos::events::fleet_event::Detail;
use protos::events::{GeofenceEnter, GeofenceExit, Id, Reason};

use super::visit::Visit;
use super::{Draft, Judge, Scratch};
use crate::decided::{Decided, FenceRef, Group, Place};
use crate::hash::{Cause, event_id};
use crate::{FenceEpoch, OnSilence, Settings, TimeMs};

/// Why and when a vehicle changed sides.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Crossing {
    pub(crate) reason: Reason,
    pub(crate) time: TimeMs,
    pub(crate) not_before: TimeMs,
    pub(crate) not_after: TimeMs,
}

impl Crossing {
    /// By a fix at `t`, at that time; `before` is when the vehicle was last
    /// on the other side.
    pub(super) fn at(t: TimeMs, before: Option<TimeMs>, settings: &Settings) -> Self {
        let (reason, not_before) = match before {
            None => (Reason::FirstSeen, t),
            Some(before) if t.since(before) > settings.max_gap_ms => (Reason::Reappeared, before),
            Some(before) => (Reason::Crossed, before),
        };
        Self { reason, time: t, not_before, not_after: t }
    }
}

/// One vehicle changing sides of one fence.
pub(super) struct Transition<'a> {
    pub(super) judge: &'a Judge<'a>,
    /// The fence, at the version that the events name.
    pub(super) fence: FenceRef,
    /// Its index in the set in force.
    pub(super) index: u32,
    /// What the events hang on, and where that was.
    pub(super) cause: Cause,
    pub(super) place: Place,
    pub(super) crossing: Crossing,
    /// What decided it, and when that was received.
    pub(super) at: TimeMs,
    pub(super) observed: TimeMs,
}

impl Transition<'_> {
    /// The visit that an enter opens, in which no fix is counted yet; it is
    /// begun by the first fix on the new side, or by a change.
    pub(super) fn open(&self, begun_by: Cause) -> Visit {
        Visit {
            fence: self.index,
            id: self.visit_id(begun_by),
            cause: self.cause,
            place: self.place,
            enter: self.crossing.time,
            enter_not_before: self.crossing.not_before,
            enter_not_after: self.crossing.not_after,
            pings: 0,
            first_inside: TimeMs(0),
            last_inside: TimeMs(0),
            gap_max_ms: 0,
            dwelt_s: 0,
            leaving: None,
        }
    }

    /// Id of the visit at the fence that hangs on `cause`.
    fn visit_id(&self, cause: Cause) -> Id {
        let (tenant, vehicle) = (&self.judge.settings.tenant, self.judge.vehicle_id);
        event_id(tenant, vehicle, "visit", &self.fence.id, cause, 0)
    }

    /// Decides the enter that opens `visit`.
    pub(super) fn enter(&self, visit: &Visit, scratch: &mut Scratch) {
        let enter = Detail::GeofenceEnter(GeofenceEnter {});
        scratch.decided.push(self.decide("geofence_enter", enter, visit.id));
    }

    /// Decides the exit that closes `visit`, and the visit event with it;
    /// `epoch` is the one that the visit speaks of. Where silence is taken for
    /// staying, a visit that lasts to a dwell threshold has its event, whether
    /// or not a fix inside came after it.
    pub(super) fn exit(&self, visit: &Visit, epoch: &FenceEpoch, scratch: &mut Scratch) {
        if self.judge.settings.on_silence == OnSilence::Assume {
            let dwells = visit.dwells_ahead(self.judge, epoch);
            for dwell in dwells.take_while(|dwell| dwell.due <= self.crossing.time) {
                let decided = visit.dwell(self.judge, epoch, dwell, self.at, self.observed);
                scratch.decided.push(decided);
            }
        }
        let exit = Detail::GeofenceExit(GeofenceExit {});
        let figures = visit.figures(self.crossing.time, self.crossing.not_after);
        scratch.decided.push(self.decide("geofence_exit", exit, visit.id));
        scratch.decided.push(self.decide("geofence_visit", figures, visit.id));
    }

    fn decide(&self, kind: &str, detail: Detail, visit: Id) -> Decided {
        let draft = Draft {
            judge: self.judge,
            at: self.at,
            observed: self.observed,
            cause: self.cause,
            place: self.place,
            time: self.crossing.time,
            not_before: self.crossing.not_before,
            not_after: self.crossing.not_after,
            reason: self.crossing.reason,
        };
        draft.decide(kind, 0, detail, Some(self.fence.clone()), Group::Visit(visit))
    }
}
