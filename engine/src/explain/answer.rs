//! The answer as data: the one source of both its forms. Field names are
//! stable; `docs/operations.md` describes them.

use geofence::trace::{Arrival, Fate, Moment, Presence, Seen, Sight, Step, Thresholds};
use geofence::{TimeMs, disposition_name};
use protos::event_json::{Rendering, kind, push_event};
use protos::events::FleetEvent;
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::words;

/// Why there is an event, or none.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    /// The vehicle asked about.
    pub vehicle_id: String,
    /// What was asked.
    pub question: Asked,
    /// Whether there is an event.
    pub answer: Verdict,
    /// The rule that refused, or what became of the ping; as in the counters.
    pub rule: Option<String>,
    /// In one sentence.
    pub conclusion: String,
    /// The event, if there is or was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<Told>,
    /// The fence and its versions, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fence: Option<FenceSaid>,
    /// What the rules compare with.
    pub thresholds: ThresholdsSaid,
    /// The pings and other moments looked at, in order of event time.
    pub steps: Vec<StepSaid>,
    /// Pings that count by their arrival: those that were not judged.
    pub arrivals: Vec<ArrivalSaid>,
    /// Which part of the journal this rests on.
    pub journal: JournalSaid,
}

/// What was asked.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Asked {
    /// About an event.
    Event {
        /// Its id.
        event_id: String,
    },
    /// About a fence and a time.
    Fence {
        /// The fence.
        fence_id: String,
        /// The event time.
        at: At,
    },
}

/// Whether there is an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// There is.
    Event,
    /// There is none.
    NoEvent,
    /// There was, until a later ping showed otherwise.
    Retracted,
}

/// A time, written as RFC 3339.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct At(pub TimeMs);

impl Serialize for At {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&words::time(self.0))
    }
}

/// An event with how it was told.
#[derive(Clone, Debug, Serialize)]
pub struct Told {
    /// As it was last told, without how.
    pub content: Value,
    /// Whether judging the history again leads to the same.
    pub confirmed: bool,
    /// Event time of the ping or timer that decides it.
    pub decided_at: Option<At>,
    /// Every operation on it.
    pub operations: Vec<Operation>,
}

/// One operation on an event.
#[derive(Clone, Debug, Serialize)]
pub struct Operation {
    /// The journal segment that carries it, which is the revision.
    pub segment: u64,
    /// `assert`, `amend` or `retract`.
    pub op: &'static str,
    /// When it was learnt, by receive time.
    pub observed_at: At,
    /// Whether a late ping brought it about.
    pub late: bool,
    /// What the event said then.
    pub event_time: At,
    /// The event in whose place it came.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub replaces: String,
}

/// A fence and its versions.
#[derive(Clone, Debug, Serialize)]
pub struct FenceSaid {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Every version known, oldest first.
    pub versions: Vec<VersionSaid>,
}

/// One version of a fence.
#[derive(Clone, Debug, Serialize)]
pub struct VersionSaid {
    /// Its number.
    pub version: u32,
    /// From when on it judges; absent for always, or longer than is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid_from: Option<At>,
    /// Until when; absent for the newest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid_to: Option<At>,
}

/// What the rules compare with, in seconds, metres and metres per second.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs, reason = "named after the settings and rules they come from")]
pub struct ThresholdsSaid {
    pub profile: &'static str,
    pub accuracy_m_max: f64,
    pub speed_mps_max: f64,
    pub confidence_min: f64,
    pub confirm_ttl_s: f64,
    pub min_inside_s: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decisive_margin_m: Option<f64>,
    pub exit_confirm: u32,
    pub exit_span_s: f64,
    pub exit_far_m: f64,
    pub cross_max_gap_s: f64,
    pub cross_m_min: f64,
    pub max_gap_s: f64,
    pub dwell_s: Vec<u32>,
    pub stationary_after_s: f64,
    pub stationary_speed_mps_max: f64,
    pub idle_after_s: f64,
    pub idle_gap_s: f64,
    pub reorder_delay_s: f64,
    pub hot_lateness_s: f64,
}

