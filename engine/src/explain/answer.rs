//! The answer as data: the one source of both its forms. Field names are
//! stable; `docs/operations.md` describes them.

use geofence::trace::Arrival;
use geofence::{TimeMs, disposition_name};
use protos::event_json::{Rendering, kind, push_event};
use protos::events::FleetEvent;
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::step::StepSaid;
use super::thresholds::ThresholdsSaid;
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
            replaces: event.replaces.text().to_string(),
        }
    }
}

/// An event as others are written, without how it was learnt.
pub(super) fn content(event: &FleetEvent) -> Value {
    let mut json = Vec::new();
    push_event(&mut json, event, Rendering::Folded);
    serde_json::from_slice(&json).unwrap_or_else(|_| Value::from(kind(event)))
}
