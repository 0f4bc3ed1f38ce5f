//! The embedded sinks of a shard, opened where their cursors say.

use std::time::Duration;

use anyhow::Context;
use protos::journal::Cursor;
use sinks::{FileLimits, Sink, SinkError, archive, dead_letters, event_files, event_log};
use tokio::sync::watch;

use super::directory::DataDir;
use crate::config::Config;
use crate::shard::{Claimed, CursorBoard, SinkRunner};

/// Names of the sinks, as cursors carry them.
pub(super) const NAMES: [&str; 4] =
    [archive::NAME, event_files::NAME, event_log::NAME, dead_letters::NAME];

/// A runner for each sink of the shard that was claimed.
pub(super) async fn runners(
    config: &Config,
    directory: &DataDir,
    claimed: &Claimed,
    board: &CursorBoard,
    flush_every: Duration,
    last: &watch::Receiver<Option<u64>>,
) -> anyhow::Result<Vec<SinkRunner>> {
    let shard = claimed.number;
    let limits =
        FileLimits { age_max: config.archive.max_age, bytes_max: config.archive.max_bytes };
    let cursors = claimed.cursors.clone();
    let (pings, events) = (directory.pings(), directory.events());
    let (log, letters) = (directory.event_log(), directory.dead_letters());
    // Opening reads and cuts files.
    let opened = tokio::task::spawn_blocking(move || {
        let cursor = |name: &str| cursors.get(name);
        Ok::<_, SinkError>([
            boxed(archive::open(&pings, shard, cursor(archive::NAME), limits)?),
            boxed(event_files::open(&events, shard, cursor(event_files::NAME), limits)?),
            boxed(event_log::open(&log, shard, cursor(event_log::NAME))?),
            boxed(dead_letters::open(&letters, shard, cursor(dead_letters::NAME))?),
        ])
    });
    let opened = opened.await.context("opening a sink panicked")??;

    let mut runners = Vec::with_capacity(opened.len());
    for sink in opened {
        let next = first_segment(claimed, claimed.cursors.get(sink.name())).await;
        let (reader, board) = (claimed.reader(), board.clone());
        runners.push(SinkRunner::new(sink, shard, reader, board, next, flush_every, last.clone()));
    }
    Ok(runners)
}

fn boxed(sink: impl Sink) -> Box<dyn Sink> {
    Box::new(sink)
}

/// Where a sink begins: after its cursor, or with the journal; a cursor that
/// has passed nothing yet stands before the first segment. A sink that is new
/// to an old journal begins now: what came before may be gone.
async fn first_segment(claimed: &Claimed, cursor: Option<&Cursor>) -> u64 {
    if let Some(cursor) = cursor {
        return claimed.first_seq.max(cursor.through_seq + 1);
    }
    match claimed.reader().read(claimed.first_seq).await {
        Ok(_) => claimed.first_seq,
        Err(_) => claimed.tail() + 1,
    }
}
