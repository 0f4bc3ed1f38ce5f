//! Live positions in Firestore: beside the sinks, with a cursor of their own
//! that holds back no deletion. The cursor names the place that is written:
//! another one lacks every position.

use std::time::Duration;

use protos::journal::Cursor;
use sinks::firestore::{self, FirestoreError, Layout, LiveMap, LiveOptions, LiveWriter, Report};
use sinks::google::{Endpoint, Service};
use sinks::positions::PositionFeed;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::config::{Config, LiveLayout};
use crate::exit::{Exit, WithExit as _};
use crate::metrics;
use crate::shard::{Claimed, CursorBoard};

/// The cursor is told this often.
const CURSOR_EVERY: Duration = Duration::from_secs(1);
/// Of the time to drain, this much is for what is not written yet; a snapshot
/// must still be possible if Firestore is away.
const DRAIN: Duration = Duration::from_secs(3);
/// And this much for recording the last cursor.
const LAST_CURSOR: Duration = Duration::from_secs(1);

/// Connects to the collection that `config` names, if it names one.
pub(super) async fn connect(config: &Config) -> anyhow::Result<Option<LiveMap>> {
    let Some(database) = config.firestore.database.clone() else { return Ok(None) };
    let endpoint = Endpoint::of(Service::Firestore).exit_with(Exit::Config)?;
    let limit = config.firestore.max_writes_per_second;
    let options = LiveOptions {
        database,
        collection: config.firestore.collection.clone(),
        layout: match config.firestore.layout {
            LiveLayout::Document => Layout::Document,
            LiveLayout::Packed => Layout::Packed { documents: config.firestore.packed_documents },
        },
        min_interval: config.positions.min_interval,
        max_delay: config.positions.max_delay,
        writes_per_second_max: (limit > 0).then_some(limit),
    };
    let map = LiveMap::connect(options, &endpoint).await;
    map.map(Some).exit_as_config_unless(FirestoreError::passes)
}

/// Begins to write, once the journals are this process's to take.
pub(super) async fn begin(map: &LiveMap) -> anyhow::Result<()> {
    map.begin().await.exit_as_config_unless(FirestoreError::passes)
}

/// The way to the map for the shard that was claimed, with what changed since
/// its cursor on it already; and the task that writes, until `last` says that
/// nothing follows.
pub(super) fn start(
    map: &LiveMap,
    claimed: &Claimed,
    board: &CursorBoard,
    last: &watch::Receiver<Option<u64>>,
) -> (PositionFeed, impl Future<Output = anyhow::Result<()>> + use<>) {
    let place = map.place();
    let through = through(claimed.cursors.get(firestore::NAME), &place);
    let (feed, writer) = map.writer(claimed.number, through);
    feed.offer(claimed.detector.positions_since(through).into_iter().map(Into::into));
    let (board, last, shard) = (board.clone(), last.clone(), claimed.number.to_string());
    (feed, write(writer, shard, place, board, last))
}

/// The last segment of which, with all before it, every position is at `place`
/// already.
fn through(cursor: Option<&Cursor>, place: &str) -> u64 {
    // Cursors of journals from before they named a place are of the place
    // that is configured.
    let of_place = |cursor: &&Cursor| cursor.stream.is_empty() || cursor.stream == place;
    cursor.filter(of_place).map_or(0, |cursor| cursor.through_seq)
}

async fn write(
    writer: LiveWriter,
    shard: String,
    place: String,
    board: CursorBoard,
    mut last: watch::Receiver<Option<u64>>,
) -> anyhow::Result<()> {
    let stop = CancellationToken::new();
    let telling = tell(writer.reports(), &shard, &place, &board);
    let stopping = async {
        // Gone is as good as told.
        let _ = last.wait_for(Option::is_some).await;
        stop.cancel();
    };
    tokio::join!(writer.run(stop.clone(), DRAIN), telling, stopping);
    Ok(())
}

