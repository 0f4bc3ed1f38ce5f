//! The command line: what can be asked, and who answers.
//!
//! Flags that stand for a setting are handed to the configuration as such,
//! so that they are checked where every other setting is.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use geofence::TimeMs;
use protos::events::Id;

use crate::config::{self, Effective, Flag, Mistakes};
use crate::exit::{self, Exit};
use crate::{commands, explain, open_files};

/// Free share of the disk that commands leave which write a bounded amount:
/// a disk may well be nine tenths full on a machine where one tries things.
const FREE_PERCENT_ONE_OFF: &str = "1";

/// Reads the command line, runs the command, says how it ended.
pub fn main() -> ExitCode {
    match Cli::try_parse() {
        Ok(cli) => exit::finish(run(cli.command)),
        Err(answer) => {
            // Help and version come this way too, with code 0.
            let _ = answer.print();
            let _ = std::io::stdout().flush();
            let usage = answer.use_stderr();
            (if usage { Exit::Usage } else { Exit::Success }).into()
        }
    }
}

fn run(command: Command) -> anyhow::Result<Exit> {
    if matches!(command, Command::Demo(_) | Command::Run(_) | Command::Replay(_)) {
        open_files::raise_limit();
    }
    match command {
        Command::Demo(args) => commands::demo::execute(&args),
        Command::Run(args) => commands::run::execute(&args),
        Command::Replay(args) => commands::replay::execute(&args),
        Command::CheckConfig(args) => commands::check_config::execute(&args),
        Command::Bigquery(BigqueryCommand::Ensure(args)) => commands::bigquery::ensure(&args),
        Command::Dlq(DlqCommand::List(args)) => commands::dlq::list(&args),
        Command::Dlq(DlqCommand::Redrive(args)) => commands::dlq::redrive(&args),
        Command::Explain(args) => commands::explain::execute(&args),
        Command::Fences(FencesCommand::Check(args)) => commands::fences::check(&args),
    }
}

/// Fleet telemetry in, geofence events, positions and an archive out.
#[derive(Debug, Parser)]
#[command(
    name = "fleetstream",
    version,
    propagate_version = true,
    arg_required_else_help = true,
    after_help = "\
Start here:
  fleetstream demo                         a real day of city buses, on this machine
  fleetstream run --config fleet.toml      the worker
  fleetstream check-config fleet.toml      what a configuration means, or what is wrong with it

Exit codes: 0 done, 1 failed while running, 2 wrong command line, 75 another process owns the
data (try again later), 78 wrong configuration. Colours: unless NO_COLOR is set.
Settings: see docs/configuration.md."
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Play a real day of city buses through the whole engine, on this machine.
    Demo(DemoArgs),
    /// Run the worker.
    Run(RunArgs),
    /// Run files of pings through the pipeline as fast as the machine goes.
    Replay(ReplayArgs),
    /// Show the configuration in effect and who set what, or every mistake in it.
    #[command(name = "check-config")]
    CheckConfig(CheckConfigArgs),
    /// Work with the tables in BigQuery.
    #[command(subcommand)]
    Bigquery(BigqueryCommand),
    /// Work with refused input.
    #[command(subcommand)]
    Dlq(DlqCommand),
    /// Say why there is an event, or why there is none.
    Explain(ExplainArgs),
    /// Work with files of geofences.
    #[command(subcommand)]
    Fences(FencesCommand),
}

/// The commands on BigQuery.
#[derive(Debug, Subcommand)]
pub enum BigqueryCommand {
    /// Create the tables and views that are missing, and alter what can be altered.
    Ensure(BigqueryEnsureArgs),
}

/// The commands on dead letters.
#[derive(Debug, Subcommand)]
pub enum DlqCommand {
    /// Show refused input, of a subscription or of a data directory.
    List(DlqListArgs),
    /// Send refused input in again.
    Redrive(DlqRedriveArgs),
}

/// The commands on fences.
#[derive(Debug, Subcommand)]
pub enum FencesCommand {
    /// Show the fences of a GeoJSON file, what was mended and what cannot be used.
    Check(FencesCheckArgs),
}

/// `fleetstream demo`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fleetstream demo                         an hour of the buses' day passes in a minute
  fleetstream demo --speed 600 --exit-when-done
  fleetstream demo --port 0                on a free port, which it says")]
