use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Date32Array, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::metadata::ParquetMetaData;

use super::*;
use crate::schema::{EVENTS, PINGS, TableSchema};

/// Distinct numbers past which a column goes on without its dictionary.
const NUMBERS_MAX: usize = NUMBERS_MAX_BYTES / size_of::<f64>();

const POINTS: [&str; 4] =
    ["POINT(0 0)", "POINT(-97.7431061 30.2672)", "POINT(-97.7431061 30.2673)", "POINT(180 -90)"];

/// Which of its values a row has.
type Choice = fn(usize) -> usize;

/// A column of `kind`: the ends of its range, then what `of` chooses, a third of
/// it null if it is `nullable`.
fn values(kind: ColumnKind, nullable: bool, rows: usize, of: Choice) -> ArrayRef {
    fn column<T>(
        nullable: bool,
        rows: usize,
        ends: &[T],
        other: impl Fn(usize) -> T,
    ) -> impl Iterator<Item = Option<T>>
    where
        T: Clone,
    {
        (0..rows).map(move |row| {
            let value = ends.get(row).cloned().unwrap_or_else(|| other(row));
            (!nullable || row % 3 != 1).then_some(value)
        })
    }
    let texts = [String::new(), "ж漢🚌".into(), "x".repeat(100_000), "x".repeat(100_001)];
    let whole = [i64::MIN, i64::MAX, 0, i64::MIN, -1, i64::MAX];
    let numbers = [
        f64::MIN,
        f64::MAX,
        f64::INFINITY,
        f64::NEG_INFINITY,
        -0.0,
        0.0,
        f64::MIN_POSITIVE,
        5e-324,
    ];
    match kind {
        ColumnKind::Name | ColumnKind::Text => Arc::new(
            column(nullable, rows, &texts, |row| format!("{:08x}", of(row)))
                .collect::<StringArray>(),
        ),
        ColumnKind::Point => {
            let points = POINTS.map(str::to_owned);
            let other = |row| format!("POINT(-97.{:07} 30.{:07})", of(row), row % 7);
            Arc::new(column(nullable, rows, &points, other).collect::<StringArray>())
        }
        ColumnKind::Integer => {
            let other = |row| of(row) as i64 - 500;
            Arc::new(column(nullable, rows, &whole, other).collect::<Int64Array>())
        }
        ColumnKind::Time | ColumnKind::Moment => {
            let other = |row| of(row) as i64 * 1_000_000;
            let times =
                column(nullable, rows, &whole, other).collect::<TimestampMicrosecondArray>();
            Arc::new(times.with_timezone("UTC"))
        }
        ColumnKind::Number | ColumnKind::Measure => {
            let other = |row| of(row) as f64 / 1e7;
            Arc::new(column(nullable, rows, &numbers, other).collect::<Float64Array>())
        }
        ColumnKind::Flag => Arc::new(
            column(nullable, rows, &[], |row| of(row).is_multiple_of(2)).collect::<BooleanArray>(),
        ),
        ColumnKind::Date => {
            let other = |row| of(row) as i32;
            Arc::new(column(nullable, rows, &[i32::MIN, i32::MAX], other).collect::<Date32Array>())
        }
    }
}

/// Both tables, packed as they are.
const TABLES: [(&[Column], Packing); 2] = [(PINGS, PINGS_PACKING), (EVENTS, EVENTS_PACKING)];

fn table(columns: &[Column], rows: usize, of: Choice) -> RecordBatch {
    let schema = TableSchema::new(columns, PINGS_PACKING).arrow;
    let arrays = columns.iter().map(|column| values(column.kind, column.nullable, rows, of));
    RecordBatch::try_new(schema, arrays.collect()).unwrap()
}

fn written(columns: &[Column], packing: Packing, batch: &RecordBatch) -> Vec<u8> {
    let properties = packing.properties(columns);
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
    writer.write(batch).unwrap();
    writer.into_inner().unwrap()
}

/// What is read of `file`, in one batch, and its footer.
fn read(file: Vec<u8>, rows: usize) -> (RecordBatch, ParquetMetaData) {
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(file)).unwrap();
    let metadata = reader.metadata().as_ref().clone();
    let mut batches = reader.with_batch_size(rows.max(1)).build().unwrap().map(Result::unwrap);
    let batch = batches.next().unwrap();
    assert!(batches.next().is_none());
    (batch, metadata)
}

/// One of the columns of each kind, required and not: many rows of all would
/// take long.
fn one_of_each(columns: &[Column]) -> Vec<Column> {
    let mut chosen: Vec<Column> = Vec::new();
    for column in columns {
        if !chosen.iter().any(|it| (it.kind, it.nullable) == (column.kind, column.nullable)) {
            chosen.push(*column);
        }
    }
    chosen
}