/// Turns what the writer says of itself into metrics and cursors, until it
/// ends and its last cursor is recorded.
async fn tell(mut reports: watch::Receiver<Report>, shard: &str, place: &str, board: &CursorBoard) {
    let mut told = *reports.borrow_and_update();
    // At zero, most often: a rate needs that before the first error.
    measure(&Report::default(), &told, shard);
    let mut proposed = told.through;
    let mut propose_at = Instant::now();
    loop {
        let waits = told.through > proposed;
        let runs = tokio::select! {
            changed = reports.changed() => changed.is_ok(),
            () = sleep_until(propose_at), if waits => true,
        };
        let report = *reports.borrow_and_update();
        measure(&told, &report, shard);
        told = report;
        if told.through > proposed && (!runs || Instant::now() >= propose_at) {
            proposed = told.through;
            board.propose(cursor(proposed, place));
            propose_at = Instant::now() + CURSOR_EVERY;
        }
        if !runs {
            break;
        }
    }
    let mut recorded = board.recorded();
    let is_recorded =
        recorded.wait_for(|cursors| through(cursors.get(firestore::NAME), place) >= proposed);
    if tokio::time::timeout(LAST_CURSOR, is_recorded).await.is_err() {
        tracing::debug!(shard, "the last cursor of the live positions is not recorded");
    }
}

fn cursor(through_seq: u64, place: &str) -> Cursor {
    let (sink, stream) = (firestore::NAME.to_owned(), place.to_owned());
    Cursor { sink, through_seq, stream, ..Cursor::default() }
}

fn measure(before: &Report, now: &Report, shard: &str) {
    let outcomes = [
        ("written", before.counts.written, now.counts.written),
        ("skipped", before.counts.skipped, now.counts.skipped),
        ("conflated", before.counts.conflated, now.counts.conflated),
        ("refused", before.counts.refused, now.counts.refused),
        ("failed", before.counts.failed, now.counts.failed),
    ];
    for (outcome, before, now) in outcomes {
        metrics::FIRESTORE_POSITIONS.counter(&[outcome]).increment(now - before);
    }
    let documents = now.documents_written - before.documents_written;
    metrics::FIRESTORE_DOCUMENTS.counter(&[]).increment(documents);
    let errors = now.requests_failed - before.requests_failed;
    metrics::SINK_ERRORS.counter(&[firestore::NAME]).increment(errors);
    metrics::FIRESTORE_WAITING.gauge(&[shard]).set(now.documents_waiting as f64);
    metrics::FIRESTORE_OLDEST.gauge(&[shard]).set(now.oldest.as_secs_f64());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> LiveOptions {
        LiveOptions {
            database: "projects/p/databases/d".to_owned(),
            collection: "LiveMap".to_owned(),
            layout: Layout::Document,
            min_interval: Duration::from_secs(3),
            max_delay: Duration::from_secs(5),
            writes_per_second_max: None,
        }
    }

    #[test]
    fn another_place_lacks_every_position() {
        let here = options().place();
        let cursor = cursor(7, &here);
        let packed = |documents| LiveOptions { layout: Layout::Packed { documents }, ..options() };
        let paced = LiveOptions { min_interval: Duration::from_secs(30), ..options() };
        let database = "projects/p/databases/e".to_owned();
        let collection = "Other".to_owned();
        for (options, expected) in [
            (options(), 7),
            (paced, 7),
            (LiveOptions { database, ..options() }, 0),
            (LiveOptions { collection, ..options() }, 0),
            (packed(4), 0),
        ] {
            assert_eq!(through(Some(&cursor), &options.place()), expected, "{options:?}");
        }
        assert_ne!(packed(4).place(), packed(5).place());
        assert_eq!(through(None, &here), 0);
        let nameless = Cursor { stream: String::new(), ..cursor.clone() };
        assert_eq!(through(Some(&nameless), &here), 7, "a cursor of an older version");
    }
}