impl ThresholdsSaid {
    pub(super) fn new(thresholds: Thresholds, profile: geofence::Profile) -> Self {
        let s = |ms: i64| ms as f64 / 1000.0;
        Self {
            profile: match profile {
                geofence::Profile::Robust => "robust",
                geofence::Profile::Plain => "plain",
            },
            accuracy_m_max: thresholds.accuracy_m_max,
            speed_mps_max: thresholds.speed_mps_max,
            confidence_min: thresholds.confidence_min,
            confirm_ttl_s: s(thresholds.confirm_ttl_ms),
            min_inside_s: s(thresholds.min_inside_ms),
            decisive_margin_m: thresholds.margin_m,
            exit_confirm: thresholds.exit_confirm,
            exit_span_s: s(thresholds.exit_span_ms),
            exit_far_m: thresholds.exit_far_m,
            cross_max_gap_s: s(thresholds.cross_max_gap_ms),
            cross_m_min: thresholds.cross_m_min,
            max_gap_s: s(thresholds.max_gap_ms),
            dwell_s: thresholds.dwell_s,
            stationary_after_s: s(thresholds.stationary_after_ms),
            stationary_speed_mps_max: thresholds.stationary_speed_mps_max,
            idle_after_s: s(thresholds.idle_after_ms),
            idle_gap_s: s(thresholds.idle_gap_ms),
            reorder_delay_s: s(thresholds.reorder_delay_ms),
            hot_lateness_s: s(thresholds.hot_lateness_ms),
        }
    }
}

/// One moment: a ping, a change of the fence, or silence.
#[derive(Clone, Debug, Serialize)]
pub struct StepSaid {
    /// Its event time.
    pub at: At,
    /// `ping`, `fence_change` or `silence`.
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

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
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

/// A ping as it arrived.
#[derive(Clone, Debug, Serialize)]
pub struct ArrivalSaid {
    /// Its event time.
    pub at: At,
    /// When it was received.
    pub receive_time: At,
    /// Degrees.
    pub lat: f64,
    /// Degrees.
    pub lon: f64,
    /// What became of it.
    pub disposition: &'static str,
    /// The segment that holds it.
    pub segment: u64,
    /// Start of the hot window when it came, where that decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hot_from: Option<At>,
}

/// Which part of the journal the answer rests on.
#[derive(Clone, Debug, Serialize)]
pub struct JournalSaid {
    /// The vehicle's shard.
    pub shard: u32,
    /// First and last segment read.
    pub first_segment: u64,
    /// See `first_segment`.
    pub last_segment: u64,
    /// Receive clock of the last segment: the answer holds as of then.
    pub as_of: At,
    /// Whether everything is known that the answer depends on. Otherwise the
    /// vehicle's state at the beginning was unknown.
    pub complete: bool,
    /// Before this event time nothing is known, if the beginning is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub known_from: Option<At>,
}

impl StepSaid {
    pub(super) fn new(step: Step, omitted_before: usize, at_fence: bool, known: Known<'_>) -> Self {
        let at = step.moment.time();
        let (moment, ping) = match &step.moment {
            Moment::Ping(seen) => ("ping", Some(PingSaid::new(seen, known.arrivals))),
            Moment::FenceChange { .. } => ("fence_change", None),
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
            provisional: known.watermark.is_none_or(|watermark| at > watermark),
            step,
        }
    }
}

/// What a step's rendering needs to know of the vehicle.
#[derive(Clone, Copy)]
pub(super) struct Known<'a> {
    pub(super) arrivals: &'a [Arrival],
    pub(super) watermark: Option<TimeMs>,
}

impl PingSaid {
    fn new(seen: &Seen, arrivals: &[Arrival]) -> Self {
        use protos::journal::Disposition::{Late, OnTime};
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
            inside: sight.inside,
            distance_m: sight.distance_m,
            confidence: sight.confidence,
            decisive_beyond_m: thousandths(sight.margin_m + sight.accuracy_share_m),
            decisive: sight.decisive,
        }
    }
}

impl ArrivalSaid {
    pub(super) fn new(arrival: &Arrival) -> Self {
        Self {
            at: At(arrival.ping.event_time),
            receive_time: At(arrival.ping.receive_time),
            lat: arrival.ping.position.lat_deg(),
            lon: arrival.ping.position.lon_deg(),
            disposition: disposition_name(arrival.disposition),
            segment: arrival.seq,
            hot_from: arrival.hot_from.map(At),
        }
    }
}

impl Operation {
    pub(super) fn new(event: &FleetEvent) -> Self {
        Self {
            segment: event.revision,
            op: match event.op() {
                protos::events::Op::Assert => "assert",
                protos::events::Op::Amend => "amend",
                protos::events::Op::Retract => "retract",
                protos::events::Op::Unspecified => "unspecified",
            },
            observed_at: At(TimeMs(event.observed_at_ms)),
            late: event.late,
            event_time: At(TimeMs(event.event_time_ms)),
            replaces: event.replaces.clone(),
        }
    }
}

/// An event as others are written, without how it was learnt.
pub(super) fn content(event: &FleetEvent) -> Value {
    let mut json = Vec::new();
    push_event(&mut json, event, Rendering::Folded);
    serde_json::from_slice(&json).unwrap_or_else(|_| Value::from(kind(event)))
}

fn thousandths(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}
