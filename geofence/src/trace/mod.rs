//! Why there is an event, and why there is none: one vehicle's pings judged
//! again, step by step, with everything that a rule looked at.
//!
//! A trace decides nothing. It lets the machine that detection runs take the
//! same steps once more and writes down what the machine was before and after
//! each, what it refused and what it decided. Detection itself runs none of
//! this: a [`Trail`] is made from a journal, after the fact.

mod trail;

pub use trail::{Arrival, Decision, Trail};

use protos::events::FleetEvent;

use crate::{Position, TimeMs};

/// One step of the machine, as seen from one fence.
#[derive(Clone, Debug)]
pub struct Step {
    /// What moved the machine.
    pub moment: Moment,
    /// The vehicle's state at the fence before the step, and after it.
    pub before: Presence,
    /// See [`Self::before`].
    pub after: Presence,
    /// How the ping lies to the fence; `None` without a ping, or where the
    /// fence does not exist at its time.
    pub sight: Option<Sight>,
    /// How the ping lies to the stationary run before it; `None` without one.
    pub rest: Option<RestSight>,
    /// What rules refused: at the fence, or the ping itself.
    pub refusals: Vec<Refused>,
    /// Decided by this step, of the fence; without a fence, of no fence. They
    /// say nothing of how they were learnt: `op`, `revision` and `late` mean
    /// nothing here.
    pub events: Vec<FleetEvent>,
}

/// What moved the machine.
#[derive(Clone, Debug)]
pub enum Moment {
    /// A ping that takes part.
    Ping(Seen),
    /// The rules turned without a ping: what concerns the vehicle may be
    /// another from then on.
    Turn {
        /// From when on they judge.
        at: TimeMs,
        /// What changed.
        change: Change,
    },
    /// Nothing more came up to this event time. Where silence is taken for
    /// staying, a dwell may follow from that.
    Silence {
        /// Up to when gaps are known.
        through: TimeMs,
    },
}

impl Moment {
    /// Its event time.
    #[must_use]
    pub fn time(&self) -> TimeMs {
        match self {
            Self::Ping(seen) => seen.event_time,
            Self::Turn { at, .. } => *at,
            Self::Silence { through } => *through,
        }
    }
}

/// What changed with the rules; of several things at once, the first here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Other fences came into force.
    Fences,
    /// The vehicle got other tags.
    Tags,
    /// A fence that it is in, or at, opened or closed.
    Hours,
}

/// A ping as the machine was given it.
#[derive(Clone, Debug)]
pub struct Seen {
    /// When the device took it.
    pub event_time: TimeMs,
    /// When it was received.
    pub receive_time: TimeMs,
    /// Where.
    pub position: Position,
    /// 68 % radius as judged, metres.
    pub accuracy_m: f64,
    /// Whether the ping reported that radius; the default stands in else.
    pub accuracy_reported: bool,
    /// Metres per second, if reported.
    pub speed_mps: Option<f64>,
    /// What became of it.
    pub fate: Fate,
    /// The ping that was held until this one came, if there was one.
    pub held: Option<Held>,
    /// The step to it from the last accepted ping.
    pub step: Option<Leg>,
}

/// What became of a ping in the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The rules have judged it.
    Accepted,
    /// The vehicle can hardly have got there: the next ping says whether it
    /// counts.
    Held,
    /// Not accurate enough to take part.
    TooVague,
}

/// A ping that waited for the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// Its event time.
    pub event_time: TimeMs,
    /// Whether the next one bore it out.
    pub accepted: bool,
}

/// From one ping to the next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Leg {
    /// Event time of the earlier ping.
    pub from: TimeMs,
    /// How long it took, milliseconds.
    pub gap_ms: i64,
    /// How far it is in a straight line, metres.
    pub length_m: f64,
    /// Both pings' accuracy radii, by which it may be shorter, metres.
    pub slack_m: f64,
}

impl Leg {
    /// The speed that a vehicle needs at least for it, metres per second.
    #[must_use]
    pub fn speed_mps_min(&self) -> f64 {
        let seconds = self.gap_ms.max(1) as f64 / 1000.0;
        (self.length_m - self.slack_m).max(0.0) / seconds
    }

    /// The speed in a straight line, metres per second.
    #[must_use]
    pub fn speed_mps(&self) -> f64 {
        self.length_m * 1000.0 / self.gap_ms.max(1) as f64
    }
}