fn ensure_reads_back(columns: &[Column], packing: Packing, rows: usize, of: Choice) {
    let batch = table(columns, rows, of);
    let (again, _) = read(written(columns, packing, &batch), rows);
    assert_eq!(again.schema(), batch.schema());
    for (column, (wrote, read)) in columns.iter().zip(batch.columns().iter().zip(again.columns())) {
        // `assert_eq` would print them.
        assert!(wrote == read, "{} of {rows} rows", column.name);
    }
}

/// Nulls and the ends of every range.
#[test]
fn every_column_reads_back_as_it_was_written() {
    for (columns, packing) in TABLES {
        for rows in [1, 2, 100] {
            ensure_reads_back(columns, packing, rows, |row| row % 40);
        }
    }
}

/// Past the ends of dictionaries and of pages.
#[test]
fn every_kind_reads_back_where_its_packing_changes() {
    let unrepeated = |row: usize| row.wrapping_mul(0x9e37_79b1) % 10_000_000;
    for (columns, packing) in TABLES {
        let rows = packing.page_rows.max(NUMBERS_MAX) + 1000;
        ensure_reads_back(&one_of_each(columns), packing, rows, unrepeated);
    }
}

#[test]
fn a_column_of_nulls_reads_back() {
    let nullable: Vec<Column> = PINGS.iter().filter(|column| column.nullable).copied().collect();
    let schema = TableSchema::new(&nullable, PINGS_PACKING).arrow;
    let nulls = schema.fields().iter().map(|it| arrow_array::new_null_array(it.data_type(), 5000));
    let batch = RecordBatch::try_new(schema.clone(), nulls.collect()).unwrap();
    assert_eq!(read(written(&nullable, PINGS_PACKING, &batch), 5000).0, batch);
}

/// The encodings of `name`'s data, and of its dictionary.
fn encodings(metadata: &ParquetMetaData, name: &str) -> Vec<Encoding> {
    let [group] = metadata.row_groups() else { panic!("one row group") };
    let chunk = group.columns().iter().find(|it| it.column_path().string() == name).unwrap();
    // Levels are always `RLE`.
    chunk.encodings().filter(|&it| it != Encoding::RLE).collect()
}

#[test]
fn numbers_that_hardly_repeat_go_on_without_a_dictionary() {
    let rows = 2 * NUMBERS_MAX;
    let dictionary = [Encoding::PLAIN, Encoding::RLE_DICTIONARY];
    let cases: [(Choice, &[Encoding]); 2] = [
        (|row| row % 1000, &dictionary),
        (|row| row, &[Encoding::PLAIN, Encoding::RLE_DICTIONARY, Encoding::BYTE_STREAM_SPLIT]),
    ];
    let columns: Vec<Column> =
        PINGS.iter().filter(|column| column.kind == ColumnKind::Number).copied().collect();
    for (of, expected) in cases {
        let (_, metadata) =
            read(written(&columns, PINGS_PACKING, &table(&columns, rows, of)), rows);
        for name in ["lat", "lon"] {
            assert_eq!(encodings(&metadata, name), expected);
        }
    }
}

/// Many readers know no `BYTE_STREAM_SPLIT` of integers.
#[test]
fn bytes_of_doubles_alone_are_split() {
    for (columns, packing) in TABLES {
        let (columns, rows) = (one_of_each(columns), 2 * NUMBERS_MAX);
        let batch = table(&columns, rows, |row| row);
        let (_, metadata) = read(written(&columns, packing, &batch), rows);
        for column in columns {
            let split = encodings(&metadata, column.name).contains(&Encoding::BYTE_STREAM_SPLIT);
            assert_eq!(split, column.kind == ColumnKind::Number, "{}", column.name);
        }
    }
}

#[test]
fn least_and_greatest_are_kept_of_times_and_places() {
    let cases = [
        (PINGS, vec!["event_time", "lat", "lon", "receive_time", "journal_seq", "day"]),
        (EVENTS, vec!["event_time", "observed_at", "lat", "lon", "journal_seq", "day"]),
    ];
    for (columns, expected) in cases {
        let batch = table(columns, 10, |row| row);
        let (_, metadata) = read(written(columns, PINGS_PACKING, &batch), 10);
        let kept: Vec<&str> = columns
            .iter()
            .zip(metadata.row_group(0).columns())
            .filter(|(_, chunk)| chunk.statistics().is_some_and(|it| it.min_bytes_opt().is_some()))
            .map(|(column, _)| column.name)
            .collect();
        assert_eq!(kept, expected);
    }
}
