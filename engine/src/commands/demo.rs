//! `fleetstream demo`: a real day of city buses through the whole engine, on
//! this machine.

mod narrate;

use std::collections::HashMap;
use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use geofence::{TimeMs, parse_fences};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::{Instant, sleep_until};

use crate::cli::DemoArgs;
use crate::config::{Effective, Mistakes};
use crate::exit::{self, Exit};
use crate::intake::{Entry, IntakeError};
use crate::pipeline::{Configured, PipelineOptions, cut_by_clock};
use crate::signals::Signals;
use crate::source::demo;
use crate::source::file::{FileReplay, ReplayInput, ReplayOptions};
use crate::source::id::HTTP_SOURCE;
use crate::wall_clock::WallClock;
use crate::worker::{DRAIN_MAX, Worker};
use crate::{commands, http, logging, metrics};
use narrate::Narrator;

/// Number and name of the source that plays the day.
const SOURCE: u32 = HTTP_SOURCE + 1;
const SOURCE_NAME: &str = "buses";
/// Entries handed over at a time: small, so that the day passes evenly.
const BATCH_ENTRIES: usize = 50;

/// Runs `demo`.
///
/// # Errors
/// The port is taken, the data directory is another's or damaged, or the
/// engine failed.
pub fn execute(args: &DemoArgs) -> anyhow::Result<Exit> {
    let data_dir = data_dir(args);
    let effective = load(args, &data_dir)?;
    let config = effective.config;
    logging::install(&config.log.level, config.log.format)?;
    let page = metrics::install()?;
    let fences = parse_fences(demo::fences().as_bytes()).context("the demo's fences")?;
    let names: HashMap<String, String> =
        (fences.set.fences().iter()).map(|fence| (fence.id.clone(), fence.name.clone())).collect();
    let settings = config.detection_settings();
    let pings = day(settings.allow_null_island)?;
    let configured = Configured { fences: Arc::new(fences.set), tags: None };
    let options = PipelineOptions {
        settings,
        cut: cut_by_clock(&config),
        first_seq: WallClock::first_seq(),
        set_aside_tail: false,
        sources: vec![http::SOURCE_NAME.to_owned(), SOURCE_NAME.to_owned()],
        feed: http::FeedLimits::default(),
        config,
    };
    exit::print(&format!(
        "Sunday, 6 September 2015: the buses of Austin, Texas, against {} of its \
         neighbourhoods,\nat {} times their speed. Positions by Capital Metro, recorded by Sean \
         Cascketta (MIT).\n\n",
        names.len(),
        args.speed
    ))?;
    commands::block_on(play(args, options, configured, page, pings, &data_dir, names))
}

/// Where everything is kept.
fn data_dir(args: &DemoArgs) -> PathBuf {
    let temporary =
        || std::env::temp_dir().join(format!("fleetstream-demo-{}", std::process::id()));
    args.data_dir.as_ref().map_or_else(temporary, PathBuf::from)
}

fn load(args: &DemoArgs, data_dir: &Path) -> Result<Effective, Mistakes> {
    args.load(&data_dir.to_string_lossy())
}

fn day(allow_null_island: bool) -> anyhow::Result<FileReplay> {
    let input = ReplayInput::Memory { name: demo::PINGS_NAME.to_owned(), bytes: demo::pings() };
    let options = ReplayOptions {
        allow_null_island,
        batch_entries_max: BATCH_ENTRIES,
        ..ReplayOptions::default()
    };
    FileReplay::open([input], options).context("the demo's pings")
}

