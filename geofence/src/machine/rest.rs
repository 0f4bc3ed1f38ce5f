//! Stationary and idle episodes (semantics §8).
//!
//! A stationary run is a row of fixes, each close to the first (the anchor)
//! and slow where a speed is given. Idle are the longest stretches inside such
//! a run with the engine on at every fix and no gap over `idle_gap`. Either
//! becomes an episode once it has lasted long enough from fix to fix.

use protos::events::fleet_event::Detail;
use protos::events::{IdleEnd, IdleStart, Reason, StationaryEnd, StationaryStart};

use super::{Draft, Judge, Machine, Scratch, place, seconds};
use crate::decided::{Decided, Group};
use crate::fix::Fix;
use crate::hash::{Cause, group_id};
use crate::plane::Plane;
use crate::{Settings, TimeMs};

/// Radius that a stationary vehicle never leaves, metres, unless its fixes
/// are worse than that.
const RADIUS_M: f64 = 30.0;
/// Fastest speed of a stationary vehicle, metres per second.
pub(super) const SPEED_MPS_MAX: f32 = 0.5;
/// A 1e-7 degree of latitude is at least this long: the WGS 84 meridian
/// radius is smallest at the equator, 6,335,439 m. It rules out most moving
/// vehicles without trigonometry.
const NORTH_M_PER_E7_MIN: f64 = 0.011;

/// A stationary run.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rest {
    /// The first fix of the run; every other is measured against it.
    pub(crate) anchor: Fix,
    /// Time of the fix before the anchor, or the anchor's own.
    pub(crate) not_before: TimeMs,
    /// Time of the last fix of the run.
    pub(crate) last: TimeMs,
    /// The run has become an episode.
    pub(crate) episode: bool,
    /// The stretch with the engine on that the last fix belongs to.
    pub(crate) idle: Option<IdleRun>,
}

/// A stretch of a stationary run with the engine on.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct IdleRun {
    /// The first and the last fix of the stretch.
    pub(crate) first: Fix,
    pub(crate) last: Fix,
    /// Time of the fix before the first, or the first one's own.
    pub(crate) not_before: TimeMs,
    /// The stretch has become an episode.
    pub(crate) episode: bool,
}

/// Judges `fix` after the fences have.
#[inline(always)]
pub(super) fn step(machine: &mut Machine, judge: &Judge<'_>, fix: &Fix, scratch: &mut Scratch) {
    if let Some(on) = fix.engine {
        (machine.engine_on, machine.engine_t) = (Some(on), fix.t);
    }
    // Most vehicles drive on.
    if machine.rest.is_some() || slow(fix) {
        step_at_rest(machine, judge, fix, scratch);
    }
}

/// Begins a run with `fix`, carries one on or ends it.
fn step_at_rest(machine: &mut Machine, judge: &Judge<'_>, fix: &Fix, scratch: &mut Scratch) {
    let settings = judge.settings;
    let engine = engine_on(machine, fix, settings);
    let before = machine.last.map_or(fix.t, |last| last.t);
    expire(machine, judge, fix.t, scratch);

    match &mut machine.rest {
        Some(rest) if rest.holds(fix) => {
            rest.last = fix.t;
            if !rest.episode && fix.t.since(rest.anchor.t) >= settings.stationary_after_ms {
                rest.episode = true;
                scratch.decided.push(rest.start(judge, fix));
            }
            rest.step_idle(judge, fix, engine, before, scratch);
        }
        other => {
            let left = other.take();
            if let Some(rest) = &left {
                rest.leave(judge, fix, scratch);
            }
            if slow(fix) {
                let mut rest = Rest {
                    anchor: *fix,
                    not_before: before,
                    last: fix.t,
                    episode: false,
                    idle: None,
                };
                rest.step_idle(judge, fix, engine, before, scratch);
                machine.rest = Some(match left {
                    Some(mut place) => {
                        *place = rest;
                        place
                    }
                    None => Box::new(rest),
                });
            }
        }
    }
}