pub struct DemoArgs {
    /// How much faster than the buses drove.
    #[arg(long, default_value_t = 60.0, value_name = "FACTOR", value_parser = speed)]
    pub speed: f64,
    /// Port for HTTP on this machine; 0 takes a free one.
    #[arg(long, default_value_t = 8080)]
    pub port: u16,
    /// Directory to keep everything in [default: a temporary one].
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<String>,
    /// End when the day is over instead of serving on.
    #[arg(long)]
    pub exit_when_done: bool,
}

/// `fleetstream run`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fleetstream run --data-dir /var/lib/fleetstream
  fleetstream run --config fleet.toml --listen 0.0.0.0:8080
  FLEETSTREAM_COMMIT__MAX_DELAY=500ms fleetstream run --config fleet.toml
  fleetstream run --config fleet.toml --set log.level=info,sinks=debug

SIGTERM stops intake, finishes what was taken in and ends within 8 s; a second one ends at once.")]
pub struct RunArgs {
    /// Configuration file (TOML) [default: none, only defaults and the rest].
    #[arg(long, value_name = "FILE", env = "FLEETSTREAM_CONFIG")]
    pub config: Option<PathBuf>,
    /// Sets data_dir.
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<String>,
    /// Sets http.listen.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<String>,
    /// Sets strict_audit: end when recovery and the journal disagree.
    #[arg(long)]
    pub strict_audit: bool,
    /// Move an unreadable end of the journal away and go on before it; says
    /// what may be lost.
    #[arg(long)]
    pub set_aside_tail: bool,
    /// Any setting.
    #[command(flatten)]
    pub set: SetArgs,
}

/// `fleetstream replay`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fleetstream replay --pings day.parquet --fences city.geojson --out result
  fleetstream replay --pings a.csv.gz b.ndjson.zst --fences city.geojson --out result --shards 4
  fleetstream replay --pings day.csv --fences city.geojson --out result \\
      --shuffle-seconds 600 --seed 7 --duplicate 0.05")]
pub struct ReplayArgs {
    /// Files of pings: Parquet, CSV or NDJSON, plain, gzip or zstd.
    #[arg(long, required = true, num_args = 1.., value_name = "FILE")]
    pub pings: Vec<PathBuf>,
    /// Sets fences: GeoJSON file of the geofences.
    #[arg(long, value_name = "FILE")]
    pub fences: String,
    /// Sets vehicle_tags: JSON file with the tags of vehicles.
    #[arg(long, value_name = "FILE")]
    pub vehicle_tags: Option<String>,
    /// Directory to write to; it is created, and must be empty if it exists.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Sets detection.profile: robust or plain, which rules decide a transition.
    #[arg(long, value_name = "PROFILE")]
    pub profile: Option<String>,
    /// Delay each ping's arrival by a random 0 to S seconds.
    #[arg(long, value_name = "S", default_value_t = 0)]
    pub shuffle_seconds: u32,
    /// Seed of delays and duplicates: the same seed, the same run.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Share of pings that arrive a second time, 0 to 1.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, value_parser = share)]
    pub duplicate: f64,
    /// Sets shards.
    #[arg(long, value_name = "N")]
    pub shards: Option<String>,
    /// How the summary is printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// Any setting.
    #[command(flatten)]
    pub set: SetArgs,
}

/// `fleetstream check-config`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fleetstream check-config fleet.toml
  fleetstream check-config fleet.toml --format json
  FLEETSTREAM_COMMIT__MAX_DELAY=2s fleetstream check-config fleet.toml

The answer in text is itself a configuration file, for the working directory. Exit code 78 if
anything is wrong.")]
pub struct CheckConfigArgs {
    /// Configuration file (TOML).
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// How the answer is printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// Any setting.
    #[command(flatten)]
    pub set: SetArgs,
}

/// `fleetstream bigquery ensure`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fleetstream bigquery ensure --config cloud.toml --dry-run
  fleetstream bigquery ensure --dataset projects/acme-fleet/datasets/fleet

Nothing is dropped, and no row is touched. Exit code 78 if something cannot be made what the
worker needs, or the dataset does not exist.")]
pub struct BigqueryEnsureArgs {
    /// Configuration file (TOML) [default: none, only defaults and the rest].
    #[arg(long, value_name = "FILE", env = "FLEETSTREAM_CONFIG")]
    pub config: Option<PathBuf>,
    /// Sets bigquery.dataset.
    #[arg(long, value_name = "projects/P/datasets/D")]
    pub dataset: Option<String>,
    /// Say what would be done, and change nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// How the answer is printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// Any setting.
    #[command(flatten)]
    pub set: SetArgs,
}

