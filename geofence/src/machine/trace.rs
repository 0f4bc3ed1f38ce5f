//! A step with everything around it written down. The step itself is
//! [`Machine::step`], as it always is.

use std::sync::Arc;

use protos::events::{FleetEvent, Id, Op};
use smol_str::SmolStr;

use super::arrival::CONFIDENCE_MIN;
use super::refused::Refusal;
use super::robust::{CROSS_M_MIN, min_inside_ms};
use super::scope::Scope;
use super::step::{SPEED_MPS_MAX, Step};
use super::{ACCURACY_M_MAX, Due, Judge, Machine, Rest, Scratch, leaving, rest};
use crate::decided::{Decided, Emission};
use crate::fix::{Fix, Sighting};
use crate::plane::{Plane, round_mm};
use crate::timeline::Timeline;
use crate::trace::{
    self, Change, Fate, Held, Leg, Moment, Presence, Refused, RestSight, Seen, Sight, Thresholds,
};
use crate::{Fence, Profile, Settings, TimeMs};

/// Which fence a trace looks at; `None` for what happens at no fence.
pub(crate) type Wanted<'a> = Option<&'a str>;

/// What moves a machine.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Move<'a> {
    /// The next fix.
    Fix(&'a Fix),
    /// Its next turn, without a fix.
    Turn(TimeMs, Change),
    /// The gaps that are known up to a time.
    Silence(TimeMs),
    /// No move: this follows from silence as it stands.
    Assumed(&'a Decided),
}

impl Machine {
    /// The next turn that timers take it over, if that is due by `through`.
    pub(crate) fn next_turn(&self, judge: &Judge<'_>, through: TimeMs) -> Option<Move<'static>> {
        let due = self.due(judge).filter(|due| due.at <= through && !self.timers_wait(judge))?;
        let change = match due {
            Due { fences: true, .. } => Change::Fences,
            Due { tags: true, .. } => Change::Tags,
            _ => Change::Hours,
        };
        Some(Move::Turn(due.at, change))
    }
}

impl Move<'_> {
    /// Its event time.
    pub(crate) fn time(self) -> TimeMs {
        match self {
            Self::Fix(fix) => fix.t,
            Self::Turn(t, _) | Self::Silence(t) => t,
            Self::Assumed(decided) => decided.at,
        }
    }

    /// Moves `machine`; what that decides is in `scratch`.
    pub(crate) fn make(self, machine: &mut Machine, judge: &Judge<'_>, scratch: &mut Scratch) {
        match self {
            Self::Fix(fix) => machine.step(judge, fix, scratch),
            Self::Turn(at, _) => {
                machine.run_timers(judge, at, TimeMs::MIN, scratch);
            }
            Self::Silence(through) => {
                machine.run_timers(judge, TimeMs::MIN, through, scratch);
            }
            Self::Assumed(decided) => scratch.decided.push(decided.clone()),
        }
    }

    /// Moves `machine`, and says what that came to at the wanted fence.
    pub(crate) fn trace(
        self,
        machine: &mut Machine,
        judge: &Judge<'_>,
        wanted: Wanted<'_>,
        scratch: &mut Scratch,
    ) -> trace::Step {
        let was = Was {
            presence: presence(machine, judge.timeline, wanted),
            last: machine.last,
            suspect: machine.suspect.as_deref().copied(),
            rest: machine.rest.as_deref().cloned(),
        };
        scratch.notes = Some(Vec::new());
        self.make(machine, judge, scratch);
        let notes = scratch.notes.take().unwrap_or_default();
        let dropped = notes.iter().any(|note| note.rule == Refusal::Teleport.name());
        let concerns = |fence: &Option<Arc<str>>| {
            fence.as_deref().is_none_or(|fence| wanted.is_some_and(|wanted| wanted == fence))
        };
        let mut refusals: Vec<Refused> = notes
            .into_iter()
            .filter(|note| concerns(&note.fence))
            .map(|note| Refused { rule: note.rule, inside_m: note.inside_m.map(round_mm) })
            .collect();
        let of_wanted =
            |decided: &Decided| decided.body.fence.as_ref().map(|fence| &*fence.id) == wanted;
        let decided = scratch.decided.drain(..).filter(of_wanted);
        let events = decided.map(|decided| untold(&decided, judge.vehicle_id)).collect();
        let (moment, sight, rest) = match self {
            Self::Turn(at, change) => (Moment::Turn { at, change }, None, None),
            Self::Silence(through) => (Moment::Silence { through }, None, None),
            Self::Assumed(decided) => (Moment::Silence { through: decided.at }, None, None),
            Self::Fix(fix) => {
                let seen = was.seen(fix, fate(machine, judge, fix), dropped);
                if seen.fate == Fate::TooVague {
                    refusals.push(Refused { rule: "accuracy_too_low", inside_m: None });
                }
                let rest = was.rest.filter(|_| seen.fate == Fate::Accepted);
                let rest = rest.map(|before| rest_sight(&before, machine, fix));
                let sight = wanted.and_then(|id| sight(judge, id, fix));
                (Moment::Ping(seen), sight, rest)
            }
        };
        let after = presence(machine, judge.timeline, wanted);
        trace::Step { moment, before: was.presence, after, sight, rest, refusals, events }
    }
}

/// What of a machine a step may change.
struct Was {
    presence: Presence,
    last: Option<Sighting>,
    suspect: Option<Fix>,
    rest: Option<Rest>,
}

impl Was {
    /// `fix` as the machine took it. `dropped` says what became of a fix that
    /// was held.
    fn seen(&self, fix: &Fix, fate: Fate, dropped: bool) -> Seen {
        let held = self.suspect.filter(|_| fate != Fate::TooVague);
        let accepted = held.filter(|_| !dropped);
        Seen {
            event_time: fix.t,
            receive_time: fix.received,
            position: fix.position,
            accuracy_m: fix.accuracy_m(),
            accuracy_reported: fix.accuracy.get().is_some(),
            speed_mps: fix.speed_mps.get().map(f64::from),
            fate,
            held: held.map(|held| Held { event_time: held.t, accepted: !dropped }),
            step: accepted.map(|held| held.sighting()).or(self.last).map(|from| leg(from, fix)),
        }
    }
}

fn rest_sight(before: &Rest, machine: &Machine, fix: &Fix) -> RestSight {
    let now = machine.rest.as_deref();
    RestSight {
        anchor: before.anchor.t,
        distance_m: round_mm(Plane::at(fix.position).distance_m(before.anchor.position)),
        radius_m: before.radius_m(fix),
        belongs: now.is_some_and(|now| now.anchor.t == before.anchor.t),
        engine: machine.engine_on,
        idle_since: now.and_then(|now| Some(now.idle.as_ref()?.first.t)),
    }
}

/// An event that says nothing of how it was learnt.
pub(crate) fn untold(decided: &Decided, vehicle_id: &str) -> FleetEvent {
    decided.body.emit(Emission {
        op: Op::Assert,
        revision: 0,
        vehicle_id: &SmolStr::new(vehicle_id),
        observed: decided.observed,
        late: false,
        replaces: Id::NONE,
    })
}

/// What the rules compare with at `fence`.
pub(crate) fn thresholds(settings: &Settings, fence: Option<&Fence>) -> Thresholds {
    let dwell_s = fence.and_then(|fence| fence.settings.dwell_s.as_ref());
    Thresholds {
        accuracy_m_max: ACCURACY_M_MAX,
        speed_mps_max: SPEED_MPS_MAX,
        confidence_min: CONFIDENCE_MIN,
        confirm_ttl_ms: settings.confirm_ttl_ms,
        min_inside_ms: fence.map_or(settings.min_inside_ms, |fence| min_inside_ms(fence, settings)),
        exit_confirm: fence
            .map_or(settings.exit_confirm, |fence| leaving::exit_confirm(fence, settings)),
        exit_span_ms: leaving::SPAN_MS,
        exit_far_m: leaving::FAR_M,
        margin_m: fence.map(|fence| round_mm(leaving::margin_m(fence))),
        cross_max_gap_ms: settings.cross_max_gap_ms,
        cross_m_min: CROSS_M_MIN,
        max_gap_ms: settings.max_gap_ms,
        dwell_s: dwell_s.unwrap_or(&settings.dwell_s).clone(),
        stationary_after_ms: settings.stationary_after_ms,
        stationary_speed_mps_max: f64::from(rest::SPEED_MPS_MAX),
        idle_after_ms: settings.idle_after_ms,
        idle_gap_ms: settings.idle_gap_ms,
        reorder_delay_ms: settings.reorder_delay_ms,
        hot_lateness_ms: settings.hot_lateness_ms,
    }
}

fn fate(machine: &Machine, judge: &Judge<'_>, fix: &Fix) -> Fate {
    if machine.suspect.as_ref().is_some_and(|suspect| suspect.identity == fix.identity) {
        Fate::Held
    } else if judge.settings.profile == Profile::Robust && fix.accuracy_m() > ACCURACY_M_MAX {
        Fate::TooVague
    } else {
        Fate::Accepted
    }
}

fn leg(from: Sighting, to: &Fix) -> Leg {
    let step = Step { from, to };
    Leg {
        from: from.t,
        gap_ms: step.gap_ms(),
        length_m: round_mm(step.length_m()),
        slack_m: round_mm(from.accuracy_m() + to.accuracy_m()),
    }
}

fn presence(machine: &Machine, timeline: &Timeline, wanted: Wanted<'_>) -> Presence {
    if machine.last.is_none() {
        return Presence::Unknown;
    }
    let epoch = timeline.epoch(machine.epoch);
    let Some(fence) = wanted.and_then(|id| epoch.set.position_of(id)) else {
        return Presence::NoFence;
    };
    if let Some(visit) = machine.visits.iter().find(|visit| visit.fence == fence) {
        let since = visit.enter;
        return match &visit.leaving {
            None => Presence::Inside { since, last: visit.inside().map(|(_, last)| last) },
            Some(leaving) => Presence::PendingOut {
                since,
                first_outside: leaving.crossing.not_after,
                pings: leaving.pings,
                decisive: leaving.decisive,
            },
        };
    }
    match machine.arrivals.iter().find(|arrival| arrival.visit.fence == fence) {
        None => Presence::Outside,
        Some(arrival) => Presence::PendingIn {
            since: arrival.visit.inside().map_or(arrival.visit.enter_not_after, |(first, _)| first),
            last: arrival.last_inside(),
            sure: arrival.sure,
        },
    }
}

fn sight(judge: &Judge<'_>, id: &str, fix: &Fix) -> Option<Sight> {
    let epoch = judge.timeline.epoch(judge.timeline.number_at(fix.t));
    let assigned = judge.tags.in_force(fix.t);
    let scope = Scope { epoch, tags: judge.tags, assigned, at: fix.t };
    let index = epoch.set.position_of(id)?;
    let fence = &epoch.set.fences()[index as usize];
    let inside = fence.shape.contains(fix.position);
    let (distance_m, confidence) =
        fence.shape.margin_on_side(fix.position, fix.accuracy_m(), inside);
    Some(Sight {
        version: epoch.version(index),
        open: scope.is_open(index),
        assigned: scope.is_assigned(index),
        inside,
        distance_m,
        confidence,
        margin_m: round_mm(leaving::margin_m(fence)),
        accuracy_share_m: leaving::accuracy_share_m(fix),
        decisive: !inside && -distance_m > leaving::decisive_m(fix, fence),
    })
}
