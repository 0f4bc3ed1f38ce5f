//! The machine of one vehicle: fixed-size state, moved from fix to fix in
//! order of event time.
//!
//! A step is a function of state, fix, settings and fences, and what it
//! decides is data. So the state at the start of a hot window and the fixes
//! in it say everything that was decided there, in whatever order they came.

mod arrival;
mod fences;
mod leaving;
mod plain;
mod refused;
mod rest;
mod robust;
mod scope;
mod step;
pub(crate) mod trace;
mod transitions;
mod visit;

use std::borrow::Cow;
use std::sync::Arc;

use protos::events::Reason;
use protos::events::fleet_event::Detail;

pub(crate) use arrival::Arrival;
pub(crate) use leaving::Leaving;
pub(crate) use refused::Refused;
pub(crate) use rest::{IdleRun, Rest};
pub(crate) use transitions::Crossing;
pub(crate) use visit::Visit;

use crate::decided::{Body, Decided, FenceRef, Group, Place};
use crate::fix::{Fix, Sighting};
use crate::hash::{Cause, event_id};
use crate::lists::RareList;
use crate::number::MaybeTime;
use crate::roster::Tags;
use crate::timeline::Timeline;
use crate::vehicle::Spares;
use crate::{FenceEpoch, Profile, Settings, TimeMs};
use fences::Turn;
use refused::{Note, Refusal};
use scope::Scope;
use step::Step;

/// A fix less accurate than this takes no part in detection, metres.
pub(crate) const ACCURACY_M_MAX: f64 = 200.0;

/// What a step is judged by.
#[derive(Clone, Copy)]
pub(crate) struct Judge<'a> {
    pub(crate) vehicle_id: &'a str,
    pub(crate) settings: &'a Settings,
    pub(crate) timeline: &'a Timeline,
    pub(crate) tags: Tags<'a>,
    /// The input is over: no fix follows that could show what is held.
    pub(crate) ended: bool,
}

/// What steps write to; the buffers are used again.
#[derive(Default)]
pub(crate) struct Scratch {
    pub(crate) spares: Spares,
    pub(crate) decided: Vec<Decided>,
    pub(crate) refused: Refused,
    /// Each refusal by itself, for a trace; nobody else asks.
    notes: Option<Vec<Note>>,
    hits: Vec<u32>,
    passed: Vec<u32>,
    pub(crate) slots: Vec<Option<u32>>,
    /// Positions by their place, and slots of their vehicles, that are yet to be
    /// given their fences.
    pub(crate) without_fences: Vec<(usize, u32)>,
}

impl Scratch {
    /// Counts a refusal at `fence`, or of the fix itself.
    fn refuse(&mut self, refusal: Refusal, fence: Option<&Arc<str>>) {
        self.refused.count(refusal);
        self.note(refusal.name(), fence, None);
    }

    /// The same for a pass through `fence` of this length.
    fn refuse_pass(&mut self, refusal: Refusal, fence: &Arc<str>, inside_m: f64) {
        self.refused.count(refusal);
        self.note(refusal.name(), Some(fence), Some(inside_m));
    }

    fn note(&mut self, rule: &'static str, fence: Option<&Arc<str>>, inside_m: Option<f64>) {
        if let Some(notes) = &mut self.notes {
            notes.push(Note { rule, fence: fence.cloned(), inside_m });
        }
    }
}

