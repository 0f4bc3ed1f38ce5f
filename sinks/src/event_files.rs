//! Events as rows of the table `events`, every operation one, in Parquet files
//! under `dt=<day>/`.

mod columns;

use std::path::{Path, PathBuf};

use prost::Message;
use protos::journal::{Cursor, Segment};

use self::columns::EventColumns;
use crate::day::Day;
use crate::rolling::{self, FileLimits, Kept, RollingParquet, Rows, Table};
use crate::schema::TableSchema;
use crate::{Sink, SinkError};

/// Name of the sink in cursors, metrics and logs.
pub const NAME: &str = "event_files";

/// A published file of `shard` under `directory`, if there is any. Blocks.
///
/// # Errors
/// The directory cannot be read.
pub fn published(directory: &Path, shard: u32) -> Result<Option<PathBuf>, SinkError> {
    rolling::published(directory, shard)
}

/// Opens the event files of one shard under `directory` (shards share it).
/// Blocks.
///
/// # Errors
/// The directory cannot be created, or an unfinished file not be removed.
pub fn open(
    directory: &Path,
    shard: u32,
    cursor: Option<&Cursor>,
    limits: FileLimits,
) -> Result<impl Sink + use<>, SinkError> {
    RollingParquet::open(EventTable, directory, shard, cursor, limits)
}

/// Turns the event operations of segments into rows.
#[derive(Default)]
pub(crate) struct EventTable;

impl Table for EventTable {
    const NAME: &'static str = NAME;

    type Columns = EventColumns;

    fn schema() -> &'static TableSchema {
        TableSchema::events()
    }

    fn append(
        &mut self,
        segment: &Segment,
        rows: &mut impl Rows<EventColumns>,
    ) -> Result<(), SinkError> {
        for event in &segment.events {
            // An event that no ping decided is dated by its segment.
            let observed_at_ms =
                if event.observed_at_ms == 0 { segment.now_ms } else { event.observed_at_ms };
            let day = Day::of_row(event.event_time_ms, observed_at_ms);
            let (columns, kept) = rows.place(day, || event.encoded_len())?;
            match kept {
                Kept::Whole => columns.push(segment, event, day),
                Kept::Keys => columns.push_keys(segment, event, day),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
