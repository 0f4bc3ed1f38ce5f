//! Everything that is known of a run, as one document.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Check, KindScore};
use crate::latency::Percentiles;
use crate::ledger::Tally;
use crate::read::sse::Feed;
use crate::send::Second;
use crate::target_process::Usage;

/// A run and its verdict. What was not looked at is absent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Whether every check holds.
    pub pass: bool,
    /// The checks, in the order of the profile's thresholds.
    pub checks: Vec<Check>,
    /// Name of the profile, or its file.
    pub profile: String,
    /// The seed.
    pub seed: u64,
    /// Where pings went.
    pub target: String,
    /// When the schedule began, RFC 3339.
    pub start: String,
    /// Length of the schedule, seconds.
    pub seconds: f64,
    /// How sending went.
    pub sending: Sending,
    /// What became of the pings.
    pub pings: Pings,
    /// What became of messages that are no pings.
    pub rejects: Rejects,
    /// How events came.
    pub events: Option<Events>,
    /// Events against the truth, by kind.
    pub kinds: BTreeMap<String, KindScore>,
    /// Latencies, each from the intended send time.
    pub latency: Timing,
    /// What the target used.
    pub process: Option<Usage>,
    /// The run by seconds.
    pub by_second: Vec<Second>,
}

/// How sending went.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sending {
    /// Messages due, copies and malformed ones too.
    pub intended: u64,
    /// Messages handed over.
    pub sent: u64,
    /// Messages answered for.
    pub answered: u64,
    /// Mean rate of the schedule, messages a second.
    pub intended_rate: f64,
    /// Messages answered for by the end of the schedule and one second more,
    /// over its length; of a file, messages over the time that writing took.
    pub achieved_rate: f64,
    /// Answers by what they were.
    pub answers: BTreeMap<String, u64>,
    /// Batches sent again.
    pub retries: u64,
    /// Messages given up when the target was away for too long.
    pub given_up: u64,
    /// Messages refused for good.
    pub refused: u64,
    /// The most that sending was behind its schedule, milliseconds.
    pub behind_ms_max: i64,
}

/// What became of the pings.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Pings {
    /// Distinct pings that the schedule has.
    pub intended: u64,
    /// Each single one.
    #[serde(flatten)]
    pub tally: Tally,
    /// Whether the archive was read; otherwise nothing is known of `archived`,
    /// `missing`, `doubled` and `strangers`.
    pub archive_read: bool,
    /// Rows of the archive by disposition.
    pub dispositions: BTreeMap<String, u64>,
    /// Copies that were sent.
    pub copies: u64,
    /// Pings that the target took for ones it had.
    pub duplicates: u64,
    /// Pings of clocks hours ahead, and 1024 weeks behind, that were sent.
    pub future: u64,
    /// See `future`.
    pub rollover: u64,
    /// Vehicles whose position at the end is not that of their newest ping, and
    /// vehicles looked at.
    pub positions_wrong: Option<(u64, u64)>,
}

/// What became of messages that are no pings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejects {
    /// Sent, by the code they must be refused with.
    pub expected: BTreeMap<String, u64>,
    /// Answered, by code.
    pub answered: BTreeMap<String, u64>,
    /// Good pings refused, bad ones taken or refused with another code.
    pub wrongly: u64,
    /// In the dead letters, once each, by reason.
    pub dead_letters: Option<BTreeMap<String, u64>>,
    /// Dead letters that are there more than once.
    pub dead_letters_repeated: u64,
}

/// How events came.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Events {
    /// Operations.
    pub operations: u64,
    /// Amends and retracts among them.
    pub corrections: u64,
    /// Operations delivered again.
    pub repeated: u64,
    /// How reading went.
    pub feed: Feed,
}

/// Latencies, each from the intended send time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Timing {
    /// To the answer.
    pub answer: Percentiles,
    /// To the event of an enter or a pass; holds the reorder delay.
    pub event: Percentiles,
    /// To the event of an exit; holds its confirmation too.
    pub exit: Percentiles,
    /// To the position.
    pub position: Percentiles,
}
