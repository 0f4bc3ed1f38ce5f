//! Settings that name what is in BigQuery.

use sinks::bigquery::{Dataset, is_table_name};

use super::text::quoted;
use super::{Domain, Literal, unexpected};

/// A dataset of a project, or `""` for none.
pub(in crate::config) struct Datasets;

impl Domain for Datasets {
    type Value = Option<Dataset>;

    fn expects(&self) -> String {
        "\"projects/PROJECT/datasets/DATASET\", or \"\" for none".into()
    }

    fn read(&self, literal: &Literal) -> Result<Option<Dataset>, String> {
        match literal.text() {
            Some("") => Ok(None),
            Some(text) => text.parse().map(Some).map_err(|_| unexpected(self, literal)),
            None => Err(unexpected(self, literal)),
        }
    }

    fn write(&self, value: &Option<Dataset>) -> String {
        quoted(&value.as_ref().map(Dataset::to_string).unwrap_or_default())
    }
}

/// A table of a dataset, without the dataset.
pub(in crate::config) struct TableName;

impl Domain for TableName {
    type Value = String;

    fn expects(&self) -> String {
        "a name of letters, digits and underscores".into()
    }

    fn read(&self, literal: &Literal) -> Result<String, String> {
        match literal.text() {
            Some(text) if is_table_name(text) => Ok(text.into()),
            _ => Err(unexpected(self, literal)),
        }
    }

    fn write(&self, value: &String) -> String {
        quoted(value)
    }
}
