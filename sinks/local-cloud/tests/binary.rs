//! `bigquery-standin` as a process: its addresses, its control calls, its end.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use std::fs::File;
use std::process::Stdio;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use google_cloud_auth::credentials::anonymous::Builder as Anonymous;
use google_cloud_bigquery::client::Write;
use google_cloud_bigquery::model::{ArrowRecordBatch, ArrowSchema};
use google_cloud_bigquery::write::CommittedWriter;
use google_cloud_bigquery::write::format::Arrow;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Value, json};
use support::{TABLE, batch, serialized, within};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

/// POSTs JSON and reads the answer; an error status is `Err`.
async fn post(url: String, body: Value) -> Result<Value, ureq::Error> {
    let asked = tokio::task::spawn_blocking(move || {
        let mut answer = ureq::post(&url).send(body.to_string())?;
        answer.body_mut().read_to_string()
    });
    let answer = asked.await.unwrap()?;
    Ok(serde_json::from_str(&answer).unwrap())
}

#[tokio::test]
async fn a_process_announces_itself_obeys_and_leaves_parquet() {
    let out = tempfile::tempdir().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_bigquery-standin"))
        .arg("--out")
        .arg(out.path())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut assigned = async |name: &str| -> String {
        let line = within(lines.next_line()).await.unwrap().expect("a line for each address");
        line.strip_prefix(name).unwrap().strip_prefix('=').unwrap().to_owned()
    };
    let storage = assigned("BIGQUERY_STORAGE_ENDPOINT").await;
    let rest = assigned("BIGQUERY_REST_ENDPOINT").await;

    let datasets = format!("{rest}/projects/p/datasets");
    let dataset = json!({ "datasetReference": { "datasetId": "d" } });
    post(datasets.clone(), dataset).await.unwrap();
    let mut table = support::pings();
    table["tableReference"] = json!({ "tableId": "pings" });
    post(format!("{datasets}/d/tables"), table).await.unwrap();

    let client = Write::builder()
        .with_endpoint(&storage)
        .with_credentials(Anonymous::new().build())
        .build()
        .await
        .unwrap();
    let (schema, rows) = serialized(&batch(0..50));
    let schema = ArrowSchema::new().set_serialized_schema(schema);
    let rows = ArrowRecordBatch::new().set_serialized_record_batch(rows);
    let writer: CommittedWriter<Arrow> =
        client.create_stream(TABLE).build_arrow(schema).await.unwrap();

    let fault = json!({ "call": "append_rows", "fault": { "answer": "ABORTED" }, "times": 1 });
    post(format!("{rest}/standin/faults"), fault).await.unwrap();
    let misfit = json!({ "call": "rest", "fault": "cut_after" });
    assert!(post(format!("{rest}/standin/faults"), misfit).await.is_err());
    within(writer.append(rows.clone()).set_offset(0).send()).await.unwrap_err();
    within(writer.append(rows.clone()).set_offset(0).send()).await.unwrap();

    let stream = json!({ "stream": writer.write_stream() });
    let finalized = post(format!("{rest}/standin/streams/finalize"), stream).await.unwrap();
    assert_eq!(finalized, json!({ "rows": 50 }));
    within(writer.append(rows).set_offset(50).send()).await.unwrap_err();

    let pid = child.id().expect("it runs").to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().await.unwrap().success());
    assert!(within(child.wait()).await.unwrap().success());
    let file = File::open(out.path().join("d.pings.parquet")).unwrap();
    let batches = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
    let seqs = batches.flat_map(|batch| {
        let seq = batch.unwrap().column_by_name("seq").unwrap().clone();
        seq.as_primitive::<Int64Type>().values().to_vec()
    });
    assert_eq!(seqs.collect::<Vec<_>>(), (0..50).collect::<Vec<_>>());
}

#[tokio::test]
async fn only_loopback_is_served() {
    let refused = Command::new(env!("CARGO_BIN_EXE_bigquery-standin"))
        .args(["--rest", "0.0.0.0:0"])
        .output()
        .await
        .unwrap();
    assert_eq!(refused.status.code(), Some(1));
    let message = String::from_utf8_lossy(&refused.stderr);
    assert!(message.contains("not a loopback address"), "{message}");
}