async fn play(
    args: &DemoArgs,
    options: PipelineOptions,
    configured: Configured,
    page: metrics::Page,
    pings: FileReplay,
    data_dir: &Path,
    names: HashMap<String, String>,
) -> anyhow::Result<Exit> {
    let mut signals = Signals::listen()?;
    let mut worker = Worker::start(options, || Ok(configured), page).await?;
    let address = worker.address;
    exit::print(&format!("map, positions and events: http://{address}/\n\n"))?;

    let bar = progress_bar();
    let mut narrator =
        Narrator::new(worker.pipeline.followers().swap_remove(0), bar.clone(), names);
    let resume_at = worker.pipeline.receive_time_max.0;
    let intake = worker.pipeline.intake.clone();
    let mut day = Day { pings, speed: args.speed, resume_at, clock: None };
    let finished = tokio::select! {
        played = day.play(&intake, &bar) => played.map(|()| true),
        failed = narrator.run() => Err(failed),
        error = worker.pipeline.failed() => Err(error),
        () = signals.wait() => Ok(false),
    }?;
    bar.finish_and_clear();
    if finished {
        worker.pipeline.end_input().await?;
    }
    narrator.catch_up().await?;
    let what = match (finished, resume_at > TimeMs::MIN.0) {
        (true, false) => "The whole day",
        (true, true) => "The rest of the day",
        (false, false) => "So far",
        (false, true) => "So far, since it went on",
    };
    exit::print(&narrator.summary(what, worker.pipeline.positions.len()))?;
    let serving = (finished && !args.exit_when_done).then_some(address);
    exit::print(&next_things(serving, data_dir))?;

    if finished && !args.exit_when_done {
        exit::print("The day is over; HTTP goes on until Ctrl-C.\n")?;
        tokio::select! {
            () = signals.wait() => {}
            error = worker.pipeline.failed() => return Err(error),
        }
    }
    signals.end_at_next();
    worker.drain(Some(Instant::now() + DRAIN_MAX)).await?;
    Ok(Exit::Success)
}

/// The day being played.
struct Day {
    pings: FileReplay,
    speed: f64,
    /// Receive time up to which an earlier run has played already.
    resume_at: i64,
    /// When which receive time was played.
    clock: Option<(Instant, i64)>,
}

impl Day {
    async fn play(
        &mut self,
        intake: &crate::intake::Intake,
        bar: &ProgressBar,
    ) -> anyhow::Result<()> {
        while let Some(batch) = self.pings.next_batch() {
            let batch = batch?;
            bar.set_length(self.pings.rows_total().unwrap_or(0));
            bar.inc(batch.entries.len() as u64);
            let Some(received) = batch.entries.iter().filter_map(receive_time).next() else {
                continue;
            };
            if received < self.resume_at {
                continue;
            }
            let (started, first) = *self.clock.get_or_insert((Instant::now(), received));
            let elapsed_s = (received - first) as f64 / 1000.0 / self.speed;
            sleep_until(started + Duration::from_secs_f64(elapsed_s)).await;
            bar.set_message(time_of_day(received));
            let count = batch.entries.len() as u64;
            metrics::RECEIVED.counter(&[SOURCE_NAME]).increment(count);
            match intake.submit(SOURCE, batch.low_mark, true, batch.entries).await {
                Ok(pending) => drop(pending),
                // Whatever closed the shards ends the demo by itself.
                Err(IntakeError::Closed { .. }) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

fn receive_time(entry: &Entry) -> Option<i64> {
    match entry {
        Entry::Ping { ping, .. } => Some(ping.receive_time.0),
        Entry::Rejected(_) => None,
    }
}

/// In Austin, where it is five hours earlier than UTC in September.
fn time_of_day(ms: i64) -> String {
    let zoned = jiff::Timestamp::from_millisecond(ms)
        .map(|time| time.to_zoned(jiff::tz::TimeZone::fixed(jiff::tz::offset(-5))));
    zoned.map(|time| time.strftime("%H:%M:%S").to_string()).unwrap_or_default()
}

fn progress_bar() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(0);
    let style = "{msg} in Austin  {bar:30} {percent:>3} %  {human_pos} pings  {eta} left";
    bar.set_style(ProgressStyle::with_template(style).expect("a valid template"));
    bar.enable_steady_tick(Duration::from_millis(250));
    bar
}

/// What to try next; `serving` is where HTTP still answers.
fn next_things(serving: Option<SocketAddr>, data_dir: &Path) -> String {
    let dir = data_dir.display();
    let first_two = match serving {
        Some(address) => format!(
            "  1. open the map                 http://{address}/\n  \
               2. listen to the events         curl -N http://{address}/v1/events\n"
        ),
        None => "  1. watch the day on a map       fleetstream demo\n  \
                 2. see what can be set          fleetstream run --help\n"
            .to_owned(),
    };
    format!(
        "\nPings, events, positions and the journal are in {dir}\n\nTry next:\n{first_two}  \
         3. replay files of your own     fleetstream replay --pings FILE --fences FILE --out DIR\n\n"
    )
}
