//! The command line.

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{Args, Parser, Subcommand, ValueEnum};
use reqwest::Url;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::google::Pubsub;
use crate::google::rest::{Rest, Service};
use crate::profile::{Profile, SHIPPED, Thresholds, World};
use crate::read::bigquery::{Table, TableName, TableNameError};
use crate::read::firestore::{Collection, CollectionName, CollectionNameError};
use crate::run::{Kept, RunDirectory, RunPlan, Target, run, verify};
use crate::schedule::Point;
use crate::send::file::Layout;
use crate::send::pubsub::Shape;
use crate::target_process::TargetProcess;
use crate::traces::{Pace, Traces};
use crate::verdict::{Report, text};

/// Exit code of arguments that make no sense, as of those that clap refuses.
const USAGE: u8 = 2;
/// Exit code of a run that is ended at once, as shells have it for Ctrl-C.
const ENDED_AT_ONCE: i32 = 130;

/// Load with known truth for fleetstream, and a verdict on what came of it.
#[derive(Debug, Parser)]
#[command(
    version,
    about,
    after_help = "\
From nothing to a report:
  loadgen prepare --profile smoke --out trial
  fleetstream run --config trial/fleetstream.toml &
  loadgen run --profile smoke --out trial --data-dir trial/data --pid $!

Interrupted (Ctrl-C, SIGTERM), a run stops sending and judges what was sent; a
second time, it ends at once.

Exit codes: 0 all thresholds hold, 1 one does not, or was not looked at, or a
failure, or the run was interrupted, 2 usage, 130 ended at once."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write the fences of a profile, and a configuration of the engine that fits it.
    Prepare(PrepareArgs),
    /// Send a profile to a target and judge what comes of it.
    Run(Box<RunArgs>),
    /// Send recorded traces to a target; without truth, but with everything else.
    Replay(Box<ReplayArgs>),
    /// Judge a run again from its directory and what the target left behind.
    Verify(VerifyArgs),
    /// List the profiles.
    Profiles,
}

/// What is driven.
#[derive(Debug, Args)]
struct WorldArgs {
    /// Name of a profile, or its file.
    #[arg(long, value_name = "PROFILE")]
    profile: String,
    /// Another seed.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Another length.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    seconds: Option<u32>,
    /// Another rate, the same all the time.
    #[arg(long, value_name = "PINGS_PER_S", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
    /// Another number of vehicles.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    vehicles: Option<u32>,
    /// GeoJSON of the target's fences, instead of generated ones.
    #[arg(long, value_name = "FILE")]
    fences: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct PrepareArgs {
    #[command(flatten)]
    world: WorldArgs,
    /// Directory to write to.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum TargetKind {
    /// An engine's POST /v1/pings.
    Http,
    /// A Pub/Sub topic: of the service, or of the emulator that
    /// PUBSUB_EMULATOR_HOST names.
    Pubsub,
    /// A file, as fast as it goes.
    File,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// For machines.
    Json,
}

#[derive(Debug, Args)]
struct RunArgs {
    #[command(flatten)]
    world: WorldArgs,
    #[command(flatten)]
    send: SendArgs,
}

#[derive(Debug, Args)]
struct ReplayArgs {
    /// CSV of pings, plain or .zst: vehicle_id, event_time, lat, lon; more if there is.
    #[arg(long, required = true, num_args = 1.., value_name = "FILE")]
    pings: Vec<PathBuf>,
    /// How many times as fast as recorded.
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = factor)]
    speed: f64,
    /// A fixed rate instead, pings a second.
    #[arg(long, value_name = "PINGS_PER_S", conflicts_with = "speed",
          value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
    /// Vehicles that each recorded one becomes.
    #[arg(long, value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u32).range(1..))]
    clones: u32,
    /// Keep the recorded times, for an engine with clock = "event".
    #[arg(long)]
    keep_times: bool,
    #[command(flatten)]
    send: SendArgs,
}