/// Which dead letters are meant.
#[derive(Debug, Args)]
pub struct DlqFilter {
    /// Only letters refused for this reason, such as lat_out_of_range; may be
    /// repeated.
    #[arg(long, value_name = "REASON")]
    pub reason: Vec<String>,
    /// At most so many of them.
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    pub limit: usize,
    /// A subscription counts as empty once nothing has come for so many
    /// seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    pub wait: u32,
}

impl DlqFilter {
    /// `--wait` as a duration.
    #[must_use]
    pub fn wait(&self) -> Duration {
        Duration::from_secs(self.wait.into())
    }
}

/// `fleetstream dlq list`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("letters").required(true).args(["subscription", "data_dir"]))]
#[command(after_help = "\
Examples:
  fleetstream dlq list --subscription projects/fleet/subscriptions/dead-letters
  fleetstream dlq list --data-dir fleetstream-data --reason lat_out_of_range --format json

Letters of a subscription are looked at and given back; none is lost or acknowledged.
Exit code 1 if there are more than can be looked at in one go (50,000, or 256 MiB), if Pub/Sub
does not answer, or if a line of a file cannot be read; the others are listed.")]
pub struct DlqListArgs {
    /// Subscription to the dead-letter topic: projects/PROJECT/subscriptions/ID.
    #[arg(long, value_name = "NAME")]
    pub subscription: Option<String>,
    /// Data directory of a worker that keeps them itself, or the --out of a replay.
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<String>,
    /// Which letters.
    #[command(flatten)]
    pub filter: DlqFilter,
    /// How the answer is printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// `fleetstream dlq redrive`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fleetstream dlq redrive --subscription projects/fleet/subscriptions/dead-letters \\
      --topic projects/fleet/topics/pings --reason null_island --dry-run
  fleetstream dlq redrive --subscription projects/fleet/subscriptions/dead-letters \\
      --topic projects/fleet/topics/pings --rate 500
  fleetstream dlq redrive --subscription projects/fleet/subscriptions/dead-letters \\
      --topic 'projects/fleet/topics/pings-shard-{shard}' --shards 8 --reason foreign_shard
  fleetstream dlq redrive --subscription projects/fleet/subscriptions/dead-letters \\
      --topic projects/fleet/topics/events --reason pubsub_refused_event

What a topic of the worker's output has refused (pubsub_refused_event, pubsub_refused_late) is
sent again only where --reason names it alone, and as the worker publishes it.
A letter leaves the subscription once it is published again. Its receive time stays what it was.
Exit code 1, with what was done and what was left, if one could not be published or if more stay
than can be looked at in one go (50,000, or 256 MiB).")]
pub struct DlqRedriveArgs {
    /// Subscription to the dead-letter topic: projects/PROJECT/subscriptions/ID.
    #[arg(long, value_name = "NAME")]
    pub subscription: String,
    /// Topic that the worker pulls from: projects/PROJECT/topics/ID. {shard} in ID
    /// stands for the shard of each letter's vehicle, in three digits.
    #[arg(long, value_name = "NAME")]
    pub topic: String,
    /// The worker's tenant, which messages of events name.
    #[arg(long, value_name = "NAME", default_value = "default")]
    pub tenant: String,
    /// Number of the worker's shards, where each has its own topic.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_024))]
    pub shards: Option<u32>,
    /// Which letters.
    #[command(flatten)]
    pub filter: DlqFilter,
    /// Letters a second; 0 for as fast as it goes.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub rate: u32,
    /// Say what would be sent, and send nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// How the answer is printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// `fleetstream explain`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("question").required(true).args(["event", "fence"]))]
#[command(after_help = "\
Examples:
  fleetstream explain --data-dir fleetstream-data --vehicle van-7 \\
      --fence depot --at 2026-03-01T12:00:00Z
  fleetstream explain --data-dir result --vehicle van-7 \\
      --event 0f3a5c7e9b1d2f4061728394a5b6c7d8 --format json

Reads the journal and nothing else, also while a worker runs or over the --out of a replay, and
writes nothing. Exit code 1 if the journal does not have what is asked about.")]
pub struct ExplainArgs {
    /// The data directory, or the --out of a replay.
    #[arg(long, value_name = "DIR")]
    pub data_dir: PathBuf,
    /// The vehicle's id.
    #[arg(long, value_name = "ID")]
    pub vehicle: String,
    /// Why there is, or was, this event.
    #[arg(long, value_name = "ID", value_parser = explain::parse_event_id, conflicts_with = "at")]
    pub event: Option<Id>,
    /// What happened at this fence, or did not.
    #[arg(long, value_name = "ID", requires = "at")]
    pub fence: Option<String>,
    /// About when, by the time of the pings: RFC 3339.
    #[arg(long, value_name = "TIME", value_parser = explain::parse_time, requires = "fence")]
    pub at: Option<TimeMs>,
    /// How the answer is printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// `fleetstream fences check`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fleetstream fences check city.geojson
  fleetstream fences check fences/ --format json

Exit code 78 if anything cannot be used.")]
pub struct FencesCheckArgs {
    /// GeoJSON file: Polygon and MultiPolygon, Point with radius_m, LineString
    /// with half_width_m. Or a directory of them, which are read as one set.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// How the answer is printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// How a command prints its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// Settings given one by one.
#[derive(Debug, Default, Args)]
pub struct SetArgs {
    /// Set any key of the configuration, such as `commit.max_delay=500ms`; may
    /// be repeated.
    #[arg(long, value_name = "KEY=VALUE", value_parser = assignment)]
    pub set: Vec<(String, String)>,
}

impl SetArgs {
    fn flags(&self) -> impl Iterator<Item = Flag> + '_ {
        self.set.iter().map(|(key, text)| Flag::new("--set", key, text))
    }
}

impl RunArgs {
    /// The configuration these arguments mean, in this process's environment.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn load(&self) -> Result<Effective, Mistakes> {
        let mut flags: Vec<_> = self.set.flags().collect();
        flags.extend(setting("--data-dir", "data_dir", self.data_dir.as_deref()));
        flags.extend(setting("--listen", "http.listen", self.listen.as_deref()));
        let strict = self.strict_audit.then_some("true");
        flags.extend(setting("--strict-audit", "strict_audit", strict));
        load(self.config.as_deref(), &flags)
    }
}

impl BigqueryEnsureArgs {
    /// The configuration these arguments mean, in this process's environment.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn load(&self) -> Result<Effective, Mistakes> {
        let mut flags: Vec<_> = self.set.flags().collect();
        flags.extend(setting("--dataset", "bigquery.dataset", self.dataset.as_deref()));
        load(self.config.as_deref(), &flags)
    }
}

impl ReplayArgs {
    /// The configuration of the replayed pipeline: defaults, environment and
    /// flags. Receive times come from the pings.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn load(&self) -> Result<Effective, Mistakes> {
        let mut flags: Vec<_> = self.set.flags().collect();
        flags.push(Flag::new("replay", "clock", "event"));
        flags.push(Flag::new("replay", "journal.min_free_percent", FREE_PERCENT_ONE_OFF));
        flags.push(Flag::new("--fences", "fences", &self.fences));
        flags.extend(setting("--vehicle-tags", "vehicle_tags", self.vehicle_tags.as_deref()));
        flags.extend(setting("--profile", "detection.profile", self.profile.as_deref()));
        flags.extend(setting("--shards", "shards", self.shards.as_deref()));
        load(None, &flags)
    }
}

