//! Arrow rows: a serialized schema with the first request of a connection, a
//! serialized record batch with each.

use std::io::{Cursor, Read};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, Time64MicrosecondType, TimestampMicrosecondType, UInt8Type, UInt16Type, UInt32Type,
};
use arrow_array::{
    Array, ArrayRef, BinaryArray, PrimitiveArray, RecordBatch, StringArray, new_null_array,
};
use arrow_ipc::reader::StreamReader;
use arrow_schema::{DataType, TimeUnit};
use bytes::Bytes;

use super::Columns;
use crate::bigquery::proto::storage_error::StorageErrorCode;
use crate::bigquery::refusal::Refusal;
use crate::bigquery::schema::{Kind, Schema};

/// The rows of `batch`, written under `writer_schema`, as columns of the table.
/// A column that the writer lacks is null throughout.
pub(crate) fn decode(
    writer_schema: &Bytes,
    batch: &Bytes,
    schema: &Schema,
) -> Result<Columns, Refusal> {
    let batch = read(writer_schema, batch)?;
    let names = batch.schema();
    if let Some(extra) = names.fields().iter().find(|f| schema.position(f.name()).is_none()) {
        let message = format!(
            "Input schema has more fields than BigQuery schema, extra fields: '{}'",
            extra.name()
        );
        return Err(Refusal::invalid(message).with(StorageErrorCode::SchemaMismatchExtraFields));
    }
    let rows = batch.num_rows();
    let arrays = schema.columns.iter().map(|column| {
        let index = names.fields().iter().position(|f| f.name().eq_ignore_ascii_case(&column.name));
        match index {
            Some(index) => convert(batch.column(index), column.kind).ok_or_else(|| {
                Refusal::invalid(format!(
                    "Field {}: Arrow type {} does not go into a column of type {}",
                    column.name,
                    batch.column(index).data_type(),
                    column.kind.rest_name()
                ))
            }),
            None => Ok(new_null_array(&column.kind.arrow(), rows)),
        }
    });
    Ok(Columns { arrays: arrays.collect::<Result<_, _>>()?, rows })
}

fn read(schema: &Bytes, batch: &Bytes) -> Result<RecordBatch, Refusal> {
    let bad = |what: &str, error: &dyn std::fmt::Display| {
        Refusal::invalid(format!("Cannot read the Arrow {what}: {error}"))
    };
    let mut reader =
        StreamReader::try_new(Cursor::new(schema.clone()).chain(Cursor::new(batch.clone())), None)
            .map_err(|error| bad("schema", &error))?;
    match reader.next() {
        Some(Ok(batch)) => Ok(batch),
        Some(Err(error)) => Err(bad("record batch", &error)),
        None => Err(bad("record batch", &"there is none")),
    }
}

/// The values of `array` as those of a column, where the service takes one
/// for the other without loss; `None` where it does not.
fn convert(array: &ArrayRef, kind: Kind) -> Option<ArrayRef> {
    let target = kind.arrow();
    if array.data_type() == &target {
        return Some(array.clone());
    }
    match (kind, array.data_type()) {
        (_, DataType::Null) => Some(new_null_array(&target, array.len())),
        (Kind::Text | Kind::Geography | Kind::Json, DataType::LargeUtf8) => {
            Some(Arc::new(array.as_string::<i64>().iter().collect::<StringArray>()))
        }
        (Kind::Bytes, DataType::LargeBinary) => {
            Some(Arc::new(array.as_binary::<i64>().iter().collect::<BinaryArray>()))
        }
        (Kind::Integer, from) => match from {
            DataType::Int8 => widen::<Int8Type, Int64Type>(array),
            DataType::Int16 => widen::<Int16Type, Int64Type>(array),
            DataType::Int32 => widen::<Int32Type, Int64Type>(array),
            DataType::UInt8 => widen::<UInt8Type, Int64Type>(array),
            DataType::UInt16 => widen::<UInt16Type, Int64Type>(array),
            DataType::UInt32 => widen::<UInt32Type, Int64Type>(array),
            _ => None,
        },
        (Kind::Float, DataType::Float32) => widen::<Float32Type, Float64Type>(array),
        (Kind::Date, DataType::Int32) => widen::<Int32Type, Date32Type>(array),
        (Kind::Time, DataType::Int64) => widen::<Int64Type, Time64MicrosecondType>(array),
        (Kind::Timestamp, DataType::Timestamp(TimeUnit::Microsecond, Some(zone)))
            if is_utc(zone) =>
        {
            let array = array.as_primitive::<TimestampMicrosecondType>().clone();
            Some(Arc::new(array.with_timezone("UTC")))
        }
        _ => None,
    }
}

fn widen<From, To>(array: &ArrayRef) -> Option<ArrayRef>
where
    From: ArrowPrimitiveType,
    To: ArrowPrimitiveType,
    From::Native: Into<To::Native>,
{
    let widened: PrimitiveArray<To> = array.as_primitive::<From>().unary(Into::<To::Native>::into);
    Some(Arc::new(widened))
}

fn is_utc(zone: &str) -> bool {
    ["UTC", "+00:00", "Etc/UTC", "Z"].contains(&zone)
}