/// Where to, and what is looked at.
#[derive(Debug, Args)]
struct SendArgs {
    /// Where pings go.
    #[arg(long, value_enum, default_value_t = TargetKind::Http)]
    target: TargetKind,
    /// Address of the engine.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080", value_parser = http)]
    url: Url,
    /// The topic, projects/P/topics/T.
    #[arg(long, value_name = "TOPIC", required_if_eq("target", "pubsub"), value_parser = topic)]
    topic: Option<String>,
    /// Pings in a Pub/Sub message.
    #[arg(long, value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u16).range(1..))]
    pings_per_message: u16,
    /// Ordering keys that vehicles are spread over; 0 for messages without order.
    #[arg(long, value_name = "N", default_value_t = 0)]
    ordering_keys: u32,
    /// Subscription to the engine's events, instead of its stream over HTTP.
    #[arg(long, value_name = "SUBSCRIPTION", value_parser = subscription)]
    events_subscription: Option<String>,
    /// NDJSON of the engine's events, or a directory of such files, followed
    /// instead of its stream over HTTP.
    #[arg(long, value_name = "PATH", conflicts_with = "events_subscription")]
    events: Option<PathBuf>,
    /// Subscription to the engine's dead letters.
    #[arg(long, value_name = "SUBSCRIPTION", value_parser = subscription)]
    dead_letters_subscription: Option<String>,
    /// Where positions are read, instead of over HTTP:
    /// firestore:projects/P/databases/D, with /COLLECTION if it is not LiveMap.
    /// FIRESTORE_EMULATOR_HOST leads to an emulator.
    #[arg(long, value_name = "WHERE", value_parser = firestore)]
    positions: Option<CollectionName>,
    /// Where the archive is read, instead of under --data-dir:
    /// bigquery:projects/P/datasets/D, with /tables/TABLE if it is not pings.
    /// BIGQUERY_REST_ENDPOINT leads to a stand-in.
    #[arg(long, value_name = "WHERE", value_parser = bigquery)]
    archive: Option<TableName>,
    /// The file: .ndjson, .parquet, or .pb for protobuf with lengths; .zst
    /// compresses all but Parquet, which does that itself.
    #[arg(long, value_name = "FILE", required_if_eq("target", "file"), value_parser = file)]
    file: Option<PathBuf>,
    /// Directory for the truth, the report and everything else about the run.
    #[arg(long, value_name = "DIR", default_value = "loadgen-run")]
    out: PathBuf,
    /// Start of the schedule, RFC 3339, instead of the next second.
    #[arg(long, value_name = "TIME")]
    start: Option<jiff::Timestamp>,
    /// What vehicle ids begin with, instead of the start of the run.
    #[arg(long, value_name = "TEXT")]
    vehicle_prefix: Option<String>,
    /// Connections to the target, of HTTP or of gRPC.
    #[arg(long, value_name = "N", default_value_t = 8,
          value_parser = clap::value_parser!(u16).range(1..))]
    connections: u16,
    /// How long a batch is sent again before it is given up.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    patience: u64,
    /// Read no events and positions back over HTTP.
    #[arg(long)]
    no_read_back: bool,
    /// The engine's data directory, to look into its archive and dead letters.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// The engine's process, to measure what it uses.
    #[arg(long, value_name = "PID")]
    pid: Option<u32>,
    /// Pass although nothing was looked at for some threshold of the profile: for
    /// files, and for measuring what sending costs.
    #[arg(long)]
    allow_unchecked: bool,
    /// How the verdict is printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, Args)]
struct VerifyArgs {
    /// Directory of the run.
    #[arg(long, value_name = "DIR")]
    run: PathBuf,
    /// The engine's data directory.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// NDJSON of events, or a directory of such files, instead of the data
    /// directory's event log.
    #[arg(long, value_name = "PATH")]
    events: Option<PathBuf>,
    /// Pass although nothing was looked at for some threshold of the profile.
    #[arg(long)]
    allow_unchecked: bool,
    /// How the verdict is printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// Arguments that make no sense.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Usage(String);

/// Runs the command of this process's arguments.
#[must_use]
pub fn main() -> ExitCode {
    match execute(Cli::parse().command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            error.chain().skip(1).for_each(|cause| eprintln!("  caused by: {cause}"));
            if error.is::<Usage>() { ExitCode::from(USAGE) } else { ExitCode::FAILURE }
        }
    }
}

