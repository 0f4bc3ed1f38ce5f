//! The few queries that are answered, without an SQL engine:
//!
//! ```text
//! SELECT aggregate [[AS] name], … FROM table [WHERE column op value [AND …]]
//! SELECT column [[AS] name], …    FROM table [WHERE column op value [AND …]]
//! aggregate: COUNT(*)  COUNT(column)  COUNT(DISTINCT column)  MIN(column)  MAX(column)
//! table:     dataset.table or project.dataset.table, with or without backticks
//! op:        =  <  <=  >  >=  !=  <>
//! value:     integer, 'text', TRUE, FALSE, DATE 'yyyy-mm-dd', @parameter
//! ```
//!
//! Columns that are compared or aggregated are STRING, INTEGER, BOOLEAN, DATE or
//! TIMESTAMP; those that are selected may be FLOAT or GEOGRAPHY too. A TIMESTAMP
//! is compared with a number of microseconds or a text, and answered in
//! microseconds. A comparison with NULL is false. Anything else is refused, never
//! guessed.

mod parse;
mod run;

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::warehouse::{CatalogueError, Warehouse};

/// What a query answers: one row of aggregates, or rows.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) columns: Vec<AnswerColumn>,
    /// A value for each column, as REST tells it: text, whatever the type;
    /// `None` is NULL.
    pub(crate) rows: Vec<Vec<Option<String>>>,
}

/// One column of the rows.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AnswerColumn {
    pub(crate) name: String,
    /// As of a schema.
    pub(crate) rest_type: &'static str,
}

/// Values of named parameters, as their `parameterValue.value`.
pub(crate) type Parameters = BTreeMap<String, String>;

/// A value that columns are compared with, or that an aggregate found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Scalar {
    Integer(i64),
    Text(String),
}

/// Runs one query.
pub(crate) fn answer(
    warehouse: &Warehouse,
    sql: &str,
    default_dataset: Option<&Json>,
    parameters: &Parameters,
) -> Result<Answer, CatalogueError> {
    let query = parse::query(sql, parameters).map_err(|reason| {
        CatalogueError::Invalid(format!("the stand-in does not run this query: {reason}: {sql}"))
    })?;
    let dataset = default_dataset.and_then(|d| d.get("datasetId")).and_then(Json::as_str);
    let name = match (query.table.contains('.'), dataset) {
        (false, Some(dataset)) => format!("{dataset}.{}", query.table),
        _ => query.table.clone(),
    };
    let table = warehouse.table(warehouse.find_table(&name)?)?;
    run::query(&query, table)
}
