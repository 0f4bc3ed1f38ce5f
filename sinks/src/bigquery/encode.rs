//! Rows as the Storage Write API takes them: messages of Arrow's IPC format,
//! the schema in one, the rows in another.

use arrow_array::RecordBatch;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{ArrowError, Field, Schema, SchemaRef};
use bytes::Bytes;

use crate::SinkError;

/// The schema of a table.
pub(super) fn schema(schema: &SchemaRef) -> Result<Bytes, SinkError> {
    let writer = writer(schema).map_err(refused)?;
    Ok(Bytes::copy_from_slice(writer.get_ref()))
}

/// Rows of a table.
pub(super) fn rows(batch: &RecordBatch) -> Result<Bytes, SinkError> {
    let encode = || {
        let mut writer = writer(batch.schema_ref())?;
        writer.flush()?;
        let schema_end = writer.get_ref().len();
        let plain = plain(batch.schema_ref());
        writer.write(&RecordBatch::try_new(plain, batch.columns().to_vec())?)?;
        // What follows the schema; an end of the stream is not written.
        Ok(Bytes::from(std::mem::take(writer.get_mut())).slice(schema_end..))
    };
    encode().map_err(refused)
}

fn writer(schema: &SchemaRef) -> Result<StreamWriter<Vec<u8>>, ArrowError> {
    let mut writer = StreamWriter::try_new(Vec::new(), &plain(schema))?;
    writer.flush()?;
    Ok(writer)
}

/// The schema without descriptions, which the table has itself.
fn plain(schema: &SchemaRef) -> SchemaRef {
    let fields = schema.fields().iter();
    let plain = fields
        .map(|field| Field::new(field.name(), field.data_type().clone(), field.is_nullable()));
    Schema::new(plain.collect::<Vec<_>>()).into()
}

fn refused(error: ArrowError) -> SinkError {
    SinkError::Encode { what: "rows for BigQuery", source: Box::new(error) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use arrow_ipc::reader::StreamReader;

    use super::*;
    use crate::archive::PingTable;
    use crate::bigquery::slices::slices;
    use crate::testing::segment_of_days;

    #[test]
    fn the_two_messages_are_a_stream_of_arrow() {
        let segment = segment_of_days(1, 100, 3);
        let none = BTreeSet::new();
        let batch = slices(&mut PingTable, &segment, 0, &none).unwrap().remove(0);
        let mut bytes = schema(batch.schema_ref()).unwrap().to_vec();
        bytes.extend(rows(&batch).unwrap());
        let read: Vec<_> =
            StreamReader::try_new(&bytes[..], None).unwrap().map(Result::unwrap).collect();
        let [read] = read.as_slice() else { panic!("{} batches", read.len()) };
        assert_eq!(read.columns(), batch.columns());
    }
}
