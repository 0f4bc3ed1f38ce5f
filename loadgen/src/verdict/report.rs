//! Everything that is known of a run, as one document.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Check, KindScore};
use crate::latency::Percentiles;
use crate::ledger::Tally;
use crate::read::sse::Feed;
use crate::read::told::EventRows;
use crate::send::Second;
use crate::target_process::Usage;

/// Something of a target that is read back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Rows of pings.
    Archive,
    /// What is said of messages that are no pings.
    DeadLetters,
    /// Operations on events.
    Events,
    /// The table of them.
    EventTable,
    /// Where vehicles are at the end.
    Positions,
}

/// What could not be read, and why.
pub type Unread = BTreeMap<Part, String>;

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Archive => "the archive",
            Self::DeadLetters => "dead letters",
            Self::Events => "events",
            Self::EventTable => "the table of events",
            Self::Positions => "positions",
        })
    }
}

/// A run and its verdict. What was not looked at is absent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Report {
    /// Whether every check holds.
    pub pass: bool,
    /// The run was ended before its time: what is said of it is true up to
    /// then, and it does not pass.
    pub interrupted: bool,
    /// The checks, in the order of the profile's thresholds.
    pub checks: Vec<Check>,
    /// Thresholds of the profile that nothing was looked at for, or found to
    /// hold them against.
    pub unchecked: Vec<String>,
    /// Thresholds that there was nothing to hold against, though it was looked:
    /// of kinds that the truth requires none of, and of an archive that was not
    /// waited for.
    pub without: Vec<String>,
    /// Whether it may pass with the unchecked ones.
    pub unchecked_allowed: bool,
    /// What was to be read and could not be, and why: it does not pass.
    pub unread: Unread,
    /// What was read from the target's files.
    pub from_files: BTreeSet<Part>,
    /// What the run read from files, and verifying it did not: nothing is known
    /// of it.
    pub gone: BTreeSet<Part>,
    /// What else was not looked at, and why.
    pub notes: Vec<String>,
    /// Name of the profile, or its file.
    pub profile: String,
    /// The seed.
    pub seed: u64,
    /// Where pings went.
    pub target: String,
    /// When the schedule began, RFC 3339.
    pub start: String,
    /// Length of the schedule, seconds; of one that was interrupted, up to
    /// then.
    pub seconds: f64,
    /// From when on latencies of events and positions were measured, seconds since the start.
    pub warm_up_s: u32,
    /// Whether it is known what really happened; not of recorded traces.
    pub has_truth: bool,
    /// How sending went.
    pub sending: Sending,
    /// What became of the pings.
    pub pings: Pings,
    /// What became of messages that are no pings.
    pub rejects: Rejects,
    /// How events came.
    pub events: Option<Events>,
    /// How the rows of their table compare with them.
    pub event_rows: Option<EventRows>,
    /// Events against the truth, by kind.
    pub kinds: BTreeMap<String, KindScore>,
    /// Latencies.
    pub latency: Timing,
    /// What the target used.
    pub process: Option<Usage>,
    /// What the load generator itself used.
    pub own: Option<Cost>,
    /// The run by seconds.
    pub by_second: Vec<Second>,
}

impl Report {
    /// Whether events may have come that were not read.
    pub(crate) fn events_may_lack(&self) -> bool {
        let feed = self.events.as_ref().map(|events| &events.feed);
        let is_whole = feed.is_some_and(|feed| feed.gaps + feed.unreadable == 0);
        !is_whole || self.unread.contains_key(&Part::Events)
    }
}

/// What the load generator used from the start of its schedule to the last
/// answer: making, sending and reading back, and looking at the truth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// User and system time, seconds.
    pub cpu_s: f64,
    /// The same over the time it took: 1 is one core.
    pub cores: f64,
    /// The same over the messages sent, microseconds.
    pub us_per_message: f64,
    /// Messages sent over the time it took.
    pub messages_per_s: f64,
    /// The most resident memory, bytes.
    pub rss_bytes_max: u64,
}

impl Cost {
    /// Of a process that sent so many messages in so many seconds.
    #[must_use]
    pub fn of(usage: Usage, messages: u64, seconds: f64) -> Self {
        let seconds = seconds.max(1e-9);
        Self {
            cpu_s: usage.cpu_s,
            cores: usage.cpu_s / seconds,
            us_per_message: usage.cpu_s * 1e6 / messages.max(1) as f64,
            messages_per_s: messages as f64 / seconds,
            rss_bytes_max: usage.rss_bytes_max,
        }
    }
}