/// State of one vehicle after its last fix.
#[derive(Debug, PartialEq)]
pub(crate) struct Machine {
    /// The last fix judged; under the robust profile the last one accepted.
    pub(crate) last: Option<Sighting>,
    /// Number of the fence epoch that judged it; without meaning before.
    pub(crate) epoch: u32,
    /// When the vehicle's tags came into force that judged it; none while
    /// tags do not count.
    pub(crate) assigned: MaybeTime,
    /// When a fence that holds the last fix, or that the vehicle is at, may
    /// open or close next; the end of time if none ever does.
    pub(crate) wakes: TimeMs,
    /// Fences the vehicle is in, by index in the epoch's set.
    pub(crate) visits: Vec<Visit>,
    /// Fences it may be in, or has not been in for long enough, likewise. No
    /// fence is in both lists.
    pub(crate) arrivals: RareList<Arrival>,
    /// A fix too far from the last one to be believed before the next one
    /// bears it out.
    pub(crate) suspect: Option<Box<Fix>>,
    /// The last engine value reported, and the time of the fix that did; that is
    /// without meaning before there is one.
    pub(crate) engine_on: Option<bool>,
    pub(crate) engine_t: TimeMs,
    /// The run of fixes in one place, if the last fix belongs to one.
    pub(crate) rest: Option<Box<Rest>>,
}

/// The machine before the first fix.
pub(crate) static FRESH: Machine = Machine {
    last: None,
    epoch: 0,
    assigned: MaybeTime::NONE,
    wakes: TimeMs::MAX,
    visits: Vec::new(),
    arrivals: RareList::new(),
    suspect: None,
    engine_on: None,
    engine_t: TimeMs(0),
    rest: None,
};

impl Default for Machine {
    fn default() -> Self {
        FRESH.clone()
    }
}

/// Visits that a copied machine has room for at the most, whether it has any or
/// not.
const SMALL: usize = 4;

impl Clone for Machine {
    fn clone(&self) -> Self {
        Self {
            visits: self.visits.clone(),
            arrivals: self.arrivals.clone(),
            suspect: self.suspect.clone(),
            rest: self.rest.clone(),
            ..*self
        }
    }

    /// Uses what `self` has allocated again.
    fn clone_from(&mut self, source: &Self) {
        let Self { last, epoch, assigned, wakes, engine_on, engine_t, .. } = *source;
        (self.last, self.epoch, self.assigned, self.wakes) = (last, epoch, assigned, wakes);
        (self.engine_on, self.engine_t) = (engine_on, engine_t);
        let Self { visits, arrivals, suspect, rest, .. } = source;
        self.visits.clone_from(visits);
        self.arrivals.clone_from(arrivals);
        self.suspect.clone_from(suspect);
        self.rest.clone_from(rest);
    }
}

impl Machine {
    /// Whether a copy of another machine may use what this one has allocated:
    /// what is made for a vehicle in many fences would else be carried by one
    /// in none.
    pub(crate) fn is_small(&self) -> bool {
        self.visits.capacity() <= SMALL
    }

    /// Judges the next fix of the vehicle.
    pub(crate) fn step(&mut self, judge: &Judge<'_>, fix: &Fix, scratch: &mut Scratch) {
        if self.stays_among_fences(judge, fix) {
            let epoch = judge.timeline.epoch(self.epoch);
            for visit in &mut self.visits {
                visit.stay(judge, epoch, fix, scratch);
            }
            return self.conclude(judge, fix, scratch);
        }
        match judge.settings.profile {
            Profile::Plain => {
                self.forget_doubts();
                self.accept(judge, fix, scratch);
            }
            Profile::Robust => self.weigh(judge, fix, scratch),
        }
    }

    /// Accepts `fix`, or holds it if the vehicle can hardly have got there;
    /// the next fix then accepts it or shows it to be wrong.
    fn weigh(&mut self, judge: &Judge<'_>, fix: &Fix, scratch: &mut Scratch) {
        if fix.accuracy_m() > ACCURACY_M_MAX {
            // It says nothing of a fix that is held, for which timers wait.
            if self.suspect.is_none() {
                self.run_timers(judge, fix.t, fix.t, scratch);
            }
            return;
        }
        let first = scratch.decided.len();
        let held = self.suspect.take();
        if let Some(suspect) = &held {
            if (Step { from: suspect.sighting(), to: fix }).is_possible() {
                self.accept(judge, suspect, scratch);
                for decided in &mut scratch.decided[first..] {
                    decided.observed = fix.received;
                }
            } else {
                scratch.refuse(Refusal::Teleport, None);
            }
        }
        let possible = |last| Step { from: last, to: fix }.is_possible();
        if self.last.is_none_or(possible) {
            self.accept(judge, fix, scratch);
        } else {
            // So much has happened by now, whether it is accepted or not.
            self.run_to(judge, fix.t, fix.t, scratch);
            self.suspect = Some(Box::new(*fix));
        }
        if held.is_some() {
            decided_no_earlier(fix.t, &mut scratch.decided[first..]);
        }
    }