/// Returns whether everything that must hold does.
fn execute(command: Command) -> anyhow::Result<bool> {
    match command {
        Command::Profiles => {
            let mut list = String::new();
            for (name, text) in SHIPPED {
                let profile = Profile::parse(text).context(name)?;
                list += &format!("{name:14} {}\n", profile.about);
            }
            print(&list)?;
            Ok(true)
        }
        Command::Prepare(args) => {
            let (world, _) = args.world.load()?;
            let directory = RunDirectory::create(&args.out)?;
            directory.write_world(&world)?;
            print(&format!(
                "{} fences and a configuration: {}\n",
                world.fences.all().len(),
                args.out.join("fleetstream.toml").display()
            ))?;
            Ok(true)
        }
        Command::Verify(args) => {
            let kept = Kept { data_dir: args.data_dir.as_deref(), events: args.events.as_deref() };
            let report = verify(&RunDirectory::open(&args.run), kept, args.allow_unchecked)?;
            show(&report, args.format)?;
            Ok(report.pass)
        }
        Command::Run(args) => {
            let (world, profile) = args.world.load()?;
            send(args.send, world, profile, None)
        }
        Command::Replay(args) => {
            let pace = args.rate.map_or(Pace::Speed(args.speed), Pace::Rate);
            let (traces, first_ms) = Traces::read(&args.pings, args.clones, pace, args.keep_times)?;
            let mut options = args.send;
            if args.keep_times {
                options.start = Some(jiff::Timestamp::from_millisecond(first_ms)?);
            }
            // No city of its own: only where pings go and what comes back.
            let mut profile = Profile::load("smoke")?;
            profile.thresholds =
                Thresholds { acknowledged_min: Some(1.0), ..Thresholds::default() };
            profile.fleet.vehicles = traces.vehicles();
            let world = profile.world(None)?;
            send(options, world, "recorded traces".into(), Some(traces))
        }
    }
}

fn send(
    options: SendArgs,
    world: World,
    profile: String,
    traces: Option<Traces>,
) -> anyhow::Result<bool> {
    let format = options.format;
    let plan = options.plan(world, profile, traces)?;
    let interrupt = plan.interrupt.clone();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("starting the runtime")?;
    let report = runtime.block_on(async {
        tokio::spawn(listen(interrupt).await?);
        run(plan).await
    })?;
    show(&report, format)?;
    Ok(report.pass)
}

/// Listens to SIGINT and SIGTERM: the first interrupts the run, the second ends
/// the process.
async fn listen(interrupt: CancellationToken) -> anyhow::Result<impl Future<Output = ()>> {
    let listen = |kind| signal(kind).context("cannot listen to signals");
    let mut ints = listen(SignalKind::interrupt())?;
    let mut terms = listen(SignalKind::terminate())?;
    Ok(async move {
        for ending in [false, true] {
            tokio::select! {
                _ = ints.recv() => {}
                _ = terms.recv() => {}
            }
            if ending {
                std::process::exit(ENDED_AT_ONCE);
            }
            interrupt.cancel();
            eprintln!(
                "interrupted: no more is sent; judging what was (again to end at once, without \
                 a report)"
            );
        }
    })
}

fn firestore(text: &str) -> Result<CollectionName, String> {
    let name = text.strip_prefix("firestore:").ok_or("expected firestore:…")?;
    name.parse().map_err(|error: CollectionNameError| format!("firestore: {error}"))
}

fn bigquery(text: &str) -> Result<TableName, String> {
    let name = text.strip_prefix("bigquery:").ok_or("expected bigquery:…")?;
    name.parse().map_err(|error: TableNameError| format!("bigquery: {error}"))
}

fn http(text: &str) -> Result<Url, String> {
    match text.parse::<Url>() {
        Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(url),
        Ok(_) => Err("expected http://… or https://…".into()),
        Err(error) => Err(error.to_string()),
    }
}

fn topic(text: &str) -> Result<String, String> {
    full_name(text, "topics")
}

fn subscription(text: &str) -> Result<String, String> {
    full_name(text, "subscriptions")
}

fn full_name(text: &str, kind: &str) -> Result<String, String> {
    match text.split('/').collect::<Vec<_>>()[..] {
        ["projects", project, found, id]
            if found == kind && !project.is_empty() && !id.is_empty() =>
        {
            Ok(text.to_owned())
        }
        _ => Err(format!("expected projects/PROJECT/{kind}/ID")),
    }
}

fn file(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    match Layout::of(&path) {
        Ok(_) => Ok(path),
        Err(error) => Err(error.to_string()),
    }
}

fn factor(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(factor) if factor.is_finite() && factor > 0.0 => Ok(factor),
        _ => Err("expected a number above 0".into()),
    }
}