/// Ends an idle stretch that no fix before `t` continued in time. Its end is
/// known once the gap is over, whatever comes after. Returns whether there was
/// such a stretch.
#[inline(always)]
pub(super) fn expire(
    machine: &mut Machine,
    judge: &Judge<'_>,
    t: TimeMs,
    scratch: &mut Scratch,
) -> bool {
    match &mut machine.rest {
        Some(rest) if rest.expires_by(judge, t) => {
            rest.end_idle_by_gap(judge, scratch);
            true
        }
        _ => false,
    }
}

/// The engine at `fix`: what it reports itself, which is noted, else the last
/// value that is not older than `idle_gap`, else unknown.
fn engine_on(machine: &Machine, fix: &Fix, settings: &Settings) -> Option<bool> {
    let is_recent = fix.t.since(machine.engine_t) <= settings.idle_gap_ms;
    let known = machine.engine_on.filter(|_| is_recent);
    known.or(settings.assume_engine_on.then_some(true))
}

fn slow(fix: &Fix) -> bool {
    fix.speed_mps.get().is_none_or(|speed| speed <= SPEED_MPS_MAX)
}

impl Rest {
    /// Whether [`expire`] ends an idle stretch by `t`.
    #[inline]
    pub(super) fn expires_by(&self, judge: &Judge<'_>, t: TimeMs) -> bool {
        self.idle.as_ref().is_some_and(|idle| t > idle.gap_over(judge))
    }

    /// Ends the idle stretch, which nothing came in time to carry on.
    fn end_idle_by_gap(&mut self, judge: &Judge<'_>, scratch: &mut Scratch) {
        let Some(idle) = self.idle.take() else { return };
        let gap_over = idle.gap_over(judge);
        let end = IdleEnding {
            at: gap_over.plus(1),
            observed: idle.last.received,
            cause: idle.last,
            time: idle.last.t,
            not_after: gap_over,
            reason: Reason::Gap,
        };
        scratch.decided.extend(idle.end(judge, end));
    }

    /// How far from the anchor `fix` may be, metres.
    pub(super) fn radius_m(&self, fix: &Fix) -> f64 {
        RADIUS_M.max(fix.accuracy_m() + self.anchor.accuracy_m())
    }

    fn holds(&self, fix: &Fix) -> bool {
        let radius = self.radius_m(fix);
        let (here, anchor) = (fix.position, self.anchor.position);
        let north_m_min = f64::from((here.lat - anchor.lat).abs()) * NORTH_M_PER_E7_MIN;
        slow(fix)
            && (here == anchor
                || (north_m_min <= radius && Plane::at(here).distance_m(anchor) <= radius))
    }

    fn start(&self, judge: &Judge<'_>, fix: &Fix) -> Decided {
        let draft = Draft {
            judge,
            at: fix.t,
            observed: fix.received,
            cause: Cause::Ping(self.anchor.identity),
            place: place(self.anchor.sighting()),
            time: self.anchor.t,
            not_before: self.not_before,
            not_after: self.anchor.t,
            reason: Reason::Unspecified,
        };
        let detail = Detail::StationaryStart(StationaryStart {});
        draft.decide("stationary_start", 0, detail, None, self.group(judge))
    }

    /// Ends the run at `fix`, which does not belong to it.
    fn leave(&self, judge: &Judge<'_>, fix: &Fix, scratch: &mut Scratch) {
        if let Some(idle) = &self.idle {
            let end = IdleEnding::by(fix, idle.last.t, Reason::Moved);
            scratch.decided.extend(idle.end(judge, end));
        }
        if self.episode {
            let draft = Draft {
                judge,
                at: fix.t,
                observed: fix.received,
                cause: Cause::Ping(fix.identity),
                place: place(fix.sighting()),
                time: self.last,
                not_before: self.last,
                not_after: fix.t,
                reason: Reason::Moved,
            };
            let duration_s = seconds(self.last.since(self.anchor.t));
            let detail = Detail::StationaryEnd(StationaryEnd { duration_s });
            scratch.decided.push(draft.decide(
                "stationary_end",
                0,
                detail,
                None,
                self.group(judge),
            ));
        }
    }

