//! One moment of an answer.

use geofence::trace::{Arrival, Change, Fate, Moment, Presence, Seen, Sight, Step};
use geofence::{TimeMs, disposition_name};
use protos::journal::Disposition::{Late, OnTime};
use serde::Serialize;
use serde_json::Value;

use super::answer::{At, content};

/// One moment: a ping, a turn of the rules, or silence.
#[derive(Clone, Debug, Serialize)]
pub struct StepSaid {
    /// Its event time.
    pub at: At,
    /// `ping`, `fence_change`, `tag_change`, `opening_hours` or `silence`.
    pub moment: &'static str,
    /// Pings before it that are left out here.
    #[serde(skip_serializing_if = "is_zero")]
    pub omitted_before: usize,
    /// The ping.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ping: Option<PingSaid>,
    /// How it lies to the fence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sight: Option<SightSaid>,
    /// How it lies to the stationary run before it, where no fence is asked
    /// about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rest: Option<RestSaid>,
    /// State at the fence before; absent where no fence is asked about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<StateSaid>,
    /// State at the fence after.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<StateSaid>,
    /// What rules refused.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub refusals: Vec<RefusalSaid>,
    /// What was decided.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<Value>,
    /// An earlier ping may still come in time to change it.
    pub provisional: bool,
    /// The trace it comes from.
    #[serde(skip)]
    pub(super) step: Step,
}

fn is_zero(n: &usize) -> bool {
    *n == 0
}

/// A ping that was judged.
#[derive(Clone, Debug, Serialize)]
pub struct PingSaid {
    /// When it was received.
    pub receive_time: At,
    /// Degrees.
    pub lat: f64,
    /// Degrees.
    pub lon: f64,
    /// 68 % radius as judged, metres.
    pub accuracy_m: f64,
    /// Whether it was reported.
    pub accuracy_reported: bool,
    /// Metres per second as reported.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speed_mps: Option<f64>,
    /// `accepted`, `held` (the next ping says) or `too_vague`.
    pub fate: &'static str,
    /// The ping before it that had been held, and what became of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held: Option<HeldSaid>,
    /// The step to it from the last accepted ping.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leg: Option<LegSaid>,
    /// What it was when it arrived, as the journal records it, and where.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disposition: Option<&'static str>,
    /// The segment that holds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub segment: Option<u64>,
}

/// A ping that had been held.
#[derive(Clone, Debug, Serialize)]
pub struct HeldSaid {
    /// Its event time.
    pub event_time: At,
    /// Whether it counts after all.
    pub accepted: bool,
}

/// From one ping to the next.
#[derive(Clone, Debug, Serialize)]
pub struct LegSaid {
    /// Event time of the earlier one.
    pub from: At,
    /// Seconds.
    pub gap_s: f64,
    /// Metres in a straight line.
    pub length_m: f64,
    /// Metres per second in a straight line.
    pub speed_mps: f64,
    /// The same, if each ping is as far off as its accuracy allows.
    pub speed_mps_min: f64,
}

/// How a ping lies to the fence.
#[derive(Clone, Debug, Serialize)]
pub struct SightSaid {
    /// The version that judges it.
    pub version: u32,
    /// Whether the fence was open by its schedule.
    pub open: bool,
    /// Whether it asks for no tag, or for one that the vehicle had.
    pub assigned: bool,
    /// On the inner side or on the edge.
    pub inside: bool,
    /// Signed, positive inside.
    pub distance_m: f64,
    /// Chance of being inside.
    pub confidence: f64,
    /// How far outside a ping of this accuracy is decisive.
    pub decisive_beyond_m: f64,
    /// Whether it is.
    pub decisive: bool,
}

/// How a ping lies to the stationary run before it.
#[derive(Clone, Debug, Serialize)]
pub struct RestSaid {
    /// Event time of the run's first ping.
    pub anchor: At,
    /// Distance to it.
    pub distance_m: f64,
    /// How far it may be.
    pub radius_m: f64,
    /// Whether the run goes on.
    pub belongs: bool,
    /// Engine on or off, as last reported.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub engine: Option<bool>,
    /// First ping of the stretch with the engine on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_since: Option<At>,
}

/// A state at a fence.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StateSaid {
    /// `unknown`, `no_fence`, `outside`, `pending_in`, `inside`, `pending_out`.
    pub state: &'static str,
    /// Since when: the enter, or the first inside ping of a pending one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<At>,
    /// The first outside ping of a run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_outside: Option<At>,
    /// Outside pings in the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pings: Option<u32>,
    /// Whether one of them is decisive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decisive: Option<bool>,
}