/// A vehicle's state at a fence (semantics §6).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Presence {
    /// No ping of the vehicle counts yet.
    Unknown,
    /// There is no such fence.
    NoFence,
    /// Outside.
    Outside,
    /// Seen inside, and not told yet.
    PendingIn {
        /// The first ping inside.
        since: TimeMs,
        /// The last ping inside.
        last: TimeMs,
        /// It is inside: only the shortest stay is waited for. Otherwise a
        /// second inside ping.
        sure: bool,
    },
    /// Inside.
    Inside {
        /// When it entered.
        since: TimeMs,
        /// The last ping inside; `None` before the first.
        last: Option<TimeMs>,
    },
    /// Seen outside, and not gone yet.
    PendingOut {
        /// When it entered.
        since: TimeMs,
        /// The first ping of the run outside.
        first_outside: TimeMs,
        /// Pings in the run.
        pings: u32,
        /// One of them is decisive.
        decisive: bool,
    },
}

/// How a ping lies to the fence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sight {
    /// The fence's version that judges it.
    pub version: u32,
    /// The fence is open by its schedule at the ping's time.
    pub open: bool,
    /// The fence asks for no tag, or for one that the vehicle has.
    pub assigned: bool,
    /// On the inner side, edges included, whether it is open and asks for the
    /// vehicle or not.
    pub inside: bool,
    /// Signed distance to the edge, metres, positive inside.
    pub distance_m: f64,
    /// Chance of having been inside.
    pub confidence: f64,
    /// An outside ping is decisive beyond this and [`Self::accuracy_share_m`],
    /// metres.
    pub margin_m: f64,
    /// What its accuracy adds to the margin, metres.
    pub accuracy_share_m: f64,
    /// Outside by more than both.
    pub decisive: bool,
}

/// How a ping lies to the stationary run before it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RestSight {
    /// Event time of the run's first ping, its anchor.
    pub anchor: TimeMs,
    /// Distance to the anchor, metres.
    pub distance_m: f64,
    /// How far from the anchor it may be, metres.
    pub radius_m: f64,
    /// Whether the run goes on with it.
    pub belongs: bool,
    /// Engine on or off as last reported, however long before the ping.
    pub engine: Option<bool>,
    /// First ping of the stretch with the engine on, after this ping.
    pub idle_since: Option<TimeMs>,
}

/// Something that a rule refused.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Refused {
    /// Name of the rule, as in the counters of refusals; `accuracy_too_low`,
    /// which is counted at arrival; or `cross_too_short`, which is not counted.
    pub rule: &'static str,
    /// Length of the pass refused, metres.
    pub inside_m: Option<f64>,
}

/// What the rules compare with, at one fence. Milliseconds, metres, metres per
/// second.
#[derive(Clone, Debug, PartialEq)]
pub struct Thresholds {
    /// A ping less accurate than this takes no part.
    pub accuracy_m_max: f64,
    /// Fastest speed that a vehicle is believed.
    pub speed_mps_max: f64,
    /// From which chance of being inside one ping is enough to enter.
    pub confidence_min: f64,
    /// How long an uncertain first ping inside waits for a second one.
    pub confirm_ttl_ms: i64,
    /// Shortest stay that counts as an enter.
    pub min_inside_ms: i64,
    /// Outside pings that confirm an exit, one of them decisive.
    pub exit_confirm: u32,
    /// A run of outside pings that spans this long is an exit, decisive or not.
    pub exit_span_ms: i64,
    /// One ping this far outside, beyond its accuracy, is an exit.
    pub exit_far_m: f64,
    /// The fence's part of the decisive margin; `None` without a fence.
    pub margin_m: Option<f64>,
    /// Longest step on which a pass counts.
    pub cross_max_gap_ms: i64,
    /// Shortest pass that counts.
    pub cross_m_min: f64,
    /// Longest step over which a crossing is dated between two pings.
    pub max_gap_ms: i64,
    /// Dwell thresholds, seconds.
    pub dwell_s: Vec<u32>,
    /// Shortest stationary episode.
    pub stationary_after_ms: i64,
    /// Fastest speed reported while stationary.
    pub stationary_speed_mps_max: f64,
    /// Shortest idle episode.
    pub idle_after_ms: i64,
    /// Largest gap inside an idle episode.
    pub idle_gap_ms: i64,
    /// How long a ping waits for earlier ones.
    pub reorder_delay_ms: i64,
    /// How far behind its vehicle's newest ping a ping still counts.
    pub hot_lateness_ms: i64,
}
