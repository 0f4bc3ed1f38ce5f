//! How Parquet packs the columns of a table: by what their values look like.
//!
//! The settings are measured, not guessed (decision 0041, docs/benchmarks.md);
//! they change files, never what is read from them. Only what long-standing
//! readers know is used: of the newer encodings those that arrow-cpp has read
//! since version 15, `BYTE_STREAM_SPLIT` for doubles alone.

use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use parquet::schema::types::ColumnPath;

use super::{Column, ColumnKind};

/// How many rows of a table are packed together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packing {
    /// Rows of a row group. A dictionary is begun anew with each, and where
    /// values do not repeat it has been tried in vain by then: the larger, the
    /// less of either, and the more memory. Readers share out row groups.
    pub group_rows: usize,
    /// Rows of a page, and so what is compressed at a time.
    pub page_rows: usize,
}

/// A fleet's ids, speeds and standing positions repeat from one round of it to
/// the next, thousands of rows on: a page holds some rounds. And a byte of each
/// of so many doubles is one block of zstd (128 KiB), with statistics of its own.
/// An open row group of Austin's buses takes 21 MiB at the most.
pub const PINGS_PACKING: Packing = Packing { group_rows: 512 * 1024, page_rows: 128 * 1024 };

/// Events come in no rounds: what repeats is close by, and larger pages and
/// groups would take memory alone (13 MiB of Austin's; 35 MiB with those above).
pub const EVENTS_PACKING: Packing = Packing { group_rows: 128 * 1024, page_rows: 32 * 1024 };

/// A page is cut by its rows; this only bounds those of long texts.
const PAGE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Dictionary of doubles, past which the rest of a row group does without: 32,768
/// values. Coordinates of 5 decimals in a city have fewer, those of 7 have one
/// a row, of which a dictionary costs more than it saves.
const NUMBERS_MAX_BYTES: usize = 256 * 1024;

/// Columns whose least and greatest value are kept for each row group: readers
/// skip groups by time, place and segment. By the others, in the order of
/// arrival, they could not, and each would cost a comparison a row.
const SKIPPED_BY: [&str; 7] =
    ["event_time", "receive_time", "observed_at", "lat", "lon", "journal_seq", "day"];

impl Packing {
    /// How Parquet files with `columns` are written: zstd, and an encoding by kind.
    /// Columns that a file has besides are written with a dictionary, as by
    /// default.
    ///
    /// `cargo run --release -p benches -- pipeline --only parquet` measures it
    /// against the defaults of arrow-rs at zstd level 1.
    #[must_use]
    pub fn properties(self, columns: &[Column]) -> WriterProperties {
        let properties = WriterProperties::builder()
            .set_compression(zstd(1))
            .set_statistics_enabled(EnabledStatistics::None)
            .set_max_row_group_row_count(Some(self.group_rows))
            .set_data_page_row_count_limit(self.page_rows)
            .set_data_page_size_limit(PAGE_BYTES_MAX);
        columns.iter().fold(properties, pack).build()
    }
}

fn pack(properties: WriterPropertiesBuilder, column: &Column) -> WriterPropertiesBuilder {
    let path = || ColumnPath::from(column.name);
    let properties = if SKIPPED_BY.contains(&column.name) {
        properties.set_column_statistics_enabled(path(), EnabledStatistics::Chunk)
    } else {
        properties
    };
    let (dictionary, encoding) = match column.kind {
        // The encoding is for more names than a dictionary of 1 MiB holds.
        ColumnKind::Name => (true, Encoding::DELTA_LENGTH_BYTE_ARRAY),
        ColumnKind::Text => (false, Encoding::DELTA_LENGTH_BYTE_ARRAY),
        // What neighbours begin with alike is left out: fewer bytes to compress.
        ColumnKind::Point => (false, Encoding::DELTA_BYTE_ARRAY),
        ColumnKind::Integer | ColumnKind::Time => (false, Encoding::DELTA_BINARY_PACKED),
        ColumnKind::Number => (true, Encoding::BYTE_STREAM_SPLIT),
        // What comes again does so close by, where zstd finds it whole.
        ColumnKind::Measure | ColumnKind::Moment => (false, Encoding::PLAIN),
        ColumnKind::Flag | ColumnKind::Date => (false, Encoding::PLAIN),
    };
    let properties = properties
        .set_column_dictionary_enabled(path(), dictionary)
        .set_column_encoding(path(), encoding);
    match column.kind {
        // Few bits a row: compressing them harder costs little.
        ColumnKind::Name => properties.set_column_compression(path(), zstd(3)),
        ColumnKind::Number => {
            properties.set_column_dictionary_page_size_limit(path(), NUMBERS_MAX_BYTES)
        }
        _ => properties,
    }
}

fn zstd(level: i32) -> Compression {
    Compression::ZSTD(ZstdLevel::try_new(level).expect("zstd has levels 1 to 22"))
}

#[cfg(test)]
mod tests;
