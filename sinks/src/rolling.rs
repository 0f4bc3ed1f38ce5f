//! A table as rolling Parquet files, partitioned by day, each row exactly once.
//!
//! A file is published in two steps, because a cursor counts only once a
//! committed segment carries it:
//!
//! 1. Rows gather in temporary files that readers ignore. When the range of
//!    segments is old or large enough its files are finished, and a cursor
//!    *announces* the range: `pending_through_seq`.
//! 2. Once that cursor is recorded the files get their names, which are made of
//!    the range, and a second cursor says that the range is done.
//!
//! A crash before the announcement was recorded leaves temporary files, swept
//! at the next start; the range begins anew. A crash after it makes the same
//! range again, under the same names, over whatever had been published of it.
//! Either way each row is published exactly once.
//!
//! A range has one file for each day its rows fall in; a further part follows
//! where more days are open than [`OPEN_DAYS_MAX`].

mod layout;
mod part;
mod partitions;
mod range;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arrow_array::ArrayRef;
use async_trait::async_trait;
use protos::journal::{Cursor, Segment};
use tokio::time::Instant;

use self::layout::Layout;
pub(crate) use self::partitions::Partitions;
use self::range::Rolling;
use crate::blocking::Blocking;
use crate::day::Day;
use crate::schema::TableSchema;
use crate::{Flush, Sink, SinkError};

/// Days of one range that may have an open file. More than the 33 days that
/// pings received on one day can fall in, so that only a replay of old data
/// meets it.
const OPEN_DAYS_MAX: usize = 40;
/// Encoded rows of open row groups held in memory, over all days; past it the
/// largest group is written early.
const BUFFERED_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Rows turned into Arrow arrays at a time: the columns stay in the cache.
const BATCH_ROWS: usize = 4096;

/// When the files of a range are closed and published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileLimits {
    /// Longest time from a range's first row to its files' end. Shorter means
    /// fresher and smaller files.
    pub age_max: Duration,
    /// Bytes of all files of a range, past which they close.
    pub bytes_max: u64,
}

impl Default for FileLimits {
    /// 5 minutes, 128 MiB.
    fn default() -> Self {
        Self { age_max: Duration::from_secs(300), bytes_max: 128 * 1024 * 1024 }
    }
}

/// Turns segments into rows of one table.
pub(crate) trait Table: Send + 'static {
    /// Name of the sink.
    const NAME: &'static str;

    /// Where its rows gather.
    type Columns: Columns;

    /// The table's columns.
    fn schema() -> &'static TableSchema;

    /// Appends the rows of `segment`, each where `rows` says. The same segment
    /// gives the same rows in the same order.
    fn append(
        &mut self,
        segment: &Segment,
        rows: &mut impl Rows<Self::Columns>,
    ) -> Result<(), SinkError>;
}

/// Where the rows of a table go.
pub(crate) trait Rows<C> {
    /// The columns that take the next row, and what of it they take. The row
    /// is of `day`, and `bytes()` long where it came from: not everybody asks.
    fn place(
        &mut self,
        day: Day,
        bytes: impl FnOnce() -> usize,
    ) -> Result<(&mut C, Kept), SinkError>;
}

/// How much of a row is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// All of it.
    Whole,
    /// What tells it from others, with the word that the rest was refused.
    Keys,
}

/// Arrow builders of a table's columns.
pub(crate) trait Columns: Send + 'static {
    /// Room for `rows` rows.
    fn with_capacity(rows: usize) -> Self;

    /// Rows appended.
    fn rows(&self) -> usize;

    /// The arrays, in the order of the table's schema.
    fn finish(self) -> Vec<ArrayRef>;
}

/// A published file of `shard` under `directory`, if there is any. Blocks.
pub(crate) fn published(directory: &Path, shard: u32) -> Result<Option<PathBuf>, SinkError> {
    Layout::at(directory, shard).any_published()
}

/// The sink.
pub(crate) struct RollingParquet<T: Table> {
    rolling: Blocking<Rolling<T>>,
    found_output: bool,
}

impl<T: Table> RollingParquet<T> {
    /// Makes `directory`, the table's own, what `cursor` says. Blocks.
    pub(crate) fn open(
        table: T,
        directory: &Path,
        shard: u32,
        cursor: Option<&Cursor>,
        limits: FileLimits,
    ) -> Result<Self, SinkError> {
        let rolling = Rolling::open(table, directory, shard, cursor, limits)?;
        let found_output = cursor.is_none() && published(directory, shard)?.is_some();
        Ok(Self { rolling: Blocking::new(rolling), found_output })
    }
}

#[async_trait]
impl<T: Table> Sink for RollingParquet<T> {
    fn name(&self) -> &'static str {
        T::NAME
    }

    fn found_output(&self) -> Option<bool> {
        Some(self.found_output)
    }

    async fn write(&mut self, segment: Arc<Segment>) -> Result<(), SinkError> {
        let now = Instant::now();
        self.rolling.run(move |rolling| rolling.write(&segment, now)).await
    }

    async fn flush(&mut self, flush: Flush) -> Result<Cursor, SinkError> {
        let now = Instant::now();
        self.rolling.run(move |rolling| rolling.flush(flush, now)).await
    }

    async fn recorded(&mut self, cursor: &Cursor) -> Result<Option<Cursor>, SinkError> {
        let (pending, now) = (cursor.pending_through_seq, Instant::now());
        self.rolling.run(move |rolling| rolling.recorded(pending, now)).await
    }
}