impl DemoArgs {
    /// The configuration of the demonstration, which keeps everything in
    /// `data_dir`. Receive times come from the pings.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn load(&self, data_dir: &str) -> Result<Effective, Mistakes> {
        let listen = format!("127.0.0.1:{}", self.port);
        let flags = [
            Flag::new("--data-dir", "data_dir", data_dir),
            Flag::new("--port", "http.listen", listen),
            Flag::new("demo", "clock", "event"),
            Flag::new("demo", "journal.min_free_percent", FREE_PERCENT_ONE_OFF),
            // The feed does not report ignition; a bus on duty runs.
            Flag::new("demo", "detection.assume_engine_on", "true"),
        ];
        load(None, &flags)
    }
}

impl CheckConfigArgs {
    /// The configuration of the file in this process's environment.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn load(&self) -> Result<Effective, Mistakes> {
        load(Some(&self.file), &self.set.flags().collect::<Vec<_>>())
    }
}

fn load(file: Option<&Path>, flags: &[Flag]) -> Result<Effective, Mistakes> {
    config::load(file, std::env::vars_os(), flags)
}

fn setting(flag: &'static str, key: &str, text: Option<&str>) -> Option<Flag> {
    text.map(|text| Flag::new(flag, key, text))
}

fn assignment(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => {
            Ok((key.trim().to_owned(), value.trim().to_owned()))
        }
        _ => Err("expected KEY=VALUE, such as commit.max_delay=500ms".into()),
    }
}

fn speed(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(factor) if factor.is_finite() && factor > 0.0 => Ok(factor),
        _ => Err("expected a number above 0".into()),
    }
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("expected a number from 0 to 1".into()),
    }
}

#[cfg(test)]
mod tests;
