//! Rows of Parquet files of events.

use std::fs::File;
use std::path::Path;

use anyhow::Context as _;
use arrow_array::cast::AsArray as _;
use arrow_array::types::{Date32Type, Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, RecordBatch};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::disk::files_under;
use super::operation::{COLUMNS, Cell, Operation, Type};
use super::told::{Beside, EventRow, EventRows, Told};

/// Holds every Parquet file under `directory` (`<data_dir>/events`) against what
/// came; `had_gaps` says whether some may have been missed.
///
/// # Errors
/// A file that cannot be read, by its name.
pub fn compare(directory: &Path, told: &Told, had_gaps: bool) -> anyhow::Result<EventRows> {
    let mut comparison = told.held_against();
    for path in files_under(directory, ".parquet")? {
        each_row(&path, |row| comparison.take(row))
            .with_context(|| format!("reading {}", path.display()))?;
    }
    comparison.finish(had_gaps)
}

fn each_row(path: &Path, mut take: impl FnMut(EventRow)) -> anyhow::Result<()> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(path)?)?;
    for batch in builder.build()? {
        let batch = batch?;
        for row in 0..batch.num_rows() {
            take(event_row(&batch, row)?);
        }
    }
    Ok(())
}

fn event_row(batch: &RecordBatch, row: usize) -> anyhow::Result<EventRow> {
    let column = |name: &str| {
        let column = batch.column_by_name(name);
        column.map(AsRef::as_ref).with_context(|| format!("it has no column {name}"))
    };
    let cells = COLUMNS.into_iter().map(|(name, of)| cell(column(name)?, of, row).context(name));
    let operation = Operation::new(cells.collect::<anyhow::Result<_>>()?);
    let integer = |name: &'static str| match cell(column(name)?, Type::Integer, row)? {
        Some(Cell::Integer(integer)) => Ok(integer),
        _ => anyhow::bail!("a row has no {name}"),
    };
    let locations = column("location")?.as_string_opt::<i32>().context("location")?;
    let days = column("day")?.as_primitive_opt::<Date32Type>().context("day")?;
    let beside = Beside {
        location: locations.is_valid(row).then(|| locations.value(row)),
        shard: integer("shard")?,
        journal_seq: integer("journal_seq")?,
        day: days.value(row).into(),
    };
    Ok(EventRow::new(operation, beside))
}

/// A value of a column, which must be of this type.
fn cell(values: &dyn Array, of: Type, row: usize) -> anyhow::Result<Option<Cell>> {
    let cell = match of {
        Type::Text => {
            values.as_string_opt::<i32>().map(|texts| Cell::Text(texts.value(row).to_owned()))
        }
        Type::Time => {
            let times = values.as_primitive_opt::<TimestampMicrosecondType>();
            times.map(|times| Cell::Time(times.value(row)))
        }
        Type::Number => {
            values.as_primitive_opt::<Float64Type>().map(|numbers| Cell::Number(numbers.value(row)))
        }
        Type::Integer => {
            values.as_primitive_opt::<Int64Type>().map(|them| Cell::Integer(them.value(row)))
        }
        Type::Flag => values.as_boolean_opt().map(|flags| Cell::Flag(flags.value(row))),
    };
    let cell = cell.with_context(|| format!("it is no {of:?}"))?;
    Ok(values.is_valid(row).then_some(cell))
}
