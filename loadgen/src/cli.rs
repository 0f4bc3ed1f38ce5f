//! The command line.

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{Args, Parser, Subcommand, ValueEnum};
use reqwest::Url;

use crate::google::Pubsub;
use crate::profile::{Profile, SHIPPED, Thresholds, World};
use crate::run::{Kept, RunDirectory, RunPlan, Target, run, verify};
use crate::schedule::Point;
use crate::send::pubsub::Shape;
use crate::traces::{Pace, Traces};
use crate::verdict::{Report, text};

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

Exit codes: 0 all thresholds hold, 1 one does not, or a failure, 2 usage."
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
    #[arg(long, value_name = "SECONDS")]
    seconds: Option<u32>,
    /// Another rate, the same all the time.
    #[arg(long, value_name = "PINGS_PER_S")]
    rate: Option<u32>,
    /// Another number of vehicles.
    #[arg(long, value_name = "N")]
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
    #[arg(long, value_name = "PINGS_PER_S", conflicts_with = "speed")]
    rate: Option<u32>,
    /// Vehicles that each recorded one becomes.
    #[arg(long, value_name = "N", default_value_t = 1)]
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
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    url: Url,
    /// The topic, projects/P/topics/T.
    #[arg(long, value_name = "TOPIC", required_if_eq("target", "pubsub"))]
    topic: Option<String>,
    /// Pings in a Pub/Sub message.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pings_per_message: usize,
    /// Ordering keys that vehicles are spread over; 0 for messages without order.
    #[arg(long, value_name = "N", default_value_t = 0)]
    ordering_keys: u32,
    /// Subscription to the engine's events, instead of its stream over HTTP.
    #[arg(long, value_name = "SUBSCRIPTION")]
    events_subscription: Option<String>,
    /// The file: .ndjson, or .pb for protobuf with lengths; .zst compresses.
    #[arg(long, value_name = "FILE", required_if_eq("target", "file"))]
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
    /// Connections to the target.
    #[arg(long, value_name = "N", default_value_t = 8)]
    connections: usize,
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
    /// How the verdict is printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// Runs the command of this process's arguments.
#[must_use]
pub fn main() -> ExitCode {
    match execute(Cli::parse().command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            error.chain().skip(1).for_each(|cause| eprintln!("  caused by: {cause}"));
            ExitCode::FAILURE
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
            let report = verify(&RunDirectory::open(&args.run), kept)?;
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
            profile.thresholds = Thresholds::default();
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
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("starting the runtime")?;
    let report = runtime.block_on(run(plan))?;
    show(&report, format)?;
    Ok(report.pass)
}

fn factor(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(factor) if factor.is_finite() && factor > 0.0 => Ok(factor),
        _ => Err("expected a number above 0".into()),
    }
}

impl WorldArgs {
    fn load(&self) -> anyhow::Result<(World, String)> {
        let mut profile = Profile::load(&self.profile)?;
        profile.seed = self.seed.unwrap_or(profile.seed);
        profile.load.seconds = self.seconds.unwrap_or(profile.load.seconds);
        profile.fleet.vehicles = self.vehicles.unwrap_or(profile.fleet.vehicles);
        if profile.load.seconds == 0 || profile.fleet.vehicles == 0 {
            bail!("--seconds and --vehicles must be above 0");
        }
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
        let target = match (self.target, self.file) {
            (TargetKind::Http, _) => Target::Http(self.url.clone()),
            (TargetKind::Pubsub, _) => Target::Pubsub(
                self.topic.context("--target pubsub needs --topic")?,
                Shape {
                    pings_per_message: self.pings_per_message,
                    ordering_keys: self.ordering_keys,
                },
            ),
            (TargetKind::File, Some(path)) => Target::File(path),
            (TargetKind::File, None) => bail!("--target file needs --file"),
        };
        Ok(RunPlan {
            world: Arc::new(world),
            profile,
            traces: traces.map(Arc::new),
            target,
            out: self.out,
            start_ms: self.start.map(jiff::Timestamp::as_millisecond),
            prefix: self.vehicle_prefix,
            connections: self.connections.max(1),
            patience: Duration::from_secs(self.patience),
            read_from: (!self.no_read_back).then_some(self.url),
            pubsub: Pubsub::of_environment(),
            events_subscription: self.events_subscription,
            data_dir: self.data_dir,
            pid: self.pid,
            view: std::io::stderr().is_terminal(),
        })
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
