//! A run: sends a world to a target, reads back what comes of it, and judges.

mod again;
mod archive;
mod directory;
mod event_table;
mod examples;
mod file;
mod interrupt;
mod judge;
mod last_look;
mod live;
mod newest;
mod readers;
mod view;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use directory::RunDirectory;
pub use judge::{Kept, verify};

use self::again::Again;
use crate::google::Pubsub;
use crate::profile::World;
use crate::read::bigquery::Table;
use crate::read::firestore::Collection;
use crate::send::Snapshot;
use crate::send::pubsub::Shape;
use crate::traces::Traces;
use crate::truth::Names;
use crate::verdict::{Report, Sending};

/// Where pings go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// An engine's HTTP address.
    Http(Url),
    /// A Pub/Sub topic, its full name, and how pings become messages.
    Pubsub(String, Shape),
    /// A file.
    File(PathBuf),
}

/// What is run, and how.
#[derive(Clone, Debug)]
pub struct RunPlan {
    /// The world.
    pub world: Arc<World>,
    /// Name of its profile.
    pub profile: String,
    /// Recorded traces to send instead of the world's fleet; then there is no
    /// truth, and events are only counted.
    pub traces: Option<Arc<Traces>>,
    /// Where pings go.
    pub target: Target,
    /// Where everything about the run is written.
    pub out: PathBuf,
    /// Start of the schedule, milliseconds since the epoch; a file has a fixed
    /// one, a live target the next whole second but one.
    pub start_ms: Option<i64>,
    /// What vehicles' ids begin with; a file has none, a live target the time at
    /// which the run was made, so that two runs share no vehicle.
    pub prefix: Option<String>,
    /// Connections to a live target.
    pub connections: usize,
    /// How long a batch is sent again before it is given up.
    pub patience: Duration,
    /// Where the engine's HTTP is, to read events and positions, if they are
    /// not read elsewhere.
    pub read_from: Option<Url>,
    /// Where Pub/Sub is.
    pub pubsub: Pubsub,
    /// Subscription to the engine's events, its full name.
    pub events_subscription: Option<String>,
    /// NDJSON of the engine's events, or a directory of such files.
    pub events_files: Option<PathBuf>,
    /// Subscription to the engine's dead letters, its full name.
    pub dead_letters_subscription: Option<String>,
    /// Positions in Firestore.
    pub positions: Option<Collection>,
    /// The archive in BigQuery.
    pub archive: Option<Table>,
    /// The target's data directory, if it can be looked into.
    pub data_dir: Option<PathBuf>,
    /// The target's process, if it can be looked at.
    pub pid: Option<u32>,
    /// Whether it passes although nothing was looked at for some threshold.
    pub allow_unchecked: bool,
    /// Show the run on a terminal.
    pub view: bool,
    /// Once cancelled, no more is sent than is due already; what came of it is
    /// judged.
    pub interrupt: CancellationToken,
    /// Is told once a second how sending goes.
    pub monitor: Option<watch::Sender<Snapshot>>,
}

/// Monday, 5 January 2026, 06:00 UTC: when files begin.
const FILE_START_MS: i64 = 1_767_592_800_000;

/// Runs it. The report is also written to the run's directory.
///
/// # Errors
/// What is written cannot be, or the target is none; a target that fails on the
/// way is no error but a verdict.
pub async fn run(plan: RunPlan) -> anyhow::Result<Report> {
    match plan.target.clone() {
        Target::File(path) => file::run(&plan, &path),
        Target::Http(_) | Target::Pubsub(..) => live::run(&plan).await,
    }
}

impl RunPlan {
    /// A run of `world` against `target`, over 8 connections and with a minute's
    /// patience; everything about it is written to `out`, and nothing is read
    /// back.
    #[must_use]
    pub fn new(world: World, target: Target, out: &Path) -> Self {
        Self {
            world: Arc::new(world),
            profile: String::new(),
            traces: None,
            target,
            out: out.to_owned(),
            start_ms: None,
            prefix: None,
            connections: 8,
            patience: Duration::from_secs(60),
            read_from: None,
            pubsub: Pubsub::Service,
            events_subscription: None,
            events_files: None,
            dead_letters_subscription: None,
            positions: None,
            archive: None,
            data_dir: None,
            pid: None,
            allow_unchecked: false,
            view: false,
            interrupt: CancellationToken::new(),
            monitor: None,
        }
    }

