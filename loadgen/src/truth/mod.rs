//! What really happened: events of the continuous path, with exact times.
//!
//! The path of a vehicle is the broken line through its corners and its fixes,
//! each rounded to 1e-7 degree. When it comes into a region and leaves it is
//! computed on that line, to the millisecond, whatever becomes of the fixes on
//! their way. The fixes (when the device looks, not what it sees) decide three
//! things only, because the specification defines them by fixes: a stay that
//! no fix falls into is a pass, an absence ends a visit only if fixes show it,
//! and a rest lasts from fix to fix. Decision record 0039 has the definition.
//!
//! Where even an exact observer could not decide, because the path keeps within
//! [`Expect::blur_m`] of an edge or within [`Expect::slack_ms`] of a threshold, a
//! record is not `required`: nobody is blamed for the event, nor for its
//! absence.

mod record;
mod rest;
mod silence;
mod step;
mod visits;

use geofence::Position;

pub use record::{Kind, Names, Record, read_records, vehicle_id, vehicle_number, write_record};
pub use step::Piece;

use crate::fences::Fences;
use rest::RestTruth;
use silence::SilenceTruth;
use step::Step;
use visits::VisitsTruth;

/// What the truth presumes of the target's settings, and how exactly its input
/// tells what happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Expect {
    /// Dwell thresholds of fences that set none, seconds, rising.
    pub dwell_s: Vec<u32>,
    /// Shortest stationary episode, milliseconds.
    pub stationary_after_ms: i64,
    /// Shortest idle episode, milliseconds.
    pub idle_after_ms: i64,
    /// Largest gap inside an idle episode, milliseconds.
    pub idle_gap_ms: i64,
    /// Largest step that is taken for a straight pass, milliseconds.
    pub cross_max_gap_ms: i64,
    /// Shortest silence that is taken for offline, milliseconds.
    pub offline_after_ms: i64,
    /// 68 % radius that fixes report, metres.
    pub accuracy_m: f64,
    /// Distance from an edge within which sides are not decidable, metres.
    pub blur_m: f64,
    /// Time from a threshold within which it is not decidable whether it was
    /// reached, milliseconds.
    pub slack_ms: i64,
    /// Pings arrive when they are taken, so that silence can be told.
    pub arrives_at_once: bool,
}

impl Default for Expect {
    /// The engine's defaults, fixes of 1 m without error.
    fn default() -> Self {
        Self {
            dwell_s: vec![300],
            stationary_after_ms: 300_000,
            idle_after_ms: 300_000,
            idle_gap_ms: 200_000,
            cross_max_gap_ms: 150_000,
            offline_after_ms: 300_000,
            accuracy_m: 1.0,
            blur_m: 0.1,
            slack_ms: 2,
            arrives_at_once: true,
        }
    }
}

/// One look of the device, as it really was.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrueFix {
    /// When, milliseconds since the start of the run.
    pub t_ms: i64,
    /// Where.
    pub position: Position,
    /// Since when the vehicle has been standing, if it stands.
    pub standing_since_ms: Option<i64>,
    /// Whether the engine runs, and since when it does or does not; `None` for
    /// a vehicle that never tells.
    pub engine: Option<(bool, i64)>,
    /// When the rest before this fix really ended, if one did.
    pub stood_until_ms: Option<i64>,
}

/// What is kept of one vehicle between its fixes.
#[derive(Clone, Debug, Default)]
pub struct Tracker {
    last: Option<(i64, Position)>,
    visits: VisitsTruth,
    rest: RestTruth,
    silence: SilenceTruth,
}

/// Memory used again from step to step.
#[derive(Debug, Default)]
pub struct Scratch {
    near: Vec<u32>,
    step: Step,
}

/// Where records of one vehicle go.
pub(crate) struct Out<'a> {
    pub(crate) vehicle: u32,
    pub(crate) take: &'a mut dyn FnMut(Record),
}

impl Out<'_> {
    pub(crate) fn push(&mut self, kind: Kind, t_ms: i64, required: bool) {
        self.push_at(kind, None, t_ms, required);
    }

    pub(crate) fn push_at(&mut self, kind: Kind, fence: Option<u32>, t_ms: i64, required: bool) {
        let record = Record { vehicle: self.vehicle, kind, fence, t_ms, required, detail_ms: 0 };
        (self.take)(record);
    }

    pub(crate) fn push_record(&mut self, record: Record) {
        (self.take)(Record { vehicle: self.vehicle, ..record });
    }
}

impl Tracker {
    /// Takes the way since the last fix, in pieces, and the fix it ends at; the
    /// first fix has no way. What is decided goes to `take`.
    pub fn step(
        &mut self,
        world: (&Fences, &Expect),
        vehicle: u32,
        way: &[Piece],
        fix: &TrueFix,
        scratch: &mut Scratch,
        take: &mut dyn FnMut(Record),
    ) {
        let (fences, expect) = world;
        let mut out = Out { vehicle, take };
        self.silence.step(expect, fix.t_ms, &mut out);
        let from = self.last.unwrap_or((fix.t_ms, fix.position));
        let whole = Piece { from: from.1, to: fix.position, start_ms: from.0, end_ms: fix.t_ms };
        let way = if way.is_empty() { std::slice::from_ref(&whole) } else { way };
        scratch.step.walk(fences, way, &mut scratch.near);
        self.visits.step(
            (fences, expect),
            &scratch.step,
            self.last.is_none(),
            from.0,
            fix,
            &mut out,
        );
        self.rest.step(expect, fix, self.last.map(|last| last.0), &mut out);
        self.last = Some((fix.t_ms, fix.position));
    }

    /// The run is over, at `end_ms`.
    pub fn end(
        &mut self,
        world: (&Fences, &Expect),
        vehicle: u32,
        end_ms: i64,
        take: &mut dyn FnMut(Record),
    ) {
        let mut out = Out { vehicle, take };
        self.visits.end(world, &mut out);
        self.rest.end(world.1, &mut out);
        self.silence.end(world.1, end_ms, &mut out);
    }

    /// When and where the last fix was.
    #[must_use]
    pub fn last(&self) -> Option<(i64, Position)> {
        self.last
    }
}
