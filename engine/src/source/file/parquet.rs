//! Rows of Parquet files, read by column.

use std::borrow::Cow;
use std::panic::{self, AssertUnwindSafe};

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use arrow_array::{Array, BinaryArray, BooleanArray, StringArray};
use arrow_schema::{DataType, TimeUnit};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;
use parquet::file::reader::ChunkReader;
use parquet::schema::types::SchemaDescriptor;

use super::columns;
use super::error::FileError;
use super::feed::{Feed, Original};
use super::input::{BytesRead, FileName};
use super::{ROWS_PER_READ, Rows};
use crate::decode::fields::{Field, Kind, PingFields, Value};
use crate::decode::{ContentType, DecodeError};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

pub(super) struct ParquetRows {
    name: FileName,
    batches: ParquetRecordBatchReader,
    /// Field of each column that is read, in file order.
    fields: Vec<Field>,
    rows: u64,
    rows_total: u64,
    progress: Option<ParquetProgress>,
}

/// Tells how much of a file was read, which the decoder reads piecemeal: by
/// the share of its rows.
pub(super) struct ParquetProgress {
    pub(super) bytes_total: u64,
    pub(super) read: BytesRead,
}

impl ParquetRows {
    /// Reads the index of the file and checks its columns.
    ///
    /// # Errors
    /// When it has none, or not the columns of pings.
    pub(super) fn open(
        name: FileName,
        input: impl ChunkReader + 'static,
        progress: Option<ParquetProgress>,
    ) -> Result<Self, FileError> {
        let unreadable = |source| FileError::Parquet { file: name.full.clone(), source };
        // Types as Parquet has them: what the writing library held them in
        // (views, dictionaries, large strings) is its own affair.
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let builder =
            unwinding(|| ParquetRecordBatchReaderBuilder::try_new_with_options(input, options))
                .map_err(|panic| unreadable(ParquetError::General(panic)))?
                .map_err(unreadable)?;
        let names: Vec<&str> =
            builder.schema().fields().iter().map(|field| field.name().as_str()).collect();
        let columns = columns::find(&name.full, &names)?;
        for column in &columns {
            check_type(&name, column.field, builder.schema().field(column.index).data_type())?;
        }
        check_codecs(&name, builder.parquet_schema(), builder.metadata(), &columns)?;
        let mask = ProjectionMask::roots(
            builder.parquet_schema(),
            columns.iter().map(|column| column.index),
        );
        let rows_total = u64::try_from(builder.metadata().file_metadata().num_rows()).unwrap_or(0);
        let builder = builder.with_projection(mask).with_batch_size(ROWS_PER_READ);
        let batches = unwinding(|| builder.build())
            .map_err(|panic| unreadable(ParquetError::General(panic)))?
            .map_err(unreadable)?;
        let fields = columns.iter().map(|column| column.field).collect();
        Ok(Self { name, batches, fields, rows: 0, rows_total, progress })
    }

    fn report_progress(&self) {
        if let Some(progress) = &self.progress {
            let share = self.rows as f64 / self.rows_total.max(1) as f64;
            progress.read.set((progress.bytes_total as f64 * share.min(1.0)) as u64);
        }
    }
}

/// Refuses at once what would break off at the first row. Columns that are not
/// read may be compressed as they like.
fn check_codecs(
    name: &FileName,
    schema: &SchemaDescriptor,
    metadata: &ParquetMetaData,
    columns: &[columns::Column],
) -> Result<(), FileError> {
    let is_readable = |codec: &Compression| {
        matches!(codec, Compression::UNCOMPRESSED | Compression::SNAPPY | Compression::ZSTD(_))
    };
    let is_read = |leaf: usize| {
        let root = schema.get_column_root_idx(leaf);
        columns.iter().any(|column| column.index == root)
    };
    let chunks = metadata.row_groups().iter().flat_map(|group| group.columns().iter().enumerate());
    let mut codecs =
        chunks.filter(|(leaf, _)| is_read(*leaf)).map(|(_, chunk)| chunk.compression());
    match codecs.find(|codec| !is_readable(codec)) {
        None => Ok(()),
        Some(codec) => Err(FileError::Codec { file: name.full.clone(), codec: codec.to_string() }),
    }
}