impl WorldArgs {
    fn load(&self) -> anyhow::Result<(World, String)> {
        let profile = Profile::load(&self.profile);
        let mut profile = profile.map_err(|error| Usage(format!("{error:#}")))?;
        profile.seed = self.seed.unwrap_or(profile.seed);
        profile.load.seconds = self.seconds.unwrap_or(profile.load.seconds);
        profile.fleet.vehicles = self.vehicles.unwrap_or(profile.fleet.vehicles);
        if let Some(rate) = self.rate {
            profile.load.rate = vec![Point { at_s: 0, rate }];
        }
        let geojson = match &self.fences {
            None => None,
            Some(path) => Some(
                std::fs::read_to_string(path)
                    .with_context(|| format!("reading {}", path.display()))?,
            ),
        };
        Ok((profile.world(geojson)?, self.profile.clone()))
    }
}

impl SendArgs {
    fn plan(
        self,
        world: World,
        profile: String,
        traces: Option<Traces>,
    ) -> anyhow::Result<RunPlan> {
        if self.topic.is_some() && self.target != TargetKind::Pubsub {
            return Err(Usage("--topic goes with --target pubsub".into()).into());
        }
        if self.file.is_some() && self.target != TargetKind::File {
            return Err(Usage("--file goes with --target file".into()).into());
        }
        self.look_at_nothing_of_a_file()?;
        let target = match (self.target, self.file) {
            (TargetKind::Http, _) => Target::Http(self.url.clone()),
            (TargetKind::Pubsub, _) => Target::Pubsub(
                self.topic.context("--target pubsub needs --topic")?,
                Shape {
                    pings_per_message: self.pings_per_message.into(),
                    ordering_keys: self.ordering_keys,
                },
            ),
            (TargetKind::File, Some(path)) => Target::File(path),
            (TargetKind::File, None) => bail!("--target file needs --file"),
        };
        if let Some(pid) = self.pid.filter(|&pid| !TargetProcess::is_there(pid)) {
            return Err(Usage(format!("--pid {pid}: no such process in /proc")).into());
        }
        let positions = match self.positions {
            Some(name) => Some(Collection::new(Rest::of_environment(Service::Firestore)?, name)),
            None => None,
        };
        let archive = match self.archive {
            Some(name) => Some(Table::new(Rest::of_environment(Service::Bigquery)?, name)),
            None => None,
        };
        Ok(RunPlan {
            profile,
            traces: traces.map(Arc::new),
            start_ms: self.start.map(jiff::Timestamp::as_millisecond),
            prefix: self.vehicle_prefix,
            connections: self.connections.into(),
            patience: Duration::from_secs(self.patience),
            read_from: (!self.no_read_back).then_some(self.url),
            pubsub: Pubsub::of_environment(),
            events_subscription: self.events_subscription,
            events_files: self.events,
            dead_letters_subscription: self.dead_letters_subscription,
            positions,
            archive,
            data_dir: self.data_dir,
            pid: self.pid,
            allow_unchecked: self.allow_unchecked,
            view: std::io::stderr().is_terminal(),
            ..RunPlan::new(world, target, &self.out)
        })
    }
}

impl SendArgs {
    /// Refuses what asks to look at an engine where pings go into a file.
    fn look_at_nothing_of_a_file(&self) -> Result<(), Usage> {
        let looks = [
            ("--data-dir", self.data_dir.is_some()),
            ("--pid", self.pid.is_some()),
            ("--events", self.events.is_some()),
            ("--events-subscription", self.events_subscription.is_some()),
            ("--dead-letters-subscription", self.dead_letters_subscription.is_some()),
            ("--positions", self.positions.is_some()),
            ("--archive", self.archive.is_some()),
        ];
        match looks.into_iter().find(|(_, given)| *given) {
            Some((flag, _)) if self.target == TargetKind::File => Err(Usage(format!(
                "{flag} looks at an engine, and --target file sends to none; replay the file, then \
                 loadgen verify judges what came of it"
            ))),
            _ => Ok(()),
        }
    }
}

fn show(report: &Report, format: Format) -> anyhow::Result<()> {
    match format {
        Format::Text => print(&text(report)),
        Format::Json => print(&(serde_json::to_string_pretty(report)? + "\n")),
    }
}

/// A reader that has seen enough and went away is no error.
fn print(text: &str) -> anyhow::Result<()> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(error).context("writing to standard output")
        }
        _ => Ok(()),
    }
}
