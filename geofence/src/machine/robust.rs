//! Profile robust (semantics §6): edges know how accurate a fix is,
//! transitions are confirmed, and a crossing lies between two fixes.
//!
//! A vehicle's state at a fence is Inside or PendingOut while the machine has
//! a visit there (see [`Leaving`]), PendingIn while it has an arrival, and
//! Outside otherwise, or Unknown before the first fix. Confirmation decides
//! whether there is an event, and when that is known, never its time.

use protos::events::fleet_event::Detail;
use protos::events::{GeofenceCross, Reason};

use super::arrival::{Arrival, CONFIDENCE_MIN};
use super::leaving::{Leaving, Unmeasured, decisive_m};
use super::refused::Refusal;
use super::scope::Scope;
use super::step::Step;
use super::transitions::{Crossing, Transition};
use super::{Draft, Judge, Machine, Scratch, Visit, place, place_at_fence};
use crate::decided::{FenceRef, Group, Place};
use crate::fix::Fix;
use crate::hash::Cause;
use crate::lists::make_room;
use crate::plane::round_mm;
use crate::{Fence, FenceEpoch, Settings, TimeMs};

/// Shortest path through a fence that counts, metres.
pub(super) const CROSS_M_MIN: f64 = 5.0;

/// Judges `fix`, which has been accepted, against the fences of the machine's
/// epoch.
pub(super) fn step(machine: &mut Machine, judge: &Judge<'_>, fix: &Fix, scratch: &mut Scratch) {
    let view = View {
        judge,
        epoch: judge.timeline.epoch(machine.epoch),
        number: machine.epoch,
        scope: machine.scope(judge, fix.t),
        step: machine.last.map(|from| Step { from, to: fix }),
        fix,
    };
    let mut hits = std::mem::take(&mut scratch.hits);
    view.find(machine, &mut hits, scratch);
    machine.wakes = view.scope.still_until(hits.iter().copied());
    view.scope.narrow(&mut hits);
    view.carry_visits_on(machine, &hits, scratch);
    if !machine.arrivals.is_empty() {
        view.carry_arrivals_on(machine, &hits, scratch);
    }
    for &fence in &hits {
        if !machine.is_near(fence) {
            let arrival = view.arrive(fence, view.way_in(fence));
            view.welcome(arrival, machine, scratch);
        }
    }
    scratch.hits = hits;
}

/// One fix among the fences.
#[derive(Clone, Copy)]
struct View<'a> {
    judge: &'a Judge<'a>,
    epoch: &'a FenceEpoch,
    number: u32,
    scope: Scope<'a>,
    /// The step that ends at the fix; `None` for a vehicle's first.
    step: Option<Step<'a>>,
    fix: &'a Fix,
}