impl Rows for ParquetRows {
    fn read(&mut self, feed: &mut Feed) -> Result<bool, FileError> {
        let broken = |source: BoxError| FileError::Broken {
            file: self.name.full.clone(),
            rows: self.rows,
            offset: None,
            source,
        };
        let batch = match unwinding(|| self.batches.next()) {
            Ok(None) => return Ok(false),
            Ok(Some(Ok(batch))) => batch,
            Ok(Some(Err(error))) => return Err(broken(error.into())),
            Err(panic) => return Err(broken(panic.into())),
        };
        // A column without a value says nothing of any row.
        let columns: Vec<Column<'_>> = self
            .fields
            .iter()
            .zip(batch.columns())
            .filter(|(_, array)| array.null_count() < array.len())
            .map(|(&field, array)| Column::new(field, array))
            .collect();
        for row in 0..batch.num_rows() {
            self.rows += 1;
            let fields = read_fields(&columns, row);
            feed.take(&self.name, self.rows, fields, || original(&columns, row))?;
        }
        self.report_progress();
        Ok(true)
    }
}

/// Runs the decoder, which answers some damage with a panic, and gives that as
/// text. What the decoder left behind is not used again.
fn unwinding<T>(decode: impl FnOnce() -> T) -> Result<T, String> {
    panic::catch_unwind(AssertUnwindSafe(decode)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
        format!("damaged: {}", text.unwrap_or_default())
    })
}

fn read_fields<'a>(columns: &[Column<'a>], row: usize) -> Result<PingFields<'a>, DecodeError> {
    let mut fields = PingFields::default();
    for column in columns {
        if let Some(value) = column.value(row)? {
            fields.set(column.field, value)?;
        }
    }
    Ok(fields)
}

/// A refused row as the JSON object that says the same.
fn original(columns: &[Column<'_>], row: usize) -> Original {
    let mut object = serde_json::Map::new();
    for column in columns {
        let value = match column.value(row) {
            Ok(None) | Err(_) => continue,
            Ok(Some(Value::Text(text))) => text.into(),
            Ok(Some(Value::Int(number))) => number.into(),
            Ok(Some(Value::Uint(number))) => number.into(),
            Ok(Some(Value::Float(number))) if number.is_finite() => number.into(),
            // JSON has no such numbers, and the reader must see what it was.
            Ok(Some(Value::Float(number))) => number.to_string().into(),
            Ok(Some(Value::Bool(on))) => on.into(),
            Ok(Some(Value::Time(us))) => match jiff::Timestamp::from_microsecond(us) {
                Ok(time) => time.to_string().into(),
                Err(_) => us.into(),
            },
            Ok(Some(Value::Other(what))) => what.into(),
        };
        object.insert(column.field.name().to_owned(), value);
    }
    let bytes = serde_json::Value::from(object).to_string().into_bytes();
    Original { bytes, content_type: ContentType::Json.name() }
}

fn check_type(name: &FileName, field: Field, found: &DataType) -> Result<(), FileError> {
    let text = matches!(found, DataType::Utf8 | DataType::Binary);
    let (fits, expected) = match field.kind() {
        Kind::Text => (text || found.is_integer(), "a string or an integer"),
        Kind::Number => (
            matches!(found, DataType::Float32 | DataType::Float64) || found.is_integer(),
            "a 32 or 64 bit float, or an integer",
        ),
        Kind::Whole => (found.is_integer(), "an integer"),
        Kind::Flag => (matches!(found, DataType::Boolean) || found.is_integer(), "a boolean"),
        Kind::Timestamp => (
            text || matches!(found, DataType::Timestamp(..)),
            "a timestamp or an RFC 3339 string (whole numbers go in a column with the suffix _ms \
             or _us)",
        ),
        Kind::Micros => (found.is_integer(), "an integer, microseconds since 1970"),
        Kind::Millis => (found.is_integer(), "an integer, milliseconds since 1970"),
    };
    if fits {
        return Ok(());
    }
    Err(FileError::ColumnType {
        file: name.full.clone(),
        column: field.name(),
        found: found.to_string(),
        expected,
    })
}

/// One column of a batch, its type resolved once.
struct Column<'a> {
    field: Field,
    array: &'a dyn Array,
    has_nulls: bool,
    values: Values<'a>,
}

