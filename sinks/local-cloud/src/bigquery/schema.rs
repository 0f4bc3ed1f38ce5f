//! Columns of a table: read from REST, told to the Storage Write API, kept as
//! Arrow.
//!
//! Flat tables of the types below, which is what the engine writes. RECORD,
//! REPEATED, NUMERIC, BIGNUMERIC, INTERVAL and RANGE are refused where the
//! table is made.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema as ArrowSchema, SchemaRef, TimeUnit};
use serde_json::{Value, json};

use super::proto::table_field_schema::{Mode, Type};
use super::proto::{TableFieldSchema, TableSchema};

/// The columns of a table, in order.
#[derive(Clone, Debug)]
pub(crate) struct Schema {
    pub(crate) columns: Vec<Column>,
    /// The same as Arrow: what rows are kept, exported and given to tests as.
    pub(crate) arrow: SchemaRef,
}

/// One column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) required: bool,
    /// Longest text (characters) or bytes; `None` is no limit.
    pub(crate) max_length: Option<usize>,
    pub(crate) description: String,
}

/// Type of a column's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Integer,
    Float,
    Boolean,
    Bytes,
    Timestamp,
    Date,
    Time,
    Datetime,
    Geography,
    Json,
}

impl Kind {
    /// Reads a type's name, of REST or of SQL.
    fn from_rest(name: &str) -> Option<Self> {
        Some(match name.to_ascii_uppercase().as_str() {
            "STRING" => Self::Text,
            "INTEGER" | "INT64" => Self::Integer,
            "FLOAT" | "FLOAT64" => Self::Float,
            "BOOLEAN" | "BOOL" => Self::Boolean,
            "BYTES" => Self::Bytes,
            "TIMESTAMP" => Self::Timestamp,
            "DATE" => Self::Date,
            "TIME" => Self::Time,
            "DATETIME" => Self::Datetime,
            "GEOGRAPHY" => Self::Geography,
            "JSON" => Self::Json,
            _ => return None,
        })
    }

    /// The name that REST answers with, whichever it was given.
    pub(crate) fn rest_name(self) -> &'static str {
        match self {
            Self::Text => "STRING",
            Self::Integer => "INTEGER",
            Self::Float => "FLOAT",
            Self::Boolean => "BOOLEAN",
            Self::Bytes => "BYTES",
            Self::Timestamp => "TIMESTAMP",
            Self::Date => "DATE",
            Self::Time => "TIME",
            Self::Datetime => "DATETIME",
            Self::Geography => "GEOGRAPHY",
            Self::Json => "JSON",
        }
    }

    fn write_type(self) -> Type {
        match self {
            Self::Text => Type::String,
            Self::Integer => Type::Int64,
            Self::Float => Type::Double,
            Self::Boolean => Type::Bool,
            Self::Bytes => Type::Bytes,
            Self::Timestamp => Type::Timestamp,
            Self::Date => Type::Date,
            Self::Time => Type::Time,
            Self::Datetime => Type::Datetime,
            Self::Geography => Type::Geography,
            Self::Json => Type::Json,
        }
    }

    /// How values are kept. GEOGRAPHY is well-known text, as it was written.
    pub(crate) fn arrow(self) -> DataType {
        match self {
            Self::Text | Self::Geography | Self::Json => DataType::Utf8,
            Self::Integer => DataType::Int64,
            Self::Float => DataType::Float64,
            Self::Boolean => DataType::Boolean,
            Self::Bytes => DataType::Binary,
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Self::Date => DataType::Date32,
            Self::Time => DataType::Time64(TimeUnit::Microsecond),
            Self::Datetime => DataType::Timestamp(TimeUnit::Microsecond, None),
        }
    }
}

impl Schema {
    fn new(columns: Vec<Column>) -> Self {
        let fields: Vec<Field> = columns
            .iter()
            .map(|column| Field::new(&column.name, column.kind.arrow(), !column.required))
            .collect();
        Self { columns, arrow: Arc::new(ArrowSchema::new(fields)) }
    }

