//! A run: sends a world to a target, reads back what comes of it, and judges.

mod directory;
mod file;
mod judge;
mod live;
mod view;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;

pub use directory::RunDirectory;
pub use judge::{Kept, verify};

use crate::google::Pubsub;
use crate::profile::World;
use crate::send::pubsub::Shape;
use crate::traces::Traces;
use crate::truth::Names;
use crate::verdict::Report;

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
    /// What vehicles' ids begin with; a file has none, a live target the start
    /// of the run, so that two runs share no vehicle.
    pub prefix: Option<String>,
    /// Connections to a live target.
    pub connections: usize,
    /// How long a batch is sent again before it is given up.
    pub patience: Duration,
    /// Where the engine's HTTP is, to read positions and, without a
    /// subscription, events.
    pub read_from: Option<Url>,
    /// Where Pub/Sub is.
    pub pubsub: Pubsub,
    /// Subscription to the engine's events, its full name.
    pub events_subscription: Option<String>,
    /// The target's data directory, if it can be looked into.
    pub data_dir: Option<PathBuf>,
    /// The target's process, if it can be looked at.
    pub pid: Option<u32>,
    /// Show the run on a terminal.
    pub view: bool,
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
    fn file_names(&self) -> Names {
        Names {
            start_ms: self.start_ms.unwrap_or(FILE_START_MS),
            prefix: self.prefix.clone().unwrap_or_default(),
        }
    }

    /// Names of a run that begins soon, by the machine's clock.
    fn live_names(&self, now_ms: i64) -> Names {
        let start_ms = self.start_ms.unwrap_or((now_ms / 1000 + 2) * 1000);
        let prefix = self.prefix.clone().unwrap_or_else(|| format!("{:x}-", start_ms / 1000));
        Names { start_ms, prefix }
    }

    fn length_ms(&self) -> i64 {
        match &self.traces {
            Some(traces) => traces.length_ms(),
            None => self.world.curve.length_ms(),
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
            ..Report::default()
        }
    }
}