enum Values<'a> {
    Text(&'a StringArray),
    Binary(&'a BinaryArray),
    Bool(&'a BooleanArray),
    F32(&'a [f32]),
    F64(&'a [f64]),
    I8(&'a [i8]),
    I16(&'a [i16]),
    I32(&'a [i32]),
    I64(&'a [i64]),
    U8(&'a [u8]),
    U16(&'a [u16]),
    U32(&'a [u32]),
    U64(&'a [u64]),
    Time(&'a [i64], TimeUnit),
    /// A type that opening the file refuses.
    Other,
}

impl<'a> Column<'a> {
    fn new(field: Field, array: &'a dyn Array) -> Self {
        let values = match array.data_type() {
            DataType::Utf8 => Values::Text(array.as_string()),
            DataType::Binary => Values::Binary(array.as_binary()),
            DataType::Boolean => Values::Bool(array.as_boolean()),
            DataType::Float32 => Values::F32(array.as_primitive::<Float32Type>().values()),
            DataType::Float64 => Values::F64(array.as_primitive::<Float64Type>().values()),
            DataType::Int8 => Values::I8(array.as_primitive::<Int8Type>().values()),
            DataType::Int16 => Values::I16(array.as_primitive::<Int16Type>().values()),
            DataType::Int32 => Values::I32(array.as_primitive::<Int32Type>().values()),
            DataType::Int64 => Values::I64(array.as_primitive::<Int64Type>().values()),
            DataType::UInt8 => Values::U8(array.as_primitive::<UInt8Type>().values()),
            DataType::UInt16 => Values::U16(array.as_primitive::<UInt16Type>().values()),
            DataType::UInt32 => Values::U32(array.as_primitive::<UInt32Type>().values()),
            DataType::UInt64 => Values::U64(array.as_primitive::<UInt64Type>().values()),
            DataType::Timestamp(unit, _) => Values::Time(timestamps(array, *unit), *unit),
            _ => Values::Other,
        };
        Self { field, array, has_nulls: array.null_count() > 0, values }
    }

    /// The value in `row`; `None` for null.
    fn value(&self, row: usize) -> Result<Option<Value<'a>>, DecodeError> {
        if self.has_nulls && self.array.is_null(row) {
            return Ok(None);
        }
        let value = match self.values {
            Values::Text(array) => Value::Text(Cow::Borrowed(array.value(row))),
            Values::Binary(array) => match std::str::from_utf8(array.value(row)) {
                Ok(text) => Value::Text(Cow::Borrowed(text)),
                Err(_) => {
                    return Err(DecodeError::Row(format!("{} is not UTF-8", self.field.name())));
                }
            },
            Values::Bool(array) => Value::Bool(array.value(row)),
            Values::F32(values) => Value::Float(values[row].into()),
            Values::F64(values) => Value::Float(values[row]),
            Values::I8(values) => self.integer(values[row].into()),
            Values::I16(values) => self.integer(values[row].into()),
            Values::I32(values) => self.integer(values[row].into()),
            Values::I64(values) => self.integer(values[row]),
            Values::U8(values) => self.integer(values[row].into()),
            Values::U16(values) => self.integer(values[row].into()),
            Values::U32(values) => self.integer(values[row].into()),
            Values::U64(values) => match i64::try_from(values[row]) {
                Ok(number) => self.integer(number),
                Err(_) => Value::Uint(values[row]),
            },
            Values::Time(values, unit) => match micros(values[row], unit) {
                Some(us) => Value::Time(us),
                None => Value::Other("a time beyond 64 bits of microseconds"),
            },
            Values::Other => Value::Other("of a type that holds no such value"),
        };
        Ok(Some(value))
    }

    /// Integers also stand for ids, and 0 and 1 for flags.
    fn integer(&self, number: i64) -> Value<'a> {
        match (self.field.kind(), number) {
            (Kind::Text, _) => Value::Text(Cow::Owned(number.to_string())),
            (Kind::Flag, 0) => Value::Bool(false),
            (Kind::Flag, 1) => Value::Bool(true),
            _ => Value::Int(number),
        }
    }
}

fn timestamps(array: &dyn Array, unit: TimeUnit) -> &[i64] {
    match unit {
        TimeUnit::Second => array.as_primitive::<TimestampSecondType>().values(),
        TimeUnit::Millisecond => array.as_primitive::<TimestampMillisecondType>().values(),
        TimeUnit::Microsecond => array.as_primitive::<TimestampMicrosecondType>().values(),
        TimeUnit::Nanosecond => array.as_primitive::<TimestampNanosecondType>().values(),
    }
}

fn micros(value: i64, unit: TimeUnit) -> Option<i64> {
    match unit {
        TimeUnit::Second => value.checked_mul(1_000_000),
        TimeUnit::Millisecond => value.checked_mul(1_000),
        TimeUnit::Microsecond => Some(value),
        TimeUnit::Nanosecond => Some(value.div_euclid(1_000)),
    }
}