    /// Reads `{"fields": [{"name", "type", "mode", …}]}`. The error is a
    /// sentence for a 400.
    pub(crate) fn from_rest(schema: &Value) -> Result<Self, String> {
        let fields = schema.get("fields").and_then(Value::as_array);
        let columns =
            fields.into_iter().flatten().map(Column::from_rest).collect::<Result<Vec<_>, _>>()?;
        for (index, column) in columns.iter().enumerate() {
            if columns[..index].iter().any(|other| other.is_named(&column.name)) {
                return Err(format!("Duplicate field name: {}", column.name));
            }
        }
        Ok(Self::new(columns))
    }

    /// As REST answers it: types by the names of old, modes as given.
    pub(crate) fn to_rest(&self) -> Value {
        json!({ "fields": self.columns.iter().map(Column::to_rest).collect::<Vec<_>>() })
    }

    /// As the Storage Write API tells it.
    pub(crate) fn to_write(&self) -> TableSchema {
        let fields = self.columns.iter().map(|column| TableFieldSchema {
            name: column.name.clone(),
            r#type: column.kind.write_type().into(),
            mode: if column.required { Mode::Required } else { Mode::Nullable }.into(),
            max_length: column.max_length.map_or(0, |length| length as i64),
            description: column.description.clone(),
            ..Default::default()
        });
        TableSchema { fields: fields.collect() }
    }

    /// Where the column of that name is; letter case does not matter.
    pub(crate) fn position(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.is_named(name))
    }

    /// Why a table of these columns cannot become one of `next`; `None` if it
    /// can. Columns may be added when they are nullable, and required ones may
    /// become nullable; nothing else.
    pub(crate) fn obstacle_to(&self, next: &Self) -> Option<String> {
        for column in &self.columns {
            let Some(index) = next.position(&column.name) else {
                return Some(format!("Field {} is missing in new schema", column.name));
            };
            let changed = &next.columns[index];
            if changed.kind != column.kind {
                return Some(format!(
                    "Field {} has changed type from {} to {}",
                    column.name,
                    column.kind.rest_name(),
                    changed.kind.rest_name()
                ));
            }
            if changed.required && !column.required {
                return Some(format!(
                    "Field {} has changed mode from NULLABLE to REQUIRED",
                    column.name
                ));
            }
        }
        let added = next.columns.iter().find(|c| self.position(&c.name).is_none() && c.required);
        added.map(|column| {
            format!("Cannot add required fields to an existing schema. (field: {})", column.name)
        })
    }
}

impl Column {
    fn from_rest(field: &Value) -> Result<Self, String> {
        let text = |key: &str| field.get(key).and_then(Value::as_str).unwrap_or_default();
        let name = text("name").to_owned();
        let valid = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
        if name.is_empty() || name.len() > 300 || !name.chars().all(valid) {
            return Err(format!("Invalid field name \"{name}\""));
        }
        let kind = Kind::from_rest(text("type")).ok_or_else(|| {
            format!("Field {name}: the stand-in holds no columns of type \"{}\"", text("type"))
        })?;
        let required = match text("mode").to_ascii_uppercase().as_str() {
            "" | "NULLABLE" => false,
            "REQUIRED" => true,
            mode => {
                return Err(format!(
                    "Field {name}: the stand-in holds no columns of mode \"{mode}\""
                ));
            }
        };
        let max_length = match text("maxLength") {
            "" => None,
            length => Some(length.parse().map_err(|_| format!("Field {name}: bad maxLength"))?),
        };
        Ok(Self { name, kind, required, max_length, description: text("description").to_owned() })
    }

    fn to_rest(&self) -> Value {
        let mut field = json!({
            "name": self.name,
            "type": self.kind.rest_name(),
            "mode": if self.required { "REQUIRED" } else { "NULLABLE" },
        });
        if let Some(length) = self.max_length {
            field["maxLength"] = length.to_string().into();
        }
        if !self.description.is_empty() {
            field["description"] = self.description.clone().into();
        }
        field
    }

    fn is_named(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }
}
