//! Proto rows: a message descriptor with the first request of a connection,
//! serialized messages with each.
//!
//! Scalar fields are read, by proto2 rules: a field that is absent is null.
//! Nested messages, wrappers and repeated fields are refused with the
//! descriptor, since no column of a flat table takes them.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Float64Array, Int64Array, StringArray,
    TimestampMicrosecondArray, new_null_array,
};
use bytes::{Buf, Bytes};
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, FieldDescriptorProto};

use super::{Columns, check};
use crate::bigquery::proto::RowError;
use crate::bigquery::proto::storage_error::StorageErrorCode;
use crate::bigquery::refusal::Refusal;
use crate::bigquery::schema::{Kind, Schema};

/// What a writer's message says to the columns of a table.
#[derive(Debug)]
pub(crate) struct Reader {
    fields: HashMap<u32, ReadField>,
}

#[derive(Debug)]
struct ReadField {
    column: usize,
    name: String,
    proto: Type,
    /// Names of the values, for an enum.
    enum_names: HashMap<i64, String>,
}

/// A value off the wire, before its column says what it means.
#[derive(Clone, Debug)]
enum Value {
    Integer(i64),
    Float(f64),
    Text(String),
    Bytes(Bytes),
}

impl Reader {
    pub(crate) fn new(message: &DescriptorProto, schema: &Schema) -> Result<Self, Refusal> {
        let mut fields = HashMap::new();
        for field in &message.field {
            let column = schema.position(field.name()).ok_or_else(|| {
                Refusal::invalid(format!(
                    "Input schema has more fields than BigQuery schema, extra fields: '{}'",
                    field.name()
                ))
                .with(StorageErrorCode::SchemaMismatchExtraFields)
            })?;
            let kind = schema.columns[column].kind;
            if field.label() == Label::Repeated || !takes(kind, field.r#type()) {
                return Err(Refusal::invalid(format!(
                    "Field {}: proto {}{} does not go into a column of type {}",
                    field.name(),
                    if field.label() == Label::Repeated { "repeated " } else { "" },
                    field.r#type().as_str_name(),
                    kind.rest_name()
                )));
            }
            let read = ReadField {
                column,
                name: field.name().to_owned(),
                proto: field.r#type(),
                enum_names: if kind == Kind::Text {
                    enum_names(message, field)
                } else {
                    HashMap::new()
                },
            };
            fields.insert(field.number() as u32, read);
        }
        Ok(Self { fields })
    }

    /// The rows as columns, and what is wrong with rows that cannot be read;
    /// those are null throughout.
    pub(crate) fn decode(&self, rows: &[Bytes], schema: &Schema) -> (Columns, Vec<RowError>) {
        let mut values = vec![Vec::with_capacity(rows.len()); schema.columns.len()];
        let mut faults = Vec::new();
        for (index, row) in rows.iter().enumerate() {
            for column in &mut values {
                column.push(None);
            }
            let read = self.decode_row(row.clone(), |column, value| {
                values[column][index] = Some(value);
            });
            if let Err(message) = read {
                faults.push(check::row_error(index, message));
            }
        }
        let arrays = schema.columns.iter().zip(values);
        let arrays = arrays.map(|(column, values)| array(column.kind, values)).collect();
        (Columns { arrays, rows: rows.len() }, faults)
    }

    fn decode_row(&self, mut row: Bytes, mut keep: impl FnMut(usize, Value)) -> Result<(), String> {
        while row.has_remaining() {
            let (tag, wire) =
                decode_key(&mut row).map_err(|error| format!("malformed row: {error}"))?;
            let Some(field) = self.fields.get(&tag) else {
                skip_field(wire, tag, &mut row, DecodeContext::default())
                    .map_err(|error| format!("malformed row: {error}"))?;
                return Err(format!("unknown field {tag}"));
            };
            let value = field
                .decode(wire, &mut row)
                .map_err(|error| format!("Field '{}': {error}", field.name))?;
            keep(field.column, value);
        }
        Ok(())
    }
}

impl ReadField {
    fn decode(&self, wire: WireType, row: &mut Bytes) -> Result<Value, String> {
        let expected = match self.proto {
            Type::Double | Type::Fixed64 | Type::Sfixed64 => WireType::SixtyFourBit,
            Type::Float | Type::Fixed32 | Type::Sfixed32 => WireType::ThirtyTwoBit,
            Type::String | Type::Bytes => WireType::LengthDelimited,
            _ => WireType::Varint,
        };
        if wire != expected {
            return Err(format!("wire type {wire:?} where {expected:?} is due"));
        }
        match expected {
            WireType::SixtyFourBit if row.remaining() >= 8 => {
                let bits = row.get_u64_le();
                Ok(match self.proto {
                    Type::Double => Value::Float(f64::from_bits(bits)),
                    _ => Value::Integer(bits as i64),
                })
            }
            WireType::ThirtyTwoBit if row.remaining() >= 4 => {
                let bits = row.get_u32_le();
                Ok(match self.proto {
                    Type::Float => Value::Float(f32::from_bits(bits).into()),
                    Type::Fixed32 => Value::Integer(bits.into()),
                    _ => Value::Integer((bits as i32).into()),
                })
            }
            WireType::LengthDelimited => self.text_or_bytes(row),
            WireType::Varint => {
                let bits = decode_varint(row).map_err(|error| error.to_string())?;
                self.varint(bits)
            }
            _ => Err("the row ends within it".to_owned()),
        }
    }