    /// Whether events are read elsewhere than from the engine's HTTP.
    fn reads_events_elsewhere(&self) -> bool {
        self.events_subscription.is_some() || self.events_files.is_some()
    }

    /// Whether events are read.
    fn reads_events(&self) -> bool {
        self.read_from.is_some() || self.reads_events_elsewhere()
    }

    /// Whether anything is read from the engine's HTTP.
    fn reads_http(&self) -> bool {
        let elsewhere = self.reads_events_elsewhere() && self.positions.is_some();
        self.read_from.is_some() && !elsewhere
    }

    fn file_names(&self) -> Names {
        Names {
            start_ms: self.start_ms.unwrap_or(FILE_START_MS),
            prefix: self.prefix.clone().unwrap_or_default(),
        }
    }

    /// Names of a run that begins soon, by the machine's clock.
    fn live_names(&self, now_ms: i64) -> Names {
        let start_ms = self.start_ms.unwrap_or((now_ms / 1000 + 2) * 1000);
        // By the clock, whatever the start: pings that keep their times are sent
        // more than once too.
        let prefix = self.prefix.clone().unwrap_or_else(|| format!("{:x}-", now_ms / 1000));
        Names { start_ms, prefix }
    }

    fn length_ms(&self) -> i64 {
        match &self.traces {
            Some(traces) => traces.length_ms(),
            None => self.world.curve.length_ms(),
        }
    }

    /// When the last ping is received, milliseconds since the epoch; `now_ms` is
    /// before the start. With recorded times, by the engine's clock of event
    /// times; otherwise by the calendar, a schedule that began in the past goes
    /// on from now.
    fn last_ms(&self, names: &Names, now_ms: i64) -> i64 {
        match &self.traces {
            Some(traces) if traces.keeps_times() => names.start_ms + traces.newest_ms(),
            _ => names.start_ms.max(now_ms) + self.length_ms(),
        }
    }

    fn again(&self) -> Again<'_> {
        match &self.traces {
            Some(traces) => Again::Traces(traces),
            None => Again::World(&self.world),
        }
    }

    fn vehicles(&self) -> u32 {
        self.traces.as_ref().map_or(self.world.plan.vehicles, |traces| traces.vehicles())
    }

    /// What every report says.
    fn report(&self, names: &Names) -> Report {
        let start = jiff::Timestamp::from_millisecond(names.start_ms);
        Report {
            profile: self.profile.clone(),
            seed: self.world.profile.seed,
            target: match &self.target {
                Target::Http(url) => url.to_string(),
                Target::Pubsub(topic, _) => topic.clone(),
                Target::File(path) => path.display().to_string(),
            },
            start: start.map_or_else(|_| names.start_ms.to_string(), |time| time.to_string()),
            seconds: self.length_ms() as f64 / 1e3,
            warm_up_s: self.world.profile.load.warm_up_s,
            has_truth: self.traces.is_none(),
            unchecked_allowed: self.allow_unchecked,
            sending: Sending {
                intended_rate_max: match self.traces {
                    None => self.world.curve.rate_max(),
                    Some(_) => 0,
                },
                ..Sending::default()
            },
            ..Report::default()
        }
    }

    /// Marks the report of a run that was interrupted, whose last message was
    /// due at `end_ms`.
    fn cut_short(&self, report: &mut Report, end_ms: i64) {
        report.interrupted = self.interrupt.is_cancelled();
        // It may be that only waiting for what comes of it was cut short.
        if report.interrupted && end_ms + 1_000 < self.length_ms() {
            report.seconds = end_ms as f64 / 1e3;
        }
    }
}