/// How sending went.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sending {
    /// Messages due, copies and malformed ones too.
    pub intended: u64,
    /// Messages handed over.
    pub sent: u64,
    /// Messages answered for.
    pub answered: u64,
    /// Mean rate of the schedule, messages a second.
    pub intended_rate: f64,
    /// Highest rate of the schedule, bursts included, pings a second; 0 of
    /// recorded traces.
    pub intended_rate_max: u64,
    /// Messages answered for by the end of the schedule and one second more,
    /// over its length; of a file, messages over the time that writing took.
    pub achieved_rate: f64,
    /// Answers by what they were.
    pub answers: BTreeMap<String, u64>,
    /// Batches sent again.
    pub retries: u64,
    /// Messages given up when the target was away for too long, or the run was
    /// interrupted.
    pub given_up: u64,
    /// Messages refused for good.
    pub refused: u64,
    /// The most that sending was behind its schedule, milliseconds.
    pub behind_ms_max: i64,
    /// From the start of the schedule to the last answer, milliseconds.
    pub last_answer_ms: i64,
}

/// What became of the pings.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Pings {
    /// Distinct pings that the schedule has.
    pub intended: u64,
    /// Each single one.
    #[serde(flatten)]
    pub tally: Tally,
    /// Whether the archive was read; otherwise nothing is known of `archived`,
    /// `missing`, `doubled`, `strangers` and `altered`.
    pub archive_read: bool,
    /// Whether waiting for it was cut short by an interruption, before all was
    /// there: nothing is known of `missing`.
    pub archive_cut_short: bool,
    /// The first rows altered: which, what was sent and what is there.
    pub altered_examples: Vec<String>,
    /// The most pings that were acknowledged and not in the archive yet, when it
    /// was looked at while the run went on.
    pub archive_behind_max: Option<u64>,
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
    /// Vehicles whose position at the end is not that of their newest ping, by time
    /// or place, and vehicles looked at.
    pub positions_wrong: Option<(u64, u64)>,
    /// The first of them: which, and what of it is wrong.
    pub position_examples: Vec<String>,
}

/// What became of messages that are no pings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rejects {
    /// Sent, by the code they must be refused with.
    pub expected: BTreeMap<String, u64>,
    /// Whether the target's answers say what was refused.
    pub told: bool,
    /// Answered, by code.
    pub answered: BTreeMap<String, u64>,
    /// Good pings refused, bad ones taken or refused with another code.
    pub wrongly: u64,
    /// In the dead letters, once each, by reason.
    pub dead_letters: Option<BTreeMap<String, u64>>,
    /// Dead letters that are there more than once.
    pub dead_letters_repeated: u64,
    /// Dead letters whose bytes were not sent, or were to be refused for another
    /// reason.
    pub dead_letters_altered: u64,
    /// The first of them: which, and what of it.
    pub dead_letter_examples: Vec<String>,
}

/// How events came.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Events {
    /// Operations.
    pub operations: u64,
    /// Amends and retracts among them.
    pub corrections: u64,
    /// Operations delivered again.
    pub repeated: u64,
    /// Of those, the ones that said something else than at first.
    pub contradicted: u64,
    /// How reading went.
    pub feed: Feed,
}

/// Latencies, all but two from the intended send time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Timing {
    /// To the answer; a message that was given up counts as the longest that is
    /// told apart, an hour.
    pub answer: Percentiles,
    /// To the event of an enter or a pass; holds the reorder delay.
    pub event: Percentiles,
    /// To the event of an exit; holds its confirmation too.
    pub exit: Percentiles,
    /// From the publishing of the ping that decided an enter, an exit, a pass or
    /// a visit to the publishing of that event, by the clock of Pub/Sub; holds the
    /// reorder delay.
    pub published: Percentiles,
    /// From the receipt of the ping that decided an enter, an exit, a pass or a
    /// visit, by the target's clock, to the arrival of that event over HTTP; holds
    /// the reorder delay.
    pub received: Percentiles,
    /// To the first look that shows its position or a newer one's, of every ping
    /// of some vehicles.
    pub position: Percentiles,
}
