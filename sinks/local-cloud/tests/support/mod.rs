//! What the tests of the stand-in share: a server with a table, and rows.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::sync::Arc;
use std::time::Duration;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow_ipc::writer::StreamWriter;
use local_cloud::bigquery::{Options, Standin, TableName};
use serde_json::{Value, json};

/// The table of [`standin`], as the Storage Write API names it.
pub(crate) const TABLE: &str = "projects/p/datasets/d/tables/pings";

/// A stand-in with the empty table `d.pings`.
pub(crate) async fn standin() -> Standin {
    let standin = Standin::start(Options::default()).await.unwrap();
    standin.create_dataset("p", "d").unwrap();
    standin.create_table(&TableName::new("p", "d", "pings"), &pings()).unwrap();
    standin
}

/// A table of four columns, the first two required.
pub(crate) fn pings() -> Value {
    json!({ "schema": { "fields": [
        { "name": "vehicle_id", "type": "STRING", "mode": "REQUIRED" },
        { "name": "seq", "type": "INT64", "mode": "REQUIRED" },
        { "name": "location", "type": "GEOGRAPHY" },
        { "name": "note", "type": "STRING", "maxLength": "8" },
    ]}})
}

/// Rows of `d.pings` with these `seq`, the location of each given by `place`.
pub(crate) fn located(
    seqs: impl IntoIterator<Item = i64>,
    place: impl Fn(i64) -> String,
) -> RecordBatch {
    let seqs: Vec<i64> = seqs.into_iter().collect();
    let vehicles: StringArray = seqs.iter().map(|seq| Some(format!("bus-{}", seq % 7))).collect();
    let places: StringArray = seqs.iter().map(|seq| Some(place(*seq))).collect();
    let columns: [(&str, ArrayRef); 3] = [
        ("vehicle_id", Arc::new(vehicles)),
        ("seq", Arc::new(Int64Array::from(seqs))),
        ("location", Arc::new(places)),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

/// Rows of `d.pings` that fit.
pub(crate) fn batch(seqs: impl IntoIterator<Item = i64>) -> RecordBatch {
    located(seqs, |_| "POINT(16.37 48.21)".to_owned())
}

/// A batch in two messages of Arrow's stream format: its schema, its rows.
pub(crate) fn serialized(batch: &RecordBatch) -> (Vec<u8>, Vec<u8>) {
    let mut writer = StreamWriter::try_new(Vec::new(), batch.schema_ref()).unwrap();
    writer.flush().unwrap();
    let schema = writer.get_ref().clone();
    writer.write(batch).unwrap();
    let rows = writer.get_ref()[schema.len()..].to_vec();
    (schema, rows)
}

/// `seq` of every visible row of a table, in order.
pub(crate) fn seqs(standin: &Standin, table: &str) -> Vec<i64> {
    let batches = standin.rows(table).unwrap();
    let columns = batches.iter().map(|batch| batch.column_by_name("seq").unwrap().clone());
    columns.flat_map(|c| c.as_primitive::<Int64Type>().values().to_vec()).collect()
}

/// Fails loudly instead of hanging.
pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), future).await.expect("answered within 30 s")
}