    fn accept(&mut self, judge: &Judge<'_>, fix: &Fix, scratch: &mut Scratch) {
        if self.last.is_none() {
            self.epoch = judge.timeline.number_at(fix.t);
            self.assigned = judge.tags.in_force(fix.t).into();
        } else {
            self.turn(judge, fix.t, scratch);
        }
        match judge.settings.profile {
            Profile::Plain => plain::step(self, judge, fix, scratch),
            Profile::Robust => robust::step(self, judge, fix, scratch),
        }
        self.heed_fences_near(self.scope(judge, fix.t));
        self.conclude(judge, fix, scratch);
    }

    /// Ends the judgement of `fix`, which the fences have had.
    #[inline(always)]
    fn conclude(&mut self, judge: &Judge<'_>, fix: &Fix, scratch: &mut Scratch) {
        rest::step(self, judge, fix, scratch);
        self.last = Some(fix.sighting());
    }

    /// Whether `fix` is accepted and leads by no outline, while nothing is
    /// pending: the visits go on, and that is all that comes of it at any fence.
    /// Asked first since it holds for most fixes.
    #[inline]
    fn stays_among_fences(&self, judge: &Judge<'_>, fix: &Fix) -> bool {
        let Some(last) = self.last else { return false };
        let is_accepted = || match judge.settings.profile {
            Profile::Plain => true,
            Profile::Robust => {
                fix.accuracy_m() <= ACCURACY_M_MAX && Step { from: last, to: fix }.is_possible()
            }
        };
        self.suspect.is_none()
            && self.arrivals.is_empty()
            && self.visits.iter().all(|visit| visit.leaving.is_none())
            && !self.has_turns_ahead(judge)
            && judge.timeline.epoch(self.epoch).set.is_uniform(last.position, fix.position)
            && is_accepted()
    }

    /// Whether time alone may change the state while gaps are known up to `gaps`
    /// at the most: [`Self::run_timers`] may have something to do.
    #[inline]
    pub(crate) fn heeds_time(&self, judge: &Judge<'_>, gaps: TimeMs) -> bool {
        let expires = || self.rest.as_ref().is_some_and(|rest| rest.expires_by(judge, gaps));
        self.last.is_some() && (self.has_turns_ahead(judge) || expires())
    }

    /// Lets timers fire: fence changes up to `fences`, and up to `gaps` the
    /// openings and closings of fences and gaps that no fix filled. While a
    /// fix is held they wait for the next one, which says whether it comes
    /// before them. Returns whether something was due by `gaps`.
    pub(crate) fn run_timers(
        &mut self,
        judge: &Judge<'_>,
        fences: TimeMs,
        gaps: TimeMs,
        scratch: &mut Scratch,
    ) -> bool {
        if self.timers_wait(judge) {
            return false;
        }
        let first = scratch.decided.len();
        let expired = self.run_to(judge, fences, gaps, scratch);
        if self.suspect.is_some() {
            decided_no_earlier(fences, &mut scratch.decided[first..]);
        }
        expired
    }

    fn timers_wait(&self, judge: &Judge<'_>) -> bool {
        self.last.is_none() || (self.suspect.is_some() && !judge.ended)
    }

