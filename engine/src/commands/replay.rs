//! `fleetstream replay`: files of pings through the real pipeline, journal
//! and all, as fast as the machine goes.

mod feed;
mod fold;
mod output;
mod summary;

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, bail};
use geofence::TimeMs;
use tracing::warn;

use super::named_files::NamedFiles;
use crate::cli::{Format, ReplayArgs};
use crate::exit::{self, Exit, WithExit as _};
use crate::explain::words::time;
use crate::http::FeedLimits;
use crate::pipeline::{Configured, DataDir, Pipeline, PipelineOptions};
use crate::shard::Cut;
use crate::signals::Signals;
use crate::source::file::{Disturbance, FileReplay, ReplayOptions};
use crate::{commands, logging, process_stats};
use output::Output;
use summary::Summary;

/// Pings in a segment; the last one of a shard has fewer.
const SEGMENT_PINGS: usize = 10_000;
/// Pings that wait for a shard at the most.
const QUEUE_PINGS_MAX: u32 = 3 * SEGMENT_PINGS as u32;
/// Name of the source in dead letters.
const SOURCE_NAME: &str = "file";

/// 6 January 1980, the first day that GPS counts. Seconds that are taken for
/// milliseconds, and those for microseconds, come to January 1970.
const GPS_BEGINS: TimeMs = TimeMs(315_964_800_000);

/// Runs `replay`.
///
/// # Errors
/// The configuration or an input file is wrong, the output directory is not
/// empty, or the pipeline failed. What was read before a broken file's end is
/// in the output all the same.
pub fn execute(args: &ReplayArgs) -> anyhow::Result<Exit> {
    let started = Instant::now();
    let effective = args.load()?;
    let files = NamedFiles::read(&effective)?;
    logging::install(&effective.config.log.level, effective.config.log.format)?;
    let configured = files.told();
    make_empty(&args.out).exit_with(Exit::Usage)?;
    let mut config = effective.config;
    config.data_dir = args.out.clone();
    // A replay is of the past: the map shows the present.
    config.firestore.database = None;
    // Enough to keep a shard busy; more would only be held in memory.
    config.queue.max_pings = config.queue.max_pings.min(QUEUE_PINGS_MAX);

    let settings = config.detection_settings();
    let pings = FileReplay::open(
        args.pings.iter().cloned(),
        ReplayOptions {
            disturbance: Disturbance {
                delay_ms_max: args.shuffle_seconds.saturating_mul(1000),
                duplicates: args.duplicate,
                seed: args.seed,
            },
            allow_null_island: settings.allow_null_island,
            ..ReplayOptions::default()
        },
    )?;
    let options = PipelineOptions {
        settings,
        cut: Cut::Count(SEGMENT_PINGS),
        first_seq: 1,
        set_aside_tail: false,
        sources: vec![SOURCE_NAME.to_owned()],
        feed: FeedLimits::NONE,
        config,
    };
    let (summary, broken) =
        commands::block_on(replay(options, configured, pings, &args.out, started))?;
    match args.format {
        Format::Text => exit::print(&summary.text(&args.out))?,
        Format::Json => exit::print(&summary.json())?,
    }
    match broken {
        None => Ok(Exit::Success),
        Some(error) => Err(error).context("the input broke off; everything before it is done"),
    }
}

/// The summary, and the error that ended the input early if one did.
async fn replay(
    options: PipelineOptions,
    configured: Configured,
    pings: FileReplay,
    out: &Path,
    started: Instant,
) -> anyhow::Result<(Summary, Option<anyhow::Error>)> {
    let mut signals = Signals::listen()?;
    let shards = options.config.shards;
    let directory = DataDir::open(&options.config.data_dir)?;
    let mut pipeline = Pipeline::start(directory, options, || Ok(configured)).await?;
    let output = Output::follow(out, pipeline.followers());
    let tally = pipeline.tally.clone();
    let (intake, pace) = (pipeline.intake.clone(), pipeline.pace());
    let fed = tokio::select! {
        fed = feed::feed(pings, &intake, &pace) => fed?,
        error = pipeline.failed() => return Err(error),
        () = signals.wait() => bail!("stopped by a signal before the end; the output is partial"),
    };
    signals.end_at_next();
    pipeline.end_input().await?;
    let vehicles = pipeline.positions.len();
    pipeline.drain(None).await?;
    let events = output.finish(shards).await?;
    if let Some(error) = &fed.broken {
        warn!(%error, "the input broke off");
    }
    if let Some((first, _)) = fed.event_times.filter(|(first, _)| *first < GPS_BEGINS) {
        let first = time(first);
        warn!(
            first,
            "pings are older than satellite navigation: event_time_ms counts milliseconds since \
             1970, event_time_us microseconds"
        );
    }
    let counters = tally.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
    let summary = Summary {
        read: fed.entries,
        event_times: fed.event_times,
        vehicles: vehicles as u64,
        counters,
        events: events.events,
        liveness: events.liveness,
        operations: events.operations,
        dead_letters: events.dead_letters,
        wall_seconds: started.elapsed().as_secs_f64(),
        cpu_seconds: process_stats::cpu_seconds(),
        peak_rss_bytes: process_stats::peak_rss_bytes(),
    };
    let path = out.join("summary.json");
    std::fs::write(&path, summary.json()).with_context(|| path.display().to_string())?;
    Ok((summary, fed.broken))
}

/// Makes the directory, or finds that it is empty.
fn make_empty(out: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(out).with_context(|| format!("--out {}", out.display()))?;
    let mut entries = out.read_dir().with_context(|| format!("--out {}", out.display()))?;
    if entries.next().is_some() {
        bail!("--out {}: the directory is not empty; name a new one", out.display());
    }
    Ok(())
}