    fn text_or_bytes(&self, row: &mut Bytes) -> Result<Value, String> {
        let length = decode_varint(row).map_err(|error| error.to_string())? as usize;
        if length > row.remaining() {
            return Err("the row ends within it".to_owned());
        }
        let bytes = row.split_to(length);
        match self.proto {
            Type::String => String::from_utf8(bytes.into())
                .map(Value::Text)
                .map_err(|_| "is not valid UTF-8".to_owned()),
            _ => Ok(Value::Bytes(bytes)),
        }
    }

    fn varint(&self, bits: u64) -> Result<Value, String> {
        Ok(match self.proto {
            Type::Sint32 | Type::Sint64 => {
                Value::Integer((bits >> 1) as i64 ^ -((bits & 1) as i64))
            }
            Type::Int32 => Value::Integer((bits as i32).into()),
            Type::Uint32 => Value::Integer((bits as u32).into()),
            Type::Enum if !self.enum_names.is_empty() => {
                let number = bits as i64;
                let name = self.enum_names.get(&number);
                Value::Text(name.ok_or_else(|| format!("the enum has no value {number}"))?.clone())
            }
            _ => Value::Integer(bits as i64),
        })
    }
}

/// The service's table of proto types for each column type, as far as it goes
/// here.
fn takes(kind: Kind, proto: Type) -> bool {
    let integer = matches!(
        proto,
        Type::Int32
            | Type::Int64
            | Type::Uint32
            | Type::Sint32
            | Type::Sint64
            | Type::Fixed32
            | Type::Sfixed32
            | Type::Sfixed64
    );
    match kind {
        Kind::Text => matches!(proto, Type::String | Type::Enum),
        Kind::Integer => integer || proto == Type::Enum,
        Kind::Float => matches!(proto, Type::Double | Type::Float),
        Kind::Boolean => integer || matches!(proto, Type::Bool | Type::Uint64),
        Kind::Bytes => matches!(proto, Type::Bytes | Type::String),
        Kind::Timestamp | Kind::Date => integer,
        Kind::Geography | Kind::Json => proto == Type::String,
        Kind::Time | Kind::Datetime => false,
    }
}

/// Values' names, when the enum is of the message and the column a text.
fn enum_names(message: &DescriptorProto, field: &FieldDescriptorProto) -> HashMap<i64, String> {
    let name = field.type_name().rsplit('.').next().unwrap_or_default();
    let found = message.enum_type.iter().find(|e| field.r#type() == Type::Enum && e.name() == name);
    let values = found.into_iter().flat_map(|e| &e.value);
    values.map(|value| (value.number().into(), value.name().to_owned())).collect()
}

fn array(kind: Kind, values: Vec<Option<Value>>) -> ArrayRef {
    fn each<'a, T>(
        values: &'a [Option<Value>],
        read: impl Fn(&'a Value) -> Option<T> + 'a,
    ) -> impl Iterator<Item = Option<T>> + 'a {
        values.iter().map(move |value| value.as_ref().and_then(&read))
    }
    match kind {
        Kind::Text | Kind::Geography | Kind::Json => {
            Arc::new(each(&values, text).collect::<StringArray>())
        }
        Kind::Bytes => Arc::new(each(&values, bytes).collect::<BinaryArray>()),
        Kind::Float => Arc::new(each(&values, float).collect::<Float64Array>()),
        Kind::Integer => Arc::new(each(&values, integer).collect::<Int64Array>()),
        Kind::Boolean => {
            let flag = |value| integer(value).map(|number| number != 0);
            Arc::new(each(&values, flag).collect::<BooleanArray>())
        }
        Kind::Timestamp => {
            let array: TimestampMicrosecondArray = each(&values, integer).collect();
            Arc::new(array.with_timezone("UTC"))
        }
        Kind::Date => {
            // Days beyond 32 bits are as much out of range as the largest.
            let days = |value| integer(value).map(|n| i32::try_from(n).unwrap_or(i32::MAX));
            Arc::new(each(&values, days).collect::<Date32Array>())
        }
        // No proto type goes into these here: there are no values.
        Kind::Time | Kind::Datetime => new_null_array(&kind.arrow(), values.len()),
    }
}

fn integer(value: &Value) -> Option<i64> {
    if let Value::Integer(number) = value { Some(*number) } else { None }
}

fn float(value: &Value) -> Option<f64> {
    if let Value::Float(number) = value { Some(*number) } else { None }
}

fn text(value: &Value) -> Option<&str> {
    if let Value::Text(text) = value { Some(text) } else { None }
}

fn bytes(value: &Value) -> Option<&[u8]> {
    match value {
        Value::Bytes(bytes) => Some(bytes),
        Value::Text(text) => Some(text.as_bytes()),
        _ => None,
    }
}
