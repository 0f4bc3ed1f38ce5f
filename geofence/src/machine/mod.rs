//! The machine of one vehicle: fixed-size state, moved from fix to fix in
//! order of event time.
//!
//! A step is a function of state, fix, settings and fences, and what it
//! decides is data. So the state at the start of a hot window and the fixes
//! in it say everything that was decided there, in whatever order they came.

mod fences;
mod rest;
mod transitions;
mod visit;

use protos::events::Reason;
use protos::events::fleet_event::Detail;

pub(crate) use rest::{EngineValue, IdleRun, Rest};
pub(crate) use visit::Visit;

use crate::decided::{Body, Decided, FenceRef, Group, Margin, Place};
use crate::fix::Fix;
use crate::hash::{Cause, event_id};
use crate::timeline::{Epoch, Timeline};
use crate::{Settings, TimeMs};

/// What a step is judged by.
#[derive(Clone, Copy)]
pub(crate) struct Judge<'a> {
    pub(crate) vehicle_id: &'a str,
    pub(crate) settings: &'a Settings,
    pub(crate) timeline: &'a Timeline,
}

/// What steps write to; the buffers are used again.
#[derive(Default)]
pub(crate) struct Scratch {
    pub(crate) decided: Vec<Decided>,
    hits: Vec<u32>,
}

/// State of one vehicle after its last fix.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Machine {
    /// The last fix judged.
    pub(crate) last: Option<Fix>,
    /// Number of the fence epoch that judged it; without meaning before.
    pub(crate) epoch: u32,
    /// Fences the vehicle is in, by index in the epoch's set.
    pub(crate) visits: Vec<Visit>,
    /// The last engine value reported.
    pub(crate) engine: Option<EngineValue>,
    /// The run of fixes in one place, if the last fix belongs to one.
    pub(crate) rest: Option<Rest>,
}

impl Machine {
    /// Judges the next fix of the vehicle.
    pub(crate) fn step(&mut self, judge: Judge<'_>, fix: &Fix, scratch: &mut Scratch) {
        if self.last.is_none() {
            self.epoch = judge.timeline.number_at(fix.t);
        } else {
            self.change_fences(judge, fix.t, scratch);
        }
        transitions::step(self, judge, fix, scratch);
        rest::step(self, judge, fix, scratch);
        self.last = Some(*fix);
    }

    /// Lets timers fire: fence changes up to `fences`, and gaps that no fix
    /// before `gaps` filled.
    pub(crate) fn run_timers(
        &mut self,
        judge: Judge<'_>,
        fences: TimeMs,
        gaps: TimeMs,
        scratch: &mut Scratch,
    ) {
        if self.last.is_some() {
            self.change_fences(judge, fences, scratch);
            rest::expire(self, judge, gaps, scratch);
        }
    }

    fn change_fences(&mut self, judge: Judge<'_>, through: TimeMs, scratch: &mut Scratch) {
        while let Some(next) = judge.timeline.next(self.epoch)
            && next.valid_from <= through
        {
            fences::change(self, judge, next, scratch);
            self.epoch += 1;
        }
    }
}

/// An event in the making: what all kinds have in common.
struct Draft<'a> {
    judge: Judge<'a>,
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
            body: Body {
                id,
                detail,
                fence,
                group,
                time: self.time,
                not_before: self.not_before,
                not_after: self.not_after,
                place: Some(self.place),
                reason: self.reason,
            },
        }
    }
}

impl Epoch {
    fn fence_ref(&self, index: u32) -> FenceRef {
        let index = index as usize;
        FenceRef { id: self.ids[index].clone(), version: self.versions[index] }
    }
}

/// Where `fix` was, as seen from fence `index` of `epoch`.
fn place_at_fence(epoch: &Epoch, index: u32, fix: &Fix) -> Place {
    let shape = &epoch.set.fences()[index as usize].shape;
    let margin = Margin {
        distance_m: shape.signed_distance_m(fix.position),
        confidence: shape.confidence(fix.position, fix.accuracy_m()),
    };
    Place { margin: Some(margin), ..place(fix) }
}

fn place(fix: &Fix) -> Place {
    Place { position: fix.position, accuracy_m: fix.accuracy.map(round_mm), margin: None }
}

/// Millimetres are what a 32-bit radius can still tell.
fn round_mm(metres: f32) -> f64 {
    (f64::from(metres) * 1000.0).round() / 1000.0
}

/// Whole milliseconds as seconds.
fn seconds(ms: i64) -> f64 {
    ms as f64 / 1000.0
}
