//! Rows as they arrive and as they are kept.
//!
//! Either format ends as one Arrow array for each column of the table, in the
//! table's order; the checks of values and the keeping know only that.

pub(crate) mod arrow;
pub(crate) mod check;
pub(crate) mod log;
pub(crate) mod proto;

use arrow_array::{ArrayRef, RecordBatch, new_null_array};

use super::schema::Schema;

/// One value for each row and column of a table, not yet checked.
#[derive(Debug)]
pub(crate) struct Columns {
    pub(crate) arrays: Vec<ArrayRef>,
    pub(crate) rows: usize,
}

impl Columns {
    /// The rows as they are kept. They must have passed [`check::rows`].
    pub(crate) fn into_batch(self, schema: &Schema) -> RecordBatch {
        RecordBatch::try_new(schema.arrow.clone(), self.arrays)
            .expect("each array was made for its column and no required value is missing")
    }
}

/// `batch`, kept when the table had fewer columns, as a batch of `schema`.
pub(crate) fn widened(batch: &RecordBatch, schema: &Schema) -> RecordBatch {
    if batch.schema_ref() == &schema.arrow {
        return batch.clone();
    }
    let arrays = schema.columns.iter().map(|column| match batch.column_by_name(&column.name) {
        Some(array) => array.clone(),
        None => new_null_array(&column.kind.arrow(), batch.num_rows()),
    });
    RecordBatch::try_new(schema.arrow.clone(), arrays.collect())
        .expect("a table's columns keep name and type, and those added are nullable")
}
