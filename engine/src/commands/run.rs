//! `fleetstream run`: the worker, until it is told to stop.

use tokio::time::Instant;
use tracing::info;

use super::named_files::NamedFiles;
use crate::cli::RunArgs;
use crate::exit::Exit;
use crate::pipeline::{PipelineOptions, cut_by_clock};
use crate::signals::Signals;
use crate::source::id;
use crate::wall_clock::WallClock;
use crate::worker::{DRAIN_MAX, Worker};
use crate::{commands, http, logging, metrics};

/// Runs `run`.
///
/// # Errors
/// The configuration is wrong, the data directory is another's or damaged, or
/// the worker failed.
pub fn execute(args: &RunArgs) -> anyhow::Result<Exit> {
    let effective = args.load()?;
    let files = NamedFiles::read(&effective)?;
    commands::token::check(&effective)?;
    let config = effective.config.clone();
    logging::install(&config.log.level, config.log.format)?;
    // Whoever shares a journal may stand by for days before it begins.
    let read = config.journal.url.is_none().then_some(files);
    let configured = move || {
        let files = read.map_or_else(|| NamedFiles::read(&effective), Ok)?;
        Ok(files.told())
    };
    let page = metrics::install()?;
    let options = PipelineOptions {
        settings: config.detection_settings(),
        cut: cut_by_clock(&config),
        first_seq: WallClock::first_seq(),
        set_aside_tail: args.set_aside_tail,
        sources: id::names(config.shards),
        feed: http::FeedLimits::default(),
        config,
    };
    commands::block_on(async {
        let mut signals = Signals::listen()?;
        let mut worker = tokio::select! {
            started = Worker::start(options, configured, page) => started?,
            // Nothing was taken in yet.
            () = signals.wait() => return Ok(Exit::Success),
        };
        tokio::select! {
            () = signals.wait() => {}
            error = worker.failed() => return Err(error),
        }
        signals.end_at_next();
        if worker.drain(Some(Instant::now() + DRAIN_MAX)).await? {
            info!("drained");
        }
        Ok(Exit::Success)
    })
}