impl View<'_> {
    /// Replaces `hits` with the fences that hold the fix, and decides the
    /// passes through others on the way to it; a step may be too short to pass
    /// through anything.
    fn find(&self, machine: &Machine, hits: &mut Vec<u32>, scratch: &mut Scratch) {
        let here = self.fix.position;
        self.epoch.set.containing(here, hits);
        let Some(step) = self.step.filter(|step| step.length_m_max() >= CROSS_M_MIN) else {
            return;
        };
        let mut passed = std::mem::take(&mut scratch.passed);
        // A fence that the vehicle was in, or is, it did not pass through.
        let at_an_end = |fence| hits.contains(&fence) || machine.is_near(fence);
        self.epoch.set.may_be_passed(step.from.position, here, at_an_end, &mut passed);
        for &fence in &passed {
            if self.scope.concerns(fence) {
                self.cross(step, fence, scratch);
            }
        }
        scratch.passed = passed;
    }

    /// Decides the pass through a fence on a step between two fixes outside.
    fn cross(&self, step: Step<'_>, fence: u32, scratch: &mut Scratch) {
        let shape = &self.fence(fence).shape;
        let valid_from = self.valid_from(fence);
        // What lies before the shape was in force was no fence.
        let first =
            valid_from.map_or(0.0, |start| start.since(step.from.t) as f64 / step.gap_ms() as f64);
        let stretches = shape.stretches_to(step.from.position, step.to.position, false);
        let mut within = stretches
            .into_iter()
            .filter(|stretch| stretch.1 >= first)
            .map(|(enter, leave)| (enter.max(first), leave))
            .peekable();
        let Some(&(way_in, mut way_out)) = within.peek() else { return };
        let mut share = 0.0;
        for (enter, leave) in within {
            share += leave - enter;
            way_out = leave;
        }
        let inside_m = share * step.length_m();
        let id = self.epoch.id(fence);
        if inside_m < CROSS_M_MIN {
            scratch.note("cross_too_short", Some(id), Some(inside_m));
            return;
        }
        if step.gap_ms() > self.judge.settings.cross_max_gap_ms {
            scratch.refuse_pass(Refusal::CrossGap, id, inside_m);
            return;
        }
        if !step.is_slow_enough() {
            scratch.refuse_pass(Refusal::CrossSpeed, id, inside_m);
            return;
        }
        let draft = Draft {
            judge: self.judge,
            at: self.fix.t,
            observed: self.fix.received,
            cause: Cause::Ping(self.fix.identity),
            place: place_at_fence(self.epoch, fence, self.fix.sighting(), false),
            time: step.time_at(way_in),
            not_before: valid_from.unwrap_or(step.from.t),
            not_after: step.to.t,
            reason: Reason::Crossed,
        };
        let detail = Detail::GeofenceCross(GeofenceCross {
            out_time_ms: step.time_at(way_out).0,
            inside_m: round_mm(inside_m),
        });
        let fence = self.epoch.fence_ref(fence);
        scratch.decided.push(draft.decide("geofence_cross", 0, detail, Some(fence), Group::None));
    }

    fn carry_visits_on(&self, machine: &mut Machine, hits: &[u32], scratch: &mut Scratch) {
        machine.visits.retain_mut(|visit| {
            if hits.binary_search(&visit.fence).is_ok() {
                self.void_leaving(visit, scratch);
                visit.stay(self.judge, self.epoch, self.fix, scratch);
                return true;
            }
            match self.leave(visit) {
                None => true,
                Some(mut left) => {
                    left.measure(&self.fence(visit.fence).shape);
                    let cause = Cause::Ping(left.first);
                    self.transition(visit.fence, left.version, cause, left.place, left.crossing)
                        .exit(visit, self.epoch, scratch);
                    false
                }
            }
        });
    }

    fn carry_arrivals_on(&self, machine: &mut Machine, hits: &[u32], scratch: &mut Scratch) {
        for mut arrival in std::mem::take(&mut machine.arrivals) {
            let fence = arrival.visit.fence;
            let id = Some(self.epoch.id(fence));
            let in_time =
                self.fix.t.since(arrival.last_inside()) <= self.judge.settings.confirm_ttl_ms;
            if hits.binary_search(&fence).is_ok() {
                if arrival.sure || in_time {
                    self.void_leaving(&mut arrival.visit, scratch);
                    arrival.sure = true;
                    arrival.visit.count(self.fix);
                } else {
                    scratch.refuse(Refusal::Pending, id);
                    arrival = self.arrive(fence, self.way_in_again(&arrival));
                }
                self.welcome(arrival, machine, scratch);
            } else if arrival.sure {
                match self.leave(&mut arrival.visit) {
                    None => machine.arrivals.push(arrival),
                    Some(_) => scratch.refuse(Refusal::ShortStay, id),
                }
            } else if in_time && !self.is_beyond(fence, decisive_m(self.fix, self.fence(fence))) {
                machine.arrivals.push(arrival);
            } else {
                scratch.refuse(Refusal::Pending, id);
            }
        }
    }

    /// An inside fix shows that the vehicle never left.
    #[inline]
    fn void_leaving(&self, visit: &mut Visit, scratch: &mut Scratch) {
        if visit.leaving.take().is_some() {
            scratch.refuse(Refusal::Exit, Some(self.epoch.id(visit.fence)));
        }
    }

    /// Takes the fix, outside, into the run that may end `visit`; returns the
    /// run if it does.
    fn leave(&self, visit: &mut Visit) -> Option<Box<Leaving>> {
        let (fence, settings) = (self.fence(visit.fence), self.judge.settings);
        let begun = visit.leaving.take();
        let mut leaving = begun.unwrap_or_else(|| Box::new(self.begin_leaving(visit.fence)));
        let is_beyond = |limit_m| self.is_beyond(visit.fence, limit_m);
        if leaving.take(self.fix, is_beyond, fence, settings) {
            return Some(leaving);
        }
        visit.leaving = Some(leaving);
        None
    }

    /// The run that the fix, outside, begins, in which none is taken yet.
    fn begin_leaving(&self, fence: u32) -> Leaving {
        let settings = self.judge.settings;
        let valid_from = self.valid_from(fence);
        let straight = self.step.filter(|step| step.is_straight(settings));
        Leaving {
            first: self.fix.identity,
            place: place(self.fix.sighting()),
            version: self.epoch.version(fence),
            crossing: match self.step {
                None => Crossing::at(self.fix.t, None, settings),
                Some(step) => step.crossing_at_end(valid_from, settings),
            },
            unmeasured: Some(Unmeasured {
                accuracy_m: self.fix.accuracy_m(),
                from: straight.map(|step| (step.from.t, step.from.position)),
            }),
            pings: 0,
            decisive: false,
        }
    }

    /// The fix is inside a fence that the vehicle was not near to.
    fn arrive(&self, fence: u32, crossing: Crossing) -> Arrival {
        let version = self.epoch.version(fence);
        let place = place_at_fence(self.epoch, fence, self.fix.sighting(), true);
        let cause = Cause::Ping(self.fix.identity);
        let transition = self.transition(fence, version, cause, place, crossing);
        let mut visit = transition.open(Cause::Ping(self.fix.identity));
        visit.count(self.fix);
        let sure = place.confidence.get().is_some_and(|confidence| confidence >= CONFIDENCE_MIN);
        Arrival { visit, reason: crossing.reason, version, sure }
    }

    /// Tells the enter if the fix, inside, is what was waited for.
    fn welcome(&self, arrival: Arrival, machine: &mut Machine, scratch: &mut Scratch) {
        let fence = arrival.visit.fence;
        let min_inside_ms = min_inside_ms(self.fence(fence), self.judge.settings);
        if !arrival.is_due(self.fix.t, min_inside_ms) {
            let slot = machine.arrivals.partition_point(|other| other.visit.fence < fence);
            machine.arrivals.insert(slot, arrival);
            return;
        }
        let Arrival { mut visit, reason, version, .. } = arrival;
        let crossing = Crossing {
            reason,
            time: visit.enter,
            not_before: visit.enter_not_before,
            not_after: visit.enter_not_after,
        };
        self.transition(fence, version, visit.cause, visit.place, crossing).enter(&visit, scratch);
        visit.reach_dwells(self.judge, self.epoch, self.fix, scratch);
        let slot = machine.visits.partition_point(|other| other.fence < fence);
        make_room(&mut machine.visits, 1);
        machine.visits.insert(slot, visit);
    }

    /// How the step that ends here came in.
    fn way_in(&self, fence: u32) -> Crossing {
        let settings = self.judge.settings;
        match self.step {
            None => Crossing::at(self.fix.t, None, settings),
            Some(step) => {
                let valid_from = self.valid_from(fence);
                step.way_in(&self.fence(fence).shape, valid_from, settings)
            }
        }
    }

    /// The same for a fix that comes too late to confirm `before`. If both are
    /// inside, the step between them goes over no edge: the vehicle came in
    /// at some time since it was last outside.
    fn way_in_again(&self, before: &Arrival) -> Crossing {
        if self.step.is_some_and(|step| step.from.t > before.last_inside()) {
            return self.way_in(before.visit.fence);
        }
        let outside = (before.reason != Reason::FirstSeen).then_some(before.visit.enter_not_before);
        Crossing::at(self.fix.t, outside, self.judge.settings)
    }

    /// When the fence became what it is to the vehicle, if on this step: its
    /// version came into force, it opened, or it came to ask for the vehicle.
    fn valid_from(&self, fence: u32) -> Option<TimeMs> {
        let from = self.step?.from.t;
        let timeline = self.judge.timeline;
        let version = timeline.version_start(self.number, fence, from);
        version.max(self.scope.start(timeline, self.number, fence, from))
    }

    fn transition(
        &self,
        index: u32,
        version: u32,
        cause: Cause,
        place: Place,
        crossing: Crossing,
    ) -> Transition<'_> {
        Transition {
            judge: self.judge,
            fence: FenceRef { id: self.epoch.id(index).clone(), version },
            index,
            cause,
            place,
            crossing,
            at: self.fix.t,
            observed: self.fix.received,
        }
    }

    fn fence(&self, index: u32) -> &Fence {
        &self.epoch.set.fences()[index as usize]
    }

    /// Whether the fix, outside, is more than `limit_m` from the fence's edge.
    fn is_beyond(&self, fence: u32, limit_m: f64) -> bool {
        self.fence(fence).shape.is_beyond(self.fix.position, limit_m)
    }
}

/// Shortest stay at `fence` that counts as an enter, milliseconds.
pub(super) fn min_inside_ms(fence: &Fence, settings: &Settings) -> i64 {
    fence.settings.min_inside_s.map_or(settings.min_inside_ms, |seconds| i64::from(seconds) * 1000)
}