    fn run_to(
        &mut self,
        judge: &Judge<'_>,
        fences: TimeMs,
        gaps: TimeMs,
        scratch: &mut Scratch,
    ) -> bool {
        self.turn(judge, fences, scratch);
        let turns = self.wakes_by(gaps);
        if turns {
            self.turn(judge, gaps, scratch);
        }
        rest::expire(self, judge, gaps, scratch) || turns
    }

    /// Whether a fence that concerns the vehicle opens or closes by `through`.
    pub(crate) fn wakes_by(&self, through: TimeMs) -> bool {
        self.wakes < TimeMs::MAX && self.wakes <= through
    }

    /// Whether the vehicle's state at the fence is another than Outside.
    fn is_near(&self, fence: u32) -> bool {
        self.visits.binary_search_by_key(&fence, |visit| visit.fence).is_ok()
            || self.arrivals.iter().any(|arrival| arrival.visit.fence == fence)
    }

    /// Whether all is measured that [`Self::measure`] does.
    fn is_measured(&self) -> bool {
        let arriving = self.arrivals.iter().map(|arrival| &arrival.visit);
        let mut leavings = self.visits.iter().chain(arriving).filter_map(|it| it.leaving.as_ref());
        leavings.all(|leaving| leaving.unmeasured.is_none())
    }

    /// Measures what of the runs that may end visits was not asked for yet, by
    /// the fences of the machine's epoch. State that is kept elsewhere, or
    /// compared, has all of it.
    pub(crate) fn measure(&mut self, timeline: &Timeline) {
        if self.is_measured() {
            return;
        }
        let epoch = timeline.epoch(self.epoch);
        let arriving = self.arrivals.iter_mut().map(|arrival| &mut arrival.visit);
        for visit in self.visits.iter_mut().chain(arriving) {
            if let Some(leaving) = &mut visit.leaving {
                leaving.measure(&epoch.set.fences()[visit.fence as usize].shape);
            }
        }
    }

    /// The same with all of it measured.
    pub(crate) fn measured(&self, timeline: &Timeline) -> Cow<'_, Self> {
        if self.is_measured() {
            return Cow::Borrowed(self);
        }
        let mut measured = self.clone();
        measured.measure(timeline);
        Cow::Owned(measured)
    }

    /// Drops what only the robust profile knows of, when the settings change.
    fn forget_doubts(&mut self) {
        self.suspect = None;
        self.arrivals.clear();
        for visit in &mut self.visits {
            visit.leaving = None;
        }
    }

    /// Goes over every change of the fences, opening, closing and change of
    /// the vehicle's tags up to `through`. What has one time is one turn.
    #[inline]
    fn turn(&mut self, judge: &Judge<'_>, through: TimeMs, scratch: &mut Scratch) {
        if self.has_turns_ahead(judge) {
            self.go_over_turns(judge, through, scratch);
        }
    }

    fn go_over_turns(&mut self, judge: &Judge<'_>, through: TimeMs, scratch: &mut Scratch) {
        while let Some(due) = self.due(judge)
            && due.at <= through
        {
            let at = due.at;
            let before = self.scope(judge, at.plus(-1));
            self.measure(judge.timeline);
            self.epoch += u32::from(due.fences);
            if due.tags {
                self.assigned = Some(at).into();
            }
            let turn = Turn { at, before, next: self.scope(judge, at) };
            fences::change(self, judge, turn, scratch);
            self.heed_fences_near(turn.next);
        }
    }

    /// Whether there may be a turn to go over at some time. As good as never,
    /// and asked several times of each fix.
    #[inline]
    fn has_turns_ahead(&self, judge: &Judge<'_>) -> bool {
        self.wakes < TimeMs::MAX || judge.tags.count() || judge.timeline.next(self.epoch).is_some()
    }

    /// The next turn there is.
    fn due(&self, judge: &Judge<'_>) -> Option<Due> {
        let fences = judge.timeline.next(self.epoch).map(|epoch| epoch.valid_from);
        let tags = judge.tags.next(self.assigned.get());
        let wakes = Some(self.wakes).filter(|at| *at < TimeMs::MAX);
        let at = [fences, tags, wakes].into_iter().flatten().min()?;
        Some(Due { at, fences: fences == Some(at), tags: tags == Some(at) })
    }

    /// What concerns the vehicle at `at`, by the fences and tags it has come to.
    fn scope<'a>(&self, judge: &'a Judge<'a>, at: TimeMs) -> Scope<'a> {
        let epoch = judge.timeline.epoch(self.epoch);
        Scope { epoch, tags: judge.tags, assigned: self.assigned.get(), at }
    }

    /// Has the fences that the vehicle is at wake it, besides those that hold
    /// its last fix.
    fn heed_fences_near(&mut self, scope: Scope<'_>) {
        let visits = self.visits.iter().map(|visit| visit.fence);
        let arrivals = self.arrivals.iter().map(|arrival| arrival.visit.fence);
        self.wakes = self.wakes.min(scope.still_until(visits.chain(arrivals)));
    }
}