impl StateSaid {
    fn new(presence: Presence) -> Self {
        let bare =
            Self { state: "", since: None, first_outside: None, pings: None, decisive: None };
        match presence {
            Presence::Unknown => Self { state: "unknown", ..bare },
            Presence::NoFence => Self { state: "no_fence", ..bare },
            Presence::Outside => Self { state: "outside", ..bare },
            Presence::PendingIn { since, .. } => {
                Self { state: "pending_in", since: Some(At(since)), ..bare }
            }
            Presence::Inside { since, .. } => {
                Self { state: "inside", since: Some(At(since)), ..bare }
            }
            Presence::PendingOut { since, first_outside, pings, decisive } => Self {
                state: "pending_out",
                since: Some(At(since)),
                first_outside: Some(At(first_outside)),
                pings: Some(pings),
                decisive: Some(decisive),
            },
        }
    }
}

/// Something that a rule refused.
#[derive(Clone, Debug, Serialize)]
pub struct RefusalSaid {
    /// The rule's name, as in the counters.
    pub rule: &'static str,
    /// Length of a pass that was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inside_m: Option<f64>,
}

impl StepSaid {
    pub(super) fn new(step: Step, omitted_before: usize, at_fence: bool, known: Known<'_>) -> Self {
        let at = step.moment.time();
        let (moment, ping) = match &step.moment {
            Moment::Ping(seen) => ("ping", Some(PingSaid::new(seen, known.arrivals))),
            Moment::Turn { change: Change::Fences, .. } => ("fence_change", None),
            Moment::Turn { change: Change::Tags, .. } => ("tag_change", None),
            Moment::Turn { change: Change::Hours, .. } => ("opening_hours", None),
            Moment::Silence { .. } => ("silence", None),
        };
        let state = |presence| at_fence.then(|| StateSaid::new(presence));
        let rest = step.rest.filter(|_| !at_fence).map(|rest| RestSaid {
            anchor: At(rest.anchor),
            distance_m: rest.distance_m,
            radius_m: rest.radius_m,
            belongs: rest.belongs,
            engine: rest.engine,
            idle_since: rest.idle_since.map(At),
        });
        let refusals = step.refusals.iter();
        Self {
            at: At(at),
            moment,
            omitted_before,
            ping,
            sight: step.sight.map(SightSaid::new),
            rest,
            before: state(step.before),
            after: state(step.after),
            refusals: refusals
                .map(|refused| RefusalSaid { rule: refused.rule, inside_m: refused.inside_m })
                .collect(),
            events: step.events.iter().map(content).collect(),
            provisional: known.judged_through.is_none_or(|through| at > through),
            step,
        }
    }
}

/// What a step's rendering needs to know of the vehicle.
#[derive(Clone, Copy)]
pub(super) struct Known<'a> {
    pub(super) arrivals: &'a [Arrival],
    pub(super) judged_through: Option<TimeMs>,
}

impl PingSaid {
    fn new(seen: &Seen, arrivals: &[Arrival]) -> Self {
        let arrival = arrivals.iter().rev().find(|arrival| {
            arrival.ping.event_time == seen.event_time
                && matches!(arrival.disposition, OnTime | Late)
        });
        Self {
            receive_time: At(seen.receive_time),
            lat: seen.position.lat_deg(),
            lon: seen.position.lon_deg(),
            accuracy_m: thousandths(seen.accuracy_m),
            accuracy_reported: seen.accuracy_reported,
            speed_mps: seen.speed_mps.map(thousandths),
            fate: match seen.fate {
                Fate::Accepted => "accepted",
                Fate::Held => "held",
                Fate::TooVague => "too_vague",
            },
            held: seen
                .held
                .map(|held| HeldSaid { event_time: At(held.event_time), accepted: held.accepted }),
            leg: seen.step.map(|leg| LegSaid {
                from: At(leg.from),
                gap_s: leg.gap_ms as f64 / 1000.0,
                length_m: leg.length_m,
                speed_mps: thousandths(leg.speed_mps()),
                speed_mps_min: thousandths(leg.speed_mps_min()),
            }),
            disposition: arrival.map(|arrival| disposition_name(arrival.disposition)),
            segment: arrival.map(|arrival| arrival.seq),
        }
    }
}

impl SightSaid {
    fn new(sight: Sight) -> Self {
        Self {
            version: sight.version,
            open: sight.open,
            assigned: sight.assigned,
            inside: sight.inside,
            distance_m: sight.distance_m,
            confidence: sight.confidence,
            decisive_beyond_m: thousandths(sight.margin_m + sight.accuracy_share_m),
            decisive: sight.decisive,
        }
    }
}

fn thousandths(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}