    fn group(&self, judge: &Judge<'_>) -> Group {
        let tenant = &judge.settings.tenant;
        let id = group_id(tenant, judge.vehicle_id, "stationary", "", self.anchor.identity);
        Group::Episode(id)
    }

    /// Carries the idle stretch on with `fix`, which belongs to the run.
    /// `before` is the time of the fix before it.
    fn step_idle(
        &mut self,
        judge: &Judge<'_>,
        fix: &Fix,
        engine: Option<bool>,
        before: TimeMs,
        scratch: &mut Scratch,
    ) {
        match (&mut self.idle, engine) {
            (Some(idle), Some(true)) => {
                idle.last = *fix;
                if !idle.episode && fix.t.since(idle.first.t) >= judge.settings.idle_after_ms {
                    idle.episode = true;
                    scratch.decided.push(idle.start(judge, fix));
                }
            }
            (None, Some(true)) => {
                self.idle =
                    Some(IdleRun { first: *fix, last: *fix, not_before: before, episode: false });
            }
            (Some(idle), Some(false)) => {
                let end = IdleEnding::by(fix, fix.t, Reason::IgnitionOff);
                scratch.decided.extend(idle.end(judge, end));
                self.idle = None;
            }
            (Some(idle), None) => {
                let end = IdleEnding::by(fix, idle.last.t, Reason::EngineUnknown);
                scratch.decided.extend(idle.end(judge, end));
                self.idle = None;
            }
            (None, Some(false) | None) => {}
        }
    }
}

/// How an idle stretch ended.
struct IdleEnding {
    at: TimeMs,
    observed: TimeMs,
    /// The fix that the end event hangs on.
    cause: Fix,
    time: TimeMs,
    not_after: TimeMs,
    reason: Reason,
}

impl IdleEnding {
    /// Ended at `time` by `fix`.
    fn by(fix: &Fix, time: TimeMs, reason: Reason) -> Self {
        Self { at: fix.t, observed: fix.received, cause: *fix, time, not_after: fix.t, reason }
    }
}

impl IdleRun {
    /// Up to when a fix may carry the stretch on.
    fn gap_over(&self, judge: &Judge<'_>) -> TimeMs {
        self.last.t.plus(judge.settings.idle_gap_ms)
    }

    fn start(&self, judge: &Judge<'_>, fix: &Fix) -> Decided {
        let draft = Draft {
            judge,
            at: fix.t,
            observed: fix.received,
            cause: Cause::Ping(self.first.identity),
            place: place(self.first.sighting()),
            time: self.first.t,
            not_before: self.not_before,
            not_after: self.first.t,
            reason: Reason::Unspecified,
        };
        let group = self.group(judge);
        draft.decide("idle_start", 0, Detail::IdleStart(IdleStart {}), None, group)
    }

    /// The end event, if the stretch had become an episode.
    fn end(&self, judge: &Judge<'_>, end: IdleEnding) -> Option<Decided> {
        if !self.episode {
            return None;
        }
        let draft = Draft {
            judge,
            at: end.at,
            observed: end.observed,
            cause: Cause::Ping(end.cause.identity),
            place: place(end.cause.sighting()),
            time: end.time,
            not_before: self.last.t,
            not_after: end.not_after,
            reason: end.reason,
        };
        let duration_s = seconds(end.time.since(self.first.t));
        let group = self.group(judge);
        Some(draft.decide("idle_end", 0, Detail::IdleEnd(IdleEnd { duration_s }), None, group))
    }

    fn group(&self, judge: &Judge<'_>) -> Group {
        let tenant = &judge.settings.tenant;
        Group::Episode(group_id(tenant, judge.vehicle_id, "idle", "", self.first.identity))
    }
}
