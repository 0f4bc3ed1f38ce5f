//! The archive: every distinct ping as one row of the table `pings`, in
//! Parquet files under `dt=<day>/`.

mod columns;
pub(crate) mod run;

use std::path::{Path, PathBuf};

use geofence::Position;
use geofence::admission::clear_unknown;
use protos::PingView;
use protos::journal::{Cursor, PingRun, Segment, input};

use self::columns::{PingColumns, PingRow};
use self::run::RunPing;
use crate::day::Day;
use crate::rolling::{self, FileLimits, Kept, RollingParquet, Rows, Table};
use crate::schema::TableSchema;
use crate::{Sink, SinkError};

/// Name of the sink in cursors, metrics and logs.
pub const NAME: &str = "archive";

/// A published file of `shard` under `directory`, if there is any. Blocks.
///
/// # Errors
/// The directory cannot be read.
pub fn published(directory: &Path, shard: u32) -> Result<Option<PathBuf>, SinkError> {
    rolling::published(directory, shard)
}

/// Opens the archive of one shard under `directory` (shards share it). Blocks.
///
/// # Errors
/// The directory cannot be created, or an unfinished file not be removed.
pub fn open(
    directory: &Path,
    shard: u32,
    cursor: Option<&Cursor>,
    limits: FileLimits,
) -> Result<impl Sink + use<>, SinkError> {
    RollingParquet::open(PingTable, directory, shard, cursor, limits)
}

/// Turns the pings of segments into rows.
#[derive(Default)]
pub(crate) struct PingTable;

/// What the pings of a segment have in common.
#[derive(Clone, Copy)]
struct Origin {
    shard: i64,
    journal_seq: i64,
}

impl Table for PingTable {
    const NAME: &'static str = NAME;

    type Columns = PingColumns;

    fn schema() -> &'static TableSchema {
        TableSchema::pings()
    }

    fn append(
        &mut self,
        segment: &Segment,
        rows: &mut impl Rows<PingColumns>,
    ) -> Result<(), SinkError> {
        let origin = Origin { shard: segment.shard.into(), journal_seq: segment.seq.cast_signed() };
        for input in &segment.inputs {
            if let Some(input::Input::Pings(run)) = &input.input {
                append_run(origin, run, rows)?;
            }
        }
        Ok(())
    }
}

fn append_run(
    origin: Origin,
    run: &PingRun,
    rows: &mut impl Rows<PingColumns>,
) -> Result<(), SinkError> {
    for ping in run::pings(run).map_err(|error| refused("a run of pings", error))? {
        append_ping(origin, ping, rows)?;
    }
    Ok(())
}

fn append_ping(
    origin: Origin,
    ping: RunPing<'_>,
    rows: &mut impl Rows<PingColumns>,
) -> Result<(), SinkError> {
    let mut view = PingView::decode(ping.payload).map_err(|error| refused("a ping", error))?;
    clear_unknown(&mut view);
    let position = Position::from_degrees(view.lat, view.lon)
        .ok_or_else(|| refused("a ping", OutOfRange(view.lat, view.lon)))?;
    let event_time_ms = view.event_time_us.div_euclid(1000);
    let day = Day::of_row(event_time_ms, ping.receive_time_ms);
    let (columns, kept) = rows.place(day, || ping.bytes())?;
    let row = PingRow { view: &view, position, ping: &ping, origin, day };
    match kept {
        Kept::Whole => columns.push(&row),
        Kept::Keys => columns.push_keys(&row),
    }
    Ok(())
}

/// The ping at `index` of `run`, if they belong together.
pub(crate) fn ping_of(run: &PingRun, index: usize) -> Option<RunPing<'_>> {
    run::pings(run).ok()?.nth(index)
}

/// A position that admission let through only by a defect.
#[derive(Debug, thiserror::Error)]
#[error("lat {0}, lon {1} is no position")]
struct OutOfRange(f64, f64);

fn refused(
    what: &'static str,
    source: impl std::error::Error + Send + Sync + 'static,
) -> SinkError {
    SinkError::Encode { what, source: Box::new(source) }
}

#[cfg(test)]
mod tests;