/// A moment at which fences, tags, or the hours of a fence change, and which
/// of the first two do.
#[derive(Clone, Copy, Debug)]
struct Due {
    at: TimeMs,
    fences: bool,
    tags: bool,
}

/// What waited for a held fix is decided when the wait is over: a state from
/// before then, such as a checkpoint's, does not know it.
fn decided_no_earlier(t: TimeMs, decided: &mut [Decided]) {
    for decided in decided {
        decided.at = decided.at.max(t);
    }
}

/// An event in the making: what all kinds have in common.
struct Draft<'a> {
    judge: &'a Judge<'a>,
    /// What decided it, and when that was received.
    at: TimeMs,
    observed: TimeMs,
    /// What it hangs on.
    cause: Cause,
    place: Place,
    /// Event time and the interval that holds the true one.
    time: TimeMs,
    not_before: TimeMs,
    not_after: TimeMs,
    reason: Reason,
}

impl Draft<'_> {
    /// The finished event. `kind` and `sequence` tell it from the others of
    /// its cause.
    fn decide(
        self,
        kind: &str,
        sequence: u32,
        detail: Detail,
        fence: Option<FenceRef>,
        group: Group,
    ) -> Decided {
        let rule = fence.as_ref().map_or("", |fence| fence.id.as_ref());
        let id = event_id(
            &self.judge.settings.tenant,
            self.judge.vehicle_id,
            kind,
            rule,
            self.cause,
            sequence,
        );
        Decided {
            at: self.at,
            observed: self.observed,
            emitted: false,
            late: false,
            body: Box::new(Body {
                id,
                detail,
                fence,
                group,
                time: self.time,
                not_before: self.not_before,
                not_after: self.not_after,
                place: Some(self.place),
                reason: self.reason,
            }),
        }
    }
}

impl FenceEpoch {
    fn fence_ref(&self, index: u32) -> FenceRef {
        FenceRef { id: Arc::clone(self.id(index)), version: self.version(index) }
    }
}

/// Where `fix` was, as seen from fence `index` of `epoch`, which it is inside
/// of or not.
fn place_at_fence(epoch: &FenceEpoch, index: u32, fix: Sighting, inside: bool) -> Place {
    let shape = &epoch.set.fences()[index as usize].shape;
    let (distance_m, confidence) = shape.margin_on_side(fix.position, fix.accuracy_m(), inside);
    let (distance_m, confidence) = (Some(distance_m).into(), Some(confidence).into());
    Place { distance_m, confidence, ..place(fix) }
}

fn place(fix: Sighting) -> Place {
    Place::new(fix.position, fix.accuracy.get().map(round_mm), None, None)
}

/// Millimetres are what a 32-bit radius can still tell.
fn round_mm(metres: f32) -> f64 {
    (f64::from(metres) * 1000.0).round() / 1000.0
}

/// Whole milliseconds as seconds.
fn seconds(ms: i64) -> f64 {
    ms as f64 / 1000.0
}
