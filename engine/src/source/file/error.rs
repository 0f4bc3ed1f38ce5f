//! What can end the reading of a file.

use std::io;

use geofence::TimeMs;

/// Why a file cannot be replayed, or not further. A row that is no ping is
/// not among these: it becomes a dead letter and the stream goes on.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The file cannot be opened or its beginning cannot be read.
    #[error("{file}: cannot be opened")]
    Open {
        /// Name of the file.
        file: String,
        /// What the system says.
        source: io::Error,
    },
    /// Nothing in it.
    #[error("{file}: is empty; expected Parquet, CSV with a header, or NDJSON")]
    Empty {
        /// Name of the file.
        file: String,
    },
    /// Neither Parquet nor CSV nor NDJSON, as far as its beginning tells.
    #[error("{file}: is neither Parquet, CSV nor NDJSON: {detail}")]
    Unrecognised {
        /// Name of the file.
        file: String,
        /// What its beginning is.
        detail: String,
    },
    /// A Parquet file that cannot be opened: cut short, damaged, or using a
    /// feature this build cannot read.
    #[error("{file}: not a readable Parquet file")]
    Parquet {
        /// Name of the file.
        file: String,
        /// What the decoder says.
        source: parquet::errors::ParquetError,
    },
    /// A compressed Parquet file is larger than may be held in memory.
    #[error("{file}: unpacks to over {limit} bytes, the sort memory; unpack it to a file first")]
    Unpacked {
        /// Name of the file.
        file: String,
        /// The limit, bytes.
        limit: u64,
    },
    /// A column that no ping can do without.
    #[error("{file}: no column {column}; its columns are {found}")]
    ColumnMissing {
        /// Name of the file.
        file: String,
        /// What is missing, with the accepted alternatives.
        column: &'static str,
        /// The columns there are.
        found: String,
    },
    /// Two columns of one meaning.
    #[error("{file}: has both {first} and {second}; keep one")]
    ColumnTwice {
        /// Name of the file.
        file: String,
        /// The column that came first.
        first: &'static str,
        /// The column of the same name or meaning.
        second: &'static str,
    },
    /// A column whose type holds no such value.
    #[error("{file}: column {column} is {found}; expected {expected}")]
    ColumnType {
        /// Name of the file.
        file: String,
        /// Name of the column.
        column: &'static str,
        /// Type in the file.
        found: String,
        /// What can be read.
        expected: &'static str,
    },
    /// A Parquet file compressed in a way that this build cannot read.
    #[error("{file}: its columns are compressed with {codec}; write it with Snappy or zstd")]
    Codec {
        /// Name of the file.
        file: String,
        /// The way.
        codec: String,
    },
    /// The file breaks off or is damaged. Everything before was handed over.
    #[error("{file}: cannot be read past {rows} rows{}", at_byte(*offset))]
    Broken {
        /// Name of the file.
        file: String,
        /// Rows read before.
        rows: u64,
        /// Unpacked bytes read before; `None` for Parquet, which is read by
        /// column.
        offset: Option<u64>,
        /// What the decoder says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A row over the size that any row can have.
    #[error(
        "{file}: row {row} is over {limit} bytes (a quote that is never closed, or no text file?)"
    )]
    RowTooLong {
        /// Name of the file.
        file: String,
        /// The row, from 1.
        row: u64,
        /// The limit, bytes.
        limit: usize,
    },
    /// A row arrives before one that had to be handed over already, because
    /// the input does not fit into the sort memory.
    #[error(
        "{file}: row {row} arrives {} before rows already handed over; an input that needs more \
         than the sort memory ({limit} bytes) must be sorted by arrival",
        jiff::SignedDuration::from_millis(*behind_ms)
    )]
    OutOfOrder {
        /// Name of the file.
        file: String,
        /// The row, from 1.
        row: u64,
        /// How far behind, milliseconds.
        behind_ms: i64,
        /// The sort memory, bytes.
        limit: u64,
    },
}

fn at_byte(offset: Option<u64>) -> String {
    offset.map_or_else(String::new, |offset| format!(" (byte {offset} of the unpacked content)"))
}

/// Arrival of a row that came too late to be put in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooLate {
    pub(super) arrival: TimeMs,
    pub(super) handed_over: TimeMs,
}
