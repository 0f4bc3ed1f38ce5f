//! Whether a table takes the rows that are written.

use gcp_bigquery_client::model::table_field_schema::TableFieldSchema;

use super::dataset::Dataset;
use super::definition::TableDefinition;
use super::rest::{Rest, RestError};

/// A table does not take the rows, or nobody could tell.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// There is no such table.
    #[error(
        "{table} does not exist; `fleetstream bigquery ensure` creates it in an existing dataset"
    )]
    Missing {
        /// The table.
        table: String,
    },
    /// It has other columns.
    #[error(
        "{table} does not take the rows that are written: {}; `fleetstream bigquery ensure` adds \
         columns that are missing",
        .differences.join("; ")
    )]
    Unfit {
        /// The table.
        table: String,
        /// What does not fit, column by column.
        differences: Vec<String>,
    },
    /// BigQuery could not be asked.
    #[error(transparent)]
    Rest(#[from] RestError),
}

impl CheckError {
    /// Whether the same check may come out differently with nothing put right
    /// by anybody.
    #[must_use]
    pub fn passes(&self) -> bool {
        matches!(self, Self::Rest(error) if error.passes())
    }
}

/// Whether the table `name` is there and takes the rows of `definition`.
pub(super) async fn check(
    rest: &Rest,
    dataset: &Dataset,
    name: &str,
    definition: &TableDefinition,
) -> Result<(), CheckError> {
    let table = dataset.table_path(name);
    let Some(found) = rest.table(dataset, name).await? else {
        return Err(CheckError::Missing { table });
    };
    let found = found.schema.fields.unwrap_or_default();
    let differences: Vec<String> =
        differences(&definition.fields(), &found).iter().map(Difference::to_string).collect();
    if differences.is_empty() { Ok(()) } else { Err(CheckError::Unfit { table, differences }) }
}

/// Why a column of a table does not take what is written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Difference {
    /// The table lacks it.
    #[error("column {0} is missing")]
    Missing(String),
    /// It holds something else.
    #[error("column {column} is {found}, not {wanted}")]
    Kind { column: String, found: String, wanted: String },
    /// Rows that lack it are refused.
    #[error("column {0} must not be REQUIRED: rows may lack it")]
    Required(String),
}

/// What of `found` keeps rows with the columns `wanted` out.
pub(super) fn differences(
    wanted: &[TableFieldSchema],
    found: &[TableFieldSchema],
) -> Vec<Difference> {
    let mut differences = Vec::new();
    for column in wanted {
        let name = || column.name.clone();
        // BigQuery's names of columns know no case.
        let Some(other) = found.iter().find(|it| it.name.eq_ignore_ascii_case(&column.name)) else {
            differences.push(Difference::Missing(name()));
            continue;
        };
        let (kind, other_kind) = (kind(column), kind(other));
        if kind != other_kind || is(other, "REPEATED") {
            let found = if is(other, "REPEATED") { "REPEATED".into() } else { other_kind };
            differences.push(Difference::Kind { column: name(), found, wanted: kind });
        } else if is(other, "REQUIRED") && !is(column, "REQUIRED") {
            differences.push(Difference::Required(name()));
        }
    }
    let unknown = |field: &&TableFieldSchema| {
        !wanted.iter().any(|column| column.name.eq_ignore_ascii_case(&field.name))
    };
    let required = found.iter().filter(unknown).filter(|field| is(field, "REQUIRED"));
    differences.extend(required.map(|field| Difference::Required(field.name.clone())));
    differences
}

fn is(field: &TableFieldSchema, mode: &str) -> bool {
    field.mode.as_deref() == Some(mode)
}

/// The type, by the first of its two names.
fn kind(field: &TableFieldSchema) -> String {
    let value = serde_json::to_value(&field.r#type).ok();
    match value.as_ref().and_then(|value| value.as_str()).unwrap_or_default() {
        "INT64" => "INTEGER".to_owned(),
        "FLOAT64" => "FLOAT".to_owned(),
        "BOOL" => "BOOLEAN".to_owned(),
        other => other.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(json: &str) -> Vec<TableFieldSchema> {
        serde_json::from_str(json).unwrap()
    }

    fn told(wanted: &str, found: &str) -> Vec<String> {
        differences(&fields(wanted), &fields(found)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_table_that_takes_every_row_fits() {
        let wanted = r#"[{"name":"n","type":"INTEGER","mode":"REQUIRED"},
                         {"name":"f","type":"FLOAT","mode":"NULLABLE"}]"#;
        assert_eq!(told(wanted, wanted), [""; 0]);
        let found = r#"[{"name":"other","type":"STRING"},{"name":"F","type":"FLOAT64"},
                        {"name":"n","type":"INT64","mode":"NULLABLE"}]"#;
        assert_eq!(told(wanted, found), [""; 0]);
    }

    #[test]
    fn every_column_that_does_not_fit_is_named() {
        let wanted = r#"[{"name":"a","type":"INTEGER","mode":"REQUIRED"},
                         {"name":"b","type":"GEOGRAPHY","mode":"NULLABLE"},
                         {"name":"c","type":"FLOAT","mode":"NULLABLE"},
                         {"name":"d","type":"FLOAT","mode":"NULLABLE"}]"#;
        let found = r#"[{"name":"b","type":"STRING"},{"name":"c","type":"FLOAT","mode":"REQUIRED"},
                        {"name":"d","type":"FLOAT","mode":"REPEATED"},
                        {"name":"x","type":"STRING","mode":"REQUIRED"}]"#;
        assert_eq!(
            told(wanted, found),
            [
                "column a is missing",
                "column b is STRING, not GEOGRAPHY",
                "column c must not be REQUIRED: rows may lack it",
                "column d is REPEATED, not FLOAT",
                "column x must not be REQUIRED: rows may lack it",
            ]
        );
    }
}
