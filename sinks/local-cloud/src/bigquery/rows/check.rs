//! Whether values fit their columns, row by row.

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Time64MicrosecondType, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef};
use serde::de::IgnoredAny;

use super::Columns;
use crate::bigquery::proto::RowError;
use crate::bigquery::proto::row_error::RowErrorCode;
use crate::bigquery::schema::{Column, Kind, Schema};

/// 0001-01-01 to 9999-12-31, in days since the Unix epoch.
const DAYS: std::ops::RangeInclusive<i32> = -719_162..=2_932_896;
/// The same days in microseconds, to the last.
const MICROS: std::ops::RangeInclusive<i64> = -62_135_596_800_000_000..=253_402_300_799_999_999;
const DAY_MICROS: i64 = 86_400_000_000;

/// The first fault of each row that has one, in row order.
pub(crate) fn rows(columns: &Columns, schema: &Schema) -> Vec<RowError> {
    let mut faults: Vec<Option<String>> = vec![None; columns.rows];
    for (column, array) in schema.columns.iter().zip(&columns.arrays) {
        if always_fits(column, array) {
            continue;
        }
        for (row, fault) in faults.iter_mut().enumerate() {
            if fault.is_none() {
                *fault = value_fault(column, array, row);
            }
        }
    }
    let found = faults.into_iter().enumerate().filter_map(|(row, fault)| Some((row, fault?)));
    found.map(|(row, message)| row_error(row, message)).collect()
}

/// Spares most columns of most requests the look at each value.
fn always_fits(column: &Column, array: &ArrayRef) -> bool {
    let any_value = match column.kind {
        Kind::Integer | Kind::Float | Kind::Boolean => true,
        Kind::Text | Kind::Bytes => column.max_length.is_none(),
        _ => false,
    };
    any_value && (!column.required || array.null_count() == 0)
}

/// One row's fault, as the service tells it.
pub(crate) fn row_error(row: usize, message: String) -> RowError {
    RowError { index: row as i64, code: RowErrorCode::FieldsError.into(), message }
}

fn value_fault(column: &Column, array: &ArrayRef, row: usize) -> Option<String> {
    let name = &column.name;
    if array.is_null(row) {
        return column.required.then(|| format!("Field '{name}' is required but has no value"));
    }
    let fault = match column.kind {
        Kind::Text => too_long(column, array.as_string::<i32>().value(row).chars().count()),
        Kind::Bytes => too_long(column, array.as_binary::<i32>().value(row).len()),
        Kind::Geography => geography_fault(array.as_string::<i32>().value(row)),
        Kind::Json => serde_json::from_str::<IgnoredAny>(array.as_string::<i32>().value(row))
            .err()
            .map(|error| format!("not JSON: {error}")),
        Kind::Date => {
            let days = array.as_primitive::<Date32Type>().value(row);
            (!DAYS.contains(&days)).then(|| format!("date {days} is out of range"))
        }
        Kind::Timestamp | Kind::Datetime => {
            let micros = array.as_primitive::<TimestampMicrosecondType>().value(row);
            (!MICROS.contains(&micros)).then(|| format!("timestamp {micros} is out of range"))
        }
        Kind::Time => {
            let micros = array.as_primitive::<Time64MicrosecondType>().value(row);
            (!(0..DAY_MICROS).contains(&micros)).then(|| format!("time {micros} is out of range"))
        }
        Kind::Integer | Kind::Float | Kind::Boolean => None,
    };
    fault.map(|fault| format!("Field '{name}': {fault}"))
}

fn too_long(column: &Column, length: usize) -> Option<String> {
    let max = column.max_length?;
    (length > max).then(|| format!("has length {length}, the column takes {max}"))
}

/// A point is read whole; of other shapes only the name is looked at.
fn geography_fault(text: &str) -> Option<String> {
    const OTHERS: [&str; 6] = [
        "LINESTRING",
        "POLYGON",
        "MULTIPOINT",
        "MULTILINESTRING",
        "MULTIPOLYGON",
        "GEOMETRYCOLLECTION",
    ];
    let upper = text.trim().to_ascii_uppercase();
    if OTHERS.iter().any(|shape| upper.starts_with(shape)) {
        return None;
    }
    let Some((lon, lat)) = point(&upper) else {
        return Some(format!("\"{text}\" is not a geography"));
    };
    if !(-90.0..=90.0).contains(&lat) {
        return Some(format!("latitude {lat} is not within [-90, 90]"));
    }
    (!lon.is_finite()).then(|| format!("longitude {lon} is not finite"))
}

fn point(upper: &str) -> Option<(f64, f64)> {
    let inner = upper.strip_prefix("POINT")?.trim_start().strip_prefix('(')?.strip_suffix(')')?;
    let (lon, lat) = inner.trim().split_once(char::is_whitespace)?;
    Some((lon.parse().ok()?, lat.trim().parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn geographies() {
        for (text, fits) in [
            ("POINT(16.4 48.2)", true),
            ("point (  -180   90 )", true),
            ("LINESTRING(0 0, 1 1)", true),
            ("POINT(16.4 91)", false),
            ("POINT(16.4)", false),
            ("POINT(a b)", false),
            ("POINT(1 2 3)", false),
            ("somewhere", false),
            ("", false),
        ] {
            assert_eq!(geography_fault(text).is_none(), fits, "{text}");
        }
    }
}
